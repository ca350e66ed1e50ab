"""Write a release as people write it."""

import json
import re

from ringtide_contract import API_VERSION
from ringtide_contract.manifest import Budget, TensorSpec
from ringtide_engine.model.releases import Attachment, GoldenSet, Release, ReleaseFile

_MODELINE = "# yaml-language-server: $schema=../../.ringtide/schemas/release.json"

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*")
_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that some reader of YAML takes for something else than text."""


def release_text(release: Release) -> bytes:
    """Return the file of a release; what it leaves out has its default."""
    lines = [
        _MODELINE,
        f"apiVersion: {API_VERSION}",
        "kind: Release",
        f"model: {_word(release.model)}",
        f'version: "{release.version}"',
    ]
    lines += [f"owner: {_word(release.owner)}"] if release.owner is not None else []
    lines.append("variants:")
    for variant in release.variants:
        lines += [
            f"  - name: {_word(variant.name)}",
            *_graph(variant.file),
            *([f"    arch: {variant.arch}"] if variant.arch is not None else []),
            f"    opset: {variant.opset}",
            f"    onnxruntime: {json.dumps(variant.onnxruntime)}",
            f"    executionProviders: {_list(variant.execution_providers)}",
            f"    memory: {_size(variant.memory_bytes)}",
            f"    goldenTolerance: {tolerance_text(variant.golden_tolerance_ppm)}",
        ]
    lines += ["inputs:", *map(_tensor, release.inputs)] if release.inputs else ["inputs: []"]
    lines += ["outputs:", *map(_tensor, release.outputs)] if release.outputs else ["outputs: []"]
    lines += _golden(release.golden) if release.golden is not None else []
    lines += ["budgets:" if release.budgets else "budgets: {}"]
    lines += [f"  {_word(name)}: {_costs(budget)}" for name, budget in release.budgets.items()]
    attachments = {
        "sbom": release.sbom,
        "provenance": release.provenance,
        "signature": release.signature,
        "modelCard": release.model_card,
        "driftReference": release.drift_reference,
    }
    for field, attachment in attachments.items():
        lines += _attachment(field, attachment) if attachment is not None else []
    lines.append(f"licence: {_word(release.licence)}")
    lines.append(f"riskTier: {release.risk_tier}")
    lines += [f"residency: {_list(release.residency)}"] if release.residency else []
    return "\n".join([*lines, ""]).encode("utf-8")


def tolerance_text(ppm: int) -> str:
    """Write a tolerance as releases have it: `0.020000`."""
    return f"{ppm // 10**6}.{ppm % 10**6:06}"


def _file(file: ReleaseFile) -> str:
    return f"{{{', '.join(_file_fields(file))}}}"


def _file_fields(file: ReleaseFile) -> list[str]:
    store = _word(file.store)
    return [f"name: {_word(file.name)}", f'sha256: "{file.sha256}"', f"size: {file.size_bytes}", f"store: {store}"]


def _graph(file: ReleaseFile) -> list[str]:
    if file.chunks is None and not file.deltas:
        return [f"    file: {_file(file)}"]
    lines = ["    file:", *(f"      {each}" for each in _file_fields(file))]
    lines += [f'      chunks: "{file.chunks}"'] if file.chunks is not None else []
    lines += ["      deltas:"] if file.deltas else []
    for each in file.deltas:
        lines.append(f'        - {{from: "{each.base}", sha256: "{each.sha256}", size: {each.size_bytes}}}')
    return lines


def _golden(file: GoldenSet) -> list[str]:
    if file.disjoint is None:
        return [f"golden: {_file(file)}"]
    return ["golden:", *(f"  {each}" for each in _file_fields(file)), f"  disjoint: {_word(file.disjoint)}"]


def _attachment(field: str, file: Attachment) -> list[str]:
    if not file.subjects:
        return [f"{field}: {_file(file)}"]
    subjects = [f'    - "{each}"' for each in file.subjects]
    return [f"{field}:", *(f"  {each}" for each in _file_fields(file)), "  subjects:", *subjects]


def _costs(budget: Budget) -> str:
    return f"{{p95Latency: {_latency(budget.p95_latency_us)}, peakMemory: {_size(budget.peak_memory_bytes)}}}"


def _tensor(tensor: TensorSpec) -> str:
    shape = ", ".join(map(str, tensor.shape))
    return f"  - {{name: {_word(tensor.name)}, datatype: {tensor.datatype}, shape: [{shape}]}}"


def _list(words: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_word, words))}]"


def _word(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN
    if plain:
        return text
    # A sign that no reviewer sees stands escaped, as `load` asks.
    return "".join(
        each if each.isprintable() else f"\\U{ord(each):08x}" for each in json.dumps(text, ensure_ascii=False)
    )


def _size(count: int) -> str:
    for exponent, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count % 2**exponent == 0:
            return f"{count >> exponent}{unit}"
    return str(count)


def _latency(microseconds: int) -> str:
    for factor, unit in ((10**6, "s"), (1000, "ms")):
        if microseconds % factor == 0:
            return f"{microseconds // factor}{unit}"
    return f"{microseconds}us"
