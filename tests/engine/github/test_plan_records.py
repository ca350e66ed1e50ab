"""The plan of a checked commit is found again after the merge, and only where our check recorded it."""

import pytest

from fakes.github_api import FakeGitHub
from ringtide_engine.cli.main import run

HEAD, MERGED, PLAN, OTHER = "a" * 40, "b" * 40, "1" * 64, "2" * 64


def reviewed(capsys: pytest.CaptureFixture[str], commit: str) -> str:
    capsys.readouterr()
    assert run(["github", "reviewed-plan", "--commit", commit]) == 0
    return capsys.readouterr().out.strip()


def record(commit: str, plan: str) -> int:
    return run(["github", "record-plan", "--commit", commit, "--plan", plan])


def test_a_merge_groups_plan_is_found_on_the_commit_itself(
    github: FakeGitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record(MERGED, PLAN) == 0
    assert reviewed(capsys, MERGED) == PLAN


def test_the_plan_recorded_last_counts(github: FakeGitHub, capsys: pytest.CaptureFixture[str]) -> None:
    record(MERGED, OTHER)
    record(MERGED, PLAN)
    assert reviewed(capsys, MERGED) == PLAN


def test_a_pull_requests_plan_is_found_through_its_merge(
    github: FakeGitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    record(HEAD, PLAN)
    github.pulls[MERGED] = [{"merged_at": "2026-11-23T10:00:00Z", "merge_commit_sha": MERGED, "head": {"sha": HEAD}}]
    assert reviewed(capsys, MERGED) == PLAN


@pytest.mark.parametrize(
    "pull",
    [
        {"merged_at": None, "merge_commit_sha": MERGED, "head": {"sha": HEAD}},
        {"merged_at": "2026-11-23T10:00:00Z", "merge_commit_sha": "c" * 40, "head": {"sha": HEAD}},
    ],
)
def test_a_pull_request_that_was_not_merged_as_this_commit_says_nothing(
    github: FakeGitHub, capsys: pytest.CaptureFixture[str], pull: dict[str, object]
) -> None:
    record(HEAD, PLAN)
    github.pulls[MERGED] = [pull]
    assert reviewed(capsys, MERGED) == ""


@pytest.mark.parametrize(
    "forged",
    [
        {"app": {"slug": "other-app"}},
        {"name": "another check"},
        {"conclusion": "failure"},
        {"external_id": "not a digest"},
    ],
)
def test_a_record_that_is_not_ours_says_nothing(
    github: FakeGitHub, capsys: pytest.CaptureFixture[str], forged: dict[str, object]
) -> None:
    record(MERGED, PLAN)
    github.check_runs[0].update(forged)
    assert reviewed(capsys, MERGED) == ""


def test_a_fork_records_nothing_and_does_not_fail(github: FakeGitHub, capsys: pytest.CaptureFixture[str]) -> None:
    github.read_only = True
    assert record(HEAD, PLAN) == 0
    assert "::notice title=ringtide cannot record the plan::" in capsys.readouterr().out
    assert github.check_runs == []


def test_a_plan_that_is_no_digest_is_an_error(github: FakeGitHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert record(HEAD, "latest") == 1
    assert "::error title=ringtide could not record the plan::" in capsys.readouterr().out
