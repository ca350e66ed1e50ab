"""Every danger flag of a plan, each raised by the change that it is about, and none by a change that is not."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from fakes.fleet_changes import FIRST, NEW, OLD, PLACED, RINGS, edited, report_of, rolling, without
from fakes.fleet_files import fleet_files
from ringtide_engine.model.dangers import DANGERS

Files = Mapping[str, bytes]
BASE = fleet_files()
QUARANTINED = b"""\
apiVersion: ringtide/v1
kind: QuarantineEntry
model: digits
release: "1.1.0"
subject: release
graphs: []
reason: it harms devices
"""
OTHER = b"""\
apiVersion: ringtide/v1
kind: Placement
name: other
model: other
cohort: all
release: "1.0.0"
"""
OTHER_ROLLOUT = b"""\
apiVersion: ringtide/v1
kind: Rollout
name: other-1.1.0
placement: other
candidate: "1.1.0"
ringPlan: standard
"""


def two_models() -> dict[str, bytes]:
    more = {
        f"models/other/{version}.yaml": BASE[f"models/digits/{version}.yaml"].replace(b"model: digits", b"model: other")
        for version in ("1.0.0", "1.1.0")
    }
    return {**BASE, **more, "placements/other.yaml": OTHER}


def trusted(content: bytes = b"{}") -> dict[str, bytes]:
    return {**BASE, "trust/1.root.json": content}


def ring(old: str, new: str) -> Callable[[], tuple[Files, Files]]:
    return lambda: (BASE, edited(BASE, RINGS, old, new))


def bring(path: str, old: str, new: str) -> Callable[[], tuple[Files, Files]]:
    """A rollout whose release differs from the one that runs."""
    return lambda: (BASE, edited(rolling(), path, old, new))


def without_canary() -> tuple[Files, Files]:
    text = BASE[RINGS].decode()
    start, end = text.index("  - name: canary"), text.index("  - name: pilot")
    return BASE, {**BASE, RINGS: (text[:start] + text[end:]).encode()}


def placed(base: str, head: str) -> Callable[[], tuple[Files, Files]]:
    return lambda: (fleet_files(release=base), fleet_files(release=head))


CASES: Mapping[str, tuple[str, Callable[[], tuple[Files, Files]]]] = {
    "the trust root": ("RT-DANGER-001", lambda: (trusted(), trusted(b"{} "))),
    "a rule less": (
        "RT-DANGER-002",
        lambda: (BASE, edited(BASE, "policies/fleet.yaml", "  - rule: release-licence-allowed\n", "")),
    ),
    "a release placed without rings": ("RT-DANGER-003", placed("1.0.0", "1.1.0")),
    "a ring skipped": ("RT-DANGER-004", without_canary),
    "a larger share": ("RT-DANGER-004", ring("share: 25%", "share: 40%")),
    "a shorter soak": ("RT-DANGER-005", ring("soak: 1h", "soak: 10m")),
    "a shorter deadline": ("RT-DANGER-005", ring("deadline: 3d", "deadline: 2d")),
    "a looser gate": ("RT-DANGER-006", ring("limit: 99%", "limit: 90%")),
    "a smaller quorum": ("RT-DANGER-006", ring("quorum: 90%", "quorum: 50%")),
    "a smaller control": ("RT-DANGER-007", ring("control: 5%", "control: 0%")),
    "an empty selector": (
        "RT-DANGER-008",
        lambda: (BASE, edited(BASE, "cohorts/eu.yaml", "region: eu", "region: mars")),
    ),
    "a removed folder": ("RT-DANGER-009", lambda: (BASE, without(BASE, "cohorts/"))),
    "most devices": ("RT-DANGER-009", lambda: (BASE, without(BASE, "devices/edge-m"))),
    "another signature": ("RT-DANGER-010", bring(NEW, "[-1, 64]", "[-1, 65]")),
    "a newer opset": ("RT-DANGER-011", bring(NEW, "opset: 13", "opset: 99")),
    "a newer runtime": ("RT-DANGER-011", bring(NEW, '">=1.20"', '">=2.5"')),
    "a small disk": ("RT-DANGER-012", bring("hardware/edge-s.yaml", "disk: 2GiB", "disk: 7KiB")),
    "a late window": (
        "RT-DANGER-013",
        bring(
            RINGS,
            "    spread: 0s\n",
            "    spread: 0s\n    windows: [{days: [sun], from: '02:00', to: '04:00', zone: UTC}]\n",
        ),
    ),
    "two rollouts": (
        "RT-DANGER-014",
        lambda: (two_models(), {**two_models(), **rolling(), "rollouts/other-1.1.0.yaml": OTHER_ROLLOUT}),
    ),
    "a quarantined release": (
        "RT-DANGER-015",
        lambda: (
            {**BASE, "quarantine/digits-1.1.0.yaml": QUARANTINED},
            {**rolling(), "quarantine/digits-1.1.0.yaml": QUARANTINED},
        ),
    ),
    "the way back": ("RT-DANGER-016", lambda: (rolling(), without(rolling(), OLD))),
    "a downgrade": ("RT-DANGER-017", placed("1.1.0", "1.0.0")),
    "no golden set": (
        "RT-DANGER-018",
        lambda: (
            BASE,
            {
                **rolling(),
                NEW: b"\n".join(line for line in rolling()[NEW].splitlines() if not line.startswith(b"golden:"))
                + b"\n",
            },
        ),
    ),
    "a raised budget": ("RT-DANGER-019", lambda: (BASE, edited(BASE, OLD, "p95Latency: 50ms", "p95Latency: 90ms"))),
    "more memory": ("RT-DANGER-020", bring(NEW, "memory: 256MiB", "memory: 9GiB")),
    "a lost model": ("RT-DANGER-021", lambda: (BASE, edited(BASE, PLACED, 'release: "1.0.0"', "release: null"))),
}


@pytest.mark.parametrize("name", CASES)
def test_each_danger_is_flagged_by_its_change(name: str) -> None:
    expected, make = CASES[name]
    base, head = make()
    made = report_of(base, head)
    found = [each for each in made.dangers if each.id == expected]
    assert found, [f"{each.id} {each.message}" for each in made.dangers] + [each.message for each in made.findings]
    assert not made.is_empty
    assert all(each.message and each.place.path for each in found)


def test_every_danger_of_the_table_has_a_case() -> None:
    assert {expected for expected, _ in CASES.values()} == set(DANGERS)


@pytest.mark.parametrize(
    "head",
    [
        BASE,
        rolling(),
        edited(BASE, FIRST, "region: eu", "region: us"),
        fleet_files(13),
        edited(BASE, RINGS, "soak: 1h", "soak: 2h"),
    ],
    ids=["nothing", "a rollout", "a label", "a device", "a longer soak"],
)
def test_careful_changes_raise_no_flag(head: Files) -> None:
    made = report_of(BASE, head)
    assert made.dangers == ()


def test_dangers_are_shown_where_nothing_can_be_resolved() -> None:
    broken = {**without(trusted(b"new"), "rings/"), "fleet.yaml": b"kind: [\n"}
    made = report_of(trusted(), broken)
    assert made.plan is None
    assert made.has_errors
    assert {each.id for each in made.dangers} == {"RT-DANGER-001", "RT-DANGER-009"}


@pytest.mark.parametrize("selector", ["{}", "{matchLabels: {}}"])
def test_an_empty_selector_is_flagged_although_it_is_refused(selector: str) -> None:
    eu = BASE["cohorts/eu.yaml"].decode()
    written = f"{eu[: eu.index('selector:')]}selector: {selector}\n"
    made = report_of(BASE, {**BASE, "cohorts/eu.yaml": written.encode()})
    assert made.plan is None
    assert made.has_errors
    ((found, place),) = [(each.id, each.place) for each in made.dangers]
    assert (found, place.path) == ("RT-DANGER-008", "cohorts/eu.yaml")


def test_a_plan_is_made_although_check_finds_errors() -> None:
    made = report_of(*CASES["a newer opset"][1]())
    assert made.has_errors
    assert made.plan is not None
    assert any("needs opset 99, the devices have up to 21" in each.message for each in made.dangers)


def test_the_day_of_the_change_decides_about_windows() -> None:
    base, head = CASES["a late window"][1]()
    saturday = datetime(2026, 11, 28, 9, tzinfo=UTC)
    early = [each.message for each in report_of(base, head, saturday).dangers if each.id == "RT-DANGER-013"]
    assert not any("canary" in message for message in early)
