"""GitHub's REST API, as far as ringtide needs it: comments of a pull request, and check runs that record plans."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest, parse_digest
from ringtide_engine.ports import Comment, ReadOnlyTokenError

APP_LOGIN = "github-actions[bot]"
"""Under this name the token of a workflow writes; it may not ask for its own name."""

APP_SLUG = "github-actions"

RECORD_NAME = "ringtide plan"
"""Name of the check runs that record plans."""

PAGE = 100
PAGE_LIMIT = 50
"""5,000 comments or check runs; a pull request with more is broken, or an attack on our patience."""

BODY_LIMIT = 16 * 1024 * 1024
"""A page of a hundred full comments takes half of it."""

ATTEMPTS = 5
WAIT_LIMIT_S = 180.0
"""Waiting within one run, all together; GitHub asks for a minute after a secondary rate limit."""

_TIMEOUT = urllib3.Timeout(connect=10, read=30)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_TOKEN = re.compile(r"[!-~]{1,1000}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_READ_ONLY = "Resource not accessible by"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    data: Any


class GitHubApi:
    """Talks to one repository on GitHub; implements `ports.Forge`. The token stands in no message."""

    def __init__(
        self,
        base: str,
        repository: str,
        token: str,
        *,
        app: str = APP_SLUG,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep the address and the token.

        Args:
            base: Address of the API.
            repository: `owner/name`.
            token: Bearer token.
            app: Slug of the app whose check runs are believed.
            sleep: Waits some seconds.

        Raises:
            InputError: An address over which the token would travel in the clear, or no repository or token.
        """
        parts = urlsplit(base)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise InputError("GITHUB_API_URL must begin with https://")
        if not _NAME.fullmatch(repository):
            raise InputError("name the repository as owner/name, by --repository or GITHUB_REPOSITORY")
        if not _TOKEN.fullmatch(token):
            raise InputError("GITHUB_TOKEN holds no token")
        self._root = f"{base.rstrip('/')}/repos/{repository}"
        self._user = f"{base.rstrip('/')}/user"
        self._headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "ringtide",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        self._app = app
        self._sleep = sleep
        self._patience = WAIT_LIMIT_S
        self._pool = urllib3.PoolManager(num_pools=1, retries=False, timeout=_TIMEOUT)

    def pull_request(self, number: int) -> "GitHubPullRequest":
        """Return the comments of one pull request."""
        return GitHubPullRequest(self, number)

    def record(self, commit: str, plan: Digest) -> None:
        """Record that a plan passed the check of a commit."""
        run = {
            "name": RECORD_NAME,
            "head_sha": commit,
            "status": "completed",
            "conclusion": "success",
            "external_id": plan,
            "output": {"title": "plan recorded", "summary": f"`ringtide publish` may sign the plan `{plan}`."},
        }
        self.call("POST", f"{self._root}/check-runs", run)

    def recorded(self, commit: str) -> Digest | None:
        """Return the plan recorded last for a commit, or for the head of the pull request that was merged as it."""
        commits = [commit]
        for each in self.pages(f"{self._root}/commits/{quote(commit, safe='')}/pulls"):
            if each.get("merged_at") and each.get("merge_commit_sha") == commit:
                commits.append(_text(_members(each.get("head")), "sha"))
        for name in commits:
            address = f"{self._root}/commits/{quote(name, safe='')}/check-runs"
            runs = [run for run in self.pages(address, "check_runs", check_name=RECORD_NAME) if self._is_record(run)]
            if runs:
                return parse_digest(_text(max(runs, key=lambda run: _number(run, "id")), "external_id"))
        return None

    def _is_record(self, run: Mapping[str, Any]) -> bool:
        return (
            run.get("name") == RECORD_NAME
            and run.get("conclusion") == "success"
            and _members(run.get("app")).get("slug") == self._app
            and _DIGEST.fullmatch(str(run.get("external_id"))) is not None
        )

    def own_login(self) -> str:
        """Return the login of the token; a workflow's token may not ask, and has the workflow app's."""
        answer = self.try_call("GET", self._user)
        return APP_LOGIN if answer.status != 200 else _text(_members(answer.data), "login")

    def comments_address(self, number: int | None = None) -> str:
        """Return where comments are: those of a pull request, or one by its own number where None."""
        return f"{self._root}/issues/comments" if number is None else f"{self._root}/issues/{number}/comments"

    def pages(self, address: str, member: str | None = None, **query: str) -> Iterator[Mapping[str, Any]]:
        """Yield the entries of a list, page by page.

        Raises:
            TransientError: There are too many.
        """
        for page in range(1, PAGE_LIMIT + 1):
            fields = {**query, "per_page": str(PAGE), "page": str(page)}
            answer = self.call("GET", address, query=fields)
            entries = answer.data if member is None else _members(answer.data).get(member)
            if not isinstance(entries, list):
                raise TransientError("GitHub answered with something else than a list")
            yield from (_members(each) for each in entries)
            if 'rel="next"' not in answer.headers.get("link", ""):
                return
        raise TransientError(f"GitHub lists more than {PAGE * PAGE_LIMIT:,} entries")

    def call(
        self, method: str, address: str, body: object = None, *, query: Mapping[str, str] | None = None
    ) -> _Answer:
        """Call, and return an answer of success.

        Raises:
            ReadOnlyTokenError: The token may not write.
            InputError: Refused for good.
            TransientError: No answer, or not in time.
        """
        return checked(self.try_call(method, address, body, query=query))

    def try_call(
        self, method: str, address: str, body: object = None, *, query: Mapping[str, str] | None = None
    ) -> _Answer:
        """Call, wait where GitHub asks for it, and return the answer whatever it says.

        Raises:
            TransientError: No answer, or not in time.
        """
        said = "no answer"
        for attempt in range(ATTEMPTS):
            try:
                answer = self._once(method, address, body, query)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                said = type(error).__name__
                if method == "POST":  # it may have been done; a second one would double it
                    break
                self._wait(2.0**attempt, said)
                continue
            pause = _pause(answer, attempt)
            if pause is None:
                return answer
            said = f"{answer.status}: {_said(answer)}"
            if answer.status >= 500 and method == "POST":
                break
            self._wait(pause, said)
        raise TransientError(f"GitHub does not answer as it should: {said}")

    def _once(self, method: str, address: str, body: object, query: Mapping[str, str] | None) -> _Answer:
        response = self._pool.request(
            method,
            address,
            fields=dict(query) if query else None,
            body=None if body is None else json.dumps(body).encode("utf-8"),
            headers={**self._headers, **({} if body is None else {"Content-Type": "application/json"})},
            redirect=False,
            preload_content=False,
        )
        try:
            content = response.read(BODY_LIMIT + 1, decode_content=True)
        finally:
            response.release_conn()
        if len(content) > BODY_LIMIT:
            raise TransientError("GitHub's answer is too long")
        try:
            data = json.loads(content) if content else None
        except (ValueError, RecursionError):
            data = None
        headers = {name.lower(): value for name, value in response.headers.items()}
        return _Answer(status=response.status, headers=headers, data=data)

    def _wait(self, seconds: float, reason: str) -> None:
        if seconds > self._patience:
            raise TransientError(f"GitHub asks to wait {seconds:.0f} s, longer than this run may: {reason}")
        self._patience -= seconds
        self._sleep(seconds)


