"""Other programs that judge the same documents by the same rule: checkov, and Rego by the engine's own extra."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.fresh import Run, run, said, write_repository
from ringtide_engine import wiring
from ringtide_engine.model.policy import RULE_VARIABLES, Condition
from ringtide_engine.shipped import rule_library

RULE = "release-licence-allowed"
ALLOWED = ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0")

CHECK = f"""
from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.yaml_doc.base_yaml_check import BaseYamlCheck


class LicenceAllowed(BaseYamlCheck):
    def __init__(self):
        super().__init__(
            name="A release has a licence that the fleet accepts",
            id="CKV_RINGTIDE_1",
            categories=[CheckCategories.SUPPLY_CHAIN],
            supported_entities=["*"],
            block_type="document",
        )

    def scan_entity_conf(self, conf, entity_type=None):
        return CheckResult.PASSED if conf.get("licence") in {ALLOWED!r} else CheckResult.FAILED, conf


check = LicenceAllowed()
"""

REGO: Mapping[str, str] = {
    "release-licence-allowed": "allow if input.object.licence in input.params.allowed",
    "release-has-golden-set": "allow if input.object.golden != null",
    "variant-artifacts-distinct": (
        "allow if count({v.file.sha256 | some v in input.object.variants}) == count(input.object.variants)"
    ),
}
"""Rules of the library in Rego."""

CEL: Mapping[str, str] = {
    "release-licence-allowed": "object.licence in params.allowed",
    "release-has-golden-set": "has(object.golden) && object.golden != null",
    "variant-artifacts-distinct": (
        "object.variants.all(v, object.variants.exists_one(w, w.file.sha256 == v.file.sha256))"
    ),
}
"""The same as the library has them, which `same_conditions` holds."""


def against_checkov(folder: Path, files: Mapping[str, bytes], rounds: int) -> Iterator[str]:
    """Yield ringtide's check and checkov's scan of the same releases, in turns."""
    checkov = _checkov(folder)
    if checkov is None:
        yield "checkov           skipped: `pip install checkov` failed here"
        return
    repository, checks = folder / "peer", folder / "checks"
    only = f"apiVersion: ringtide/v1\nkind: PolicySet\nname: fleet\nrules: [{{rule: {RULE}}}]\n"
    documents = {path: files[path] for path in files if path.startswith(("fleet.yaml", "hardware/", "models/"))}
    write_repository(repository, [{**documents, "policies/fleet.yaml": only.encode()}])
    checks.mkdir()
    (checks / "__init__.py").touch()
    (checks / "licence.py").write_text(CHECK)
    releases = sum(path.startswith("models/") for path in files)
    ours = [sys.executable, "-m", "ringtide_engine.cli", "check", str(repository)]
    theirs = [*checkov, "-d", str(repository / "models"), "--framework", "yaml", "--external-checks-dir", str(checks)]
    theirs += ["--check", "CKV_RINGTIDE_1", "--skip-download", "--compact", "-o", "json"]
    found = run(theirs, statuses=(0,)).output
    if json.loads(found)["summary"]["passed"] != releases:
        raise RuntimeError("checkov did not judge every release")
    runs: dict[str, list[Run]] = {"ringtide": [], "checkov": []}
    for _ in range(rounds):
        runs["ringtide"].append(run(ours))
        runs["checkov"].append(run(theirs))
    wall, cpu = (
        _ratio(
            [[each.wall_s, each.cpu_s][part] for each in runs["checkov"]],
            [[each.wall_s, each.cpu_s][part] for each in runs["ringtide"]],
        )
        for part in (0, 1)
    )
    yield f"against checkov   {wall:5.1f} x as fast, {cpu:.1f} x less CPU ({releases:,} releases, one rule; limit 20 x)"
    yield said("ringtide check", runs["ringtide"])
    yield said("checkov", runs["checkov"])


def against_rego(documents: Sequence[Mapping[str, object]], rounds: int) -> Iterator[str]:
    """Yield the evaluation of the same rules over the same documents in both languages, by the one port."""
    same_conditions()
    engine = wiring.policies()
    names = tuple(RULE_VARIABLES)
    both: dict[str, list[Condition]] = {
        "cel": [engine.compile(CEL[rule], {**RULE_VARIABLES, "params.allowed": "texts"}, "cel") for rule in CEL],
        "rego": [
            engine.compile(f"package ringtide.rule\nimport rego.v1\n{REGO[rule]}\n", RULE_VARIABLES, "rego")
            for rule in CEL
        ],
    }
    times: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(rounds):
        for name, conditions in both.items():
            started = time.perf_counter()
            for condition in conditions:
                for document in documents:
                    empty: dict[str, object] = dict.fromkeys(names)
                    variables = {**empty, "object": document, "fleet": {}, "params": {"allowed": list(ALLOWED)}}
                    if not condition.holds({**variables, "today": "2026-11-23"}):
                        raise RuntimeError(f"a rule in {name} refuses a good release")
            times[name].append((time.perf_counter() - started) / len(conditions) / len(documents) * 1_000_000)
    cel, rego = (statistics.median(times[name]) for name in ("cel", "rego"))
    yield f"against Rego      {rego / cel:5.1f} x as fast ({len(CEL)} rules over {len(documents):,} releases)"
    yield f"  CEL               {cel:7.1f} µs an evaluation ({min(times['cel']):.1f} to {max(times['cel']):.1f})"
    yield f"  Rego              {rego:7.1f} µs an evaluation ({min(times['rego']):.1f} to {max(times['rego']):.1f})"


def same_conditions() -> None:
    """Hold `CEL` to the library."""
    library = rule_library()
    for rule, condition in CEL.items():
        if f"condition: {condition}\n".encode() not in library[f"policies/{rule}/rule.yaml"]:
            raise RuntimeError(f"the condition of {rule} has changed: write it anew in REGO and CEL")


def _ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    return statistics.median(slow) / statistics.median(fast)


def _checkov(folder: Path) -> list[str] | None:
    """Return checkov's command: that of $CHECKOV, or of an environment made here."""
    given = os.environ.get("CHECKOV")
    if given:
        return [given]
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [environment / "bin/pip", "install", "--quiet", "checkov"]
    if subprocess.run(install, check=False, capture_output=True, timeout=600).returncode:
        return None
    return [str(environment / "bin/checkov")]
