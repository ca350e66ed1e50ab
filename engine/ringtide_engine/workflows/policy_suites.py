"""Policy suites: does every rule say of its samples what its author expects?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ringtide_contract.errors import InputError
from ringtide_engine.load.desired import read_document
from ringtide_engine.load.policies import load_rules, load_suite
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.policy import PolicyEngine, PolicyRule, SuiteCase
from ringtide_engine.validate.parameters import misfits, with_defaults
from ringtide_engine.validate.policy import AppliedRule, apply, failure, narrowed, said
from ringtide_engine.workflows.sample_fleet import SAMPLE_DAY, SAMPLE_FLEET


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case, run."""

    rule: str
    """Id of the rule."""
    case: str
    """The sample, and what was expected of it; or what else was asked of the rule."""
    problem: str | None
    """Why it failed; None where it passed."""


def run_suites(files: Mapping[str, bytes], engine: PolicyEngine) -> tuple[tuple[CaseResult, ...], tuple[Finding, ...]]:
    """Run the suite of every rule.

    Args:
        files: Rules, suites and samples as `policies/<id>/...`.
        engine: Evaluates conditions.

    Returns:
        The cases, ordered by rule; and what is wrong with files that cannot be read.
    """
    rules, findings = load_rules(files)
    results: list[CaseResult] = []
    mistaken = list(findings)
    for rule in rules.values():
        path = f"policies/{rule.id}/suite.yaml"
        suite = load_suite(path, files[path]) if path in files else ()
        cases = tuple(each for each in suite if isinstance(each, SuiteCase))
        mistaken.extend(each for each in suite if isinstance(each, Finding))
        results.extend(_suite(rule, cases, files, engine))
    return tuple(results), tuple(mistaken)


def _suite(
    rule: PolicyRule, cases: tuple[SuiteCase, ...], files: Mapping[str, bytes], engine: PolicyEngine
) -> Iterator[CaseResult]:
    try:
        ready = apply(rule, rule.severity, {}, engine)
    except InputError as error:
        yield CaseResult(rule=rule.id, case="the condition compiles", problem=str(error))
        return
    for case in cases:
        name = f"{case.sample} is {case.expect}"
        yield CaseResult(rule=rule.id, case=name, problem=_run(rule, case, files, ready))
    for wanted in ("allowed", "disallowed"):
        missing = not any(case.expect == wanted for case in cases)
        problem = f"no case expects {wanted}: a rule that nobody saw both pass and fail proves nothing"
        yield CaseResult(rule=rule.id, case=f"some sample is {wanted}", problem=problem if missing else None)
    folder = f"policies/{rule.id}/samples/"
    used = {f"{folder}{name}" for case in cases for name in (case.sample, case.old) if name}
    for path in sorted(each for each in files if each.startswith(folder) and each not in used):
        yield CaseResult(rule=rule.id, case=path.removeprefix(folder), problem="no case uses the sample")


def _run(rule: PolicyRule, case: SuiteCase, files: Mapping[str, bytes], ready: AppliedRule) -> str | None:
    samples: list[Mapping[str, object] | None] = []
    for name in (case.sample, case.old):
        path = f"policies/{rule.id}/samples/{name}"
        if name is None:
            samples.append(None)
            continue
        if path not in files:
            return f"there is no {path}"
        document = read_document(path, files[path], rule.selects)
        if isinstance(document, tuple):
            return f"{document[0].place}: {document[0].message}"
        samples.append(document.data)
    sample, old = samples
    parameters = with_defaults(rule, case.parameters)
    wrong = misfits(rule, parameters)
    if wrong or sample is None:
        return f"parameters: {'; '.join(wrong)}"
    applied = replace(ready, parameters=parameters)
    variables: dict[str, object] = {
        "object": sample,
        "old": old,
        "fleet": {**SAMPLE_FLEET, **case.fleet},
        "today": (case.today or SAMPLE_DAY).isoformat(),
    }
    slim = narrowed(applied, variables)
    why = failure(applied, slim)
    if why:
        return why
    message = said(applied, "", {**slim, "object": sample}, Place(path="")).message
    if (why is None) != (case.expect == "allowed"):
        return "the condition holds" if why is None else f"the condition does not hold: {message}"
    if why is not None and case.message is not None and case.message not in message:
        return f"the message is {message!r}, without {case.message!r}"
    return None
