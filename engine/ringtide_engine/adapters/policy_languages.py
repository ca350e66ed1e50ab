"""The languages of policy rules: each condition goes to the engine of its language."""

from collections.abc import Callable, Mapping

from ringtide_engine.model.policy import Condition, PolicyEngine, RuleLanguage, VariableType


class PolicyLanguages:
    """A `PolicyEngine` of several; each is made when its first condition comes."""

    def __init__(self, makers: Mapping[RuleLanguage, Callable[[], PolicyEngine]]) -> None:
        self._makers = makers
        self._made: dict[RuleLanguage, PolicyEngine] = {}

    def compile(
        self, expression: str, variables: Mapping[str, VariableType], language: RuleLanguage = "cel"
    ) -> Condition:
        """Check a condition and make it ready, as the engine of its language does."""
        if language not in self._made:
            self._made[language] = self._makers[language]()
        return self._made[language].compile(expression, variables, language)
