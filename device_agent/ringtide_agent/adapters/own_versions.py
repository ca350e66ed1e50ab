"""The versions of the agent itself on the disk, beside the package's: what the package's launcher reads and starts.

choice.json     which archive to start, which one where that does not stand, the package it was chosen under, trials
starts.json     archive to its starts in a row that did not get through a turn; the launcher counts, `stand` forgets
<sha256>/       one archive unpacked; `ringtide-runtime.json` in it says what it is
"""

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

import ringtide_agent
from ringtide_agent.adapters.archive_folder import ABOUT, remove_folder, unpack
from ringtide_agent.adapters.rehearsal import rehearse
from ringtide_agent.ports import ProbeFailure, ProbeResult, ServedRelease
from ringtide_contract import fields
from ringtide_contract.canonical import decode, encode
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest, parse_digest

MOST_STARTS = 5
"""As the launcher counts; it starts none more often that has not got through a turn."""

MAX_NOTES_BYTES = 65536
"""Of choice.json, starts.json and `ringtide-runtime.json`: some hundred bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """choice.json."""

    runtime: Digest | None
    """What the launcher starts; None for the package's."""
    stable: Digest | None
    """What was confirmed last; None for the package's."""
    trials: Mapping[str, int]
    """Archive to how often it was chosen since one was confirmed or blamed."""


NONE_CHOSEN = Choice(runtime=None, stable=None, trials={})
"""The package's version, on a device that has had no other."""


