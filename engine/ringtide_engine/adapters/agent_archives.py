"""Archives of the agent as `make runtime` packs them: what they say of themselves, without unpacking them to the disk."""

import io
import json
import re
import tarfile
import zlib
from collections.abc import Mapping

from ringtide_contract import fields
from ringtide_contract.errors import InputError
from ringtide_engine.compile.agent_sbom import ArchiveFacts

ABOUT = "ringtide-runtime.json"

MAX_ABOUT_BYTES = 65536

_LIBRARY = re.compile(r"([A-Za-z0-9._]+)-([A-Za-z0-9.!+_]+)\.dist-info/METADATA")


def read_archive(name: str, content: bytes) -> ArchiveFacts:
    """Return what the archive called `name` holds.

    Raises:
        InputError: Not an archive of the agent.
    """
    about: Mapping[str, object] | None = None
    libraries: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|gz") as archive:
            for member in archive:
                found = _LIBRARY.fullmatch(member.name)
                if found is not None:
                    libraries[re.sub(r"[-_.]+", "-", found[1]).lower()] = found[2]
                if member.name == ABOUT and member.isreg() and member.size <= MAX_ABOUT_BYTES:
                    file = archive.extractfile(member)
                    about = fields.members(json.loads(b"" if file is None else file.read()), ABOUT)
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise InputError(f"{name} is not an archive of the agent: {error}. fix: make it by `make runtime`") from error
    if about is None:
        raise InputError(f"{name} is not an archive of the agent: no {ABOUT}. fix: make it by `make runtime`")
    return ArchiveFacts(
        agent=fields.text(about, "agent"),
        onnxruntime=fields.text(about, "onnxruntime"),
        arch=fields.text(about, "machine"),
        python=fields.text(about, "python"),
        libraries=libraries,
    )
