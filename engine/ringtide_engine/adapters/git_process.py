"""Run `git` once, through GitPython: bounded, never asking for a password, its words without credentials."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import git

from ringtide_contract.errors import InputError, TransientError

REMOTE_LIMIT_S = 300
"""A fetch or push that takes longer than five minutes is a dead connection."""

_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "LC_ALL": "C",
}
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run of git left."""

    status: int
    """Exit status."""
    output: bytes
    """Standard output."""
    message: str
    """Standard error, without credentials."""


class GitProcess:
    """Runs git commands in one repository."""

    def __init__(self, folder: Path) -> None:
        """Open the repository in `folder`, or around it.

        Raises:
            InputError: There is none.
        """
        try:
            self._repository = git.Repo(folder, search_parent_directories=True)
        except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
            raise InputError(f"{folder} is not a Git repository; run `git init`, or name another folder") from error
        found = self._repository.working_tree_dir
        self.work_tree: Path | None = None if found is None else Path(found)
        """Folder of the work tree; None in a bare repository."""

    @staticmethod
    def create(folder: Path) -> None:
        """Make an empty bare repository in `folder`."""
        git.Repo.init(folder, bare=True).close()

    def try_run(
        self,
        *arguments: str,
        send: bytes | Sequence[bytes] = b"",
        environment: Mapping[str, str] | None = None,
        limit_s: int | None = None,
    ) -> Answer:
        """Run `git <arguments>` and return what it left, whatever its exit status."""
        with tempfile.TemporaryFile() as stdin:
            stdin.writelines([send] if isinstance(send, bytes) else send)
            stdin.seek(0)
            try:
                status, output, message = self._repository.git.execute(
                    ["git", *arguments],
                    istream=stdin,
                    with_extended_output=True,
                    with_exceptions=False,
                    stdout_as_string=False,
                    strip_newline_in_stdout=False,
                    env={**_ENVIRONMENT, **(environment or {})},
                    kill_after_timeout=limit_s,
                )
            except git.GitCommandNotFound as error:
                raise InputError("the command `git` is missing; install Git 2.30 or newer") from error
        return Answer(status=int(status), output=output, message=without_credentials(message).strip())

    def run(
        self,
        *arguments: str,
        send: bytes | Sequence[bytes] = b"",
        environment: Mapping[str, str] | None = None,
        limit_s: int | None = None,
    ) -> bytes:
        """Run `git <arguments>` and return its output.

        Raises:
            TransientError: It failed.
        """
        answer = self.try_run(*arguments, send=send, environment=environment, limit_s=limit_s)
        if answer.status != 0:
            raise TransientError(f"git {arguments[0]} failed: {last_line(answer.message)}")
        return answer.output


def without_credentials(text: str) -> str:
    """Return `text` with the user part of every URL cut out."""
    return _CREDENTIALS.sub("", text)


def last_line(message: str) -> str:
    """Return the last line that says something: git's own verdict stands there."""
    lines = [line for line in message.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"
