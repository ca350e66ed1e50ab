"""Devices that report: numbered, chained and signed as the agent does it, about whatever a test wants to be true."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from fakes.fleet_files import device_key
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.keys import PrivateKey
from ringtide_contract.report import Counters, Failure, ModelReport, Report, Running, seal_report
from ringtide_contract.sketch import LatencySketch, bucket_of

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STABLE = sha256(b"the stable manifest")


def counters(
    manifest: Digest,
    requests: int = 100,
    *,
    failures: int = 0,
    crashes: int = 0,
    compared: int = 0,
    agreed: int = 0,
    latency_us: int = 5_000,
    session: str = "one",
) -> Counters:
    """Return what a session has served so far."""
    return Counters(
        manifest=manifest,
        session=session,
        requests=requests,
        failures=failures,
        over_budget=0,
        compared=compared,
        agreed=agreed,
        crashes=crashes,
        peak_memory_bytes=1,
        latency=LatencySketch(counts={bucket_of(latency_us): requests} if requests else {}),
    )


def model(
    phase: str, manifest: Digest | None, *served: Counters, desired: Digest | None = None, failed: str | None = None
) -> ModelReport:
    """Return a model's part: `manifest` serves, `desired` is asked for, and failed at the step `failed`."""
    asked = desired or manifest
    failures: tuple[Failure, ...] = ()
    if failed is not None and asked is not None:
        failures = (Failure(manifest=asked, release="1.1.0", step=failed, note=""),)  # type: ignore[arg-type]
    return ModelReport(
        phase=phase,  # type: ignore[arg-type]
        active=None if manifest is None else Running(manifest=manifest, release="1.1.0", variant="fp32"),
        desired=asked,
        reason="as the test says",
        failures=failures,
        counters=served,
    )


def report(device: str, models: Mapping[str, ModelReport], number: int = 1, *, fleet: str = "harbour") -> Report:
    """Return a report that stands alone."""
    return Report(
        fleet=fleet,
        device=DeviceId(device),
        number=number,
        previous=None if number == 1 else sha256(b"%d" % (number - 1)),
        session="run",
        agent="0",
        device_time=AT,
        epoch=1,
        generation=1,
        statement=None,
        conditions=(),
        models=dict(models),
    )


@dataclass(slots=True, kw_only=True)
class ReportingDevice:
    """A device with its key and its chain of reports."""

    id: str
    key: PrivateKey | None = None
    number: int = 0
    previous: Digest | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    def make(self, models: Mapping[str, ModelReport] | None = None, **changes: object) -> tuple[str, bytes]:
        """Return the path and the bytes of the next report, without sending it."""
        plain = replace(report(self.id, models or {}), number=self.number + 1, previous=self.previous)
        made = replace(plain, **changes)  # type: ignore[arg-type]
        return f"reports/{made.number}.json", seal_report(made, self.key or device_key(self.id))

    def send(self, models: Mapping[str, ModelReport] | None = None) -> dict[str, bytes]:
        """Make the next report part of the chain and return it as a change of the branch."""
        path, content = self.make(models)
        plain = replace(report(self.id, models or {}), number=self.number + 1, previous=self.previous)
        self.number, self.previous = self.number + 1, sha256(plain.encode())
        self.files[path] = content
        return {path: content}
