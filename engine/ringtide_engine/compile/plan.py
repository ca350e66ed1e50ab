"""Plans: two desired states side by side, device by device.

The digest of a plan must mean the same when a reviewer sees it and when publish checks it. So it holds no time and no
commit, and the judge is left out twice over: the two roots are those of trees compiled without the judge's files, and
the moves of devices are computed with the base's progress and quarantine on both sides. A verdict between review and
merge thus leaves the digest alone, unless it changes what the reviewed edit does to devices (say, the rollout that the
edit removes has completed meanwhile): then the digest differs, and publish refuses until somebody looks again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ringtide_contract.class_file import Assignment, ClassFile, assign
from ringtide_contract.ids import DeviceId, Digest
from ringtide_engine.compile.forecast import Units, forecast
from ringtide_engine.compile.manifests import Manifests
from ringtide_engine.compile.tree import make_class_files, make_index_rows
from ringtide_engine.model.assignment import Resolution
from ringtide_engine.model.desired import DesiredState
from ringtide_engine.model.plan import Change, Plan, PlanRow

Key = tuple[str, DeviceId]
"""Model and device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A desired state, resolved, as one side of a plan."""

    state: DesiredState
    """The desired state, with the base's progress and quarantine."""
    resolution: Resolution
    """What resolve made of it."""
    root: Digest
    """Merkle root of the same state compiled without any progress and quarantine."""


def make_plan(base: Side | None, head: Side, units: Mapping[str, Units], policy: Digest) -> Plan:
    """Compare two desired states.

    Args:
        base: What was published; None before the first publication.
        head: What shall be published.
        units: Rollout under way in `head` to its strata, devices and units.
        policy: SHA-256 of the policy verdict.

    Raises:
        InputError: A release lacks a budget or an artifact store.
    """
    before = _Picture.of(base)
    after = _Picture.of(head)
    moved = [key for key in sorted({*before.runs, *after.runs}) if before.manifest(key) != after.manifest(key)]
    changes: dict[tuple[str, str, str], list[DeviceId]] = defaultdict(list)
    for key in moved:
        changes[key[0], before.manifest(key) or "", after.manifest(key) or ""].append(key[1])
    return Plan(
        base=base.root if base else None,
        head=head.root,
        policy=policy,
        changes=tuple(
            Change(
                model=model,
                before=Digest(old) if old else None,
                after=Digest(new) if new else None,
                devices=tuple(devices),
            )
            for (model, old, new), devices in sorted(changes.items())
        ),
        rows=(*_steady_rows(before, after, moved), *_rollout_rows(before, after, head, units)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """What every device of one side runs."""

    runs: Mapping[Key, Assignment]
    causes: Mapping[Key, str]
    files: Mapping[tuple[str, str], ClassFile]
    manifests: Manifests | None
    held: frozenset[DeviceId]

    @classmethod
    def of(cls, side: Side | None) -> "_Picture":
        if side is None:
            return cls(runs={}, causes={}, files={}, manifests=None, held=frozenset())
        state, resolution = side.state, side.resolution
        manifests = Manifests(state.fleet)
        files = make_class_files(state, resolution, manifests)
        rows = make_index_rows(state, resolution, manifests)
        placements = {(each.class_id, each.model): each.placement for each in resolution.assignments}
        runs: dict[Key, Assignment] = {}
        causes: dict[Key, str] = {}
        for (class_id, model), file in files.items():
            for device in resolution.classes[class_id].devices:
                runs[model, device] = assign(file, rows[device], device)
                placement = placements.get((class_id, model))
                pinned = runs[model, device].reason == "pin" or placement is None
                causes[model, device] = "pin" if pinned else f"placement {placement}"
        held = frozenset(name for name, device in resolution.devices.items() if device.state == "held")
        return cls(runs=runs, causes=causes, files=files, manifests=manifests, held=held)

    def manifest(self, key: Key) -> Digest | None:
        return self.runs[key].manifest if key in self.runs else None

    def release(self, key: Key) -> str | None:
        digest = self.manifest(key)
        return None if digest is None or self.manifests is None else self.manifests.manifest(digest).release

    def artifacts(self, digest: Digest | None) -> Mapping[str, int]:
        if digest is None or self.manifests is None:
            return {}
        return {artifact.sha256: artifact.size_bytes for artifact in self.manifests.manifest(digest).artifacts}


def _steady_rows(before: _Picture, after: _Picture, moved: Iterable[Key]) -> list[PlanRow]:
    grouped: dict[tuple[str, str, str, str], list[Key]] = defaultdict(list)
    for key in moved:
        if key in after.runs and after.runs[key].ring is not None:
            continue  # a row of its rollout
        cause = after.causes.get(key, "no longer served")
        grouped[cause, key[0], before.release(key) or "", after.release(key) or ""].append(key)
    return [
        PlanRow(
            cause=cause,
            ring=None,
            model=model,
            before=old or None,
            after=new or None,
            now=len(keys),
            later=0,
            held=sum(device in after.held for _, device in keys),
            pinned=0,
            fetch_bytes=sum(_fetched(before, key, after, after.manifest(key)) for key in keys),
        )
        for (cause, model, old, new), keys in sorted(grouped.items())
    ]


def _rollout_rows(before: _Picture, after: _Picture, head: Side, units: Mapping[str, Units]) -> list[PlanRow]:
    """Return a row for every ring of the rollouts that the change begins or alters."""
    rows: list[PlanRow] = []
    for name in sorted(units):
        rollout = head.state.rollouts[name]
        model = head.state.placements[rollout.placement].model
        files = {key: file for key, file in after.files.items() if file.rollout and file.rollout.rollout == name}
        if all(key in before.files and before.files[key].rollout == file.rollout for key, file in files.items()):
            continue
        candidates = {class_id: file.rollout.manifest for (class_id, _), file in files.items() if file.rollout}
        members = [device for class_id, _ in files for device in head.resolution.classes[class_id].devices]
        pinned = sum(after.runs[model, device].reason == "pin" for device in members)
        for ring in forecast(head.state, head.resolution, name, units[name]):
            known = before if ring.is_open else after
            going = [
                (model, device)
                for device in ring.devices
                if known.manifest((model, device)) != candidates[head.resolution.class_of[device]]
            ]
            olds = {known.release(key) for key in going}
            rows.append(
                PlanRow(
                    cause=f"rollout {name}",
                    ring=ring.ring,
                    model=model,
                    before=olds.pop() if len(olds) == 1 else None,
                    after=rollout.candidate,
                    now=len(going) if ring.is_open else 0,
                    later=0 if ring.is_open else len(going),
                    held=sum(device in after.held for _, device in going),
                    pinned=pinned,
                    fetch_bytes=sum(
                        _fetched(known, key, after, candidates[head.resolution.class_of[key[1]]]) for key in going
                    ),
                )
            )
    return rows


def _fetched(known: _Picture, key: Key, after: _Picture, manifest: Digest | None) -> int:
    """Return the bytes of artifacts of `manifest` that the device of `key` does not run already."""
    has = known.artifacts(known.manifest(key))
    return sum(size for digest, size in after.artifacts(manifest).items() if digest not in has)
