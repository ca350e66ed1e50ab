"""A rule of one's own to begin with: it works as written, and its suite proves it."""

import json
import re
from collections.abc import Iterator, Mapping

from ringtide_contract import API_VERSION
from ringtide_contract.errors import InputError
from ringtide_contract.ids import parse_name
from ringtide_engine.load.policies import load_rules, load_suite
from ringtide_engine.load.schemas import SCHEMA_FILES, schema_text
from ringtide_engine.model.policy import RuleLanguage, SuiteCase

_NAMES = {"Release": "version", "Device": "id"}
"""Kind to the field by which the starting condition knows a document, where that is not `name`."""

_WORD = "experimental"
"""What the starting condition refuses: a word that no sample of the library has."""

_CHANGE = f"""\
apiVersion: {API_VERSION}
kind: Change
first: false
added:
  - {{path: cohorts/laboratory.yaml, kind: Cohort, name: laboratory}}
changed: []
removed: []
weakened: []
trust: []
"""

_RULE = """\
# yaml-language-server: $schema=../../.ringtide/schemas/rule.json
# It works as it stands: change title, parameters, condition, message and fix to yours, then the samples.
apiVersion: {version}
kind: Rule
id: {id}
title: {title}
severity: error
selects: {kind}
parameters:
  type: object
  additionalProperties: false
  properties:
    word:
      type: string
      description: Word that the {field} must not contain.
      minLength: 1
      default: {word}
{language}condition: {condition}
message: "{message}"
at: {at}
fix: Choose another {field}.
"""

_EVERY_ADDED = (
    'allow if every each in object.get(input.object, "added", []) { not contains(each.name, input.params.word) }'
)

_REGO = """\
|
  package ringtide.rule

  import rego.v1

  {body}"""

_SUITE = """\
# yaml-language-server: $schema=../../.ringtide/schemas/rule-suite.json
apiVersion: {version}
kind: RuleSuite
rule: {id}
cases:
  - {{sample: allowed/{allowed}.yaml, expect: allowed}}
  - {{sample: disallowed/{disallowed}.yaml, expect: disallowed, message: contains {word}}}
"""


def rule_kinds() -> tuple[str, ...]:
    """Return the kinds that a rule may select."""
    kinds: list[str] = json.loads(schema_text(SCHEMA_FILES["Rule"]))["properties"]["selects"]["enum"]
    return tuple(kinds)


def new_rule(
    name: str,
    kind: str,
    files: Mapping[str, bytes],
    library: Mapping[str, bytes],
    language: RuleLanguage = "cel",
) -> Mapping[str, bytes]:
    """Return the files of a new rule: `rule.yaml`, `suite.yaml` and two samples.

    Args:
        name: Id of the rule.
        kind: Kind of document that it judges.
        files: The fleet repository's files below `policies/`.
        library: The rule library; its samples are where the new ones come from.
        language: Language of its condition.

    Raises:
        InputError: The id is none, or there is a rule or a folder of that id already.
    """
    folder = f"policies/{parse_name(name)}/"
    if any(path.startswith(folder) for path in library):
        raise InputError(f"the library has a rule {name}: give yours another id")
    taken = next((path for path in sorted(files) if path.startswith(folder) or path == folder[:-1]), None)
    if taken is not None:
        raise InputError(f"{taken} exists, and nothing is overwritten: give the rule another id, or edit that one")
    field = _NAMES.get(kind, "name")
    said = {
        "version": API_VERSION,
        "id": name,
        "kind": kind,
        "field": field,
        "word": _WORD,
        "allowed": "plain",
        "disallowed": _WORD,
        "title": f"No {kind} has a {field} that contains a word which the fleet does not want.",
        "language": "" if language == "cel" else f"language: {language}\n",
        "condition": f'"!object.{field}.contains(params.word)"'
        if language == "cel"
        else _REGO.format(body=f"allow if not contains(input.object.{field}, input.params.word)"),
        "message": f"the {field} {{{field}}} contains {{params.word}}",
        "at": f"/{field}",
    }
    if kind == "Change":
        said |= {
            "title": "No document is added whose name contains a word which the fleet does not want.",
            "condition": '"!has(object.added) || object.added.all(each, !each.name.contains(params.word))"'
            if language == "cel"
            else _REGO.format(body=_EVERY_ADDED),
            "message": "a name of {added.*.name} contains {params.word}",
            "at": "/added/0/path",
        }
    good = _CHANGE if kind == "Change" else _sample(kind, library)
    return {
        f"{folder}rule.yaml": _RULE.format(**said).encode(),
        f"{folder}suite.yaml": _SUITE.format(**said).encode(),
        f"{folder}samples/allowed/plain.yaml": good.encode(),
        f"{folder}samples/disallowed/{_WORD}.yaml": _named_badly(good, field).encode(),
    }


def _sample(kind: str, library: Mapping[str, bytes]) -> str:
    """Return a document of a kind that a rule of the library allows without more ado."""
    rules, _ = load_rules(library)
    for path in (path for name in sorted(rules) if rules[name].selects == kind for path in _plain(name, library)):
        lines = library[path].decode("utf-8").splitlines(keepends=True)
        return "".join(each for each in lines if not each.startswith("#"))
    raise InputError(f"the library has no sample of a {kind} to begin with")


def _plain(name: str, library: Mapping[str, bytes]) -> Iterator[str]:
    suite = f"policies/{name}/suite.yaml"
    for case in load_suite(suite, library[suite]) if suite in library else ():
        if isinstance(case, SuiteCase) and case.expect == "allowed" and not (case.fleet or case.parameters or case.old):
            yield f"policies/{name}/samples/{case.sample}"


def _named_badly(text: str, field: str) -> str:
    """Return a sample with the unwanted word at the end of its name."""
    if "\nkind: Change\n" in text:
        return text.replace("name: laboratory", f"name: laboratory-{_WORD}")
    return re.sub(rf'^({field}: "?[^"\n]+?)("?)$', rf"\g<1>-{_WORD}\g<2>", text, count=1, flags=re.MULTILINE)
