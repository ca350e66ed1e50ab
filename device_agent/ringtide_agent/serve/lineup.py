"""What serves now, and how it changes: load beside, swap the pointer, drop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ringtide_agent.serve.artifact_file import read_artifact
from ringtide_agent.serve.control import LoadableRelease, WantedModel
from ringtide_agent.serve.counting import Tally
from ringtide_agent.serve.drift import Monitor, open_monitor
from ringtide_agent.serve.onnx_session import Session
from ringtide_agent.serve.resident import peak_bytes
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest
from ringtide_contract.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A release in memory."""

    digest: Digest
    """Digest of its manifest."""
    manifest: Manifest
    """Its manifest."""
    session: Session
    """Its graph."""
    tally: Tally
    """What it did."""
    monitor: Monitor | None
    """What holds its requests against its drift reference; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A model that serves."""

    active: Loaded
    """The release that answers."""
    stable: Loaded | None
    """The release to compare with."""


class Lineup:
    """The models that serve. Reading is one attribute access from any thread; only one thread may `apply`."""

    def __init__(self, session: str, open_session: Callable[[Manifest, bytes], Session] = Session) -> None:
        """Begin with nothing, counting under the name `session`."""
        self.serving: Mapping[str, Serving] = MappingProxyType({})
        self._session = session
        self._open_session = open_session
        self._tallies: dict[Digest, Tally] = {}

    def apply(self, wanted: Sequence[WantedModel]) -> dict[str, str]:
        """Serve exactly `wanted`; a model whose release does not load goes on as it was.

        Returns:
            Model to why it does not load.
        """
        before, pool = self.serving, self._loaded()
        after: dict[str, Serving] = {}
        errors: dict[str, str] = {}
        for model in wanted:
            try:
                active = self._load(model.active, pool)
                stable = self._load_stable(model, pool, serves=model.model in before)
            except (InputError, TransientError) as error:
                errors[model.model] = f"{model.active.manifest.release}: {error}"
                if model.model in before:
                    after[model.model] = before[model.model]
            else:
                after[model.model] = Serving(active=active, stable=stable)
        self.see_memory()  # of the ones that leave, while they are still active
        self.serving = MappingProxyType(after)
        self.see_memory()
        return errors

    def loaded(self) -> tuple[Digest, ...]:
        """Return the manifests that have a session in memory."""
        return tuple(sorted(self._loaded()))

    def budget_bytes(self, wanted: Sequence[WantedModel]) -> int:
        """Return the memory budgets of all that is loaded now or shall be; while it changes, both are."""
        budgets = {digest: loaded.manifest.budget for digest, loaded in self._loaded().items()}
        for model in wanted:
            releases = (model.active, model.stable)
            budgets.update({item.digest: item.manifest.budget for item in releases if item is not None})
        return sum(budget.peak_memory_bytes for budget in budgets.values())

    def see_memory(self) -> None:
        """Note the memory of the process with every active manifest."""
        peak = peak_bytes()
        for serving in self.serving.values():
            serving.active.tally.saw_memory(peak)

    def tallies(self) -> tuple[Tally, ...]:
        """Return the counts of every manifest that was ever loaded here."""
        return tuple(self._tallies.values())

    def _loaded(self) -> dict[Digest, Loaded]:
        both = [(serving.active, serving.stable) for serving in self.serving.values()]
        return {loaded.digest: loaded for pair in both for loaded in pair if loaded is not None}

    def _load_stable(self, model: WantedModel, pool: dict[Digest, Loaded], *, serves: bool) -> Loaded | None:
        """Load the release to compare with.

        A switch is refused without it, for there would be nothing to go back to; after a restart, serving comes first.
        """
        if model.stable is None:
            return None
        try:
            return self._load(model.stable, pool)
        except (InputError, TransientError):
            if serves:
                raise
            return None

    def _load(self, release: LoadableRelease, pool: dict[Digest, Loaded]) -> Loaded:
        if release.digest not in pool:
            manifest = release.manifest
            graph = read_artifact(manifest.artifact(manifest.graph), release.files)
            session = self._open_session(manifest, graph)
            monitor = open_monitor(release)
            fresh = Tally(release.digest, self._session, manifest.budget.p95_latency_us)
            tally = self._tallies.setdefault(release.digest, fresh)
            pool[release.digest] = Loaded(
                digest=release.digest, manifest=manifest, session=session, tally=tally, monitor=monitor
            )
        return pool[release.digest]
