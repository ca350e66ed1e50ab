"""The work tree of a repository behind `git commit`: one file at a time, with the hooks and the name of its user."""

from pathlib import Path

from ringtide_contract.errors import InputError
from ringtide_engine.adapters.git_process import GitProcess


class GitWorkTree:
    """Commits single files on the branch that is checked out."""

    def __init__(self, folder: Path) -> None:
        """Open the work tree of the repository in `folder`, or around it.

        Raises:
            InputError: There is none, or no branch is checked out.
        """
        self._git = GitProcess(folder)
        self._folder = folder
        if self._git.work_tree is None:
            raise InputError(f"{folder} has no work tree to commit from")
        if self._git.try_run("symbolic-ref", "--quiet", "HEAD").status != 0:
            raise InputError("no branch is checked out; run `git switch` first")

    def require_committed(self, path: str) -> None:
        """Refuse where a file has changes that a commit of it would take along.

        Raises:
            InputError: It has.
        """
        status = self._git.run("status", "--porcelain", "--untracked-files=all", "--ignored", "--", self._within(path))
        if status:
            raise InputError(f"{path} has changes that are not committed; commit them first, or leave --commit out")

    def commit(self, path: str, message: str) -> str:
        """Commit one file as it lies there, and nothing else, whatever is in the index; return the commit.

        Raises:
            InputError: Git or a hook refused.
        """
        answer = self._git.try_run(
            "commit", "--quiet", "--only", "--file=-", "--", self._within(path), send=message.encode("utf-8")
        )
        if answer.status != 0:
            raise InputError(f"git refused to commit {path}: {answer.message or 'no message'}")
        return self._git.run("rev-parse", "HEAD").decode("ascii").strip()

    def _within(self, path: str) -> str:
        assert self._git.work_tree is not None  # noqa: S101  # refused when it was opened
        return (self._folder.resolve() / path).relative_to(self._git.work_tree.resolve()).as_posix()
