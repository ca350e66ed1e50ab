"""Commands in fresh processes: wall time, processor time and peak memory of each, as the kernel counts them."""

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GIT = ("git", "-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process from start to end."""

    wall_s: float
    cpu_s: float
    """Of the process and the children it waited for."""
    peak_mib: float
    output: str


def run(command: Sequence[str], statuses: tuple[int, ...] = (0,)) -> Run:
    """Run a command in a process of its own.

    Raises:
        RuntimeError: It ended with another status.
    """
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode not in statuses:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {output[-500:]}")
    return Run(wall_s=wall, cpu_s=used.ru_utime + used.ru_stime, peak_mib=used.ru_maxrss / 1024, output=output)


def said(name: str, runs: Sequence[Run]) -> str:
    """Return a line with the medians and the range."""
    wall = [each.wall_s for each in runs]
    cpu = statistics.median(each.cpu_s for each in runs)
    return (
        f"  {name:<17} {statistics.median(wall):6.2f} s wall ({min(wall):.2f} to {max(wall):.2f}, {len(runs)} runs)"
        f"  {cpu:6.2f} s CPU  {max(each.peak_mib for each in runs):5.0f} MiB at most"
    )


def write_repository(folder: Path, commits: Sequence[Mapping[str, bytes]]) -> None:
    """Make a repository with these trees, one commit each; the last lies in the work tree, the first is `main`."""
    folder.mkdir()
    _git(folder, "init", "--quiet", "--initial-branch=main")
    for number, files in enumerate(commits):
        if number == 1:
            _git(folder, "switch", "--quiet", "--create", "change")
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--message", f"State {number}")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=folder, check=True)
