"""Links come and go as the assumptions say."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ringtide_engine.simulate.assumptions import Assumptions
from ringtide_engine.simulate.links import Links

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR, DAY = 3600, 86_400


def history(days: int = 10, devices: int = 2000, step_s: int = HOUR, **assumed: object) -> np.ndarray:
    links = Links(Assumptions(**assumed), devices, START, step_s, np.random.default_rng(7))  # type: ignore[arg-type]
    return np.stack([links.online(step) for step in range(1, days * DAY // step_s + 1)])


@pytest.mark.parametrize("offline", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    ("connectivity", "spell_s"),
    [("intermittent", 60.0), ("intermittent", 6.0 * HOUR), ("long-offline", 3.0 * DAY), ("diurnal", 1.0)],
)
def test_the_share_of_devices_offline_is_kept_at_all_times(connectivity: str, spell_s: float, offline: float) -> None:
    online = history(connectivity=connectivity, spell_s=spell_s, offline=offline)
    assert 1 - online.mean() == pytest.approx(offline, abs=0.03)
    assert 1 - online[-24:].mean() == pytest.approx(offline, abs=0.05)
    if connectivity != "diurnal":
        assert 1 - online[0].mean() == pytest.approx(offline, abs=0.04)


def test_diurnal_devices_keep_to_the_clock() -> None:
    online = history(connectivity="diurnal", offline=0.6)
    assert np.array_equal(online[:24], online[24:48])
    at_noon, at_midnight = online[2].mean(), online[14].mean()
    assert at_noon > 0.9 > 0.1 > at_midnight


def test_a_spell_lasts_as_long_as_assumed() -> None:
    online = history(days=40, connectivity="long-offline", spell_s=2.0 * DAY, offline=0.3)
    begins = (online[:-1] & ~online[1:]).sum()
    assert (~online).sum() / begins == pytest.approx(48, rel=0.1)


def test_devices_that_go_dark_stay_dark() -> None:
    online = history(days=14, connectivity="always", offline=0.0, churn=0.2)
    assert np.all(online[1:] <= online[:-1])
    assert online[-1].mean() == pytest.approx(0.8**2, abs=0.04)


def test_who_is_online_at_the_start_was_heard_just_now() -> None:
    for connectivity in ("intermittent", "diurnal"):
        assumed = Assumptions(connectivity=connectivity, offline=0.4)  # type: ignore[arg-type]
        links = Links(assumed, 2000, START, HOUR, np.random.default_rng(7))
        assert np.all(links.silent_s >= 0)
        assert 0 < (links.silent_s == 0).sum() < 2000
    forever = Links(Assumptions(offline=1.0), 5, START, HOUR, np.random.default_rng(7))
    assert np.all(np.isinf(forever.silent_s))
