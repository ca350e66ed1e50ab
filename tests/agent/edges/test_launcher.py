"""The package's launcher: one table over what lies on the disk, and nothing is started that others could have written."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fakes.own_versions import LAUNCHER, load_script
from ringtide_agent.adapters.own_versions import MOST_STARTS, OwnVersions
from ringtide_contract.ids import Digest

launcher = load_script(LAUNCHER, "ringtide_launcher")

P, Q = {"agent": "0.1.0", "builtAt": 1}, {"agent": "0.1.1", "builtAt": 2}
NEW, OLD = "a" * 64, "b" * 64
BOTH = {NEW, OLD}
FULL = MOST_STARTS


def chosen(runtime: str | None, stable: str | None, package: Mapping[str, object] = P) -> dict[str, object]:
    return {"runtime": runtime, "stable": stable, "package": package, "trials": {}}


@pytest.mark.parametrize(
    ("choice", "starts", "whole", "started", "counted"),
    [
        (None, {}, BOTH, None, {}),
        ([], {}, BOTH, None, {}),
        ({}, {}, BOTH, None, {}),
        (chosen(None, None), {}, BOTH, None, {}),
        (chosen(None, OLD), {}, BOTH, None, {}),
        (chosen(NEW, None), {}, BOTH, NEW, {NEW: 1}),
        (chosen(NEW, OLD), {}, BOTH, NEW, {NEW: 1}),
        (chosen(NEW, OLD), {NEW: 1}, BOTH, NEW, {NEW: 2}),
        (chosen(NEW, OLD), {NEW: FULL - 1}, BOTH, NEW, {NEW: FULL}),
        (chosen(NEW, OLD), {NEW: FULL}, BOTH, OLD, {NEW: FULL, OLD: 1}),
        (chosen(NEW, None), {NEW: FULL}, BOTH, None, {NEW: FULL}),
        (chosen(NEW, OLD), {NEW: FULL, OLD: FULL}, BOTH, None, {NEW: FULL, OLD: FULL}),
        (chosen(NEW, NEW), {NEW: FULL}, BOTH, None, {NEW: FULL}),
        (chosen(NEW, OLD), {}, {OLD}, OLD, {OLD: 1}),
        (chosen(NEW, OLD), {}, set(), None, {}),
        (chosen(NEW, OLD, Q), {}, BOTH, None, {}),
        (chosen(NEW, OLD, Q), {NEW: 2}, BOTH, None, {NEW: 2}),
    ],
)
def test_the_table(
    choice: object, starts: dict[str, int], whole: set[str], started: str | None, counted: dict[str, int]
) -> None:
    assert launcher.pick(choice, starts, whole, P) == (started, counted)


def test_whatever_is_chosen_the_package_is_started_in_the_end() -> None:
    starts: dict[str, int] = {}
    seen = []
    for _ in range(3 * FULL):
        version, starts = launcher.pick(chosen(NEW, OLD), starts, BOTH, P)
        seen.append(version)
    assert seen == [NEW] * FULL + [OLD] * FULL + [None] * FULL


class Disk:
    """A package, a state folder and the launcher, which starts programs that say what they are."""

    def __init__(self, folder: Path) -> None:
        self.state, self.home = folder / "state", folder / "state" / "runtime"
        self.package = self.lay(folder / "package", P)
        self.home.mkdir(parents=True, mode=0o700)
        text = LAUNCHER.read_text().replace("#!/usr/bin/python3 -Is", f"#!{sys.executable} -Is")
        self.program = folder / "launcher"
        self.program.write_text(text.replace('"/usr/lib/ringtide-agent"', repr(str(self.package))))
        self.program.chmod(0o755)
        self.versions = OwnVersions(self.home, None, json.dumps(P), ())

    def lay(self, folder: Path, about: Mapping[str, object]) -> Path:
        (folder / "ringtide_agent").mkdir(parents=True)
        (folder / "ringtide_agent" / "__init__.py").write_text("")
        said = f"print({folder.name!r}, os.environ.get('RINGTIDE_RUNTIME', '-'), os.environ['ORT_DISABLE_TELEMETRY'])"
        (folder / "ringtide_agent" / "cli.py").write_text(f"import os\ndef main():\n    {said}\n")
        (folder / "ringtide-runtime.json").write_text(json.dumps(about))
        return folder

    def start(self, *words: str, **environment: str) -> str:
        given = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(self.state), **environment}
        done = subprocess.run([self.program, *words], env=given, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.strip()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    disk = Disk(tmp_path)
    disk.lay(disk.home / NEW, {"agent": "0.2.0"})
    return disk


def test_the_launcher_reads_what_the_agent_writes(disk: Disk) -> None:
    assert disk.start("run") == "package  1"
    disk.versions.choose(NEW)  # type: ignore[arg-type]
    assert [disk.start("run") for _ in range(MOST_STARTS + 1)] == [f"{NEW} {NEW} 1"] * MOST_STARTS + ["package  1"]
    assert disk.versions.fallen() == {NEW}
    disk.versions.choose(NEW)  # type: ignore[arg-type]
    assert disk.start("run") == f"{NEW} {NEW} 1"
    OwnVersions(disk.home, NEW, json.dumps(P), ()).stand()  # type: ignore[arg-type]
    assert json.loads((disk.home / "starts.json").read_text()) == {}


def test_another_package_voids_the_choice_on_both_sides(disk: Disk) -> None:
    disk.versions.choose(NEW)  # type: ignore[arg-type]
    (disk.package / "ringtide-runtime.json").write_text(json.dumps(Q))
    assert disk.start("run") == "package  1"
    assert OwnVersions(disk.home, None, json.dumps(Q), ()).chosen().runtime is None


@pytest.mark.parametrize("words", [("status",), ("doctor",), ("once",), ("enroll", "run"), ()])
def test_only_the_service_s_own_run_starts_what_the_service_may_write(disk: Disk, words: tuple[str, ...]) -> None:
    disk.versions.choose(NEW)  # type: ignore[arg-type]
    assert disk.start(*words, RINGTIDE_RUNTIME=NEW) == "package - 1"


def test_without_a_state_folder_from_systemd_the_package_runs(disk: Disk) -> None:
    disk.versions.choose(NEW)  # type: ignore[arg-type]
    assert disk.start("run", STATE_DIRECTORY="") == "package - 1"


def test_a_folder_that_others_may_write_is_not_started_from(disk: Disk) -> None:
    disk.versions.choose(NEW)  # type: ignore[arg-type]
    disk.home.chmod(0o770)
    assert disk.start("run") == "package  1"
    disk.home.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(disk.home, 65534, 65534)
        assert disk.start("run") == "package  1"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xff", b"[" * 5000, b'{"runtime": "../../etc", "stable": null, "package": {}}', b"null", b"7"],
)
def test_a_damaged_choice_starts_the_package(disk: Disk, content: bytes) -> None:
    (disk.home / "choice.json").write_bytes(content)
    (disk.home / "starts.json").write_bytes(content)
    assert disk.start("run") == "package  1"


def test_names_that_are_no_digests_lead_nowhere(disk: Disk) -> None:
    disk.lay(disk.state / "elsewhere", {"agent": "6"})
    wrong = chosen("../elsewhere", "../elsewhere")
    (disk.home / "choice.json").write_text(json.dumps(wrong))
    assert disk.start("run") == "package  1"


def test_starts_that_cannot_be_counted_are_of_what_was_confirmed(disk: Disk) -> None:
    disk.lay(disk.home / OLD, {"agent": "0.1.5"})
    (disk.home / "choice.json").write_text(json.dumps(chosen(NEW, OLD)))
    (disk.home / "starts.json.tmp").mkdir()
    assert disk.start("run") == f"{OLD} {OLD} 1"


class _KilledError(BaseException):
    pass


def _killing(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the process die at one of the calls by which a choice is written, before it is made."""
    left = [after]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise _KilledError
            return real(*arguments, **more)

        return call

    for place, name in ((os, "fsync"), (os, "open"), (Path, "replace"), (Path, "open"), (Path, "mkdir")):
        monkeypatch.setattr(place, name, counted(getattr(place, name)))


