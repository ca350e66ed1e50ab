"""Keep a release; the stable one may leave the memory."""

from collections.abc import Callable

from ringtide_agent.events import Confirmed
from ringtide_agent.state import Confirming


def confirm(state: Confirming, follow: Callable[[], None]) -> Confirmed:
    """Confirm.

    Args:
        state: What to confirm.
        follow: Lets the service follow the disk; where it does not now, the loop asks again, and the release is none the worse.
    """
    follow()
    return Confirmed(subject=state.subject, reason=f"{state.subject.release} confirmed: {state.reason}")
