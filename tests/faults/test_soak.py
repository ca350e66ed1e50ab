"""A day of twenty devices with random faults ends as if nothing had happened."""

import pytest

from faults import soak as soaked
from faults.soak import ForgetfulSink, soak

SEED = 20261123


@pytest.mark.slow
def test_after_a_day_of_random_faults_every_device_runs_the_last_release_and_no_report_is_missing() -> None:
    print(f"seed {SEED}")
    devices, losses = soak(SEED)
    assert losses == []
    assert sum(device.kills for device in devices) > 100
    assert sum(len(device.world.sink.taken) for device in devices) > 500


def test_one_report_that_got_lost_after_it_was_taken_fails_the_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    class LosingSink(ForgetfulSink):
        def push(self, device, reports) -> None:  # type: ignore[no-untyped-def]
            super().push(device, reports)
            self.taken.pop(5, None)

    def about_reports(losses: list[str]) -> list[str]:
        return [loss for loss in losses if "reports" in loss and "arrived" in loss]

    assert about_reports(soak(SEED, agents=1, hours=6)[1]) == []
    monkeypatch.setattr(soaked, "ForgetfulSink", LosingSink)
    assert len(about_reports(soak(SEED, agents=1, hours=6)[1])) == 1
