"""What the service shall serve, read from the disk: level-triggered, the same after a restart as before it."""

from collections.abc import Mapping

from ringtide_agent.ports import ServedModel, ServedRelease, SlotContent, SlotName, Store
from ringtide_agent.state import Activating, Probation, Record
from ringtide_contract.manifest import RUNTIME_MODEL
from ringtide_contract.quarantine import Quarantine


def other_slot(slot: SlotName | None) -> SlotName:
    """Return the slot that `slot` is not; `a` for a model that runs from none."""
    return "b" if slot == "a" else "a"


def served_release(store: Store, content: SlotContent) -> ServedRelease | None:
    """Return what a slot holds with the paths of its files; None where one is missing."""
    files: dict[str, str] = {}
    for artifact in content.manifest.artifacts:
        path = store.blob_path(artifact.sha256)
        if path is None:
            return None
        files[artifact.name] = path
    return ServedRelease(digest=content.digest, manifest=content.manifest, files=files)


def served_models(
    store: Store, records: Mapping[str, Record], quarantine: Quarantine | None
) -> tuple[ServedModel, ...]:
    """Return every model with a whole active slot; beside it, during probation, the release that a revert leads to."""
    served: list[ServedModel] = []
    for model, record in sorted(records.items()):
        if model == RUNTIME_MODEL:
            continue
        slot = store.active_slot(model)
        active = None if slot is None else _release(store, model, slot)
        if slot is None or active is None:
            continue
        stable = None
        if isinstance(record.state, Activating | Probation):
            stable = _release(store, model, other_slot(slot))
        if stable is not None and not _may_answer(stable, record, quarantine):
            stable = None
        served.append(ServedModel(model=model, active=active, stable=stable))
    return tuple(served)


def _may_answer(release: ServedRelease, record: Record, quarantine: Quarantine | None) -> bool:
    banned = quarantine is not None and quarantine.entry_against(release.manifest) is not None
    return release.digest == record.confirmed and not banned


def _release(store: Store, model: str, slot: SlotName) -> ServedRelease | None:
    content = store.slot(model, slot)
    return None if content is None else served_release(store, content)
