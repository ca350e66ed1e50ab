"""The report of a plan: everything a reviewer reads beside the part that is signed. It depends on the time of day."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Literal

from ringtide_contract.ids import DeviceId
from ringtide_engine.model.dangers import Danger
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.plan import Plan, PlanRow
from ringtide_engine.model.policy import WaiverInForce

LARGE_PART = Fraction(1, 5)
"""A change that takes away more than this part of a folder, or of the devices, is flagged."""

SHOWN_DEVICES = 20
"""Most device ids that a report writes out in one place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """A number of devices, and some of them."""

    count: int
    """How many."""
    first: tuple[DeviceId, ...]
    """The first of them by id, at most `SHOWN_DEVICES`."""


NO_DEVICES = Devices(count=0, first=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An instant as far as it can be known now."""

    at: datetime | None
    """Aware UTC instant, to the minute; None: cannot be known, or never."""
    reason: str
    """Why there is none, or what the instant is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingReport:
    """A row of the plan, with its times."""

    row: PlanRow
    """What happens to which devices; by stratum in `row.strata`."""
    state: Literal["now", "open", "waits"]
    """`now`: steady state, with the next publication; `open`: a ring that the judge has opened; `waits`: not opened."""
    starts: Estimate
    """Earliest start."""
    finishes: Estimate
    """Estimated finish: every device confirmed, and for a ring its soak over, if nothing goes wrong."""
    gates: tuple[str, ...]
    """What must hold to leave the ring, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipChange:
    """Devices that join or leave a cohort."""

    cohort: str
    """The cohort."""
    placement: str | None
    """Placement over the cohort; None where the cohort serves a ring only, or nothing."""
    joined: Devices
    """Devices that join."""
    left: Devices
    """Devices that leave; removed and retired ones too."""
    effect: str
    """What they will run, in words."""


OmissionKind = Literal[
    "held",
    "pinned",
    "paused",
    "gates",
    "control",
    "queued",
    "emptyCohort",
    "unfit",
    "quarantined",
    "retired",
    "finished",
    "unused",
]
"""Held devices, pinned devices, a paused rollout, a ring that waits for gates, the control, a rollout that waits for
another, a cohort that matches nothing, devices that no variant fits, a quarantined release, a retired device with pins,
a finished rollout that brings nothing more, and an edit that reaches no device now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Omission:
    """Something that a reader might expect, and that will not happen."""

    kind: OmissionKind
    """Which kind."""
    subject: str
    """Of what: `rollout digits-1.1.0, ring rest`, `cohort eu`."""
    message: str
    """What will not happen."""
    why: str
    """Why."""
    devices: Devices
    """Whom it concerns."""
    until: str
    """Until when, or until what: never empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsatisfiable:
    """A ring or gate that can never pass as the fleet stands."""

    rollout: str
    """The rollout."""
    ring: str
    """The ring."""
    gate: str | None
    """The gate in words; None where it is the ring itself."""
    why: str
    """Why, with the numbers."""
    place: Place
    """Where the ring is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """Everything that a reviewer reads."""

    plan: Plan | None
    """The plan; None where the change cannot be resolved, so that dangers and findings are all there is."""
    fleet: str
    """Name of the fleet; empty where fleet.yaml cannot be read."""
    base_commit: str | None
    """Commit that the change starts from; None: nothing was there before."""
    head_commit: str | None
    """Commit that is planned; None: the work tree."""
    at: datetime
    """When it was planned: aware UTC, to the minute."""
    devices_total: int
    """Devices that are served."""
    devices_now: int
    """Devices that change something with the next publication."""
    devices_later: int
    """Devices that change something when a ring opens, and nothing before."""
    rings: tuple[RingReport, ...]
    """The rows of the plan, in its order, with their times."""
    memberships: tuple[MembershipChange, ...]
    """Who joins and leaves which cohort."""
    dangers: tuple[Danger, ...]
    """Danger flags, by id and place."""
    omissions: tuple[Omission, ...]
    """What will not happen."""
    unsatisfiable: tuple[Unsatisfiable, ...]
    """Rings and gates that can never pass."""
    waivers: tuple[WaiverInForce, ...]
    """Waivers in force."""
    findings: tuple[Finding, ...]
    """What `check` found, sorted by place."""
    rules_applied: int
    """Number of policy rules in force."""
    simulated: tuple[str, ...] = ()
    """What a candidate that breaks devices would do, a sentence a rollout; none where nobody asked."""

    @property
    def is_empty(self) -> bool:
        """Whether the change changes nothing that anybody would review."""
        edits = any(each.kind == "unused" for each in self.omissions)
        return self.plan is not None and self.plan.is_empty and not (self.dangers or self.memberships or edits)

    @property
    def has_errors(self) -> bool:
        """Whether a finding is an error: `publish` would refuse."""
        return any(each.severity == "error" for each in self.findings)
