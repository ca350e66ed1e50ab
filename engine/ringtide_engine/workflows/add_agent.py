"""Add a release of the agent itself: read its archives, describe them, store them, write the release that names them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from packaging.version import InvalidVersion, Version

from ringtide_contract.errors import InputError
from ringtide_contract.ids import Digest, sha256
from ringtide_contract.manifest import RUNTIME_MODEL, Budget
from ringtide_engine.compile.agent_sbom import ArchiveFacts, agent_bill
from ringtide_engine.model.releases import Attachment, Release, ReleaseFile, Variant
from ringtide_engine.ports import ArtifactStore
from ringtide_engine.workflows.add_model import SBOM_NAME, SourceFile
from ringtide_engine.workflows.release_ground import ground_for, written

ARCHIVE_NAME = "agent.tar.gz"

PROVIDERS = ("CPUExecutionProvider",)
"""What the onnxruntime in the archives has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAgent:
    """What is to be released."""

    version: str
    """Version of the release: the agent's, with a local part such as `+ort1.33` where only onnxruntime differs."""
    archives: tuple[SourceFile, ...]
    """One for each CPU architecture."""
    memory_bytes: int
    """Memory that the agent needs with no model loaded."""
    store: str
    """Artifact store, by its name in `fleet.yaml`."""
    budgets: Mapping[str, Budget]
    """Hardware class to what all models may cost there together."""
    licence: str
    """SPDX licence expression."""
    risk_tier: str = "medium"
    """Risk tier."""
    owner: str | None = None
    """Who answers for the release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedAgent:
    """What was made."""

    release: Release
    """The release, as `load` reads it."""
    text: bytes
    """Its file, to be written at `release.path`."""
    archives: Mapping[str, ArchiveFacts]
    """Variant to what its archive says."""
    uris: Mapping[Digest, str]
    """Digest to where it is stored; empty where nothing was."""


def add_agent(
    new: NewAgent,
    files: Mapping[str, bytes],
    *,
    read: Callable[[str, bytes], ArchiveFacts],
    check_sbom: Callable[[bytes], None],
    open_store: Callable[[str], ArtifactStore],
    dry_run: bool = False,
) -> AddedAgent:
    """Add a release: store its archives, and return the YAML file that names them by digest.

    Args:
        new: What is to be released.
        files: The fleet repository's files; `fleet.yaml`, `hardware/` and the release's own path are looked at.
        read: Reads an archive.
        check_sbom: Refuses a bill of materials that is not CycloneDX.
        open_store: Opens the artifact store at an address.
        dry_run: Store nothing.

    Raises:
        InputError: The release exists, an archive is not what it should be, or a name is unknown; nothing was stored.
        FindingsError: The fleet repository cannot be read, or what was made would not load.
        TransientError: The store does not answer.
    """
    ground = ground_for(RUNTIME_MODEL, new.version, new.store, new.budgets, files)

    found = [(each, _fitting(new.version, each, read(each.name, each.content))) for each in new.archives]
    archives = {facts.arch: facts for _, facts in found}
    if len(archives) != len(found) or not found:
        raise InputError("a release of the agent has one archive for each CPU architecture, and at least one")
    release = _release(ground.path, new, found)
    sbom = agent_bill(release, archives)
    check_sbom(sbom)
    own = tuple(each.file.sha256 for each in release.variants)
    attached = Attachment(name=SBOM_NAME, sha256=sha256(sbom), size_bytes=len(sbom), store=new.store, subjects=own)
    release = replace(release, sbom=attached)
    text = written(ground, release, "an archive")

    uris: dict[Digest, str] = {}
    if not dry_run:
        store = open_store(ground.address)
        uris = {sha256(each): store.put(each) for each in (*(each.content for each in new.archives), sbom)}
    return AddedAgent(release=release, text=text, archives=archives, uris=uris)


def _fitting(version: str, file: SourceFile, facts: ArchiveFacts) -> ArchiveFacts:
    try:
        if Version(version).public == Version(facts.agent).public:
            return facts
    except InvalidVersion as error:
        raise InputError(f"{error}: devices order versions of the agent by PEP 440, such as 0.2.0") from error
    raise InputError(
        f"{file.name} holds version {facts.agent} of the agent: call the release {facts.agent}, or "
        f"{facts.agent}+NAME where the same agent comes with another onnxruntime"
    )


def _release(path: str, new: NewAgent, found: list[tuple[SourceFile, ArchiveFacts]]) -> Release:
    return Release(
        path=path,
        model=RUNTIME_MODEL,
        version=new.version,
        variants=tuple(
            Variant(
                name=facts.arch,
                file=ReleaseFile(
                    name=ARCHIVE_NAME, sha256=sha256(file.content), size_bytes=len(file.content), store=new.store
                ),
                opset=1,
                onnxruntime=f"=={facts.onnxruntime}",
                execution_providers=PROVIDERS,
                memory_bytes=new.memory_bytes,
                golden_tolerance_ppm=0,
                arch=facts.arch,
            )
            for file, facts in found
        ),
        inputs=(),
        outputs=(),
        golden=None,
        budgets=dict(new.budgets),
        probation=None,
        sbom=None,
        licence=new.licence,
        risk_tier=new.risk_tier,
        attempt=0,
        owner=new.owner,
    )
