"""The demo's releases, as the inference service takes them."""

import json
from pathlib import Path
from types import MappingProxyType

from ringtide_agent.ports import ServedRelease
from ringtide_contract.ids import sha256
from ringtide_contract.manifest import Artifact, Budget, Golden, Manifest, Probation, Runtime, TensorSpec

DIGITS = Path(__file__).resolve().parents[1] / "engine/ringtide_engine/demo/digits"


def served(version: str, variant: str = "fp32") -> ServedRelease:
    """Return a release of the digits, served from the checkout."""
    figures = json.loads((DIGITS / "figures.json").read_text())["releases"][version]
    paths = {"model.onnx": DIGITS / version / f"{variant}.onnx", "golden.json": DIGITS / version / "golden.json"}
    manifest = Manifest(
        model="digits",
        release=version,
        variant=variant,
        hardware_class="bench",
        graph="model.onnx",
        artifacts=tuple(
            Artifact(name=name, sha256=sha256(path.read_bytes()), size_bytes=path.stat().st_size, uris=())
            for name, path in paths.items()
        ),
        inputs=(TensorSpec(name="image", datatype="FP32", shape=(-1, 64)),),
        outputs=(TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 10)),),
        golden=Golden(
            artifact="golden.json",
            tolerance_ppm=round(figures["variants"][variant]["golden_tolerance"] * 1_000_000),
        ),
        budget=Budget(p95_latency_us=100_000, peak_memory_bytes=512 * 1024 * 1024),
        probation=Probation(
            seconds=0, min_requests=0, max_failure_ppm=0, max_over_budget_ppm=1_000_000, min_agreement_ppm=0
        ),
        runtime=Runtime(
            onnxruntime=">=1.20",
            opset=figures["variants"][variant]["opset"],
            providers=("CPUExecutionProvider",),
            threads=1,
        ),
    )
    files = MappingProxyType({name: str(path) for name, path in paths.items()})
    return ServedRelease(digest=sha256(manifest.encode()), manifest=manifest, files=files)


def infer_body() -> bytes:
    """Return a request with one image."""
    golden = json.loads((DIGITS / "1.0.0" / "golden.json").read_text())
    tensor = golden["inputs"][0]
    data = tensor["data"][:64] if not isinstance(tensor["data"][0], list) else tensor["data"][0]
    return json.dumps({"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 64], "data": data}]}).encode()
