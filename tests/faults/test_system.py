"""The real system: the package on devices that boot systemd, updated through rings, killed, stopped, cut off, upgraded, removed.

`make system` runs it; it needs root and systemd-nspawn, builds two packages, and takes some minutes, so `make test` leaves it out.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.serve.callers import question
from agent.serve.models import Shelf, linear, softmax_golden
from fakes.git_origin import GitOrigin
from fakes.git_server import Authority, git_server
from fakes.publication import BUNDLE_PATH, CLASS_ID, FLEET, KEY, build_publication, make_ring, rolling, steady
from fakes.tuf_repository import TufRepository
from faults.nspawn_device import Booted, lacking
from ringtide_contract.class_file import ClassFile
from ringtide_contract.ids import DeviceId, parse_device_id, report_ref
from ringtide_contract.index import IndexRow
from ringtide_contract.manifest import Manifest, Probation
from ringtide_contract.membership import bucket, salt

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(os.environ.get("RINGTIDE_SYSTEM") != "1", reason="the real system is tried by `make system`"),
]

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"cam-{number}" for number in range(1, 1 + int(os.environ.get("RINGTIDE_SYSTEM_DEVICES", "4")))]
BUILD_S, WHOLE_S = 300, 900
"""For one package; for everything on the devices."""

ASK = (
    "import json, sys, urllib.request as r; q = r.Request('http://127.0.0.1:8080/v2/models/digits/infer', "
    "sys.argv[1].encode()); print(json.load(r.urlopen(q, timeout=20))['model_version'])"
)


class Fleet:
    """The owner's side, on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.generation = folder, datetime.now(UTC), 0
        self.shelf = Shelf(folder=folder / "shared")
        self.shelf.folder.mkdir()
        self.tuf = TufRepository(fleet=FLEET, statement_keys=[KEY.public_key()], now=self.now)
        (self.shelf.folder / "root.json").write_bytes(self.tuf.trusted_root)
        self.authority = Authority(folder)
        (folder / "git").mkdir()
        self.published, self.reports = GitOrigin(folder / "git/fleet.git"), GitOrigin(folder / "git/reports.git")
        self.old, self.new = self.manifest("1.0.0", 1), self.manifest("1.1.0", 2)
        folder.chmod(0o755)
        for path in self.shelf.folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def manifest(self, release: str, seed: int) -> Manifest:
        made = self.shelf.release(linear(seed), golden=softmax_golden(seed), release=release)
        artifacts = tuple(
            replace(
                artifact,
                uris=(f"file:///srv/shared/{Path(made.files[artifact.name]).relative_to(self.shelf.folder)}",),
            )
            for artifact in made.manifest.artifacts
        )
        terms = Probation(seconds=1, min_requests=0, max_failure_ppm=0, max_over_budget_ppm=0, min_agreement_ppm=0)
        return replace(made.manifest, artifacts=artifacts, probation=terms)

    def publish(self, file: ClassFile) -> None:
        self.generation += 1
        rows = {parse_device_id(name): IndexRow(class_id=CLASS_ID, state="active") for name in NAMES}
        manifests = [self.old, self.new]
        files = build_publication(rows, [file], manifests, self.generation, issued_at=self.now)
        self.tuf.publish(files.pop(BUNDLE_PATH), self.now)
        self.published.commit({**files, **self.tuf.files})

    def ring(self, devices: int) -> ClassFile:
        """Return the rollout with a ring that holds so many devices, and the devices of it."""
        word = salt(FLEET, "spring", self.new.release)
        cut = sorted(bucket(word, name) for name in NAMES)[devices - 1] + 1
        return rolling(self.old, self.new, make_ring(cut=cut, not_before=self.now))

    def inside(self, devices: int) -> set[str]:
        word = salt(FLEET, "spring", self.new.release)
        return set(sorted(NAMES, key=lambda name: bucket(word, name))[:devices])


