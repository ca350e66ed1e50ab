"""The judge's files: the same bytes for the same input, and read back as what was meant."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.desired_states import pin
from fakes.fleet_files import fleet_files
from fakes.judged_rollouts import HOUR, NAME, World, confirmed, reverted, soaked, started
from fakes.reporting_devices import STABLE, model
from ringtide_contract.canonical import encode
from ringtide_contract.errors import InputError
from ringtide_contract.membership import Cut
from ringtide_engine.judge.bound import upper_bound_permille
from ringtide_engine.judge.documents import is_judge_path, judged_files, next_evidence_path
from ringtide_engine.judge.incident import plain
from ringtide_engine.judge.intake import REPORT_RULES
from ringtide_engine.judge.yaml_text import yaml_text
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.desired import Placement
from ringtide_engine.model.evidence import Evidence, read_evidence
from ringtide_engine.model.progress import OpenedRing


def rolled_back() -> World:
    world = started().later(HOUR)
    return world.heard(world.exposed_are(reverted))


def files(world: World) -> dict[str, bytes]:
    return dict(judged_files(world.view, world.evidence())[1])


def test_progress_is_read_back_as_it_was_meant() -> None:
    world = soaked(started())
    verdict, written = judged_files(world.view, world.evidence())
    loaded = load_desired({**fleet_files(), **{path: text for path, text in written.items() if path.endswith(".yaml")}})
    assert loaded.findings == ()
    assert loaded.state is not None
    assert loaded.state.progress[NAME] == verdict.progress


@pytest.mark.parametrize("cut", [0x12345678901234E5, 0x1000000000000000, 0, 2**64, 0xE5])
def test_cuts_that_look_like_numbers_stay_cuts(cut: int) -> None:
    world = started()
    progress = world.view.progress
    assert progress is not None
    ring = OpenedRing(name="canary", opened_at=world.now, cuts={"edge-s": Cut(cut)}, cohort=None)
    strange = world.with_progress(replace(progress, rings=(ring,)))
    written = files(strange)
    loaded = load_desired({**fleet_files(), f"progress/{NAME}.yaml": written[f"progress/{NAME}.yaml"]})
    assert loaded.findings == ()
    assert loaded.state is not None
    assert loaded.state.progress[NAME].rings[0].cuts == {"edge-s": cut}


def test_evidence_is_read_back_as_it_was() -> None:
    world = rolled_back()
    written = files(world)[f"progress/{NAME}/0002.json"]
    evidence, result = read_evidence(written)
    assert evidence == world.evidence()
    assert result["kind"] == "rollBack"
    assert Evidence.from_dict(world.evidence().to_dict()) == world.evidence()


@pytest.mark.parametrize("member", ["tallies", "now", "sources", "rollout"])
def test_evidence_with_a_wrong_member_is_refused(member: str) -> None:
    data = {**rolled_back().evidence().to_dict(), member: 5, "result": {}}
    with pytest.raises(InputError):
        read_evidence(encode(data))


def test_evidence_of_another_rollout_is_refused() -> None:
    world = rolled_back()
    with pytest.raises(InputError):
        judged_files(world.view, replace(world.evidence(), rollout="other"))


def test_evidence_is_numbered_on() -> None:
    world = started()
    assert next_evidence_path(World(state=replace(world.state, progress={})).view) == f"progress/{NAME}/0001.json"
    assert next_evidence_path(world.view) == f"progress/{NAME}/0002.json"


def test_a_roll_back_writes_quarantine_and_incident() -> None:
    written = files(rolled_back())
    assert set(written) == {
        f"progress/{NAME}.yaml",
        f"progress/{NAME}/0002.json",
        "quarantine/digits-1.1.0.yaml",
        f"incidents/{NAME}-0002.md",
    }
    assert all(map(is_judge_path, written))
    entry = load_desired(
        {**fleet_files(), "quarantine/digits-1.1.0.yaml": written["quarantine/digits-1.1.0.yaml"]}
    ).state
    assert entry is not None
    assert (entry.quarantine[0].subject, entry.quarantine[0].release) == ("release", "1.1.0")
    assert len(entry.quarantine[0].graphs) == 2


def test_the_quarantine_spares_graphs_that_a_steady_state_runs() -> None:
    world = rolled_back()
    old, new = (world.state.releases["digits", version] for version in ("1.0.0", "1.1.0"))
    shared = replace(new, variants=(new.variants[0], old.variants[1]))
    state = replace(world.state, releases={**world.state.releases, ("digits", "1.1.0"): shared})
    assert replace(world, state=state).view.bans == (new.variants[0].file.sha256,)


def test_a_release_that_is_a_steady_state_elsewhere_is_not_quarantined() -> None:
    world = rolled_back()
    other = Placement(path="placements/x.yaml", name="x", model="digits", cohort="eu", release="1.1.0")
    state = replace(world.state, placements={**world.state.placements, "x": other})
    written = files(replace(world, state=state))
    assert not any(path.startswith("quarantine/") for path in written)
    assert b"No quarantine was written" in written[f"incidents/{NAME}-0002.md"]


def test_a_release_that_somebody_pinned_is_not_quarantined() -> None:
    world = rolled_back()
    pinned = pin(world.state, world.subjects("canary")[0].device, "1.1.0")
    assert replace(world, state=pinned).view.bans is None


def test_the_incident_says_what_a_person_needs() -> None:
    world = rolled_back()
    text = files(world)[f"incidents/{NAME}-0002.md"].decode()
    for heading in ("Why", "Timeline", "Blast radius", "Evidence", "Suspected strata", "Next steps"):
        assert f"\n## {heading}\n" in text
    assert "7 devices were exposed, of 60 units" in text
    assert all(each.device in text for each in world.subjects("canary"))


def test_words_of_devices_cannot_mark_up_an_incident() -> None:
    assert plain("a](http://evil)\n# b <script> `x` | y") == "a\\](http://evil) \\# b \\<script\\> \\`x\\` \\| y"


def test_a_hold_writes_no_quarantine_and_no_incident() -> None:
    assert set(files(started().later(HOUR))) == {f"progress/{NAME}.yaml", f"progress/{NAME}/0002.json"}


@pytest.mark.parametrize(
    ("path", "judged"),
    [
        ("progress/x.yaml", True),
        ("progress/x/0001.json", True),
        ("quarantine/m-1.yaml", True),
        ("incidents/x-0001.md", True),
        ("progress/x/1.json", False),
        ("progress/x/y/0001.json", False),
        ("progress/x/0001.json.yaml", False),
        ("rollouts/x.yaml", False),
        ("fleet.yaml", False),
        ("a/progress/x.yaml", False),
        ("progress/x.yaml\n", False),
    ],
)
def test_judge_paths(path: str, judged: bool) -> None:
    assert is_judge_path(path) is judged


def test_yaml_of_the_judge_does_not_fold_or_guess() -> None:
    text = yaml_text({"apiVersion": "a/v1", "kind": "K", "words": "no " * 100, "n": None, "list": ["1e5", "yes"]})
    assert text.decode().splitlines()[:2] == ["apiVersion: a/v1", "kind: K"]
    assert b'- "1e5"\n- "yes"\n' in text
    assert len(text.decode().splitlines()) == 7


@pytest.mark.parametrize(
    ("failures", "devices", "permille"),
    [(0, 0, 1000), (0, 1, 950), (0, 10, 259), (0, 20, 140), (0, 59, 50), (0, 299, 10), (1, 10, 395), (10, 10, 1000)],
)
def test_the_bound_is_clopper_pearsons(failures: int, devices: int, permille: int) -> None:
    assert upper_bound_permille(failures, devices) == permille


def test_bounds_of_very_many_devices_are_not_summed_up() -> None:
    assert upper_bound_permille(3, 10_001) is None


def test_confirmation_of_a_gap_is_shown_and_not_refused() -> None:
    world = started().later(HOUR)
    lossy = world.heard(world.exposed_are(confirmed), number=7)
    tallies = [tally for tally in lossy.evidence().tallies if tally.arm == "exposed"]
    assert sum(tally.gaps for tally in tallies) == sum(tally.confirmed for tally in tallies) == 7


def test_reports_about_another_model_say_nothing() -> None:
    world = started().later(HOUR)
    from fakes.reporting_devices import report
    from ringtide_engine.model.evidence import Observation

    name = world.subjects("canary")[0].device
    other = Observation(ingested_at=world.now, report=report(name, {"faces": model("confirmed", STABLE)}, 2))
    heard = replace(world, observations=(other,))
    waiting = [item for tally in heard.evidence().tallies for item in tally.waiting if item.device == name]
    assert [item.phase for item in waiting] == ["without the model"]


def test_the_specification_names_every_reason_and_finding() -> None:
    root = Path(__file__).resolve().parents[3]
    text = (root / "docs/spec/verdicts.md").read_text(encoding="utf-8")
    source = (root / "engine/ringtide_engine/judge/verdict.py").read_text(encoding="utf-8")
    source += (root / "engine/ringtide_engine/judge/waiting.py").read_text(encoding="utf-8")
    source += (root / "engine/ringtide_engine/judge/budgets.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'(?:code=|_gate_reason\()"([a-z-]+)"', source))
    table = text.partition("| Reason |")[2].partition("## ")[0]
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    assert codes == documented
    assert set(REPORT_RULES) == set(re.findall(r"^\| (RT-REPORT-\d+)", text, re.MULTILINE))
