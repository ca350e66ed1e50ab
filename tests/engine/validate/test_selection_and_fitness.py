"""Selectors mean what they mean in Kubernetes; a variant fits where every requirement is met."""

from dataclasses import replace

import pytest

from fakes.fleet_files import fleet_files
from ringtide_contract.ids import DeviceId
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.desired import DesiredState, Expression, Selector
from ringtide_engine.model.fitness import ranges_overlap, unmet
from ringtide_engine.model.selection import labels_of, matches, stratum_of

LABELS = {"region": "eu", "hardwareClass": "edge-s"}


def state() -> DesiredState:
    loaded = load_desired(fleet_files(3)).state
    assert loaded is not None
    return loaded


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        (Expression(key="region", operator="In", values=("eu", "us")), True),
        (Expression(key="region", operator="In", values=("us",)), False),
        (Expression(key="site", operator="In", values=("",)), False),
        (Expression(key="region", operator="NotIn", values=("us",)), True),
        (Expression(key="region", operator="NotIn", values=("eu",)), False),
        (Expression(key="site", operator="NotIn", values=("a",)), True),
        (Expression(key="region", operator="Exists", values=()), True),
        (Expression(key="site", operator="Exists", values=()), False),
        (Expression(key="site", operator="DoesNotExist", values=()), True),
        (Expression(key="region", operator="DoesNotExist", values=()), False),
    ],
)
def test_one_requirement(expression: Expression, answer: bool) -> None:
    assert matches(Selector(expressions=(expression,)), LABELS) is answer


def test_all_requirements_must_hold_and_none_chooses_nobody() -> None:
    eu = Expression(key="region", operator="In", values=("eu",))
    large = Expression(key="hardwareClass", operator="In", values=("edge-l",))
    assert not matches(Selector(expressions=(eu, large)), LABELS)
    assert not matches(Selector(expressions=()), LABELS)


def test_the_hardware_class_is_a_label_that_nobody_can_write_over() -> None:
    device = replace(state().devices[DeviceId("edge-s-0001")], labels={"region": "eu", "hardwareClass": "edge-l"})
    assert labels_of(device) == LABELS
    assert stratum_of(device, ("region", "hardwareClass", "zone")) == "edge-s/region=eu/zone="


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        (">=1.20", ">=1.20,<2", True),
        (">=1.22", "<1.22", False),
        (">=1.22", "<=1.22", True),
        ("~=1.20", ">=2", False),
        ("==1.20.*", ">1.20,<1.20.2", True),
        (">1.20.0", "<1.20.1", False),
        ("!=1.20", "==1.20", False),
        ("!=1.20.*", ">=1.20,<1.22", True),
        ("!=1.20.*", ">=1.20,<1.21", False),
        ("<2", "<1", True),
        ("", "==1.20.1", True),
        ("nonsense", ">=1", False),
    ],
)
def test_ranges_overlap_where_a_version_lies_in_both(one: str, other: str, answer: bool) -> None:
    assert ranges_overlap(one, other) is answer
    assert ranges_overlap(other, one) is answer


def test_every_unmet_requirement_is_named() -> None:
    hardware = state().hardware["edge-m"]
    variant = state().releases["digits", "1.1.0"].variants[0]
    assert unmet(variant, hardware) == ()
    poor = replace(
        hardware,
        memory_bytes=2**20,
        disk_bytes=10,
        max_opset=12,
        execution_providers=("OtherExecutionProvider",),
        onnxruntime="<1.20",
    )
    assert unmet(variant, poor) == (
        "needs 512 MiB of memory, edge-m has 1 MiB",
        "takes 108561 bytes of disk, edge-m has 10 bytes",
        "uses opset 13, edge-m runs up to 12",
        "uses CPUExecutionProvider, edge-m offers OtherExecutionProvider",
        "needs onnxruntime >=1.20, edge-m has <1.20",
    )