class Camera:
    """One device with the package."""

    def __init__(self, booted: Booted, fleet: Fleet, url: str) -> None:
        self.booted, self.run = booted, booted.run
        self.id: DeviceId = parse_device_id(booted.name)
        self.install("0.1.0")
        self.document = self.run(
            "ringtide-agent", "enroll", "--fleet", FLEET, "--device", self.id, "--hardware-class", "bench",
            "--root", "/srv/shared/root.json", "--publication", f"{url}/fleet.git", "--reports", f"{url}/reports.git",
            "--poll-interval", "2",
        )  # fmt: skip
        tls = booted.root / "var/lib/ringtide/tls"
        tls.mkdir()
        certificate, key = fleet.authority.issue(self.id)
        for source, name in ((certificate, "device.pem"), (key, "device.key"), (fleet.authority.path, "authority.pem")):
            (tls / name).write_bytes(source.read_bytes())
            (tls / name).chmod(0o600)
        self.run("chown", "-R", "ringtide:ringtide", "/var/lib/ringtide/tls")
        names = ("certificate", "device.pem"), ("key", "device.key"), ("authority", "authority.pem")
        lines = [f'tls_{key} = "/var/lib/ringtide/tls/{name}"' for key, name in names]
        drop_in = "\n".join(["[limits]", "fetch_deadline_s = 8", "[publication]", *lines, "[reports]", *lines, ""])
        (booted.root / "etc/ringtide/conf.d/tls.toml").write_text(drop_in)

    def install(self, version: str) -> None:
        self.run("dpkg", "-i", f"/srv/shared/ringtide-agent_{version}_amd64.deb")

    def start(self) -> None:
        self.run("systemctl", "enable", "--now", "ringtide-agent")

    def shows(self, *names: str) -> list[str]:
        said = self.run("systemctl", "show", "ringtide-agent", *(f"-p{name}" for name in names))
        values = dict(line.split("=", 1) for line in said.splitlines())
        return [values[name] for name in names]

    def status(self) -> dict[str, object]:
        seen = json.loads(self.run("ringtide-agent", "status", "-o", "json"))
        assert isinstance(seen, dict)
        return seen

    def confirmed(self) -> tuple[int, str | None]:
        """Return generation and the confirmed release."""
        seen = json.loads(self.run("ringtide-agent", "status", "-o", "json"))
        part = seen["models"].get("digits", {"phase": "", "active": None})
        return seen["generation"], part["active"]["release"] if part["phase"] == "confirmed" else None

    def answers(self) -> str:
        return self.run("python3", "-c", ASK, json.dumps(question()))

    def reaches(self, generation: int, release: str) -> None:
        self.booted.wait_for(lambda: self.confirmed() == (generation, release), f"{release} of generation {generation}")
        assert self.answers() == release


@contextmanager
def did(what: str) -> Iterator[None]:
    """Print what was done and how long it took."""
    begin = time.monotonic()
    yield
    print(f"{time.monotonic() - begin:6.1f} s  {what}", flush=True)


@pytest.fixture(scope="module")
def possible() -> None:
    why = lacking()
    if why is not None:
        pytest.skip(f"no device can boot here: {why}")


