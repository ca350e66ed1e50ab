"""The manifest: one release variant for one class of devices, complete, with no generation, time or device in it."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal, cast, get_args

from ringtide_contract import API_VERSION, fields
from ringtide_contract.artifact import Artifact
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, parse_name, parse_version

MAX_MANIFEST_BYTES = 64 * 1024

RUNTIME_MODEL = "ringtide-agent"
"""The one model that is none: its releases are the agent itself with onnxruntime, as an archive in place of the graph."""

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
"""Tensor datatypes of the Open Inference Protocol v2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """A model input or output, as the Open Inference Protocol v2 describes it."""

    name: str
    """Tensor name in the graph."""
    datatype: Datatype
    """Element type."""
    shape: tuple[int, ...]
    """Dimensions; -1 is free."""

    @classmethod
    def from_dict(cls, value: object) -> "TensorSpec":
        """Read a tensor from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "tensor")
        datatype = fields.text(data, "datatype")
        if datatype not in get_args(Datatype):
            raise InputError(f"{datatype[:20]!r} is not a datatype of the Open Inference Protocol")

        def dimension(item: object) -> int:
            if not isinstance(item, int) or isinstance(item, bool) or item < -1:
                raise InputError(f"{item!r} is not a dimension")
            return item

        shape = fields.items(data, "shape", dimension)
        return cls(name=fields.text(data, "name"), datatype=cast("Datatype", datatype), shape=shape)

    def to_dict(self) -> dict[str, Json]:
        """Write the tensor as `from_dict` reads it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A known question with its known answer."""

    artifact: str
    """Name of the artifact: JSON with `inputs` and `outputs` as Open Inference Protocol v2 tensors."""
    tolerance_ppm: int
    """Largest absolute difference of any output element, in millionths."""

    @classmethod
    def from_dict(cls, value: object) -> "Golden":
        """Read a golden set from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "golden")
        return cls(
            artifact=parse_name(fields.text(data, "artifact")), tolerance_ppm=fields.integer(data, "tolerancePpm")
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the golden set as `from_dict` reads it."""
        return {"artifact": self.artifact, "tolerancePpm": self.tolerance_ppm}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a release may cost on this class of device."""

    p95_latency_us: int
    """95th percentile of one inference of batch 1, microseconds."""
    peak_memory_bytes: int
    """Most memory that the process holding the model may come to occupy (resident)."""

    @classmethod
    def from_dict(cls, value: object) -> "Budget":
        """Read a budget from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "budget")
        return cls(
            p95_latency_us=fields.integer(data, "p95LatencyUs", least=1),
            peak_memory_bytes=fields.integer(data, "peakMemoryBytes", least=1),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the budget as `from_dict` reads it."""
        return {"p95LatencyUs": self.p95_latency_us, "peakMemoryBytes": self.peak_memory_bytes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probation:
    """How long and by what a device watches a release before it keeps it."""

    seconds: int
    """Least duration."""
    min_requests: int
    """Least number of live requests served; 0 where a device may stand idle."""
    max_failure_ppm: int
    """Largest share of failed requests, in millionths."""
    max_over_budget_ppm: int
    """Largest share of requests slower than the latency budget, in millionths."""
    min_agreement_ppm: int
    """Least share of sampled live requests on which the release agrees with the stable one; 0 watches without judging."""

    @classmethod
    def from_dict(cls, value: object) -> "Probation":
        """Read a probation from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "probation")
        return cls(
            seconds=fields.integer(data, "seconds"),
            min_requests=fields.integer(data, "minRequests"),
            max_failure_ppm=fields.integer(data, "maxFailurePpm"),
            max_over_budget_ppm=fields.integer(data, "maxOverBudgetPpm"),
            min_agreement_ppm=fields.integer(data, "minAgreementPpm"),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the probation as `from_dict` reads it."""
        return {
            "seconds": self.seconds,
            "minRequests": self.min_requests,
            "maxFailurePpm": self.max_failure_ppm,
            "maxOverBudgetPpm": self.max_over_budget_ppm,
            "minAgreementPpm": self.min_agreement_ppm,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What the model needs to run."""

    onnxruntime: str
    """Version range (PEP 440) of onnxruntime."""
    opset: int
    """Highest ONNX opset of the default domain that the graph uses."""
    providers: tuple[str, ...]
    """Execution providers in order of preference; no other is ever used."""
    threads: int
    """Threads within one inference."""

    @classmethod
    def from_dict(cls, value: object) -> "Runtime":
        """Read runtime needs from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "runtime")
        return cls(
            onnxruntime=fields.text(data, "onnxruntime"),
            opset=fields.integer(data, "opset", least=1),
            providers=fields.items(data, "providers", fields.string),
            threads=fields.integer(data, "threads", least=1),
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the runtime needs as `from_dict` reads them."""
        return {
            "onnxruntime": self.onnxruntime,
            "opset": self.opset,
            "providers": list(self.providers),
            "threads": self.threads,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything a device of one class needs to run one variant of one release."""

    model: str
    """Model name."""
    release: str
    """Version of the release."""
    variant: str
    """Variant, such as `fp32` or `int8`."""
    hardware_class: str
    """Hardware class the variant was chosen for; a device of another class refuses the manifest."""
    graph: str
    """Name of the artifact that holds the ONNX graph."""
    artifacts: tuple[Artifact, ...]
    """Every file of the variant."""
    inputs: tuple[TensorSpec, ...]
    """What the graph takes."""
    outputs: tuple[TensorSpec, ...]
    """What the graph gives."""
    golden: Golden | None
    """The golden set; None where the release has none."""
    budget: Budget
    """What it may cost."""
    probation: Probation
    """How it is watched."""
    runtime: Runtime
    """What it needs."""
    attempt: int = 0
    """Raised by one to let devices try again what they remember as failed."""
    drift: str | None = None
    """Name of the artifact that holds the drift reference; None where the release has none."""

    def __post_init__(self) -> None:
        """Refuse a manifest that names files it does not have.

        Raises:
            InputError: Two artifacts of one name, or `graph`, `golden` or `drift` names no artifact.
        """
        names = [artifact.name for artifact in self.artifacts]
        if len(set(names)) != len(names):
            raise InputError("two artifacts of a manifest have one name")
        others = (self.golden.artifact if self.golden else None, self.drift)
        for wanted in (self.graph, *(each for each in others if each is not None)):
            if wanted not in names:
                raise InputError(f"the manifest names the artifact {wanted!r}, which it does not list")

    def artifact(self, name: str) -> Artifact:
        """Return the artifact called `name`, which `__post_init__` has made sure of for graph, golden and drift."""
        return next(artifact for artifact in self.artifacts if artifact.name == name)

    def fetch_bytes(self, has: Container[Digest]) -> int:
        """Return how many bytes a device fetches that has the files `has`, if nothing goes wrong."""
        return sum(artifact.fetch_bytes(has) for artifact in self.artifacts)

    @property
    def archive(self) -> Digest | None:
        """Digest of the archive that a release of the agent itself consists of; None for a model's release."""
        return self.artifact(self.graph).sha256 if self.model == RUNTIME_MODEL else None

    @classmethod
    def decode(cls, content: bytes) -> "Manifest":
        """Read a manifest from its bytes.

        Raises:
            InputError: Not a manifest.
        """
        data = fields.document(decode(content, limit=MAX_MANIFEST_BYTES), "Manifest")
        return cls(
            model=parse_name(fields.text(data, "model")),
            release=parse_version(fields.text(data, "release")),
            variant=parse_name(fields.text(data, "variant")),
            hardware_class=parse_name(fields.text(data, "hardwareClass")),
            graph=parse_name(fields.text(data, "graph")),
            artifacts=fields.items(data, "artifacts", Artifact.from_dict),
            inputs=fields.items(data, "inputs", TensorSpec.from_dict),
            outputs=fields.items(data, "outputs", TensorSpec.from_dict),
            golden=None if data.get("golden") is None else Golden.from_dict(data["golden"]),
            budget=Budget.from_dict(data.get("budget")),
            probation=Probation.from_dict(data.get("probation")),
            runtime=Runtime.from_dict(data.get("runtime")),
            attempt=fields.integer(data, "attempt"),
            drift=None if data.get("drift") is None else parse_name(fields.text(data, "drift")),
        )

    def encode(self) -> bytes:
        """Write the manifest in canonical bytes."""
        document: dict[str, Json] = {
            "apiVersion": API_VERSION,
            "kind": "Manifest",
            "model": self.model,
            "release": self.release,
            "variant": self.variant,
            "hardwareClass": self.hardware_class,
            "graph": self.graph,
            "artifacts": [artifact.to_dict() for artifact in self.artifacts],
            "inputs": [tensor.to_dict() for tensor in self.inputs],
            "outputs": [tensor.to_dict() for tensor in self.outputs],
            "golden": None if self.golden is None else self.golden.to_dict(),
            "budget": self.budget.to_dict(),
            "probation": self.probation.to_dict(),
            "runtime": self.runtime.to_dict(),
            "attempt": self.attempt,
        }
        if self.drift is not None:
            document["drift"] = self.drift
        return encode(document)
