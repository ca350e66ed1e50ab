"""A device key that never leaves hardware: signing by PKCS#11, in a child process.

The vendor's library runs in a child that lives for one call. It may crash, leak or hang; the supervisor serves on.
"""

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ringtide_agent.adapters.child_process import child_environment, describe_end
from ringtide_agent.adapters.key_files import read_private
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.keys import PublicKey, parse_public_key

CALL_S = 30
"""For one call. A slow smart card signs within seconds; a hung one must not hold the loop for long."""

Call = Literal["make", "public", "sign"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """Where a key lies, and what opens it."""

    module: Path
    """The vendor's PKCS#11 library."""
    token: str
    """Label of the token."""
    label: str
    """Label of the key pair on it."""
    pin_file: Path
    """File that holds the user PIN of the token."""


class TokenSigner:
    """Signs with a key on a token."""

    def __init__(self, key: TokenKey) -> None:
        """Keep where the key lies; the token is asked for only when something is to be signed."""
        self._key = key
        self._refused: str | None = None

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`.

        Raises:
            InputError: No such key, or a PIN that was refused: it is not tried a second time, since tokens lock.
            TransientError: The token is not there, or does not answer.
        """
        pin = _pin(self._key.pin_file)
        if pin == self._refused:
            raise _refused(self._key)
        try:
            return _call(self._key, "sign", pin, message)
        except _PinRefusedError:
            self._refused = pin
            raise


class _PinRefusedError(InputError):
    """The token did not take the PIN."""


def make_token_key(key: TokenKey) -> PublicKey:
    """Make the key pair on the token, or use the one of that label, and return its public half.

    Raises:
        InputError: A person must act: the library, the PIN, or a key of another kind.
        TransientError: The token is not there, or does not answer.
    """
    return parse_public_key(_call(key, "make", _pin(key.pin_file)).decode("ascii"))


def public_token_key(key: TokenKey) -> PublicKey:
    """Return the public half of the key.

    Raises:
        InputError: As `make_token_key`, or there is no such key.
        TransientError: The token is not there, or does not answer.
    """
    return parse_public_key(_call(key, "public", _pin(key.pin_file)).decode("ascii"))


def _pin(path: Path) -> str:
    pin = read_private(path).decode("utf-8", "replace").rstrip("\r\n")
    if not pin:
        raise InputError(f"{path}: empty. fix: write the token's user PIN into it")
    return pin


def _refused(key: TokenKey) -> _PinRefusedError:
    return _PinRefusedError(f"token {key.token!r} refused the PIN of {key.pin_file}. fix: write the right PIN there")


def _call(key: TokenKey, call: Call, pin: str, message: bytes = b"") -> bytes:
    order = {
        "call": call,
        "module": str(key.module),
        "token": key.token,
        "label": key.label,
        "pin": pin,
        "message": base64.b64encode(message).decode("ascii"),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ringtide_agent.adapters.token_child"],
            input=json.dumps(order).encode("ascii"),
            capture_output=True,
            env={**os.environ, **child_environment()},  # vendors' libraries find their tokens by variables
            timeout=CALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TransientError(f"token {key.token!r} did not answer within {CALL_S} s") from error
    except OSError as error:
        raise TransientError(f"no process can be started to ask the token: {error}") from error
    try:
        answer = json.loads(done.stdout)
        kind, text = answer["kind"], answer["text"]
    except (ValueError, TypeError, KeyError) as error:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][-200:]
        end = f"{key.module} {describe_end(done.returncode)} while the token was asked"
        raise TransientError(f"{end}: {said}" if said else end) from error
    match kind:
        case "done":
            return base64.b64decode(text)
        case "pin":
            raise _refused(key)
        case "person":
            raise InputError(text)
        case _:
            raise TransientError(text)
