"""Plans of whole repositories: what a reviewer reads, under a digest that only the reviewed change moves."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from fakes.fleet_pair import FleetPair, fleet_pair
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.judge.documents import is_judge_path
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.model.plan import Plan
from ringtide_engine.workflows.plan import Planned, plan_change

TODAY = date(2026, 11, 23)
PLACED, ROLLED, RINGS = "placements/digits-everywhere.yaml", "rollouts/digits-1.1.0.yaml", "rings/standard.yaml"
ENGINE = CelConditions()


def planned(base: Mapping[str, bytes] | None, head: Mapping[str, bytes], today: date = TODAY) -> Planned:
    return plan_change(base, head, today=today, engine=ENGINE)


def plan(base: Mapping[str, bytes] | None, head: Mapping[str, bytes], today: date = TODAY) -> Plan:
    return planned(base, head, today).plan


def edited(files: Mapping[str, bytes], path: str, old: str, new: str) -> dict[str, bytes]:
    assert old.encode() in files[path]
    return {**files, path: files[path].replace(old.encode(), new.encode())}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> FleetPair:
    """Return a fleet whose head is a verdict that opens the first ring; tests only read it."""
    made = fleet_pair(tmp_path_factory.mktemp("pair"))
    made.advance()
    return made


@pytest.fixture(scope="module")
def before(pair: FleetPair) -> Mapping[str, bytes]:
    """Return the files before the verdict."""
    return pair.fleet.files(next(iter(pair.fleet.history(pair.head))).parents[0])


@pytest.fixture(scope="module")
def after(pair: FleetPair) -> Mapping[str, bytes]:
    """Return the files after the verdict."""
    return pair.fleet.files(pair.head)


# What it says.


def test_a_first_plan_installs_the_release_on_every_device() -> None:
    made = planned(None, fleet_files())
    (row,) = made.plan.rows
    assert (row.cause, row.before, row.after, row.now) == ("placement digits-everywhere", None, "1.0.0", 12)
    assert made.findings == ()
    assert made.checked is not None


def test_a_new_release_in_a_placement_changes_every_device_now() -> None:
    files = fleet_files()
    made = plan(files, edited(files, PLACED, "1.0.0", "1.1.0"))
    (row,) = made.rows
    assert (row.before, row.after, row.now, row.later) == ("1.0.0", "1.1.0", 12, 0)
    assert sum(len(change.devices) for change in made.changes) == 12
    assert all(change.before and change.after for change in made.changes)
    assert row.fetch_bytes > 0


def test_a_rollout_changes_nobody_now_and_says_who_comes_when() -> None:
    made = plan(fleet_files(), fleet_files(rollout="1.1.0"))
    assert [(row.cause, row.ring, row.now) for row in made.rows] == [
        ("rollout digits-1.1.0", ring, 0) for ring in ("canary", "pilot", "rest")
    ]
    assert sum(row.later for row in made.rows) == 12
    assert made.changes == ()
    assert not made.is_empty


def test_a_change_that_compiles_to_nothing_new_is_empty() -> None:
    files = fleet_files()
    made = plan(files, {**files, "README.md": b"for people"})
    assert made.is_empty
    assert made.rows == ()


def test_a_change_with_errors_has_no_plan() -> None:
    files = fleet_files()
    with pytest.raises(FindingsError) as refused:
        plan(files, edited(files, PLACED, "1.0.0", "9.9.9"))
    assert any(found.place.path == PLACED for found in refused.value.findings)


def test_a_base_that_cannot_be_read_counts_as_none() -> None:
    broken = {**fleet_files(), "fleet.yaml": b"kind: Fleet\n"}
    assert plan(broken, fleet_files()).base is None


# Its digest: what moves it, and what does not.


def test_a_verdict_is_no_part_of_the_digest(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
    assert {path for path in after if is_judge_path(path)}
    head = {**before, **{path: content for path, content in fleet_files(13).items() if "0013" in path}}
    judged = {**head, **{path: content for path, content in after.items() if is_judge_path(path)}}
    reviewed = plan(before, head).digest
    assert plan(before, judged).digest == reviewed, "the verdict came between review and merge"
    assert plan(after, judged).digest == reviewed, "it was published too"


def test_a_verdict_alone_is_an_empty_plan(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
    made = planned(before, after)
    assert made.plan.is_empty
    assert made.checked is None, "what was checked for the plan is not what is there"


def test_a_verdict_that_changes_what_the_edit_does_moves_the_digest(
    before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> None:
    def without_rollout(files: Mapping[str, bytes]) -> dict[str, bytes]:
        return {path: content for path, content in files.items() if path != ROLLED and not is_judge_path(path)}

    moved = plan(after, without_rollout(after))
    assert moved.digest != plan(before, without_rollout(before)).digest
    assert {(change.model, len(change.devices) > 0) for change in moved.changes} == {("digits", True)}


def test_time_is_no_part_of_the_digest() -> None:
    files = fleet_files()
    head = edited(files, PLACED, "1.0.0", "1.1.0")
    assert plan(files, head, TODAY + timedelta(days=400)).digest == plan(files, head).digest


def test_commits_are_no_part_of_the_digest(tmp_path: Path) -> None:
    digests = set()
    for name, later in (("one", timedelta()), ("other", timedelta(hours=1))):
        made = fleet_pair(tmp_path / name).later(later)
        base = made.fleet.files(made.head)
        made.change(**{"README.md": name.encode()})
        made.change(**{PLACED: edited(base, PLACED, "1.0.0", "1.2.0")[PLACED]})
        digests.add(plan(base, made.fleet.files(made.head)).digest)
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (PLACED, "1.0.0", "1.2.0"),
        (ROLLED, '"1.1.0"', '"1.2.0"'),
        ("devices/edge-s-0001.yaml", "state: active", "state: held"),
        ("devices/edge-s-0001.yaml", "hardwareClass: edge-s", "hardwareClass: edge-m"),
        ("models/digits/1.0.0.yaml", "p95Latency: 50ms", "p95Latency: 51ms"),
        ("policies/fleet.yaml", "  - rule: release-licence-allowed\n", ""),
    ],
)
def test_whatever_devices_or_reviewers_see_moves_the_digest(path: str, old: str, new: str) -> None:
    files = fleet_files(rollout="1.1.0")
    unchanged = plan(files, files)
    changed = plan(files, edited(files, path, old, new))
    assert changed.digest != unchanged.digest
    assert changed.digest == plan(files, edited(files, path, old, new)).digest


def test_the_digest_covers_the_base() -> None:
    head = fleet_files(release="1.2.0")
    bases = [fleet_files(release=version) for version in ("1.0.0", "1.1.0")]
    assert len({plan(base, head).digest for base in [*bases, None]}) == 3


def test_the_rows_add_nothing_to_the_digest() -> None:
    made = plan(None, fleet_files())
    assert b"placement digits-everywhere" not in made.encode()
    assert RINGS.encode() not in made.encode()
