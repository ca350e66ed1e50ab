"""The three families of failure; each says what happens next."""


class RingtideError(Exception):
    """Root of every error that ringtide raises on purpose."""


class InputError(RingtideError):
    """Somebody must change a file or an argument; trying again changes nothing."""


class TrustError(RingtideError):
    """Refused: not authentic, not fresh, or not meant for us. Never retried, always reported.

    Attributes:
        rule: Stable identifier of the check that refused, such as `ACCEPT-04`.
    """

    def __init__(self, rule: str, message: str) -> None:
        """Keep the rule beside the message."""
        super().__init__(f"{message} [{rule}]")
        self.rule = rule


class TransientError(RingtideError):
    """The world did not answer as it should; the same call may succeed later."""
