"""The drift reference: what is read is what was written, and what no device could watch by is refused."""

from typing import Any

import pytest

from ringtide_contract.drift import DriftReference, Stream
from ringtide_contract.errors import InputError
from ringtide_contract.manifest import TensorSpec

TENSORS = (
    TensorSpec(name="x", datatype="FP32", shape=(-1, 4)),
    TensorSpec(name="text", datatype="BYTES", shape=(-1,)),
    TensorSpec(name="scores", datatype="FP32", shape=(-1, 3)),
)


def document(**changes: Any) -> dict[str, Any]:
    streams = [
        {"tensor": "scores", "statistic": "argmax", "edges": [], "counts": [40, 30, 30]},
        {"tensor": "x", "statistic": "mean", "edges": [-0.5, 0.25], "counts": [20, 60, 20]},
    ]
    return {"apiVersion": "ringtide/v1", "kind": "DriftReference", "window": 100, "streams": streams, **changes}


def test_a_reference_reads_as_it_was_written() -> None:
    assert DriftReference.from_dict(document(), TENSORS).to_dict() == document()


def test_a_figure_falls_between_the_edges_and_a_place_into_its_own_bin() -> None:
    places, mean = DriftReference.from_dict(document(), TENSORS).streams
    assert [places.bin_of(each) for each in (0.0, 2.0, 3.0)] == [0, 2, None]
    assert [mean.bin_of(each) for each in (-1.0, -0.5, 0.0, 0.25, 9.0)] == [0, 1, 1, 2, 2]


def test_no_bin_is_impossible() -> None:
    stream = Stream(tensor="x", statistic="mean", edges=(0.0,), counts=(0, 98))
    assert stream.shares == (1 / 100, 99 / 100)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "Golden"}, "not a DriftReference"),
        ({"window": 49}, "50 to 100000 rows, not 49"),
        ({"window": 101}, "counted over 100 rows: the window has 101"),
        ({"streams": []}, "1 to 16 streams, not 0"),
        ({"streams": [{"tensor": "y", "statistic": "mean", "edges": [0], "counts": [50, 50]}]}, "no figures in 'y'"),
        ({"streams": [{"tensor": "text", "statistic": "mean", "edges": [0], "counts": [50, 50]}]}, "but in x, scores"),
        ({"streams": [{"tensor": "x", "statistic": "median", "edges": [0], "counts": [50, 50]}]}, "'median' is not"),
        ({"streams": [{"tensor": "x", "statistic": "mean", "edges": [1, 1], "counts": [50, 25, 25]}]}, "do not rise"),
        (
            {"streams": [{"tensor": "x", "statistic": "mean", "edges": [1], "counts": [50, 25, 25]}]},
            "1 edges between 3",
        ),
        (
            {"streams": [{"tensor": "x", "statistic": "mean", "edges": ["a"], "counts": [50, 50]}]},
            "'a' is not a number",
        ),
        ({"streams": [{"tensor": "x", "statistic": "argmax", "edges": [1], "counts": [50, 50]}]}, "has edges"),
        ({"streams": [{"tensor": "x", "statistic": "argmax", "counts": [100]}]}, "has 1 bins"),
        ({"streams": [{"tensor": "x", "statistic": "argmax", "counts": [0, 0]}]}, "over no row"),
        ({"streams": [{"tensor": "x", "statistic": "argmax", "counts": [101, -1]}]}, "'-1' is not an integer"),
    ],
)
def test_what_no_device_could_watch_by_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        DriftReference.from_dict(document(**changes), TENSORS)
