"""What rules read: every part of the resolved fleet, the change itself, and the day."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from fakes.bad_fleets import POLICIES, RULE, TODAY, WAIVER, Edit, edited
from fakes.fleet_files import fleet_files
from fakes.judged_rollouts import fleet, started
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.change import ChangeSet
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.resolve.view import FleetView
from ringtide_engine.validate import judging
from ringtide_engine.workflows import check as checking
from ringtide_engine.workflows.check import CheckOutcome, check
from ringtide_engine.workflows.sample_fleet import SAMPLE_FLEET


def loaded(**arguments: Any) -> DesiredState:
    state = load_desired(fleet_files(12, strata=("region",), **arguments)).state
    assert state is not None
    return state


VIEW: Mapping[str, Any] = FleetView(loaded(rollout="1.1.0"), loaded())


def shape(value: object) -> object:
    """Return the keys of a value, of its first item where it is a list; names of things are passed over."""
    if isinstance(value, Mapping):
        return {key: shape(each) for key, each in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__ if value is not None else ""


@pytest.mark.parametrize("part", ["devices", "strata", "assignments", "rollouts", "quarantine"])
def test_the_sample_fleet_has_the_shape_of_a_resolved_one(part: str) -> None:
    assert shape(SAMPLE_FLEET[part]) == shape(VIEW[part])


def test_the_sample_fleet_has_every_part_and_no_other() -> None:
    assert set(SAMPLE_FLEET) == set(VIEW)
    assert {*SAMPLE_FLEET["plan"]} == {*VIEW["plan"]}  # type: ignore[misc]


def test_devices_and_strata_are_counted_without_the_retired() -> None:
    assert VIEW["devices"] == {"total": 12, "active": 12, "held": 0}
    assert sum(each["devices"] for each in VIEW["strata"]) == 12
    assert VIEW["strata"][0]["labels"] == {"region": "eu"}
    assert VIEW["cohorts"]["eu"]["devices"] == 6
    assert {each["name"] for each in VIEW["cohorts"]["eu"]["strata"]} == {f"edge-{size}/region=eu" for size in "lms"}


def test_documents_are_there_as_written() -> None:
    assert VIEW["settings"]["name"] == "harbour"
    assert VIEW["releases"]["digits"]["1.1.0"]["kind"] == "Release"
    assert VIEW["hardware"]["edge-m"]["memory"] == "1GiB"
    assert VIEW["ringPlans"]["standard"]["rings"][0]["name"] == "canary"
    assert VIEW["placements"]["digits-everywhere"]["cohort"] == "all"


def test_an_assignment_says_what_runs_and_what_a_rollout_brings() -> None:
    found = next(each for each in VIEW["assignments"] if each["stratum"] == "edge-s/region=eu")
    assert (found["release"], found["variant"], found["rollout"]) == ("1.0.0", "int8", "digits-1.1.0")
    assert (found["candidate"], found["candidateVariant"], found["devices"]) == ("1.1.0", "int8", 2)


def test_rings_expose_more_and_more_devices_and_the_last_ring_all() -> None:
    (rollout,) = VIEW["rollouts"]
    counts = [ring["devices"] for ring in rollout["rings"]]
    assert counts == sorted(counts)
    assert counts[-1] == rollout["devices"] == 12
    assert rollout["phase"] == "notStarted"
    assert rollout["stable"] == "1.0.0"
    for ring in rollout["rings"]:
        assert sum(each["devices"] for each in ring["strata"]) == ring["devices"]
        assert sum(each["members"] for each in ring["strata"]) == 12


def test_a_plan_tells_what_moves_now_from_what_moves_later() -> None:
    assert (VIEW["plan"]["now"], VIEW["plan"]["later"], VIEW["plan"]["first"]) == (0, 12, False)
    moved: Any = FleetView(loaded(release="1.1.0"), loaded())["plan"]
    assert (moved["now"], moved["later"], moved["total"]) == (12, 0, 12)
    assert moved["moves"] == [
        {"placement": "digits-everywhere", "model": "digits", "from": "1.0.0", "to": "1.1.0", "devices": 12}
    ]
    first: Any = FleetView(loaded(), None)["plan"]
    assert (first["first"], first["now"], first["moves"][0]["from"]) == (True, 12, None)


def test_an_open_ring_counts_the_devices_that_the_judge_exposes() -> None:
    world = started(60)
    view: Any = FleetView(world.state, fleet(60))
    (rollout,) = view["rollouts"]
    assert rollout["phase"] == "rolling"
    assert [ring["open"] for ring in rollout["rings"]] == [True, False, False]
    exposed = len(world.subjects("canary"))
    assert rollout["rings"][0]["devices"] == exposed > 0
    assert (view["plan"]["now"], view["plan"]["later"]) == (exposed, 60 - exposed)


def test_a_pin_keeps_a_device_out_of_the_moves_and_moves_it_alone() -> None:
    device = "devices/edge-l-0003.yaml"
    pin: Mapping[str, Edit] = {
        device: fleet_files()[device] + b'pins:\n  - {model: digits, release: "1.0.0"}\n',
    }
    placed = fleet_files(release="1.1.0")
    before, unpinned = load_desired(fleet_files()).state, load_desired(placed).state
    pinned = load_desired(edited(placed, pin)).state
    assert before is not None
    assert unpinned is not None
    assert pinned is not None
    kept: Any = FleetView(pinned, before)["plan"]
    assert (kept["now"], [each["devices"] for each in kept["moves"]]) == (11, [11])
    back: Any = FleetView(pinned, unpinned)["plan"]
    assert [(each["from"], each["to"], each["devices"]) for each in back["moves"]] == [("1.1.0", "1.0.0", 1)]


def test_a_part_is_made_only_where_a_rule_reads_it() -> None:
    made: list[str] = []

    class Watched(FleetView):
        def __getitem__(self, part: str) -> object:
            made.append(part)
            return super().__getitem__(part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "FleetView", Watched)
        assert ours("fleet.devices.total > 0").passed
    assert set(made) == {"devices"}


def ours(
    condition: str, selects: str = "Placement", edits: Mapping[str, Edit] | None = None, today: date = TODAY
) -> CheckOutcome:
    rule = RULE.format(rule="ours", condition=f'"{condition}"').replace("Placement", selects)
    rule = rule.replace("{name} is wrong", "wrong" if selects == "Change" else "{name} is wrong")
    added: dict[str, Edit] = {POLICIES: ("rules:", "rules:\n  - rule: ours"), "policies/ours/rule.yaml": rule}
    base = edited(fleet_files(), added)
    return check(edited(base, edits) if edits else base, base, today, CelConditions())


def rules_of(outcome: CheckOutcome) -> list[str]:
    return [each.rule for each in outcome.findings]


def test_a_rule_knows_the_day() -> None:
    assert ours("days(today) <= days('2026-11-23')").passed
    assert rules_of(ours("today <= '2026-11-23'", today=date(2026, 11, 24))) == ["ours"]


def test_a_rule_over_the_resolved_fleet_waits_until_the_fleet_can_be_resolved() -> None:
    broken: Mapping[str, Edit] = {"placements/digits-everywhere.yaml": ("cohort: all", "cohort: nobody")}
    outcome = ours("fleet.plan.now > 1000", edits=broken)
    assert outcome.unjudged == ("ours",)
    assert "ours" not in rules_of(outcome)
    assert "ours" in rules_of(ours("fleet.devices.total > 1000", edits=broken))
    assert rules_of(ours("fleet.strata.exists(each, each.devices > 1000)")) == ["ours"]


def changed(edits: Mapping[str, Edit]) -> ChangeSet:
    kept: list[ChangeSet] = []

    def keep(judged: judging.Judged, applied: Any) -> tuple[()]:
        kept.append(judged.change)
        return ()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "judge", keep)
        check(edited(fleet_files(), edits), fleet_files(), TODAY, CelConditions())
    return kept[0]


def test_a_change_says_which_documents_came_went_and_differ() -> None:
    found = changed(
        {
            "cohorts/eu.yaml": None,
            "cohorts/us.yaml": fleet_files()["cohorts/eu.yaml"].replace(b"eu", b"us"),
            "models/digits/1.2.0.yaml": ("Apache-2.0", "MIT"),
            "rings/standard.yaml": ("kind: RingPlan", "# A comment changes nothing.\nkind: RingPlan"),
            "trust/2.root.json": "{}",
            "devices/more.jsonl": "",
        }
    )
    assert [each.document() for each in found.removed] == [{"path": "cohorts/eu.yaml", "kind": "Cohort", "name": "eu"}]
    assert [(each.kind, each.name) for each in found.added] == [
        ("Cohort", "us"),
        ("DeviceInventory", "devices/more.jsonl"),
    ]
    assert [each.name for each in found.changed] == ["digits/1.2.0"]
    assert found.trust == ("trust/2.root.json",)
    assert (found.first, found.weakened) == (False, ())


@pytest.mark.parametrize(
    ("edits", "how"),
    [
        ({POLICIES: ("  - rule: release-has-golden-set\n", "")}, "it is chosen no longer"),
        (
            {POLICIES: ("golden-set", "golden-set\n    severity: info")},
            "its severity is lowered from error to info",
        ),
        (
            {POLICIES: ("golden-set", "golden-set\n  - rule: release-signed")},
            None,
        ),
        (
            {"waivers/exception.yaml": WAIVER.format(rule="release-has-golden-set", scope="a/*", expires="2026-12-31")},
            "the waiver exception is added, until 2026-12-31",
        ),
    ],
)
def test_a_weakened_rule_is_named_with_how(edits: Mapping[str, Edit], how: str | None) -> None:
    found = changed(edits).weakened
    assert [(each.rule, each.how) for each in found] == ([("release-has-golden-set", how)] if how else [])


def test_changed_parameters_and_an_own_condition_count_as_weaker() -> None:
    outcome = ours(
        "object.weakened.all(each, each.how != 'its condition is changed')",
        "Change",
        {"policies/ours/rule.yaml": ("'its condition", "'that condition")},
    )
    assert outcome.passed  # the new condition does not look for it
    seen = ours("object.weakened.size() == 0", "Change", {"policies/ours/rule.yaml": ("size() == 0", "size() < 1")})
    assert [(each.rule, str(each.place)) for each in seen.findings] == [("ours", "fleet.yaml:1:1")]
    other = changed({POLICIES: ("ring-canary-before-rest", "ring-canary-before-rest\n    parameters: {atMost: 40%}")})
    assert [each.how for each in other.weakened] == ['its parameter atMost is changed from "25%" to "40%"']


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("fleet.deviecs.total > 0", "Did you mean devices?"),
        ("has(object.cohrt)", "Did you mean cohort?"),
        ("fleet.releases[object.model].all(v, fleet.releases[object.model][v].lisence != '')", "Did you mean licence?"),
        ("fleet.rollouts.all(r, r.rings.all(g, g.opened))", "Did you mean open?"),
        ("fleet.ringPlans.all(p, fleet.ringPlans[p].rings[0].shar != '')", "Did you mean share?"),
        ("object.name != params.most", "Known fields: none."),
    ],
)
def test_a_field_that_is_never_there_is_found_before_the_rule_is_asked(condition: str, said: str) -> None:
    (found,) = ours(condition).findings
    assert (found.rule, str(found.place), found.fix) == ("RT-POLICY-002", "policies/ours/rule.yaml:6:12", said)


def test_a_rule_that_nobody_chose_is_read_all_the_same() -> None:
    files = edited(fleet_files(), {"policies/ours/rule.yaml": RULE.format(rule="ours", condition="object.name ==")})
    assert rules_of(check(files, None, TODAY, CelConditions())) == ["RT-POLICY-002"]


def test_parameters_have_the_types_of_their_schema() -> None:
    rule = RULE.format(rule="ours", condition="params.most == 'five'")
    rule += "parameters: {type: object, properties: {most: {type: integer, default: 5}}}\n"
    edits: Mapping[str, Edit] = {
        POLICIES: ("rules:", "rules:\n  - rule: ours"),
        "policies/ours/rule.yaml": rule,
    }
    (found,) = check(edited(fleet_files(), edits), None, TODAY, CelConditions()).findings
    assert found.rule == "RT-POLICY-002"
    assert "applied to '(int, string)'" in found.message


def test_a_rule_with_a_slip_in_its_name_is_told_which_is_meant() -> None:
    edits: Mapping[str, Edit] = {POLICIES: ("rules:", "rules:\n  - rule: waiver-expire-soon")}
    (found,) = check(edited(fleet_files(), edits), None, TODAY, CelConditions()).findings
    assert (found.rule, found.fix) == ("RT-POLICY-001", "Did you mean waiver-expires-soon?")


def test_parameters_that_do_not_fit_are_named() -> None:
    edits: Mapping[str, Edit] = {
        POLICIES: ("rules:", "rules:\n  - rule: waiver-expires-soon\n    parameters: {most: soon}")
    }
    (found,) = check(edited(fleet_files(), edits), None, TODAY, CelConditions()).findings
    assert (found.rule, found.message) == (
        "RT-POLICY-003",
        "waiver-expires-soon: most: 'soon' is not of type 'integer'",
    )


@pytest.mark.parametrize(
    ("condition", "fix"),
    [
        ("int(object.name) == 1", "Convert only what has been tested"),
        ("object.owner == 'us'", "`has(...)`"),
        ("[1, 2][size(object.name)] == 1", "`size(...)`"),
    ],
)
def test_the_fix_of_a_failed_condition_is_about_what_failed(condition: str, fix: str) -> None:
    found = [each for each in ours(condition).findings if each.rule == "RT-POLICY-004"]
    assert found
    assert all(fix in each.fix for each in found), [(each.message, each.fix) for each in found]


def test_a_document_that_a_rule_cannot_judge_hides_no_other_finding() -> None:
    outcome = ours("int(object.name) == 1 && true", edits={"models/digits/1.2.0.yaml": ("Apache-2.0", "GPL-3.0-only")})
    assert sorted(rules_of(outcome)) == ["RT-POLICY-004", "release-licence-allowed"]


def test_a_check_carries_the_waivers_in_force() -> None:
    waiver = WAIVER.format(rule="release-licence-allowed", scope="models/*/*.yaml", expires="2026-12-31")
    edits: Mapping[str, Edit] = {
        "waivers/exception.yaml": waiver,
        "models/digits/1.2.0.yaml": ("Apache-2.0", "GPL-3.0-only"),
    }
    (found,) = check(edited(fleet_files(), edits), None, TODAY, CelConditions()).waivers
    assert (found.name, found.owner, found.covered) == ("exception", "safety@example.org", 1)
    assert (found.rule, found.scope, found.expires) == (
        "release-licence-allowed",
        ("models/*/*.yaml",),
        date(2026, 12, 31),
    )
    assert check(edited(fleet_files(), edits), None, date(2027, 1, 1), CelConditions()).waivers == ()
