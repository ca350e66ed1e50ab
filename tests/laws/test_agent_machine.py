"""Laws of the device's machine: the table is the whole truth, and no model is ever stuck."""

import itertools
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.agent_world import World
from fakes.publication import START, ban, make_manifest, make_ring, rolling, steady
from ringtide_agent import events, publication_state, state
from ringtide_agent.events import Evidence, Subject
from ringtide_agent.journal import decode_record, encode_record
from ringtide_agent.limits import LIMITS
from ringtide_agent.machines import render_machines
from ringtide_agent.state import Record
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.report import Failure

SUBJECT = Subject(manifest=Digest("1" * 64), release="1.0.0")
FAILURE = Failure(manifest=Digest("1" * 64), release="1.0.0", step="golden", note="off by one")
VALUES = {
    "reason": "because",
    "subject": SUBJECT,
    "slot": "a",
    "to": "b",
    "cause": "retry",
    "until": START,
    "generation": 3,
    "failure": FAILURE,
    "at_s": 7,
    "retry_at_s": 9,
    "entered_s": 1,
    "tries": 2,
    "baseline": Evidence(requests=4),
    "overdue": False,
    "orders": None,
    "floor": None,
    "next_s": 5,
    "missed": 1,
    "rule": "ACCEPT-05",
    "commit": "c" * 40,
    "clock_behind": False,
    "confirmed": None,
}


def sample(kind: type) -> object:
    values = {name: VALUES[name] for name in kind.__dataclass_fields__}
    if kind in (state.Refused, events.Rejected):
        values["cause"] = "failed"
    return kind(**values)


PAIRS = list(itertools.product(get_args(state.ModelState), get_args(events.ModelEvent)))


@pytest.mark.parametrize(("before", "event"), PAIRS, ids=lambda kind: kind.__name__)
def test_a_pair_leads_where_the_table_says_or_raises(before: type, event: type) -> None:
    wanted = state.TRANSITIONS.get((before, event))
    if wanted is None:
        with pytest.raises(TypeError, match=f"{before.__name__} does not take {event.__name__}"):
            state.advance(sample(before), sample(event))  # type: ignore[arg-type]
    else:
        assert type(state.advance(sample(before), sample(event))) is wanted  # type: ignore[arg-type]


def test_every_state_can_be_reached_and_left() -> None:
    for kind in get_args(state.ModelState):
        assert any(after is kind and before is not kind for (before, _), after in state.TRANSITIONS.items()), kind
        assert any(before is kind and after is not kind for (before, _), after in state.TRANSITIONS.items()), kind


def test_every_state_has_a_bound_or_says_why_it_has_none() -> None:
    assert set(LIMITS) == set(get_args(state.ModelState))
    assert all(limit.then for limit in LIMITS.values())


def test_every_pair_of_the_publication_leads_where_the_table_says_or_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    one = make_manifest("1.0.0")
    world.publish(steady(one), manifests=[one])
    world.turn()
    monkeypatch.setitem(VALUES, "orders", world.agent._orders)
    kinds = get_args(publication_state.PublicationState)
    for before, event in itertools.product(kinds, get_args(publication_state.PublicationEvent)):
        wanted = publication_state.TRANSITIONS.get((before, event))
        if wanted is None:
            with pytest.raises(TypeError):
                publication_state.advance(sample(before), sample(event))  # type: ignore[arg-type]
        else:
            assert type(publication_state.advance(sample(before), sample(event))) is wanted  # type: ignore[arg-type]


def test_the_page_of_the_machines_is_the_one_that_the_tables_make(update_goldens: bool) -> None:
    page = Path(__file__).parents[2] / "docs" / "machines.md"
    if update_goldens:
        page.write_text(render_machines(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == render_machines()


@pytest.mark.parametrize("kind", get_args(state.ModelState), ids=lambda kind: kind.__name__)
def test_a_record_comes_back_from_the_journal_as_it_went(kind: type) -> None:
    record = Record(state=sample(kind), confirmed=Digest("2" * 64), failures=(FAILURE,))  # type: ignore[arg-type]
    again = decode_record(encode_record(record))
    assert (type(again.state), again.confirmed, again.failures) == (kind, record.confirmed, record.failures)
    assert encode_record(again) == encode_record(record)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (state.Probing, b'"slot":"a"', b'"slot":"c"'),
        (state.Probing, b'"slot":"a"', b'"slot":null'),
        (state.Fetching, b'"is":"Fetching"', b'"is":"Flying"'),
        (state.Fetching, b'"tries":2', b'"tries":-2'),
        (state.Fetching, b'"tries":2', b'"tries":2,"more":1'),
        (state.Deferred, b'"cause":"retry"', b'"cause":"failed"'),
        (state.Deferred, b'"until":"', b'"until":"x'),
    ],
)
def test_a_damaged_record_is_refused(kind: type, old: bytes, new: bytes) -> None:
    content = encode_record(Record(state=sample(kind)))  # type: ignore[arg-type]
    assert old in content
    with pytest.raises(InputError):
        decode_record(content.replace(old, new))


