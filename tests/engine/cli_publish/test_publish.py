"""`ringtide plan`, `publish` and `verify`: what is refused, with which exit code, and that nothing was written."""

import json
from pathlib import Path
from typing import Any

import pytest

OTHER_PLAN = "0" * 64


def test_another_plan_than_the_reviewed_one_is_refused_and_nothing_written(established: Any) -> None:
    reviewed = established.plan_digest()
    established.ringtide("device", "hold", "-C", established.fleet, "cam-1")
    established.commit()
    for digest in (reviewed, OTHER_PLAN):
        said = established.publish("--plan", digest, code=4)
        assert said.err.startswith("refused: the plan is ")
        assert said.out == ""
    assert established.published() is None


def test_an_unreviewed_plan_is_an_error_that_names_the_digest(established: Any) -> None:
    said = established.publish(code=1)
    assert f"--plan {established.plan_digest()}" in said.err
    assert established.published() is None


def test_a_dry_run_says_what_would_be_published_and_writes_nothing(established: Any) -> None:
    said = established.publish("--accept-unreviewed-plan", "--dry-run", "-o", "json")
    result = json.loads(said.out)
    assert (result["result"], result["generation"], result["commit"]) == ("published", None, None)
    assert result["dryRun"] is True
    assert result["plan"] == established.plan_digest()
    assert [(row["cause"], row["now"]) for row in result["rows"]] == [("placement digits", 2)]
    assert established.published() is None
    assert (
        "would be published, as the first generation"
        in established.publish("--plan", established.plan_digest(), "--dry-run").out
    )


def test_a_plan_as_json_has_rows_changes_and_both_roots(running: Any) -> None:
    plan = json.loads(running.ringtide("plan", "-C", running.fleet, "-o", "json").out)
    assert (plan["rows"], plan["changes"]) == ([], [])
    assert plan["base"] == plan["head"]
    running.edit("devices/cam-1.yaml", "state: active", "state: retired")
    plan = json.loads(running.ringtide("plan", "-C", running.fleet, "-o", "json").out)
    assert plan["base"] != plan["head"]
    assert plan["baseCommit"] == running.git("rev-parse", "HEAD")
    assert plan["headCommit"] is None
    assert [(each["to"], each["devices"]) for each in plan["changes"]] == [(None, ["cam-1"])]
    assert {"digest", "rows", "findings"} <= plan.keys()


def test_a_plan_between_two_commits_reads_no_work_tree(running: Any) -> None:
    before = running.git("rev-parse", "HEAD")
    running.ringtide("device", "retire", "-C", running.fleet, "cam-1")
    after = running.commit()
    (running.fleet / "fleet.yaml").write_text("broken: [")
    said = running.ringtide("plan", "-C", running.fleet, "--base", before, "--head", after)
    assert "no longer served" in said.out
    assert "plan digest: " in running.ringtide("plan", "-C", running.fleet, "--base", after, "--head", before).out


def test_errors_in_the_desired_state_exit_with_3(running: Any) -> None:
    running.edit("devices/cam-1.yaml", "hardwareClass: edge-m", "hardwareClass: edge-x")
    assert "error[RT-REF-" in running.ringtide("plan", "-C", running.fleet, code=3).err
    newest = running.published()
    running.commit()
    assert "error[RT-REF-" in running.publish("--accept-unreviewed-plan", code=3).err
    assert running.published() == newest


def test_a_refresh_renews_the_timestamp_alone(running: Any) -> None:
    newest = running.published()
    assert "refreshed generation 1" in running.publish("--refresh").out
    assert running.published() != newest
    assert running.git("rev-parse", "published^") == newest
    changed = running.git("diff", "--name-only", "published^", "published").split()
    assert changed == ["metadata/timestamp.json"]


def test_a_clone_publishes_to_its_origin(running: Any, tmp_path: Path) -> None:
    origin = tmp_path / "origin.git"
    running.git("clone", "--quiet", "--bare", str(running.fleet), str(origin), at=tmp_path)
    running.git("remote", "add", "origin", str(origin))
    running.ringtide("device", "hold", "-C", running.fleet, "cam-1")
    running.commit()
    running.git("push", "--quiet", "origin", "main")
    said = running.publish("--plan", running.plan_digest())
    assert "published generation 2" in said.out
    verified = json.loads(running.ringtide("verify", origin.as_uri(), "-o", "json").out)
    assert (verified["generation"], verified["recompiled"], verified["notes"]) == (2, True, [])
    assert verified["commit"] == running.git("rev-parse", "published", at=origin)


def test_one_device_alone_can_be_verified(running: Any) -> None:
    assert "devices 1 accept it" in running.ringtide("verify", running.fleet, "--device", "cam-2").out
    assert running.ringtide("verify", running.fleet, "--device", "cam-3", code=4).err.startswith("refused: ")


@pytest.mark.parametrize("path", ["quarantine.json", "head.json", "records/plan.json", "metadata/timestamp.json"])
def test_a_tampered_publication_is_refused(running: Any, path: str) -> None:
    running.git("checkout", "--quiet", "published")
    file = running.fleet / path
    file.write_bytes(file.read_bytes().replace(b"1", b"2", 1) + b" ")
    running.commit()
    running.git("checkout", "--quiet", "main")
    said = running.ringtide("verify", running.fleet, code=4)
    assert said.err.startswith("refused: ")
    assert said.out == ""


def test_the_root_of_another_fleet_is_refused(running: Any, tmp_path: Path) -> None:
    for custody in ("root", "targets"):
        running.ringtide("key", "new", custody, tmp_path / "other" / custody)
    keys, other = tmp_path / "keys", tmp_path / "other"
    elsewhere = tmp_path / "elsewhere"
    running.ringtide("init", elsewhere)
    running.ringtide(
        "key", "establish", "-C", elsewhere, "--root", other / "root", "--targets", other / "targets",
        "--tuf", keys / "tuf", "--statement", keys / "statement",
    )  # fmt: skip
    running.ringtide("verify", running.fleet, "--root", elsewhere / "trust/1.root.json", code=4)


def test_a_broker_that_does_not_answer_delays_devices_and_nothing_else(established: Any) -> None:
    said = established.publish("--accept-unreviewed-plan", "--mqtt", "mqtt://127.0.0.1:1")
    assert "published generation 1" in said.out
    assert said.err.startswith("devices learn of it at their next poll: ")
    assert established.published() is not None


def test_a_stolen_key_is_not_the_custodys(established: Any, tmp_path: Path) -> None:
    established.ringtide("key", "new", "statement", tmp_path / "stolen")
    said = established.publish("--accept-unreviewed-plan", "--statement-keys", tmp_path / "stolen", code=4)
    assert "does not name the statement key" in said.err
    assert established.published() is None


def test_a_mirror_shows_what_is_published_also_where_nothing_is_new(established: Any, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    established.publish("--accept-unreviewed-plan", "--dry-run", "--mirror", str(folder))
    assert not folder.exists()
    established.publish("--accept-unreviewed-plan")
    said = established.publish("--mirror", str(folder))
    assert said.out.startswith("unchanged")
    assert (folder / "latest").read_text().strip() == established.published()
    (folder / "latest").unlink()
    (folder / "states").rename(folder / "other")
    said = established.publish("--mirror", str(folder), code=1)
    assert "holds other files" in said.err
