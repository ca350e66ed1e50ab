"""What is sent over a broker when, and the addresses that are taken."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtide_agent.adapters.mqtt_access import MqttAccess
from ringtide_agent.adapters.mqtt_reports import RESEND_S, due
from ringtide_agent.config import configuration_of
from ringtide_contract.errors import InputError

BASE = """fleet = "acme"
device = "cam-1"
hardware_class = "edge-s"
[publication]
url = "https://git.example.org/fleet.git"
[reports]
"""


def test_what_was_never_sent_goes_at_once() -> None:
    assert due([3, 4, 5], {3: 100.0}, 0, 101) == [4, 5]


def test_what_the_broker_has_is_not_sent_again_before_its_time() -> None:
    assert due([3, 4], {3: 100.0, 4: 100.0}, 0, 100 + RESEND_S - 1) == []


def test_where_nobody_collects_one_report_is_sent_as_a_probe() -> None:
    assert due([3, 4, 5], {3: 100.0, 4: 100.0, 5: 100.0}, 0, 100 + RESEND_S) == [3]


def test_once_the_collector_speaks_again_all_that_was_lost_is_sent() -> None:
    assert due([4, 5], {4: 100.0, 5: 100.0}, 500, 100 + RESEND_S) == [4, 5]


@given(
    st.sets(st.integers(1, 80), max_size=64),
    st.dictionaries(st.integers(1, 80), st.floats(0, 10_000), max_size=64),
    st.floats(0, 10_000),
)
def test_the_oldest_report_is_never_waited_for_in_vain(
    waiting: set[int], sent: dict[int, float], confirmed_s: float
) -> None:
    order = sorted(waiting)
    chosen = due(order, sent, confirmed_s, 10_000 + RESEND_S)
    assert chosen[:1] == order[:1]
    assert set(chosen) <= waiting
    assert set(chosen) >= {number for number in waiting if number not in sent}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('url = "mqtts://"', r"agent\.toml:7: reports\.url: .* write mqtts://host or mqtts://host:port"),
        ('url = "mqtts://host/path"', r"agent\.toml:7: reports\.url: .* is not the address of a broker"),
        ('url = "mqtts://host:99999"', r"agent\.toml:7: reports\.url: .* has a port that is none"),
        ('url = "mqtt://broker.example.org"', r"agent\.toml:7: reports\.url: .* in the clear: write mqtts://"),
        ('url = "mqtts://u:p@host"', r"agent\.toml:7: reports\.url: .* login: use a client certificate"),
        (
            'url = "amqp://host"',
            r"agent\.toml:7: reports\.url: .* write file://, https:// or ssh://; a broker is written mqtts://",
        ),
        ('url = "mqtts://host"\nssh_key = "/k"', r"agent\.toml:8: reports\.ssh_key: .* tls_certificate and tls_key"),
    ],
)
def test_a_mistake_in_the_address_is_named_with_its_place_and_its_fix(lines: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        configuration_of(BASE + lines + "\n", "agent.toml")


def test_a_broker_is_configured_by_its_address(tmp_path: Path) -> None:
    text = BASE + 'url = "mqtts://broker.example.org"\ntls_certificate = "/c"\ntls_key = "/k"\n'
    reports = configuration_of(text, "agent.toml").reports
    assert isinstance(reports, MqttAccess)
    assert (reports.host, reports.port, reports.is_tls, reports.tls_key) == ("broker.example.org", 8883, True, "/k")
    here = configuration_of(BASE + 'url = "mqtt://127.0.0.1:1883"\n', "agent.toml").reports
    assert isinstance(here, MqttAccess)
    assert (here.port, here.context()) == (1883, None)


def test_a_certificate_that_is_not_there_is_named() -> None:
    access = MqttAccess(url="mqtts://broker", tls_certificate="/nowhere.pem", tls_key="/nowhere.key")
    with pytest.raises(InputError, match=r"TLS files of \[reports\]"):
        access.context()
