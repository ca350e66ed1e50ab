"""Dangers of the releases that a change brings: fit, signature, budget, and the way back."""

from collections.abc import Iterable, Iterator, Sequence

from packaging.version import InvalidVersion, Version

from ringtide_engine.compile.steps import Step, at
from ringtide_engine.compile.words import count, mebibytes
from ringtide_engine.model.dangers import Danger, danger
from ringtide_engine.model.desired import DesiredState, HardwareClass
from ringtide_engine.model.fitness import ranges_overlap, unmet
from ringtide_engine.model.quarantined import entry_against
from ringtide_engine.model.releases import Release, Variant
from ringtide_engine.model.steady_state import stable_version, unfinished


def release_dangers(before: DesiredState | None, after: DesiredState, steps: Iterable[Step]) -> Iterator[Danger]:
    """Yield what is dangerous about the steps from one release to another, and about releases edited in place."""
    for step in steps:
        if step.new is not None:
            ban = entry_against(after, step.model, step.new)
            if ban is not None:
                message = f"{step.what} brings {step.model} {step.new}, which is quarantined: {ban.reason}"
                yield danger("RT-DANGER-015", step.place, message)
        if step.after is not None:
            yield from _fit(after, step, step.after)
            if step.before is not None and step.before.version != step.after.version:
                yield from _against(step, step.before, step.after)
    yield from _ways_back(after)
    if before is not None:
        yield from _edited(before, after)
        yield from _quarantined_files(before, after)


def _fit(state: DesiredState, step: Step, release: Release) -> Iterator[Danger]:
    """Yield the hardware classes that the release does not suit."""
    for name in sorted(step.hardware):
        hardware, number = state.hardware.get(name), step.hardware[name]
        if hardware is None or not number:
            continue
        chosen = next((variant for variant in release.variants if not unmet(variant, hardware)), None)
        head = f"{release.model} {release.version} on {count(number)} of {name}"
        if chosen is None:
            for id_, why in _misfits(release.variants, hardware):
                yield danger(id_, step.place, f"{head}: {why}")
            continue
        size = _bytes(release, chosen)
        old = None if step.before is None else _chosen(step.before, hardware)
        beside = 0 if old is None or step.before is None else _bytes(step.before, old)
        if size + beside > hardware.disk_bytes:
            message = (
                f"{head}: {mebibytes(size)}, beside {mebibytes(beside)} that run, on {mebibytes(hardware.disk_bytes)}"
            )
            yield danger("RT-DANGER-012", step.place, message)


def _misfits(variants: Sequence[Variant], hardware: HardwareClass) -> Iterator[tuple[str, str]]:
    """Yield which danger it is that no variant fits, and why."""
    opset = min(variant.opset for variant in variants)
    if opset > hardware.max_opset:
        yield "RT-DANGER-011", f"needs opset {opset}, the devices have up to {hardware.max_opset}"
    if not any(ranges_overlap(variant.onnxruntime, hardware.onnxruntime) for variant in variants):
        wanted = " or ".join(sorted({variant.onnxruntime for variant in variants}))
        yield "RT-DANGER-011", f"needs onnxruntime {wanted}, the devices have {hardware.onnxruntime}"
    size = min(variant.file.size_bytes for variant in variants)
    if size > hardware.disk_bytes:
        yield "RT-DANGER-012", f"takes {mebibytes(size)} of disk, the devices have {mebibytes(hardware.disk_bytes)}"
    other = [
        f"{variant.name} {'; '.join(unmet(variant, hardware))}"
        for variant in variants
        if variant.memory_bytes > hardware.memory_bytes
        or not set(variant.execution_providers) & set(hardware.execution_providers)
    ]
    if other:
        yield "RT-DANGER-020", ". ".join(other)


