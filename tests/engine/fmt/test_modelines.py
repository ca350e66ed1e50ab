"""What editors make of a new fleet repository: every document leads to a schema on disk that accepts it."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from ringtide_engine.cli.main import run
from ringtide_engine.load.documents import Parsed, parse_yaml
from ringtide_engine.load.formatting import formatted
from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.load.schemas import SCHEMA_FILES
from ringtide_engine.shipped import template

DOCUMENTS = [path for path in template() if isinstance(spot(path), Spot)]
MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    assert run(["init", str(folder)]) == 0
    return folder


def on_disk(address: str) -> Resource[object]:
    """Return what an editor finds at the address of a schema."""
    return DRAFT7.create_resource(json.loads(Path(address.removeprefix("file://")).read_text(encoding="utf-8")))


def validator(document: Path) -> Draft7Validator:
    match = MODELINE.match(document.read_text(encoding="utf-8"))
    assert match is not None
    schema = (document.parent / match[1]).resolve()
    registry: Registry[object] = Registry(retrieve=on_disk)  # type: ignore[call-arg]
    whole = {**json.loads(schema.read_text(encoding="utf-8")), "$id": schema.as_uri()}
    return Draft7Validator(whole, registry=registry)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_leads_to_the_schema_that_accepts_it(fleet: Path, path: str) -> None:
    parsed = parse_yaml(path, (fleet / path).read_bytes())
    assert isinstance(parsed, Parsed)
    check = validator(fleet / path)
    assert list(check.iter_errors(parsed.data)) == []
    assert list(check.iter_errors({**parsed.data, "kind": "Other"})), "the schema is that of this kind alone"


@pytest.mark.parametrize(
    "path", ["fleet.yaml", "rings/a.yaml", "models/a/1.yaml", "devices/eu/hall/a.yaml", "policies/a/rule.yaml"]
)
def test_the_line_that_fmt_adds_leads_there_from_any_depth(fleet: Path, path: str) -> None:
    where = spot(path)
    assert isinstance(where, Spot)
    made = formatted(path, b"apiVersion: ringtide/v1\n", where.kind)
    assert isinstance(made, bytes)
    match = MODELINE.match(made.decode())
    assert match is not None
    assert (fleet / path).parent.joinpath(match[1]).resolve() == fleet / ".ringtide/schemas" / SCHEMA_FILES[where.kind]
