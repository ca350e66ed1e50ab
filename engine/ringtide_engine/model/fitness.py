"""Whether a variant of a release runs on a hardware class."""

from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ringtide_engine.model.desired import HardwareClass
from ringtide_engine.model.releases import Variant


def unmet(variant: Variant, hardware: HardwareClass) -> tuple[str, ...]:
    """Return the requirements of `variant` that `hardware` does not meet, one sentence each; empty where it fits."""
    reasons: list[str] = []
    if variant.arch is not None and variant.arch != hardware.arch:
        reasons.append(f"is made for {variant.arch}, {hardware.name} has {hardware.arch}")
    if variant.memory_bytes > hardware.memory_bytes:
        reasons.append(
            f"needs {_size(variant.memory_bytes)} of memory, {hardware.name} has {_size(hardware.memory_bytes)}"
        )
    if variant.file.size_bytes > hardware.disk_bytes:
        reasons.append(
            f"takes {_size(variant.file.size_bytes)} of disk, {hardware.name} has {_size(hardware.disk_bytes)}"
        )
    if variant.opset > hardware.max_opset:
        reasons.append(f"uses opset {variant.opset}, {hardware.name} runs up to {hardware.max_opset}")
    if not set(variant.execution_providers) & set(hardware.execution_providers):
        wanted, offered = ", ".join(variant.execution_providers), ", ".join(hardware.execution_providers)
        reasons.append(f"uses {wanted}, {hardware.name} offers {offered}")
    if not ranges_overlap(variant.onnxruntime, hardware.onnxruntime):
        reasons.append(f"needs onnxruntime {variant.onnxruntime}, {hardware.name} has {hardware.onnxruntime}")
    return tuple(reasons)


@lru_cache(maxsize=1024)  # a fleet names few ranges, and asks of the same two for every release and class
def ranges_overlap(one: str, other: str) -> bool:
    """Tell whether two version ranges (PEP 440) share a version.

    onnxruntime numbers its releases major.minor.patch, and a range is a union of intervals whose ends are the versions it
    names. So it is enough to probe every version that either range names, the three that may follow it and the three that
    may precede it. A range that names nothing takes all; text that is no range overlaps with nothing.
    """
    try:
        ranges = SpecifierSet(one), SpecifierSet(other)
    except InvalidSpecifier:
        return False
    probes = {Version("0"), *(probe for each in ranges for specifier in each for probe in _around(specifier))}
    return any(all(each.contains(probe, prereleases=True) for each in ranges) for probe in probes)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count % 2**20 == 0 else f"{count} bytes"


_LATEST = 10**6
"""Stands for the newest minor or patch of its line; no release is numbered so high."""


def _around(specifier: Specifier) -> list[Version]:
    try:
        named = Version(specifier.version.removesuffix(".*"))
    except InvalidVersion:  # `===` takes any text
        return []
    major, minor, patch = named.major, named.minor, named.micro
    numbers = [(major, minor, patch + 1), (major, minor + 1, 0), (major + 1, 0, 0)]
    numbers += [(major, minor, patch - 1)] if patch else []
    numbers += [(major, minor - 1, _LATEST)] if minor else []
    numbers += [(major - 1, _LATEST, _LATEST)] if major else []
    return [named, *(Version(".".join(map(str, each))) for each in numbers)]
