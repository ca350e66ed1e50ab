"""A plan: what a change of the desired state does to devices."""

from dataclasses import dataclass

from ringtide_contract import API_VERSION
from ringtide_contract.canonical import Json, encode
from ringtide_contract.ids import DeviceId, Digest, sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Devices that go from one manifest to another."""

    model: str
    """The model."""
    before: Digest | None
    """Manifest they run; None: not installed."""
    after: Digest | None
    """Manifest they shall run; None: removed, or no longer served."""
    devices: tuple[DeviceId, ...]
    """The devices, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumRow:
    """The part of a row that lies in one stratum."""

    stratum: str
    """Stratum; the former one where the devices are no longer served."""
    now: int
    """Devices that change with the next publication."""
    later: int
    """Devices that change when the ring opens, if the fleet stays as it is."""
    held: int
    """Devices of both that take nothing new until they are released."""
    pinned: int
    """Devices beside them that a pin keeps where they are."""
    blocked: int
    """Devices beside them that cannot take the release: no variant of it fits, or it is quarantined."""
    fetch_bytes: int
    """Bytes that these devices together will fetch."""
    variants: tuple[str, ...]
    """Names of the variants chosen, sorted; none where the model is taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One line of a plan as people read it; no part of the digest."""

    cause: str
    """`placement <name>`, `rollout <name>`, `pin`, or `no longer served`."""
    ring: str | None
    """Ring; None in steady state."""
    model: str
    """The model."""
    before: str | None
    """Release that the devices run; None: none, or several."""
    after: str | None
    """Release that they shall run."""
    now: int
    """Devices that change with the next publication."""
    later: int
    """Devices that change when the ring opens, if the fleet stays as it is."""
    held: int
    """Devices of both that take nothing new until they are released."""
    pinned: int
    """Devices beside them that a pin keeps where they are."""
    fetch_bytes: int
    """Bytes that these devices together will fetch: artifacts that they do not run already, as deltas where there are."""
    blocked: int = 0
    """Devices beside them that cannot take the release: no variant of it fits, or it is quarantined."""
    strata: tuple[StratumRow, ...] = ()
    """The same by stratum, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a change does: the part that is reviewed and signed, and rows to read it by."""

    base: Digest | None
    """Merkle root of what the people's files said before; None where nothing was published."""
    head: Digest
    """Merkle root of what they say now."""
    policy: Digest
    """SHA-256 of the policy verdict."""
    changes: tuple[Change, ...]
    """Device by device, what changes; ordered."""
    rows: tuple[PlanRow, ...]
    """The same for people."""

    def encode(self) -> bytes:
        """Write the reviewed part in canonical bytes: no time, no commit."""
        changes: list[Json] = [
            {"model": each.model, "from": each.before, "to": each.after, "devices": list(each.devices)}
            for each in self.changes
        ]
        return encode(
            {
                "apiVersion": API_VERSION,
                "kind": "Plan",
                "base": self.base,
                "head": self.head,
                "policySha256": self.policy,
                "changes": changes,
            }
        )

    @property
    def digest(self) -> Digest:
        """SHA-256 of `encode()`: what `publish` insists on."""
        return sha256(self.encode())

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing, now or later."""
        return self.base == self.head and not self.changes
