"""Killed at any write of an update, the device comes back to the old release or the new one, whole, and gets there."""

from pathlib import Path

import pytest

from fakes.agent_disk import DyingDisk, FilledDiskStore
from fakes.agent_store import DyingStore, Killed
from fakes.agent_world import World
from fakes.publication import make_manifest, steady

ONE, TWO = make_manifest("1.0.0"), make_manifest("1.1.0")


def updated(world: World) -> None:
    world.publish(steady(TWO), manifests=[TWO])
    world.turns(3)


def installed(world: World) -> World:
    world.publish(steady(ONE), manifests=[ONE])
    world.turns(3)
    assert world.runs() == "1.0.0"
    return world


def comes_back(world: World, store: object = None) -> None:
    world.start(store)  # type: ignore[arg-type]
    slot = world.store.active_slot("digits")
    assert slot is not None
    content = world.store.slot("digits", slot)
    assert content is not None, "what runs is whole"
    assert content.manifest.release in ("1.0.0", "1.1.0")
    world.agent.tick(world.clock.now())
    assert world.service.serves()["digits"] in ("1.0.0", "1.1.0"), "it serves within a turn"
    world.turns(4)
    assert (world.runs(), world.state(), world.agent.outcome()) == ("1.1.0", "Idle", "converged")
    assert world.store.load_floor().generation == 2
    numbers = [report.number for report in world.sink.reports()]
    assert numbers == list(range(1, len(numbers) + 1)), "the chain of reports has no break"


def writes_of_an_update() -> int:
    store = DyingStore()
    world = installed(World(store))
    before = store.writes
    updated(world)
    return store.writes - before


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_every_write_of_an_update(after: bool) -> None:
    count = writes_of_an_update()
    assert count > 12  # floor, orders, two blobs, slot, switch, nine states, reports
    for number in range(1, count + 1):
        store = DyingStore()
        world = installed(World(store))
        store.dies_at, store.after = store.writes + number, after
        with pytest.raises(Killed):
            updated(world)
        store.dies_at = None
        comes_back(world)


def test_a_kill_at_every_call_that_the_disk_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = DyingDisk(monkeypatch)

    def world_on(folder: Path) -> World:
        return installed(World(FilledDiskStore(folder)))  # type: ignore[arg-type]

    world = world_on(tmp_path / "count")
    before = disk.calls
    updated(world)
    count = disk.calls - before
    assert count > 40
    for number in range(1, count + 1):
        folder = tmp_path / str(number)
        world = world_on(folder)
        disk.dies_at = disk.calls + number
        with pytest.raises(Killed):
            updated(world)
        disk.dies_at = 0
        world.store = FilledDiskStore(folder)  # type: ignore[assignment]
        world.artifacts.store = world.store
        comes_back(world)


def test_a_kill_in_a_revert_ends_on_the_old_release_and_remembers_why() -> None:
    def failing(store: DyingStore) -> World:
        world = installed(World(store))
        world.publish(steady(TWO), manifests=[TWO])
        world.turn()
        assert world.state() == "Probation"
        from ringtide_contract.ids import sha256

        world.service.crashed[sha256(TWO.encode())] = 1
        return world

    store = DyingStore()
    world = failing(store)
    before = store.writes
    world.turn(5)
    assert world.state() == "Reverted"
    for number in range(1, store.writes - before + 1):
        store = DyingStore()
        world = failing(store)
        store.dies_at, store.after = store.writes + number, True
        with pytest.raises(Killed):
            world.turn(5)
        store.dies_at = None
        world.start()
        world.turn(5)
        assert (world.runs(), world.service.serves()) == ("1.0.0", {"digits": "1.0.0"})
        assert [item.step for item in world.agent._models.records["digits"].failures] == ["crash"]
