"""GitHub's API as emulate plays it: somebody else's reading of GitHub's documents, beside our own fake with the limits."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from fakes.act_runner import ROOT

FOLDER = "RINGTIDE_NODE_MODULES"
"""Environment variable that names the `node_modules` which holds emulate 0.11.2."""

NODE = shutil.which("node")
PROGRAM = Path(os.environ.get(FOLDER) or ROOT / "node_modules") / "emulate/dist/index.js"

needs_emulate = pytest.mark.skipif(
    NODE is None or not PROGRAM.is_file(),
    reason=f"emulate is missing: npm install --prefix DIR emulate@0.11.2, and {FOLDER}=DIR/node_modules",
)

START_S = 30
"""A start takes 1.6 s on an idle machine."""

OWNER, TOKEN = "octocat", "ghs_journey"

SEED = f"""\
tokens:
  {TOKEN}: {{login: {OWNER}, scopes: [repo]}}
github:
  users: [{{login: {OWNER}}}]
  repos: [{{owner: {OWNER}, name: fleet, auto_init: true}}]
"""


@dataclass(frozen=True, kw_only=True)
class EmulatedGitHub:
    """One repository with a branch besides `main`."""

    url: str
    token: str = TOKEN
    repository: str = f"{OWNER}/fleet"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API as a person does."""
        headers = {"Authorization": f"Bearer {self.token}"}
        address = f"{self.url}/repos/{self.repository}/{path}"
        answer = urllib3.request(method, address, json=body, headers=headers, retries=False, timeout=10)
        assert answer.status < 300, answer.data[:500]
        return json.loads(answer.data)

    def open_pull_request(self) -> int:
        """Open a pull request and return its number."""
        commit = self.call("GET", "git/ref/heads/main")["object"]["sha"]
        self.call("POST", "git/refs", {"ref": "refs/heads/topic", "sha": commit})
        return int(self.call("POST", "pulls", {"title": "Change", "head": "topic", "base": "main"})["number"])

    def comment(self, number: int, body: str) -> None:
        """Comment on a pull request."""
        self.call("POST", f"issues/{number}/comments", {"body": body})

    def bodies(self, number: int) -> list[str]:
        """Return the comments of a pull request, oldest first."""
        return [comment["body"] for comment in self.call("GET", f"issues/{number}/comments")]

    def check_run(self, number: int) -> dict[str, Any]:
        """Return one check run."""
        run: dict[str, Any] = self.call("GET", f"check-runs/{number}")
        return run


@contextmanager
def emulating(folder: Path) -> Iterator[EmulatedGitHub]:
    """Run emulate on a free port until the end of the block."""
    folder.mkdir()
    (folder / "seed.yaml").write_text(SEED)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [str(NODE), str(PROGRAM), "start", "--service", "github", "--port", str(port), "--seed", "seed.yaml"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(process, port, folder / "log")
        yield EmulatedGitHub(url=f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=START_S)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    for _ in range(START_S * 10):
        assert process.poll() is None, log.read_text()
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"emulate does not listen: {log.read_text()}")
