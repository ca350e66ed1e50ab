"""Mistakes of the caller: exit codes, one line, no traceback; and `--help` of every verb."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from ringtide_engine.cli.main import VERBS, ringtide


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


@pytest.mark.parametrize("verb", VERBS)
def test_help_names_every_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    from ringtide_engine.cli.main import run

    for words, command in commands(ringtide):
        if words[0] != verb:
            continue
        assert run([*words, "--help"]) == 0
        shown = capsys.readouterr().out
        assert command.help is not None
        for option in (each for each in command.params if isinstance(each, click.Option)):
            assert option.opts[-1] in shown
            assert option.help, f"ringtide {' '.join(words)} says nothing of {option.opts[-1]}"


WRITING = {
    ("init",), ("key", "new"), ("key", "establish"), ("device", "add"), ("device", "hold"), ("device", "release"),
    ("device", "retire"), ("publish",), ("ingest",), ("advance",), ("reports", "guard"),
}  # fmt: skip


def test_every_writing_verb_can_run_dry() -> None:
    dry = {words for words, command in commands(ringtide) if any("--dry-run" in each.opts for each in command.params)}
    assert dry >= WRITING


@pytest.mark.parametrize(
    "arguments",
    [
        ("publish",),
        ("publish", "--statement-keys", "a", "--tuf-keys", "b", "--plan", "abc"),
        ("publish", "--statement-keys", "a", "--tuf-keys", "b", "--plan", "0" * 64, "--accept-unreviewed-plan"),
        ("publish", "--statement-keys", "a", "--tuf-keys", "b", "--refresh", "--accept-unreviewed-plan"),
        ("plan", "-o", "xml"),
        ("key", "new", "master", "a"),
        ("key", "establish", "--targets", "a", "--statement", "b", "--epoch", "0"),
        ("device", "add"),
        ("advance", "--reports", ".", "--tuf-keys", "a"),
        ("verify", "a", "b"),
    ],
)
def test_usage_has_its_own_exit_code(person: Any, arguments: tuple[str, ...]) -> None:
    said = person.ringtide(*arguments, code=64)
    assert "Error: " in said.err
    assert said.out == ""


def test_bad_places_are_one_line_each(person: Any, tmp_path: Path) -> None:
    plain, file, missing = tmp_path / "plain", tmp_path / "file", tmp_path / "missing"
    plain.mkdir()
    file.write_text("x")
    keys = ("--statement-keys", missing, "--tuf-keys", missing)
    for folder in (plain, missing, file):
        for words in (("plan", "-C", folder), ("verify", folder), ("publish", "-C", folder, *keys)):
            assert "is not a Git repository" in person.ringtide(*words, code=1).err
    for words, reason in (
        (("publish", "-C", person.fleet, *keys), "is not a folder of keys"),
        (("publish", "-C", person.fleet, "--statement-keys", plain, "--tuf-keys", plain), "holds no statement.pem"),
        (("key", "list", missing), "is not a folder of keys"),
        (("key", "list", plain), "holds no .pub file"),
        (("key", "new", "tuf", file / "deep"), "cannot write keys"),
        (("key", "establish", "-C", plain, "--targets", plain, "--statement", plain), "fleet.yaml"),
        (("device", "add", missing, "-C", person.fleet), "cannot read"),
        (("device", "add", plain, "-C", person.fleet), "cannot read"),
        (("device", "list", "-C", missing), "is not a folder"),
        (("device", "hold", "cam-1", "-C", file), "is not a folder"),
        (("verify", person.fleet), "has no trust/1.root.json"),
        (("verify", person.fleet, "--root", missing), "cannot read"),
        (("verify", missing.as_uri()), "git fetch failed"),
        (("plan", "-C", person.fleet, "--base", "nowhere"), "names no commit"),
        (("plan", "-C", person.fleet, "--head", "--upload-pack=x"), "names no commit"),
    ):
        said = person.ringtide(*words, code=1)
        assert reason in said.err
        assert said.out == ""


def test_publishing_before_the_ceremony_says_what_to_do(person: Any) -> None:
    person.make_keys()
    assert "write it with `ringtide key establish`" in person.publish("--accept-unreviewed-plan", code=1).err
    assert person.published() is None


def test_a_bare_repository_is_planned_by_commit(running: Any, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    running.git("clone", "--quiet", "--bare", str(running.fleet), str(bare), at=tmp_path)
    assert "name a commit with --head" in running.ringtide("plan", "-C", bare, code=1).err
    assert "no changes" in running.ringtide("plan", "-C", bare, "--head", "main").err


def test_broken_yaml_is_a_finding(running: Any) -> None:
    (running.fleet / "fleet.yaml").write_text("name: [")
    keys = running.folder / "keys"
    for words in (
        ("plan", "-C", running.fleet),
        ("device", "list", "-C", running.fleet),
        ("device", "hold", "cam-1", "-C", running.fleet),
        ("key", "establish", "-C", running.fleet, "--targets", keys / "targets", "--statement", keys / "statement"),
    ):
        assert "fleet.yaml:2:1: error[RT-YAML-003]" in running.ringtide(*words, code=3).err
