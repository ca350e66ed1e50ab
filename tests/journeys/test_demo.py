"""The demo is the whole path, and its claims are checked against the repositories that it leaves behind."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.journey

DEVICES = 12


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The demo, run once as a user runs it, and the folder that it kept."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    done = subprocess.run(
        [sys.executable, "-m", "ringtide_engine.cli", "demo", "--keep", str(folder), "-o", "json"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout), folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout


def test_every_device_ends_confirmed_on_the_good_release(told: tuple[dict[str, Any], Path]) -> None:
    outcome, _ = told
    assert outcome["devices"] == DEVICES
    assert outcome["confirmed"] == {"1.1.0": DEVICES}
    assert outcome["asTold"] is True


def test_the_device_with_little_memory_runs_the_small_variant(told: tuple[dict[str, Any], Path]) -> None:
    variants = {(device["hardwareClass"], device["variant"]) for device in told[0]["fleet"]}
    assert variants == {("edge-s", "int8"), ("edge-m", "fp32"), ("edge-l", "fp32")}


def test_the_bad_release_reaches_the_canary_and_nobody_else(told: tuple[dict[str, Any], Path]) -> None:
    bad = told[0]["badRelease"]
    assert bad["exposed"]
    assert bad["exposedOutsideCanary"] == []
    assert len(bad["canary"]) < DEVICES / 2


def test_accuracy_in_the_field_is_what_the_releases_are_known_for(told: tuple[dict[str, Any], Path]) -> None:
    for device in told[0]["fleet"]:
        assert device["accuracy"]["1.1.0"] > 0.95
        assert device["accuracy"].get("1.2.0", 0.0) < 0.4


def test_the_roll_back_is_a_commit_with_its_evidence_and_an_incident(told: tuple[dict[str, Any], Path]) -> None:
    outcome, folder = told
    commit = outcome["badRelease"]["rollBackCommit"]
    paths = git(folder / "fleet.git", "show", "--name-only", "--format=", commit).split()
    assert {path.split("/")[0] for path in paths} == {"progress", "quarantine", "incidents"}
    assert git(folder / "fleet.git", "merge-base", "--is-ancestor", commit, "main") == ""
    assert outcome["quarantined"] == ["digits 1.2.0"]


def test_every_report_is_accepted_and_the_publication_verifies(told: tuple[dict[str, Any], Path]) -> None:
    outcome, _ = told
    assert outcome["reports"]["accepted"] > DEVICES
    assert outcome["reports"] | {"accepted": 0} == {"accepted": 0, "refused": 0, "allVerified": True}
    assert outcome["publications"]["verified"] is True


def test_each_device_writes_its_own_ref_and_no_other(told: tuple[dict[str, Any], Path]) -> None:
    refs = git(told[1] / "reports.git", "for-each-ref", "--format=%(refname)", "refs/heads/reports").split()
    assert refs == sorted(f"refs/heads/reports/{device['device']}" for device in told[0]["fleet"])


def test_the_supervisor_stays_within_sixty_mebibytes(told: tuple[dict[str, Any], Path]) -> None:
    assert 0 < told[0]["supervisorMemoryMiB"] <= 60


def test_nothing_of_the_demo_runs_on(told: tuple[dict[str, Any], Path]) -> None:
    folder = str(told[1])
    alive = [path.name for path in Path("/proc").iterdir() if path.name.isdecimal() and folder in _command_line(path)]
    assert alive == []


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
