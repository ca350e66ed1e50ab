"""Write `kinds/*.md` from the JSON Schemas.

Run `python docs/spec/make_kind_pages.py` after a change of them; a test compares.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path  # noqa: TID251  # a script that writes files
from typing import Any

from ringtide_engine.load.schemas import SCHEMA_FILES, SHARED, schema_text
from ringtide_engine.shipped import rule_library, template

HERE = Path(__file__).resolve().parent
EXAMPLES = {
    "Fleet": "fleet.yaml",
    "HardwareClass": "hardware/edge-s.yaml",
    "Cohort": "cohorts/laboratory.yaml",
    "RingPlan": "rings/standard.yaml",
    "Release": "models/digits/1.0.0.yaml",
    "Placement": "placements/digits.yaml",
    "PolicySet": "policies/fleet.yaml",
    "Rule": "policies/ring-canary-before-rest/rule.yaml",
    "RuleSuite": "policies/ring-canary-before-rest/suite.yaml",
}
"""Kind to a file of the example fleet or of the rule library."""

WRITTEN = {
    "Device": """\
apiVersion: ringtide/v1
kind: Device
id: edge-s-0001
publicKey: |
  -----BEGIN PUBLIC KEY-----
  MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/vhnSyMnKQc8kqfl5ymmqeq3mKxS
  Z4Ca2W/0ZN3wiI7gL0gSa6KGCQqDeIWFyS8w0CMvzhHTL5390Sjhzy2l1g==
  -----END PUBLIC KEY-----
hardwareClass: edge-s
labels:
  region: eu
  site: laboratory
state: active
""",
    "Rollout": """\
apiVersion: ringtide/v1
kind: Rollout
name: digits-1.1.0
placement: digits
candidate: "1.1.0"
ringPlan: standard
""",
    "Waiver": """\
apiVersion: ringtide/v1
kind: Waiver
name: legacy-model
rule: release-has-golden-set
scope: [models/legacy/*.yaml]
reason: The vendor delivers a golden set with the next version.
owner: quality@example.org
expires: 2026-12-31
""",
    "Progress": """\
apiVersion: ringtide/v1
kind: Progress
rollout: digits-1.1.0
candidate: "1.1.0"
stable: null
phase: rolling
control: {edge-s: "f333333333333333"}
rings:
  - name: canary
    openedAt: 2026-11-23T09:00:00Z
    cohort: null
    cuts: {edge-s: "0ccccccccccccccc"}
last:
  kind: hold
  reasons: ["the soak of canary ends at 2026-11-23T13:00:00Z"]
  at: 2026-11-23T10:00:00Z
  evidence: progress/digits-1.1.0/0001.json
""",
    "Change": """\
apiVersion: ringtide/v1
kind: Change
first: false
added:
  - {path: models/digits/1.1.0.yaml, kind: Release, name: digits/1.1.0}
changed: []
removed:
  - {path: cohorts/laboratory.yaml, kind: Cohort, name: laboratory}
weakened:
  - {rule: release-has-golden-set, how: its severity is lowered from error to warning, path: policies/fleet.yaml}
trust: [trust/2.root.json]
""",
    "QuarantineEntry": """\
apiVersion: ringtide/v1
kind: QuarantineEntry
subject: release
model: digits
release: "1.2.0"
graphs: [ad03f543573fa20e359d23d14ae9e013f7b585789f318ec8d0f783897817ef18]
reason: 2 devices of ring canary answered the golden set wrongly
""",
}
"""Examples of kinds that the example fleet has no file of."""

_KINDS = {
    "object": "mapping",
    "array": "list",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}


def pages() -> dict[str, str]:
    """Return every page by its path below `docs/spec/`."""
    return {f"kinds/{name.removesuffix('.json')}.md": _page(kind, name) for kind, name in SCHEMA_FILES.items()}


def example(kind: str) -> str:
    """Return an example of a kind."""
    if kind in WRITTEN:
        return WRITTEN[kind]
    content = {**template(), **{path: rule_library()[path] for path in rule_library() if path.endswith(".yaml")}}
    lines = content[EXAMPLES[kind]].decode("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if "yaml-language-server" not in line)


def _page(kind: str, name: str) -> str:
    schema = json.loads(schema_text(name))
    shared = json.loads(schema_text(SHARED))["definitions"]
    rows = "\n".join(_rows(schema, shared, ""))
    return f"""\
<!-- made by make_kind_pages.py from {name}: edit the schema, then run it -->
# {kind}

{schema["description"]}

```yaml
{example(kind)}```

| Field | Takes | Needed | What it says |
|---|---|---|---|
{rows}
"""


def _rows(schema: Mapping[str, Any], shared: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for field, written in schema.get("properties", {}).items():
        described = _resolved(written, shared)
        needed = "yes" if field in schema.get("required", ()) else _default(written)
        takes = _takes(described, shared).replace("|", "\\|")
        yield f"| `{prefix}{field}` | {takes} | {needed} | {written.get('description', '')} |"
        yield from _inner(described, shared, f"{prefix}{field}")


def _inner(described: Mapping[str, Any], shared: Mapping[str, Any], name: str) -> Iterator[str]:
    if described.get("type") == "array" and isinstance(described.get("items"), dict):
        yield from _rows(_resolved(described["items"], shared), shared, f"{name}[].")
    elif isinstance(described.get("additionalProperties"), dict):
        yield from _rows(_resolved(described["additionalProperties"], shared), shared, f"{name}.*.")
    else:
        yield from _rows(described, shared, f"{name}.")


def _resolved(schema: Mapping[str, Any], shared: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return schema if reference is None else shared[str(reference).rpartition("/")[2]]


def _default(schema: Mapping[str, Any]) -> str:
    return f"no; `{json.dumps(schema['default'])}`" if "default" in schema else "no"


def _takes(schema: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "title" in schema and schema.get("type") != "array":
        return str(schema["title"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    said = " or ".join(_KINDS[each] for each in kinds)
    if kinds == ["array"]:
        return f"{said} of {_takes(_resolved(schema['items'], shared), shared)}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"mapping to {_takes(_resolved(schema['additionalProperties'], shared), shared)}"
    least, most = schema.get("minimum"), schema.get("maximum")
    return said + (f" from {least}" if least is not None else "") + (f" to {most}" if most is not None else "")


def main() -> None:
    """Write the pages."""
    for path, text in pages().items():
        (HERE / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
