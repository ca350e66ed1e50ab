"""The fleet, its hardware classes and its devices."""

from ringtide_contract.ids import parse_device_id, parse_name, parse_version
from ringtide_contract.keys import parse_public_key
from ringtide_contract.manifest import Probation
from ringtide_engine.load import units
from ringtide_engine.load.cursor import Cursor, MisfitError
from ringtide_engine.load.releases import probation
from ringtide_engine.model.budgets import DisruptionBudget
from ringtide_engine.model.desired import Device, Fleet, HardwareClass, Pin
from ringtide_engine.model.people import Freeze
from ringtide_engine.model.time_zones import TimeZones

DEFAULT_PROBATION = Probation(
    seconds=600, min_requests=20, max_failure_ppm=10_000, max_over_budget_ppm=50_000, min_agreement_ppm=0
)
"""Ten minutes, twenty requests: enough to see a crash or a wrong build, short enough to be waited for."""


def fleet(at: Cursor) -> Fleet:
    """Read `fleet.yaml`.

    Raises:
        MisfitError: A value that the model refuses.
    """
    publication, defaults = at.child("publication"), at.child("defaults")
    watched = defaults.child("probation")
    return Fleet(
        name=at.read("name", parse_name),
        strata=tuple(at.get("strata", ())),
        artifact_stores=dict(at.get("artifactStores")),
        max_silence=at.read("maxSilence", units.positive_duration, "24h"),
        statement_lifetime=publication.read("statementLifetime", units.positive_duration, "14d"),
        timestamp_lifetime=publication.read("timestampLifetime", units.positive_duration, "7d"),
        ingest_interval=at.child("ingest").read("interval", units.positive_duration, "5m"),
        probation=probation(watched) if watched.value is not None else DEFAULT_PROBATION,
        runtime_threads=defaults.get("threads", 1),
        retention={name: each.parse(units.positive_duration) for name, each in at.child("retention").fields()},
        freezes=tuple(
            Freeze(
                first=each.read("from", units.day),
                until=each.read("to", units.day),
                zone=each.get("zone"),
                reason=each.get("reason").strip(),
            )
            for each in at.child("freezes").items()
        ),
        time_zones=_time_zones(at.child("timeZones")),
        budgets=tuple(_budget(each) for each in at.child("disruptionBudgets").items()),
    )


def _time_zones(at: Cursor) -> TimeZones | None:
    if at.value is None:
        return None
    zones = {site: each.parse(units.time_zone) for site, each in at.child("zones").fields()}
    return TimeZones(label=at.get("label"), zones=zones)


def _budget(at: Cursor) -> DisruptionBudget:
    written = [kind for kind in ("maxUnavailable", "minAvailable") if at.get(kind) is not None]
    if len(written) != 1:
        raise MisfitError(at.pointer, "a disruption budget has either maxUnavailable or minAvailable")
    return DisruptionBudget(label=at.get("label"), kind=written[0], amount=at.read(written[0], units.amount))


def hardware_class(path: str, at: Cursor) -> HardwareClass:
    """Read a hardware class.

    Raises:
        MisfitError: A value that the model refuses.
    """
    return HardwareClass(
        path=path,
        name=at.read("name", parse_name),
        arch=at.get("arch"),
        memory_bytes=at.read("memory", units.size),
        disk_bytes=at.read("disk", units.size),
        execution_providers=tuple(at.get("executionProviders")),
        onnxruntime=at.read("onnxruntime", units.version_range),
        max_opset=at.get("maxOpset"),
        owner=at.get("owner"),
    )


def device(path: str, at: Cursor, *, pointer: str = "") -> Device:
    """Read a device.

    Args:
        path: File it stands in.
        at: The device.
        pointer: Where it stands in a file of many.

    Raises:
        MisfitError: A value that the model refuses.
    """
    return Device(
        path=path,
        pointer=pointer,
        id=at.read("id", parse_device_id),
        public_key=at.read("publicKey", parse_public_key),
        previous_key=None if at.get("previousKey") is None else at.read("previousKey", parse_public_key),
        hardware_class=at.read("hardwareClass", parse_name),
        labels=dict(at.get("labels", {})),
        state=at.get("state", "active"),
        pins=tuple(
            Pin(model=each.read("model", parse_name), release=each.read("release", parse_version))
            for each in at.child("pins").items()
        ),
    )
