"""What people say while a rollout is under way: approvals, pause, abort, freezes."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from fakes.judged_rollouts import HOUR, NAME, World, confirmed, fleet, on_stable, plan, reverted, ring, soaked, started
from ringtide_engine.judge.documents import judged_files
from ringtide_engine.model.people import Abort, Approval, ApprovalNeed, Freeze, Pause

PAUSE = Pause(by="@lena", reason="the line is being rebuilt", since=date(2026, 11, 23))
ABORT = Abort(by="@lena", reason="the customer asked for it")
TEAM = ("@example/fleet-operations", "@example/safety")


def said(world: World, **changes: Any) -> World:
    """Let people change the rollout's document."""
    rollout = replace(world.state.rollouts[NAME], **changes)
    return replace(world, state=replace(world.state, rollouts={NAME: rollout}))


def frozen(world: World, *freezes: Freeze) -> World:
    return replace(world, state=replace(world.state, fleet=replace(world.state.fleet, freezes=freezes)))


def freeze(first: str, until: str, zone: str = "Europe/Berlin") -> Freeze:
    return Freeze(first=date.fromisoformat(first), until=date.fromisoformat(until), zone=zone, reason="Holidays")


def approval(by: str, ring_name: str | None = "pilot") -> Approval:
    return Approval(by=by, role="operations", day=date(2026, 11, 20), ring=ring_name)


def asking(least: int = 1, approvers: tuple[str, ...] = TEAM) -> World:
    """Return a rollout whose canary has passed, and whose pilot ring asks for approvals."""
    need = ApprovalNeed(approvers=approvers, least=least)
    rings = plan(ring("canary", "1/10"), replace(ring("pilot", "1/2"), approval=need), ring("rest", "1"))
    return soaked(started(ring_plan=rings))


def codes(world: World) -> list[str]:
    return [reason.code for reason in world.verdict().reasons]


def evidence_of(world: World) -> dict[str, Any]:
    written = judged_files(world.view, world.evidence())[1]
    return json.loads(next(text for path, text in written.items() if path.endswith(".json")))


def test_a_ring_that_asks_for_an_approval_does_not_open_without_one() -> None:
    world = asking()
    verdict = world.verdict()
    assert (verdict.kind, codes(world)) == ("hold", ["approval"])
    assert verdict.reasons[0].subject == "pilot"
    assert verdict.reasons[0].text == f"ring pilot: opens after 1 more approval of {', '.join(TEAM)}"
    opened = said(world, approvals=(approval(TEAM[0]),)).verdict()
    assert opened.kind == "promote"
    assert opened.progress.rings[-1].name == "pilot"


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        ([], 2),
        ([approval(TEAM[0])], 1),
        ([approval(TEAM[0]), approval(TEAM[0])], 1),
        ([approval(TEAM[0]), approval(TEAM[0].upper())], 1),
        ([approval(TEAM[0]), approval("@somebody/else")], 1),
        ([approval(TEAM[0]), approval(TEAM[1], "rest")], 1),
        ([approval(TEAM[0]), approval(TEAM[1], None)], 1),
        ([approval(TEAM[0]), approval(TEAM[1])], 0),
    ],
    ids=["none", "one", "one twice", "one twice by case", "not asked", "of another ring", "of no ring", "two"],
)
def test_only_different_people_who_are_asked_and_name_the_ring_count(given: list[Approval], lacking: int) -> None:
    world = said(asking(least=2), approvals=tuple(given))
    held = [reason.text for reason in world.verdict().reasons if reason.code == "approval"]
    assert [f"{lacking} more" in text for text in held] == [True] * bool(lacking)
    assert (world.verdict().kind == "promote") == (lacking == 0)


def test_where_nobody_is_named_anybody_may_approve() -> None:
    world = asking(approvers=())
    assert codes(world) == ["approval"]
    assert said(world, approvals=(approval("@anybody"),)).verdict().kind == "promote"


def test_a_first_ring_that_asks_is_waited_for_too() -> None:
    need = ApprovalNeed(approvers=(), least=1)
    world = World(state=fleet(ring_plan=plan(replace(ring("canary", "1/10"), approval=need), ring("rest", "1"))))
    assert (world.verdict().kind, codes(world)) == ("hold", ["approval"])
    assert world.judged().verdict().kind == "hold", "and no ring opens later by the hold having been recorded"
    opened = said(world.judged(), approvals=(approval("@a", "canary"),)).verdict()
    assert [reason.code for reason in opened.reasons] == ["start", "approved"]


def test_an_approval_given_before_opens_nothing_that_the_evidence_does_not() -> None:
    world = said(started(ring_plan=asking().state.ring_plans["standard"]), approvals=(approval(TEAM[0]),))
    assert "quorum" in [reason.code for reason in world.later(HOUR).heard(on_stable).verdict().reasons]


def test_the_evidence_and_the_reasons_name_who_approved() -> None:
    world = said(asking(), approvals=(approval(TEAM[1]), approval("@x", "rest")))
    assert "ring pilot: approved by @example/safety" in [reason.text for reason in world.verdict().reasons]
    assert evidence_of(world)["approvals"] == [
        {"ring": "pilot", "by": TEAM[1], "role": "operations", "date": "2026-11-20"}
    ]


def test_the_longest_names_fit_into_a_reason() -> None:
    many = tuple(f"@{number:03}{'x' * 196}" for number in range(32))
    world = said(asking(least=32, approvers=many), approvals=tuple(approval(name) for name in many[:31]))
    assert all(len(reason.text) < 2000 for reason in world.verdict().reasons)


