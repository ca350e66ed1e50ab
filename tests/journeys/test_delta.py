"""A re-exported model reaches a device as a delta of what it runs: added, planned, published, patched, confirmed."""

import json
from pathlib import Path

import onnx
import pytest
import yaml

from fakes.fleet_files import DIGITS
from fakes.small_fleet import PLACEMENT, small_fleet
from ringtide_contract.ids import sha256


@pytest.mark.journey
def test_a_re_exported_model_comes_as_a_delta_and_runs(tmp_path: Path) -> None:
    fleet = small_fleet(tmp_path)
    running = (DIGITS / "1.0.0" / "fp32.onnx").read_bytes()
    model = onnx.load_model_from_string(running)
    onnx.helper.set_model_props(model, {"exported": "again"})
    graph = model.SerializeToString(deterministic=True)
    (tmp_path / "again.onnx").write_bytes(graph)
    desk = tmp_path / "work"
    for path, content in fleet.files().items():
        (desk / path).parent.mkdir(parents=True, exist_ok=True)
        (desk / path).write_bytes(content)

    said = fleet.ringtide(
        "model", "add", "digits", "1.0.1", "-C", desk, "--store", "models", "--licence", "Apache-2.0",
        "--variant", f"fp32={tmp_path / 'again.onnx'}", "--memory", "fp32=512MiB",
        "--golden", DIGITS / "1.0.0" / "golden.json", "--budget", "edge-m:p95=10s,memory=512MiB",
    )  # fmt: skip
    path = "models/digits/1.0.1.yaml"
    release = yaml.safe_load((desk / path).read_bytes())
    (delta,) = release["variants"][0]["file"]["deltas"]
    assert f"delta of fp32 from 1.0.0: {delta['size']} of {len(graph)} bytes" in said.err
    assert delta["from"] == sha256(running)
    assert delta["size"] < 5000

    placed = fleet.edited(PLACEMENT, 'release: "1.0.0"', 'release: "1.0.1"')
    for changed, content in {path: (desk / path).read_bytes(), **placed}.items():
        assert content is not None
        (desk / changed).write_bytes(content)
    base = fleet.tip("main")
    fleet.change({path: (desk / path).read_bytes(), **placed})
    fleet.ringtide(
        "plan", "-C", fleet.folder / "fleet.git", "--base", base, "--head", "main", "--output-dir", tmp_path / "plan"
    )
    planned = json.loads((tmp_path / "plan" / "plan.json").read_bytes())
    assert [row["fetchBytes"] for row in planned["rows"]] == [delta["size"]]
    fleet.publish("--accept-unreviewed-plan")

    (tmp_path / "store" / sha256(graph)).unlink()  # now nothing but the delta can bring it
    log = fleet.once(wait=90).err
    assert f"made of {delta['size']} bytes, not {len(graph)}" in log
    active = fleet.digits().active
    assert active is not None
    assert (fleet.digits().phase, active.release) == ("confirmed", "1.0.1")
    assert sha256(graph) in fleet.running().values()
