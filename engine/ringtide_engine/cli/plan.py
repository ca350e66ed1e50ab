"""`ringtide plan`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import CHANGES, FINDINGS, OK
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_engine.ports import Repository


@click.command("plan")
@fleet_option()
@click.option("--base", metavar="REV", help="Compare with this commit; the default is the source published last.")
@click.option("--head", metavar="REV", help="Plan this commit; the default is the work tree as it lies there.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 where the plan changes something.")
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write plan.json, plan.md, comment.md, plan.sha256 and the findings' files there, too.",
)
@click.option("--simulate", is_flag=True, help="Say what a candidate that breaks 5 % of devices would do.")
@rendering.output_option("table", "wide", "json")
def plan_command(
    fleet: Path,
    base: str | None,
    head: str | None,
    detailed_exitcode: bool,
    output_dir: Path | None,
    simulate: bool,
    output: rendering.Output,
) -> int:
    """Say which devices a change reaches, now and ring by ring, and under which digest it is reviewed.

    `ringtide publish --plan DIGEST` publishes this change and no other. NOW and LATER count devices: those that change
    with the next publication, and those that follow when their ring opens. Exit code 3 where a finding is an error;
    what could be planned all the same is shown, and `publish` refuses it.

    With --base the change starts where its history left that revision, so that what others merged meanwhile is no part
    of it.
    """
    from ringtide_engine.workflows.plan import plan_report

    repository = wiring.fleet_repository(fleet)
    head_commit = None if head is None else repository.commit_of(head)
    files = repository.worktree_files() if head_commit is None else repository.files(head_commit)
    if base is None:
        base_commit = _published_source(repository, files)
    else:
        base_commit = repository.merge_base(repository.commit_of(base), head_commit or repository.commit_of("HEAD"))
    base_files = None if base_commit is None else repository.files(base_commit)
    now = wiring.clock().now()
    report = plan_report(
        base_files,
        files,
        now=now,
        engine=wiring.policies(),
        base_commit=base_commit,
        head_commit=head_commit,
    )
    if simulate and report.plan is not None:
        from ringtide_engine.workflows.simulate import foretold_by

        report = replace(report, simulated=foretold_by(report.plan, base_files, files, now=now))
    if output_dir is not None:
        from ringtide_engine.cli.plan_files import write_plan_files

        write_plan_files(output_dir, report, files)
    if output == "json":
        from ringtide_engine.render.plan_json import plan_json

        rendering.write(plan_json(report), "json")
    else:
        from ringtide_engine.cli.plan_table import show

        show(report, files, wide=output == "wide")
    if base_commit is None:
        rendering.talk("nothing is published yet: everything is new")
    if report.has_errors:
        return FINDINGS
    return CHANGES if detailed_exitcode and not report.is_empty else OK


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
