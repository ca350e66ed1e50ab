"""A mirror of static files: the published tree whole or not at all, nothing taken away under a device that reads it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.published_fleet import PublishedFleet
from ringtide_contract.errors import InputError, TransientError
from ringtide_engine.adapters.static_mirror import KEPT_S, KEPT_STATES, StaticMirror
from ringtide_engine.workflows.mirror import show

START = 1_800_000_000.0


def name(number: int) -> str:
    return f"{number:040x}"


def latest(folder: Path) -> str:
    return (folder / "latest").read_text().strip()


def states(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "states").iterdir())


def tree(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def test_a_mirror_shows_the_published_files_without_records_that_are_for_people(
    fleet: PublishedFleet, tmp_path: Path
) -> None:
    folder = tmp_path / "mirror"
    assert show(fleet.repository, StaticMirror(folder))
    assert latest(folder) == fleet.commit
    wanted = {path: content for path, content in fleet.files.items() if not path.startswith("records/")}
    assert dict(tree(folder / "states" / fleet.commit)) == wanted
    assert not show(fleet.repository, StaticMirror(folder)), "nothing is new"


def test_the_next_publication_shares_what_has_not_changed(fleet: PublishedFleet, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    show(fleet.repository, StaticMirror(folder))
    before = fleet.commit
    fleet.publish(refresh=True)
    show(fleet.repository, StaticMirror(folder))
    assert latest(folder) == fleet.commit != before
    one, two = (folder / "states" / each / "head.json" for each in (before, fleet.commit))
    assert one.samefile(two)
    times = [folder / "states" / each / "metadata" / "timestamp.json" for each in (before, fleet.commit)]
    assert times[0].read_bytes() != times[1].read_bytes()


def test_nothing_published_is_nothing_to_show(fleet: PublishedFleet, tmp_path: Path) -> None:
    fleet.repository.head = lambda _branch: None  # type: ignore[method-assign]
    with pytest.raises(InputError, match="nothing is published yet"):
        show(fleet.repository, StaticMirror(tmp_path / "mirror"))


def test_states_stay_while_a_device_may_read_them(tmp_path: Path) -> None:
    now = [START]
    mirror = StaticMirror(tmp_path, now_s=lambda: now[0])
    for number in range(KEPT_STATES + 4):
        mirror.show(lambda number=number: (name(number), {"head.json": b"%d" % number}))  # type: ignore[misc]
        now[0] += 60
    assert len(states(tmp_path)) == KEPT_STATES + 4, "all were shown within the hour"
    now[0] += KEPT_S
    mirror.show(lambda: (name(99), {"head.json": b"99"}))
    assert states(tmp_path) == [*(name(number) for number in range(5, KEPT_STATES + 4)), name(99)]


def test_a_publisher_that_was_cut_off_leaves_the_old_state_and_the_next_one_makes_it_whole(tmp_path: Path) -> None:
    mirror = StaticMirror(tmp_path)
    mirror.show(lambda: (name(1), {"head.json": b"1"}))
    torn = tmp_path / "states" / ".new"
    torn.mkdir()
    (torn / "junk").write_bytes(b"half")
    assert latest(tmp_path) == name(1)
    mirror.show(lambda: (name(2), {"head.json": b"2"}))
    assert dict(tree(tmp_path / "states" / name(2))) == {"head.json": b"2"}
    (tmp_path / "latest").unlink()
    assert mirror.show(lambda: (name(2), {"head.json": b"2"}))
    assert latest(tmp_path) == name(2)


def test_two_states_within_a_second_differ_in_the_seconds_that_web_servers_look_at(tmp_path: Path) -> None:
    mirror = StaticMirror(tmp_path, now_s=lambda: START)
    stamps = []
    for number in (1, 2, 3):
        mirror.show(lambda number=number: (name(number), {"head.json": b""}))  # type: ignore[misc]
        stamps.append((tmp_path / "latest").stat().st_mtime)
    assert stamps == [START, START + 1, START + 2]


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        StaticMirror(tmp_path).show(lambda: (name(1), {}))
    assert os.listdir(tmp_path) == ["index.html"]


def test_a_folder_that_cannot_be_written_is_a_passing_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransientError, match="cannot be written"):
        StaticMirror(tmp_path / "file" / "mirror").show(lambda: (name(1), {}))
