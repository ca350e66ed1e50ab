"""Identifiers, digests and instants: parsed once at the border, trusted afterwards."""

import hashlib
import re
from datetime import UTC, datetime
from typing import NewType

from ringtide_contract.errors import InputError

DeviceId = NewType("DeviceId", str)
"""Lower case letters, digits and inner hyphens, 2 to 63 characters (a DNS label, RFC 1123)."""

Digest = NewType("Digest", str)
"""SHA-256 as 64 lower case hexadecimal digits."""

_DEVICE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,61}[a-z0-9]")
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_VERSION = re.compile(r"[0-9A-Za-z]([0-9A-Za-z.+_-]{0,62})?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def parse_device_id(text: str) -> DeviceId:
    """Parse a device id.

    Raises:
        InputError: The text is not a device id.
    """
    if not _DEVICE_ID.fullmatch(text):
        raise InputError(f"{text!r} is not a device id: 2 to 63 of a-z, 0-9 and inner hyphens")
    return DeviceId(text)


def parse_name(text: str) -> str:
    """Parse the name of a model, ring, cohort, rollout or fleet.

    Raises:
        InputError: The text is not a name.
    """
    if not _NAME.fullmatch(text):
        raise InputError(f"{text!r} is not a name: 1 to 63 of a-z, 0-9, '.', '_' and '-', no sign at either end")
    return text


def parse_version(text: str) -> str:
    """Parse a release version, such as `1.10.0`.

    Raises:
        InputError: The text is not a version.
    """
    if not _VERSION.fullmatch(text):
        raise InputError(f"{text!r} is not a version: 1 to 63 letters, digits, '.', '+', '_' and '-'")
    return text


def parse_digest(text: str) -> Digest:
    """Parse a SHA-256 digest in hexadecimal.

    Raises:
        InputError: The text is not 64 lower case hexadecimal digits.
    """
    if not _DIGEST.fullmatch(text):
        raise InputError(f"{text[:80]!r} is not a SHA-256 digest: 64 lower case hexadecimal digits")
    return Digest(text)


def sha256(content: bytes) -> Digest:
    """Return the SHA-256 of `content`."""
    return Digest(hashlib.sha256(content).hexdigest())


def report_ref(device: DeviceId) -> str:
    """Return the only ref that `device` may write in the reports repository."""
    return f"refs/heads/reports/{device}"


def parse_instant(text: str) -> datetime:
    """Parse an instant in the one form used on the wire: RFC 3339, UTC, whole seconds, `Z`.

    Raises:
        InputError: Another form, or no such day.
    """
    if not _INSTANT.fullmatch(text):
        raise InputError(f"{text[:40]!r} is not an instant like 2026-11-23T09:00:00Z")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError(f"{text!r} is not an instant: {error}") from error


def format_instant(instant: datetime) -> str:
    """Write an aware instant in the form that `parse_instant` reads; fractions of a second are cut."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
