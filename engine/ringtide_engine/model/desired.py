"""The desired state: what the YAML files of a fleet repository say, parsed once and trusted afterwards.

Sizes are bytes, durations seconds, latencies microseconds, shares exact fractions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal

from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import PublicKey
from ringtide_contract.manifest import Probation
from ringtide_contract.quarantine import QuarantineEntry
from ringtide_contract.windows import Window
from ringtide_engine.model.budgets import DisruptionBudget
from ringtide_engine.model.finding import Document, Severity
from ringtide_engine.model.people import Abort, Approval, ApprovalNeed, Freeze, Pause
from ringtide_engine.model.progress import Progress
from ringtide_engine.model.releases import Release
from ringtide_engine.model.time_zones import SiteWindow, TimeZones

HARDWARE_LABEL = "hardwareClass"
"""The label that every device has without writing it: selectors and strata may use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """`fleet.yaml`."""

    name: str
    """Name of the fleet; devices refuse publications of another."""
    strata: tuple[str, ...]
    """Labels that, with the hardware class, make devices alike enough to compare."""
    artifact_stores: Mapping[str, str]
    """Store name to base URL (`file://`, `https://`, `http://`, `s3://`, `oci://`); see `artifact_address`."""
    max_silence: timedelta
    """A device reports at least this often."""
    statement_lifetime: timedelta
    """How long a publication may be installed from."""
    timestamp_lifetime: timedelta
    """How long a TUF timestamp is fresh; bounds how long a mirror can freeze a device."""
    ingest_interval: timedelta
    """How often reports are collected; evidence older than two intervals holds a rollout."""
    probation: Probation
    """Default probation of a release on a device."""
    runtime_threads: int
    """Threads within one inference."""
    retention: Mapping[str, timedelta] = field(default_factory=dict)
    """How long `reports` and `evidence` are kept, where the fleet says so."""
    freezes: tuple[Freeze, ...] = ()
    """Periods in which no ring opens."""
    budgets: tuple[DisruptionBudget, ...] = ()
    """How many devices of a group may be unavailable at once, over all rollouts."""
    time_zones: TimeZones | None = None
    """Where devices are, for windows in the time of their site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareClass:
    """`hardware/<name>.yaml`: a kind of device."""

    path: str
    """File it is written in."""
    name: str
    """Name."""
    arch: str
    """CPU architecture, as `uname -m` says."""
    memory_bytes: int
    """Memory that a model's process may use."""
    disk_bytes: int
    """Disk that the agent's store may use."""
    execution_providers: tuple[str, ...]
    """onnxruntime execution providers that the device has."""
    onnxruntime: str
    """Version range (PEP 440) of onnxruntime on these devices."""
    max_opset: int
    """Highest ONNX opset that this onnxruntime runs."""
    owner: str | None = None
    """Who answers for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A release that a device runs whatever its cohort runs."""

    model: str
    """Model."""
    release: str
    """Version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """An enrolled device."""

    path: str
    """File it is written in."""
    pointer: str
    """JSON pointer of it within the file; empty where the file holds one device."""
    id: DeviceId
    """Id."""
    public_key: PublicKey
    """Key that signs its reports."""
    previous_key: PublicKey | None = None
    """Key that signed them before; still believed until a report by the new one came."""
    hardware_class: str
    """Name of its hardware class."""
    labels: Mapping[str, str]
    """Labels, without `HARDWARE_LABEL`."""
    state: Literal["active", "held", "retired"]
    """`held` takes nothing new; `retired` is no longer served."""
    pins: tuple[Pin, ...]
    """Pins, at most one a model."""

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """The keys that may have signed a report of this device, the present one first."""
        return (self.public_key,) if self.previous_key is None else (self.public_key, self.previous_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """One requirement of a selector, with the meaning of Kubernetes' matchExpressions."""

    key: str
    """Label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """`NotIn` also matches a device without the label."""
    values: tuple[str, ...]
    """Values for `In` and `NotIn`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Label requirements; all must hold. matchLabels are `In` with one value. Never empty."""

    expressions: tuple[Expression, ...]
    """The requirements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """`cohorts/<name>.yaml`: devices chosen by labels."""

    path: str
    """File it is written in."""
    name: str
    """Name."""
    selector: Selector
    """Which devices."""
    owner: str | None = None
    """Who answers for it."""


