"""A small desired state made of model values, for rooms that start from it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from fakes.fleet_files import device_key
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_contract.manifest import Budget, Probation, TensorSpec
from ringtide_contract.membership import Cut
from ringtide_engine.model.desired import (
    Cohort,
    DesiredState,
    Device,
    Expression,
    Fleet,
    Gate,
    HardwareClass,
    Pin,
    Placement,
    Ring,
    RingPlan,
    Rollout,
    Selector,
)
from ringtide_engine.model.progress import LastVerdict, OpenedRing, Progress, RolloutPhase
from ringtide_engine.model.releases import GoldenSet, Release, ReleaseFile, Variant

OPENED = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MIB = 1024 * 1024
HARDWARE = {"edge-s": 384 * MIB, "edge-m": 1024 * MIB, "edge-l": 4096 * MIB}
_ONE_KEY = device_key("any").public_key()


def selector(**labels: str) -> Selector:
    return Selector(
        expressions=tuple(Expression(key=key, operator="In", values=(value,)) for key, value in labels.items())
    )


def device(number: int, *, key_each: bool = False, **changes: object) -> Device:
    hardware = tuple(HARDWARE)[number % 3]
    name = DeviceId(f"{hardware}-{number:04}")
    region = "eu" if number // 3 % 2 == 0 else "us"
    made = Device(
        path=f"devices/{name}.yaml",
        pointer="",
        id=name,
        public_key=device_key(name).public_key() if key_each else _ONE_KEY,
        hardware_class=hardware,
        labels={"region": region, "site": f"{region}-{number // 6}"},
        state="active",
        pins=(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def release(version: str, *, model: str = "digits") -> Release:
    def digest(salt: str) -> Digest:
        return sha256(f"{model} {version} {salt}".encode())

    def graph(salt: str, size: int) -> ReleaseFile:
        return ReleaseFile(name="model.onnx", sha256=digest(salt), size_bytes=size, store="models")

    variants = tuple(
        Variant(
            name=name,
            file=graph(name, size),
            opset=17,
            onnxruntime=">=1.20",
            execution_providers=("CUDAExecutionProvider", "CPUExecutionProvider"),
            memory_bytes=memory,
            golden_tolerance_ppm=1000,
        )
        for name, memory, size in (("fp32", 512 * MIB, 100_000), ("int8", 128 * MIB, 30_000))
    )
    return Release(
        path=f"models/{model}/{version}.yaml",
        model=model,
        version=version,
        variants=variants,
        inputs=(TensorSpec(name="image", datatype="FP32", shape=(-1, 64)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 10)),),
        golden=GoldenSet(name="golden.json", sha256=digest("golden"), size_bytes=5_000, store="models"),
        budgets={name: Budget(p95_latency_us=20_000, peak_memory_bytes=256 * MIB) for name in HARDWARE},
        probation=None,
        sbom=None,
        licence="Apache-2.0",
        risk_tier="low",
        attempt=0,
    )


def ring(name: str, share: str | None = None, *, cohort: str | None = None) -> Ring:
    gate = Gate(
        metric="wentSilent",
        compare="atMost",
        limit=Fraction(1, 10),
        assurance="observed",
        min_devices=1,
        min_requests=0,
    )
    return Ring(
        name=name,
        share=None if share is None else Fraction(share),
        cohort=cohort,
        minimum_per_stratum=1,
        soak=timedelta(hours=1),
        deadline=timedelta(days=3),
        quorum=Fraction(9, 10),
        spread=timedelta(minutes=10),
        windows=(),
        gates=(gate,),
    )


def desired_state(
    devices: int = 12,
    *,
    placed: str | None = "1.0.0",
    candidate: str | None = None,
    progress: Progress | None = None,
    strata: tuple[str, ...] = ("region",),
) -> DesiredState:
    """Return a fleet `harbour` whose devices run `digits`; a candidate adds the rollout `digits-<candidate>`."""
    made = [device(number) for number in range(devices)]
    rollouts = {}
    if candidate is not None:
        name = f"digits-{candidate}"
        rollouts[name] = Rollout(
            path=f"rollouts/{name}.yaml",
            name=name,
            placement="everywhere",
            candidate=candidate,
            ring_plan="standard",
        )
    return DesiredState(
        fleet=Fleet(
            name="harbour",
            strata=strata,
            artifact_stores={"models": "file:///srv/models/"},
            max_silence=timedelta(hours=24),
            statement_lifetime=timedelta(days=14),
            timestamp_lifetime=timedelta(days=7),
            ingest_interval=timedelta(minutes=5),
            probation=Probation(
                seconds=600, min_requests=20, max_failure_ppm=10_000, max_over_budget_ppm=50_000, min_agreement_ppm=0
            ),
            runtime_threads=1,
        ),
        hardware={name: hardware_class(name) for name in HARDWARE},
        devices={each.id: each for each in made},
        cohorts={
            "all": Cohort(path="cohorts/all.yaml", name="all", selector=_everybody()),
            "eu": Cohort(path="cohorts/eu.yaml", name="eu", selector=selector(region="eu")),
        },
        ring_plans={
            "standard": RingPlan(
                path="rings/standard.yaml",
                name="standard",
                unit="device",
                control=Fraction(1, 20),
                rings=(ring("canary", "1/10"), ring("pilot", "1/2"), ring("rest", "1")),
            )
        },
        releases={("digits", version): release(version) for version in ("1.0.0", "1.1.0", "1.2.0")},
        placements={
            "everywhere": Placement(
                path="placements/everywhere.yaml", name="everywhere", model="digits", cohort="all", release=placed
            )
        },
        rollouts=rollouts,
        policy_sets={},
        waivers={},
        progress={} if progress is None else {progress.rollout: progress},
        quarantine=(),
        documents={},
    )


def hardware_class(name: str) -> HardwareClass:
    return HardwareClass(
        path=f"hardware/{name}.yaml",
        name=name,
        arch="x86_64",
        memory_bytes=HARDWARE[name],
        disk_bytes=8 * 1024 * MIB,
        execution_providers=("CPUExecutionProvider",),
        onnxruntime=">=1.20,<2",
        max_opset=21,
    )


def progress_of(
    candidate: str,
    phase: RolloutPhase = "rolling",
    *rings: OpenedRing,
    at: datetime = OPENED,
    rollout: str | None = None,
) -> Progress:
    name = rollout or f"digits-{candidate}"
    return Progress(
        rollout=name,
        candidate=candidate,
        stable=candidate if phase == "completed" else None,
        phase=phase,
        control={},
        rings=rings,
        last=LastVerdict(kind="promote", reasons=(), at=at, evidence=f"progress/{name}/0001.json"),
    )


def opened(name: str, cuts: Mapping[str, int], *, cohort: str | None = None) -> OpenedRing:
    return OpenedRing(
        name=name, opened_at=OPENED, cuts={stratum: Cut(cut) for stratum, cut in cuts.items()}, cohort=cohort
    )


def pin(state: DesiredState, name: str, version: str, model: str = "digits") -> DesiredState:
    """Return the state with one device pinned."""
    changed = replace(state.devices[DeviceId(name)], pins=(Pin(model=model, release=version),))
    return replace(state, devices={**state.devices, changed.id: changed})


def _everybody() -> Selector:
    return Selector(expressions=(Expression(key="hardwareClass", operator="Exists", values=()),))
