"""One bad fleet for every built-in finding: what is changed in a valid fleet, and what must be found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from fakes.fleet_files import fleet_files
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.workflows.check import CheckOutcome, check

TODAY = date(2026, 11, 23)

Edit = tuple[str, str] | str | bytes | None
"""Text and its replacement, a whole new file, or None to remove the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFleet:
    """A change that is found out."""

    rule: str
    """Rule that finds it."""
    edits: Mapping[str, Edit]
    """Path to edit of a valid fleet."""
    at: str
    """`path:line:column` of the finding."""
    message: str
    """Its message."""
    fix: str
    """Its fix."""
    also: tuple[str, ...] = ()
    """Rules of the other findings that the same change deserves."""
    fleet: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `fleet_files`."""
    judged: Mapping[str, str] = field(default_factory=dict)
    """Files of the judge that the valid fleet has besides."""
    base: bool = False
    """Whether the valid fleet is the base of the change."""


def edited(files: Mapping[str, bytes], edits: Mapping[str, Edit]) -> dict[str, bytes]:
    """Return the files with the edits; every edit must change something."""
    result = dict(files)
    for path, edit in edits.items():
        match edit:
            case None:
                del result[path]
            case (old, new):
                assert old.encode() in result[path], f"{path} has no {old!r}"
                result[path] = result[path].replace(old.encode(), new.encode(), 1)
            case str():
                result[path] = edit.encode()
            case bytes():
                result[path] = edit
    assert result != files, "the edits change nothing"
    return result


def check_bad(bad: BadFleet) -> CheckOutcome:
    """Check a bad fleet."""
    files = fleet_files(**bad.fleet) | {path: text.encode() for path, text in bad.judged.items()}
    return check(edited(files, bad.edits), files if bad.base else None, TODAY, CelConditions())


COHORT = """\
apiVersion: ringtide/v1
kind: Cohort
name: {name}
selector: {{matchLabels: {{{label}}}}}
"""
PLACEMENT = """\
apiVersion: ringtide/v1
kind: Placement
name: {name}
model: digits
cohort: {cohort}
release: "1.0.0"
"""
ROLLOUT = """\
apiVersion: ringtide/v1
kind: Rollout
name: {name}
placement: digits-everywhere
candidate: "{candidate}"
ringPlan: standard
"""
AGENT_RELEASE = """\
apiVersion: ringtide/v1
kind: Release
model: ringtide-agent
version: "0.2.0"
variants:
  - name: x86_64
    file: {name: agent.tar.gz, sha256: "52ab00fed3ff7c0d1260afc8b6331fa5d6ca25f427536023da1150dd65cee5c9", size: 50886665, store: models}
    arch: x86_64
    opset: 1
    onnxruntime: "==1.32.0"
    executionProviders: [CPUExecutionProvider]
    memory: 128MiB
    goldenTolerance: 0.000000
inputs: []
outputs: []
budgets:
  edge-s: {p95Latency: 200ms, peakMemory: 384MiB}
  edge-m: {p95Latency: 100ms, peakMemory: 512MiB}
  edge-l: {p95Latency: 50ms, peakMemory: 512MiB}
licence: Apache-2.0
riskTier: low
"""
AGENT_PLACEMENT = """\
apiVersion: ringtide/v1
kind: Placement
name: agent
model: ringtide-agent
cohort: all
release: null
"""
AGENT_ROLLOUT = """\
apiVersion: ringtide/v1
kind: Rollout
name: agent-0.2.0
placement: agent
candidate: "0.2.0"
ringPlan: standard
"""
FREEZE = """\
freezes:
  - {{from: "2026-12-20", to: "{to}", zone: {zone}, reason: Holidays}}
