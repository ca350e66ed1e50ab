"""The demo's real models through probe, probation and switch."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.serve.callers import Caller
from ringtide_agent.adapters.probe_process import ProbeProcess
from ringtide_agent.adapters.worker_process import WorkerProcess
from ringtide_agent.ports import ServedModel, ServedRelease
from ringtide_contract.ids import sha256
from ringtide_contract.manifest import Artifact, Budget, Golden, Manifest, Probation, Runtime, TensorSpec

DIGITS = Path(__file__).parents[3] / "engine" / "ringtide_engine" / "demo" / "digits"


def _release(release: str, variant: str, tolerance_ppm: int) -> ServedRelease:
    files = {"model.onnx": DIGITS / release / f"{variant}.onnx", "golden.json": DIGITS / release / "golden.json"}
    contents = {name: path.read_bytes() for name, path in files.items()}
    manifest = Manifest(
        model="digits",
        release=release,
        variant=variant,
        hardware_class="bench",
        graph="model.onnx",
        artifacts=tuple(
            Artifact(name=name, sha256=sha256(content), size_bytes=len(content), uris=())
            for name, content in contents.items()
        ),
        inputs=(TensorSpec(name="image", datatype="FP32", shape=(-1, 64)),),
        outputs=(TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 10)),),
        golden=Golden(artifact="golden.json", tolerance_ppm=tolerance_ppm),
        budget=Budget(p95_latency_us=100_000, peak_memory_bytes=256 * 1024 * 1024),
        probation=Probation(seconds=1, min_requests=1, max_failure_ppm=0, max_over_budget_ppm=0, min_agreement_ppm=0),
        runtime=Runtime(onnxruntime=">=1.20", opset=13, providers=("CPUExecutionProvider",), threads=1),
    )
    return ServedRelease(
        digest=sha256(manifest.encode()), manifest=manifest, files={name: str(path) for name, path in files.items()}
    )


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_a_real_release_passes_its_probe(variant: str) -> None:
    figures = json.loads((DIGITS / "figures.json").read_text())["releases"]["1.1.0"]["variants"][variant]
    tolerance_ppm = round(figures["golden_tolerance"] * 1e6)
    result = ProbeProcess().probe(_release("1.1.0", variant, tolerance_ppm))
    assert result.failure is None, result.note


def test_a_release_that_fails_in_the_field_only_shows_in_the_comparison(
    service: WorkerProcess, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    stable, active = _release("1.1.0", "fp32", 1000), _release("1.2.0", "fp32", 1000)
    assert ProbeProcess().probe(active).failure is None
    service.shape([ServedModel(model="digits", active=active, stable=stable)])
    image = json.loads((DIGITS / "1.1.0" / "golden.json").read_text())["inputs"]
    caller = Caller(service.address)

    def compared() -> bool:
        heard = caller.infer({"inputs": image})
        assert (heard.status, heard.body["model_version"]) == (200, "1.2.0")
        return any(item.compared for item in service.counters())

    eventually(compared)
    counters = next(item for item in service.counters() if item.manifest == active.digest)
    assert (counters.failures, counters.agreed) == (0, 0)
    service.shape([ServedModel(model="digits", active=stable, stable=None)])
    assert caller.infer({"inputs": image}).body["model_version"] == "1.1.0"
    caller.close()
