"""The pages about kinds say what the schemas say."""

import runpy
from pathlib import Path

import pytest

from ringtide_engine.load.desired import read_document
from ringtide_engine.load.schemas import SCHEMA_FILES
from ringtide_engine.model.finding import Document

SPEC = Path(__file__).resolve().parents[3] / "docs/spec"
SCRIPT = runpy.run_path(str(SPEC / "make_kind_pages.py"))


def test_the_pages_are_those_that_the_script_makes(update_goldens: bool) -> None:
    if update_goldens:
        SCRIPT["main"]()
    made: dict[str, str] = SCRIPT["pages"]()
    assert {each.relative_to(SPEC).as_posix() for each in SPEC.glob("kinds/*")} == set(made)
    for path, text in made.items():
        assert (SPEC / path).read_text(encoding="utf-8") == text, f"run docs/spec/make_kind_pages.py: {path} differs"


@pytest.mark.parametrize("kind", SCHEMA_FILES)
def test_every_example_is_valid(kind: str) -> None:
    read = read_document("example.yaml", SCRIPT["example"](kind).encode(), kind)
    assert isinstance(read, Document), read
