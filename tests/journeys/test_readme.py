"""The README's commands run as they stand, from a folder of the reader's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


def shell_blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.journey
def test_the_readme_alone_leads_to_ones_own_model_on_three_agents(tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, module in (
        ("ringtide", "-m ringtide_engine.cli"),
        ("ringtide-agent", "-m ringtide_agent"),
        ("python", ""),
    ):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (commands / name).chmod(0o755)
    blocks = [block.replace(". .venv/bin/activate\n", "") for block in shell_blocks()]
    assert len(blocks) == 9
    script = "set -eu -o pipefail\n" + "\n".join(f"echo '## {n}'\n{block}" for n, block in enumerate(blocks, 1))
    environment = {
        **os.environ,
        "TRY": str(tmp_path),
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("contract", "engine", "device_agent")),
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for number in (1, 2, 3):
        assert re.search(rf"cam-{number}\b.*\bconfirmed\b", done.stdout), done.stdout[-3000:]


def test_every_verb_that_the_readme_names_exists() -> None:
    from ringtide_engine.cli.main import VERBS

    table = re.search(r"^\| `ringtide (init[^`]*)`", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert table is not None
    assert {phrase.split()[0] for phrase in table[1].split(", ")} == set(VERBS)
