"""The fleet that samples of policy suites belong to: every part of `fleet`, consistent, unless a case says otherwise.

Sixty devices of three hardware classes in two regions run `digits` 1.0.0; a rollout brings 1.1.0 to all of them.
"""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

SAMPLE_DAY = date(2026, 11, 23)
"""The day on which samples are judged."""

_HEAD = {"apiVersion": "ringtide/v1"}
_CLASSES = {"edge-l": ("4GiB", "64GiB"), "edge-m": ("1GiB", "8GiB"), "edge-s": ("384MiB", "2GiB")}
_STRATA = [
    {"name": f"{name}/region={region}", "hardwareClass": name, "labels": {"region": region}, "devices": 10}
    for name in _CLASSES
    for region in ("eu", "us")
]
_DIGESTS = {
    ("1.0.0", "fp32"): "6f1f2d8a1c3b4e5d6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b",
    ("1.0.0", "int8"): "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ("1.1.0", "fp32"): "e8a17ffcd0cfcd08c264837b7d30a95a7c0e5529d9af136fcbbc949f13d7fe40",
    ("1.1.0", "int8"): "925c8906aa6070b5d4143a5e1bb71625793e8813a2e8cd65f510416dc8bcbde3",
}


def _file(name: str, digit: str, version: str, size: int, *, describes: bool = False) -> dict[str, object]:
    written: dict[str, object] = {"name": name, "sha256": digit * 64, "size": size, "store": "models"}
    if describes:
        written["subjects"] = [digest for (release, _), digest in _DIGESTS.items() if release == version]
    return written


def _variant(version: str, name: str, size: int, memory: str, tolerance: float) -> dict[str, object]:
    return {
        "name": name,
        "file": {"name": "model.onnx", "sha256": _DIGESTS[version, name], "size": size, "store": "models"},
        "opset": 13,
        "onnxruntime": ">=1.20",
        "executionProviders": ["CPUExecutionProvider"],
        "memory": memory,
        "goldenTolerance": tolerance,
    }


def _release(version: str) -> dict[str, object]:
    return {
        **_HEAD,
        "kind": "Release",
        "model": "digits",
        "version": version,
        "owner": "@example/vision",
        "variants": [
            _variant(version, "fp32", 108561, "512MiB", 0.00001),
            _variant(version, "int8", 30314, "256MiB", 0.05),
        ],
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
        "golden": {**_file("golden.json", "1", version, 13148), "disjoint": "Drawn from writers 31 to 43, unseen."},
        "budgets": {
            "edge-s": {"p95Latency": "200ms", "peakMemory": "384MiB"},
            "edge-m": {"p95Latency": "100ms", "peakMemory": "512MiB"},
            "edge-l": {"p95Latency": "50ms", "peakMemory": "512MiB"},
        },
        "measured": {
            "edge-s": {"p95Latency": "90ms", "peakMemory": "96MiB"},
            "edge-m": {"p95Latency": "40ms", "peakMemory": "128MiB"},
            "edge-l": {"p95Latency": "12ms", "peakMemory": "128MiB"},
        },
        "sbom": _file("sbom.cdx.json", "2", version, 4211, describes=True),
        "provenance": _file("provenance.sigstore.json", "3", version, 6120, describes=True),
        "signature": _file("model.sigstore.json", "4", version, 3377, describes=True),
        "modelCard": _file("model-card.md", "5", version, 5120),
        "driftReference": _file("drift.json", "6", version, 8802),
        "residency": ["eu", "us"],
        "licence": "Apache-2.0",
        "riskTier": "low",
    }


def _hardware(name: str) -> dict[str, object]:
    memory, disk = _CLASSES[name]
    return {
        **_HEAD,
        "kind": "HardwareClass",
        "name": name,
        "owner": "@example/device-engineering",
        "arch": "x86_64" if name == "edge-l" else "aarch64",
        "memory": memory,
        "disk": disk,
        "executionProviders": ["CPUExecutionProvider"],
        "onnxruntime": ">=1.27,<2",
        "maxOpset": 21,
    }


