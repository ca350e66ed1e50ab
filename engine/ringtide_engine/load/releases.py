"""Releases: artifacts, requirements and budgets."""

from typing import Any

from ringtide_contract.ids import parse_digest, parse_name, parse_version
from ringtide_contract.manifest import Budget, Probation, TensorSpec
from ringtide_engine.load import units
from ringtide_engine.load.cursor import Cursor
from ringtide_engine.model.releases import Attachment, GoldenSet, Release, ReleaseDelta, ReleaseFile, Variant


def release(path: str, at: Cursor) -> Release:
    """Read a release.

    Raises:
        MisfitError: A value that the model refuses.
    """
    golden, watched = at.child("golden"), at.child("probation")
    return Release(
        path=path,
        model=at.read("model", parse_name),
        version=at.read("version", parse_version),
        variants=tuple(_variant(each) for each in at.child("variants").items()),
        inputs=tuple(each.parse(TensorSpec.from_dict) for each in at.child("inputs").items()),
        outputs=tuple(each.parse(TensorSpec.from_dict) for each in at.child("outputs").items()),
        golden=_golden(golden) if golden.value is not None else None,
        budgets={name: _budget(each) for name, each in at.child("budgets").fields()},
        probation=probation(watched) if watched.value is not None else None,
        sbom=_attachment(at.child("sbom")),
        licence=at.get("licence"),
        risk_tier=at.get("riskTier", "medium"),
        attempt=at.get("attempt", 0),
        owner=at.get("owner"),
        provenance=_attachment(at.child("provenance")),
        signature=_attachment(at.child("signature")),
        model_card=_attachment(at.child("modelCard")),
        drift_reference=_attachment(at.child("driftReference")),
        measured={name: _budget(each) for name, each in at.child("measured").fields()},
        residency=tuple(at.get("residency", ())),
    )


def probation(at: Cursor) -> Probation:
    """Read a probation.

    Raises:
        MisfitError: A value that the model refuses.
    """
    return Probation(
        seconds=int(at.read("duration", units.duration).total_seconds()),
        min_requests=at.get("minRequests"),
        max_failure_ppm=at.read("maxFailures", units.parts_per_million),
        max_over_budget_ppm=at.read("maxOverBudget", units.parts_per_million),
        min_agreement_ppm=at.read("minAgreement", units.parts_per_million),
    )


def _variant(at: Cursor) -> Variant:
    return Variant(
        name=at.read("name", parse_name),
        file=_file(at.child("file")),
        opset=at.get("opset"),
        onnxruntime=at.read("onnxruntime", units.version_range),
        execution_providers=tuple(at.get("executionProviders")),
        memory_bytes=at.read("memory", units.size),
        golden_tolerance_ppm=at.read("goldenTolerance", units.tolerance_ppm),
        arch=at.get("arch"),
    )


def _file(at: Cursor) -> ReleaseFile:
    return ReleaseFile(
        **_fields(at),
        chunks=at.read("chunks", parse_digest) if at.child("chunks").value is not None else None,
        deltas=tuple(_delta(each) for each in at.child("deltas").items()),
    )


def _delta(at: Cursor) -> ReleaseDelta:
    return ReleaseDelta(
        base=at.read("from", parse_digest),
        sha256=at.read("sha256", parse_digest),
        size_bytes=at.read("size", units.size),
    )


def _golden(at: Cursor) -> GoldenSet:
    disjoint = at.get("disjoint")
    return GoldenSet(**_fields(at), disjoint=disjoint.strip() if disjoint is not None else None)


def _attachment(at: Cursor) -> Attachment | None:
    if at.value is None:
        return None
    subjects = tuple(each.parse(parse_digest) for each in at.child("subjects").items())
    return Attachment(**_fields(at), subjects=subjects)


def _fields(at: Cursor) -> dict[str, Any]:
    return {
        "name": at.read("name", parse_name),
        "sha256": at.read("sha256", parse_digest),
        "size_bytes": at.read("size", units.size),
        "store": at.read("store", parse_name),
    }


def _budget(at: Cursor) -> Budget:
    return Budget(
        p95_latency_us=at.read("p95Latency", units.latency_us), peak_memory_bytes=at.read("peakMemory", units.size)
    )
