"""The corpus of broken fleets: a valid fleet, what a case changes in it, and what `ringtide check` says of the result."""

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fakes.fleet_files import fleet_files
from ringtide_engine.cli.main import run

CORPUS = Path(__file__).resolve().parents[1] / "corpus"


class CannotBeMadeHereError(Exception):
    """This machine does not let us make what the case needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenFleet:
    """A case of the corpus."""

    name: str
    """Name of its folder."""
    about: str
    """What is broken, and why anybody would have it."""
    group: str
    """Kind of the mistake."""
    changes: dict[str, Any]
    """Path to what is done there."""
    empty: bool
    """Whether it starts from nothing instead of the valid fleet."""

    @property
    def golden(self) -> Path:
        return CORPUS / self.name / "findings.txt"


def broken_fleets() -> list[BrokenFleet]:
    """Return the cases by name."""
    cases = []
    for path in sorted(CORPUS.glob("*/case.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert set(data) <= {"about", "group", "changes", "empty"}, path
        empty = data.get("empty", False)
        cases.append(
            BrokenFleet(
                name=path.parent.name, about=data["about"], group=data["group"], changes=data["changes"], empty=empty
            )
        )
    return cases


def make(case: BrokenFleet, folder: Path) -> None:
    """Lay the broken fleet out in a folder that is not there yet.

    Raises:
        CannotBeMadeHereError: It needs rights or a file system that are not here.
    """
    folder.mkdir()
    for path, content in ({} if case.empty else fleet_files(12, rollout="1.1.0")).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for path, change in case.changes.items():
        if "copy" in change:
            change = {"text": (folder / change["copy"]).read_text(encoding="utf-8")}
        _change(folder / path, change)


def _change(path: Path, change: dict[str, Any]) -> None:
    ((action, value),) = change.items()
    if action == "replace":
        old, new = value
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        match action:
            case "remove":
                path.unlink()
            case "text":
                path.write_bytes(value.encode("utf-8"))
            case "encoded":
                path.write_bytes(value["text"].encode(value["as"]))
            case "hex":
                path.write_bytes(bytes.fromhex(value))
            case "repeat":
                path.write_bytes((value["text"] * value["times"] + value.get("end", "")).encode("utf-8"))
            case "link":
                path.unlink(missing_ok=True)
                path.symlink_to(value)
            case "pipe":
                path.unlink(missing_ok=True)
                os.mkfifo(path)
            case "device":
                path.unlink(missing_ok=True)
                os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero: who reads it never comes back
            case "folder":
                path.unlink(missing_ok=True)
                path.mkdir()
            case "submodule":
                (path / ".git").write_text(f"gitdir: {value}\n", encoding="utf-8")
            case "shut":
                path.chmod(0)
                if os.access(path, os.R_OK, effective_ids=True):
                    raise CannotBeMadeHereError("this user reads everything")
            case _:
                raise AssertionError(action)
    except (PermissionError, UnicodeEncodeError) as error:
        raise CannotBeMadeHereError(str(error)) from error


def said_of(folder: Path) -> str:
    """Run `ringtide check` as a program would, and return exit code and findings as the goldens hold them."""
    code, written, talked = _check(str(folder), "-o", "json")
    lines = [f"exit {code}"]
    if not written:
        return "\n".join([*lines, talked.replace(str(folder), "FLEET")])
    for each in json.loads(written)["findings"]:
        place = f"{each['path']}:{each['line']}:{each['column']}"
        lines += [
            "",
            f"{each['severity']} {each['rule']} {_visible(place)}",
            f"  {_visible(each['message'])}",
            f"  fix: {_visible(each['fix'])}",
        ]
    return "\n".join([*lines, ""])


def written_of(folder: Path, out: Path) -> tuple[str, dict[str, str]]:
    """Return what `ringtide check` shows a person, and the files that it writes for programs, by name."""
    _, table, _ = _check(str(folder))
    _check(str(folder), "--output-dir", str(out))
    return table, {path.name: path.read_bytes().decode("utf-8") for path in out.iterdir()}


def _check(*arguments: str) -> tuple[int, str, str]:
    # As a program has them: text over bytes.
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["check", *arguments])
    written, talked = (each.buffer.getvalue().decode("utf-8") for each in (out, err))  # type: ignore[attr-defined]
    assert "Traceback" not in written + talked
    assert "defect of ringtide" not in talked
    return code, written, talked


def _visible(text: str) -> str:
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
