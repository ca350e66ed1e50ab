"""A snapshot in memory that can lose a file or break off."""

from collections.abc import Mapping

from ringtide_contract.errors import TransientError, TrustError


class MemorySnapshot:
    """Files by path."""

    def __init__(self, files: Mapping[str, bytes], *, breaks_at: str = "") -> None:
        self.commit = "memory"
        self.files = dict(files)
        self.breaks_at = breaks_at
        self.asked: list[str] = []

    def read(self, path: str, limit: int) -> bytes:
        self.asked.append(path)
        if self.breaks_at and path.endswith(self.breaks_at):
            raise TransientError("the line broke")
        if path not in self.files:
            raise TrustError("TREE-FILE", f"no file {path}")
        if len(self.files[path]) > limit:
            raise TrustError("TREE-FILE", f"{path} is too large")
        return self.files[path]
