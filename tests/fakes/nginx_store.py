"""A web server as an operator sets it up: nginx, which shows certificates to all and models to devices alone."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.git_server import Authority

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="nginx is missing: apt-get install nginx-light")

START_S = 30

CONFIGURATION = """\
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    root {root};
    # What `ringtide device certify` wrote; copied here once, and again when its key changes.
    ssl_client_certificate {devices};
    ssl_verify_client optional;
    location /devices/ {{ }}
    location / {{
      if ($ssl_client_verify != SUCCESS) {{ return 403; }}
      if ($ssl_client_s_dn ~ "^CN={refused},") {{ return 403; }}
    }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, root: Path, authority: Authority, devices: Path, refused: str = "nobody") -> Iterator[str]:
    """Serve `root`; yields the address.

    Args:
        folder: For its own files.
        root: What it serves.
        authority: Issues its own certificate.
        devices: The authority of devices' certificates.
        refused: A device that is shut out.
    """
    assert PROGRAM is not None
    folder.mkdir()
    certificate, key = authority.issue("nginx")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    files = {"root": root, "certificate": certificate, "key": key, "devices": devices}
    text = CONFIGURATION.format(folder=folder, port=port, refused=refused, **files)
    (folder / "nginx.conf").write_text("user root;\n" + text)
    words = [PROGRAM, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, port, folder / "error.log")
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(START_S)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nginx does not listen: {log.read_text()[-2000:]}")
