"""Messages of rules name the values that a reader needs."""

from ringtide_engine.validate.message import MAX_SHOWN, filled

VARIABLES = {
    "object": {
        "name": "standard",
        "rings": [{"soak": "1h"}, {"soak": "4h"}],
        "budgets": {"edge-s": {"p95Latency": "9ms"}},
    },
    "params": {"atMost": "5%", "tiers": ["low", "high"]},
    "fleet": {"plan": {"now": 3}},
}


def test_a_placeholder_stands_for_a_field_a_parameter_or_a_part_of_the_fleet() -> None:
    said = filled("{name}: {fleet.plan.now} at {params.atMost} of {params.tiers}", VARIABLES)
    assert said == "standard: 3 at 5% of low, high"


def test_a_star_stands_for_every_item_and_every_value() -> None:
    assert filled("{rings.*.soak}; {rings.1.soak}; {budgets.*.p95Latency}", VARIABLES) == "1h, 4h; 4h; 9ms"


def test_a_placeholder_that_leads_nowhere_says_nothing() -> None:
    assert filled("{rings.7.soak} {name.*} {owner} {rings.*.quorum}", VARIABLES) == "nothing nothing nothing nothing"


def test_a_message_shows_few_of_many_values() -> None:
    variables = {**VARIABLES, "object": {"rings": [{"soak": f"{each}h"} for each in range(MAX_SHOWN + 5)]}}
    said = filled("{rings.*.soak}", variables)
    assert said.endswith("19h and 5 more")
    assert "20h" not in said


def test_braces_that_are_no_placeholder_stay() -> None:
    assert filled("write `{metric: wentSilent}`", VARIABLES) == "write `{metric: wentSilent}`"
