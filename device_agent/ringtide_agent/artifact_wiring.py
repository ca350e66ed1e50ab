"""The stores that artifacts may come from: a configuration in, what opens each scheme of address out."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ringtide_agent.adapters.artifact_stream import ArtifactStore
from ringtide_agent.adapters.device_certificate import CertifiedStore, DeviceCertificate
from ringtide_agent.adapters.folder_store import FolderStore
from ringtide_agent.adapters.key_files import read_key
from ringtide_agent.adapters.oci_store import OciStore
from ringtide_agent.adapters.s3_credentials import Credentials, FileCredentials, LentCredentials, NoCredentials
from ringtide_agent.adapters.s3_store import S3Access, S3Store
from ringtide_agent.adapters.throttle import Throttle
from ringtide_agent.adapters.web import Tls
from ringtide_agent.adapters.web_store import WebStore
from ringtide_agent.config import Configuration
from ringtide_agent.download_windows import most_rate_bytes_s


def artifact_sources(configuration: Configuration, now: Callable[[], datetime]) -> dict[str, ArtifactStore]:
    """Return what opens artifacts, by scheme of their address; `now` returns the present."""
    web = WebStore(configuration.artifact_schemes)
    s3 = S3Store(configuration.s3, _credentials(configuration.s3, web, now), web, now)
    oci = OciStore(configuration.registry_logins, web)
    stores: dict[str, ArtifactStore] = {"https": web, "http": web, "file": FolderStore(), "s3": s3, "oci": oci}
    if configuration.certificate_url is not None:
        certificate = DeviceCertificate(
            configuration.certificate_url,
            read_key(configuration.key_file).public_key(),
            _certificate_path(configuration),
            authority=configuration.artifact_tls.authority,
            store=WebStore(("https",)),
            now=now,
        )
        stores |= {scheme: CertifiedStore(stores[scheme], certificate) for scheme in ("https", "s3", "oci")}
    return {scheme: stores[scheme] for scheme in configuration.artifact_schemes}


def artifact_tls(configuration: Configuration) -> Tls:
    """Return the files for TLS connections to artifact sources."""
    files = configuration.artifact_tls
    if configuration.certificate_url is None:
        return Tls(authority=files.authority, certificate=files.certificate, key=files.key)
    path = _certificate_path(configuration)
    return Tls(authority=files.authority, certificate=str(path), key=str(configuration.key_file))


def _certificate_path(configuration: Configuration) -> Path:
    return configuration.state_dir / "tls" / "artifacts.pem"


def throttle(configuration: Configuration, now: Callable[[], datetime]) -> Throttle:
    """Return what holds all downloads to the rate of the hour; `now` returns the present."""
    windows, general = configuration.download_windows, configuration.most_rate_bytes_s
    rates = [general, *(each.most_rate_bytes_s for each in windows)]
    slowest = min((rate for rate in rates if rate is not None), default=None)
    return Throttle(lambda: most_rate_bytes_s(windows, general, now()), slowest)


def _credentials(access: S3Access, web: WebStore, now: Callable[[], datetime]) -> Credentials:
    if access.credentials_file is not None:
        return FileCredentials(Path(access.credentials_file))
    if access.credentials_url is not None:
        return LentCredentials(access.credentials_url, web, now)
    return NoCredentials()
