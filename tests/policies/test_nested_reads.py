"""A part of the fleet that is chosen through another part is narrowed too: one release of hundreds, not all of them."""

from ringtide_engine.model.expression import narrow, reads_of, wanted
from ringtide_engine.model.policy import RULE_VARIABLES

CONDITION = "fleet.releases[fleet.placements[object.placement].model][object.candidate].riskTier == 'low'"
RELEASES = {
    "digits": {"1.0.0": {"riskTier": "low", "owner": "@a"}, "1.1.0": {"riskTier": "high", "owner": "@a"}},
    "voices": {"1.1.0": {"riskTier": "low", "owner": "@b"}},
}
FLEET = {"placements": {"everywhere": {"model": "digits"}}, "releases": RELEASES}


def kept(document: dict[str, str]) -> object:
    reads = reads_of(CONDITION, tuple(RULE_VARIABLES))
    return narrow(FLEET, wanted(reads, "fleet"), {"object": document, "fleet": FLEET})


def test_only_the_release_that_the_document_leads_to_is_kept() -> None:
    assert kept({"placement": "everywhere", "candidate": "1.1.0"}) == {
        "placements": {"everywhere": {"model": "digits"}},
        "releases": {"digits": {"1.1.0": {"riskTier": "high"}}},
    }


def test_a_document_that_leads_nowhere_keeps_nothing() -> None:
    assert kept({"placement": "nowhere", "candidate": "1.1.0"}) == {"placements": {}, "releases": {}}
