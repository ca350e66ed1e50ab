"""The desired state holds what the files say, with defaults written once."""

import json
from datetime import timedelta
from fractions import Fraction

import pytest

from fakes.bad_fleets import Edit, edited
from fakes.fleet_files import device_ids, device_key, fleet_files
from ringtide_contract.ids import DeviceId
from ringtide_contract.membership import EVERYBODY
from ringtide_engine.load.desired import load_desired
from ringtide_engine.load.rings import SILENCE_GATE
from ringtide_engine.model.desired import DesiredState, Expression

PROGRESS = """\
apiVersion: ringtide/v1
kind: Progress
rollout: digits-1.1.0
candidate: "1.1.0"
stable: null
phase: rolling
control: {edge-s: "ffffffffffffffff"}
rings:
  - {name: canary, openedAt: 2026-11-23T09:00:00Z, cohort: null, cuts: {edge-s: "10000000000000000"}}
last: {kind: hold, reasons: [soak], at: 2026-11-23T10:00:00Z, evidence: progress/digits-1.1.0/0001.json}
"""


def loaded(files: dict[str, bytes]) -> DesiredState:
    result = load_desired(files)
    assert result.state is not None, result.findings
    return result.state


def test_the_files_become_values() -> None:
    state = loaded(fleet_files(rollout="1.1.0"))
    assert state.fleet.probation.max_failure_ppm == 10_000
    assert tuple(state.devices) == tuple(sorted(device_ids()))
    assert state.hardware["edge-s"].memory_bytes == 384 * 2**20
    assert state.cohorts["eu"].selector.expressions == (Expression(key="region", operator="In", values=("eu",)),)
    canary = state.ring_plans["standard"].rings[0]
    assert (canary.share, canary.soak, canary.quorum) == (Fraction(1, 4), timedelta(hours=1), Fraction(9, 10))
    assert state.releases["digits", "1.1.0"].variants[1].golden_tolerance_ppm == 50_000
    assert state.rollouts["digits-1.1.0"].candidate == "1.1.0"


def test_the_gate_on_silence_is_added_only_where_none_is_written() -> None:
    files = fleet_files()
    assert SILENCE_GATE in loaded(files).ring_plans["standard"].rings[0].gates
    mine = edited(
        files,
        {"rings/standard.yaml": ("metric: updateSuccess, compare: atLeast", "metric: wentSilent, compare: atMost")},
    )
    gates = loaded(mine).ring_plans["standard"].rings[0].gates
    assert SILENCE_GATE not in gates
    assert [gate.metric for gate in gates] == ["wentSilent", "inferenceSuccess"]


def test_json_lines_and_yaml_files_give_the_same_devices() -> None:
    files = fleet_files(12)
    yaml_devices = loaded(files).devices
    lines = [
        json.dumps(
            {"id": each.id, "publicKey": "PEM", "hardwareClass": each.hardware_class, "labels": dict(each.labels)}
        )
        for each in yaml_devices.values()
    ]
    from ringtide_contract.keys import public_pem

    text = "".join(
        f"{line.replace('PEM', public_pem(device_key(name).public_key()).replace(chr(10), chr(92) + 'n'))}\n\n"
        for name, line in zip(yaml_devices, lines, strict=True)
    )
    sharded = {path: content for path, content in files.items() if not path.startswith("devices/")}
    line_devices = loaded({**sharded, "devices/a.jsonl": text.encode()}).devices
    assert {
        (each.id, each.hardware_class, tuple(each.labels.items()), each.state) for each in line_devices.values()
    } == {(each.id, each.hardware_class, tuple(each.labels.items()), each.state) for each in yaml_devices.values()}
    assert line_devices[DeviceId("edge-m-0002")].public_key == yaml_devices[DeviceId("edge-m-0002")].public_key


def test_a_line_of_an_inventory_is_held_to_the_same_schema() -> None:
    files = fleet_files(60)
    text = files["devices/all.jsonl"].decode().replace('"state": "active"', '"state": "activ"', 1)
    (found,) = load_desired({**files, "devices/all.jsonl": text.encode()}).findings
    assert (found.rule, str(found.place), found.fix) == (
        "RT-SCHEMA-001",
        "devices/all.jsonl:1:1",
        "Did you mean active?",
    )


