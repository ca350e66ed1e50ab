"""The store on a disk: every write is a temporary file, fsync, rename, fsync of the folder.

format                                version of all that follows; one without is of version 1
floor.json                            the newest verified number
journal/<name>.json                   journal entries; floor and entries end in a line with the SHA-256 of what is above it
blobs/<2 hex>/<sha256>                whole artifacts; `.part`, `.chunks`, `.delta`, `.patched` beside them while they arrive
models/<model>/active                 `a` or `b`
models/<model>/{a,b}/manifest.json    and `digest` beside it, removed first and written last: a slot without it is empty
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ringtide_agent.adapters.disk_reads import UNREADABLE, hash_file, holds, start_of, twice
from ringtide_agent.ports import SlotContent, SlotName
from ringtide_contract import fields
from ringtide_contract.acceptance import GROUND, Floor
from ringtide_contract.canonical import decode, encode
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_contract.ids import Digest, parse_digest, parse_name, sha256
from ringtide_contract.manifest import MAX_MANIFEST_BYTES, Manifest

FORMAT = 1
"""Version of the layout above and of the journal entries; raised when an older agent could misread them."""

MAX_JOURNAL_BYTES = 16 * 1024 * 1024
"""Larger than every entry's own limit; nothing beyond is read into memory."""

MAX_SMALL_BYTES = 4096
"""Floor, digest, active: a hundred bytes each."""

_ENTRY = re.compile(r"[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?")
_DIGEST_LINE = re.compile(rb"\n([0-9a-f]{64})\n\Z")

_FORMAT_LINE = f"{FORMAT}\n".encode("ascii")


