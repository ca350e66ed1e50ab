"""The software bill of materials of a release: CycloneDX 1.6, the same bytes for the same release.

No clock and no chance: the serial number is made from the content, and there is no timestamp.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id, is_expression
from packageurl import PackageURL

from ringtide_contract.canonical import encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256
from ringtide_contract.manifest import TensorSpec
from ringtide_engine.model.releases import Release, ReleaseFile, Variant

RUNTIME = "onnxruntime"

_OWN_LICENCE = re.compile(r"(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")
"""A licence that is not on the SPDX list (SPDX 2.3, annex D)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFacts:
    """What an ONNX file says of itself."""

    opset: int
    """Highest opset of the default domain."""
    ir_version: int
    """Version of the file format."""
    domains: tuple[str, ...]
    """Operator domains in use, sorted; the default one is `ai.onnx`."""
    inputs: tuple[TensorSpec, ...]
    """What it takes, without what has a default."""
    outputs: tuple[TensorSpec, ...]
    """What it gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Something that the makers measured."""

    metric: str
    """What, such as `accuracy`."""
    value: str
    """How much."""
    variant: str | None
    """Of which variant; None of all."""


def bill_of_materials(release: Release, graphs: Mapping[str, GraphFacts], figures: Sequence[Figure] = ()) -> bytes:
    """Return the bill of materials of a release: the model, its files, and the runtime that they need.

    Args:
        release: The release; its own `sbom` is left out.
        graphs: Variant to what its file says of itself.
        figures: What goes into the model card.

    Raises:
        InputError: The licence is no SPDX expression.
    """
    model = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=release.model,
        version=release.version,
        bom_ref=f"model:{release.model}@{release.version}",
        licenses=[_licence(release.licence)],
        properties=[Property(name="ringtide:riskTier", value=release.risk_tier)],
    )
    # CycloneDX 1.6 has no version ranges; a version would name a runtime that nobody has chosen yet.
    ranges = sorted({variant.onnxruntime for variant in release.variants})
    runtime = Component(
        type=ComponentType.LIBRARY,
        name=RUNTIME,
        bom_ref=f"runtime:{RUNTIME}",
        purl=PackageURL("pypi", name=RUNTIME),
        properties=[Property(name="ringtide:versionRange", value=each) for each in ranges],
    )
    variants = [_variant(variant, graphs[variant.name]) for variant in release.variants]
    golden = [] if release.golden is None else [_file(release.golden, "golden", release.golden.name, {})]
    bom = Bom(
        metadata=BomMetaData(component=model),
        components=[*variants, *golden, runtime],
    )
    bom.register_dependency(model, [*variants, *golden])
    for each in variants:
        bom.register_dependency(each, [runtime])
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"], document["serialNumber"]
    # cyclonedx-python-lib knows no model card, and would drop it if it read this document again.
    _by_reference(document)[str(model.bom_ref.value)]["modelCard"] = _model_card(release, figures)
    return encode({**document, "serialNumber": uuid5(NAMESPACE_URL, f"ringtide:{sha256(encode(document))}").urn})


def _variant(variant: Variant, graph: GraphFacts) -> Component:
    facts = {
        "opset": str(graph.opset),
        "irVersion": str(graph.ir_version),
        "domains": " ".join(graph.domains),
        "onnxruntime": variant.onnxruntime,
        "memory": str(variant.memory_bytes),
    }
    return _file(variant.file, f"variant:{variant.name}", f"{variant.name}/{variant.file.name}", facts)


def _file(file: ReleaseFile, reference: str, name: str, facts: Mapping[str, str]) -> Component:
    said = {"size": str(file.size_bytes), **facts}
    return Component(
        type=ComponentType.FILE,
        name=name,
        bom_ref=reference,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
        properties=[Property(name=f"ringtide:{key}", value=value) for key, value in said.items()],
    )


def _licence(text: str) -> License:
    listed = fixup_id(text)
    if listed is not None:
        return DisjunctiveLicense(id=listed)
    # The library takes own licences for mistakes; in their place, any listed one tells whether the rest is well formed.
    if not text or not is_expression(_OWN_LICENCE.sub("MIT", text)):
        raise InputError(
            f"{text!r} is not an SPDX licence expression such as Apache-2.0; write a licence of your own as LicenseRef-Name"
        )
    return LicenseExpression(text)


def _by_reference(document: Mapping[str, Any]) -> Mapping[str, Any]:
    components = [document["metadata"]["component"], *document["components"]]
    return {each["bom-ref"]: each for each in components}


def _model_card(release: Release, figures: Sequence[Figure]) -> dict[str, Any]:
    card: dict[str, Any] = {
        "modelParameters": {
            "inputs": [{"format": _format(each)} for each in release.inputs],
            "outputs": [{"format": _format(each)} for each in release.outputs],
        }
    }
    if figures:
        metrics = [
            {"type": each.metric, "value": each.value, **({"slice": each.variant} if each.variant else {})}
            for each in figures
        ]
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    return card


def _format(tensor: TensorSpec) -> str:
    return f"{tensor.name}: {tensor.datatype} [{', '.join(map(str, tensor.shape))}]"
