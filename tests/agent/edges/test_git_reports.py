"""Reports as commits on the device's own ref: appended, never forced, and the same push twice is one commit."""

import shutil
from pathlib import Path

import pytest

from fakes.git_origin import GitOrigin
from fakes.git_server import Authority, git_server
from ringtide_agent.adapters.git_child import KEPT_REPORTS
from ringtide_agent.adapters.git_reports import GitReports, summary
from ringtide_agent.adapters.git_session import GitAccess
from ringtide_contract.errors import TransientError
from ringtide_contract.ids import DeviceId, report_ref

DEVICE = DeviceId("cam-001")
REF = report_ref(DEVICE)

ONLY_OWN_REF = '[ "$1" = "refs/heads/reports/$REMOTE_USER" ] || { echo "$REMOTE_USER may not write $1"; exit 1; }'


@pytest.fixture
def origin(tmp_path: Path) -> GitOrigin:
    return GitOrigin(tmp_path / "reports.git")


@pytest.fixture
def sink(tmp_path: Path, origin: GitOrigin) -> GitReports:
    return GitReports(GitAccess(url=origin.url), str(tmp_path / "state" / "git"))


def history(origin: GitOrigin) -> list[str]:
    return origin.git("log", "--format=%s", REF).splitlines()


def test_reports_become_commits_on_the_devices_own_ref(sink: GitReports, origin: GitOrigin) -> None:
    sink.push(DEVICE, {1: b'{"a":1}'})
    sink.push(DEVICE, {2: b'{"a":2}', 3: b'{"a":3}'})
    assert history(origin) == ["report 3", "report 1"]
    assert origin.git("show", f"{REF}:reports/2.json") == '{"a":2}'
    assert (
        origin.git("log", "-1", "--format=%an <%ae>", REF).strip() == "ringtide-agent cam-001 <cam-001@devices.invalid>"
    )
    assert origin.git("for-each-ref", "--format=%(refname)").split() == [REF]


def test_the_same_push_again_makes_no_commit(sink: GitReports, origin: GitOrigin) -> None:
    for _ in range(2):
        sink.push(DEVICE, {1: b"{}"})
    assert history(origin) == ["report 1"]


def test_only_the_newest_reports_stay_in_the_tree(sink: GitReports, origin: GitOrigin) -> None:
    sink.push(DEVICE, {number: b"%d" % number for number in range(1, 5)})
    sink.push(DEVICE, {number: b"%d" % number for number in range(5, KEPT_REPORTS + 3)})
    names = origin.git("ls-tree", "--name-only", f"{REF}:reports").split()
    assert sorted(int(name.removesuffix(".json")) for name in names) == list(range(3, KEPT_REPORTS + 3))


def test_a_device_that_counts_from_one_again_loses_no_report(
    sink: GitReports, origin: GitOrigin, tmp_path: Path
) -> None:
    sink.push(DEVICE, dict.fromkeys(range(100, 100 + KEPT_REPORTS), b"old"))
    again = GitReports(GitAccess(url=origin.url), str(tmp_path / "anew" / "git"))
    for number in (1, 2, 3):
        again.push(DEVICE, {number: b"new"})
    names = origin.git("ls-tree", "--name-only", f"{REF}:reports").split()
    numbers = sorted(int(name.removesuffix(".json")) for name in names)
    assert numbers == [1, 2, 3, *range(103, 100 + KEPT_REPORTS)]
    assert origin.git("show", f"{REF}:reports/1.json") == "new"
    assert history(origin)[:3] == ["report 3", "report 2", "report 1"]


def test_a_lost_local_copy_continues_the_history(sink: GitReports, origin: GitOrigin, tmp_path: Path) -> None:
    for number in range(1, 4):
        sink.push(DEVICE, {number: b"%d" % number})
        shutil.rmtree(tmp_path / "state" / "git" / "reports.git")
    assert history(origin) == ["report 3", "report 2", "report 1"]
    assert origin.git("show", f"{REF}:reports/1.json") == "1"


def test_a_push_whose_reply_was_lost_is_not_made_twice(sink: GitReports, origin: GitOrigin, tmp_path: Path) -> None:
    copy = tmp_path / "state" / "git" / "reports.git"
    sink.push(DEVICE, {1: b"1"})
    shutil.copytree(copy, tmp_path / "before")
    sink.push(DEVICE, {2: b"2"})
    shutil.rmtree(copy)
    shutil.move(tmp_path / "before", copy)
    sink.push(DEVICE, {2: b"2"})
    assert history(origin) == ["report 2", "report 1"]


def test_what_another_wrote_to_the_ref_is_kept(sink: GitReports, origin: GitOrigin) -> None:
    sink.push(DEVICE, {1: b"1"})
    clone = origin.commit({"reports/9.json": b"9", "reports/x": b"", "other": b""}, ref=REF)
    sink.push(DEVICE, {2: b"2"})
    origin.git("merge-base", "--is-ancestor", clone, REF)
    assert set(origin.git("ls-tree", "--name-only", f"{REF}:reports").split()) == {"2.json", "9.json"}


def test_a_refusal_by_the_servers_hook_carries_its_reason(sink: GitReports, origin: GitOrigin) -> None:
    sink.push(DEVICE, {1: b"1"})
    origin.hook("update", 'echo "cam-001 is retired"; exit 1')
    with pytest.raises(TransientError, match="cam-001 is retired"):
        sink.push(DEVICE, {2: b"2"})
    assert history(origin) == ["report 1"]
    (origin.path / "hooks" / "update").unlink()
    sink.push(DEVICE, {2: b"2"})
    assert history(origin) == ["report 2", "report 1"]


def test_the_hook_of_the_template_lets_a_device_write_its_own_ref_only(tmp_path: Path, origin: GitOrigin) -> None:
    (tmp_path / "tls").mkdir()
    authority = Authority(tmp_path / "tls")
    origin.hook("update", ONLY_OWN_REF)
    certificate, key = authority.issue("cam-001")
    with git_server(tmp_path, authority) as server:
        access = GitAccess(
            url=server.url("reports.git"),
            tls_certificate=str(certificate),
            tls_key=str(key),
            tls_authority=str(authority.path),
        )
        sink = GitReports(access, str(tmp_path / "git"))
        sink.push(DEVICE, {1: b"1"})
        with pytest.raises(TransientError, match="cam-001 may not write refs/heads/reports/cam-002"):
            sink.push(DeviceId("cam-002"), {1: b"forged"})
    assert origin.git("for-each-ref", "--format=%(refname)").split() == [REF]


def test_an_unreachable_repository_is_transient_and_keeps_the_copy(
    sink: GitReports, origin: GitOrigin, tmp_path: Path
) -> None:
    sink.push(DEVICE, {1: b"1"})
    away = origin.path.rename(tmp_path / "away")
    with pytest.raises(TransientError):
        sink.push(DEVICE, {2: b"2"})
    assert (tmp_path / "state" / "git" / "reports.git").exists()
    away.rename(origin.path)
    sink.push(DEVICE, {2: b"2"})
    assert history(origin) == ["report 2", "report 1"]


def test_the_message_of_what_is_no_report_is_its_number() -> None:
    assert summary({3: b"", 7: b"{"}) == "report 7"