Metric = Literal[
    "updateSuccess", "inferenceSuccess", "p95Latency", "peakMemory", "agreementWithStable", "drift", "wentSilent"
]
"""Shares of devices or requests; `p95Latency` is the 95th percentile as a share of the latency budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A condition for leaving a ring."""

    metric: Metric
    """What is measured."""
    compare: Literal["atMost", "atLeast", "noWorseThanControl"]
    """How it is compared."""
    limit: Fraction
    """The limit as a share; for `noWorseThanControl` the margin."""
    assurance: Literal["observed", "proven"]
    """How sure: `observed` asks for minDevices, soak and no hard failure; `proven` for an anytime-valid proof."""
    min_devices: int
    """Least number of devices with evidence."""
    min_requests: int
    """Least number of requests, or of compared requests for `agreementWithStable`, in the ring."""
    alpha: Fraction = Fraction(1, 100)
    """Where `proven`: the chance, each way, that the gate ever answers wrongly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """One stage of exposure."""

    name: str
    """Name; the last ring is called `rest` by habit and reaches everybody."""
    share: Fraction | None
    """Share of each stratum; None where a cohort is given."""
    cohort: str | None
    """Cohort whose devices it exposes; None where a share is given."""
    minimum_per_stratum: int
    """Least number of units in each stratum that has them."""
    soak: timedelta
    """Time that the evidence must cover since the last device of the quorum was confirmed."""
    deadline: timedelta
    """Time after opening at which a ring without a verdict is called stuck."""
    quorum: Fraction
    """Share of the reachable exposed devices that must be confirmed."""
    spread: timedelta
    """Time over which devices spread their start."""
    windows: tuple[Window, ...]
    """When devices may switch, besides `site_windows`; at any time where there are neither."""
    gates: tuple[Gate, ...]
    """What must hold; `wentSilent` is among them, written or not."""
    approval: ApprovalNeed | None = None
    """Who must agree before it opens; None where nobody is asked."""
    site_windows: tuple[SiteWindow, ...] = ()
    """When devices may switch, in the time of their site."""

    def windows_in(self, zone: str) -> tuple[Window, ...]:
        """Return all windows as devices of a zone have them."""
        return (*self.windows, *(each.within(zone) for each in self.site_windows))


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPlan:
    """`rings/<name>.yaml`: the order in which devices are exposed."""

    path: str
    """File it is written in."""
    name: str
    """Name."""
    unit: str
    """`device`, or the label whose devices move together."""
    control: Fraction
    """Share of each stratum kept on the stable release until the last ring."""
    hard_failures: Fraction = Fraction(1, 200)
    """Share of devices on which any release may fail hard by no fault of its own: broken disks, bad memory."""
    score_requests: int = 100
    """Requests over which a device is scored first, for gates that are `proven`; each later span is twice as long."""
    rings: tuple[Ring, ...]
    """The rings, in order; never empty."""
    owner: str | None = None
    """Who answers for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """`placements/<name>.yaml`: the release that a cohort runs in steady state."""

    path: str
    """File it is written in."""
    name: str
    """Name."""
    model: str
    """Model."""
    cohort: str
    """Cohort."""
    release: str | None
    """Version; None where the model is not installed."""
    owner: str | None = None
    """Who answers for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """`rollouts/<name>.yaml`: a change to a placement. Its name is never reused."""

    path: str
    """File it is written in."""
    name: str
    """Name."""
    placement: str
    """Placement that it changes."""
    candidate: str
    """Version that it brings."""
    ring_plan: str
    """Ring plan that it follows."""
    owner: str | None = None
    """Who answers for it."""
    approvals: tuple[Approval, ...] = ()
    """Who has approved it, or one of its rings."""
    paused: Pause | None = None
    """Who has paused it; None where nobody has."""
    abort: Abort | None = None
    """Who wants it taken back; None where nobody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChoice:
    """A rule switched on by a policy set."""

    rule: str
    """Id of the rule, a folder of `policies/` in the library or in this repository."""
    severity: Severity | None
    """Severity in place of the rule's own."""
    parameters: Mapping[str, object]
    """Parameters, checked against the rule's schema."""
    pointer: str
    """JSON pointer of the choice within its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """`policies/<name>.yaml`: the rules that changes must satisfy."""

    path: str
    """File it is written in."""
    name: str
    """Name."""
    rules: tuple[RuleChoice, ...]
    """Rules chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """`waivers/<name>.yaml`: a reasoned, scoped, expiring exception from one rule."""

    path: str
    """File it is written in."""
    name: str
    """Name."""
    rule: str
    """Id of the rule."""
    scope: tuple[str, ...]
    """Paths of the files it covers; `*` matches within a folder."""
    reason: str
    """Why."""
    owner: str
    """Who answers for it."""
    expires: date
    """Last day on which it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """Everything a fleet repository says at one commit."""

    fleet: Fleet
    """`fleet.yaml`."""
    hardware: Mapping[str, HardwareClass]
    """By name."""
    devices: Mapping[DeviceId, Device]
    """By id."""
    cohorts: Mapping[str, Cohort]
    """By name."""
    ring_plans: Mapping[str, RingPlan]
    """By name."""
    releases: Mapping[tuple[str, str], Release]
    """By model and version."""
    placements: Mapping[str, Placement]
    """By name."""
    rollouts: Mapping[str, Rollout]
    """By name."""
    policy_sets: Mapping[str, PolicySet]
    """By name."""
    waivers: Mapping[str, Waiver]
    """By name."""
    progress: Mapping[str, Progress]
    """Written by the judge, by rollout."""
    quarantine: tuple[QuarantineEntry, ...]
    """Written by the judge."""
    documents: Mapping[str, Document]
    """By path, to find the line of a finding. Large device inventories are not among them."""
