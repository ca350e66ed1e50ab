"""Manifests: one release variant for one hardware class, complete."""

from ringtide_contract.artifact import PATCH_FROM, Artifact, ChunkList, Delta
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.manifest import Golden, Manifest, Runtime
from ringtide_contract.tree import manifest_path
from ringtide_engine.model.artifact_address import artifact_address
from ringtide_engine.model.assignment import Choice
from ringtide_engine.model.desired import Fleet, HardwareClass
from ringtide_engine.model.releases import ReleaseFile


class Manifests:
    """Writes each manifest once and remembers its bytes."""

    def __init__(self, fleet: Fleet) -> None:
        """Keep what the fleet says for all of them."""
        self._fleet = fleet
        self._digests: dict[tuple[str, str, str, str], Digest] = {}
        self._known: dict[Digest, Manifest] = {}
        self.files: dict[str, bytes] = {}
        """Path to content of every manifest asked for."""

    def digest(self, choice: Choice, hardware: HardwareClass) -> Digest:
        """Return the digest of the manifest of `choice` for `hardware`.

        Raises:
            InputError: The release has no budget for the hardware, or names a store that the fleet has not.
        """
        key = (choice.release.model, choice.release.version, choice.variant.name, hardware.name)
        if key not in self._digests:
            manifest = make_manifest(self._fleet, choice, hardware)
            content = manifest.encode()
            digest = sha256(content)
            self._digests[key], self._known[digest] = digest, manifest
            self.files[manifest_path(digest)] = content
        return self._digests[key]

    def manifest(self, digest: Digest) -> Manifest:
        """Return a manifest that `digest` was asked for."""
        return self._known[digest]


def make_manifest(fleet: Fleet, choice: Choice, hardware: HardwareClass) -> Manifest:
    """Return the manifest of a variant for a hardware class.

    Raises:
        InputError: The release has no budget for the hardware, or names a store that the fleet has not.
    """
    release, variant = choice.release, choice.variant
    budget = release.budgets.get(hardware.name)
    if budget is None:
        raise InputError(
            f"{release.path} has no budget for the hardware class {hardware.name!r}; add it under `budgets`"
        )
    golden, drift = release.golden, release.drift_reference
    files = tuple(each for each in (variant.file, golden, drift) if each is not None)
    return Manifest(
        model=release.model,
        release=release.version,
        variant=variant.name,
        hardware_class=hardware.name,
        graph=variant.file.name,
        artifacts=tuple(_artifact(fleet, file, release.path) for file in files),
        inputs=release.inputs,
        outputs=release.outputs,
        golden=None if golden is None else Golden(artifact=golden.name, tolerance_ppm=variant.golden_tolerance_ppm),
        budget=budget,
        probation=release.probation or fleet.probation,
        runtime=Runtime(
            onnxruntime=variant.onnxruntime,
            opset=variant.opset,
            providers=tuple(each for each in variant.execution_providers if each in hardware.execution_providers),
            threads=fleet.runtime_threads,
        ),
        attempt=release.attempt,
        drift=None if drift is None else drift.name,
    )


def _artifact(fleet: Fleet, file: ReleaseFile, path: str) -> Artifact:
    store = fleet.artifact_stores.get(file.store)
    if store is None:
        raise InputError(f"{path} names the artifact store {file.store!r}, which fleet.yaml does not list")

    def uris(digest: Digest) -> tuple[str, ...]:
        return (artifact_address(store, digest),)

    return Artifact(
        name=file.name,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        uris=uris(file.sha256),
        chunks=None if file.chunks is None else ChunkList(sha256=file.chunks, uris=uris(file.chunks)),
        deltas=tuple(
            Delta(
                base=each.base,
                method=PATCH_FROM,
                sha256=each.sha256,
                size_bytes=each.size_bytes,
                uris=uris(each.sha256),
            )
            for each in file.deltas
        ),
    )
