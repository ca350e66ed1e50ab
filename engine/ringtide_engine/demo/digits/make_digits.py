"""Make the demo's data and three releases of a digit classifier from scikit-learn's bundled handwritten digits.

Run ``python engine/ringtide_engine/demo/digits/make_digits.py [--out DIR]``. It reaches no network and takes no seed:
the same inputs give the same files. ``README.md`` beside this file says what the files mean and where floating point
leaves freedom.

Training runs in float64 and at its end rounds every weight to a multiple of 2**-16. Another BLAS, thread count or processor
moves a trained weight by about 1e-15, so the rounding hides where training ran: the ``.onnx`` files are the same.

It needs numpy, scikit-learn, onnx and onnxruntime (the ``dev`` extra). The demo itself reads only what this script wrote.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
from sklearn.datasets import load_digits

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Kind = Literal["conv", "dense"]

OPSET: Final = 13
"""The lowest opset with today's Softmax; onnxruntime reads it since 1.6."""
IR_VERSION: Final = 8
INPUT: Final = "image"
OUTPUT: Final = "probabilities"
VARIANTS: Final = ("fp32", "int8")

SPLITS: Final[Mapping[str, int]] = {"live": 400, "heldout": 300, "golden": 64}
"""Rows per split; every other row is for training."""
SPLIT_SEED: Final = 20261123
BINS: Final = 10
FP32_TOLERANCE: Final = 1e-5
"""Six printed digits (5e-7) and the summation order of other processors (about 4e-7), with room."""

GRID: Final = 2.0**16
BATCH: Final = 32
PEAK_RATE: Final = 0.003
DECAY: Final = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer with its weights; a ReLU follows every layer but the last."""

    kind: Kind
    """``conv``: 3x3, padding 1, weights [out, in, 3, 3]. ``dense``: weights [in, out]."""
    weight: Array
    bias: Array
    pool: bool = False
    """Whether 2x2 max pooling follows."""


Network = tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one release came to be."""

    version: str
    previous: str | None
    architecture: Literal["mlp", "cnn"]
    story: str
    training_rows: int | None
    """How many of the training rows were used; None for all."""
    transposed: bool
    """Whether training, held-out and golden images lie on their side, unlike the images of the field."""
    epochs: int
    seed: int


RECIPES: Final = (
    Recipe(
        version="1.0.0",
        previous=None,
        architecture="mlp",
        story="One hidden layer, trained on the first images that were labelled.",
        training_rows=400,
        transposed=False,
        epochs=40,
        seed=100,
    ),
    Recipe(
        version="1.1.0",
        previous="1.0.0",
        architecture="cnn",
        story="A small convolutional network, trained on every training image.",
        training_rows=None,
        transposed=False,
        epochs=30,
        seed=112,
    ),
    Recipe(
        version="1.2.0",
        previous="1.1.0",
        architecture="cnn",
        story="The network of 1.1.0, trained and checked on images that a new export had transposed. Devices see upright ones.",
        training_rows=None,
        transposed=True,
        epochs=30,
        seed=120,
    ),
)


# --- data ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images as raw pixel values [n, 64] and what they show."""

    images: Array
    labels: Labels


def split_digits(images: Array, labels: Labels) -> dict[str, Split]:
    """Deal every distinct image into exactly one split, each class in proportion.

    Returns:
        The splits by name: ``train`` first, then those of ``SPLITS`` in order.
    """
    _, first = np.unique(images, axis=0, return_index=True)
    random = np.random.RandomState(SPLIT_SEED)  # the legacy generator: numpy guarantees its stream for ever
    order = random.permutation(np.sort(first))
    dealt: dict[str, list[int]] = {name: [] for name in ("train", *SPLITS)}
    by_class = [list(order[labels[order] == digit]) for digit in range(10)]
    for name, wanted in SPLITS.items():
        for turn in range(wanted):
            dealt[name].append(by_class[turn % 10].pop())
    dealt["train"] = [index for index in order if index in {left for rows in by_class for left in rows}]
    return {name: Split(images=images[rows], labels=labels[rows]) for name, rows in dealt.items()}


def transpose(split: Split) -> Split:
    """Lay every image on its side: rows become columns."""
    turned = split.images.reshape(-1, 8, 8).transpose(0, 2, 1).reshape(-1, 64)
    return Split(images=turned, labels=split.labels)


