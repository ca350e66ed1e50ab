"""The trial of a release: requirement, load, golden, budget, in this order; the first failure ends it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ringtide_agent.serve import onnx_session
from ringtide_agent.serve.artifact_file import read_artifact
from ringtide_agent.serve.control import LoadableRelease
from ringtide_agent.serve.drift import open_monitor
from ringtide_agent.serve.golden import GoldenSet, first_row, judge_golden, read_golden, require_finite
from ringtide_agent.serve.onnx_session import Session, Tensor
from ringtide_agent.serve.opset import default_opset
from ringtide_agent.serve.probe_messages import ProbeAnswer, Step
from ringtide_agent.serve.tensors import zeros
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.manifest import Manifest

WARM_UP_RUNS = 5
"""The first runs allocate."""

RUNS = 60
"""The 95th percentile is the fourth slowest: three bad moments of the device do not refuse a release."""

MIB = 1024 * 1024

_NO_MEMORY = ("bad_alloc", "bfc_arena", "allocate memory", "memoryerror")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """What the trial measures with."""

    now_ns: Callable[[], int]
    """A clock that only goes forward."""
    peak_bytes: Callable[[], int]
    """The most resident memory of this process so far."""


class _FailedError(Exception):
    def __init__(self, step: Step, note: str) -> None:
        super().__init__(note)
        self.step: Step = step


def try_release(release: LoadableRelease, instruments: Instruments) -> ProbeAnswer:
    """Try a release."""
    notes: list[str] = []
    p95: int | None = None
    failure: Step | None = None
    try:
        graph = _read_graph(release)
        _check_requirement(release.manifest, graph)
        session = _load(release, graph)
        questions = _ask_golden(release, session, notes)
        p95 = _measure_p95(session, questions, instruments)
        _check_budget(release.manifest, p95, instruments.peak_bytes(), notes)
    except _FailedError as error:
        failure = error.step
        notes.append(str(error))
    return ProbeAnswer(
        failure=failure, note=", ".join(notes), p95_latency_us=p95, peak_memory_bytes=instruments.peak_bytes()
    )


def _read_graph(release: LoadableRelease) -> bytes:
    try:
        return read_artifact(release.manifest.artifact(release.manifest.graph), release.files)
    except InputError as error:
        raise _FailedError("load", str(error)) from error


def _check_requirement(manifest: Manifest, graph: bytes) -> None:
    runtime, here = manifest.runtime, onnx_session.runtime_version()
    try:
        fits = SpecifierSet(runtime.onnxruntime).contains(here, prereleases=True)
    except InvalidSpecifier as error:
        raise _FailedError("requirement", f"{runtime.onnxruntime!r} is not a version range (PEP 440)") from error
    if not fits:
        raise _FailedError("requirement", f"onnxruntime {here} is here, the manifest asks for {runtime.onnxruntime}")
    missing = [name for name in runtime.providers if name not in onnx_session.available_providers()]
    if missing:
        here = ", ".join(sorted(onnx_session.available_providers()))
        raise _FailedError("requirement", f"execution provider {missing[0]} is not here (there are: {here})")
    if runtime.opset > onnx_session.newest_opset():
        newest = onnx_session.newest_opset()
        raise _FailedError("requirement", f"opset {runtime.opset} is asked for, onnxruntime here knows up to {newest}")
    try:
        opset = default_opset(graph)
    except InputError as error:
        raise _FailedError("load", str(error)) from error
    if opset > runtime.opset:
        raise _FailedError("requirement", f"the graph uses opset {opset}, its manifest says {runtime.opset}")


def _load(release: LoadableRelease, graph: bytes) -> Session:
    try:
        open_monitor(release)
        return Session(release.manifest, graph)
    except InputError as error:
        raise _FailedError(_or_memory("load", error), str(error)) from error


def _ask_golden(release: LoadableRelease, session: Session, notes: list[str]) -> Mapping[str, Tensor]:
    """Ask the golden questions; return the inputs to measure with."""
    manifest = release.manifest
    golden = manifest.golden
    if golden is None:
        return {spec.name: zeros(spec) for spec in manifest.inputs}
    try:
        content = read_artifact(manifest.artifact(golden.artifact), release.files)
    except InputError as error:
        raise _FailedError("golden", str(error)) from error
    try:
        questions = read_golden(content, manifest)
        result = judge_golden(questions.expected, _run(session, questions), golden.tolerance_ppm)
    except InputError as error:
        raise _FailedError("golden", str(error)) from error
    except TransientError as error:
        raise _FailedError(_or_memory("golden", error), str(error)) from error
    if result.fault is not None:
        raise _FailedError("golden", result.fault)
    notes.append(f"golden difference {result.difference:.2g} (limit {golden.tolerance_ppm / 1e6:g})")
    return first_row(questions.feeds, manifest.inputs)


def _run(session: Session, questions: GoldenSet) -> tuple[Tensor, ...]:
    return session.run(questions.feeds)


def _measure_p95(session: Session, feeds: Mapping[str, Tensor], instruments: Instruments) -> int:
    try:
        for _ in range(WARM_UP_RUNS):
            require_finite(session.run(feeds))
        latencies: list[int] = []
        for _ in range(RUNS):
            started = instruments.now_ns()
            session.run(feeds)
            latencies.append((instruments.now_ns() - started) // 1000)
    except InputError as error:
        raise _FailedError("golden", str(error)) from error
    except TransientError as error:
        raise _FailedError(_or_memory("load", error), str(error)) from error
    return sorted(latencies)[-(-95 * RUNS // 100) - 1]


def _check_budget(manifest: Manifest, p95: int, peak: int, notes: list[str]) -> None:
    budget = manifest.budget
    notes.append(f"p95 {p95} us (limit {budget.p95_latency_us})")
    notes.append(f"peak {peak // MIB} MiB (limit {budget.peak_memory_bytes // MIB})")
    if p95 > budget.p95_latency_us:
        raise _FailedError("budget", "too slow")
    if peak > budget.peak_memory_bytes:
        raise _FailedError("budget", "takes too much memory")


def _or_memory(step: Step, error: Exception) -> Step:
    """Tell want of memory from other failures: the runtime has no error class of its own for it."""
    text = str(error).lower()
    return "budget" if any(sign in text for sign in _NO_MEMORY) else step
