"""What people say, through real repositories: verbs that edit a rollout, the judge that heeds it, and its history."""

import json
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakes.bad_fleets import judged
from fakes.fleet_files import fleet_files
from fakes.fleet_pair import FleetPair, bare, fleet_pair
from fakes.judged_rollouts import confirmed, reverted
from ringtide_contract.errors import InputError
from ringtide_engine.cli.main import ringtide, run
from ringtide_engine.judge.documents import is_judge_path
from ringtide_engine.workflows.advance import replay
from ringtide_engine.workflows.history import history
from ringtide_engine.workflows.status import status
from ringtide_engine.workflows.why import why

HOUR = timedelta(hours=1)
NAME = "digits-1.1.0"
ROLLOUT = f"rollouts/{NAME}.yaml"
BY = ("--by", "@lena", "--reason", "the line is being rebuilt")


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    """Return a fleet whose canary is confirmed and soaked, and whose pilot ring asks for an approval."""
    made = fleet_pair(tmp_path)
    path = "rings/standard.yaml"
    made.change(**{path: asking(made.fleet.files(made.head))[path]})
    made.report(confirmed)
    made.ingest()
    made.advance()
    return soak(made)


def soak(pair: FleetPair) -> FleetPair:
    for span in (timedelta(minutes=10), HOUR):
        pair.later(span).report(confirmed)
        pair.ingest()
    return pair


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Lena", "-c", "user.email=lena@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def tree(pair: FleetPair, tmp_path: Path) -> Path:
    """Return a clone of the fleet with a work tree, and something staged and something changed in it."""
    folder = tmp_path / "desk"
    git(tmp_path, "clone", "-q", str(pair.folders[0]), str(folder))
    return prepared(folder)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Return a work tree as `tree` is one, in which no device has ever spoken."""
    folder = tmp_path / "alone"
    files = asking(fleet_files(3, rollout="1.1.0")) | {
        path: text.encode() for path, text in judged("1.1.0", "rolling", "canary").items()
    }
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Begin")
    return prepared(folder)


def prepared(folder: Path) -> Path:
    for key, value in (("user.name", "Lena"), ("user.email", "lena@example.org")):
        git(folder, "config", key, value)
    (folder / "staged.txt").write_text("staged")
    git(folder, "add", "staged.txt")
    with (folder / "fleet.yaml").open("a") as file:
        file.write("# being edited\n")
    return folder


def asking(files: Mapping[str, bytes]) -> dict[str, bytes]:
    plan = files["rings/standard.yaml"]
    edited = plan.replace(b"name: pilot", b'name: pilot\n    approval: {from: ["@a", "@b"], least: 1}')
    assert edited != plan
    return {**files, "rings/standard.yaml": edited}


def verb(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(ringtide, ["rollout", *arguments, "-C", str(folder)])


def pushed(tree: Path, pair: FleetPair, *arguments: str) -> None:
    """Run a verb with --commit, and merge what it committed."""
    git(tree, "fetch", "-q")
    git(tree, "rebase", "-q", "--autostash", "origin/main")
    done = verb(tree, *arguments, "--commit")
    assert done.exit_code == 0, done.output
    git(tree, "push", "-q", "origin", "main")


def test_a_pause_is_heeded_until_it_is_taken_away_and_git_log_names_who(pair: FleetPair, tree: Path) -> None:
    pushed(tree, pair, "approve", NAME, "--ring", "pilot", "--by", "@a", "--role", "operations")
    pushed(tree, pair, "pause", NAME, *BY)
    pair.advance()
    assert pair.state.progress[NAME].last.reasons[0].startswith("paused by @lena since ")
    replay(pair.fleet, pair.head, reports=pair.reports)
    pushed(tree, pair, "resume", NAME)
    assert pair.fleet.file(pair.head, ROLLOUT).endswith(b"\n")
    pair.advance()
    assert pair.state.progress[NAME].rings[-1].name == "pilot"
    replay(pair.fleet, pair.head, reports=pair.reports)
    people = [info for info in pair.fleet.history(pair.head) if info.author.startswith("Lena")]
    assert [info.message.splitlines()[0] for info in people] == [
        f"Resume rollout {NAME}",
        f"Pause rollout {NAME}",
        f"Approve ring pilot of rollout {NAME}",
    ]
    assert "By @lena: the line is being rebuilt" in people[1].message


def test_an_approval_opens_the_ring_and_stands_in_the_evidence(pair: FleetPair, tree: Path) -> None:
    pair.advance()
    assert "opens after 1 more approval of @a, @b" in pair.state.progress[NAME].last.reasons[0]
    pushed(tree, pair, "approve", NAME, "--ring", "pilot", "--by", "@b", "--role", "operations")
    pair.advance()
    progress = pair.state.progress[NAME]
    assert progress.rings[-1].name == "pilot"
    evidence = json.loads(pair.fleet.file(pair.head, progress.last.evidence))
    assert [each["by"] for each in evidence["approvals"]] == ["@b"]
    message = next(iter(pair.fleet.history(pair.head))).message
    assert "ring pilot: approved by @b" in message


def test_an_abort_restores_exactly_the_exposed_devices_and_bans_nothing(pair: FleetPair, tree: Path) -> None:
    exposed = {each.device for each in pair.exposed()}
    assert exposed
    pushed(tree, pair, "abort", NAME, *BY)
    before = pair.head
    pair.advance()
    changed = pair.fleet.changed_paths(before, pair.head)
    assert all(map(is_judge_path, changed))
    assert not any(path.startswith("quarantine/") for path in changed)
    (incident,) = (path for path in changed if path.startswith("incidents/"))
    text = pair.fleet.file(pair.head, incident).decode()
    assert f"{len(exposed)} devices were exposed" in text
    assert "aborted by @lena: the line is being rebuilt" in next(iter(pair.fleet.history(pair.head))).message
    desired = {name: why(pair.fleet, pair.reports, name, now=pair.now).models[0].release for name in pair.devices}
    assert set(desired.values()) == {"1.0.0"}
    replay(pair.fleet, pair.head, reports=pair.reports)


def test_failures_roll_back_a_paused_rollout(pair: FleetPair, tree: Path) -> None:
    pushed(tree, pair, "pause", NAME, *BY)
    pair.later(timedelta(minutes=1)).report(reverted)
    pair.ingest()
    pair.advance()
    assert pair.state.progress[NAME].phase == "rolledBack"
    assert len(pair.state.quarantine) == 1


def test_a_commit_takes_along_nothing_else(desk: Path) -> None:
    done = verb(desk, "pause", NAME, *BY, "--commit")
    assert done.exit_code == 0, done.output
    assert git(desk, "show", "--format=", "--name-only").split() == [ROLLOUT]
    assert git(desk, "status", "--porcelain").splitlines() == [" M fleet.yaml", "A  staged.txt"]
    assert git(desk, "symbolic-ref", "--short", "HEAD").strip() == "main"


def test_a_dry_run_prints_the_file_and_writes_nothing(desk: Path) -> None:
    before = (desk / ROLLOUT).read_bytes()
    done = verb(desk, "pause", NAME, *BY, "--dry-run", "--commit")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(before.decode())
    assert 'paused: {by: "@lena", reason: "the line is being rebuilt", since: 20' in done.stdout
    assert (desk / ROLLOUT).read_bytes() == before
    assert "Pause" not in git(desk, "log", "-1", "--format=%s")


def test_a_file_with_changes_of_its_own_is_not_committed_along(desk: Path) -> None:
    with (desk / ROLLOUT).open("a") as file:
        file.write("# mine\n")
    before = (desk / ROLLOUT).read_bytes()
    assert run(["rollout", "pause", NAME, *BY, "--commit", "-C", str(desk)]) == 1
    assert (desk / ROLLOUT).read_bytes() == before
    assert run(["rollout", "pause", NAME, *BY, "-C", str(desk)]) == 0
    assert (desk / ROLLOUT).read_text().endswith("# mine\n")


def test_a_hook_that_refuses_leaves_the_file_as_it_was(desk: Path) -> None:
    hook = desk / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no such change >&2\nexit 1\n")
    hook.chmod(0o755)
    before = (desk / ROLLOUT).read_bytes()
    refused = verb(desk, "pause", NAME, *BY, "--commit")
    assert "no such change" in str(refused.exception)
    assert (desk / ROLLOUT).read_bytes() == before
    assert git(desk, "status", "--porcelain").splitlines() == [" M fleet.yaml", "A  staged.txt"]


def test_without_a_branch_nothing_is_committed(desk: Path) -> None:
    git(desk, "checkout", "-q", "--detach")
    refused = verb(desk, "pause", NAME, *BY, "--commit")
    assert "no branch is checked out" in str(refused.exception)
    assert b"paused" not in (desk / ROLLOUT).read_bytes()


APPROVE = ("--by", "@a", "--role", "operations")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pause", "nope", *BY), f"there is no rollout nope; there are: {NAME}"),
        (("resume", NAME), f"rollout {NAME} is not paused"),
        (("approve", NAME, "--ring", "pilots", *APPROVE), "has no ring pilots; standard has: canary, pilot, rest"),
        (("approve", NAME, "--ring", "canary", *APPROVE), "ring canary of rollout digits-1.1.0 is open already"),
        (("approve", NAME, "--ring", "rest", *APPROVE), "asks for no approval; those that ask: pilot"),
        (("approve", NAME, *APPROVE), "name the ring with --ring: pilot of digits-1.1.0 ask for approval"),
        (("approve", NAME, "--ring", "pilot", "--by", "@c", "--role", "x"), "the approval of @a, @b, not of @c"),
        (("approve", NAME, "--ring", "pilot", "--by", "@a", "--role", "No Role"), "No Role"),
        (("pause", NAME, "--by", " ", "--reason", "x"), "--by takes one line of text"),
        (("pause", NAME, "--by", "@a", "--reason", "x\ny"), "--reason takes one line of text"),
    ],
)
def test_mistakes_are_said_and_change_nothing(
    desk: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    before = (desk / ROLLOUT).read_bytes()
    assert run(["rollout", *arguments, "-C", str(desk)]) == 1
    assert said in capsys.readouterr().err
    assert (desk / ROLLOUT).read_bytes() == before


def test_a_finished_rollout_and_a_second_word_are_refused(
    pair: FleetPair, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["-C", str(tree)]
    assert run(["rollout", "pause", NAME, *BY, *where]) == 0
    assert run(["rollout", "pause", NAME, *BY, *where]) == 1
    assert "is paused already, by @lena" in capsys.readouterr().err
    assert run(["rollout", "abort", NAME, *BY, *where]) == 0
    text = (tree / ROLLOUT).read_text()
    assert "paused:" not in text
    assert "abort:" in text
    assert run(["rollout", "resume", NAME, *where]) == 1
    assert "is aborted already" in capsys.readouterr().err
    pair.report(reverted)
    pair.ingest()
    pair.advance()
    git(tree, "checkout", "-q", "--", ".")
    git(tree, "pull", "-q", "--rebase", "--autostash", "origin", "main")
    assert run(["rollout", "pause", NAME, *BY, *where]) == 1
    assert f"rollout {NAME} was rolled back: nothing is left to pause" in capsys.readouterr().err


LAID_OUT = b"""\
# Rollouts need a ticket.
apiVersion: ringtide/v1
kind: Rollout

