"""`agent.toml`: read, completed, typed. Each stage is a type, and the last is all that the agent sees.

A `Fragment` is what the file says, its names and kinds checked. `Inputs` have every value, from the file or by default.
`Configuration` has every value in its final type, checked against the others.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NewType

from ringtide_agent.adapters.git_session import GitAccess
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId, parse_device_id, parse_name

MAX_CONFIG_BYTES = 64 * 1024

Fragment = NewType("Fragment", Mapping[str, Mapping[str, Any]])
"""Table to key to value, as written in one file; keys outside a table stand under ``""``."""

Inputs = NewType("Inputs", Mapping[str, Mapping[str, Any]])
"""The same, complete: a key that is not required and has no default is None."""

_ACCESS = {"tls_certificate": None, "tls_key": None, "tls_authority": None, "ssh_key": None, "ssh_known_hosts": None}
_REQUIRED = object()

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "": {
        "fleet": _REQUIRED,
        "device": _REQUIRED,
        "hardware_class": _REQUIRED,
        "state_dir": _REQUIRED,
        "key_file": _REQUIRED,
    },
    "publication": {"url": _REQUIRED, "branch": "published", **_ACCESS},
    "reports": {"url": _REQUIRED, **_ACCESS},
    "artifacts": {
        "schemes": ["https", "file"],
        "tls_certificate": None,
        "tls_key": None,
        "tls_authority": None,
    },
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
    "limits": {"fetch_deadline_s": 300, "disk_reserve_mib": 32, "least_rate_bytes_s": 4096},
}

_ARTIFACT_SCHEMES = ("https", "http", "file")


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
    publication: GitAccess
    """Where publications come from."""
    branch: str
    """The branch that holds them."""
    reports: GitAccess
    """Where reports go."""
    artifact_schemes: tuple[str, ...]
    """Schemes of artifact addresses that are used."""
    artifact_tls: TlsFiles
    """Files for `https` artifact sources."""
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
    fetch_deadline_s: int
    """For a fetch of a publication and all that is read of it."""
    disk_reserve_bytes: int
    """Free disk space that artifacts may not take."""
    least_rate_bytes_s: int
    """A slower artifact source is given up."""

    @property
    def trust_dir(self) -> Path:
        """Folder of the trusted root and of what is learnt from it."""
        return self.state_dir / "trust"


def load_configuration(path: Path) -> Configuration:
    """Read a configuration file.

    Raises:
        InputError: No such file, not TOML, an unknown or missing key, or a value that cannot be.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}. fix: name the file that `ringtide-agent enroll` wrote with --config"
        ) from error
    if len(content) > MAX_CONFIG_BYTES:
        raise InputError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes")
    try:
        return configuration(inputs(fragment(content.decode("utf-8"))))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8") from error
    except InputError as error:
        raise InputError(f"{path}:{error}") from error


