"""Scores: what each device's requests came to, span by span, and how it fared beside its pair in the control.

A device is scored once in each span, when it has served the requests of the span, and never again: so it weighs as much
as any other, however many requests it serves, and what it does later cannot take back what it did. Spans double, to
find what shows late. Pairs are made by bucket within the stratum, which is chance: the lowest exposed device with the
highest of the control, and so on while there are both.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ringtide_contract.ids import Digest
from ringtide_contract.report import Counters
from ringtide_engine.model.betting import rounded
from ringtide_engine.model.spans import MAX_SPANS, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Requests of one device up to some report."""

    requests: int
    """Requests."""
    failures: int
    """Failed ones."""
    over_budget: int
    """Slow ones."""
    compared: int
    """Compared ones."""
    agreed: int
    """Compared ones with the stable release's answer."""
    windows: int
    """Windows held against the drift reference."""
    drifted: int
    """Windows unlike it."""

    def minus(self, before: "Totals") -> "Totals":
        """Return what came after `before`; a counter that went down counts for nothing."""
        return Totals(
            requests=max(0, self.requests - before.requests),
            failures=max(0, self.failures - before.failures),
            over_budget=max(0, self.over_budget - before.over_budget),
            compared=max(0, self.compared - before.compared),
            agreed=max(0, self.agreed - before.agreed),
            windows=max(0, self.windows - before.windows),
            drifted=max(0, self.drifted - before.drifted),
        )


NOTHING = Totals(requests=0, failures=0, over_budget=0, compared=0, agreed=0, windows=0, drifted=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One device in one span: shares as numerator and denominator."""

    failed: tuple[int, int]
    """Failed requests of requests."""
    slow: tuple[int, int]
    """Requests over budget of requests."""
    disagreed: tuple[int, int] | None
    """Answers other than the stable release's of compared requests; None where nothing was compared."""
    drifted: tuple[int, int] | None
    """Windows unlike the drift reference of windows; None where none was complete."""


def running_totals(
    reports: Iterable[Sequence[Counters]], *, of: Digest | None = None, but: Digest | None = None
) -> list[Totals]:
    """Return what a device had served at each report.

    Args:
        reports: The counters of each of its reports, oldest first; they are cumulative within a session.
        of: The manifest whose requests count; None for all.
        but: A manifest whose requests do not count.
    """
    newest: dict[tuple[str, str], Counters] = {}
    totals: list[Totals] = []
    requests = failures = over_budget = compared = agreed = windows = drifted = 0
    for counters in reports:
        for each in counters:
            if each.manifest == but or of not in (None, each.manifest):
                continue
            before = newest.get((each.manifest, each.session))
            if before is not None:
                requests -= before.requests
                failures -= before.failures
                over_budget -= before.over_budget
                compared -= before.compared
                agreed -= before.agreed
                windows -= before.drift_windows
                drifted -= before.drifted_windows
            newest[each.manifest, each.session] = each
            requests += each.requests
            failures += each.failures
            over_budget += each.over_budget
            compared += each.compared
            agreed += each.agreed
            windows += each.drift_windows
            drifted += each.drifted_windows
        totals.append(
            Totals(
                requests=requests,
                failures=failures,
                over_budget=over_budget,
                compared=compared,
                agreed=agreed,
                windows=windows,
                drifted=drifted,
            )
        )
    return totals


def scores_of(totals: Sequence[Totals], requests: int) -> tuple[Score, ...]:
    """Cut a device's history into spans of `requests` and more, each at least twice as long as the one before."""
    scores: list[Score] = []
    start, wanted = NOTHING, requests
    for total in totals:
        if total.requests - start.requests < wanted:
            continue
        span = total.minus(start)
        scores.append(
            Score(
                failed=(min(span.failures, span.requests), span.requests),
                slow=(min(span.over_budget, span.requests), span.requests),
                disagreed=(span.compared - min(span.agreed, span.compared), span.compared) if span.compared else None,
                drifted=(min(span.drifted, span.windows), span.windows) if span.windows else None,
            )
        )
        if len(scores) == MAX_SPANS:
            break
        start, wanted = total, 2 * wanted
    return tuple(scores)


def spans(exposed: Sequence[Sequence[Score]], control: Sequence[Sequence[Score]]) -> tuple[Span, ...]:
    """Count devices by score, span by span.

    Args:
        exposed: The scores of each device that counts, in the order in which pairs are made.
        control: The scores of each device to pair them with, in order; none for the control itself.
    """
    made: list[Span] = []
    for place in range(max((len(each) for each in exposed), default=0)):
        here = [each[place] for each in exposed if len(each) > place]
        pairs = [
            (one[place], other[place])
            for one, other in zip(exposed, control, strict=False)
            if len(one) > place and len(other) > place
        ]
        made.append(
            Span(
                failed=Counter(rounded(*each.failed) for each in here),
                slow=Counter(rounded(*each.slow) for each in here),
                disagreed=Counter(rounded(*each.disagreed) for each in here if each.disagreed),
                drifted=Counter(rounded(*each.drifted) for each in here if each.drifted),
                failed_pairs=Counter(_difference(one.failed, other.failed) for one, other in pairs),
                slow_pairs=Counter(_difference(one.slow, other.slow) for one, other in pairs),
            )
        )
    return tuple(made)


def _difference(one: tuple[int, int], other: tuple[int, int]) -> int:
    part, whole = one[0] * other[1] - other[0] * one[1], one[1] * other[1]
    return rounded(part, whole) if part >= 0 else -rounded(-part, whole)


def added(spans: Iterable[Sequence[Span]]) -> tuple[Span, ...]:
    """Add the spans of several groups of devices."""
    groups = [tuple(each) for each in spans]
    longest = max((len(each) for each in groups), default=0)
    return tuple(
        Span(
            failed=_sum(each[place].failed for each in groups if len(each) > place),
            slow=_sum(each[place].slow for each in groups if len(each) > place),
            disagreed=_sum(each[place].disagreed for each in groups if len(each) > place),
            drifted=_sum(each[place].drifted for each in groups if len(each) > place),
            failed_pairs=_sum(each[place].failed_pairs for each in groups if len(each) > place),
            slow_pairs=_sum(each[place].slow_pairs for each in groups if len(each) > place),
        )
        for place in range(longest)
    )


def _sum(counts: Iterable[Mapping[int, int]]) -> Mapping[int, int]:
    total: Counter[int] = Counter()
    for each in counts:
        total.update(each)
    return total
