"""A device's short certificate: issued to active devices alone, over their own keys, and all that a store asks for."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.edges.test_artifact_fetch import CONTENT, DIGEST, Shelf, artifact, shelf
from fakes.desired_states import desired_state
from fakes.git_server import Authority
from fakes.nginx_store import needs_nginx, nginx
from fakes.oci_registry import tls_server
from ringtide_agent.adapters.artifact_fetch import ArtifactFetcher
from ringtide_agent.adapters.artifact_stream import ArtifactStore, BrokenOffError
from ringtide_agent.adapters.device_certificate import CertifiedStore, DeviceCertificate
from ringtide_agent.adapters.s3_credentials import LentCredentials
from ringtide_agent.adapters.web import Tls, Web
from ringtide_agent.adapters.web_store import WebStore
from ringtide_contract.artifact import Artifact
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import DeviceId
from ringtide_contract.keys import PrivateKey, generate, private_pem
from ringtide_engine.adapters.certificate_folder import CertificateFolder
from ringtide_engine.workflows.certify import Certified, certify

__all__ = ["shelf"]

HOURS = timedelta(hours=48)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Scene:
    """A fleet's owner with a folder of certificates, and one device."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        self.web_authority = Authority(folder)
        self.key: PrivateKey = generate()
        self.key_file = folder / "device.key"
        self.key_file.write_bytes(private_pem(self.key))
        self.state = desired_state(devices=2)
        self.device = next(iter(self.state.devices))
        self._is("active", key=True)
        self.authority_key = generate()
        (self.site / "models").mkdir(parents=True)
        (self.site / "models" / DIGEST).write_bytes(CONTENT)
        self.certify()

    @property
    def certificates(self) -> CertificateFolder:
        return CertificateFolder(self.site / "devices", self.authority_key, "harbour")

    @property
    def kept(self) -> Path:
        return self.folder / "state/tls/artifacts.pem"

    def _is(self, state: str, *, key: bool = False) -> None:
        device = self.state.devices[self.device]
        changed = replace(device, state=state, public_key=self.key.public_key() if key else device.public_key)  # type: ignore[arg-type]
        self.state = replace(self.state, devices={**self.state.devices, self.device: changed})

    def hold(self) -> None:
        self._is("held")

    def certify(self, at: datetime | None = None) -> Certified:
        return certify(self.state, self.certificates, now=at or now(), lifetime=HOURS, dry_run=False)

    def certificate(self, address: str, at: timedelta = timedelta(0)) -> DeviceCertificate:
        return DeviceCertificate(
            f"{address}/devices/{self.device}.pem",
            self.key.public_key(),
            self.kept,
            authority=str(self.web_authority.path),
            store=WebStore(("https",)),
            now=lambda: now() + at,
        )

    def tls(self) -> Tls:
        return Tls(authority=str(self.web_authority.path), certificate=str(self.kept), key=str(self.key_file))

    def fetcher(self, shelf: Shelf, store: ArtifactStore) -> ArtifactFetcher:
        return ArtifactFetcher(shelf, sources={"https": store}, tls=self.tls(), reserve_bytes=0)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
def address(scene: Scene) -> Iterator[str]:
    with nginx(scene.folder / "nginx", scene.site, scene.web_authority, scene.site / "devices/authority.pem") as url:
        yield url


def model(address: str) -> Artifact:
    return artifact(f"{address}/models/{DIGEST}")


@needs_nginx
def test_an_active_device_downloads_with_its_own_key_and_nobody_without(
    scene: Scene, shelf: Shelf, address: str
) -> None:
    plain = ArtifactFetcher(
        shelf,
        sources={"https": WebStore(("https",))},
        tls=Tls(authority=str(scene.web_authority.path)),
        reserve_bytes=0,
    )
    with pytest.raises(TransientError, match="HTTP 403"):
        plain.fetch(model(address), 0)
    scene.fetcher(shelf, CertifiedStore(WebStore(("https",)), scene.certificate(address))).fetch(model(address), 0)
    assert (shelf.folder / DIGEST).read_bytes() == CONTENT


