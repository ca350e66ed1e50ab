"""Writes a fleet repository to try commands on: `python -m benchmarks.write_fleet DEVICES DIR`.

Three kinds of hardware in four regions, two models of ten releases each, and a rollout of one of them.
"""

import sys
from pathlib import Path

from benchmarks.big_fleet import base_files
from benchmarks.fresh import write_repository

RELEASES = 20


def main() -> int:
    """Write it; the folder must not be there yet."""
    if len(sys.argv) != 3 or not sys.argv[1].isdecimal():
        print("usage: python -m benchmarks.write_fleet DEVICES DIR", file=sys.stderr)
        return 64
    write_repository(Path(sys.argv[2]), [base_files(int(sys.argv[1]), RELEASES)])
    return 0


sys.exit(main())
