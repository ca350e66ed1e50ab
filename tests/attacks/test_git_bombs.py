"""A few kilobytes of Git on a device's branch unfold to more than any memory: they are findings, and stop no other device."""

import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.fleet_pair import FleetPair, fleet_pair
from fakes.reporting_devices import STABLE, ReportingDevice, model
from ringtide_engine.adapters import git_folders

VICTIM, OTHER = "edge-s-0001", "edge-m-0002"
MIB = 1024 * 1024


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    """Return a fleet whose victim has reported twice, honestly, and was collected."""
    made = fleet_pair(tmp_path, 3, rollout=None)
    for _ in range(2):
        made.send(VICTIM, model("confirmed", STABLE))
    assert made.ingest().accepted == 2
    return made


class Branch:
    """A device's branch, written with git's plumbing as no client would."""

    def __init__(self, pair: FleetPair, device: str) -> None:
        self._folder, self._ref = pair.folders[1], f"refs/heads/reports/{device}"

    def git(self, *arguments: str, send: bytes = b"") -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        command = ["git", "-C", str(self._folder), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, input=send).stdout.decode().strip()

    def tree(self, *entries: str) -> str:
        return self.git("mktree", "--missing", send="".join(f"{entry}\n" for entry in entries).encode())

    def file(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", send=content)

    def folders(self, leaf: str, depth: int = 10) -> str:
        """Return a tree of ten folders of ten folders, and so on: ten trees in the pack, ten to the tenth in a listing."""
        tree = self.tree(*(f"100644 blob {leaf}\t{number}.json" for number in range(10)))
        for _ in range(depth):
            tree = self.tree(*(f"040000 tree {tree}\tf{number}" for number in range(10)))
        return tree

    def commit(self, reports: str, *others: str) -> None:
        root = self.tree(f"040000 tree {reports}\treports", *others)
        before = self.git("for-each-ref", "--format=%(objectname)", self._ref)
        parent = ("-p", before) if before else ()
        self.git("update-ref", self._ref, self.git("commit-tree", root, "-m", "x", *parent))


def folders_in_reports(branch: Branch) -> None:
    branch.commit(branch.folders(branch.file(b"x")))


def folders_beside_reports(branch: Branch) -> None:
    one = branch.tree(f"100644 blob {branch.file(b'x')}\t3.json")
    branch.commit(one, f"040000 tree {branch.folders(branch.file(b'y'))}\tx")


def folders_in_history(branch: Branch) -> None:
    for content in (b"x", b"y", b"z"):
        branch.commit(branch.folders(branch.file(content)))
    branch.commit(branch.tree(f"100644 blob {branch.file(b'x')}\t3.json"))


def endless_file(branch: Branch) -> None:
    branch.commit(branch.tree(f"100644 blob {branch.file(bytes(192 * MIB))}\t3.json"))


def endless_files_in_history(branch: Branch) -> None:
    for number in range(2):
        branch.commit(branch.tree(f"100644 blob {branch.file(bytes(96 * MIB + number))}\t3.json"))
    branch.commit(branch.tree(f"100644 blob {branch.file(b'x')}\t3.json"))


def folder_of_many(branch: Branch) -> None:
    leaf = branch.file(b"x")
    branch.commit(branch.tree(*(f"100644 blob {leaf}\t{number}.json" for number in range(1, 60_000))))


def folder_with_the_name_of_a_report(branch: Branch) -> None:
    branch.commit(branch.tree(f"040000 tree {branch.folders(branch.file(b'x'), 1)}\t3.json"))


def names_that_are_no_text(branch: Branch) -> None:
    inner = branch.git("mktree", "-z", send=f"100644 blob {branch.file(b'x')}\t".encode() + b"\xff\xfe\x1b[2J\n.json\0")
    branch.commit(inner)


@pytest.mark.parametrize("device", [VICTIM, OTHER], ids=["heard of", "never heard of"])
@pytest.mark.parametrize(
    "bomb",
    [
        folders_in_reports,
        folders_beside_reports,
        folders_in_history,
        endless_file,
        endless_files_in_history,
        folder_of_many,
        folder_with_the_name_of_a_report,
        names_that_are_no_text,
    ],
)
def test_a_bomb_is_a_finding_and_the_others_are_heard(
    pair: FleetPair, device: str, bomb: Callable[[Branch], None]
) -> None:
    bomb(Branch(pair, device))
    third = next(name for name in pair.devices if name not in (VICTIM, OTHER))
    pair.send(third, model("confirmed", STABLE))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = pair.ingest()
    assert result.accepted == 1
    assert {each.rule for each in result.findings} == {"RT-REPORT-002"}
    assert all(f"reports/{device}" in each.place.path for each in result.findings)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "KiB"


def test_a_report_that_was_replaced_is_found_behind_bombs(pair: FleetPair) -> None:
    """Who has the key and throws bombs is two devices all the same."""
    branch = Branch(pair, OTHER)
    parts = model("confirmed", STABLE), model("absent", None)
    first, second = (ReportingDevice(id=OTHER).make({"digits": part})[1] for part in parts)
    branch.commit(branch.tree(f"100644 blob {branch.file(first)}\t1.json"))
    branch.commit(branch.tree(f"100644 blob {branch.file(second)}\t1.json"))
    folders_in_history(branch)
    branch.commit(branch.tree(f"100644 blob {branch.file(second)}\t1.json"))
    assert [each.rule for each in pair.ingest().findings] == ["RT-REPORT-008"]


def test_comparing_a_history_of_large_folders_is_bounded(pair: FleetPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_folders, "HISTORY_BYTES", 1000)
    for _ in range(40):
        pair.send(VICTIM, model("confirmed", STABLE))
    assert pair.ingest().accepted == 40