@needs_nginx
def test_a_device_that_is_held_gets_no_other_certificate_and_its_last_one_ends(
    scene: Scene, shelf: Shelf, address: str
) -> None:
    scene.certificates.issue(scene.device, scene.key.public_key(), now() - HOURS, now() - timedelta(minutes=1))
    scene.kept.parent.mkdir(parents=True)
    scene.kept.write_bytes((scene.site / f"devices/{scene.device}.pem").read_bytes())
    with pytest.raises(TransientError, match="HTTP 400"):  # so nginx answers a certificate that has ended
        scene.fetcher(shelf, WebStore(("https",))).fetch(model(address), 0)
    scene.hold()
    assert scene.certify().withdrawn == (scene.device,)
    store = CertifiedStore(WebStore(("https",)), scene.certificate(address))
    with pytest.raises(TransientError, match="no certificate for this device: it is not active in its fleet"):
        scene.fetcher(shelf, store).fetch(model(address), 0)
    assert shelf.admitted == []


@needs_nginx
def test_a_certificate_of_another_authority_or_for_another_key_opens_nothing(
    scene: Scene, shelf: Shelf, address: str
) -> None:
    stranger = CertificateFolder(scene.folder / "other", generate(), "harbour")
    stranger.issue(scene.device, scene.key.public_key(), now() - HOURS, now() + HOURS)
    scene.kept.parent.mkdir(parents=True)
    scene.kept.write_bytes((scene.folder / f"other/{scene.device}.pem").read_bytes())
    with pytest.raises(TransientError, match="HTTP 400"):
        scene.fetcher(shelf, WebStore(("https",))).fetch(model(address), 0)
    neighbour = next(name for name in scene.state.devices if name != scene.device)
    scene.kept.write_bytes((scene.site / f"devices/{neighbour}.pem").read_bytes())
    with pytest.raises(TransientError):
        scene.fetcher(shelf, WebStore(("https",))).fetch(model(address), 0)
    assert shelf.admitted == []


@needs_nginx
def test_a_web_server_can_shut_out_one_device_at_once(scene: Scene, shelf: Shelf) -> None:
    devices = scene.site / "devices/authority.pem"
    with nginx(scene.folder / "nginx", scene.site, scene.web_authority, devices, refused=scene.device) as address:
        store = CertifiedStore(WebStore(("https",)), scene.certificate(address))
        with pytest.raises(TransientError, match="HTTP 403"):
            scene.fetcher(shelf, store).fetch(model(address), 0)


@needs_nginx
def test_a_store_lends_its_key_to_a_certificate(scene: Scene, address: str) -> None:
    (scene.site / "s3.json").write_text(json.dumps({"AccessKeyId": "lent", "SecretAccessKey": "s"}))
    scene.certificate(address).ensure()
    lender = LentCredentials(f"{address}/s3.json", WebStore(("https",)), now)
    with pytest.raises(BrokenOffError, match="HTTP 403"):
        lender.key(Web(Tls(authority=str(scene.web_authority.path))))
    assert lender.key(Web(scene.tls())).access_key_id == "lent"


def served(scene: Scene, content: bytes) -> dict[str, Any]:
    return {f"devices/{scene.device}.pem": (200, {}, content)}


def mine(scene: Scene) -> bytes:
    return (scene.site / f"devices/{scene.device}.pem").read_bytes()


def test_a_certificate_is_renewed_after_half_of_its_time_and_asked_for_once(scene: Scene) -> None:
    with tls_server(scene.web_authority, **served(scene, mine(scene))) as server:
        for hours, asked in ((0, 1), (20, 1), (30, 2)):
            scene.certificate(server.url, timedelta(hours=hours)).ensure()
            assert len(server.asked) == asked
        late = scene.certificate(server.url, timedelta(hours=30))
        for _ in range(3):
            late.ensure()
        assert len(server.asked) == 3, "one that does not come is not asked for at every download"


def test_the_one_before_serves_while_it_holds_and_no_longer(scene: Scene) -> None:
    with tls_server(scene.web_authority, **served(scene, mine(scene))) as server:
        scene.certificate(server.url).ensure()
        server.answer.clear()
        scene.certificate(server.url, timedelta(hours=47)).ensure()
        with pytest.raises(BrokenOffError, match="not active in its fleet"):
            scene.certificate(server.url, timedelta(hours=49)).ensure()


