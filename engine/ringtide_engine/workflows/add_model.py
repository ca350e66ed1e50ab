"""Add a model: read its files, measure them, describe them, store them, and write the release that names them.

The release is made as values, written as text, and read back: what is returned is what `load` says of the text.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Any, Protocol

from ringtide_contract.drift import MAX_REFERENCE_BYTES, DriftReference
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, parse_name, sha256
from ringtide_contract.manifest import Budget, TensorSpec
from ringtide_engine.compile.sbom import Figure, GraphFacts, bill_of_materials
from ringtide_engine.model.releases import Attachment, GoldenSet, Release, ReleaseFile, Variant
from ringtide_engine.ports import ArtifactStore
from ringtide_engine.workflows.release_ground import ground_for, written
from ringtide_engine.workflows.release_offers import MakeDelta, TriedDelta, with_offers
from ringtide_engine.workflows.release_text import tolerance_text
from ringtide_engine.workflows.subjects import sbom_digests, statement_digests

GRAPH_NAME, GOLDEN_NAME, SBOM_NAME = "model.onnx", "golden.json", "sbom.cdx.json"

LEAST_TOLERANCE_PPM = 10
"""What two processors' kernels differ by in FP32."""

_MARGIN = Fraction(3, 2)
"""Devices have other processors than the machine that measures."""

_SUFFIX = re.compile(r"\.[a-z0-9]{1,16}\Z")


