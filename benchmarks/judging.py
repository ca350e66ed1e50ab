"""How long a verdict takes: to read what collectors keep, to count it, and to decide from what was counted.

`ringtide advance` does all three. The first two grow with the reports since the first ring opened, the third with strata.
"""

import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import numpy as np

from benchmarks.simulate import NOW, QUESTION, ROLLOUT, fleet
from fakes.fleet_files import device_ids, device_key
from fakes.reporting_devices import STABLE, counters, model, report
from ringtide_contract.envelope import REPORT, seal
from ringtide_contract.ids import Digest
from ringtide_contract.keys import PrivateKey
from ringtide_contract.report import ModelReport
from ringtide_engine.judge.collected import fill_segments, read_segment, write_line
from ringtide_engine.judge.documents import judged_files
from ringtide_engine.judge.exposure import ring_of
from ringtide_engine.judge.tally import tally
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.evidence import Observation, Subject, read_evidence, write_evidence
from ringtide_engine.model.progress import Progress
from ringtide_engine.model.verdict import RolloutView
from ringtide_engine.resolve import resolve
from ringtide_engine.simulate.assumptions import SOUND
from ringtide_engine.simulate.course import Course
from ringtide_engine.workflows.cases import case_of
from ringtide_engine.workflows.simulate import setting_of

SIZES = (50_000, 1_000_000)
ROUNDS = 3
RINGS_OPEN = 2
"""Of three: half of the fleet runs the candidate, the other half and the control do not."""

T = TypeVar("T")


def measure() -> Iterator[str]:
    """Yield the figures."""
    gc.set_threshold(50_000, 20, 50)  # as the command line sets it
    for size in SIZES:
        state = fleet(size)
        course = _half_way(state)
        if size == SIZES[0] and course.progress is not None:
            yield from _from_reports(state, course.view, course.progress, course.now)
        view = _committed(course.view)
        summary = write_evidence(course.evidence(course.tallies(names=True)), {"result": {}})
        took, (verdict, _) = _timed(lambda seen=view, read=summary: judged_files(seen, read_evidence(read)[0]))
        yield (
            f"{size:>9,} devices: decide from {len(course.tallies())} summaries ({len(summary) // 1024} KiB) and write "
            f"the evidence {took} ({verdict.kind})"
        )
    yield f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB"


def _half_way(state: DesiredState) -> Course:
    """Play the rollout until its second ring has been open for a day."""
    course = Course(setting_of(state, ROLLOUT, QUESTION, now=NOW), SOUND, np.random.default_rng(1))
    course.judge()
    while course.progress is None or len(course.progress.rings) < RINGS_OPEN:
        course.live()
        course.judge()
    for _ in range(24):
        course.live()
    return course


def _committed(view: RolloutView) -> RolloutView:
    """Return the rollout as if its last verdict had been committed, where the judge looks for it."""
    if view.progress is None:
        raise RuntimeError("the rollout of the benchmark has not begun")
    last = replace(view.progress.last, evidence=f"progress/{ROLLOUT}/0002.json")
    return replace(view, progress=replace(view.progress, last=last))


def _from_reports(state: DesiredState, view: RolloutView, progress: Progress, now: datetime) -> Iterator[str]:
    subjects = case_of(state, resolve(state), state.rollouts[ROLLOUT]).subjects
    opened = progress.rings[0].opened_at
    reports = [
        Observation(ingested_at=at, report=report(each.device, {view.model: part}, number))
        for each in subjects
        for number, (at, part) in enumerate(
            ((opened, _part(None, 100)), (now, _part(_asked(progress, each), 2_000))), 1
        )
    ]
    kind = f"{len(subjects):>9,} devices, {len(reports):,} reports"
    shared = next(iter(state.devices.values())).public_key
    segments = _segments(reports, next(key for key in map(device_key, device_ids()) if key.public_key() == shared))
    took, read = _timed(lambda: [each for path, body in segments for each in read_segment(path, body, state)], 1)
    if len(read) != len(reports):
        raise RuntimeError("the segments of the benchmark do not hold its reports")
    size = sum(len(body) for _, body in segments) / 1_000_000
    yield f"{kind}: read {size:.0f} MB of segments and check every signature {took}"
    took, _ = _timed(lambda: tally(view, subjects, read, now=now))
    yield f"{kind}: count them {took}"


def _asked(progress: Progress, subject: Subject) -> Digest | None:
    return None if ring_of(progress, subject) is None else subject.manifest


def _part(candidate: Digest | None, requests: int) -> ModelReport:
    return model("confirmed", candidate or STABLE, counters(candidate or STABLE, requests))


def _segments(reports: Sequence[Observation], key: PrivateKey) -> list[tuple[str, bytes]]:
    """Return the segments that a collector would have written; all devices of this fleet have one key."""
    lines = [write_line(seal(key, REPORT, each.report.encode()), each.ingested_at) for each in reports]
    return list(fill_segments(None, b"", lines, NOW).items())


def _timed(work: Callable[[], T], rounds: int = ROUNDS) -> tuple[str, T]:
    """Return how long it takes, in words, and what came of it."""
    walls, times = [], []
    for _ in range(rounds):
        wall, started = time.perf_counter(), time.process_time()
        answer = work()
        times.append(time.process_time() - started)
        walls.append(time.perf_counter() - wall)
    said = f"{statistics.median(times):.2f} s CPU, {statistics.median(walls):.2f} s wall"
    return (said if rounds == 1 else f"{said} (CPU {min(times):.2f} to {max(times):.2f}, {rounds} runs)"), answer
