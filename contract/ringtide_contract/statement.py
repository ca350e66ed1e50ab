"""The statement of a publication: an in-toto Statement v1 over the tree head.

Everything a device must know about a generation that the tree itself does not say: which fleet, which number, from
which reviewed source, until when.
"""

from dataclasses import dataclass
from datetime import datetime

from ringtide_contract import fields
from ringtide_contract.canonical import Json, decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, format_instant, parse_digest, parse_instant, parse_name

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://ringtide.dev/publication/v1"
MAX_STATEMENT_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The reviewed state that the tree was compiled from."""

    commit: str
    """Git commit of the desired state; an address, not a proof."""
    content_digest: Digest
    """SHA-256 over the canonical list of path, mode and SHA-256 of every file of that commit."""

    @classmethod
    def from_dict(cls, value: object) -> "Source":
        """Read a source from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "source")
        return cls(
            commit=fields.text(data, "gitCommit"), content_digest=parse_digest(fields.text(data, "contentSha256"))
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the source as `from_dict` reads it."""
        return {"gitCommit": self.commit, "contentSha256": self.content_digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """The statement before this one; the chain makes a second history visible."""

    generation: int
    """Its generation."""
    sha256: Digest
    """Digest of its payload."""

    @classmethod
    def from_dict(cls, value: object) -> "Previous":
        """Read the link from decoded JSON.

        Raises:
            InputError: A member is missing or wrong.
        """
        data = fields.members(value, "previous")
        return cls(
            generation=fields.integer(data, "generation", least=1), sha256=parse_digest(fields.text(data, "sha256"))
        )

    def to_dict(self) -> dict[str, Json]:
        """Write the link as `from_dict` reads it."""
        return {"generation": self.generation, "sha256": self.sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One generation of a fleet's desired state."""

    fleet: str
    """The fleet; devices of another refuse it."""
    epoch: int
    """Equals the trust policy's epoch; raised there after a key theft."""
    generation: int
    """Ever-increasing number."""
    issued_at: datetime
    """When it was signed."""
    not_after: datetime
    """When devices stop installing from it; they keep serving."""
    head: Digest
    """SHA-256 of `head.json`, the subject."""
    root: Digest
    """Merkle tree hash, as the head says it."""
    size: int
    """Number of leaves, as the head says it."""
    source: Source
    """What was compiled."""
    compiler: str
    """Name and version of the compiler."""
    policy: Digest
    """SHA-256 of the canonical policy verdict."""
    plan: Digest
    """SHA-256 of the canonical plan that was reviewed."""
    previous: Previous | None
    """The statement before; None for the first."""

    @classmethod
    def decode(cls, payload: bytes) -> "Publication":
        """Read a statement from the payload of its envelope.

        Raises:
            InputError: Not a statement of a publication.
        """
        data = fields.members(decode(payload, limit=MAX_STATEMENT_BYTES), "statement")
        if data.get("_type") != STATEMENT_TYPE:
            raise InputError(f"not an in-toto statement v1: {data.get('_type')!r}")
        if data.get("predicateType") != PREDICATE_TYPE:
            raise InputError(f"not a publication: {data.get('predicateType')!r}")
        subjects = fields.items(data, "subject", lambda item: fields.members(item, "subject"))
        if len(subjects) != 1 or subjects[0].get("name") != "head.json":
            raise InputError("a publication has one subject, head.json")
        predicate = fields.members(data.get("predicate"), "predicate")
        tree = fields.members(predicate.get("tree"), "tree")
        if tree.get("alg") != "rfc6962-sha256":
            raise InputError(f"unknown tree: {tree.get('alg')!r}")
        return cls(
            fleet=parse_name(fields.text(predicate, "fleet")),
            epoch=fields.integer(predicate, "epoch", least=1),
            generation=fields.integer(predicate, "generation", least=1),
            issued_at=parse_instant(fields.text(predicate, "issuedAt")),
            not_after=parse_instant(fields.text(predicate, "notAfter")),
            head=parse_digest(fields.text(fields.members(subjects[0].get("digest"), "digest"), "sha256")),
            root=parse_digest(fields.text(tree, "root")),
            size=fields.integer(tree, "size", least=1),
            source=Source.from_dict(predicate.get("source")),
            compiler=fields.text(predicate, "compiler"),
            policy=parse_digest(fields.text(predicate, "policySha256")),
            plan=parse_digest(fields.text(predicate, "planSha256")),
            previous=None if predicate.get("previous") is None else Previous.from_dict(predicate["previous"]),
        )

    def encode(self) -> bytes:
        """Write the statement in canonical bytes."""
        return encode(
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"name": "head.json", "digest": {"sha256": self.head}}],
                "predicateType": PREDICATE_TYPE,
                "predicate": {
                    "fleet": self.fleet,
                    "epoch": self.epoch,
                    "generation": self.generation,
                    "issuedAt": format_instant(self.issued_at),
                    "notAfter": format_instant(self.not_after),
                    "tree": {"alg": "rfc6962-sha256", "size": self.size, "root": self.root},
                    "source": self.source.to_dict(),
                    "compiler": self.compiler,
                    "policySha256": self.policy,
                    "planSha256": self.plan,
                    "previous": None if self.previous is None else self.previous.to_dict(),
                },
            }
        )
