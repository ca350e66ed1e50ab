"""The demo's releases: files into the artifact store, and the YAML that names them by digest."""

import json
from typing import Any

from ringtide_contract.ids import sha256
from ringtide_engine.demo.images import DIGITS
from ringtide_engine.ports import ArtifactStore

_MEMORY = {"fp32": "512MiB", "int8": "192MiB"}


def release_files(store: ArtifactStore, version: str) -> dict[str, bytes]:
    """Put a release's files into the store and return its Release YAML."""
    figures = json.loads((DIGITS / "figures.json").read_text(encoding="ascii"))["releases"][version]
    variants = "".join(_variant(store, version, name, each) for name, each in figures["variants"].items())
    text = f"""\
# yaml-language-server: $schema=../../.ringtide/schemas/release.json
apiVersion: ringtide/v1
kind: Release
model: digits
version: "{version}"
variants:
{variants}inputs:
  - {{name: image, datatype: FP32, shape: [-1, 64]}}
outputs:
  - {{name: probabilities, datatype: FP32, shape: [-1, 10]}}
golden: {_file(store, version, "golden.json", "golden.json")}
budgets:
  edge-s: {{p95Latency: 200ms, peakMemory: 192MiB}}
  edge-m: {{p95Latency: 100ms, peakMemory: 256MiB}}
  edge-l: {{p95Latency: 50ms, peakMemory: 256MiB}}
licence: Apache-2.0
riskTier: low
"""
    return {f"models/digits/{version}.yaml": text.encode("ascii")}


def _variant(store: ArtifactStore, version: str, name: str, figures: dict[str, Any]) -> str:
    return f"""\
  - name: {name}
    file: {_file(store, version, f"{name}.onnx", "model.onnx")}
    opset: {figures["opset"]}
    onnxruntime: ">=1.20"
    executionProviders: [CPUExecutionProvider]
    memory: {_MEMORY[name]}
    goldenTolerance: {figures["golden_tolerance"]:f}
"""


def _file(store: ArtifactStore, version: str, source: str, name: str) -> str:
    content = (DIGITS / version / source).read_bytes()
    store.put(content)
    return f'{{name: {name}, sha256: "{sha256(content)}", size: {len(content)}, store: models}}'
