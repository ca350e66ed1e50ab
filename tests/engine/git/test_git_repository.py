"""The Git adapter against real repositories: bare, checked out, and with a remote."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringtide_contract.errors import InputError, TransientError
from ringtide_engine.adapters.git_repository import GitRepository
from ringtide_engine.ports import ConflictError

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    folder = tmp_path / "bare.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(folder))
    return folder


@pytest.fixture
def clone(tmp_path: Path, bare: Path) -> Path:
    GitRepository(bare).commit("main", parent=None, changes={"fleet.yaml": b"a\n", "sub/x": b"x"}, message="one", at=AT)
    git(tmp_path, "clone", "-q", str(bare), "clone")
    return tmp_path / "clone"


def test_what_was_committed_is_read_back(bare: Path) -> None:
    repository = GitRepository(bare)
    files = {f"devices/{number}.yaml": b"%d\n" % number for number in range(300)} | {'odd "name"\\ö': b"\0\xff"}
    first = repository.commit("main", parent=None, changes=files, message="Enrol\n\nAll of them.", at=AT)
    assert repository.head("main") == first
    assert repository.files(first) == files
    assert repository.files(first, "devices/29") == {
        path: files[path] for path in files if path.startswith("devices/29")
    }
    assert repository.file(first, "devices/7.yaml") == b"7\n"
    assert repository.file(first, "devices") is None
    assert repository.file(first, "nothing") is None


def test_a_commit_changes_only_what_it_names(bare: Path) -> None:
    repository = GitRepository(bare)
    first = repository.commit("main", parent=None, changes={"a": b"1", "d/b": b"2"}, message="one", at=AT)
    second = repository.commit("main", parent=first, changes={"d/b": None, "d": b"now a file"}, message="two", at=AT)
    assert repository.files(second) == {"a": b"1", "d": b"now a file"}
    assert repository.changed_paths(first, second) == ("d", "d/b")
    assert [info.id for info in repository.history(second)] == [second, first]
    assert [info.message.strip() for info in repository.history(second, since=first)] == ["two"]
    assert next(repository.history(second)).at == AT
    assert repository.is_ancestor(first, second)
    assert not repository.is_ancestor(second, first)
    assert repository.merge_base(first, second) == first


def test_the_second_of_two_writers_meets_a_conflict(bare: Path) -> None:
    repository = GitRepository(bare)
    first = repository.commit("main", parent=None, changes={"a": b"1"}, message="one", at=AT)
    second = repository.commit("main", parent=first, changes={"a": b"2"}, message="two", at=AT)
    with pytest.raises(ConflictError):
        repository.commit("main", parent=first, changes={"a": b"3"}, message="late", at=AT)
    with pytest.raises(ConflictError):
        repository.commit("main", parent=None, changes={"a": b"3"}, message="late", at=AT)
    assert repository.head("main") == second
    assert git(bare, "for-each-ref", "refs/ringtide") == ""


def test_with_a_remote_the_remote_decides(bare: Path, clone: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(bare), "other")
    here, there = GitRepository(clone), GitRepository(tmp_path / "other")
    parent = here.head("main")
    won = there.commit("main", parent=parent, changes={"a": b"1"}, message="won", at=AT)
    with pytest.raises(ConflictError):
        here.commit("main", parent=parent, changes={"a": b"2"}, message="lost", at=AT)
    assert GitRepository(bare).head("main") == won
    assert here.head("main") == won
    assert here.branches("") == {"main": won}
    assert here.head("published") is None
    created = here.commit("published", parent=None, changes={"p": b"1"}, message="new", at=AT)
    assert there.head("published") == created
    with pytest.raises(ConflictError):
        there.commit("published", parent=None, changes={"p": b"2"}, message="second root", at=AT)


def test_a_refusal_by_a_hook_is_told_and_never_retried(bare: Path, clone: Path) -> None:
    hook = bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'reviews are required' >&2\nexit 1\n")
    hook.chmod(0o755)
    repository = GitRepository(clone)
    with pytest.raises(InputError, match="reviews are required"):
        repository.commit("main", parent=repository.head("main"), changes={"a": b"2"}, message="m", at=AT)


def test_an_unreachable_remote_is_transient(clone: Path, tmp_path: Path) -> None:
    git(clone, "remote", "set-url", "origin", str(tmp_path / "gone.git"))
    with pytest.raises(TransientError):
        GitRepository(clone).head("main")


def test_the_work_tree_follows_the_branch(clone: Path) -> None:
    repository = GitRepository(clone)
    (clone / "notes").write_text("mine")
    (clone / "fleet.yaml").write_text("a\nlocal edit\n")
    repository.commit("main", parent=repository.head("main"), changes={"sub/x": None, "new": b"n"}, message="m", at=AT)
    assert (clone / "new").read_text() == "n"
    assert not (clone / "sub/x").exists()
    assert (clone / "fleet.yaml").read_text() == "a\nlocal edit\n"
    assert git(clone, "status", "--porcelain").split() == ["M", "fleet.yaml", "??", "notes"]


def test_uncommitted_changes_are_never_overwritten(clone: Path, bare: Path) -> None:
    repository = GitRepository(clone)
    before = repository.head("main")
    (clone / "fleet.yaml").write_text("local edit\n")
    with pytest.raises(InputError, match="commit or put them aside"):
        repository.commit("main", parent=before, changes={"fleet.yaml": b"b"}, message="m", at=AT)
    (clone / "new").write_text("untracked")
    with pytest.raises(InputError, match="commit or put them aside"):
        repository.commit("main", parent=before, changes={"new": b"b"}, message="m", at=AT)
    assert GitRepository(bare).head("main") == before
    assert (clone / "fleet.yaml").read_text() == "local edit\n"


def test_the_work_tree_is_read_as_it_stands(clone: Path) -> None:
    (clone / ".gitignore").write_text("*.tmp\n")
    (clone / "junk.tmp").write_text("ignored")
    (clone / "new").write_bytes(b"n")
    (clone / "sub/x").unlink()
    assert GitRepository(clone).worktree_files() == {"fleet.yaml": b"a\n", ".gitignore": b"*.tmp\n", "new": b"n"}


def test_links_are_refused(clone: Path) -> None:
    (clone / "link").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="link"):
        GitRepository(clone).worktree_files()
    git(clone, "add", "link")
    git(clone, "commit", "-qm", "link")
    with pytest.raises(InputError, match="link"):
        GitRepository(clone).files(git(clone, "rev-parse", "HEAD"))


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", ".git/config", "", "a/../b"])
def test_a_path_outside_the_tree_is_refused(bare: Path, path: str) -> None:
    with pytest.raises(InputError, match="not a path"):
        GitRepository(bare).commit("main", parent=None, changes={path: b"x"}, message="m", at=AT)


def test_names_that_are_no_commits_are_refused(bare: Path, tmp_path: Path) -> None:
    repository = GitRepository(bare)
    with pytest.raises(InputError, match="names no commit"):
        repository.commit_of("--help")
    with pytest.raises(InputError, match="not a commit id"):
        repository.files("--all")
    (tmp_path / "plain").mkdir()
    with pytest.raises(InputError, match="git init"):
        GitRepository(tmp_path / "plain")


def test_credentials_never_stand_in_a_message(clone: Path) -> None:
    git(clone, "remote", "set-url", "origin", "http://user:secret@127.0.0.1:1/x.git")
    with pytest.raises(TransientError) as caught:
        GitRepository(clone).head("main")
    assert "secret" not in str(caught.value)


def test_a_clone_reads_branches_of_its_origin(bare: Path, tmp_path: Path) -> None:
    commit = GitRepository(bare).commit("published", parent=None, changes={"a": b"1"}, message="m", at=AT)
    copy = GitRepository.clone(str(bare), tmp_path / "copy.git")
    assert copy.head("published") == commit
    assert copy.files(commit) == {"a": b"1"}
