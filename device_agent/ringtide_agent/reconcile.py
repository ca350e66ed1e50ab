"""Every model's machine, driven: look, decide, act, journal, until each must wait."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from ringtide_agent.decide import decide
from ringtide_agent.equipment import Ports, Settings
from ringtide_agent.events import ModelEvent
from ringtide_agent.journal import decode_record, encode_record, model_entry
from ringtide_agent.limits import ADVANCES_PER_TURN, pause_s
from ringtide_agent.orders import Orders
from ringtide_agent.ports import Runtimes, SlotContent, SlotName
from ringtide_agent.recovery import Entry, Recovered
from ringtide_agent.reporting import model_report, sessions
from ringtide_agent.state import (
    FRESH,
    Activating,
    Confirming,
    Deferred,
    Fetching,
    Idle,
    Probation,
    Probing,
    Record,
    Refused,
    Removing,
    Reverted,
    Reverting,
    Staging,
    Work,
    apply,
)
from ringtide_agent.steps import own_version
from ringtide_agent.steps.activate import activate
from ringtide_agent.steps.confirm import confirm
from ringtide_agent.steps.fetch import fetch
from ringtide_agent.steps.probe import probe
from ringtide_agent.steps.remove import remove
from ringtide_agent.steps.revert import revert
from ringtide_agent.steps.stage import stage
from ringtide_agent.steps.watch import watch
from ringtide_agent.view import PERFORM, RESTART, STAY, AgentView, Next, Staleness, View
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.manifest import RUNTIME_MODEL
from ringtide_contract.report import Counters, ModelReport

_log = logging.getLogger("ringtide.agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What this process has managed since its start, beyond the models."""

    polled: bool
    """Whether a publication was polled."""
    reached: bool
    """Whether the fleet has been told of it since."""
    serving: bool
    """Whether all models are served."""


ALONE = Surroundings(polled=False, reached=False, serving=False)
"""Before the first turn."""