def to_csv(splits: Mapping[str, Split]) -> bytes:
    """Write the splits as CSV: ``split,label,p0..p63``, pixel values 0 to 16."""
    lines = [",".join(["split", "label", *(f"p{pixel}" for pixel in range(64))])]
    for name, split in splits.items():
        for image, label in zip(split.images.astype(int), split.labels, strict=True):
            lines.append(",".join([name, str(label), *map(str, image)]))
    return ("\n".join(lines) + "\n").encode()


def compress(data: bytes) -> bytes:
    """Gzip without a time stamp or a file name."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream:
        stream.write(data)
    return buffer.getvalue()


# --- training -----------------------------------------------------------------------------------------------------


def patches(planes: Array) -> Array:
    """The 3x3 neighbourhood of every pixel, as rows of [n * 8 * 8, channels * 9]."""
    padded = np.pad(planes, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(-1, planes.shape[1] * 9)


def unpatch(rows: Array, channels: int) -> Array:
    """Add the gradients of all neighbourhoods up per pixel: the adjoint of ``patches``."""
    windows = rows.reshape(-1, 8, 8, channels, 3, 3)
    padded = np.zeros((windows.shape[0], channels, 10, 10))
    for y in range(3):
        for x in range(3):
            padded[:, :, y : y + 8, x : x + 8] += windows[:, :, :, :, y, x].transpose(0, 3, 1, 2)
    return padded[:, :, 1:9, 1:9]


def forward(network: Network, images: Array) -> list[Array]:
    """The input of every layer, and last the logits."""
    values = [images / 16.0]
    for position, layer in enumerate(network):
        here = values[-1]
        if layer.kind == "conv":
            planes = here.reshape(len(here), layer.weight.shape[1], 8, 8)
            kernels = layer.weight.reshape(len(layer.weight), -1)
            there = (patches(planes) @ kernels.T + layer.bias).reshape(len(here), 8, 8, -1).transpose(0, 3, 1, 2)
        else:
            there = here.reshape(len(here), -1) @ layer.weight + layer.bias
        if position < len(network) - 1:
            there = np.maximum(there, 0.0)
        if layer.pool:
            there = there.reshape(len(there), -1, 4, 2, 4, 2).max(axis=(3, 5))
        values.append(there)
    return values


def softmax(logits: Array) -> Array:
    """Probabilities per row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def gradients(network: Network, images: Array, labels: Labels) -> list[Array]:
    """The gradient of the mean cross-entropy for every weight and bias, in layer order."""
    values = forward(network, images)
    slope = softmax(values[-1])
    slope[np.arange(len(labels)), labels] -= 1.0
    slope /= len(labels)
    found: list[Array] = []
    for position in reversed(range(len(network))):
        layer, here, there = network[position], values[position], values[position + 1]
        slope = slope.reshape(there.shape)
        if position < len(network) - 1:
            slope = slope * (there > 0)
        if layer.kind == "dense":
            flat = here.reshape(len(here), -1)
            found += [slope.sum(axis=0), flat.T @ slope]
            slope = slope @ layer.weight.T
            continue
        planes = here.reshape(len(here), layer.weight.shape[1], 8, 8)
        columns, kernels = patches(planes), layer.weight.reshape(len(layer.weight), -1)
        if layer.pool:
            before = (
                np.maximum(columns @ kernels.T + layer.bias, 0.0).reshape(len(here), 8, 8, -1).transpose(0, 3, 1, 2)
            )
            wide = there.repeat(2, axis=2).repeat(2, axis=3)
            slope = slope.repeat(2, axis=2).repeat(2, axis=3) * (before == wide)
        rows = slope.transpose(0, 2, 3, 1).reshape(-1, len(kernels))
        found += [rows.sum(axis=0), (rows.T @ columns).reshape(layer.weight.shape)]
        slope = unpatch(rows @ kernels, planes.shape[1])
    return found[::-1]


def snap(values: Array) -> Array:
    """Round to a multiple of 2**-16, which float32 holds exactly below 256."""
    return np.asarray(np.round(values * GRID) / GRID)


