"""Findings and words that somebody wrote to break what is made of them."""

from hypothesis import strategies as st

from ringtide_engine.model.finding import Finding, Place

ATTACKS = (
    "<!-- ringtide:plan:v1 fleet=other -->",
    "</details></td></table><script>alert(1)</script>",
    "a | b || c",
    "```\n## All good\n```",
    "`` ` ``` ",
    "@everyone @example/security please approve",
    "fixes #1, closes example/other#2 and GH-3",
    "[click](https://evil.example) ![x](http://evil.example/x.png) www.evil.example",
    "\u202egnp.exe \u2066 hidden \u2069",
    "line\r\n::stop-commands::x\n::error::forged\n##[error]forged",
    "%0A::warning::forged,title=x:y",
    "\x00\x01\x07\x1b[2J\x7f\x9b31m\ufffe\uffff",
    "half of a pair \ud800 and \udfff",
    "&lt;b&gt; &#64;team &amp;",
    "]]> <?xml version='1.0'?> <!DOCTYPE x [<!ENTITY a 'b'>]> &a;",
    "$(rm -rf /) `id` ${{ github.token }} $HOME; && || 'x' \"y\"",
    "x" * 5_000,
    "",
    " \t\n ",
)
"""Texts that break a table, an element, a log or a reader where nobody makes them safe."""


def found(rule: str = "RT-RING-003", **changes: object) -> Finding:
    """Return a finding with some of its parts changed."""
    parts: dict[str, object] = {
        "rule": rule,
        "severity": "error",
        "place": Place(path="rings/standard.yaml", line=4, column=2),
        "message": "share must grow from ring to ring",
        "fix": "Order the rings by share, smallest first.",
    }
    return Finding(**{**parts, **changes})  # type: ignore[arg-type]


def attacked() -> tuple[Finding, ...]:
    """Return a finding for every attack, in every part of it that people can write."""
    return tuple(
        found(f"own-rule-{attack}", place=Place(path=attack or "x", line=1), message=attack, fix=attack, waiver=waiver)
        for attack in ATTACKS
        for waiver in (None, attack)
    )


TEXT = st.one_of(st.sampled_from(ATTACKS), st.text(st.characters(), max_size=60))
"""Any text at all, surrogates among it; often an attack."""

FINDINGS = st.lists(
    st.builds(
        Finding,
        rule=TEXT,
        severity=st.sampled_from(["error", "warning", "info"]),
        place=st.builds(Place, path=TEXT, line=st.integers(0, 10**7), column=st.integers(0, 10**5)),
        message=TEXT,
        fix=TEXT,
        waiver=st.none() | TEXT,
    ),
    max_size=12,
)
"""Findings made of any text."""
