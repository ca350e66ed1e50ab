"""The device's link goes down in the middle of a download, of a push of reports, and of a poll, and comes back.

The device lives in a network namespace of its own, the servers outside; the pair of virtual cards between them is real to both.
"""

import contextlib
import ctypes
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from fakes.git_server import Authority, git_server
from fakes.static_server import static_server
from faults.bench import Bench, Row
from faults.laws import Outcome, arrived, ends_well, gets_there, is_whole, serves, tells_all
from faults.network import LIMIT_S, WebScene
from faults.processes import Agent
from faults.scene import Device, Story
from ringtide_agent import wiring
from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_agent.adapters.background_fetch import BackgroundFetch

PARTITION_S = 60
DOWN_S = 9.0
"""How long the link is down: every limit is reached once."""

RATE_KIB_S = 2
"""A download takes some seconds."""

MOMENT_S = 20.0
"""For the moment to come."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEWNET = 0x40000000

_HOOK = """
touch {folder}/entered
while [ ! -e {folder}/go ]; do sleep 0.1; done
"""


def rows(bench: Bench) -> Iterator[Row]:
    """Each moment."""
    missing = bench.lacks("ip", "nsenter", root=True) or _cannot_link()
    if missing:
        yield Row(fault="link down, then up", skipped=missing)
        return
    yield bench.row("link down, then up", cut_during, list(MOMENTS), seconds=PARTITION_S)


def cut_during(_story: Story, folder: Path, moment: str) -> Outcome | None:
    """It serves all the while, and gets there when the link is up again; None where the moment never came."""
    start = time.monotonic()
    wiring.ArtifactFetcher = partial(ArtifactFetcher, window_s=LIMIT_S)  # type: ignore[misc,assignment]
    wiring.BackgroundFetch = partial(BackgroundFetch, stuck_s=LIMIT_S)  # type: ignore[misc,assignment]
    web, tls = folder / "web", folder / "tls"
    for made in (web / "blobs", tls):
        made.mkdir(parents=True)
    with ExitStack() as stack:
        link = Link(os.getpid())
        stack.enter_context(link.made())
        server = stack.enter_context(static_server(web, link.here))
        authority = Authority(tls, link.here)
        git = stack.enter_context(git_server(folder / "scene" / "template", authority))
        stack.enter_context(link.entered())
        ports = {"store": server.port, "mirror": server.port}
        scene = WebScene(folder=folder / "scene", web=web, ports=ports, host=link.here)
        story, device = scene.update, scene.template
        _report_over(device, git.url("reports.git"), authority)
        device.origin.hook("pre-receive", _HOOK.format(folder=folder))
        if moment != "push":
            (folder / "go").touch()
        agent = Agent(device.folder, "run", "--config", str(device.config), pause_s=1)
        stack.callback(agent.kill)
        losses = serves(story, agent)
        if not losses and not _came(lambda: MOMENTS[moment](folder, device)):
            return None
        link.set("down")
        (folder / "go").touch()
        time.sleep(DOWN_S)
        losses = losses or serves(story, agent) or is_whole(story, device)
        if not losses and arrived(story, device):
            losses = ["the link was never down"]
        link.set("up")
        losses = losses or gets_there(story, device, agent) or serves(story, agent)
        losses += ends_well(agent)
        losses = losses or is_whole(story, device) or tells_all(device)
    if not losses:
        shutil.rmtree(folder)
    return Outcome(point=f"link down during a {moment}", losses=tuple(losses), seconds=time.monotonic() - start)


def _half_fetched(_folder: Path, device: Device) -> bool:
    return any(path.stat().st_size > 0 for path in device.state.glob("blobs/??/*.part"))


def _pushing(folder: Path, _device: Device) -> bool:
    return (folder / "entered").exists()


def _asked(_folder: Path, device: Device) -> bool:
    return "Wanted -> Fetching" not in Agent.said_in(device.folder)


MOMENTS: Mapping[str, Callable[[Path, Device], bool]] = {"download": _half_fetched, "push": _pushing, "poll": _asked}
"""When the link goes down."""


class Link:
    """A pair of virtual network cards, one of them in a namespace of its own."""

    def __init__(self, number: int) -> None:
        """Take names and addresses from a number that nobody else has."""
        self.name, self._outer, self._inner = f"rt{number}", f"rto{number}", f"rti{number}"
        subnet = number % 16384
        self.here = f"198.18.{subnet >> 6}.{(subnet & 63) * 4 + 1}"  # of the range for tests of networks, RFC 2544
        self._there = f"198.18.{subnet >> 6}.{(subnet & 63) * 4 + 2}"
        self._outside = os.open("/proc/self/ns/net", os.O_RDONLY)

    @contextmanager
    def made(self) -> Iterator[None]:
        """Make both."""
        _ip("netns", "add", self.name)
        try:
            _ip("link", "add", self._outer, "type", "veth", "peer", "name", self._inner, "netns", self.name)
            _ip("addr", "add", f"{self.here}/30", "dev", self._outer)
            _ip("link", "set", self._outer, "up")
            _ip("-n", self.name, "addr", "add", f"{self._there}/30", "dev", self._inner)
            for card in ("lo", self._inner):
                _ip("-n", self.name, "link", "set", card, "up")
            yield
        finally:
            _ip("netns", "del", self.name)  # and with it the pair
            os.close(self._outside)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Bring this thread, and what it starts, into the namespace."""
        with open(f"/run/netns/{self.name}", "rb") as inside:
            _enter(inside.fileno())
        try:
            yield
        finally:
            _enter(self._outside)

    def set(self, state: str) -> None:
        """Set the outer card, as a cable is pulled at the other end."""
        there = f"--net=/proc/{os.getpid()}/fd/{self._outside}"
        subprocess.run(["nsenter", there, "ip", "link", "set", self._outer, state], check=True, capture_output=True)


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _cannot_link() -> str:
    try:
        with Link(os.getpid()).made():
            return ""
    except (OSError, subprocess.CalledProcessError) as error:
        return f"cannot make a network namespace: {error}"


def _report_over(device: Device, url: str, authority: Authority) -> None:
    certificate, key = authority.issue("cam-001")
    key.chmod(0o600)
    words = f'url = "{url}"\ntls_certificate = "{certificate}"\ntls_key = "{key}"\ntls_authority = "{authority.path}"'
    text = re.sub(r"(?m)(?<=^\[reports\]\n)url = .*", words, device.config.read_text())
    device.config.write_text(re.sub(r"(?m)^# most_rate_kib_s = \d+", f"most_rate_kib_s = {RATE_KIB_S}", text))


def _came(moment: Callable[[], bool]) -> bool:
    end = time.monotonic() + MOMENT_S
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError):
            if moment():
                return True
        time.sleep(0.02)
    return False
