"""Plans: two desired states side by side, device by device.

The digest of a plan must mean the same when a reviewer sees it and when publish checks it. So it holds no time and no
commit, and the judge is left out twice over: the two roots are those of trees compiled without the judge's files, and
the moves of devices are computed with the base's progress and quarantine on both sides. A verdict between review and
merge thus leaves the digest alone, unless it changes what the reviewed edit does to devices (say, the rollout that the
edit removes has completed meanwhile): then the digest differs, and publish refuses until somebody looks again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ringtide_contract.ids import Digest
from ringtide_engine.compile.forecast import Units
from ringtide_engine.compile.rows import Going, counted, rollout_rows, steady_rows
from ringtide_engine.compile.sides import Picture, Side, Transitions, transitions
from ringtide_engine.model.plan import Change, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two sides compared: the plan, and what it was counted from."""

    plan: Plan
    """The plan."""
    before: Picture
    """What devices run."""
    after: Picture
    """What they shall run."""
    ways: Transitions
    """From which class to which class devices go."""
    rows: tuple[Going, ...]
    """The devices behind the plan's rows, in the same order."""


def make_plan(base: Side | None, head: Side, units: Mapping[str, Units], policy: Digest) -> Plan:
    """Compare two desired states, see `compare`.

    Raises:
        InputError: A release lacks a budget or an artifact store.
    """
    return compare(base, head, units, policy).plan


def compare(base: Side | None, head: Side, units: Mapping[str, Units], policy: Digest) -> Comparison:
    """Compare two desired states.

    Args:
        base: What was published; None before the first publication.
        head: What shall be published.
        units: Rollout under way in `head` to its strata, devices and units.
        policy: SHA-256 of the policy verdict.

    Raises:
        InputError: A release lacks a budget or an artifact store.
    """
    before, after = Picture(base), Picture(head)
    ways = transitions(before, after)
    steady, changes = steady_rows(before, after, ways)
    rows = (*steady, *rollout_rows(before, after, head, units))
    plan = Plan(
        base=base.root if base else None,
        head=head.root,
        policy=policy,
        changes=tuple(
            Change(
                model=model,
                before=Digest(old) if old else None,
                after=Digest(new) if new else None,
                devices=tuple(sorted(devices)),
            )
            for (model, old, new), devices in sorted(changes.items())
        ),
        rows=tuple(counted(each, after.held) for each in rows),
    )
    return Comparison(plan=plan, before=before, after=after, ways=ways, rows=rows)
