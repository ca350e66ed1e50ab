"""Advance with key folders: the verdict is replayed and published in the same run."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes.fleet_pair import FleetPair, fleet_pair
from fakes.judged_rollouts import confirmed
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.adapters.key_folders import (
    CUSTODIES,
    FolderStatementSigner,
    make_keys,
    private_keys,
    public_keys,
)
from ringtide_engine.adapters.system_clock import SystemClock
from ringtide_engine.adapters.tuf_custody import TufCustody
from ringtide_engine.cli.advance import advance_command
from ringtide_engine.workflows.advance import replay
from ringtide_engine.workflows.establish_trust import Ceremony, CustodyKeys, establish_trust
from ringtide_engine.workflows.publish import Approval, Publisher, publish


@pytest.fixture
def pair(tmp_path: Path) -> FleetPair:
    """Return a fleet whose desired state is published."""
    made = fleet_pair(tmp_path, 6)
    folders = {custody: tmp_path / "keys" / custody for custody in CUSTODIES}
    for custody, folder in folders.items():
        make_keys(custody, folder)

    def keys(custody: str) -> CustodyKeys:
        folder = folders[custody]
        return CustodyKeys(public=tuple(public_keys(folder).values()), private=tuple(private_keys(folder).values()))

    ceremony = Ceremony(
        fleet="harbour",
        root=keys("root"),
        targets=keys("targets"),
        online=public_keys(folders["tuf"]),
        statement=tuple(public_keys(folders["statement"]).values()),
        epoch=None,
    )
    now = SystemClock().now()
    trust = establish_trust({}, ceremony, now)
    made.change(**{f"trust/{name}": content for name, content in trust.items()})
    publisher = Publisher(
        repository=made.fleet,
        statement=FolderStatementSigner(folders["statement"]),
        tuf=TufCustody(folders["tuf"]),
        policies=CelConditions(),
        replay=replay,
    )
    publish(publisher, Approval(unreviewed=True), now)
    return made


def test_a_verdict_reaches_the_published_branch(pair: FleetPair, tmp_path: Path) -> None:
    pair.now = datetime.now(UTC) - timedelta(seconds=1)
    pair.report(confirmed)
    pair.ingest()
    before = pair.fleet.head("published")
    arguments = ["--fleet", str(pair.folders[0]), "--reports", str(pair.folders[1])]
    arguments += ["--statement-keys", str(tmp_path / "keys/statement"), "--tuf-keys", str(tmp_path / "keys/tuf")]
    result = CliRunner().invoke(advance_command, arguments)
    assert result.exit_code == 0, result.output
    assert "published generation 2" in result.stderr
    head = pair.fleet.head("published")
    assert head is not None
    assert head != before
    classes = [json.loads(each) for path, each in pair.fleet.files(head, "classes/").items() if path.endswith(".json")]
    assert {ring["ring"] for each in classes for ring in each["rollout"]["ranges"]} == {"canary"}


def test_one_key_folder_alone_is_a_mistake() -> None:
    result = CliRunner().invoke(advance_command, ["--reports", ".", "--tuf-keys", "x"])
    assert result.exit_code == 2
    assert "both --statement-keys and --tuf-keys" in result.stderr
