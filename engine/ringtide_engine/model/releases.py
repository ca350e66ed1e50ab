"""Releases as the fleet repository describes them: artifacts, requirements, budgets, and what speaks for them.

Sizes are bytes, latencies microseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringtide_contract.ids import Digest
from ringtide_contract.manifest import Budget, Probation, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDelta:
    """What makes a file of a release of a file that devices may have; it lies in the same store."""

    base: Digest
    """Digest of that file."""
    sha256: Digest
    """Digest of the delta."""
    size_bytes: int
    """Size of the delta."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """One file of a release."""

    name: str
    """Name within the release."""
    sha256: Digest
    """Digest."""
    size_bytes: int
    """Size."""
    store: str
    """Artifact store it lies in."""
    chunks: Digest | None = None
    """Digest of its chunk list, which lies in the same store."""
    deltas: tuple[ReleaseDelta, ...] = ()
    """What spares devices the whole file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSet(ReleaseFile):
    """JSON with Open Inference Protocol v2 tensors under `inputs` and `outputs`."""

    disjoint: str | None = None
    """How it was kept apart from the training data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(ReleaseFile):
    """A file about other files of the release."""

    subjects: tuple[Digest, ...] = ()
    """Digests of the files that it describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One form of a release's model, such as fp32 or int8."""

    name: str
    """Name."""
    file: ReleaseFile
    """The ONNX graph."""
    opset: int
    """Highest opset of the default domain in the graph."""
    onnxruntime: str
    """Version range (PEP 440) it needs."""
    execution_providers: tuple[str, ...]
    """Execution providers it may use, in order of preference."""
    memory_bytes: int
    """Memory its process needs."""
    golden_tolerance_ppm: int
    """Largest absolute difference of an output to the golden set, in millionths."""
    arch: str | None = None
    """CPU architecture that it is made for, as `uname -m` says; None for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """`models/<model>/<version>.yaml`: an immutable set of artifacts of one model version."""

    path: str
    """File it is written in."""
    model: str
    """Model."""
    version: str
    """Version."""
    variants: tuple[Variant, ...]
    """In order of preference."""
    inputs: tuple[TensorSpec, ...]
    """What the graph takes."""
    outputs: tuple[TensorSpec, ...]
    """What the graph gives."""
    golden: GoldenSet | None
    """Inputs with known outputs."""
    budgets: Mapping[str, Budget]
    """Hardware class to budget."""
    probation: Probation | None
    """Probation in place of the fleet's."""
    sbom: Attachment | None
    """CycloneDX software bill of materials."""
    licence: str
    """SPDX licence expression."""
    risk_tier: str
    """Tier by which policies ask for approvals."""
    attempt: int
    """Raised by one to let devices try again what they remember as failed."""
    owner: str | None = None
    """Who answers for it."""
    provenance: Attachment | None = None
    """How the artifacts were built."""
    signature: Attachment | None = None
    """Signature of the artifacts' makers."""
    model_card: Attachment | None = None
    """What the model is for."""
    drift_reference: Attachment | None = None
    """What drift is measured against."""
    measured: Mapping[str, Budget] = field(default_factory=dict)
    """Hardware class to what the makers measured there."""
    residency: tuple[str, ...] = ()
    """Regions where it may run; empty: everywhere."""
