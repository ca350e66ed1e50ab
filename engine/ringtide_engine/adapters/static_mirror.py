"""A folder of static files that any web server serves: `states/<commit>/…` never change, `latest` names the newest.

A state is written beside the others, made durable, and named last; files that the one before has, too, are hard links.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ringtide_contract.errors import InputError, TransientError

KEPT_STATES = 8
"""The newest states that always stay."""

KEPT_S = 3600.0
"""An older one stays for so long after another took its place; no poll of a device lasts longer than ten minutes."""

_STATE = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class StaticMirror:
    """A mirror in a folder."""

    def __init__(self, folder: Path, *, now_s: Callable[[], float] = time.time) -> None:
        """Keep the folder.

        Args:
            folder: The mirror; made where it is not there.
            now_s: Seconds since 1970.
        """
        self._folder, self._states, self._now_s = folder, folder / "states", now_s

    def show(self, newest: Callable[[], tuple[str, Mapping[str, bytes]]]) -> bool:
        """Show the newest state, whole or not at all; tell whether it was another one before.

        Args:
            newest: Returns the state's name and its files; called when no other publisher writes the mirror.

        Raises:
            InputError: The folder holds something else than a mirror.
            TransientError: The folder cannot be written.
        """
        try:
            with self._alone():
                name, files = newest()
                before = self._shown()
                if before == name and (self._states / name).is_dir():
                    return False
                if not (self._states / name).is_dir():
                    self._write_state(name, files, self._states / before if before else None)
                self._name(name)
                self._forget(name)
        except OSError as error:
            raise TransientError(f"the mirror {self._folder} cannot be written: {error}") from error
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._folder.is_dir() and not self._states.is_dir() and any(self._folder.iterdir()):
            raise InputError(f"{self._folder} holds other files. fix: give an empty folder, or one that is a mirror")
        self._states.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _shown(self) -> str | None:
        try:
            name = (self._folder / "latest").read_text("ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return name if _STATE.fullmatch(name) else None

    def _write_state(self, name: str, files: Mapping[str, bytes], before: Path | None) -> None:
        if not _STATE.fullmatch(name):
            raise InputError(f"{name[:80]!r} is not the name of a commit")
        building = self._states / ".new"
        shutil.rmtree(building, ignore_errors=True)
        for path, content in files.items():
            place, same = building / path, before / path if before else None
            place.parent.mkdir(parents=True, exist_ok=True)
            if same is not None and same.is_file() and same.read_bytes() == content:
                os.link(same, place)
                continue
            with place.open("wb") as file:
                file.write(content)
        os.sync()  # one for thousands of files
        os.utime(building, (self._now_s(), self._now_s()))
        building.rename(self._states / name)

    def _name(self, name: str) -> None:
        latest, new = self._folder / "latest", self._folder / ".latest.new"
        with new.open("wb") as file:
            file.write(f"{name}\n".encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        # Web servers make the ETag of seconds and size: two states within a second must differ in it.
        earliest = int(latest.stat().st_mtime) + 1 if latest.exists() else 0
        stamp = max(int(self._now_s()), earliest)
        os.utime(new, (stamp, stamp))
        new.rename(latest)

    def _forget(self, shown: str) -> None:
        """Remove states that no device can be reading: others have long taken their place."""
        states = sorted(
            (path for path in self._states.iterdir() if _STATE.fullmatch(path.name)),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        stamps = [path.stat().st_mtime for path in states]
        for number, path in enumerate(states):
            superseded_s = self._now_s() - stamps[number - 1] if number else 0.0
            if number >= KEPT_STATES and superseded_s > KEPT_S and path.name != shown:
                shutil.rmtree(path)
