"""Stores for tests: one in memory, and one that dies at a chosen write."""

from collections.abc import Sequence
from functools import cache

from ringtide_agent.ports import SlotContent, SlotName
from ringtide_contract.acceptance import GROUND, Floor
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.manifest import Manifest

decoded = cache(Manifest.decode)
"""The real store remembers its slots too."""


class MemoryStore:
    """The port without a disk; a restart keeps the object."""

    def __init__(self) -> None:
        self.floor = GROUND
        self.journal: dict[str, bytes] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.slots: dict[tuple[str, SlotName], bytes] = {}
        self.active: dict[str, SlotName] = {}

    def damage(self) -> tuple[str, ...]:
        return ()

    def load_floor(self) -> Floor:
        return self.floor

    def save_floor(self, floor: Floor) -> None:
        self.floor = floor

    def load_journal(self, name: str) -> bytes | None:
        return self.journal.get(name)

    def save_journal(self, name: str, content: bytes) -> None:
        self.journal[name] = content

    def models(self) -> tuple[str, ...]:
        return tuple(sorted({model for model, _ in self.slots} | set(self.active)))

    def slot(self, model: str, slot: SlotName) -> SlotContent | None:
        content = self.slots.get((model, slot))
        if content is None:
            return None
        manifest = decoded(content)
        if any(artifact.sha256 not in self.blobs for artifact in manifest.artifacts):
            return None
        return SlotContent(manifest=manifest, digest=sha256(content))

    def active_slot(self, model: str) -> SlotName | None:
        return self.active.get(model)

    def write_slot(self, model: str, slot: SlotName, manifest: bytes) -> None:
        if self.active.get(model) == slot:
            raise InputError(f"slot {slot} of {model} is active")
        if any(artifact.sha256 not in self.blobs for artifact in Manifest.decode(manifest).artifacts):
            raise TransientError("an artifact is missing")
        self.slots[model, slot] = manifest

    def switch(self, model: str, slot: SlotName | None) -> None:
        if slot is None:
            self.active.pop(model, None)
            self.slots.pop((model, "a"), None)
            self.slots.pop((model, "b"), None)
            return
        if self.slot(model, slot) is None:
            raise InputError(f"slot {slot} of {model} is not whole")
        self.active[model] = slot

    def blob_path(self, digest: Digest) -> str | None:
        return f"/memory/{digest}" if digest in self.blobs else None

    def collect_garbage(self, keep: Sequence[Digest]) -> None:
        wanted = set(keep)
        for content in self.slots.values():
            wanted.update(artifact.sha256 for artifact in Manifest.decode(content).artifacts)
        self.blobs = {digest: blob for digest, blob in self.blobs.items() if digest in wanted}

    def put_blob(self, content: bytes) -> None:
        """Stand in for a fetcher."""
        self.blobs[sha256(content)] = content


class Killed(BaseException):
    """The process has died; nothing may catch it."""


class DyingStore(MemoryStore):
    """Dies just before or just after its n-th write; counts writes where it never dies."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.dies_at: int | None = None
        self.after = False

    def save_floor(self, floor: Floor) -> None:
        self._write(lambda: MemoryStore.save_floor(self, floor))

    def save_journal(self, name: str, content: bytes) -> None:
        self._write(lambda: MemoryStore.save_journal(self, name, content))

    def write_slot(self, model: str, slot: SlotName, manifest: bytes) -> None:
        self._write(lambda: MemoryStore.write_slot(self, model, slot, manifest))

    def switch(self, model: str, slot: SlotName | None) -> None:
        self._write(lambda: MemoryStore.switch(self, model, slot))

    def put_blob(self, content: bytes) -> None:
        self._write(lambda: MemoryStore.put_blob(self, content))

    def _write(self, act) -> None:  # type: ignore[no-untyped-def]
        self.writes += 1
        if self.writes == self.dies_at and not self.after:
            raise Killed
        act()
        if self.writes == self.dies_at:
            raise Killed
