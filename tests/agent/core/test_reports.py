"""Reports: when one is made, that none is lost or said twice, and that the outbox is bounded."""

import itertools

import pytest

from fakes.agent_world import World
from fakes.publication import START, make_manifest, make_ring, rolling, steady
from ringtide_agent.reporting import OUTBOX_REPORTS, Ledger
from ringtide_contract.errors import InputError, RingtideError, TransientError
from ringtide_contract.ids import sha256
from ringtide_contract.report import MAX_REPORT_BYTES, Counters
from ringtide_contract.sketch import LatencySketch

ONE, TWO = make_manifest("1.0.0"), make_manifest("1.1.0")
DIGEST = sha256(ONE.encode())


def running() -> World:
    world = World()
    world.publish(steady(ONE), manifests=[ONE], issued_at=START)
    world.turns(2)
    return world


def test_reports_are_numbered_and_chained() -> None:
    world = running()
    world.publish(steady(TWO), manifests=[TWO])
    world.turns(2)
    reports = world.sink.reports()
    assert [report.number for report in reports] == list(range(1, len(reports) + 1))
    assert reports[0].previous is None
    for earlier, later in itertools.pairwise(reports):
        assert later.previous == sha256(earlier.encode())


def test_nothing_new_is_not_reported_until_the_longest_silence() -> None:
    world = running()
    count = len(world.sink.taken)
    world.turns(3)
    assert len(world.sink.taken) == count
    world.turn(24 * 3600)
    assert len(world.sink.taken) == count + 1


def test_in_a_rollout_the_longest_silence_is_an_hour() -> None:
    world = running()
    world.publish(rolling(ONE, TWO, make_ring()), manifests=[ONE, TWO])
    world.turns(3)
    count = len(world.sink.taken)
    world.turn(3600)
    assert len(world.sink.taken) == count + 1


def test_counters_are_reported_after_the_interval() -> None:
    world = running()
    count = len(world.sink.taken)
    world.service.figures[DIGEST] = {"requests": 5}
    world.turn(30)
    assert len(world.sink.taken) == count
    world.turn(900)
    assert world.sink.reports()[-1].models["digits"].counters[0].requests == 5
    world.turn(900)
    assert len(world.sink.taken) == count + 1


def test_reports_wait_in_the_outbox_over_a_restart() -> None:
    world = running()
    world.sink.failure = TransientError("no route")
    world.publish(steady(TWO), manifests=[TWO])
    world.turns(2)
    numbers = sorted(world.sink.taken)
    world.start()
    world.sink.failure = None
    world.turns(2, 301)
    assert sorted(world.sink.taken) == list(range(1, max(world.sink.taken) + 1))
    assert len(world.sink.taken) > len(numbers) + 1


def test_a_full_outbox_drops_the_oldest_and_keeps_the_numbers() -> None:
    world = running()
    taken = max(world.sink.taken)
    world.sink.failure = TransientError("no route")
    for generation in range(OUTBOX_REPORTS + 6):
        world.publish(steady(ONE), manifests=[ONE], note=str(generation))
        world.turn()
    world.sink.failure = None
    world.turn(301)
    numbers = sorted(number for number in world.sink.taken if number > taken)
    assert len(numbers) == OUTBOX_REPORTS
    assert numbers[0] > taken + 1, "the gap shows"
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_the_outbox_survives_its_encoding() -> None:
    ledger = Ledger(number=7, previous=DIGEST, sent_at=START, facts=DIGEST, figures=None, outbox={6: b"x", 7: b"\xff"})
    assert Ledger.decode(ledger.encode()) == ledger


def test_a_report_of_very_many_sessions_still_fits() -> None:
    world = running()
    wide = LatencySketch(counts=dict.fromkeys(range(600), 10**9))
    figures = {"requests": 1, "failures": 0, "over_budget": 0, "compared": 0, "agreed": 0, "crashes": 0}
    sessions = tuple(
        Counters(manifest=DIGEST, session=f"s{number}", peak_memory_bytes=1, latency=wide, **figures)
        for number in range(40)
    )
    world.service.counters = lambda: sessions  # type: ignore[method-assign]
    world.turn(24 * 3600)
    report = world.sink.reports()[-1]
    assert len(report.encode()) <= MAX_REPORT_BYTES
    assert report.models["digits"].counters[-1].session == "s39"


def test_only_the_device_could_have_signed() -> None:
    world = running()
    assert world.sink.reports()
    assert all(report.device == "crane-07" and report.session == "run-1" for report in world.sink.reports())


@pytest.mark.parametrize("failure", [InputError("no such key"), TransientError("no token")])
def test_a_key_that_cannot_be_used_stops_reports_and_nothing_else(failure: RingtideError) -> None:
    world = running()
    before = max(world.sink.taken)
    world.signer.failure = failure
    world.turn(2 * 24 * 3600)
    world.turn(1)
    assert max(world.sink.taken) == before
    assert world.agent.seen is not None
    assert {each.type: each.note for each in world.agent.seen.conditions}["key-unavailable"] == str(failure)
    assert world.service.shapes[-1], "it serves on"
    world.signer.failure = None
    world.turn(3600)
    world.turn(1)
    said = world.sink.reports()
    assert [each.number for each in said[before - 1 :]][:2] == [before, before + 1], "no number was burned"
    assert not world.agent.seen.conditions


def test_a_lost_ledger_shows_as_a_gap_and_never_as_a_repetition() -> None:
    world = running()
    taken = max(world.sink.taken)
    del world.store.journal["reports"]
    world.start()
    world.turn(1)
    assert max(world.sink.taken) > taken + 1
    assert world.sink.reports()[-1].models["digits"].phase == "confirmed"


def test_waiting_reports_leave_although_the_disk_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running()
    world.sink.failure = TransientError("no route")
    world.publish(steady(make_manifest("1.1.0")), manifests=[make_manifest("1.1.0")])
    world.turns(3, 400)
    waiting, tries = set(world.agent._ledger.outbox), []
    assert waiting

    def full(name: str, content: bytes) -> None:
        tries.append(name)
        raise TransientError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "save_journal", full)
        world.sink.failure = None
        world.turn(400)
        assert waiting <= set(world.sink.taken)
        assert "disk-full" in world.conditions()
        before = len(tries)
        world.turns(60, 1)
        assert len(tries) - before < 10, "a full disk is not asked on every turn"
    world.turns(2, 400)
    assert "disk-full" not in world.conditions()
    assert world.agent._ledger.outbox == {}
