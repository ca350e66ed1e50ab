"""`ringtide runtime add` as a person runs it, with archives packed as `make runtime` packs them."""

import gzip
import hashlib
import json
from datetime import date
from pathlib import Path

import pytest
import yaml

from fakes.fleet_files import fleet_files
from fakes.own_versions import lay_out, pack
from ringtide_contract.manifest import RUNTIME_MODEL, Manifest
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.adapters.cyclonedx_check import check_cyclonedx
from ringtide_engine.cli.main import run
from ringtide_engine.compile.manifests import make_manifest
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.assignment import Choice
from ringtide_engine.workflows.check import check

TODAY = date(2026, 11, 23)
PATH = f"models/{RUNTIME_MODEL}/0.2.0.yaml"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    for path, content in fleet_files(3, store=(tmp_path / "store").as_uri()).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def archive(fleet: Path, version: str = "0.2.0", name: str = "a.tar.gz", **about: object) -> Path:
    folder = lay_out(fleet.parent / "laid-out", version)
    (folder / "numpy-2.3.1.dist-info").mkdir()
    (folder / "numpy-2.3.1.dist-info" / "METADATA").write_text("Name: numpy\n")
    said = json.loads((folder / "ringtide-runtime.json").read_text())
    given = {**said, "onnxruntime": "1.32.0", "machine": "x86_64", **about}
    (folder / "ringtide-runtime.json").write_text(json.dumps(given))
    made = fleet.parent / name
    pack(folder, made)
    return made


def add(fleet: Path, *archives: Path, version: str = "0.2.0", more: tuple[str, ...] = ()) -> int:
    words = [word for path in archives for word in ("--archive", str(path))]
    budgets = [word for each in ("edge-s", "edge-m") for word in ("--budget", f"{each}:p95=200ms,memory=384MiB")]
    return run(["runtime", "add", version, "-C", str(fleet), "--store", "models", *words, *budgets, *more])


def read(fleet: Path) -> dict[str, bytes]:
    return {str(path.relative_to(fleet)): path.read_bytes() for path in fleet.rglob("*") if path.is_file()}


def test_an_added_release_passes_check_and_compiles_to_a_manifest_of_the_agent(fleet: Path) -> None:
    made = archive(fleet)
    assert add(fleet, made) == 0
    files = read(fleet)
    assert not check(files, None, TODAY, CelConditions()).findings
    release = yaml.safe_load(files[PATH])
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert release["variants"][0]["file"]["sha256"] == digest
    assert (fleet.parent / "store" / digest).read_bytes() == made.read_bytes()
    bill = (fleet.parent / "store" / release["sbom"]["sha256"]).read_bytes()
    check_cyclonedx(bill)
    assert "pkg:pypi/numpy@2.3.1" in bill.decode()

    state = load_desired(files).state
    assert state is not None
    found = state.releases[RUNTIME_MODEL, "0.2.0"]
    choice = Choice(release=found, variant=found.variants[0])
    manifest = make_manifest(state.fleet, choice, state.hardware["edge-s"])
    assert Manifest.decode(manifest.encode()).archive == digest
    assert (manifest.runtime.onnxruntime, manifest.inputs, manifest.golden) == ("==1.32.0", (), None)


def test_the_same_archive_gives_the_same_release(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for name in ("one.tar.gz", "two.tar.gz"):
        assert add(fleet, archive(fleet, name=name), more=("--dry-run",)) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert not (fleet / PATH).exists()
    assert not (fleet.parent / "store").exists()


def test_a_hardware_class_of_another_processor_is_told(fleet: Path) -> None:
    assert add(fleet, archive(fleet, machine="aarch64")) == 0
    agent = "apiVersion: ringtide/v1\nkind: Placement\nname: agent\nmodel: ringtide-agent\ncohort: all\n"
    files = {**read(fleet), "placements/agent.yaml": f'{agent}release: "0.2.0"\n'.encode()}
    found = check(files, None, TODAY, CelConditions()).findings
    assert any("aarch64 is made for aarch64, edge-s has x86_64" in each.message for each in found)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0.3.0", "holds version 0.2.0 of the agent"),
        ("0.2.0.post1", "holds version 0.2.0 of the agent"),
        ("spring", "PEP 440"),
    ],
)
def test_a_release_is_called_what_its_archive_holds(
    fleet: Path, version: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(fleet, archive(fleet), version=version) == 1
    assert said in capsys.readouterr().err
    assert not (fleet / "models" / RUNTIME_MODEL).exists()


def test_the_same_agent_with_another_onnxruntime_is_a_release_of_its_own(fleet: Path) -> None:
    assert add(fleet, archive(fleet)) == 0
    assert add(fleet, archive(fleet, onnxruntime="1.33.0"), version="0.2.0+ort1.33") == 0
    assert add(fleet, archive(fleet), version="0.2.0+ort1.33") == 1


@pytest.mark.parametrize(
    "content", [b"", b"PK", gzip.compress(b"x"), gzip.compress(bytes(10240))], ids=["empty", "zip", "text", "zeros"]
)
def test_what_is_no_archive_is_refused(fleet: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path = fleet.parent / "other"
    path.write_bytes(content)
    assert add(fleet, path) == 1
    assert "is not an archive of the agent" in capsys.readouterr().err


def test_two_archives_of_one_processor_are_refused(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(fleet, archive(fleet), archive(fleet, name="b.tar.gz")) == 1
    assert "one archive for each CPU architecture" in capsys.readouterr().err
