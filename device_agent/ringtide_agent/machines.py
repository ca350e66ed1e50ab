"""The page that shows both machines, made from their tables."""

from collections.abc import Mapping
from typing import TypeVar, get_args

from ringtide_agent import publication_state, recovery, state
from ringtide_agent.limits import LIMITS

S = TypeVar("S")
E = TypeVar("E")

_HEAD = """# The device's two machines

Made from the tables in `state.py`, `limits.py`, `publication_state.py` and `recovery.py` of the agent; a test compares this
page with them. A pair that is not in a table raises: it is a mistake in the program, never a state of the world.
"""

_MODEL = """## One model

`Idle → Fetching → Staging → Probing → Activating → Probation → Confirming → Idle`. Before `Activating` nothing that
serves has changed. The newest valid publication supersedes whatever is under way; only a switch that has begun is
finished first. Shadowing before the switch is left out: probation compares with the stable release instead.
"""

_OWN = """## The agent itself

A release of `ringtide-agent` goes through the same table. What runs is what the package's launcher has started, whatever
the journal says; `Activating` ends this process, and is entered again by the version that was chosen. The package's version is
beneath every other, so a revert always has a way. No model begins while this one is at work, nor this one while a model is;
see [upgrading the agent](upgrading-the-agent.md).
"""

_PUBLICATION = """## The publication

`Waiting → Pulling → Verifying → Waiting`, once for the device. A refused publication changes nothing that was accepted
before it. A poll goes on beside the loop, and lasts at most as long as the source allows itself (`fetch_deadline_s`); until
it ends, what the last one found holds. While polls get no answer the pause between them doubles up to an hour.
"""

_RECOVERY = """## After a restart

What the agent makes of its disk when it starts, after a kill or a power cut as after any stop. A slot whose files are not
what their digests name is empty; a model whose active slot is lost goes to the other one where that is whole, confirmed or
never failed, and neither banned. What the last column marks, the device reports as `store-damaged`, and so it does
with a slot, a blob, or a mark of the active slot that is not what was written. A store that a newer
version has written is refused, and nothing in it is touched. A restart is a try of the act that was under way, so the bounds
above hold across restarts too; what failed is remembered by the digest of its manifest.
"""


def render_machines() -> str:
    """Return the page."""
    parts = [
        _HEAD,
        _MODEL,
        _table(state.TRANSITIONS),
        "### Bounds\n",
        _limits(),
        _OWN,
        _PUBLICATION,
        _table(publication_state.TRANSITIONS),
        _RECOVERY,
        _recovery(),
    ]
    return "\n".join(parts)


def _table(transitions: Mapping[tuple[type[S], type[E]], type[S]]) -> str:
    rows = [
        f"| {before.__name__} | {event.__name__} | {after.__name__} |" for (before, event), after in transitions.items()
    ]
    return "\n".join(["| state | event | state after |", "| --- | --- | --- |", *rows, ""])


def _recovery() -> str:
    rows = [
        f"| {part} | {health} | {'-' if given == 'any' else given} | {rule.step.value} | {'yes' if rule.says else '-'} |"
        for (part, health, given), rule in recovery.TABLE.items()
    ]
    head = ["| part | found | and | what is done | reported |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows, ""])


def _limits() -> str:
    rows = []
    for kind in get_args(state.ModelState):
        limit = LIMITS[kind]
        rows.append(
            f"| {kind.__name__} | {_bound(limit.deadline_s, ' s')} | {_bound(limit.tries, '')} | {limit.then} |"
        )
    return "\n".join(["| state | at most | tries | then |", "| --- | --- | --- | --- |", *rows, ""])


def _bound(value: int | None, unit: str) -> str:
    return "-" if value is None else f"{value}{unit}"
