"""The bill of materials of a release of the agent itself: its archives, and the libraries that each holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from ringtide_contract.canonical import encode
from ringtide_contract.ids import sha256
from ringtide_engine.model.releases import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFacts:
    """What an archive of the agent says of itself."""

    agent: str
    """Version of the agent."""
    onnxruntime: str
    """Version of onnxruntime."""
    arch: str
    """CPU architecture, as `uname -m` says."""
    python: str
    """Version of Python that its libraries are for."""
    libraries: Mapping[str, str]
    """Library to its version."""


def agent_bill(release: Release, archives: Mapping[str, ArchiveFacts]) -> bytes:
    """Return the bill of materials of a release of the agent; no clock and no chance.

    Args:
        release: The release; its own `sbom` is left out.
        archives: Variant to what its archive says.
    """
    agent = Component(
        type=ComponentType.APPLICATION, name=release.model, version=release.version, bom_ref=f"agent:{release.version}"
    )
    libraries = {
        (name, version): Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"library:{name}@{version}",
            purl=PackageURL("pypi", name=name, version=version),
        )
        for facts in archives.values()
        for name, version in facts.libraries.items()
    }
    files: list[Component] = []
    bom = Bom(metadata=BomMetaData(component=agent))
    for variant in release.variants:
        facts = archives[variant.name]
        file = Component(
            type=ComponentType.FILE,
            name=f"{variant.name}/{variant.file.name}",
            bom_ref=f"variant:{variant.name}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=variant.file.sha256)],
            properties=[Property(name="ringtide:python", value=facts.python)],
        )
        files.append(file)
        bom.components.add(file)
        own = [libraries[each] for each in facts.libraries.items()]
        bom.components.update(own)
        bom.register_dependency(file, own)
    bom.register_dependency(agent, files)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"], document["serialNumber"]
    return encode({**document, "serialNumber": uuid5(NAMESPACE_URL, f"ringtide:{sha256(encode(document))}").urn})