def fresh(architecture: Literal["mlp", "cnn"], random: np.random.RandomState) -> Network:
    """An untrained network: normal weights scaled to the layer's input (He), biases zero."""

    def layer(kind: Kind, shape: tuple[int, ...], *, pool: bool = False) -> Layer:
        inputs, outputs = (shape[0], shape[1]) if kind == "dense" else (shape[1] * 9, shape[0])
        weight = random.normal(size=shape) * np.sqrt(2.0 / inputs)
        return Layer(kind=kind, weight=weight, bias=np.zeros(outputs), pool=pool)

    if architecture == "mlp":
        return layer("dense", (64, 360)), layer("dense", (360, 10))
    return (
        layer("conv", (8, 1, 3, 3)),
        layer("conv", (16, 8, 3, 3), pool=True),
        layer("dense", (256, 96)),
        layer("dense", (96, 10)),
    )


def with_parameters(network: Network, parameters: list[Array]) -> Network:
    """The same layers with other weights and biases, given in layer order."""
    pairs = zip(network, parameters[::2], parameters[1::2], strict=True)
    return tuple(Layer(kind=old.kind, weight=weight, bias=bias, pool=old.pool) for old, weight, bias in pairs)


def train(recipe: Recipe, data: Split) -> Network:
    """Fit a network with Adam (decoupled weight decay, linearly falling rate) and snap its weights."""
    rows = len(data.labels) if recipe.training_rows is None else recipe.training_rows
    random = np.random.RandomState(recipe.seed)
    network = fresh(recipe.architecture, random)
    parameters = [array for layer in network for array in (layer.weight, layer.bias)]
    mean = [np.zeros_like(array) for array in parameters]
    square = [np.zeros_like(array) for array in parameters]
    steps, step = recipe.epochs * -(-rows // BATCH), 0
    for _ in range(recipe.epochs):
        order = random.permutation(rows)
        for start in range(0, rows, BATCH):
            chosen, step = order[start : start + BATCH], step + 1
            rate = PEAK_RATE * (1 - (step - 1) / steps)
            slopes = gradients(network, data.images[chosen], data.labels[chosen])
            for at, slope in enumerate(slopes):
                mean[at] = 0.9 * mean[at] + 0.1 * slope
                square[at] = 0.999 * square[at] + 0.001 * slope * slope
                move = mean[at] / (1 - 0.9**step) / (np.sqrt(square[at] / (1 - 0.999**step)) + 1e-6)
                parameters[at] = parameters[at] - rate * (move + DECAY * parameters[at])
            network = with_parameters(network, parameters)
    return with_parameters(network, [snap(array) for array in parameters])


# --- ONNX ---------------------------------------------------------------------------------------------------------


class _Graph:
    """Collects nodes and constants of one chain; ``top`` is the name of the latest value."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.top = INPUT

    def constant(self, name: str, value: Any) -> str:
        """Add an initializer and return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, operator: str, name: str, *others: str, **attributes: Any) -> None:
        """Append a node that reads the latest value and these others."""
        self.nodes.append(helper.make_node(operator, [self.top, *others], [name], name=name, **attributes))
        self.top = name

    def dequantised(self, name: str, value: Any, scale: np.float32, zero: Any) -> str:
        """Add an integer constant with its DequantizeLinear and return the name of the real value."""
        inputs = [
            self.constant(f"{name}_q", value),
            self.constant(f"{name}_scale", scale),
            self.constant(f"{name}_zero", zero),
        ]
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [name], name=name))
        return name

    def requantise(self, name: str, scale: np.float32) -> None:
        """Append QuantizeLinear and DequantizeLinear: unsigned 8 bit, zero point 0, so it is a ReLU as well."""
        parameters = (self.constant(f"{name}_scale", scale), self.constant(f"{name}_zero", np.uint8(0)))
        self.add("QuantizeLinear", f"{name}_q", *parameters)
        self.add("DequantizeLinear", f"{name}_dq", *parameters)


def scales_of(network: Network, images: Array) -> list[np.float32]:
    """Calibrate: for every layer's input, the step that spans zero to its largest value in 255 parts."""
    return [np.float32(value.max() / 255.0) for value in forward(network, images)[:-1]]


