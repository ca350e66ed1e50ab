"""Which policy rules ask for less than in the base: what a reviewer must not miss."""

import json
from collections.abc import Iterator, Mapping

from ringtide_engine.model.change import Weakening
from ringtide_engine.model.desired import DesiredState, RuleChoice
from ringtide_engine.model.policy import PolicyRule
from ringtide_engine.validate.parameters import with_defaults

_GRAVITY = {"error": 2, "warning": 1, "info": 0}


def weakenings(
    state: DesiredState,
    base: DesiredState,
    rules: Mapping[str, PolicyRule],
    base_rules: Mapping[str, PolicyRule],
) -> tuple[Weakening, ...]:
    """Return the rules in force in the base that are chosen no longer, less grave, changed, or newly waived.

    Whether other parameters or another condition ask for less cannot be told, so both count.

    Args:
        state: The change.
        base: What it changes.
        rules: The rules that the change knows, by id.
        base_rules: Those that the base knows.
    """
    now = _choices(state)
    found: list[Weakening] = []
    for rule, (path, choice) in _choices(base).items():
        if rule not in base_rules:
            continue
        if rule not in now:
            found.append(Weakening(rule=rule, how="it is chosen no longer", path=path))
            continue
        path, later = now[rule]
        found.extend(
            Weakening(rule=rule, how=how, path=at)
            for at, how in _how(path, choice, later, base_rules[rule], rules.get(rule))
        )
    return tuple(sorted({*found, *_waivers(state, base)}))


def _how(
    path: str, before: RuleChoice, after: RuleChoice, old: PolicyRule, new: PolicyRule | None
) -> Iterator[tuple[str, str]]:
    if new is None:
        yield old.document.path, "its rule.yaml is gone"
        return
    was, now = before.severity or old.severity, after.severity or new.severity
    if _GRAVITY[now] < _GRAVITY[was]:
        yield path if after.severity else new.document.path, f"its severity is lowered from {was} to {now}"
    given, given_now = with_defaults(old, before.parameters), with_defaults(new, after.parameters)
    for name in sorted({*given, *given_now}):
        if given.get(name) != given_now.get(name):
            said = f"{_written(given.get(name))} to {_written(given_now.get(name))}"
            yield path, f"its parameter {name} is changed from {said}"
    if (old.condition, old.selects, old.language) != (new.condition, new.selects, new.language):
        yield new.document.path, "its condition is changed"


def _waivers(state: DesiredState, base: DesiredState) -> Iterator[Weakening]:
    for name in sorted(state.waivers):
        after, before = state.waivers[name], base.waivers.get(name)
        if before is None or before.rule != after.rule:
            how = f"the waiver {name} is added, until {after.expires.isoformat()}"
        elif after.expires > before.expires:
            how = f"the waiver {name} is extended from {before.expires.isoformat()} to {after.expires.isoformat()}"
        elif set(after.scope) - set(before.scope):
            how = f"the waiver {name} covers more: {', '.join(sorted(set(after.scope) - set(before.scope)))}"
        else:
            continue
        yield Weakening(rule=after.rule, how=how[:500], path=after.path)


def _choices(state: DesiredState) -> Mapping[str, tuple[str, RuleChoice]]:
    chosen: dict[str, tuple[str, RuleChoice]] = {}
    for name in sorted(state.policy_sets):
        for choice in state.policy_sets[name].rules:
            chosen.setdefault(choice.rule, (state.policy_sets[name].path, choice))
    return chosen


def _written(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."
