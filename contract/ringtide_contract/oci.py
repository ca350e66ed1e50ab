"""OCI registries, as far as both sides speak with them: addresses, challenges, tokens, logins.

https://github.com/opencontainers/distribution-spec, https://distribution.github.io/distribution/spec/auth/token/
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, parse_digest

TOKEN_S = 60
"""How long a token holds that does not say so."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?")
_REPOSITORY = re.compile(r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*")
_PARAMETER = re.compile(r'([A-Za-z]+)="([^"]*)"')
_EXAMPLE = "oci://registry.example.org/models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of a registry."""

    host: str
    """The registry, with its port where it has one."""
    name: str
    """Name in it."""

    @classmethod
    def parse(cls, address: str) -> "Repository":
        """Read `oci://host/name`.

        Raises:
            InputError: Not such an address.
        """
        host, _, name = address.removeprefix("oci://").partition("/")
        is_named = _REPOSITORY.fullmatch(name) and len(name) <= 255
        if not address.startswith("oci://") or not _HOST.fullmatch(host) or not is_named:
            raise InputError(f"{address[:120]!r} is not a repository like {_EXAMPLE}")
        return cls(host=host, name=name)

    def url(self, path: str) -> str:
        """Return where something of the repository is asked for."""
        return f"https://{self.host}/v2/{self.name}/{path}"

    def blob_url(self, digest: Digest) -> str:
        """Return where a blob is asked for."""
        return self.url(f"blobs/sha256:{digest}")

    @property
    def door(self) -> str:
        """Where the registry says how it wants to be asked."""
        return f"https://{self.host}/v2/"


def parse_blob(uri: str) -> tuple[Repository, Digest]:
    """Read `oci://host/name@sha256:digest`.

    Raises:
        InputError: Not such an address.
    """
    address, at, digest = uri.partition("@sha256:")
    if not at:
        raise InputError(f"{uri[:120]!r} is not an address like {_EXAMPLE}@sha256:…")
    return Repository.parse(address), parse_digest(digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A name and its password."""

    user: str
    """The name."""
    password: str = field(repr=False)
    """The password."""

    @property
    def header(self) -> str:
        """What is sent as `Authorization`."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def read_login(content: bytes, host: str) -> Login | None:
    """Return the login for a registry out of a `config.json` as `docker login` and `podman login` write it.

    Raises:
        InputError: Not such a file; nothing of it is quoted.
    """
    try:
        entries = json.loads(content)["auths"]
        entry = entries.get(host) or entries.get(f"https://{host}")
        if entry is None or "auth" not in entry:
            return None
        user, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise InputError("not a file that `docker login` or `podman login` wrote") from None  # it holds the secret
    if not colon or not user:
        raise InputError(f"the login for {host} has no name or no password")
    return Login(user=user, password=password)


def token_url(challenge: str, repository: Repository, actions: str) -> str | None:
    """Return where a token is to be had, by what the registry's door says; None where it takes the login itself.

    Args:
        challenge: Its header `WWW-Authenticate`.
        repository: What the token is for.
        actions: What shall be done there, such as `pull`.

    Raises:
        InputError: It wants something else, or a token from a place that is not read over TLS.
    """
    scheme, _, rest = challenge.partition(" ")
    if scheme.lower() == "basic":
        return None
    said = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
    realm = said.get("realm", "")
    if scheme.lower() != "bearer" or not _is_over_tls(realm):
        raise InputError(f"{repository.host} asks for no login that is known here, or for one without TLS")
    asked = {"service": said["service"]} if "service" in said else {}
    asked["scope"] = f"repository:{repository.name}:{actions}"
    return f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}"


def _is_over_tls(realm: str) -> bool:
    try:
        parts = urlsplit(realm)
    except ValueError:
        return False
    return parts.scheme == "https" and "@" not in parts.netloc


def read_token(content: bytes) -> tuple[str, int]:
    """Return the token that an authorization service gave, and for how many seconds it holds.

    Raises:
        InputError: There is none; nothing of it is quoted.
    """
    try:
        data: Any = json.loads(content)
    except (ValueError, RecursionError):
        data = None
    token = data.get("token") or data.get("access_token") if isinstance(data, Mapping) else None
    if not isinstance(token, str) or not (token.isascii() and token.isprintable()) or " " in token:
        raise InputError("no token came")
    seconds = data.get("expires_in")
    return token, seconds if type(seconds) is int and 0 < seconds <= 24 * 3600 else TOKEN_S