class GitHubPullRequest:
    """Implements `ports.PullRequest`."""

    def __init__(self, api: GitHubApi, number: int) -> None:
        """Keep the number."""
        self._api, self._number = api, number

    def own_login(self) -> str:
        """Return the login under which the token's comments stand."""
        return self._api.own_login()

    def comments(self) -> tuple[Comment, ...]:
        """Return all comments, oldest first."""
        found = map(_comment, self._api.pages(self._api.comments_address(self._number)))
        return tuple(sorted(found, key=lambda comment: comment.id))

    def create(self, body: str) -> Comment:
        """Write a comment."""
        return _comment(_members(self._api.call("POST", self._api.comments_address(self._number), {"body": body}).data))

    def edit(self, comment: int, body: str) -> bool:
        """Give a comment another text; False where it is gone."""
        return self._unless_gone("PATCH", comment, {"body": body})

    def delete(self, comment: int) -> None:
        """Delete a comment, unless it is gone already."""
        self._unless_gone("DELETE", comment, None)

    def _unless_gone(self, method: str, comment: int, body: object) -> bool:
        answer = self._api.try_call(method, f"{self._api.comments_address()}/{comment}", body)
        if answer.status in (404, 410):
            return False
        checked(answer)
        return True


def checked(answer: _Answer) -> _Answer:
    """Return an answer of success.

    Raises:
        ReadOnlyTokenError: The token may not write.
        InputError: Refused for good.
    """
    if answer.status < 300:
        return answer
    said = _said(answer)
    match answer.status:
        case 403 if _READ_ONLY in said:
            raise ReadOnlyTokenError(f"the token may not write here: {said}")
        case 401:
            raise InputError(f"GitHub does not know the token: {said}")
        case 404:
            raise InputError(f"GitHub has no such thing, or hides it from this token: {said}")
        case _:
            raise InputError(f"GitHub answered {answer.status}: {said}")


def _pause(answer: _Answer, attempt: int) -> float | None:
    """Return how long to wait before asking again; None where the answer counts."""
    if answer.status in (502, 503, 504):
        return 2.0**attempt
    if answer.status not in (403, 429):
        return None
    after = answer.headers.get("retry-after", "")
    if after.isdecimal():
        return max(1.0, float(after))
    if "secondary rate limit" in _said(answer) or answer.status == 429:
        return 60.0  # what GitHub recommends where it does not say how long
    if answer.headers.get("x-ratelimit-remaining") == "0":
        return WAIT_LIMIT_S + 1  # the hour's quota: no run waits for that
    return None


def _said(answer: _Answer) -> str:
    """Return GitHub's message as one short line."""
    data = answer.data if isinstance(answer.data, dict) else {}
    text = " ".join(str(data.get("message", "no message")).split())
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)[:300]


def _comment(data: Mapping[str, Any]) -> Comment:
    body = data.get("body")
    return Comment(
        id=_number(data, "id"),
        author=str(_members(data.get("user")).get("login", "")),
        body=body if isinstance(body, str) else "",
    )


def _members(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _number(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int):
        raise TransientError(f"GitHub's answer has no number {name!r}")
    return value


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise TransientError(f"GitHub's answer has no text {name!r}")
    return value
