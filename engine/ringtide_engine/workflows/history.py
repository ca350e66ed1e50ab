"""History: the verdicts about one rollout, from the commits of the judge."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError
from ringtide_contract.ids import format_instant
from ringtide_engine.judge.documents import is_evidence_path
from ringtide_engine.model.evidence import read_evidence
from ringtide_engine.ports import CommitInfo, Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class PastVerdict:
    """A verdict that was recorded."""

    at: datetime
    """When it was judged."""
    kind: str
    """`promote`, `hold` or `rollBack`."""
    phase: str
    """Where the rollout stood after it."""
    ring: str | None
    """Ring that it opened, or that was the newest; None before the first."""
    reasons: tuple[str, ...]
    """Why, one sentence each."""
    evidence: str
    """Path of the evidence."""
    commit: str | None
    """The judge's commit; None where the history does not lead to it any more."""

    def to_dict(self) -> dict[str, Json]:
        """Write the verdict for a document."""
        return {
            "at": format_instant(self.at),
            "kind": self.kind,
            "phase": self.phase,
            "ring": self.ring,
            "reasons": list(self.reasons),
            "evidence": self.evidence,
            "commit": self.commit,
        }


def history(fleet: Repository, name: str, *, branch: str = "main") -> tuple[PastVerdict, ...]:
    """Return the verdicts about a rollout, newest first; its own document may be gone.

    Raises:
        InputError: Nothing was ever judged under that name, or the repository cannot be read.
    """
    head = fleet.head(branch)
    if head is None:
        raise InputError(f"the fleet repository has no branch {branch}")
    folder = f"progress/{name}/"
    files = {path: content for path, content in fleet.files(head, folder).items() if is_evidence_path(path)}
    if not files:
        if f"rollouts/{name}.yaml" in fleet.files(head, "rollouts/"):
            raise InputError(f"nothing was judged of rollout {name} yet; `ringtide advance` begins it")
        raise InputError(f"there is no rollout {name[:80]} on {branch}; `ringtide get rollouts` lists them")
    # A verdict's evidence names the commit that was judged, and the verdict is the commit that follows it.
    following = {info.parents[0]: info for info in fleet.history(head) if info.parents}
    past = [_past(path, content, following) for path, content in files.items()]
    return tuple(sorted(past, key=lambda each: (each.at, len(each.evidence), each.evidence), reverse=True))


def _past(path: str, content: bytes, following: Mapping[str, CommitInfo]) -> PastVerdict:
    evidence, result = read_evidence(content)
    commit = following.get(evidence.source)
    reasons = result.get("reasons")
    return PastVerdict(
        at=evidence.now,
        kind=str(result.get("kind")),
        phase=str(result.get("phase")),
        ring=_ring(result),
        reasons=tuple(str(each["text"]) for each in reasons if isinstance(each, dict) and "text" in each)
        if isinstance(reasons, list)
        else (),
        evidence=path,
        commit=None if commit is None else commit.id,
    )


def _ring(result: Mapping[str, object]) -> str | None:
    ring = result.get("ring")
    return ring if isinstance(ring, str) else None
