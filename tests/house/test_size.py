"""The house stays small: module sizes, and no name that says nothing."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LONGEST = 400

LONGER = {
    "engine/ringtide_engine/demo/digits/make_digits.py": "one script that makes data and models, read from top to bottom",
}
"""Modules above the limit, each with its reason."""

NOTHING_SAID = {"utils", "helpers", "common", "misc", "manager", "handler", "base", "core"}


def tracked(*suffixes: str) -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines() if name.endswith(suffixes) and (ROOT / name).is_file()]


def test_no_module_is_longer_than_one_idea() -> None:
    sources = [
        path for path in tracked(".py") if path.relative_to(ROOT).parts[0] in ("contract", "engine", "device_agent")
    ]
    long = {str(path.relative_to(ROOT)) for path in sources if len(path.read_text().splitlines()) > LONGEST}
    assert long <= set(LONGER)


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [path for path in tracked(".py") if path.stem in NOTHING_SAID]


def test_no_file_is_large() -> None:
    assert not [path for path in tracked("") if path.stat().st_size > 1_000_000]
