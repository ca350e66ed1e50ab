"""What is different where the release is the agent itself: pure additions to the decision about every model.

The version in the package is beneath every other, so there is always one to go back to, and it is never a release of the
fleet's. What runs is what the package's launcher has started, whatever the journal says.
"""

from typing import Final

from packaging.version import InvalidVersion, Version

from ringtide_agent.events import Failed, Subject
from ringtide_agent.ports import SlotContent
from ringtide_agent.state import Activating, Probation
from ringtide_agent.view import AgentView, View
from ringtide_contract.manifest import Manifest
from ringtide_contract.report import Failure

NEVER_STOOD: Final = "the launcher started it as often as it does, and it never got through a turn"


def is_older(release: str, package: str) -> bool:
    """Tell whether a release of the agent is older than the package's; what nobody can order is not taken for newer."""
    try:
        return Version(release) < Version(package)
    except InvalidVersion:
        return True


def objection(agent: AgentView, manifest: Manifest) -> str | None:
    """Return what the package has against a release of the agent."""
    if not agent.launched:
        return "this agent was not started by the package's launcher, and cannot change its own version"
    if is_older(manifest.release, agent.package):
        return f"the package has version {agent.package}; {manifest.release} is older"
    return None


def may_return(view: View, content: SlotContent) -> bool:
    """Tell whether a revert may lead to what a slot holds; where it may not, it leads to the package's version."""
    if view.agent is None or content.digest not in (view.record.confirmed, view.record.earlier):
        return False
    bad = content.manifest.archive in view.agent.fallen or view.record.failure_of(content.digest) is not None
    return not bad and not is_older(content.manifest.release, view.agent.package)


def fallen(view: View) -> Failed | None:
    """Return the failure of a version under trial that the launcher has given up, so that another one runs now."""
    state = view.record.state
    if view.agent is None or not isinstance(state, Activating | Probation) or view.active_slot == state.slot:
        return None
    content = view.slots.get(state.slot)
    archive = None if content is None else content.manifest.archive
    if archive not in view.agent.fallen or archive not in view.agent.trials:  # not chosen yet: that was another time
        return None
    return failed(view, state.subject, never_stood(state.subject))


def failed(view: View, subject: Subject, failure: Failure) -> Failed:
    """Return the event of a version that must not be started again; what runs now runs on."""
    return Failed(subject=subject, failure=failure, to=view.active_slot, at_s=view.now_s, reason=failure.note)


def never_stood(subject: Subject) -> Failure:
    """Return what is remembered of a version that never got through a turn."""
    return Failure(manifest=subject.manifest, release=subject.release, step="crash", note=NEVER_STOOD)
