"""How an added release looks."""

from typing import TYPE_CHECKING

import click

from ringtide_engine.cli import rendering

if TYPE_CHECKING:
    from ringtide_engine.workflows.add_model import AddedRelease
    from ringtide_engine.workflows.release_offers import TriedDelta


def show(added: "AddedRelease", *, dry_run: bool, output: rendering.Output) -> None:
    """Write what `model add` made, and tell the person what comes next."""
    from ringtide_engine.workflows.release_text import tolerance_text

    release = added.release
    measured = {name: None if each is None else f"{each:.6f}" for name, each in added.differences.items()}
    if output == "json":
        files = [
            *(each.file for each in release.variants),
            release.golden,
            release.sbom,
            release.model_card,
            release.drift_reference,
            release.provenance,
            release.signature,
        ]
        document = {
            "apiVersion": "ringtide/v1",
            "kind": "ModelAddResult",
            "path": release.path,
            "dryRun": dry_run,
            "text": added.text.decode("utf-8"),
            "variants": [
                {
                    "name": each.name,
                    "opset": each.opset,
                    "goldenDifference": measured[each.name],
                    "goldenTolerance": tolerance_text(each.golden_tolerance_ppm),
                }
                for each in release.variants
            ],
            "files": [
                {"name": each.name, "sha256": each.sha256, "size": each.size_bytes, "uri": added.uris.get(each.sha256)}
                for each in files
                if each is not None
            ],
            "deltas": [
                {
                    "variant": each.variant,
                    "fromRelease": each.release,
                    "size": each.size_bytes,
                    "whole": each.whole_bytes,
                    "leftOut": each.reason,
                }
                for each in added.deltas
            ],
        }
        rendering.write(document, "json")
    elif dry_run:
        click.echo(added.text.decode("utf-8"), nl=False)
    else:
        rows = [
            (
                each.name,
                str(each.file.size_bytes),
                str(each.opset),
                measured[each.name] or "-",
                tolerance_text(each.golden_tolerance_ppm),
                each.file.sha256,
            )
            for each in release.variants
        ]
        rendering.write_table(("variant", "bytes", "opset", "golden difference", "tolerance", "sha256"), rows)
    for each in added.deltas:
        rendering.talk(_delta(each))
    rendering.talk(
        "nothing is written, this is a dry run" if dry_run else f"wrote {release.path}; next: ringtide check"
    )


def _delta(each: "TriedDelta") -> str:
    made = "" if each.size_bytes is None else f": {each.size_bytes} of {each.whole_bytes} bytes"
    left_out = "" if each.reason is None else f"; left out: {each.reason}"
    return f"delta of {each.variant} from {each.release or 'what runs now'}{made}{left_out}"