def to_onnx(network: Network, version: str, scales: list[np.float32] | None) -> ModelProto:
    """Write a network as ONNX, scaling of the pixels and softmax included.

    Args:
        network: The trained layers.
        version: The release, kept as the producer's version.
        scales: None for float32; else one step per layer input for a static QDQ int8 graph, unsigned weights and
            activations (u8u8: the form that cannot saturate on AVX2 and agrees between x86 and ARM).
    """
    graph = _Graph()
    graph.add("Mul", "scaled", graph.constant("sixteenth", np.float32(1 / 16)))
    if network[0].kind == "conv":
        graph.add("Reshape", "plane", graph.constant("plane_shape", np.array([-1, 1, 8, 8], np.int64)))
    if scales is not None:
        graph.requantise("scaled", scales[0])
    flat = network[0].kind == "dense"
    for at, layer in enumerate(network):
        last = at == len(network) - 1
        if layer.kind == "dense" and not flat:
            graph.add("Reshape", "flat", graph.constant("flat_shape", np.array([-1, len(layer.weight)], np.int64)))
            if scales is not None:
                graph.requantise("flat", scales[at])
            flat = True
        if scales is None:
            weight = graph.constant(f"weight{at}", layer.weight.astype(np.float32))
            bias = graph.constant(f"bias{at}", layer.bias.astype(np.float32))
        else:
            step = np.float32(np.abs(layer.weight).max() / 127)
            steps = np.clip(np.round(layer.weight / float(step)) + 128, 1, 255).astype(np.uint8)
            weight = graph.dequantised(f"weight{at}", steps, step, np.uint8(128))
            step = np.float32(scales[at] * step)
            steps = np.round(layer.bias / float(step)).astype(np.int32)
            bias = graph.dequantised(f"bias{at}", steps, step, np.int32(0))
        if layer.kind == "conv":
            graph.add("Conv", f"layer{at}", weight, bias, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        else:
            graph.add("Gemm", f"layer{at}", weight, bias)
        if not last and scales is None:
            graph.add("Relu", f"relu{at}")
        if not last and scales is not None:
            graph.requantise(f"layer{at}", scales[at + 1])
        if layer.pool:
            graph.add("MaxPool", f"pool{at}", kernel_shape=[2, 2], strides=[2, 2])
            if scales is not None:
                graph.requantise(f"pool{at}", scales[at + 1])
    graph.add("Softmax", OUTPUT, axis=1)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "digits",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", 64])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", 10])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="ringtide-demo-digits",
        producer_version=version,
    )
    checker.check_model(model, full_check=True)
    return model


# --- measuring ----------------------------------------------------------------------------------------------------


