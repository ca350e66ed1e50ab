"""The Open Inference Protocol v2, REST part: which path answers what."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from http import HTTPStatus
from time import monotonic
from urllib.parse import unquote

from ringtide_agent import __version__
from ringtide_agent.serve.http_server import Request, Response, document, problem
from ringtide_agent.serve.inference import Inference
from ringtide_agent.serve.lineup import Lineup, Serving
from ringtide_agent.serve.sampling import Sampler

INFER_S = 30.0
"""Longest that an inference may take, waiting included; then it is stopped and counted as a failure."""

MAX_WAITING = 64
"""Inference requests admitted at a time; more would only wait for their deadline."""


class Endpoints:
    """Answers requests from the lineup."""

    def __init__(self, lineup: Lineup, pool: Executor, sampler: Sampler, infer_s: float = INFER_S) -> None:
        """Serve what `lineup` holds, with inference in the threads of `pool`."""
        self._lineup, self._pool, self._sampler, self._infer_s = lineup, pool, sampler, infer_s
        self._running: set[Inference] = set()

    def cancel_all(self) -> None:
        """Stop every inference that runs or waits."""
        for inference in tuple(self._running):
            inference.cancel()

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        path = [unquote(part) for part in request.path.split("?", 1)[0].strip("/").split("/")]
        match path:
            case ["v2"]:
                found: Mapping[str, object] = {"name": "ringtide", "version": __version__, "extensions": []}
            case ["v2", "health", "live"]:
                found = {"live": True}
            case ["v2", "health", "ready"]:
                ready = bool(self._lineup.serving)
                status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
                return _only("GET", request) or document(status, {"ready": ready})
            case ["v2", "models", model, *rest]:
                return await self._model(request, model, rest)
            case _:
                return problem(HTTPStatus.NOT_FOUND, f"no endpoint {request.path[:80]!r}")
        return _only("GET", request) or document(HTTPStatus.OK, found)

    async def _model(self, request: Request, model: str, rest: list[str]) -> Response:
        serving = self._lineup.serving.get(model)
        if serving is None:
            return problem(HTTPStatus.NOT_FOUND, f"no model {model[:63]!r} serves here")
        release = serving.active.manifest.release
        match rest:
            case ["versions", version, *rest] if version != release:
                return problem(HTTPStatus.NOT_FOUND, f"{model} serves {release}, not {version[:63]!r}")
            case ["versions", _, *rest]:
                pass
        match rest:
            case []:
                return _only("GET", request) or document(HTTPStatus.OK, _metadata(serving))
            case ["ready"]:
                return _only("GET", request) or document(HTTPStatus.OK, {"name": model, "ready": True})
            case ["infer"]:
                return _only("POST", request) or await self._infer(serving, request.body)
        return problem(HTTPStatus.NOT_FOUND, f"no endpoint {request.path[:80]!r}")

    async def _infer(self, serving: Serving, body: bytes) -> Response:
        if len(self._running) >= MAX_WAITING:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_WAITING} requests are waiting already; try later")
        inference = Inference(serving, self._sampler, body, monotonic() + self._infer_s)
        self._running.add(inference)
        loop = asyncio.get_running_loop()
        work = self._pool.submit(inference.answer)

        def done(_: Future[Response]) -> None:
            loop.call_soon_threadsafe(self._running.discard, inference)

        work.add_done_callback(done)
        try:
            async with asyncio.timeout(self._infer_s):
                return await asyncio.shield(asyncio.wrap_future(work))
        except TimeoutError:
            inference.cancel()
            return problem(HTTPStatus.GATEWAY_TIMEOUT, f"no answer within {self._infer_s:g} s")


def _only(method: str, request: Request) -> Response | None:
    if request.method == method:
        return None
    return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.path[:80]} answers {method} only")


def _metadata(serving: Serving) -> dict[str, object]:
    manifest = serving.active.manifest
    return {
        "name": manifest.model,
        "versions": [manifest.release],
        "platform": "onnxruntime_onnx",
        "inputs": [tensor.to_dict() for tensor in manifest.inputs],
        "outputs": [tensor.to_dict() for tensor in manifest.outputs],
        "parameters": {"manifest": serving.active.digest, "variant": manifest.variant},
    }