class OwnVersions:
    """The `Runtimes` of a device."""

    def __init__(self, home: Path, running: Digest | None, package: str, options: tuple[str, ...]) -> None:
        """Take up what the launcher has started.

        Args:
            home: Folder of everything above.
            running: Archive that this process was started from.
            package: What the package says of itself, as JSON.
            options: How this process was told where its configuration is; a rehearsal is told the same.

        Raises:
            InputError: The launcher has said nonsense.
        """
        self._home, self._running, self._options = home, running, options
        self._package = fields.members(decode(package.encode(), limit=MAX_NOTES_BYTES), "package")
        self._version = fields.text(self._package, "agent")

    @property
    def running(self) -> Digest | None:
        """Archive that this process runs from."""
        return self._running

    @property
    def package(self) -> str:
        """Version of the agent in the package."""
        return self._version

    def fallen(self) -> frozenset[Digest]:
        """Return the archives that were started as often as the launcher does and never got through a turn."""
        return frozenset(Digest(name) for name, count in self._starts().items() if count >= MOST_STARTS)

    def trials(self) -> Mapping[str, int]:
        """Return how often each archive was chosen since one was confirmed or blamed."""
        return self.chosen().trials

    def chosen(self) -> Choice:
        """Return what was chosen under this package; nothing where it was chosen under another."""
        return last_choice(self._home, self._package)

    def probe(self, release: ServedRelease) -> ProbeResult:
        """Unpack a version, let it read this device's configuration and journal, and try the models that run here.

        Raises:
            TransientError: It could not be tried; again later.
        """
        archive = parse_digest(release.manifest.artifact(release.manifest.graph).sha256)
        try:
            self._tidy(archive)
            unpack(Path(release.files[release.manifest.graph]), self._home, archive)
            unfit = _unfit(_read(self._home / archive / ABOUT), release.manifest.release)
            return _failed("requirement", unfit) if unfit else rehearse(self._home / archive, self._options)
        except InputError as error:
            return _failed("load", str(error))
        except OSError as error:
            raise TransientError(f"the new version could not be tried: {error.strerror or error}") from error

    def choose(self, archive: Digest | None, *, blamed: bool = False) -> None:
        """Make the launcher start `archive` next, and what was confirmed last where it does not stand.

        Args:
            archive: What to start.
            blamed: Whether what ran has failed for good, so that earlier trials count no more.

        Raises:
            TransientError: The disk does not take it.
        """
        before = self.chosen()
        trials = {} if blamed else dict(before.trials)
        if archive is not None and archive != before.stable:
            trials[archive] = trials.get(archive, 0) + 1
        after = Choice(runtime=archive, stable=before.stable, trials=trials)
        if after != before:
            self._write("starts.json", {})  # before the choice: a start that is counted is one of this choice
            self._choose(after)

    def stand(self) -> None:
        """Note that this process has got through a turn: its starts are not held against it any more.

        Raises:
            TransientError: The disk does not take it.
        """
        starts = self._starts()
        if self._running is not None and starts.pop(self._running, None) is not None:
            self._write("starts.json", starts)

    def confirm(self) -> None:
        """Make what runs what the launcher falls back to.

        Raises:
            TransientError: The disk does not take it.
        """
        self._choose(Choice(runtime=self._running, stable=self._running, trials={}))

    def _choose(self, choice: Choice) -> None:
        value = {"runtime": choice.runtime, "stable": choice.stable, "trials": dict(choice.trials)}
        self._write("choice.json", {**value, "package": dict(self._package)})

    def _starts(self) -> dict[str, int]:
        return {name: count for name, count in _read(self._home / "starts.json").items() if isinstance(count, int)}

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        path = self._home / name
        temporary = path.with_name(f"{name}.tmp")
        try:
            self._home.mkdir(0o700, parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(encode(dict(value)))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            handle = os.open(self._home, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise TransientError(f"cannot write {name}: {error.strerror or error}") from error

    def _tidy(self, archive: Digest) -> None:
        """Remove what no start can lead to any more, before another version takes its place."""
        choice = self.chosen()
        kept = {archive, self._running, choice.runtime, choice.stable}
        self._home.mkdir(0o700, parents=True, exist_ok=True)
        for folder in sorted(self._home.iterdir()):
            if folder.is_dir() and folder.name not in kept:
                remove_folder(folder)


def own_package() -> Mapping[str, Any] | None:
    """Return what the package says of itself that this program lies in; None where it lies in none."""
    return _read(Path(ringtide_agent.__file__).parent.parent / ABOUT) or None


def last_choice(home: Path, package: Mapping[str, Any] | None = None) -> Choice:
    """Return what was chosen last; with a package, only what was chosen under it."""
    data = _read(home / "choice.json")
    if package is not None and data.get("package") != package:
        return NONE_CHOSEN
    try:
        runtime, stable = fields.optional_text(data, "runtime"), fields.optional_text(data, "stable")
        return Choice(
            runtime=None if runtime is None else parse_digest(runtime),
            stable=None if stable is None else parse_digest(stable),
            trials=fields.mapping(data, "trials", lambda value: value if isinstance(value, int) else 0),
        )
    except InputError:
        return NONE_CHOSEN


def from_launcher(options: tuple[str, ...], environment: Mapping[str, str] = os.environ) -> OwnVersions | None:
    """Return the versions of this device; None where no launcher has started this process."""
    home, package = environment.get("RINGTIDE_RUNTIME_HOME"), environment.get("RINGTIDE_PACKAGE")
    if not home or not package:
        return None
    running = environment.get("RINGTIDE_RUNTIME")
    return OwnVersions(Path(home), parse_digest(running) if running else None, package, options)


def _unfit(about: Mapping[str, Any], release: str) -> str:
    """Say why an unpacked version is not what it is called, or not for this device; empty where it is."""
    here = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "machine": platform.machine()}
    for name, value in here.items():
        if about.get(name) != value:
            return f"made for {name} {str(about.get(name))[:40]}, this device has {value}"
    try:
        if Version(release).public != Version(str(about.get("agent"))).public:
            return f"the release is called {release}, and holds version {str(about.get('agent'))[:40]}"
    except InvalidVersion:
        return f"{release} is not the number of a version (PEP 440)"
    return ""


def _failed(step: ProbeFailure, note: str) -> ProbeResult:
    return ProbeResult(failure=step, note=note, p95_latency_us=None, peak_memory_bytes=None)


def _read(path: Path) -> dict[str, Any]:
    """Return the object in a small file; nothing where it is missing or damaged, as the launcher takes it."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(MAX_NOTES_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
