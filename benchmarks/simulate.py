"""How long a simulated rollout of three weeks takes, and what it says: three hardware tiers, half the fleet offline."""

import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from fakes.fleet_files import HARDWARE, REGIONS, fleet_files
from ringtide_contract.ids import DeviceId
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.simulate.assumptions import SOUND, Assumptions, Fault
from ringtide_engine.simulate.course import run
from ringtide_engine.workflows.simulate import Question, setting_of, simulate

ROLLOUT = "digits-1.1.0"
SIZES = (50_000, 1_000_000)
SOAK = "5d"
"""With three rings of this the rollout lasts for most of the three weeks."""

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
QUESTION = Question(fault=Fault(fails=0.05, only="edge-m"), assumed=Assumptions(offline=0.5), runs=5)


def measure() -> Iterator[str]:
    """Yield the figures."""
    for size in SIZES:
        state = fleet(size)
        started = time.process_time()
        setting = setting_of(state, ROLLOUT, QUESTION, now=NOW)
        prepared = time.process_time() - started
        started = time.process_time()
        sound = run(setting, SOUND, (1,))
        took = time.process_time() - started
        ended = "not at all" if sound.ended_s is None else f"after {sound.ended_s / 86_400:.1f} days"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield (
            f"{size:>9,} devices, 21 days: resolve and place {prepared:5.1f} s CPU, one run {took:5.1f} s CPU "
            f"({sound.phase} {ended}), peak memory of this process {peak:,.0f} MiB"
        )
        if size == SIZES[0]:
            started = time.process_time()
            found = simulate(state, ROLLOUT, QUESTION, now=NOW)
            yield f"{size:>9,} devices, {QUESTION.runs} runs of each candidate {time.process_time() - started:.1f} s CPU: {found.sentence}"


def fleet(devices: int) -> DesiredState:
    """Return a fleet of three hardware tiers, a third of the devices each; keys are no part of a simulation."""
    state = load_desired(fleet_files(12, rollout=ROLLOUT.removeprefix("digits-"), soak=SOAK)).state
    if state is None:
        raise RuntimeError("the fleet of the benchmark has findings")
    one, tiers = next(iter(state.devices.values())), tuple(HARDWARE)
    labels = [{"region": region} for region in REGIONS]
    made = {}
    for number in range(devices):
        tier = tiers[number % len(tiers)]
        name = DeviceId(f"{tier}-{number:07}")
        made[name] = replace(one, id=name, hardware_class=tier, labels=labels[number // len(tiers) % len(labels)])
    return replace(state, devices=made)