class Models:
    """The models of this device."""

    def __init__(
        self,
        ports: Ports,
        settings: Settings,
        shape: Callable[[], None],
        follow: Callable[[], None],
        beat: Callable[[], None],
    ) -> None:
        """Start without any; `begin` says where they stand.

        Args:
            ports: The world.
            settings: What a person has configured.
            shape: Makes the service serve what the disk says, or raises.
            follow: The same, but a failure is left to the next turn.
            beat: Hears that something got on.
        """
        self._ports, self._settings = ports, settings
        self._shape, self._follow, self._beat = shape, follow, beat
        self._records: dict[str, Record] = {}
        self._disk_trouble, self._disk_tries, self._disk_at_s = "", 0, 0
        self._restarting = False
        self._surroundings = ALONE

    @property
    def restarting(self) -> bool:
        """Whether this process shall end, so that the launcher starts the version of the agent that was chosen."""
        return self._restarting

    @property
    def on_trial(self) -> bool:
        """Whether this version of the agent is on probation."""
        return isinstance(self._records.get(RUNTIME_MODEL, FRESH).state, Probation)

    @property
    def records(self) -> Mapping[str, Record]:
        """Model to where it stands."""
        return self._records

    def found(self, orders: Orders | None) -> Mapping[str, Entry[Record]]:
        """Return the record of every model that is here or asked for, as it lies on the disk."""
        names = {*self._ports.store.models(), *(() if orders is None else orders.models)}
        return {model: self._load(model) for model in sorted(names)}

    def begin(self, recovered: Recovered) -> None:
        """Begin where the disk says; the try that a restart counts as is written down before it is made."""
        self._records = dict(recovered.models)
        for model in sorted(recovered.resumed):
            _log.info("%s: taken up in %s", model, type(self._records[model].state).__name__)
            try:
                self._ports.store.save_journal(model_entry(model), encode_record(self._records[model]))
            except TransientError as error:
                self._disk_trouble = str(error)

    def reconcile(
        self, orders: Orders | None, staleness: Staleness | None, now: datetime, surroundings: Surroundings
    ) -> None:
        """Advance every model up to where it must wait; what may take long, a fetch, comes last."""
        self._surroundings = surroundings
        if self._now_s() < self._disk_at_s or self._restarting:
            return
        for model in () if orders is None else orders.models:
            if model not in self._records:
                self._records[model] = self._load(model).value or FRESH
        try:
            for model in sorted(
                self._records, key=lambda name: (isinstance(self._records[name].state, Fetching), name)
            ):
                self._advance(model, orders, staleness, now)
        except TransientError as error:
            self._disk_trouble = str(error)
            self._disk_at_s = self._now_s() + pause_s(self._disk_tries)
            self._disk_tries += 1
            _log.warning("the disk does not take the journal: %s", error)
        else:
            self._disk_trouble, self._disk_tries = "", 0

    def converged(self, orders: Orders) -> bool:
        """Tell whether every model runs what is asked, confirmed."""
        return all(self._as_asked(model, orders) for model in orders.models)

    def at_rest(self, orders: Orders) -> dict[str, str]:
        """Return why models do not run what is asked; empty while time alone may still bring one of them there."""
        found: dict[str, str] = {}
        for model in orders.models:
            if self._as_asked(model, orders):
                continue
            state = self._records.get(model, FRESH).state
            waits = isinstance(state, Deferred) and (state.until is not None or state.cause == "busy")
            if waits or self._disk_trouble or not isinstance(state, Refused | Reverted | Deferred):
                return {}
            found[model] = state.reason
        return found

    def report(self, orders: Orders | None) -> dict[str, ModelReport]:
        """Return what there is to say of every model that is here or asked for."""
        parts: dict[str, ModelReport] = {}
        counters = self._ports.service.counters()
        for model, record in self._records.items():
            order = None if orders is None else orders.models.get(model)
            slots = self._slots(model)
            slot = self._active_slot(model, slots)
            if order is None and slot is None:
                continue
            mine = {content.digest for content in slots.values()} | {item.manifest for item in record.failures}
            parts[model] = model_report(
                record,
                None if slot is None else slots.get(slot),
                None if order is None else order.assignment.manifest,
                self._sessions(None if slot is None else slots[slot].digest, counters)
                if model == RUNTIME_MODEL
                else [item for item in counters if item.manifest in mine],
            )
        return parts

    def conditions(self, orders: Orders | None) -> dict[str, str]:
        """Return what is abnormal about models and their disk."""
        found = {"disk-full": self._disk_trouble} if self._disk_trouble else {}
        for model in self._records if orders is not None else ():
            slots = self._slots(model)
            slot = self._active_slot(model, slots)
            active = None if slot is None else slots.get(slot)
            entry = None if orders is None or active is None else orders.quarantine.entry_against(active.manifest)
            if entry is not None and active is not None:
                found["quarantined"] = f"{model} still runs {active.manifest.release}, which is banned: {entry.reason}"
        return found

    def _advance(self, model: str, orders: Orders | None, staleness: Staleness | None, now: datetime) -> None:
        for _ in range(ADVANCES_PER_TURN):
            view = self._view(model, orders, staleness, now)
            answer = decide(view)
            if answer is PERFORM:
                answer = self._perform(view)
            if isinstance(answer, Next):
                self._restarting = self._restarting or answer is RESTART
                return
            self._commit(model, answer)
        _log.warning("%s: %d transitions in one turn; the rest follows in the next", model, ADVANCES_PER_TURN)

    def _perform(self, view: View) -> ModelEvent | Next:
        state, order = view.record.state, view.order
        if view.model == RUNTIME_MODEL and self._ports.runtimes is not None:
            act = self._perform_own(self._ports.runtimes, view)
            if act is not None:
                return act
        match state:
            case Fetching() if order is not None and order.manifest is not None:
                return fetch(self._ports, view, state, order.manifest, self._settings.download_windows)
            case Staging() if order is not None and order.content is not None:
                return stage(self._ports, view, state, order.content)
            case Probing():
                return probe(self._ports, view, state)
            case Activating():
                return activate(self._ports, view, state, self._shape)
            case Probation() if view.active is not None:
                return watch(self._ports, view, state, view.active.manifest.probation)
            case Confirming():
                return confirm(state, self._follow)
            case Reverting():
                return revert(self._ports, view, state, self._follow)
            case Removing():
                return remove(self._ports, view, state, self._follow)
            case Idle() | Deferred() | Refused() | Reverted() | Fetching() | Staging() | Probation():
                return STAY  # `decide` asks for no act here
            case _:
                assert_never(state)

    def _perform_own(self, runtimes: Runtimes, view: View) -> ModelEvent | Next | None:
        """Act where the agent's own release wants another act than a model's; None where it wants the same."""
        state, around = view.record.state, self._surroundings
        match state:
            case Probing():
                return probe(replace(self._ports, prober=runtimes), view, state)
            case Activating():
                return own_version.activate(self._ports, runtimes, view, state)
            case Probation() if view.active is not None:
                terms = view.active.manifest.probation
                return own_version.watch(
                    self._ports, view, state, terms, reached=around.reached, serving=around.serving
                )
            case Confirming():
                return confirm(state, runtimes.confirm)
            case Reverting():
                return own_version.revert(self._ports, runtimes, view, state)
            case Removing():
                return own_version.remove(self._ports, runtimes, view, state)
            case _:
                return None

    def _commit(self, model: str, event: ModelEvent) -> None:
        before = self._records[model]
        after = apply(before, event)
        content = encode_record(after)
        self._ports.store.save_journal(model_entry(model), content)
        self._records[model] = after
        names = type(before.state).__name__, type(event).__name__, type(after.state).__name__
        extra = {"model": model, "state": names[0], "event": names[1], "after": names[2], "reason": event.reason}
        _log.info("%s: %s + %s -> %s: %s", model, *names, event.reason, extra=extra)
        self._beat()

    def _view(self, model: str, orders: Orders | None, staleness: Staleness | None, now: datetime) -> View:
        slots = self._slots(model)
        return View(
            model=model,
            record=self._records[model],
            active_slot=self._active_slot(model, slots),
            slots=slots,
            orders=orders,
            staleness=staleness,
            hardware_class=self._settings.hardware_class,
            now=now,
            now_s=self._now_s(),
            busy=self._busy(model),
            agent=self._agent_view() if model == RUNTIME_MODEL else None,
        )

    def _busy(self, model: str) -> str:
        """Say what has its turn before `model`: were two changed at once, nobody could tell which one is at fault."""
        at_work = [name for name, record in sorted(self._records.items()) if isinstance(record.state, Work)]
        if model != RUNTIME_MODEL:
            return "waits until the agent's own upgrade is through" if RUNTIME_MODEL in at_work else ""
        others = [name for name in at_work if name != RUNTIME_MODEL]
        if others:
            return f"waits until {others[0]} is through"
        if not self._surroundings.polled and RUNTIME_MODEL not in at_work:
            return "waits until the version that runs has polled the fleet"
        return ""

    def _agent_view(self) -> AgentView:
        runtimes = self._ports.runtimes
        if runtimes is None:
            return AgentView(launched=False, package=self._settings.version, fallen=frozenset(), trials={})
        return AgentView(launched=True, package=runtimes.package, fallen=runtimes.fallen(), trials=runtimes.trials())

    def _active_slot(self, model: str, slots: Mapping[SlotName, SlotContent]) -> SlotName | None:
        """Return the slot that the model runs from; the agent itself runs from what the launcher has started."""
        if model != RUNTIME_MODEL:
            return self._ports.store.active_slot(model)
        running = None if self._ports.runtimes is None else self._ports.runtimes.running
        return next((name for name, item in slots.items() if item.manifest.archive == running), None)

    def _sessions(self, manifest: Digest | None, counters: Sequence[Counters]) -> tuple[Counters, ...]:
        """Return what ran under this version of the agent; the package's is named by its version."""
        return sessions(counters, manifest or sha256(self._settings.version.encode("ascii", "replace")))

    def _slots(self, model: str) -> dict[SlotName, SlotContent]:
        names: tuple[SlotName, SlotName] = ("a", "b")
        found = {name: self._ports.store.slot(model, name) for name in names}
        return {name: content for name, content in found.items() if content is not None}

    def _as_asked(self, model: str, orders: Orders) -> bool:
        wanted, record = orders.models[model].assignment.manifest, self._records.get(model, FRESH)
        slots = self._slots(model)
        slot = self._active_slot(model, slots)
        active = None if slot is None else slots.get(slot)
        if wanted is None:
            return slot is None
        running = None if active is None else active.digest
        return isinstance(record.state, Idle) and running == wanted == record.confirmed

    def _load(self, model: str) -> Entry[Record]:
        try:
            content = self._ports.store.load_journal(model_entry(model))
            return Entry() if content is None else Entry(value=decode_record(content))
        except InputError as error:
            return Entry(trouble=str(error))

    def _now_s(self) -> int:
        return int(self._ports.clock.monotonic_s())
