"""Two jobs with one custody each publish together, and neither can publish anything alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.published_fleet import PublishedFleet
from ringtide_contract.errors import TrustError
from ringtide_engine.model.publication import PublishOutcome
from ringtide_engine.workflows.publish import Approval, publish


def sign(fleet: PublishedFleet, *, plan: str | None = None, refresh: bool = False) -> PublishOutcome:
    alone = replace(fleet.publisher, tuf=None)
    return publish(alone, Approval(plan=plan), fleet.now, refresh=refresh)


def finish(
    fleet: PublishedFleet, handed: bytes | None, *, plan: str | None = None, refresh: bool = False
) -> PublishOutcome:
    alone = replace(fleet.publisher, statement=None)
    return publish(alone, Approval(plan=plan), fleet.now, refresh=refresh, handed=handed)


def changed(fleet: PublishedFleet) -> str:
    """Change what devices run, and return the digest of the plan."""
    fleet.edit("placements/digits-everywhere.yaml", "1.0.0", "1.1.0")
    return fleet.plan().digest


def test_two_jobs_publish_what_one_would_have(fleet: PublishedFleet) -> None:
    plan = changed(fleet)
    signed = sign(fleet, plan=plan)
    assert signed.kind == "signed"
    assert signed.bundle is not None
    fleet.later(timedelta(minutes=5))
    done = finish(fleet, signed.bundle, plan=plan)
    assert (done.kind, done.generation) == ("published", signed.generation)
    assert fleet.published.bundle == signed.bundle
    assert fleet.verify().generation == signed.generation


def test_signing_alone_changes_nothing_that_devices_read(fleet: PublishedFleet) -> None:
    before = fleet.published
    sign(fleet, plan=changed(fleet))
    after = fleet.published
    assert (after.bundle, after.head) == (before.bundle, before.head)


def test_without_a_statement_of_the_other_custody_nothing_is_published(fleet: PublishedFleet) -> None:
    plan = changed(fleet)
    refs = fleet.refs()
    with pytest.raises(TrustError, match="has not signed"):
        finish(fleet, None, plan=plan)
    assert fleet.refs() == refs


def test_the_job_that_publishes_needs_the_approved_plan_too(fleet: PublishedFleet) -> None:
    signed = sign(fleet, plan=changed(fleet))
    refs = fleet.refs()
    with pytest.raises(TrustError, match="not the approved"):
        finish(fleet, signed.bundle, plan="0" * 64)
    assert fleet.refs() == refs


def test_a_statement_of_another_tree_is_refused(fleet: PublishedFleet) -> None:
    """The statement job was taken: its key is good, what it signed is not what the source says."""
    plan = changed(fleet)
    signed = sign(fleet, plan=plan)
    twin = fleet.copy(fleet.folder.parent / "twin")
    source = twin.edit("placements/digits-everywhere.yaml", "1.1.0", "1.2.0")
    lying = sign(twin, plan=twin.plan().digest)
    assert signed.bundle != lying.bundle
    with pytest.raises(TrustError, match="not on the branch") as refused:
        finish(fleet, lying.bundle, plan=plan)
    assert source in str(refused.value)


def test_one_changed_byte_is_refused(fleet: PublishedFleet) -> None:
    plan = changed(fleet)
    bundle = sign(fleet, plan=plan).bundle
    assert bundle is not None
    refs = fleet.refs()
    with pytest.raises(TrustError):
        finish(fleet, bundle.replace(b'"payload":"e', b'"payload":"f'), plan=plan)
    assert fleet.refs() == refs


def test_a_statement_whose_number_another_has_overtaken_is_refused(fleet: PublishedFleet) -> None:
    plan = changed(fleet)
    first = sign(fleet, plan=plan)
    second = sign(fleet, plan=plan)
    assert second.generation == (first.generation or 0) + 1
    with pytest.raises(TrustError, match="reserved last"):
        finish(fleet, first.bundle, plan=plan)
    assert finish(fleet, second.bundle, plan=plan).kind == "published"


def test_a_published_statement_is_not_published_again(fleet: PublishedFleet) -> None:
    plan = changed(fleet)
    signed = sign(fleet, plan=plan)
    finish(fleet, signed.bundle, plan=plan)
    with pytest.raises(TrustError):
        finish(fleet, signed.bundle, plan=plan)


def test_an_old_statement_is_refused(fleet: PublishedFleet) -> None:
    plan = changed(fleet)
    signed = sign(fleet, plan=plan)
    fleet.later(timedelta(days=1, seconds=1))
    with pytest.raises(TrustError, match="within a day"):
        finish(fleet, signed.bundle, plan=plan)


def test_a_change_merged_between_the_jobs_waits_for_the_next_publication(fleet: PublishedFleet) -> None:
    plan = changed(fleet)
    signed = sign(fleet, plan=plan)
    fleet.edit("placements/digits-everywhere.yaml", "1.1.0", "1.2.0")
    done = finish(fleet, signed.bundle, plan=plan)
    assert done.source != fleet.source
    assert fleet.published.publication.source.commit == done.source


def test_where_nothing_is_new_nothing_is_signed_and_nothing_published(fleet: PublishedFleet) -> None:
    refs = fleet.refs()
    assert sign(fleet).bundle is None
    assert finish(fleet, None).kind == "unchanged"
    assert fleet.refs() == refs


def test_a_refresh_renews_the_timestamp_without_the_statement_key(fleet: PublishedFleet) -> None:
    fleet.later(timedelta(days=1))
    before = fleet.published
    assert sign(fleet, refresh=True).bundle is None
    assert finish(fleet, None, refresh=True).kind == "refreshed"
    assert fleet.published.bundle == before.bundle
    assert fleet.files["metadata/timestamp.json"] != before.files["metadata/timestamp.json"]


def test_a_refresh_renews_a_statement_that_is_due(fleet: PublishedFleet) -> None:
    before = fleet.published.publication
    fleet.later((before.not_after - before.issued_at) / 2)
    signed = sign(fleet, refresh=True)
    assert signed.kind == "signed"
    done = finish(fleet, signed.bundle, refresh=True)
    assert done.kind == "published"
    assert fleet.published.publication.not_after > before.not_after
