"""What a report says beside its dangers: who changes when, who joins cohorts, and what will not happen."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.fleet_changes import FIRST, NEW, NOW, PLACED, RINGS, ROLLED, edited, report_of, rolling
from fakes.fleet_files import fleet_files
from ringtide_engine.model.plan_report import PlanReport

Files = Mapping[str, bytes]
BASE = fleet_files()
FINISHED = b"""\
apiVersion: ringtide/v1
kind: Progress
rollout: digits-1.1.0
candidate: "1.1.0"
stable: null
phase: PHASE
control: {}
rings: []
last: {kind: KIND, reasons: [the evidence is old], at: "2026-11-22T09:00:00Z", evidence: progress/digits-1.1.0/0001.json}
"""
SECOND = rolling()[ROLLED].replace(b"name: digits-1.1.0", b"name: digits-1.2.0").replace(b'"1.1.0"', b'"1.2.0"')
PROGRESS = "progress/digits-1.1.0.yaml"


def judged(phase: bytes, kind: bytes) -> dict[str, bytes]:
    return {**rolling(), PROGRESS: FINISHED.replace(b"PHASE", phase).replace(b"KIND", kind)}


def pinned(files: Files, state: str = "active") -> dict[str, bytes]:
    return edited(files, FIRST, "state: active", f'state: {state}\npins: [{{model: digits, release: "1.0.0"}}]')


def said(report: PlanReport, kind: str) -> list[str]:
    return [
        f"{each.subject}: {each.message}: {each.why}: {each.until}" for each in report.omissions if each.kind == kind
    ]


FREEZE = b'freezes: [{from: "2026-12-20", to: "2027-01-06", zone: Europe/Berlin, reason: Holidays}]\n'


def stopped(field: str) -> dict[str, bytes]:
    path = "rollouts/digits-1.1.0.yaml"
    return {**rolling(), path: rolling()[path] + f'{field}: {{by: "@lena", reason: a look at it}}\n'.encode()}


OMITTED: Mapping[str, tuple[str, Callable[[], tuple[Files, Files]], str]] = {
    "held": ("held", lambda: (BASE, edited(rolling(), FIRST, "state: active", "state: held")), "takes no digits 1.1.0"),
    "pinned": ("pinned", lambda: (BASE, pinned(rolling())), "a pin keeps them"),
    "gates": ("gates", lambda: (BASE, rolling()), "ring canary has passed its gates"),
    "control": ("control", lambda: (BASE, rolling(30)), "compared with them"),
    "queued": (
        "queued",
        lambda: (BASE, {**rolling(), "rollouts/digits-1.2.0.yaml": SECOND}),
        "digits-1.1.0 has finished",
    ),
    "empty cohort": (
        "emptyCohort",
        lambda: (BASE, edited(BASE, "cohorts/eu.yaml", "region: eu", "region: mars")),
        "no device has the labels",
    ),
    "unfit": (
        "unfit",
        lambda: (BASE, edited(rolling(), NEW, "memory: 256MiB", "memory: 400MiB")),
        "no variant of it fits",
    ),
    "retired": ("retired", lambda: (BASE, pinned(BASE, "retired")), "the pins of 1 device do nothing"),
    "rolled back": ("finished", lambda: (judged(b"rolledBack", b"rollBack"),) * 2, "rolled it back"),
    "the judge holds": ("paused", lambda: (judged(b"rolling", b"hold"),) * 2, "the evidence is old"),
    "an unused ring plan": (
        "unused",
        lambda: (BASE, edited(BASE, RINGS, "soak: 1h", "soak: 2h")),
        "no rollout uses it now",
    ),
    "an unused release": (
        "unused",
        lambda: (BASE, edited(BASE, NEW, "riskTier: low", "riskTier: high")),
        "no placement, rollout or pin brings it",
    ),
    "an edited device": (
        "unused",
        lambda: (BASE, edited(BASE, FIRST, "site: eu-001", "site: eu-9")),
        "1 device edited",
    ),
    "a removed rollout": ("unused", lambda: (rolling(), BASE), "rollout digits-1.1.0: 1.1.0 goes to no further ring"),
    "a paused rollout": ("paused", lambda: (rolling(), stopped("paused")), "digits-1.1.0: no further ring opens"),
    "an aborted rollout": ("finished", lambda: (rolling(), stopped("abort")), "1.1.0 reaches nobody more"),
    "a freeze": (
        "paused",
        lambda: (rolling(), {**rolling(), "fleet.yaml": rolling()["fleet.yaml"] + FREEZE}),
        "no ring opens from 2026-12-20 until 2027-01-06, Europe/Berlin",
    ),
    "an edited class": (
        "unused",
        lambda: (BASE, edited(BASE, "hardware/edge-l.yaml", "maxOpset: 21", "maxOpset: 22")),
        "every device keeps its variant",
    ),
}


@pytest.mark.parametrize("name", OMITTED)
def test_what_will_not_happen_is_said_with_its_reason(name: str) -> None:
    kind, make, words = OMITTED[name]
    made = report_of(*make())
    assert any(words in each for each in said(made, kind)), [each.message for each in made.omissions]
    assert all(each.until and each.why for each in made.omissions)


def test_a_device_that_is_held_is_told_beside_what_moves_others() -> None:
    head = edited(BASE, FIRST, "state: active", "state: held")
    report = report_of(BASE, edited(head, "devices/edge-m-0002.yaml", "state: active", "state: retired"))
    assert report.plan is not None
    assert report.plan.changes
    (told,) = [each for each in report.omissions if each.subject == "edited devices"]
    assert told.devices.first == ("edge-s-0001",)


def test_a_cohort_in_reserve_is_no_news() -> None:
    reserve = b"apiVersion: ringtide/v1\nkind: Cohort\nname: spare\nselector:\n  matchLabels: {site: nowhere}\n"
    files = {**BASE, "cohorts/spare.yaml": reserve}
    assert said(report_of(BASE, files), "emptyCohort")
    assert not said(report_of(files, {**rolling(), "cohorts/spare.yaml": reserve}), "emptyCohort")


@pytest.mark.parametrize(
    ("head", "devices"),
    [
        ({path: each for path, each in BASE.items() if path != PLACED}, 12),
        (edited(BASE, PLACED, "cohort: all", "cohort: eu"), 6),
    ],
    ids=["a removed placement", "another cohort"],
)
def test_who_loses_a_model_loses_it_by_the_placement_that_brought_it(head: Files, devices: int) -> None:
    made = report_of(BASE, head)
    assert made.plan is not None
    assert [(each.cause, each.now, each.after) for each in made.plan.rows] == [
        ("placement digits-everywhere", devices, None)
    ]
    (lost,) = [each for each in made.dangers if each.id == "RT-DANGER-021"]
    assert lost.place.path == PLACED
    assert lost.message == f"{devices} devices lose digits"
    assert not any("placement" in each.subject for each in made.omissions)


def test_a_quarantined_release_reaches_nobody() -> None:
    entry = b"""\
