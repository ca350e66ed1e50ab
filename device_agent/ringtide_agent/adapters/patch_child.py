"""The short-lived process that applies a delta: `python -m ringtide_agent.adapters.patch_child BASE SIZE PARENT`.

The delta comes from standard input, and the file goes to standard output. The delta was signed for and its digest checked
before it comes here; limits hold all the same, since a decoder is a large program.
"""

import mmap
import resource
import sys
from pathlib import Path

from ringtide_agent.serve.sandbox import confine_patch

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SPARE_BYTES = 32 * 1024 * 1024
"""Address space for buffers and the allocator, beyond the files."""

_READ_BYTES = 64 * 1024
_WRITTEN_BYTES = 1024 * 1024


def main() -> int:
    """Apply one delta."""
    base, size_bytes, parent = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with base.open("rb") as file:
        base_bytes = file.seek(0, 2)
        in_use = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        allowed = in_use + base_bytes + max(base_bytes, size_bytes) + SPARE_BYTES
        confine_patch(parent, address_space_bytes=allowed, written_bytes=size_bytes)
        try:
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
                before = zstd.ZstdDict(content, is_raw=True)
            _decode(before, max(base_bytes, size_bytes), size_bytes)
        except (zstd.ZstdError, ValueError, OSError, MemoryError) as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            return 1
    return 0


def _decode(before: "zstd.ZstdDict", window_bytes: int, left: int) -> None:
    """Decode a delta to standard output.

    Raises:
        ValueError: It makes a file of another size, or ends before its end.
        zstd.ZstdError: It is no delta, or not from this base.
    """
    least, most = zstd.DecompressionParameter.window_log_max.bounds()
    window_log = max(least, min(most, window_bytes.bit_length() + 1))
    decoder = zstd.ZstdDecompressor(before.as_prefix, {zstd.DecompressionParameter.window_log_max: window_log})
    given, made = sys.stdin.buffer, sys.stdout.buffer
    while not decoder.eof:
        content = b""
        if decoder.needs_input:
            content = given.read(_READ_BYTES)
            if not content:
                raise ValueError("the delta ends before its end")
        decoded = decoder.decompress(content, _WRITTEN_BYTES)
        left -= len(decoded)
        if left < 0:
            raise ValueError("the delta makes a larger file than it should")
        made.write(decoded)
    made.flush()
    if left:
        raise ValueError("the delta makes a smaller file than it should")


if __name__ == "__main__":
    sys.exit(main())
