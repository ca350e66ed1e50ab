"""Files gathered piece by piece: a damaged piece costs that piece, and a restart costs nothing that was right."""

import contextlib
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.edges.test_artifact_fetch import Shelf, fetcher, local, shelf, web
from ringtide_agent.adapters.artifact_stream import WrongBytesError
from ringtide_agent.adapters.part_file import PartFile, Pieces, opened
from ringtide_contract.artifact import CHUNK_BYTES, Artifact, ChunkList, write_chunk_list
from ringtide_contract.errors import TransientError, TrustError
from ringtide_contract.ids import sha256

__all__ = ["shelf"]

CONTENT = random.Random(11).randbytes(4 * CHUNK_BYTES + 12_345)
LIST = write_chunk_list(CONTENT)
SIZE = len(CONTENT)


def damaged(*pieces: int, content: bytes = CONTENT) -> bytes:
    """Turn one bit in the middle of each of these pieces."""
    found = bytearray(content)
    for number in pieces:
        place = number * CHUNK_BYTES + min(CHUNK_BYTES, len(content) - number * CHUNK_BYTES) // 2
        found[place] ^= 1
    return bytes(found)


def listed(tmp_path: Path, *uris: str) -> Artifact:
    chunks = ChunkList(sha256=sha256(LIST), uris=(local(tmp_path, LIST, "chunks"),))
    return Artifact(name="model.onnx", sha256=sha256(CONTENT), size_bytes=SIZE, uris=uris, chunks=chunks)


def part(shelf: Shelf) -> Path:
    return shelf.blob_partial_path(sha256(CONTENT))


def whole(shelf: Shelf) -> bytes:
    return (shelf.folder / sha256(CONTENT)).read_bytes()


def test_a_damaged_piece_of_the_part_costs_that_piece_only(tmp_path: Path, shelf: Shelf) -> None:
    part(shelf).write_bytes(damaged(1, 3))
    with web(content=CONTENT) as source:
        fetcher(shelf).fetch(listed(tmp_path, source.url()), 0)
    assert source.seen == [f"bytes={CHUNK_BYTES}-", f"bytes={3 * CHUNK_BYTES}-"]
    assert whole(shelf) == CONTENT


def test_a_source_that_lies_in_one_piece_is_left_and_what_was_right_stays(tmp_path: Path, shelf: Shelf) -> None:
    with web(content=damaged(2)) as liar, web(content=CONTENT) as honest:
        fetcher(shelf).fetch(listed(tmp_path, liar.url(), honest.url()), 0)
    assert (liar.seen, honest.seen) == ([""], [f"bytes={2 * CHUNK_BYTES}-"])
    assert whole(shelf) == CONTENT


def test_sources_that_lie_in_different_pieces_give_the_whole_together(tmp_path: Path, shelf: Shelf) -> None:
    """No source is asked twice in one fetch; the next fetch begins where this one ended."""
    with web(content=damaged(3)) as one, web(content=damaged(1)) as other:
        mine, wanted = fetcher(shelf), listed(tmp_path, one.url(), other.url())
        mine.fetch(wanted, 0)
        assert (one.seen, other.seen) == ([""], [f"bytes={3 * CHUNK_BYTES}-"])
    assert whole(shelf) == CONTENT


def test_all_sources_lying_in_one_piece_is_a_lie_and_the_other_pieces_stay(tmp_path: Path, shelf: Shelf) -> None:
    with web(content=damaged(2)) as one, web(content=damaged(2)) as other:
        with pytest.raises(TrustError, match="no source has artifact"):
            fetcher(shelf).fetch(listed(tmp_path, one.url(), other.url()), 0)
        assert other.seen == [f"bytes={2 * CHUNK_BYTES}-"]
    assert part(shelf).read_bytes() == CONTENT[: 2 * CHUNK_BYTES]
    assert shelf.admitted == []


def test_a_piece_that_two_sources_share_blames_neither_before_a_clean_start(tmp_path: Path, shelf: Shelf) -> None:
    poisoned = damaged(1)[: 2 * CHUNK_BYTES - 100]
    with web(content=damaged(1), cut_after=len(poisoned)) as liar, web(content=CONTENT) as honest:
        fetcher(shelf).fetch(listed(tmp_path, liar.url(), honest.url()), 0)
    assert honest.seen == [f"bytes={len(poisoned)}-", f"bytes={CHUNK_BYTES}-"]
    assert whole(shelf) == CONTENT


def test_another_process_goes_on_within_the_last_piece(tmp_path: Path, shelf: Shelf) -> None:
    cut = 2 * CHUNK_BYTES + 300_000
    with web(content=CONTENT, cut_after=cut) as source:
        with pytest.raises(TransientError):
            fetcher(shelf).fetch(listed(tmp_path, source.url()), 0)
        kept = part(shelf).stat().st_size
        assert 2 * CHUNK_BYTES < kept <= cut
        source.cut_after = None
        fetcher(shelf).fetch(listed(tmp_path, source.url()), 0)
    assert source.seen == ["", f"bytes={kept}-"]
    assert whole(shelf) == CONTENT


def test_a_source_without_ranges_costs_no_piece_that_was_right(tmp_path: Path, shelf: Shelf) -> None:
    part(shelf).write_bytes(CONTENT[: 3 * CHUNK_BYTES])
    with web(content=damaged(0), ranges=False) as source:
        fetcher(shelf).fetch(listed(tmp_path, source.url()), 0)
    assert whole(shelf) == CONTENT


