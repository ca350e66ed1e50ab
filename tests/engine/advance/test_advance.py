"""Advance and replay against real repositories: verdicts as commits on the judge's paths, and nothing else."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from fakes.fleet_pair import FleetPair, StubbornRepository, fleet_pair
from fakes.judged_rollouts import confirmed, in_probation, reverted
from ringtide_contract.errors import InputError, TransientError, TrustError
from ringtide_engine.judge.documents import is_judge_path
from ringtide_engine.model.evidence import read_evidence, write_evidence
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.workflows.advance import advance, judge, replay

HOUR = timedelta(hours=1)
NAME = "digits-1.1.0"


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    """Return a fleet that has spoken and whose first ring is open."""
    made = fleet_pair(tmp_path)
    made.report(confirmed)
    made.ingest()
    made.advance()
    return made


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> FleetPair:
    """Return a fleet whose head is a verdict that opens the second ring; tests only read its main branch."""
    made = fleet_pair(tmp_path_factory.mktemp("promoted"))
    made.advance()
    soak(made).advance()
    return made


def soak(pair: FleetPair) -> FleetPair:
    """Let exposed devices confirm, and report once more after the soak."""
    for span in (timedelta(minutes=10), HOUR):
        pair.later(span).report(confirmed)
        pair.ingest()
    return pair


def titles(pair: FleetPair) -> list[str]:
    return [info.message.splitlines()[0] for info in pair.fleet.history(pair.head)]


def test_a_rollout_walks_through_its_rings_to_completion(pair: FleetPair) -> None:
    for _ in range(3):
        soak(pair).advance()
    assert titles(pair) == [
        f"Complete rollout {NAME}",
        f"Promote rollout {NAME} to ring rest",
        f"Promote rollout {NAME} to ring pilot",
        f"Promote rollout {NAME} to ring canary",
        "Begin",
    ]
    assert pair.state.progress[NAME].stable == "1.1.0"
    assert pair.advance().commits == ()


def test_every_verdict_of_a_whole_rollout_replays(pair: FleetPair) -> None:
    for _ in range(3):
        soak(pair).advance()
    commits = [info.id for info in pair.fleet.history(pair.head) if info.parents]
    assert len(commits) == 4
    for commit in commits:
        replay(pair.fleet, commit)
        replay(pair.fleet, commit, reports=pair.reports)


def test_a_verdict_changes_judge_paths_only(pair: FleetPair) -> None:
    before = pair.head
    pair.later(HOUR).report(reverted)
    pair.ingest()
    result = pair.advance()
    assert len(result.commits) == 1
    changed = pair.fleet.changed_paths(before, pair.head)
    assert {path.partition("/")[0] for path in changed} == {"progress", "quarantine", "incidents"}
    assert all(map(is_judge_path, changed))
    assert titles(pair)[0] == f"Roll back rollout {NAME}"
    assert pair.state.progress[NAME].phase == "rolledBack"
    replay(pair.fleet, pair.head, reports=pair.reports)


def test_a_rolled_back_rollout_is_left_alone(pair: FleetPair) -> None:
    pair.later(HOUR).report(reverted)
    pair.ingest()
    pair.advance()
    result = pair.later(HOUR).advance()
    assert (result.commits, result.judged) == ((), ())


def test_a_hold_is_committed_when_its_reasons_change_and_not_when_figures_do(pair: FleetPair) -> None:
    exposed = [each.device for each in pair.exposed()]
    pair.later(timedelta(minutes=1)).report(in_probation, only=frozenset(exposed[:1]))
    pair.ingest()
    assert len(pair.advance().commits) == 1
    pair.later(timedelta(minutes=1)).report(in_probation)
    pair.ingest()
    assert pair.advance().commits == ()
    pair.later(timedelta(minutes=1)).report(confirmed, only=frozenset(exposed))
    pair.ingest()
    result = pair.advance()
    assert [item.verdict.kind for item in result.judged] == ["hold"]
    assert titles(pair)[:2] == [f"Hold rollout {NAME}", f"Hold rollout {NAME}"]
    replay(pair.fleet, pair.head)


def test_devices_that_report_while_nobody_collects_are_not_rolled_back(pair: FleetPair) -> None:
    pair.later(timedelta(minutes=10)).report(confirmed)
    pair.ingest()
    for _ in range(4):
        pair.later(timedelta(days=1)).report(confirmed)
    assert [item.verdict.kind for item in pair.advance().judged] == ["hold"]
    assert pair.state.quarantine == ()
    replay(pair.fleet, pair.head, reports=pair.reports)


def test_a_verdict_of_a_clock_far_ahead_is_refused_by_replay_and_by_the_next_judge(pair: FleetPair) -> None:
    year, before = timedelta(days=365), pair.head
    present = soak(pair).now
    replay(pair.fleet, before, now=present)
    pair.later(year).report(confirmed)
    pair.advance()
    assert pair.head != before
    replay(pair.fleet, pair.head)
    with pytest.raises(TrustError, match="2027-11-23T10:10:00Z, but this clock says 2026-11-23T10:10:00Z"):
        replay(pair.fleet, pair.head, now=present)
    pair.later(-year)
    with pytest.raises(InputError, match="correct the clock"):
        pair.advance()


def test_the_message_gives_the_reasons(pair: FleetPair) -> None:
    soak(pair).advance()
    message = next(iter(pair.fleet.history(pair.head))).message
    assert (
        f"- {NAME}: ring canary: 3 of 3 reachable devices confirmed through a soak of 1h; ring pilot opens" in message
    )


def test_a_dry_run_judges_and_commits_nothing(pair: FleetPair) -> None:
    head = pair.head
    soak(pair)
    result = advance(pair.fleet, pair.reports, now=pair.now, dry_run=True)
    assert [(item.verdict.kind, item.recorded) for item in result.judged] == [("promote", True)]
    assert (result.commits, pair.head) == ((), head)


def test_judging_twice_gives_the_same_bytes(pair: FleetPair) -> None:
    soak(pair)
    state, head = pair.state, pair.head
    once, again = (judge(state, head, pair.reports, now=pair.now) for _ in range(2))
    assert [item.files for item in once] == [item.files for item in again]


def test_two_advances_at_once_leave_one_verdict(pair: FleetPair) -> None:
    soak(pair)
    pair.fleet.before_commit = lambda: void(pair.advance())
    late = pair.advance()
    assert titles(pair)[:2] == [f"Hold rollout {NAME}", f"Promote rollout {NAME} to ring pilot"]
    assert [item.verdict.kind for item in late.judged] == ["hold"], "the loser judged the new ring, not the old one"
    assert titles(pair).count(f"Promote rollout {NAME} to ring pilot") == 1


def test_a_change_by_people_in_between_is_judged_too(pair: FleetPair) -> None:
    soak(pair)
    other = fleet_files(12, rollout="1.1.0", shares=("25%", "60%", "100%"))["rings/standard.yaml"]
    pair.fleet.before_commit = lambda: void(pair.change(**{"rings/standard.yaml": other}))
    pair.advance()
    assert titles(pair)[:2] == [f"Promote rollout {NAME} to ring pilot", "Change"]
    replay(pair.fleet, pair.head)


def test_an_advance_that_loses_every_race_says_so(pair: FleetPair) -> None:
    soak(pair)
    with pytest.raises(TransientError, match="moved 5 times"):
        advance(StubbornRepository(pair.folders[0]), pair.reports, now=pair.now)


def test_reports_that_nobody_collects_hold(pair: FleetPair) -> None:
    soak(pair).later(timedelta(minutes=11))
    pair.advance()
    assert titles(pair)[0] == f"Hold rollout {NAME}"
    assert "collected/main reaches to" in pair.state.progress[NAME].last.reasons[0]


def test_the_quarantine_of_one_rollout_ends_others_of_the_release(pair: FleetPair) -> None:
    second = fleet_files(12, rollout="1.1.0")["rollouts/digits-1.1.0.yaml"].replace(b"digits-1.1.0", b"digits-eu")
    second = second.replace(b"digits-everywhere", b"digits-eu")
    placement = fleet_files()["placements/digits-everywhere.yaml"].replace(b"digits-everywhere", b"digits-eu")
    cohort = fleet_files()["cohorts/all.yaml"].replace(b"name: all", b"name: nobody").replace(b"edge-s, ", b"")
    pair.change(
        **{
            "rollouts/digits-eu.yaml": second,
            "placements/digits-eu.yaml": placement.replace(b"cohort: all", b"cohort: nobody"),
            "cohorts/nobody.yaml": cohort.replace(b"edge-m, edge-l", b"edge-x"),
        }
    )
    pair.later(timedelta(minutes=1)).fleet.before_commit = None
    pair.advance()
    assert pair.state.progress["digits-eu"].phase == "rolling"
    for device in pair.exposed(NAME):
        pair.send(device.device, reverted(device))
    pair.ingest()
    result = pair.advance()
    assert len(result.commits) == 2
    assert {name: progress.phase for name, progress in pair.state.progress.items()} == {
        NAME: "rolledBack",
        "digits-eu": "rolledBack",
    }
    for commit in result.commits:
        replay(pair.fleet, commit)


def test_a_desired_state_that_cannot_be_read_is_not_judged(pair: FleetPair) -> None:
    pair.change(**{"fleet.yaml": b"kind: Fleet\n"})
    with pytest.raises(FindingsError):
        pair.advance()


def test_a_rollout_of_a_release_that_is_gone_says_what_is_missing(pair: FleetPair) -> None:
    pair.change(**{"models/digits/1.1.0.yaml": None})
    with pytest.raises(InputError, match=r"rollouts/digits-1\.1\.0\.yaml: there is no release digits 1\.1\.0"):
        pair.advance()


def forge(pair: FleetPair, change: Callable[[dict[str, bytes]], dict[str, bytes | None]]) -> str:
    """Return a commit with the verdict's parent, and something changed in the verdict."""
    info = next(iter(pair.fleet.history(pair.head)))
    files = pair.fleet.files(info.id)
    changed = {path: files[path] for path in pair.fleet.changed_paths(info.parents[0], info.id)}
    made = change(dict(changed))
    folder = pair.folders[0]
    environment = {"GIT_INDEX_FILE": str(folder / "forged.index"), "PATH": "/usr/bin:/bin"}

    def git(*arguments: str, send: bytes | None = None) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        command = ["git", "-C", str(folder), *identity, *arguments]
        return (
            subprocess.run(command, check=True, capture_output=True, input=send, env=environment)
            .stdout.decode()
            .strip()
        )

    git("read-tree", info.parents[0])
    for path, content in made.items():
        if content is None:
            git("update-index", "--index-info", send=f"0 {'0' * 40}\t{path}\n".encode())
        else:
            blob = git("hash-object", "-w", "--stdin", send=content)
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    return git("commit-tree", git("write-tree"), "-p", info.parents[0], "-m", "Promote")


