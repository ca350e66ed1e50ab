"""Deltas between files, as `zstd --patch-from` makes them: the new file compressed with the old one before it."""

import sys

from ringtide_contract.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 9
"""Slower levels gain nothing on models, and from 16 on they lose sight of a base of some 50 MB."""

MOST_BYTES = 512 * 1024 * 1024
"""Of a file. The encoder holds both and some tables of their size in memory."""

LEAST_BASE_BYTES = 8
"""The library takes nothing shorter before a file."""


def make_delta(base: bytes, content: bytes) -> bytes:
    """Return what makes `content` of `base`; the same bytes for the same files and the same version of the library.

    Raises:
        InputError: The files are too large, or the base is too small.
    """
    largest = max(len(base), len(content))
    if largest > MOST_BYTES or len(base) < LEAST_BASE_BYTES:
        raise InputError(f"deltas are made of files of {LEAST_BASE_BYTES} bytes to {MOST_BYTES >> 20} MiB")
    option = zstd.CompressionParameter
    encoder = zstd.ZstdCompressor(
        options={
            option.compression_level: LEVEL,
            # The whole base must stay in reach to the last byte.
            option.window_log: max(option.window_log.bounds()[0], largest.bit_length() + 1),
            option.enable_long_distance_matching: 1,
            option.checksum_flag: 0,  # the digest says more
        },
        zstd_dict=zstd.ZstdDict(base, is_raw=True).as_prefix,
    )
    encoder.set_pledged_input_size(len(content))
    return encoder.compress(content, encoder.FLUSH_FRAME)
