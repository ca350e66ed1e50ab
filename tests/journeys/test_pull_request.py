"""The example's own workflow files, run by act against a GitHub of our own: one comment, whatever happens."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.act_runner import ROOT, TEMPLATE, ActRunner, needs_act
from fakes.emulated_github import emulating, needs_emulate
from fakes.github_api import FakeGitHub, serving

pytestmark = [pytest.mark.journey, needs_act]


def test_the_examples_copy_of_the_action_is_ours() -> None:
    ours, copy = (base / "actions/ringtide-plan/action.yml" for base in (ROOT / ".github", TEMPLATE))
    assert ours.read_bytes() == copy.read_bytes()


@dataclass(kw_only=True)
class Change:
    """A pull request, checked out where GitHub's runner would."""

    runner: ActRunner

    @property
    def fleet(self) -> Path:
        return self.runner.folder / "fleet"

    def git(self, *arguments: str) -> str:
        identity = {f"GIT_{who}_{what}": "author" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "-C", str(self.fleet), *arguments]
        environment = {**self.runner.environment(), **identity}
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True, timeout=60
        ).stdout.strip()

    def push(self, path: str, old: str, new: str) -> str:
        file = self.fleet / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        self.git("commit", "--quiet", "--all", "-m", "Change")
        return self.git("rev-parse", "HEAD")

    def check(self, event: str, payload: dict[str, object], *, run: int = 1) -> subprocess.CompletedProcess[str]:
        return self.runner.run(self.fleet, "check.yml", event, payload, run=run)


def change(runner: ActRunner) -> Change:
    """Return a pull request without a change yet, in a repository that `ringtide init` has made."""
    made = Change(runner=runner)
    command = [sys.executable, "-m", "ringtide_engine.cli", "init", str(made.fleet)]
    subprocess.run(command, check=True, capture_output=True, env=runner.environment(), timeout=60)
    made.git("remote", "add", "origin", f"https://github.com/{runner.repository}.git")
    made.git("update-ref", "refs/remotes/origin/main", "HEAD")
    made.git("checkout", "--quiet", "-b", "topic")
    return made


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub()) as fake:
        yield fake


@pytest.fixture
def pull_request(github: FakeGitHub, tmp_path: Path) -> Change:
    return change(ActRunner(folder=tmp_path, api=github.url, repository=github.repository))


def opened(head: str, number: int = 7) -> dict[str, object]:
    base, topic = {"ref": "main", "sha": "0" * 40}, {"ref": "topic", "sha": head}
    return {"action": "synchronize", "pull_request": {"number": number, "head": topic, "base": base}}


CHANGES = (("release: null", 'release: "1.0.0"'), ('"1.0.0"', "null"), ("release: null", 'release: "1.0.0"'))


def push_thrice(pull_request: Change, number: int) -> str:
    """Push three changes, let each be checked, and return the last commit."""
    head = ""
    for run, (old, new) in enumerate(CHANGES, 1):
        head = pull_request.push("placements/digits.yaml", old, new)
        done = pull_request.check("pull_request", opened(head, number), run=run)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]
    return head


def test_three_pushes_leave_one_comment(pull_request: Change, github: FakeGitHub) -> None:
    head = push_thrice(pull_request, 7)
    (body,) = github.bodies()
    assert body.startswith("<!-- ringtide:plan:v1 fleet=example-fleet -->\n")
    assert "/actions/runs/3)" in body
    assert github.check_runs[-1]["head_sha"] == head


@needs_emulate
def test_three_pushes_leave_one_comment_on_a_github_that_others_have_written(tmp_path: Path) -> None:
    with emulating(tmp_path / "emulate") as emulated:
        made = change(
            ActRunner(folder=tmp_path, api=emulated.url, repository=emulated.repository, token=emulated.token)
        )
        number = emulated.open_pull_request()
        emulated.comment(number, "Looks good to me.")
        head = push_thrice(made, number)
        theirs, ours = emulated.bodies(number)
        assert theirs == "Looks good to me."
        assert ours.startswith("<!-- ringtide:plan:v1 fleet=example-fleet -->\n")
        assert "/actions/runs/3)" in ours
        record = emulated.check_run(3)
        assert (record["name"], record["head_sha"]) == ("ringtide plan", head)


def test_a_fork_is_told_and_not_failed(pull_request: Change, github: FakeGitHub) -> None:
    github.read_only = True
    head = pull_request.push("placements/digits.yaml", *CHANGES[0])
    done = pull_request.check("pull_request", opened(head))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]
    assert "ringtide cannot comment" in done.stdout
    assert github.bodies() == []


def test_a_broken_change_fails_the_required_check(pull_request: Change, github: FakeGitHub) -> None:
    head = pull_request.push("placements/digits.yaml", "release: null", 'release: "9.9.9"')
    assert pull_request.check("pull_request", opened(head)).returncode != 0
    assert github.check_runs == []


def test_a_merge_group_is_checked_and_recorded_without_a_comment(pull_request: Change, github: FakeGitHub) -> None:
    base = pull_request.git("rev-parse", "HEAD")
    head = pull_request.push("placements/digits.yaml", *CHANGES[0])
    group = {"action": "checks_requested", "merge_group": {"base_sha": base, "head_sha": head, "base_ref": "main"}}
    done = pull_request.check("merge_group", group)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]
    assert [run["head_sha"] for run in github.check_runs] == [head]
    assert github.bodies() == []
