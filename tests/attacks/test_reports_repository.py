"""A device that would do more in the reports repository than add reports to its own branch; over HTTPS and over SSH."""

import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes.git_origin import GitOrigin
from fakes.reports_server import ReportsServer, lacking, reports_server
from ringtide_agent.adapters.git_reports import GitReports
from ringtide_agent.adapters.git_session import GitAccess, environment
from ringtide_contract.errors import TransientError
from ringtide_contract.ids import DeviceId, report_ref
from ringtide_engine.cli.main import ringtide, run

pytestmark = pytest.mark.skipif(lacking() is not None, reason=str(lacking()))

BOTH = pytest.mark.parametrize("transport", ["https", "ssh"])
NUMBERS = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportsServer]:
    with reports_server(tmp_path_factory.mktemp("reports")) as made:
        guard(made.repository, "--writer", "collector")
        GitOrigin(made.folder / "git" / "fleet.git").commit({"a": b"1"})
        yield made


def guard(repository: Path, *more: str, code: int = 0) -> str:
    done = CliRunner().invoke(ringtide, ["reports", "guard", str(repository), *more], standalone_mode=False)
    assert code == (done.return_value if done.exception is None else 1), done.exception
    return done.output + str(done.exception or "")


class Device:
    """Somebody with a clone of a repository and a credential."""

    def __init__(self, server: ReportsServer, access: GitAccess, name: str, folder: Path) -> None:
        self.server, self.access, self.id, self.ref = server, access, DeviceId(name), report_ref(DeviceId(name))
        self.clone = GitOrigin(folder / "clone.git")
        self.sink = GitReports(access, str(folder / "state"))

    def push(self, *refspecs: str, code: int = 1) -> str:
        done = subprocess.run(
            ["git", "push", "--quiet", "--force", self.access.url, *refspecs],
            cwd=self.clone.path, env=environment(self.access, str(self.clone.path)),
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stderr

    def fetch(self) -> str:
        """Bring the own branch here and return its tip."""
        subprocess.run(
            ["git", "fetch", "--quiet", self.access.url, f"+{self.ref}:{self.ref}"],
            cwd=self.clone.path, env=environment(self.access, str(self.clone.path)), check=True,
        )  # fmt: skip
        return self.clone.tip(self.ref)


@pytest.fixture
def transport() -> str:
    return "https"


@pytest.fixture
def device(transport: str, server: ReportsServer, tmp_path: Path) -> Device:
    name = f"cam-{next(NUMBERS)}"
    made = Device(server, getattr(server, transport)(name), name, tmp_path)
    made.sink.push(made.id, {1: b'{"a":1}'})
    made.fetch()
    return made


def state(server: ReportsServer) -> tuple[str, str]:
    """Return every ref and every object."""
    git = ["git", "-C", str(server.repository)]
    refs = subprocess.run([*git, "for-each-ref"], check=True, capture_output=True, text=True).stdout
    listing = [*git, "cat-file", "--batch-all-objects", "--batch-check"]
    return refs, subprocess.run(listing, check=True, capture_output=True, text=True).stdout


@BOTH
def test_a_device_adds_reports_to_its_own_branch(device: Device) -> None:
    device.sink.push(device.id, {2: b'{"a":2}', 3: b'{"a":3}'})
    device.sink.push(device.id, {3: b'{"a":3}'})
    device.fetch()
    assert device.clone.git("log", "--format=%s", device.ref).splitlines() == ["report 3", "report 1"]


def test_a_device_that_lost_its_disk_goes_on(device: Device, tmp_path: Path) -> None:
    GitReports(device.access, str(tmp_path / "new")).push(device.id, {2: b"{}"})
    assert device.fetch() != ""
    assert len(device.clone.git("log", "--format=%s", device.ref).splitlines()) == 2


FILES = {"reports/2.json": b"{}"}

TREES: dict[str, tuple[dict[str, bytes], dict[str, str], str]] = {
    "a file beside the folder": ({**FILES, "notes.txt": b"x"}, {}, "nothing else"),
    "a second folder": ({**FILES, "more/2.json": b"x"}, {}, "nothing else"),
    "no folder": ({"a": b"x"}, {}, "nothing else"),
    "a link as the folder": ({"reports": b"/etc"}, {"reports": "120000"}, "nothing else"),
    "a link": ({"reports/2.json": b"/etc/passwd"}, {"reports/2.json": "120000"}, "not a plain file"),
    "a program": (FILES, {"reports/2.json": "100755"}, "not a plain file"),
    "a folder of folders": ({"reports/2.json/x": b"x"}, {}, "not a plain file"),
    "another name": ({"reports/readme.md": b"x"}, {}, "not named by a number"),
    "a name with a line end": ({"reports/2.json\\n3.json": b"x"}, {}, "not named by a number"),
    "a number too long": ({f"reports/{10**15}.json": b"x"}, {}, "not named by a number"),
    "number nought": ({"reports/0.json": b"x"}, {}, "not named by a number"),
    "a huge report": ({"reports/2.json": bytes(131073)}, {}, "larger than 131072"),
    "a bomb": ({"reports/2.json": bytes(50_000_000)}, {}, "larger than 131072"),
    "a crowd": ({f"reports/{number}.json": b"%d" % number for number in range(1, 130)}, {}, "more than 128"),
}


@pytest.mark.parametrize("tree", TREES)
def test_a_commit_of_anything_but_reports_is_refused(device: Device, tree: str) -> None:
    files, modes, why = TREES[tree]
    quoted = {f'"{path}"' if "\\" in path else path: content for path, content in files.items()}
    device.clone.commit(quoted, ref=device.ref, modes=modes)
    before = state(device.server)
    assert why in device.push(device.ref)
    assert state(device.server) == before


def _two_commits(device: Device) -> list[str]:
    for number in (2, 3):
        device.clone.commit({f"reports/{number}.json": b"{}"}, ref=device.ref)
    return [device.ref]


def _rewritten(device: Device) -> list[str]:
    device.clone.commit(FILES, ref="refs/heads/other")
    return [f"refs/heads/other:{device.ref}"]


def _merged(device: Device) -> list[str]:
    other = device.clone.commit(FILES, ref="refs/heads/other")
    tree = device.clone.git("rev-parse", f"{other}^{{tree}}").strip()
    merge = device.clone.git("commit-tree", tree, "-p", device.clone.tip(device.ref), "-p", other, "-m", "x").strip()
    return [f"{merge}:{device.ref}"]


def _tagged(device: Device) -> list[str]:
    device.clone.git("tag", "-a", "-m", "x", "v1", device.clone.commit(FILES, ref=device.ref))
    return [f"refs/tags/v1:{device.ref}"]


def _too_much(device: Device) -> list[str]:
    files = {f"reports/{number}.json": os.urandom(100_000) for number in range(2, 60)}
    device.clone.commit(files, ref=device.ref)
    return [device.ref]


ACTS: dict[str, tuple[Callable[[Device], list[str]], str]] = {
    "deletes its branch": (lambda device: [f":{device.ref}"], "may not delete"),
    "rewrites its branch": (_rewritten, "on top of"),
    "rewinds its branch": (
        lambda device: [f"{device.clone.commit(FILES, ref='refs/heads/x')}:{device.ref}"],
        "on top of",
    ),
    "pushes two commits": (_two_commits, "on top of"),
    "pushes a merge": (_merged, "on top of"),
    "pushes a tag as its branch": (_tagged, "refused|takes commits|rejected"),
    "writes another's branch": (lambda device: [f"{device.ref}:refs/heads/reports/cam-other"], "its branch is"),
    "writes below its branch": (lambda device: [f"{device.ref}:{device.ref}/more"], "its branch is"),
    "writes main": (lambda device: [f"{device.ref}:refs/heads/main"], "its branch is"),
    "writes the collector's branch": (lambda device: [f"{device.ref}:refs/heads/collected/one"], "its branch is"),
    "writes a tag": (lambda device: [f"{device.ref}:refs/tags/v1"], "its branch is"),
    "hides a wrong ref behind a right one": (
        lambda device: [f"{device.clone.commit(FILES, ref=device.ref)}:{device.ref}", f"{device.ref}:refs/heads/main"],
        "its branch is",
    ),
    "pushes megabytes": (_too_much, "KiB"),
}


@pytest.mark.parametrize(
    ("act", "transport"),
    [*((act, "https") for act in ACTS), ("deletes its branch", "ssh"), ("writes another's branch", "ssh")],
)
def test_a_push_of_anything_but_one_commit_on_the_own_branch_is_refused(device: Device, act: str) -> None:
    do, why = ACTS[act]
    refspecs = do(device)
    before = state(device.server)
    said = device.push(*refspecs)
    assert any(word in said for word in why.split("|")), said
    assert state(device.server) == before


def test_nobody_deletes_the_branch_of_another(device: Device, server: ReportsServer, tmp_path: Path) -> None:
    other = Device(server, server.https(f"{device.id}-b"), f"{device.id}-b", tmp_path / "other")
    before = state(server)
    assert "may not delete" in other.push(f":{device.ref}")
    assert state(server) == before


@BOTH
def test_a_writer_writes_its_own_branches_alone(server: ReportsServer, tmp_path: Path, transport: str) -> None:
    writer = Device(server, getattr(server, transport)("collector"), "collector", tmp_path)
    branch = f"refs/heads/collected/{transport}"
    writer.clone.commit({"segment": b"1"}, ref=branch)
    writer.push(branch, code=0)
    old = writer.clone.tip(branch)
    writer.clone.commit({"segment": b"2"}, ref=branch)
    writer.push(branch, code=0)
    before = state(server)
    assert "belongs to a device" in writer.push(f"{branch}:refs/heads/reports/cam-other")
    assert "may not delete" in writer.push(f":{branch}")
    assert "non-fast-forward" in writer.push(f"{old}:{branch}")
    assert "no branch" in writer.push(f"{branch}:refs/tags/v1")
    assert state(server) == before


@pytest.mark.parametrize("name", ["", "Cam-1", "-cam", "c", "cam_1", "a" * 64, "cam-1\ncollector", "../main"])
def test_somebody_without_a_name_or_with_no_devices_name_writes_nothing(
    server: ReportsServer, tmp_path: Path, name: str
) -> None:
    clone = GitOrigin(tmp_path / "clone.git")
    clone.commit(FILES, ref="refs/heads/x")
    before = state(server)
    done = subprocess.run(
        ["git", "push", str(server.repository), f"refs/heads/x:refs/heads/reports/{name.strip() or 'cam-1'}"],
        cwd=clone.path, env={**os.environ, "REMOTE_USER": name}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert state(server) == before


def test_a_push_beyond_the_limit_is_broken_off_while_it_comes_in(device: Device) -> None:
    device.clone.commit({"reports/2.json": os.urandom(17 << 20)}, ref=device.ref)
    before = state(device.server)
    device.push(device.ref)
    assert state(device.server) == before


def test_devices_fetch_publications_over_https_and_push_none(
    device: Device, server: ReportsServer, tmp_path: Path
) -> None:
    fleet = GitOrigin.__new__(GitOrigin)
    fleet.path = server.folder / "git" / "fleet.git"
    before = fleet.tip()
    other = Device(server, server.https(device.id, "fleet.git"), device.id, tmp_path / "other")
    listing = ["git", "ls-remote", other.access.url]
    env = environment(other.access, str(tmp_path))
    assert before in subprocess.run(listing, env=env, check=True, capture_output=True, text=True).stdout
    other.clone.commit(FILES)
    other.push("refs/heads/published")
    assert fleet.tip() == before


@pytest.mark.parametrize("command", ["", "bash", "git-receive-pack; id", "git upload-archive x", "scp -t /tmp"])
def test_over_ssh_a_device_gets_no_other_command(server: ReportsServer, command: str) -> None:
    script = server.repository / "hooks" / "over-ssh"
    environment = {"PATH": os.environ["PATH"], "SSH_ORIGINAL_COMMAND": command}
    done = subprocess.run([script, "cam-1"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing else" in done.stderr


def test_over_ssh_another_path_is_this_repository(server: ReportsServer, tmp_path: Path) -> None:
    name = f"cam-{next(NUMBERS)}"
    other = Device(server, server.ssh(name, "fleet.git"), name, tmp_path)
    other.clone.commit(FILES, ref=other.ref)
    other.push(other.ref, code=0)
    assert other.ref in state(server)[0]


def test_the_guard_is_installed_anew_with_other_writers_and_nothing_else_changes(tmp_path: Path) -> None:
    repository = tmp_path / "new" / "reports.git"
    said = guard(repository, "--writer", "one", "--writer", "two")
    assert "ringtide.writer = two" in said
    assert guard(repository, "--writer", "three").count("writer") == 1
    names = subprocess.run(
        ["git", "-C", repository, "config", "--get-all", "ringtide.writer"], check=True, capture_output=True, text=True
    ).stdout
    assert names == "three\n"
    assert os.access(repository / "hooks" / "update", os.X_OK)


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_what_is_no_place_for_the_guard_stays_as_it_is(tmp_path: Path, dry: list[str]) -> None:
    plain, own = tmp_path / "plain", GitOrigin(tmp_path / "own.git")
    plain.mkdir()
    (plain / "x").write_text("x")
    own.hook("update", "exit 0")
    assert "not a bare Git repository" in guard(plain, *dry, code=1)
    assert "a hook of another" in guard(own.path, *dry, code=1)
    assert [path.name for path in plain.iterdir()] == ["x"]
    assert (own.path / "hooks" / "update").read_text() == "#!/bin/sh\nexit 0\n"
    assert not (own.path / "hooks" / "pre-receive").exists()
    assert run(["reports", "guard", str(tmp_path / "not"), "--dry-run"]) == 0
    assert not (tmp_path / "not").exists()
    assert run(["reports", "guard", str(tmp_path / "not"), "--writer", "a b"]) == 64


def test_a_refusal_reaches_the_devices_log_in_the_words_of_the_hook(server: ReportsServer, tmp_path: Path) -> None:
    sink = GitReports(server.https(f"cam-{next(NUMBERS)}"), str(tmp_path))
    with pytest.raises(TransientError, match="may not write refs/heads/reports/cam-other: its branch is"):
        sink.push(DeviceId("cam-other"), {1: b"{}"})
