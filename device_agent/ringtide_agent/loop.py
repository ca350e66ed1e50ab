"""The reconcile loop: tend, poll, reconcile, serve, report, in this order, on every turn."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Literal, TypeVar

from ringtide_agent import publication_state as publication
from ringtide_agent.equipment import Ports, Settings
from ringtide_agent.journal import ORDERS_ENTRY, REPORTS_ENTRY
from ringtide_agent.limits import pause_s
from ringtide_agent.orders import Orders
from ringtide_agent.ports import ServedModel
from ringtide_agent.reconcile import Models, Surroundings
from ringtide_agent.recovery import Entry, Found, recover
from ringtide_agent.reporting import Ledger, Observation, due, write_report
from ringtide_agent.serving import served_models
from ringtide_agent.steps.pull import Pulled, pull
from ringtide_agent.steps.verify import Known, keep
from ringtide_agent.view import Staleness
from ringtide_contract.acceptance import GROUND, Floor
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.report import MAX_NOTE, Condition

Outcome = Literal["converged", "not-converged", "refused"]
"""What one turn came to: everything asked runs and is confirmed; not so; or the publication was refused."""

TURN_S = 1.0
"""Seconds between turns: how soon an ended worker is seen. A turn with nothing to do costs well under a millisecond."""

T = TypeVar("T")

_log = logging.getLogger("ringtide.agent")


class Agent:
    """One device's agent over its ports."""

    def __init__(
        self,
        ports: Ports,
        settings: Settings,
        chance: Callable[[], float],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Recover what the disk knows; write only what must be counted before anything is done.

        Args:
            ports: The world.
            settings: What a person has configured.
            chance: Gives random numbers in [0, 1) for the jitter of polls.
            beat: Hears that the loop got on: a step of a turn was made, or a model changed its state.
        """
        self._ports, self._settings, self._chance, self._beat = ports, settings, chance, beat
        self._models = Models(ports, settings, self._shape, self._follow, beat)
        recovered = recover(self._found())
        self._orders, self._floor, self._ledger = recovered.orders, recovered.floor, recovered.ledger
        self._barred, self._notes, self._damage = recovered.barred, recovered.notes, ""
        self._standing: publication.Waiting | publication.Distrusting
        self._standing = publication.Waiting(reason="no poll since the start")
        self._publication: publication.PublicationState = self._standing
        self._answered = self._barred
        self._known: Known | None = None
        self._hinted, self._polled_s = False, -publication.WAKE_GAP_S
        self._pushing, self._push_tries, self._push_at_s = False, 0, 0
        self._save_tries, self._save_at_s, self._save_trouble = 0, 0, ""
        self._sign_tries, self._sign_at_s, self._sign_trouble = 0, 0, ""
        self._shaped: tuple[ServedModel, ...] | None = None
        self._shape_tries, self._shape_at_s, self._shape_trouble = 0, 0, ""
        self._seen: Observation | None = None
        self._polled, self._told, self._number, self._stands = False, False, self._ledger.number, False
        self._look_for_damage()
        if recovered.begins:
            self._save(self._ledger)
        self._models.begin(recovered)

    def tick(self, now: datetime) -> None:
        """Make one turn: every step of the order, each up to where it must wait."""
        for step in (self._tend, self._poll, self._reconcile, self._serve, self._report):
            step(now)
            self._beat()
        self._stand()

    @property
    def serves(self) -> bool:
        """Whether all that the disk says to serve is served."""
        return self._shaped is not None and not self._shape_trouble

    @property
    def awaits(self) -> bool:
        """Whether the answer to a poll or a push is under way."""
        return self._polling or self._pushing

    @property
    def seen(self) -> Observation | None:
        """What the last turn saw; None before the first."""
        return self._seen

    @property
    def ledger(self) -> Ledger:
        """The reports so far."""
        return self._ledger

    def once(self) -> Outcome:
        """Make one turn and say what it came to."""
        self.tick(self._ports.clock.now())
        return self.outcome()

    def outcome(self) -> Outcome:
        """Say where the device stands."""
        if isinstance(self._standing, publication.Distrusting):
            return "refused"
        if self._orders is None or self._staleness(self._ports.clock.now()) is not None:
            return "not-converged"
        return "converged" if self._models.converged(self._orders) else "not-converged"

    def at_rest(self) -> dict[str, str]:
        """Return why models do not run what the publication of this run asks; empty while that may change by itself."""
        taken = self._known is not None and isinstance(self._standing, publication.Waiting)
        if not taken or self._orders is None or self._staleness(self._ports.clock.now()) is not None:
            return {}
        return self._models.at_rest(self._orders)

    def run(self, stop: Callable[[], bool]) -> None:
        """Make turns until `stop` says so."""
        while not (stop() or self.restarting):
            self.tick(self._ports.clock.now())
            self._ports.clock.sleep(TURN_S)

    @property
    def restarting(self) -> bool:
        """Whether this process shall end, so that the launcher starts another version of the agent."""
        return self._models.restarting

    def hint(self) -> None:
        """Poll at the next turn: something is said to have changed. It may be called from any thread."""
        self._hinted = True

    def _tend(self, now: datetime) -> None:  # noqa: ARG002 - every step of a turn has one shape
        try:
            self._ports.service.tend()
        except TransientError as error:
            _log.warning("the service could not be tended: %s", error)
        if self._shaped is None and self._now_s() >= self._shape_at_s:
            self._follow()  # before the poll: what is here serves, however long the network takes to answer

    def _poll(self, now: datetime) -> None:
        if self._barred or not (self._polling or self._begin_poll(now)):
            return
        ports = self._ports
        question = partial(pull, ports.source, ports.trust, self._settings, floor=self._floor, known=self._known)
        try:
            pulled = ports.polls.ask(partial(question, now=now))
        except TransientError as error:
            self._publish(self._missed(error))
            return
        if pulled is not None:
            self._publish(publication.Opened(commit=pulled.commit))
            self._publish(self._judged(pulled))

    @property
    def _polling(self) -> bool:
        return self._publication is not self._standing

    def _begin_poll(self, now: datetime) -> bool:
        now_s = self._now_s()
        hinted = self._hinted and now_s - self._polled_s >= publication.WAKE_GAP_S
        if now_s < self._standing.next_s and not hinted:
            return False
        self._hinted, self._polled_s = False, now_s
        ground = self._clock_floor()
        if now < ground:
            reason = f"the clock says {now:%Y-%m-%d %H:%M}, but it is {ground:%Y-%m-%d %H:%M} at least"
            self._publish(publication.ClockBehind(reason=reason, next_s=self._next_s(0)))
            return False
        self._publish(publication.PollDue())
        return True

    def _judged(self, pulled: Pulled) -> publication.PublicationEvent:
        verdict, next_s = pulled.verdict, self._next_s(0)
        if verdict is None:
            return publication.Unchanged(next_s=next_s)
        if isinstance(verdict, TrustError):
            self._ports.source.pass_over()
            return publication.Untrusted(rule=verdict.rule, reason=str(verdict), next_s=next_s)
        if isinstance(verdict, TransientError):
            self._ports.source.pass_over()
            return self._missed(verdict)
        try:
            keep(self._ports.store, verdict, self._floor)
        except TransientError as error:
            self._floor = recover(self._found()).floor  # the disk may have failed between the floor and the orders
            return self._missed(error)
        self._known, self._orders, self._floor = verdict.known, verdict.orders, verdict.floor
        return publication.Taken(orders=verdict.orders, floor=verdict.floor, next_s=next_s)

    def _missed(self, error: TransientError) -> publication.Missed:
        before = self._standing
        missed = before.missed if isinstance(before, publication.Waiting) else 0
        return publication.Missed(reason=str(error), next_s=self._next_s(missed + 1))

    def _next_s(self, missed: int) -> int:
        return publication.next_poll_s(self._now_s(), self._settings.poll_interval_s, missed, self._chance())

    def _reconcile(self, now: datetime) -> None:
        around = Surroundings(polled=self._polled, reached=self._polled and self._told, serving=self.serves)
        self._models.reconcile(self._orders, self._staleness(now), now, around)

    def _serve(self, now: datetime) -> None:  # noqa: ARG002
        if self._now_s() >= self._shape_at_s:
            self._follow()

    def _report(self, now: datetime) -> None:
        seen = Observation(
            orders=self._orders, conditions=self._conditions(now), models=self._models.report(self._orders)
        )
        self._seen = seen
        if self._answered and self._now_s() >= self._save_at_s:  # a start alone is no news
            untold = self._models.on_trial and self._ledger.number == self._number
            if untold or due(self._ledger, seen, self._settings, now):
                self._write(seen, now)
            elif self._save_trouble:
                self._save(self._ledger)
        if self._ledger.outbox and self._now_s() >= self._push_at_s:
            self._push()

    def _stand(self) -> None:
        """Let the launcher know that this version gets through a turn."""
        if self._stands or self._ports.runtimes is None:
            return
        try:
            self._ports.runtimes.stand()
            self._stands = True
        except TransientError as error:
            _log.warning("the launcher does not hear that this version stands: %s", error)

    def _write(self, seen: Observation, now: datetime) -> None:
        if self._now_s() < self._sign_at_s:
            return
        try:
            ledger = write_report(self._ledger, seen, self._settings, self._ports.signer, now)
        except (InputError, TransientError) as error:
            self._sign_at_s, self._sign_trouble = self._now_s() + pause_s(self._sign_tries), str(error)
            self._sign_tries += 1
            _log.warning("reports cannot be signed; it serves on: %s", error)
            return
        self._sign_tries, self._sign_trouble = 0, ""
        self._save(ledger)

    def _save(self, ledger: Ledger) -> None:
        """Make a ledger durable before anything of it is sent; where the disk does not take it, the last one stays."""
        try:
            self._ports.store.save_journal(REPORTS_ENTRY, ledger.encode())
        except TransientError as error:
            self._save_at_s, self._save_trouble = self._now_s() + pause_s(self._save_tries), str(error)
            self._save_tries += 1
            _log.warning("the disk does not take the reports: %s", error)
        else:
            self._ledger, self._save_tries, self._save_trouble = ledger, 0, ""

    def _push(self) -> None:
        given = self._ledger.outbox
        try:
            taken = self._ports.pushes.ask(lambda: self._pushed(given))
        except TransientError as error:
            self._pushing, self._push_at_s = False, self._now_s() + pause_s(self._push_tries)
            self._push_tries += 1
            _log.warning("reports stay in the outbox: %s", error)
            return
        self._pushing = taken is None
        if taken is not None:
            self._push_tries, self._told = 0, self._told or max(taken, default=0) > self._number
            self._ledger = self._ledger.without(taken)  # a disk that does not take this costs the same push again
            self._save(self._ledger)
            if self._ledger.outbox:  # made meanwhile
                self._push()

    def _pushed(self, reports: Mapping[int, bytes]) -> frozenset[int]:
        self._ports.sink.push(self._settings.device, reports)
        return frozenset(reports)

    def _shape(self) -> None:
        quarantine = None if self._orders is None else self._orders.quarantine
        wanted = served_models(self._ports.store, self._models.records, quarantine)
        if wanted == self._shaped:
            return
        try:
            self._ports.service.shape(wanted)
        except (InputError, TransientError) as error:
            self._shaped = None
            self._shape_trouble = str(error)
            self._shape_at_s = self._now_s() + pause_s(self._shape_tries)
            self._shape_tries += 1
            raise
        self._shaped, self._shape_tries, self._shape_trouble = wanted, 0, ""

    def _follow(self) -> None:
        try:
            self._shape()
        except (InputError, TransientError) as error:
            _log.warning("the service does not serve what the disk says: %s", error)

    def _publish(self, event: publication.PublicationEvent) -> None:
        before = self._publication
        self._publication = after = publication.advance(before, event)
        if isinstance(after, publication.Waiting | publication.Distrusting):
            self._standing, self._answered = after, True
        self._polled = self._polled or isinstance(event, publication.Taken | publication.Unchanged)
        if isinstance(event, publication.Taken | publication.Untrusted | publication.Missed | publication.ClockBehind):
            names = type(before).__name__, type(event).__name__, type(self._publication).__name__
            _log.info("publication: %s + %s -> %s: %s", *names, self._publication.reason)

    def _clock_floor(self) -> datetime:
        return self._settings.built_at if self._orders is None else max(self._settings.built_at, self._orders.issued_at)

    def _staleness(self, now: datetime) -> Staleness | None:
        if now < self._clock_floor():
            return "clock"
        state, orders = self._standing, self._orders
        expired = isinstance(state, publication.Distrusting) and state.rule in publication.EXPIRED_RULES
        if orders is not None and (expired or now > orders.not_after or _older(orders.floor, self._floor)):
            return "stale"
        return None

    def _conditions(self, now: datetime) -> tuple[Condition, ...]:
        found: dict[str, str] = {}
        staleness, state = self._staleness(now), self._standing
        if staleness == "stale":
            found["stale"] = "the publication has expired; it keeps serving and installs nothing new"
        if staleness == "clock":
            found["clock-behind"] = (
                f"the clock is behind {self._clock_floor():%Y-%m-%d %H:%M}; no poll until it is right"
            )
        if isinstance(state, publication.Distrusting) and state.rule not in publication.EXPIRED_RULES:
            found["trust-refused"] = state.reason
        self._look_for_damage()
        if self._damage:
            found["store-damaged"] = self._damage
        if isinstance(state, publication.Waiting) and state.missed:
            found["source-unreachable"] = state.reason
        if self._orders is not None and self._orders.state == "held":
            found["held"] = "the device is held: it keeps what it runs"
        if self._shape_trouble:
            found["not-serving"] = self._shape_trouble
        if self._sign_trouble:
            found["key-unavailable"] = self._sign_trouble
        if self._save_trouble:
            found["disk-full"] = self._save_trouble
        found.update(self._models.conditions(self._orders))
        return tuple(Condition(type=kind, note=note[:MAX_NOTE]) for kind, note in sorted(found.items()))

    def _look_for_damage(self) -> None:
        found = "; ".join((*self._notes, *self._ports.store.damage()))
        if found != self._damage:
            self._damage = found
            _log.warning("the store was damaged: %s", found)

    def _found(self) -> Found:
        orders = self._read(ORDERS_ENTRY, Orders.decode)
        floor: Entry[Floor]
        try:
            lying = self._ports.store.load_floor()
            floor = Entry(value=None if lying == GROUND else lying)
        except InputError as error:
            floor = Entry(trouble=str(error))
        earliest = self._settings.built_at if orders.value is None else orders.value.issued_at
        return Found(
            floor=floor,
            orders=orders,
            ledger=self._read(REPORTS_ENTRY, Ledger.decode),
            models=self._models.found(orders.value),
            beyond=int(max(self._ports.clock.now(), earliest).timestamp()),
            now_s=self._now_s(),
        )

    def _read(self, name: str, decode: Callable[[bytes], T]) -> Entry[T]:
        try:
            content = self._ports.store.load_journal(name)
            return Entry() if content is None else Entry(value=decode(content))
        except InputError as error:
            return Entry(trouble=str(error))

    def _now_s(self) -> int:
        return int(self._ports.clock.monotonic_s())


def _older(floor: Floor, other: Floor) -> bool:
    return (floor.epoch, floor.generation) < (other.epoch, other.generation)
