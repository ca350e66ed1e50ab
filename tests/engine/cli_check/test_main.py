"""The group: verbs that exist, help at once, every failure with its exit code."""

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click
import pytest

from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_engine.cli import exits, rendering
from ringtide_engine.cli.main import VERBS, ringtide, run
from ringtide_engine.model.finding import Finding, FindingsError, Place

ROOT = Path(__file__).resolve().parents[3]
HEAVY = (
    "cel_expr_python", "cryptography", "cyclonedx", "git", "jinja2", "jsonschema", "numpy", "onnx", "onnxruntime", "paho",
    "rich", "securesystemslib", "sigstore", "sigstore_models", "tuf", "yaml",
)  # fmt: skip
FINDING = Finding(rule="RT-X-001", severity="error", place=Place(path="a.yaml"), message="wrong", fix="Mend it.")


def test_the_table_of_verbs_and_the_modules_agree() -> None:
    for verb in VERBS:
        command = getattr(import_module(f"ringtide_engine.cli.{verb}"), f"{verb}_command")
        assert isinstance(command, click.Command)
        assert command.name == verb
    folder = Path(exits.__file__).parent
    defined = {each.stem for each in folder.glob("*.py") if f"def {each.stem}_command(" in each.read_text()}
    assert defined == set(VERBS)


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from ringtide_engine.cli.main import run\n"
        "assert run(['--help']) == 0\n"
        f"print(sorted(set({HEAVY}) & {{each.partition('.')[0] for each in sys.modules}}))\n"
    )
    paths = f"{ROOT / 'contract'}:{ROOT / 'engine'}"
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": paths},
        timeout=60,
    )
    assert result.stdout.splitlines()[-1] == "[]"
    assert "check" in result.stdout


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("the file is wrong"), 1, "error: the file is wrong\n"),
        (FindingsError((FINDING,)), 3, "a.yaml:1:1: error[RT-X-001]: wrong\n  fix: Mend it.\nerror: 1 error in the desired state\n"),
        (TrustError("ACCEPT-04", "not signed"), 4, "refused: not signed [ACCEPT-04]\n"),
        (TransientError("no answer"), 1, "failed: no answer\nTrying again later may help.\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (click.Abort(), 130, "interrupted\n"),
        (click.UsageError("no such thing"), 64, "Error: no such thing\n"),
        (click.exceptions.Exit(5), 5, ""),
        (BrokenPipeError(), 1, ""),
    ],
)  # fmt: skip
def test_every_failure_has_its_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exits.exit_code(error, debug=False) == code
    assert capsys.readouterr() == ("", said)


def failing(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_defect_is_one_line_and_a_way_to_report_it_unless_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ringtide, "main", failing(ZeroDivisionError("by zero")))
    assert run(["check"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ZeroDivisionError: by zero\n")
    assert "Traceback" not in said
    assert run(["--debug", "check"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_tables_are_as_wide_as_their_content(capsys: pytest.CaptureFixture[str]) -> None:
    rendering.write_table(("ring", "devices"), (("canary", "3"), ("rest", "12")))
    assert capsys.readouterr().out == "RING    DEVICES\ncanary  3\nrest    12\n"


def test_long_and_unprintable_source_lines_are_left_out() -> None:
    assert rendering.findings_text((FINDING,), {"a.yaml": b"x" * 200}).count("\n") == 1
    assert rendering.findings_text((FINDING,), {"a.yaml": b"a: \x1b[2J"}).count("\n") == 1
    assert rendering.findings_text((FINDING,), {"a.yaml": b"a: 1"}).splitlines()[1:3] == ["  1 | a: 1", "    | ^"]
