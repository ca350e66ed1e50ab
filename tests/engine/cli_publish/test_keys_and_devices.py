"""`ringtide key` and `ringtide device`: what they write, and what they leave alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.fleet_files import device_key
from ringtide_contract.keys import public_pem
from ringtide_contract.trust_policy import TrustPolicy
from ringtide_engine import wiring
from ringtide_engine.cli.key import new_command


def test_keys_are_private_and_never_overwritten(person: Any, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert person.ringtide("key", "new", "statement", folder, "--dry-run").out.split() == [
        str(folder / "statement.pem"), str(folder / "statement.pub")
    ]  # fmt: skip
    assert not folder.exists()
    person.ringtide("key", "new", "statement", folder)
    before = (folder / "statement.pem").read_bytes()
    assert (folder / "statement.pem").stat().st_mode & 0o777 == 0o600
    assert "never overwritten" in person.ringtide("key", "new", "statement", folder, code=1).err
    assert (folder / "statement.pem").read_bytes() == before


def test_private_keys_are_kept_out_of_repositories(person: Any) -> None:
    said = person.ringtide("key", "new", "root", person.fleet / "deep/keys", code=1)
    assert f"is within the repository {person.fleet}" in said.err
    assert not (person.fleet / "deep").exists()


def test_every_custody_can_be_chosen() -> None:
    (choice,) = (each.type for each in new_command.params if each.name == "custody")
    assert set(choice.choices) == set(wiring.custodies())  # type: ignore[attr-defined]


def test_key_list_gives_the_hints_that_the_trust_policy_names(person: Any, tmp_path: Path) -> None:
    person.make_keys()
    person.establish()
    listed = json.loads(person.ringtide("key", "list", tmp_path / "keys/statement", "-o", "json").out)
    policy = TrustPolicy.decode((person.fleet / "trust/trust-policy.json").read_bytes())
    assert {each["hint"] for each in listed} == set(policy.statement_keys)
    assert (policy.fleet, policy.epoch) == ("example-fleet", 1)
    assert person.ringtide("key", "list", tmp_path / "keys/root").out.splitlines()[1].startswith("root-1  ")


def test_a_dry_ceremony_writes_nothing(person: Any) -> None:
    person.make_keys()
    assert "trust/1.root.json" in person.establish("--dry-run").out
    assert not (person.fleet / "trust").exists()


def test_a_new_statement_key_needs_the_targets_keys_alone(person: Any, tmp_path: Path) -> None:
    person.make_keys()
    person.establish()
    old, keys = person.fleet / "trust/1.root.json", tmp_path / "keys"
    before = old.read_bytes()
    person.ringtide("key", "new", "statement", tmp_path / "next")
    said = person.ringtide(
        "key", "establish", "-C", person.fleet, "--targets", keys / "targets",
        "--statement", keys / "statement", "--statement", tmp_path / "next", "--epoch", "2",
    )  # fmt: skip
    assert said.out.split() == ["trust/2.targets.json", "trust/trust-policy.json"]
    policy = TrustPolicy.decode((person.fleet / "trust/trust-policy.json").read_bytes())
    assert (policy.epoch, len(policy.statement_keys)) == (2, 2)
    assert old.read_bytes() == before


def test_a_new_root_is_signed_by_the_old_one_too(person: Any, tmp_path: Path) -> None:
    person.make_keys()
    person.establish()
    next_root = tmp_path / "next-root"
    person.ringtide("key", "new", "root", next_root)
    again = ("--root", next_root)  # the later of two options counts
    assert "keys of the previous root must sign" in person.establish(*again, code=1).err
    assert not (person.fleet / "trust/2.root.json").exists()
    person.establish(*again, "--sign-with", tmp_path / "keys/root")
    assert (person.fleet / "trust/2.root.json").exists()


def test_a_device_is_never_overwritten(person: Any) -> None:
    document = person.device("cam-1")
    path = person.fleet / "devices/cam-1.yaml"
    assert person.ringtide("device", "add", "-C", person.fleet, document, "--dry-run").out == "devices/cam-1.yaml\n"
    assert not path.exists()
    person.ringtide("device", "add", "-C", person.fleet, document)
    before = path.read_bytes()
    document.write_text(document.read_text().replace("edge-m", "edge-l"))
    assert "is there already" in person.ringtide("device", "add", "-C", person.fleet, document, code=1).err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("kind: Device", "kind: Cohort", "RT-SCHEMA-005"),
        ("hardwareClass: edge-m", "hardwareClass: edge-x", "RT-REF-"),
        ("state: active", "state: [", "RT-YAML-003"),
        ("id: cam-1", "id: ../evil", "RT-SCHEMA-"),
        ("BEGIN PUBLIC KEY", "BEGIN A KEY", "RT-"),
    ],
)
def test_a_document_that_is_no_device_of_this_fleet_is_refused_with_its_place(
    person: Any, old: str, new: str, rule: str
) -> None:
    document = person.device("cam-1")
    document.write_text(document.read_text().replace(old, new))
    said = person.ringtide("device", "add", "-C", person.fleet, document, code=3)
    assert f"error[{rule}" in said.err
    assert said.err.startswith(f"{document}:")
    assert not (person.fleet / "devices").exists()


def test_the_key_of_another_device_is_refused(person: Any) -> None:
    person.ringtide("device", "add", "-C", person.fleet, person.device("cam-1"))
    document = person.device("cam-2")
    document.write_text((person.fleet / "devices/cam-1.yaml").read_text().replace("cam-1", "cam-2"))
    assert "RT-DEVICE-002" in person.ringtide("device", "add", "-C", person.fleet, document, code=3).err


WRITTEN = """\
# bought in spring
apiVersion: ringtide/v1
kind: Device
id: cam-1     # by the door
{state}hardwareClass: edge-m
publicKey: |
{pem}labels: {{site: laboratory}}   # will move
"""


@pytest.mark.parametrize(
    ("state", "held"),
    [
        ("state: active   # for now\n", "state: held   # for now\n"),
        ('state:   "active"\n', 'state:   "held"\n'),
        ("", "state: held\n"),
    ],
)
def test_a_state_is_replaced_and_every_comment_stays(person: Any, state: str, held: str) -> None:
    pem = "".join(f"  {line}\n" for line in public_pem(device_key("cam-1").public_key()).splitlines())
    path = person.fleet / "devices/cam-1.yaml"
    path.parent.mkdir()
    path.write_text(WRITTEN.format(state=state, pem=pem))
    assert person.ringtide("device", "hold", "-C", person.fleet, "cam-1", "--dry-run").out == (
        "devices/cam-1.yaml: active -> held\n"
    )
    assert path.read_text() == WRITTEN.format(state=state, pem=pem)
    person.ringtide("device", "hold", "-C", person.fleet, "cam-1")
    assert path.read_text() == WRITTEN.format(state=held, pem=pem)
    assert person.ringtide("device", "hold", "-C", person.fleet, "cam-1").err == "cam-1 is held already\n"
    person.ringtide("device", "release", "-C", person.fleet, "cam-1")
    assert path.read_text() == WRITTEN.format(state=held.replace("held", "active"), pem=pem)


def test_a_state_in_an_inventory_is_replaced_in_its_line(person: Any) -> None:
    rows = [
        {"id": name, "publicKey": public_pem(device_key(name).public_key()), "hardwareClass": "edge-m"}
        for name in ("cam-1", "cam-2")
    ]
    path = person.fleet / "devices/all.jsonl"
    path.parent.mkdir()
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    first, _ = path.read_text().splitlines()
    person.ringtide("device", "retire", "-C", person.fleet, "cam-2")
    lines = path.read_text().splitlines()
    assert lines[0] == first
    assert json.loads(lines[1]) == {**rows[1], "state": "retired"}


def _paper(folder: Path, device: str, *keys: str) -> Path:
    """Write what `rotate-key` prints: the key that comes, and the one before where there is one."""
    fields = zip(("publicKey", "previousKey"), keys, strict=False)
    pems = "".join(f"{name}: |\n{_indented(public_pem(device_key(key).public_key()))}" for name, key in fields)
    path = folder / "paper.yaml"
    path.write_text(f"apiVersion: ringtide/v1\nkind: Device\nid: {device}\n{pems}hardwareClass: edge-m\n")
    return path


def _indented(pem: str) -> str:
    return "".join(f"  {line}\n" for line in pem.splitlines())


def test_keys_are_replaced_and_every_comment_stays(person: Any, tmp_path: Path) -> None:
    pems = {name: _indented(public_pem(device_key(name).public_key())) for name in ("cam-1", "next", "third")}
    path = person.fleet / "devices/cam-1.yaml"
    person.ringtide("device", "add", "-C", person.fleet, person.device("cam-1"))
    path.write_text(WRITTEN.format(state="state: held\n", pem=pems["cam-1"]))
    before, paper = path.read_bytes(), _paper(tmp_path, "cam-1", "next", "cam-1")
    assert person.ringtide("device", "rekey", "-C", person.fleet, paper, "--dry-run").out == "devices/cam-1.yaml\n"
    assert path.read_bytes() == before
    person.ringtide("device", "rekey", "-C", person.fleet, paper)
    both = f"{pems['next']}previousKey: |\n{pems['cam-1']}"
    assert path.read_text() == WRITTEN.format(state="state: held\n", pem=both)
    person.ringtide("device", "rekey", "-C", person.fleet, _paper(tmp_path, "cam-1", "third"))
    assert path.read_text() == WRITTEN.format(state="state: held\n", pem=pems["third"]), "an enrolment ends a rotation"


def test_keys_in_an_inventory_are_replaced_in_their_line(person: Any, tmp_path: Path) -> None:
    pems = {name: public_pem(device_key(name).public_key()) for name in ("cam-1", "cam-2", "next")}
    rows = [{"id": name, "publicKey": pems[name], "hardwareClass": "edge-m"} for name in ("cam-1", "cam-2")]
    path = person.fleet / "devices/all.jsonl"
    path.parent.mkdir()
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    first, _ = path.read_text().splitlines()
    person.ringtide("device", "rekey", "-C", person.fleet, _paper(tmp_path, "cam-2", "next", "cam-2"))
    lines = path.read_text().splitlines()
    assert lines[0] == first
    assert json.loads(lines[1]) == {**rows[1], "publicKey": pems["next"], "previousKey": pems["cam-2"]}


def test_a_key_goes_to_a_device_of_the_fleet_only_and_to_one(person: Any, tmp_path: Path) -> None:
    for name in ("cam-1", "cam-2"):
        person.ringtide("device", "add", "-C", person.fleet, person.device(name))
    stranger = _paper(tmp_path, "cam-3", "next")
    assert "has no device cam-3" in person.ringtide("device", "rekey", "-C", person.fleet, stranger, code=1).err
    for keys in (("cam-2",), ("next", "cam-2")):
        person.ringtide("device", "rekey", "-C", person.fleet, _paper(tmp_path, "cam-1", *keys))
        assert "RT-DEVICE-002" in person.ringtide("check", person.fleet, code=3).out


def test_a_retired_device_does_not_come_back(person: Any) -> None:
    person.ringtide("device", "add", "-C", person.fleet, person.device("cam-1"))
    person.ringtide("device", "retire", "-C", person.fleet, "cam-1")
    for verb in ("hold", "release"):
        assert "enrolment under another id" in person.ringtide("device", verb, "-C", person.fleet, "cam-1", code=1).err
    assert "has no device cam-2" in person.ringtide("device", "hold", "-C", person.fleet, "cam-2", code=1).err


def test_the_list_shows_files_that_nobody_committed(person: Any) -> None:
    assert person.ringtide("device", "list", "-C", person.fleet).err == "no device is enrolled yet\n"
    person.ringtide("device", "add", "-C", person.fleet, person.device("cam-1", labels="{site: laboratory}"))
    assert person.ringtide("device", "list", "-C", person.fleet, "-o", "name").out == "cam-1\n"
    heads, row = person.ringtide("device", "list", "-C", person.fleet).out.splitlines()
    assert heads.split() == ["ID", "HARDWARECLASS", "STATE", "LABELS", "CLASS", "STRATUM"]
    assert row.split()[:4] == ["cam-1", "edge-m", "active", "site=laboratory"]


def test_devices_that_the_head_of_main_calls_active_are_certified(established: Any, tmp_path: Path) -> None:
    keys, folder = tmp_path / "devices-key", tmp_path / "site"
    command = ("device", "certify", folder, "-C", established.fleet, "--keys", keys)
    assert "is not a folder of keys" in established.ringtide(*command, code=1).err
    established.ringtide("key", "new", "devices", keys)
    assert established.ringtide(*command, "--dry-run").out.splitlines() == ["issued cam-1", "issued cam-2"]
    assert not folder.exists()
    said = established.ringtide(*command)
    assert said.err.strip() == "2 issued, 0 kept, 0 withdrawn"
    assert sorted(path.name for path in folder.iterdir()) == ["authority.pem", "cam-1.pem", "cam-2.pem"]
    established.ringtide("device", "hold", "cam-1", "-C", established.fleet)
    assert established.ringtide(*command).err.strip() == "0 issued, 2 kept, 0 withdrawn", "held, but not merged"
    established.commit()
    assert established.ringtide(*command).out.splitlines() == ["withdrawn cam-1"]
    assert sorted(path.name for path in folder.iterdir()) == ["authority.pem", "cam-2.pem"]
    (keys / "devices.pem").chmod(0o644)
    assert "is open to others" in established.ringtide(*command, code=1).err