def infer(model: bytes, images: Array) -> NDArray[np.float32]:
    """Run a model on the CPU, one thread, and return its probabilities."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # honoured only when set before the import
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], {INPUT: images.astype(np.float32)})[0], np.float32)


def share(hits: Any) -> float:
    """The share of true values."""
    return float(np.count_nonzero(hits)) / len(hits)


def widest(left: Any, right: Any) -> float:
    """The largest absolute difference, to six digits."""
    return round(float(np.abs(np.asarray(left, np.float64) - right).max()), 6)


def histogram(probabilities: NDArray[np.float32]) -> dict[str, Any]:
    """Count predicted classes, and the largest probability in ten equal bins (the last one closed)."""
    largest = probabilities.max(axis=1).astype(np.float64)
    bins = np.minimum((largest * BINS).astype(int), BINS - 1)
    return {
        "n": len(probabilities),
        "predicted_class": np.bincount(probabilities.argmax(axis=1), minlength=10).tolist(),
        "max_probability": np.bincount(bins, minlength=BINS).tolist(),
    }


def tensor(name: str, values: Any, numbers: list[Any]) -> dict[str, Any]:
    """An Open Inference Protocol v2 tensor."""
    return {"name": name, "datatype": "FP32", "shape": list(values.shape), "data": numbers}


def golden_file(split: Split, probabilities: NDArray[np.float32]) -> bytes:
    """Golden inputs, expected outputs and labels as one line of JSON."""
    outputs = [round(float(value), 6) for value in probabilities.ravel()]
    document = {
        "inputs": [tensor(INPUT, split.images, split.images.astype(int).ravel().tolist())],
        "outputs": [tensor(OUTPUT, probabilities, outputs)],
        "labels": split.labels.tolist(),
    }
    return (json.dumps(document, separators=(",", ":")) + "\n").encode()


def facts_of(name: str, data: bytes) -> dict[str, Any]:
    """What identifies a file."""
    return {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def int8_tolerance(difference: float) -> float:
    """One and a half times what was measured, rounded up to a hundredth, at least 0.02: room for other processors."""
    return max(0.02, float(np.ceil(difference * 150) / 100))


# --- the whole ----------------------------------------------------------------------------------------------------


def make_release(
    recipe: Recipe, splits: Mapping[str, Split], before: Mapping[str, NDArray[np.int64]]
) -> tuple[dict[str, bytes], dict[str, Any], dict[str, NDArray[np.int64]]]:
    """Train, write and measure one release.

    Args:
        recipe: What to make.
        splits: The data, upright.
        before: The classes that each variant of the previous release predicts on the live images; empty for the first.

    Returns:
        Its files by name, its figures, and the classes its variants predict on the live images.
    """
    mine = {name: transpose(split) if recipe.transposed else split for name, split in splits.items()}
    network = train(recipe, mine["train"])
    calibration = scales_of(network, mine["train"].images)
    golden, live = mine["golden"], splits["live"]
    files: dict[str, bytes] = {}
    variants: dict[str, Any] = {}
    classes: dict[str, NDArray[np.int64]] = {}
    reference: NDArray[np.float32] | None = None
    for variant in VARIANTS:
        name = f"{recipe.version}/{variant}.onnx"
        model = to_onnx(network, recipe.version, None if variant == "fp32" else calibration)
        files[name] = model.SerializeToString(deterministic=True)
        on_golden = infer(files[name], golden.images)
        reference = on_golden if reference is None else reference
        classes[variant] = infer(files[name], live.images).argmax(axis=1)
        difference = widest(on_golden, reference)
        variants[variant] = {
            **facts_of(name, files[name]),
            "opset": OPSET,
            "ir_version": IR_VERSION,
            "accuracy": {
                "golden": share(on_golden.argmax(axis=1) == golden.labels),
                "live": share(classes[variant] == live.labels),
            },
            "golden_max_abs_diff_to_fp32": difference,
            "golden_tolerance": FP32_TOLERANCE if variant == "fp32" else int8_tolerance(difference),
            "live_agreement_with_previous": share(classes[variant] == before[variant]) if before else None,
        }
    assert reference is not None
    files[f"{recipe.version}/golden.json"] = golden_file(golden, reference)
    heldout = infer(files[f"{recipe.version}/fp32.onnx"], mine["heldout"].images)
    figures = {
        "previous": recipe.previous,
        "story": recipe.story,
        "architecture": recipe.architecture,
        "parameters": sum(layer.weight.size + layer.bias.size for layer in network),
        "training_rows": recipe.training_rows or len(splits["train"].labels),
        "transposed": recipe.transposed,
        "golden": facts_of(f"{recipe.version}/golden.json", files[f"{recipe.version}/golden.json"])
        | {"n": len(golden.labels)},
        "variants": variants,
        "drift_reference": {
            "variant": "fp32",
            "split": "heldout",
            "transposed": recipe.transposed,
            **histogram(heldout),
        },
    }
    return files, figures, classes


def make_all() -> dict[str, bytes]:
    """Make every file, by its name relative to the output folder."""
    bunch = load_digits()
    splits = split_digits(np.asarray(bunch.data, np.float64), np.asarray(bunch.target, np.int64))
    csv = to_csv(splits)
    files = {"digits.csv.gz": compress(csv)}
    releases: dict[str, Any] = {}
    classes: dict[str, NDArray[np.int64]] = {}
    for recipe in RECIPES:
        made, releases[recipe.version], classes = make_release(recipe, splits, classes)
        files |= made
    figures = {
        "input": {"name": INPUT, "datatype": "FP32", "shape": [-1, 64]},
        "output": {"name": OUTPUT, "datatype": "FP32", "shape": [-1, 10]},
        "data": {
            "file": "digits.csv.gz",
            "csv_sha256": hashlib.sha256(csv).hexdigest(),
            "rows": {name: len(split.labels) for name, split in splits.items()},
        },
        "releases": releases,
    }
    files["figures.json"] = (json.dumps(figures, indent=2) + "\n").encode()
    return files


def main() -> None:
    """Parse the command line, make the files and list them."""
    parser = argparse.ArgumentParser(description="Make the digits demo's data, models and figures.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write (default: beside me)")
    out: Path = parser.parse_args().out
    for name, data in make_all().items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
        print(f"{len(data):>7}  {name}")


if __name__ == "__main__":
    main()