class ModelFiles(Protocol):
    """Reads ONNX files and golden sets. Every method raises InputError for a file that devices would refuse."""

    def graph(self, name: str, content: bytes) -> GraphFacts:
        """Return what the file called `name` says of itself."""

    def check_golden(
        self, name: str, content: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> None:
        """Check that a golden set asks and answers what the graph takes and gives."""

    def golden_difference(
        self, name: str, graph: bytes, golden: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> float | None:
        """Return the largest absolute difference to the golden set; None where there is no runtime to measure with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file as its maker hands it over."""

    name: str
    """What to call it in messages."""
    content: bytes
    """Its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVariant:
    """One form of the model."""

    name: str
    """Name, such as `int8`."""
    file: SourceFile
    """The ONNX file."""
    memory_bytes: int
    """Memory its process needs."""
    tolerance_ppm: int | None
    """Largest difference to the golden set, in millionths; None to take it from what is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRelease:
    """What is to be released."""

    model: str
    """Model."""
    version: str
    """Version."""
    variants: tuple[NewVariant, ...]
    """In order of preference; at least one."""
    golden: SourceFile | None
    """The golden set."""
    store: str
    """Artifact store, by its name in `fleet.yaml`."""
    budgets: Mapping[str, Budget]
    """Hardware class to budget."""
    licence: str
    """SPDX licence expression."""
    risk_tier: str = "medium"
    """Risk tier."""
    onnxruntime: str = ">=1.20"
    """Version range (PEP 440) of onnxruntime that the variants need."""
    execution_providers: tuple[str, ...] = ("CPUExecutionProvider",)
    """Execution providers that the variants may use, in order of preference."""
    figures: tuple[Figure, ...] = ()
    """What the makers measured, for the model card."""
    owner: str | None = None
    """Who answers for the release."""
    disjoint: str | None = None
    """How the golden set was kept apart from the training data."""
    residency: tuple[str, ...] = ()
    """Regions where it may run; empty: everywhere."""
    model_card: SourceFile | None = None
    """Model card."""
    drift_reference: SourceFile | None = None
    """What drift is measured against."""
    provenance: SourceFile | None = None
    """How the artifacts were built."""
    signature: SourceFile | None = None
    """Signature of the artifacts' makers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedRelease:
    """What was made."""

    release: Release
    """The release, as `load` reads it."""
    text: bytes
    """Its file, to be written at `release.path`."""
    sbom: bytes
    """Its bill of materials."""
    differences: Mapping[str, float | None]
    """Variant to the measured difference to the golden set; None where it was not measured."""
    uris: Mapping[Digest, str]
    """Digest to where it is stored; empty where nothing was."""
    deltas: tuple[TriedDelta, ...] = ()
    """Deltas from what devices run now, offered or not."""


def add_model(
    new: NewRelease,
    files: Mapping[str, bytes],
    *,
    models: ModelFiles,
    check_sbom: Callable[[bytes], None],
    open_store: Callable[[str], ArtifactStore],
    open_running: Callable[[str], ArtifactStore] | None = None,
    make_delta: MakeDelta,
    dry_run: bool = False,
) -> AddedRelease:
    """Add a release: store its files, and return the YAML file that names them by digest.

    Args:
        new: What is to be released.
        files: The fleet repository's files; `fleet.yaml`, `hardware/`, the release's own path, and what says which
            releases of the model run now are looked at.
        models: Reads and measures the model's files.
        check_sbom: Refuses a bill of materials that is not CycloneDX.
        open_store: Opens the artifact store at an address, to write.
        open_running: Opens the one that holds what devices run now; None where it is the same.
        make_delta: Makes deltas.
        dry_run: Store nothing.

    Raises:
        InputError: The release exists, a file is not what it should be, or a name is unknown; nothing was stored.
        FindingsError: The fleet repository cannot be read, or what was made would not load.
        TransientError: The store does not answer.
    """
    ground = ground_for(new.model, new.version, new.store, new.budgets, files)

    graphs = {each.name: models.graph(each.file.name, each.file.content) for each in new.variants}
    first = _alike(new.variants, graphs)
    differences = _differences(new, first, models)
    release = _release(ground.path, new, graphs, differences)
    if new.drift_reference is not None:
        _check_drift(new.drift_reference, first)
    sbom = bill_of_materials(release, graphs, new.figures)
    check_sbom(sbom)
    release = _attached(release, new, sbom)
    offers = with_offers(
        release,
        {sha256(each.file.content): each.file.content for each in new.variants},
        files,
        open_store=open_running or open_store,
        make_delta=make_delta,
    )
    release = offers.release
    text = written(ground, release, "the ONNX files")

    given = (new.golden, new.model_card, new.drift_reference, new.provenance, new.signature)
    contents = [*(each.file.content for each in new.variants), sbom, *offers.contents]
    contents += [each.content for each in given if each]
    uris: dict[Digest, str] = {}
    if not dry_run:
        store = open_store(ground.address)
        uris = {sha256(each): store.put(each) for each in contents}
    return AddedRelease(release=release, text=text, sbom=sbom, differences=differences, uris=uris, deltas=offers.tried)


def suggested_tolerance_ppm(difference: float) -> int:
    """Return a tolerance in millionths that a measured difference leaves room under: half as much again, two digits."""
    exact = ceil(Fraction(difference) * _MARGIN * 10**6)
    step = int(10 ** max(0, len(str(exact)) - 2))
    return max(LEAST_TOLERANCE_PPM, -(-exact // step) * step)


def _alike(variants: Sequence[NewVariant], graphs: Mapping[str, GraphFacts]) -> GraphFacts:
    """Return the first variant's graph, where all take and give the same."""
    if not variants or len(graphs) != len(variants):
        raise InputError("a release has at least one variant, and each has a name of its own")
    first, *rest = variants
    for other in rest:
        for what in ("inputs", "outputs"):
            here, there = _shapes(graphs[first.name], what), _shapes(graphs[other.name], what)
            if here != there:
                raise InputError(
                    f"{other.file.name} has the {what} {there}, {first.file.name} has {here}; "
                    "variants are forms of one model: export them alike, or add another model"
                )
    return graphs[first.name]


def _shapes(graph: GraphFacts, what: str) -> str:
    tensors: tuple[TensorSpec, ...] = getattr(graph, what)
    return ", ".join(sorted(f"{each.name} {each.datatype} {list(each.shape)}" for each in tensors))


def _differences(new: NewRelease, graph: GraphFacts, models: ModelFiles) -> Mapping[str, float | None]:
    """Measure how far each variant is from the golden set."""
    golden = new.golden
    if golden is None:
        if new.disjoint is not None:
            raise InputError("how the golden set was kept apart says nothing without one; give --golden")
        given = [each.name for each in new.variants if each.tolerance_ppm is not None]
        if given:
            raise InputError(f"a tolerance for {', '.join(given)} says nothing without a golden set; give --golden")
        return {each.name: None for each in new.variants}
    models.check_golden(golden.name, golden.content, graph.inputs, graph.outputs)
    return {
        each.name: models.golden_difference(
            each.file.name, each.file.content, golden.content, graph.inputs, graph.outputs
        )
        for each in new.variants
    }


def _tolerance_ppm(new: NewRelease, variant: NewVariant, difference: float | None) -> int:
    given = variant.tolerance_ppm
    if new.golden is None:
        return LEAST_TOLERANCE_PPM
    if difference is None:
        if given is None:
            raise InputError(
                f"nothing says how far {variant.name} may be from the golden set: install onnxruntime to have it "
                f"measured, or give --golden-tolerance {variant.name}=0.001"
            )
        return given
    suggested = suggested_tolerance_ppm(difference)
    if given is not None and Fraction(difference) * 10**6 > given:
        raise InputError(
            f"{variant.file.name} is {difference:.6f} from the golden set, and the tolerance of {variant.name} is "
            f"{tolerance_text(given)}: every device would refuse it. Mend the model, or give --golden-tolerance "
            f"{variant.name}={tolerance_text(suggested)}"
        )
    return suggested if given is None else given


def _release(
    path: str, new: NewRelease, graphs: Mapping[str, GraphFacts], differences: Mapping[str, float | None]
) -> Release:
    first = graphs[new.variants[0].name]
    return Release(
        path=path,
        model=new.model,
        version=new.version,
        variants=tuple(
            Variant(
                name=parse_name(each.name),
                file=ReleaseFile(**_file(GRAPH_NAME, each.file.content, new.store)),
                opset=graphs[each.name].opset,
                onnxruntime=new.onnxruntime,
                execution_providers=new.execution_providers,
                memory_bytes=each.memory_bytes,
                golden_tolerance_ppm=_tolerance_ppm(new, each, differences[each.name]),
            )
            for each in new.variants
        ),
        inputs=first.inputs,
        outputs=first.outputs,
        golden=None
        if new.golden is None
        else GoldenSet(**_file(GOLDEN_NAME, new.golden.content, new.store), disjoint=new.disjoint),
        budgets=dict(new.budgets),
        probation=None,
        sbom=None,
        licence=new.licence,
        risk_tier=new.risk_tier,
        attempt=0,
        owner=new.owner,
        residency=new.residency,
    )


def _check_drift(file: SourceFile, graph: GraphFacts) -> None:
    """Refuse what a device would refuse to watch by."""
    if len(file.content) > MAX_REFERENCE_BYTES:
        raise InputError(f"{file.name} has {len(file.content)} bytes, a drift reference at most {MAX_REFERENCE_BYTES}")
    try:
        DriftReference.from_dict(json.loads(file.content), (*graph.inputs, *graph.outputs))
    except (InputError, ValueError, RecursionError) as error:
        fix = "make it with `ringtide model drift-reference`"
        raise InputError(f"{file.name} is no drift reference of this graph: {error}; {fix}") from error


def _attached(release: Release, new: NewRelease, sbom: bytes) -> Release:
    """Return the release with the files that speak for it, each with the release's files that it describes."""
    files = [*(each.file for each in release.variants), *([release.golden] if release.golden else [])]
    own = tuple(dict.fromkeys(each.sha256 for each in files))

    def attachment(role: str, file: SourceFile | None, *, covers: bool = False) -> Attachment | None:
        if file is None:
            return None
        said = statement_digests(file.content) if covers else frozenset()
        subjects = tuple(each for each in own if each in said)
        if said and not subjects:
            raise InputError(f"{file.name} names {len(said)} files, and none of this release; give the {role} of these")
        suffix = _SUFFIX.search(file.name.lower())
        name = role + (suffix[0] if suffix else "")
        return Attachment(**_file(name, file.content, new.store), subjects=subjects)

    listed = sbom_digests(sbom)
    return replace(
        release,
        sbom=Attachment(**_file(SBOM_NAME, sbom, new.store), subjects=tuple(each for each in own if each in listed)),
        model_card=attachment("model-card", new.model_card),
        drift_reference=attachment("drift-reference", new.drift_reference),
        provenance=attachment("provenance", new.provenance, covers=True),
        signature=attachment("signature", new.signature, covers=True),
    )


def _file(name: str, content: bytes, store: str) -> dict[str, Any]:
    return {"name": name, "sha256": sha256(content), "size_bytes": len(content), "store": store}
