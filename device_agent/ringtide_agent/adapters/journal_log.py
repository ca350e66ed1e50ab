"""Log lines for the journal of systemd, with their parts as fields (systemd.journal-fields(7)).

`journalctl -u ringtide-agent RINGTIDE_MODEL=digits` then finds one model's way, and `-o json` gives every part.
"""

import logging
import os
import socket
import struct
import sys
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"
FIELDS = ("model", "state", "event", "after", "reason")
"""What a line about a transition says apart from its text."""

_PRIORITY = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def is_journal(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether standard error goes to the journal."""
    try:
        here = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{here.st_dev}:{here.st_ino}"


class JournalHandler(logging.Handler):
    """Writes records to the journal's own socket; to standard error where that fails."""

    def __init__(self, path: str = SOCKET) -> None:
        """Connect with the first record."""
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            self._socket.sendto(encode(record), self._path)
        except OSError:
            sys.stderr.write(f"{record.getMessage()}\n")


def encode(record: logging.LogRecord) -> bytes:
    """Write a record in the journal's own form."""
    priority = next((number for level, number in _PRIORITY if record.levelno >= level), 7)
    parts = {"MESSAGE": record.getMessage(), "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "ringtide-agent"}
    parts |= {f"RINGTIDE_{name.upper()}": str(getattr(record, name)) for name in FIELDS if hasattr(record, name)}
    return b"".join(_field(name, text.encode("utf-8", "replace")) for name, text in parts.items())


def _field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return name.encode("ascii") + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name.encode("ascii") + b"=" + value + b"\n"
