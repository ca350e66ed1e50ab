"""The page "How a rollout decides" says what the code computes."""

import math
import re
from pathlib import Path

import pytest

from ringtide_engine.judge.verdict import HARD_ALPHA
from ringtide_engine.model.betting import devices_needed, log_wealth_coin, pairs_needed
from ringtide_engine.model.binomial import tail

PAGE = (Path(__file__).parents[3] / "docs" / "how-a-rollout-decides.md").read_text()


def rows(section: str) -> list[list[str]]:
    """Return the rows of the table in a marked section, or of the first table after a heading."""
    text = PAGE.partition(section)[2]
    lines = re.findall(r"^\| (.*) \|$", text.partition("\n\n#")[0].partition("<!--")[0], re.M)
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def test_the_devices_that_a_proof_needs():
    table = rows("<!-- needed: begin -->")
    assert len(table) == 4
    for limit, devices in table:
        assert devices_needed(float(limit.removesuffix(" %")) / 100, 0.01) == int(devices)
    assert pairs_needed(0.01) == 10


@pytest.mark.parametrize(("strata", "needed"), [(1, 11), (2, 12), (4, 12)])
def test_the_pairs_that_show_a_candidate_to_be_worse(strata: int, needed: int):
    assert "takes eleven, or twelve in a ring of\nseveral strata" in PAGE

    def odds(pairs: int) -> float:
        shares = [pairs // strata + (place < pairs % strata) for place in range(strata)]
        halves = [math.exp(log_wealth_coin(share, 0)) / 2 + 0.5 for share in shares]
        whole = math.exp(log_wealth_coin(pairs, 0)) / 2 + 0.5
        return whole if strata == 1 else whole / 2 + sum(halves) / (2 * strata)

    assert odds(needed - 1) < 100 <= odds(needed)


def test_the_hard_failures_that_a_ring_of_three_rolls_back_at():
    table = [(int(devices.replace(",", "")), int(failures)) for devices, failures in rows("## Hard failures")]
    assert len(table) == 6
    for devices, failures in table[1:]:
        alpha = HARD_ALPHA / 6
        least = next(count for count in range(2, 100) if tail(count, devices, 0.005) <= alpha)
        assert (devices, least) == (devices, failures)


def test_the_worked_example():
    table = rows("<!-- worked: begin -->")
    wealths = []
    for bet, wealth in table[:-1]:
        exact = (1 + float(bet)) ** 24 * (1 - float(bet)) ** 4
        wealths.append(exact)
        assert f"{exact:.3g}" == f"{float(wealth):.3g}"
    assert len(wealths) == 9
    mean = sum(wealths) / 9
    assert round(mean) == int(table[-1][1])
    assert math.exp(log_wealth_coin(24, 4)) == pytest.approx(mean)
    assert f"odds {mean / 2 + 0.5:.0f} to 1" in PAGE
