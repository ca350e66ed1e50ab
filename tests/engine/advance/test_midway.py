"""Changes in the middle of a rollout, through real repositories: what the judge does, and what devices shall run."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from fakes.fleet_pair import FleetPair, RacingRepository, fleet_pair
from fakes.judged_rollouts import confirmed
from ringtide_engine.model.evidence import read_evidence
from ringtide_engine.resolve import resolve
from ringtide_engine.workflows.advance import advance, replay
from ringtide_engine.workflows.status import status
from ringtide_engine.workflows.why import why

HOUR = timedelta(hours=1)
NAME = "digits-1.1.0"
ROLLOUT = f"rollouts/{NAME}.yaml"


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    """Return a fleet whose first ring is confirmed and soaked."""
    made = fleet_pair(tmp_path)
    made.report(confirmed)
    made.ingest()
    made.advance()
    for span in (timedelta(minutes=10), HOUR):
        made.later(span).report(confirmed)
        made.ingest()
    return made


def releases(pair: FleetPair) -> dict[str, str | None]:
    """Return what each device shall run."""
    return {name: why(pair.fleet, pair.reports, name, now=pair.now).models[0].release for name in pair.devices}


def clone(pair: FleetPair, folder: Path) -> RacingRepository:
    subprocess.run(["git", "clone", "-q", str(pair.folders[0]), str(folder)], check=True, capture_output=True)
    return RacingRepository(folder)


def test_a_rejected_push_is_read_again_judged_again_and_never_forced(pair: FleetPair, tmp_path: Path) -> None:
    mine = clone(pair, tmp_path / "mine")
    pause = fleet_files(12, rollout="1.1.0")[ROLLOUT] + b'paused: {by: "@lena", reason: a look at it}\n'
    theirs: list[str] = []
    mine.before_commit = lambda: theirs.append(pair.change(**{ROLLOUT: pause}))
    result = advance(mine, pair.reports, now=pair.now)
    assert [item.verdict.kind for item in result.judged] == ["hold"], "what came in between was judged"
    assert result.commits == (pair.head,)
    assert next(iter(pair.fleet.history(pair.head))).parents == (theirs[0],)
    evidence, _ = read_evidence(pair.fleet.file(pair.head, pair.state.progress[NAME].last.evidence) or b"")
    assert evidence.source == theirs[0]
    replay(pair.fleet, pair.head, reports=pair.reports)


def test_two_judges_with_clones_of_their_own_leave_one_verdict(pair: FleetPair, tmp_path: Path) -> None:
    one, other = clone(pair, tmp_path / "one"), clone(pair, tmp_path / "other")
    before = pair.head
    one.before_commit = lambda: void(advance(other, pair.reports, now=pair.now))
    advance(one, pair.reports, now=pair.now)
    titles = [info.message.splitlines()[0] for info in pair.fleet.history(pair.head, since=before)]
    assert titles.count(f"Promote rollout {NAME} to ring pilot") == 1
    assert len(pair.state.progress[NAME].rings) == 2
    for info in pair.fleet.history(pair.head, since=before):
        replay(pair.fleet, info.id, reports=pair.reports)


def test_another_candidate_written_into_a_rollout_takes_devices_back_and_goes_no_further(pair: FleetPair) -> None:
    exposed = {each.device for each in pair.exposed()}
    assert {name for name, version in releases(pair).items() if version == "1.1.0"} == exposed
    document = pair.fleet.file(pair.head, ROLLOUT) or b""
    pair.change(**{ROLLOUT: document.replace(b'"1.1.0"', b'"1.2.0"')})
    assert set(releases(pair).values()) == {"1.0.0"}
    assert all(
        not assignment.rollout or not assignment.rollout.ranges for assignment in resolve(pair.state).assignments
    )
    pair.advance()
    assert pair.state.progress[NAME].last.kind == "hold"
    assert "start a new one" in pair.state.progress[NAME].last.reasons[0]
    pair.change(**{ROLLOUT: document})
    assert {name for name, version in releases(pair).items() if version == "1.1.0"} == exposed
    pair.advance()
    assert pair.state.progress[NAME].rings[-1].name == "pilot", "restored, it goes on where it stood"


def test_a_second_rollout_of_the_placement_waits_for_the_first(pair: FleetPair) -> None:
    second = (pair.fleet.file(pair.head, ROLLOUT) or b"").replace(b"1.1.0", b"1.2.0")
    before = releases(pair)
    pair.change(**{"rollouts/digits-1.2.0.yaml": second})
    pair.advance()
    assert set(pair.state.progress) == {NAME}
    found = {each.name: each for each in status(pair.fleet, pair.reports, now=pair.now)}
    assert found["digits-1.2.0"].reasons == (f"waits for rollout {NAME} of the same placement",)
    after = releases(pair)
    assert all(after[name] == version for name, version in before.items() if version == "1.1.0")
    assert "1.2.0" not in after.values()


def test_a_removed_rollout_restores_its_devices_and_bans_nothing_and_goes_on_when_it_is_back(pair: FleetPair) -> None:
    exposed = {each.device for each in pair.exposed()}
    document = pair.fleet.file(pair.head, ROLLOUT) or b""
    pair.change(**{ROLLOUT: None})
    assert set(releases(pair).values()) == {"1.0.0"}
    result = pair.advance()
    assert (result.commits, result.judged, pair.state.quarantine) == ((), (), ())
    assert pair.state.progress[NAME].phase == "rolling"
    pair.change(**{ROLLOUT: document})
    assert {name for name, version in releases(pair).items() if version == "1.1.0"} == exposed
    pair.advance()
    assert pair.state.progress[NAME].rings[-1].name == "pilot"


def void(_: object) -> None:
    return None