EVIDENCE = f"progress/{NAME}/0002.json"
PROGRESS = f"progress/{NAME}.yaml"


def more_confirmed(files: dict[str, bytes]) -> dict[str, bytes | None]:
    evidence, judged = read_evidence(files[EVIDENCE])
    tallies = tuple(replace(tally, requests=tally.requests + 1) for tally in evidence.tallies)
    return {**files, EVIDENCE: write_evidence(replace(evidence, tallies=tallies), {"result": dict(judged)})}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(more_confirmed, id="other tallies"),
        pytest.param(lambda f: {**f, EVIDENCE: f[EVIDENCE].replace(b'"promote"', b'"hold"')}, id="another result"),
        pytest.param(lambda f: {**f, EVIDENCE: f[EVIDENCE][:-1]}, id="cut off"),
        pytest.param(lambda f: {**f, PROGRESS: f[PROGRESS].replace(b"pilot", b"rest")}, id="another ring"),
        pytest.param(lambda f: {**f, PROGRESS: f[PROGRESS] + b"# by hand\n"}, id="a comment"),
        pytest.param(lambda f: {PROGRESS: f[PROGRESS]}, id="no evidence"),
        pytest.param(lambda f: {EVIDENCE: f[EVIDENCE]}, id="no progress"),
        pytest.param(lambda f: {**f, "quarantine/digits-1.0.0.yaml": b"x"}, id="a quarantine beside it"),
        pytest.param(lambda f: {**f, "fleet.yaml": b"x"}, id="a path of people"),
        pytest.param(lambda f: {**f, f"progress/{NAME}/0001.json": None}, id="an older evidence removed"),
        pytest.param(lambda f: {}, id="nothing"),
    ],
)
def test_a_tampered_verdict_is_refused(
    promoted: FleetPair, change: Callable[[dict[str, bytes]], dict[str, bytes | None]]
) -> None:
    replay(promoted.fleet, forge(promoted, dict))
    with pytest.raises(TrustError) as refused:
        replay(promoted.fleet, forge(promoted, change))
    assert refused.value.rule == "JUDGE-REPLAY"


