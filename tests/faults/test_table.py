"""The bench counts what it should: a loss fails the run, a skip is said aloud, every class of calls comes first."""

from pathlib import Path

from faults.bench import Row, table
from faults.laws import Outcome
from faults.system_calls import Point, _parsed, chosen

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


def test_only_calls_that_changed_the_state_folder_are_points() -> None:
    trace = """\
openat(AT_FDCWD</>, "/d/state/floor.json", O_RDONLY|O_CLOEXEC) = 5</d/state/floor.json>
openat(AT_FDCWD</>, "/d/state/.floor.json.tmp", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600) = 5</d/state/.floor.json.tmp>
write(1</d/said.txt>, ""..., 9) = 9
write(5</d/state/.floor.json.tmp>, ""..., 9) = 9
mkdir("/d/state/git", 0700) = -1 EEXIST (File exists)
rename("/d/state/.floor.json.tmp", "/d/state/floor.json") = 0
rename("/d/stately/a", "/d/stately/b") = 0
"""
    found = [(point.call, point.number, point.path) for point in _parsed(trace, Path("/d/state"))]
    assert found == [("openat", 2, ".floor.json.tmp"), ("write", 2, ".floor.json.tmp"), ("rename", 1, "floor.json")]
