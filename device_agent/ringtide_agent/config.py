"""The configuration: read, completed, typed. Each stage is a type, and the last is all that the agent sees.

`Written` is one value and where it stands, its name and kind checked. `Inputs` have every value, written or by default.
`Configuration` has every value in its final type, checked against the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringtide_agent.adapters.config_layers import (
    Written,
    full_name,
    read_environment,
    read_folder,
    read_settings,
    read_toml,
    variable,
)
from ringtide_agent.adapters.git_session import GitAccess
from ringtide_agent.adapters.mqtt_access import SCHEMES as BROKERS
from ringtide_agent.adapters.mqtt_access import MqttAccess
from ringtide_agent.adapters.s3_store import S3Access
from ringtide_agent.adapters.token_key import TokenKey
from ringtide_agent.adapters.web import Tls
from ringtide_agent.adapters.web_mirror import PREFIX, MirrorAccess
from ringtide_agent.artifact_config import artifact_schemes, certificate_url, download_windows, s3_access
from ringtide_agent.config_inputs import Inputs, at
from ringtide_agent.download_windows import DownloadWindow
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId, parse_device_id, parse_name

_ACCESS = {"tls_certificate": None, "tls_key": None, "tls_authority": None, "ssh_key": None, "ssh_known_hosts": None}
_REQUIRED = object()

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "": {
        "fleet": _REQUIRED,
        "device": _REQUIRED,
        "hardware_class": _REQUIRED,
        "state_dir": "/var/lib/ringtide",
        "key_file": "/etc/ringtide/device.key",
    },
    "publication": {"url": _REQUIRED, "fallbacks": [], "branch": "published", **_ACCESS},
    "reports": {"url": _REQUIRED, **_ACCESS},
    "artifacts": {
        "schemes": ["https", "file", "s3", "oci"],
        "windows": [],
        "certificate_url": None,
        "tls_certificate": None,
        "tls_key": None,
        "tls_authority": None,
    },
    "s3": {"endpoint": None, "region": "us-east-1", "credentials_file": None, "credentials_url": None},
    "oci": {"logins_file": None},
    "poll": {"interval_s": 300},
    "report": {"interval_s": 3600, "max_silence_s": 86400},
    "serve": {"host": "127.0.0.1", "port": 8080},
    "mqtt": {
        "host": None,
        "port": 8883,
        "tls": True,
        "spread_s": 10,
        "tls_certificate": None,
        "tls_key": None,
        "tls_authority": None,
    },
    "metrics": {"file": None},
    "pkcs11": {"module": None, "token": None, "label": "device", "pin_file": None},
    "limits": {"fetch_deadline_s": 300, "disk_reserve_mib": 32, "least_rate_bytes_s": 4096, "most_rate_kib_s": 0},
}

KNOWN: Mapping[str, Mapping[str, type]] = {
    table: {key: str if value is None or value is _REQUIRED else type(value) for key, value in values.items()}
    for table, values in _DEFAULTS.items()
}
"""Every key that can be set, and the kind it takes."""

DEFAULT = "default"
"""The place of a value that nobody wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files for TLS connections."""

    authority: str | None
    """Authorities that certificates are checked against; None for the system's."""
    certificate: str | None
    """Client certificate."""
    key: str | None
    """Its private key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """Where hints to poll come from."""

    host: str
    """Name or address of the broker."""
    port: int
    """Its port."""
    tls: bool
    """Whether to speak TLS."""
    files: TlsFiles
    """Files for TLS."""
    spread_s: int
    """A hint takes effect after a random time up to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything a person has configured."""

    fleet: str
    """The fleet the device is enrolled in."""
    device: DeviceId
    """Its id."""
    hardware_class: str
    """Its hardware class."""
    state_dir: Path
    """Folder for all that the agent keeps."""
    key_file: Path
    """The device's private key."""
    token_key: TokenKey | None
    """The device's key where it lies on a PKCS#11 token; `key_file` is not used then."""
    publication: GitAccess | MirrorAccess
    """Where publications come from."""
    fallbacks: tuple[GitAccess | MirrorAccess, ...]
    """Where they come from when that is of no use, in this order."""
    branch: str
    """The branch that holds them."""
    reports: GitAccess | MqttAccess
    """Where reports go."""
    artifact_schemes: tuple[str, ...]
    """Schemes of artifact addresses that are used."""
    download_windows: tuple[DownloadWindow, ...]
    """When artifacts are downloaded; none means at any time."""
    artifact_tls: TlsFiles
    """Files for `https` artifact sources."""
    certificate_url: str | None
    """Where this device's short client certificate for artifact sources is served; None where it has none."""
    s3: S3Access
    """How S3-compatible stores are reached."""
    registry_logins: Path | None
    """File with logins for OCI registries; None where they need none."""
    poll_interval_s: int
    """Seconds between polls."""
    report_interval_s: int
    """Least seconds between reports of counters alone."""
    max_silence_s: int
    """Most seconds between reports."""
    serve_host: str
    """Address that inference is served on."""
    serve_port: int
    """Port that inference is served on; 0 for a free one."""
    hints: Hints | None
    """Where hints to poll come from; None for nowhere."""
    metrics_file: Path | None
    """Where figures for node_exporter are written; None for nowhere."""
    fetch_deadline_s: int
    """For a fetch of a publication and all that is read of it."""
    disk_reserve_bytes: int
    """Free disk space that artifacts may not take."""
    least_rate_bytes_s: int
    """A slower artifact source is given up."""
    most_rate_bytes_s: int | None
    """All downloads of artifacts together take no more; None for no limit."""

    @property
    def trust_dir(self) -> Path:
        """Folder of the trusted root and of what is learnt from it."""
        return self.state_dir / "trust"