@pytest.mark.parametrize("act", ["choose", "revert", "confirm", "stand"])
def test_a_kill_at_any_write_leaves_the_old_choice_or_the_new(disk: Disk, act: str) -> None:
    disk.lay(disk.home / OLD, {"agent": "0.1.5"})
    points, done = 0, False
    while not done:
        (disk.home / "choice.json").write_text(json.dumps(chosen(NEW if act == "revert" else OLD, OLD)))
        (disk.home / "starts.json").write_text(json.dumps({NEW: 1, OLD: 1}))
        versions = OwnVersions(disk.home, Digest(NEW if act == "confirm" else OLD), json.dumps(P), ())
        before = versions.chosen()
        acts = {
            "choose": lambda: versions.choose(Digest(NEW)),  # noqa: B023 - called within the turn
            "revert": lambda: versions.choose(Digest(OLD), blamed=True),  # noqa: B023
            "confirm": versions.confirm,
            "stand": versions.stand,
        }
        with pytest.MonkeyPatch.context() as patch:
            _killing(patch, points)
            try:
                acts[act]()
                done = True
            except _KilledError:
                points += 1
        wanted = {"choose": (NEW, OLD), "revert": (OLD, OLD), "confirm": (NEW, NEW), "stand": (OLD, OLD)}[act]
        found = versions.chosen()
        assert (found.runtime, found.stable) in {(before.runtime, before.stable), wanted}
        if done:
            assert (found.runtime, found.stable) == wanted
        started = disk.start("run").split()[0]
        assert started == found.runtime
    assert points >= 6
