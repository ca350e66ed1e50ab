"""Attacks on the TUF metadata, each refused with its rule and without a change to what is believed."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.memory_snapshot import MemorySnapshot
from fakes.tuf_repository import TufRepository, new_signer
from ringtide_agent.adapters.tuf_trust import MAX_METADATA_BYTES, TufTrust
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import sha256
from ringtide_contract.keys import generate
from ringtide_contract.trust_policy import STATEMENT_TARGET, TRUST_POLICY_TARGET

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEY = generate().public_key()


@pytest.fixture
def repository() -> TufRepository:
    made = TufRepository(fleet="acme", statement_keys=[KEY], now=NOW)
    made.publish(b"statement one", NOW)
    return made


@pytest.fixture
def trust(tmp_path: Path, repository: TufRepository) -> TufTrust:
    (tmp_path / "root.json").write_bytes(repository.trusted_root)
    return TufTrust(str(tmp_path))


def statement(trust: TufTrust, repository: TufRepository, now: datetime = NOW) -> bytes:
    return trust.refresh(MemorySnapshot(repository.files), now)[1]


def test_a_signed_publication_is_read(trust: TufTrust, repository: TufRepository) -> None:
    policy, bundle = trust.refresh(MemorySnapshot(repository.files), NOW)
    assert (policy.fleet, policy.epoch, len(policy.statement_keys)) == ("acme", 1, 1)
    assert bundle == b"statement one"


def test_an_unchanged_poll_reads_the_timestamp_and_asks_for_the_next_root_only(
    trust: TufTrust, repository: TufRepository
) -> None:
    statement(trust, repository)
    snapshot = MemorySnapshot(repository.files)
    trust.refresh(snapshot, NOW)
    assert snapshot.asked == ["metadata/2.root.json", "metadata/timestamp.json"]


def test_keys_can_rotate_under_a_running_device(trust: TufTrust, repository: TufRepository) -> None:
    statement(trust, repository)
    for role in ("timestamp", "snapshot", "root"):
        repository.rotate(role, NOW)
    repository.publish(b"statement two", NOW)
    assert statement(trust, repository) == b"statement two"


def test_a_damaged_root_of_the_enrolment_is_named_with_what_to_do(
    trust: TufTrust, repository: TufRepository, tmp_path: Path
) -> None:
    (tmp_path / "root.json").write_bytes(b"")
    with pytest.raises(TrustError, match=r"root\.json is no root\. fix: put the one of the enrolment there again"):
        statement(trust, repository)


def unknown_timestamp_key(repository: TufRepository) -> None:
    repository.renew_timestamp(NOW, signer=new_signer())


def root_by_two_of_five(repository: TufRepository) -> None:
    repository.thresholds["root"] = 2
    repository.sign_root(NOW)


def tampered_release(repository: TufRepository) -> None:
    repository.publish(b"statement two", NOW)
    path = f"metadata/{repository.release.version}.release.json"
    repository.files[path] = repository.files[path].replace(b'"length":13', b'"length":14')


def tampered_statement(repository: TufRepository) -> None:
    repository.publish(b"statement two", NOW)
    folder, _, name = STATEMENT_TARGET.rpartition("/")
    repository.files[f"targets/{folder}/{sha256(b'statement two')}.{name}"] = b"statement 2wo"


def tampered_policy(repository: TufRepository) -> None:
    policy = b"{}"
    repository.set_policy(policy, NOW)
    repository.files[f"targets/{sha256(policy)}.{TRUST_POLICY_TARGET}"] = b"[]"


def policy_that_trusts_nobody(repository: TufRepository) -> None:
    repository.set_policy(b"{}", NOW)


def huge_timestamp(repository: TufRepository) -> None:
    repository.files["metadata/timestamp.json"] = b" " * (20 * 1024)


def huge_snapshot(repository: TufRepository) -> None:
    repository.refresh(NOW)
    repository.files[f"metadata/{repository.snapshot.version}.snapshot.json"] = b" " * (MAX_METADATA_BYTES + 1)


def missing_snapshot(repository: TufRepository) -> None:
    repository.refresh(NOW)
    del repository.files[f"metadata/{repository.snapshot.version}.snapshot.json"]


def missing_timestamp(repository: TufRepository) -> None:
    del repository.files["metadata/timestamp.json"]


def not_json(repository: TufRepository) -> None:
    repository.files["metadata/timestamp.json"] = b"\x00\xff garbage"


def nested_json(repository: TufRepository) -> None:
    repository.files["metadata/timestamp.json"] = b"[" * 15_000


def statement_by_the_wrong_role(repository: TufRepository) -> None:
    repository.signers["release"] = [new_signer()]
    repository.publish(b"statement two", NOW)


@pytest.mark.parametrize(
    ("attack", "rule"),
    [
        (unknown_timestamp_key, "TUF-SIGNATURE"),
        (root_by_two_of_five, "TUF-SIGNATURE"),
        (tampered_release, "TUF-SIGNATURE"),
        (statement_by_the_wrong_role, "TUF-SIGNATURE"),
        (tampered_statement, "TUF-CONTENT"),
        (tampered_policy, "TUF-CONTENT"),
        (policy_that_trusts_nobody, "TUF-POLICY"),
        (huge_timestamp, "TUF-SIZE"),
        (huge_snapshot, "TUF-MISSING"),
        (missing_snapshot, "TUF-MISSING"),
        (missing_timestamp, "TUF-MISSING"),
        (not_json, "TUF-METADATA"),
        (nested_json, "TUF-METADATA"),
    ],
)
def test_attack_is_refused_and_the_honest_repository_is_believed_again(
    attack: Callable[[TufRepository], None], rule: str, trust: TufTrust, repository: TufRepository
) -> None:
    assert statement(trust, repository) == b"statement one"
    honest = deepcopy(repository)
    attack(repository)
    with pytest.raises(TrustError) as refusal:
        statement(trust, repository)
    assert refusal.value.rule == rule
    # A thief of the snapshot and timestamp keys can push the version ahead; the honest side overtakes.
    for _ in range(2):
        honest.set_policy(honest.policy, NOW)
        honest.publish(b"statement three", NOW)
    assert statement(trust, honest) == b"statement three"


def test_a_replayed_older_timestamp_is_refused(trust: TufTrust, repository: TufRepository) -> None:
    before = dict(repository.files)
    repository.publish(b"statement two", NOW)
    assert statement(trust, repository) == b"statement two"
    with pytest.raises(TrustError, match="TUF-VERSION"):
        trust.refresh(MemorySnapshot(before), NOW)
    assert statement(trust, repository) == b"statement two"


def test_an_older_snapshot_under_a_newer_timestamp_is_refused(trust: TufTrust, repository: TufRepository) -> None:
    old = repository.files[f"metadata/{repository.snapshot.version}.snapshot.json"]
    repository.publish(b"statement two", NOW)
    repository.files[f"metadata/{repository.snapshot.version}.snapshot.json"] = old
    with pytest.raises(TrustError, match="TUF-VERSION"):
        statement(trust, repository)


def test_a_frozen_mirror_is_refused_once_its_timestamp_has_expired(trust: TufTrust, repository: TufRepository) -> None:
    assert statement(trust, repository, NOW + timedelta(days=6)) == b"statement one"
    with pytest.raises(TrustError) as refusal:
        statement(trust, repository, NOW + timedelta(days=8))
    assert refusal.value.rule == "TUF-EXPIRED"
    repository.renew_timestamp(NOW + timedelta(days=8))
    assert statement(trust, repository, NOW + timedelta(days=8)) == b"statement one"


def test_a_fleet_of_other_keys_is_refused(trust: TufTrust) -> None:
    other = TufRepository(fleet="acme", statement_keys=[KEY], now=NOW)
    other.publish(b"statement of a stranger", NOW)
    with pytest.raises(TrustError, match="TUF-SIGNATURE"):
        statement(trust, other)


@pytest.mark.parametrize("place", ["2.root.json", "timestamp.json", "snapshot.json", "statement.sigstore.json"])
def test_a_source_that_breaks_off_is_not_an_attack(trust: TufTrust, repository: TufRepository, place: str) -> None:
    with pytest.raises(TransientError, match="the line broke"):
        trust.refresh(MemorySnapshot(repository.files, breaks_at=place), NOW)
    assert statement(trust, repository) == b"statement one"


def test_metadata_torn_by_a_power_cut_is_fetched_again(
    tmp_path: Path, trust: TufTrust, repository: TufRepository
) -> None:
    statement(trust, repository)
    for name in ("timestamp.json", "snapshot.json", "release.json", "tmpabc123"):
        (tmp_path / "metadata" / name).write_bytes(b"")
    assert statement(trust, repository) == b"statement one"
    assert not (tmp_path / "metadata" / "tmpabc123").exists()
