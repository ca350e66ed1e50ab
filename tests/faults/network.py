"""The network fails, between the device and the store of artifacts or between it and the mirror of publications."""

import contextlib
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Literal

from fakes.fault_proxy import FAULTS, Fault, FaultProxy, fault_proxy
from fakes.git_origin import GitOrigin
from fakes.publication import BUNDLE_PATH, CLASS_ID, build_publication, steady
from fakes.static_server import static_server
from faults.bench import Bench, Row
from faults.laws import Outcome, arrived, ends_well, gets_there, is_whole, serves, tells_all
from faults.processes import Agent
from faults.scene import DEVICE, Device, Scene, Story
from ringtide_agent import steps, wiring
from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_agent.adapters.background_fetch import BackgroundFetch
from ringtide_contract.index import IndexRow
from ringtide_contract.manifest import Manifest
from ringtide_engine.adapters.static_mirror import StaticMirror

Place = Literal["store", "mirror"]

NETWORK_S = 60
BROKEN_S = 9.0
"""How long the network stays broken: some polls, and every limit is reached once."""

LIMIT_S = 3.0
"""In place of one minute and two, after which a source that brings nothing is given up."""

DEFERRED_S = 12
"""In place of an hour, after which a release whose sources all gave other bytes is tried again."""

CUT_AFTER = {"store": 1500, "mirror": 120}
"""Bytes of an answer that come through, headers among them: less than a model, more than nothing."""

_NAMED = {
    "store": re.compile(r"Faltered -> \w+: artifact \w+ did not come: http://|Postponed -> Deferred: ARTIFACT-DIGEST"),
    "mirror": re.compile(r"publication: \w+ \+ Missed -> \w+: mirror\+http://"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """What breaks, and where."""

    fault: Fault
    place: Place

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.fault} before the {self.place}"


def rows(bench: Bench) -> Iterator[Row]:
    """Every fault, in both places."""
    places: tuple[Place, ...] = ("store", "mirror")
    points = [Break(fault=fault, place=place) for fault in FAULTS for place in places]
    yield bench.row("network broken in eight ways, then whole", broken, points, seconds=NETWORK_S, at_once=2)


def broken(_story: Story | None, folder: Path, what: Break) -> Outcome:
    """It serves all the while, polls on, says what is wrong, and gets there when the network is whole again."""
    begin = time.monotonic()
    wiring.ArtifactFetcher = partial(ArtifactFetcher, window_s=LIMIT_S)  # type: ignore[misc,assignment]
    wiring.BackgroundFetch = partial(BackgroundFetch, stuck_s=LIMIT_S)  # type: ignore[misc,assignment]
    steps.fetch.RETRY_AFTER_S = DEFERRED_S
    web = folder / "web"
    (web / "blobs").mkdir(parents=True)
    with proxied(web, folder / "store") as store, proxied(web, folder / "mirror") as mirror:
        ports = {"store": store, "mirror": mirror}
        scene = WebScene(folder=folder / "scene", web=web, ports=ports)
        story, device = scene.update, scene.template
        (folder / what.place).write_text(what.fault)
        agent = Agent(device.folder, "run", "--config", str(device.config), pause_s=1)
        losses = serves(story, agent)
        time.sleep(BROKEN_S)
        losses = losses or serves(story, agent) or is_whole(story, device)
        said = what.fault == "delay" or arrived(story, device) or _NAMED[what.place].search(agent.said())
        if not losses and not said:  # a delay is borne, and needs no words
            losses = [f"it does not say what is wrong: {agent.said()[-600:]}"]
        if not losses and what.place == "store" and "Faltered" in agent.said() and not _reported(device):
            losses = ["nothing of it was reported"]
        (folder / what.place).write_text("none")
        losses = losses or gets_there(story, device, agent) or serves(story, agent)
        losses += ends_well(agent)
        losses = losses or is_whole(story, device) or tells_all(device)
    return Outcome(point=str(what), losses=tuple(losses), seconds=time.monotonic() - begin)


@dataclass(kw_only=True)
class WebScene(Scene):
    """The scene behind proxies: artifacts and publications come over HTTP."""

    web: Path
    """Folder that is served."""
    ports: dict[str, int]
    """Ports of the proxies."""
    host: str = "127.0.0.1"
    """Where they are."""

    def publish(self, generation: int, release: str, *, to: GitOrigin | None = None) -> None:
        """Publish one generation on the mirror."""
        manifest = self.manifests[release]
        row = IndexRow(class_id=CLASS_ID, state="active")
        files = build_publication({DEVICE: row}, [steady(manifest)], [manifest], generation, issued_at=self.now)
        self.tuf.publish(files.pop(BUNDLE_PATH), self.now)
        shown = {**files, **self.tuf.files}
        name = sha1(repr(sorted(shown.items())).encode(), usedforsecurity=False).hexdigest()
        StaticMirror(self.web / "mirror").show(lambda: (name, shown))

    def _manifest(self, release: str) -> Manifest:
        manifest = super()._manifest(release)
        artifacts = []
        for artifact in manifest.artifacts:
            lying = Path(artifact.uris[0].removeprefix("file://"))
            (self.web / "blobs" / artifact.sha256).write_bytes(lying.read_bytes())
            uri = f"http://{self.host}:{self.ports['store']}/blobs/{artifact.sha256}"
            artifacts.append(replace(artifact, uris=(uri,), deltas=()))
        return replace(manifest, artifacts=tuple(artifacts))

    def _keep(self, name: str) -> None:
        """Keep nothing: one story is enough."""

    def _enroll(self) -> None:
        super()._enroll()
        config = self.template.config
        text = config.read_text().replace(
            self.published.url, f"mirror+http://{self.host}:{self.ports['mirror']}/mirror"
        )
        text = re.sub(r"(?m)^# schemes = .*", 'schemes = ["http"]', text)
        config.write_text(text.replace("fetch_deadline_s = 20", "fetch_deadline_s = 5"))


@contextmanager
def proxied(web: Path, control: Path) -> Iterator[int]:
    """Serve a folder through a proxy in a process of its own, whose fault stands in a file; yields the port."""
    control.write_text("none")
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(web, control, there))
    process.start()
    try:
        yield here.recv()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.SIGTERM)
        process.join(10)


def _serve(web: Path, control: Path, ready: "multiprocessing.connection.Connection") -> None:
    def fault(_proxy: FaultProxy) -> str:
        return control.read_text() or "none"

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    FaultProxy.fault = property(fault, lambda _proxy, _value: None)  # type: ignore[assignment]
    with static_server(web) as server, fault_proxy(server.port) as proxy:
        proxy.after_bytes = CUT_AFTER[control.name]
        ready.send(proxy.port)
        signal.pause()


def _reported(device: Device) -> bool:
    return any(part.phase == "installing" for report, _ in device.reports() for part in report.models.values())
