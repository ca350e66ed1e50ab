"""The device's short client certificate: fetched from a static file, renewed after half of its time, used for downloads.

It is no secret and proves nothing without the device's key. Whoever serves it can at most withhold it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ringtide_agent.adapters.artifact_stream import ArtifactStore, BrokenOffError, Stream
from ringtide_agent.adapters.web import Tls, Web
from ringtide_agent.adapters.web_store import WebStore
from ringtide_contract.keys import PublicKey

MAX_BYTES = 16 * 1024

ANSWER_S = 30.0
"""For the whole answer."""

AGAIN_S = 300.0
"""A certificate that is due and did not come is asked for again after so long, while the one before still holds."""


class DeviceCertificate:
    """The certificate in the state folder, and where a newer one comes from."""

    def __init__(
        self,
        url: str,
        key: PublicKey,
        path: Path,
        *,
        authority: str | None,
        store: WebStore,
        now: Callable[[], datetime],
    ) -> None:
        """Ask nobody yet.

        Args:
            url: Where the certificate is served.
            key: The device's key; a certificate over another one is not taken.
            path: Where it is kept.
            authority: Authorities that the server's certificate is checked against; None for the system's.
            store: Makes the request.
            now: Returns the present.
        """
        self._url, self._path, self._store, self._now = url, path, store, now
        self._key, self._tls = _bytes(key), Tls(authority=authority)
        self._lock, self._again_s = threading.Lock(), 0.0

    def ensure(self) -> None:
        """Have a certificate that holds, renewed where it is time.

        Raises:
            BrokenOffError: There is none.
        """
        with self._lock:
            now, kept = self._now(), self._read()
            holds = kept is not None and kept.not_valid_before_utc <= now < kept.not_valid_after_utc
            if kept is not None and holds:
                half = kept.not_valid_before_utc + (kept.not_valid_after_utc - kept.not_valid_before_utc) / 2
                if now < half or time.monotonic() < self._again_s:
                    return
            self._again_s = time.monotonic() + AGAIN_S
            try:
                self._renew(now)
            except BrokenOffError:
                if not holds:
                    raise

    def _renew(self, now: datetime) -> None:
        content = self._asked()
        certificate = _parsed(content)
        if certificate is None or _bytes_of(certificate) != self._key:
            raise BrokenOffError(f"{self._url}: no certificate over this device's key")
        if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
            raise BrokenOffError(
                f"{self._url}: the certificate ended at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M}"
            )
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = self._path.with_name(f".{self._path.name}.new")
            temporary.write_bytes(certificate.public_bytes(Encoding.PEM))
            temporary.replace(self._path)  # not made durable: what a power cut takes is fetched again
        except OSError as error:
            raise BrokenOffError(f"{self._path}: {error.strerror}") from error

    def _asked(self) -> bytes:
        web = Web(self._tls)
        timer = threading.Timer(ANSWER_S, web.cut, [f"no answer within {ANSWER_S:g} s"])
        timer.daemon = True
        timer.start()
        try:
            with self._store.answer(self._url, {}, web) as response:
                if response.status in (404, 410):
                    raise BrokenOffError(f"{self._url}: no certificate for this device: it is not active in its fleet")
                if response.status != 200:
                    raise BrokenOffError(f"{self._url}: HTTP {response.status}")
                content = bytearray()
                while len(content) <= MAX_BYTES and (chunk := web.read(response, MAX_BYTES)):
                    content += chunk
                return bytes(content)
        finally:
            timer.cancel()
            web.close()

    def _read(self) -> x509.Certificate | None:
        try:
            found = _parsed(self._path.read_bytes())
        except OSError:
            return None
        return found if found is not None and _bytes_of(found) == self._key else None


class CertifiedStore:
    """A store that is asked with the device's certificate."""

    def __init__(self, store: ArtifactStore, certificate: DeviceCertificate) -> None:
        """Keep both."""
        self._store, self._certificate = store, certificate

    @contextmanager
    def open(self, uri: str, start: int, web: Web, amount: int) -> Iterator[Stream]:
        """Open an artifact; see `ArtifactStore`."""
        self._certificate.ensure()
        with self._store.open(uri, start, web, amount) as stream:
            yield stream


def _parsed(content: bytes) -> x509.Certificate | None:
    """Return a certificate whose key and times can be read, too; None where there is none."""
    try:
        found = x509.load_pem_x509_certificate(content)
        _ = (found.public_key(), found.not_valid_before_utc, found.not_valid_after_utc)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return found


def _bytes(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _bytes_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
