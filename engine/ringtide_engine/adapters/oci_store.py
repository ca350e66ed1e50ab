"""Artifacts in OCI registries, read and written: each a blob, kept by a manifest of its own that is tagged with its digest."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import urllib3

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.oci import Login, Repository, read_login, read_token, token_url
from ringtide_engine.adapters.bounded_requests import Answer, checked, requested
from ringtide_engine.model.artifact_address import artifact_address

ARTIFACT_TYPE = "application/vnd.ringtide.artifact.v1"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_EMPTY_TYPE, _EMPTY = "application/vnd.oci.empty.v1+json", b"{}"
_SAID_BYTES = 64 * 1024
_MAX_REDIRECTS = 3
_AHEAD_S = 10


class OciStore:
    """A repository of a registry."""

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        """Keep the address.

        Args:
            address: `oci://host/repository`.
            environment: Says where logins lie, as docker and podman are told: `REGISTRY_AUTH_FILE`, `DOCKER_CONFIG`, `HOME`.

        Raises:
            InputError: Not such an address.
        """
        self._address, self._repository = address.rstrip("/"), Repository.parse(address.rstrip("/"))
        self._environment, self._pool = environment, urllib3.PoolManager(retries=False)
        self._said, self._until_s = "", 0.0

    def has(self, digest: Digest) -> bool:
        """Tell whether the registry has the artifact, and keeps it."""
        return self._is_there(self._repository.url(f"manifests/{_tag(digest)}")) and self._is_there(
            self._repository.blob_url(digest)
        )

    def put(self, content: bytes) -> str:
        """Store content and return its URI; storing it twice changes nothing."""
        digest = sha256(content)
        if not self.has(digest):
            for blob in (content, _EMPTY):
                self._upload(blob)
            url = self._repository.url(f"manifests/{_tag(digest)}")
            answer = self._ask("PUT", url, {"Content-Type": _MANIFEST_TYPE}, _manifest(digest, len(content)))
            self._expect(answer, 201)
        return artifact_address(self._address, digest)

    def get(self, digest: Digest, limit: int) -> bytes:
        """Return the content of an artifact of at most `limit` bytes."""
        answer = self._ask("GET", self._repository.blob_url(digest), limit=max(limit + 1, _SAID_BYTES))
        self._expect(answer, 200)
        return checked(answer.content, digest, limit)

    def _is_there(self, url: str) -> bool:
        answer = self._ask("HEAD", url, {"Accept": _MANIFEST_TYPE})
        if answer.status != 404:
            self._expect(answer, 200)
        return answer.status == 200

    def _upload(self, blob: bytes) -> None:
        digest = sha256(blob)
        if self._is_there(self._repository.blob_url(digest)):
            return
        begun = self._ask("POST", self._repository.url("blobs/uploads/"), {"Content-Length": "0"})
        self._expect(begun, 202)
        place = urljoin(self._repository.door, begun.headers.get("Location", ""))
        whole = f"{place}{'&' if '?' in place else '?'}digest=sha256:{digest}"
        self._expect(self._ask("PUT", whole, {"Content-Type": "application/octet-stream"}, blob), 201)

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        *,
        limit: int = _SAID_BYTES,
    ) -> Answer:
        """Ask with a login; what lies on another host is asked for without."""
        for _ in range(_MAX_REDIRECTS + 1):
            sent = dict(headers or {})
            if urlsplit(url)[:2] == ("https", self._repository.host) and (said := self._authorization()):
                sent["Authorization"] = said
            answer = requested(self._pool, method, url, sent, content, limit)
            location = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or location is None or method not in ("GET", "HEAD"):
                return answer
            url = urljoin(url, location)
            if urlsplit(url).scheme != "https":
                break
        raise TransientError(f"the registry {self._repository.host} sends on too often, or to a place without TLS")

    def _authorization(self) -> str:
        if time.monotonic() < self._until_s:
            return self._said
        answer = requested(self._pool, "GET", self._repository.door, {}, None, _SAID_BYTES)
        login = self._login() if answer.status == 401 else None
        said, seconds = "", 3600
        if answer.status == 401:
            url = token_url(answer.headers.get("WWW-Authenticate", ""), self._repository, "pull,push")
            if url is None:
                said = "" if login is None else login.header
            else:
                asked = {} if login is None else {"Authorization": login.header}
                given = requested(self._pool, "GET", url, asked, None, _SAID_BYTES)
                if given.status != 200:
                    raise InputError(f"{self._repository.host} gives no token: HTTP {given.status}. {_FIX}")
                token, seconds = read_token(given.content)
                said = f"Bearer {token}"
        self._said, self._until_s = said, time.monotonic() + seconds - _AHEAD_S
        return said

    def _login(self) -> Login | None:
        places = self._environment
        named = places.get("REGISTRY_AUTH_FILE")
        folder = places.get("DOCKER_CONFIG") or f"{places.get('HOME', '/nowhere')}/.docker"
        path = Path(named or f"{folder}/config.json")
        try:
            return read_login(path.read_bytes(), self._repository.host)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        except InputError as error:
            raise InputError(f"{path}: {error}. {_FIX}") from error

    def _expect(self, answer: Answer, status: int) -> None:
        if answer.status == status:
            return
        if answer.status in (401, 403):
            raise InputError(f"{self._repository.host} refuses {self._repository.name}: HTTP {answer.status}. {_FIX}")
        raise TransientError(f"{self._address}: HTTP {answer.status} {_code(answer.content)}".rstrip())


_FIX = "fix: docker login, without a credential helper; or name the file with logins by REGISTRY_AUTH_FILE"


def _tag(digest: Digest) -> str:
    return f"artifact-{digest}"


def _manifest(digest: Digest, size_bytes: int) -> bytes:
    """Return a manifest that keeps one blob: a registry throws away what none names."""
    config = {"mediaType": _EMPTY_TYPE, "digest": f"sha256:{sha256(_EMPTY)}", "size": len(_EMPTY)}
    layer = {"mediaType": "application/octet-stream", "digest": f"sha256:{digest}", "size": size_bytes}
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": config,
        "layers": [layer],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _code(content: bytes) -> str:
    try:
        return str(json.loads(content)["errors"][0]["code"])[:64]
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
