"""The hooks that others' repositories take from ours, run as pre-commit runs them."""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from ringtide_engine.cli.main import VERBS, run
from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.shipped import template

ROOT = Path(__file__).resolve().parents[3]
HOOKS: dict[str, Any] = {each["id"]: each for each in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
UGLY = b"kind: Placement\napiVersion: ringtide/v1\nname: digits\nmodel: digits\ncohort: everybody\nrelease: null\n"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path, content in template().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hooked(name: str, fleet: Path) -> tuple[int, str]:
    """Run a hook over all files of a repository; return its exit code and what it wrote."""
    hook = HOOKS[name]
    program, *arguments = shlex.split(hook["entry"])
    assert program == "ringtide"
    paths = sorted(each.relative_to(fleet).as_posix() for each in fleet.rglob("*") if each.is_file())
    taken = [path for path in paths if re.search(hook["files"], path)]
    assert taken
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = run([*arguments, *(taken if hook.get("pass_filenames", True) else ())])
    return code, out.getvalue()


def test_the_hooks_are_verbs() -> None:
    assert set(HOOKS) == {"ringtide-check", "ringtide-fmt"}
    assert {hook["entry"].split()[1] for hook in HOOKS.values()} <= set(VERBS)


@pytest.mark.parametrize(
    "path", [*template(), "devices/cam-1.yaml", "waivers/a.yaml", "rollouts/a.yaml", "policies/a/rule.yaml"]
)
def test_every_document_starts_the_hooks_and_nothing_else_does(path: str) -> None:
    for hook in HOOKS.values():
        assert bool(re.search(hook["files"], path)) == isinstance(spot(path), Spot)


def test_the_example_passes_both(fleet: Path) -> None:
    assert hooked("ringtide-check", fleet)[0] == 0
    assert hooked("ringtide-fmt", fleet) == (0, "0 files changed; no findings\n")


def test_fmt_mends_the_file_and_the_second_run_finds_nothing_to_do(fleet: Path) -> None:
    (fleet / "placements/digits.yaml").write_bytes(UGLY)
    assert hooked("ringtide-fmt", fleet) == (0, "placements/digits.yaml\n1 file changed; no findings\n")
    assert hooked("ringtide-fmt", fleet)[1] == "0 files changed; no findings\n"


def test_check_stops_the_commit(fleet: Path) -> None:
    (fleet / "placements/digits.yaml").write_bytes(UGLY.replace(b"everybody", b"nobody"))
    code, said = hooked("ringtide-check", fleet)
    assert code == 3
    assert "there is no cohort nobody" in said
