"""Publications over Git: cheap when nothing changed, bounded whatever the server does."""

import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.git_origin import GitOrigin
from fakes.git_server import Authority, git_server
from ringtide_agent.adapters import git_session
from ringtide_agent.adapters.git_session import GitAccess
from ringtide_agent.adapters.git_source import GitSource
from ringtide_contract.errors import InputError, TransientError, TrustError


@pytest.fixture
def origin(tmp_path: Path) -> GitOrigin:
    made = GitOrigin(tmp_path / "origin.git")
    made.commit(
        {"head.json": b"one", "index/00/00.json": b"\x00\xff" * 1000, "link": b"/etc/passwd"}, modes={"link": "120000"}
    )
    return made


@pytest.fixture
def source(tmp_path: Path, origin: GitOrigin) -> GitSource:
    return GitSource(GitAccess(url=origin.url), "published", str(tmp_path / "state" / "git"))


def copy(tmp_path: Path) -> Path:
    return tmp_path / "state" / "git" / "published.git"


def read(source: GitSource, path: str = "head.json", limit: int = 100) -> bytes:
    with source.open() as snapshot:
        return snapshot.read(path, limit)


def test_the_newest_state_is_read(source: GitSource, origin: GitOrigin) -> None:
    with source.open() as snapshot:
        assert snapshot.commit == origin.tip()
        assert snapshot.read("head.json", 3) == b"one"
        assert snapshot.read("index/00/00.json", 2000) == b"\x00\xff" * 1000
    second = origin.commit({"head.json": b"two"})
    with source.open() as snapshot:
        assert (snapshot.commit, snapshot.read("head.json", 3)) == (second, b"two")


def test_history_is_not_fetched(source: GitSource, origin: GitOrigin, tmp_path: Path) -> None:
    origin.commit({"head.json": b"two"})
    read(source)
    count = ["git", "-C", str(copy(tmp_path)), "rev-list", "--count", "--all"]
    assert subprocess.run(count, capture_output=True, check=True).stdout.strip() == b"1"


@pytest.mark.parametrize(
    ("path", "limit"),
    [("head.json", 2), ("missing.json", 9), ("index", 9), ("link", 99), ("head.json/x", 9)],
)
def test_what_is_not_a_small_enough_plain_file_is_refused(source: GitSource, path: str, limit: int) -> None:
    with source.open() as snapshot:
        with pytest.raises(TrustError, match="TREE-FILE"):
            snapshot.read(path, limit)
        assert snapshot.read("head.json", 3) == b"one"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "", "a/../../x", "a\nb"])
def test_paths_out_of_the_tree_are_refused(source: GitSource, path: str) -> None:
    with source.open() as snapshot, pytest.raises(TrustError, match="TREE-PATH"):
        snapshot.read(path, 9)


@pytest.mark.parametrize("broken", ["pack", "lock", "config", "HEAD"])
def test_a_damaged_copy_is_fetched_again(source: GitSource, origin: GitOrigin, tmp_path: Path, broken: str) -> None:
    read(source)
    origin.commit({"head.json": b"two"})
    if broken == "pack":
        for pack in copy(tmp_path).glob("objects/pack/*"):
            pack.chmod(0o644)
            pack.write_bytes(b"")
    elif broken == "lock":
        (copy(tmp_path) / "shallow.lock").touch()
    else:
        (copy(tmp_path) / broken).write_bytes(b"\0" * 20)
    answers = []
    for _ in range(2):
        try:
            answers.append(read(source))
        except TransientError:
            answers.append(b"")
    assert answers[-1] == b"two"


def test_the_copy_does_not_grow_past_its_limit(
    source: GitSource, origin: GitOrigin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_session, "FOLDER_BYTES", 500_000)
    for number in range(4):
        origin.commit({"head.json": b"%d" % number, "noise": random.Random(number).randbytes(200_000)})
        assert read(source) == b"%d" % number
        assert sum(path.stat().st_size for path in copy(tmp_path).rglob("*")) <= 500_000