# What the world may do to a device, in any order.
ONE, TWO, THREE = make_manifest("1.0.0"), make_manifest("1.1.0"), make_manifest("1.2.0")
RELEASES = {"1.0.0": ONE, "1.1.0": TWO, "1.2.0": THREE}
DEEDS = st.one_of(
    st.tuples(st.just("steady"), st.sampled_from([*RELEASES, "none"])),
    st.tuples(st.just("rolling"), st.sampled_from([*RELEASES])),
    st.tuples(st.just("ban"), st.sampled_from([*RELEASES])),
    st.tuples(st.just("hold"), st.sampled_from([*RELEASES])),
    st.tuples(st.just("bad-probe"), st.sampled_from([*RELEASES])),
    st.tuples(st.just("crash"), st.sampled_from([*RELEASES])),
    st.tuples(st.just("source"), st.booleans()),
    st.tuples(st.just("artifacts"), st.sampled_from(["well", "dead", "lying"])),
    st.tuples(st.just("service"), st.sampled_from(["well", "dead", "refusing"])),
    st.tuples(st.just("downgrade"), st.just(1)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("sleep"), st.sampled_from([5, 61, 3700, 90_000])),
    st.tuples(st.just("clock"), st.sampled_from([-7200, 7200])),
)
TROUBLE = {
    "well": None,
    "dead": TransientError("dead"),
    "lying": TrustError("BLOB", "lies"),
    "refusing": InputError("no"),
}


def do(world: World, deed: str, what: object) -> None:
    release = RELEASES.get(str(what))
    everything = list(RELEASES.values())
    options: dict[str, object] = {"manifests": everything, "issued_at": START}
    match deed:
        case "steady":
            world.publish(steady(release), **options)  # type: ignore[arg-type]
        case "rolling":
            ring = make_ring(not_before=world.clock.now() + timedelta(minutes=5), spread_s=60)
            world.publish(rolling(ONE, release, ring), **options)  # type: ignore[arg-type]
        case "ban":
            world.publish(steady(ONE), quarantine=[ban(release)], **options)  # type: ignore[arg-type]
        case "hold":
            world.publish(steady(release), state="held", **options)  # type: ignore[arg-type]
        case "bad-probe":
            world.prober.failures[f"{what}#0"] = "golden"
        case "crash":
            digest = sha256(RELEASES[str(what)].encode())
            world.service.crashed[digest] = world.service.crashed.get(digest, 0) + 1
        case "source":
            world.source.failure = None if what else TransientError("the source is dead")
        case "artifacts":
            world.artifacts.failure = TROUBLE[str(what)]
        case "service":
            world.service.failure = TROUBLE[str(what)]
        case "downgrade":
            world.publish(steady(ONE), generation=1, **options)  # type: ignore[arg-type]
        case "restart":
            world.start()
        case "sleep":
            world.clock.pass_s(float(str(what)))
        case "clock":
            world.clock.wall += timedelta(seconds=int(str(what)))


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(DEEDS, max_size=25))
def test_whatever_happens_the_device_stays_whole_and_is_never_stuck(deeds: list[tuple[str, object]]) -> None:
    world = World()
    world.publish(steady(ONE), manifests=list(RELEASES.values()))
    world.turns(2)
    assert world.runs() == "1.0.0"
    newest = world.store.floor.generation
    removed = False
    for deed, what in deeds:
        do(world, deed, what)
        world.turn(6)
        assert world.store.floor.generation >= newest  # numbers never go down
        newest = world.store.floor.generation
        removed = removed or (deed, what) == ("steady", "none")
        slot = world.store.active_slot("digits")
        if not removed:
            assert slot is not None, "a device is never left naked"
        if slot is not None:
            assert world.store.slot("digits", slot) is not None, "what runs is whole"

    # The world gets well, a good release is asked for, and the device gets there.
    world.source.failure = world.artifacts.failure = world.service.failure = None
    world.clock.wall = max(world.clock.wall, START + timedelta(days=1))
    world.publisher.generation = max(world.publisher.generation, newest)
    good = make_manifest("2.0.0")
    world.publish(steady(good), manifests=[good], issued_at=START, not_after=world.clock.now() + timedelta(days=30))
    world.turns(6, 3700)
    assert (world.runs(), world.state()) == ("2.0.0", "Idle")
    assert world.agent.outcome() == "converged"
    assert world.service.serves() == {"digits": "2.0.0"}
    numbers = [report.number for report in world.sink.reports()]
    assert numbers == list(range(1, len(numbers) + 1)), "no number is lost or used twice"
