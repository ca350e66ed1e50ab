"""A model reaches a device from a registry, from a bucket, and from a web server that asks for the device's certificate."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import onnx
import pytest

from fakes.fleet_files import DIGITS
from fakes.git_server import Authority
from fakes.nginx_store import needs_nginx, nginx
from fakes.oci_registry import logins, needs_registry, registry
from fakes.s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, needs_nanio, s3_server
from fakes.small_fleet import DEVICE, PLACEMENT, SmallFleet, small_fleet

Stage = tuple[str, str, tuple[str, ...]]
"""Address of a store, what the device is told of it, and what `model add` is told of it."""


@contextmanager
def in_a_registry(fleet: SmallFleet, authority: Authority, patch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with registry(fleet.folder / "registry", authority, htpasswd=True) as host:
        known = logins(fleet.folder, host)
        known.chmod(0o600)
        patch.setenv("REGISTRY_AUTH_FILE", str(known))
        yield f"oci://{host}/models", f'oci.logins_file = "{known}"', ()


@contextmanager
def in_a_bucket(fleet: SmallFleet, authority: Authority, patch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with s3_server(fleet.folder / "s3") as endpoint:
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }.items():
            patch.setenv(name, value)
        key = fleet.folder / "s3.json"
        key.write_text(json.dumps({"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY}))
        key.chmod(0o600)
        told = f's3.endpoint = "{endpoint}"\ns3.credentials_file = "{key}"\nartifacts.schemes = ["file", "http", "s3"]'
        yield f"s3://{BUCKET}/onnx", told, ()


@contextmanager
def behind_a_certificate(fleet: SmallFleet, authority: Authority, patch: pytest.MonkeyPatch) -> Iterator[Stage]:
    site, keys = fleet.folder / "site", fleet.folder / "keys" / "devices"
    (site / "models").mkdir(parents=True)
    fleet.ringtide("key", "new", "devices", keys)
    fleet.ringtide("device", "certify", site / "devices", "-C", fleet.folder / "fleet.git", "--keys", keys)
    with nginx(fleet.folder / "nginx", site, authority, site / "devices" / "authority.pem") as address:
        told = f'artifacts.certificate_url = "{address}/devices/{DEVICE}.pem"'
        yield f"{address}/models", told, ("--outbox", str(site / "models"))


@pytest.mark.journey
@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(in_a_registry, marks=needs_registry),
        pytest.param(in_a_bucket, marks=needs_nanio),
        pytest.param(behind_a_certificate, marks=needs_nginx),
    ],
)
def test_a_model_that_is_added_to_a_store_runs_on_a_device(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: Callable[[SmallFleet, Authority, pytest.MonkeyPatch], AbstractContextManager[Stage]],
) -> None:
    fleet, authority = small_fleet(tmp_path), Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    model = onnx.load_model_from_string((DIGITS / "1.0.0" / "fp32.onnx").read_bytes())
    onnx.helper.set_model_props(model, {"exported": "again"})
    (tmp_path / "again.onnx").write_bytes(model.SerializeToString(deterministic=True))
    with stage(fleet, authority, monkeypatch) as (store, told, options):
        (fleet.state / "conf.d").mkdir()
        text = f'{told}\nartifacts.tls_authority = "{authority.path}"\n'
        (fleet.state / "conf.d" / "stores.toml").write_text(text)
        edited = fleet.edited("fleet.yaml", "artifactStores:\n", f"artifactStores:\n  other: {store}\n")
        desk = tmp_path / "work"
        for path, content in {**fleet.files(), **edited}.items():
            assert content is not None
            (desk / path).parent.mkdir(parents=True, exist_ok=True)
            (desk / path).write_bytes(content)
        fleet.ringtide(
            "model", "add", "digits", "1.0.1", "-C", desk, "--store", "other", "--licence", "Apache-2.0", *options,
            "--variant", f"fp32={tmp_path / 'again.onnx'}", "--memory", "fp32=512MiB",
            "--golden", DIGITS / "1.0.0" / "golden.json", "--budget", "edge-m:p95=10s,memory=512MiB",
        )  # fmt: skip
        release = "models/digits/1.0.1.yaml"
        placed = fleet.edited(PLACEMENT, 'release: "1.0.0"', 'release: "1.0.1"')
        fleet.change({**edited, **placed, release: (desk / release).read_bytes()})
        fleet.publish("--accept-unreviewed-plan")
        fleet.once(wait=90)
    active = fleet.digits().active
    assert active is not None
    assert (fleet.digits().phase, active.release) == ("confirmed", "1.0.1")
    assert fleet.answering_release() == "1.0.1"
