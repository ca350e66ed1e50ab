"""The child that talks to a PKCS#11 token: one order on standard input, one answer on standard output.

Keys are P-256, which every token holds; the token signs a digest that is made here.
"""

import base64
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pkcs11 import Session, Token

_P256 = bytes.fromhex("06082a8648ce3d030107")
"""The curve's object identifier, DER."""

_EXTRA = "pip install 'ringtide[pkcs11]'"


class _AnswerError(Exception):
    """Ends the work with an answer that is no result: its kind and its text."""


def main() -> None:
    """Answer one order."""
    order = json.load(sys.stdin)
    told = os.dup(1)
    os.dup2(2, 1)  # libraries write to standard output as they like
    try:
        kind, text = "done", base64.b64encode(_obey(order)).decode("ascii")
    except _AnswerError as error:
        kind, text = error.args
    with os.fdopen(told, "w") as out:
        json.dump({"kind": kind, "text": text}, out)


def _obey(order: dict[str, Any]) -> bytes:
    try:
        import pkcs11
    except ImportError as error:
        raise _AnswerError("person", f"[pkcs11] needs python-pkcs11. fix: {_EXTRA}") from error
    name, label = order["token"], order["label"]
    with _session(order) as session:
        wanted = {"label": label, "key_type": pkcs11.KeyType.EC}
        try:
            if order["call"] == "sign":
                private: Any = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, **wanted)
                digest = hashlib.sha256(base64.b64decode(order["message"])).digest()
                return _as_der(private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
            try:
                public = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, **wanted)
            except pkcs11.NoSuchKey:
                if order["call"] != "make":
                    raise
                public = _made(session, label)
            return _as_pem(public[pkcs11.Attribute.EC_PARAMS], public[pkcs11.Attribute.EC_POINT])
        except pkcs11.NoSuchKey as error:
            text = f"token {name!r} holds no EC key labelled {label!r}. fix: enroll this device, or set pkcs11.label"
            raise _AnswerError("person", text) from error
        except pkcs11.MultipleObjectsReturned as error:
            text = f"token {name!r} holds several keys labelled {label!r}. fix: give one a label of its own"
            raise _AnswerError("person", text) from error


@contextmanager
def _session(order: dict[str, Any]) -> "Iterator[Session]":
    import pkcs11

    try:
        library = pkcs11.lib(order["module"])
    except pkcs11.PKCS11Error as error:
        if type(error) is not pkcs11.PKCS11Error:  # the library answered, with a code of its own
            text = f"{order['module']} does not start: {type(error).__name__} {error}".strip()
            raise _AnswerError("later", text) from error
        text = f"{order['module']} cannot be loaded as a PKCS#11 library: {error}. fix: see pkcs11.module"
        raise _AnswerError("person", text) from error
    try:
        token = _token(library.get_tokens(token_label=order["token"]), order)
        flags = token.flags
        if pkcs11.TokenFlag.USER_PIN_LOCKED in flags:
            text = f"token {order['token']!r} is locked: wrong PINs. fix: unlock it with the security officer's PIN"
            raise _AnswerError("person", text)
        if pkcs11.TokenFlag.USER_PIN_FINAL_TRY in flags:
            text = f"one more wrong PIN locks token {order['token']!r}. fix: log in once by hand, as with pkcs11-tool"
            raise _AnswerError("person", text)
        with token.open(rw=order["call"] == "make", user_pin=order["pin"]) as session:
            yield session
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange) as error:
        raise _AnswerError("pin", "") from error
    except pkcs11.PinLocked as error:
        text = f"token {order['token']!r} is locked: wrong PINs. fix: unlock it with the security officer's PIN"
        raise _AnswerError("person", text) from error
    except pkcs11.PKCS11Error as error:
        text = f"token {order['token']!r} failed: {type(error).__name__} {error}".strip()
        raise _AnswerError("later", text) from error


def _token(found: "Iterator[Token]", order: dict[str, Any]) -> "Token":
    tokens = list(found)
    if not tokens:
        raise _AnswerError("later", f"there is no token {order['token']!r} in {order['module']}")
    if len(tokens) > 1:
        text = f"there are {len(tokens)} tokens {order['token']!r}. fix: give one a label of its own"
        raise _AnswerError("person", text)
    return tokens[0]


def _made(session: "Session", label: str) -> Any:
    import pkcs11

    curve = session.create_domain_parameters(pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: _P256}, local=True)
    public, _ = curve.generate_keypair(
        store=True,
        label=label,
        id=os.urandom(8),
        capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        private_template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
    )
    return public


def _as_pem(curve: bytes, point: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if curve != _P256:
        raise _AnswerError("person", "the key on the token is not P-256. fix: name another with pkcs11.label")
    bare = point[2:] if point[:2] == b"\x04\x41" else point  # an OCTET STRING, or what some tokens give instead
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bare)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _as_der(signature: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


if __name__ == "__main__":
    main()
