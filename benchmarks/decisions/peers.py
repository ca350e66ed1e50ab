"""The rules of peers, from their documentation, with their documented values and with tuned ones.

All of them look at rings as ours does, in every tick. What a product leaves open is decided in its favour.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.decisions.course import HOLD, PROMOTE, ROLL_BACK, Course
from benchmarks.decisions.world import SOAK, Bools, Floats, Ints


def decision(back: Bools, on: Bools) -> Ints:
    """Return what to do: roll back where told, else promote where told, else hold."""
    return np.where(back, ROLL_BACK, np.where(on, PROMOTE, HOLD)).astype(np.int64)


def ratio(part: Ints, whole: Ints, nothing: float) -> Floats:
    """Return shares, and `nothing` where there is nothing to divide."""
    return np.where(whole > 0, part / np.maximum(whole, 1), nothing)


def reached(course: Course) -> tuple[Ints, Ints, Ints]:
    """Return, of the newest ring: devices, those that have activated for a tick or more, and those that failed."""
    ring = course.in_newest
    done = ring & (course.activated >= 0) & (course.now > course.activated)
    return ring.sum(1), done.sum(1), (done & course.reverted).sum(1)


def soaked(course: Course) -> Bools:
    """Tell where the newest ring has served for a day with most of its devices."""
    size, done, _ = reached(course)
    return (course.age >= SOAK) & (done >= 0.6 * size)


@dataclass
class FlightControl:
    """A batch ends when its devices are done, or after 24 hours; it passes with 90 % success.

    flightctl, docs/user/managing-fleets.md, rollout policy: `successThreshold`, `defaultUpdateTimeout`. It sees no requests.
    """

    name: str = "Flight Control"
    threshold: float = 0.90

    def begin(self, course: Course) -> None:
        """Nothing is kept."""

    def decide(self, course: Course) -> Ints:
        """Judge a batch at its end."""
        size, done, failed = reached(course)
        over = (done == size) | (course.age >= 6)
        success = ratio(done - failed, done, 0.0)
        return decision(over & (success < self.threshold), over & (success >= self.threshold))


@dataclass
class HawkBit:
    """A group starts the next one at 50 % success, and pauses the rollout above 10 % errors.

    Eclipse hawkBit, docs/rollout-management.md: success condition and error condition of a group, by its number of devices.
    """

    name: str = "hawkBit"
    threshold: float = 0.10

    def begin(self, course: Course) -> None:
        """Nothing is kept."""

    def decide(self, course: Course) -> Ints:
        """Look at the running group."""
        size, done, failed = reached(course)
        bad = failed > self.threshold * size
        return decision(bad, ~bad & ((done - failed >= 0.5 * size) | (done == size)) & (done > 0))


@dataclass
class AwsIotJobs:
    """A job is cancelled above 20 % failures, once ten devices have executed it.

    AWS IoT Core, API reference, AbortCriteria: `thresholdPercentage`, `minNumberOfExecutedThings`.
    """

    name: str = "AWS IoT Jobs"
    threshold: float = 0.20
    least: int = 10

    def begin(self, course: Course) -> None:
        """Nothing is kept."""

    def decide(self, course: Course) -> Ints:
        """Look at all executions so far; the rate grows when the ring has executed."""
        done = (course.activated >= 0) & (course.now > course.activated)
        executed, failed = done.sum(1), (done & course.reverted).sum(1)
        bad = (executed >= self.least) & (failed > self.threshold * executed)
        size, mine, _ = reached(course)
        return decision(bad, ~bad & (mine >= 0.9 * size))


@dataclass
class ArgoRollouts:
    """A measurement fails below 95 % success; more than three failed ones abort.

    Argo Rollouts, docs/features/analysis.md: `successCondition: result[0] >= 0.95`, `failureLimit: 3`.
    """

    name: str = "Argo Rollouts"
    threshold: float = 0.95
    limit: int = 3

    def begin(self, course: Course) -> None:
        """Start to count failed measurements."""
        self._failed = np.zeros(len(course.newest), np.int64)

    def decide(self, course: Course) -> Ints:
        """Measure the candidate's requests of this tick, and its updates."""
        bad = _success(course) < self.threshold
        self._failed += bad
        back = self._failed > self.limit
        return decision(back, ~back & soaked(course))


