"""Versions of the agent for tests: copies of the sources with another number, packed as `make runtime` packs them."""

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ROOT / "packaging" / "launcher"


def load_script(path: Path, name: str) -> ModuleType:
    """Return a script of the packaging as a module."""
    from importlib.machinery import SourceFileLoader

    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def lay_out(folder: Path, version: str, change: Mapping[str, Callable[[str], str]] | None = None) -> Path:
    """Lay the agent out in a folder as the package does, without the libraries, which this interpreter has."""
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "device_agent" / "ringtide_agent", folder / "ringtide_agent", ignore=ignored)
    shutil.copytree(ROOT / "contract" / "ringtide_contract", folder / "ringtide_contract", ignore=ignored)

    def number(text: str) -> str:
        return re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', text)

    for name, edit in {"ringtide_agent/__init__.py": number, **(change or {})}.items():
        path = folder / name
        after = edit(path.read_text())
        assert after != path.read_text() or version == "0.1.0", f"{name} is as before"
        path.write_text(after)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    about = {
        "agent": version,
        "onnxruntime": metadata.version("onnxruntime"),
        "python": python,
        "machine": platform.machine(),
        "builtAt": 0,
    }
    (folder / "ringtide-runtime.json").write_text(json.dumps(about))
    return folder


def pack(folder: Path, made: Path) -> bytes:
    """Pack a folder as `make runtime` does."""
    build = load_script(ROOT / "packaging" / "build_deb.py", "build_deb")
    return Path(build._archive(folder, made, 0)).read_bytes()


class Service:
    """What systemd is to the agent, as far as the unit asks: it starts the launcher whenever it has ended."""

    def __init__(self, folder: Path, package: Path, state: Path) -> None:
        self.folder, self.state, self.ends = folder, state, list[int]()
        text = LAUNCHER.read_text().replace("#!/usr/bin/python3 -Is", f"#!{sys.executable} -Is")
        self.launcher = folder / "launcher"
        self.launcher.write_text(text.replace('"/usr/lib/ringtide-agent"', repr(str(package))))
        self.launcher.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None

    def run_until(self, done: Callable[[], bool], *, starts: int = 12, seconds: float = 120) -> None:
        """Keep the agent running until `done`; then stop it."""
        end = time.monotonic() + seconds
        try:
            while not done():
                assert time.monotonic() < end, self.log()
                if self._process is None or self._process.poll() is not None:
                    if self._process is not None:
                        self.ends.append(self._process.returncode)
                    starts -= 1
                    assert starts >= 0, self.log()
                    self._start()
                time.sleep(0.2)
        finally:
            self.stop()

    def kill_after(self, seconds: float) -> None:
        """Let it run so long, and kill it."""
        self._start()
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End the agent as `systemctl stop` does."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def log(self) -> str:
        """Return what the agent wrote."""
        return (self.folder / "log").read_text()[-6000:]

    def _start(self) -> None:
        environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(self.state)}
        command = [str(self.launcher), "run", "--config", str(self.state / "agent.toml")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
