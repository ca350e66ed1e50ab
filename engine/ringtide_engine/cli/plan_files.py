"""The files of `ringtide plan --output-dir`: one folder that a CI run uploads, comments from and annotates with."""

from collections.abc import Mapping
from pathlib import Path

from ringtide_engine import __version__
from ringtide_engine.cli.finding_files import FILES, finding_bytes, write_files
from ringtide_engine.model.plan_report import PlanReport


def write_plan_files(folder: Path, report: PlanReport, files: Mapping[str, bytes]) -> None:
    """Write plan.json, plan.md, comment.md, plan.sha256 and the findings' files, each whole or not at all.

    Args:
        folder: Where; made where it is not there.
        report: The plan.
        files: The fleet's files; its own rules are explained from them.

    Raises:
        InputError: The folder is a file, or cannot be written.
    """
    from ringtide_engine.render.comment import comment
    from ringtide_engine.render.json_text import json_text
    from ringtide_engine.render.plan_json import plan_json
    from ringtide_engine.render.plan_markdown import plan_markdown

    contents = {
        "plan.json": json_text(plan_json(report)),
        "plan.md": plan_markdown(report, version=__version__).encode("utf-8"),
        "comment.md": comment(report, version=__version__).encode("utf-8"),
        **{FILES[kind]: finding_bytes(kind, report.findings, files) for kind in FILES if kind != "json"},
        # Without a plan there is nothing to approve; an empty file is no digest.
        "plan.sha256": b"" if report.plan is None else f"{report.plan.digest}\n".encode("ascii"),
    }
    write_files(folder, contents)
