"""What somebody can make devices be offered who has taken the Git host of a small fleet, and perhaps a custody too."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from fakes.small_fleet import SmallFleet
from ringtide_contract.bundle import write_bundle
from ringtide_contract.envelope import IN_TOTO, seal
from ringtide_contract.keys import PrivateKey, key_hint
from ringtide_contract.statement import Publication
from ringtide_engine.adapters.system_clock import SystemClock
from ringtide_engine.adapters.tuf_custody import TufCustody
from ringtide_engine.model.publication import PUBLISHED, Published
from ringtide_engine.workflows.published import is_tuf, read_published


def offer(fleet: SmallFleet, files: Mapping[str, bytes]) -> None:
    """Make the published branch hold exactly these files."""
    gone: dict[str, bytes | None] = dict.fromkeys(fleet.published.files)
    fleet.change({**gone, **files}, branch=PUBLISHED, message="Publish generation 9")


def generation(fleet: SmallFleet, number: int) -> Published:
    """Return what was published under a number."""
    for info in fleet.repository.history(fleet.tip(PUBLISHED)):
        found = read_published(fleet.repository, info.id)
        if found is not None and found.publication.generation == number:
            return found
    raise AssertionError(f"generation {number} was never published")


def next_publication(fleet: SmallFleet, /, **changes: object) -> Publication:
    """Return the statement after the one in force, about the same tree."""
    last = fleet.published.publication
    return replace(last, generation=last.generation + 1, **changes)  # type: ignore[arg-type]


def signed(publication: Publication, key: PrivateKey) -> bytes:
    """Return a bundle, signed by whatever key."""
    return write_bundle(seal(key, IN_TOTO, publication.encode()), key_hint(key.public_key()))


def with_metadata(fleet: SmallFleet, tree: Mapping[str, bytes], bundle: bytes) -> Mapping[str, bytes]:
    """Return a tree with a bundle and true TUF metadata about it: who does this holds the online TUF keys as well."""
    files = fleet.files()
    metadata = TufCustody(fleet.keys("tuf")).metadata(
        previous={path: content for path, content in fleet.published.files.items() if is_tuf(path)},
        trust={path.removeprefix("trust/"): files[path] for path in files if path.startswith("trust/")},
        bundle=bundle,
        now=SystemClock().now(),
        timestamp_lifetime=timedelta(days=1),
    )
    return {**{path: content for path, content in tree.items() if not is_tuf(path)}, **metadata}
