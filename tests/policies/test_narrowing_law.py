"""Law: a condition answers the same about the fields that it reads as about the whole document."""

import random

import pytest

from ringtide_contract.errors import InputError
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.model.expression import narrow, reads_of, wanted
from ringtide_engine.model.policy import RULE_VARIABLES, Condition

KEYS = ("a", "b", "c")
EXPRESSIONS = 400
"""For each seed."""


class Writer:
    """Writes documents and expressions by chance; most are nonsense, and many of those answer."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def document(self, depth: int = 3) -> object:
        kind = self.chance.random()
        if depth == 0 or kind < 0.25:
            return self.chance.choice([0, 1, "a", "b", True, None])
        if kind < 0.4:
            return [self.document(depth - 1) for _ in range(self.chance.randint(0, 2))]
        return {key: self.document(depth - 1) for key in KEYS if self.chance.random() < 0.7}

    def path(self, root: str, most: int = 3) -> str:
        key = self.chance.choice(KEYS)
        steps = [*[f".{key}"] * 4, f'["{key}"]', "[0]", "[params.name]", f"[object.{key}]"]
        return root + "".join(self.chance.choice(steps) for _ in range(self.chance.randint(0, most)))

    def value(self, bound: tuple[str, ...]) -> str:
        path, key = self.path(self.chance.choice(("object", "object", "old", *bound))), self.chance.choice(KEYS)
        shapes = (f"size({path})", f"{path}.map(v, v)[0]", f"[{path}][0].{key}", f'{{"k": {path}}}.k.{key}')
        return self.chance.choice((*[path] * 6, *shapes, f"({path}).{key}", f"(true ? {path} : object).{key}"))

    def truth(self, depth: int, bound: tuple[str, ...] = ()) -> str:
        kind, root = self.chance.random(), self.chance.choice(("object", "old", *bound))
        if depth == 0 or kind < 0.45:
            other = self.chance.choice((self.value(bound), "1", '"a"', "null", "{}"))
            return f"{self.value(bound)} {self.chance.choice(('==', '!=', 'in'))} {other}"
        if kind < 0.55:
            return f"has({self.path(root, 2)}.{self.chance.choice(KEYS)})"
        if kind < 0.8:  # a name that is bound may be that of a variable
            name, macro = self.chance.choice(("x", "object", "a")), self.chance.choice(("all", "exists", "exists_one"))
            return f"{self.path(root, 2)}.{macro}({name}, {self.truth(depth - 1, (*bound, name))})"
        return f"({self.truth(depth - 1, bound)} {self.chance.choice(('&&', '||'))} !({self.truth(depth - 1, bound)}))"


def answer(condition: Condition, variables: dict[str, object]) -> bool | None:
    try:
        return condition.holds(variables)
    except InputError:
        return None


@pytest.mark.parametrize("seed", range(3))
def test_a_condition_answers_the_same_about_what_it_reads_as_about_the_whole(seed: int) -> None:
    writer, answered = Writer(seed), 0
    for _ in range(EXPRESSIONS):
        expression = writer.truth(2)
        try:
            condition = CelConditions().compile(expression, RULE_VARIABLES)
        except InputError:
            continue
        reads = reads_of(expression, tuple(RULE_VARIABLES))
        for _ in range(6):
            empty: dict[str, object] = {name: {} for name in RULE_VARIABLES}
            params = {"name": writer.chance.choice(KEYS)}
            whole = empty | {"object": writer.document(), "old": writer.document(), "params": params}
            part = whole | {name: narrow(whole[name], wanted(reads, name), whole) for name in ("object", "old")}
            expected = answer(condition, whole)
            assert answer(condition, part) == expected, (expression, whole)
            answered += expected is not None
    assert answered > EXPRESSIONS / 4
