"""What a device reads whatever the fleet's size: statement and TUF metadata do not grow with it."""

from pathlib import Path

from fakes.fleet_files import device_ids
from fakes.published_fleet import PublishedFleet, published_fleet
from ringtide_contract.ids import DeviceId
from ringtide_engine.workflows.published import is_tuf

SIGNATURES = 9
"""ECDSA signatures in these files; each is 70 to 72 bytes, and base64 or hexadecimal makes it up to 4 more."""


def sizes(fleet: PublishedFleet) -> dict[str, int]:
    """Return the sizes of what a device reads for a new generation, by role."""
    files = {path: content for path, content in fleet.files.items() if is_tuf(path)}
    return {path.rpartition("/")[2].split(".", 1)[-1]: len(content) for path, content in files.items()}


def test_the_bytes_of_trust_are_the_same_for_twelve_devices_and_for_two_thousand(
    original: PublishedFleet, tmp_path: Path
) -> None:
    large = published_fleet(tmp_path, 2000)
    names = [DeviceId(name) for name in device_ids(2000)[-5:]]
    assert large.verify(recompile=False, devices=names).devices == 5
    few, many = sizes(original), sizes(large)
    assert few.keys() == many.keys()
    assert sum(few.values()) < 16 * 1024
    for role in few:
        assert abs(few[role] - many[role]) <= 4 * SIGNATURES, role
    assert abs(len(original.published.bundle) - len(large.published.bundle)) <= 8
