"""`ringtide explain`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from ringtide_engine.cli import exits, names, rendering
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_engine.render.explain import Topic
    from ringtide_engine.render.explain_field import Schemas
    from ringtide_engine.render.rule_help import RuleHelp

EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        exits.OK: "It worked, and no finding is an error.",
        exits.FAILED: "It failed: wrong input, a service that does not answer, or a defect; the message says which.",
        exits.CHANGES: "The plan changes something; only with `--detailed-exitcode`. Of `fmt --check`: files differ.",
        exits.FINDINGS: "A finding is an error, so the change is refused.",
        exits.REFUSED: "Something is not authentic, not fresh, or not meant for us; trying again does not help.",
        exits.NOT_CONVERGED: "What was waited for has not come in time.",
        exits.USAGE: "The command line is wrong: an unknown verb, option or name.",
        exits.INTERRUPTED: "A person interrupted it.",
    }
)
"""Exit code to its meaning."""

_OTHER_FOLDERS = {"fleet": "Fleet", "devices": "Device", "models": "Release", "policies": "PolicySet"}
"""What lies where the layout has rules of its own."""


@click.command("explain")
@click.argument("name", shell_complete=names.rules)
@fleet_option()
@rendering.output_option("table", "json")
def explain_command(name: str, fleet: Path, output: rendering.Output) -> int:
    """Explain a rule, a field, a danger flag, a verdict's reason, a gate's metric or an exit code.

    NAME is an id such as RT-RING-003, release-has-golden-set, quorum, p95Latency or exit-3; or a kind or folder with a path of fields:
    ringplan, rings.gates.limit. Rules of the fleet in --fleet are known too.
    """
    from ringtide_engine.render.explain import topic_data, topic_text

    topic = _rule(name) or _policy(name, fleet) or _code(name) or _field(name, fleet)
    if output == "json":
        rendering.write(topic_data(topic), "json")
    else:
        click.echo(topic_text(topic))
    return exits.OK


def _rule_tables() -> "Mapping[str, RuleHelp]":
    from ringtide_engine.judge.intake import REPORT_RULES
    from ringtide_engine.model.dangers import DANGERS
    from ringtide_engine.model.rules import RULES
    from ringtide_engine.render.rule_help import by_id, help_of_built_in, help_of_danger

    reports = (help_of_built_in(rule, "found by `ringtide ingest`") for rule in REPORT_RULES.values())
    return by_id((*map(help_of_built_in, RULES.values()), *reports, *map(help_of_danger, DANGERS.values())))


def _rule(name: str) -> "Topic | None":
    from ringtide_engine.render.explain import rule_topic

    known = _rule_tables().get(name.upper())
    return None if known is None else rule_topic(known)


def _policy(name: str, fleet: Path) -> "Topic | None":
    from ringtide_engine.cli.policy_list import rule_explained

    return rule_explained(name.lower(), fleet)


def _code(name: str) -> "Topic | None":
    from ringtide_engine.render.explain import exit_topic, metric_topic, reason_topic
    from ringtide_engine.render.metrics import METRICS
    from ringtide_engine.render.reasons import REASONS

    if name.lower() in REASONS:
        return reason_topic(name.lower(), REASONS[name.lower()])
    metrics = {each.lower(): each for each in METRICS}
    if name.lower() in metrics:
        return metric_topic(metrics[name.lower()], METRICS[metrics[name.lower()]])
    number = name.lower().removeprefix("exit").lstrip("-. ")
    codes = {str(code): code for code in EXIT_CODES}
    return exit_topic(codes[number], EXIT_CODES[codes[number]]) if number in codes else None


def _field(name: str, fleet: Path) -> "Topic":
    from ringtide_engine.cli.policy_list import rule_names
    from ringtide_engine.render.explain_field import UnknownField, field_topic
    from ringtide_engine.render.metrics import METRICS
    from ringtide_engine.render.reasons import REASONS

    schemas = _schemas()
    topic = field_topic(name, schemas)
    if topic is None:
        exit_names = (f"exit-{code}" for code in EXIT_CODES)
        known = (*_rule_tables(), *rule_names(fleet), *REASONS, *METRICS, *exit_names, *schemas.kinds, *schemas.folders)
        raise click.UsageError(f"nothing here is called {name[:80]!r}{_meant(name, known)}")
    if isinstance(topic, UnknownField):
        hint = _meant(topic.field, topic.known) or f"; it has {', '.join(topic.known) or 'no fields'}"
        raise click.UsageError(f"{topic.within} has no field {topic.field[:80]!r}{hint}")
    return topic


def _schemas() -> "Schemas":
    import json

    from ringtide_engine.load.layout import FOLDERS
    from ringtide_engine.load.schemas import SCHEMA_FILES, SHARED, schema_text
    from ringtide_engine.render.explain_field import Schemas

    return Schemas(
        kinds={kind: json.loads(schema_text(file)) for kind, file in SCHEMA_FILES.items()},
        shared=json.loads(schema_text(SHARED))["definitions"],
        folders={**FOLDERS, **_OTHER_FOLDERS},
    )


def _meant(name: str, known: Iterable[str]) -> str:
    from ringtide_engine.render.explain import nearest

    near = nearest(name, known)
    return f"; did you mean {' or '.join(near)}?" if near else ""
