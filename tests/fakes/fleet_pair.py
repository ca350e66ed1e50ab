"""A fleet repository and a reports repository, real and bare, with devices that push."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from fakes.fleet_files import device_ids, fleet_files
from fakes.judged_rollouts import on_stable
from fakes.reporting_devices import ReportingDevice
from ringtide_contract.report import ModelReport
from ringtide_engine.adapters.git_repository import GitRepository
from ringtide_engine.judge.exposure import ring_of
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.evidence import Subject
from ringtide_engine.ports import ConflictError
from ringtide_engine.workflows.advance import AdvanceResult, advance
from ringtide_engine.workflows.cases import cases_of, read_state
from ringtide_engine.workflows.ingest import ingest
from ringtide_engine.workflows.recording import IngestResult

START = datetime.fromisoformat("2026-11-23T09:00:00+00:00")


class RacingRepository(GitRepository):
    """Lets somebody else do something between reading and writing, once."""

    before_commit: Callable[[], None] | None = None

    def commit(
        self, branch: str, *, parent: str | None, changes: Mapping[str, bytes | None], message: str, at: datetime
    ) -> str:
        """Commit after whatever comes first."""
        first, self.before_commit = self.before_commit, None
        if first is not None:
            first()
        return super().commit(branch, parent=parent, changes=changes, message=message, at=at)


class StubbornRepository(GitRepository):
    """Loses every race."""

    def commit(
        self, branch: str, *, parent: str | None, changes: Mapping[str, bytes | None], message: str, at: datetime
    ) -> str:
        """Refuse."""
        raise ConflictError(f"{branch} moved")


def bare(folder: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True, capture_output=True)
    return folder


@dataclass(slots=True)
class FleetPair:
    """Both repositories, the devices, and the present."""

    fleet: RacingRepository
    reports: RacingRepository
    devices: dict[str, ReportingDevice]
    now: datetime = START
    folders: tuple[Path, Path] = field(default=(Path(), Path()))

    @property
    def head(self) -> str:
        head = self.fleet.head("main")
        assert head is not None
        return head

    @property
    def state(self) -> DesiredState:
        return read_state(self.fleet, self.head)

    def collected(self) -> Mapping[str, bytes]:
        """Return the files of the collector's branch; none before the first ingest."""
        head = self.reports.head("collected/main")
        return {} if head is None else self.reports.files(head)

    def change(self, **files: bytes | None) -> str:
        return self.fleet.commit("main", parent=self.head, changes=files, message="Change", at=self.now)

    def push(self, branch: str, files: Mapping[str, bytes | None]) -> str:
        """Commit files to a branch of the reports repository, as who may write there can."""
        parent = self.reports.head(branch)
        return GitRepository.commit(self.reports, branch, parent=parent, changes=files, message="x", at=self.now)

    def send(self, device: str, part: ModelReport | None = None) -> None:
        """Let a device report."""
        files = self.devices[device].send({} if part is None else {"digits": part})
        self.push(f"reports/{device}", files)

    def report(self, exposed: Callable[[Subject], ModelReport], only: frozenset[str] | None = None) -> None:
        """Let devices report: exposed ones as `exposed` says, the others from the stable release."""
        (case,) = cases_of(self.state, self.now)
        progress = case.view.progress
        for subject in case.subjects:
            if only is None or subject.device in only:
                part = exposed if progress is not None and ring_of(progress, subject) is not None else on_stable
                self.send(subject.device, part(subject))

    def exposed(self, rollout: str | None = None) -> tuple[Subject, ...]:
        """Return the devices that open rings expose."""
        cases = [each for each in cases_of(self.state, self.now) if rollout in (None, each.view.rollout.name)]
        progress = cases[0].view.progress
        return tuple(each for each in cases[0].subjects if progress and ring_of(progress, each) is not None)

    def ingest(self) -> IngestResult:
        return ingest(self.fleet, self.reports, collector="main", now=self.now)

    def advance(self) -> AdvanceResult:
        return advance(self.fleet, self.reports, now=self.now)

    def later(self, span: timedelta) -> "FleetPair":
        self.now += span
        return self


def fleet_pair(folder: Path, devices: int = 12, *, rollout: str | None = "1.1.0", soak: str = "1h") -> FleetPair:
    """Make a fleet whose desired state is committed and whose devices have not spoken yet."""
    folders = bare(folder / "fleet.git"), bare(folder / "reports.git")
    fleet = RacingRepository(folders[0])
    files = fleet_files(devices, rollout=rollout, soak=soak)
    fleet.commit("main", parent=None, changes=files, message="Begin", at=START)
    reporting = {name: ReportingDevice(id=name) for name in device_ids(devices)}
    return FleetPair(fleet=fleet, reports=RacingRepository(folders[1]), devices=reporting, folders=folders)


def retired(files: Mapping[str, bytes], device: str) -> dict[str, bytes]:
    """Return the change that retires a device."""
    path = f"devices/{device}.yaml"
    return {path: files[path].replace(b"state: active", b"state: retired")}
