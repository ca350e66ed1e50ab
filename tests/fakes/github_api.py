"""GitHub's API as far as ringtide uses it, on a free port of this machine, with the limits that the real one has."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

COMMENT_LIMIT = 65_536
BOT = "github-actions[bot]"


@dataclass
class FakeGitHub:
    """The state of one repository, and what a test may make it refuse."""

    repository: str = "example/fleet"
    login: str = BOT
    read_only: bool = False
    """Refuse every write, as with the token of a fork."""
    throttled: int = 0
    """Answer so many calls with a secondary rate limit."""
    retry_after: str | None = "1"
    page_limit: int = 100
    comments: list[dict[str, Any]] = field(default_factory=list)
    check_runs: list[dict[str, Any]] = field(default_factory=list)
    pulls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Commit to the pull requests it belongs to."""
    calls: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, body: str, *, login: str = BOT, issue: int = 7) -> dict[str, Any]:
        """Add a comment, as somebody else does."""
        comment = {"id": 1 + max((c["id"] for c in self.comments), default=0), "body": body, "issue": issue}
        comment["user"] = {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"}
        self.comments.append(comment)
        return comment

    def bodies(self, issue: int = 7) -> list[str]:
        """Return the comments of a pull request."""
        return [comment["body"] for comment in self.comments if comment["issue"] == issue]

    def writes(self) -> list[str]:
        """Return the calls that write."""
        return [call for call in self.calls if not call.startswith("GET")]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any, dict[str, str]]:
        """Answer one call."""
        self.calls.append(f"{method} {path}")
        if self.throttled > 0:
            self.throttled -= 1
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return 403, {"message": "You have exceeded a secondary rate limit. Please wait."}, headers
        if path == "/user":
            if self.login == BOT:
                return 403, {"message": "Resource not accessible by integration"}, {}
            return 200, {"login": self.login}, {}
        root = f"/repos/{self.repository}"
        if not path.startswith(root):
            return 404, {"message": "Not Found"}, {}
        if method != "GET" and self.read_only:
            return 403, {"message": "Resource not accessible by integration"}, {}
        return self._repository(method, path.removeprefix(root), query, body)

    def _repository(
        self, method: str, path: str, query: dict[str, list[str]], body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        if isinstance(body, dict) and len(str(body.get("body", ""))) > COMMENT_LIMIT:
            return 422, {"message": "Validation Failed: Body is too long (maximum is 65536 characters)"}, {}
        if found := re.fullmatch(r"/issues/(\d+)/comments", path):
            issue = int(found[1])
            if method == "GET":
                return self._page([c for c in self.comments if c["issue"] == issue], query)
            return 201, self.add(body["body"], login=self.login, issue=issue), {}
        if found := re.fullmatch(r"/issues/comments/(\d+)", path):
            comment = next((c for c in self.comments if c["id"] == int(found[1])), None)
            if comment is None:
                return 404, {"message": "Not Found"}, {}
            if method == "DELETE":
                self.comments.remove(comment)
                return 204, None, {}
            comment["body"] = body["body"]
            return 200, comment, {}
        if path == "/check-runs" and method == "POST":
            run = {**body, "id": len(self.check_runs) + 1, "app": {"slug": self.login.removesuffix("[bot]")}}
            self.check_runs.append(run)
            return 201, run, {}
        if found := re.fullmatch(r"/commits/([0-9a-f]+)/(check-runs|pulls)", path):
            if found[2] == "pulls":
                return self._page(self.pulls.get(found[1], []), query)
            runs = [run for run in self.check_runs if run["head_sha"] == found[1]]
            status, page, headers = self._page(runs, query)
            return status, {"total_count": len(runs), "check_runs": page}, headers
        return 404, {"message": "Not Found"}, {}

    def _page(self, entries: list[Any], query: dict[str, list[str]]) -> tuple[int, Any, dict[str, str]]:
        size = min(int(query.get("per_page", ["30"])[0]), self.page_limit)
        number = int(query.get("page", ["1"])[0])
        more = len(entries) > size * number
        headers = {"Link": f'<{self.url}/next?page={number + 1}>; rel="next"'} if more else {}
        return 200, entries[size * (number - 1) : size * number], headers


@contextmanager
def serving(fake: FakeGitHub) -> Iterator[FakeGitHub]:
    """Serve a fake on a free port until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            with fake.lock:
                fake.tokens.add(self.headers.get("Authorization", ""))
                status, data, headers = fake.answer(self.command, parts.path, parse_qs(parts.query), body)
                content = b"" if data is None else json.dumps(data).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  # the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