apiVersion: ringtide/v1
kind: QuarantineEntry
model: digits
release: "1.1.0"
subject: release
graphs: []
reason: it harms devices
"""
    listed = {"quarantine/digits-1.1.0.yaml": entry}
    made = report_of({**BASE, **listed}, {**rolling(), **listed})
    (told,) = said(made, "quarantined")
    assert told.startswith("rollout digits-1.1.0: 12 devices take no digits 1.1.0: it is quarantined: it harms devices")
    assert not said(made, "unused")
    assert sum(each.row.now + each.row.later for each in made.rings) == 0
    assert (made.devices_now, made.devices_later) == (0, 0)


def test_a_moved_label_joins_and_leaves_and_says_what_runs() -> None:
    made = report_of(BASE, edited(BASE, FIRST, "region: eu", "region: us"))
    (left,) = made.memberships
    assert (left.cohort, left.left.count, left.left.first, left.joined.count) == ("eu", 1, ("edge-s-0001",), 0)
    back = report_of(edited(BASE, FIRST, "region: eu", "region: us"), BASE)
    assert back.memberships[0].joined.first == ("edge-s-0001",)


def test_a_device_that_leaves_a_placement_is_told_what_it_loses() -> None:
    narrow = edited(BASE, PLACED, "cohort: all", "cohort: eu")
    made = report_of(narrow, edited(narrow, FIRST, "region: eu", "region: us"))
    (left,) = made.memberships
    assert (left.placement, left.effect) == (
        "digits-everywhere",
        "those that leave: 1 device will run no digits (now 1.0.0)",
    )
    assert [each.id for each in made.dangers] == ["RT-DANGER-021"]


def test_strata_add_up_to_their_row() -> None:
    files = fleet_files(60, strata=("region",))
    made = report_of(files, {**files, ROLLED: rolling()[ROLLED]})
    assert len(made.rings) == 3
    for each in made.rings:
        assert sum(part.later for part in each.row.strata) == each.row.later > 0
        assert sum(part.fetch_bytes for part in each.row.strata) == each.row.fetch_bytes
    variants = {part.stratum: part.variants for part in made.rings[2].row.strata}
    assert variants["edge-s/region=eu"] == ("int8",)
    assert variants["edge-m/region=us"] == ("fp32",)
    assert (made.devices_total, made.devices_now, made.devices_later) == (60, 0, 60)


def test_rings_follow_each_other_by_probation_and_soak() -> None:
    made = report_of(BASE, rolling())
    at = NOW.replace(second=0)
    step = timedelta(hours=1, minutes=10)
    assert [each.starts.at for each in made.rings] == [at, at + step, at + 2 * step]
    assert [each.finishes.at for each in made.rings] == [at + step, at + 2 * step, at + 3 * step]
    assert made.rings[0].gates[0] == "90% of reachable devices confirmed, then a soak of 1h"
    assert made.at == at


def test_budgets_make_a_ring_begin_in_rounds_of_probation_and_report() -> None:
    """One device of a region at a time: a ring takes as many rounds as it has devices in one region."""
    base, change = fleet_files(strata=("region",)), fleet_files(rollout="1.1.0", strata=("region",))
    budget = "disruptionBudgets: [{label: region, maxUnavailable: 1}]\nmaxSilence: 24h"
    free = report_of(base, change)
    tight = report_of(*(edited(each, "fleet.yaml", "maxSilence: 24h", budget) for each in (base, change)))
    later = timedelta(0)
    for slow, quick in zip(tight.rings, free.rings, strict=True):
        regions: Counter[str] = Counter()
        for each in slow.row.strata:
            regions[each.stratum.partition("region=")[2]] += each.now + each.later
        later += (max(regions.values()) - 1) * timedelta(minutes=15)
        assert slow.finishes.at == (quick.finishes.at or NOW) + later
    assert later >= timedelta(minutes=45)
    assert "room in budgets" in tight.rings[-1].finishes.reason


def test_a_ring_begins_when_its_window_opens() -> None:
    window = "    spread: 0s\n    windows: [{days: [tue], from: '02:00', to: '04:00', zone: UTC}]\n"
    made = report_of(BASE, edited(rolling(), RINGS, "    spread: 0s\n", window))
    assert made.rings[0].starts.at == NOW.replace(day=24, hour=2, minute=0, second=0)
    assert "window" in made.rings[0].starts.reason


def test_what_can_never_pass_is_told_with_its_numbers() -> None:
    wanting = edited(rolling(), RINGS, "minDevices: 1", "minDevices: 50")
    made = report_of(BASE, wanting)
    assert made.unsatisfiable
    assert made.unsatisfiable[0].why.startswith("it asks for 50 devices")
    slow = report_of(BASE, edited(rolling(), RINGS, "soak: 1h", "soak: 5d"))
    assert any("its deadline is 3d" in each.why for each in slow.unsatisfiable)


def test_an_edited_ring_plan_under_way_shows_its_rings_again() -> None:
    made = report_of(rolling(), edited(rolling(), RINGS, "share: 25%", "share: 10%"))
    assert [each.row.ring for each in made.rings] == ["canary", "pilot", "rest"]
    assert made.plan is not None


def test_nothing_changed_is_empty() -> None:
    made = report_of(rolling(), rolling())
    assert made.is_empty
    assert made.memberships == made.dangers == ()


def test_the_time_of_day_leaves_the_plan_alone() -> None:
    one, other = (report_of(BASE, rolling(), NOW + timedelta(days=days)) for days in (0, 3))
    assert one.plan == other.plan
    assert one != other
    assert replace(one, rings=(), at=other.at) == replace(other, rings=())
