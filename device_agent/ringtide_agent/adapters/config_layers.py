"""What people have written, layer by layer: a file, the folder conf.d beside it, the environment, the command line.

A later layer overrides an earlier one key by key, and every value keeps the place it came from.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ringtide_contract.errors import InputError

MAX_FILE_BYTES = 64 * 1024
MAX_DROP_INS = 100
DROP_INS = "conf.d"
"""Folder beside the configuration whose files are read after it."""

PREFIX = "RINGTIDE_AGENT_"
"""Of environment variables: `RINGTIDE_AGENT_SERVE_PORT` is the key `port` of the table `serve`."""

Known = Mapping[str, Mapping[str, type]]
"""Table to key to the kind it takes; keys outside a table stand under ``""``."""

_KINDS: Mapping[type, str] = {str: "text", int: "a whole number", bool: "true or false", list: "a list of texts"}
_WORDS = {"true": True, "false": False}


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


_PARSE: Mapping[type, Callable[[str], Any]] = {str: str, int: int, bool: _WORDS.__getitem__, list: _split}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One value where a person wrote it."""

    table: str
    """Its table; empty for none."""
    key: str
    """Its key."""
    value: Any
    """The value, of the kind that the key takes."""
    place: str
    """Where it stands: `/etc/ringtide/agent.toml:3`, or the name of a variable or option."""


def full_name(table: str, key: str) -> str:
    """Return how people write a key: `serve.port`, `fleet`."""
    return f"{table}.{key}" if table else key


def read_folder(path: Path, known: Known) -> list[Written]:
    """Read a file and the files `conf.d/*.toml` beside it, in the order of their names.

    Raises:
        InputError: No such file, not TOML, an unknown key, or a value of another kind than the key takes.
    """
    drop_ins = sorted((path.parent / DROP_INS).glob("*.toml"))
    if len(drop_ins) > MAX_DROP_INS:
        raise InputError(f"{path.parent}/conf.d: more than {MAX_DROP_INS} files")
    return [value for file in (path, *drop_ins) for value in read_toml(_text(file), str(file), known)]


def read_toml(text: str, name: str, known: Known) -> list[Written]:
    """Read the text of a file that is called `name`.

    Raises:
        InputError: Not TOML, an unknown key, or a value of another kind than the key takes.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise InputError(f"{name}:{line[1] if line else 1}: not TOML: {error}") from error
    found: list[Written] = []
    for table, values in _tables(document):
        if table not in known:
            raise _unknown(f"{name}:{_line(text, table, None)}", table, [table for table in known if table])
        for key, value in values.items():
            place = f"{name}:{_line(text, table, key)}"
            kind = _kind(known, table, key, place)
            if type(value) is not kind or (
                isinstance(value, list) and not all(isinstance(item, str) for item in value)
            ):
                raise InputError(f"{place}: {full_name(table, key)} takes {_KINDS[kind]}, not {value!r}")
            found.append(Written(table=table, key=key, value=value, place=place))
    return found


def read_environment(environment: Mapping[str, str], known: Known) -> list[Written]:
    """Read the variables that begin with `PREFIX`.

    Raises:
        InputError: A variable that names no key, or a value of another kind than the key takes.
    """
    names = {variable(table, key): (table, key) for table, keys in known.items() for key in keys}
    found = []
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX):
            continue
        if name not in names:
            raise _unknown("environment", name, list(names))
        table, key = names[name]
        found.append(_parsed(table, key, text, name, known))
    return found


def read_settings(words: Iterable[str], known: Known) -> list[Written]:
    """Read `table.key=value`, as given on the command line.

    Raises:
        InputError: Not such a word, an unknown key, or a value of another kind than the key takes.
    """
    found = []
    for word in words:
        name, equals, text = word.partition("=")
        table, _, key = name.rpartition(".")
        if not equals:
            raise InputError(f"--set {word}: write --set table.key=value")
        if table not in known:
            raise _unknown(f"--set {name}", table, [table for table in known if table])
        _kind(known, table, key, f"--set {name}")
        found.append(_parsed(table, key, text, f"--set {name}", known))
    return found


def variable(table: str, key: str) -> str:
    """Return the environment variable of a key."""
    return PREFIX + "_".join(filter(None, (table, key))).upper()


def _parsed(table: str, key: str, text: str, place: str, known: Known) -> Written:
    kind = known[table][key]
    try:
        value = _PARSE[kind](text)
    except (ValueError, KeyError) as error:
        raise InputError(f"{place}: {full_name(table, key)} takes {_KINDS[kind]}, not {text!r}") from error
    return Written(table=table, key=key, value=value, place=place)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        fix = "name the file that `ringtide-agent enroll` wrote with --config"
        if path.parent.name == DROP_INS:
            fix = "make it a plain file that the agent may read, or remove it"
        raise InputError(f"{path}: {error.strerror}. fix: {fix}") from error
    if len(content) > MAX_FILE_BYTES:
        raise InputError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8") from error


def _tables(document: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    top = {key: value for key, value in document.items() if not isinstance(value, dict)}
    return [("", top), *((name, value) for name, value in document.items() if isinstance(value, dict))]


def _kind(known: Known, table: str, key: str, place: str) -> type:
    if key not in known[table]:
        raise _unknown(place, full_name(table, key), list(known[table]), key)
    return known[table][key]


def _unknown(place: str, name: str, known: list[str], key: str | None = None) -> InputError:
    near = get_close_matches(key or name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return InputError(f"{place}: unknown key {name!r}; {hint}")


def _line(text: str, table: str, key: str | None) -> int:
    """Return the line of a key, or of a table where `key` is None; 1 where it is written in an unusual way."""
    inside, best = table == "", 1
    opening = re.compile(rf"\s*\"?{re.escape(table)}\"?\s*[.=]") if table else None
    own = None if key is None else re.compile(rf"\s*\"?{re.escape(key)}\"?\s*=")
    dotted = None if key is None or not table else re.compile(rf"\s*{re.escape(table)}\s*\.\s*{re.escape(key)}\s*=")
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([^\]\s]+)\s*\]", line):
            inside = header[1] == table
            if inside:
                best = number
        elif (inside and own and own.match(line)) or (dotted and dotted.match(line)):
            return number
        elif best == 1 and opening and opening.match(line):
            best = number
    return best
