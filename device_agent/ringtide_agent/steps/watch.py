"""Watch a release on probation: counters since its activation against what the manifest allows."""

from dataclasses import dataclass

from ringtide_agent.decide import failed
from ringtide_agent.equipment import Ports
from ringtide_agent.events import Evidence, Failed, Passed, Stranded, Unproven
from ringtide_agent.limits import PROBATION_OVERDUE_FACTOR, PROBATION_OVERDUE_S
from ringtide_agent.ports import InferenceService
from ringtide_agent.state import Probation
from ringtide_agent.view import STAY, Next, View
from ringtide_contract.ids import Digest
from ringtide_contract.manifest import Probation as Terms
from ringtide_contract.report import MAX_NOTE, FailedStep, Failure

MIN_JUDGED = 20
"""Before the end of probation a share is taken of at least so many requests: one failure in three is no 33 %, but as
many failures as would break the limit among twenty end it at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """The release breaks a limit."""

    step: FailedStep
    """What it failed."""
    note: str
    """The figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """The release has shown what it had to."""

    note: str
    """The figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """Too early, or too few requests, to say."""

    note: str
    """What is lacking."""
    overdue: bool
    """Whether that has lasted long past the time."""


def watch(ports: Ports, view: View, state: Probation, terms: Terms) -> Passed | Failed | Stranded | Unproven | Next:
    """Judge the release by what it did since its activation."""
    now = evidence_of(ports.service, state.subject.manifest)
    at_s = int(ports.clock.monotonic_s())
    match judge(since(now, state.baseline), terms, at_s - state.entered_s):
        case Good() if ports.service.is_silent():
            return STAY  # figures of an earlier moment prove nothing; soon it answers, or is taken for hung
        case Good(note=note):
            return Passed(subject=state.subject, slot=state.slot, at_s=at_s, reason=note)
        case Bad(step=step, note=note):
            subject = state.subject
            failure = Failure(manifest=subject.manifest, release=subject.release, step=step, note=note[:MAX_NOTE])
            return failed(view, subject, failure)
        case Lacking(note=note, overdue=overdue):
            return Unproven(reason=note) if overdue and not state.overdue else STAY


def judge(seen: Evidence, terms: Terms, watched_s: int) -> Bad | Good | Lacking:
    """Compare evidence with the terms of a probation.

    A limit that is broken ends it at once. Otherwise both the time and the requests must be there: no evidence is never
    a pass, and only terms of no requests pass by time alone.

    Args:
        seen: Counters since the activation.
        terms: What the manifest allows.
        watched_s: Seconds since the activation.
    """
    complete = watched_s >= terms.seconds and seen.requests >= terms.min_requests
    floor = 1 if complete else MIN_JUDGED
    if seen.crashes > 0:
        return Bad(step="crash", note=f"the worker ended {seen.crashes} times unasked")
    for name, count, limit in (
        ("failed", seen.failures, terms.max_failure_ppm),
        ("were over the latency budget", seen.over_budget, terms.max_over_budget_ppm),
    ):
        if count * 1_000_000 > limit * max(seen.requests, floor):
            return Bad(step="probation", note=f"{count} of {seen.requests} requests {name} (limit {limit} ppm)")
    differed, tolerated = seen.compared - seen.agreed, 1_000_000 - terms.min_agreement_ppm
    if terms.min_agreement_ppm > 0 and differed * 1_000_000 > tolerated * max(seen.compared, MIN_JUDGED):
        note = f"{differed} of {seen.compared} answers differ from the stable release (at least {terms.min_agreement_ppm} ppm agree)"
        return Bad(step="probation", note=note)
    figures = f"{seen.requests} requests, {seen.failures} failed, {seen.over_budget} over budget in {watched_s} s"
    if complete:
        return Good(note=figures)
    overdue = watched_s >= max(PROBATION_OVERDUE_FACTOR * terms.seconds, PROBATION_OVERDUE_S)
    lacking = f"probation: {figures}; {terms.min_requests} requests in at least {terms.seconds} s are needed"
    return Lacking(note=f"overdue {lacking}" if overdue else lacking, overdue=overdue)


def evidence_of(service: InferenceService, manifest: Digest) -> Evidence:
    """Sum the counters of a manifest over serving sessions."""
    counters = [item for item in service.counters() if item.manifest == manifest]
    return Evidence(
        requests=sum(item.requests for item in counters),
        failures=sum(item.failures for item in counters),
        over_budget=sum(item.over_budget for item in counters),
        compared=sum(item.compared for item in counters),
        agreed=sum(item.agreed for item in counters),
        crashes=service.crashes(manifest),
    )


def since(now: Evidence, then: Evidence) -> Evidence:
    """Return what was added between two readings."""
    return Evidence(
        requests=now.requests - then.requests,
        failures=now.failures - then.failures,
        over_budget=now.over_budget - then.over_budget,
        compared=now.compared - then.compared,
        agreed=now.agreed - then.agreed,
        crashes=now.crashes - then.crashes,
    )
