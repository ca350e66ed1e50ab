"""The example that `ringtide init` copies tells the truth, and passes its own policies."""

from datetime import UTC, datetime

import pytest

from ringtide_contract.ids import sha256
from ringtide_engine.adapters.cel_conditions import CelConditions
from ringtide_engine.load.desired import load_desired
from ringtide_engine.shipped import shipped_folder, template
from ringtide_engine.workflows.check import check

DIGITS = shipped_folder("policies").parent / "engine" / "ringtide_engine" / "demo" / "digits"
TEMPLATE = template()


def test_a_new_repository_has_nothing_to_object_to() -> None:
    outcome = check(TEMPLATE, None, datetime.now(UTC).date(), CelConditions())
    assert [(each.rule, each.severity) for each in outcome.findings] == [("RT-DEVICE-005", "info")]


@pytest.mark.parametrize(
    "name", ["1.0.0/fp32.onnx", "1.0.0/int8.onnx", "1.0.0/golden.json", "README.md", "figures.json"]
)
def test_the_example_release_names_files_by_what_they_hold(name: str) -> None:
    state = load_desired(TEMPLATE).state
    assert state is not None
    release = state.releases["digits", "1.0.0"]
    files = [*(each.file for each in release.variants), release.golden, release.model_card, release.drift_reference]
    content = (DIGITS / name).read_bytes()
    assert (sha256(content), len(content)) in {(each.sha256, each.size_bytes) for each in files if each is not None}
