"""What ringtide writes for people to go on with is laid out as `ringtide fmt` lays it out."""

import pytest

from ringtide_engine.load.desired import load_desired
from ringtide_engine.load.formatting import formatted
from ringtide_engine.load.layout import Spot, spot
from ringtide_engine.shipped import rule_library, template
from ringtide_engine.workflows.new_rule import new_rule, rule_kinds
from ringtide_engine.workflows.release_text import release_text


def test_a_release_that_model_add_writes() -> None:
    state = load_desired(template()).state
    assert state is not None
    assert state.releases
    for release in state.releases.values():
        text = release_text(release)
        assert formatted(release.path, text, "Release") == text


@pytest.mark.parametrize("kind", rule_kinds())
def test_a_rule_that_policy_new_writes(kind: str) -> None:
    kinds = {
        path: where.kind for path in new_rule("ours", kind, {}, rule_library()) if isinstance(where := spot(path), Spot)
    }
    assert set(kinds.values()) == {"Rule", "RuleSuite"}
    for language in ("cel", "rego"):
        made = new_rule("ours", kind, {}, rule_library(), language)
        assert {path: formatted(path, made[path], each) for path, each in kinds.items()} == {
            path: made[path] for path in kinds
        }
