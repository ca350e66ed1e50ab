"""Reports keep their bytes, and open only for the device and key they are due from."""

import pytest

from ringtide_contract.canonical import encode
from ringtide_contract.envelope import Envelope
from ringtide_contract.errors import InputError, TrustError
from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import generate, parse_public_key
from ringtide_contract.report import MAX_REPORT_BYTES, Report, open_report, seal_report
from vectors import samples
from vectors.loader import Vector, bad, good


@pytest.mark.parametrize("vector", good("report"))
def test_report_is_written_as_it_was_read(vector: Vector) -> None:
    assert Report.decode(vector.content).encode() == vector.content


@pytest.mark.parametrize("vector", bad("report"))
def test_bad_report_is_refused(vector: Vector) -> None:
    with pytest.raises(InputError) as caught:
        Report.decode(vector.content)
    assert vector.error is not None
    assert vector.error in str(caught.value)


@pytest.mark.parametrize("vector", good("sealed-report"))
def test_sealed_report_opens_for_its_device(vector: Vector) -> None:
    report, payload = opened(vector)
    assert report.encode() == payload
    assert report in (samples.REPORT_DOCUMENT, samples.FIRST_REPORT)


@pytest.mark.parametrize("vector", bad("sealed-report"))
def test_bad_sealed_report_is_refused(vector: Vector) -> None:
    with pytest.raises(TrustError) as caught:
        opened(vector)
    assert vector.error is not None
    assert vector.error in str(caught.value)
    assert caught.value.rule == vector.rule


def test_what_is_sealed_opens_again() -> None:
    key = generate()
    content = seal_report(samples.REPORT_DOCUMENT, key)
    report, payload = open_report(content, key.public_key(), fleet="harbour", device=DeviceId("gate-04"))
    assert report == samples.REPORT_DOCUMENT
    assert payload == samples.REPORT_DOCUMENT.encode()


def test_the_largest_report_fits_into_its_seal() -> None:
    largest = Envelope(payload=b"x" * MAX_REPORT_BYTES, payload_type="t", signature=b"s" * 72)
    assert len(encode(largest.to_dict())) <= 2 * MAX_REPORT_BYTES


def opened(vector: Vector) -> tuple[Report, bytes]:
    key = parse_public_key(vector.facts["publicKey"])
    return open_report(vector.content, key, fleet=vector.facts["fleet"], device=DeviceId(vector.facts["device"]))
