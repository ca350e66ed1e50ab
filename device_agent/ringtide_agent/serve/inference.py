"""One inference request, from body to answer, in a thread of the pool."""

import json
from http import HTTPStatus
from time import monotonic, perf_counter_ns

from ringtide_agent.serve.http_server import Response, problem
from ringtide_agent.serve.lineup import Serving
from ringtide_agent.serve.onnx_session import Cancel, Tensor
from ringtide_agent.serve.sampling import Sampler
from ringtide_agent.serve.tensors import InferRequest, decode_request, encode_tensor, has_wild_values
from ringtide_contract.errors import InputError, TransientError


class Inference:
    """An inference that another thread can give up."""

    def __init__(self, serving: Serving, sampler: Sampler, body: bytes, deadline: float) -> None:
        """Hold what `answer` needs; `deadline` is an instant of `time.monotonic`."""
        self._serving, self._sampler, self._body, self._deadline = serving, sampler, body, deadline
        self._cancel = Cancel()

    def cancel(self) -> None:
        """Stop the run; it then counts as a failure."""
        self._cancel.set()

    def answer(self) -> Response:
        """Answer the request; only what reaches the runtime is counted."""
        active = self._serving.active
        try:
            request = decode_request(self._body, active.manifest.inputs, active.manifest.outputs)
        except InputError as error:
            return problem(HTTPStatus.BAD_REQUEST, str(error))
        except MemoryError:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "no memory for a request of this size now; try later")
        started = perf_counter_ns()
        try:
            outputs = self._run(request)
        except TransientError as error:
            active.tally.answered((perf_counter_ns() - started) // 1000, failed=True)
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        active.tally.answered((perf_counter_ns() - started) // 1000, failed=False)
        self._sampler.offer(self._serving, request.feeds, outputs)
        return self._encode(request, outputs)

    def _run(self, request: InferRequest) -> tuple[Tensor, ...]:
        if monotonic() > self._deadline:
            raise TransientError("the request waited longer than its deadline")
        active = self._serving.active
        outputs = active.session.run(request.feeds, self._cancel)
        for spec, output in zip(active.manifest.outputs, outputs, strict=True):
            if has_wild_values(output):
                raise TransientError(f"the model answered NaN or an infinity in {spec.name!r}")
        return outputs

    def _encode(self, request: InferRequest, outputs: tuple[Tensor, ...]) -> Response:
        active = self._serving.active
        content: dict[str, object] = {
            "model_name": active.manifest.model,
            "model_version": active.manifest.release,
            "parameters": {"manifest": active.digest},
            "outputs": [
                encode_tensor(spec, output)
                for spec, output in zip(active.manifest.outputs, outputs, strict=True)
                if not request.wanted or spec.name in request.wanted
            ],
        }
        if request.id is not None:
            content["id"] = request.id
        return Response(status=HTTPStatus.OK, body=json.dumps(content, separators=(",", ":")).encode())
