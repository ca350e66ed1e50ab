"""A Git repository behind the port: commits without a checkout, on branches that only move forward."""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from ringtide_contract.errors import InputError, TransientError
from ringtide_engine.adapters.git_folders import listed, replaced, within
from ringtide_engine.adapters.git_process import REMOTE_LIMIT_S, Answer, GitProcess, last_line
from ringtide_engine.ports import CommitInfo, ConflictError

REGULAR_MODES = ("100644", "100755")
"""Modes of regular files; links and submodules have others."""

FALLBACK_IDENTITY = "ringtide <ringtide@localhost>"
"""Author of commits where Git knows no user."""

_OBJECT_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_RACES = ("cannot lock ref", "failed to update ref", "incorrect old value", "already exists", "non-fast-forward")
_HISTORY = "--format=%H%x00%P%x00%an <%ae>%x00%ct%x00%B"


class GitRepository:
    """Implements `ports.Repository` with GitPython and git's plumbing."""

    def __init__(self, folder: Path) -> None:
        """Open the repository in `folder`, or around it.

        Raises:
            InputError: There is none.
        """
        self._git = GitProcess(folder)
        self._origin = self._git.try_run("config", "--get", "remote.origin.url").status == 0

    @classmethod
    def clone(cls, address: str, folder: Path) -> "GitRepository":
        """Make a bare clone of `address` in the empty folder `folder`.

        Raises:
            TransientError: The remote does not answer.
        """
        GitProcess.create(folder)
        repository = cls(folder)
        repository._git.run("config", "remote.origin.url", address)
        repository._origin = True
        return repository

    def head(self, branch: str) -> str | None:
        """Return the newest commit of a branch, or None where the branch does not exist."""
        if self._origin:
            refspec = f"+refs/heads/{branch}:refs/remotes/origin/{branch}"
            answer = self._remote("fetch", "--no-tags", "--no-write-fetch-head", "origin", refspec)
            if answer.status != 0 and "couldn't find remote ref" in answer.message:
                return None
            _answered("fetch", answer)
        return self._ref(self._tracked(branch))

    def branches(self, prefix: str) -> Mapping[str, str]:
        """Return branches whose name starts with `prefix`, and their newest commits."""
        if self._origin:
            refspec = f"+refs/heads/{prefix}*:refs/remotes/origin/{prefix}*"
            _answered(
                "fetch", self._remote("fetch", "--prune", "--no-tags", "--no-write-fetch-head", "origin", refspec)
            )
        root = self._tracked("")
        lines = (
            self._git.run("for-each-ref", "--format=%(objectname) %(refname) %(symref)", root)
            .decode("utf-8")
            .splitlines()
        )
        rows = (line.split(" ") for line in lines)
        return {
            ref[len(root) :]: commit for commit, ref, symbolic in rows if ref.startswith(root + prefix) and not symbolic
        }

    def commit_of(self, revision: str) -> str:
        """Return the commit that a revision names."""
        for name in (revision, f"refs/remotes/origin/{revision}"):
            commit = self._ref(name)
            if commit is not None:
                return commit
        raise InputError(f"{revision!r} names no commit of this repository")

    def files(self, commit: str, prefix: str = "") -> Mapping[str, bytes]:
        """Return path to content of all regular files of a commit whose path starts with `prefix`."""
        folder = prefix.rpartition("/")[0]
        paths = ["--", f"{folder}/"] if folder else []
        answer = self._git.try_run("ls-tree", "-r", "-z", "--full-tree", _checked(commit), *paths)
        if answer.status != 0:
            raise InputError(f"cannot list the commit {commit}: {last_line(answer.message)}")
        blobs: dict[str, str] = {}
        for line in answer.output.split(b"\0")[:-1]:
            facts, _, raw = line.partition(b"\t")
            mode, _, blob = facts.decode("ascii").split(" ")
            path = _text(raw)
            if path.startswith(prefix):
                if mode not in REGULAR_MODES:
                    raise InputError(f"{path} is a link or a submodule; a fleet repository holds regular files only")
                blobs[path] = blob
        contents = self._blobs(dict.fromkeys(blobs.values()))
        return {path: contents[blob] for path, blob in blobs.items()}

    def file(self, commit: str, path: str) -> bytes | None:
        """Return one file of a commit, or None where it has none of that path."""
        answer = self._git.try_run("ls-tree", "-z", "--full-tree", _checked(commit), "--", path)
        if answer.status != 0:
            raise InputError(f"cannot read the commit {commit}: {last_line(answer.message)}")
        facts, _, found = answer.output.rstrip(b"\0").partition(b"\t")
        if _text(found) != path or facts[:6].decode("ascii") not in REGULAR_MODES:
            return None
        blob = facts.decode("ascii").split(" ")[2]
        return self._blobs([blob])[blob]

    def worktree_files(self) -> Mapping[str, bytes]:
        """Return path to content of the files in the work tree that Git does not ignore."""
        folder = self._git.work_tree
        if folder is None:
            raise InputError("the repository has no work tree; name a commit with --head")
        listed = self._git.run("-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        files: dict[str, bytes] = {}
        for raw in dict.fromkeys(listed.split(b"\0")[:-1]):
            path = folder / _text(raw)
            if path.is_symlink() or path.is_dir():
                raise InputError(f"{_text(raw)} is a link or a submodule; a fleet repository holds regular files only")
            try:
                files[_text(raw)] = path.read_bytes()
            except FileNotFoundError:
                continue  # deleted, and the deletion not yet committed
            except OSError as error:
                raise InputError(f"cannot read {path}: {error.strerror}") from error
        return files

    def history(self, head: str, *, since: str | None = None) -> Iterator[CommitInfo]:
        """Yield the first-parent history of `head`, newest first, down to but without `since`."""
        span = _checked(head) if since is None else f"{_checked(since)}..{_checked(head)}"
        answer = self._git.try_run("log", "--first-parent", "-z", _HISTORY, span, "--")
        if answer.status != 0:
            raise InputError(f"cannot read the history of {head}: {last_line(answer.message)}")
        columns = iter(answer.output.decode("utf-8", "replace").split("\0")[:-1])
        for commit, parents, author, seconds, message in zip(*[columns] * 5, strict=True):
            yield CommitInfo(
                id=commit,
                parents=tuple(parents.split()),
                author=author,
                message=message,
                at=datetime.fromtimestamp(int(seconds), UTC),
            )

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Tell whether `ancestor` is `descendant` or in its history."""
        answer = self._git.try_run("merge-base", "--is-ancestor", _checked(ancestor), _checked(descendant))
        if answer.status not in (0, 1):
            raise InputError(f"cannot compare {ancestor} and {descendant}: {last_line(answer.message)}")
        return answer.status == 0

    def merge_base(self, one: str, other: str) -> str:
        """Return the newest common ancestor."""
        answer = self._git.try_run("merge-base", _checked(one), _checked(other))
        if answer.status != 0:
            raise InputError(f"{one} and {other} have no common history")
        return answer.output.decode("ascii").split()[0]

    def changed_paths(self, old: str, new: str) -> tuple[str, ...]:
        """Return the paths that differ between two commits, sorted."""
        output = self._git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", _checked(old), _checked(new))
        return tuple(sorted(_text(path) for path in output.split(b"\0")[:-1]))

    def shallow(self, commit: str, *folders: str) -> Mapping[str, str]:
        """Return path to object of what lies in folders of a commit, and in no folder below them."""
        return listed(self._git, _checked(commit), folders)

    def rewritten(self, old: str | None, new: str, folder: str, *, most: int) -> Mapping[str, tuple[str, ...]]:
        """Return the objects that files were before commits after `old`, up to `new`, replaced them."""
        span = _checked(new) if old is None else f"{_checked(old)}..{_checked(new)}"
        found = replaced(self._git, span, folder, most=most)
        return {f"{folder}/{name}": objects for name, objects in found.items()}

    def contents(self, objects: Iterable[str], *, most_bytes: int) -> Mapping[str, bytes]:
        """Return the content of those objects that are files of at most so many bytes."""
        return self._blobs(within(self._git, dict.fromkeys(objects), most_bytes))

    def commit(
        self, branch: str, *, parent: str | None, changes: Mapping[str, bytes | None], message: str, at: datetime
    ) -> str:
        """Commit `changes` on top of `parent` and move the branch there, on `origin` first where there is one."""
        local = f"refs/heads/{branch}"
        follows = self._ref(local) == parent and not (self._origin and parent is None)
        old = "" if parent is None else _checked(parent)
        if not self._origin and not follows:
            raise ConflictError(f"the branch {branch} moved while the commit was made")
        commit = self._build(parent, changes, message, at)
        tree_moves = follows and self._is_checked_out(local)
        if tree_moves:
            self._move_tree(parent, commit, dry=True)
        if self._origin:
            self._push(branch, commit)
            self._git.run("update-ref", self._tracked(branch), commit)
        if follows:
            answer = self._git.try_run("update-ref", "-m", "ringtide", local, commit, old)
            if answer.status != 0:
                raise ConflictError(f"the branch {branch} moved while the commit was made: {last_line(answer.message)}")
            if tree_moves:
                self._move_tree(parent, commit, dry=False)
        return commit

    def _build(self, parent: str | None, changes: Mapping[str, bytes | None], message: str, at: datetime) -> str:
        """Write the commit's objects in one stream, under a name of its own until the branch takes it."""
        name = f"refs/ringtide/pending/{uuid.uuid4().hex}"
        try:
            self._git.run(
                "fast-import", "--quiet", "--date-format=raw", send=self._stream(name, parent, changes, message, at)
            )
            built = self._ref(name)
        finally:
            self._git.try_run("update-ref", "-d", name)
        if built is None:
            raise TransientError("git fast-import made no commit")
        return built

    def _stream(
        self, name: str, parent: str | None, changes: Mapping[str, bytes | None], message: str, at: datetime
    ) -> list[bytes]:
        text = message.encode("utf-8")
        head = f"commit {name}\ncommitter {self._identity()} {int(at.timestamp())} +0000\ndata {len(text)}\n"
        stream = [head.encode("utf-8"), text, b"\n"]
        if parent is not None:
            stream.append(f"from {parent}\n".encode("ascii"))
        for path in sorted(changes):
            if changes[path] is None:  # removals first: a folder may become a file
                stream.append(f"D {_quoted(path)}\n".encode())
        for path, content in sorted(changes.items()):
            if content is not None:
                stream += [f"M 100644 inline {_quoted(path)}\ndata {len(content)}\n".encode(), content, b"\n"]
        return stream

    def _push(self, branch: str, commit: str) -> None:
        answer = self._remote("push", "--porcelain", "--no-verify", "origin", f"{commit}:refs/heads/{branch}")
        if answer.status == 0:
            return
        refusals = [line for line in answer.output.decode("utf-8", "replace").splitlines() if line.startswith("!")]
        said = " ".join(refusals)
        if "[rejected]" in said or any(race in said + answer.message for race in _RACES):
            raise ConflictError(f"origin has newer commits on {branch}")
        if refusals:
            raise InputError(f"origin refused the push to {branch}: {answer.message or said}")
        _answered("push", answer)

    def _move_tree(self, parent: str | None, commit: str, *, dry: bool) -> None:
        """Bring the work tree along from `parent` to `commit`, keeping changes nobody committed.

        Raises:
            InputError: A changed or untracked file stands in the way.
        """
        before = parent or self._git.run("mktree").decode("ascii").strip()
        self._git.try_run("update-index", "-q", "--refresh")
        answer = self._git.try_run("read-tree", "-m", "-u", *(["-n"] if dry else []), before, commit)
        if answer.status != 0:
            raise InputError(
                f"files in the work tree {self._git.work_tree} have changes that this commit would overwrite; "
                f"commit or put them aside first ({last_line(answer.message)})"
            )

    def _is_checked_out(self, ref: str) -> bool:
        if self._git.work_tree is None:
            return False
        return self._git.try_run("symbolic-ref", "--quiet", "HEAD").output.decode("utf-8").strip() == ref

    def _identity(self) -> str:
        name, email = (self._git.try_run("config", "--get", f"user.{part}").output for part in ("name", "email"))
        if not name.strip() or not email.strip():
            return FALLBACK_IDENTITY
        return re.sub(r"[<>\n\0]", "", _text(name.strip())) + f" <{re.sub(r'[<> ]', '', _text(email.strip()))}>"

    def _blobs(self, names: Iterable[str]) -> dict[str, bytes]:
        """Read blobs in one run of `git cat-file --batch`."""
        wanted = list(names)
        if not wanted:
            return {}
        output = self._git.run("cat-file", "--batch", "--buffer", send="\n".join([*wanted, ""]).encode("ascii"))
        contents: dict[str, bytes] = {}
        start = 0
        for name in wanted:
            end = output.index(b"\n", start)
            facts = output[start:end].split(b" ")
            if len(facts) != 3:
                raise TransientError(f"the repository lacks the object {name}; fetch it whole")
            start = end + 1 + int(facts[2])
            contents[name] = output[end + 1 : start]
            start += 1
        return contents

    def _remote(self, *arguments: str) -> Answer:
        return self._git.try_run(*arguments, limit_s=REMOTE_LIMIT_S)

    def _ref(self, revision: str) -> str | None:
        answer = self._git.try_run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return answer.output.decode("ascii").strip() if answer.status == 0 else None

    def _tracked(self, branch: str) -> str:
        return f"refs/remotes/origin/{branch}" if self._origin else f"refs/heads/{branch}"


def _checked(commit: str) -> str:
    if not _OBJECT_ID.fullmatch(commit):
        raise InputError(f"{commit[:80]!r} is not a commit id")
    return commit


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"the name {raw!r} is not UTF-8; rename it") from error


def _quoted(path: str) -> str:
    """Write a path for fast-import."""
    parts = PurePosixPath(path).parts
    if not parts or "/".join(parts) != path or {"..", ".", ".git"} & set(parts) or "\0" in path:
        raise InputError(f"{path!r} is not a path within a repository")
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _answered(verb: str, answer: Answer) -> None:
    if answer.status != 0:
        raise TransientError(f"git {verb} failed: {last_line(answer.message)}")
