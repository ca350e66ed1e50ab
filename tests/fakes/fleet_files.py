"""A small valid fleet repository as a dictionary of files, with the releases of the demo and real device keys."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from ringtide_contract.keys import PrivateKey, public_pem

DIGITS = Path(__file__).resolve().parents[2] / "engine/ringtide_engine/demo/digits"
"""Where the demo keeps the files that the releases name: `<version>/<variant>.onnx` and `<version>/golden.json`."""

HARDWARE = {"edge-s": ("384MiB", "2GiB"), "edge-m": ("1GiB", "8GiB"), "edge-l": ("4GiB", "64GiB")}
"""Hardware class to memory and disk; the fp32 variants need 512 MiB, so edge-s runs int8."""

REGIONS = ("eu", "us")
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")


def fleet_files(
    devices: int = 12,
    *,
    release: str | None = "1.0.0",
    rollout: str | None = None,
    strata: tuple[str, ...] = (),
    shares: tuple[str, str, str] = ("25%", "50%", "100%"),
    min_devices: int = 1,
    soak: str = "1h",
    store: str = "file:///srv/models",
    store_digests: Mapping[str, tuple[str, int]] | None = None,
) -> dict[str, bytes]:
    """Return the files of a fleet that `ringtide check` accepts without a finding.

    Args:
        devices: Number of devices; they take turns among the hardware classes, and in threes between the regions.
            Up to 50 have a YAML file each, more share one JSON Lines file.
        release: Version of the model `digits` that the placement names.
        rollout: Version that a rollout `digits-<version>` brings to the placement `digits-everywhere`.
        strata: Labels of `fleet.yaml` besides the hardware class.
        shares: Shares of the rings canary, pilot and rest.
        min_devices: `minDevices` of every gate.
        soak: Soak of every ring.
        store: Base URL of the artifact store `models`.
        store_digests: `<version>/<file>` to digest and size, in place of the demo's files.
    """
    files = {
        "fleet.yaml": f"""\
apiVersion: ringtide/v1
kind: Fleet
name: harbour
strata: [{", ".join(strata)}]
artifactStores:
  models: {json.dumps(store)}
maxSilence: 24h
publication:
  statementLifetime: 14d
  timestampLifetime: 7d
ingest:
  interval: 5m
defaults:
  threads: 1
  probation:
    duration: 10m
    minRequests: 20
    maxFailures: 1%
    maxOverBudget: 5%
    minAgreement: 0%
""",
        "cohorts/all.yaml": """\
apiVersion: ringtide/v1
kind: Cohort
name: all
selector:
  matchExpressions:
    - key: hardwareClass
      operator: In
      values: [edge-s, edge-m, edge-l]
""",
        "cohorts/eu.yaml": """\
apiVersion: ringtide/v1
kind: Cohort
name: eu
selector:
  matchLabels:
    region: eu
""",
        "rings/standard.yaml": _ring_plan(shares, soak, min_devices),
        "placements/digits-everywhere.yaml": f"""\
apiVersion: ringtide/v1
kind: Placement
name: digits-everywhere
model: digits
cohort: all
release: {json.dumps(release)}
""",
        "policies/fleet.yaml": """\
apiVersion: ringtide/v1
kind: PolicySet
name: fleet
rules:
  - rule: release-has-golden-set
  - rule: ring-canary-before-rest
  - rule: release-licence-allowed
""",
    }
    files |= {f"hardware/{name}.yaml": _hardware(name) for name in HARDWARE}
    files |= {f"models/digits/{version}.yaml": _release(version, store_digests or {}) for version in VERSIONS}
    if rollout is not None:
        files[f"rollouts/digits-{rollout}.yaml"] = f"""\
