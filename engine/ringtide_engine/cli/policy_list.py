"""`ringtide policy list` and `ringtide policy explain`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringtide_engine.cli import names, rendering
from ringtide_engine.cli.exits import FINDINGS, OK
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_engine.render.explain import Topic
    from ringtide_engine.workflows.rule_listing import ListedRule


@click.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@rendering.output_option("table", "json")
def list_command(folder: Path, output: rendering.Output) -> int:
    """List the rules of the library and of the fleet in FOLDER, and which of them are in force there.

    Exit code 3 where a rule or a policy set cannot be read.
    """
    from ringtide_engine.shipped import rule_library
    from ringtide_engine.workflows.rule_listing import list_rules

    files = _policies(folder)
    rules, findings = list_rules(files, rule_library())
    if output == "json":
        document = {
            "apiVersion": "ringtide/v1",
            "kind": "PolicyList",
            "rules": [_data(each) for each in rules.values()],
            "findings": rendering.findings_data(findings),
        }
        rendering.write(document, "json")
    else:
        if findings:
            rendering.write_findings(findings, files)
        columns = ("rule", "group", "selects", "severity", "from", "in force")
        rendering.write_table(columns, [_row(each) for each in rules.values()])
    chosen = sum(each.in_force is not None for each in rules.values())
    rendering.talk(f"{len(rules)} rules, {chosen} in force in {folder}; {rendering.summary(findings)}")
    return FINDINGS if findings else OK


@click.command("explain")
@click.argument("name", metavar="ID", shell_complete=names.rules)
@fleet_option()
@rendering.output_option("table", "json")
def explain_command(name: str, fleet: Path, output: rendering.Output) -> int:
    """Explain one rule: what it asks, why, its condition, parameters and samples, and whether it is in force here."""
    from ringtide_engine.render.explain import nearest, topic_data, topic_text

    topic = rule_explained(name, fleet)
    if topic is None:
        near = nearest(name, rule_names(fleet))
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise click.UsageError(f"there is no rule {name[:80]!r}{hint}")
    if output == "json":
        rendering.write(topic_data(topic), "json")
    else:
        click.echo(topic_text(topic))
    return OK


def rule_names(fleet: Path) -> tuple[str, ...]:
    """Return the ids of the library's rules and of those in a fleet repository."""
    from ringtide_engine.shipped import rule_library

    paths = {**_policies(fleet), **rule_library()}
    return tuple(path.split("/")[1] for path in sorted(paths) if path.count("/") == 2 and path.endswith("/rule.yaml"))


def rule_explained(name: str, fleet: Path) -> "Topic | None":
    """Explain a policy rule, and whether it is in force in a fleet repository; None where there is no such rule.

    Raises:
        FindingsError: The rule cannot be read.
    """
    from ringtide_engine.model.finding import FindingsError
    from ringtide_engine.render.explain import policy_topic
    from ringtide_engine.shipped import rule_library
    from ringtide_engine.workflows.rule_listing import list_rules

    if name not in rule_names(fleet):
        return None
    own, library = _policies(fleet), rule_library()
    rules, findings = list_rules(own, library)
    if name not in rules:
        raise FindingsError(tuple(each for each in findings if each.place.path == f"policies/{name}/rule.yaml"))
    topic = policy_topic(rules[name].rule)
    facts = (("Samples", _samples(name, {**own, **library})), ("In force", _chosen(rules[name])))
    return replace(topic, facts=(*topic.facts, *facts))


def _policies(folder: Path) -> Mapping[str, bytes]:
    """Return the policies of a fleet repository; none where the folder is none."""
    from ringtide_engine.cli.work_tree import read_folder, read_rules

    if (folder / "policies").is_dir():
        return read_rules(folder)
    if not folder.is_dir():
        read_folder(folder)
    return {}


def _data(listed: "ListedRule") -> dict[str, Any]:
    rule, chosen = listed.rule, listed.in_force
    return {
        "id": rule.id,
        "title": rule.title,
        "group": rule.group,
        "selects": rule.selects,
        "severity": rule.severity,
        "from": "fleet" if listed.own else "library",
        "inForce": None
        if chosen is None
        else {"policySet": chosen.path, "severity": chosen.severity, "parameters": dict(chosen.parameters)},
    }


def _row(listed: "ListedRule") -> tuple[str, ...]:
    rule = listed.rule
    source = "fleet" if listed.own else "library"
    chosen = listed.in_force
    here = "-" if chosen is None else " ".join((chosen.severity, *_written(chosen.parameters)))
    return rule.id, rule.group or "-", rule.selects, rule.severity, source, here


def _written(parameters: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in parameters.items())


def _chosen(listed: "ListedRule") -> str:
    chosen = listed.in_force
    if chosen is None:
        return f"no; choose it in a policy set of policies/ with `- rule: {listed.rule.id}`"
    return " ".join((f"as {chosen.severity}, by {chosen.path}", *_written(chosen.parameters)))


def _samples(name: str, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return a line for every sample of a rule: its path within the rule's folder."""
    folder = f"policies/{name}/"
    return tuple(path.removeprefix(folder) for path in sorted(files) if path.startswith(f"{folder}samples/"))
