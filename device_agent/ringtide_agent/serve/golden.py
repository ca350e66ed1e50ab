"""Known questions with known answers: read them, and say how far a release is off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringtide_agent.serve.tensors import decode_tensors, has_wild_values, parse_json
from ringtide_contract import fields
from ringtide_contract.errors import InputError
from ringtide_contract.manifest import Manifest, TensorSpec

Tensor = NDArray[Any]

PPM = 1_000_000

SAME = 1e-6
"""Rows that differ by no more are one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSet:
    """Questions and answers."""

    feeds: Mapping[str, Tensor]
    """Input name to tensor."""
    expected: tuple[Tensor, ...]
    """Outputs in the manifest's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenResult:
    """How a release answered."""

    difference: float
    """Largest absolute difference of any element."""
    fault: str | None
    """Why it is refused; None where the answers are the expected ones."""


def read_golden(content: bytes, manifest: Manifest) -> GoldenSet:
    """Read a golden artifact.

    Raises:
        InputError: Not JSON, or not the manifest's inputs and outputs.
    """
    data = fields.members(parse_json(content), "the golden set")
    expected = decode_tensors(data.get("outputs"), manifest.outputs)
    return GoldenSet(
        feeds=decode_tensors(data.get("inputs"), manifest.inputs),
        expected=tuple(expected[spec.name] for spec in manifest.outputs),
    )


def first_row(feeds: Mapping[str, Tensor], specs: Sequence[TensorSpec]) -> dict[str, Tensor]:
    """Return the first question of a batch; an input whose first dimension is fixed is no batch and stays whole."""
    free = {spec.name for spec in specs if spec.shape and spec.shape[0] == -1}
    return {name: tensor[:1] if name in free else tensor for name, tensor in feeds.items()}


def judge_golden(expected: Sequence[Tensor], actual: Sequence[Tensor], tolerance_ppm: int) -> GoldenResult:
    """Compare answers with the expected ones."""
    difference = 0.0
    for number, (wanted, got) in enumerate(zip(expected, actual, strict=True)):
        if wanted.shape != got.shape or wanted.dtype != got.dtype:
            fault = f"output {number} is {got.dtype} {list(got.shape)}, expected {wanted.dtype} {list(wanted.shape)}"
            return GoldenResult(difference=float("inf"), fault=fault)
        if has_wild_values(got):
            return GoldenResult(difference=float("inf"), fault=f"output {number} holds NaN or an infinity")
        if wanted.dtype.kind == "O":
            difference = max(difference, 0.0 if np.array_equal(wanted, got) else 1.0)
        elif wanted.size:
            wide = np.float64  # unsigned integers would wrap around, and half precision would lose the difference
            difference = max(difference, float(np.abs(wanted.astype(wide) - got.astype(wide)).max()))
        if _collapsed(got) and not _collapsed(wanted):
            fault = f"output {number} is the same for every golden input, expected different ones"
            return GoldenResult(difference=difference, fault=fault)
    if difference * PPM > tolerance_ppm:
        fault = f"golden difference {difference:.4g} (limit {tolerance_ppm / PPM:g})"
        return GoldenResult(difference=difference, fault=fault)
    return GoldenResult(difference=difference, fault=None)


def _collapsed(output: Tensor) -> bool:
    """Say whether several rows are one and the same answer."""
    if output.ndim == 0 or output.shape[0] < 2 or output.dtype.kind not in "fiu":
        return False
    rows = output.astype(np.float64)
    return bool((rows.max(axis=0) - rows.min(axis=0)).max() <= SAME)


def require_finite(outputs: Sequence[Tensor]) -> None:
    """Refuse outputs that hold NaN or an infinity.

    Raises:
        InputError: One does.
    """
    for number, output in enumerate(outputs):
        if has_wild_values(output):
            raise InputError(f"output {number} holds NaN or an infinity")
