"""Which devices a rollout reaches: a salted hash against a cut, computable by anyone, also offline.

A device is exposed when its bucket lies below the cut of its class. Cuts only grow, so 1 % to 10 % is a superset; the
salt holds the candidate, so another release meets other devices first.
"""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import NewType

from ringtide_contract.errors import InputError

Cut = NewType("Cut", int)
"""A border in [0, 2^64]: buckets below it are inside."""

NOBODY = Cut(0)
EVERYBODY = Cut(2**64)


def salt(fleet: str, rollout: str, candidate: str) -> str:
    """Return the salt of a rollout; names of rollouts are never reused."""
    return f"{fleet}/{rollout}/{candidate}"


def bucket(salt_text: str, unit: str) -> int:
    """Return the bucket of a unit: the first 8 bytes of SHA-256(salt || 0x00 || unit), big-endian, in [0, 2^64).

    Args:
        salt_text: From `salt`.
        unit: The device id, or the value of the label that the ring plan names as its unit.
    """
    digest = hashlib.sha256(salt_text.encode("utf-8") + b"\x00" + unit.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big")


def turn(salt_text: str, device: str) -> int:
    """Return a device's place in the order in which devices begin, in [0, 2^64).

    It does not follow from the bucket: those of one ring, and of one unit, have places from first to last.

    Args:
        salt_text: From `salt`.
        device: The device id.
    """
    return bucket(f"{salt_text}/start", device)


def share_cut(share: Fraction) -> Cut:
    """Return the cut of a share in [0, 1]."""
    return Cut(int(share * 2**64))


def opening_cut(buckets: Sequence[int], share: Fraction, minimum: int, ceiling: Cut = EVERYBODY) -> Cut:
    """Return the cut that opens a ring in one stratum.

    max(share, the border just above the k-th lowest bucket) with k = max(minimum, ceil(share * n)), so that a small
    stratum has its minimum too; never above `ceiling`, where the control begins.

    Args:
        buckets: The buckets of the stratum's units, in any order.
        share: The ring's share in [0, 1].
        minimum: The least number of units, where the stratum has them.
        ceiling: The border that keeps the control out.
    """
    ordered = sorted(buckets)
    wanted = min(len(ordered), max(minimum, -int(-share * len(ordered) // 1)))
    reach = ordered[wanted - 1] + 1 if wanted else 0
    return Cut(min(max(share_cut(share), reach), ceiling))


def control_cut(buckets: Sequence[int], share: Fraction) -> Cut:
    """Return the border at and above which units stay on the stable release until the last ring.

    The top `share` of buckets, and at least one unit where the stratum has four; a stratum of fewer has no control.

    Args:
        buckets: The buckets of the stratum's units, in any order.
        share: The control share in [0, 1]; 0 means no control at all.
    """
    if share == 0 or len(buckets) < 4:
        return EVERYBODY
    return Cut(min(2**64 - share_cut(share), max(buckets)))


def write_cut(cut: Cut) -> str:
    """Write a cut for a document: hexadecimal, since JSON numbers are exact only to 2^53."""
    return f"{cut:016x}"


def parse_cut(text: str) -> Cut:
    """Parse what `write_cut` wrote.

    Raises:
        InputError: Not 16 lower case hexadecimal digits (17 for 2^64 alone), or above 2^64.
    """
    if len(text) not in (16, 17) or any(sign not in "0123456789abcdef" for sign in text):
        raise InputError(f"{text[:40]!r} is not a cut: 16 hexadecimal digits")
    value = int(text, 16)
    if value > EVERYBODY:
        raise InputError(f"the cut {text} is above 2^64")
    if len(text) == 17 and value != EVERYBODY:
        raise InputError(f"the cut {text} has a leading zero")
    return Cut(value)
