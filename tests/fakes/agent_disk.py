"""A real store that tests can put blobs into, and a disk that dies at a chosen system call."""

import os
from pathlib import Path

import pytest

from fakes.agent_store import Killed
from ringtide_agent.adapters.disk_store import DiskStore
from ringtide_contract.ids import sha256


class FilledDiskStore(DiskStore):
    """The real store, with the fetcher's part done at once."""

    def put_blob(self, content: bytes) -> None:
        """Stand in for a fetcher."""
        digest = sha256(content)
        partial = self.blob_partial_path(digest)
        partial.write_bytes(content)
        self.admit_blob(digest, partial)


class DyingDisk:
    """Counts fsync, rename, unlink and mkdir, and kills the process at the n-th, before it happens."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls, self.dies_at = 0, 0
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir")):
            patch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, call):  # type: ignore[no-untyped-def]
        def counted(*args: object, **options: object) -> object:
            self.calls += 1
            if self.calls == self.dies_at:
                raise Killed
            return call(*args, **options)

        return counted
