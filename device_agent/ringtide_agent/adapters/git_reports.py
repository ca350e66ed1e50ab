"""Reports as commits on the device's own ref of the reports repository."""

from collections.abc import Mapping

from ringtide_agent.adapters.git_session import GitAccess, GitSession
from ringtide_contract.canonical import decode
from ringtide_contract.envelope import Envelope
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId, report_ref
from ringtide_contract.report import MAX_REPORT_BYTES, Report

DEADLINE_S = 120.0
"""For one push."""

_MAX_COMMIT_NAME = 64


class GitReports:
    """A Git repository that takes reports, one ref a device, never forced."""

    def __init__(self, access: GitAccess, folder: str, *, deadline_s: float = DEADLINE_S) -> None:
        """Keep the address.

        Args:
            access: How to reach the repository.
            folder: Folder for the local copy, a cache.
            deadline_s: Seconds for one push.
        """
        self._access, self._folder, self._deadline_s = access, folder, deadline_s

    def push(self, device: DeviceId, reports: Mapping[int, bytes]) -> None:
        """Commit reports, by number, and push the commit; nothing happens where the remote has them.

        Raises:
            TransientError: Unreachable, or refused; the remote's reason is in the message.
        """
        if not reports:
            return
        order = {
            "op": "push",
            "repository": f"{self._folder}/reports.git",
            "ref": report_ref(device),
            "device": device,
            "message": summary(reports),
            "reports": {str(number): content.decode("utf-8") for number, content in reports.items()},
        }
        with GitSession(self._access, order, home=self._folder, deadline_s=self._deadline_s) as session:
            session.order(_MAX_COMMIT_NAME)

    def tip(self, device: DeviceId) -> str | None:
        """Return the newest commit of the device's own ref; None where there is none yet.

        Raises:
            TransientError: Unreachable, or refused.
        """
        order = {"op": "look", "repository": f"{self._folder}/reports.git", "ref": report_ref(device)}
        with GitSession(self._access, order, home=self._folder, deadline_s=self._deadline_s) as session:
            return session.order(_MAX_COMMIT_NAME).decode("ascii", "replace") or None


def summary(reports: Mapping[int, bytes]) -> str:
    """Return one line about the newest report: `report 7: digits 1.1.0 confirmed`."""
    number = max(reports)
    try:
        envelope = Envelope.from_dict(decode(reports[number], limit=2 * MAX_REPORT_BYTES))
        report = Report.decode(envelope.payload)
    except InputError:
        return f"report {number}"
    models = [
        f"{model} {part.active.release if part.active else 'none'} {part.phase}"
        for model, part in sorted(report.models.items())
    ]
    return f"report {number}: {', '.join(models)[:150] or 'no models'}"
