"""The pages of the wire formats are what the docstrings and vectors say now."""

import runpy
from pathlib import Path

import pytest

SPEC = Path(__file__).parents[2] / "docs" / "spec"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    made: dict[str, str] = runpy.run_path(str(SPEC / "make_wire_pages.py"))["make_pages"]()
    return made


def test_committed_pages_are_what_the_contract_says(pages: dict[str, str], update_goldens: bool) -> None:
    if update_goldens:
        for name, text in pages.items():
            (SPEC / "wire" / name).write_text(text, encoding="utf-8")
    committed = {file.name: file.read_text(encoding="utf-8") for file in (SPEC / "wire").glob("*.md")}
    assert committed.keys() == pages.keys()
    changed = [name for name in pages if committed[name] != pages[name]]
    assert changed == [], "run docs/spec/make_wire_pages.py"


def test_every_link_between_pages_leads_to_a_heading(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        for link in (part.split(")")[0] for part in text.split("](")[1:]):
            page, _, anchor = link.partition("#")
            assert page in pages, f"{name} links to {link}"
            assert not anchor or f"## {anchor}\n" in pages[page].lower(), f"{name} links to {link}"


def test_every_field_of_a_listed_type_has_a_meaning(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        assert "|  |" not in text, f"{name} has an empty cell"
