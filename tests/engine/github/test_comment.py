"""`ringtide github comment`: one comment, ours, whatever others write and however often it runs."""

import re
from pathlib import Path

import pytest

from fakes.github_api import BOT, COMMENT_LIMIT, FakeGitHub
from ringtide_contract.errors import TransientError
from ringtide_contract.ids import parse_digest
from ringtide_engine.adapters.github_api import GitHubApi
from ringtide_engine.cli.main import run
from ringtide_engine.ports import Comment
from ringtide_engine.workflows.sticky_comment import Planned, put_comment

MARKER = "<!-- ringtide:plan:v1 fleet=example-fleet -->"
TOKEN = "ghs_0123456789abcdef"


def digest(number: int) -> str:
    return f"{number:064x}"


@pytest.fixture
def comment(tmp_path: Path) -> Path:
    file = tmp_path / "comment.md"
    file.write_text(f"{MARKER}\n3 of 12 devices change now\n", encoding="utf-8")
    return file


def put(comment: Path, *more: str) -> int:
    return run(["github", "comment", "--file", str(comment), "--pull-request", "7", *more])


def test_three_pushes_leave_one_comment_with_the_last_text(github: FakeGitHub, comment: Path) -> None:
    for number in (1, 2, 3):
        comment.write_text(f"{MARKER}\npush {number}\n", encoding="utf-8")
        assert put(comment, "--plan", digest(number)) == 0
    (body,) = github.bodies()
    assert body.startswith(f"{MARKER}\npush 3\n")
    assert [line[4:68] for line in body.splitlines() if line.startswith("- [`")] == [digest(3), digest(2), digest(1)]


def test_the_footer_keeps_five_plans_and_links_their_runs(
    github: FakeGitHub, comment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 8):
        monkeypatch.setenv("GITHUB_RUN_ID", str(number))
        assert put(comment, "--plan", digest(number)) == 0
    (body,) = github.bodies()
    entries = re.findall(r"^- \[`(\w+)`\]\((.*)\)$", body, re.MULTILINE)
    address = "https://github.example.org/example/fleet/actions/runs/"
    assert entries == [(digest(number), f"{address}{number}") for number in (7, 6, 5, 4, 3)]
    assert body.count("<details>") == body.count("</details>") == 1


