"""A day of twenty devices with random faults ends as if nothing had happened."""

import pytest

from faults.soak import soak

SEED = 20261123


@pytest.mark.slow
def test_after_a_day_of_random_faults_every_device_runs_the_last_release_and_no_report_is_missing() -> None:
    print(f"seed {SEED}")
    devices, losses = soak(SEED)
    assert losses == []
    assert sum(device.kills for device in devices) > 100
    assert sum(len(device.world.sink.taken) for device in devices) > 500
