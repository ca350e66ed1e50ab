"""The folder that `ringtide plan --output-dir` fills: whole files, one digest, nothing written where it is refused."""

import json
from pathlib import Path

import pytest

from fakes.hostile_words import found
from fakes.plan_reports import report
from ringtide_contract.errors import InputError
from ringtide_engine.cli.plan_files import write_plan_files


def test_a_plan_fills_a_folder_with_its_seven_files(tmp_path: Path) -> None:
    each = report(findings=(found(),))
    assert each.plan is not None
    write_plan_files(tmp_path / "out", each, {})
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "plan.json", "plan.md", "comment.md", "findings.sarif", "junit.xml", "annotations.txt", "plan.sha256",
    }  # fmt: skip
    assert (tmp_path / "out/plan.sha256").read_text() == f"{each.plan.digest}\n"
    assert json.loads((tmp_path / "out/plan.json").read_text())["digest"] == each.plan.digest
    assert (tmp_path / "out/comment.md").read_text().startswith("<!-- ringtide:plan:v1 fleet=example-fleet -->\n")
    assert (tmp_path / "out/annotations.txt").read_text().startswith("::error file=rings/standard.yaml,line=4,")


def test_what_cannot_be_planned_leaves_no_digest_of_an_earlier_run(tmp_path: Path) -> None:
    write_plan_files(tmp_path, report(), {})
    write_plan_files(tmp_path, report(plan=None, rings=()), {})
    assert (tmp_path / "plan.sha256").read_bytes() == b""
    assert json.loads((tmp_path / "plan.json").read_text())["digest"] is None


def test_a_file_in_the_folders_place_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="cannot write"):
        write_plan_files(tmp_path / "out", report(), {})
    assert (tmp_path / "out").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
