"""Law: a broken fleet gets the findings that its golden holds: no traceback, no waiting, nothing followed or run."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fakes.broken_fleets import BrokenFleet, CannotBeMadeHereError, broken_fleets, make, said_of, written_of

CASES = broken_fleets()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_fleet_gets_its_findings(case: BrokenFleet, tmp_path: Path, update_goldens: bool) -> None:
    folder = tmp_path / "fleet"
    try:
        make(case, folder)
    except CannotBeMadeHereError as error:
        pytest.skip(str(error))
    said = said_of(folder)
    if update_goldens:
        case.golden.write_text(said, encoding="utf-8")
    assert said == case.golden.read_text(encoding="utf-8")
    code = said.splitlines()[0]
    assert code in ("exit 1", "exit 3") or "warning" in said


@pytest.mark.parametrize(
    "case", [each for each in CASES if each.group in ("hostile", "encoding")], ids=lambda case: case.name
)
def test_no_output_lets_a_name_speak_for_ringtide(case: BrokenFleet, tmp_path: Path) -> None:
    make(case, tmp_path / "fleet")
    table, files = written_of(tmp_path / "fleet", tmp_path / "out")
    errors = case.golden.read_text(encoding="utf-8").count("\nerror ")
    found = json.loads(files["findings.json"])["findings"]
    assert sum(each["severity"] == "error" for each in found) == errors
    sarif = json.loads(files["findings.sarif"])
    assert len(sarif["runs"][0]["results"]) == len(found)
    junit = ElementTree.fromstring(files["junit.xml"])
    assert sum(1 for _ in junit.iter("failure")) >= bool(errors)
    for line in files["annotations.txt"].splitlines():
        assert re.match(r"::(error|warning|notice)( [a-zA-Z]+=[^:,]*(,[a-zA-Z]+=[^:,]*)*)?::", line) or line.startswith(
            "+"
        )
    assert len(files["annotations.txt"].splitlines()) <= max(len(found), 1)
    paths = re.compile(
        "|".join(re.escape(each["path"]) for each in found)
    )  # addresses, which programs need as they are
    for text in (table, *files.values()):
        hidden = [sign for sign in paths.sub("", text) if not sign.isprintable() and sign != "\n"]
        assert hidden == [], f"{hidden!r} would reach a terminal or a page"


def test_every_kind_of_mistake_has_its_cases() -> None:
    groups = {case.group for case in CASES}
    assert groups == {"syntax", "schema", "reference", "policy", "size", "inventory", "encoding", "tree", "hostile"}
    assert len(CASES) >= 60
