"""Make the pages under `docs/spec/wire/` from the contract's own docstrings and the golden vectors.

    PYTHONPATH=contract python docs/spec/make_wire_pages.py

A table lists members in the order in which the type's `to_dict` or `encode` writes them; their meaning is the docstring
under the field. The example is the first golden vector of the format.
"""

import ast
import inspect
import json
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path  # noqa: TID251  # a script, not a pure room
from types import ModuleType

import ringtide_contract
from ringtide_contract import (
    acceptance,
    artifact,
    bundle,
    canonical,
    class_file,
    drift,
    envelope,
    head,
    index,
    manifest,
    membership,
    quarantine,
    report,
    sketch,
    statement,
    tree,
    trust_policy,
    windows,
)

PAGES_FOLDER = Path(__file__).parent / "wire"
VECTORS_FOLDER = Path(__file__).parents[2] / "tests" / "vectors"

_OPTIONAL = "?"
"""Behind the name of a member that is not always written."""

TYPES = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "true or false",
    "bytes": "bytes in base64",
    "datetime": "instant",
    "Digest": "SHA-256",
    "DeviceId": "device id",
    "Cut": "cut",
    "PublicKey": "PEM",
}
"""Python annotation to what stands on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page."""

    title: str
    """Its title."""
    module: ModuleType
    """The module it documents."""
    types: tuple[type, ...] = ()
    """The types whose members are listed, the document first."""
    functions: tuple[str, ...] = ()
    """Functions whose docstrings say the rules."""
    vectors: tuple[str, ...] = ()
    """Formats whose first golden vector is shown."""
    limit: int | None = None
    """Largest size in bytes."""


PAGES: Mapping[str, Page] = {
    "canonical": Page(title="Canonical JSON", module=canonical, functions=("encode", "decode"), vectors=("canonical",)),
    "envelope": Page(
        title="Envelope", module=envelope, types=(envelope.Envelope,), functions=("pae",), vectors=("envelope",)
    ),
    "bundle": Page(
        title="Bundle", module=bundle, functions=("check_bundle",), vectors=("bundle",), limit=bundle.MAX_BUNDLE_BYTES
    ),
    "statement": Page(
        title="Statement",
        module=statement,
        types=(statement.Publication, statement.Source, statement.Previous),
        vectors=("statement",),
        limit=statement.MAX_STATEMENT_BYTES,
    ),
    "trust-policy": Page(
        title="Trust policy",
        module=trust_policy,
        types=(trust_policy.TrustPolicy,),
        vectors=("trust-policy",),
        limit=trust_policy.MAX_TRUST_POLICY_BYTES,
    ),
    "tree": Page(
        title="Tree", module=tree, functions=("leaf_hash", "node_hash", "root_hash", "shard_bits"), vectors=("leaf",)
    ),
    "head": Page(title="Head", module=head, types=(head.TreeHead,), vectors=("head",), limit=head.MAX_HEAD_BYTES),
    "index": Page(
        title="Index and catalog shards",
        module=index,
        types=(index.IndexShard, index.IndexRow, index.CatalogShard),
        vectors=("index-shard", "catalog-shard"),
        limit=index.MAX_SHARD_BYTES,
    ),
    "class-file": Page(
        title="Class file",
        module=class_file,
        types=(class_file.ClassFile, class_file.ClassRollout, class_file.RingRange),
        functions=("assign",),
        vectors=("class-file",),
        limit=class_file.MAX_CLASS_FILE_BYTES,
    ),
    "membership": Page(
        title="Membership",
        module=membership,
        functions=("salt", "bucket", "turn", "share_cut", "opening_cut", "control_cut", "write_cut"),
    ),
    "window": Page(
        title="Maintenance window",
        module=windows,
        types=(windows.Window,),
        functions=("next_start",),
        vectors=("window", "start"),
    ),
    "manifest": Page(
        title="Manifest",
        module=manifest,
        types=(
            manifest.Manifest,
            manifest.TensorSpec,
            manifest.Golden,
            manifest.Budget,
            manifest.Probation,
            manifest.Runtime,
        ),
        vectors=("manifest",),
        limit=manifest.MAX_MANIFEST_BYTES,
    ),
    "artifact": Page(
        title="Artifact",
        module=artifact,
        types=(artifact.Artifact, artifact.ChunkList, artifact.Delta),
        functions=("write_chunk_list",),
        vectors=("artifact", "chunk-list"),
    ),
    "drift-reference": Page(
        title="Drift reference",
        module=drift,
        types=(drift.DriftReference, drift.Stream),
        limit=drift.MAX_REFERENCE_BYTES,
    ),
    "quarantine": Page(
        title="Quarantine list",
        module=quarantine,
        types=(quarantine.Quarantine, quarantine.QuarantineEntry),
        vectors=("quarantine",),
        limit=quarantine.MAX_QUARANTINE_BYTES,
    ),
    "report": Page(
        title="Report",
        module=report,
        types=(
            report.Report,
            report.Condition,
            report.ModelReport,
            report.Running,
            report.Failure,
            report.Counters,
            report.Folded,
        ),
        functions=("open_report",),
        vectors=("report", "sealed-report"),
        limit=report.MAX_REPORT_BYTES,
    ),
    "latency-sketch": Page(
        title="Latency sketch",
        module=sketch,
        types=(sketch.LatencySketch,),
        functions=("bucket_of", "upper_border_us", "merge"),
        vectors=("latency-sketch",),
    ),
    "acceptance": Page(title="Acceptance", module=acceptance, functions=("accept_statement", "accept")),
}


