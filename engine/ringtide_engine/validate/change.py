"""The change itself as a document: which documents came, went and differ, and which trust files."""

from collections.abc import Mapping

from ringtide_engine.model.change import ChangeSet, Entry, Weakening
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.finding import Document

_TRUST = "trust/"
_INVENTORY = ".jsonl"


def change_of(
    state: DesiredState,
    base: DesiredState | None,
    files: Mapping[str, bytes],
    base_files: Mapping[str, bytes],
    weakened: tuple[Weakening, ...],
) -> ChangeSet:
    """Compare two desired states, document by document.

    A document whose values are the same has not changed, whatever its comments and its layout.

    Args:
        state: The change.
        base: What it changes; None where nothing was there before.
        files: The files of the change, for device inventories and trust.
        base_files: The files of the base.
        weakened: From `weakenings`.
    """
    head_documents, base_documents = state.documents, base.documents if base else {}
    inventories, old_inventories = _inventories(files), _inventories(base_files if base else {})
    both = head_documents.keys() & base_documents.keys()
    changed = [_entry(head_documents[path]) for path in both if head_documents[path].data != base_documents[path].data]
    changed += [
        _inventory(path)
        for path in inventories.keys() & old_inventories.keys()
        if inventories[path] != old_inventories[path]
    ]
    return ChangeSet(
        first=base is None,
        added=(
            *sorted(
                [_entry(head_documents[path]) for path in head_documents.keys() - base_documents.keys()]
                + [_inventory(path) for path in inventories.keys() - old_inventories.keys()]
            ),
        ),
        changed=tuple(sorted(changed)),
        removed=(
            *sorted(
                [_entry(base_documents[path]) for path in base_documents.keys() - head_documents.keys()]
                + [_inventory(path) for path in old_inventories.keys() - inventories.keys()]
            ),
        ),
        weakened=weakened,
        trust=tuple(
            path
            for path in sorted({*files, *base_files})
            if path.startswith(_TRUST) and files.get(path) != base_files.get(path)
        ),
    )


def _inventories(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    return {
        path: content for path, content in files.items() if path.startswith("devices/") and path.endswith(_INVENTORY)
    }


def _inventory(path: str) -> Entry:
    return Entry(path=path, kind="DeviceInventory", name=path)


def _entry(document: Document) -> Entry:
    data = document.data
    if document.kind == "Release":
        name = f"{data['model']}/{data['version']}"
    elif document.kind == "QuarantineEntry":
        name = f"{data['model']}/{data['release']}"
    else:
        name = str(next((data[key] for key in ("name", "id", "rule", "rollout") if key in data), document.path))
    return Entry(path=document.path, kind=document.kind, name=name)
