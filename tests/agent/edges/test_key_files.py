"""Key files: whoever else could read one, write it, or put another in its place makes it refused."""

import os
from pathlib import Path

import pytest

from ringtide_agent.adapters.key_files import MAX_KEY_BYTES, read_key
from ringtide_contract.errors import InputError
from ringtide_contract.keys import generate, private_pem


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    made = folder / "device.key"
    made.write_bytes(private_pem(generate()))
    made.chmod(0o600)
    return made


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_key(path)
    return str(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_key_file_is_read(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert read_key(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601])
def test_no_other_user_has_any_right_to_it(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert refusal(path) == f"{path}: others may use this key (mode {mode:o}). fix: chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_folder_that_others_may_write_holds_no_key(path: Path, mode: int) -> None:
    folder = path.parent
    folder.chmod(mode)
    said = f"{path}: others may replace it: {folder} has mode {mode:o}. fix: chmod go-w {folder}"
    assert refusal(path) == said


def test_nor_does_a_folder_above(path: Path) -> None:
    path.parent.parent.chmod(0o777)
    assert f"{path.parent.parent} has mode 777" in refusal(path)


def test_in_a_sticky_folder_nobody_else_can_rename_it(path: Path) -> None:
    path.parent.chmod(0o1777)
    assert read_key(path)


def test_a_link_is_as_safe_as_both_its_ends(path: Path, tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    link = tmp_path / "live" / "privkey.pem"
    link.symlink_to(path)
    assert read_key(link)
    (tmp_path / "live").chmod(0o777)
    assert "live has mode 777" in refusal(link)
    (tmp_path / "live").chmod(0o755)
    path.parent.chmod(0o777)
    assert "keys has mode 777" in refusal(link)
    path.parent.chmod(0o755)
    path.chmod(0o644)
    assert "(mode 644)" in refusal(link)


def test_a_folder_or_a_pipe_is_no_key(path: Path, tmp_path: Path) -> None:
    assert "no plain file" in refusal(path.parent)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "no plain file" in refusal(tmp_path / "pipe"), "and nothing waits for a writer"


def test_a_file_that_goes_on_and_on_is_no_key(path: Path) -> None:
    path.write_bytes(b"x" * (MAX_KEY_BYTES + 1))
    assert "so no key" in refusal(path)


def test_nothing_there_and_nothing_sensible(path: Path) -> None:
    path.write_bytes(b"hello")
    assert refusal(path) == f"{path}: not an unencrypted PEM private key"
    path.unlink()
    assert "fix: enroll this device" in refusal(path)
