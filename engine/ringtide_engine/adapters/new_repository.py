"""A new Git repository with its first commit."""

from collections.abc import Mapping
from pathlib import Path

import git

from ringtide_contract.errors import InputError

FALLBACK_AUTHOR = git.Actor("ringtide", "ringtide@localhost")
"""Where Git knows no user."""


def create(folder: Path, files: Mapping[str, bytes], *, message: str) -> str:
    """Write files into a new repository and commit them on `main`.

    Args:
        folder: Made where it is not there; must be empty.
        files: Path to content.
        message: Commit message.

    Returns:
        The commit.

    Raises:
        InputError: The folder is not empty, or cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} is not an empty folder; nothing was written")
        for path, content in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        with git.Repo.init(folder, initial_branch="main") as repository:
            repository.index.add(sorted(files))
            author = _author(repository)
            return repository.index.commit(message, author=author, committer=author, skip_hooks=True).hexsha
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    except git.GitError as error:
        raise InputError(f"git could not make a repository in {folder}: {str(error)[:200]}") from error


def _author(repository: git.Repo) -> git.Actor:
    with repository.config_reader() as configuration:
        name, address = (str(configuration.get_value("user", key, "")) for key in ("name", "email"))
    return git.Actor(name, address) if name and address else FALLBACK_AUTHOR