def make_pages() -> dict[str, str]:
    """Return every page by file name."""
    pages = {f"{name}.md": _page(page) for name, page in PAGES.items()}
    links = "".join(f"- [{page.title}]({name}.md): {_first_line(page.module)}\n" for name, page in PAGES.items())
    intro = inspect.getdoc(ringtide_contract) or ""
    pages["README.md"] = f"# Wire formats\n\n{intro}\n\n{_VALUES}\n{links}"
    return pages


_VALUES = """In the tables, an *instant* is RFC 3339 in UTC with whole seconds and `Z`, a *SHA-256* is 64 lower case
hexadecimal digits, a *cut* is 16 lower case hexadecimal digits (17 for 2^64), a *device id* is 2 to 63 of `a-z`, `0-9`
and inner hyphens. Readers ignore members they do not know, except in envelopes and bundles, where they refuse them.
"""


def _page(page: Page) -> str:
    parts = [f"# {page.title}", inspect.getdoc(page.module) or ""]
    if page.limit:
        parts.append(f"Largest size: {page.limit:,} bytes; a larger one is refused before it is parsed.")
    for kind in page.types:
        parts += [f"## {kind.__name__}", inspect.getdoc(kind) or "", _table(kind)]
    parts += [_rules(page.module, name) for name in page.functions]
    for name in page.vectors:
        case = json.loads((VECTORS_FOLDER / f"{name}.json").read_text(encoding="utf-8"))["cases"][0]
        parts.append(f"## Example: {name}, `{case['name']}`")
        parts.append(_example(case))
        parts.append(f"All cases, good and bad: `tests/vectors/{name}.json`.")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _example(case: Mapping[str, object]) -> str:
    """Show a document as it reads best; on the wire it is one line."""
    content = str(case["bytes"])
    if case.get("encoding") != "base64" and content.startswith("{"):
        return f"```json\n{json.dumps(json.loads(content), indent=2, ensure_ascii=False)}\n```"
    return f"```json\n{json.dumps(case, indent=2, ensure_ascii=False)}\n```"


def _rules(module: ModuleType, name: str) -> str:
    text = inspect.getdoc(getattr(module, name)) or ""
    for section in ("Args", "Returns", "Raises"):
        text = text.replace(f"\n{section}:\n", f"\n*{section}*\n\n")
    lines = [f"- {line.strip()}" if line.startswith("    ") else line for line in text.split("\n")]
    return f"## `{name}`\n\n" + "\n".join(lines)


def _table(kind: type) -> str:
    rows = "".join(f"| `{member}` | {what} | {meaning} |\n" for member, what, meaning in _members(kind))
    return f"| member | value | meaning |\n| --- | --- | --- |\n{rows}"


def _members(kind: type) -> Iterator[tuple[str, str, str]]:
    """Yield (member, value, meaning) in the order of writing."""
    definition = _class(kind)
    docs = _field_docs(definition)
    module = typing.cast("ModuleType", inspect.getmodule(kind))
    for member, value in _written(definition):
        attributes = [
            node.attr
            for node in ast.walk(value)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        ]
        if attributes:
            annotation, meaning = docs[attributes[0]]
            listed = any(isinstance(node, ast.ListComp) for node in ast.walk(value))
            meaning = re.sub(r"\bNone\b", "null", meaning)
            if member.endswith(_OPTIONAL):
                member, meaning = member.removesuffix(_OPTIONAL), f"{meaning} Left out where empty."
            yield member, _type(annotation, module, listed=listed), meaning
        else:
            constant = value.value if isinstance(value, ast.Constant) else getattr(module, ast.unparse(value))
            yield member, f"`{json.dumps(constant)}`", "Always this."


