"""One comment per pull request: found by its marker, edited in place, never doubled, with the plans of the last pushes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest, parse_digest
from ringtide_engine.ports import Comment, PullRequest

COMMENT_LIMIT = 65_536
"""Characters that GitHub takes in one comment."""

HISTORY_LIMIT = 5
"""Plans that the footer names."""

ATTEMPTS = 3
"""Another run or a person may delete the comment while it is edited; three times is no accident."""

HISTORY = "<!-- ringtide:history:v1 -->"
"""Line below which the footer stands."""

_MARKER = re.compile(r"<!-- ringtide:plan:v1 fleet=[^\s<>]{1,200} -->")
_ENTRY = re.compile(r"- \[`([0-9a-f]{64})`\]\((https?://[^\s()<>]{1,500})\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, and the run that made it."""

    plan: Digest
    """Digest of the plan."""
    run: str
    """Address of the run."""


Outcome = Literal["created", "edited", "unchanged", "none"]
"""What became of the comment; `none`: there was none and none was made."""


def put_comment(
    pull_request: PullRequest, text: str, planned: Planned | None, *, author: str | None = None, create: bool = True
) -> Outcome:
    """Make `text` the one comment of its marker.

    Only comments of `author` count: anybody may write a comment that begins with our marker.

    Args:
        pull_request: The pull request.
        text: The comment; its first line is the marker.
        planned: What the footer shall name first; None leaves the footer as it is.
        author: Login of the comments that are ours; that of the token where None.
        create: Whether to make the comment where there is none.

    Raises:
        InputError: The text has no marker or is too long, or the service refuses it.
        TransientError: The service does not answer, or the comment vanished again and again.
    """
    marker = marker_of(text)
    if marker is None:
        raise InputError("the first line is not a marker; give the comment.md that `ringtide plan --output-dir` writes")
    login = pull_request.own_login() if author is None else author
    for _ in range(ATTEMPTS):
        own = _ours(pull_request.comments(), login, marker)
        made = None
        if not own:
            if not create:
                return "none"
            made = pull_request.create(_with_footer(text, (), planned))
            own = _ours((*pull_request.comments(), made), login, marker) or [made]
        first = own[0]
        body = _with_footer(text, _history(first.body, marker), planned)
        changed = body != first.body
        if changed and not pull_request.edit(first.id, body):
            continue
        for other in own[1:]:
            pull_request.delete(other.id)  # two runs wrote at once; both keep the older comment
        if made is not None and made.id == first.id:
            return "created"
        return "edited" if changed else "unchanged"
    raise TransientError(f"the comment was deleted {ATTEMPTS} times while it was edited")


def marker_of(text: str) -> str | None:
    """Return the marker in the first line of a comment; None where there is none."""
    first = text.split("\n", 1)[0].rstrip("\r")
    return first if _MARKER.fullmatch(first) else None


def _ours(comments: Sequence[Comment], login: str, marker: str) -> list[Comment]:
    found = {each.id: each for each in comments if each.author == login and marker_of(each.body) == marker}
    return [found[number] for number in sorted(found)]


def _history(body: str, marker: str) -> tuple[Planned, ...]:
    """Return the plans that an earlier body names, newest first."""
    _, found, footer = body.removeprefix(marker).replace("\r\n", "\n").partition(f"\n{HISTORY}\n")
    if not found:
        return ()
    entries = (_ENTRY.fullmatch(line) for line in footer.split("\n"))
    return tuple(Planned(plan=parse_digest(match[1]), run=match[2]) for match in entries if match)[:HISTORY_LIMIT]


def _with_footer(text: str, before: Sequence[Planned], planned: Planned | None) -> str:
    entries = list(before)
    if planned is not None:
        if entries and entries[0].plan == planned.plan:
            entries = entries[1:]  # the same plan again: its newest run stands for it
        entries = [planned, *entries][:HISTORY_LIMIT]
    body = text.rstrip("\n") + "\n"
    if entries:
        lines = "\n".join(f"- [`{each.plan}`]({each.run})" for each in entries)
        summary = "<summary>Plans of the last pushes, newest first</summary>"
        body += f"\n{HISTORY}\n<details>{summary}\n\n{lines}\n\n</details>\n"
    if len(body) > COMMENT_LIMIT:
        raise InputError(f"a comment of {len(body):,} characters; GitHub takes {COMMENT_LIMIT:,}")
    return body
