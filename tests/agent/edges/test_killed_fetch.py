"""A download that is killed again and again, by the signal that nothing survives: it begins where it was, each time."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from agent.edges.test_artifact_fetch import local, web
from agent.edges.test_part_file import CONTENT, LIST, SIZE, damaged
from ringtide_agent.adapters.disk_store import DiskStore
from ringtide_contract.artifact import CHUNK_BYTES
from ringtide_contract.ids import sha256

KILLS = 8
LIMIT_S = 60.0

FETCH = """
import sys
from pathlib import Path
from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_agent.adapters.disk_store import DiskStore
from ringtide_agent.adapters.folder_store import FolderStore
from ringtide_agent.adapters.web_store import WebStore
from ringtide_contract.artifact import Artifact, ChunkList

state, digest, size, uri, chunks, listed = sys.argv[1:]
sources = {"file": FolderStore(), "http": WebStore(("http",))}
wanted = Artifact(
    name="model.onnx",
    sha256=digest,
    size_bytes=int(size),
    uris=(uri,),
    chunks=ChunkList(sha256=chunks, uris=(listed,)),
)
ArtifactFetcher(DiskStore(Path(state)), sources=sources, reserve_bytes=0).fetch(wanted, 0)
"""


def fetch(state: Path, uri: str, listed: str, *, kill_at: int | None, part: Path) -> None:
    """Fetch in a process of its own, and kill it as soon as so many bytes are there."""
    arguments = (str(state), sha256(CONTENT), str(SIZE), uri, sha256(LIST), listed)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", FETCH, *arguments], env=environment) as process:
        end = time.monotonic() + LIMIT_S
        while process.poll() is None:
            assert time.monotonic() < end, "it neither ends nor grows"
            if kill_at is not None and part.exists() and part.stat().st_size >= kill_at:
                process.kill()
                process.wait()
                return
            time.sleep(0.001)
        assert process.returncode == 0
        assert kill_at is None, "it was done before it could be killed"


def test_a_download_that_is_killed_again_and_again_never_fetches_a_right_piece_twice(tmp_path: Path) -> None:
    chance, state = random.Random(3), tmp_path / "state"
    part = DiskStore(state).blob_partial_path(sha256(CONTENT))
    listed, kept = local(tmp_path, LIST, "chunks"), [0]
    with web(content=CONTENT, pause_s=0.01) as source:
        for number in range(KILLS):
            least = max(kept[-1] + 1, SIZE * number // (KILLS + 2) + chance.randrange(50_000))
            fetch(state, source.url(), listed, kill_at=least, part=part)
            kept.append(part.stat().st_size)
        spoilt = part.read_bytes()
        part.write_bytes(damaged(1, content=spoilt))
        fetch(state, source.url(), listed, kill_at=None, part=part)
    begins = [int(wanted.removeprefix("bytes=").rstrip("-") or 0) for wanted in source.seen]
    assert begins == [*kept[:-1], CHUNK_BYTES, kept[-1]]
    assert kept == sorted(kept)
    blob = DiskStore(state).blob_path(sha256(CONTENT))
    assert blob is not None
    assert Path(blob).read_bytes() == CONTENT
