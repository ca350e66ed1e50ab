"""The judge's commits need no review, but they must follow from their evidence."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.fleet_files import fleet_files
from fakes.fleet_pair import RacingRepository, bare
from fakes.published_fleet import PublishedFleet, key_folder, published_fleet, unpublished_fleet
from ringtide_contract.errors import InputError, TrustError
from ringtide_engine import wiring
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.model.publication import PLAN_RECORD, POLICY_RECORD
from ringtide_engine.workflows.advance import advance

PROGRESS = "progress/digits-1.1.0.yaml"
EVIDENCE = "progress/digits-1.1.0/0001.json"

POLICY = b"""apiVersion: ringtide/v1
kind: PolicySet
name: fleet
rules:
  - rule: release-licence-allowed
    parameters: {allowed: [MIT]}
"""
WAIVER = b"""apiVersion: ringtide/v1
kind: Waiver
name: licence
rule: release-licence-allowed
scope: ["models/digits/*.yaml"]
reason: the lawyers look at it until the end of the day
owner: ops@example.org
expires: 2026-11-24
"""


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> PublishedFleet:
    """Return a published fleet with a rollout that the judge has not looked at."""
    return published_fleet(tmp_path_factory.mktemp("rolling"), rollout="1.1.0")


@pytest.fixture
def judged(rolling: PublishedFleet, tmp_path: Path) -> PublishedFleet:
    """Return the same fleet after the judge has opened the first ring."""
    fleet = rolling.copy(tmp_path)
    reports = RacingRepository(bare(tmp_path / "reports.git"))
    assert len(advance(fleet.repository, reports, now=fleet.now).commits) == 1
    return fleet


def refused(fleet: PublishedFleet, *, unreviewed: bool = False) -> None:
    """Check that publishing is refused although nothing else speaks against it, and that nothing is written."""
    before = fleet.refs()
    with pytest.raises(TrustError) as caught:
        fleet.publish(unreviewed=unreviewed)
    assert caught.value.rule == "JUDGE-REPLAY"
    assert fleet.refs() == before


def test_a_verdict_is_published_without_a_plan(judged: PublishedFleet) -> None:
    before = judged.published
    outcome = judged.publish()
    assert (outcome.kind, outcome.generation, outcome.source) == ("published", 2, judged.source)
    assert judged.published.head.root != before.head.root
    assert b'"changes":[]' in judged.files[PLAN_RECORD]
    assert any(b'"ring":"canary"' in content for path, content in judged.files.items() if path.startswith("classes/"))
    assert judged.verify().generation == 2


def test_a_verdict_does_not_carry_an_unreviewed_change(judged: PublishedFleet) -> None:
    judged.edit("models/digits/1.0.0.yaml", "riskTier: low", "riskTier: low\nattempt: 1")
    before = judged.refs()
    with pytest.raises(InputError, match="ringtide plan"):
        judged.publish()
    assert judged.refs() == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda files: {PROGRESS: files[PROGRESS].replace(b"canary", b"rest")}, id="another ring"),
        pytest.param(lambda files: {PROGRESS: files[PROGRESS].replace(b"rolling", b"completed")}, id="another phase"),
        pytest.param(lambda files: {EVIDENCE: files[EVIDENCE].replace(b"promote", b"hold")}, id="evidence"),
        pytest.param(lambda files: {PROGRESS: None}, id="progress removed"),
        pytest.param(lambda files: {EVIDENCE: None, PROGRESS: None}, id="verdict taken back"),
        pytest.param(
            lambda files: {
                "quarantine/digits-1.0.0.yaml": b'apiVersion: ringtide/v1\nkind: QuarantineEntry\nsubject: "release"\n'
                b'model: "digits"\nrelease: "1.2.0"\ngraphs: ["' + b"0" * 64 + b'"]\nreason: "because"\n'
            },
            id="quarantine by hand",
        ),
    ],
)
def test_a_tampered_verdict_is_refused(
    judged: PublishedFleet, change: Callable[[dict[str, bytes]], dict[str, bytes | None]]
) -> None:
    files = dict(judged.repository.files(judged.source))
    made = change(files)
    assert any(files.get(path) != content for path, content in made.items())
    judged.change(made)
    refused(judged)
    refused(judged, unreviewed=True)


def test_a_tampered_verdict_is_refused_also_where_a_later_commit_mends_it(judged: PublishedFleet) -> None:
    honest = judged.repository.files(judged.source)[PROGRESS]
    judged.change({PROGRESS: honest.replace(b"canary", b"rest")})
    judged.change({PROGRESS: honest})
    refused(judged, unreviewed=True)


def test_a_verdict_judged_on_another_parent_is_refused(judged: PublishedFleet) -> None:
    files = judged.repository.files(judged.source)
    fresh = {path: files[path] for path in (PROGRESS, EVIDENCE)}
    parent = next(iter(judged.repository.history(judged.source))).parents[0]
    judged.repository.commit("main", parent=judged.source, changes=dict.fromkeys(fresh), message="x", at=judged.now)
    judged.repository.commit("main", parent=judged.source, changes=fresh, message="Promote", at=judged.now)
    assert parent != next(iter(judged.repository.history(judged.source))).parents[0]
    refused(judged, unreviewed=True)


class Clone:
    """A person's clone of the fleet repository."""

    def __init__(self, fleet: PublishedFleet, folder: Path) -> None:
        subprocess.run(["git", "clone", "-q", str(fleet.folder), str(folder)], check=True, capture_output=True)
        self.folder = folder

    def git(self, *arguments: str) -> None:
        person = ("-c", "user.name=A Person", "-c", "user.email=person@example.org")
        command = ["git", "-C", str(self.folder), *person, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def note(self, text: str) -> None:
        (self.folder / "README.md").write_text(text)
        self.git("add", ".")
        self.git("commit", "-qm", "A note")


def judge(fleet: PublishedFleet, folder: Path) -> None:
    assert advance(fleet.repository, RacingRepository(bare(folder / "reports.git")), now=fleet.now).commits


def test_a_verdict_that_a_person_pulled_and_pushed_is_published(rolling: PublishedFleet, tmp_path: Path) -> None:
    fleet = rolling.copy(tmp_path)
    clone = Clone(fleet, tmp_path / "clone")
    judge(fleet, tmp_path)
    clone.note("for people")
    clone.git("pull", "-q", "--no-rebase", "--no-edit")
    clone.git("push", "-q", "origin", "HEAD:main")
    (head,) = (info for info in fleet.repository.history(fleet.source) if len(info.parents) == 2)
    assert PROGRESS in fleet.repository.changed_paths(head.parents[0], head.id)
    assert fleet.publish().generation == 2


@pytest.mark.parametrize("published", [False, True], ids=["not published", "published"])
def test_a_merge_that_drops_a_verdict_is_refused(rolling: PublishedFleet, tmp_path: Path, published: bool) -> None:
    fleet = rolling.copy(tmp_path)
    clone = Clone(fleet, tmp_path / "clone")
    judge(fleet, tmp_path)
    if published:
        fleet.publish()
    clone.note("for people")
    clone.git("fetch", "-q", "origin")
    clone.git("merge", "-q", "-s", "ours", "-m", "Merge", "origin/main")
    clone.git("push", "-q", "origin", "HEAD:main")
    assert PROGRESS not in fleet.repository.files(fleet.source)
    refused(fleet, unreviewed=True)


def test_a_merge_that_words_a_verdict_itself_is_refused(rolling: PublishedFleet, tmp_path: Path) -> None:
    fleet = rolling.copy(tmp_path)
    clone = Clone(fleet, tmp_path / "clone")
    judge(fleet, tmp_path)
    clone.note("for people")
    clone.git("pull", "-q", "--no-rebase", "--no-edit")
    progress = clone.folder / PROGRESS
    progress.write_text(progress.read_text().replace("canary", "rest"))
    clone.git("commit", "-q", "-a", "--amend", "--no-edit")
    clone.git("push", "-q", "origin", "HEAD:main")
    refused(fleet, unreviewed=True)


def test_a_verdict_tampered_with_on_a_merged_branch_is_refused(judged: PublishedFleet, tmp_path: Path) -> None:
    clone = Clone(judged, tmp_path / "clone")
    progress = clone.folder / PROGRESS
    clone.git("checkout", "-q", "-b", "side")
    progress.write_text(progress.read_text().replace("canary", "rest"))
    clone.git("commit", "-q", "-a", "-m", "Tamper")
    clone.git("checkout", "-q", "main")
    clone.note("for people")
    clone.git("merge", "-q", "--no-edit", "side")
    clone.git("push", "-q", "origin", "HEAD:main")
    refused(judged, unreviewed=True)


def test_an_expired_waiver_stops_a_person_and_no_verdict(tmp_path: Path) -> None:
    files = fleet_files(12, rollout="1.1.0")
    fleet = unpublished_fleet(tmp_path, {**files, "policies/fleet.yaml": POLICY, "waivers/licence.yaml": WAIVER})
    fleet.publish(unreviewed=True)
    judge(fleet, tmp_path)
    fleet.later(timedelta(days=3))
    assert fleet.publish().generation == 2
    assert b'"rule":"release-licence-allowed","severity":"error"' in fleet.files[POLICY_RECORD]
    assert fleet.verify().recompiled

    fleet.edit("models/digits/1.0.0.yaml", "riskTier: low", "riskTier: low\nattempt: 1")
    before = fleet.refs()
    with pytest.raises(FindingsError) as caught:
        fleet.publish(unreviewed=True)
    assert "release-licence-allowed" in {each.rule for each in caught.value.findings if each.severity == "error"}
    assert fleet.refs() == before


def test_a_verdict_from_the_future_is_refused(rolling: PublishedFleet, tmp_path: Path) -> None:
    fleet = rolling.copy(tmp_path)
    folders = [key_folder(tmp_path / custody, "us", custody) for custody in ("statement", "tuf")]
    fleet.now = fleet.now.replace(year=2500)
    judge(fleet, tmp_path)
    without_clock = fleet.publisher
    fleet.publisher = wiring.publisher(fleet.repository, *folders)
    refused(fleet)
    fleet.publisher = without_clock
    assert fleet.publish().generation == 2, "nothing else speaks against it"


def test_a_raised_epoch_replays_only_what_was_not_published(judged: PublishedFleet) -> None:
    judged.publish()
    replayed: list[str] = []
    judged.publisher = replace(judged.publisher, replay=lambda _, commit, **__: replayed.append(commit))
    judged.establish(root=None, online=None, epoch=2)
    tampered = judged.change({PROGRESS: judged.repository.files(judged.source)[PROGRESS].replace(b"canary", b"rest")})
    mended = judged.change({PROGRESS: judged.repository.files(judged.published.publication.source.commit)[PROGRESS]})
    assert judged.publish(unreviewed=True).generation == 1
    assert replayed == [tampered, mended]


def test_refresh_leaves_a_verdict_for_the_next_publish(judged: PublishedFleet) -> None:
    root = judged.published.head.root
    judged.later(timedelta(days=6)).publish(refresh=True)
    assert judged.published.head.root == root
    assert judged.publish().generation == 3
