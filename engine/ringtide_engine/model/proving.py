"""What a gate that is `proven` asks for: in `check` before a rollout begins, and in the judge while it runs."""

from fractions import Fraction

from ringtide_engine.model.betting import devices_needed, pairs_needed
from ringtide_engine.model.desired import Gate

SLOW_SHARE = Fraction(1, 20)
"""A 95th percentile within the budget means that at most one request in twenty is over it."""


def fault_limit(gate: Gate) -> Fraction:
    """Return the largest share of faults that the gate allows."""
    if gate.metric == "p95Latency":
        return SLOW_SHARE
    return 1 - gate.limit if gate.compare == "atLeast" else gate.limit


def why_unprovable(gate: Gate) -> str | None:
    """Return why no evidence could ever prove the gate; None where some could."""
    if gate.metric == "wentSilent":
        return "silence cannot be proven: a device that is silent now may speak again"
    if gate.compare == "noWorseThanControl":
        if gate.metric not in ("inferenceSuccess", "p95Latency"):
            return f"the control has no {gate.metric} to compare with"
        return None if gate.limit else "without a margin nothing shows that the candidate is no worse"
    if gate.metric == "p95Latency" and gate.limit != 1:
        return "requests are counted as over the latency budget or within it, so the limit must be 100%"
    return None if 0 < fault_limit(gate) < 1 else "a limit without any fault, or with nothing but faults, has no proof"


def evidence_needed(gate: Gate) -> int:
    """Return how many devices, or pairs with the control, prove the gate where no fault is seen at all."""
    alpha = float(gate.alpha)
    if gate.compare == "noWorseThanControl":
        return pairs_needed(alpha)
    return devices_needed(float(fault_limit(gate)), alpha)
