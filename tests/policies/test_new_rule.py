"""`ringtide policy new`: what it writes is a rule that works, and nothing is lost by it."""

from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.cli.main import run
from ringtide_engine.load.formatting import formatted
from ringtide_engine.model.policy import RuleLanguage
from ringtide_engine.shipped import rule_library
from ringtide_engine.workflows.new_rule import new_rule, rule_kinds
from ringtide_engine.workflows.policy_suites import run_suites

LIBRARY = rule_library()


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    for path, content in fleet_files(3).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("kind", "language"), [*((kind, "cel") for kind in rule_kinds()), ("Release", "rego"), ("Change", "rego")]
)
def test_a_new_rule_passes_its_suite_and_alone_refuses_its_sample_among_the_library(
    kind: str, language: RuleLanguage
) -> None:
    made = new_rule("mine", kind, {}, LIBRARY, language)
    same = {rule.split("/")[1] for rule, text in LIBRARY.items() if f"selects: {kind}\n".encode() in text}
    around = {path: text for path, text in LIBRARY.items() if path.split("/")[1] in same}
    results, findings = run_suites({**made, **around}, wiring.policies())
    (mine,) = (each for each in results if each.rule == "mine")
    assert (findings, mine.problems) == ((), ())
    assert mine.proof == "disallowed/experimental.yaml"


@pytest.mark.parametrize("language", ["cel", "rego"])
def test_rule_and_suite_are_laid_out_as_fmt_lays_them_out(language: RuleLanguage) -> None:
    made = new_rule("mine", "Release", {}, LIBRARY, language)
    for path, kind in (("policies/mine/rule.yaml", "Rule"), ("policies/mine/suite.yaml", "RuleSuite")):
        assert formatted(path, made[path], kind) == made[path]


@pytest.mark.parametrize("kind", ["Release", "Device", "Cohort"])
def test_the_samples_differ_in_nothing_but_the_name(kind: str) -> None:
    made = new_rule("mine", kind, {}, LIBRARY)
    allowed, disallowed = (
        made[f"policies/mine/samples/{each}.yaml"].decode() for each in ("allowed/plain", "disallowed/experimental")
    )
    assert allowed != disallowed
    assert disallowed.replace("-experimental", "") == allowed


def test_the_command_writes_files_that_pass_and_check_reads(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(fleet)
    assert run(["policy", "new", "mine", "-C", str(fleet), "--selects", "RingPlan"]) == 0
    said = capsys.readouterr()
    assert [fleet / path in map(Path, content(fleet)) for path in said.out.split()] == [True] * 4
    assert {path: text for path, text in content(fleet).items() if path in before} == before
    assert run(["policy", "test", str(fleet)]) == 0
    assert run(["check", str(fleet)]) == 0


def test_a_rule_is_never_overwritten(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "new", "mine", "-C", str(fleet)]) == 0
    (fleet / "policies/mine/rule.yaml").unlink()
    before = content(fleet)
    assert run(["policy", "new", "mine", "-C", str(fleet), "--selects", "Fleet"]) == 1
    assert "policies/mine/samples/allowed/plain.yaml exists, and nothing is overwritten" in capsys.readouterr().err
    assert content(fleet) == before


def test_a_file_or_link_in_the_way_is_not_written_through(fleet: Path, tmp_path: Path) -> None:
    (fleet / "policies").mkdir(exist_ok=True)
    (tmp_path / "outside").mkdir()
    (fleet / "policies/mine").symlink_to(tmp_path / "outside")
    assert run(["policy", "new", "mine", "-C", str(fleet)]) == 1
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_dry_run_shows_the_files_and_writes_none(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(fleet)
    assert run(["policy", "new", "mine", "-C", str(fleet), "--dry-run"]) == 0
    assert "# policies/mine/rule.yaml\n" in capsys.readouterr().out
    assert content(fleet) == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["release-signed"], 1, "the library has a rule release-signed"),
        (["../mine"], 1, "is not a name"),
        (["Mine"], 1, "is not a name"),
        (["mine", "--selects", "release"], 64, "did you mean Release"),
        (["mine", "--selects", "Progress"], 64, "a rule selects no 'Progress'"),
        (["mine", "--language", "lua"], 64, "'lua' is not"),
    ],
)
def test_what_cannot_be_a_rule_is_refused(
    fleet: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    before = content(fleet)
    assert run(["policy", "new", *arguments, "-C", str(fleet)]) == code
    assert said in capsys.readouterr().err
    assert content(fleet) == before


def test_outside_of_a_fleet_repository_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "new", "mine", "-C", str(tmp_path)]) == 1
    assert "it has no fleet.yaml; `ringtide init` makes one" in capsys.readouterr().err
    assert content(tmp_path) == {}


def test_a_library_without_a_sample_of_the_kind_is_told() -> None:
    with pytest.raises(InputError, match="no sample of a Release"):
        new_rule("mine", "Release", {}, {})
