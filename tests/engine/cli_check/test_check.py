"""`ringtide check`, `init` and `policy test` as a person runs them: exit codes, words, no traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import git
import pytest

from fakes.bad_fleets import edited
from fakes.fleet_files import fleet_files

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "PYTHONPATH": os.pathsep.join(str(ROOT / each) for each in ("contract", "engine")),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "ORT_DISABLE_TELEMETRY": "1",
}


def ringtide(*arguments: str | Path, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [sys.executable, "-m", "ringtide_engine.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**ENVIRONMENT, **environment},
        check=False,
    )
    assert "Traceback" not in result.stderr
    assert result.returncode == code, result.stderr
    return result


def lay_out(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "fleet", fleet_files(3))


def test_a_valid_fleet_passes(fleet: Path) -> None:
    result = ringtide("check", fleet)
    assert (result.stdout, result.stderr) == ("", "passed: no findings\n")


def test_an_error_is_shown_with_its_line_a_caret_and_a_fix_and_exits_3(fleet: Path) -> None:
    lay_out(fleet, edited(fleet_files(3), {"rings/standard.yaml": ("share: 50%", "share: 25%")}))
    result = ringtide("check", fleet, code=3)
    assert result.stdout == (
        "rings/standard.yaml:18:12: error[RT-RING-003]: share must grow from ring to ring (got 25% after 25%)\n"
        "  18 |     share: 25%\n"
        "     |            ^\n"
        "  fix: Order the rings by share, smallest first.\n"
    )
    assert result.stderr == "refused: 1 error\n"


def test_json_goes_to_stdout_alone(fleet: Path) -> None:
    lay_out(fleet, {"ring/x.yaml": b"a: 1\n"})
    document = json.loads(ringtide("check", fleet, "-o", "json").stdout)
    assert document["passed"] is True
    assert [(each["rule"], each["path"], each["line"]) for each in document["findings"]] == [
        ("RT-FILE-002", "ring/x.yaml", 1)
    ]


def test_one_format_goes_to_stdout_and_several_into_a_folder(fleet: Path, tmp_path: Path) -> None:
    lay_out(fleet, {"ring/x.yaml": b"a: 1\n"})
    sarif = json.loads(ringtide("check", fleet, "-o", "sarif").stdout)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "RT-FILE-002"
    assert ringtide("check", fleet, "-o", "github").stdout.startswith("::warning file=ring/x.yaml,line=1,col=1,")
    assert "<testsuite " in ringtide("check", fleet, "-o", "junit").stdout
    result = ringtide("check", fleet, "--output-dir", tmp_path / "out")
    assert "warning[RT-FILE-002]" in result.stdout
    assert {each.name for each in (tmp_path / "out").iterdir()} == {
        "findings.json", "findings.sarif", "junit.xml", "annotations.txt",
    }  # fmt: skip
    assert json.loads((tmp_path / "out/findings.sarif").read_text()) == sarif
    two = ringtide("check", fleet, "-o", "json", "-o", "github", "--output-dir", tmp_path / "two")
    assert two.stdout == ""
    assert sorted(each.name for each in (tmp_path / "two").iterdir()) == ["annotations.txt", "findings.json"]


def test_half_of_a_surrogate_pair_does_not_stop_the_output(fleet: Path) -> None:
    lay_out(fleet, {"cohorts/eu.yaml": b'"\\ud800": 1\n'})
    for output in ("table", "json", "sarif", "junit", "github"):
        assert "cohorts/eu.yaml" in ringtide("check", fleet, "-o", output, code=3).stdout


def test_files_are_written_although_the_check_refuses(fleet: Path, tmp_path: Path) -> None:
    lay_out(fleet, edited(fleet_files(3), {"rings/standard.yaml": ("share: 50%", "share: 25%")}))
    ringtide("check", fleet, "--output-dir", tmp_path / "out", code=3)
    assert json.loads((tmp_path / "out/findings.json").read_text())["passed"] is False


def test_an_output_folder_that_is_a_file_is_refused_and_left_alone(fleet: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    assert "is a file" in ringtide("check", fleet, "--output-dir", tmp_path / "out", code=64).stderr
    assert (tmp_path / "out").read_text() == "mine"


def test_the_rules_of_the_fleet_and_of_the_library_explain_themselves(fleet: Path) -> None:
    release = b"licence: Apache-2.0"
    files = {path: content.replace(release, b"licence: GPL-3.0-only") for path, content in fleet_files(3).items()}
    chosen = b"apiVersion: ringtide/v1\nkind: PolicySet\nname: own\nrules:\n  - rule: release-licence-allowed\n"
    lay_out(fleet, {**files, "policies/own.yaml": chosen})
    rules = json.loads(ringtide("check", fleet, "-o", "sarif", code=3).stdout)["runs"][0]["tool"]["driver"]["rules"]
    licence = next(each for each in rules if each["id"] == "release-licence-allowed")
    assert licence["shortDescription"]["text"] == "A release has a licence that the fleet accepts."
    assert licence["properties"]["tags"] == ["waivable"]


def test_a_check_loads_nothing_that_it_does_not_use(fleet: Path) -> None:
    program = (
        "import sys\n"
        "from ringtide_engine.cli.main import run\n"
        f"assert run(['check', {str(fleet)!r}]) == 0\n"
        "slow = ('git', 'jinja2', 'lark', 'onnx', 'onnxruntime', 'paho', 'requests', 'rich', 'sigstore', 'tuf', 'urllib3')\n"
        "print(sorted({each.partition('.')[0] for each in sys.modules} & {*slow}))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=ENVIRONMENT, timeout=60
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_colour_comes_only_when_asked_for(fleet: Path) -> None:
    lay_out(fleet, {"ring/x.yaml": b"a: 1\n"})
    assert "\x1b[" not in ringtide("check", fleet).stdout
    assert "\x1b[" in ringtide("check", fleet, FORCE_COLOR="1").stdout
    assert "\x1b[" not in ringtide("check", fleet, FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_file_cannot_forge_lines_of_output(fleet: Path) -> None:
    lay_out(fleet, {"cohorts/eu.yaml": b'"\\u001b[2J\\nok": 1\n'})
    result = ringtide("check", fleet, code=3)
    assert "\x1b" not in result.stdout
    assert all(
        line.startswith(("cohorts/eu.yaml:", "  1 | ", "    | ", "  fix: ")) for line in result.stdout.splitlines()
    )


def test_no_line_of_output_is_a_command_to_a_ci_runner(fleet: Path) -> None:
    lay_out(fleet, {"cohorts/eu.yaml": b"::stop-commands::x: 1\n##[error]x: 1\n"})
    result = ringtide("check", fleet, code=3)
    assert "  1 | ::stop-commands::x" in result.stdout
    assert "##[" not in result.stdout
    assert not any(line.strip().startswith("::") for line in result.stdout.splitlines())


def test_deletions_are_seen_against_a_base(fleet: Path) -> None:
    with git.Repo.init(fleet, initial_branch="main") as repository:
        repository.git.add("-A")
        repository.index.commit("Start", author=git.Actor("a", "a@b"), committer=git.Actor("a", "a@b"))
    (fleet / "placements/digits-everywhere.yaml").unlink()
    assert ringtide("check", fleet).stdout == ""
    assert "error[RT-GUARD-002]" in ringtide("check", fleet, "--base", "main", code=3).stdout
    assert "names no commit" in ringtide("check", fleet, "--base", "nowhere", code=1).stderr


def test_links_are_refused_and_not_followed(fleet: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("not: ours\n")
    (fleet / "cohorts/linked.yaml").symlink_to(outside)
    (fleet / "rings/deep").symlink_to(tmp_path)
    result = ringtide("check", fleet, code=3)
    assert "cohorts/linked.yaml is a link, not a regular file" in result.stdout
    assert "rings/deep is a link, not a regular file" in result.stdout
    assert "not: ours" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("check", "/nowhere/at/all"), 1, "error: /nowhere/at/all is not a folder"),
        (("check", "--bass", "main"), 64, "No such option"),
        (("chek",), 64, "No such command"),
        (("check", "-o", "xml"), 64, "Invalid value for '-o'"),
        (("check", "-o", "json", "-o", "sarif"), 64, "several outputs need --output-dir"),
        (("policy", "test", "/nowhere"), 1, "is not a folder"),
    ],
)
def test_mistakes_of_the_caller_have_their_own_exit_codes(arguments: tuple[str, ...], code: int, said: str) -> None:
    result = ringtide(*arguments, code=code)
    assert said in result.stderr
    assert result.stdout == ""


def test_a_new_fleet_is_committed_and_passes_untouched(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    ringtide("init", folder)
    with git.Repo(folder) as repository:
        assert repository.active_branch.name == "main"
        assert not repository.is_dirty(untracked_files=True)
        assert str(repository.head.commit.author) == "ringtide"
    assert ringtide("check", folder, "--base", "main").stderr == "passed: 1 info\n"
    assert json.loads((folder / ".ringtide/schemas/ring-plan.json").read_text())["title"] == "RingPlan"


def test_init_leaves_a_folder_with_files_alone(fleet: Path) -> None:
    before = sorted(fleet.rglob("*"))
    assert "not an empty folder" in ringtide("init", fleet, code=1).stderr
    assert sorted(fleet.rglob("*")) == before


def test_a_dry_init_names_files_and_writes_nothing(tmp_path: Path) -> None:
    result = ringtide("init", tmp_path / "new", "--dry-run")
    assert "fleet.yaml" in result.stdout.splitlines()
    assert not (tmp_path / "new").exists()


def test_the_suites_of_the_library_pass_and_a_broken_one_exits_3(tmp_path: Path) -> None:
    assert ", 0 failures" in ringtide("policy", "test").stderr
    rules = ROOT / "policies"
    broken = lay_out(
        tmp_path / "policies",
        {path.relative_to(rules).as_posix(): path.read_bytes() for path in rules.rglob("*") if path.is_file()},
    )
    suite = broken / "release-has-golden-set/suite.yaml"
    suite.write_text(suite.read_text().replace("expect: allowed", "expect: disallowed"))
    assert "FAIL  release-has-golden-set" in ringtide("policy", "test", tmp_path, code=3).stdout
    assert "nothing was tested" in ringtide("policy", "test", lay_out(tmp_path / "empty", {"x": b""}), code=3).stderr
