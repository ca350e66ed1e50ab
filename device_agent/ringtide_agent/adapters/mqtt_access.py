"""How to reach a broker that takes reports: an address and the files of the TLS connection."""

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from ringtide_contract.broker import is_here
from ringtide_contract.errors import InputError

SCHEMES = ("mqtts://", "mqtt://")


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttAccess:
    """One broker."""

    url: str
    """`mqtts://host[:port]`; `mqtt://` for a broker on the device itself."""
    tls_certificate: str | None = None
    """File of the client certificate; its common name is the device's id."""
    tls_key: str | None = None
    """File of its private key."""
    tls_authority: str | None = None
    """File of the authorities that the broker's certificate is checked against; None for the system's."""

    def __post_init__(self) -> None:
        """Refuse an address that is none, and one over which others could read along."""
        parts = urlsplit(self.url)
        if not self.url.startswith(SCHEMES) or not parts.hostname or parts.path.strip("/") or parts.query:
            raise InputError(f"{self.url!r} is not the address of a broker: write mqtts://host or mqtts://host:port")
        if parts.username or parts.password:
            raise InputError("the address of the broker holds a login: use a client certificate")
        if parts.scheme == "mqtt" and not is_here(parts.hostname):
            raise InputError(f"{self.url!r} goes over the network in the clear: write mqtts://")
        try:
            _ = parts.port
        except ValueError as error:
            raise InputError(f"{self.url!r} has a port that is none") from error

    @property
    def host(self) -> str:
        """Name or address of the broker."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        return urlsplit(self.url).port or (8883 if self.is_tls else 1883)

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")

    def context(self) -> ssl.SSLContext | None:
        """Return what TLS connections are made with; None for none.

        Raises:
            InputError: No certificate is named, or a file cannot be read or is not what it should be.
        """
        if not self.is_tls:
            return None
        if self.tls_certificate is None or self.tls_key is None:
            raise InputError(
                "[reports] names a broker, which knows the device by its certificate: set reports.tls_certificate and "
                "reports.tls_key"
            )
        try:
            context = ssl.create_default_context(cafile=self.tls_authority)
            context.load_cert_chain(self.tls_certificate, self.tls_key)
        except OSError as error:
            raise InputError(f"the TLS files of [reports] cannot be used: {error}") from error
        return context
