"""What a person configures about artifacts: where they may come from, when, and by what right."""

from urllib.parse import urlsplit

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
        _refuse_no_host(url)
        if url is not None and (values["tls_certificate"] or values["tls_key"]):
            raise InputError("goes with the device's own key; take tls_certificate and tls_key away")
        if url is not None and given.values["pkcs11"]["module"] is not None:
            raise InputError("needs the device's key in a file, not on a token")
    return url


def s3_access(given: Inputs) -> S3Access:
    """Return how S3-compatible stores are reached."""
    values = given.values["s3"]
    for key in ("endpoint", "credentials_url"):
        url: str | None = values[key]
        with at(given, "s3", key):
            if url is not None and not url.startswith("https:") and "http" not in artifact_schemes(given):
                raise InputError("takes an https:// address; others only where artifacts.schemes lists http")
            _refuse_no_host(url)
    with at(given, "s3", "credentials_file"):
        if values["credentials_file"] is not None and not values["credentials_file"].startswith("/"):
            raise InputError(f"takes an absolute path, not {values['credentials_file']!r}")
        if values["credentials_file"] is not None and values["credentials_url"] is not None:
            raise InputError("the key comes from here or from credentials_url, not from both")
    endpoint = f"https://s3.{values['region']}.amazonaws.com" if values["endpoint"] is None else values["endpoint"]
    with at(given, "s3", "region" if values["endpoint"] is None else "endpoint"):
        return S3Access(
            endpoint=endpoint,
            region=values["region"],
            credentials_file=values["credentials_file"],
            credentials_url=values["credentials_url"],
        )


def _refuse_no_host(url: str | None) -> None:
    if url is not None and (not urlsplit(url).hostname or urlsplit(url).port == 0):
        raise InputError("takes an address with a host, such as https://models.example.org")