def load_configuration(
    path: Path, environment: Mapping[str, str] | None = None, settings: Iterable[str] = ()
) -> Configuration:
    """Read the configuration: a file, conf.d beside it, the environment, `table.key=value`; the later layer wins.

    Raises:
        InputError: No such file, not TOML, an unknown or missing key, or a value that cannot be; it names the place.
    """
    return configuration(load_inputs(path, environment, settings))


def load_inputs(path: Path, environment: Mapping[str, str] | None = None, settings: Iterable[str] = ()) -> Inputs:
    """Read all layers and complete them, each value with the place it came from.

    Raises:
        InputError: As `load_configuration`, but for values that cannot be.
    """
    layers = (
        read_folder(path, KNOWN),
        read_environment(environment or {}, KNOWN),
        read_settings(settings, KNOWN),
    )
    return complete([written for layer in layers for written in layer], str(path))


def configuration_of(text: str, name: str) -> Configuration:
    """Read the text of one file alone, which is called `name` in errors.

    Raises:
        InputError: As `load_configuration`.
    """
    return configuration(complete(read_toml(text, name, KNOWN), name))


def complete(layers: Iterable[Written], name: str) -> Inputs:
    """Complete what is written with the defaults.

    Raises:
        InputError: A key that has no default is missing.
    """
    values = {table: dict(defaults) for table, defaults in _DEFAULTS.items()}
    places = {(table, key): DEFAULT for table, keys in _DEFAULTS.items() for key in keys}
    for written in layers:
        values[written.table][written.key] = written.value
        places[written.table, written.key] = written.place
    missing = [full_name(table, key) for table, key in places if values[table][key] is _REQUIRED]
    if missing:
        variables = ", ".join(variable(*name.rpartition(".")[::2]) for name in missing)
        raise InputError(f"{name}: missing: {', '.join(missing)}. fix: write them there, or set {variables}")
    return Inputs(values=values, places=places)


def configuration(given: Inputs) -> Configuration:
    """Give every value its final type.

    Raises:
        InputError: A value that cannot be, or two that do not go together; it begins with the place.
    """
    return Configuration(
        fleet=_name(given, "fleet"),
        device=_device(given),
        hardware_class=_name(given, "hardware_class"),
        state_dir=_absolute(given, "", "state_dir"),
        key_file=_absolute(given, "", "key_file"),
        token_key=_token_key(given),
        publication=_source(given, "url", given.values["publication"]["url"]),
        fallbacks=tuple(_source(given, "fallbacks", url) for url in given.values["publication"]["fallbacks"]),
        branch=given.values["publication"]["branch"],
        reports=_reports(given),
        artifact_schemes=artifact_schemes(given),
        download_windows=download_windows(given),
        artifact_tls=_tls(given.values["artifacts"]),
        certificate_url=certificate_url(given),
        s3=s3_access(given),
        registry_logins=None if given.values["oci"]["logins_file"] is None else _absolute(given, "oci", "logins_file"),
        poll_interval_s=_within(given, "poll", "interval_s", 1, 86_400),
        report_interval_s=_within(given, "report", "interval_s", 1, 86_400),
        max_silence_s=_within(given, "report", "max_silence_s", 1, 7 * 86_400),
        serve_host=_host(given, "serve"),
        serve_port=_within(given, "serve", "port", 0, 65_535),
        hints=None if given.values["mqtt"]["host"] is None else _hints(given),
        metrics_file=None if given.values["metrics"]["file"] is None else _absolute(given, "metrics", "file"),
        fetch_deadline_s=_within(given, "limits", "fetch_deadline_s", 5, 600),
        disk_reserve_bytes=_within(given, "limits", "disk_reserve_mib", 0, 1 << 20) << 20,
        least_rate_bytes_s=_within(given, "limits", "least_rate_bytes_s", 1, 1 << 30),
        most_rate_bytes_s=(_within(given, "limits", "most_rate_kib_s", 0, 1 << 20) << 10) or None,
    )


