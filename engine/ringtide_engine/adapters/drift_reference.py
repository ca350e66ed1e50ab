"""Makes a release's drift reference: runs its graph over rows that it was made for, and counts what they look like."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ringtide_contract.drift import MAX_STREAMS, WINDOW_ROWS, DriftReference, Statistic, Stream
from ringtide_contract.errors import InputError
from ringtide_contract.manifest import TensorSpec
from ringtide_engine.adapters.onnx_run import run_graph
from ringtide_engine.compile.sbom import GraphFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 10
"""Equally full bins of a figure: few enough that a few hundred rows fill them."""

MAX_CLASSES = 100
"""Of an output whose best places are counted: more would be empty bins."""

USUAL_WINDOW = 500


def make_reference(
    name: str, content: bytes, facts: GraphFacts, rows: "Mapping[str, NDArray[Any]]", window: int | None
) -> bytes:
    """Return the drift reference of a graph.

    Watched are the best place and the best score of every output that is a row of scores, the mean of every other
    output, and the mean and standard deviation of every input: a shift of the inputs that leaves the answers as they
    were shows in the one, a shift that spoils the answers in the other.

    Args:
        name: What to call the graph in messages.
        content: The ONNX file.
        facts: What it takes and gives.
        rows: Input to rows: the same number for each, the first dimension counts them.
        window: Rows that a device holds against it together; None for 500, or as many as there are.

    Raises:
        InputError: Rows of other inputs, too few, or the graph does not run them.
    """
    count = _counted(facts.inputs, rows)
    window = min(USUAL_WINDOW, count) if window is None else window
    if window > count or window not in WINDOW_ROWS:
        raise InputError(
            f"{count} rows make no window of {window}: give as many rows, and a window of at least {WINDOW_ROWS[0]}"
        )
    answers = _answers(name, content, facts, rows, count)
    streams = tuple(_streams(facts, rows, answers))[:MAX_STREAMS]
    if not streams:
        raise InputError(f"nothing of {name} varies over these rows: give rows as devices will see them")
    reference = DriftReference(window=window, streams=streams)
    return (json.dumps(reference.to_dict(), indent=1) + "\n").encode()


def read_rows(name: str, content: bytes) -> "dict[str, NDArray[Any]]":
    """Read rows from an `.npz` file: one array an input.

    Raises:
        InputError: It is none, or holds objects.
    """
    import numpy as np

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {each: arrays[each] for each in arrays.files}
    except Exception as error:
        fix = "write it with numpy.savez(path, INPUT=rows)"
        raise InputError(f"{name} is no .npz file of plain arrays; {fix}") from error


def _counted(inputs: Sequence[TensorSpec], rows: "Mapping[str, NDArray[Any]]") -> int:
    wanted, given = sorted(each.name for each in inputs), sorted(rows)
    if wanted != given:
        raise InputError(f"the rows are of {', '.join(given) or 'nothing'}, the graph takes {', '.join(wanted)}")
    counts = {len(each) if each.ndim else 0 for each in rows.values()}
    if len(counts) != 1:
        raise InputError(
            f"the inputs have {', '.join(str(each) for each in sorted(counts))} rows: give as many of each"
        )
    return counts.pop()


def _answers(
    name: str, content: bytes, facts: GraphFacts, rows: "Mapping[str, NDArray[Any]]", count: int
) -> "dict[str, NDArray[Any]]":
    import numpy as np

    batched = all(each.shape and each.shape[0] == -1 for each in facts.inputs)
    names = [each.name for each in facts.outputs]
    parts: list[list[NDArray[Any]]] = []
    for number in range(1 if batched else count):
        feeds = dict(rows) if batched else {each: array[number] for each, array in rows.items()}
        answer = run_graph(name, content, feeds, names, what="the rows")
        if answer is None:
            raise InputError("a drift reference needs onnxruntime: pip install 'ringtide[agent]'")
        parts.append(answer)
    if batched:
        return dict(zip(names, parts[0], strict=True))
    return {each: np.stack([part[place] for part in parts]) for place, each in enumerate(names)}


def _streams(
    facts: GraphFacts, rows: "Mapping[str, NDArray[Any]]", answers: "Mapping[str, NDArray[Any]]"
) -> Iterator[Stream]:
    for spec in facts.outputs:
        array = answers[spec.name]
        if array.dtype.kind not in "fiub" or not array.size:
            continue
        scores = array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind == "f"
        if scores and array.shape[1] <= MAX_CLASSES:
            yield from _places(spec.name, array)
        yield from _spread(spec.name, "max" if scores else "mean", array)
    for spec in facts.inputs:
        if rows[spec.name].dtype.kind in "fiub":
            yield from _spread(spec.name, "mean", rows[spec.name])
            yield from _spread(spec.name, "std", rows[spec.name])


def _places(tensor: str, array: "NDArray[Any]") -> Iterator[Stream]:
    """Yield how often which place has the best score; nothing where it is always the same."""
    import numpy as np

    counts = np.bincount(array.argmax(axis=1), minlength=array.shape[1])
    if np.count_nonzero(counts) > 1:
        yield Stream(tensor=tensor, statistic="argmax", edges=(), counts=tuple(int(each) for each in counts))


def _spread(tensor: str, statistic: Statistic, array: "NDArray[Any]") -> Iterator[Stream]:
    """Yield a stream of equally full bins; none where the figure never changes."""
    import numpy as np

    figures = np.array([float(getattr(row, statistic)()) for row in array])
    if not np.isfinite(figures).all():
        raise InputError(f"the {statistic} of {tensor!r} is not finite in every row")
    edges = np.unique(np.quantile(figures, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = np.bincount(np.searchsorted(edges, figures, side="right"), minlength=len(edges) + 1)
    if np.count_nonzero(counts) > 1:
        yield Stream(
            tensor=tensor,
            statistic=statistic,
            edges=tuple(float(each) for each in edges),
            counts=tuple(int(each) for each in counts),
        )