"""
STOPS = 'paused: {by: "@a", reason: Look}\nabort: {by: "@b", reason: Stop}\n'
QUARANTINE = """\
apiVersion: ringtide/v1
kind: QuarantineEntry
subject: release
model: digits
release: "{release}"
graphs: []
reason: wrong answers on 3 devices
"""
PROGRESS = """\
apiVersion: ringtide/v1
kind: Progress
rollout: digits-{release}
candidate: "{release}"
stable: {stable}
phase: {phase}
control: {{}}
rings: [{rings}]
last: {{kind: promote, reasons: [], at: {at}, evidence: progress/digits-{release}/0001.json}}
"""
WAIVER = """\
apiVersion: ringtide/v1
kind: Waiver
name: exception
rule: {rule}
scope: ["{scope}"]
reason: accepted for the trial until spring
owner: safety@example.org
expires: {expires}
"""
RULE = """\
apiVersion: ringtide/v1
kind: Rule
id: {rule}
title: A rule of our own.
selects: Placement
condition: {condition}
message: "{{name}} is wrong"
fix: Mend it.
"""
PLAN = """\
apiVersion: ringtide/v1
kind: RingPlan
name: other
control: {control}
rings:
{rings}"""


def plan(*rings: str, control: str = "5%") -> str:
    """Write a ring plan; each ring is the text of a flow mapping without soak and deadline."""
    return PLAN.format(control=control, rings="".join(f"  - {{{ring}, soak: 1h, deadline: 3d}}\n" for ring in rings))


def judged(release: str, phase: str, *rings: str, at: str = "2026-11-22T10:00:00Z") -> dict[str, str]:
    """Write the progress of the rollout `digits-<release>` with these rings open."""
    opened = ", ".join(f"{{name: {ring}, openedAt: {at}, cuts: {{}}, cohort: null}}" for ring in rings)
    stable = f'"{release}"' if phase == "completed" else "null"
    text = PROGRESS.format(release=release, phase=phase, stable=stable, rings=opened, at=at)
    return {f"progress/digits-{release}.yaml": text}


POLICIES = "policies/fleet.yaml"
RINGS = "rings/other.yaml"
EU = "cohorts/eu.yaml"
RELEASE = "models/digits/1.1.0.yaml"
ROLL = "rollouts/digits-1.1.0.yaml"
DEVICE = "devices/edge-s-0001.yaml"
PLACED = "placements/digits-everywhere.yaml"
TEXT_OF_DEVICE = fleet_files()[DEVICE].decode()
ROLLING = {"rollout": "1.1.0"}

BAD_FLEETS: tuple[BadFleet, ...] = (
    BadFleet(
        rule="RT-FILE-001",
        edits={"rings/more/x.yaml": "a: 1\n"},
        at="rings/more/x.yaml:1:1",
        message="nothing reads it within rings/",
        fix="Move it into a folder that ringtide reads.",
    ),
    BadFleet(
        rule="RT-FILE-002",
        edits={"ring/standard.yaml": "a: 1\n"},
        at="ring/standard.yaml:1:1",
        message="ringtide reads no folder ring/",
        fix="Did you mean rings?",
    ),
    BadFleet(
        rule="RT-FILE-003",
        edits={"fleet.yaml": None},
        at="fleet.yaml:1:1",
        message="there is no fleet.yaml",
        fix="Write fleet.yaml; `ringtide init` makes an example.",
    ),
    BadFleet(
        rule="RT-FILE-005",
        edits={"devices/Berlin.jsonl": "", "devices/berlin.jsonl": ""},
        at="devices/berlin.jsonl:1:1",
        message="devices/berlin.jsonl and devices/Berlin.jsonl are one file on some machines",
        fix="Rename one of them.",
    ),
    BadFleet(
        rule="RT-FILE-006",
        edits={"devices/aux.jsonl": ""},
        at="devices/aux.jsonl:1:1",
        message="Windows gives the name aux.jsonl to a device",
        fix="Rename it; letters, digits, '.', '_' and '-' do everywhere.",
    ),
    BadFleet(
        rule="RT-YAML-001",
        edits={EU: b"apiVersion: ringtide/v1\nname: \xff\n"},
        at="cohorts/eu.yaml:2:7",
        message="the byte 0xff is not UTF-8",
        fix="Save the file as UTF-8.",
    ),
    BadFleet(
        rule="RT-YAML-002",
        edits={EU: b"#" * 1_000_001},
        at="cohorts/eu.yaml:1:1",
        message="1000001 bytes where at most 1000000 are read",
        fix="Split the file; large inventories go into devices/*.jsonl.",
    ),
    BadFleet(
        rule="RT-YAML-003",
        edits={EU: "name: [eu\nkind: Cohort\n"},
        at="cohorts/eu.yaml:2:5",
        message="did not find expected ',' or ']' while parsing a flow sequence",
        fix="Mend the syntax at this place.",
    ),
    BadFleet(
        rule="RT-YAML-004",
        edits={EU: ("kind: Cohort", "---\nkind: Cohort")},
        at="cohorts/eu.yaml:2:1",
        message="a second document begins here",
        fix="Put every document into a file of its own.",
    ),
    BadFleet(
        rule="RT-YAML-005",
        edits={EU: ("name: eu", "name: eu\nname: us")},
        at="cohorts/eu.yaml:4:1",
        message="the key 'name' stands already in line 3",
        fix="Remove one of the two.",
    ),
    BadFleet(
        rule="RT-YAML-006",
        edits={EU: ("name: eu", "name: &name eu")},
        at="cohorts/eu.yaml:3:7",
        message="the anchor &name",
        fix="Write the value out.",
    ),
    BadFleet(
        rule="RT-YAML-007",
        edits={EU: ("name: eu", "name: !!str eu")},
        at="cohorts/eu.yaml:3:7",
        message="the tag tag:yaml.org,2002:str",
        fix="Remove the tag; quote the value where text is meant.",
    ),
    BadFleet(
        rule="RT-YAML-008",
        edits={EU: ("    region: eu", "    <<: {region: eu}")},
        at="cohorts/eu.yaml:6:5",
        message="the merge key <<",
        fix="Write the merged fields out.",
    ),
    BadFleet(
        rule="RT-YAML-009",
        edits={EU: ("region: eu", "region: " + "[" * 40)},
        at="cohorts/eu.yaml:6:42",
        message="deeper than 32 levels",
        fix="Flatten it.",
    ),
    BadFleet(
        rule="RT-YAML-010",
        edits={EU: ("region: eu", "1: eu")},
        at="cohorts/eu.yaml:6:5",
        message="the key 1 is not text",
        fix='Write "1".',
    ),
    BadFleet(
        rule="RT-YAML-011",
        edits={EU: ("region: eu", "region: .nan")},
        at="cohorts/eu.yaml:6:13",
        message=".nan is not a finite number",
        fix="Write another number, or quote it.",
    ),
    BadFleet(
        rule="RT-YAML-012",
        edits={EU: ("name: eu", "name: e\u202eu")},
        at="cohorts/eu.yaml:3:8",
        message="the sign U+202E is not seen by a reader",
        fix="Remove the sign; in a quoted value, write it as an escape.",
    ),
    BadFleet(
        rule="RT-SCHEMA-001",
        edits={"rings/standard.yaml": ("soak: 1h", "soak: an hour")},
        at="rings/standard.yaml:10:11",
        message='rings[0].soak is "an hour", not a duration such as 90s, 5m, 24h or 14d',
        fix="Write a duration such as 90s, 5m, 24h or 14d.",
    ),
    BadFleet(
        rule="RT-SCHEMA-002",
        edits={"rings/standard.yaml": ("quorum: 90%", "quorun: 90%")},
        at="rings/standard.yaml:12:5",
        message="unknown field quorun",
        fix="Did you mean quorum?",
    ),
    BadFleet(
        rule="RT-SCHEMA-003",
        edits={RELEASE: ("licence: Apache-2.0\n", "")},
        at="models/digits/1.1.0.yaml:1:1",
        message="the document lacks the field licence",
        fix="Add `licence:`.",
    ),
    BadFleet(
        rule="RT-SCHEMA-004",
        edits={ROLL: ('"1.1.0"', "1.10")},
        at="rollouts/digits-1.1.0.yaml:5:12",
        message="candidate is the number 1.10, not text",
        fix='Quote it: "1.10".',
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-SCHEMA-005",
        edits={EU: ("kind: Cohort", "kind: RingPlan")},
        at="cohorts/eu.yaml:2:7",
        message="kind is RingPlan, but cohorts/eu.yaml holds a Cohort",
        fix="Write `kind: Cohort`, or move the file.",
    ),
    BadFleet(
        rule="RT-REF-001",
        edits={EU: ("name: eu", "name: us")},
        at="cohorts/eu.yaml:3:7",
        message="the name is us, but the file is called eu.yaml",
        fix='Write "eu".',
    ),
    BadFleet(
        rule="RT-REF-002",
        edits={PLACED: ("cohort: all", "cohort: alll")},
        at="placements/digits-everywhere.yaml:5:9",
        message="there is no cohort alll",
        fix="Did you mean all?",
    ),
    BadFleet(
        rule="RT-REF-003",
        edits={ROLL: ("ringPlan: standard", "ringPlan: standart")},
        at="rollouts/digits-1.1.0.yaml:6:11",
        message="there is no ring plan standart",
        fix="Did you mean standard?",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-REF-004",
        edits={PLACED: ('"1.0.0"', '"1.0.1"')},
        at="placements/digits-everywhere.yaml:6:10",
        message="there is no release of digits 1.0.1",
        fix="Did you mean 1.0.0?",
    ),
    BadFleet(
        rule="RT-REF-005",
        edits={DEVICE: ("hardwareClass: edge-s", "hardwareClass: edge-xs")},
        at="devices/edge-s-0001.yaml:9:16",
        message="there is no hardware class edge-xs",
        fix="Did you mean edge-s?",
    ),
    BadFleet(
        rule="RT-REF-006",
        edits={ROLL: ("placement: digits-everywhere", "placement: nowhere")},
        at="rollouts/digits-1.1.0.yaml:4:12",
        message="there is no placement nowhere",
        fix="Name a file of placements/.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-REF-007",
        edits={RELEASE: ("size: 13148, store: models", "size: 13148, store: model")},
        at="models/digits/1.1.0.yaml:24:125",
        message="there is no artifact store model",
        fix="Did you mean models?",
    ),
    BadFleet(
        rule="RT-REF-008",
        edits={PLACED: ("model: digits", "model: letters")},
        at="placements/digits-everywhere.yaml:4:8",
        message="there is no model letters",
        fix="Add a release under models/<model>/.",
    ),
    BadFleet(
        rule="RT-DEVICE-001",
        edits={"devices/again.yaml": TEXT_OF_DEVICE},
        at="devices/edge-s-0001.yaml:3:5",
        message="the device edge-s-0001 stands also in devices/again.yaml",
        fix="Give every device an id of its own.",
    ),
    BadFleet(
        rule="RT-DEVICE-002",
        edits={"devices/twin.yaml": TEXT_OF_DEVICE.replace("edge-s-0001", "edge-s-0099")},
        at="devices/twin.yaml:4:12",
        message="edge-s-0099 has the public key of edge-s-0001, so either can speak as the other",
        fix="Enroll one of them again with a new key.",
    ),
    BadFleet(
        rule="RT-DEVICE-003",
        edits={
            DEVICE: (
                "state: active",
                'state: active\npins:\n  - {model: digits, release: "1.0.0"}\n  - {model: digits, release: "1.1.0"}',
            )
        },
        at="devices/edge-s-0001.yaml:16:5",
        message="edge-s-0001 is pinned twice for digits",
        fix="Keep one of the two pins.",
    ),
    BadFleet(
        rule="RT-DEVICE-004",
        edits={DEVICE: ("MFkw", "MFka")},
        at="devices/edge-s-0001.yaml:4:12",
        message="not a PEM public key",
        fix="Paste the PEM text that enrolment printed.",
    ),
    BadFleet(
        rule="RT-DEVICE-005",
        edits={EU: ("region: eu", "region: us")},
        at="fleet.yaml:3:7",
        message="no device is enrolled yet",
        fix="Enroll a device: `ringtide-agent enroll` prints what `ringtide device add` takes.",
        fleet={"devices": 0},
    ),
    BadFleet(
        rule="RT-DEVICE-006",
        edits={"devices/more.jsonl": '\n{"id": "edge-s-1000", }\n'},
        at="devices/more.jsonl:2:1",
        message="not JSON: Expecting property name enclosed in double quotes: line 1 column 23 (char 22)",
        fix="Write one JSON object a line.",
    ),
    BadFleet(
        rule="RT-DEVICE-007",
        edits={DEVICE: ("  region: eu", "  region: eu\n  hardwareClass: edge-l")},
        at="devices/edge-s-0001.yaml:12:3",
        message="the label hardwareClass comes from the field of that name",
        fix="Remove the label.",
    ),
    BadFleet(
        rule="RT-COHORT-001",
        edits={EU: ("region: eu", "region: mars"), "placements/x.yaml": PLACEMENT.format(name="x", cohort="eu")},
        at="cohorts/eu.yaml:5:3",
        message="the cohort eu chooses no device",
        fix="Mend the selector, or label the devices.",
    ),
    BadFleet(
        rule="RT-RING-001",
        edits={RINGS: plan("name: canary, share: 5%, cohort: eu", "name: rest, share: 100%")},
        at="rings/other.yaml:6:5",
        message="the ring canary has both a share and a cohort",
        fix="Give the ring one of the two.",
    ),
    BadFleet(
        rule="RT-RING-002",
        edits={RINGS: plan("name: canary, share: 5%", "name: rest, share: 99%")},
        at="rings/other.yaml:7:25",
        message="the last ring, rest, reaches 99% only",
        fix="Give the last ring `share: 100%`.",
    ),
    BadFleet(
        rule="RT-RING-003",
        edits={RINGS: plan("name: canary, share: 10%", "name: pilot, share: 5%", "name: rest, share: 100%")},
        at="rings/other.yaml:7:26",
        message="share must grow from ring to ring (got 5% after 10%)",
        fix="Order the rings by share, smallest first.",
    ),
    BadFleet(
        rule="RT-RING-004",
        edits={
            RINGS: plan(
                "name: canary, share: 10%",
                "name: rest, share: 100%, gates: [{metric: p95Latency, compare: noWorseThanControl, limit: 5%}]",
            )
        },
        at="rings/other.yaml:7:69",
        message="p95Latency is compared with the control, which the last ring ends",
        fix="Use atLeast or atMost there.",
    ),
    BadFleet(
        rule="RT-RING-005",
        edits={
            RINGS: plan("name: canary, share: 10%", "name: most, share: 90%", "name: rest, share: 100%", control="20%")
        },
        at="rings/other.yaml:7:25",
        message="90% and a control of 20% exceed 100%",
        fix="Lower the share or the control.",
    ),
    BadFleet(
        rule="RT-RING-006",
        edits={"rings/standard.yaml": ("share: 25%", "share: 5%")},
        at="rings/standard.yaml:8:12",
        message="canary reaches 25% for digits-1.1.0, not 5%",
        fix="Raise the declared share, lower minimumPerStratum, or take a label out of the fleet's strata.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-RING-007",
        edits={RINGS: plan("name: canary, share: 10%", "name: canary, share: 100%")},
        at="rings/other.yaml:7:12",
        message="the ring canary stands twice",
        fix="Rename one of them.",
    ),
    BadFleet(
        rule="RT-RING-008",
        edits={"rings/standard.yaml": ("name: pilot", 'name: pilot\n    approval: {from: ["@a", "@A"], least: 2}')},
        at="rings/standard.yaml:18:15",
        message="pilot opens after 2 approvals, and `from` has 1 who differ",
        fix="Lower `least`, or name more in `from`.",
    ),
    BadFleet(
        rule="RT-FREEZE-001",
        edits={"fleet.yaml": ("maxSilence", FREEZE.format(to="2026-12-20", zone="Europe/Berlin") + "maxSilence")},
        at="fleet.yaml:8:30",
        message="the freeze from 2026-12-20 ends on 2026-12-20",
        fix="Write in `to` the first day after the freeze.",
    ),
    BadFleet(
        rule="RT-FREEZE-002",
        edits={"fleet.yaml": ("maxSilence", FREEZE.format(to="2027-01-06", zone="Europe/Bonn") + "maxSilence")},
        at="fleet.yaml:8:50",
        message="Europe/Bonn is not a known IANA time zone",
        fix="Write an IANA time zone, such as Europe/Berlin.",
    ),
    BadFleet(
        rule="RT-BUDGET-001",
        edits={"fleet.yaml": ("maxSilence", "disruptionBudgets: [{label: site, maxUnavailable: 0}]\nmaxSilence")},
        at="fleet.yaml:7:51",
        message="none of the 3 devices of site=eu-001, and of 3 more, may ever be unavailable",
        fix="Let one device at least be unavailable, or as many as the ring plan's `unit` moves together.",
    ),
    BadFleet(
        rule="RT-BUDGET-002",
        edits={"fleet.yaml": ("maxSilence", "disruptionBudgets: [{label: side, maxUnavailable: 10%}]\nmaxSilence")},
        at="fleet.yaml:7:29",
        message="no device has the label side",
        fix="Mend the label's name.",
    ),
    BadFleet(
        rule="RT-BUDGET-003",
        edits={
            "fleet.yaml": (
                "maxSilence",
                "disruptionBudgets:\n- {label: site, maxUnavailable: 10%}\n- {label: site, minAvailable: 2}\nmaxSilence",
            )
        },
        at="fleet.yaml:9:11",
        message="two disruption budgets count devices by site",
        fix="Keep the stricter one.",
    ),
    BadFleet(
        rule="RT-WINDOW-001",
        edits={
            "rings/standard.yaml": (
                "    soak:",
                '    windows: [{cron: "0 2 * * mon-fri", duration: 3h, zone: site}]\n    soak:',
            )
        },
        at="rings/standard.yaml:10:14",
        message="canary opens in the time of the site, and fleet.yaml has no timeZones",
        fix="Write the label and its values into `timeZones` of fleet.yaml, or an IANA time zone into the window.",
    ),
    BadFleet(
        rule="RT-GATE-001",
        edits={"rings/standard.yaml": ("minDevices: 1", "minDevices: 4")},
        at="rings/standard.yaml:15:75",
        message="canary exposes 3 devices for digits-1.1.0, the gate asks for 4",
        fix="Lower minDevices.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-GATE-002",
        edits={
            RINGS: plan(
                "name: canary, share: 10%",
                "name: rest, share: 100%, gates: [{metric: wentSilent, compare: atLeast, limit: 5%}]",
            )
        },
        at="rings/other.yaml:7:69",
        message="wentSilent atLeast 5% would pass the worst",
        fix="Write `compare: atMost`.",
    ),
    BadFleet(
        rule="RT-GATE-003",
        edits={
            RINGS: plan(
                "name: canary, share: 10%, gates: [{metric: p95Latency, compare: noWorseThanControl, limit: 5%}]",
                "name: rest, share: 100%",
                control="0%",
            )
        },
        at="rings/other.yaml:6:70",
        message="p95Latency is compared with a control of 0%",
        fix="Set `control`, or a limit.",
    ),
    BadFleet(
        rule="RT-GATE-004",
        edits={
            RINGS: plan(
                "name: canary, share: 10%, gates: [{metric: wentSilent, compare: atMost, limit: 5%, assurance: proven}]",
                "name: rest, share: 100%",
            )
        },
        at="rings/other.yaml:6:100",
        message="wentSilent: silence cannot be proven: a device that is silent now may speak again",
        fix="Write `assurance: observed`, or another limit.",
    ),
    BadFleet(
        rule="RT-GATE-005",
        edits={"rings/standard.yaml": ("minDevices: 1", "assurance: proven")},
        at="rings/standard.yaml:15:74",
        message="canary has 3 devices for digits-1.1.0, 103 without a fault are needed",
        fix="Write `assurance: observed` here, raise the share or the control, or loosen the limit or alpha.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-PLACEMENT-001",
        edits={"placements/more.yaml": PLACEMENT.format(name="more", cohort="eu")},
        at="placements/more.yaml:5:9",
        message="digits-everywhere places digits too, on edge-l-0003, edge-l-0009, edge-m-0002 and 3 more",
        fix="Narrow one of the cohorts.",
    ),
    BadFleet(
        rule="RT-ROLLOUT-001",
        edits={"rollouts/other.yaml": ROLLOUT.format(name="other", candidate="1.2.0")},
        at="rollouts/other.yaml:4:12",
        message="digits-1.1.0 changes digits-everywhere too, and is not finished",
        fix="Wait for the first, or remove one of the two.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-ROLLOUT-002",
        edits={ROLL: ('"1.1.0"', '"1.0.0"')},
        at="rollouts/digits-1.1.0.yaml:5:12",
        message="digits-everywhere already runs digits 1.0.0",
        fix="Remove the rollout.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-ROLLOUT-003",
        edits={PLACED: ('"1.0.0"', '"1.2.0"')},
        at="placements/digits-everywhere.yaml:6:10",
        message="a completed rollout keeps digits-everywhere at digits 1.1.0, so the edit has no effect",
        fix="Fold the rollout: set `release` to its candidate and remove its file; or start a rollout.",
        fleet=ROLLING,
        judged=judged("1.1.0", "completed"),
        base=True,
    ),
    BadFleet(
        rule="RT-ROLLOUT-004",
        edits={ROLL: ('"1.1.0"', '"1.2.0"')},
        at="rollouts/digits-1.1.0.yaml:5:12",
        message="digits-1.1.0 was judged with 1.1.0, and brings 1.2.0",
        fix="Restore the candidate, and bring the other release by a rollout with a name of its own.",
        fleet=ROLLING,
        judged=judged("1.1.0", "rolling", "canary"),
    ),
    BadFleet(
        rule="RT-ROLLOUT-005",
        edits={ROLL: ROLLOUT.format(name="digits-1.1.0", candidate="1.1.0")},
        at="rollouts/digits-1.1.0.yaml:3:7",
        message="digits-1.1.0 finished with 1.1.0, and is there again",
        fix="Give the rollout a name of its own.",
        fleet={"release": "1.2.0"},
        judged=judged("1.1.0", "completed"),
        base=True,
    ),
    BadFleet(
        rule="RT-ROLLOUT-006",
        edits={"fleet.yaml": ("strata: []", "strata: [region]")},
        at="fleet.yaml:4:9",
        message="the strata have changed since digits-1.1.0 opened its first ring",
        fix="Restore it until the rollout has finished; or remove the rollout, and start another.",
        fleet=ROLLING,
        judged=judged("1.1.0", "rolling", "canary"),
        base=True,
    ),
    BadFleet(
        rule="RT-ROLLOUT-007",
        edits={ROLL: ROLLOUT.format(name="digits-1.1.0", candidate="1.1.0") + STOPS},
        at="rollouts/digits-1.1.0.yaml:7:1",
        message="digits-1.1.0 is paused by @a and aborted by @b",
        fix="Remove one of the two.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-ROLLOUT-008",
        edits={
            ROLL: ROLLOUT.format(name="digits-1.1.0", candidate="1.1.0")
            + 'approvals: [{by: "@a", role: operations, ring: pilots, date: 2026-11-20}]\n'
        },
        at="rollouts/digits-1.1.0.yaml:7:48",
        message="@a approves the ring pilots; standard has canary, pilot, rest",
        fix="Name a ring of the plan.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-ROLLOUT-009",
        edits={ROLL: ROLLOUT.format(name="digits-1.1.0", candidate="1.1.0") + STOPS.splitlines()[0] + "\n"},
        at="rollouts/digits-1.1.0.yaml:7:1",
        message="digits-1.1.0 was completed, and nothing is left to stop",
        fix="Remove it; to go back, start a rollout of the release before.",
        fleet=ROLLING,
        judged=judged("1.1.0", "completed", "canary"),
    ),
    BadFleet(
        rule="RT-ROLLOUT-010",
        edits={
            "models/ringtide-agent/0.2.0.yaml": AGENT_RELEASE,
            "placements/agent.yaml": AGENT_PLACEMENT,
            "rollouts/agent-0.2.0.yaml": AGENT_ROLLOUT,
        },
        at="rollouts/agent-0.2.0.yaml:4:12",
        message="agent-0.2.0 and digits-1.1.0 change 12 devices at once, one of them the agent itself",
        fix="Wait until the other rollout has finished, or let one of them reach other devices.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-RELEASE-001",
        edits={RELEASE: ("    memory: 256MiB", "    memory: 512MiB")},
        at="rollouts/digits-1.1.0.yaml:5:12",
        message="digits 1.1.0 does not run on edge-s: fp32 needs 512 MiB of memory, edge-s has 384 MiB. int8 needs 512 MiB of memory, edge-s has 384 MiB",
        fix="Add a variant that fits, or take the hardware class out of the cohort.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-RELEASE-002",
        edits={RELEASE: ("  edge-s: {p95Latency: 200ms, peakMemory: 384MiB}\n", "")},
        at="models/digits/1.1.0.yaml:26:3",
        message="digits 1.1.0 goes to edge-s without a budget",
        fix="Add the class under `budgets`.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-RELEASE-003",
        edits={RELEASE: ("name: int8", "name: fp32")},
        at="models/digits/1.1.0.yaml:13:11",
        message="the variant fp32 stands twice",
        fix="Rename one of them.",
    ),
    BadFleet(
        rule="RT-RELEASE-004",
        edits={RELEASE: ("925c8906", "025c8906")},
        at="models/digits/1.1.0.yaml:4:10",
        message="digits 1.1.0 has other artifacts than it was merged with",
        fix="Restore the file, and add a release with a new version.",
        base=True,
    ),
    BadFleet(
        rule="RT-RELEASE-005",
        edits={RELEASE: ("inputs:\n  - {name: image, datatype: FP32, shape: [-1, 64]}\n", "inputs: []\n")},
        at="models/digits/1.1.0.yaml:20:9",
        message="digits 1.1.0 has no inputs",
        fix="Write releases by `ringtide model add`, and those of ringtide-agent by `ringtide runtime add`.",
    ),
    BadFleet(
        rule="RT-QUARANTINE-001",
        edits={"quarantine/digits-1.1.0.yaml": QUARANTINE.format(release="1.1.0")},
        at="rollouts/digits-1.1.0.yaml:5:12",
        message="digits 1.1.0 is quarantined: wrong answers on 3 devices",
        fix="Bring a release that is not quarantined.",
        fleet=ROLLING,
    ),
    BadFleet(
        rule="RT-QUARANTINE-002",
        edits={"quarantine/digits-1.0.0.yaml": QUARANTINE.format(release="1.0.0")},
        at="placements/digits-everywhere.yaml:6:10",
        message="digits 1.0.0 is quarantined: wrong answers on 3 devices",
        fix="Place a release that is not quarantined.",
    ),
    BadFleet(
        rule="RT-QUARANTINE-003",
        edits={
            "quarantine/digits-1.2.0.yaml": QUARANTINE.format(release="1.2.0"),
            DEVICE: ("state: active", 'state: active\npins:\n  - {model: digits, release: "1.2.0"}'),
        },
        at="devices/edge-s-0001.yaml:15:30",
        message="digits 1.2.0 is quarantined: wrong answers on 3 devices",
        fix="Pin another release, or none.",
    ),
    BadFleet(
        rule="RT-GUARD-001",
        edits={"cohorts/all.yaml": COHORT.format(name="all", label="region: mars")},
        at="placements/digits-everywhere.yaml:5:9",
        message="all chooses none of the 12 devices that digits-everywhere reached",
        fix="Restore the cohort; to take a model away, set `release: null` in its placement first.",
        also=("RT-COHORT-001",),
        base=True,
    ),
    BadFleet(
        rule="RT-GUARD-002",
        edits={PLACED: None},
        at="placements/digits-everywhere.yaml:1:1",
        message="digits-everywhere installs digits on 12 devices and is gone",
        fix="Set `release: null` in the placement first, and remove it in a later change.",
        base=True,
    ),
    BadFleet(
        rule="RT-GUARD-003",
        edits={f"devices/{x}.yaml": None for x in ("edge-s-0001", "edge-m-0002", "edge-l-0003")},
        at="devices/edge-l-0003.yaml:1:1",
        message="3 of 12 devices are gone, more than 20%",
        fix="Restore them, or set `state: retired` first and remove them in a later change.",
        base=True,
    ),
    BadFleet(
        rule="RT-GUARD-004",
        edits={ROLL: None},
        at="placements/digits-everywhere.yaml:6:10",
        message="digits-1.1.0 completed with digits 1.1.0 and is gone, so digits-everywhere would run 1.0.0",
        fix="Set `release` to its candidate, and remove with it every completed rollout of the placement.",
        fleet=ROLLING,
        judged=judged("1.1.0", "completed"),
        base=True,
    ),
    BadFleet(
        rule="RT-POLICY-001",
        edits={POLICIES: ("release-has-golden-set", "release-has-golden-sets")},
        at="policies/fleet.yaml:5:11",
        message="there is no rule release-has-golden-sets",
        fix="Did you mean release-has-golden-set?",
    ),
    BadFleet(
        rule="RT-POLICY-002",
        edits={
            POLICIES: ("rules:", "rules:\n  - rule: ours"),
            "policies/ours/rule.yaml": RULE.format(rule="ours", condition="object.name =="),
        },
        at="policies/ours/rule.yaml:6:12",
        message="ours: not valid CEL: 1:15: Syntax error: mismatched input '<EOF>'",
        fix="Mend the condition.",
    ),
    BadFleet(
        rule="RT-POLICY-003",
        edits={
            POLICIES: (
                "  - rule: release-licence-allowed",
                "  - rule: release-licence-allowed\n    parameters: {alowed: [MIT]}",
            )
        },
        at="policies/fleet.yaml:7:11",
        message="release-licence-allowed: Additional properties are not allowed ('alowed' was unexpected)",
        fix="Mend the parameters; `ringtide explain release-licence-allowed` says what they take.",
    ),
    BadFleet(
        rule="RT-POLICY-004",
        edits={
            POLICIES: ("rules:", "rules:\n  - rule: ours"),
            "policies/ours/rule.yaml": RULE.format(rule="ours", condition="int(object.model) == 1"),
        },
        at="placements/digits-everywhere.yaml:1:1",
        message="ours: the condition fails: cannot convert string to int",
        fix="Convert only what has been tested, such as with `object.version.matches('^[0-9]+$') && …`.",
    ),
    BadFleet(
        rule="RT-POLICY-005",
        edits={POLICIES: ("rules:", "rules:\n  - rule: ring-canary-before-rest")},
        at="policies/fleet.yaml:7:11",
        message="ring-canary-before-rest is in force already",
        fix="Keep one of the two.",
    ),
    BadFleet(
        rule="RT-POLICY-006",
        edits={
            "policies/release-has-golden-set/rule.yaml": RULE.format(rule="release-has-golden-set", condition="'true'")
        },
        at="policies/release-has-golden-set/rule.yaml:3:5",
        message="the library has a rule release-has-golden-set",
        fix="Give your rule an id of its own.",
    ),
    BadFleet(
        rule="RT-WAIVER-001",
        edits={
            "waivers/exception.yaml": WAIVER.format(
                rule="release-has-golden-set", scope="models/*/*.yaml", expires="2026-11-22"
            )
        },
        at="waivers/exception.yaml:8:10",
        message="exception expired on 2026-11-22",
        fix="Mend what it covered, and remove the waiver.",
    ),
    BadFleet(
        rule="RT-WAIVER-002",
        edits={
            "waivers/exception.yaml": WAIVER.format(
                rule="release-has-golden-set", scope="models/*.yaml", expires="2026-11-23"
            )
        },
        at="waivers/exception.yaml:5:8",
        message="exception covers no finding",
        fix="Remove the waiver, or mend its scope.",
    ),
    BadFleet(
        rule="RT-WAIVER-003",
        edits={
            "waivers/exception.yaml": WAIVER.format(
                rule="RT-QUARANTINE-001", scope="rollouts/*.yaml", expires="2026-12-31"
            )
        },
        at="waivers/exception.yaml:4:7",
        message="RT-QUARANTINE-001 is not a rule in force that a waiver may cover",
        fix="Name a rule that is in force.",
    ),
)
"""In the order of the table of rules."""
