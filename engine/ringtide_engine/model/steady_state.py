"""What a placement runs in steady state, and which rollouts change it."""

from ringtide_engine.model.desired import DesiredState, Placement, Rollout
from ringtide_engine.model.progress import Progress


def rollouts_of(state: DesiredState, placement: Placement) -> tuple[tuple[Rollout, Progress | None], ...]:
    """Return the rollouts of a placement with their progress, by name.

    Progress of another candidate, which is a finding, opens no ring to this one.
    """
    rollouts = (state.rollouts[name] for name in sorted(state.rollouts))
    return tuple((each, _progress_of(state, each)) for each in rollouts if each.placement == placement.name)


def unfinished(state: DesiredState, placement: Placement) -> tuple[Rollout, ...]:
    """Return the rollouts of a placement that are not yet started, or rolling."""
    return tuple(
        rollout
        for rollout, progress in rollouts_of(state, placement)
        if progress is None or progress.phase == "rolling"
    )


def stable_version(state: DesiredState, placement: Placement) -> str | None:
    """Return the version of a placement's steady state.

    It is the candidate of the rollout that completed last, as long as the rollout's file is there; a person folds it
    into the placement and removes the file, with those of older ones, in one change. Without such a rollout it is the
    placement's own release.
    """
    completed = [
        (progress.last.at, rollout.name, progress.stable)
        for rollout, progress in rollouts_of(state, placement)
        if progress is not None and progress.phase == "completed" and progress.stable is not None
    ]
    return max(completed)[2] if completed else placement.release


def _progress_of(state: DesiredState, rollout: Rollout) -> Progress | None:
    progress = state.progress.get(rollout.name)
    return progress if progress is not None and progress.candidate == rollout.candidate else None
