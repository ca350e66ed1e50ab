"""The example's own workflow files publish: two jobs, each with its custody, from bare repositories to devices."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.act_runner import TEMPLATE, ActRunner, needs_act
from fakes.fleet_files import device_ids, fleet_files
from fakes.fleet_pair import FleetPair, RacingRepository, bare
from fakes.github_api import FakeGitHub, serving
from fakes.judged_rollouts import confirmed
from fakes.published_fleet import ceremony, custody_keys, key_folder
from fakes.reporting_devices import ReportingDevice
from ringtide_contract.keys import private_pem
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.adapters.key_folders import FolderStatementSigner
from ringtide_engine.adapters.tuf_custody import TufCustody
from ringtide_engine.workflows.advance import replay
from ringtide_engine.workflows.establish_trust import establish_trust
from ringtide_engine.workflows.plan import plan_change
from ringtide_engine.workflows.publish import Approval, Publisher, publish
from ringtide_engine.workflows.published import read_published

pytestmark = [pytest.mark.journey, needs_act]

DEVICES = 6
OTHER_RELEASE = ("placements/digits-everywhere.yaml", 'release: "1.0.0"', 'release: "1.2.0"')
RETIREMENT = (f"devices/{device_ids(1)[0]}.yaml", "state: active", "state: retired")
SECRET_KEYS = ("statement", "release", "snapshot", "timestamp")


@dataclass(kw_only=True)
class Fleet(FleetPair):
    """Both repositories of a fleet on GitHub, and its workflows."""

    github: FakeGitHub
    runner: ActRunner

    def plan(self, base: str | None) -> str:
        """Return the digest of the plan from a commit to the newest one."""
        before = None if base is None else self.fleet.files(base)
        files = self.fleet.files(self.head)
        return plan_change(before, files, today=datetime.now(UTC).date(), engine=CelConditions()).plan.digest

    def merge(self, path: str, old: str, new: str) -> str:
        """Merge a change of a file, and return the digest of its plan."""
        base, content = self.head, self.fleet.files(self.head)[path]
        assert old.encode() in content
        self.change(**{path: content.replace(old.encode(), new.encode())})
        return self.plan(base)

    def reviewed(self, plan: str, commit: str | None = None) -> None:
        """Record a plan for a commit, the newest one where None, as the check of a merge group does."""
        record = {"name": "ringtide plan", "conclusion": "success", "external_id": plan}
        record["head_sha"] = self.head if commit is None else commit
        self.github.answer("POST", f"/repos/{self.github.repository}/check-runs", {}, record)

    def reviewed_in_a_pull_request(self, plan: str) -> None:
        """Record a plan for the head of a pull request, of which the newest commit is the squashed merge."""
        head = "5" * 40
        merged = {"merged_at": "2026-11-23T09:00:00Z", "merge_commit_sha": self.head, "head": {"sha": head}}
        self.github.pulls[self.head] = [merged]
        self.reviewed(plan, head)

    def run(self, workflow: str, event: str, **inputs: str) -> str:
        """Run a workflow on the newest commit, and return what it said."""
        payload = {"ref": "refs/heads/main", "inputs": inputs, "repository": {"default_branch": "main"}}
        done = self.runner.run(self.checkout(), workflow, event, payload)
        said = done.stdout + done.stderr
        assert (done.returncode == 0) == ("Job failed" not in said), said[-4000:]
        return said

    def checkout(self) -> Path:
        """Return a clone with the newest `main`."""
        folder = self.folders[0].with_name("checkout")
        if not folder.exists():
            self.call("git", "clone", "--quiet", str(self.folders[0]), str(folder))
        self.call("git", "-C", str(folder), "pull", "--quiet")
        return folder

    def ringtide(self, *arguments: str) -> str:
        """Return what ringtide says to a person."""
        return self.call(sys.executable, "-m", "ringtide_engine.cli", *arguments)

    def call(self, *command: str) -> str:
        environment = self.runner.environment()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def generation(self) -> int | None:
        """The generation that is published."""
        found = read_published(self.fleet, self.fleet.head("published"))
        return None if found is None else found.publication.generation

    def verify(self) -> str:
        """Verify as somebody does who knows the address of the repository."""
        return self.ringtide("verify", str(self.folders[0]))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Return a fleet with a rollout, trust and workflows on `main`, of which nothing is published."""
    folders = bare(tmp_path / "fleet.git"), bare(tmp_path / "reports.git")
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    files = fleet_files(DEVICES, rollout="1.1.0")
    files |= {f".github/{each.relative_to(TEMPLATE)}": each.read_bytes() for each in TEMPLATE.rglob("*.yml")}
    files |= {f"trust/{name}": content for name, content in establish_trust({}, ceremony("us"), now).items()}
    secrets = {f"RINGTIDE_{name.upper()}_KEY": private_pem(custody_keys("us")[name]).decode() for name in SECRET_KEYS}
    with serving(FakeGitHub()) as github:
        variables = {"RINGTIDE_REPORTS_URL": str(folders[1])}
        runner = ActRunner(
            folder=tmp_path, api=github.url, origin=str(folders[0]), variables=variables, secrets=secrets
        )
        made = Fleet(
            fleet=RacingRepository(folders[0]),
            reports=RacingRepository(folders[1]),
            devices={each: ReportingDevice(id=each) for each in device_ids(DEVICES)},
            now=now,
            folders=folders,
            github=github,
            runner=runner,
        )
        made.fleet.commit("main", parent=None, changes=files, message="Begin", at=now)
        yield made