def with_a_key_of_no_kind(certificate: bytes) -> bytes:
    der = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    kinds = {bytes.fromhex("2a8648ce3d0201"): b"\x2a\x86\x48\xce\x3d\x02\x7f", b"\x03\x2b\x65\x70": b"\x03\x2b\x65\x7f"}
    for known, unknown in kinds.items():
        der = der.replace(known, unknown)
    lines = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + lines + b"-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("what", ["", "garbage", "neighbour", "ended", "endless", "key of no kind"])
def test_what_a_lying_host_shows_is_not_taken(scene: Scene, what: str) -> None:
    neighbour = next(name for name in scene.state.devices if name != scene.device)
    scene.certificates.issue(DeviceId("ended"), scene.key.public_key(), now() - HOURS, now() - timedelta(hours=1))
    content = {
        "": b"",
        "garbage": b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
        "neighbour": (scene.site / f"devices/{neighbour}.pem").read_bytes(),
        "ended": (scene.site / "devices/ended.pem").read_bytes(),
        "key of no kind": with_a_key_of_no_kind(mine(scene)),
        "endless": mine(scene) + b"\n" * 100_000,
    }[what]
    with tls_server(scene.web_authority, **served(scene, content)) as server:
        if what == "endless":  # a certificate, and too much after it: what counts is its beginning
            scene.certificate(server.url).ensure()
            assert len(scene.kept.read_bytes()) < 2000
            return
        with pytest.raises(BrokenOffError, match=r"no certificate over this device's key|the certificate ended at"):
            scene.certificate(server.url).ensure()
    assert not scene.kept.exists()


def test_active_devices_alone_are_certified_and_what_holds_is_left_as_it_is(scene: Scene) -> None:
    before = {path.name: path.read_bytes() for path in (scene.site / "devices").iterdir()}
    assert set(before) == {"authority.pem", *(f"{name}.pem" for name in scene.state.devices)}
    done = scene.certify()
    assert (done.issued, done.withdrawn, len(done.kept)) == ((), (), 2)
    assert {path.name: path.read_bytes() for path in (scene.site / "devices").iterdir()} == before
    assert scene.certify(now() + HOURS * 0.6).issued == tuple(sorted(scene.state.devices))


def test_another_key_of_a_device_or_of_the_authority_renews(scene: Scene) -> None:
    scene.key = generate()
    scene._is("active", key=True)
    assert scene.certify().issued == (scene.device,)
    before = (scene.site / "devices/authority.pem").read_bytes()
    scene.authority_key = generate()
    assert len(scene.certify().issued) == 2
    assert (scene.site / "devices/authority.pem").read_bytes() != before


def test_a_damaged_certificate_of_the_authority_is_written_anew_though_every_device_has_a_good_one(
    scene: Scene,
) -> None:
    authority = scene.site / "devices/authority.pem"
    for damage in (lambda: authority.write_bytes(b"junk"), authority.unlink):
        damage()
        assert len(scene.certify().issued) == 2
        assert authority.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
    assert scene.certify().issued == ()


def test_a_folder_in_a_certificates_place_is_named_and_nothing_is_written(scene: Scene) -> None:
    devices = scene.site / "devices"
    (devices / f"{scene.device}.pem").unlink()
    (devices / f"{scene.device}.pem").mkdir()
    before = {path.name: path.read_bytes() for path in devices.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=f"{scene.device}.pem is no plain file. fix: remove it"):
        scene.certify()
    assert {path.name: path.read_bytes() for path in devices.iterdir() if path.is_file()} == before


def test_a_fleet_without_active_devices_withdraws_nothing(scene: Scene) -> None:
    scene.state = replace(
        scene.state, devices={name: replace(each, state="held") for name, each in scene.state.devices.items()}
    )
    before = sorted((scene.site / "devices").iterdir())
    with pytest.raises(InputError, match="nothing was withdrawn"):
        scene.certify()
    assert sorted((scene.site / "devices").iterdir()) == before


def test_a_certificate_says_whose_it_is_and_serves_clients_alone(scene: Scene) -> None:
    certificate = x509.load_pem_x509_certificate(mine(scene))
    assert certificate.subject.rfc4514_string() == f"CN={scene.device},O=harbour"
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_after_utc - now() <= HOURS
    authority = x509.load_pem_x509_certificate((scene.site / "devices/authority.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)


def test_a_folder_of_other_things_is_refused(scene: Scene) -> None:
    (scene.site / "devices/index.html").write_text("x")
    with pytest.raises(InputError, match=r"holds other files, such as index\.html"):
        scene.certify()
