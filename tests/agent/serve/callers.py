"""Callers of the inference service."""

import http.client
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.serve.models import tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer."""

    status: int
    body: dict[str, Any]


def question(rows: int = 1, seed: int = 1) -> dict[str, Any]:
    """An infer request of random values."""
    return {"inputs": [tensor("x", np.random.default_rng(seed).normal(size=(rows, 64)).astype(np.float32))]}


class Caller:
    """A caller with one kept connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._connection = http.client.HTTPConnection(*address, timeout=20)

    def get(self, path: str) -> Heard:
        return self._ask("GET", path, None)

    def infer(self, body: object, model: str = "digits") -> Heard:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask("POST", f"/v2/models/{model}/infer", content)

    def post(self, path: str, content: bytes) -> Heard:
        return self._ask("POST", path, content)

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, content: bytes | None) -> Heard:
        self._connection.request(method, path, content)
        response = self._connection.getresponse()
        return Heard(status=response.status, body=json.loads(response.read()))
