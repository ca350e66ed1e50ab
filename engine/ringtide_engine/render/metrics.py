"""Metrics of gates: what each measures, in which reports it is found, and what a gate may ask of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMetric:
    """One metric."""

    title: str
    """What it says, one sentence."""
    unit: str
    """What its value is a share of."""
    reports: str
    """Members of a device's reports that it is counted from."""
    evidence: str
    """Devices that `minDevices` counts."""
    compare: str
    """Comparison with a limit that makes sense."""
    beside_control: bool
    """Whether it can be compared with the control."""
    limit: str
    """Limits that make sense."""
    proof: str
    """Whether `assurance: proven` can be asked for."""


_SHARE = "a share from 0% to 100%"
_PROVABLE = "yes, with a limit that allows some faults and not nothing but faults"

METRICS: Mapping[str, KnownMetric] = MappingProxyType(
    {
        "updateSuccess": KnownMetric(
            title="Devices that confirmed the candidate, of those on which it was decided.",
            unit="devices: confirmed / (confirmed + reverted + refused)",
            reports="phase, active and failures of the model",
            evidence="devices that confirmed, reverted or refused the candidate",
            compare="atLeast",
            beside_control=False,
            limit=_SHARE,
            proof=_PROVABLE,
        ),
        "inferenceSuccess": KnownMetric(
            title="Requests that were answered without a failure.",
            unit="requests, of all devices together and as the mean over devices: both must keep the limit",
            reports="requests and failures of the model's counters",
            evidence="devices that served the candidate",
            compare="atLeast",
            beside_control=True,
            limit=_SHARE,
            proof=_PROVABLE,
        ),
        "p95Latency": KnownMetric(
            title="The 95th percentile of latency, as a share of the budget of the device's hardware.",
            unit="latency / budget, in the slowest stratum; devices must on average keep 95 % of requests within the budget",
            reports="latency, requests and overBudget of the model's counters",
            evidence="devices that served the candidate",
            compare="atMost",
            beside_control=True,
            limit="a share of the budget, 100% for the budget itself",
            proof="yes, with the limit 100%, since requests are counted as over the budget or within it; or beside the control",
        ),
        "peakMemory": KnownMetric(
            title="Devices whose serving process has needed more memory than its budget.",
            unit="devices: over the budget / serving",
            reports="peakMemoryBytes of the model's counters",
            evidence="devices that served the candidate",
            compare="atMost",
            beside_control=False,
            limit=_SHARE,
            proof=_PROVABLE,
        ),
        "agreementWithStable": KnownMetric(
            title="Compared requests that the candidate answered as the stable release did.",
            unit="compared requests, of all devices together and as the mean over devices: both must keep the limit",
            reports="compared and agreed of the model's counters",
            evidence="devices that compared a request; minRequests counts compared requests",
            compare="atLeast",
            beside_control=False,
            limit=_SHARE,
            proof=_PROVABLE,
        ),
        "drift": KnownMetric(
            title="Windows of live requests that are unlike the drift reference of the release.",
            unit="windows, of all devices together and as the mean over devices: both must keep the limit",
            reports="driftWindows and driftedWindows of the model's counters",
            evidence="devices that completed a window",
            compare="atMost",
            beside_control=False,
            limit=_SHARE,
            proof=_PROVABLE,
        ),
        "wentSilent": KnownMetric(
            title="Devices that were heard of before their ring opened, or after, and are silent now.",
            unit="devices: silent for three times maxSilence / reachable",
            reports="the time at which each report was collected",
            evidence="reachable devices of the ring",
            compare="atMost",
            beside_control=False,
            limit=f"{_SHARE}; 10% where no gate on it is written",
            proof="no: a device that is silent now may speak again",
        ),
    }
)