@dataclass
class Flagger:
    """A check fails below 99 % success, or where the slowest requests are over budget; five failed ones roll back.

    Flagger, docs/gitbook/usage/how-it-works.md and metrics.md: `threshold: 5`, `request-success-rate` min 99, `request-duration` p99.
    """

    name: str = "Flagger"
    threshold: float = 0.99
    slow: float = 0.05
    limit: int = 5

    def begin(self, course: Course) -> None:
        """Start to count failed checks."""
        self._failed = np.zeros(len(course.newest), np.int64)

    def decide(self, course: Course) -> Ints:
        """Check the candidate's requests of this tick."""
        exposed = course.exposed
        slow = ratio((course.slow * exposed).sum(1), (course.served * exposed).sum(1), 0.0)
        self._failed += (_success(course) < self.threshold) | (slow > self.slow)
        back = self._failed >= self.limit
        return decision(back, ~back & soaked(course))


@dataclass
class Kayenta:
    """At the end of a ring, rates of the candidate's devices against the control's by the Mann-Whitney test at 98 %.

    Spinnaker Kayenta, NetflixACAJudge and MannWhitneyClassifier: confidence 0.98, tolerance 0.25 of the baseline's median.
    The points are the devices' rates over the ring.
    """

    name: str = "Kayenta"
    threshold: float = 2.326
    tolerance: float = 0.25

    def begin(self, course: Course) -> None:
        """Start to sum up requests."""
        self._sums = np.zeros((3, *course.fleet.ring.shape), np.int64)
        self._ring = course.newest.copy()

    def decide(self, course: Course) -> Ints:
        """Judge a ring at its end."""
        fresh = self._ring != course.newest
        self._sums[:, fresh] = 0
        self._ring = course.newest.copy()
        counted = course.exposed | course.fleet.control
        for place, what in enumerate((course.served, course.failed, course.slow)):
            self._sums[place] += np.where(counted, what, 0)
        over = soaked(course)
        back = np.zeros(len(over), bool)
        for run in np.flatnonzero(over & (course.ended < 0)):
            back[run] = self._worse(course, int(run))
        return decision(back & over, over)

    def _worse(self, course: Course, run: int) -> bool:
        served = self._sums[0, run]
        ours = course.exposed[run] & (served > 0) & ~course.fleet.control[run]
        theirs = course.fleet.control[run] & (served > 0)
        if ours.sum() < 3 or theirs.sum() < 3:
            return False
        for bad in (self._sums[1, run], self._sums[2, run]):
            one, other = bad[ours] / served[ours], bad[theirs] / served[theirs]
            if _mann_whitney(one - self.tolerance * np.median(other), other) > self.threshold:
                return True
        return False


def _success(course: Course) -> Floats:
    """Return the lower of two success rates: of the candidate's requests in this tick, and of its updates."""
    exposed = course.exposed
    requests = ratio(((course.served - course.failed) * exposed).sum(1), (course.served * exposed).sum(1), 1.0)
    _, done, failed = reached(course)
    return np.minimum(requests, ratio(done - failed, done, 1.0))


def _mann_whitney(one: Floats, other: Floats) -> float:
    """Return the standard normal deviate of "one is larger" (H. Mann, D. Whitney, 1947), ties by mid-ranks."""
    both = np.concatenate((one, other))
    values, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = len(one), len(other)
    mean = n * m / 2
    ties = (counts**3 - counts).sum() / ((n + m) * (n + m - 1))
    spread = np.sqrt(n * m / 12 * (n + m + 1 - ties))
    score = ranks[:n].sum() - n * (n + 1) / 2
    return float((score - mean) / spread) if spread > 0 and len(values) > 1 else 0.0