def _name(given: Inputs, key: str) -> str:
    with at(given, "", key):
        return parse_name(given.values[""][key])


def _device(given: Inputs) -> DeviceId:
    with at(given, "", "device"):
        return parse_device_id(given.values[""]["device"])


def _hints(given: Inputs) -> Hints:
    mqtt = given.values["mqtt"]
    return Hints(
        host=_host(given, "mqtt"),
        port=_within(given, "mqtt", "port", 1, 65_535),
        tls=mqtt["tls"],
        files=_tls(mqtt),
        spread_s=_within(given, "mqtt", "spread_s", 0, 30),
    )


def _token_key(given: Inputs) -> TokenKey | None:
    values = given.values["pkcs11"]
    if values["module"] is None:
        for key in ("token", "pin_file"):
            if values[key] is not None:
                raise InputError(f"{given.places['pkcs11', key]}: pkcs11.{key} says nothing without pkcs11.module")
        return None
    missing = [full_name("pkcs11", key) for key in ("token", "pin_file") if values[key] is None]
    if missing:
        raise InputError(f"{given.places['pkcs11', 'module']}: pkcs11.module needs {' and '.join(missing)} beside it")
    return TokenKey(
        module=_absolute(given, "pkcs11", "module"),
        token=values["token"],
        label=values["label"],
        pin_file=_absolute(given, "pkcs11", "pin_file"),
    )


def _reports(given: Inputs) -> GitAccess | MqttAccess:
    values = given.values["reports"]
    access = {name: values[name] for name in _ACCESS}
    if not values["url"].startswith(BROKERS):
        with at(given, "reports", "url"):
            try:
                return GitAccess(url=values["url"], **access)
            except InputError as error:
                raise InputError(f"{error}; a broker is written mqtts://host") from error
    for name in ("ssh_key", "ssh_known_hosts"):
        if access.pop(name) is not None:
            with at(given, "reports", name):
                raise InputError("a broker is reached with tls_certificate and tls_key, not over ssh")
    with at(given, "reports", "url"):
        return MqttAccess(url=values["url"], **access)


def _source(given: Inputs, key: str, url: str) -> GitAccess | MirrorAccess:
    values = given.values["publication"]
    with at(given, "publication", key):
        if url.startswith(PREFIX):
            files = _tls(values)
            return MirrorAccess(
                url=url, tls=Tls(authority=files.authority, certificate=files.certificate, key=files.key)
            )
        return GitAccess(url=url, **{name: values[name] for name in _ACCESS})


def _tls(table: Mapping[str, Any]) -> TlsFiles:
    certificate, key = table["tls_certificate"], table["tls_key"]
    return TlsFiles(authority=table["tls_authority"], certificate=certificate, key=key)


def _absolute(given: Inputs, table: str, key: str) -> Path:
    path = Path(given.values[table][key])
    with at(given, table, key):
        if not path.is_absolute():
            raise InputError(f"takes an absolute path, not {str(path)!r}")
        return path


def _host(given: Inputs, table: str) -> str:
    host: str = given.values[table]["host"]
    with at(given, table, "host"):
        if not host or any(character.isspace() or character in "/@" for character in host):
            raise InputError(f"takes a host name or an address, not {host!r}")
        return host


def _within(given: Inputs, table: str, key: str, least: int, most: int) -> int:
    value: int = given.values[table][key]
    with at(given, table, key):
        if not least <= value <= most:
            raise InputError(f"takes {least} to {most}, not {value}")
        return value
