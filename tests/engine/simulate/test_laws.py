"""What every simulated rollout keeps to, judged by the real judge."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.fleet_files import fleet_files
from fakes.judged_rollouts import HOUR, NAME, START, fleet, gate, plan, ring
from ringtide_contract.errors import InputError
from ringtide_contract.membership import Cut, bucket
from ringtide_contract.windows import DAYS, Window, open_now
from ringtide_engine.compile.schedule import ring_times
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.betting import rounded
from ringtide_engine.model.desired import DesiredState, Ring
from ringtide_engine.model.people import Abort, ApprovalNeed, Pause
from ringtide_engine.model.progress import LastVerdict, OpenedRing, Progress
from ringtide_engine.model.time_zones import SiteWindow, TimeZones
from ringtide_engine.render.json_text import json_text
from ringtide_engine.simulate.answers import Chance, spread
from ringtide_engine.simulate.assumptions import SOUND, Assumptions, Fault
from ringtide_engine.simulate.course import Course, run
from ringtide_engine.simulate.devices import STABLE
from ringtide_engine.simulate.marks import rounded_all
from ringtide_engine.workflows.simulate import Question, setting_of, simulate

GATES = (gate("updateSuccess", "atLeast", "95/100", devices=2), gate("wentSilent", "atMost", "1/2"))
RINGS = tuple(ring(name, share, gates=GATES) for name, share in (("canary", "1/10"), ("pilot", "1/2"), ("rest", "1")))
CALM = Assumptions(connectivity="always", offline=0.0, spontaneous=0.0, errors=0.0, slow=0.0)
BROKEN = Fault(fails=1.0)


def state_of(devices: int = 120, rings: tuple[Ring, ...] = RINGS, progress: Progress | None = None) -> DesiredState:
    return fleet(devices, ring_plan=plan(*rings), progress=progress)


def question(fault: Fault = BROKEN, assumed: Assumptions = CALM, *, runs: int = 3, days: int = 6) -> Question:
    return Question(fault=fault, assumed=assumed, runs=runs, days=days)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    state, asked = state_of(), question(Fault(fails=0.3), Assumptions(offline=0.4), runs=2)
    first, again, other = (
        json_text(simulate(state, NAME, replace(asked, seed=seed), now=START).to_dict()) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.replace(b'"seed": 1', b"") != other.replace(b'"seed": 2', b"")


def test_a_sound_candidate_on_devices_always_online_takes_what_windows_spread_and_soaks_take() -> None:
    nightly = Window(days=frozenset(DAYS), start="02:00", end="05:00", zone="Europe/Berlin")
    rings = tuple(replace(each, spread=HOUR / 2, windows=(nightly,)) for each in RINGS)
    state = state_of(rings=rings)
    found = run(setting_of(state, NAME, question(), now=START), SOUND, (1,))
    assert found.phase == "completed"
    opened = [*(at for _, at in found.opened_s), found.ended_s]
    at = START
    for number, (name, _) in enumerate(found.opened_s):
        one = replace(state, ring_plans={"standard": replace(state.ring_plans["standard"], rings=(rings[number],))})
        forecast = ring_times(one, replace(one.rollouts[NAME]), at)[name].finishes.at
        assert forecast is not None
        left = START + timedelta(seconds=float(opened[number + 1] or 0))
        assert forecast - HOUR <= left <= forecast + 1.5 * HOUR, name
        at = left


def test_nobody_starts_outside_a_window() -> None:
    weekly = Window(days=frozenset({"thu"}), start="10:00", end="12:00", zone="UTC")
    setting = setting_of(
        state_of(rings=tuple(replace(each, windows=(weekly,)) for each in RINGS)), NAME, question(), now=START
    )
    course = Course(setting, SOUND, np.random.default_rng(1))
    course.judge()
    before = 0
    for _ in range(setting.steps):
        course.live()
        course.judge()
        started = int((course.devices.state != STABLE).sum())
        ends = (course.now, course.now - timedelta(seconds=setting.step_s))
        assert started == before or any(open_now((weekly,), each) for each in ends)
        before = started
    assert before > 0


def test_windows_of_sites_open_in_the_time_of_each_site() -> None:
    nightly = SiteWindow(days=frozenset(DAYS), start="02:00", end="05:00")
    state = state_of(rings=tuple(replace(each, site_windows=(nightly,)) for each in RINGS))
    zones = TimeZones(label="region", zones={"eu": "Europe/Berlin", "us": "America/Chicago"})
    state = replace(state, fleet=replace(state.fleet, time_zones=zones))
    setting = setting_of(state, NAME, question(), now=START)
    assert setting.reach.zones == ("America/Chicago", "Europe/Berlin")
    course = Course(setting, SOUND, np.random.default_rng(1))
    course.judge()
    hours: dict[int, set[int]] = {0: set(), 1: set()}
    for _ in range(setting.steps):
        before = course.devices.state != STABLE
        course.live()
        course.judge()
        for device in np.flatnonzero((course.devices.state != STABLE) & ~before):
            hours[int(setting.reach.zone[device])].add(course.now.hour)
    assert hours[0]
    assert hours[0] <= {8, 9, 10, 11}  # six hours behind UTC in November; a step that ends at five began before
    assert hours[1]
    assert hours[1] <= {1, 2, 3, 4}


def test_a_candidate_that_breaks_every_device_is_rolled_back_in_the_first_ring() -> None:
    found = simulate(state_of(), NAME, question(assumed=Assumptions(offline=0.5)), now=START)
    assert found.faulty.ended("rolledBack").runs == 3
    assert list(found.faulty.opened()) == ["canary"]
    assert all(0 < each.harmed <= each.exposed < found.devices / 5 for each in found.faulty.runs)


def test_a_fault_in_one_stratum_hurts_nobody_else() -> None:
    state = state_of()
    found = simulate(state, NAME, question(replace(BROKEN, only="edge-m")), now=START)
    reach = setting_of(state, NAME, question(replace(BROKEN, only="edge-m")), now=START).reach
    assert [reach.ids[each] for each in np.flatnonzero(reach.hurt)] == [each for each in reach.ids if "edge-m" in each]
    assert all(each.harmed < each.exposed for each in found.faulty.runs)
    assert "breaks 100 % of edge-m devices" in found.sentence


@settings(max_examples=8, deadline=None)
@given(
    fails=st.floats(0.01, 1),
    offline=st.floats(0, 0.9),
    connectivity=st.sampled_from(["intermittent", "diurnal", "long-offline"]),
    churn=st.floats(0, 0.9),
)
def test_harm_is_at_most_exposure_and_exposure_at_most_the_fleet(
    fails: float, offline: float, connectivity: str, churn: float
) -> None:
    assumed = Assumptions(connectivity=connectivity, offline=offline, churn=churn)  # type: ignore[arg-type]
    setting = setting_of(state_of(60), NAME, question(assumed=assumed, days=4), now=START)
    found = run(setting, Fault(fails=fails), (1,))
    assert 0 <= found.harmed <= found.exposed <= setting.reach.count
    assert np.all((found.adopted >= 0) & (found.adopted <= 1))


def test_what_is_fetched_is_what_devices_start_with() -> None:
    setting = setting_of(state_of(), NAME, question(), now=START)
    found = run(setting, SOUND, (1,))
    assert found.fetched.sum() == setting.reach.fetched.sum() > 0


def test_more_devices_offline_are_never_faster() -> None:
    times = []
    for offline in (0.0, 0.4, 0.8):
        assumed = replace(CALM, connectivity="intermittent", offline=offline)
        found = simulate(state_of(), NAME, question(assumed=assumed), now=START)
        times.append(found.sound.adopted(0.95).median)
    assert None not in times
    assert times == sorted(times, key=lambda each: each or 0)
    assert times[0] != times[-1]


def test_a_rollout_that_goes_on_starts_from_the_rings_that_are_open() -> None:
    opened = START - 30 * HOUR
    state = state_of()
    first = setting_of(state, NAME, question(), now=opened)
    course = Course(first, SOUND, np.random.default_rng(1))
    course.judge()
    began = course.view.progress
    assert began is not None
    found = run(setting_of(replace(state, progress={NAME: began}), NAME, question(), now=START), SOUND, (1,))
    assert found.opened_s[0] == ("canary", -30 * 3600)
    assert found.opened_s[1] == ("pilot", 0)  # it has long been soaked, so the judge promotes at once
    assert found.adopted[0] > 0


@pytest.mark.parametrize("fault", [SOUND, Fault(fails=0.4)])
def test_hourly_looks_at_a_slow_rollout_say_what_looks_every_quarter_of_an_hour_say(fault: Fault) -> None:
    state = state_of(rings=tuple(replace(each, soak=24 * HOUR, deadline=72 * HOUR) for each in RINGS))
    hourly = setting_of(state, NAME, question(), now=START)
    assert hourly.step_s == 3600
    seldom, often = run(hourly, fault, (1,)), run(replace(hourly, step_s=900), fault, (1,))
    assert seldom.phase == often.phase != "rolling"
    assert [name for name, _ in seldom.opened_s] == [name for name, _ in often.opened_s]
    for (_, late), (_, early) in zip(seldom.opened_s, often.opened_s, strict=True):
        assert abs(late - early) <= 3600 * len(RINGS)


def test_people_who_hold_a_rollout_up_do_not_hold_up_its_simulation() -> None:
    state = state_of(rings=tuple(replace(each, approval=ApprovalNeed(approvers=(), least=1)) for each in RINGS))
    rollout = replace(state.rollouts[NAME], paused=Pause(by="@a", reason="x"), abort=Abort(by="@a", reason="x"))
    found = simulate(replace(state, rollouts={NAME: rollout}), NAME, question(), now=START)
    assert found.sound.ended("completed").runs == 3


@pytest.mark.parametrize(
    ("name", "only", "said"),
    [
        ("nothing", None, "there is no rollout nothing; there are: digits-1.1.0"),
        (NAME, "edge-x", "edge-x is no stratum"),
        (NAME, "region=mars", "no label=value of its devices"),
    ],
)
def test_what_is_not_there_is_named(name: str, only: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        simulate(state_of(12), name, question(Fault(fails=0.1, only=only)), now=START)


@pytest.mark.parametrize("phase", ["completed", "rolledBack"])
def test_what_has_ended_is_not_simulated(phase: str) -> None:
    progress = Progress(
        rollout=NAME, candidate="1.1.0", stable=None, phase=phase, control={},  # type: ignore[arg-type]
        rings=(OpenedRing(name="canary", opened_at=START, cuts={}, cohort=None),),
        last=LastVerdict(kind="hold", reasons=(), at=START, evidence="x"),
    )  # fmt: skip
    with pytest.raises(InputError, match="nothing is left to simulate"):
        simulate(state_of(progress=progress), NAME, question(), now=START)


def test_labels_of_devices_choose_whom_a_fault_hurts() -> None:
    state = load_desired(fleet_files(60, rollout="1.1.0")).state
    assert state is not None
    reach = setting_of(state, NAME, question(Fault(fails=1.0, only="region=eu")), now=START).reach
    assert {state.devices[reach.ids[each]].labels["region"] for each in np.flatnonzero(reach.hurt)} == {"eu"}
    assert reach.hurt.sum() == sum(each.labels["region"] == "eu" for each in state.devices.values())


def test_buckets_are_those_of_the_contract_and_the_highest_of_all_is_inside_everybody() -> None:
    setting = setting_of(state_of(), NAME, question(), now=START)
    assert [int(each) for each in setting.reach.bucket] == [
        bucket(setting.view.salt, each) for each in setting.reach.ids
    ]
    last = replace(setting.reach, bucket=np.full(setting.reach.count, 2**64 - 1, np.uint64))
    for cut, inside in ((2**64, True), (2**64 - 1, False), (0, False)):
        opened = OpenedRing(name="x", opened_at=START, cuts=dict.fromkeys(last.strata, Cut(cut)), cohort=None)
        assert bool(last.inside(opened).all()) is inside
        assert bool(last.inside(opened).any()) is inside


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**7)), min_size=1))
def test_shares_are_rounded_as_the_judge_rounds_them(shares: list[tuple[int, int]]) -> None:
    pairs = [(min(part, whole), whole) for part, whole in shares]
    ours = rounded_all(np.array([part for part, _ in pairs]), np.array([whole for _, whole in pairs]))
    assert ours.tolist() == [rounded(*pair) for pair in pairs]


def test_quantiles_are_figures_that_occurred_and_what_most_runs_never_reach_has_none() -> None:
    found = spread([5, 1, float("inf"), 2, float("inf")])
    assert (found.low, found.median, found.high) == (1, 5, None)


def test_a_chance_seen_in_no_run_may_still_be_there() -> None:
    low, high = Chance(runs=0, of=20).between
    assert low == 0
    assert 0.1 < high < 0.2
    assert Fraction(Chance(runs=5, of=20).share) == Fraction(1, 4)
