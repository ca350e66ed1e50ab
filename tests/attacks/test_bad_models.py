"""Bad models, honestly signed, on a small real fleet: the device refuses each before it serves, and 1.0.0 runs on."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fakes.fleet_files import DIGITS
from fakes.small_fleet import PLACEMENT, SmallFleet, unharmed
from ringtide_contract.ids import sha256

MIB = 1 << 20


def graph(version: str) -> bytes:
    return (DIGITS / version / "fp32.onnx").read_bytes()


def not_loadable() -> bytes:
    """Return the graph of 1.1.0 with an operator that no runtime has."""
    model = onnx.load_model_from_string(graph("1.1.0"))
    model.graph.node[0].op_type = "Mull"
    return bytes(model.SerializeToString())


def hungry(floats: int) -> bytes:
    """Return the graph of 1.1.0 that answers the same, and takes and touches `floats` values of 4 bytes for it."""
    model = onnx.load_model_from_string(graph("1.1.0"))
    model.graph.node[-1].output[0] = "answer"
    model.graph.initializer.append(numpy_helper.from_array(np.array([floats], np.int64), "floats"))
    model.graph.node.extend(
        [
            helper.make_node("ReduceSum", ["image"], ["sum"], keepdims=0),
            helper.make_node("Sub", ["sum", "sum"], ["none"]),
            helper.make_node("Cast", ["none"], ["no"], to=TensorProto.INT64),
            helper.make_node("Add", ["floats", "no"], ["length"]),
            helper.make_node("ConstantOfShape", ["length"], ["huge"]),
            helper.make_node("ReduceSum", ["huge"], ["zero"], keepdims=0),
            helper.make_node("Add", ["answer", "zero"], ["probabilities"]),
        ]
    )
    return bytes(model.SerializeToString())


def refused(fleet: SmallFleet, step: str | None, words: str, *, phase: str = "refused") -> None:
    """Check that the device accepts the publication and does not take its release, says why, and keeps 1.0.0."""
    with unharmed(fleet, accepted=True):
        said = fleet.once(code=5)
        assert said.out == "not-converged\n"
        assert f"{phase.capitalize()}: " in said.err
        assert words in said.err
        report, digits = fleet.last_report(), fleet.digits()
        assert (report.generation, report.conditions, digits.phase) == (3, (), phase)
        assert words in digits.reason
        assert digits.active is not None
        assert digits.active.release == "1.0.0"
        assert digits.desired not in (None, digits.active.manifest)
        remembered = [] if step is None else [(digits.desired, "1.1.0", step)]
        assert [(each.manifest, each.release, each.step) for each in digits.failures] == remembered


def test_a_model_file_with_one_flipped_byte_is_not_taken_and_fetched_again_later(fleet: SmallFleet) -> None:
    fleet.change(fleet.release("1.1.0", {}))
    fleet.publish("--accept-unreviewed-plan")
    file = fleet.folder / "store" / sha256(graph("1.1.0"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    refused(
        fleet,
        None,
        f"no source has artifact {file.name[:12]}: {file.as_uri()[:120]}: other bytes than the digest names",
        phase="deferred",
    )
    assert not (fleet.state / "blobs" / file.name[:2] / file.name).exists()


def test_a_model_that_does_not_load_is_refused_once_and_remembered(fleet: SmallFleet) -> None:
    fleet.change(fleet.release("1.1.0", {"fp32.onnx": not_loadable()}))
    fleet.publish("--accept-unreviewed-plan")
    refused(fleet, "load", "onnxruntime cannot load the graph")
    with unharmed(fleet, accepted=True):
        assert "Probing" not in fleet.once(code=5).err
    fleet.change(fleet.edited(PLACEMENT, '"1.1.0"', '"1.0.0"'))
    fleet.publish("--accept-unreviewed-plan")
    assert fleet.once().out == "converged\n"
    assert fleet.digits().phase == "confirmed"


def test_a_model_over_its_memory_budget_is_refused(fleet: SmallFleet) -> None:
    budget = ("edge-m: {p95Latency: 10s, peakMemory: 512MiB}", "edge-m: {p95Latency: 10s, peakMemory: 160MiB}")
    fleet.change(fleet.release("1.1.0", {"fp32.onnx": hungry(32 * MIB)}, budget))
    fleet.publish("--accept-unreviewed-plan")
    refused(fleet, "budget", "(limit 160), takes too much memory")


def test_a_model_that_answers_otherwise_than_its_golden_set_is_refused(fleet: SmallFleet) -> None:
    fleet.change(fleet.release("1.1.0", {"fp32.onnx": graph("1.0.0")}))
    fleet.publish("--accept-unreviewed-plan")
    refused(fleet, "golden", "golden difference")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(not_loadable(), "is not valid ONNX", id="does not load"),
        pytest.param(graph("1.1.0")[:-200], "is not", id="cut off"),
        pytest.param(graph("1.0.0"), "from the golden set", id="another model"),
    ],
)
def test_a_bad_model_does_not_become_a_release(fleet: SmallFleet, content: bytes, words: str) -> None:
    file, desk = fleet.folder / "bad.onnx", fleet.folder / "desk"
    file.write_bytes(content)
    stored = sorted((fleet.folder / "store").iterdir())
    with unharmed(fleet):
        said = fleet.ringtide(
            "model", "add", "digits", "1.1.0", "-C", desk, "--variant", f"fp32={file}", "--memory", "fp32=512MiB",
            "--golden", DIGITS / "1.1.0/golden.json", "--golden-tolerance", "fp32=0.001", "--store", "models",
            "--budget", "edge-m:p95=100ms,memory=512MiB", "--licence", "Apache-2.0", code=1,
        )  # fmt: skip
        assert said.err.startswith(f"error: {file} ")
        assert words in said.err
        assert said.out == ""
    assert sorted((fleet.folder / "store").iterdir()) == stored
    assert not (desk / "models/digits/1.1.0.yaml").exists()