def _against(step: Step, old: Release, new: Release) -> Iterator[Danger]:
    """Yield what differs from the release that runs, for the worse."""
    number = sum(step.hardware.values())
    name = f"{step.what}: {new.model} {new.version} after {old.version} on {count(number)}"
    if (old.inputs, old.outputs) != (new.inputs, new.outputs):
        parts = [part for part in ("inputs", "outputs") if getattr(old, part) != getattr(new, part)]
        yield danger("RT-DANGER-010", step.place, f"{name} has other {' and '.join(parts)}")
    if _is_older(new.version, old.version):
        yield danger("RT-DANGER-017", step.place, f"{name} is a downgrade")
    if old.golden is not None and new.golden is None:
        yield danger("RT-DANGER-018", step.place, f"{name} brings no golden set")
    raised = _raised(old, new, step.hardware)
    if raised:
        yield danger("RT-DANGER-019", step.place, f"{name} may take more: {'; '.join(raised)}")


def _edited(before: DesiredState, after: DesiredState) -> Iterator[Danger]:
    """Yield releases whose own file gives more away than it did."""
    for key in sorted(before.releases.keys() & after.releases.keys()):
        old, new = before.releases[key], after.releases[key]
        if old == new:
            continue
        name = f"{new.model} {new.version}"
        if (old.inputs, old.outputs) != (new.inputs, new.outputs):
            yield danger("RT-DANGER-010", at(after, new.path, "/inputs"), f"{name} is edited to another signature")
        if old.golden is not None and new.golden is None:
            yield danger("RT-DANGER-018", at(after, new.path), f"{name} loses its golden set")
        raised = _raised(old, new, new.budgets)
        if raised:
            yield danger("RT-DANGER-019", at(after, new.path, "/budgets"), f"{name} may take more: {'; '.join(raised)}")


def _ways_back(after: DesiredState) -> Iterator[Danger]:
    """Yield rollouts under way whose roll back would find no release to return to."""
    for name in sorted(after.placements):
        placement = after.placements[name]
        stable = stable_version(after, placement)
        for rollout in unfinished(after, placement) if stable is not None else ():
            ban = entry_against(after, placement.model, stable)
            if (placement.model, stable) not in after.releases or ban is not None:
                why = "has no file" if ban is None else f"is quarantined: {ban.reason}"
                message = f"{rollout.name} would return to {placement.model} {stable}, which {why}"
                yield danger("RT-DANGER-016", at(after, rollout.path, "/placement"), message)


def _quarantined_files(before: DesiredState, after: DesiredState) -> Iterator[Danger]:
    for key in sorted({*before.releases, *after.releases}):
        old, new = before.releases.get(key), after.releases.get(key)
        release = new or old
        ban = None if old == new or release is None else entry_against(before, *key)
        if ban is not None and release is not None:
            how = "removed" if new is None else "edited" if old else "added"
            message = f"{release.path} is {how}, and {' '.join(key)} is quarantined: {ban.reason}"
            yield danger("RT-DANGER-015", at(after, release.path), message)


def _raised(old: Release, new: Release, hardware: Iterable[str]) -> list[str]:
    answer: list[str] = []
    for name in sorted(hardware):
        was, is_ = old.budgets.get(name), new.budgets.get(name)
        if was is None or is_ is None:
            continue
        if is_.p95_latency_us > was.p95_latency_us:
            answer.append(f"{name} {is_.p95_latency_us / 1000:g} ms instead of {was.p95_latency_us / 1000:g} ms")
        if is_.peak_memory_bytes > was.peak_memory_bytes:
            memory = f"{mebibytes(is_.peak_memory_bytes)} instead of {mebibytes(was.peak_memory_bytes)}"
            answer.append(f"{name} {memory}")
    return answer


def _is_older(new: str, old: str) -> bool:
    try:
        return Version(new) < Version(old)
    except InvalidVersion:
        return False


def _chosen(release: Release, hardware: HardwareClass) -> Variant | None:
    return next((variant for variant in release.variants if not unmet(variant, hardware)), None)


def _bytes(release: Release, variant: Variant) -> int:
    return variant.file.size_bytes + (release.golden.size_bytes if release.golden else 0)
