"""A device key on a PKCS#11 token: the real softhsm2, the real library, and every way in which a token fails."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ringtide_agent.adapters import token_key
from ringtide_agent.adapters.token_key import TokenKey, TokenSigner, make_token_key, public_token_key
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.keys import signature_is_valid

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "246813"

pytestmark = pytest.mark.skipif(
    not MODULE.exists() or shutil.which("softhsm2-util") is None,
    reason="softhsm2 is not installed: apt-get install softhsm2",
)


def init_token(folder: Path, label: str = "ringtide") -> None:
    """Make a token in a folder; `SOFTHSM2_CONF` must name the folder's configuration."""
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "135790"]
    subprocess.run(command, env={**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf")}, check=True)


def make_token(folder: Path) -> TokenKey:
    """Make a folder of tokens with one in it, and the file of its PIN."""
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    init_token(folder)
    pin = folder / "pin"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    return TokenKey(module=MODULE, token="ringtide", label="device", pin_file=pin)


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TokenKey:
    made = make_token(tmp_path)
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    return made


def test_a_key_is_made_once_and_signs_without_leaving_the_token(key: TokenKey) -> None:
    public = make_token_key(key)
    assert make_token_key(key) == public
    assert public_token_key(key) == public
    signature = TokenSigner(key).sign(b"a report")
    assert signature_is_valid(public, signature, b"a report")
    assert not signature_is_valid(public, signature, b"another")
    script = (
        "import pkcs11, sys\n"
        "token = pkcs11.lib(sys.argv[1]).get_token(token_label='ringtide')\n"
        "with token.open(user_pin=sys.argv[2]) as session:\n"
        "    key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label='device')\n"
        "    key[pkcs11.Attribute.VALUE]\n"
    )
    command = [sys.executable, "-c", script, str(MODULE), PIN]
    thief = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "AttributeSensitive" in thief.stderr


def test_two_labels_are_two_keys(key: TokenKey) -> None:
    assert make_token_key(key) != make_token_key(replace(key, label="next"))


def test_no_such_key_names_the_label(key: TokenKey) -> None:
    with pytest.raises(
        InputError, match=r"token 'ringtide' holds no EC key labelled 'device'. fix: enroll this device"
    ):
        TokenSigner(key).sign(b"x")


def test_a_token_that_is_not_there_may_come_back(key: TokenKey) -> None:
    with pytest.raises(TransientError, match="there is no token 'other' in"):
        TokenSigner(replace(key, token="other")).sign(b"x")


def test_a_wrong_pin_is_tried_once_since_tokens_lock(key: TokenKey, monkeypatch: pytest.MonkeyPatch) -> None:
    make_token_key(key)
    key.pin_file.write_text("000000")
    signer, calls = TokenSigner(key), []
    called = token_key._call
    monkeypatch.setattr(token_key, "_call", lambda *words: (calls.append(words), called(*words))[1])
    for _ in range(3):
        with pytest.raises(InputError, match=rf"refused the PIN of {key.pin_file}. fix: write the right PIN there"):
            signer.sign(b"x")
    assert len(calls) == 1
    key.pin_file.write_text(PIN)
    assert signer.sign(b"x")


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_pin_is_not_sent(key: TokenKey, content: str) -> None:
    key.pin_file.write_text(content)
    with pytest.raises(InputError, match=r"empty. fix: write the token's user PIN into it"):
        TokenSigner(key).sign(b"x")


def test_a_pin_that_others_may_read_is_refused(key: TokenKey) -> None:
    key.pin_file.chmod(0o644)
    with pytest.raises(InputError, match=r"others may use this key \(mode 644\)"):
        TokenSigner(key).sign(b"x")


@pytest.mark.parametrize("module", ["/nowhere.so", "/lib/x86_64-linux-gnu/libc.so.6"])
def test_a_library_that_is_none_is_named(key: TokenKey, module: str) -> None:
    with pytest.raises(InputError, match=rf"{module} cannot be loaded as a PKCS#11 library"):
        TokenSigner(replace(key, module=Path(module))).sign(b"x")


def test_a_library_that_does_not_start_is_asked_again(key: TokenKey, tmp_path: Path) -> None:
    (tmp_path / "tokens").rename(tmp_path / "gone")
    with pytest.raises(TransientError, match=r"libsofthsm2.so does not start: GeneralError"):
        TokenSigner(key).sign(b"x")


def test_a_library_that_crashes_takes_only_its_child_along(key: TokenKey, tmp_path: Path) -> None:
    source, module = tmp_path / "crash.c", tmp_path / "crash.so"
    source.write_text("int C_GetFunctionList(void **list) { *(volatile int *)0 = 1; return 0; }\n")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: apt-get install gcc")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(module), str(source)], check=True)
    with pytest.raises(TransientError, match=r"crash.so ended with signal SIGSEGV while the token was asked"):
        TokenSigner(replace(key, module=module)).sign(b"x")


def test_two_tokens_of_one_label_are_not_guessed_between(key: TokenKey, tmp_path: Path) -> None:
    init_token(tmp_path)
    with pytest.raises(InputError, match=r"there are 2 tokens 'ringtide'. fix: give one a label of its own"):
        make_token_key(key)


def test_a_key_of_another_kind_is_no_device_key(key: TokenKey) -> None:
    script = (
        "import pkcs11, sys\n"
        "from pkcs11.util.ec import encode_named_curve_parameters as named\n"
        "token = pkcs11.lib(sys.argv[1]).get_token(token_label='ringtide')\n"
        "with token.open(user_pin=sys.argv[2], rw=True) as session:\n"
        "    curve = {pkcs11.Attribute.EC_PARAMS: named('secp384r1')}\n"
        "    made = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)\n"
        "    made.generate_keypair(store=True, label='device')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(MODULE), PIN], check=True)
    with pytest.raises(InputError, match="the key on the token is not P-256"):
        make_token_key(key)