apiVersion: ringtide/v1
kind: Rollout
name: digits-{rollout}
placement: digits-everywhere
candidate: "{rollout}"
ringPlan: standard
"""
    if devices > 50:
        lines = [json.dumps(_device(number)) for number in range(1, devices + 1)]
        files["devices/all.jsonl"] = "\n".join([*lines, ""])
    else:
        for number in range(1, devices + 1):
            data = {"apiVersion": "ringtide/v1", "kind": "Device", **_device(number)}
            files[f"devices/{data['id']}.yaml"] = _yaml(data)
    return {path: text.encode() for path, text in files.items()}


def device_ids(devices: int = 12) -> tuple[str, ...]:
    """Return the ids of the devices that `fleet_files` makes: `edge-s-0001`, `edge-m-0002`, ..."""
    return tuple(_device_id(number) for number in range(1, devices + 1))


@cache
def device_key(device: str) -> PrivateKey:
    """Return the private key of a device: P-256, the same in every run, worthless."""
    scalar = int.from_bytes(hashlib.sha256(f"test key of {device}".encode()).digest()[:31], "big") + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def _class_of(number: int) -> str:
    return tuple(HARDWARE)[(number - 1) % len(HARDWARE)]


def _device_id(number: int) -> str:
    return f"{_class_of(number)}-{number:04}"


def _device(number: int) -> dict[str, Any]:
    name = _device_id(number)
    region = REGIONS[(number - 1) // len(HARDWARE) % len(REGIONS)]
    return {
        "id": name,
        "publicKey": public_pem(device_key(name).public_key()),
        "hardwareClass": _class_of(number),
        "labels": {"region": region, "site": f"{region}-{(number - 1) // 6 + 1:03}"},
        "state": "active",
    }


def _yaml(device: dict[str, Any]) -> str:
    pem = "".join(f"  {line}\n" for line in device["publicKey"].splitlines())
    return f"""\
apiVersion: ringtide/v1
kind: Device
id: {device["id"]}
publicKey: |
{pem}hardwareClass: {device["hardwareClass"]}
labels:
  region: {device["labels"]["region"]}
  site: {device["labels"]["site"]}
state: active
"""


def _hardware(name: str) -> str:
    memory, disk = HARDWARE[name]
    return f"""\
apiVersion: ringtide/v1
kind: HardwareClass
name: {name}
arch: x86_64
memory: {memory}
disk: {disk}
executionProviders: [CPUExecutionProvider]
onnxruntime: ">=1.20,<2"
maxOpset: 21
"""


def _ring_plan(shares: tuple[str, str, str], soak: str, min_devices: int) -> str:
    rings = "".join(
        f"""\
  - name: {name}
    share: {share}
    minimumPerStratum: 1
    soak: {soak}
    deadline: 3d
    quorum: 90%
    spread: 0s
    gates:
      - {{metric: updateSuccess, compare: atLeast, limit: 95%, minDevices: {min_devices}}}
      - {{metric: inferenceSuccess, compare: atLeast, limit: 99%, minDevices: {min_devices}, minRequests: 50}}
"""
        for name, share in zip(("canary", "pilot", "rest"), shares, strict=True)
    )
    return f"""\
apiVersion: ringtide/v1
kind: RingPlan
name: standard
unit: device
control: 5%
rings:
{rings}"""


def _release(version: str, store_digests: Mapping[str, tuple[str, int]]) -> str:
    figures = json.loads((DIGITS / "figures.json").read_text(encoding="utf-8"))["releases"][version]

    def digest(name: str, recorded: Mapping[str, Any]) -> str:
        sha256, size = store_digests.get(f"{version}/{name}", (recorded["sha256"], recorded["size"]))
        return f'sha256: "{sha256}", size: {size}, store: models'

    variants = "".join(
        f"""\
  - name: {name}
    file: {{name: model.onnx, {digest(f"{name}.onnx", figures["variants"][name])}}}
    opset: {figures["variants"][name]["opset"]}
    onnxruntime: ">=1.20"
    executionProviders: [CPUExecutionProvider]
    memory: {memory}
    goldenTolerance: {figures["variants"][name]["golden_tolerance"]:f}
"""
        for name, memory in (("fp32", "512MiB"), ("int8", "256MiB"))
    )
    return f"""\
apiVersion: ringtide/v1
kind: Release
model: digits
version: "{version}"
variants:
{variants}inputs:
  - {{name: image, datatype: FP32, shape: [-1, 64]}}
outputs:
  - {{name: probabilities, datatype: FP32, shape: [-1, 10]}}
golden: {{name: golden.json, {digest("golden.json", figures["golden"])}}}
budgets:
  edge-s: {{p95Latency: 200ms, peakMemory: 384MiB}}
  edge-m: {{p95Latency: 100ms, peakMemory: 512MiB}}
  edge-l: {{p95Latency: 50ms, peakMemory: 512MiB}}
licence: Apache-2.0
riskTier: low
"""
