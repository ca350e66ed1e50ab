"""What systemd is told of the service: ready, alive, status, stopping (sd_notify(3)).

Alive is said only where the loop says that it has got on: a loop that is stuck falls silent, and systemd ends it.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping

from ringtide_agent.reporting import Observation

LEAST_GAP_S = 1.0
"""Between two signs of life."""

START_S = 900
"""A start may take so long from its last sign of life; as long as the unit's WatchdogSec."""

MAX_STATUS = 300


def status_line(seen: Observation, *, serving: bool) -> str:
    """Return where the device stands, in one line for people."""
    parts = ["no publication yet"]
    if seen.orders is not None:
        parts = [f"generation {seen.orders.floor.epoch}.{seen.orders.floor.generation}"]
    for model, part in sorted(seen.models.items()):
        release = "nothing" if part.active is None else part.active.release
        parts.append(f"{model}: {release}, {part.phase}")
    parts += [] if serving else ["not everything serves"]
    return "; ".join([*parts, *(condition.type for condition in seen.conditions)])


class Notifier:
    """The unit that this process is; silent where it is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Find the socket in the environment."""
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if name else None
        self._is_ready, self._said_alive, self._status = False, 0.0, ""

    def ready(self) -> None:
        """Say that the service has started, once."""
        if not self._is_ready:
            self._is_ready = self._send("READY=1")

    def alive(self) -> None:
        """Say that the loop has got on."""
        now = time.monotonic()
        if now - self._said_alive >= LEAST_GAP_S and self._send(
            "WATCHDOG=1" if self._is_ready else f"EXTEND_TIMEOUT_USEC={START_S * 1_000_000}"
        ):
            self._said_alive = now

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`."""
        line = " ".join(text.split())[:MAX_STATUS]
        if line != self._status and self._send(f"STATUS={line}"):
            self._status = line

    def stopping(self) -> None:
        """Say that the service ends."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> bool:
        if self._socket is None:
            return False
        with contextlib.suppress(OSError):  # systemd restarts, or its queue is full: the next one counts
            self._socket.sendto(message.encode("utf-8", "replace"), self._address)
            return True
        return False
