"""Disruption budgets: how many devices of one group may be unavailable at once, over all rollouts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionBudget:
    """A bound for every group of devices that share the value of a label."""

    label: str
    """Label that makes groups, such as `site`; a device without it is in none."""
    kind: str
    """`maxUnavailable` or `minAvailable`."""
    amount: int | Fraction
    """Devices, or a share of the group."""

    def allows(self, size: int) -> int:
        """Return how many devices of a group of `size` may be unavailable; below one, no rollout reaches it.

        A share that is not zero lets one device be unavailable at least: a group of three at 10 % would never move.
        """
        share = isinstance(self.amount, Fraction)
        if self.kind == "maxUnavailable":
            most = int(self.amount * size) if share else int(self.amount)
            return max(1, most) if share and self.amount else most
        return size - (-int(-self.amount * size // 1) if share else int(self.amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A device of a budget's group, as one rollout sees it."""

    bucket: int
    """Bucket of its unit."""
    stratum: str
    """Its stratum."""
    cell: str
    """Its groups together, see `cell_of`."""
    groups: tuple[str, ...]
    """Its groups."""
    cohorts: frozenset[str]
    """Those cohorts of the plan's rings that it belongs to."""
    held: bool
    """Takes nothing new, and so needs no room."""


def groups_of(labels: Mapping[str, str], budgets: Sequence[DisruptionBudget]) -> tuple[str, ...]:
    """Return the groups of a device, `site=hamburg`, in the order of the budgets."""
    return tuple(f"{each.label}={labels[each.label]}" for each in budgets if each.label in labels)


def cell_of(labels: Mapping[str, str], budgets: Sequence[DisruptionBudget]) -> str:
    """Return what devices of the same groups have in common; empty where no budget counts them."""
    return "/".join(groups_of(labels, budgets))


def allowances(devices: Iterable[Mapping[str, str]], budgets: Sequence[DisruptionBudget]) -> Mapping[str, int]:
    """Return how many devices of each group may be unavailable at once; a device is given by its labels."""
    sizes: Counter[str] = Counter()
    for labels in devices:
        sizes.update(groups_of(labels, budgets))
    by_label = {each.label: each for each in budgets}
    return {group: by_label[group.partition("=")[0]].allows(sizes[group]) for group in sorted(sizes)}
