"""What does not happen because people have said so: rollouts that are paused or aborted, rings within a freeze."""

from collections.abc import Iterator

from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.plan_report import NO_DEVICES, Omission


def said_by_people(state: DesiredState) -> Iterator[Omission]:
    """Yield what people hold back of rollouts that have not finished; a plan knows no present, so every freeze counts."""
    for name in sorted(state.rollouts):
        rollout, progress = state.rollouts[name], state.progress.get(name)
        if progress is not None and progress.phase != "rolling":
            continue
        if rollout.abort is not None:
            yield Omission(
                kind="finished",
                subject=f"rollout {name}",
                message=f"{rollout.candidate} reaches nobody more, and is taken back with the next verdict",
                why=f"aborted by {rollout.abort.by}: {rollout.abort.reason}",
                devices=NO_DEVICES,
                until="a rollout of another name brings it again",
            )
            continue
        if rollout.paused is not None:
            yield Omission(
                kind="paused",
                subject=f"rollout {name}",
                message="no further ring opens",
                why=f"paused by {rollout.paused.by}: {rollout.paused.reason}",
                devices=NO_DEVICES,
                until="the pause is taken out of the rollout",
            )
        for freeze in state.fleet.freezes:
            yield Omission(
                kind="paused",
                subject=f"rollout {name}",
                message=f"no ring opens from {freeze.first} until {freeze.until}, {freeze.zone}",
                why=f"the fleet is frozen: {freeze.reason}",
                devices=NO_DEVICES,
                until=f"{freeze.until} begins in {freeze.zone}",
            )
