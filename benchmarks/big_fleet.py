"""A fleet repository of any size, which every rule of the library judges: plain files, and a pull request on top."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from ringtide_contract.keys import public_pem
from ringtide_engine.shipped import rule_library
from ringtide_engine.workflows.sample_fleet import SAMPLE_FLEET

VERSIONS = 10
"""Releases of one model."""

REGIONS = ("ap", "eu", "sa", "us")
DEVICES_A_SITE = 8
CLASSES = ("edge-l", "edge-m", "edge-s")

_HEAD = {"apiVersion": "ringtide/v1"}
_OWNER = "@example/operations"


def base_files(devices: int, releases: int) -> dict[str, bytes]:
    """Return the repository before the pull request.

    Args:
        devices: Devices, in one inventory in JSON Lines, each with a key of its own.
        releases: Releases, ten to a model; every model is placed on the whole fleet.
    """
    models = [f"model-{number:02}" for number in range(releases // VERSIONS)]
    documents: dict[str, Mapping[str, Any]] = {"fleet.yaml": _fleet()}
    hardware: Mapping[str, Any] = SAMPLE_FLEET["hardware"]
    documents |= {f"hardware/{name}.yaml": hardware[name] for name in CLASSES}
    documents["cohorts/everybody.yaml"] = _named(
        "Cohort", "everybody", selector={"matchExpressions": [{"key": "region", "operator": "Exists"}]}
    )
    documents["rings/standard.yaml"] = SAMPLE_FLEET["ringPlans"]["standard"]
    for model in models:
        documents |= {f"models/{model}/{each}.yaml": _release(model, each) for each in map(_version, range(VERSIONS))}
        documents[f"placements/{model}.yaml"] = _placement(model, 1)
    for model in models[: len(models) // 2]:
        documents[f"rollouts/{model}-{_version(2)}.yaml"] = _rollout(model, 2)
    documents["policies/fleet.yaml"] = _named("PolicySet", "fleet", rules=[{"rule": each} for each in rules()])
    files = {path: _written(document) for path, document in documents.items()}
    files["devices/all.jsonl"] = b"".join(json.dumps(each).encode() + b"\n" for each in _devices(devices))
    return files


def pull_request(base: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the repository after it: a rollout begins, a release says more, and one device moves to another region."""
    first, *others = base["devices/all.jsonl"].split(b"\n")
    moved = json.loads(first)
    moved["labels"]["region"] = REGIONS[1]
    models = sorted({path.split("/")[1] for path in base if path.startswith("models/")})
    last = models[-1]
    changed = _release(last, _version(9)) | {"licence": "MIT"}
    return {
        **base,
        "devices/all.jsonl": b"\n".join([json.dumps(moved).encode(), *others]),
        f"models/{last}/{_version(9)}.yaml": _written(changed),
        f"rollouts/{last}-{_version(2)}.yaml": _written(_rollout(last, 2)),
    }


def rules() -> tuple[str, ...]:
    """Return the ids of all rules of the library."""
    return tuple(sorted({path.split("/")[1] for path in rule_library()}))


def _devices(count: int) -> Iterator[Mapping[str, Any]]:
    for number in range(count):
        hardware, site = CLASSES[number % len(CLASSES)], number // DEVICES_A_SITE
        seed = hashlib.sha256(f"worthless key of device {number}".encode()).digest()
        key = ec.derive_private_key(int.from_bytes(seed[:31], "big") + 1, ec.SECP256R1())
        region = REGIONS[site % len(REGIONS)]
        yield {
            "id": f"{hardware}-{number:06}",
            "publicKey": public_pem(key.public_key()),
            "hardwareClass": hardware,
            "labels": {"region": region, "site": f"{region}-{site:05}"},
            "state": "active",
        }


def _fleet() -> Mapping[str, Any]:
    return {**SAMPLE_FLEET["settings"], "strata": ["region"]}


def _named(kind: str, name: str, **fields: Any) -> Mapping[str, Any]:
    owner = {} if kind == "PolicySet" else {"owner": _OWNER}
    return {**_HEAD, "kind": kind, "name": name, **owner, **fields}


def _placement(model: str, number: int) -> Mapping[str, Any]:
    return _named("Placement", model, model=model, cohort="everybody", release=_version(number))


def _rollout(model: str, number: int) -> Mapping[str, Any]:
    name = f"{model}-{_version(number)}"
    return _named("Rollout", name, placement=model, candidate=_version(number), ringPlan="standard")


def _release(model: str, version: str) -> dict[str, Any]:
    sample = SAMPLE_FLEET["releases"]["digits"]["1.1.0"]
    digests = {each["file"]["sha256"] for each in sample["variants"]}
    text = json.dumps({**sample, "residency": list(REGIONS)})
    for digest in sorted(digests):
        text = text.replace(digest, hashlib.sha256(f"{model} {version} {digest}".encode()).hexdigest())
    return {**json.loads(text), "model": model, "version": version}


def _version(number: int) -> str:
    return f"1.{number}.0"


def _written(document: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(dict(document), sort_keys=False).encode()
