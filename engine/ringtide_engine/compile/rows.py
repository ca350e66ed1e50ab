"""The rows of a plan before they are counted: which devices go where, by cause, ring and stratum."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ringtide_contract.ids import DeviceId, Digest
from ringtide_engine.compile.forecast import RingForecast, Units, forecast
from ringtide_engine.compile.sides import Picture, Side, Transitions
from ringtide_engine.model.plan import PlanRow, StratumRow
from ringtide_engine.model.quarantined import entry_against


@dataclass(slots=True)
class Part:
    """The devices of one row in one stratum."""

    going: list[DeviceId] = field(default_factory=list)
    """Devices that change, held ones too."""
    pinned: list[DeviceId] = field(default_factory=list)
    """Devices beside them that a pin keeps."""
    unfit: list[DeviceId] = field(default_factory=list)
    """Devices beside them that no variant fits."""
    banned: list[DeviceId] = field(default_factory=list)
    """Devices that would change if the release were not under quarantine."""
    fetch_bytes: int = 0
    variants: set[str] = field(default_factory=set)
    befores: set[str | None] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Going:
    """One row: what happens, and to whom."""

    cause: str
    """As `PlanRow.cause`."""
    model: str
    """The model."""
    after: str | None
    """Release that they shall run."""
    rollout: str | None = None
    """The rollout; None in steady state."""
    ring: str | None = None
    """Its ring."""
    is_now: bool = True
    """Whether the next publication does it."""
    control: Sequence[DeviceId] = ()
    """Those of the last ring that are the control."""
    parts: dict[str, Part] = field(default_factory=lambda: defaultdict(Part))
    """Stratum to devices."""

    def all(self, kind: str) -> list[DeviceId]:
        """Return the devices of all strata: `going`, `pinned`, `unfit` or `banned`."""
        return [device for stratum in sorted(self.parts) for device in getattr(self.parts[stratum], kind)]

    def add(
        self,
        stratum: str,
        devices: list[DeviceId],
        known: Picture,
        old: Digest | None,
        new: tuple[Picture, Digest | None],
    ) -> None:
        """Add devices that go from one manifest to another."""
        part = self.parts[stratum]
        part.going.extend(devices)
        part.befores.add(known.release(old))
        picture, manifest = new
        variant = picture.variant(manifest)
        part.variants |= set() if variant is None else {variant}
        part.fetch_bytes += len(devices) * picture.fetch_bytes(manifest, known.files_of(old))


def steady_rows(
    before: Picture, after: Picture, ways: Transitions
) -> tuple[list[Going], dict[tuple[str, str, str], list[DeviceId]]]:
    """Return the rows of steady state, and all changes with the next publication: model, before and after to devices."""
    changes: dict[tuple[str, str, str], list[DeviceId]] = defaultdict(list)
    rows: dict[tuple[str, str, str, str], Going] = {}
    for (old_class, new_class), devices in ways.items():
        models = {*before.models.get(old_class or "", ()), *after.models.get(new_class or "", ())}
        for model in sorted(models):
            grouped = _alike(before, after, (old_class, new_class), model, devices)
            for (old, new, ring, is_pin), moved in grouped.items():
                changes[model, old or "", new or ""].extend(moved)
                if ring is not None:
                    continue  # a row of its rollout
                # who leaves a cohort, or whose placement is gone, loses the model by the placement that brought it
                placement = after.placements.get((new_class or "", model)) or before.placements.get(
                    (old_class or "", model)
                )
                pinned = is_pin or placement is None
                cause = "no longer served" if new_class is None else "pin" if pinned else f"placement {placement}"
                key = (cause, model, before.release(old) or "", after.release(new) or "")
                row = rows.setdefault(key, Going(cause=cause, model=model, after=after.release(new)))
                stratum = after.stratum(new_class) if new_class else before.stratum(old_class or "")
                row.add(stratum, moved, before, old, (after, new))
    ordered = [rows[key] for key in sorted(rows)]
    for row in ordered:
        _ban(after, row)
    return ordered, changes


_Step = tuple[Digest | None, Digest | None, str | None, bool]
"""Manifest before and after, the ring that exposes, and whether a pin decides."""


def _alike(
    before: Picture,
    after: Picture,
    way: tuple[str | None, str | None],
    model: str,
    devices: Sequence[DeviceId],
) -> Mapping[_Step, list[DeviceId]]:
    """Group the devices of one way that change what they run of one model."""

    def step(device: DeviceId) -> _Step:
        run = after.run(way[1], model, device)
        return before.run(way[0], model, device).manifest, run.manifest, run.ring, run.is_pin

    grouped: dict[_Step, list[DeviceId]] = defaultdict(list)
    pinned = before.pinned | after.pinned
    if before.is_uniform(way[0], model) and after.is_uniform(way[1], model):
        alike = [device for device in devices if device not in pinned] if pinned else list(devices)
        if alike:
            grouped[step(alike[0])] = alike
        devices = [device for device in devices if device in pinned] if pinned else ()
    for device in devices:
        grouped[step(device)].append(device)
    return {key: moved for key, moved in grouped.items() if key[0] != key[1]}


def rollout_rows(before: Picture, after: Picture, head: Side, units: Mapping[str, Units]) -> list[Going]:
    """Return a row for every ring of the rollouts that the change begins or alters."""
    rows: list[Going] = []
    for name in sorted(units):
        if is_altered(before, after, head, name):
            rings = forecast(head.state, head.resolution, name, units[name])
            rows.extend(_rings(before, after, head, name, rings))
    return rows


def is_altered(before: Picture, after: Picture, head: Side, name: str) -> bool:
    """Tell whether the change begins a rollout, or alters it or its ring plan."""
    files = {key: file for key, file in after.files.items() if file.rollout and file.rollout.rollout == name}
    if before.side is None:
        return True
    plan = head.state.rollouts[name].ring_plan
    if before.side.state.ring_plans.get(plan) != head.state.ring_plans[plan]:
        return True
    return not all(key in before.files and before.files[key].rollout == file.rollout for key, file in files.items())


def _rings(before: Picture, after: Picture, head: Side, name: str, rings: Iterable[RingForecast]) -> Iterable[Going]:
    rollout = head.state.rollouts[name]
    placement = head.state.placements[rollout.placement]
    resolution = head.resolution
    pinned: dict[str, list[DeviceId]] = defaultdict(list)
    unfit: dict[str, list[DeviceId]] = defaultdict(list)
    for each in resolution.assignments:
        if each.placement != placement.name:
            continue
        device_class = resolution.classes[each.class_id]
        for device in device_class.devices if resolution.pinned or each.rollout is None else ():
            if placement.model in resolution.pinned.get(device, {}):
                pinned[device_class.stratum].append(device)
            elif each.rollout is None:
                unfit[device_class.stratum].append(device)
    for ring in rings:
        row = Going(
            cause=f"rollout {name}",
            model=placement.model,
            after=rollout.candidate,
            rollout=name,
            ring=ring.ring,
            is_now=ring.is_open,
            control=ring.control,
        )
        known = before if ring.is_open else after
        for class_id, devices in ring.classes.items():
            file = after.files[class_id, placement.model]
            candidate = None if file.rollout is None else file.rollout.manifest
            grouped: dict[Digest | None, list[DeviceId]] = defaultdict(list)
            for device in devices:
                grouped[known.run(known.class_of.get(device), placement.model, device).manifest].append(device)
            for old, going in grouped.items():
                if old != candidate:
                    row.add(resolution.classes[class_id].stratum, going, known, old, (after, candidate))
        for stratum, those in pinned.items():
            row.parts[stratum].pinned.extend(those)
        for stratum, those in unfit.items():
            row.parts[stratum].unfit.extend(those)
        _ban(after, row)
        yield row


def _ban(after: Picture, row: Going) -> None:
    """Move the devices of a row whose release is under quarantine to those that it does not reach."""
    if after.side is not None and entry_against(after.side.state, row.model, row.after) is not None:
        for part in row.parts.values():
            part.banned, part.going, part.fetch_bytes = part.going, [], 0


def counted(row: Going, held: frozenset[DeviceId]) -> PlanRow:
    """Count a row."""
    strata = tuple(
        StratumRow(
            stratum=stratum,
            now=len(part.going) if row.is_now else 0,
            later=0 if row.is_now else len(part.going),
            held=len(held.intersection(part.going)) if held else 0,
            pinned=len(part.pinned),
            blocked=len(part.unfit) + len(part.banned),
            fetch_bytes=part.fetch_bytes,
            variants=tuple(sorted(part.variants)),
        )
        for stratum, part in sorted(row.parts.items())
    )
    befores = {each for part in row.parts.values() for each in part.befores}
    return PlanRow(
        cause=row.cause,
        ring=row.ring,
        model=row.model,
        before=befores.pop() if len(befores) == 1 else None,
        after=row.after,
        now=sum(each.now for each in strata),
        later=sum(each.later for each in strata),
        held=sum(each.held for each in strata),
        pinned=sum(each.pinned for each in strata),
        fetch_bytes=sum(each.fetch_bytes for each in strata),
        blocked=sum(each.blocked for each in strata),
        strata=strata,
    )
