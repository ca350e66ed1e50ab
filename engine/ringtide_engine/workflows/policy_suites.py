"""Policy suites: does every rule say of its samples what its author expects, and is it needed beside the others?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ringtide_contract.errors import InputError
from ringtide_engine.load.desired import read_document
from ringtide_engine.load.known_fields import unknown_fields, unknown_parts
from ringtide_engine.load.policies import load_rules, load_suite
from ringtide_engine.model.finding import Finding, Place
from ringtide_engine.model.policy import PolicyEngine, PolicyRule, SuiteCase
from ringtide_engine.validate.parameters import misfits, with_defaults
from ringtide_engine.validate.policy import AppliedRule, apply, failure, narrowed, said
from ringtide_engine.workflows.sample_fleet import SAMPLE_DAY, SAMPLE_FLEET


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case, run; or something else that is asked of a rule."""

    case: str
    """The sample, and what was expected of it; or what else was asked of the rule."""
    held: bool | None
    """Whether the condition held; None where no sample was judged."""
    problem: str | None
    """Why it failed; None where it passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """The suite of one rule, run."""

    rule: str
    """Id of the rule."""
    cases: tuple[CaseResult, ...]
    """Its cases, and what else was asked of it."""
    proof: str | None
    """Sample that this rule refuses and none beside it; None where there is none."""

    @property
    def judged(self) -> tuple[CaseResult, ...]:
        """The cases in which a sample was judged."""
        return tuple(each for each in self.cases if each.held is not None)

    @property
    def problems(self) -> tuple[CaseResult, ...]:
        """What failed."""
        return tuple(each for each in self.cases if each.problem is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Situation:
    """A sample and everything beside it that a condition may read."""

    case: SuiteCase
    selects: str
    variables: Mapping[str, object]


def run_suites(files: Mapping[str, bytes], engine: PolicyEngine) -> tuple[tuple[RuleResult, ...], tuple[Finding, ...]]:
    """Run the suite of every rule.

    Args:
        files: Rules, suites and samples as `policies/<id>/...`.
        engine: Evaluates conditions.

    Returns:
        A result a rule, ordered by id; and what is wrong with files that cannot be read.
    """
    rules, findings = load_rules(files)
    mistaken = [*findings, *(each for rule in rules.values() for each in unknown_fields(rule))]
    ready: dict[str, AppliedRule] = {}
    broken: dict[str, str] = {}
    for name, rule in rules.items():
        try:
            ready[name] = apply(rule, rule.severity, with_defaults(rule, {}), engine)
        except InputError as error:
            broken[name] = str(error)
    results: list[RuleResult] = []
    for name, rule in rules.items():
        if name in broken:
            cases = (CaseResult(case="the condition compiles", held=None, problem=broken[name]),)
            results.append(RuleResult(rule=name, cases=cases, proof=None))
            continue
        path = f"policies/{name}/suite.yaml"
        suite = load_suite(path, files[path]) if path in files else ()
        mistaken.extend(each for each in suite if isinstance(each, Finding))
        others = [each for each in ready.values() if each.rule.selects == rule.selects and each.rule.id != name]
        results.append(_suite(ready[name], [each for each in suite if isinstance(each, SuiteCase)], files, others))
    return tuple(results), tuple(mistaken)


def _suite(
    rule: AppliedRule, suite: Sequence[SuiteCase], files: Mapping[str, bytes], others: Sequence[AppliedRule]
) -> RuleResult:
    name = rule.rule.id
    cases: list[CaseResult] = []
    refused: list[_Situation] = []
    for case in suite:
        asked = f"{case.sample} is {case.expect}"
        situation = _situation(rule.rule, case, files)
        if isinstance(situation, str):
            cases.append(CaseResult(case=asked, held=None, problem=situation))
            continue
        held, problem = _judged(rule, situation)
        cases.append(CaseResult(case=asked, held=held, problem=problem))
        if held is False and problem is None:
            refused.append(situation)
    refused.sort(key=lambda each: bool(each.case.parameters))
    proof = next((each.case.sample for each in refused if not any(_refuses(other, each) for other in others)), None)
    cases.extend(_asked_beside(name, suite, cases, files))
    if refused:
        beside = {other.rule.id for each in refused for other in others if _refuses(other, each)}
        problem = f"each sample that it refuses is refused without it too, by {', '.join(sorted(beside))}"
        cases.append(
            CaseResult(case="it refuses a sample alone", held=None, problem=None if proof is not None else problem)
        )
    return RuleResult(rule=name, cases=tuple(cases), proof=proof)


def _asked_beside(
    rule: str, suite: Sequence[SuiteCase], cases: Sequence[CaseResult], files: Mapping[str, bytes]
) -> Iterator[CaseResult]:
    for held, word in ((True, "true"), (False, "false")):
        missing = not any(each.held is held for each in cases)
        problem = f"the condition is never {word}: a rule that nobody saw both pass and fail proves nothing"
        yield CaseResult(case=f"the condition is {word} for some sample", held=None, problem=problem * missing or None)
    folder = f"policies/{rule}/samples/"
    used = {f"{folder}{name}" for case in suite for name in (case.sample, case.old) if name}
    for path in sorted(each for each in files if each.startswith(folder) and each not in used):
        yield CaseResult(case=path.removeprefix(folder), held=None, problem="no case uses the sample")


def _situation(rule: PolicyRule, case: SuiteCase, files: Mapping[str, bytes]) -> _Situation | str:
    """Return what a case is about, or why it cannot be told."""
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
    unknown = unknown_parts(tuple(case.fleet))
    if unknown:
        return f"the fleet has no part {', '.join(unknown)}"
    wrong = misfits(rule, with_defaults(rule, case.parameters))
    if wrong:
        return f"parameters: {'; '.join(wrong)}"
    variables: dict[str, object] = {
        "object": sample,
        "old": old,
        "fleet": {**SAMPLE_FLEET, **case.fleet},
        "today": (case.today or SAMPLE_DAY).isoformat(),
    }
    return _Situation(case=case, selects=rule.selects, variables=variables)


def _judged(rule: AppliedRule, situation: _Situation) -> tuple[bool | None, str | None]:
    """Return whether the condition holds, and what is wrong with that."""
    case = situation.case
    applied = replace(rule, parameters=with_defaults(rule.rule, case.parameters))
    slim = narrowed(applied, situation.variables)
    why = failure(applied, slim)
    if why:
        return None, why
    message = said(applied, "", {**slim, "object": situation.variables["object"]}, Place(path="")).message
    if (why is None) != (case.expect == "allowed"):
        return why is None, "the condition holds" if why is None else f"the condition does not hold: {message}"
    if why is not None and case.message is not None and case.message not in message:
        return False, f"the message is {message!r}, without {case.message!r}"
    return why is None, None


def _refuses(other: AppliedRule, situation: _Situation) -> bool:
    """Tell whether another rule with its defaults refuses a sample; where it cannot tell, it does."""
    return failure(other, narrowed(other, situation.variables)) is not None
