"""The demo's releases, added as `ringtide model add` adds them."""

import json

from ringtide_contract.manifest import Budget
from ringtide_engine import wiring
from ringtide_engine.compile.sbom import Figure
from ringtide_engine.demo import fleet
from ringtide_engine.demo.images import DIGITS
from ringtide_engine.ports import ArtifactStore
from ringtide_engine.workflows.add_model import NewRelease, NewVariant, SourceFile, add_model

_MIB = 2**20

_MEMORY_MIB = {"fp32": 512, "int8": 192}

_BUDGETS = {"edge-s": (800, 192), "edge-m": (600, 256), "edge-l": (400, 256)}
"""Hardware class to milliseconds and MiB. Twelve devices share one machine, and it may be busy with other things too."""


def release_files(store: ArtifactStore, version: str) -> dict[str, bytes]:
    """Put a release's files into the store and return its Release YAML."""
    figures = json.loads((DIGITS / "figures.json").read_text(encoding="ascii"))["releases"][version]["variants"]
    new = NewRelease(
        model=fleet.MODEL,
        version=version,
        variants=tuple(
            NewVariant(
                name=name,
                file=_source(version, f"{name}.onnx"),
                memory_bytes=_MEMORY_MIB[name] * _MIB,
                tolerance_ppm=round(each["golden_tolerance"] * 10**6),
            )
            for name, each in figures.items()
        ),
        golden=_source(version, "golden.json"),
        store="models",
        budgets={
            name: Budget(p95_latency_us=milliseconds * 1000, peak_memory_bytes=mib * _MIB)
            for name, (milliseconds, mib) in _BUDGETS.items()
        },
        licence="Apache-2.0",
        risk_tier="low",
        figures=tuple(
            Figure(metric="accuracy on the golden set", value=f"{each['accuracy']['golden']:.3f}", variant=name)
            for name, each in figures.items()
        ),
    )
    added = add_model(
        new,
        fleet.base_files("file:///the/store/is/given"),
        models=wiring.model_files(),
        check_sbom=wiring.check_sbom,
        open_store=lambda _: store,
        make_delta=wiring.make_delta,
    )
    return {added.release.path: added.text}


def _source(version: str, name: str) -> SourceFile:
    path = DIGITS / version / name
    return SourceFile(name=str(path), content=path.read_bytes())
