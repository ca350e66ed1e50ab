"""What enrolment writes: the agent's configuration, and the Device that the fleet owner merges."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringtide_contract import API_VERSION
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import PublicKey, public_pem

_LABEL_KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_PLAIN = re.compile(r"[a-z]+(-[a-z0-9]+)+|[a-z]{3,}")
_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What the person at the device decides."""

    fleet: str
    """The fleet."""
    device: DeviceId
    """The device's id in it."""
    hardware_class: str
    """Its hardware class."""
    labels: Mapping[str, str]
    """Its labels, for cohorts."""
    publication: str
    """Address of the repository with publications."""
    reports: str
    """Address of the repository that takes reports."""
    state_dir: str
    """Absolute folder for all that the agent keeps."""
    key_file: str
    """Absolute path of the device's private key."""
    serve_port: int
    """Port that inference is served on."""
    poll_interval_s: int
    """Seconds between polls."""
    report_interval_s: int
    """Least seconds between reports of counters alone."""
    token: Mapping[str, str] = field(default_factory=dict)
    """Keys of the table `pkcs11`, where the key lies on a token; empty where it lies in the file."""


_UNUSED_TABLE = """\
# [pkcs11]  # the device's key lies on a token, a TPM for one, and key_file is not used
# module = "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"
# token = "ringtide"
# label = "device"  # of the key pair
# pin_file = "/etc/ringtide/device.pin"
"""


def parse_labels(words: tuple[str, ...]) -> dict[str, str]:
    """Read labels written as `key=value`.

    Raises:
        InputError: Not such a word, a key twice, or characters that a label cannot have.
    """
    labels: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise InputError(f"--label {word!r} is not key=value of letters, digits, '.', '_' and '-'")
        if key in labels:
            raise InputError(f"--label {key} stands twice")
        labels[key] = value
    return labels


def rekeyed_document(device: DeviceId, hardware_class: str, key: PublicKey, before: PublicKey) -> str:
    """Return as YAML what a rotation changes in the Device, for `ringtide device rekey`."""
    lines = [f"apiVersion: {API_VERSION}", "kind: Device", f"id: {_scalar(device)}", *_field("publicKey", key)]
    return "\n".join([*lines, *_field("previousKey", before), f"hardwareClass: {_scalar(hardware_class)}", ""])


def device_document(enrolment: Enrolment, key: PublicKey) -> str:
    """Return the Device as YAML, to merge into the fleet repository."""
    lines = [
        f"apiVersion: {API_VERSION}",
        "kind: Device",
        f"id: {_scalar(enrolment.device)}",
        *_field("publicKey", key),
        f"hardwareClass: {_scalar(enrolment.hardware_class)}",
    ]
    if enrolment.labels:
        lines.append("labels:")
        lines += [f"  {_scalar(name)}: {_scalar(value)}" for name, value in sorted(enrolment.labels.items())]
    return "\n".join([*lines, "state: active", ""])


def agent_toml(enrolment: Enrolment) -> str:
    """Return the text of `agent.toml`; every key that can be set stands in it, the optional ones as comments."""
    text = {name: _quoted(str(getattr(enrolment, name))) for name in enrolment.__slots__}
    token, unused = _UNUSED_TABLE, ""
    if enrolment.token:
        token = "\n".join(["[pkcs11]", *(f"{key} = {_quoted(value)}" for key, value in enrolment.token.items()), ""])
        unused = "# "
    return f"""\
# The ringtide agent on this device. Lines that begin with # show what can be set, with its default.

fleet = {text["fleet"]}
device = {text["device"]}
hardware_class = {text["hardware_class"]}
state_dir = {text["state_dir"]}
{unused}key_file = {text["key_file"]}

[publication]
url = {text["publication"]}  # file://, https:// or ssh://, or mirror+https:// for a mirror
# fallbacks = []  # further addresses, asked in this order where the first is of no use
# branch = "published"
# tls_certificate = "/etc/ringtide/device.pem"   # client certificate, for https
# tls_key = "/etc/ringtide/device.key"
# tls_authority = "/etc/ringtide/authority.pem"  # instead of the system's authorities
# ssh_key = "/etc/ringtide/id_ed25519"
# ssh_known_hosts = "/etc/ringtide/known_hosts"

[reports]
url = {text["reports"]}  # file://, https:// or ssh://, or mqtts:// for a broker
# the same tls_ and ssh_ keys as [publication]; a broker takes tls_ keys only

[poll]
interval_s = {enrolment.poll_interval_s}

[report]
interval_s = {enrolment.report_interval_s}  # of counters alone; a change of state is reported at once
# max_silence_s = 86400

[serve]
# host = "127.0.0.1"
port = {enrolment.serve_port}

[artifacts]
# schemes = ["https", "file", "s3", "oci"]  # "http" can be added: artifacts are checked by digest, but anybody sees what runs here
# tls_certificate, tls_key, tls_authority as above
# certificate_url = "https://models.example.org/devices/cam-1.pem"  # instead: a short certificate over the device's key
# windows = ["mon-fri 22:00-06:00 Europe/Berlin 512KiB/s", "sat-sun 00:00-00:00 UTC"]  # downloads then only; default: []

[s3]
# endpoint = "https://minio.example.org"  # of an S3-compatible store; without one, AWS in the region
# region = "us-east-1"
# credentials_file = "/var/lib/ringtide/s3.json"  # AccessKeyId and SecretAccessKey as JSON, 0600; without, unsigned
# credentials_url = "https://keys.example.org/s3"  # instead: an address that lends such a key for a while

[oci]
# logins_file = "/var/lib/ringtide/registries.json"  # as `docker login` writes it, 0600; without, nobody's rights

[metrics]
# file = "/var/lib/prometheus/node-exporter/ringtide.prom"  # for node_exporter's textfile collector

[limits]
# fetch_deadline_s = 300      # for a publication
# disk_reserve_mib = 32       # free space that artifacts may not take
# least_rate_bytes_s = 4096   # a slower artifact source is given up
# most_rate_kib_s = 0         # all downloads of artifacts together take no more; 0 for no limit

# [mqtt]  # hints to poll at once; they are never believed
# host = "broker.example.org"
# port = 8883
# tls = true
# tls_certificate, tls_key, tls_authority as above
# spread_s = 10  # a hint takes effect after a random time up to this

{token}"""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _field(name: str, key: PublicKey) -> tuple[str, ...]:
    return (f"{name}: |", *(f"  {line}" for line in public_pem(key).splitlines()))


def _scalar(text: str) -> str:
    """Write a text so that no YAML reader takes it for a number, a truth value or nothing."""
    return text if _PLAIN.fullmatch(text) and text not in _NOT_PLAIN else json.dumps(text)
