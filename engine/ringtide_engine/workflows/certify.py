"""Certify: every active device has a certificate over its own key that ends soon; no other device has one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import PublicKey, public_pem
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.ports import DeviceCertificates, IssuedCertificate

CLOCK_SLACK = timedelta(hours=1)
"""A certificate begins earlier by so much: web servers and this machine need not agree on the minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What was done, by device."""

    issued: tuple[DeviceId, ...]
    """They have a new certificate."""
    kept: tuple[DeviceId, ...]
    """Theirs is good for a while yet."""
    withdrawn: tuple[DeviceId, ...]
    """They are not active any more."""


def certify(
    state: DesiredState, certificates: DeviceCertificates, *, now: datetime, lifetime: timedelta, dry_run: bool
) -> Certified:
    """Bring the certificates in line with the fleet: issue, renew after half of the lifetime, withdraw.

    Raises:
        InputError: No device is active; that looks like a mistake, and would shut all of them out.
    """
    active = {name: device.public_key for name, device in state.devices.items() if device.state == "active"}
    if not active:
        raise InputError("no device of this fleet is active; nothing was withdrawn. fix: see devices/")
    lying = certificates.issued()
    due = sorted(name for name, key in active.items() if not _is_good(lying.get(name), key, now, lifetime))
    gone = sorted(set(lying) - set(active))
    if not dry_run:
        for name in gone:
            certificates.withdraw(name)
        for name in due:
            certificates.issue(name, active[name], now - CLOCK_SLACK, now + lifetime)
    return Certified(issued=tuple(due), kept=tuple(sorted(set(active) - set(due))), withdrawn=tuple(gone))


def _is_good(found: IssuedCertificate | None, key: PublicKey, now: datetime, lifetime: timedelta) -> bool:
    """Tell whether a certificate may stay: over the device's key, with half of its time left, and no longer than asked."""
    if found is None or public_pem(found.key) != public_pem(key) or found.begins > now:
        return False
    return lifetime / 2 <= found.ends - now <= lifetime