def test_what_the_judge_writes_is_read() -> None:
    state = loaded({**fleet_files(rollout="1.1.0"), "progress/digits-1.1.0.yaml": PROGRESS.encode()})
    assert state.progress["digits-1.1.0"].rings[0].cuts == {"edge-s": EVERYBODY}


@pytest.mark.parametrize(
    "path",
    ["README.md", "progress/digits-1.1.0/0001.json", "trust/1.root.json", ".github/workflows/check.yml", "notes/a.yaml",
     "policies/ours/samples/disallowed/bad.yaml", ".pre-commit-config.yaml", "incidents/digits-0001.md"],
)  # fmt: skip
def test_files_that_are_not_ours_are_passed_over(path: str) -> None:
    assert load_desired({**fleet_files(), path: b"\xff: [not, yaml"}).findings == ()


@pytest.mark.parametrize(
    ("path", "edit", "place", "message"),
    [
        ("cohorts/eu.yaml", ("region: eu", "region: no"), None, ""),
        ("cohorts/eu.yaml", ("    region: eu", "    -x: eu"), "cohorts/eu.yaml:6:5", 'a key is "-x", not a label name'),
        ("cohorts/eu.yaml", ("  matchLabels:\n    region: eu", "  {}"), "cohorts/eu.yaml:5:3", "selector is empty"),
        (
            "cohorts/all.yaml",
            ("      values: [edge-s, edge-m, edge-l]\n", ""),
            "cohorts/all.yaml:6:7",
            "In takes values",
        ),
        ("rings/standard.yaml", ("share: 25%", "share: 125%"), "rings/standard.yaml:8:12", "125% is above 100%"),
        ("rings/standard.yaml", ("control: 5%", "control: 60%"), "rings/standard.yaml:5:10", "60% is above 50%"),
        (
            "rings/standard.yaml",
            ("    gates:", '    windows: [{days: [mon], from: "02:00", to: "05:00", zone: Mars/Base}]\n    gates:'),
            "rings/standard.yaml:14:15",
            "'Mars/Base' is not a known IANA time zone",
        ),
        ("models/digits/1.1.0.yaml", ('">=1.20"', '"1.20"'), "models/digits/1.1.0.yaml:9:18", "is not a version range"),
        (
            "fleet.yaml",
            ("file:///srv/models", "./models"),
            "fleet.yaml:6:11",
            "an absolute file://, https://, http://, s3:// or oci://",
        ),
        (
            "devices/edge-s-0001.yaml",
            ("region: eu", "region: 7"),
            "devices/edge-s-0001.yaml:11:11",
            "the number 7, not text",
        ),
        (
            "models/digits/1.1.0.yaml",
            ('version: "1.1.0"', 'version: "1.1.1"'),
            "models/digits/1.1.0.yaml:4:10",
            "the name is",
        ),
    ],
)
def test_values_are_refused_where_they_stand(path: str, edit: Edit, place: str | None, message: str) -> None:
    findings = load_desired(edited(fleet_files(), {path: edit})).findings
    assert [str(each.place) for each in findings] == ([place] if place else [])
    assert all(message in each.message for each in findings)


def test_loading_does_not_depend_on_the_order_of_files() -> None:
    files = fleet_files(rollout="1.1.0")
    turned = dict(reversed(files.items()))
    assert load_desired(files) == load_desired(turned)


@pytest.mark.parametrize("alpha", ["0%", "100%"])
def test_a_chance_of_a_wrong_answer_is_neither_none_nor_certain(alpha: str) -> None:
    """Nothing proves with no chance of error; the judge would stop at the logarithm of zero."""
    gate = ("metric: updateSuccess, compare: atLeast", f"alpha: {alpha}, metric: updateSuccess, compare: atLeast")
    result = load_desired(edited(fleet_files(), {"rings/standard.yaml": gate}))
    assert any("no chance of a wrong answer" in finding.message for finding in result.findings)
