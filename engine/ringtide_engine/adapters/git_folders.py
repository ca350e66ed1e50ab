"""Branches that strangers write, read flat and within limits: a few kilobytes of Git may unfold to more than any disk holds.

Nothing here goes into folders of folders, and nothing is read whose size was not looked at first.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ringtide_contract.errors import InputError
from ringtide_engine.adapters.git_process import GitProcess

TREE_BYTES = 1024 * 1024
"""Largest folder that is read: some twenty thousand names, where a device keeps 64."""

HISTORY_BYTES = 256 * 1024 * 1024
"""Folders of one branch that are compared: those of a hundred thousand commits."""

REPLACED_MOST = 500
"""Contents before their replacement that are named, the newest; with reports of 128 KiB that is 64 MiB."""

_REGULAR = ("100644", "100755")


def listed(git: GitProcess, commit: str, folders: Sequence[str]) -> dict[str, str]:
    """Return path to object of what lies in folders of a commit, "" for its root; nothing for a folder that is not there.

    Raises:
        InputError: No such commit, a folder larger than `TREE_BYTES`, or a link or submodule in one.
    """
    ((_, known, _), *rows) = measured(git, [commit, *(f"{commit}:{folder}" for folder in folders)])
    if known != "commit":
        raise InputError(f"the commit {commit} is not there")
    trees = {folder: row for folder, row in zip(folders, rows, strict=True) if row[1] == "tree"}
    if any(size > TREE_BYTES for _, _, size in trees.values()):
        raise InputError(f"a folder of more than {TREE_BYTES} bytes; a device needs a hundredth of it")
    output = git.run("cat-file", "--batch", send="".join(f"{tree}\n" for tree, _, _ in trees.values()).encode("ascii"))
    found: dict[str, str] = {}
    start = 0
    for folder, (_, _, size) in trees.items():
        start = output.index(b"\n", start) + 1
        for mode, name, thing in _entries(output[start : start + size], len(commit) // 2):
            path = f"{folder}/{name}" if folder else name
            if mode not in (*_REGULAR, "40000"):
                raise InputError(f"{path[:80]!r} is a link or a submodule; branches of devices hold regular files only")
            found[path] = thing
        start += size + 1
    return found


def replaced(git: GitProcess, span: str, folder: str, *, most: int) -> dict[str, tuple[str, ...]]:
    """Return name to objects that files in a folder were before commits of `span` replaced them.

    The newest `most` such commits count, and no more than `REPLACED_MOST` objects.

    Raises:
        InputError: A commit is not there.
    """
    answer = git.try_run("rev-list", "--first-parent", "--parents", span, "--")
    if answer.status:
        raise InputError(f"the commits {span} are not there")
    steps = [line.split(" ")[:2] for line in answer.output.decode("ascii").splitlines()]
    found: dict[str, list[str]] = defaultdict(list)
    commits = objects = 0
    for changes in _differences(git, _pairs(git, [step for step in steps if len(step) == 2], folder)):
        for name, before in changes[: REPLACED_MOST - objects]:
            found[name].append(before)
        objects, commits = objects + len(changes), commits + bool(changes)
        if commits >= most or objects >= REPLACED_MOST:
            break
    return {name: tuple(objects) for name, objects in found.items()}


def within(git: GitProcess, objects: Iterable[str], most_bytes: int) -> list[str]:
    """Return those of the objects that are files of at most so many bytes."""
    wanted = list(objects)
    rows = zip(wanted, measured(git, wanted), strict=True)
    return [name for name, (_, kind, size) in rows if kind == "blob" and size <= most_bytes]


def measured(git: GitProcess, names: list[str]) -> list[tuple[str, str, int]]:
    """Return object, kind and size of each name; of one that names nothing, nothing."""
    if not names:
        return []
    output = git.run("cat-file", "--batch-check", send="\n".join([*names, ""]).encode("ascii")).decode("utf-8")
    rows = [line.rsplit(" ", 2) for line in output.splitlines()]
    return [(row[0], row[1], int(row[2])) if row[-1].isdecimal() else ("", "", 0) for row in rows]


def _pairs(git: GitProcess, steps: list[list[str]], folder: str) -> Iterator[tuple[str, str]]:
    """Yield the folder before and after each step, where it changed, newest first."""
    names = [f"{commit}:{folder}" for commit, parent in steps for commit in (parent, commit)]
    sizes = iter(measured(git, names))
    left = HISTORY_BYTES
    for (before, one, size), (after, other, larger) in zip(sizes, sizes, strict=True):
        is_folder = one == other == "tree" and max(size, larger) <= TREE_BYTES
        if is_folder and before != after:
            left -= size + larger
            if left < 0:
                return
            yield before, after


def _differences(git: GitProcess, pairs: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Yield, for each pair of folders, names whose content differs, and what it was."""
    sent = "".join(f"{before} {after}\n" for before, after in pairs)
    if not sent:
        return
    form = ("--raw", "--no-renames", "--no-abbrev", "--diff-filter=M")
    changes: list[tuple[str, str]] = []
    for line in git.run("diff-tree", "--stdin", *form, send=sent.encode("ascii")).decode("utf-8").splitlines():
        if not line.startswith(":"):
            yield changes
            changes = []
            continue
        facts, _, name = line.partition("\t")
        mode, _, before, *_ = facts.removeprefix(":").split(" ")
        if mode in _REGULAR:
            changes.append((name, before))
    yield changes


def _entries(tree: bytes, id_bytes: int) -> Iterator[tuple[str, str, str]]:
    """Yield mode, name and object of what a tree holds."""
    start = 0
    while start < len(tree):
        end = tree.index(b"\0", start)
        mode, _, name = tree[start:end].partition(b" ")
        start = end + 1 + id_bytes
        yield mode.decode("ascii", "replace"), name.decode("utf-8", "replace"), tree[end + 1 : start].hex()
