"""An S3-compatible store that is not ours: nanio, which checks every signature that it gets."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

VARIABLE = "RINGTIDE_NANIO"
"""Environment variable that names the program `nanio` of nanio 0.1.7, where it is not on the path."""

PROGRAM = shutil.which(os.environ.get(VARIABLE) or "nanio")

needs_nanio = pytest.mark.skipif(
    PROGRAM is None,
    reason=f"nanio is missing: python3 -m venv DIR && DIR/bin/pip install nanio==0.1.7, and {VARIABLE}=DIR/bin/nanio",
)

START_S = 60
BUCKET, ACCESS_KEY, SECRET_KEY = "models", "ringtide", "a-secret-of-tests"
"""What it knows from its start."""


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Run one over a folder; yields its endpoint."""
    assert PROGRAM is not None
    (folder / BUCKET).mkdir(parents=True)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = [PROGRAM, "serve", "--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    variables = {**os.environ, "NANIO_ACCESS_KEY": ACCESS_KEY, "NANIO_SECRET_KEY": SECRET_KEY}
    log = folder.with_name("nanio.log")
    with log.open("wb") as said, subprocess.Popen(words, stdout=said, stderr=said, env=variables) as process:
        try:
            _wait(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nanio does not listen: {log.read_text()[-1000:]}")
