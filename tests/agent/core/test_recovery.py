"""What is left of a store after damage decides what the agent starts with; it serves, rebuilds, and says so."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from fakes.agent_disk import FilledDiskStore
from fakes.agent_store import DyingStore, Killed
from fakes.agent_world import World
from fakes.publication import make_manifest, steady
from ringtide_agent.adapters.disk_store import FORMAT, DiskStore
from ringtide_agent.recovery import TABLE, Health, Part, Step
from ringtide_contract.errors import InputError, TransientError

ONE, TWO = make_manifest("1.0.0"), make_manifest("1.1.0")


def updated(store: FilledDiskStore) -> World:
    """Return a device on a disk that ran 1.0.0 and now runs 1.1.0, confirmed."""
    world = World(store)  # type: ignore[arg-type]
    for manifest in (ONE, TWO):
        world.publish(steady(manifest), manifests=[manifest])
        world.turns(3)
    assert (world.runs(), world.state()) == ("1.1.0", "Idle")
    return world


def restarted(world: World, folder: Path) -> World:
    world.store = FilledDiskStore(folder)  # type: ignore[assignment]
    world.artifacts.store = world.store
    world.start()
    return world


def test_every_part_in_every_health_has_a_row() -> None:
    found = {(part, health) for part, health, _ in TABLE}
    assert found == set(itertools.product(get_args(Part), get_args(Health)))


def test_damage_is_always_said() -> None:
    assert all(rule.says for (_, health, _), rule in TABLE.items() if health == "damaged")
    assert all(rule.says for rule in TABLE.values() if rule.step in (Step.BAR, Step.JUMP, Step.STAND_IN))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "cut short": lambda content: content[: len(content) // 2],
    "turned to zeros": lambda content: bytes(len(content)),
    "one bit": lambda content: content[:9] + bytes([content[9] ^ 4]) + content[10:] if len(content) > 9 else b"?",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_whichever_one_file_is_damaged_the_device_serves_at_once_gets_there_again_and_says_so(
    tmp_path: Path, damage: str
) -> None:
    template = tmp_path / "template"
    world = updated(FilledDiskStore(template))
    taken = dict(world.sink.taken)
    files = [str(path.relative_to(template)) for path in template.rglob("*") if path.is_file()]
    assert len(files) >= 12
    for number, name in enumerate(sorted(files)):
        folder = tmp_path / str(number)
        shutil.copytree(template, folder)
        world.sink.taken = dict(taken)
        path = folder / name
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
        restarted(world, folder).agent.tick(world.clock.now())
        assert world.service.serves().get("digits") in ("1.0.0", "1.1.0"), f"{name} {damage}"
        world.turns(6)
        assert (world.runs(), world.agent.outcome()) == ("1.1.0", "converged"), f"{name} {damage}"
        if name.split("/")[0] in ("journal", "models", "blobs"):
            said = {item.type for report in world.sink.reports()[len(taken) :] for item in report.conditions}
            assert "store-damaged" in said, f"{name} {damage}"


def test_a_lost_floor_without_orders_serves_on_and_takes_no_publication(tmp_path: Path) -> None:
    world = updated(FilledDiskStore(tmp_path))
    (tmp_path / "floor.json").write_bytes(b"")
    (tmp_path / "journal" / "orders.json").write_bytes(b"")
    restarted(world, tmp_path).turns(3)
    assert world.service.serves() == {"digits": "1.1.0"}
    assert world.agent.outcome() == "not-converged"
    assert "store-damaged" in world.conditions()
    last = world.sink.reports()[-1].conditions
    assert any("removed floor.json" in condition.note for condition in last)
    opened = world.source.opened
    (tmp_path / "floor.json").unlink()
    restarted(world, tmp_path).turns(3)
    assert world.source.opened > opened
    assert (world.runs(), world.agent.outcome()) == ("1.1.0", "converged")


def test_a_kill_at_any_write_of_the_first_install_leaves_no_gap_in_the_reports() -> None:
    def first(world: World) -> None:
        world.publish(steady(ONE), manifests=[ONE])
        world.turns(3)

    store = DyingStore()
    first(World(store))
    for number, after in itertools.product(range(1, store.writes + 1), (False, True)):
        store = DyingStore()
        store.dies_at, store.after = number, after
        world = None
        try:
            world = World(store)
            first(world)
        except Killed:
            store.dies_at = None
            if world is None:
                world = World(store)
            world.start()
            first(world)
        numbers = [report.number for report in world.sink.reports()]
        assert numbers == list(range(1, len(numbers) + 1)), f"killed at write {number}"


def test_a_store_of_a_newer_version_is_refused_and_nothing_in_it_is_touched(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    updated(FilledDiskStore(folder))
    (folder / "format").write_text(f"{FORMAT + 1}\n")
    before = {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")}
    with pytest.raises(InputError, match="a newer version has written it"):
        DiskStore(folder)
    assert {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")
    } == before


def test_a_store_without_a_format_is_of_the_first_one_and_gets_its_mark(tmp_path: Path) -> None:
    store = updated(FilledDiskStore(tmp_path)).store
    assert not (tmp_path / "format").exists()
    with store.hold():  # type: ignore[attr-defined]
        assert (tmp_path / "format").read_text() == f"{FORMAT}\n"


def test_a_release_that_never_gets_through_is_given_up_and_not_tried_for_ever() -> None:
    world = World()
    world.publish(steady(ONE), manifests=[ONE])
    world.turns(3)
    world.publish(steady(TWO), manifests=[TWO])
    world.prober.trouble = TransientError("the trial takes the agent down")
    for _ in range(50):  # each start finds the act under way
        world.turn(0)
        world.start()
    assert world.state() == "Deferred"
    assert len(world.prober.probed) <= 5
    assert world.service.serves() == {} or world.runs() == "1.0.0"
