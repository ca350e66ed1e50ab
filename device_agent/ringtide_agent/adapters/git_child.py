"""The short-lived process in which git runs: `python -m ringtide_agent.adapters.git_child`.

It reads one order from standard input, sets its own limits, and answers in frames: a letter (`.` content, `?` not there,
`!` failed), a length, that many bytes. GitPython is imported here and nowhere else in the agent. Every repository
here is a cache: whatever is wrong with it, it is thrown away and fetched again.
"""

import ctypes
import json
import os
import resource
import shutil
import signal
import struct
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from git import Commit, Repo

KEPT_REPORTS = 64
"""Reports in the tree of a device's ref, the ones just given always among them; the history keeps the rest."""

_HEAD = "refs/ringtide/head"
_PR_SET_PDEATHSIG = 1


class FailedError(Exception):
    """What was ordered could not be done; the text goes to the supervisor."""


def main() -> int:
    """Obey one order."""
    order = json.loads(sys.stdin.buffer.readline())
    _limit(order["limits"])
    from git import GitCommandError, GitCommandNotFound

    try:
        if order["op"] == "fetch":
            _serve(*_fetch(order))
        elif order["op"] == "look":
            tip = _remote_tip(order["repository"], order["url"], order["ref"])
            _answer(b".", (tip or "").encode("ascii"))
        else:
            _answer(b".", _push(order).encode("ascii"))
    except FailedError as error:
        _answer(b"!", str(error).encode())
    except GitCommandNotFound:
        _answer(b"!", b"git is not installed")
    except GitCommandError as error:
        _answer(b"!", _reason(error).encode())
    return 0


def _limit(limits: Mapping[str, int]) -> None:
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["file"]),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    # Should the supervisor die, nobody else ends a git process that waits for a silent server.
    signal.signal(signal.SIGALRM, _end_group)
    signal.alarm(limits["seconds"])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGALRM)
    if os.getppid() != limits["parent"]:
        os.killpg(0, signal.SIGKILL)


def _end_group(_number: int, _frame: FrameType | None) -> None:
    os.killpg(0, signal.SIGKILL)


def _fetch(order: Mapping[str, Any]) -> tuple["Repo", str]:
    """Bring the newest commit of a branch, and nothing that it descends from."""
    folder, url, ref = order["repository"], order["url"], f"refs/heads/{order['branch']}"
    tip = _remote_tip(folder, url, ref)
    if tip is None:
        raise FailedError(f"the repository has no branch {order['branch']!r}")
    whole = False
    try:
        repo = _open(folder)
        if _local(repo, _HEAD) != tip:
            _fetch_shallow(repo, url, ref, _HEAD)
            if _oversized(folder, order["limits"]):
                shutil.rmtree(folder)
                repo = _open(folder)
                _fetch_shallow(repo, url, ref, _HEAD)
        commit = _local(repo, _HEAD)
        if commit is None or _oversized(folder, order["limits"]):
            raise FailedError("one state of the branch alone is over the limit on disk space")
        whole = True
    finally:
        if not whole:
            shutil.rmtree(folder, ignore_errors=True)
    return repo, commit


def _serve(repo: "Repo", name: str) -> None:
    """Answer requests for files of one commit until the supervisor closes the pipe."""
    tree = repo.commit(name).tree
    _answer(b".", name.encode("ascii"))
    for line in sys.stdin.buffer:
        request = json.loads(line)
        path, limit = request["path"], request["limit"]
        try:
            blob = tree.join(path)
        except KeyError:
            _answer(b"?", f"the publication has no file {path}".encode())
            continue
        if blob.type != "blob" or blob.mode & 0o170000 != 0o100000:
            _answer(b"?", f"{path} is not a plain file".encode())
        elif blob.size > limit:
            _answer(b"?", f"{path} is {blob.size} bytes where at most {limit} are allowed".encode())
        else:
            _answer(b".", blob.data_stream.read())


def _push(order: Mapping[str, Any]) -> str:
    """Add reports to the device's own ref, on top of what the remote has; never forced."""
    folder, url, ref = order["repository"], order["url"], order["ref"]
    tip = _remote_tip(folder, url, ref)
    if _oversized(folder, order["limits"]):
        shutil.rmtree(folder)
    whole = False
    try:
        repo = _open(folder)
        if tip is None:
            repo.git.update_ref("-d", ref)
        elif _local(repo, ref) != tip:
            # A reply was lost, the disk was replaced, or this copy was thrown away.
            _fetch_shallow(repo, url, ref, ref)
        commit = _commit(repo, order)
        whole = True
        repo.git.push("--quiet", "--no-verify", url, f"{commit}:{ref}")
        repo.git.update_ref(ref, commit)
    finally:
        if not whole:
            shutil.rmtree(folder, ignore_errors=True)
    return commit


