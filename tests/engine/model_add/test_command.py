"""`ringtide model add` as a person runs it, with the demo's real ONNX files."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.fleet_files import DIGITS, fleet_files
from ringtide_engine.adapters.cyclonedx_check import check_cyclonedx
from ringtide_engine.cli.main import run

RELEASE = DIGITS / "1.1.0"
FIGURES = json.loads((DIGITS / "figures.json").read_text())["releases"]["1.1.0"]["variants"]
NEW = "models/digits/2.0.0.yaml"
BUDGETS = ("--budget", "edge-s:p95=200ms,memory=192MiB", "--budget", "edge-m:p95=1500us,memory=1GiB")
MEMORY = ("--memory", "fp32=512MiB", "--memory", "int8=192MiB")
GOLDEN = ("--golden", str(RELEASE / "golden.json"))


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    for path, content in fleet_files(3, store=(tmp_path / "store").as_uri()).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def add(
    fleet: Path,
    *more: str,
    version: str = "2.0.0",
    store: str = "models",
    golden: tuple[str, ...] = GOLDEN,
    budgets: tuple[str, ...] = BUDGETS,
    fp32: Path = RELEASE / "fp32.onnx",
    licence: str = "Apache-2.0",
) -> int:
    variants = ("--variant", f"fp32={fp32}", "--variant", f"int8={RELEASE / 'int8.onnx'}")
    fixed = ("model", "add", "digits", version, "-C", str(fleet), "--store", store, "--licence", licence)
    return run([*fixed, *variants, *MEMORY, *golden, *budgets, *more])


def refused(fleet: Path, said: pytest.CaptureFixture[str], *more: str, code: int = 1, **changed: Any) -> str:
    """Run a command that must fail and change nothing; return what it said."""
    before = {path: path.read_bytes() for path in sorted(fleet.rglob("*")) if path.is_file()}
    assert add(fleet, *more, **changed) == code
    assert {path: path.read_bytes() for path in sorted(fleet.rglob("*")) if path.is_file()} == before
    assert not (fleet.parent / "store").exists()
    return said.readouterr().err


def test_an_added_release_passes_check_and_its_files_lie_in_the_store(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(fleet, "--risk-tier", "low") == 0
    said = capsys.readouterr()
    assert "int8" in said.out
    assert NEW in said.err
    assert run(["check", str(fleet)]) == 0
    assert "passed: no findings" in capsys.readouterr().err
    release = yaml.safe_load((fleet / NEW).read_bytes())
    files = [release["golden"], release["sbom"], *(each["file"] for each in release["variants"])]
    for each in files:
        stored = (fleet.parent / "store" / each["sha256"]).read_bytes()
        assert (hashlib.sha256(stored).hexdigest(), len(stored)) == (each["sha256"], each["size"])
    assert len(list((fleet.parent / "store").iterdir())) == len(files)
    check_cyclonedx((fleet.parent / "store" / release["sbom"]["sha256"]).read_bytes())


def test_the_release_says_what_the_files_and_options_say(fleet: Path) -> None:
    assert add(fleet, "--onnxruntime", ">=1.21,<2") == 0
    text = (fleet / NEW).read_text()
    assert text.startswith("# yaml-language-server: $schema=../../.ringtide/schemas/release.json\napiVersion: ")
    release = yaml.safe_load(text)
    sbom = release.pop("sbom")
    assert sbom["name"] == "sbom.cdx.json"
    tolerances = [each.pop("goldenTolerance") for each in release["variants"]]
    measured = FIGURES["int8"]["golden_max_abs_diff_to_fp32"]
    assert tolerances == [0.00001, pytest.approx(measured * 1.5, rel=0.05)]
    assert tolerances[1] >= measured * 1.5 - 1e-6
    assert release == {
        "apiVersion": "ringtide/v1",
        "kind": "Release",
        "model": "digits",
        "version": "2.0.0",
        "variants": [
            {
                "name": name,
                "file": {
                    "name": "model.onnx",
                    "sha256": FIGURES[name]["sha256"],
                    "size": FIGURES[name]["size"],
                    "store": "models",
                },
                "opset": 13,
                "onnxruntime": ">=1.21,<2",
                "executionProviders": ["CPUExecutionProvider"],
                "memory": memory,
            }
            for name, memory in (("fp32", "512MiB"), ("int8", "192MiB"))
        ],
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
        "golden": {
            "name": "golden.json",
            "sha256": hashlib.sha256((RELEASE / "golden.json").read_bytes()).hexdigest(),
            "size": (RELEASE / "golden.json").stat().st_size,
            "store": "models",
        },
        "budgets": {
            "edge-s": {"p95Latency": "200ms", "peakMemory": "192MiB"},
            "edge-m": {"p95Latency": "1500us", "peakMemory": "1GiB"},
        },
        "licence": "Apache-2.0",
        "riskTier": "medium",
    }


def test_a_dry_run_measures_and_writes_nothing(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(fleet, capsys, "--dry-run", code=0)
    assert "nothing is written" in said
    assert add(fleet, "--dry-run", "-o", "json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["kind"], result["dryRun"], result["path"]) == ("ModelAddResult", True, NEW)
    assert float(result["variants"][1]["goldenDifference"]) == pytest.approx(
        FIGURES["int8"]["golden_max_abs_diff_to_fp32"], abs=1e-4
    )
    assert [each["uri"] for each in result["files"]] == [None] * 4
    assert add(fleet) == 0
    assert (fleet / NEW).read_text() == result["text"]


def test_a_release_never_changes(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(fleet, capsys, version="1.1.0")
    assert "models/digits/1.1.0.yaml exists, and a release never changes" in said


def test_an_unknown_store_is_named_with_the_one_that_is_meant(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no artifact store 'model': did you mean models?" in refused(fleet, capsys, store="model")


def test_a_budget_for_unknown_hardware_is_refused(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(fleet, capsys, budgets=("--budget", "gpu-box:p95=1ms,memory=1GiB"))
    assert "there is no hardware class 'gpu-box': there are: edge-l, edge-m, edge-s" in said


def test_a_tolerance_below_what_is_measured_is_refused(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(fleet, capsys, "--golden-tolerance", "int8=0.02")
    assert f"{RELEASE / 'int8.onnx'} is 0.0291" in said
    assert "--golden-tolerance int8=0.044" in said


def test_a_tolerance_above_what_is_measured_is_kept(fleet: Path) -> None:
    assert add(fleet, "--golden-tolerance", "int8=0.05") == 0
    assert "goldenTolerance: 0.050000\n" in (fleet / NEW).read_text()


def test_a_tolerance_without_a_golden_set_is_refused(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(fleet, capsys, "--golden-tolerance", "int8=0.05", golden=())
    assert "int8 says nothing without a golden set; give --golden" in said


def test_a_licence_that_is_none_is_refused(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "LicenseRef-Name" in refused(fleet, capsys, licence="free as in beer")


def test_variants_of_two_models_are_refused(fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import onnx

    other = onnx.load(RELEASE / "fp32.onnx")
    other.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(other, tmp_path / "other.onnx")
    said = refused(fleet, capsys, fp32=tmp_path / "other.onnx")
    assert f"{RELEASE / 'int8.onnx'} has the inputs image FP32 [-1, 64]" in said
    assert f"{tmp_path / 'other.onnx'} has image FP32 [1, 64]" in said


def test_a_file_that_is_not_there_is_named(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot read /nowhere/a.onnx" in refused(fleet, capsys, fp32=Path("/nowhere/a.onnx"))


def test_a_broken_fleet_is_shown_as_findings(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (fleet / "hardware/edge-s.yaml").write_text("kind: Pony\n")
    assert "hardware/edge-s.yaml:1:7" in refused(fleet, capsys, code=3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--budget", "edge-l=20ms"), "is not CLASS:p95=20ms,memory=160MiB"),
        (("--budget", "edge-l:p95=20,memory=1MiB"), "'20' is not a latency"),
        (("--memory", "int4=1MiB"), "give --memory once for each variant: fp32, int8"),
        (("--memory", "fp32=1MiB"), "fp32 is given twice"),
        (("--golden-tolerance", "int4=0.1"), "names what is no variant"),
        (("--golden-tolerance", "int8=tight"), "'tight' is not a number"),
        (("--variant", "int4"), "'int4' is not NAME=VALUE"),
        (("--onnxruntime", "new"), "is not a version range"),
    ],
)
def test_a_wrong_option_is_a_mistake_of_usage(
    fleet: Path, capsys: pytest.CaptureFixture[str], wrong: tuple[str, str], said: str
) -> None:
    assert said in refused(fleet, capsys, *wrong, code=64)


def test_a_store_that_is_read_only_is_served_by_an_outbox(fleet: Path, tmp_path: Path) -> None:
    (fleet / "fleet.yaml").write_bytes(fleet_files(3, store="https://models.invalid/a")["fleet.yaml"])
    assert add(fleet, "--outbox", str(tmp_path / "outbox")) == 0
    release = yaml.safe_load((fleet / NEW).read_bytes())
    assert (tmp_path / "outbox" / release["sbom"]["sha256"]).is_file()
    assert len(list((tmp_path / "outbox").iterdir())) == 4
