"""The files of a verdict: progress, evidence, and after a roll back quarantine and incident."""

import re
from collections.abc import Mapping

from ringtide_contract import API_VERSION
from ringtide_contract.canonical import Json, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import format_instant, sha256
from ringtide_contract.membership import write_cut
from ringtide_contract.quarantine import QuarantineEntry
from ringtide_engine.judge.incident import incident_text
from ringtide_engine.judge.verdict import decide
from ringtide_engine.judge.waiting import said_by_people
from ringtide_engine.judge.yaml_text import yaml_text
from ringtide_engine.model.desired import Gate, Ring
from ringtide_engine.model.evidence import Evidence, write_evidence
from ringtide_engine.model.progress import Progress
from ringtide_engine.model.verdict import RolloutView, Verdict

_EVIDENCE = re.compile(r"progress/(?P<rollout>[^/]+)/(?P<number>\d{4,})\.json")
_JUDGED = re.compile(r"progress/[^/]+\.yaml|progress/[^/]+/\d{4,}\.json|quarantine/[^/]+\.yaml|incidents/[^/]+\.md")


def is_judge_path(path: str) -> bool:
    """Tell whether the judge writes `path`; it writes no other, and people write none of these."""
    return _JUDGED.fullmatch(path) is not None


def is_evidence_path(path: str) -> bool:
    """Tell whether `path` is that of an evidence file."""
    return _EVIDENCE.fullmatch(path) is not None


def next_evidence_path(view: RolloutView) -> str:
    """Return the path of a rollout's next evidence file: numbered from 1, after the one its progress names.

    Raises:
        InputError: The progress names no evidence file of its rollout.
    """
    number = 0
    if view.progress is not None:
        match = _EVIDENCE.fullmatch(view.progress.last.evidence)
        if match is None or match["rollout"] != view.rollout.name:
            raise InputError(f"progress of {view.rollout.name} names {view.progress.last.evidence!r} as its evidence")
        number = int(match["number"])
    return f"progress/{view.rollout.name}/{number + 1:04}.json"


def judged_files(view: RolloutView, evidence: Evidence) -> tuple[Verdict, Mapping[str, bytes]]:
    """Decide, and return the verdict with the files that record it: a function of its arguments, byte by byte.

    Raises:
        InputError: The evidence is of another rollout, or the progress is not the judge's.
    """
    if evidence.rollout != view.rollout.name or evidence.candidate != view.rollout.candidate:
        raise InputError(f"evidence of {evidence.rollout} {evidence.candidate} for {view.rollout.name}")
    path = next_evidence_path(view)
    verdict = decide(view, evidence, path)
    files = {
        f"progress/{view.rollout.name}.yaml": yaml_text(_progress(verdict.progress)),
        path: write_evidence(evidence, {**_judged(view, verdict), **said_by_people(view, evidence.now)}),
    }
    if verdict.kind == "rollBack":
        entry = quarantine_entry(view) if verdict.convicts else None
        if entry is not None:
            files[f"quarantine/{view.model}-{view.rollout.candidate}.yaml"] = yaml_text(_quarantine(entry))
        if verdict.convicts or _is_anybody_exposed(evidence):
            number = path.rpartition("/")[2].removesuffix(".json")
            incident = incident_text(view, evidence, verdict, entry)
            files[f"incidents/{view.rollout.name}-{number}.md"] = incident.encode("utf-8")
    return verdict, files


def _is_anybody_exposed(evidence: Evidence) -> bool:
    return any(tally.arm == "exposed" and tally.assigned + tally.held for tally in evidence.tallies)


def quarantine_entry(view: RolloutView) -> QuarantineEntry | None:
    """Return the entry that a roll back writes, or None where one stands already or would ban a steady state."""
    if view.bans is None or view.banned is not None:
        return None
    return QuarantineEntry(
        subject="release",
        model=view.model,
        release=view.rollout.candidate,
        graphs=view.bans,
        reason=f"rolled back by rollout {view.rollout.name}",
    )


def _progress(progress: Progress) -> dict[str, object]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Progress",
        "rollout": progress.rollout,
        "candidate": progress.candidate,
        "stable": progress.stable,
        "phase": progress.phase,
        "control": {stratum: write_cut(cut) for stratum, cut in sorted(progress.control.items())},
        "rings": _rings(progress),
        "last": {
            "kind": progress.last.kind,
            "reasons": list(progress.last.reasons),
            "at": format_instant(progress.last.at),
            "evidence": progress.last.evidence,
        },
    }


def _rings(progress: Progress) -> list[Json]:
    return [
        {
            "name": ring.name,
            "openedAt": format_instant(ring.opened_at),
            "cohort": ring.cohort,
            "cuts": {stratum: write_cut(cut) for stratum, cut in sorted(ring.cuts.items())},
            **(
                {}
                if ring.admitted is None
                else {"admitted": {key: write_cut(ring.admitted[key]) for key in ring.admitted}}
            ),
        }
        for ring in progress.rings
    ]


def _quarantine(entry: QuarantineEntry) -> dict[str, object]:
    return {"apiVersion": API_VERSION, "kind": "QuarantineEntry", **entry.to_dict()}


def _judged(view: RolloutView, verdict: Verdict) -> dict[str, Json]:
    """Return what the judge took from the desired state, for readers, and what it decided."""
    return {
        "placement": view.rollout.placement,
        "model": view.model,
        "plan": {
            "name": view.plan.name,
            "hardFailures": str(view.plan.hard_failures),
            "scoreRequests": view.plan.score_requests,
            "rings": [_planned(ring) for ring in view.plan.rings],
        },
        "opened": _rings(view.progress) if view.progress else [],
        "units": {
            stratum: {"count": len(buckets), "sha256": sha256(encode([f"{item:016x}" for item in buckets]))}
            for stratum, buckets in view.units.items()
        },
        "result": verdict.to_dict(),
    }


def _planned(ring: Ring) -> dict[str, Json]:
    return {
        "name": ring.name,
        "share": None if ring.share is None else str(ring.share),
        "cohort": ring.cohort,
        "minimumPerStratum": ring.minimum_per_stratum,
        "soakSeconds": int(ring.soak.total_seconds()),
        "deadlineSeconds": int(ring.deadline.total_seconds()),
        "quorum": str(ring.quorum),
        "approval": None
        if ring.approval is None
        else {"from": list(ring.approval.approvers), "least": ring.approval.least},
        "gates": [_gate(gate) for gate in ring.gates],
    }


def _gate(gate: Gate) -> dict[str, Json]:
    return {
        "metric": gate.metric,
        "compare": gate.compare,
        "limit": str(gate.limit),
        "assurance": gate.assurance,
        "alpha": str(gate.alpha),
        "minDevices": gate.min_devices,
        "minRequests": gate.min_requests,
    }
