"""Dangers of ring plans: what a change takes away from the care that a rollout is done with."""

from collections.abc import Iterator
from datetime import timedelta

from ringtide_contract.manifest import Probation
from ringtide_engine.compile.schedule import gate_words
from ringtide_engine.compile.steps import at
from ringtide_engine.compile.words import duration, percent
from ringtide_engine.model.dangers import Danger, danger
from ringtide_engine.model.desired import DesiredState, Gate, Ring, RingPlan
from ringtide_engine.model.finding import Place


def ring_dangers(before: DesiredState, after: DesiredState) -> Iterator[Danger]:
    """Yield what ring plans, and rollouts that take another, lose since the base."""
    for name in sorted(before.ring_plans.keys() & after.ring_plans.keys()):
        yield from _weaker(before.ring_plans[name], after.ring_plans[name], after, name)
    for name in sorted(before.rollouts.keys() & after.rollouts.keys()):
        old, new = before.rollouts[name].ring_plan, after.rollouts[name].ring_plan
        if old != new and old in before.ring_plans and new in after.ring_plans:
            for each in _weaker(
                before.ring_plans[old], after.ring_plans[new], after, f"{name} follows {new}, not {old}"
            ):
                yield danger(each.id, at(after, after.rollouts[name].path, "/ringPlan"), each.message)
    yield from _probation(before.fleet.probation, after.fleet.probation, at(after, "fleet.yaml", "/defaults/probation"))


def _weaker(old: RingPlan, new: RingPlan, state: DesiredState, name: str) -> Iterator[Danger]:
    olds, news = {ring.name: ring for ring in old.rings}, {ring.name: ring for ring in new.rings}
    place = at(state, new.path, "/rings")
    gone = [ring for ring in olds if ring not in news]
    if gone:
        yield danger("RT-DANGER-004", place, f"{name}: gone: ring {', '.join(gone)}; left: {', '.join(news)}")
    kept, now = [ring for ring in olds if ring in news], [ring for ring in news if ring in olds]
    if kept != now:
        yield danger("RT-DANGER-004", place, f"{name}: the rings come as {', '.join(now)}, not {', '.join(kept)}")
    if new.control < old.control:
        message = f"{name}: control {percent(new.control)} instead of {percent(old.control)}"
        yield danger("RT-DANGER-007", at(state, new.path, "/control"), message)
    for number, ring in enumerate(new.rings):
        if ring.name in olds:
            yield from _ring(olds[ring.name], ring, state, (new.path, f"/rings/{number}", f"{name}, ring {ring.name}"))


def _ring(old: Ring, new: Ring, state: DesiredState, where: tuple[str, str, str]) -> Iterator[Danger]:
    path, pointer, name = where

    def flag(id_: str, field: str, what: str) -> Danger:
        return danger(id_, at(state, path, f"{pointer}/{field}"), f"{name}: {what}")

    if old.share is not None and new.share is not None and new.share > old.share:
        yield flag("RT-DANGER-004", "share", f"reaches {percent(new.share)} instead of {percent(old.share)}")
    if old.cohort != new.cohort:
        was = f"cohort {old.cohort}" if old.cohort else f"{percent(old.share or old.quorum)} of everybody"
        is_ = f"cohort {new.cohort}" if new.cohort else f"{percent(new.share or new.quorum)} of everybody"
        yield flag("RT-DANGER-004", "cohort", f"reaches {is_} instead of {was}")
    if new.minimum_per_stratum > old.minimum_per_stratum:
        what = f"at least {new.minimum_per_stratum} a stratum instead of {old.minimum_per_stratum}"
        yield flag("RT-DANGER-004", "minimumPerStratum", what)
    spans: tuple[tuple[str, timedelta, timedelta], ...] = (
        ("soak", old.soak, new.soak),
        ("deadline", old.deadline, new.deadline),
        ("spread", old.spread, new.spread),
    )
    for field, was_, is__ in spans:
        if is__ < was_:
            yield flag("RT-DANGER-005", field, f"{field} {duration(is__)} instead of {duration(was_)}")
    if (old.windows or old.site_windows) and not (new.windows or new.site_windows):
        yield flag("RT-DANGER-005", "windows", "devices may switch at any time, not in windows only")
    if new.quorum < old.quorum:
        yield flag("RT-DANGER-006", "quorum", f"quorum {percent(new.quorum)} instead of {percent(old.quorum)}")
    gates = {gate.metric: (number, gate) for number, gate in enumerate(new.gates)}
    for gate in old.gates:
        number, found = gates.get(gate.metric, (0, None))
        if found is None:
            yield flag("RT-DANGER-006", "gates", f"the gate {gate_words(gate)} is gone")
        elif _is_looser(gate, found):
            yield flag("RT-DANGER-006", f"gates/{number}", f"{gate_words(found)} instead of {gate_words(gate)}")


def _is_looser(old: Gate, new: Gate) -> bool:
    if new.compare != old.compare:
        return True
    limit = new.limit < old.limit if old.compare == "atLeast" else new.limit > old.limit
    return limit or new.min_devices < old.min_devices or new.min_requests < old.min_requests


def _probation(old: Probation, new: Probation, place: Place) -> Iterator[Danger]:
    if new.seconds < old.seconds:
        was, is_ = (duration(timedelta(seconds=each.seconds)) for each in (old, new))
        yield danger("RT-DANGER-005", place, f"the fleet's probation lasts {is_} instead of {was}")
    weaker = [
        name
        for name, less in (
            ("minRequests", new.min_requests < old.min_requests),
            ("maxFailures", new.max_failure_ppm > old.max_failure_ppm),
            ("maxOverBudget", new.max_over_budget_ppm > old.max_over_budget_ppm),
            ("minAgreement", new.min_agreement_ppm < old.min_agreement_ppm),
        )
        if less
    ]
    if weaker:
        yield danger("RT-DANGER-006", place, f"the fleet's probation asks for less: {', '.join(weaker)}")
