"""The inference service as the supervisor sees it: it owns the socket, and keeps a worker behind it."""

import errno
import secrets
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic

from ringtide_agent.adapters.running_worker import RunningWorker
from ringtide_agent.ports import ServedModel, ServedRelease, UnloadableError
from ringtide_agent.serve.control import LoadableRelease, WantedModel
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import Digest
from ringtide_contract.report import Counters
from ringtide_contract.sketch import EMPTY

SHAPE_S = 60.0
"""To start a worker and load every model; loading 54 MB takes half a second on a fast machine."""

COUNT_S = 5.0
"""The worker answers this from memory."""

MAX_UNANSWERED = 3
"""Questions in a row that a living worker may leave open before it is taken for hung and replaced."""

FIRST_BACK_OFF_S = 1.0
MAX_BACK_OFF_S = 60.0
"""A worker that crashes on every start costs one start a minute."""

STEADY_S = 60.0
"""A worker that lived so long starts the back-off anew when it ends."""

MAX_PAST_COUNTERS = 64
"""Counters of ended sessions that are kept; the oldest go, and the engine has long had them by then."""

BACKLOG = 128
"""Connections that wait in the socket while a worker starts."""

COMMAND = (sys.executable, "-P", "-m", "ringtide_agent.serve.worker")


class WorkerProcess:
    """The `InferenceService` of a device. Use it from one thread, which must outlive it."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        readable: Sequence[str] = ("/",),
        command: Sequence[str] = COMMAND,
        first_back_off_s: float = FIRST_BACK_OFF_S,
    ) -> None:
        """Open the listening socket; the first worker starts with the first model, and reads beneath `readable` alone.

        Raises:
            InputError: The address is not ours to listen on.
            TransientError: Somebody else listens there.
        """
        self._command, self._readable, self._first_back_off_s = tuple(command), tuple(readable), first_back_off_s
        self._listener = _listen(host, port)
        self._address = (host, int(self._listener.getsockname()[1]))
        self._worker: RunningWorker | None = None
        self._applied: dict[str, ServedModel] = {}
        self._tried: Mapping[str, ServedModel] = {}
        self._answering: tuple[Digest, ...] = ()
        self._unanswered = self._ends = 0
        self._not_before = 0.0
        self._live: dict[Digest, Counters] = {}
        self._past: list[Counters] = []
        self._crashes: dict[Digest, int] = {}

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that callers connect to."""
        return self._address

    @property
    def pid(self) -> int | None:
        """Process id of the worker; None while there is none."""
        return None if self._worker is None else self._worker.pid

    def shape(self, served: Sequence[ServedModel]) -> None:
        """Serve exactly these models; switch without losing a request.

        A model whose release does not load goes on as before, and the others change.

        Raises:
            TransientError: The worker did not come up or did not answer in time.
            UnloadableError: Releases do not load in the worker.
            InputError: Two models have one name.
        """
        wanted = {model.model: model for model in served}
        if len(wanted) != len(served):
            raise InputError("two of the models to serve have one name")
        self._bury()
        if self._worker is None and not wanted:
            self._applied, self._answering = {}, ()
            return
        if self._worker is None and wanted == self._tried and monotonic() < self._not_before:
            raise TransientError("the worker has ended and is started again shortly")
        errors = self._apply(wanted)
        if errors:
            raise UnloadableError(errors)

    def counters(self) -> tuple[Counters, ...]:
        """Return cumulative counters of every (manifest, serving session), newest session last."""
        self._collect()
        return (*self._past, *self._live.values())

    def crashes(self, digest: Digest) -> int:
        """Return how often the worker ended unasked since this supervisor started while `digest` was active."""
        return self._crashes.get(digest, 0)

    def is_silent(self) -> bool:
        """Tell whether the worker left the last question open, so that its counters are those of an earlier moment."""
        return self._unanswered > 0

    def tend(self) -> None:
        """Restart a worker that has ended, with back-off; collect its counters. Call it on every turn of the loop."""
        self._bury()
        if self._worker is not None:
            self._collect()
        elif self._applied and monotonic() >= self._not_before:
            try:
                self._apply(dict(self._applied))
            except TransientError:
                return  # its end is counted and the next start set; the loop sees the crash
        self._bury()

    def stop(self) -> None:
        """End the worker, after what is in flight, and close the socket."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None
        self._listener.close()

    def _apply(self, wanted: Mapping[str, ServedModel]) -> Mapping[str, str]:
        """Bring the worker, started where there is none, to `wanted`; return what did not load."""
        self._tried = wanted
        previous, self._answering = self._answering, tuple(model.active.digest for model in wanted.values())
        try:
            if self._worker is None:
                self._worker = RunningWorker(self._command, self._listener, secrets.token_hex(8), self._readable)
            answer = self._worker.shape([_to_wanted(model) for model in wanted.values()], SHAPE_S)
        except TransientError:
            if self._worker is None:
                self._answering = previous
                self._set_back_off()
            self._bury()
            raise
        errors = {model: error for model, error in answer.errors.items() if model in wanted}
        kept = {model: self._applied.get(model) for model in errors}
        after = {**wanted, **kept}
        self._applied = {model: served for model, served in after.items() if served is not None}
        self._answering = tuple(model.active.digest for model in self._applied.values())
        self._take(answer.counters)
        return errors

    def _collect(self) -> None:
        if self._worker is None:
            return
        try:
            self._take(self._worker.count(COUNT_S).counters)
            self._unanswered = 0
        except TransientError:
            self._unanswered += 1
            if self._unanswered >= MAX_UNANSWERED:
                self._worker.kill()
            self._bury()

    def _take(self, counters: Sequence[Mapping[str, object]]) -> None:
        try:
            read = [Counters.from_dict(item) for item in counters]
        except InputError:
            return  # a process that parses models may say anything; its word is then no evidence
        self._live = {item.manifest: item for item in read if self._worker and item.session == self._worker.session}

    def _bury(self) -> None:
        """If the worker has ended, count it against what it served, and set when the next may start."""
        worker = self._worker
        if worker is None or worker.ended() is None:
            return
        for digest in self._answering:
            self._crashes[digest] = self._crashes.get(digest, 0) + 1
            seen = self._live.get(digest) or _nothing(digest, worker.session)
            self._live[digest] = replace(seen, crashes=1)
        self._past = [*self._past, *self._live.values()][-MAX_PAST_COUNTERS:]
        self._live = {}
        self._unanswered = 0
        if monotonic() - worker.started_at >= STEADY_S:
            self._ends = 0
        worker.kill()  # it has ended; this closes the channel
        self._worker = None
        self._set_back_off()

    def _set_back_off(self) -> None:
        self._not_before = monotonic() + min(MAX_BACK_OFF_S, self._first_back_off_s * 2**self._ends)
        self._ends = min(self._ends + 1, 10)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        message = f"{reason}. fix: set host and port in [serve] to free ones of this device"
        raise (TransientError if error.errno == errno.EADDRINUSE else InputError)(message) from error


def _to_wanted(model: ServedModel) -> WantedModel:
    def loadable(release: ServedRelease) -> LoadableRelease:
        return LoadableRelease(digest=release.digest, manifest=release.manifest, files=release.files)

    stable = None if model.stable is None else loadable(model.stable)
    return WantedModel(model=model.model, active=loadable(model.active), stable=stable)


def _nothing(digest: Digest, session: str) -> Counters:
    return Counters(
        manifest=digest,
        session=session,
        requests=0,
        failures=0,
        over_budget=0,
        compared=0,
        agreed=0,
        crashes=0,
        peak_memory_bytes=0,
        latency=EMPTY,
    )