def test_a_paused_rollout_opens_nothing_and_says_who_and_why() -> None:
    world = soaked(started())
    assert world.verdict().kind == "promote"
    paused = said(world, paused=PAUSE)
    verdict = paused.verdict()
    assert (verdict.kind, codes(paused)) == ("hold", ["paused"])
    assert verdict.reasons[0].text == "paused by @lena since 2026-11-23: the line is being rebuilt"
    assert evidence_of(paused)["paused"]["by"] == "@lena"
    assert said(paused.judged(), paused=None).verdict().kind == "promote", "resumed, it goes on where it stood"


def test_a_rollout_paused_before_its_first_ring_opens_none() -> None:
    world = said(World(state=fleet()), paused=PAUSE)
    assert (world.verdict().kind, world.verdict().progress.rings) == ("hold", ())


def test_failures_roll_back_while_paused() -> None:
    world = said(started().later(timedelta(minutes=5)), paused=PAUSE)
    hurt = world.heard(reverted, only=[world.subjects("canary")[0].device])
    assert hurt.verdict().kind == "rollBack"
    assert hurt.verdict().convicts


def test_a_pause_keeps_the_last_ring_from_completing_and_a_freeze_does_not() -> None:
    world = started()
    for _ in range(2):
        world = soaked(world).judged()
    last = soaked(world)
    assert last.verdict().progress.phase == "completed"
    assert said(last, paused=PAUSE).verdict().kind == "hold"
    assert frozen(last, freeze("2026-11-01", "2026-12-31")).verdict().progress.phase == "completed"


def test_an_abort_rolls_back_without_a_quarantine() -> None:
    world = said(started().later(HOUR).heard(confirmed), abort=ABORT)
    verdict, written = judged_files(world.view, world.evidence())
    assert (verdict.kind, verdict.progress.phase, verdict.convicts) == ("rollBack", "rolledBack", False)
    assert verdict.reasons[0].text == "aborted by @lena: the customer asked for it"
    assert [path for path in written if path.startswith("quarantine/")] == []
    (incident,) = (text.decode() for path, text in written.items() if path.startswith("incidents/"))
    assert "aborted by @lena" in incident
    assert "nothing is shown against the release" in incident
    assert evidence_of(world)["abort"] == {"by": "@lena", "reason": "the customer asked for it"}


def test_an_abort_before_anybody_is_exposed_opens_no_incident() -> None:
    world = said(World(state=fleet()), abort=ABORT)
    verdict, written = judged_files(world.view, world.evidence())
    assert (verdict.kind, verdict.progress.rings) == ("rollBack", ())
    assert sorted(written) == [f"progress/{NAME}.yaml", f"progress/{NAME}/0001.json"]


def test_a_fault_found_with_the_abort_is_quarantined_all_the_same() -> None:
    world = said(started().later(HOUR), abort=ABORT)
    world = world.heard(world.exposed_are(reverted))
    verdict, written = judged_files(world.view, world.evidence())
    assert [reason.code for reason in verdict.reasons] == ["hard-failure", "aborted"]
    assert "quarantine/digits-1.1.0.yaml" in written


def test_an_abort_needs_no_fresh_evidence_and_beats_a_pause() -> None:
    world = said(started().later(timedelta(days=2)), abort=ABORT, paused=PAUSE)
    assert replace(world, through=world.now - timedelta(days=1)).verdict().kind == "rollBack"


def test_an_abort_of_a_completed_rollout_takes_nothing_back() -> None:
    world = started()
    for _ in range(3):
        world = soaked(world).judged()
    assert world.verdict().reasons[0].code == "completed"
    assert said(world, abort=ABORT).verdict().kind == "hold"


def test_no_ring_opens_within_a_freeze_and_the_hold_says_until_when() -> None:
    world = frozen(soaked(started()), freeze("2026-11-23", "2026-11-25"))
    verdict = world.verdict()
    assert (verdict.kind, codes(world)) == ("hold", ["frozen"])
    assert verdict.reasons[0].text == "no ring opens until 2026-11-24T23:00:00Z: Holidays"
    assert evidence_of(world)["freezes"][0]["to"] == "2026-11-24T23:00:00Z"
    assert frozen(world, freeze("2026-11-24", "2026-11-25")).verdict().kind == "promote"


def test_devices_exposed_before_a_freeze_finish_and_failures_roll_back_in_it() -> None:
    world = frozen(started().later(HOUR), freeze("2026-11-01", "2026-12-31"))
    assert world.heard(confirmed).verdict().kind == "hold"
    assert {"frozen", "quorum"} < set(codes(world.heard(on_stable)))
    assert world.heard(world.exposed_are(reverted)).verdict().kind == "rollBack"


@pytest.mark.parametrize(
    ("now", "covered"),
    [
        ("2026-10-24T21:59:59Z", False),
        ("2026-10-24T22:00:00Z", True),  # summer time
        ("2026-10-25T22:59:59Z", True),  # a day of 25 hours
        ("2026-10-25T23:00:00Z", False),  # winter time
    ],
)
def test_a_freeze_keeps_to_the_clocks_of_its_zone(now: str, covered: bool) -> None:
    assert freeze("2026-10-25", "2026-10-26").covers(datetime.fromisoformat(now)) == covered


def test_a_freeze_in_a_zone_that_nobody_knows_covers_its_days_everywhere() -> None:
    unknown = freeze("2026-12-20", "2026-12-21", "Europe/Bonn")
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"):
        known = freeze("2026-12-20", "2026-12-21", zone)
        assert unknown.begins <= known.begins
        assert known.ends <= unknown.ends


@pytest.mark.parametrize("day", [date.min, date.max])
def test_a_freeze_at_the_ends_of_the_calendar_is_no_defect(day: date) -> None:
    assert not Freeze(first=day, until=day, zone="nowhere", reason="x").covers(
        datetime.fromisoformat("2026-11-23T00:00Z")
    )
