"""An archive of the agent is laid out whole, within its folder and within bounds, or not at all."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ringtide_agent.adapters import archive_folder
from ringtide_agent.adapters.archive_folder import ABOUT, unpack
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest

DIGEST = Digest("a" * 64)
Member = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"x = 1\n") -> Member:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def special(name: str, kind: bytes, leads_to: str = "") -> Member:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, leads_to
    return member, b""


def archive(*members: Member) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as content:
        for member, inside in members:
            content.addfile(member, io.BytesIO(inside))
    return out.getvalue()


GOOD = (file("ringtide_agent/__init__.py"), file("ringtide_agent/cli.py", b"y = 2\n"), file(ABOUT, b"{}"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def try_it(home: Path, content: bytes) -> Path:
    path = home.parent / "archive"
    path.write_bytes(content)
    unpack(path, home, DIGEST)
    return home / DIGEST


def test_it_is_laid_out_whole_compiled_and_private(home: Path) -> None:
    folder = try_it(home, archive(*GOOD))
    assert (folder / "ringtide_agent" / "cli.py").read_bytes() == b"y = 2\n"
    assert list(folder.glob("ringtide_agent/__pycache__/cli.*.pyc"))
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.glob("ringtide_agent/*.py")]} == {0}
    assert [path.name for path in home.iterdir()] == [DIGEST]


def test_a_second_time_nothing_is_done(home: Path) -> None:
    folder = try_it(home, archive(*GOOD))
    before = folder.stat().st_ino
    try_it(home, b"no archive at all")
    assert folder.stat().st_ino == before


@pytest.mark.parametrize(
    "member",
    [
        file("../outside"),
        file("ringtide_agent/../../outside"),
        file("/outside"),
        special("link", tarfile.SYMTYPE, "/etc"),
        special("link", tarfile.LNKTYPE, "/etc/passwd"),
        special("pipe", tarfile.FIFOTYPE),
        special("device", tarfile.CHRTYPE),
    ],
    ids=lambda member: f"{member[0].name}-{member[0].type.decode()}",
)
def test_what_reaches_out_of_the_folder_is_refused(home: Path, member: Member) -> None:
    with pytest.raises(InputError, match="within its folder"):
        try_it(home, archive(member, *GOOD))
    assert not (home / DIGEST).exists()
    assert not (home.parent / "outside").exists()


def test_a_file_named_twice_is_refused(home: Path) -> None:
    with pytest.raises(InputError):
        try_it(home, archive(*GOOD, file("ringtide_agent/cli.py", b"z = 3\n")))
    assert not (home / DIGEST).exists()


@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_a_cut_off_archive_is_refused(home: Path, part: float) -> None:
    content = archive(*GOOD, file("noise", os.urandom(50_000)))
    with pytest.raises(InputError, match="not an archive of the agent"):
        try_it(home, content[: int(len(content) * part)])
    assert not (home / DIGEST).exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", gzip.compress(b"no tar"), gzip.compress(b"")],
    ids=["empty", "zip", "text", "nothing"],
)
def test_what_is_no_archive_is_refused(home: Path, content: bytes) -> None:
    with pytest.raises(InputError):
        try_it(home, content)
    assert not (home / DIGEST).exists()


def test_an_archive_that_does_not_say_what_it_is_is_refused(home: Path) -> None:
    with pytest.raises(InputError, match=ABOUT):
        try_it(home, archive(*GOOD[:2]))


def test_an_archive_without_end_is_stopped(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_folder, "MAX_BYTES", 4096)
    with pytest.raises(InputError, match="more than"):
        try_it(home, archive(file("zeros", bytes(5000)), *GOOD))
    monkeypatch.setattr(archive_folder, "MAX_FILES", 2)
    with pytest.raises(InputError, match="more than"):
        try_it(home, archive(*GOOD))
    assert not (home / DIGEST).exists()


def test_a_full_disk_leaves_what_was_there_and_is_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_folder, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(TransientError, match="no room"):
        try_it(home, archive(*GOOD))
    monkeypatch.undo()
    assert (try_it(home, archive(*GOOD)) / ABOUT).is_file()


def test_a_kill_at_any_write_leaves_nothing_that_would_be_started(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killing(after: int) -> Callable[..., int]:
        left, real = [after], os.open

        def opened(*arguments: object, **more: object) -> int:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*arguments, **more)  # type: ignore[arg-type]

        return opened

    points = 0
    for after in range(4):
        with monkeypatch.context() as patch:
            patch.setattr(archive_folder.os, "open", killing(after))
            try:
                try_it(home, archive(*GOOD))
            except Killed:
                points += 1
                assert after == 3 or not (home / DIGEST).exists()
        assert (try_it(home, archive(*GOOD)) / ABOUT).is_file()
        archive_folder.remove_folder(home / DIGEST)
    assert points == 4
