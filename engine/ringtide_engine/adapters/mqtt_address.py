"""The address of a broker: one text that also names the files of the TLS connection, without a secret in it."""

import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from ringtide_contract.broker import is_here
from ringtide_contract.errors import InputError

_FILES = ("authority", "certificate", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttAddress:
    """Where a broker is, and who we are to it."""

    host: str
    """Its name or address."""
    port: int
    """Its port."""
    is_tls: bool
    """Whether the connection is encrypted."""
    login: tuple[str, str] | None
    """User and password, where the broker asks for them."""
    authority: str | None
    """File of the authorities that the broker's certificate is checked against; None for the system's."""
    certificate: str | None
    """File of the client certificate."""
    key: str | None
    """File of its private key."""

    @classmethod
    def parse(cls, text: str) -> "MqttAddress":
        """Read `mqtt://host[:port]` or `mqtts://[user:password@]host[:port][?authority=F&certificate=F&key=F]`.

        Raises:
            InputError: Another kind of address, or one over which others could read along.
        """
        usage = "a broker is named mqtt://host[:port] or mqtts://host[:port][?authority=FILE&certificate=FILE&key=FILE]"
        try:
            parts = urlsplit(text)
            port = parts.port
            files = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        except ValueError as error:
            raise InputError(usage) from error
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/") or {*files} - {*_FILES}:
            raise InputError(usage)
        is_tls = parts.scheme == "mqtts"
        if files and not is_tls:
            raise InputError("only mqtts:// takes certificates")
        if not is_tls and not is_here(parts.hostname):
            raise InputError(
                f"mqtt:// goes in the clear, which is for a broker on this machine: write mqtts://{parts.hostname}"
            )
        if ("certificate" in files) != ("key" in files):
            raise InputError("a client certificate and its key belong together: name both, or neither")
        return cls(
            host=parts.hostname,
            port=port or (8883 if is_tls else 1883),
            is_tls=is_tls,
            login=None if parts.username is None else (unquote(parts.username), unquote(parts.password or "")),
            authority=files.get("authority"),
            certificate=files.get("certificate"),
            key=files.get("key"),
        )

    def context(self) -> ssl.SSLContext | None:
        """Return what TLS connections are made with; None for none.

        Raises:
            InputError: A file cannot be read, or is not what it should be.
        """
        if not self.is_tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.authority)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            named = ", ".join(file for file in (self.authority, self.certificate, self.key) if file is not None)
            raise InputError(f"the TLS files of the broker {self.host} cannot be used: {named}: {error}") from error
        return context
