"""The bill of materials: strictly valid, the same bytes for the same release, with the digests of what it names."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from fakes.fleet_files import DIGITS, fleet_files
from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256
from ringtide_engine.adapters.cyclonedx_check import check_cyclonedx
from ringtide_engine.adapters.onnx_files import OnnxFiles
from ringtide_engine.compile.sbom import Figure, GraphFacts, bill_of_materials
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.releases import Attachment, Release

FIGURES = (
    Figure(metric="accuracy", value="0.99", variant="int8"),
    Figure(metric="parameters", value="26890", variant=None),
)


@cache
def release() -> Release:
    state = load_desired(fleet_files(3)).state
    assert state is not None
    return state.releases["digits", "1.1.0"]


@cache
def graphs() -> dict[str, GraphFacts]:
    return {name: OnnxFiles().graph(name, (DIGITS / f"1.1.0/{name}.onnx").read_bytes()) for name in ("fp32", "int8")}


def components(sbom: bytes) -> dict[str, Any]:
    document = json.loads(sbom)
    return {each["bom-ref"]: each for each in [document["metadata"]["component"], *document["components"]]}


def properties(component: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in component["properties"]}


@pytest.mark.parametrize("figures", [(), FIGURES])
def test_it_is_strictly_valid_cyclonedx(figures: tuple[Figure, ...]) -> None:
    check_cyclonedx(bill_of_materials(release(), graphs(), figures))


def test_the_same_release_gives_the_same_bytes_and_another_one_another_serial_number() -> None:
    once = bill_of_materials(release(), graphs(), FIGURES)
    assert bill_of_materials(release(), dict(reversed(graphs().items())), FIGURES) == once
    own = Attachment(name="sbom.json", sha256=sha256(b""), size_bytes=9, store="models")
    assert bill_of_materials(replace(release(), sbom=own), graphs(), FIGURES) == once
    other = bill_of_materials(replace(release(), licence="MIT"), graphs(), FIGURES)
    assert json.loads(other)["serialNumber"] != json.loads(once)["serialNumber"]
    assert b"timestamp" not in once


def test_it_names_the_model_its_files_by_digest_and_the_runtime_by_range() -> None:
    found = components(bill_of_materials(release(), graphs()))
    model = found["model:digits@1.1.0"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "digits", "1.1.0")
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    golden = release().golden
    assert golden is not None
    files = {f"variant:{each.name}": each.file for each in release().variants} | {"golden": golden}
    for reference, file in files.items():
        assert found[reference]["hashes"] == [{"alg": "SHA-256", "content": file.sha256}]
        assert properties(found[reference])["ringtide:size"] == str(file.size_bytes)
    assert properties(found["variant:int8"])["ringtide:opset"] == "13"
    runtime = found["runtime:onnxruntime"]
    assert (runtime["type"], runtime["name"], runtime["purl"]) == ("library", "onnxruntime", "pkg:pypi/onnxruntime")
    assert properties(runtime)["ringtide:versionRange"] == ">=1.20"
    assert len(found) == 5


def test_the_model_depends_on_its_files_and_each_variant_on_the_runtime() -> None:
    document = json.loads(bill_of_materials(release(), graphs()))
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert needs == {
        "model:digits@1.1.0": ["golden", "variant:fp32", "variant:int8"],
        "variant:fp32": ["runtime:onnxruntime"],
        "variant:int8": ["runtime:onnxruntime"],
        "golden": [],
        "runtime:onnxruntime": [],
    }


def test_the_model_card_stands_at_the_model_alone_and_holds_the_figures() -> None:
    found = components(bill_of_materials(release(), graphs(), FIGURES))
    assert [reference for reference, each in found.items() if "modelCard" in each] == ["model:digits@1.1.0"]
    card = found["model:digits@1.1.0"]["modelCard"]
    assert card["modelParameters"]["inputs"] == [{"format": "image: FP32 [-1, 64]"}]
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "accuracy", "value": "0.99", "slice": "int8"},
        {"type": "parameters", "value": "26890"},
    ]


def test_a_model_called_like_the_runtime_keeps_its_card_to_itself() -> None:
    found = components(bill_of_materials(replace(release(), model="onnxruntime"), graphs()))
    assert [reference for reference, each in found.items() if "modelCard" in each] == ["model:onnxruntime@1.1.0"]


def test_a_release_without_a_golden_set_has_none() -> None:
    sbom = bill_of_materials(replace(release(), golden=None), graphs())
    check_cyclonedx(sbom)
    assert "golden" not in components(sbom)


@pytest.mark.parametrize("licence", ["MIT OR Apache-2.0", "LicenseRef-Ours", "MIT AND LicenseRef-Ours-1.0"])
def test_a_licence_expression_is_kept(licence: str) -> None:
    sbom = bill_of_materials(replace(release(), licence=licence), graphs())
    check_cyclonedx(sbom)
    assert components(sbom)["model:digits@1.1.0"]["licenses"] == [{"expression": licence}]


@pytest.mark.parametrize("licence", ["", "ours", "MIT OR", "MIT\nApache-2.0 ;", "LicenseRef-"])
def test_what_is_no_spdx_expression_is_refused(licence: str) -> None:
    with pytest.raises(InputError, match="is not an SPDX licence expression"):
        bill_of_materials(replace(release(), licence=licence), graphs())


def test_the_check_refuses_what_cyclonedx_does_not_know() -> None:
    document = json.loads(bill_of_materials(release(), graphs()))
    document["metadata"]["component"]["modelCard"]["mood"] = "good"
    with pytest.raises(InputError, match=r"not CycloneDX 1\.6"):
        check_cyclonedx(json.dumps(document).encode())
