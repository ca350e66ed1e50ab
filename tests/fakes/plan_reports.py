"""Plan reports of any content, for the laws about what is made of them."""

from datetime import UTC, date, datetime

from hypothesis import strategies as st

from fakes.hostile_words import FINDINGS, TEXT
from ringtide_contract.ids import DeviceId, Digest, sha256
from ringtide_engine.model.dangers import Danger
from ringtide_engine.model.finding import Place
from ringtide_engine.model.plan import Change, Plan, PlanRow, StratumRow
from ringtide_engine.model.plan_report import (
    Devices,
    Estimate,
    MembershipChange,
    Omission,
    PlanReport,
    RingReport,
    Unsatisfiable,
)
from ringtide_engine.model.policy import WaiverInForce

COUNTS = st.integers(0, 10**7)
DIGESTS = st.binary(max_size=2).map(sha256)
TUPLES = {"max_size": 3}
PLACES = st.builds(Place, path=TEXT, line=st.integers(1, 10**6), column=st.integers(1, 500))
INSTANTS = st.integers(29_000_000, 31_000_000).map(lambda minute: datetime.fromtimestamp(minute * 60, tz=UTC))
NUMBERS = dict.fromkeys(("now", "later", "held", "pinned", "blocked", "fetch_bytes"), COUNTS)
DEVICES = st.builds(Devices, count=COUNTS, first=st.lists(TEXT.map(DeviceId), max_size=20).map(tuple))
ESTIMATES = st.builds(Estimate, at=st.none() | INSTANTS, reason=TEXT)
STRATA = st.builds(StratumRow, stratum=TEXT, variants=st.lists(TEXT, **TUPLES).map(tuple), **NUMBERS)
ROWS = st.builds(
    PlanRow,
    cause=TEXT,
    ring=st.none() | TEXT,
    model=TEXT,
    before=st.none() | TEXT,
    after=st.none() | TEXT,
    strata=st.lists(STRATA, **TUPLES).map(tuple),
    **NUMBERS,
)
RINGS = st.builds(
    RingReport,
    row=ROWS,
    state=st.sampled_from(["now", "open", "waits"]),
    starts=ESTIMATES,
    finishes=ESTIMATES,
    gates=st.lists(TEXT, **TUPLES).map(tuple),
)
CHANGES = st.builds(
    Change,
    model=TEXT,
    before=st.none() | DIGESTS,
    after=st.none() | DIGESTS,
    devices=st.lists(TEXT.map(DeviceId), max_size=30).map(tuple),
)
PLANS = st.builds(
    Plan,
    base=st.none() | DIGESTS,
    head=DIGESTS,
    policy=DIGESTS,
    changes=st.just(()),
    rows=st.just(()),
)
"""Without changes: the digest is made of canonical JSON, which refuses what no device is called."""


def several(one: st.SearchStrategy[object], most: int) -> st.SearchStrategy[tuple[object, ...]]:
    """Return few of something, or so many that they cannot all be shown."""
    few = st.lists(one, max_size=3).map(tuple)
    return few | st.builds(lambda each, count: each * count, few, st.sampled_from([most // 40 + 1, most]))


def reports(most: int) -> st.SearchStrategy[PlanReport]:
    """Return any report, with up to three times `most` of everything."""
    return st.builds(
        PlanReport,
        plan=st.none() | PLANS,
        fleet=TEXT,
        base_commit=st.none() | TEXT,
        head_commit=st.none() | TEXT,
        at=INSTANTS,
        devices_total=COUNTS,
        devices_now=COUNTS,
        devices_later=COUNTS,
        rings=several(RINGS, most),
        memberships=several(
            st.builds(
                MembershipChange, cohort=TEXT, placement=st.none() | TEXT, joined=DEVICES, left=DEVICES, effect=TEXT
            ),
            most,
        ),
        dangers=several(st.builds(Danger, id=TEXT, title=TEXT, message=TEXT, place=PLACES, advice=TEXT), most),
        omissions=several(
            st.builds(
                Omission,
                kind=st.sampled_from(["held", "pinned", "gates", "emptyCohort", "unused"]),
                subject=TEXT,
                message=TEXT,
                why=TEXT,
                devices=DEVICES,
                until=TEXT,
            ),
            most,
        ),
        unsatisfiable=several(
            st.builds(Unsatisfiable, rollout=TEXT, ring=TEXT, gate=st.none() | TEXT, why=TEXT, place=PLACES),
            most,
        ),
        waivers=several(
            st.builds(
                WaiverInForce,
                name=TEXT,
                rule=TEXT,
                scope=st.lists(TEXT, **TUPLES).map(tuple),
                reason=TEXT,
                owner=TEXT,
                expires=st.dates(date(2026, 1, 1), date(2030, 1, 1)),
                covered=st.integers(0, 2),
            ),
            most,
        ),
        findings=FINDINGS.map(tuple),
        rules_applied=st.integers(0, 99),
    )


REPORTS = reports(2_000)
"""Any report: hostile words everywhere, and sometimes far too much of everything."""


def digest(text: str) -> Digest:
    """Return some digest."""
    return sha256(text.encode())


def report(**changes: object) -> PlanReport:
    """Return the report of a small rollout with some of its parts changed."""
    row = PlanRow(
        cause="rollout digits-1.1.0",
        ring="canary",
        model="digits",
        before="1.0.0",
        after="1.1.0",
        now=0,
        later=3,
        held=0,
        pinned=1,
        fetch_bytes=286_720,
        blocked=0,
        strata=(
            StratumRow(
                stratum="edge-s", now=0, later=3, held=0, pinned=1, blocked=0, fetch_bytes=286_720, variants=("int8",)
            ),
        ),
    )
    change = Change(model="digits", before=digest("a"), after=digest("b"), devices=(DeviceId("edge-s-1"),))
    parts: dict[str, object] = {
        "plan": Plan(base=digest("base"), head=digest("head"), policy=digest("p"), changes=(change,), rows=(row,)),
        "fleet": "example-fleet",
        "base_commit": "a" * 40,
        "head_commit": None,
        "at": datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
        "devices_total": 12,
        "devices_now": 0,
        "devices_later": 3,
        "rings": (
            RingReport(
                row=row,
                state="waits",
                starts=Estimate(at=datetime(2026, 11, 23, 10, 0, tzinfo=UTC), reason="the judge opens it"),
                finishes=Estimate(at=None, reason="nobody has reported yet"),
                gates=("updateSuccess at least 95 %",),
            ),
        ),
        "memberships": (
            MembershipChange(
                cohort="eu",
                placement="digits",
                joined=Devices(count=1, first=(DeviceId("edge-s-9"),)),
                left=Devices(count=0, first=()),
                effect="it will run digits 1.0.0",
            ),
        ),
        "dangers": (
            Danger(
                id="RT-DANGER-004",
                title="A ring plan skips a ring.",
                message="pilot is gone",
                place=Place(path="rings/standard.yaml", line=4, column=1),
                advice="Restore the ring.",
            ),
        ),
        "omissions": (
            Omission(
                kind="pinned",
                subject="edge-s-4",
                message="1 device does not follow the rollout",
                why="it is pinned",
                devices=Devices(count=1, first=(DeviceId("edge-s-4"),)),
                until="the pin is removed",
            ),
        ),
        "unsatisfiable": (),
        "waivers": (),
        "findings": (),
        "rules_applied": 7,
    }
    return PlanReport(**{**parts, **changes})  # type: ignore[arg-type]
