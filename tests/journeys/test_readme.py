"""The README's commands run as they stand, from a folder of the reader's own."""

import re
from pathlib import Path

import pytest

from fakes.shell_page import ROOT, run_blocks, shell_blocks

README = ROOT / "README.md"


@pytest.mark.journey
def test_the_readme_alone_leads_to_ones_own_model_on_three_agents(tmp_path: Path) -> None:
    blocks = [block.replace(". .venv/bin/activate\n", "") for block in shell_blocks(README)]
    assert len(blocks) == 9
    said = run_blocks(blocks, tmp_path, cwd=ROOT)
    for number in (1, 2, 3):
        assert re.search(rf"cam-{number}\b.*\bconfirmed\b", said), said[-3000:]


def test_every_verb_that_the_readme_names_exists() -> None:
    from ringtide_engine.cli.main import VERBS

    table = re.search(r"^\| `ringtide (init[^`]*)`", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert table is not None
    assert {phrase.split()[0] for phrase in table[1].split(", ")} == set(VERBS)
