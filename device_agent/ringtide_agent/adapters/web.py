"""Requests over HTTP that another thread can cut: a server that sends a byte a minute outlives every socket's own timeout."""

import contextlib
import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CONNECT_S = 10.0
"""For a connection."""

SILENCE_S = 30.0
"""Longest wait for the next bytes."""


logging.getLogger("urllib3").setLevel(logging.ERROR)
"""It warns with a traceback of headers that were cut off, which is the network's fault and said by the callers here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files for `https`."""

    authority: str | None = None
    """Authorities that the server's certificate is checked against; None for the system's."""
    certificate: str | None = None
    """Client certificate."""
    key: str | None = None
    """Its private key."""


class Web:
    """Connections that `cut` ends at once, in whatever phase they are."""

    def __init__(self, tls: Tls, *, silence_s: float = SILENCE_S) -> None:
        """Connect to nothing yet.

        Args:
            tls: Files for `https`.
            silence_s: Longest wait for the next bytes.
        """
        self._handles: dict[HTTPConnection, socket.socket] = {}
        self.why_cut = ""
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=1,
            ca_certs=tls.authority,
            cert_file=tls.certificate,
            key_file=tls.key,
            retries=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_S, silence_s), read=silence_s),
        )
        self._pool.pool_classes_by_scheme = _pools(self)

    @contextmanager
    def get(self, uri: str, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """Ask for an address; no redirection is followed, no content read.

        Raises:
            urllib3.exceptions.HTTPError: No answer, or not to the end, also where it was cut; or no such question can
                be put: a server may have given the address or what stands in a header.
        """
        self.why_cut = ""
        given = {"Accept-Encoding": "identity", "User-Agent": "ringtide-agent", **headers}
        response = self._asked(uri, given)
        try:
            self._check()
            yield response
        finally:
            response.close()
            for connection in [each for each in self._handles if each.sock is None]:
                self._handles.pop(connection).close()

    def _asked(self, uri: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        try:
            # What was encoded without being asked for is not decoded: a kilobyte may unfold to a gigabyte.
            return self._pool.request(
                "GET", uri, headers=headers, preload_content=False, redirect=False, decode_content=False
            )
        except urllib3.exceptions.HTTPError:
            raise
        except ValueError as error:  # of http.client, of codecs; their words would quote what may be a secret
            raise urllib3.exceptions.HTTPError("an address or a header that HTTP cannot carry") from error

    def read(self, response: urllib3.BaseHTTPResponse, amount: int) -> bytes:
        """Return what has come, at most so much; nothing at the end.

        Raises:
            urllib3.exceptions.HTTPError: It broke off, or was cut.
        """
        content = response.read1(amount)
        self._check()
        return content

    def cut(self, why: str) -> None:
        """End every connection there is; from any thread."""
        self.why_cut = why
        for handle in tuple(self._handles.values()):
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close what is open."""
        self._pool.clear()
        while self._handles:
            self._handles.popitem()[1].close()

    def _check(self) -> None:
        if self.why_cut:  # to the reader a cut may look like the end
            raise urllib3.exceptions.HTTPError(self.why_cut)

    def keep(self, connection: HTTPConnection, made: socket.socket) -> None:
        """Remember a connection's socket, by a handle of its own: TLS takes the first one away."""
        if earlier := self._handles.pop(connection, None):
            earlier.close()
        self._handles[connection] = handle = made.dup()
        if self.why_cut:  # while it was being made
            handle.shutdown(socket.SHUT_RDWR)


def _pools(web: Web) -> dict[str, Any]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            web.keep(self, made)
            return made

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            web.keep(self, made)
            return made

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
