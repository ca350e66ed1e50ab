"""jsonschema's slowest grammar is compiled when a value is held against it, and not before; then it does tell."""

import subprocess
import sys
from pathlib import Path

import pytest

from ringtide_engine.load.late_grammar import is_valid_syntax

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("value", "valid"), [("https://example.org/é?a#b", True), ("urn:x:y", True), ("no address", False), ("", False)]
)
def test_an_address_is_still_told_from_other_text(value: str, valid: bool) -> None:
    assert is_valid_syntax("iri", value) is valid


def test_the_grammar_is_compiled_by_its_first_use() -> None:
    program = (
        "import sys\n"
        "from ringtide_engine.load import schemas\n"
        "from jsonschema import FormatChecker\n"
        "print('lark' in sys.modules)\n"
        "print(FormatChecker().conforms('no address', 'iri'), FormatChecker().conforms('urn:x:y', 'iri'))\n"
        "print('lark' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{ROOT / 'contract'}:{ROOT / 'engine'}"},
        timeout=60,
    )
    assert result.stdout.splitlines() == ["False", "False True", "True"]