class DiskStore:
    """A device's state folder. One process writes it; `hold` makes sure."""

    def __init__(self, folder: Path, *, verify: bool = True) -> None:
        """Make the folder where it is not there yet; one that a newer version has written stays as it is.

        Args:
            folder: The state folder.
            verify: Whether every blob is hashed once in the life of this process before it is believed to be whole.

        Raises:
            InputError: A newer version has written it.
            TransientError: The disk does not take it.
        """
        self._folder, self._verify = folder, verify
        written = self._legible(folder / "format")
        if written is not None and written.strip().isdigit() and int(written) > FORMAT:
            raise InputError(
                f"{folder} is of format {int(written)}, this agent knows {FORMAT}: a newer version has written it. "
                "fix: install that version again"
            )
        self._whole: set[Digest] = set()
        self._slots: dict[tuple[str, SlotName], SlotContent | None] = {}
        self._active: dict[str, SlotName | None] = {}
        self._damage: dict[str, None] = {}
        with _translated("make the state folder"):
            self._make_folder(folder)

    def written_format(self) -> int | None:
        """Return the format that the folder was written in; None where nothing was."""
        written = self._legible(self._folder / "format")
        return int(written) if written is not None and written.strip().isdigit() else None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep a second agent away from the folder.

        Raises:
            InputError: Another agent holds it.
        """
        with _translated("lock the state folder"):
            # To read: a disk that is read-only can be served from, and one that turns so is not held open by us.
            handle = os.open(self._folder / "lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(f"another agent runs on {self._folder}. fix: stop it first") from error
            if self._legible(self._folder / "format") != _FORMAT_LINE:
                with contextlib.suppress(TransientError):  # a full disk must not keep a device from serving
                    self._write(self._folder / "format", _FORMAT_LINE)
            yield
        finally:
            os.close(handle)

    def damage(self) -> tuple[str, ...]:
        """Return what was found to be other than it was written since this process started."""
        return tuple(self._damage)

    def load_floor(self) -> Floor:
        """Return the newest verified number.

        Raises:
            InputError: Damaged; taking the ground for it would open the door to a downgrade.
        """
        content = _opened(self._read(self._folder / "floor.json", MAX_SMALL_BYTES))
        if content is None:
            return GROUND
        data = fields.members(decode(content, limit=MAX_SMALL_BYTES), "floor")
        payload = fields.optional_text(data, "payload")
        return Floor(
            epoch=fields.integer(data, "epoch"),
            generation=fields.integer(data, "generation"),
            payload=None if payload is None else parse_digest(payload),
        )

    def save_floor(self, floor: Floor) -> None:
        """Make the newest verified number durable."""
        content = encode({"epoch": floor.epoch, "generation": floor.generation, "payload": floor.payload})
        self._write(self._folder / "floor.json", _closed(content))

    def load_journal(self, name: str) -> bytes | None:
        """Return the journal entry called `name`, or None where there is none.

        Raises:
            InputError: Damaged.
        """
        return _opened(self._read(self._journal(name), MAX_JOURNAL_BYTES))

    def save_journal(self, name: str, content: bytes) -> None:
        """Replace the journal entry called `name`."""
        self._write(self._journal(name), _closed(content))

    def models(self) -> tuple[str, ...]:
        """Return the models that have slots."""
        with _translated("list the models"):
            folder = self._folder / "models"
            names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return tuple(sorted(name for name in names if _is_name(name)))

    def slot(self, model: str, slot: SlotName) -> SlotContent | None:
        """Return what a slot holds, or None where it is empty or not whole."""
        key = (model, slot)
        if key not in self._slots:
            self._slots[key] = self._read_slot(model, slot)
            if self._slots[key] is None and (self._model(model) / slot / "digest").exists():
                self._damage[f"slot {slot} of {model} is not what was written"] = None
        return self._slots[key]

    def active_slot(self, model: str) -> SlotName | None:
        """Return the slot that the model runs from."""
        if model not in self._active:
            content = self._legible(self._model(model) / "active")
            self._active[model] = {b"a": "a", b"b": "b"}.get(content or b"")  # type: ignore[assignment]
            if content is not None and self._active[model] is None:
                self._damage[f"{model} does not say which slot is active"] = None
        return self._active[model]

    def write_slot(self, model: str, slot: SlotName, manifest: bytes) -> None:
        """Replace an inactive slot; its artifacts must be among the blobs.

        Raises:
            InputError: The slot is the active one, or the manifest is none.
            TransientError: An artifact is missing, or the disk does not take it.
        """
        if self.active_slot(model) == slot:
            raise InputError(f"slot {slot} of {model} is active and cannot be replaced")
        for artifact in Manifest.decode(manifest).artifacts:
            if self.blob_path(artifact.sha256) is None:
                raise TransientError(f"the artifact {artifact.name} ({artifact.sha256[:12]}) is not on the disk")
        folder = self._model(model) / slot
        self._slots.pop((model, slot), None)
        with _translated(f"empty slot {slot} of {model}"):
            self._remove(folder / "digest")
        self._write(folder / "manifest.json", manifest)
        self._write(folder / "digest", sha256(manifest).encode("ascii"))

    def switch(self, model: str, slot: SlotName | None) -> None:
        """Make `slot` the one the model runs from, in one atomic step; None removes the model and its slots.

        Raises:
            InputError: The slot is not whole.
            TransientError: The disk does not take it.
        """
        folder = self._model(model)
        self._active.pop(model, None)
        if slot is not None:
            if self.slot(model, slot) is None:
                raise InputError(f"slot {slot} of {model} is not whole")
            self._write(folder / "active", slot.encode("ascii"))
            return
        with _translated(f"remove {model}"):
            if not folder.is_dir():
                return
            self._remove(folder / "active")
            for name in ("a", "b"):
                self._slots.pop((model, "a" if name == "a" else "b"), None)
                for file in ("digest", "manifest.json"):
                    self._remove(folder / name / file)

    def blob_path(self, digest: Digest) -> str | None:
        """Return the path of a whole blob, or None where it is not here; a damaged one is thrown away."""
        path = self._blob(digest)
        if digest in self._whole:
            return str(path)
        with _translated("read a blob"):
            if not path.is_file():
                return None
            if self._verify and not holds(path, digest):
                self._remove(path)
                self._damage[f"blob {digest[:12]} was not what its name says"] = None
                return None
        self._whole.add(digest)
        return str(path)

    def blob_partial_path(self, digest: Digest) -> Path:
        """Return where the bytes of a blob are gathered until `admit_blob`; its folder exists."""
        path = self._blob(digest)
        with _translated("make a folder for a blob"):
            self._make_folder(path.parent)
        return path.with_name(f"{digest}.part")

    def admit_blob(self, digest: Digest, partial: Path) -> None:
        """Take a gathered file among the blobs, in one atomic step.

        Raises:
            TrustError: It is not what the digest names; the file is gone, so that the next try begins anew.
            TransientError: The disk does not take it.
        """
        path = self._blob(digest)
        with _translated("take a blob"):
            if hash_file(partial) != digest:
                self._remove(partial)
                raise TrustError("BLOB-DIGEST", f"the content fetched for {digest[:12]} is something else")
            self._make_folder(path.parent)
            _sync(partial)
            partial.chmod(0o600)
            partial.replace(path)
            _sync(path.parent)
            for left in path.parent.glob(f"{digest}.*"):
                left.unlink(missing_ok=True)
        self._whole.add(digest)

    def collect_garbage(self, keep: Sequence[Digest]) -> None:
        """Remove blobs, and what was gathered of them, that no slot names and that are not in `keep`."""
        wanted = set(keep)
        for model in self.models():
            for slot in ("a", "b"):
                content = self.slot(model, "a" if slot == "a" else "b")
                wanted.update(() if content is None else (item.sha256 for item in content.manifest.artifacts))
        with _translated("remove old blobs"):
            for path in sorted(self._folder.glob("blobs/??/*")):
                digest, _, kind = path.name.partition(".")
                if digest not in wanted or (kind and path.with_name(digest).exists()):
                    self._whole.discard(Digest(path.name))
                    self._remove(path)

    def _read_slot(self, model: str, slot: SlotName) -> SlotContent | None:
        folder = self._model(model) / slot
        try:
            recorded = self._read(folder / "digest", MAX_SMALL_BYTES)
            content = self._read(folder / "manifest.json", MAX_MANIFEST_BYTES)
            if recorded is None or content is None or recorded != sha256(content).encode("ascii"):
                return None
            manifest = Manifest.decode(content)
        except InputError:  # damaged
            return None
        for artifact in manifest.artifacts:
            path = self.blob_path(artifact.sha256)
            if path is None or Path(path).stat().st_size != artifact.size_bytes:
                return None
        return SlotContent(manifest=manifest, digest=sha256(content))

    def _journal(self, name: str) -> Path:
        if not _ENTRY.fullmatch(name):
            raise InputError(f"{name[:80]!r} is not the name of a journal entry")
        return self._folder / "journal" / f"{name}.json"

    def _model(self, model: str) -> Path:
        return self._folder / "models" / parse_name(model)

    def _blob(self, digest: Digest) -> Path:
        return self._folder / "blobs" / parse_digest(digest)[:2] / digest

    def _read(self, path: Path, limit: int) -> bytes | None:
        with _translated(f"read {path.name}"):
            try:
                content = twice(lambda: start_of(path, limit + 1))
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno in UNREADABLE:
                    raise InputError(f"{path} cannot be read ({error.strerror}): damaged") from error
                raise
        if len(content) > limit:
            raise InputError(f"{path} is larger than {limit} bytes: damaged")
        return content

    def _legible(self, path: Path) -> bytes | None:
        """Return a small file as it is, and one that cannot be read as an empty one."""
        try:
            return self._read(path, MAX_SMALL_BYTES)
        except InputError:
            return b""

    def _write(self, path: Path, content: bytes) -> None:
        with _translated(f"write {path.name}"):
            self._make_folder(path.parent)
            # One name per file: what a kill leaves behind is overwritten by the next write.
            temporary = path.with_name(f".{path.name}.tmp")
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync(path.parent)

    def _remove(self, path: Path) -> None:
        if path.exists():
            path.unlink(missing_ok=True)  # a download that has ended tidies up, too
            _sync(path.parent)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(0o700)
        _sync(folder.parent)


def _closed(content: bytes) -> bytes:
    """Return content with its digest: a bit that the flash has turned must not pass for another number."""
    return content + f"\n{sha256(content)}\n".encode("ascii")


def _opened(content: bytes | None) -> bytes | None:
    """Return what `_closed` was given; an entry without a digest was written before there were any."""
    found = None if content is None else _DIGEST_LINE.search(content)
    if content is None or found is None:
        return content
    inside = content[: found.start()]
    if sha256(inside).encode("ascii") != found[1]:
        raise InputError("its content is not what its digest says")
    return inside


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_name(text: str) -> bool:
    try:
        parse_name(text)
    except InputError:
        return False
    return True


@contextmanager
def _translated(act: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TransientError(f"cannot {act}: {error.strerror or error}") from error
