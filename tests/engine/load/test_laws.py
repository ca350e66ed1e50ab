"""Law: whatever the bytes are, loading gives a state or findings and raises nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.fleet_files import fleet_files
from ringtide_engine.load.desired import load_desired

FILES = fleet_files(3, rollout="1.1.0")
PATHS = sorted(FILES)
PIECES = st.sampled_from(
    [b": ", b"\n", b"  ", b"- ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"!!x ", b"<<", b"null", b"1e99", b"'", b'"', b"|",
     b"---\n", b"#", b"\x00", b"\xff", b"\xc2\x85", b"9" * 50, b"%", b"no", b"kind: Cohort", "\u2028".encode()]
)  # fmt: skip


@settings(max_examples=150)
@given(st.sampled_from(PATHS), st.binary(max_size=200))
def test_arbitrary_bytes_give_findings(path: str, content: bytes) -> None:
    result = load_desired({**FILES, path: content})
    assert result.state is not None or any(each.severity == "error" for each in result.findings)


@settings(max_examples=300)
@given(st.sampled_from(PATHS), st.data())
def test_mutated_files_give_a_state_or_findings(path: str, data: st.DataObject) -> None:
    content = FILES[path]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 12)))
        content = content[:start] + data.draw(PIECES) + content[end:]
    result = load_desired({**FILES, path: content})
    errors = [each for each in result.findings if each.severity == "error"]
    assert (result.state is None) == bool(errors)
    lines = content.count(b"\n") + content.count(b"\xc2\x85") + content.count("\u2028".encode()) + 2
    assert all(each.place.path != path or each.place.line <= lines for each in result.findings)


@settings(max_examples=150)
@given(st.lists(st.one_of(st.binary(max_size=80), PIECES), max_size=5))
def test_arbitrary_inventories_give_findings(lines: list[bytes]) -> None:
    result = load_desired({**FILES, "devices/more.jsonl": b"\n".join(lines)})
    assert (result.state is None) == any(each.severity == "error" for each in result.findings)