@pytest.fixture
def published(fleet: Fleet, tmp_path: Path) -> Fleet:
    """Return the fleet with generation 1 published, and with devices that report from it."""
    statement, tuf = (key_folder(tmp_path / "keys" / name, "us", name) for name in ("statement", "tuf"))
    publisher = Publisher(
        repository=fleet.fleet,
        statement=FolderStatementSigner(statement),
        tuf=TufCustody(tuf),
        policies=CelConditions(),
        replay=replay,
    )
    publish(publisher, Approval(unreviewed=True), fleet.now)
    fleet.report(confirmed)
    return fleet


def test_the_first_generation_is_published_by_hand_and_the_second_by_a_merge(fleet: Fleet) -> None:
    assert "Nothing is published yet" in fleet.run("publish.yml", "push")
    assert fleet.generation is None

    said = fleet.run("publish.yml", "workflow_dispatch", plan=fleet.plan(None))
    assert "signed generation 1" in said
    assert "published generation 1" in said
    assert "generation 1 of epoch 1" in fleet.verify()

    fleet.reviewed_in_a_pull_request(fleet.merge(*OTHER_RELEASE))
    assert "published generation 2" in fleet.run("publish.yml", "push")
    assert f"devices {DEVICES} accept it" in fleet.verify()


def test_a_plan_that_nobody_reviewed_is_not_published(published: Fleet) -> None:
    published.merge(*OTHER_RELEASE)
    before = published.fleet.head("published")
    unplanned = published.run("publish.yml", "push")
    assert "Job failed" in unplanned
    assert f"no plan was recorded for {published.head}" in unplanned

    of_the_second_merge_alone = published.merge(*RETIREMENT)
    published.reviewed(of_the_second_merge_alone)
    other = published.run("publish.yml", "push")
    assert "Job failed" in other
    assert f"not the approved {of_the_second_merge_alone}" in other
    assert published.fleet.head("published") == before

    whole = published.ringtide("plan", "--fleet", str(published.checkout()), "--head", "origin/main").splitlines()[-1]
    published.run("publish.yml", "workflow_dispatch", plan=whole.removeprefix("plan digest: "))
    assert published.generation == 2


def test_the_judge_and_its_publication_are_one_run(published: Fleet) -> None:
    published.runner.variables |= {"RINGTIDE_APP_ID": "Iv1.example"}
    published.runner.secrets |= {"RINGTIDE_APP_KEY": "key of the app"}
    published.reviewed(published.merge(*RETIREMENT))  # what GitHub has dropped in the queue comes along
    source = published.head
    said = published.run("advance.yml", "schedule")
    assert said.count("Success - Main Token of the app") == 3, said[-5000:]  # the judge, and both custodies
    assert published.generation == 2, said[-3000:]
    assert [
        path for path in published.fleet.changed_paths(source, published.head) if not path.startswith("progress/")
    ] == []
    assert published.exposed()
    verified = published.verify()
    assert "generation 2 of epoch 1" in verified
    assert f"devices {DEVICES - 1} accept it" in verified


def test_without_a_judge_what_a_merge_left_is_published_and_renewed(published: Fleet) -> None:
    published.runner.variables = {}
    published.reviewed(published.merge(*OTHER_RELEASE))
    said = published.run("advance.yml", "schedule")
    assert "collect reports and judge" not in said
    assert "Token of the app" not in said
    assert published.generation == 2, said[-3000:]
    assert "reserve, compile and sign" not in published.run("advance.yml", "schedule")

    before = published.fleet.files(published.fleet.head("published") or "")
    assert "refreshed generation 2" in published.run("publish.yml", "schedule")
    after = published.fleet.files(published.fleet.head("published") or "")
    assert {path for path in after if before.get(path) != after[path]} == {"metadata/timestamp.json"}
    assert "generation 2 of epoch 1" in published.verify()
