"""Client certificates of devices in a folder of static files: `<device>.pem` for each, `authority.pem` for web servers."""

import os
import re
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import DeviceId, parse_device_id
from ringtide_contract.keys import PrivateKey, PublicKey
from ringtide_engine.ports import IssuedCertificate

AUTHORITY = "authority.pem"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,61}[a-z0-9]\.pem")
AUTHORITY_LIFETIME = timedelta(days=3650)
"""Its key is what counts; a web server that forgets it ends its trust."""


class CertificateFolder:
    """Certificates by one authority key."""

    def __init__(self, folder: Path, key: PrivateKey, fleet: str) -> None:
        """Write nothing yet.

        Raises:
            InputError: The folder holds something else, or the key is not P-256.
        """
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InputError("certificates are issued by a P-256 key; make one with `ringtide key new devices DIR`")
        self._folder, self._key, self._fleet = folder, key, fleet
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"devices of {fleet}"[:64])])
        try:
            lying = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        except OSError as error:
            raise InputError(f"{folder}: {error.strerror}") from error
        others = [name for name in lying if not name.startswith(".") and not _NAME.fullmatch(name)]
        if others:
            raise InputError(f"{folder} holds other files, such as {others[0]}. fix: give a folder of its own")
        folders = [name for name in lying if _NAME.fullmatch(name) and not (folder / name).is_file()]
        if folders:
            raise InputError(f"{folder}/{folders[0]} is no plain file. fix: remove it")

    def issued(self) -> Mapping[DeviceId, IssuedCertificate | None]:
        """Return what lies in the folder by device; None for what is not of this authority, or damaged.

        Where the authority's own certificate is, all are due: `issue` writes it anew with them.
        """
        whole = self._is_mine(self._read(AUTHORITY))
        found: dict[DeviceId, IssuedCertificate | None] = {}
        for path in sorted(self._folder.glob("[!.]*.pem")):
            if path.name != AUTHORITY:
                found[parse_device_id(path.stem)] = self._known(path.name) if whole else None
        return found

    def issue(self, device: DeviceId, key: PublicKey, begins: datetime, ends: datetime) -> None:
        """Write a certificate over a device's own key, whole or not at all."""
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self._fleet[:64]),
                x509.NameAttribute(NameOID.COMMON_NAME, device),
            ]
        )
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = self._builder(subject, key, begins, ends, path=None).add_extension(usage, critical=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not self._is_mine(self._read(AUTHORITY)):
                self._write(AUTHORITY, self._authority(begins))
            self._write(f"{device}.pem", builder.sign(self._key, hashes.SHA256()))
        except OSError as error:
            raise TransientError(f"{self._folder}: {error.strerror}") from error

    def withdraw(self, device: DeviceId) -> None:
        """Remove a device's certificate: it gets no other, and the one it has ends soon."""
        try:
            (self._folder / f"{device}.pem").unlink(missing_ok=True)
        except OSError as error:
            raise TransientError(f"{self._folder}: {error.strerror}") from error

    def _known(self, name: str) -> IssuedCertificate | None:
        certificate = self._read(name)
        if certificate is None or not self._is_mine(certificate):
            return None
        key = certificate.public_key()
        if not isinstance(key, PublicKey):
            return None
        return IssuedCertificate(key=key, begins=certificate.not_valid_before_utc, ends=certificate.not_valid_after_utc)

    def _read(self, name: str) -> x509.Certificate | None:
        try:
            return x509.load_pem_x509_certificate((self._folder / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            raise InputError(f"{self._folder / name}: {error.strerror}") from error

    def _is_mine(self, certificate: x509.Certificate | None) -> bool:
        if certificate is None or certificate.issuer != self._name:
            return False
        identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        return identifier == x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())

    def _authority(self, now: datetime) -> x509.Certificate:
        key = self._key.public_key()
        builder = self._builder(self._name, key, now, now + AUTHORITY_LIFETIME, path=0)
        return builder.sign(self._key, hashes.SHA256())

    def _builder(
        self, subject: x509.Name, key: PublicKey, begins: datetime, ends: datetime, *, path: int | None
    ) -> x509.CertificateBuilder:
        is_authority = path is not None
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not is_authority,
                    key_cert_sign=is_authority,
                    crl_sign=is_authority,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _write(self, name: str, certificate: x509.Certificate) -> None:
        descriptor, made = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        temporary = Path(made)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(certificate.public_bytes(Encoding.PEM))
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(self._folder / name)
        finally:
            temporary.unlink(missing_ok=True)
