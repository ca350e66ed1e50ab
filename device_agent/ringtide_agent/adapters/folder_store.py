"""Artifacts in folders of this machine: `file://` addresses."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ringtide_agent.adapters.artifact_stream import BrokenOffError, Stream
from ringtide_agent.adapters.web import Web


class FolderStore:
    """Every folder that the agent can read."""

    @contextmanager
    def open(self, uri: str, start: int, web: Web, amount: int) -> Iterator[Stream]:  # noqa: ARG002 - no connection
        """Open a file; see `ArtifactStore`."""
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            raise BrokenOffError("a file address on another machine")
        path = Path(unquote(parts.path))
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise BrokenOffError("not a plain file")
            file = path.open("rb")
        except OSError as error:
            raise BrokenOffError(error.strerror or str(error)) from error
        with file:
            file.seek(start)
            yield Stream(start=start, total=found.st_size, etag=None, chunks=iter(lambda: file.read(amount), b""))
