"""What the agent makes of its disk when it starts: a pure decision over what is found there.

Every part is whole, absent or damaged; the table says what follows, and a combination that is not in it raises. Nothing that
cannot be read is guessed: it is rebuilt from what still verifies, or done without, and the device says so in its reports.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Generic, Literal, TypeVar

from ringtide_agent.events import Resumed
from ringtide_agent.orders import Orders
from ringtide_agent.reporting import Ledger
from ringtide_agent.state import FRESH, Record, Work, apply
from ringtide_contract.acceptance import GROUND, Floor
from ringtide_contract.report import MAX_NOTE

T = TypeVar("T")
Part = Literal["floor", "orders", "reports", "model"]
Health = Literal["whole", "absent", "damaged"]
Given = Literal[
    "any", "orders whole", "no orders", "nothing verified yet", "something was verified", "at rest", "at work"
]


class Step(Enum):
    """What is done with one part, for people."""

    TAKE_UP = "taken up as it is"
    NEWER = "the newer of it and the number of the orders"
    STAND_IN = "the number of the orders stands in for it"
    BEGIN = "begins anew"
    BAR = "what runs serves on; no publication is taken until a person has removed floor.json"
    AWAIT = "what runs serves on; the next publication brings them again"
    JUMP = "numbers go on far beyond every one used, so that none is used twice; the gap shows"
    RESUME = "its act begins again, and that counts as a try"
    PROVE_AGAIN = "the release that runs serves on and is proven again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row."""

    step: Step
    """What is done."""
    says: bool = False
    """Whether the reports say so."""


TABLE: Mapping[tuple[Part, Health, Given], Rule] = MappingProxyType(
    {
        ("floor", "whole", "orders whole"): Rule(step=Step.NEWER),
        ("floor", "whole", "no orders"): Rule(step=Step.TAKE_UP),
        ("floor", "absent", "orders whole"): Rule(step=Step.STAND_IN, says=True),
        ("floor", "absent", "no orders"): Rule(step=Step.BEGIN),
        ("floor", "damaged", "orders whole"): Rule(step=Step.STAND_IN, says=True),
        ("floor", "damaged", "no orders"): Rule(step=Step.BAR, says=True),
        ("orders", "whole", "any"): Rule(step=Step.TAKE_UP),
        ("orders", "absent", "any"): Rule(step=Step.AWAIT),
        ("orders", "damaged", "any"): Rule(step=Step.AWAIT, says=True),
        ("reports", "whole", "any"): Rule(step=Step.TAKE_UP),
        ("reports", "absent", "nothing verified yet"): Rule(step=Step.BEGIN),
        ("reports", "absent", "something was verified"): Rule(step=Step.JUMP, says=True),
        ("reports", "damaged", "nothing verified yet"): Rule(step=Step.JUMP, says=True),
        ("reports", "damaged", "something was verified"): Rule(step=Step.JUMP, says=True),
        ("model", "whole", "at rest"): Rule(step=Step.TAKE_UP),
        ("model", "whole", "at work"): Rule(step=Step.RESUME),
        ("model", "absent", "any"): Rule(step=Step.BEGIN),
        ("model", "damaged", "any"): Rule(step=Step.PROVE_AGAIN, says=True),
    }
)
"""(part, what is found of it, what else is found) to what is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[T]):
    """One part as it was found."""

    value: T | None = None
    """Its content; None where it is absent or damaged."""
    trouble: str = ""
    """What is wrong with it."""

    @property
    def health(self) -> Health:
        """Whether it is whole."""
        if self.trouble:
            return "damaged"
        return "absent" if self.value is None else "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything on the disk that a start depends on; slots are looked at by the models' machines."""

    floor: Entry[Floor]
    """The newest verified number."""
    orders: Entry[Orders]
    """What the newest accepted publication asks."""
    ledger: Entry[Ledger]
    """Number, chain and outbox of the reports."""
    models: Mapping[str, Entry[Record]] = field(default_factory=lambda: MappingProxyType({}))
    """Model to its record."""
    beyond: int = 0
    """A number beyond every report's: reports are never closer than seconds, so the seconds of the calendar are."""
    now_s: int = 0
    """The present, monotonic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What the agent starts with."""

    floor: Floor
    """The newest verified number."""
    orders: Orders | None
    """The orders in force."""
    ledger: Ledger
    """The reports so far."""
    models: Mapping[str, Record]
    """Model to where it stands."""
    resumed: frozenset[str]
    """Models whose record must be written before anything else, so that a try is counted."""
    begins: bool
    """Whether the ledger is the first one; it is written before anything is verified, so that its loss can be seen."""
    barred: bool
    """Whether no publication may be taken, since nobody knows what the newest one was."""
    notes: tuple[str, ...]
    """What was damaged, and what was done about it."""


def recover(found: Found) -> Recovered:
    """Decide what to start with.

    Raises:
        KeyError: The table has no row for what was found: a mistake in the program.
    """
    orders = found.orders.value
    notes: list[str] = []
    has_orders: Given = "no orders" if orders is None else "orders whole"
    verified: Given = "something was verified" if _was_verified(found) else "nothing verified yet"
    floor_step = _step("floor", found.floor, has_orders, notes)
    _step("orders", found.orders, "any", notes)
    whole = found.ledger.health == "whole"
    ledger_step = _step("reports", found.ledger, "any" if whole else verified, notes)
    models: dict[str, Record] = {}
    resumed: set[str] = set()
    for model, entry in found.models.items():
        record = entry.value or FRESH
        given: Given = "any" if entry.value is None else "at work" if isinstance(record.state, Work) else "at rest"
        if _step("model", entry, given, notes, name=model) is Step.RESUME:
            reason = f"the agent started anew: {record.state.reason}"[:MAX_NOTE]
            record = apply(record, Resumed(at_s=found.now_s, reason=reason))
            resumed.add(model)
        models[model] = record
    return Recovered(
        floor=_newest(found.floor.value, orders),
        orders=orders,
        ledger=found.ledger.value or Ledger(number=found.beyond if ledger_step is Step.JUMP else 0),
        models=models,
        resumed=frozenset(resumed),
        begins=ledger_step is Step.BEGIN,
        barred=floor_step is Step.BAR,
        notes=tuple(notes),
    )


def _step(part: Part, entry: Entry[T], given: Given, notes: list[str], *, name: str | None = None) -> Step:
    rule = TABLE[part, entry.health, given]
    if rule.says:
        why = f" ({entry.trouble})" if entry.trouble else ""
        notes.append(f"{name or part}: {entry.health}{why}; {rule.step.value}"[:MAX_NOTE])
    return rule.step


def _was_verified(found: Found) -> bool:
    return found.orders.health != "absent" or found.floor.health != "absent"


def _newest(floor: Floor | None, orders: Orders | None) -> Floor:
    known = [item for item in (floor, None if orders is None else orders.floor) if item is not None]
    return max(known, key=lambda item: (item.epoch, item.generation), default=GROUND)
