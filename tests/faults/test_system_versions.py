"""The agent's own upgrade under the real unit: taken through a publication, given up where it does not start, outlived by a package.

Part of `make system`; one device, `RINGTIDE_SYSTEM_DEVICES=1`, is enough.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fakes.own_versions import pack
from fakes.publication import BUNDLE_PATH, CLASS_ID, build_publication, steady
from faults import test_system
from faults.test_system import Camera, Fleet, did
from ringtide_contract.ids import parse_device_id, sha256
from ringtide_contract.index import IndexRow
from ringtide_contract.manifest import RUNTIME_MODEL, Artifact, Manifest

pytestmark = test_system.pytestmark
possible, debs, fleet = test_system.possible, test_system.debs, test_system.fleet

RUNNING = "import json, sys; print(json.load(open('/var/lib/ringtide/runtime/choice.json'))[sys.argv[1]])"


def release(owner: Fleet, number: str, content: bytes) -> Manifest:
    """Put an archive where the devices find it."""
    path = owner.shelf.folder / f"agent-{sha256(content)}"
    path.write_bytes(content)
    path.chmod(0o644)
    uris = (f"file:///srv/shared/{path.name}",)
    artifact = Artifact(name="agent.tar.gz", sha256=sha256(content), size_bytes=len(content), uris=uris)
    parts = {"graph": artifact.name, "artifacts": (artifact,), "inputs": (), "outputs": (), "golden": None}
    return replace(owner.old, model=RUNTIME_MODEL, release=number, **parts)


def publish(owner: Fleet, agent: Manifest) -> None:
    owner.generation += 1
    rows = {parse_device_id(name): IndexRow(class_id=CLASS_ID, state="active") for name in test_system.NAMES}
    classes = [steady(owner.old), steady(agent, model=RUNTIME_MODEL)]
    files = build_publication(rows, classes, [owner.old, agent], owner.generation, issued_at=owner.now)
    owner.tuf.publish(files.pop(BUNDLE_PATH), owner.now)
    owner.published.commit({**files, **owner.tuf.files})


def stands(camera: Camera, phase: str, active: str | None) -> Callable[[], bool]:
    """Tell whether the device says so of its own release."""

    def seen() -> bool:
        models = camera.status()["models"]
        part = models.get(RUNTIME_MODEL, {"phase": "", "active": None})  # type: ignore[attr-defined]
        running = part["active"]["release"] if part["active"] else None
        return (part["phase"], running) == (phase, active)

    return seen


def test_a_booted_device_takes_versions_of_its_agent_and_outlives_bad_ones(
    fleet: tuple[Fleet, list[Camera]], debs: Path, tmp_path: Path
) -> None:
    owner, (camera, *_) = fleet
    with did("two archives are packed of what the package holds"):
        site = tmp_path / "site"
        shutil.copytree(next(debs.glob("stage-*")) / "site", site)
        good = release(owner, "0.1.0", pack(site, tmp_path / "good.tar.gz"))
        loop = site / "ringtide_agent" / "loop.py"
        signature = "def tick(self, now: datetime) -> None:"
        loop.write_text(loop.read_text().replace(signature, f"{signature}\n        raise SystemExit(9)"))
        bad = release(owner, "0.1.0+bad", pack(site, tmp_path / "bad.tar.gz"))

    with did("the device confirms 1.0.0 and a version of its agent that came through a publication"):
        publish(owner, good)
        camera.start()
        camera.booted.wait_for(stands(camera, "confirmed", "0.1.0"), "the version", 300)
        assert camera.run("python3", "-c", RUNNING, "stable") == good.archive
        (process,) = camera.shows("MainPID")
        assert f"runtime/{good.archive}" in camera.run("cat", f"/proc/{process}/maps")
        camera.reaches(owner.generation, "1.0.0")
        assert camera.shows("Result") == ["success"]
        assert "version" in camera.run("ringtide-agent", "--version"), "root runs the package's"

    with did("a version that ends in every turn is given up after five starts, and the one before serves on"):
        publish(owner, bad)
        camera.booted.wait_for(stands(camera, "reverted", "0.1.0"), "the way back", 300)
        camera.reaches(owner.generation, "1.0.0")
        failures = camera.status()["models"][RUNTIME_MODEL]["failures"]  # type: ignore[index]
        assert [item["step"] for item in failures] == ["crash"]

    with did("another package starts first, and the fleet's version proves itself anew"):
        publish(owner, good)
        camera.install("0.1.1")
        about = json.loads(camera.run("cat", "/usr/lib/ringtide-agent/ringtide-runtime.json"))
        assert about["package"] == "0.1.1"
        camera.booted.wait_for(
            lambda: str(about) == camera.run("python3", "-c", RUNNING, "package", check=False), "a choice under it", 300
        )
        camera.booted.wait_for(stands(camera, "confirmed", "0.1.0"), "the version again", 300)
        camera.reaches(owner.generation, "1.0.0")
