"""What an operator does in the demo: merge, plan, publish, collect, advance; the same workflows that the verbs call."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ringtide_contract import membership
from ringtide_contract.errors import TransientError
from ringtide_contract.ids import DeviceId
from ringtide_contract.quarantine import QuarantineEntry
from ringtide_contract.report import Report
from ringtide_engine import wiring
from ringtide_engine.demo.agents import Places
from ringtide_engine.demo.fleet import FLEET
from ringtide_engine.model.evidence import read_evidence
from ringtide_engine.model.plan import Plan
from ringtide_engine.model.publication import PUBLISHED, PublishOutcome
from ringtide_engine.ports import ArtifactStore, CommitInfo
from ringtide_engine.shipped import schemas, template
from ringtide_engine.workflows.advance import AdvanceResult, advance
from ringtide_engine.workflows.cases import read_state
from ringtide_engine.workflows.collected import collectors, read_collected
from ringtide_engine.workflows.establish_trust import Ceremony, CustodyKeys, establish_trust
from ringtide_engine.workflows.ingest import ingest
from ringtide_engine.workflows.plan import plan_change
from ringtide_engine.workflows.publish import Approval, publish
from ringtide_engine.workflows.published import read_published
from ringtide_engine.workflows.recording import IngestResult
from ringtide_engine.workflows.rollout_edits import approve
from ringtide_engine.workflows.simulate import foretold_by
from ringtide_engine.workflows.verify import Verification, verify

COLLECTOR = "demo"

_FIRST_ROOT = "trust/1.root.json"

_STORY = timedelta(hours=1)
"""Longer than the demo lasts."""

_VERDICTS = ("Promote rollout", "Complete rollout", "Hold rollout", "Roll back rollout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A change that was reviewed, merged and published."""

    commit: str
    """The merge on `main`."""
    plan: Plan
    """What was reviewed."""
    outcome: PublishOutcome
    """What was published."""
    simulated: tuple[str, ...]
    """What each rollout of it would do if its candidate were broken, one sentence each."""