def test_a_chunk_list_that_does_not_come_leaves_the_digest_of_the_whole(tmp_path: Path, shelf: Shelf) -> None:
    wanted = listed(tmp_path, local(tmp_path, CONTENT))
    gone = replace(wanted, chunks=ChunkList(sha256=sha256(LIST), uris=("file:///nowhere/x",)))
    fetcher(shelf).fetch(gone, 0)
    assert whole(shelf) == CONTENT


def test_a_chunk_list_that_came_once_is_not_asked_for_again(tmp_path: Path, shelf: Shelf) -> None:
    with web(content=LIST) as lists, web(content=CONTENT, cut_after=1000) as source:
        wanted = replace(listed(tmp_path, source.url()), chunks=ChunkList(sha256=sha256(LIST), uris=(lists.url(),)))
        for _ in range(2):
            with pytest.raises(TransientError):
                fetcher(shelf).fetch(wanted, 0)
        assert lists.seen == [""]


def test_a_chunk_list_of_another_size_is_not_believed(tmp_path: Path, shelf: Shelf) -> None:
    wanted = listed(tmp_path, local(tmp_path, CONTENT))
    short = ChunkList(sha256=sha256(LIST[:-32]), uris=(local(tmp_path, LIST[:-32], "short"),))
    fetcher(shelf).fetch(replace(wanted, chunks=short), 0)
    assert whole(shelf) == CONTENT


# Any cut, any damage, any source: laws of the file itself, with small pieces.

SMALL = random.Random(12).randbytes(1000)


def small_pieces(length: int) -> Pieces:
    starts = range(0, len(SMALL), length)
    digests = tuple(sha256(SMALL[start : start + length]) for start in starts)
    return Pieces(size_bytes=len(SMALL), length=length, digests=digests)


def fill(path: Path, pieces: Pieces, sends: Callable[[int], bytes], step: int = 64) -> int:
    """Gather from one source as the fetcher does, in a new process; return how many bytes it sent before it broke off.

    Raises:
        WrongBytesError: It lied.
    """
    came = 0
    with opened(path) as file:
        found = PartFile(file, pieces)
        while (gap := found.gap()) is not None:
            try:
                for place in range(*gap, step):
                    sent = sends(place)[: min(step, gap[1] - place)]
                    came += len(sent)
                    found.write(sent)
                    if len(sent) < min(step, gap[1] - place):
                        return came
            except WrongBytesError:
                is_mixed = found.is_mixed
                found.start_over()
                if not is_mixed:
                    raise
    return came


@settings(deadline=None, max_examples=150)
@given(
    length=st.integers(1, 1200),
    there=st.integers(0, 1200),
    flips=st.lists(st.integers(0, 999), max_size=5),
    step=st.integers(1, 300),
)
def test_whatever_lies_there_an_honest_source_completes_it_and_sends_only_what_is_damaged_or_missing(
    length: int, there: int, flips: list[int], step: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("part") / "part"
    lying = bytearray(SMALL[:there].ljust(there, b"x"))
    for place in flips:
        if place < len(lying):
            lying[place] ^= 1
    path.write_bytes(lying)
    pieces = small_pieces(length)
    numbers = range(len(pieces.digests))
    wrong = {each // length for each in flips if each < there and flips.count(each) % 2}
    came = fill(path, pieces, lambda place: SMALL[place:], step)
    assert path.read_bytes() == SMALL
    due = sum(pieces.stop(each) - pieces.start(each) for each in numbers if each in wrong or pieces.stop(each) > there)
    # Damage in the piece that the file ends in shows when it is complete; then it is asked for once more, and what came
    # with its last bytes is dropped.
    assert came <= due + (min(length, len(SMALL)) + step if there // length in wrong else 0)
    shutil.rmtree(path.parent)


@dataclass
class Liar:
    """Sends wrong bytes from some place on, and breaks off at another."""

    lies_from: int
    breaks_at: int

    def sends(self, place: int) -> bytes:
        sent = bytearray(SMALL[place : max(place, self.breaks_at)])
        for index in range(max(0, self.lies_from - place), len(sent)):
            sent[index] ^= 1
        return bytes(sent)


@settings(deadline=None, max_examples=100)
@given(
    length=st.integers(1, 400),
    liars=st.lists(st.builds(Liar, lies_from=st.integers(0, 1000), breaks_at=st.integers(0, 1000)), max_size=6),
)
def test_no_piece_that_was_right_is_ever_lost(
    length: int, liars: list[Liar], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, pieces = tmp_path_factory.mktemp("part") / "part", small_pieces(length)

    def right() -> set[int]:
        content = path.read_bytes() if path.exists() else b""
        numbers = range(len(pieces.digests))
        return {
            each for each in numbers if sha256(content[pieces.start(each) : pieces.stop(each)]) == pieces.digests[each]
        }

    for liar in liars:
        before = right()
        with contextlib.suppress(WrongBytesError):
            fill(path, pieces, liar.sends)
        assert before <= right()
    fill(path, pieces, lambda place: SMALL[place:])
    assert path.read_bytes() == SMALL
    shutil.rmtree(path.parent)
