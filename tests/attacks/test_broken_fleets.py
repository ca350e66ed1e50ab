"""Law: a broken fleet gets the findings that its golden holds: no traceback, no waiting, nothing followed or run."""

from pathlib import Path

import pytest

from fakes.broken_fleets import BrokenFleet, CannotBeMadeHereError, broken_fleets, make, said_of

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


def test_every_kind_of_mistake_has_its_cases() -> None:
    groups = {case.group for case in CASES}
    assert groups == {"syntax", "schema", "reference", "policy", "size", "inventory", "encoding", "tree", "hostile"}
    assert len(CASES) >= 60