def test_a_state_that_is_too_large_alone_is_not_kept(
    source: GitSource, origin: GitOrigin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_session, "FOLDER_BYTES", 100_000)
    origin.commit({"noise": random.Random(1).randbytes(200_000)})
    with pytest.raises(TransientError, match="over the limit on disk space"):
        read(source)
    assert not copy(tmp_path).exists()


def test_a_pack_over_the_limit_on_file_size_is_cut(
    source: GitSource, origin: GitOrigin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_session, "FILE_BYTES", 1_000_000)
    origin.commit({"noise": random.Random(1).randbytes(3_000_000)})
    with pytest.raises(TransientError):
        read(source)
    assert not copy(tmp_path).exists()


@pytest.fixture
def silent_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_silent_server_is_left_at_the_deadline(silent_server: int, tmp_path: Path) -> None:
    access = GitAccess(url=f"https://127.0.0.1:{silent_server}/x")
    source = GitSource(access, "published", str(tmp_path / "git"), deadline_s=1.0)
    with pytest.raises(TransientError, match="not done within 1 s"):
        read(source)


def test_a_branch_that_is_not_there_is_transient(tmp_path: Path, origin: GitOrigin) -> None:
    source = GitSource(GitAccess(url=origin.url), "nowhere", str(tmp_path / "git"))
    with pytest.raises(TransientError, match="no branch 'nowhere'"):
        read(source)


@pytest.mark.parametrize(
    "url", ["git://host/x", "ext::sh -c date", "http://host/x", "git@host:x", "https://u:p@host/x"]
)
def test_addresses_that_git_must_not_get_are_refused(url: str) -> None:
    with pytest.raises(InputError):
        GitAccess(url=url)


def test_the_supervisor_never_imports_git() -> None:
    code = (
        "import sys, ringtide_agent.adapters.git_source, ringtide_agent.adapters.git_reports;"
        "print([name for name in ('git', 'gitdb', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True)
    assert done.stdout.strip() == b"[]"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "tls").mkdir()
    return Authority(tmp_path / "tls")


def access(authority: Authority, url: str, name: str = "cam-001") -> GitAccess:
    certificate, key = authority.issue(name)
    return GitAccess(url=url, tls_certificate=str(certificate), tls_key=str(key), tls_authority=str(authority.path))


def test_https_with_a_client_certificate(tmp_path: Path, origin: GitOrigin, authority: Authority) -> None:
    with git_server(tmp_path, authority) as server:
        source = GitSource(access(authority, server.url("origin.git")), "published", str(tmp_path / "git"))
        assert read(source) == b"one"
        server.bytes = 0
        assert read(source) == b"one"
        assert server.bytes < 2048, f"{server.bytes} bytes where an unchanged poll costs about a kilobyte"


def test_https_without_a_certificate_or_with_a_strange_server_is_transient(
    tmp_path: Path, origin: GitOrigin, authority: Authority
) -> None:
    with git_server(tmp_path, authority) as server:
        url = server.url("origin.git")
        for refused in (GitAccess(url=url, tls_authority=str(authority.path)), GitAccess(url=url)):
            with pytest.raises(TransientError, match="https://127"):
                read(GitSource(refused, "published", str(tmp_path / "git")))


def test_the_environment_cannot_weaken_tls(
    tmp_path: Path, origin: GitOrigin, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    monkeypatch.setenv("GIT_SSL_CAINFO", str(authority.path))
    with git_server(tmp_path, authority) as server:
        certificate, key = authority.issue("cam-001")
        strict = GitAccess(url=server.url("origin.git"), tls_certificate=str(certificate), tls_key=str(key))
        with pytest.raises(TransientError):
            read(GitSource(strict, "published", str(tmp_path / "git")))


def test_endless_data_is_left_at_the_deadline(tmp_path: Path, origin: GitOrigin, authority: Authority) -> None:
    with git_server(tmp_path, authority) as server:
        endless = access(authority, server.url("endless/origin.git"))
        with pytest.raises(TransientError):
            read(GitSource(endless, "published", str(tmp_path / "git"), deadline_s=3.0))
        assert server.requests >= 1
