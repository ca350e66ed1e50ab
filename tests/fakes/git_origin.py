"""A bare repository that a test fills file by file, with the real git."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
}


class GitOrigin:
    """A repository that serves over `file://` or behind a server."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--bare")
        self.git("config", "http.receivepack", "true")

    @classmethod
    def at(cls, path: Path) -> "GitOrigin":
        """Return one that is there already."""
        origin = cls.__new__(cls)
        origin.path = path
        return origin

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            input=stdin,
            env={"PATH": os.environ["PATH"], **_ENVIRONMENT},
            capture_output=True,
            check=True,
        )
        return done.stdout.decode()

    def commit(
        self, files: Mapping[str, bytes], *, ref: str = "refs/heads/published", modes: Mapping[str, str] = {}
    ) -> str:
        """Make a commit that holds exactly `files` on top of `ref`, and return its name."""
        parent = self.tip(ref)
        commands = [f"commit {ref}\ncommitter test <test@example.invalid> 1700000000 +0000\ndata 1\n.\n".encode()]
        if parent:
            commands.append(f"from {parent}\n".encode())
        commands.append(b"deleteall\n")
        for path, content in files.items():
            commands.append(f"M {modes.get(path, '100644')} inline {path}\n".encode())
            commands.append(b"data %d\n%b\n" % (len(content), content))
        self.git("fast-import", "--quiet", "--force", stdin=b"".join(commands))
        return self.tip(ref)

    def tip(self, ref: str = "refs/heads/published") -> str:
        return self.git("for-each-ref", "--format=%(objectname)", ref).strip()

    def hook(self, name: str, script: str) -> None:
        path = self.path / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