def _commit(repo: "Repo", order: Mapping[str, Any]) -> str:
    """Write the commit that adds the reports, or return the one that has them."""
    from git import Actor
    from git import Commit as NewCommit

    base: Commit | None = None if _local(repo, order["ref"]) is None else repo.commit(order["ref"])
    entries: dict[int, str] = {}
    if base is not None and "reports" in base.tree:
        for blob in base.tree["reports"].blobs:
            if blob.name.removesuffix(".json").isdecimal():
                entries[int(blob.name.removesuffix(".json"))] = blob.hexsha
    given = {int(number) for number in order["reports"]}
    for number, text in order["reports"].items():
        entries[int(number)] = _with_input(repo, text.encode(), "hash-object", "-w", "--stdin")
    kept = _kept(set(entries), given)
    listing = "".join(f"100644 blob {entries[number]}\t{number}.json\n" for number in kept)
    folder = _with_input(repo, listing.encode(), "mktree")
    root = _with_input(repo, f"040000 tree {folder}\treports\n".encode(), "mktree")
    written = set(repo.git.ls_tree("--name-only", folder).split())
    lost = sorted(number for number in given if f"{number}.json" not in written)
    if lost:
        raise FailedError(f"reports {lost} did not get into the tree; they stay in the outbox")
    if base is not None and base.tree.hexsha == root:
        return base.hexsha
    author = Actor("ringtide-agent " + order["device"], order["device"] + "@devices.invalid")
    parents = [] if base is None else [base]
    return NewCommit.create_from_tree(repo, root, order["message"], parents, author=author, committer=author).hexsha


def _kept(numbers: set[int], given: set[int]) -> list[int]:
    """Return the given numbers, and as many others as there is room for.

    A device that is enrolled anew counts from 1 again. What it gives is kept all the same, and numbers beyond it, which
    are of its earlier life, are the first to go.
    """
    newest = max(given)
    others = sorted(numbers - given, key=lambda number: (number <= newest, number))
    return sorted(given | set(others[max(0, len(given) + len(others) - KEPT_REPORTS) :]))


def _open(folder: str) -> "Repo":
    from git import InvalidGitRepositoryError, NoSuchPathError, Repo

    try:
        return Repo(folder)
    except (InvalidGitRepositoryError, NoSuchPathError):
        shutil.rmtree(folder, ignore_errors=True)
        return Repo.init(folder, bare=True, template="", allow_unsafe_options=True)  # no template: no hooks


def _fetch_shallow(repo: "Repo", url: str, ref: str, local: str) -> None:
    repo.git.fetch(
        "--quiet",
        "--depth=1",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--no-auto-maintenance",
        url,
        f"+{ref}:{local}",
    )


def _remote_tip(folder: str, url: str, ref: str) -> str | None:
    # Beside the repository, not in it: a damaged one must not keep us from asking.
    from git.cmd import Git

    for line in str(Git(Path(folder).parent).ls_remote("--quiet", url, ref)).splitlines():
        name, _, found = line.partition("\t")
        if found == ref:
            return name
    return None


def _local(repo: "Repo", ref: str) -> str | None:
    return str(repo.git.for_each_ref("--format=%(objectname)", ref)) or None


def _with_input(repo: "Repo", content: bytes, *command: str) -> str:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        return str(repo.git.execute(["git", *command], istream=file))


def _oversized(folder: str, limits: Mapping[str, int]) -> bool:
    sizes = [path.lstat().st_size for path in Path(folder).rglob("*")]
    return sum(sizes) > limits["folder"] or len(sizes) > limits["files"]


def _reason(error: Any) -> str:
    """Return what git and the remote said, on one line, without what a terminal would obey."""
    text = str(error.stderr or error).strip().removeprefix("stderr: ").strip("'\n ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "!"))] or lines
    printable = " | ".join(said).encode("ascii", "replace").decode("ascii")
    return "".join(sign if sign.isprintable() else " " for sign in printable)[:400]


def _answer(kind: bytes, content: bytes) -> None:
    sys.stdout.buffer.write(struct.pack(">cI", kind, len(content)) + content)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
