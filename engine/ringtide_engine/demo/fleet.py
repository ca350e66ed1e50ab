"""The demo's desired state: the files that its pull requests bring."""

from dataclasses import dataclass

FLEET = "lagoon"
MODEL = "digits"
PLACEMENT = "digits-everywhere"

MEMORY = {"edge-s": "256MiB", "edge-m": "1GiB", "edge-l": "4GiB"}
"""Hardware class to memory. The fp32 variants ask for 512 MiB, so edge-s runs int8."""

DEVICES_PER_CLASS = 4
"""Enough for a canary, a control and two more in each stratum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """A device of the demo."""

    id: str
    """Id."""
    hardware_class: str
    """Hardware class."""
    site: str
    """Site, a label."""


def devices() -> tuple[DeviceFacts, ...]:
    """Return the demo's devices: four of each hardware class, on two sites."""
    return tuple(
        DeviceFacts(id=f"{name}-{number}", hardware_class=name, site=("harbour", "station")[number % 2])
        for name in MEMORY
        for number in range(1, DEVICES_PER_CLASS + 1)
    )


def base_files(store_url: str) -> dict[str, bytes]:
    """Return fleet, hardware classes, cohort, ring plan and policies, with times short enough to watch.

    Args:
        store_url: Base URL of the artifact store.
    """
    files = {
        "fleet.yaml": f"""\
# yaml-language-server: $schema=.ringtide/schemas/fleet.json
# The demo's own times: seconds where a real fleet has minutes and hours, so that the story fits into a coffee break.
apiVersion: ringtide/v1
kind: Fleet
name: {FLEET}
strata: []
artifactStores:
  models: "{store_url}"
maxSilence: 10m
publication:
  statementLifetime: 1d
  timestampLifetime: 12h
ingest:
  interval: 3s
defaults:
  threads: 1
  probation:
    duration: 3s
    minRequests: 10
    maxFailures: 1%
    maxOverBudget: 20%
    minAgreement: 0%
""",
        "cohorts/all.yaml": """\
# yaml-language-server: $schema=../.ringtide/schemas/cohort.json
apiVersion: ringtide/v1
kind: Cohort
name: all
selector:
  matchExpressions:
    - {key: hardwareClass, operator: In, values: [edge-s, edge-m, edge-l]}
""",
        "rings/standard.yaml": _RING_PLAN,
        "policies/fleet.yaml": """\
# yaml-language-server: $schema=../.ringtide/schemas/policy-set.json
apiVersion: ringtide/v1
kind: PolicySet
name: fleet
rules:
  - rule: release-has-golden-set
  - rule: release-licence-allowed
""",
    }
    files |= {f"hardware/{name}.yaml": _hardware(name, memory) for name, memory in MEMORY.items()}
    return {path: text.encode() for path, text in files.items()}


def placement_file(release: str) -> dict[str, bytes]:
    """Return the placement of the model on every device."""
    text = f"""\
# yaml-language-server: $schema=../.ringtide/schemas/placement.json
apiVersion: ringtide/v1
kind: Placement
name: {PLACEMENT}
model: {MODEL}
cohort: all
release: "{release}"
"""
    return {f"placements/{PLACEMENT}.yaml": text.encode()}


def rollout_file(candidate: str) -> dict[str, bytes]:
    """Return a rollout of `candidate`."""
    name = rollout_name(candidate)
    text = f"""\
# yaml-language-server: $schema=../.ringtide/schemas/rollout.json
apiVersion: ringtide/v1
kind: Rollout
name: {name}
placement: {PLACEMENT}
candidate: "{candidate}"
ringPlan: standard
"""
    return {f"rollouts/{name}.yaml": text.encode()}


def rollout_name(candidate: str) -> str:
    """Return the name of the rollout of `candidate`."""
    return f"{MODEL}-{candidate}"


def _hardware(name: str, memory: str) -> str:
    return f"""\
# yaml-language-server: $schema=../.ringtide/schemas/hardware-class.json
apiVersion: ringtide/v1
kind: HardwareClass
name: {name}
arch: x86_64
memory: {memory}
disk: 2GiB
executionProviders: [CPUExecutionProvider]
onnxruntime: ">=1.20,<2"
maxOpset: 21
"""


APPROVER = "@lagoon/operations"
"""Who lets a release go to everybody."""

_APPROVAL = f"""
    approval: {{from: ["{APPROVER}"]}}"""


def _ring(name: str, share: str, min_devices: int, approval: str = "") -> str:
    return f"""\
  - name: {name}
    share: {share}{approval}
    minimumPerStratum: 1
    soak: 5s
    deadline: 30m
    quorum: 80%
    spread: 2s
    gates:
      - {{metric: updateSuccess, compare: atLeast, limit: 95%, minDevices: {min_devices}}}
      - {{metric: inferenceSuccess, compare: atLeast, limit: 99%, minDevices: {min_devices}, minRequests: 30}}
      - {{metric: p95Latency, compare: atMost, limit: 100%, minDevices: {min_devices}, minRequests: 30}}
      - {{metric: agreementWithStable, compare: atLeast, limit: 60%, minDevices: {min_devices}, minRequests: 30}}
"""


_RING_PLAN = f"""\
# yaml-language-server: $schema=../.ringtide/schemas/ring-plan.json
apiVersion: ringtide/v1
kind: RingPlan
name: standard
unit: device
control: 5%
rings:
{_ring("canary", "25%", 3)}{_ring("pilot", "50%", 3)}{_ring("rest", "100%", 4, _APPROVAL)}"""
