"""An archive of the agent (a gzipped tar) laid out in a folder: within bounds, within the folder, whole or not at all."""

import compileall
import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest

ABOUT = "ringtide-runtime.json"
"""Says what an archive holds."""

MAX_FILES = 20_000
"""The agent with its libraries has about 2,500."""

MAX_BYTES = 1024**3
"""Six times the agent with onnxruntime for the CPU; ends an archive that unpacks without end."""

RESERVE_BYTES = 64 * 1024 * 1024
"""Left free on the disk, as journals and reports go on."""

_CHUNK = 1024 * 1024


def unpack(archive: Path, home: Path, digest: Digest) -> None:
    """Lay out `archive` as `home/<digest>`, in one atomic step; do nothing where that is there.

    Raises:
        InputError: Not an archive, or one that reaches out of its folder or over a bound.
        TransientError: The disk does not take it.
        OSError: The same, from below.
    """
    folder, partial = home / digest, home / f".{digest}.part"
    if (folder / ABOUT).is_file():
        return
    remove_folder(partial)
    remove_folder(folder)
    partial.mkdir(0o700)
    try:
        with tarfile.open(archive, "r|gz") as content:
            _lay_out(content, partial)
    except (tarfile.TarError, zlib.error, EOFError, FileExistsError, NotADirectoryError) as error:
        raise InputError(f"not an archive of the agent: {error}") from error
    if not (partial / ABOUT).is_file():
        raise InputError(f"not an archive of the agent: it has no {ABOUT}")
    compileall.compile_dir(str(partial), quiet=2)  # the worker may write nothing, and would compile at every start
    os.sync()  # thousands of small files: one sync of everything is quicker than one of each
    partial.replace(folder)
    handle = os.open(home, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that is in it, where it is there."""
    if folder.is_dir():
        doomed = folder.with_name(f".{folder.name.lstrip('.')}.old")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.replace(doomed)  # first of all it is not found under its name any more
        shutil.rmtree(doomed)


def _lay_out(content: tarfile.TarFile, folder: Path) -> None:
    files = total = 0
    for member in content:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or not (member.isreg() or member.isdir()):
            raise InputError(f"not an archive of the agent: {member.name[:80]!r} is no file within its folder")
        files, total = files + 1, total + member.size
        if files > MAX_FILES or total > MAX_BYTES:
            raise InputError(f"not an archive of the agent: more than {MAX_FILES} files or {MAX_BYTES} bytes")
        free = os.statvfs(folder)
        if free.f_bavail * free.f_frsize < member.size + RESERVE_BYTES:
            raise TransientError("the disk has no room for another version of the agent")
        path = folder / name
        if member.isdir():
            path.mkdir(0o700, parents=True, exist_ok=True)
            continue
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        source = content.extractfile(member)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            while source is not None and (chunk := source.read(_CHUNK)):
                file.write(chunk)
