"""The demo's committed models, data and figures tell one story, and the script still makes them."""

import csv
import gzip
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # honoured only when set before the import

import numpy as np
import onnx
import onnxruntime as ort

DIGITS = Path(__file__).resolve().parents[3] / "engine/ringtide_engine/demo/digits"
FIGURES: dict[str, Any] = json.loads((DIGITS / "figures.json").read_text())
RELEASES: dict[str, Any] = FIGURES["releases"]
MODELS = [(release, variant) for release in RELEASES for variant in RELEASES[release]["variants"]]
EXACT = 1e-9
KERNELS = 1e-5  # what another processor's kernels may change in a float32 probability

every_model = pytest.mark.parametrize(("release", "variant"), MODELS)
every_release = pytest.mark.parametrize("release", RELEASES)


def read_splits(packed: bytes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rows = list(csv.DictReader(gzip.decompress(packed).decode().splitlines()))
    splits = {}
    for name in FIGURES["data"]["rows"]:
        mine = [row for row in rows if row["split"] == name]
        images = np.array([[float(row[f"p{pixel}"]) for pixel in range(64)] for row in mine], np.float32)
        splits[name] = (images, np.array([int(row["label"]) for row in mine]))
    assert sum(len(labels) for _, labels in splits.values()) == len(rows)
    return splits


@pytest.fixture(scope="module")
def splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return read_splits((DIGITS / "digits.csv.gz").read_bytes())


def golden(release: str, folder: Path = DIGITS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    document = json.loads((folder / release / "golden.json").read_text())
    (given,), (expected,) = document["inputs"], document["outputs"]
    assert (given["name"], given["datatype"], given["shape"]) == ("image", "FP32", [64, 64])
    assert (expected["name"], expected["datatype"], expected["shape"]) == ("probabilities", "FP32", [64, 10])
    images = np.array(given["data"], np.float32).reshape(given["shape"])
    outputs = np.array(expected["data"], np.float64).reshape(expected["shape"])
    return images, outputs, np.array(document["labels"])


def infer(release: str, variant: str, images: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    model = str(DIGITS / RELEASES[release]["variants"][variant]["file"])
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"image": images})[0]


def on_their_side(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.reshape(-1, 8, 8).transpose(0, 2, 1)).reshape(-1, 64)


def histograms(probabilities: np.ndarray) -> tuple[list[int], list[int]]:
    bins = np.minimum((probabilities.max(axis=1).astype(np.float64) * 10).astype(int), 9)
    classes = np.bincount(probabilities.argmax(axis=1), minlength=10)
    return classes.tolist(), np.bincount(bins, minlength=10).tolist()


def total_variation(left: list[int], right: list[int]) -> float:
    return float(np.abs(np.array(left) / sum(left) - np.array(right) / sum(right)).sum() / 2)


# --- files --------------------------------------------------------------------------------------------------------


def test_the_folder_is_small() -> None:
    sizes = {path: path.stat().st_size for path in DIGITS.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert max(sizes.values()) <= 200_000
    assert sum(sizes.values()) < 600_000


@every_model
def test_a_model_file_is_the_one_measured(release: str, variant: str) -> None:
    facts = RELEASES[release]["variants"][variant]
    data = (DIGITS / facts["file"]).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (facts["sha256"], facts["size"])


@every_release
def test_a_golden_file_is_the_one_measured(release: str) -> None:
    facts = RELEASES[release]["golden"]
    data = (DIGITS / facts["file"]).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (facts["sha256"], facts["size"])


@every_release
def test_int8_is_about_a_quarter_of_fp32(release: str) -> None:
    sizes = {variant: facts["size"] for variant, facts in RELEASES[release]["variants"].items()}
    assert 100_000 <= sizes["fp32"] <= 160_000
    assert 0.2 < sizes["int8"] / sizes["fp32"] < 0.3


@every_model
def test_a_model_keeps_the_contract_and_plain_onnx(release: str, variant: str) -> None:
    facts = RELEASES[release]["variants"][variant]
    model = onnx.load(str(DIGITS / facts["file"]))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", facts["opset"])]
    assert facts["opset"] <= 17
    assert model.ir_version == facts["ir_version"] == 8
    assert {node.domain for node in model.graph.node} == {""}
    for values, name, width in ((model.graph.input, "image", 64), (model.graph.output, "probabilities", 10)):
        (value,) = values
        batch, columns = value.type.tensor_type.shape.dim
        assert (value.name, value.type.tensor_type.elem_type) == (name, onnx.TensorProto.FLOAT)
        assert (batch.dim_param, columns.dim_value) == ("N", width)


@every_model
def test_a_batch_gives_what_its_images_give_alone(
    release: str, variant: str, splits: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    images = splits["live"][0][:3]
    alone = np.concatenate([infer(release, variant, images[at : at + 1]) for at in range(3)])
    assert np.abs(infer(release, variant, images) - alone).max() <= KERNELS


# --- data ---------------------------------------------------------------------------------------------------------


def test_no_image_is_in_two_splits_or_twice(splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    rows = [image.tobytes() for images, _ in splits.values() for image in images]
    assert len(rows) == len(set(rows))


def test_the_splits_are_as_recorded_and_hold_every_class_in_proportion(
    splits: dict[str, tuple[np.ndarray, np.ndarray]],
) -> None:
    text = gzip.decompress((DIGITS / FIGURES["data"]["file"]).read_bytes())
    assert hashlib.sha256(text).hexdigest() == FIGURES["data"]["csv_sha256"]
    for name, (images, labels) in splits.items():
        assert len(labels) == FIGURES["data"]["rows"][name]
        assert 0 <= images.min() <= images.max() <= 16
        counts = np.bincount(labels, minlength=10)
        assert counts.max() - counts.min() <= (9 if name == "train" else 1)


@every_release
def test_golden_images_come_from_the_golden_split(
    release: str, splits: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    held, labels = splits["golden"]
    images, _, golden_labels = golden(release)
    assert np.array_equal(images, on_their_side(held) if RELEASES[release]["transposed"] else held)
    assert np.array_equal(golden_labels, labels)


# --- measured figures ---------------------------------------------------------------------------------------------


@every_model
def test_accuracies_and_agreement_are_as_recorded(
    release: str, variant: str, splits: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    facts, (images, labels) = RELEASES[release]["variants"][variant], splits["live"]
    classes = infer(release, variant, images).argmax(axis=1)
    assert np.mean(classes == labels) == pytest.approx(facts["accuracy"]["live"], abs=EXACT)
    golden_images, _, golden_labels = golden(release)
    golden_classes = infer(release, variant, golden_images).argmax(axis=1)
    assert np.mean(golden_classes == golden_labels) == pytest.approx(facts["accuracy"]["golden"], abs=EXACT)
    previous = RELEASES[release]["previous"]
    if previous is None:
        assert facts["live_agreement_with_previous"] is None
    else:
        agreement = np.mean(classes == infer(previous, variant, images).argmax(axis=1))
        assert agreement == pytest.approx(facts["live_agreement_with_previous"], abs=EXACT)


@every_model
def test_golden_outputs_reproduce_within_the_tolerance(release: str, variant: str) -> None:
    facts = RELEASES[release]["variants"][variant]
    images, expected, _ = golden(release)
    outputs = infer(release, variant, images)
    assert np.abs(outputs - expected).max() <= facts["golden_tolerance"]
    to_fp32 = np.abs(outputs.astype(np.float64) - infer(release, "fp32", images)).max()
    assert to_fp32 == pytest.approx(facts["golden_max_abs_diff_to_fp32"], abs=KERNELS)
    assert facts["golden_max_abs_diff_to_fp32"] < facts["golden_tolerance"]


@every_model
def test_golden_outputs_refuse_the_model_of_another_release(release: str, variant: str) -> None:
    images, expected, _ = golden(release)
    tolerance = RELEASES[release]["variants"][variant]["golden_tolerance"]
    for other in RELEASES.keys() - {release}:
        assert np.abs(infer(other, variant, images) - expected).max() > 10 * tolerance


@every_release
def test_the_drift_reference_is_as_recorded(release: str, splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    reference, (images, _) = RELEASES[release]["drift_reference"], splits["heldout"]
    classes, largest = histograms(infer(release, "fp32", on_their_side(images) if reference["transposed"] else images))
    assert (reference["predicted_class"], reference["max_probability"]) == (classes, largest)
    assert sum(classes) == sum(largest) == reference["n"] == len(images)


# --- the story ----------------------------------------------------------------------------------------------------


def test_the_second_release_is_better_and_the_third_is_good_only_at_home() -> None:
    for variant in ("fp32", "int8"):
        first, second, third = (RELEASES[name]["variants"][variant]["accuracy"] for name in ("1.0.0", "1.1.0", "1.2.0"))
        assert 0.93 <= first["live"] <= 0.95
        assert second["live"] >= 0.98
        assert second["golden"] > first["golden"]
        assert third["golden"] >= 0.97
        assert third["live"] < 0.25


@pytest.mark.parametrize("release", ["1.0.0", "1.1.0"])
def test_int8_costs_a_good_release_less_than_one_percent(release: str) -> None:
    fp32, int8 = (RELEASES[release]["variants"][variant]["accuracy"] for variant in ("fp32", "int8"))
    assert all(fp32[where] - int8[where] < 0.01 for where in ("golden", "live"))


@every_model
def test_predicted_classes_in_the_field_betray_the_bad_release_alone(
    release: str, variant: str, splits: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    classes, _ = histograms(infer(release, variant, splits["live"][0]))
    distance = total_variation(classes, RELEASES[release]["drift_reference"]["predicted_class"])
    assert distance > 0.5 if release == "1.2.0" else distance < 0.1


@every_release
def test_the_readme_states_the_recorded_accuracies(release: str) -> None:
    row = next(line for line in (DIGITS / "README.md").read_text().splitlines() if line.startswith(f"| {release} |"))
    for cell, where in zip(row.split(" | ")[-2:], ("golden", "live"), strict=True):
        stated = [float(number) for number in cell.strip(" |").split(", ")]
        recorded = [facts["accuracy"][where] for facts in RELEASES[release]["variants"].values()]
        assert stated == pytest.approx(recorded, abs=0.00051)


# --- the script ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_script_makes_the_committed_files(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    subprocess.run([sys.executable, str(DIGITS / "make_digits.py"), "--out", str(tmp_path)], check=True, timeout=600)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    committed = {path.relative_to(DIGITS) for path in DIGITS.rglob("*") if path.suffix in {".onnx", ".json", ".gz"}}
    assert made == committed
    csv_name = FIGURES["data"]["file"]
    assert gzip.decompress((tmp_path / csv_name).read_bytes()) == gzip.decompress((DIGITS / csv_name).read_bytes())
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["data"] == FIGURES["data"]
    for release, variant in MODELS:
        old, new = (document["releases"][release] for document in (FIGURES, figures))
        assert new["variants"][variant]["sha256"] == old["variants"][variant]["sha256"]
        assert new["variants"][variant]["accuracy"] == old["variants"][variant]["accuracy"]
        assert new["drift_reference"] == old["drift_reference"]
        for fresh, kept in zip(golden(release, tmp_path), golden(release), strict=True):
            assert np.abs(fresh - kept).max() <= KERNELS
