"""The agent's own upgrade, whole: the shipped launcher, real versions, started again whenever they end."""

import hashlib
import json
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent.cli.test_whole_device import DEVICE, NOW, World
from fakes.own_versions import Service, lay_out, pack
from fakes.publication import BUNDLE_PATH, CLASS_ID, build_publication, steady
from ringtide_contract.ids import sha256
from ringtide_contract.index import IndexRow
from ringtide_contract.manifest import RUNTIME_MODEL, Artifact, Manifest
from ringtide_contract.report import Report

pytestmark = pytest.mark.journey


class Launched(World):
    """A device whose package has the launcher."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.package = lay_out(folder / "package", "0.1.0")
        self.service = Service(folder, self.package, self.state)
        self.generation = 0
        self.enroll()

    def version(self, number: str, change: dict | None = None, *, attempt: int = 0) -> Manifest:  # type: ignore[type-arg]
        """Put a version of the agent in the artifact store."""
        content = pack(lay_out(self.folder / "next", number, change), self.folder / "next.tar.gz")
        path = self.shelf.folder / hashlib.sha256(content).hexdigest()
        path.write_bytes(content)
        artifact = Artifact(name="agent.tar.gz", sha256=sha256(content), size_bytes=len(content), uris=(path.as_uri(),))
        model = self.manifest("1.0.0", 1)
        return replace(
            model,
            model=RUNTIME_MODEL,
            release=number,
            graph=artifact.name,
            artifacts=(artifact,),
            inputs=(),
            outputs=(),
            golden=None,
            attempt=attempt,
        )

    def ask(self, agent: Manifest | None, model: str = "1.0.0") -> None:
        """Publish what the device shall run."""
        self.generation += 1
        digits = self.manifest(model, 1)
        row = IndexRow(class_id=CLASS_ID, state="active")
        files = build_publication(
            {DEVICE: row},
            [steady(digits), steady(agent, model=RUNTIME_MODEL)],
            [digits, *([] if agent is None else [agent])],
            self.generation,
            issued_at=NOW,
        )
        self.tuf.publish(files.pop(BUNDLE_PATH), NOW)
        self.published.commit({**files, **self.tuf.files})

    def said(self) -> Report | None:
        """Return the newest report, where there is one."""
        try:
            return self.last_report()
        except Exception:  # noqa: BLE001 - the ref is not there yet
            return None

    def stands(self, agent: str, phase: str, *, digits: str = "confirmed") -> bool:
        """Tell whether the newest report says that this version runs, and how its release stands."""
        report = self.said()
        if report is None or RUNTIME_MODEL not in report.models or "digits" not in report.models:
            return False
        part = report.models[RUNTIME_MODEL]
        return (report.agent, part.phase, report.models["digits"].phase) == (agent, phase, digits)


@pytest.fixture
def device(tmp_path: Path) -> Launched:
    device = Launched(tmp_path)
    device.ask(None)
    device.service.run_until(lambda: device.stands("0.1.0", "absent"))
    return device


def test_a_device_moves_to_another_version_of_its_agent_and_back(device: Launched) -> None:
    two = device.version("0.2.0")
    device.ask(two)
    device.service.run_until(lambda: device.stands("0.2.0", "confirmed"))
    assert device.service.ends == [6], "one end of its own, to be started in the other version"
    report = device.last_report()
    assert report.onnxruntime is not None
    status = json.loads(device.command("status", "--config", f"{device.state}/agent.toml", "-o", "json", code=0).stdout)
    assert status["models"][RUNTIME_MODEL]["active"]["release"] == "0.2.0"
    device.ask(None)
    device.service.run_until(lambda: device.stands("0.1.0", "absent"))
    assert device.phase() == ("confirmed", "1.0.0")


def test_a_version_that_ends_in_every_turn_is_given_up_by_the_launcher_and_remembered(device: Launched) -> None:
    broken = device.version(
        "0.2.0",
        {"ringtide_agent/loop.py": lambda text: text.replace("def tick(self, now: datetime) -> None:", "def tick(self, now: datetime) -> None:\n        raise SystemExit(9)")},
    )  # fmt: skip
    device.ask(broken)
    device.service.run_until(lambda: device.stands("0.1.0", "reverted"))
    assert device.service.ends == [6, *[9] * 5]
    failures = device.last_report().models[RUNTIME_MODEL].failures
    assert [(item.manifest, item.step) for item in failures] == [(sha256(broken.encode()), "crash")]


def test_a_version_that_cannot_read_this_device_is_refused_before_anything_is_switched(device: Launched) -> None:
    changes = {
        "ringtide_agent/journal.py": lambda text: text.replace('fields.text(data, "is")', 'fields.text(data, "was")')
    }
    device.ask(device.version("0.2.0", changes))
    device.service.run_until(lambda: device.stands("0.1.0", "refused"))
    assert device.service.ends == []
    assert [item.step for item in device.last_report().models[RUNTIME_MODEL].failures] == ["load"]


def test_a_newer_package_wins_over_the_fleet_s_version(device: Launched) -> None:
    device.ask(device.version("0.2.0"))
    device.service.run_until(lambda: device.stands("0.2.0", "confirmed"))
    lay_out(device.package, "0.3.0")
    device.service.run_until(lambda: device.stands("0.3.0", "refused"))
    assert device.last_report().models[RUNTIME_MODEL].failures == ()
    four = device.version("0.4.0")
    device.ask(four)
    device.service.run_until(lambda: device.stands("0.4.0", "confirmed"))


def test_kills_at_any_moment_of_an_upgrade_end_in_the_new_version(device: Launched) -> None:
    seed = int(time.time())
    print(f"seed {seed}")
    chance = random.Random(seed)
    device.ask(device.version("0.2.0"))
    for _ in range(4):  # one more in a row before the first turn, and the launcher rightly gives up
        device.service.kill_after(chance.uniform(0.2, 6))
        choice = device.state / "runtime" / "choice.json"
        assert not choice.exists() or json.loads(choice.read_bytes())
    device.service.run_until(lambda: device.stands("0.2.0", "confirmed"))
    assert device.phase() == ("confirmed", "1.0.0")
