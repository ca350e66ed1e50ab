"""`ringtide plan`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import CHANGES, OK
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_engine.model.plan import Plan
    from ringtide_engine.ports import Repository


@click.command("plan")
@fleet_option()
@click.option("--base", metavar="REV", help="Compare with this commit; the default is the source published last.")
@click.option("--head", metavar="REV", help="Plan this commit; the default is the work tree as it lies there.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 where the plan changes something.")
@rendering.output_option("table", "json")
def plan_command(
    fleet: Path, base: str | None, head: str | None, detailed_exitcode: bool, output: rendering.Output
) -> int:
    """Say which devices a change reaches, now and ring by ring, and under which digest it is reviewed.

    `ringtide publish --plan DIGEST` publishes this change and no other. NOW and LATER count devices: those that change
    with the next publication, and those that follow when their ring opens. Exit code 3 where a finding is an error.
    """
    from ringtide_engine.cli.plan_table import plan_data
    from ringtide_engine.workflows.plan import plan_change

    repository = wiring.fleet_repository(fleet)
    head_commit = None if head is None else repository.commit_of(head)
    files = repository.worktree_files() if head_commit is None else repository.files(head_commit)
    base_commit = _published_source(repository, files) if base is None else repository.commit_of(base)
    base_files = None if base_commit is None else repository.files(base_commit)
    planned = plan_change(base_files, files, today=wiring.clock().now().date(), engine=wiring.policies())
    plan = planned.plan
    if output == "json":
        commits = {"baseCommit": base_commit, "headCommit": head_commit}
        rendering.write({**plan_data(plan), **commits, "findings": rendering.findings_data(planned.findings)}, "json")
    else:
        if planned.findings:
            rendering.talk(rendering.findings_text(planned.findings, files))
        _show(plan)
    if base_commit is None:
        rendering.talk("nothing is published yet: everything is new")
    return CHANGES if detailed_exitcode and not plan.is_empty else OK


def _published_source(repository: "Repository", files: Mapping[str, bytes]) -> str | None:
    """Return the commit that the next publication follows, by the trust policy among `files`."""
    from ringtide_contract.trust_policy import TRUST_POLICY_TARGET, TrustPolicy
    from ringtide_engine.model.publication import PUBLISHED
    from ringtide_engine.workflows.published import believed, read_published

    repository.head("main")  # where there is a remote, the source lies there
    lying = read_published(repository, repository.head(PUBLISHED))
    policy = files.get(f"trust/{TRUST_POLICY_TARGET}")
    last = believed(lying, TrustPolicy.decode(policy)) if policy is not None else None
    return None if last is None else last.publication.source.commit


def _show(plan: "Plan") -> None:
    from ringtide_engine.cli.plan_table import COLUMNS, plan_cells

    if plan.rows:
        rendering.write_table(COLUMNS, plan_cells(plan.rows))
    elif plan.is_empty:
        rendering.talk("no changes")
    else:
        rendering.talk("no device changes what it runs, but what is published about devices changes")
    click.echo(f"plan digest: {plan.digest}")
