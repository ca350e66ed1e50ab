"""All that a decision about one model looks at, and the answers that are no events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Literal

from ringtide_agent.orders import Order, Orders
from ringtide_agent.ports import SlotContent, SlotName
from ringtide_agent.state import Record
from ringtide_contract.ids import Digest


class Next(Enum):
    """Answers that are no events."""

    PERFORM = "perform"
    STAY = "stay"
    RESTART = "restart"


PERFORM: Final = Next.PERFORM
"""Do the act of the present state."""
STAY: Final = Next.STAY
"""Wait: for a time, for a publication, or for requests."""
RESTART: Final = Next.RESTART
"""End this process: the launcher starts the version of the agent that was chosen."""

Staleness = Literal["stale", "clock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """What there is to know beside slots and orders where the agent's own release is decided."""

    launched: bool
    """Whether the package's launcher started this process, and so will start another version when asked."""
    package: str
    """Version of the agent in the package, which is always there to go back to."""
    fallen: frozenset[Digest]
    """Archives that were started and never got through a turn."""
    trials: Mapping[str, int]
    """How often each archive was chosen since one was confirmed or blamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that a decision about one model may look at."""

    model: str
    """The model."""
    record: Record
    """Where it stands."""
    active_slot: SlotName | None
    """The slot that it runs from."""
    slots: Mapping[SlotName, SlotContent]
    """What the whole slots hold."""
    orders: Orders | None
    """What is asked; None before the first publication."""
    staleness: Staleness | None
    """Why nothing new may be installed by these orders; None where they are fresh."""
    hardware_class: str
    """This device's hardware class."""
    now: datetime
    """The present."""
    now_s: int
    """The present, monotonic."""
    busy: str = ""
    """What has its turn before this model may begin anything; empty where nothing has."""
    agent: AgentView | None = None
    """Where the model is the agent itself: how it stands with the package; None for every other."""

    @property
    def active(self) -> SlotContent | None:
        """What the model runs from; None where it is absent, or damaged on the disk."""
        return None if self.active_slot is None else self.slots.get(self.active_slot)

    @property
    def order(self) -> Order | None:
        """What is asked of this model."""
        return None if self.orders is None else self.orders.models.get(self.model)

    @property
    def generation(self) -> int:
        """Generation of the orders."""
        return 0 if self.orders is None else self.orders.floor.generation


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """Where a revert leads."""

    slot: SlotName | None
    """The slot; None: to the absence of the model, as it was before its first install."""
