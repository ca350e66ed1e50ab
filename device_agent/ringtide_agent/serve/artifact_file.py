"""Reading an artifact from the device's disk: bounded, and checked once more against its digest."""

from collections.abc import Mapping
from pathlib import Path

from ringtide_contract.artifact import Artifact
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import sha256


def read_artifact(artifact: Artifact, files: Mapping[str, str]) -> bytes:
    """Return the content of an artifact.

    Raises:
        InputError: The file is not there, or its content is not what the manifest names.
        TransientError: The disk does not give it, which says nothing of the release.
    """
    path = files.get(artifact.name)
    if path is None:
        raise InputError(f"no file was given for the artifact {artifact.name!r}")
    try:
        with Path(path).open("rb") as file:
            content = file.read(artifact.size_bytes + 1)
    except FileNotFoundError as error:
        raise InputError(f"the artifact {artifact.name!r} is not on the disk") from error
    except OSError as error:
        raise TransientError(f"the artifact {artifact.name!r} cannot be read: {error.strerror}") from error
    if len(content) != artifact.size_bytes or sha256(content) != artifact.sha256:
        raise InputError(f"the artifact {artifact.name!r} on disk is not the one the manifest names: fetch it again")
    return content
