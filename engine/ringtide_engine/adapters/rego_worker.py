"""The process that evaluates Rego: started by path, so it imports nothing of ringtide, and may die at any evaluation.

The library bounds neither time nor memory nor the depth of recursion (a function that calls itself ends the process), and
own rules come with pull requests. So it runs here, under the kernel's limits; whoever started it sees it end.

One JSON object a line: `{"id", "source"?, "input"}` asks, `{"answer"}` or `{"error"}` answers. It ends with its input.
"""

import json
import resource
import sys
from typing import Any

MEMORY_BYTES = 2 << 30
"""Address space; the interpreter and the library take a quarter of it."""

try:
    import regorus
except ImportError:
    regorus = None

_RULE = "data.ringtide.rule.allow"


def main() -> None:
    """Answer requests until there are no more."""
    limit_s = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    engines: dict[str, Any] = {}
    for line in sys.stdin:
        _grant(limit_s)
        sys.stdout.write(json.dumps(_answer(json.loads(line), engines)) + "\n")
        sys.stdout.flush()


def _grant(limit_s: int) -> None:
    """Allow so much computing from now on; processor time, so that a busy machine refuses nothing."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + limit_s, hard))


def _answer(request: dict[str, Any], engines: dict[str, Any]) -> dict[str, Any]:
    if regorus is None:
        return {"missing": True}
    try:
        if request["id"] not in engines:
            made = regorus.Engine()
            made.set_policy_length_config(max_col=1000, max_file_bytes=100_000, max_lines=2000)
            if made.add_policy("condition", request["source"]) != "data.ringtide.rule":
                return {"error": "the module is not `package ringtide.rule`"}
            engines[request["id"]] = made
        engine = engines[request["id"]]
        engine.set_input(request["input"])
        value = engine.eval_rule(_RULE)
    except Exception as error:  # noqa: BLE001 - whatever the library raises is an answer here
        return {"error": str(error)}
    return {"answer": value} if isinstance(value, bool) or value is None else {"error": f"`allow` is {value!r:.100}"}


if __name__ == "__main__":
    main()
