"""Running the `sh` blocks of a page as a reader would, from top to bottom."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_PROGRAMS = (("ringtide", "-m ringtide_engine.cli"), ("ringtide-agent", "-m ringtide_agent"), ("python", ""))


def shell_blocks(page: Path) -> list[str]:
    """Return the `sh` blocks of a Markdown page."""
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run_blocks(blocks: list[str], tmp_path: Path, *, cwd: Path) -> str:
    """Run blocks in one shell that stops at the first failure.

    Args:
        blocks: The blocks.
        tmp_path: Becomes `$TRY`, and holds the programs.
        cwd: Where the reader stands.

    Returns:
        What they wrote to standard output.
    """
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, module in _PROGRAMS:
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (commands / name).chmod(0o755)
    script = "set -eu -o pipefail\n" + "\n".join(f"echo '## {n}'\n{block}" for n, block in enumerate(blocks, 1))
    environment = {
        **os.environ,
        "TRY": str(tmp_path),
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("contract", "engine", "device_agent")),
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
