"""Laws of rollouts, over the judge and the compiler together."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.desired_states import desired_state
from fakes.judge_strategies import PLANS, SAID, SEEDS, behaviour
from fakes.judged_rollouts import NAME, World, fleet, plan, ring
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest
from ringtide_contract.manifest import Manifest
from ringtide_contract.quarantine import QuarantineEntry
from ringtide_engine.compile import compile_tree
from ringtide_engine.resolve import resolve

FEW = settings(max_examples=25, deadline=None)

VERSIONS = ("1.0.0", "1.1.0", "1.2.0")


def entry(version: str, subject: str, graphs: tuple[Digest, ...]) -> QuarantineEntry:
    return QuarantineEntry(subject=subject, model="digits", release=version, graphs=graphs, reason="it hurt")  # type: ignore[arg-type]


@FEW
@given(
    banned=st.sampled_from(VERSIONS),
    subject=st.sampled_from(["release", "artifact"]),
    steps=st.integers(min_value=0, max_value=4),
    seed=SEEDS,
)
def test_a_quarantined_graph_is_in_no_manifest(banned: str, subject: str, steps: int, seed: int) -> None:
    """Under any version name: compile leaves the rollout of it out, and refuses to place it."""
    world = World(state=fleet(30)).judged()
    for step in range(steps):
        world = world.later(timedelta(hours=2)).heard(behaviour(seed + step, ("confirmed", "probation"))).judged()
    graphs = tuple(variant.file.sha256 for variant in world.state.releases["digits", banned].variants)
    listed = entry(banned if subject == "release" else "9.9.9", subject, graphs)
    state = replace(world.state, quarantine=(listed,))
    if banned == "1.0.0":  # what everybody runs
        with pytest.raises(InputError, match="quarantined"):
            compile_tree(state, resolve(state), None)
        return
    tree = compile_tree(state, resolve(state), None)
    manifests = [Manifest.decode(content) for path, content in tree.files.items() if path.startswith("manifests/")]
    assert manifests
    assert not {artifact.sha256 for each in manifests for artifact in each.artifacts} & set(graphs)


def test_compile_refuses_to_place_what_is_quarantined() -> None:
    state = desired_state(6)
    state = replace(state, quarantine=(entry("1.0.0", "release", ()),))
    with pytest.raises(InputError, match=r"digits 1\.0\.0 is quarantined, yet placed or pinned: it hurt"):
        compile_tree(state, resolve(state), None)


@FEW
@given(ring_plan=PLANS, devices=st.integers(min_value=0, max_value=40), seed=SEEDS)
def test_a_rollout_reaches_an_end_or_a_stated_hold(ring_plan: object, devices: int, seed: int) -> None:
    """Whatever devices do: after every deadline it has ended, or the judge says why not, and that it is stuck."""
    world = World(state=fleet(devices, ring_plan=ring_plan)).judged()  # type: ignore[arg-type]
    for step in range(14):
        world = world.later(timedelta(days=1)).heard(behaviour(seed + step // 5, SAID)).judged()
        if world.state.progress[NAME].phase != "rolling":
            break
    verdict = world.verdict()
    assert verdict.reasons
    if verdict.progress.phase == "rolling" and verdict.kind == "hold":
        codes = {reason.code for reason in verdict.reasons}
        opened = world.state.progress[NAME].rings
        overdue = bool(opened) and world.now >= opened[-1].opened_at + timedelta(days=3)
        assert all(reason.text for reason in verdict.reasons)
        assert not overdue or codes & {"stuck", "no-devices"}


@FEW
@given(seed=SEEDS, days=st.integers(min_value=0, max_value=30))
def test_what_has_rolled_back_stays_back(seed: int, days: int) -> None:
    world = World(state=fleet(24, ring_plan=plan(ring("canary", "1/4"), ring("rest", "1")))).judged()
    world = world.later(timedelta(hours=1)).heard(behaviour(seed, ("reverted",))).judged()
    assert world.state.progress[NAME].phase == "rolledBack"
    state = world.later(timedelta(days=days)).state
    tree = compile_tree(state, resolve(state), None)
    releases = {Manifest.decode(body).release for path, body in tree.files.items() if path.startswith("manifests/")}
    assert releases == {"1.0.0"}