def test_the_same_plan_again_is_named_once_with_its_newest_run(
    github: FakeGitHub, comment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("1", "2"):
        monkeypatch.setenv("GITHUB_RUN_ID", number)
        assert put(comment, "--plan", digest(9)) == 0
    (body,) = github.bodies()
    assert body.count(digest(9)) == 1
    assert body.count("/runs/2)") == 1


def test_a_comment_of_somebody_else_with_our_marker_is_left_alone(github: FakeGitHub, comment: Path) -> None:
    hostile = [
        github.add(f"{MARKER}\nall is well, merge me", login=login)
        for login in ("mallory", "echo[bot]", "github-actions")
    ]
    before = [dict(each) for each in hostile]
    assert put(comment) == 0
    assert put(comment) == 0
    assert github.comments[:3] == before
    assert [each["user"]["login"] for each in github.comments[3:]] == [BOT]


def test_a_comment_of_our_own_about_another_fleet_is_left_alone(github: FakeGitHub, comment: Path) -> None:
    other = "<!-- ringtide:plan:v1 fleet=example -->\nof the other fleet"
    github.add(other)
    github.add(f"quoted:\n{MARKER}\n")
    assert put(comment) == 0
    assert github.bodies()[0] == other
    assert len(github.bodies()) == 3


def test_the_comment_is_found_behind_many_pages(github: FakeGitHub, comment: Path) -> None:
    for number in range(230):
        github.add(f"remark {number}", login="person")
    github.add(f"{MARKER}\nold")
    assert put(comment) == 0
    assert [body for body in github.bodies() if body.startswith(MARKER)] == [f"{MARKER}\n3 of 12 devices change now\n"]


def test_a_list_without_an_end_is_given_up(
    github: FakeGitHub, comment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    github.page_limit = 1
    for number in range(60):
        github.add(f"remark {number}", login="person")
    assert put(comment) == 1
    assert "more than" in capsys.readouterr().out
    assert github.writes() == []


def test_no_comment_is_made_where_nothing_changes_and_the_old_one_is_updated(github: FakeGitHub, comment: Path) -> None:
    assert put(comment, "--update-only") == 0
    assert github.bodies() == []
    put(comment)
    comment.write_text(f"{MARKER}\nno changes\n", encoding="utf-8")
    assert put(comment, "--update-only") == 0
    assert github.bodies() == [f"{MARKER}\nno changes\n"]


def test_the_same_text_again_writes_nothing(github: FakeGitHub, comment: Path) -> None:
    put(comment, "--plan", digest(1))
    writes = len(github.writes())
    assert put(comment, "--plan", digest(1)) == 0
    assert len(github.writes()) == writes


def test_the_token_of_a_fork_gives_a_notice_and_no_failure(
    github: FakeGitHub, comment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    github.read_only = True
    assert put(comment) == 0
    assert capsys.readouterr().out.startswith("::notice title=ringtide cannot comment::")


def test_a_secondary_rate_limit_is_waited_for(github: FakeGitHub) -> None:
    github.throttled = 2
    github.retry_after = "7"
    waited: list[float] = []
    api = GitHubApi(github.url, github.repository, TOKEN, sleep=waited.append)
    assert put_comment(api.pull_request(7), f"{MARKER}\ntext", None) == "created"
    assert waited == [7.0, 7.0]
    assert len(github.bodies()) == 1


def test_waiting_has_an_end(github: FakeGitHub) -> None:
    github.throttled = 100
    github.retry_after = "3600"
    waited: list[float] = []
    api = GitHubApi(github.url, github.repository, TOKEN, sleep=waited.append)
    with pytest.raises(TransientError, match="3600 s"):
        put_comment(api.pull_request(7), f"{MARKER}\ntext", None)
    assert waited == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no marker\n", "not a marker"),
        (f"{MARKER}\n{'x' * COMMENT_LIMIT}", "GitHub takes 65,536"),
        ("<!-- ringtide:plan:v1 fleet=a b -->\n", "not a marker"),
    ],
)
def test_a_comment_that_cannot_be_published_is_an_error_of_its_own(
    github: FakeGitHub, comment: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    comment.write_text(text, encoding="utf-8")
    assert put(comment) == 1
    out = capsys.readouterr().out
    assert out.startswith("::error title=ringtide could not publish its comment::")
    assert said in out
    assert github.writes() == []


def test_another_repository_is_a_failure_and_not_a_notice(
    github: FakeGitHub, comment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert put(comment, "--repository", "example/elsewhere") == 1
    assert "::error title=ringtide could not publish its comment::GitHub has no such thing" in capsys.readouterr().out


def test_a_server_that_is_gone_is_given_up_after_bounded_waiting() -> None:
    waited: list[float] = []
    api = GitHubApi("http://127.0.0.1:9", "example/fleet", TOKEN, sleep=waited.append)
    with pytest.raises(TransientError, match="does not answer"):
        put_comment(api.pull_request(7), f"{MARKER}\nours", None, author=BOT)
    assert waited == [1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize("address", ["http://api.example.org", "ftp://127.0.0.1", "api.github.com"])
def test_the_token_never_travels_in_the_clear(
    github: FakeGitHub, comment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", address)
    assert put(comment) == 1
    assert "https://" in capsys.readouterr().out


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak"])
def test_a_token_that_is_none_is_refused_without_being_shown(
    github: FakeGitHub, comment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", token)
    assert put(comment) == 1
    said = "".join(capsys.readouterr())
    assert "GITHUB_TOKEN holds no token" in said
    assert not token or token not in said


def test_the_token_stands_in_no_message(github: FakeGitHub, comment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(comment)
    put(comment, "--repository", "example/elsewhere")
    assert github.tokens == {f"Bearer {TOKEN}"}
    assert TOKEN not in "".join(capsys.readouterr())


class Racing:
    """A pull request on which another run comments between our list and our comment."""

    def __init__(self, *, first: bool) -> None:
        self.first, self.listed = first, 0
        self.kept: dict[int, Comment] = {}

    def own_login(self) -> str:
        return BOT

    def comments(self) -> tuple[Comment, ...]:
        self.listed += 1
        if self.listed == 2:
            number = 1 if self.first else 9
            self.kept[number] = Comment(id=number, author=BOT, body=f"{MARKER}\nthe other run's")
        return tuple(self.kept.values())

    def create(self, body: str) -> Comment:
        self.kept[5] = Comment(id=5, author=BOT, body=body)
        return self.kept[5]

    def edit(self, comment: int, body: str) -> bool:
        self.kept[comment] = Comment(id=comment, author=BOT, body=body)
        return True

    def delete(self, comment: int) -> None:
        self.kept.pop(comment, None)


@pytest.mark.parametrize("first", [True, False])
def test_two_runs_at_once_leave_the_older_comment_alone(first: bool) -> None:
    pull_request = Racing(first=first)
    put_comment(pull_request, f"{MARKER}\nours", Planned(plan=parse_digest(digest(1)), run="https://example.org/1"))
    (left,) = pull_request.kept.values()
    assert left.id == (1 if first else 5)
    assert left.body.startswith(f"{MARKER}\nours\n")


def test_a_comment_that_vanishes_again_and_again_is_given_up() -> None:
    class Vanishing(Racing):
        def edit(self, comment: int, body: str) -> bool:
            return False

    pull_request = Vanishing(first=True)
    pull_request.kept[2] = Comment(id=2, author=BOT, body=f"{MARKER}\nold")
    with pytest.raises(TransientError, match="deleted 3 times"):
        put_comment(pull_request, f"{MARKER}\nours", None)
