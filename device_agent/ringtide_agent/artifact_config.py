"""What a person configures about artifacts: where they may come from, when, and by what right."""

from ringtide_agent.adapters.s3_store import S3Access
from ringtide_agent.config_inputs import Inputs, at
from ringtide_agent.download_windows import DownloadWindow, parse_download_window
from ringtide_contract.errors import InputError

_SCHEMES = ("https", "http", "file", "s3", "oci")
"""Schemes that can be configured, in the order in which they are shown."""


def artifact_schemes(given: Inputs) -> tuple[str, ...]:
    """Return the schemes of addresses that are used; each reader here raises InputError, which begins with the place."""
    named = given.values["artifacts"]["schemes"]
    with at(given, "artifacts", "schemes"):
        schemes = tuple(scheme for scheme in _SCHEMES if scheme in named)
        if not schemes or len(schemes) != len(named):
            raise InputError(f"takes some of {', '.join(_SCHEMES)}, not {named!r}")
        return schemes


def download_windows(given: Inputs) -> tuple[DownloadWindow, ...]:
    """Return when artifacts are downloaded."""
    with at(given, "artifacts", "windows"):
        return tuple(parse_download_window(text) for text in given.values["artifacts"]["windows"])


def certificate_url(given: Inputs) -> str | None:
    """Return where the device's certificate for stores is served."""
    values = given.values["artifacts"]
    url: str | None = values["certificate_url"]
    with at(given, "artifacts", "certificate_url"):
        if url is not None and not url.startswith("https://"):
            raise InputError("takes an https:// address")
        if url is not None and (values["tls_certificate"] or values["tls_key"]):
            raise InputError("goes with the device's own key; take tls_certificate and tls_key away")
        if url is not None and given.values["pkcs11"]["module"] is not None:
            raise InputError("needs the device's key in a file, not on a token")
    return url


def s3_access(given: Inputs) -> S3Access:
    """Return how S3-compatible stores are reached."""
    values = given.values["s3"]
    endpoint = values["endpoint"] or f"https://s3.{values['region']}.amazonaws.com"
    for key, url in (("endpoint", endpoint), ("credentials_url", values["credentials_url"] or "https:")):
        with at(given, "s3", key):
            if not url.startswith("https:") and "http" not in artifact_schemes(given):
                raise InputError("takes an https:// address; others only where artifacts.schemes lists http")
    with at(given, "s3", "region" if values["endpoint"] is None else "endpoint"):
        return S3Access(
            endpoint=endpoint,
            region=values["region"],
            credentials_file=values["credentials_file"],
            credentials_url=values["credentials_url"],
        )