def test_tallies_that_no_report_gives_are_refused_by_whoever_has_the_reports(pair: FleetPair) -> None:
    soak(pair)
    state, head = pair.state, pair.head
    (item,) = judge(state, head, pair.reports, now=pair.now)
    from ringtide_engine.judge.documents import judged_files

    better = replace(
        item.evidence, tallies=tuple(replace(each, requests=each.requests + 1000) for each in item.evidence.tallies)
    )
    files = judged_files(item.case.view, better)[1]
    forged = pair.fleet.commit("main", parent=head, changes=dict(files), message="Promote", at=pair.now)
    replay(pair.fleet, forged)
    with pytest.raises(TrustError, match="the reports do not give these tallies"):
        replay(pair.fleet, forged, reports=pair.reports)


def test_evidence_from_another_commit_is_refused(pair: FleetPair) -> None:
    soak(pair)
    (item,) = judge(pair.state, pair.head, pair.reports, now=pair.now)
    pair.change(**{"notes.txt": b"x"})
    commit = pair.fleet.commit("main", parent=pair.head, changes=dict(item.files), message="Promote", at=pair.now)
    with pytest.raises(TrustError, match="was not judged on"):
        replay(pair.fleet, commit)


def test_a_first_commit_and_a_commit_of_people_are_no_verdicts(pair: FleetPair) -> None:
    first = [info.id for info in pair.fleet.history(pair.head)][-1]
    for commit in (first, pair.change(**{"fleet.yaml": fleet_files()["fleet.yaml"] + b"# x\n"})):
        with pytest.raises(TrustError):
            replay(pair.fleet, commit)


def void(_: object) -> None:
    return None
