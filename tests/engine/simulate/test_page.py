"""The page about simulating says what the command says."""

import re
import shlex
from pathlib import Path

import git
import pytest
from click.testing import CliRunner

from fakes.fleet_files import fleet_files
from ringtide_engine.cli.main import ringtide
from ringtide_engine.cli.simulate import simulate_command

PAGE = (Path(__file__).resolve().parents[3] / "docs/simulating.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_of_the_page_gives_what_the_page_shows(tmp_path: Path) -> None:
    example = re.search(r"^```\n\$ ringtide (.*)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE)
    assert example is not None
    git.Repo.init(tmp_path, initial_branch="main")
    for path, content in fleet_files(600, rollout="1.1.0").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    done = CliRunner().invoke(ringtide, [*shlex.split(example[1]), "-C", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.stdout == example[2]


def test_the_page_names_every_assumption_with_its_default() -> None:
    rows = re.findall(r"^\| (`--.*?) \|.*\| (.*?) \|$", PAGE, re.MULTILINE)
    named = {option: default for options, default in rows for option in re.findall(r"`(--[a-z-]+)`", options)}
    offered = {each.opts[0]: each for each in simulate_command.params}
    assumed = set(offered) - {"rollout", "-C", "--runs", "--days", "--seed", "--at", "--plots", "-o"}
    assert set(named) == assumed
    for option in ("--connectivity", "--churn", "--requests", "--errors", "--slow", "--spontaneous"):
        assert str(offered[option].default) in named[option]
