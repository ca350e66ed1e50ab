"""Where an artifact lies in a store: the address that manifests carry."""

from ringtide_contract.ids import Digest


def artifact_address(store: str, digest: Digest) -> str:
    """Return the address of an artifact in the store at `store`."""
    place = store.rstrip("/")
    return f"{place}@sha256:{digest}" if place.startswith("oci://") else f"{place}/{digest}"
