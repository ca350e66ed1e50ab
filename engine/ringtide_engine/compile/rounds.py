"""In how many rounds a ring begins where disruption budgets let only some devices of a group begin at once."""

from collections import Counter
from collections.abc import Mapping

from ringtide_engine.compile.plan import Comparison
from ringtide_engine.model.budgets import allowances, groups_of
from ringtide_engine.model.selection import labels_of


def rounds(compared: Comparison) -> Mapping[str, Mapping[str, int]]:
    """Return rollout to ring to rounds, of the fullest group, if nothing else is unavailable; empty without budgets."""
    side = compared.after.side
    budgets = () if side is None else side.state.fleet.budgets
    if side is None or not budgets:
        return {}
    devices = side.resolution.devices
    allowed = allowances(map(labels_of, devices.values()), budgets)
    needed: dict[str, dict[str, int]] = {}
    for row in compared.rows:
        if row.rollout is None or row.ring is None:
            continue
        going = [each for each in row.all("going") if each not in compared.after.held]
        sizes = Counter(group for each in going for group in groups_of(labels_of(devices[each]), budgets))
        turns = [-(-size // allowed[group]) for group, size in sizes.items() if allowed[group] > 0]
        needed.setdefault(row.rollout, {})[row.ring] = max(turns, default=1)
    return needed
