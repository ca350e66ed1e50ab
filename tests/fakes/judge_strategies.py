"""Fleets, ring plans and devices of every behaviour, for laws of the judge."""

import random
from dataclasses import replace

from hypothesis import strategies as st

from fakes.judged_rollouts import Behaviour, gate, on_stable, plan, ring
from fakes.reporting_devices import STABLE, counters, model
from ringtide_contract.report import ModelReport
from ringtide_engine.model.evidence import Subject

PROVEN = tuple(
    replace(gate(metric, compare, limit, devices=2), assurance="proven")
    for metric, compare, limit in (("updateSuccess", "atLeast", "1/2"), ("inferenceSuccess", "atLeast", "8/10"))
)
COMPARED = (
    gate("inferenceSuccess", "noWorseThanControl", "1/20", devices=2, requests=50),
    gate("p95Latency", "noWorseThanControl", "1/10", devices=2, requests=50),
)

PLANS = st.sampled_from(
    [
        plan(ring("canary", "1/10"), ring("pilot", "1/2"), ring("rest", "1")),
        plan(ring("canary", "1/4"), ring("again", "1/4"), ring("rest", "1")),
        plan(ring("europe", None, cohort="eu"), ring("half", "1/2"), ring("rest", "1"), control="1/5"),
        plan(ring("sites", "1/5"), ring("rest", "1"), unit="site"),
        plan(ring("proven", "1/3", gates=PROVEN), ring("rest", "1", gates=PROVEN)),
        plan(ring("compared", "1/3", gates=COMPARED), ring("rest", "1"), control="1/3"),
        plan(ring("ungated", "1/4", gates=()), ring("half", "1/2", gates=()), ring("rest", "1", gates=())),
    ]
)
DEVICES = st.integers(min_value=0, max_value=40)
SEEDS = st.integers(min_value=0, max_value=2**32)
STEPS = st.integers(min_value=1, max_value=5)

SAID = ("confirmed", "confirmed", "confirmed", "probation", "stable", "reverted", "refused", "failing", "silent")


def behaviour(seed: int, said: tuple[str, ...] = SAID) -> Behaviour:
    """Return devices that each do one of `said`, by the seed."""

    def behave(each: Subject) -> ModelReport | None:
        chosen = random.Random(f"{seed} {each.device}").choice(said)
        match chosen:
            case "silent":
                return None
            case "stable":
                return on_stable(each)
            case "reverted":
                return model("reverted", STABLE, desired=each.manifest, failed="golden")
            case "refused":
                return model("refused", STABLE, desired=each.manifest, failed="budget")
            case "failing":
                return model("confirmed", each.manifest, counters(each.manifest, 100, failures=30))
            case _:
                return model(chosen, each.manifest, counters(each.manifest))

    return behave
