"""Rules and their suites, from the files of a library or of a fleet repository."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from ringtide_contract.ids import sha256
from ringtide_engine.load import units
from ringtide_engine.load.cursor import Cursor, MisfitError
from ringtide_engine.load.desired import read_document
from ringtide_engine.model.finding import Document, Finding
from ringtide_engine.model.policy import Framework, PolicyRule, SuiteCase
from ringtide_engine.model.rules import finding

NO_PARAMETERS: Mapping[str, object] = MappingProxyType({"type": "object", "additionalProperties": False})


def load_rules(files: Mapping[str, bytes]) -> tuple[Mapping[str, PolicyRule], tuple[Finding, ...]]:
    """Read every `policies/<id>/rule.yaml`.

    Returns:
        The rules by id, and what is wrong with those that could not be read.
    """
    rules: dict[str, PolicyRule] = {}
    findings: list[Finding] = []
    for path in sorted(files):
        parts = path.split("/")
        if len(parts) != 3 or parts[0] != "policies" or parts[2] != "rule.yaml":
            continue
        document = read_document(path, files[path], "Rule")
        if isinstance(document, tuple):
            findings.extend(document)
        elif document.data["id"] != parts[1]:
            message = f"the id is {document.data['id']}, but the folder is called {parts[1]}"
            findings.append(finding("RT-REF-001", document.place("/id"), message, f'Write "{parts[1]}".'))
        else:
            rules[parts[1]] = _rule(document, files[path])
    return rules, tuple(findings)


def load_suite(path: str, content: bytes) -> tuple[SuiteCase, ...] | tuple[Finding, ...]:
    """Read a `suite.yaml`.

    Returns:
        Its cases, never none; or what is wrong with it.
    """
    document = read_document(path, content, "RuleSuite")
    if isinstance(document, tuple):
        return document
    try:
        return tuple(_case(each) for each in Cursor(document.data).child("cases").items())
    except MisfitError as error:
        return (finding("RT-SCHEMA-001", document.place(error.pointer), str(error)),)


def _case(at: Cursor) -> SuiteCase:
    return SuiteCase(
        sample=at.get("sample"),
        old=at.get("old"),
        parameters=at.get("parameters", {}),
        expect=at.get("expect"),
        message=at.get("message"),
        pointer=at.pointer,
        fleet=at.get("fleet", {}),
        today=at.read("today", units.day) if at.get("today") is not None else None,
    )


def _rule(document: Document, content: bytes) -> PolicyRule:
    data = cast("Mapping[str, Any]", document.data)
    return PolicyRule(
        id=data["id"],
        title=data["title"].strip(),
        severity=data.get("severity", "error"),
        selects=data["selects"],
        parameters=data.get("parameters", NO_PARAMETERS),
        condition=data["condition"],
        message=data["message"].strip(),
        at=data.get("at", ""),
        fix=data["fix"].strip(),
        links=tuple(data.get("links", ())),
        group=data.get("group"),
        frameworks=tuple(Framework(**each) for each in data.get("frameworks", ())),
        language=data.get("language", "cel"),
        digest=sha256(content),
        document=document,
    )