def fragment(text: str) -> Fragment:
    """Read the text of a configuration file.

    Raises:
        InputError: Not TOML, an unknown key, or a value of another kind than the key takes; it begins with the line.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise InputError(f"{line[1] if line else 1}: not TOML: {error}") from error
    result: dict[str, dict[str, Any]] = {"": {}}
    for name, value in document.items():
        if isinstance(value, dict):
            if name not in _DEFAULTS:
                raise _unknown(text, "", name, [table for table in _DEFAULTS if table])
            result[name] = value
        else:
            result[""][name] = value
    for table, values in result.items():
        for key, value in values.items():
            if key not in _DEFAULTS[table]:
                raise _unknown(text, table, key, list(_DEFAULTS[table]))
            kind = _kind(table, key)
            if type(value) is not kind:
                raise InputError(f"{_line(text, table, key)}: {_full(table, key)} takes {_KINDS[kind]}, not {value!r}")
    return Fragment(result)


def inputs(written: Fragment) -> Inputs:
    """Complete a fragment with the defaults.

    Raises:
        InputError: A key that has no default is missing.
    """
    result = {table: {**defaults, **written.get(table, {})} for table, defaults in _DEFAULTS.items()}
    missing = [_full(table, key) for table, values in result.items() for key in values if values[key] is _REQUIRED]
    if missing:
        raise InputError(f" missing: {', '.join(missing)}")
    return Inputs(result)


def configuration(given: Inputs) -> Configuration:
    """Give every value its final type.

    Raises:
        InputError: A value that cannot be, or two that do not go together.
    """
    top, mqtt, artifacts = given[""], given["mqtt"], given["artifacts"]
    schemes = tuple(scheme for scheme in _ARTIFACT_SCHEMES if scheme in artifacts["schemes"])
    if not schemes or len(schemes) != len(artifacts["schemes"]):
        raise InputError(f" artifacts.schemes are some of {', '.join(_ARTIFACT_SCHEMES)}, not {artifacts['schemes']!r}")
    try:
        return Configuration(
            fleet=parse_name(top["fleet"]),
            device=parse_device_id(top["device"]),
            hardware_class=parse_name(top["hardware_class"]),
            state_dir=_absolute(top, "state_dir"),
            key_file=_absolute(top, "key_file"),
            publication=_access(given["publication"]),
            branch=given["publication"]["branch"],
            reports=_access(given["reports"]),
            artifact_schemes=schemes,
            artifact_tls=_tls(artifacts),
            poll_interval_s=_within(given, "poll", "interval_s", 1, 86_400),
            report_interval_s=_within(given, "report", "interval_s", 1, 86_400),
            max_silence_s=_within(given, "report", "max_silence_s", 1, 7 * 86_400),
            serve_host=given["serve"]["host"],
            serve_port=_within(given, "serve", "port", 0, 65_535),
            hints=None if mqtt["host"] is None else _hints(given),
            fetch_deadline_s=_within(given, "limits", "fetch_deadline_s", 5, 600),
            disk_reserve_bytes=_within(given, "limits", "disk_reserve_mib", 0, 1 << 20) << 20,
            least_rate_bytes_s=_within(given, "limits", "least_rate_bytes_s", 1, 1 << 30),
        )
    except InputError as error:
        raise InputError(f" {error}") from error


def _hints(given: Inputs) -> Hints:
    mqtt = given["mqtt"]
    return Hints(
        host=mqtt["host"],
        port=_within(given, "mqtt", "port", 1, 65_535),
        tls=mqtt["tls"],
        files=_tls(mqtt),
        spread_s=_within(given, "mqtt", "spread_s", 0, 30),
    )


def _access(table: Mapping[str, Any]) -> GitAccess:
    return GitAccess(url=table["url"], **{name: table[name] for name in _ACCESS})


def _tls(table: Mapping[str, Any]) -> TlsFiles:
    certificate, key = table["tls_certificate"], table["tls_key"]
    return TlsFiles(authority=table["tls_authority"], certificate=certificate, key=key)


def _absolute(table: Mapping[str, Any], key: str) -> Path:
    path = Path(table[key])
    if not path.is_absolute():
        raise InputError(f"{key} = {table[key]!r} is not an absolute path")
    return path


def _within(given: Inputs, table: str, key: str, least: int, most: int) -> int:
    value: int = given[table][key]
    if not least <= value <= most:
        raise InputError(f"{_full(table, key)} = {value} is not within {least} and {most}")
    return value


_KINDS: Mapping[type, str] = {str: "text", int: "a whole number", bool: "true or false", list: "a list of texts"}


def _kind(table: str, key: str) -> type:
    default = _DEFAULTS[table][key]
    return str if default is None or default is _REQUIRED else type(default)


def _full(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key


def _unknown(text: str, table: str, key: str, known: list[str]) -> InputError:
    near = get_close_matches(key, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return InputError(f"{_line(text, table, key)}: unknown key {_full(table, key)!r}; {hint}")


def _line(text: str, table: str, key: str) -> int:
    """Return the line of a key; its table's, or 1, where it is written in an unusual way."""
    inside, best = table == "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([^\]\s]+)\s*\]", line):
            inside = header[1] == table
            if inside or (not table and header[1] == key):
                best = number
        elif inside and re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", line):
            return number
    return best
