"""`ringtide fmt` as a person and as a pre-commit hook run it."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from fakes.bad_fleets import QUARANTINE, judged
from ringtide_engine.cli.main import run
from ringtide_engine.shipped import template

PLACEMENT = "placements/digits.yaml"
UGLY = b"kind: Placement\napiVersion: ringtide/v1\nname: digits\nmodel: digits\ncohort: everybody\nrelease: null\n"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    for path, content in template().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def fmt(*arguments: str | Path, code: int) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert run(["fmt", *map(str, arguments)]) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def test_the_example_is_left_as_it_is(fleet: Path) -> None:
    assert fmt(fleet, "--check", code=0) == ("", "0 files would change; no findings\n")
    before = {path: path.stat().st_mtime_ns for path in fleet.rglob("*") if path.is_file()}
    assert fmt(fleet, code=0) == ("", "0 files changed; no findings\n")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_file_is_laid_out_once_and_named(fleet: Path) -> None:
    (fleet / PLACEMENT).write_bytes(UGLY)
    assert fmt(fleet, code=0) == (f"{PLACEMENT}\n", "1 file changed; no findings\n")
    assert (
        (fleet / PLACEMENT)
        .read_text()
        .startswith("# yaml-language-server: $schema=../.ringtide/schemas/placement.json")
    )
    assert fmt(fleet, code=0) == ("", "0 files changed; no findings\n")
    assert not list(fleet.rglob("*.part"))


@pytest.mark.parametrize("option", ["--check", "--diff"])
def test_dry_forms_write_nothing_and_exit_2(fleet: Path, option: str) -> None:
    (fleet / PLACEMENT).write_bytes(UGLY)
    out, err = fmt(fleet, option, code=2)
    assert (fleet / PLACEMENT).read_bytes() == UGLY
    assert PLACEMENT in out
    assert ("\n-apiVersion: ringtide/v1\n" in out) == (option == "--diff")
    assert err == "1 file would change; no findings\n"


def test_files_may_be_named_from_anywhere(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fleet / PLACEMENT).write_bytes(UGLY)
    (fleet / "cohorts/everybody.yaml").write_bytes(UGLY)
    monkeypatch.chdir(fleet / "cohorts")
    assert fmt("../placements/digits.yaml", "../README.md", code=0)[0] == f"{PLACEMENT}\n"
    assert (fleet / "cohorts/everybody.yaml").read_bytes() == UGLY
    assert fmt("../placements", "../rings/", code=0)[0] == ""


def test_what_the_judge_writes_and_inventories_are_not_touched(fleet: Path) -> None:
    own = {f: text.encode() for f, text in judged("1.0.0", "completed").items()}
    own["quarantine/digits-1.0.0.yaml"] = QUARANTINE.format(release="1.0.0").encode()
    own["devices/all.jsonl"] = b'{ "id":   "cam-1" }\n'
    for path, content in own.items():
        (fleet / path).parent.mkdir(exist_ok=True)
        (fleet / path).write_bytes(content)
    assert fmt(fleet, code=0)[0] == ""
    assert fmt(*(fleet / path for path in own), code=0)[0] == ""
    assert {path: (fleet / path).read_bytes() for path in own} == own


def test_what_cannot_be_read_is_a_finding_and_stays_while_others_are_laid_out(fleet: Path) -> None:
    (fleet / PLACEMENT).write_bytes(UGLY)
    (fleet / "cohorts/everybody.yaml").write_bytes(b"name: [eu\n")
    out, err = fmt(fleet, code=3)
    assert out.startswith(f"{PLACEMENT}\n")
    assert "cohorts/everybody.yaml:2:1: error[RT-YAML-003]" in out
    assert err == "1 file changed; 1 error\n"
    assert (fleet / "cohorts/everybody.yaml").read_bytes() == b"name: [eu\n"


@pytest.mark.parametrize(
    ("path", "said"),
    [("/", "is in no fleet repository"), ("gone.yaml", "is no file of the fleet repository")],
)
def test_paths_that_are_none_are_said(fleet: Path, path: str, said: str) -> None:
    assert said in fmt(fleet / path, code=1)[1]