def _gates(devices: int) -> list[dict[str, object]]:
    evidence = {"minDevices": devices, "minRequests": 300}
    return [
        {"metric": "updateSuccess", "compare": "atLeast", "limit": "95%", "minDevices": devices},
        {"metric": "inferenceSuccess", "compare": "atLeast", "limit": "99%", **evidence},
        {"metric": "p95Latency", "compare": "atMost", "limit": "100%", **evidence},
        {"metric": "wentSilent", "compare": "atMost", "limit": "5%"},
    ]


def _ring(name: str, share: str, soak: str, deadline: str, devices: int) -> dict[str, object]:
    return {
        "name": name,
        "share": share,
        "minimumPerStratum": 1,
        "soak": soak,
        "deadline": deadline,
        "quorum": "90%",
        "spread": "1h",
        "gates": _gates(devices),
    }


_PLAN = {
    **_HEAD,
    "kind": "RingPlan",
    "name": "standard",
    "owner": "@example/fleet-operations",
    "unit": "device",
    "control": "10%",
    "rings": [
        _ring("canary", "10%", "4h", "3d", 3),
        _ring("pilot", "30%", "24h", "7d", 5),
        _ring("rest", "100%", "24h", "14d", 5),
    ],
}


def _exposed(name: str, share: float, each: int) -> dict[str, object]:
    strata = [{"name": stratum["name"], "devices": each, "members": 10} for stratum in _STRATA]
    return {"name": name, "share": share, "cohort": None, "open": False, "devices": 6 * each, "strata": strata}


_RUNS = [{"hardwareClass": name, "variant": "int8" if name == "edge-s" else "fp32", "devices": 20} for name in _CLASSES]


SAMPLE_FLEET: Mapping[str, object] = MappingProxyType(
    {
        "settings": {
            **_HEAD,
            "kind": "Fleet",
            "name": "sample",
            "strata": ["region"],
            "artifactStores": {"models": "https://models.example.org/onnx"},
            "maxSilence": "24h",
            "publication": {"statementLifetime": "14d", "timestampLifetime": "7d"},
            "ingest": {"interval": "5m"},
            "retention": {"reports": "90d", "evidence": "400d"},
        },
        "devices": {"total": 60, "active": 60, "held": 0},
        "hardware": {name: _hardware(name) for name in _CLASSES},
        "cohorts": {
            "everybody": {"devices": 60, "strata": [{"name": each["name"], "devices": 10} for each in _STRATA]},
            "laboratory": {"devices": 2, "strata": [{"name": "edge-m/region=eu", "devices": 2}]},
        },
        "strata": _STRATA,
        "releases": {"digits": {"1.0.0": _release("1.0.0"), "1.1.0": _release("1.1.0")}},
        "ringPlans": {"standard": _PLAN},
        "placements": {
            "digits": {
                **_HEAD,
                "kind": "Placement",
                "name": "digits",
                "owner": "@example/vision",
                "model": "digits",
                "cohort": "everybody",
                "release": "1.0.0",
            }
        },
        "assignments": [
            {
                "placement": "digits",
                "model": "digits",
                "cohort": "everybody",
                "stratum": each["name"],
                "hardwareClass": each["hardwareClass"],
                "labels": each["labels"],
                "release": "1.0.0",
                "variant": "int8" if each["hardwareClass"] == "edge-s" else "fp32",
                "rollout": "digits-1.1.0",
                "candidate": "1.1.0",
                "candidateVariant": "int8" if each["hardwareClass"] == "edge-s" else "fp32",
                "devices": 10,
            }
            for each in _STRATA
        ],
        "running": {"digits": dict.fromkeys(("1.0.0", "1.1.0"), _RUNS)},
        "installed": {name: ["digits"] for name in _CLASSES},
        "rollouts": [
            {
                "name": "digits-1.1.0",
                "placement": "digits",
                "model": "digits",
                "stable": "1.0.0",
                "candidate": "1.1.0",
                "ringPlan": "standard",
                "phase": "notStarted",
                "devices": 60,
                "labels": {"region": ["eu", "us"]},
                "rings": [_exposed("canary", 10.0, 1), _exposed("pilot", 30.0, 3), _exposed("rest", 100.0, 10)],
            }
        ],
        "plan": {"first": False, "now": 0, "later": 60, "total": 60, "moves": []},
        "quarantine": [],
    }
)
"""Part to value."""