@pytest.fixture(scope="module")
def debs(possible: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.environ.get("RINGTIDE_DEBS"):
        return Path(os.environ["RINGTIDE_DEBS"])
    out = tmp_path_factory.mktemp("debs")
    with did("two versions of the package are built"):
        for version in ("0.1.0", "0.1.1"):
            script = ROOT / "packaging" / "build_deb.py"
            command = [sys.executable, str(script), "--out", str(out), "--version", version]
            subprocess.run(command, check=True, timeout=BUILD_S, stdout=subprocess.DEVNULL)
    return out


@pytest.fixture(scope="module")
def fleet(possible: None, debs: Path) -> Iterator[tuple[Fleet, list[Camera]]]:
    booted: list[Booted] = []
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ringtide-system-") as there:
        folder = Path(there)
        fleet = Fleet(folder)
        for deb in debs.glob("*.deb"):
            os.link(deb, fleet.shelf.folder / deb.name) if _same_disk(deb, folder) else None
            if not (fleet.shelf.folder / deb.name).exists():
                (fleet.shelf.folder / deb.name).write_bytes(deb.read_bytes())
        with git_server(folder / "git", fleet.authority) as server:
            url = server.url("").rstrip("/")
            try:
                end_s = time.monotonic() + WHOLE_S
                with did(f"{len(NAMES)} devices boot systemd"):
                    for name in NAMES:
                        booted.append(Booted(name, folder / name, shared=fleet.shelf.folder, end_s=end_s))
                        booted[-1].lend(int(url.rpartition(":")[2]))
                with did("each installs the package and enrols"):
                    cameras = [Camera(device, fleet, url) for device in booted]
                yield fleet, cameras
            finally:
                for device in booted:
                    device.off()


def _same_disk(path: Path, other: Path) -> bool:
    return path.stat().st_dev == other.stat().st_dev


def test_devices_of_the_package_update_through_rings_and_survive(fleet: tuple[Fleet, list[Camera]]) -> None:
    owner, cameras = fleet
    first, second, third, last = cameras[0], cameras[1 % len(cameras)], cameras[2 % len(cameras)], cameras[-1]

    with did("a new package starts nothing; enabled, every device confirms 1.0.0"):
        for camera in cameras:
            assert camera.shows("ActiveState", "ConditionResult")[0] == "inactive"
            assert f"id: {camera.id}" in camera.document
        owner.publish(steady(owner.old))
        for camera in cameras:
            camera.start()
        for camera in cameras:
            camera.reaches(1, "1.0.0")

    with did("1.1.0 reaches the first ring alone, then all of them; everybody reports"):
        owner.publish(owner.ring(1))
        for camera in cameras:
            camera.reaches(2, "1.1.0" if camera.id in owner.inside(1) else "1.0.0")
        line = ["0", "generation 1.3; digits: 1.1.0, confirmed"]
        owner.publish(owner.ring(len(cameras)))
        for camera in cameras:
            camera.reaches(3, "1.1.0")
            camera.booted.wait_for(lambda camera=camera: owner.reports.tip(report_ref(camera.id)), "a report")
            camera.booted.wait_for(lambda camera=camera: camera.shows("NRestarts", "StatusText") == line, str(line))

    with did("the running unit scores 2.0 at most, and its doctor finds nothing wrong"):
        first.run("systemd-analyze", "security", "--threshold=20", "--no-pager", "ringtide-agent.service")
        assert "fix:" not in first.run("ringtide-agent", "doctor")

    with did("killed with KILL, it is back and serves 1.1.0"):
        # On cgroup v1 systemctl says EIO after it killed.
        first.run("systemctl", "kill", "-s", "KILL", "ringtide-agent", check=False)
        first.booted.wait_for(lambda: first.shows("NRestarts", "ActiveState") == ["1", "active"], "the restart")
        first.reaches(3, "1.1.0")

    with did("a loop that stands still loses its watchdog, is started again and serves 1.1.0"):
        folder = second.booted.root / "etc/systemd/system/ringtide-agent.service.d"
        second.run("mkdir", "-p", "/etc/systemd/system/ringtide-agent.service.d")
        (folder / "watchdog.conf").write_text("[Service]\nWatchdogSec=8\n")
        second.run("systemctl", "daemon-reload")
        second.run("systemctl", "restart", "ringtide-agent")
        (process,) = second.shows("MainPID")
        second.run("kill", "-s", "STOP", process)
        second.booted.wait_for(lambda: second.shows("MainPID")[0] not in ("0", process), "the watchdog")
        assert "Failed with result 'watchdog'" in second.run("journalctl", "-u", "ringtide-agent", "--no-pager")
        second.reaches(3, "1.1.0")
        transitions = second.run("journalctl", "RINGTIDE_MODEL=digits", "-o", "json", "--no-pager").splitlines()
        assert "Confirming" in {json.loads(line)["RINGTIDE_STATE"] for line in transitions}

    with did("without a network it starts, serves, and says what is missing; with it, it goes on to generation 4"):
        third.booted.network(up=False)
        third.run("systemctl", "restart", "ringtide-agent")
        assert third.shows("ActiveState") == ["active"]
        third.booted.wait_for(lambda: "source-unreachable" in third.shows("StatusText")[0], "the missing source")
        assert third.confirmed() == (3, "1.1.0")
        assert "publication" in third.run("ringtide-agent", "doctor", check=False)
        owner.publish(steady(owner.new))
        third.booted.network(up=True)
        third.reaches(4, "1.1.0")

    with did("the package is upgraded in service and keeps key, state and release"):
        key = last.run("sha256sum", "/etc/ringtide/device.key")
        last.reaches(4, "1.1.0")
        number = last.status()["reports"]["last"]  # type: ignore[index]
        last.install("0.1.1")
        last.booted.wait_for(lambda: last.shows("ActiveState") == ["active"], "the new version")
        assert "0.1.1" in last.run("dpkg-query", "-W", "ringtide-agent")
        last.reaches(4, "1.1.0")
        assert last.status()["reports"]["last"] >= number  # type: ignore[index]

    with did("removed, it leaves key and state; installed again, it goes on; purged, nothing of it is left"):
        last.run("dpkg", "-r", "ringtide-agent")
        assert last.run("sh", "-c", "test -e /usr/lib/ringtide-agent; echo $?") == "1"
        assert last.run("sha256sum", "/etc/ringtide/device.key") == key
        last.run("test", "-e", "/var/lib/ringtide/models/digits/active")
        last.install("0.1.1")
        last.start()
        last.reaches(4, "1.1.0")
        last.run("dpkg", "-P", "ringtide-agent")
        left = "find /etc /usr/lib /usr/bin /var/lib /var/cache /run -xdev -name '*ringtide*' -not -path '*/dpkg/*'"
        assert last.run("sh", "-c", left) == ""
        assert last.shows("LoadState") == ["not-found"]