name: digits-1.1.0   # never reused
placement: digits-everywhere
candidate: "1.1.0"
%sringPlan: standard  # the usual one

# the end
"""


@pytest.mark.parametrize(
    ("approvals", "added"),
    [
        (b"", None),
        (b"approvals: []\n", None),
        (b"approvals: [{by: '@b', role: safety, date: 2026-11-20}]  # first\n", ", {by:"),
        (b"approvals: [{by: '@b', role: safety, date: 2026-11-20}, ]\n", ", {by:"),
        (b"approvals:\n- by: '@b'\n  role: safety\n  date: 2026-11-20\n\n# below\n", "\n- {by:"),
        (b"approvals:\n    - {by: '@b', role: safety, date: 2026-11-20}  # first\n", "\n    - {by:"),
    ],
    ids=["none", "empty", "flow", "flow with a comma", "block", "indented"],
)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_comments_and_layout_stay(desk: Path, approvals: bytes, added: str | None, newline: bytes) -> None:
    before = (LAID_OUT % approvals).replace(b"\n", newline)
    (desk / ROLLOUT).write_bytes(before)
    where = ["-C", str(desk)]
    assert run(["rollout", "approve", NAME, "--ring", "pilot", *APPROVE, *where]) == 0
    approved = (desk / ROLLOUT).read_bytes()
    assert added is None or added.encode() in approved.replace(b"\r\n", b"\n")
    assert run(["rollout", "pause", NAME, *BY, *where]) == 0
    assert run(["rollout", "resume", NAME, *where]) == 0
    assert (desk / ROLLOUT).read_bytes() == approved
    kept = [line for line in before.split(newline) if not line.startswith(b"approvals")]
    assert [line for line in kept if line not in approved.split(newline)] == []
    assert approved.count(newline) == approved.count(b"\n")


def test_a_document_in_one_line_is_left_to_people(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = b'{apiVersion: ringtide/v1, kind: Rollout, name: digits-1.1.0, placement: digits-everywhere, candidate: "1.1.0", ringPlan: standard}\n'
    (desk / ROLLOUT).write_bytes(line)
    assert run(["rollout", "pause", NAME, *BY, "-C", str(desk)]) == 1
    assert "edit it by hand" in capsys.readouterr().err
    assert (desk / ROLLOUT).read_bytes() == line


def test_history_lists_every_verdict_with_its_commit(pair: FleetPair, tree: Path) -> None:
    pair.advance()
    pushed(tree, pair, "approve", NAME, "--ring", "pilot", "--by", "@b", "--role", "operations")
    pair.advance()
    found = history(pair.fleet, NAME)
    assert [(each.kind, each.ring) for each in found] == [
        ("promote", "pilot"),
        ("hold", "canary"),
        ("promote", "canary"),
    ]
    assert found[0].commit == pair.head
    for each in found:
        assert each.commit is not None
        parent = next(iter(pair.fleet.history(each.commit))).parents[0]
        assert each.evidence in pair.fleet.changed_paths(parent, each.commit)
    told = CliRunner().invoke(ringtide, ["rollout", "history", NAME, "-C", str(pair.folders[0]), "-o", "json"])
    assert json.loads(told.stdout)[0]["commit"] == pair.head
    shown = CliRunner().invoke(ringtide, ["rollout", "history", NAME, "-C", str(pair.folders[0])]).stdout
    assert f"hold, ring canary, rolling  {found[1].commit[:12]} progress/{NAME}/0002.json" in shown
    assert run(["rollout", "history", "nope", "-C", str(pair.folders[0])]) == 1


def test_status_and_why_say_what_people_hold_and_what_would_change_it(pair: FleetPair, tree: Path) -> None:
    (found,) = status(pair.fleet, pair.reports, now=pair.now)
    assert found.next == "hold"
    assert found.would_change == (
        f"approval (pilot): Run `ringtide rollout approve {NAME} --ring pilot --by NAME --role ROLE`,"
        " and have the change reviewed.",
    )
    pushed(tree, pair, "pause", NAME, *BY)
    fleet = pair.fleet.files(pair.head)["fleet.yaml"]
    freeze = b'freezes: [{from: "2026-11-01", to: "2026-12-31", zone: Europe/Berlin, reason: Holidays}]\n'
    pair.change(**{"fleet.yaml": fleet + freeze})
    said = [why(pair.fleet, pair.reports, name, now=pair.now).models[0].because for name in pair.devices]
    ahead = [each for each in said if "ring pilot would reach the device next" in each]
    assert 0 < len(ahead) < len(said)
    for each in ahead:
        held = [reason for reason in each if reason.startswith("it does not open: ")]
        assert [part.split()[4] for part in held] == ["paused", "no", "ring"]
    later = pair.now + timedelta(days=60)
    assert not any(
        "Holidays" in part for part in why(pair.fleet, pair.reports, "edge-s-0001", now=later).models[0].because
    )


def test_replay_says_same_bytes_and_refuses_with_4_what_differs(
    pair: FleetPair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.advance()
    fleet, reports = str(pair.folders[0]), str(pair.folders[1])
    assert run(["advance", "--replay", "main", "-C", fleet]) == 0
    assert capsys.readouterr().out == f"{pair.head}: the evidence gives the same bytes\n"
    assert run(["advance", "--replay", pair.head, "-C", fleet, "--reports", reports]) == 0
    assert "reports and evidence give the same bytes" in capsys.readouterr().out
    path = f"progress/{NAME}.yaml"
    pair.change(**{path: pair.fleet.file(pair.head, path) + b"# by hand\n"})
    assert run(["advance", "--replay", "main", "-C", fleet]) == 4
    assert f"replaying the evidence gives another {path}" in capsys.readouterr().err
    assert run(["advance", "--replay", "no-such", "-C", fleet]) == 1
    assert run(["advance", "-C", fleet]) == 64


def test_other_repositories_are_no_fleet(tmp_path: Path) -> None:
    assert run(["rollout", "history", NAME, "-C", str(bare(tmp_path / "empty.git"))]) == 1


def test_history_tells_a_rollout_that_waits_for_its_first_verdict_from_one_that_is_not_there(
    tmp_path: Path,
) -> None:
    made = fleet_pair(tmp_path)
    with pytest.raises(InputError, match=f"nothing was judged of rollout {NAME} yet; `ringtide advance` begins it"):
        history(made.fleet, NAME)
    with pytest.raises(InputError, match="there is no rollout digits-9 on main; `ringtide get rollouts` lists them"):
        history(made.fleet, "digits-9")
