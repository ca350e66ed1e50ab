"""Comment and page of a plan: what a reviewer reads, whatever the names say, and never more than fits."""

import re

import pytest
from hypothesis import HealthCheck, given, settings

from fakes.hostile_words import ATTACKS, found
from fakes.plan_reports import REPORTS, report
from ringtide_engine.model.finding import Place
from ringtide_engine.model.plan_report import Devices, Omission, PlanReport
from ringtide_engine.render import comment as comment_module
from ringtide_engine.render.comment import LIMIT, comment, marker
from ringtide_engine.render.plan_markdown import plan_markdown
from ringtide_engine.render.sections import Section, write
from ringtide_engine.render.untrusted import markdown

SPAN = re.compile(r"`[^`\n]*`")
TAG = re.compile(r"<[^>]*>")
OURS = {"<details>", "</details>", "<summary>", "</summary>", "<br>"}


def assert_sound(text: str) -> None:
    """Assert that nothing but our own markup is left, that it is balanced, and that nobody is mentioned."""
    prose = SPAN.sub("", re.sub(r"\A<!-- ringtide:plan:v1 fleet=[a-z0-9._-]{1,63} -->\n", "", text))
    assert "`" not in prose
    assert set(TAG.findall(prose)) <= OURS
    assert "<" not in TAG.sub("", prose)
    depth = 0
    for line in text.split("\n"):
        depth += (line == "<details>") - (line == "</details>")
        assert 0 <= depth <= 1
    assert depth == 0
    assert text.count("<details>") == text.count("<summary>") == text.count("</summary>") == text.count("</details>")
    assert not re.search(r"@\w", prose)
    assert not re.search(r"(?<!&)#\d", prose)
    assert not re.search(r"\b(?:https?|ftp)://|www\.", prose)
    assert all(sign == "\n" or sign == "\u200b" or sign.isprintable() for sign in text)
    text.encode("utf-8")
    columns = 0
    for line in text.split("\n"):
        width = SPAN.sub("", line).count("|")
        assert width in (0, columns) or columns == 0
        columns = width if line.startswith("|") else 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(REPORTS)
def test_any_plan_gives_a_comment_under_the_limit_with_balanced_sections(each: PlanReport) -> None:
    text = comment(each, version="1.2.3")
    assert len(text) <= len(text.encode("utf-8")) <= LIMIT < 65_536
    assert text.split("\n")[0] == marker(each.fleet)
    assert_sound(text)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(REPORTS)
def test_any_plan_gives_a_page_that_a_job_summary_takes(each: PlanReport) -> None:
    text = plan_markdown(each, version="1.2.3")
    assert len(text.encode("utf-8")) <= 1 << 20
    assert_sound(text)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_gets_out_of_its_place(attack: str) -> None:
    omission = Omission(
        kind="unused",
        subject=attack,
        message=attack,
        why=attack,
        devices=Devices(count=1, first=(attack,)),  # type: ignore[arg-type]
        until=attack,
    )
    place = Place(path=attack)
    text = comment(
        report(fleet=attack, base_commit=attack, omissions=(omission,), findings=(found(attack, message=attack, place=place),)),
        version="1",
    )  # fmt: skip
    assert_sound(text)
    assert "Devices by ring" in text


def test_a_comment_says_what_happens_what_does_not_and_how_to_see_it_again() -> None:
    each = report(findings=(found(severity="warning"),))
    assert each.plan is not None
    lines = comment(each, version="1.2.3").splitlines()
    assert lines[0] == "<!-- ringtide:plan:v1 fleet=example-fleet -->"
    assert lines[3] == (
        "**0 of 12 devices change with the next publication; 3 later, as rings open.** 0 lose a model. "
        "1 danger, 1 warning; 7 policy rules applied."
    )
    headings = [line.removeprefix("#### ") for line in lines if line.startswith("#### ")]
    assert headings == [
        "Danger",
        "Devices by ring",
        "What will not happen, and why",
        "Findings",
        "Joining and leaving cohorts",
    ]
    assert (
        "| rollout digits-1.1.0 | canary | digits | 1.0.0 | 1.1.0 | 0 | 3 | 0 | 1 | 0 | 280.0 KiB | "
        "2026-11-23 10:00 UTC | ? |"
    ) in lines
    assert (
        "- **edge-s-4:** 1 device does not follow the rollout (`edge-s-4`)<br>Why: it is pinned; until the pin is removed"
    ) in lines
    assert "- **cohort eu** (placement digits): 1 device joins (`edge-s-9`); it will run digits 1.0.0" in lines
    assert f"Plan digest: `{each.plan.digest}`" in lines
    assert lines[-1].endswith(f"Reproduce: `ringtide plan --base {'a' * 40}`")


def test_code_in_a_fix_stays_code_and_a_lone_backtick_opens_nothing() -> None:
    assert markdown("Set `release: null` in `x.yaml`.") == "Set `release: null` in `x.yaml`."
    assert markdown("a ` b") == "a &#96; b"
    assert markdown("`a``b` ``") == "&#96;a&#96;&#96;b&#96; &#96;&#96;"
    assert markdown("`<b>|@x`") == "`\ufffdb\ufffd\ufffd@x`"


def test_an_empty_plan_says_no_changes_and_one_that_cannot_be_made_says_so() -> None:
    nothing = {"rings": (), "memberships": (), "dangers": (), "omissions": ()}
    plan = report().plan
    assert plan is not None
    empty = type(plan)(base=plan.head, head=plan.head, policy=plan.policy, changes=(), rows=())
    assert "**No changes.**" in comment(report(plan=empty, **nothing), version="1")
    broken = comment(report(plan=None, findings=(found(),), **nothing), version="1")
    assert "**This change cannot be planned.** 1 error" in broken
    assert "Plan digest: there is none" in broken
    assert "**Refused.** **0 of 12 devices" in comment(report(findings=(found(),)), version="1")


def test_what_is_cut_is_counted_and_never_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    many = report(rings=report().rings * 900)
    text = comment(many, version="1")
    shown = int(re.search(r"Showing (\d+) of 900 rows; the rest is in the job summary\.", text)[1])  # type: ignore[index]
    assert text.count("| rollout digits-1.1.0 | canary | digits |") == shown > 300
    assert "Left out for lack of room:" in text
    assert plan_markdown(many, version="1").count("| rollout digits-1.1.0 | canary | digits |") == 900
    monkeypatch.setattr(comment_module, "LIMIT", 2_000)
    assert "1 changes" in comment(many, version="1")


def test_the_writer_keeps_to_any_limit_that_holds_head_and_foot() -> None:
    sections = [
        Section(title="T", what="things", items=tuple(f"- {number}\n" for number in range(40)), is_folded=folded)
        for folded in (False, True)
    ]
    for limit in range(1_010, 1_800, 7):
        text = write("head\n", sections, "foot\n", limit=limit, elsewhere="elsewhere")
        assert len(text.encode()) <= limit
        assert text.startswith("head\n")
        assert text.endswith("foot\n")
        assert text.count("<details>") == text.count("</details>")
    assert "Showing" not in text
