"""Drift: the digits of the demo as they are raise no alarm, and raise one when the world or the camera changes."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import onnxruntime
import pytest

from ringtide_agent.serve.drift import ALPHA, MAX_ROWS, Monitor, read_reference
from ringtide_contract.drift import DriftReference, Stream
from ringtide_contract.errors import InputError
from ringtide_contract.manifest import Manifest, TensorSpec
from ringtide_engine import wiring

DIGITS = Path(__file__).parents[3] / "engine/ringtide_engine/demo/digits"
GRAPH = DIGITS / "1.1.0" / "fp32.onnx"
IMAGE = TensorSpec(name="image", datatype="FP32", shape=(-1, 64))
SCORES = TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 10))
DIGITS_MANIFEST = cast("Manifest", SimpleNamespace(inputs=(IMAGE,), outputs=(SCORES,)))

Array = np.ndarray[Any, np.dtype[np.float32]]


def images(split: str) -> Array:
    with gzip.open(DIGITS / "digits.csv.gz") as packed:
        rows = [row for row in csv.DictReader(io.TextIOWrapper(packed, encoding="ascii")) if row["split"] == split]
    return np.array([[int(row[f"p{number}"]) for number in range(64)] for row in rows], np.float32)


@pytest.fixture(scope="module")
def reference() -> DriftReference:
    rows = io.BytesIO()
    np.savez(rows, image=images("heldout"))
    content = wiring.drift_reference("fp32.onnx", GRAPH.read_bytes(), "heldout.npz", rows.getvalue(), None)
    return read_reference(content, DIGITS_MANIFEST)


def alarms(reference: DriftReference, changed: Callable[[Array], Array], windows: int) -> list[bool]:
    """Feed live images, changed, in requests of eight."""
    monitor, chance = Monitor(reference, DIGITS_MANIFEST), np.random.default_rng(7)
    live = changed(images("live")).astype(np.float32)
    scores = onnxruntime.InferenceSession(GRAPH).run(None, {"image": live})[0]
    ended: list[bool] = []
    while len(ended) < windows:
        chosen = chance.integers(len(live), size=8)
        ended += monitor.saw({"image": live[chosen], "probabilities": scores[chosen]})
    return ended


def test_images_that_no_training_has_seen_raise_no_alarm(reference: DriftReference) -> None:
    assert reference.window == 300
    assert alarms(reference, lambda live: live, windows=20) == [False] * 20


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("turned about", lambda live: live.reshape(-1, 8, 8).transpose(0, 2, 1).reshape(-1, 64)),
        ("moved by a pixel", lambda live: np.roll(live.reshape(-1, 8, 8), 1, axis=2).reshape(-1, 64)),
        ("brighter", lambda live: np.clip(live * 1.15, 0, 16)),
        ("a dead row of the sensor", lambda live: live * np.repeat([1, 1, 1, 0, 1, 1, 1, 1], 8)),
    ],
)
def test_a_change_that_spoils_what_is_seen_raises_an_alarm_in_every_window(
    reference: DriftReference, what: str, changed: Callable[[Array], Array]
) -> None:
    assert alarms(reference, changed, windows=3) == [True] * 3, what


def test_at_most_a_share_alpha_of_windows_alarms_where_nothing_has_changed() -> None:
    """Both the reference and the rows are drawn anew from one distribution, three thousand times."""
    manifest = cast("Manifest", SimpleNamespace(inputs=(), outputs=(SCORES,)))
    chance, windows, raised = np.random.default_rng(11), 3000, 0
    shares = np.array([0.3, 0.2, 0.15, 0.1, 0.08, 0.07, 0.05, 0.03, 0.015, 0.005])
    eye = np.eye(10, dtype=np.float32)
    for _ in range(windows):
        counts = tuple(int(each) for each in chance.multinomial(60, shares))
        stream = Stream(tensor="probabilities", statistic="argmax", edges=(), counts=counts)
        monitor = Monitor(DriftReference(window=50, streams=(stream,)), manifest)
        rows = eye[chance.choice(10, size=50, p=shares)]
        ended = [
            each for at in range(0, 50, MAX_ROWS) for each in monitor.saw({"probabilities": rows[at : at + MAX_ROWS]})
        ]
        raised += sum(ended)
    assert raised <= windows * ALPHA + 3 * (windows * ALPHA) ** 0.5


def test_an_answer_that_the_reference_has_not_is_an_alarm() -> None:
    stream = Stream(tensor="probabilities", statistic="argmax", edges=(), counts=(30, 30))
    manifest = cast("Manifest", SimpleNamespace(inputs=(), outputs=(SCORES,)))
    monitor = Monitor(DriftReference(window=50, streams=(stream,)), manifest)
    rows = np.eye(10, dtype=np.float32)
    ended = [
        each for number in (0, 1, 2, *[0, 1] * 24) for each in monitor.saw({"probabilities": rows[number : number + 1]})
    ]
    assert ended == [True]


def test_a_tensor_without_a_batch_is_one_row() -> None:
    whole = TensorSpec(name="frame", datatype="FP32", shape=(2, 2))
    manifest = cast("Manifest", SimpleNamespace(inputs=(whole,), outputs=()))
    stream = Stream(tensor="frame", statistic="mean", edges=(0.5,), counts=(25, 25))
    monitor = Monitor(DriftReference(window=50, streams=(stream,)), manifest)
    ended = [each for number in range(50) for each in monitor.saw({"frame": np.full((2, 2), number % 2, np.float32)})]
    assert ended == [False]


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b'{"kind": "DriftReference"}', b" " * 70_000])
def test_what_is_no_reference_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(InputError, match="the drift reference"):
        read_reference(content, DIGITS_MANIFEST)


def test_a_reference_of_another_graph_is_refused(reference: DriftReference) -> None:
    other = cast("Manifest", SimpleNamespace(inputs=(IMAGE,), outputs=()))
    with pytest.raises(InputError, match="no figures in 'probabilities'"):
        read_reference(json.dumps(reference.to_dict()).encode(), other)
