"""The story: 1.0 everywhere, 1.1 ring by ring, 1.2 stopped at the canary and rolled back by a commit."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ringtide_contract import membership
from ringtide_contract.errors import TransientError
from ringtide_contract.ids import DeviceId
from ringtide_contract.report import ModelReport
from ringtide_engine.demo import fleet
from ringtide_engine.demo.agents import AgentProcess, Places
from ringtide_engine.demo.images import live_images
from ringtide_engine.demo.operator import Merged, Operator
from ringtide_engine.demo.outcome import DemoOutcome, DeviceOutcome
from ringtide_engine.demo.releases import release_files
from ringtide_engine.demo.traffic import Traffic
from ringtide_engine.demo.voice import Voice

FIRST, GOOD, BAD = "1.0.0", "1.1.0", "1.2.0"

_TURN_S = 2
"""Seconds between two looks at the reports."""

_PATIENCE_S = 180
"""No wait of the story takes longer; past it the demo fails and says what it waited for."""

Disturbance = Callable[[Sequence[AgentProcess]], None]
"""Called at every turn of a rollout with the agents that run: how a test makes their life hard."""


class Story:
    """The demo, told once."""

    def __init__(self, places: Places, voice: Voice, disturb: Disturbance | None = None) -> None:
        """Prepare; nothing is started yet."""
        self._places = places
        self._voice = voice
        self._disturb = disturb
        self._agents = {facts.id: AgentProcess(facts, places) for facts in fleet.devices()}
        self._traffic = Traffic(live_images())
        self._told = 0
        self._accepted = 0
        self._refused: list[str] = []
        self._memory_mib = 0.0
        self._served_bad: set[str] = set()
        self._started = time.monotonic()

    def tell(self) -> DemoOutcome:
        """Tell the story and return how it ended; every process that was started is ended.

        Raises:
            TransientError: Something took too long, or a process failed.
        """
        self._traffic.start()
        try:
            self._operator = Operator(self._places)
            self._first_release()
            offline = self._good_release()
            canary = self._bad_release()
            return self._ending(offline, canary)
        finally:
            self._traffic.stop()
            with ThreadPoolExecutor() as pool:
                list(pool.map(AgentProcess.stop, self._agents.values()))

    def _first_release(self) -> None:
        voice, operator = self._voice, self._operator
        voice.scene(f"1. {len(self._agents)} devices, three kinds of hardware, release {FIRST}")
        operator.commit(operator.trust_files(), "Establish trust: root 3 of 5, targets 2 of 3")
        voice.say("root, targets, tuf and statement keys made, each in a custody of its own; trust committed")
        with ThreadPoolExecutor(2) as pool:
            documents = list(pool.map(AgentProcess.enroll, self._agents.values()))
        enrolled = {f"devices/{device}.yaml": text for device, text in zip(self._agents, documents, strict=True)}
        voice.say(f"{len(enrolled)} devices enrolled; each made its own key, only public keys travel")
        merged = operator.merge(
            {
                **fleet.base_files(self._places.store.as_uri()),
                **enrolled,
                **release_files(operator.store, FIRST),
                **fleet.placement_file(FIRST),
            },
            f"Place digits {FIRST} on every device",
        )
        self._show(merged)
        for agent in self._agents.values():
            self._start(agent)
        self._await_release(FIRST, self._agents)

    def _good_release(self) -> str:
        voice = self._voice
        voice.scene(f"2. {GOOD} is better: canary, pilot, rest")
        offline = self._last_in_line(GOOD)
        self._traffic.exclude(offline)
        self._agents[offline].stop()
        voice.say(f"{offline} loses its network and power; a rollout does not wait for it")
        self._show(self._rollout(GOOD))
        self._await(
            lambda: self._approved(GOOD) and self._confirmed_on(GOOD) >= len(self._agents) - 1,
            f"the rollout of {GOOD} to complete",
            disturbed=True,
        )
        voice.say(f"{offline} comes back, and finds that the world has moved on")
        self._start(self._agents[offline])
        self._await_release(GOOD, self._agents)
        return offline

    def _bad_release(self) -> tuple[str, ...]:
        voice = self._voice
        voice.scene(f"3. {BAD} is perfect on its own golden set, and wrong in the field")
        self._show(self._rollout(BAD))
        self._await(lambda: self._phase(BAD) == "rolledBack", f"{BAD} to be rolled back")
        canary = self._operator.exposed_by(fleet.rollout_name(BAD))
        self._await_release(GOOD, self._agents)
        return canary

    def _ending(self, offline: str, canary: tuple[str, ...]) -> DemoOutcome:
        self._voice.scene("4. What each device runs, and how often it is right")
        reports = self._models()
        tallies = self._traffic.tallies()
        devices = tuple(
            DeviceOutcome(
                id=device,
                hardware_class=agent.facts.hardware_class,
                release=report.active.release if (report := reports[DeviceId(device)]).active else None,
                variant=report.active.variant if report.active else None,
                phase=report.phase,
                accuracy={
                    release: tally.right / tally.asked
                    for (asked, release), tally in sorted(tallies.items())
                    if asked == device and tally.asked
                },
            )
            for device, agent in self._agents.items()
        )
        served = {device for (device, release), tally in tallies.items() if release == BAD and tally.asked}
        verified = self._operator.verify()
        return DemoOutcome(
            devices=devices,
            good=GOOD,
            bad=BAD,
            canary=canary,
            exposed=tuple(sorted(served | self._served_bad)),
            offline=offline,
            roll_back_commit=next(
                info.id for info in reversed(self._operator.verdicts()) if info.message.startswith("Roll back")
            ),
            quarantined=tuple(f"{entry.model} {entry.release}" for entry in self._operator.quarantined()),
            reports_accepted=self._accepted,
            reports_refused=len(self._refused),
            generations=verified.generation,
            verified=verified.devices == len(self._agents),
            supervisor_memory_mib=self._memory_mib,
            seconds=time.monotonic() - self._started,
            folder=None,
        )

    def _rollout(self, candidate: str) -> Merged:
        files = {**release_files(self._operator.store, candidate), **fleet.rollout_file(candidate)}
        return self._operator.merge(files, f"Roll out digits {candidate}")

    def _show(self, merged: Merged) -> None:
        self._voice.plan(merged.plan)
        for sentence in merged.simulated:
            self._voice.say(f"simulated: {sentence}")
        self._voice.say(f"merged as {merged.commit[:12]}, published as generation {merged.outcome.generation}")

    def _start(self, agent: AgentProcess) -> None:
        agent.start()
        self._traffic.include(agent.facts.id, "127.0.0.1", agent.port)

    def _await_release(self, release: str, agents: Mapping[str, AgentProcess]) -> None:
        self._await(lambda: self._confirmed_on(release) == len(agents), f"all devices to confirm {release}")
        self._voice.say(f"{len(agents)} devices run {release}, confirmed")

    def _await(self, done: Callable[[], bool], what: str, *, disturbed: bool = False) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not self._turn(done):
            if time.monotonic() > deadline:
                raise TransientError(f"waited {_PATIENCE_S} seconds for {what}: {self._state_of_things()}")
            if disturbed and self._disturb is not None:
                self._disturb([agent for agent in self._agents.values() if agent.running()])
            time.sleep(_TURN_S)

    def _turn(self, done: Callable[[], bool]) -> bool:
        collected = self._operator.collect()
        self._accepted += collected.accepted
        self._refused += [f"{finding.rule} {finding.message}" for finding in collected.findings]
        self._operator.advance()
        verdicts = self._operator.verdicts()
        for info in verdicts[self._told :]:
            title, _, body = info.message.partition("\n")
            self._voice.verdict(title, [line.partition(": ")[2] for line in body.splitlines() if line.startswith("- ")])
        self._told = len(verdicts)
        for device, model in self._models().items():
            if model.active is not None and model.active.release == BAD:
                self._served_bad.add(device)
        self._memory_mib = max([self._memory_mib, *(agent.peak_memory_mib() for agent in self._agents.values())])
        return done()

    def _models(self) -> Mapping[DeviceId, ModelReport]:
        reports = self._operator.last_reports()
        return {
            device: report.models[fleet.MODEL] for device, report in reports.items() if fleet.MODEL in report.models
        }

    def _confirmed_on(self, release: str) -> int:
        return sum(
            model.phase == "confirmed" and model.active is not None and model.active.release == release
            for model in self._models().values()
        )

    def _phase(self, candidate: str) -> str | None:
        return self._operator.phase_of(fleet.rollout_name(candidate))

    def _approved(self, candidate: str) -> bool:
        """Let a ring open that asks for it; tell whether the rollout is complete."""
        name = fleet.rollout_name(candidate)
        ring = self._operator.awaited_ring(name)
        if ring is not None:
            merged = self._operator.approve(name, ring, fleet.APPROVER)
            self._voice.say(f"{fleet.APPROVER} has approved ring {ring}, merged as {merged.commit[:12]}")
        return self._phase(candidate) == "completed"

    def _last_in_line(self, candidate: str) -> str:
        """Return the device that a rollout reaches last: the one with the highest bucket."""
        salt = membership.salt(fleet.FLEET, fleet.rollout_name(candidate), candidate)
        return max(self._agents, key=lambda device: membership.bucket(salt, device))

    def _state_of_things(self) -> str:
        return "; ".join(f"{device} {model.phase}: {model.reason}" for device, model in sorted(self._models().items()))
