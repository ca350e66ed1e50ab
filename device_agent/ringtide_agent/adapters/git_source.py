"""Publications from a Git branch: a bare shallow fetch in a short-lived child, files read one by one from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from ringtide_agent.adapters.git_session import GitAccess, GitSession
from ringtide_agent.ports import Snapshot
from ringtide_contract.errors import TransientError, TrustError

DEADLINE_S = 300.0
"""For a fetch and all that is read of it; a first fetch over a slow line fits."""

_MAX_COMMIT_NAME = 64


class GitSnapshot:
    """One commit of the published branch, read through the child that fetched it."""

    def __init__(self, commit: str, session: GitSession) -> None:
        """Keep the commit's name, on which no security rests, and the child."""
        self.commit = commit
        self._session = session

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a file of at most `limit` bytes.

        Raises:
            TrustError: No such file, not a plain file, or larger.
            TransientError: The child broke off.
        """
        if not path or path.startswith("/") or ".." in PurePosixPath(path).parts or not path.isprintable():
            raise TrustError("TREE-PATH", f"{path[:80]!r} is not a path in a publication")
        return self._session.ask({"path": path, "limit": limit}, limit)


class GitSource:
    """A branch of a Git repository as a source of publications."""

    def __init__(self, access: GitAccess, branch: str, folder: str, *, deadline_s: float = DEADLINE_S) -> None:
        """Keep the address.

        Args:
            access: How to reach the repository.
            branch: The branch that holds publications.
            folder: Folder for the local copy, a cache.
            deadline_s: Seconds for a fetch and all that is read of it.
        """
        self._access, self._branch, self._folder, self._deadline_s = access, branch, folder, deadline_s

    def forget(self) -> None:
        """Nothing is remembered that git would not find damaged by itself."""

    @contextmanager
    def open(self) -> Iterator[Snapshot]:
        """Fetch the newest commit where it is not here yet.

        Raises:
            TransientError: Unreachable, too slow, or over a limit.
        """
        order = {"op": "fetch", "repository": f"{self._folder}/published.git", "branch": self._branch}
        with GitSession(self._access, order, home=self._folder, deadline_s=self._deadline_s) as session:
            commit = session.order(_MAX_COMMIT_NAME).decode("ascii", "replace")
            if not commit.isalnum():
                raise TransientError("the git process did not name a commit")
            yield GitSnapshot(commit, session)
