"""What speaks for a release is stored with it, and says which of its files it describes."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from fakes.fleet_files import DIGITS, fleet_files
from ringtide_contract.errors import InputError
from ringtide_contract.ids import sha256
from ringtide_engine import wiring
from ringtide_engine.cli.main import run
from ringtide_engine.compile.manifests import make_manifest
from ringtide_engine.load.desired import load_desired
from ringtide_engine.load.formatting import formatted
from ringtide_engine.model.assignment import Choice
from ringtide_engine.workflows.subjects import sbom_digests, statement_digests

GRAPH, GOLDEN = (DIGITS / "1.1.0" / name for name in ("int8.onnx", "golden.json"))
GRAPH_DIGEST, GOLDEN_DIGEST = (sha256(each.read_bytes()) for each in (GRAPH, GOLDEN))
OTHER = sha256(b"other")


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    for path, content in fleet_files(3, store=(tmp_path / "store").as_uri()).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def add(fleet: Path, *more: str, golden: bool = True) -> int:
    fixed = ["model", "add", "digits", "3.0.0", "-C", str(fleet), "--store", "models", "--licence", "MIT"]
    costs = ["--variant", f"int8={GRAPH}", "--memory", "int8=64MiB", "--budget", "edge-m:p95=20ms,memory=160MiB"]
    return run([*fixed, *costs, *(["--golden", str(GOLDEN)] if golden else []), *more])


def written(fleet: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((fleet / "models/digits/3.0.0.yaml").read_bytes())
    return document


def file(fleet: Path, name: str, content: bytes) -> str:
    path = fleet.parent / name
    path.write_bytes(content)
    return str(path)


def drift_reference(rows: int = 100) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, image=np.random.default_rng(3).integers(0, 17, (rows, 64)).astype(np.float32))
    return wiring.drift_reference("int8.onnx", GRAPH.read_bytes(), "rows.npz", packed.getvalue(), None)


def statement(*digests: str) -> bytes:
    subjects = [{"name": "model.onnx", "digest": {"sha256": each}} for each in digests]
    return json.dumps({"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicate": {}}).encode()


def envelope(payload: bytes) -> bytes:
    return json.dumps({"payload": base64.b64encode(payload).decode(), "signatures": []}).encode()


def test_the_files_are_stored_and_named_and_the_release_passes_check(fleet: Path) -> None:
    card, drift = file(fleet, "Card.MD", b"# Digits"), file(fleet, "reference", drift_reference())
    provenance = file(fleet, "build.intoto.jsonl", envelope(statement(GRAPH_DIGEST, OTHER)))
    signature = file(fleet, "model.sig", b"\x00 detached")
    options = ["--model-card", card, "--drift-reference", drift, "--provenance", provenance, "--signature", signature]
    assert add(fleet, *options) == 0
    release = written(fleet)
    names = {field: release[field]["name"] for field in ("modelCard", "driftReference", "provenance", "signature")}
    assert names == {
        "modelCard": "model-card.md",
        "driftReference": "drift-reference",
        "provenance": "provenance.jsonl",
        "signature": "signature.sig",
    }
    for field, path in (("modelCard", card), ("driftReference", drift), ("provenance", provenance)):
        assert (fleet.parent / "store" / release[field]["sha256"]).read_bytes() == Path(path).read_bytes()
    assert release["provenance"]["subjects"] == [GRAPH_DIGEST]
    assert "subjects" not in release["signature"]
    assert run(["check", str(fleet)]) == 0


def test_the_sbom_names_as_subjects_what_stands_in_it(fleet: Path) -> None:
    assert add(fleet) == 0
    sbom = written(fleet)["sbom"]
    assert sbom["subjects"] == [GRAPH_DIGEST, GOLDEN_DIGEST]
    assert set(sbom["subjects"]) <= sbom_digests((fleet.parent / "store" / sbom["sha256"]).read_bytes())


def test_owner_residency_and_disjointness_are_written_as_given(fleet: Path) -> None:
    note = 'line 4: kept "apart", # really'
    assert add(fleet, "--owner", "@example/vision", "--residency", "eu", "--residency", "us", "--disjoint", note) == 0
    release = written(fleet)
    assert (release["owner"], release["residency"]) == ("@example/vision", ["eu", "us"])
    assert release["golden"]["disjoint"] == note
    path = "models/digits/3.0.0.yaml"
    assert formatted(path, (fleet / path).read_bytes(), "Release") == (fleet / path).read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--owner", "two\nlines"], "owner"),
        (["--residency", "not a label"], "residency"),
        (["--model-card", "/nowhere/card.md"], "cannot read /nowhere/card.md"),
    ],
)
def test_what_a_release_cannot_say_is_refused(
    fleet: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert add(fleet, *options) != 0
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
    assert not (fleet / "models/digits/3.0.0.yaml").exists()
    assert not (fleet.parent / "store").exists()


def test_a_note_on_a_golden_set_that_is_not_there_is_refused(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(fleet, "--disjoint", "by line", golden=False) == 1
    assert "give --golden" in capsys.readouterr().err


def test_the_provenance_of_another_release_is_refused(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(fleet, "--provenance", file(fleet, "p.json", statement(OTHER))) == 1
    assert "names 1 files, and none of this release; give the provenance of these" in capsys.readouterr().err
    assert not (fleet.parent / "store").exists()


@pytest.mark.parametrize(
    "content",
    [
        statement(OTHER),
        envelope(statement(OTHER)),
        json.dumps({"dsseEnvelope": json.loads(envelope(statement(OTHER)))}).encode(),
        b"\n" + envelope(statement(OTHER)) + b"\n" + statement() + b"\n",
        json.dumps({"subject": [], "predicate": {"resources": [{"algorithm": "sha256", "digest": OTHER}]}}).encode(),
    ],
    ids=["plain", "signed", "sigstore bundle", "one a line", "model signing"],
)
def test_a_statement_names_its_subjects_in_every_wrapping(content: bytes) -> None:
    assert statement_digests(content) == {OTHER}


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[" * 100_000, b'{"payload": "!"}', b'{"payload": 7}', b'{"subject": [7, {"digest": "x"}]}', b"[1]",
     b'{"subject": [{"digest": {"sha256": "short"}}]}', b'{"components": 3}', b'{"components": [{"hashes": [4]}]}'],
)  # fmt: skip
def test_a_file_of_another_kind_names_nothing(content: bytes) -> None:
    assert statement_digests(content) == sbom_digests(content) == frozenset()


def test_devices_are_given_the_drift_reference_with_the_graph(fleet: Path) -> None:
    assert add(fleet, "--drift-reference", file(fleet, "drift.json", drift_reference())) == 0
    state = load_desired(
        {
            each: (fleet / each).read_bytes()
            for each in (
                "fleet.yaml",
                "models/digits/3.0.0.yaml",
                *(str(each.relative_to(fleet)) for each in (fleet / "hardware").iterdir()),
            )
        }
    ).state
    assert state is not None
    release = state.releases["digits", "3.0.0"]
    choice = Choice(release=release, variant=release.variants[0])
    manifest = make_manifest(state.fleet, choice, state.hardware["edge-m"])
    assert manifest.drift == "drift-reference.json"
    assert manifest.artifact(manifest.drift).sha256 == sha256(drift_reference())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[1]", "DriftReference is not an object"),
        (b"{", "Expecting property name"),
        (b" " * 70_000, "70000 bytes, a drift reference at most 65536"),
        (drift_reference().replace(b"probabilities", b"scores"), "no figures in 'scores', but in image, probabilities"),
    ],
)
def test_a_drift_reference_that_devices_would_refuse_is_refused(
    fleet: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    assert add(fleet, "--drift-reference", file(fleet, "drift.json", content)) == 1
    assert said in capsys.readouterr().err
    assert not (fleet / "models/digits/3.0.0.yaml").exists()


def test_the_command_writes_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.npz"
    np.savez(rows, image=np.random.default_rng(3).integers(0, 17, (100, 64)).astype(np.float32))
    assert run(["model", "drift-reference", str(GRAPH), str(rows)]) == 0
    assert capsys.readouterr().out.encode() == drift_reference()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"image": np.zeros((100, 64), np.float32)}, "nothing of int8.onnx varies"),
        ({"pixels": np.zeros((100, 64), np.float32)}, "the rows are of pixels, the graph takes image"),
        ({"image": np.zeros((10, 64), np.float32)}, "10 rows make no window of 10"),
        ({"image": np.zeros((100, 63), np.float32)}, "does not run"),
    ],
)
def test_rows_that_say_nothing_are_refused(arrays: dict[str, Any], said: str) -> None:
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    with pytest.raises(InputError, match=said):
        wiring.drift_reference("int8.onnx", GRAPH.read_bytes(), "rows.npz", packed.getvalue(), None)


def test_what_is_no_npz_is_refused() -> None:
    with pytest.raises(InputError, match=r"rows.txt is no .npz file"):
        wiring.drift_reference("int8.onnx", GRAPH.read_bytes(), "rows.txt", b"1,2,3", None)
