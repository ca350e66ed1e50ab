"""Is what a release sees and answers still what it was made for?

Every stream of the reference bets, row after row, that rows come from elsewhere. Its wealth is how likely the rows of the
window are where their distribution is unknown, over how likely they are where it is the reference's, as far as the
reference's own rows tell it: the predictive probabilities of two Dirichlet priors around the reference, one worth as
many rows as there are bins, the other as many as were counted. Where nothing has changed that is a test martingale
under the second prior, so by Ville's inequality at most a share alpha of windows alarms. It begins anew with each window: over
a hundred thousand rows even a harmless difference would show.

E. Gunel, J. Dickey: "Bayes factors for independence in contingency tables", Biometrika 61 (1974), as a betting strategy
after G. Shafer: "Testing by betting", JRSS A 184 (2021).
"""

from collections.abc import Mapping, Sequence
from math import log

from ringtide_agent.serve.artifact_file import read_artifact
from ringtide_agent.serve.control import LoadableRelease
from ringtide_agent.serve.tensors import Tensor, parse_json
from ringtide_contract.drift import MAX_REFERENCE_BYTES, DriftReference, Stream
from ringtide_contract.errors import InputError
from ringtide_contract.manifest import Manifest

ALPHA = 0.001
"""Share of windows that raise an alarm at most where nothing has changed, all streams together."""

MAX_ROWS = 16
"""Of one request: a large batch must not hold up the others."""


def read_reference(content: bytes, manifest: Manifest) -> DriftReference:
    """Read a drift reference.

    Raises:
        InputError: Too large, not JSON, or not of the manifest's inputs and outputs.
    """
    if len(content) > MAX_REFERENCE_BYTES:
        raise InputError(f"the drift reference has {len(content)} bytes, at most {MAX_REFERENCE_BYTES}")
    try:
        return DriftReference.from_dict(parse_json(content), (*manifest.inputs, *manifest.outputs))
    except InputError as error:
        raise InputError(f"the drift reference: {error}") from error


def open_monitor(release: LoadableRelease) -> "Monitor | None":
    """Return what holds a release's requests against its drift reference; None where it has none.

    Raises:
        InputError: The reference is not on the disk, or is none.
    """
    if release.manifest.drift is None:
        return None
    content = read_artifact(release.manifest.artifact(release.manifest.drift), release.files)
    return Monitor(read_reference(content, release.manifest), release.manifest)


class Monitor:
    """Holds rows against a reference. One thread only."""

    def __init__(self, reference: DriftReference, manifest: Manifest) -> None:
        """Begin with an empty window."""
        self._window, self._rows, self._alarmed = reference.window, 0, False
        threshold = log(len(reference.streams) / ALPHA)
        self._bets = [_Bet(stream, threshold) for stream in reference.streams]
        self._batched = {
            spec.name: bool(spec.shape) and spec.shape[0] == -1 for spec in (*manifest.inputs, *manifest.outputs)
        }

    def saw(self, tensors: Mapping[str, Tensor]) -> list[bool]:
        """Take a request's inputs and outputs by name; return for each window that it completed whether it alarmed."""
        rows = {name: _rows(tensor, batched=self._batched[name]) for name, tensor in tensors.items()}
        ended: list[bool] = []
        for number in range(min(MAX_ROWS, min(map(len, rows.values()), default=0))):
            for bet in self._bets:
                self._alarmed |= bet.on(rows[bet.stream.tensor][number])
            self._rows += 1
            if self._rows == self._window:
                ended.append(self._alarmed)
                self._rows, self._alarmed = 0, False
                for bet in self._bets:
                    bet.begin()
        return ended


class _Bet:
    def __init__(self, stream: Stream, threshold: float) -> None:
        self.stream = stream
        self._shares, self._threshold = stream.shares, threshold
        self._weak, self._strong = len(stream.counts), len(stream.counts) + sum(stream.counts)
        self.begin()

    def begin(self) -> None:
        self._seen = [0] * len(self._shares)
        self._rows, self._wealth = 0, 0.0

    def on(self, row: Tensor) -> bool:
        """Take a row; tell whether the wealth is past the threshold now."""
        if not row.size:
            return False
        place = self.stream.bin_of(float(getattr(row, self.stream.statistic)()))
        if place is None:
            return True  # the reference has no such answer
        share, seen = self._shares[place], self._seen[place]
        elsewhere = (seen + self._weak * share) / (self._rows + self._weak)
        alike = (seen + self._strong * share) / (self._rows + self._strong)
        self._wealth += log(elsewhere / alike)
        self._seen[place] += 1
        self._rows += 1
        return self._wealth >= self._threshold


def _rows(tensor: Tensor, *, batched: bool) -> Sequence[Tensor]:
    return list(tensor[:MAX_ROWS]) if batched and tensor.ndim else [tensor]
