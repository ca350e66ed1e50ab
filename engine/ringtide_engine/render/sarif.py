"""Findings as SARIF 2.1.0, within the limits of GitHub's code scanning."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from ringtide_engine.model.finding import Finding
from ringtide_engine.render.findings_json import worst_first
from ringtide_engine.render.rule_help import RuleHelp, anchor, help_of_finding
from ringtide_engine.render.untrusted import markdown, plain

MAX_RESULTS = 25_000
"""Results of one run that code scanning takes; it shows the first 5,000, so the worst come first."""

MAX_GZIPPED = 10_000_000
"""Bytes of one upload, compressed."""

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_PLACE_IN_WORDS = re.compile(r"\blines? \d+")


def sarif(findings: Sequence[Finding], rules: Mapping[str, RuleHelp], *, version: str) -> bytes:
    """Write findings as a SARIF log.

    Args:
        findings: What was found.
        rules: Rules by id; one that is missing is described by its findings.
        version: Version of ringtide.
    """
    ordered = worst_first(findings)
    prints = _fingerprints(findings)
    count = min(len(ordered), MAX_RESULTS)
    while True:
        log = _log(ordered, count, rules, prints, version)
        content = json.dumps(log, indent=1, ensure_ascii=True).encode("ascii") + b"\n"
        if count == 0 or len(content) <= MAX_GZIPPED or len(gzip.compress(content, 6, mtime=0)) <= MAX_GZIPPED:
            return content
        count //= 2


def _log(
    ordered: Sequence[Finding],
    count: int,
    rules: Mapping[str, RuleHelp],
    prints: Mapping[Finding, str],
    version: str,
) -> dict[str, Any]:
    shown = ordered[:count]
    helps = {each.rule: rules.get(each.rule) or help_of_finding(each) for each in shown}
    index = {rule: number for number, rule in enumerate(sorted(helps))}
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if count < len(ordered):
        said = f"{len(ordered) - count} of {len(ordered)} findings are left out; `ringtide check` prints all of them"
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": said}}]
    run = {
        "tool": {
            "driver": {
                "name": "ringtide",
                "version": version,
                "rules": [_rule(helps[rule]) for rule in sorted(helps)],
            }
        },
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The root of the fleet repository."}}},
        "results": [_result(each, index[each.rule], prints[each]) for each in shown],
    }
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _rule(rule: RuleHelp) -> dict[str, Any]:
    why = f"{rule.why} " if rule.why else ""
    more = f"`ringtide explain {plain(rule.id)}` says more; so does {anchor(rule.id)}."
    described: dict[str, Any] = {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", rule.id)),
        "shortDescription": {"text": plain(rule.title)},
        "fullDescription": {"text": plain(f"{rule.title} {rule.why}".strip())},
        "help": {
            "text": f"{plain(why + rule.fix)}\n{more}",
            "markdown": f"{markdown(why)}\n\n**Fix:** {markdown(rule.fix)}\n\n{more}",
        },
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": ["waivable"] if rule.waivable else []},
    }
    addresses = [link for link in rule.links if link.startswith("https://") and plain(link, len(link) + 1) == link]
    return {**described, "helpUri": quote(addresses[0], safe=":/?#[]@!$&'()*+,;=%")} if addresses else described


def _result(each: Finding, rule: int, fingerprint: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": each.rule,
        "ruleIndex": rule,
        "level": _LEVELS[each.severity],
        "message": {"text": f"{plain(each.message)}\nFix: {plain(each.fix)}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {
                        "uri": quote(each.place.path.encode("utf-8", "replace")),
                        "uriBaseId": "%SRCROOT%",
                    },
                    "region": {"startLine": max(1, each.place.line), "startColumn": max(1, each.place.column)},
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint, "ringtide/v1": fingerprint},
    }
    if each.waiver is not None:
        said = {"kind": "external", "status": "accepted", "justification": f"waiver {plain(each.waiver)}"}
        result["suppressions"] = [said]
    return result


def _fingerprints(findings: Sequence[Finding]) -> dict[Finding, str]:
    """Return what names a finding again after its line has moved: rule, file, message, and which one of several."""
    seen: Counter[str] = Counter()
    prints: dict[Finding, str] = {}
    for each in sorted(findings, key=lambda found: found.place):
        message = _PLACE_IN_WORDS.sub("line", each.message)
        said = "\0".join((each.rule, each.place.path, message)).encode("utf-8", "replace")
        digest = sha256(said).hexdigest()[:32]
        seen[digest] += 1
        prints[each] = f"{digest}:{seen[digest]}"
    return prints
