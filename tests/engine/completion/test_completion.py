"""Shell completion: the script as shells run it, names from the work tree, and silence where something is wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from ringtide_engine.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[3]
PATHS = os.pathsep.join(str(ROOT / each) for each in ("contract", "engine"))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Return a folder with `ringtide` in bin/ and a fleet."""
    program = tmp_path / "bin/ringtide"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ringtide_engine.cli "$@"\n')
    program.chmod(0o755)
    for path, content in fleet_files(5, rollout="1.1.0").items():
        (tmp_path / "fleet" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fleet" / path).write_bytes(content)
    lines = [json.dumps({"publicKey": "x", "id": f"cam-{number}"}) for number in range(300)]
    (tmp_path / "fleet/devices/more.jsonl").write_text("\n".join(lines))
    return tmp_path


def run(desk: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{desk / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "PYTHONPATH": PATHS, "HOME": str(desk), "LANG": "C.UTF-8", **environment}
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=desk / "fleet", env=env, check=False
    )
    assert result.stderr == ""
    return result


def completed(desk: Path, line: str) -> list[str]:
    """Return what a bash with our script in it offers for the last word of a line."""
    words = line.split(" ")
    script = (
        'eval "$(ringtide completion bash)"\n'
        f"COMP_WORDS=({' '.join(repr(word) for word in words)})\nCOMP_CWORD={len(words) - 1}\n"
        '_ringtide_completion ringtide\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    return [word for word in run(desk, "bash", "--norc", "-c", script).stdout.split("\n") if word]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ringtide ", list(VERBS)),
        ("ringtide ro", ["rollout"]),
        ("ringtide policy te", ["test"]),
        ("ringtide explain ring-n", ["ring-not-skipped"]),
        ("ringtide policy explain waiver-h", ["waiver-has-reason"]),
        ("ringtide plan --detailed", ["--detailed-exitcode"]),
        ("ringtide completion ", ["bash", "zsh", "fish"]),
        ("ringtide why edge-s", ["edge-s-0001", "edge-s-0004"]),
        ("ringtide device hold edge-m-0002", ["edge-m-0002"]),
        ("ringtide why cam-29", ["cam-29", *(f"cam-29{digit}" for digit in range(10))]),
        ("ringtide why nobody", []),
        ("ringtide rollout status dig", ["digits-1.1.0"]),
        ("ringtide model add d", ["digits"]),
        ("ringtide why --fleet .. edge", []),
        ("ringtide nothing ", list(VERBS)),
    ],
)
def test_bash_is_offered_what_begins_as_typed(desk: Path, line: str, offered: list[str]) -> None:
    assert completed(desk, line) == offered


def test_choices_are_bounded(desk: Path) -> None:
    assert len(completed(desk, "ringtide why cam")) == 200


def test_names_that_a_shell_would_run_are_not_offered(desk: Path) -> None:
    for name in ("$(touch ran)", "a b", "*", "-rf", "`touch ran`"):
        (desk / "fleet/rollouts" / f"{name}.yaml").write_text("x")
    (desk / "fleet/devices/evil.yaml").write_text("id: $(touch ran)\n")
    assert completed(desk, "ringtide rollout status ") == ["digits-1.1.0"]
    assert "touch" not in " ".join(completed(desk, "ringtide why "))
    assert not (desk / "fleet/ran").exists()


def test_a_pipe_or_a_loop_in_the_work_tree_does_not_keep_a_shell_waiting(desk: Path) -> None:
    os.mkfifo(desk / "fleet/devices/pipe.yaml")
    (desk / "fleet/devices/loop").symlink_to(desk / "fleet")
    assert completed(desk, "ringtide why edge-s") == ["edge-s-0001", "edge-s-0004"]


@pytest.mark.parametrize(
    "words",
    [{}, {"COMP_WORDS": "ringtide why 'x", "COMP_CWORD": "2"}, {"COMP_WORDS": "ringtide", "COMP_CWORD": "x"}],
)
def test_what_a_shell_sends_wrongly_is_answered_with_silence(desk: Path, words: dict[str, str]) -> None:
    assert run(desk, "ringtide", _RINGTIDE_COMPLETE="bash_complete", **words).stdout.strip() == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_reads(desk: Path, shell: str) -> None:
    script = run(desk, "ringtide", "completion", shell).stdout
    assert "_RINGTIDE_COMPLETE=" + shell + "_complete" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (desk / "script").write_text(script)
    run(desk, shell, "-n", str(desk / "script"))


def test_fish_and_zsh_are_offered_the_same_with_a_line_about_each(desk: Path) -> None:
    fish = run(desk, "ringtide", _RINGTIDE_COMPLETE="fish_complete", COMP_WORDS="ringtide pl", COMP_CWORD="pl").stdout
    assert fish.strip() == f"plain,plan\t{VERBS['plan']}"
    zsh = run(desk, "ringtide", _RINGTIDE_COMPLETE="zsh_complete", COMP_WORDS="ringtide pl", COMP_CWORD="1").stdout
    assert zsh.split("\n")[:3] == ["plain", "plan", VERBS["plan"]]


def test_completing_a_verb_imports_no_verb(desk: Path) -> None:
    program = (
        "import sys\nfrom ringtide_engine.cli.main import run\ncode = run([])\n"
        "print(code, sorted(each for each in sys.modules if each.startswith('ringtide_engine.cli.')))\n"
    )
    result = run(
        desk, sys.executable, "-c", program, _RINGTIDE_COMPLETE="bash_complete", COMP_WORDS="ringtide w", COMP_CWORD="1"
    )
    assert result.stdout.splitlines()[0] == "plain,why"
    assert result.stdout.splitlines()[-1] == "0 ['ringtide_engine.cli.exits', 'ringtide_engine.cli.main']"
