"""What is shipped: a wheel that carries its data, and an agent that carries nothing it does not need."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

ENGINE_ONLY = {"sigstore", "jinja2", "jsonschema", "cyclonedx-python-lib", "pyyaml", "onnx", "rich", "cel-expr-python"}


def closure(name: str, extras: frozenset[str]) -> set[str]:
    """Return the distributions that installing `name[extras]` brings here, by what is installed."""
    found: set[str] = set()
    queue = [(canonicalize_name(name), extras)]
    while queue:
        distribution, wanted = queue.pop()
        try:
            lines = requires(distribution) or []
        except PackageNotFoundError:
            continue  # a dependency of another platform
        for line in lines:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in (*wanted, "")):
                continue
            child = canonicalize_name(requirement.name)
            if child not in found:
                found.add(child)
                queue.append((child, frozenset(requirement.extras)))
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("ringtide-*.whl"))


def test_the_agent_brings_none_of_the_engines_libraries() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^agent = \[(.*?)^\]", pyproject, re.DOTALL | re.MULTILINE)
    assert block is not None
    names = {"cryptography", "click"}
    for line in re.findall(r'"([^"]+)"', block[1]):
        requirement = Requirement(line)
        names |= {canonicalize_name(requirement.name)} | closure(requirement.name, frozenset(requirement.extras))
    assert {"onnxruntime", "tuf", "gitpython", "paho-mqtt"} <= names
    assert not names & ENGINE_ONLY, sorted(names & ENGINE_ONLY)


def test_the_lock_file_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?://|file:|--index-url|--find-links", text)
    pins = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^\]]+\])?==\S+.*?(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    assert len(pins) > 50
    assert all("--hash=sha256:" in pin for pin in pins)


def test_the_wheel_carries_policies_template_and_schemas(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("ringtide_engine/_shipped/policies/") and name.endswith("rule.yaml") for name in names)
    assert "ringtide_engine/_shipped/fleet-repo-template/fleet.yaml" in names
    assert "ringtide_engine/_shipped/fleet-repo-template/.github/CODEOWNERS" in names
    assert any(name.startswith("ringtide_engine/load/schemas/") and name.endswith(".json") for name in names)
    assert "ringtide_engine/demo/digits/1.0.0/int8.onnx" in names
    assert not [name for name in names if name.startswith("tests/")]


def test_a_fleet_starts_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    fleet = tmp_path / "fleet"
    for arguments in (["init", str(fleet)], ["check", str(fleet)]):
        done = subprocess.run(
            [sys.executable, "-m", "ringtide_engine.cli", *arguments],
            cwd=tmp_path, env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["ringtide_contract.acceptance", "ringtide_contract.report"])
def test_the_contract_needs_the_standard_library_and_cryptography_alone(module: str) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(ROOT / "contract")!r})
import {module}
known = set(sys.stdlib_module_names) | {{"ringtide_contract", "cryptography", "_cffi_backend", "__main__"}}
print(sorted({{name.split(".")[0] for name in sys.modules}} - known))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    extra = [name for name in eval(done.stdout) if not name.startswith(("_", "sitecustomize", "editable"))]
    assert extra == []
