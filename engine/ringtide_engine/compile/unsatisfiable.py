"""Rings and gates that can never pass as the fleet stands."""

from collections.abc import Iterator, Mapping

from ringtide_engine.compile.plan import Comparison
from ringtide_engine.compile.schedule import RingTimes, gate_words
from ringtide_engine.compile.steps import at
from ringtide_engine.compile.words import count, duration
from ringtide_engine.model.plan_report import Unsatisfiable


def unsatisfiable(compared: Comparison, times: Mapping[str, Mapping[str, RingTimes]]) -> Iterator[Unsatisfiable]:
    """Yield what the rings of the change ask for, and cannot get."""
    side = compared.after.side
    if side is None:
        return
    before: dict[str, int] = {}
    for row in compared.rows:
        if row.rollout is None or row.ring is None:
            continue
        plan = side.state.ring_plans[side.state.rollouts[row.rollout].ring_plan]
        number, ring = next((n, each) for n, each in enumerate(plan.rings) if each.name == row.ring)
        own = sum(device not in compared.after.held for device in row.all("going"))
        devices = own or before.get(row.rollout, 0)
        before[row.rollout] = before.get(row.rollout, 0) + own
        if row.is_now:
            continue  # what has opened is the judge's to say
        if not devices:
            why = "it exposes no device that can take the release, nor does any ring before it"
            place = at(side.state, plan.path, f"/rings/{number}")
            yield Unsatisfiable(rollout=row.rollout, ring=ring.name, gate=None, why=why, place=place)
            continue
        for position, gate in enumerate(ring.gates):
            if gate.min_devices > devices:
                why = f"it asks for {count(gate.min_devices)}, and {ring.name} exposes {devices}"
                place = at(side.state, plan.path, f"/rings/{number}/gates/{position}/minDevices")
                yield Unsatisfiable(rollout=row.rollout, ring=ring.name, gate=gate_words(gate), why=why, place=place)
        known = times.get(row.rollout, {}).get(ring.name)
        if known is not None and known.takes is not None and known.takes > ring.deadline:
            why = (
                f"it takes {duration(known.takes)} ({known.finishes.reason}), its deadline is {duration(ring.deadline)}"
            )
            place = at(side.state, plan.path, f"/rings/{number}/deadline")
            yield Unsatisfiable(rollout=row.rollout, ring=ring.name, gate=None, why=why, place=place)
