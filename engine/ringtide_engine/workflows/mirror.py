"""Show what is published on a mirror: the same files, for devices that do not speak Git."""

from collections.abc import Mapping

from ringtide_contract.errors import InputError
from ringtide_contract.tree import HEAD_PATH
from ringtide_engine.model.publication import PUBLISHED, RECORDS
from ringtide_engine.ports import Mirror, Repository


def show(repository: Repository, mirror: Mirror) -> bool:
    """Bring a mirror to the newest publication, whoever made it; tell whether it showed another one before.

    Raises:
        InputError: Nothing is published.
        TransientError: The mirror cannot be written.
    """

    def newest() -> tuple[str, Mapping[str, bytes]]:
        commit = repository.head(PUBLISHED)
        files = {} if commit is None else repository.files(commit)
        if commit is None or HEAD_PATH not in files:
            raise InputError("nothing is published yet")
        # Records are for people, who have Git; no device reads them.
        return commit, {path: content for path, content in files.items() if not path.startswith(RECORDS)}

    return mirror.show(newest)
