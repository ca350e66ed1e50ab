"""What compile makes, and what publish has committed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ringtide_contract.head import TreeHead
from ringtide_contract.ids import Digest
from ringtide_contract.statement import Publication
from ringtide_engine.model.plan import PlanRow

PUBLISHED = "published"
"""Branch of the compiled output, written by publish alone and never forced."""

RECORDS = "records/"
"""Folder of the branch that no signature covers by itself: devices do not read it, statements name digests of it."""

PLAN_RECORD = "records/plan.json"
POLICY_RECORD = "records/policy.json"
GENERATION_RECORD = "records/generation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTree:
    """Everything that one signature covers."""

    files: Mapping[str, bytes]
    """Path to content, sorted by path; `head.json` is among them."""
    head: TreeHead
    """The head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The last publication, as it lies on the branch."""

    commit: str
    """The branch's newest commit."""
    files: Mapping[str, bytes]
    """All its files."""
    bundle: bytes
    """The statement's bundle."""
    payload: Digest
    """Digest of the statement."""
    publication: Publication
    """The statement."""
    head: TreeHead
    """The tree's head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOutcome:
    """What publish did, or would do."""

    kind: Literal["published", "refreshed", "unchanged", "signed"]
    """`published`: a new generation. `refreshed`: new metadata about the same statement. `unchanged`: nothing to do.
    `signed`: a statement, which the other custody has to publish."""
    generation: int | None
    """Generation in force afterwards; None where there is none yet and this was a dry run."""
    source: str
    """Commit of the desired state."""
    root: Digest
    """Merkle root."""
    plan: Digest
    """Digest of the plan."""
    commit: str | None
    """Commit on the branch; None where nothing was written."""
    hint_failed: str | None
    """Why devices could not be told at once; they learn of it at their next poll."""
    rows: tuple[PlanRow, ...] = ()
    """The plan for people; none where nothing was planned."""
    bundle: bytes | None = None
    """The statement to hand over, where one was signed and not published."""
