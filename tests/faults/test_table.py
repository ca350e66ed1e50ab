"""The bench counts what it should: a loss fails the run, a skip is said aloud, every class of calls comes first."""

from pathlib import Path

from faults.bench import Bench, Row, table
from faults.laws import Outcome
from faults.scene import Story
from faults.system_calls import Point, chosen, parsed

LOST = Outcome(point="fsync 3 journal", losses=("what runs is not whole",), seconds=1.0)


def test_a_loss_and_a_row_that_tried_nothing_fail_the_run_and_a_skip_with_a_reason_does_not() -> None:
    assert Row(fault="kill", tried=2, losses=(LOST,)).is_lost
    assert Row(fault="kill").is_lost
    assert not Row(fault="kill", tried=2).is_lost
    assert not Row(fault="power cut", skipped="needs root").is_lost


def test_the_table_shows_points_tried_and_survived_and_says_what_was_skipped() -> None:
    rows = [Row(fault="kill", tried=3, losses=(LOST,), seconds=7.0), Row(fault="power cut", skipped="needs root")]
    lines = table(rows).splitlines()
    assert lines[1].split() == ["kill", "3", "2", "7", "s"]
    assert lines[2].endswith("SKIPPED: needs root")


def test_a_limit_drops_no_class_before_every_class_was_tried() -> None:
    points = [Point(call="write", number=number, path="journal/orders.json") for number in range(50)]
    points += [Point(call="rename", number=1, path="floor.json"), Point(call="fsync", number=1, path=".")]
    few = chosen(points, 3, seed=1)
    assert {point.call for point in few} == {"write", "rename", "fsync"}
    assert few == chosen(points, 3, seed=1)
    assert chosen(points, None, seed=1) == points


def test_only_calls_that_changed_the_state_folder_or_read_from_it_are_points() -> None:
    trace = """\
7 openat(AT_FDCWD</>, "/d/state/floor.json", O_RDONLY|O_CLOEXEC) = 5</d/state/floor.json>
7 openat(AT_FDCWD</>, "/d/state/.floor.json.tmp", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600) = 5</d/state/.floor.json.tmp>
7 write(1</d/said.txt>, ""..., 9) = 9
7 write(5</d/state/.floor.json.tmp>, ""..., 9) = 9
7 mkdir("/d/state/models", 0700) = -1 EEXIST (File exists)
7 rename("/d/state/.floor.json.tmp", "/d/state/floor.json") = 0
7 rename("/d/stately/a", "/d/stately/b") = 0
7 read(5</d/state/floor.json>, ""..., 9) = 9
7 write(5</d/state/git/config>, ""..., 9) = 9
"""
    found = [(point.call, point.path, point.number) for point in parsed(trace, Path("/d/state"))]
    changing = [("openat", ".floor.json.tmp", 1), ("write", ".floor.json.tmp", 1), ("rename", "floor.json", 1)]
    assert found == [*changing, ("read", "floor.json", 1)]


def test_a_call_is_counted_in_its_own_thread_also_where_another_broke_into_its_line() -> None:
    trace = """\
7 write(5</d/state/a>, ""..., 1 <unfinished ...>
8 write(6</d/state/b>, ""..., 1) = 1
7 <... write resumed>) = 1
8 write(6</d/state/b>, ""..., 1) = 1
7 write(5</d/state/a>, ""..., 1) = -1 ENOSPC (No space left on device)
7 write(5</d/state/a>, ""..., 1) = 1
"""
    found = [(point.path, point.number) for point in parsed(trace, Path("/d/state"))]
    assert found == [("b", 1), ("a", 1), ("b", 2), ("a", 3)]


def test_a_point_that_no_run_comes_to_is_neither_tried_nor_survived_and_a_row_of_such_points_fails(
    tmp_path: Path,
) -> None:
    bench = Bench(scene=None, update=None, folder=tmp_path, seed=1, full=True, workers=1)  # type: ignore[arg-type]
    row = bench.row("kill", _misses, [1, 2], seconds=1)
    assert (row.tried, row.missed, row.is_lost) == (0, ("1", "2"), True)


def _misses(_story: Story, _folder: Path, _point: int) -> Outcome | None:
    return None
