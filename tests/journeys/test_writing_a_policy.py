"""The page on policies runs as it stands, from top to bottom, in a fresh folder."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from fakes.shell_page import ROOT, run_blocks, shell_blocks

PAGE = ROOT / "docs" / "writing-a-policy.md"


@pytest.mark.journey
def test_the_page_leads_from_an_empty_folder_to_a_waived_rule_of_ones_own(tmp_path: Path) -> None:
    has_rego = find_spec("regorus") is not None
    blocks = [block for block in shell_blocks(PAGE) if has_rego or "rego" not in block]
    said = run_blocks(blocks, tmp_path, cwd=tmp_path)
    steps = said.split("\n## ")
    assert len(steps) == len(blocks) == 8 + has_rego
    refused = [number for number, step in enumerate(steps, 1) if "error[rollout-outside-freeze]" in step]
    assert refused == [5, 7]
    assert "waived by first-release" in steps[6]
    assert not has_rego or "ok    rings-begin-small" in steps[7]
