"""Findings in the formats that machines read, to stdout or as files of a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ringtide_engine import __version__
from ringtide_engine.model.finding import Finding
from ringtide_engine.render.rule_help import RuleHelp

FILES: Mapping[str, str] = {
    "json": "findings.json",
    "sarif": "findings.sarif",
    "junit": "junit.xml",
    "github": "annotations.txt",
}
"""Format to the file of `--output-dir` that holds it."""


def finding_bytes(kind: str, findings: Sequence[Finding], files: Mapping[str, bytes]) -> bytes:
    """Write findings in one format.

    Args:
        kind: A key of `FILES`.
        findings: What was found.
        files: The fleet's files; its own rules are explained from them.
    """
    if kind == "sarif":
        from ringtide_engine.render.sarif import sarif

        return sarif(findings, _helps(findings, files), version=__version__)
    if kind == "junit":
        from ringtide_engine.render.junit import junit

        return junit(findings)
    if kind == "github":
        from ringtide_engine.render.annotations import annotations

        return annotations(findings).encode("utf-8", "replace")
    from ringtide_engine.render.findings_json import check_result
    from ringtide_engine.render.json_text import json_text

    return json_text(check_result(findings))


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, each whole or not at all.

    Raises:
        InputError: The folder is a file, or cannot be written.
    """
    from ringtide_engine.cli.work_tree import write_file

    for name, written in contents.items():
        write_file(folder / name, written)


def _helps(findings: Sequence[Finding], files: Mapping[str, bytes]) -> Mapping[str, RuleHelp]:
    """Explain the rules of findings; of the library and the fleet only those rules are read."""
    from ringtide_engine.load.policies import load_rules
    from ringtide_engine.model.rules import RULES
    from ringtide_engine.render.rule_help import by_id, help_of_built_in, help_of_policy
    from ringtide_engine.shipped import rule_library

    named = {each.rule for each in findings}
    paths = [f"policies/{rule}/rule.yaml" for rule in sorted(named - RULES.keys())]
    sources = {**files, **rule_library()} if paths else {}
    rules, _ = load_rules({path: sources[path] for path in paths if path in sources})
    built_in = (help_of_built_in(RULES[rule]) for rule in sorted(named & RULES.keys()))
    return by_id((*built_in, *map(help_of_policy, rules.values())))