def _class(kind: type) -> ast.ClassDef:
    found = ast.parse(inspect.getsource(kind)).body[0]
    if not isinstance(found, ast.ClassDef):
        raise TypeError(f"{kind} is not a class")
    return found


def _field_docs(definition: ast.ClassDef) -> dict[str, tuple[ast.expr, str]]:
    """Return annotation and docstring of every field and property."""
    docs: dict[str, tuple[ast.expr, str]] = {}
    for statement_, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        match statement_, following:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=note), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                docs[name] = note, " ".join(text.split())
            case ast.FunctionDef(name=name, returns=ast.expr() as note), _:
                docs[name] = note, (ast.get_docstring(statement_) or "").split("\n")[0]
    return docs


def _written(definition: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield member and expression as `encode` or `to_dict` writes them; nested members are joined by dots."""
    writers = {item.name: item for item in definition.body if isinstance(item, ast.FunctionDef)}
    writer = writers.get("encode") or writers["to_dict"]
    local: dict[str, ast.expr] = {}
    document: ast.expr | None = None
    optional: list[tuple[str, ast.expr]] = []
    for node in ast.walk(writer):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                local[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                local[name] = value
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str(name)))], value=value):
                optional.append((name + _OPTIONAL, value))
            case ast.Return(value=ast.Call(args=[argument])):
                document = argument
            case ast.Return(value=ast.expr() as value):
                document = value
    if isinstance(document, ast.Name):
        document = local[document.id]
    if not isinstance(document, ast.Dict):
        raise TypeError(f"{definition.name} is not written as one object")
    yield from _flat(document, local, "")
    yield from optional


def _flat(value: ast.Dict, local: Mapping[str, ast.expr], prefix: str) -> Iterator[tuple[str, ast.expr]]:
    for key, item in zip(value.keys, value.values, strict=True):
        name = prefix + str(key.value if isinstance(key, ast.Constant) else key)
        resolved = local.get(item.id, item) if isinstance(item, ast.Name) else item
        match resolved:
            case ast.Dict():
                yield from _flat(resolved, local, f"{name}.")
            case ast.List(elts=[ast.Dict() as only]):
                yield from _flat(only, local, f"{name}[0].")
            case _:
                yield name, resolved


def _type(annotation: ast.expr, module: ModuleType, *, listed: bool = False) -> str:
    """Say in words what stands on the wire for an annotation."""
    match annotation:
        case ast.BinOp(left=left, right=ast.Constant(value=None)):
            return f"{_type(left, module)} or null"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, _])):
            return f"array of {_type(item, module)}"
        case ast.Subscript(value=ast.Name(id="frozenset"), slice=item):
            return f"array of {_type(item, module)}"
        case ast.Subscript(value=ast.Name(id="Mapping"), slice=ast.Tuple(elts=[_, item])) if listed:
            return f"array of {_type(item, module)}"
        case ast.Subscript(value=ast.Name(id="Mapping"), slice=ast.Tuple(elts=[key, item])):
            return f"object, {_type(key, module)} to {_type(item, module)}"
        case ast.Name(id=name) if name in TYPES:
            return TYPES[name]
        case ast.Name(id=name):
            named = getattr(module, name)
            if is_dataclass(named):
                return _link(typing.cast("type", named))
            return "one of " + ", ".join(f"`{choice}`" for choice in typing.get_args(named))
    raise TypeError(f"no words for {ast.unparse(annotation)}")


def _link(kind: type) -> str:
    place = next(name for name, page in PAGES.items() if kind in page.types)
    return f"[{kind.__name__}]({place}.md#{kind.__name__.lower()})"


def _first_line(module: ModuleType) -> str:
    return (inspect.getdoc(module) or "").split("\n\n")[0].replace("\n", " ")


def main() -> None:
    """Write the pages."""
    PAGES_FOLDER.mkdir(exist_ok=True)
    for name, text in make_pages().items():
        (PAGES_FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
