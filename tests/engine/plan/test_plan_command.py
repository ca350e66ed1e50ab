"""`ringtide plan` at the terminal: headline, dangers, exit codes, and a base that is where the history parted."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes.fleet_changes import FIRST, PLACED, RINGS, ROLLED, edited, rolling
from fakes.fleet_files import fleet_files
from ringtide_engine.cli.exits import CHANGES, FINDINGS, OK
from ringtide_engine.cli.main import run

BASE = fleet_files()


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=p", "-c", "user.email=p@localhost", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Return a repository with one commit on main, nothing published."""
    git(tmp_path, "init", "-q", "-b", "main")
    write(tmp_path, BASE)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-qm", "Begin")
    return tmp_path


def plan(fleet: Path, *words: str) -> int:
    return run(["plan", "-C", str(fleet), "--base", "main", *words])


def test_nothing_changed_says_so(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(fleet, "--detailed-exitcode") == OK
    said = capsys.readouterr()
    assert said.err == "no changes\n"
    assert said.out.startswith("plan digest: ")


def test_a_rollout_is_told_by_ring_with_the_command_that_plans_it_again(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(fleet, {ROLLED: rolling()[ROLLED]})
    assert plan(fleet, "--detailed-exitcode") == CHANGES
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 of 12 devices change now; 12 later, after gates; 0 danger flags"
    assert sum(line.startswith("rollout digits-1.1.0") for line in lines) == 3
    assert "what will not happen:" in lines
    assert lines[-2] == f"again: ringtide plan --base {git(fleet, 'rev-parse', 'main').strip()}"


def test_a_moved_label_shows_who_leaves(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(fleet, edited(BASE, FIRST, "region: eu", "region: us"))
    assert plan(fleet) == OK
    assert "cohort eu: 0 join, 1 leave" in capsys.readouterr().out


def test_a_waiver_that_covers_nothing_says_so(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiver = (
        b"apiVersion: ringtide/v1\nkind: Waiver\nname: spare\nrule: release-licence-allowed\n"
        b"scope: [models/digits/1.0.0.yaml]\nreason: OPS-7 a spare one\nowner: ops@example.org\nexpires: 2099-01-01\n"
    )
    write(fleet, {"waivers/spare.yaml": waiver})
    plan(fleet)
    assert "ops@example.org: OPS-7 a spare one (covers nothing)" in capsys.readouterr().out


def test_an_edit_of_an_unused_ring_plan_is_a_change_without_effect(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(fleet, edited(BASE, RINGS, "soak: 1h", "soak: 2h"))
    assert plan(fleet, "--detailed-exitcode") == CHANGES
    assert "ring plan standard is edited: nothing happens; no rollout uses it now" in capsys.readouterr().out


def test_errors_are_told_beside_the_plan(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(fleet, edited(BASE, "cohorts/all.yaml", "[edge-s, edge-m, edge-l]", "[edge-x]"))
    assert plan(fleet) == FINDINGS
    said = capsys.readouterr()
    assert "danger[RT-DANGER-008]" in said.out
    assert "error[RT-GUARD-001]" in said.err
    assert plan(fleet, "-o", "json") == FINDINGS
    data = json.loads(capsys.readouterr().out)
    assert data["devices"]["total"] == 12
    assert {each["id"] for each in data["dangers"]} == {"RT-DANGER-008", "RT-DANGER-021"}


def test_what_others_merged_meanwhile_is_no_part_of_the_plan(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(fleet, "checkout", "-qb", "mine")
    write(fleet, {ROLLED: rolling()[ROLLED]})
    git(fleet, "add", "--all")
    git(fleet, "commit", "-qm", "Roll out")
    git(fleet, "checkout", "-q", "main")
    write(fleet, edited(BASE, PLACED, "1.0.0", "1.2.0"))
    git(fleet, "commit", "-qam", "Another change")
    assert plan(fleet, "--head", "mine") == OK
    assert "0 of 12 devices change now; 12 later" in capsys.readouterr().out


def test_wide_shows_every_stratum(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(fleet, {ROLLED: rolling()[ROLLED]})
    plan(fleet)
    assert "STRATUM" not in capsys.readouterr().out
    plan(fleet, "-o", "wide")
    assert capsys.readouterr().out.count("edge-m ") == 3
