"""Entry of the probing process: one request on stdin, one line on stdout, then it ends."""

import argparse
import sys
from time import perf_counter_ns

from ringtide_agent.serve.probe_messages import MAX_REQUEST_BYTES, decode_request, encode_answer
from ringtide_agent.serve.resident import peak_bytes
from ringtide_agent.serve.sandbox import close_world, confine_probe
from ringtide_contract.errors import InputError, TransientError

BASE_ADDRESS_SPACE_BYTES = 2 * 1024**3
"""Python, numpy and onnxruntime map under 1 GiB before any model, most of it never resident; the budget comes on top."""


TRY_AGAIN = 75
"""`EX_TEMPFAIL` of sysexits.h: the trial could not be made."""


def main() -> int:
    """Try the release that stdin describes."""
    parser = argparse.ArgumentParser(prog="ringtide-probe")
    parser.add_argument("--parent", type=int, required=True)
    arguments = parser.parse_args()
    try:
        release = decode_request(sys.stdin.buffer.read(MAX_REQUEST_BYTES + 1))
    except InputError as error:
        sys.stderr.write(f"the probe cannot read its request: {error}\n")
        return 64
    confine_probe(arguments.parent, BASE_ADDRESS_SPACE_BYTES + release.manifest.budget.peak_memory_bytes)
    try:
        # Imported within the limits, and after them: nothing of the runtime runs unconfined.
        from ringtide_agent.serve.trial import Instruments, try_release
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 64
    close_world(release.files.values())
    try:
        answer = try_release(release, Instruments(now_ns=perf_counter_ns, peak_bytes=peak_bytes))
    except TransientError as error:
        sys.stderr.write(f"{error}\n")
        return TRY_AGAIN
    sys.stdout.buffer.write(encode_answer(answer))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
