"""`ringtide simulate`: answers as a table, as JSON and as plots, and plain words for what cannot be asked."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import git
import pytest

from fakes.fleet_files import fleet_files
from ringtide_engine.cli.main import run

QUICK = ("--runs", "2", "--days", "5", "--at", "2026-11-23T09:00:00Z")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    git.Repo.init(folder, initial_branch="main")
    for path, content in fleet_files(90, rollout="1.1.0").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def asked(folder: Path, *options: str) -> int:
    return run(["simulate", "digits-1.1.0", "-C", str(folder), *QUICK, *options])


def test_the_document_answers_the_four_questions_and_the_same_seed_gives_the_same_bytes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("-o", "json", "--offline", "50%", "--only", "edge-m", "--fails", "40%")
    assert asked(folder, *options) == 0
    said = capsys.readouterr().out
    found = json.loads(said)
    assert (found["apiVersion"], found["kind"], found["devices"]) == ("ringtide/v1", "Simulation", 90)
    assert found["fault"] == {"fails": "0.4", "factor": "1", "only": "edge-m"}
    assert found["sound"]["adoptionSeconds"]["80%"]["median"] <= found["sound"]["adoptionSeconds"]["95%"]["median"]
    assert found["faulty"]["harmed"]["median"] <= found["faulty"]["exposed"]["median"] <= 90
    assert found["sound"]["falseStop"]["of"] == found["faulty"]["falsePromotion"]["of"] == 2
    assert max(found["sound"]["bytesPerHour"]["profile"]) > 0
    assert found["summary"].startswith("if digits 1.1.0 breaks 40 % of edge-m devices, ")
    assert asked(folder, *options) == 0
    assert capsys.readouterr().out == said


def test_the_table_ends_with_the_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(folder, "--connectivity", "always") == 0
    said = capsys.readouterr().out
    assert "80% of devices run it after" in said
    assert said.rstrip().splitlines()[-1].startswith("if digits 1.1.0 breaks 5 % of devices, ")


def test_plots_are_svg_with_a_title(folder: Path, tmp_path: Path) -> None:
    assert asked(folder, "--plots", str(tmp_path / "plots")) == 0
    for name in ("adoption", "harmed"):
        root = ElementTree.parse(tmp_path / f"plots/{name}.svg").getroot()
        assert root.tag.endswith("svg")
        assert "digits 1.1.0" in (root.findtext("{http://www.w3.org/2000/svg}title") or "")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--only", "edge-x"), 1, "edge-x is no stratum of the rollout"),
        (("--fails", "5"), 64, "is not a share such as 5%"),
        (("--fails", "120%"), 64, "above 100%"),
        (("--fails", "0%"), 64, "--fails above 0%, or --factor above 1"),
        (("--factor", "0.5"), 64, "0.5 is not in the range"),
        (("--connectivity", "always", "--offline", "5%"), 64, "never offline"),
        (("--connectivity", "diurnal", "--offline-for", "5h"), 64, "follow the clock"),
        (("--offline-for", "soon"), 64, "is not a duration"),
        (("--at", "tomorrow"), 1, "is not an instant"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: int, said: str
) -> None:
    assert asked(folder, *options) == code
    assert said in capsys.readouterr().err


def test_a_plan_says_what_a_bad_candidate_would_do_where_it_is_asked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = ["plan", "-C", str(folder), "--output-dir", str(tmp_path)]
    assert run([*plan, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["simulated"] == []
    assert run([*plan, "--simulate"]) == 0
    (sentence,) = json.loads((tmp_path / "plan.json").read_text())["simulated"]
    assert sentence.startswith("if digits 1.1.0 breaks 5 % of devices, ")
    assert f"if a candidate is bad:\n  {sentence}" in capsys.readouterr().out
    assert "## If a candidate is bad" in (tmp_path / "plan.md").read_text()
