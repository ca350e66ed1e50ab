"""The outbox: bounded on disk, and every number accounted for.

Law: whatever a device sees, for however long nobody takes its reports, the ledger on its disk stays below its bound, each
report stays below its own, and every number up to the last is either taken, in the outbox, or named by the newest report.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.agent_world import DEVICE_KEY, FakeSigner, World
from fakes.fleet_files import fleet_files
from fakes.publication import START
from ringtide_agent.reporting import (
    MAX_OUTBOX_ENTRY_BYTES,
    OUTBOX_BYTES,
    OUTBOX_REPORTS,
    Ledger,
    Observation,
    write_report,
)
from ringtide_contract.ids import DeviceId, sha256
from ringtide_contract.report import (
    MAX_NOTE,
    MAX_REPORT_BYTES,
    Condition,
    Counters,
    Failure,
    ModelReport,
    Report,
    Running,
    open_report,
)
from ringtide_contract.sketch import LatencySketch
from ringtide_engine.judge.collected import DeviceRecord
from ringtide_engine.judge.intake import take
from ringtide_engine.load.desired import load_desired

SETTINGS = World().settings
SIGNER = FakeSigner()
MANIFEST = sha256(b"manifest")
PHASES = ("installing", "probation", "confirmed", "reverted", "deferred")


def observation(models: int, sessions: int, conditions: int, phase: int, note: int) -> Observation:
    sketch = LatencySketch(counts=dict.fromkeys(range(60), 10**9))
    counters = tuple(
        Counters(
            manifest=MANIFEST, session=f"s{number}", requests=9, failures=0, over_budget=0, compared=0, agreed=0,
            crashes=0, peak_memory_bytes=1, latency=sketch,
        )
        for number in range(sessions)
    )  # fmt: skip
    part = ModelReport(
        phase=PHASES[phase],  # type: ignore[arg-type]
        active=Running(manifest=MANIFEST, release="1.0.0", variant="fp32"),
        desired=MANIFEST,
        reason="€" * note,
        failures=(Failure(manifest=MANIFEST, release="1.0.0", step="load", note="€" * note),) * 3,
        counters=counters,
    )
    return Observation(
        orders=None,
        conditions=tuple(Condition(type=f"condition-{number}", note="€" * note) for number in range(conditions)),
        models={f"model-{number}": part for number in range(models)},
    )


Event = tuple[Literal["write"], Observation] | tuple[Literal["restart"]] | tuple[Literal["push"], bool]
EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"),
            st.builds(
                observation,
                st.sampled_from([1, 1, 2, 60]),
                st.sampled_from([0, 1, 2]),
                st.integers(0, 8),
                st.integers(0, 4),
                st.sampled_from([0, 20, MAX_NOTE]),
            ),
            st.integers(1, 25),
        ),
        st.tuples(st.just("restart")),
        st.tuples(st.just("push"), st.booleans()),
    ),
    max_size=12,
)


def opened(sealed: bytes) -> Report:
    return open_report(sealed, DEVICE_KEY.public_key(), fleet=SETTINGS.fleet, device=SETTINGS.device)[0]


@settings(max_examples=15)
@given(EVENTS)
def test_the_ledger_is_bounded_and_every_number_is_accounted_for(events: list[Event]) -> None:
    ledger, taken, now = Ledger(), dict[int, Report](), START
    for kind, *rest in events:
        if kind == "write":
            seen, times = rest
            for _ in range(times):
                now += timedelta(hours=6)
                ledger = write_report(ledger, seen, SETTINGS, SIGNER, now)
        elif kind == "restart":
            ledger = Ledger.decode(ledger.encode())
        else:
            (heard,) = rest  # an answer that is lost leaves the outbox as it was
            taken |= {number: opened(sealed) for number, sealed in ledger.outbox.items()}
            ledger = ledger.without(frozenset(ledger.outbox)) if heard else ledger
        assert len(ledger.outbox) <= OUTBOX_REPORTS
        assert sum(map(len, ledger.outbox.values())) <= OUTBOX_BYTES
        assert len(ledger.encode()) <= MAX_OUTBOX_ENTRY_BYTES
        if ledger.number in ledger.outbox:
            assert len(opened(ledger.outbox[ledger.number]).encode()) <= MAX_REPORT_BYTES
        known = {*taken, *ledger.outbox}
        folds = [report.folded for report in taken.values() if report.folded] + [ledger.folded] * (
            ledger.folded is not None
        )
        for number in range(1, ledger.number + 1):
            assert number in known or any(fold and fold.covers(number) for fold in folds), f"{number} is silent"


def test_after_months_without_a_network_the_reader_can_account_for_each_report() -> None:
    ledger, now = Ledger(), START
    for day in range(200):
        now += timedelta(days=1)
        seen = observation(1, 1, day % 3, day % 5, 10)
        ledger = write_report(ledger, seen, SETTINGS, SIGNER, now)
    newest = opened(ledger.outbox[200])
    assert newest.folded is not None
    assert (newest.folded.first, newest.folded.last) == (1, min(ledger.outbox) - 1)
    assert newest.folded.since == START + timedelta(days=1)
    assert sum(newest.folded.phases["model-0"].values()) == newest.folded.last, "each has its place in the summary"
    assert newest.folded.conditions["condition-0"] == sum(1 for day in range(newest.folded.last) if day % 3 > 0)


def test_the_collector_tells_what_was_folded_from_what_is_missing() -> None:
    state = load_desired(fleet_files(3, rollout=None)).state
    assert state is not None
    device = next(iter(state.devices.values()))
    device = replace(device, public_key=DEVICE_KEY.public_key())
    own = replace(SETTINGS, fleet=state.fleet.name, device=DeviceId(device.id))
    ledger = Ledger()
    for hour in range(100):
        ledger = write_report(ledger, observation(1, 0, 0, 2, 0), own, SIGNER, START + timedelta(hours=hour))
    files = {f"reports/{number}.json": sealed for number, sealed in ledger.outbox.items()}
    del files["reports/80.json"]
    intake = take(device, files, None, state, head="", now=START)
    assert intake.findings == ()
    record = intake.record
    assert record is not None
    assert (record.number, record.gaps, record.account.folded, record.account.missing) == (100, 2, 36, 1)
    assert DeviceRecord.from_dict(record.to_dict()) == record
