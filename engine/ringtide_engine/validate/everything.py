"""The room's first door: every built-in check."""

from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Finding
from ringtide_engine.validate.budgets import budgets
from ringtide_engine.validate.changed_rollouts import changed_rollouts
from ringtide_engine.validate.devices import devices
from ringtide_engine.validate.guard import guard
from ringtide_engine.validate.members import members_of
from ringtide_engine.validate.own_agent import own_agent
from ringtide_engine.validate.people import people
from ringtide_engine.validate.placements import placements
from ringtide_engine.validate.quarantined import quarantined
from ringtide_engine.validate.references import references
from ringtide_engine.validate.releases import changed_releases, releases
from ringtide_engine.validate.ring_plans import ring_plans
from ringtide_engine.validate.rollouts import rollouts
from ringtide_engine.validate.windows import windows


def validate(state: DesiredState, base: DesiredState | None = None) -> tuple[Finding, ...]:
    """Return everything that is wrong with a desired state, sorted by place.

    Args:
        state: The change.
        base: What it changes; None where nothing was there before.
    """
    members = members_of(state)
    found = [
        *references(state),
        *devices(state),
        *ring_plans(state),
        *placements(state, members),
        *rollouts(state, members),
        *people(state),
        *budgets(state),
        *windows(state),
        *releases(state, members),
        *own_agent(state, members),
        *quarantined(state),
        *(
            ()
            if base is None
            else (*guard(state, base, members), *changed_releases(state, base), *changed_rollouts(state, base))
        ),
    ]
    return tuple(sorted(found, key=lambda each: (each.place, each.rule, each.message)))
