"""Write `findings.md`: every stable id, from the tables in the code and the rule library.

Run `python docs/spec/make_findings_page.py` after a change of either; a test compares.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path  # noqa: TID251  # a script that writes a file

from ringtide_engine.judge.intake import REPORT_RULES
from ringtide_engine.load.policies import load_rules
from ringtide_engine.model.dangers import DANGERS
from ringtide_engine.model.policy import PolicyRule
from ringtide_engine.model.rules import RULES
from ringtide_engine.render.families import FAMILIES, family
from ringtide_engine.render.reasons import REASONS
from ringtide_engine.shipped import rule_library

PAGE = Path(__file__).resolve().parent / "findings.md"

GROUPS = {
    "supply-chain": "Supply chain",
    "rollout-safety": "Rollout safety",
    "hardware": "Hardware",
    "governance": "Data and governance",
    "hygiene": "Hygiene",
    None: "Other rules",
}
"""Group of policy rules to its heading, in the order of the page."""


def page() -> str:
    """Return the page."""
    rules, mistakes = load_rules(rule_library())
    if mistakes:
        raise SystemExit(f"the rule library is broken: {mistakes[0].place}: {mistakes[0].message}")
    sections = [*_families(), *_policies(rules.values()), _reasons()]
    return f"""\
<!-- made by make_findings_page.py from the tables of rules and the rule library: edit those, then run it -->
# Findings

Every id that ringtide prints, with what to do about it. Ids are stable: none is ever given to another meaning.
`ringtide explain ID` says the same on the command line, and a link may end in `#` and the id in lower case.

An error refuses the change; warnings and infos are shown. A waiver may cover what says so, and every policy rule.

{"".join(sections).rstrip()}
"""


def _families() -> Iterator[str]:
    rows = [
        *((each.id, each.severity, each.title, each.fix, each.waivable) for each in RULES.values()),
        *((each.id, each.severity, each.title, each.fix, False) for each in REPORT_RULES.values()),
        *((each.id, "flag", each.title, each.advice, False) for each in DANGERS.values()),
    ]
    for start, (heading, why) in FAMILIES.items():
        lines = [
            f"| {_anchored(id_)} | {severity} | {_cell(title)} | {_cell(fix)} | {'yes' if waivable else 'no'} |\n"
            for id_, severity, title, fix, waivable in rows
            if family(id_) == start
        ]
        head = "| Id | Severity | What is wrong | What to do | Waiver |\n|---|---|---|---|---|\n"
        yield f"## {heading}\n\n{why}\n\n{head}{''.join(lines)}\n"


def _policies(rules: Iterable[PolicyRule]) -> Iterator[str]:
    yield (
        "## Rules of the library\n\nIn force where a policy set names them; `ringtide explain ID` prints condition and "
        "parameters. A policy set may choose another severity.\n\n"
    )
    for group, heading in GROUPS.items():
        lines = [
            f"| {_anchored(each.id)} | {each.severity} | {each.selects} | {_cell(each.title)} | {_cell(each.fix)} | "
            f"{_cell('; '.join(f'{one.name}: {one.reference}' for one in each.frameworks)) or '–'} |\n"
            for each in sorted(rules, key=lambda rule: rule.id)
            if each.group == group
        ]
        head = "| Id | Severity | Over | What it asks for | What to do | Serves |\n|---|---|---|---|---|---|\n"
        if lines:
            yield f"### {heading}\n\n{head}{''.join(lines)}\n"


def _reasons() -> str:
    lines = [
        f"| {_anchored(code)} | {each.verdict} | {_cell(each.title)} | {_cell(each.advice)} |\n"
        for code, each in REASONS.items()
    ]
    head = "| Code | Verdict | What it says | What to do |\n|---|---|---|---|\n"
    return f"## Reasons of verdicts\n\nGiven by `ringtide advance`; see [verdicts](verdicts.md).\n\n{head}{''.join(lines)}\n"


def _anchored(id_: str) -> str:
    return f'<a id="{id_.lower()}"></a>{id_}'


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
