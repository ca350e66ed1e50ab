"""From an empty folder to a device that is retired: every verb in the order of a day's work."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from ringtide_agent.cli import main as agent
from ringtide_engine.cli.init import NEXT_STEPS
from ringtide_engine.cli.main import ringtide


def test_from_init_to_a_retired_device(person: Any) -> None:
    person.make_keys()
    assert person.establish().out.split() == ["trust/1.root.json", "trust/1.targets.json", "trust/trust-policy.json"]
    for device in ("cam-1", "cam-2"):
        added = person.ringtide("device", "add", "-C", person.fleet, person.device(device))
        assert added.out == f"devices/{device}.yaml\n"
    person.edit("placements/digits.yaml", "release: null", 'release: "1.0.0"')
    assert person.ringtide("check", person.fleet).err == "passed: no findings\n"

    planned = person.ringtide("plan", "-C", person.fleet, "--detailed-exitcode", code=2)
    assert "2 of 2 devices change now" in planned.out
    table = planned.out.split("\n\n")[1].splitlines()[:2]
    columns, row = (re.split(r"  +", line.strip()) for line in table)
    assert columns[:10] == ["CAUSE", "RING", "MODEL", "FROM", "TO", "NOW", "LATER", "HELD", "PINNED", "TO FETCH"]
    assert row[:9] == ["placement digits", "-", "digits", "-", "1.0.0", "2", "0", "0", "0"]
    assert re.fullmatch(r"\d+\.\d (KiB|MiB)", row[9])
    source = person.commit()
    digest = person.plan_digest()

    published = person.publish("--plan", digest)
    assert "published generation 1\n" in published.out
    assert f"  source {source}\n" in published.out
    verified = person.ringtide("verify", person.fleet, "--root", person.fleet / "trust/1.root.json")
    assert "generation 1 of epoch 1" in verified.out
    assert "devices 2 accept it" in verified.out
    assert f"source  {source}, compiles to the same tree" in verified.out

    newest = person.published()
    assert "unchanged: generation 1" in person.publish().out
    assert person.published() == newest
    assert person.ringtide("plan", "-C", person.fleet, "--detailed-exitcode").err == "no changes\n"

    person.ringtide("device", "retire", "-C", person.fleet, "cam-2")
    retired = person.ringtide("plan", "-C", person.fleet, "--detailed-exitcode", code=2)
    row = next(re.split(r"  +", line) for line in retired.out.splitlines() if line.startswith("no longer served"))
    assert row[:9] == ["no longer served", "-", "digits", "1.0.0", "-", "1", "0", "0", "0"]
    person.commit()
    assert "published generation 2" in person.publish("--plan", person.plan_digest()).out
    assert "devices 1 accept it" in person.ringtide("verify", person.fleet).out


def test_what_the_agent_prints_is_what_device_add_takes(
    person: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.make_keys()
    person.establish()
    address = tmp_path.as_uri()
    person.capsys.readouterr()
    monkeypatch.setattr(sys, "argv", [
        "ringtide-agent", "enroll", "--fleet", "example-fleet", "--device", "cam-1", "--hardware-class", "edge-s",
        "--root", str(person.fleet / "trust/1.root.json"), "--publication", address, "--reports", address,
        "--state-dir", str(tmp_path / "state"), "--label", "site=laboratory",
    ])  # fmt: skip
    with pytest.raises(SystemExit) as left:
        agent()
    assert not left.value.code
    document = person.capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(document.encode())))
    person.ringtide("device", "add", "-", "-C", person.fleet)
    modeline, _, written = (person.fleet / "devices/cam-1.yaml").read_text().partition("\n")
    assert modeline == "# yaml-language-server: $schema=../.ringtide/schemas/device.json"
    assert written == document
    (listed,) = json.loads(person.ringtide("device", "list", "-C", person.fleet, "-o", "json").out)
    assert (listed["id"], listed["labels"], listed["stratum"]) == ("cam-1", {"site": "laboratory"}, "edge-s")


def test_init_names_only_verbs_and_options_that_exist() -> None:
    named = re.findall(r"(?<!-)\bringtide ((?:[a-z]+ ?)+)(.*)", NEXT_STEPS)
    assert [words.split()[0] for words, _ in named][-2:] == ["plan", "publish"]
    for words, rest in named:
        command: click.Command = ringtide
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"ringtide {words}"
            command = found
        options = {option for each in command.params for option in each.opts}
        assert set(re.findall(r"--[a-z-]+", rest.partition("   ")[0])) <= options, f"ringtide {words}"