class Operator:
    """Owns the keys and a clone of the fleet repository."""

    def __init__(self, places: Places) -> None:
        """Make the repositories, the store and the keys of every custody, and establish trust."""
        self._places = places
        self._clock = wiring.clock()
        self._policies = wiring.policies()
        places.store.mkdir(parents=True)
        for custody in wiring.custodies():
            wiring.make_keys(custody, places.keys(custody))
        kept = {
            path: content
            for path, content in {
                **template(),
                **{f".ringtide/schemas/{name}": content for name, content in schemas().items()},
            }.items()
            if path.startswith((".", "README"))
        }
        wiring.new_repository(places.checkout, kept, "Start the fleet from ringtide's example")
        _git("init", "--quiet", "--bare", "--initial-branch=main", str(places.fleet_repo))
        _git("init", "--quiet", "--bare", "--initial-branch=main", str(places.reports_repo))
        _git("-C", str(places.checkout), "remote", "add", "origin", places.fleet_repo.as_uri())
        _git("-C", str(places.checkout), "push", "--quiet", "origin", "main")
        self._fleet = wiring.fleet_repository(places.checkout)
        self._reports = wiring.reports_repository(places.reports_repo)
        self._publisher = wiring.publisher(self._fleet, places.keys("statement"), places.keys("tuf"))

    @property
    def store(self) -> ArtifactStore:
        """The artifact store."""
        return wiring.store(self._places.store.as_uri())

    def trust_files(self) -> Mapping[str, bytes]:
        """Hold the key ceremony and return the files of the folder `trust/`."""

        def custody(name: str) -> CustodyKeys:
            folder = self._places.keys(name)
            return CustodyKeys(
                public=tuple(wiring.public_keys(folder).values()), private=tuple(wiring.private_keys(folder).values())
            )

        ceremony = Ceremony(
            fleet=FLEET,
            root=custody("root"),
            targets=custody("targets"),
            online=wiring.public_keys(self._places.keys("tuf")),
            statement=tuple(wiring.public_keys(self._places.keys("statement")).values()),
            epoch=None,
        )
        files = establish_trust({}, ceremony, self._clock.now())
        return {f"trust/{name}": content for name, content in files.items()}

    def commit(self, files: Mapping[str, bytes], message: str) -> str:
        """Commit files on `main`, as the merge of a pull request does."""
        return self._fleet.commit("main", parent=self._head(), changes=files, message=message, at=self._clock.now())

    def merge(self, files: Mapping[str, bytes], message: str) -> Merged:
        """Review, merge and publish a change.

        Raises:
            FindingsError: It has errors.
        """
        base = self._published_source()
        head = self._head()
        before = dict(self._fleet.files(base)) if base is not None else None
        after = {**self._fleet.files(head), **files}
        planned = plan_change(before, after, today=self._clock.now().date(), engine=self._policies)
        simulated = foretold_by(planned.plan, before, after, now=self._clock.now())
        commit = self.commit(files, message)
        outcome = self.publish(planned.plan.digest)
        return Merged(commit=commit, plan=planned.plan, outcome=outcome, simulated=simulated)

    def publish(self, plan: str | None = None) -> PublishOutcome:
        """Publish what `main` says; verdicts need no plan."""
        return publish(self._publisher, Approval(plan=plan), self._clock.now())

    def verify(self) -> Verification:
        """Verify what is published for every device, from the first root on."""
        root = self._fleet.file(self._head(), _FIRST_ROOT)
        if root is None:
            raise TransientError(f"the fleet repository has lost {_FIRST_ROOT}")
        return verify(
            self._fleet,
            root=root,
            reader=wiring.trust_reader(),
            second_opinion=wiring.second_opinion(),
            now=self._clock.now(),
        )

    def collect(self) -> IngestResult:
        """Take in new reports."""
        return ingest(self._fleet, self._reports, collector=COLLECTOR, now=self._clock.now())

    def advance(self) -> AdvanceResult:
        """Judge, commit the verdicts, and publish what follows from them."""
        result = advance(self._fleet, self._reports, now=self._clock.now())
        if result.commits:
            self.publish()
        return result

    def last_reports(self) -> Mapping[DeviceId, Report]:
        """Return the newest accepted report of each device."""
        sources = collectors(self._reports)
        state = read_state(self._fleet, self._head())
        earliest = min((source.through for source in sources), default=self._clock.now()) - _STORY
        collected = read_collected(self._reports, sources, state, earliest)
        newest: dict[DeviceId, Report] = {}
        for observation in collected.observations:
            report = observation.report
            if report.device not in newest or report.number > newest[report.device].number:
                newest[report.device] = report
        return newest

    def verdicts(self) -> tuple[CommitInfo, ...]:
        """Return the judge's commits, oldest first."""
        commits = [info for info in self._fleet.history(self._head()) if info.message.startswith(_VERDICTS)]
        return tuple(reversed(commits))

    def awaited_ring(self, rollout: str) -> str | None:
        """Return the ring that waits for an approval and for nothing else; None where none does."""
        head = self._head()
        progress = read_state(self._fleet, head).progress.get(rollout)
        content = None if progress is None else self._fleet.file(head, progress.last.evidence)
        if content is None:
            return None
        reasons = read_evidence(content)[1].get("reasons")
        said = [(each["code"], each["subject"]) for each in reasons] if isinstance(reasons, list) else []
        return str(said[0][1]) if len(said) == 1 and said[0][0] == "approval" else None

    def approve(self, rollout: str, ring: str, by: str) -> Merged:
        """Merge the change by which a person lets a ring open."""
        files, today = self._fleet.files(self._head()), self._clock.now().date()
        edit = approve(files, rollout, by=by, role="operations", ring=ring, today=today)
        return self.merge({edit.path: edit.content}, edit.message)

    def phase_of(self, rollout: str) -> str | None:
        """Return where a rollout stands; None before its first ring."""
        progress = read_state(self._fleet, self._head()).progress.get(rollout)
        return None if progress is None else progress.phase

    def exposed_by(self, rollout: str) -> tuple[str, ...]:
        """Return the devices that the rings opened so far have reached, worked out from the cuts in Git."""
        state = read_state(self._fleet, self._head())
        change, progress = state.rollouts[rollout], state.progress[rollout]
        salt = membership.salt(FLEET, rollout, change.candidate)
        return tuple(
            sorted(
                device.id
                for device in state.devices.values()
                if any(
                    membership.bucket(salt, device.id) < ring.cuts.get(device.hardware_class, membership.NOBODY)
                    for ring in progress.rings
                )
            )
        )

    def quarantined(self) -> tuple[QuarantineEntry, ...]:
        """Return the quarantine."""
        return read_state(self._fleet, self._head()).quarantine

    def _head(self) -> str:
        head = self._fleet.head("main")
        if head is None:
            raise TransientError("the fleet repository has lost its branch main")
        return head

    def _published_source(self) -> str | None:
        published = read_published(self._fleet, self._fleet.head(PUBLISHED))
        return None if published is None else published.publication.source.commit


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise TransientError(f"git {arguments[0]} failed: {done.stderr.strip()[-300:]}")
