"""The committed vectors are what the program makes; signatures are deterministic here, so the bytes are too."""

import pytest

from ringtide_contract.ids import sha256
from vectors.loader import FOLDER, Vector, load_vectors
from vectors.make_vectors import FORMATS, make


@pytest.mark.parametrize("name", FORMATS)
def test_committed_vectors_are_what_the_contract_makes(name: str, update_goldens: bool) -> None:
    file = FOLDER / f"{name}.json"
    if update_goldens:
        file.write_text(make(name), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == make(name), "a wire format changed; if meant, run with --update-goldens"


def test_no_vector_file_is_left_behind() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_every_case_has_a_name_of_its_own_and_the_digest_of_its_bytes(name: str) -> None:
    vectors: tuple[Vector, ...] = load_vectors(name)
    assert len({vector.name for vector in vectors}) == len(vectors)
    for vector in vectors:
        assert vector.error is not None or vector.sha256 == sha256(vector.content), vector.name
