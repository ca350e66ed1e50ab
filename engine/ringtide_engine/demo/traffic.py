"""Live traffic: images sent to each device's own inference endpoint, and how often the answer was right."""

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ringtide_engine.demo.images import Image

REQUESTS_PER_SECOND = 6
"""To each device; enough evidence in seconds, and no load worth the name."""

_TIMEOUT_S = 5

_STRIDE = 37
"""Images between what two devices see at one moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Answers of one device with one release."""

    asked: int
    """Requests answered."""
    right: int
    """Answers that name the digit shown."""


class Traffic:
    """Sends images to devices until stopped; one thread, one request at a time."""

    def __init__(self, images: tuple[Image, ...]) -> None:
        """Prepare the request bodies."""
        self._requests = [(image.label, _body(image)) for image in images]
        self._addresses: dict[str, tuple[str, int]] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._right: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sending."""
        self._stopped.set()
        self._thread.join()

    def include(self, device: str, host: str, port: int) -> None:
        """Send to this device too."""
        with self._lock:
            self._addresses[device] = (host, port)

    def exclude(self, device: str) -> None:
        """Send to this device no more."""
        with self._lock:
            self._addresses.pop(device, None)

    def tallies(self) -> Mapping[tuple[str, str], Tally]:
        """Return (device, release) to tally so far."""
        with self._lock:
            return {key: Tally(asked=asked, right=self._right[key]) for key, asked in self._asked.items()}

    def _run(self) -> None:
        connections: dict[str, http.client.HTTPConnection] = {}
        for turn in itertools.count():
            with self._lock:
                addresses = dict(self._addresses)
            started = time.monotonic()
            for place, (device, (host, port)) in enumerate(sorted(addresses.items())):
                if self._stopped.is_set():
                    return
                connection = connections.setdefault(device, http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S))
                # Each device looks at something else, as in the field.
                label, body = self._requests[(turn + place * _STRIDE) % len(self._requests)]
                self._ask(device, connection, label, body)
            if self._stopped.wait(max(0.0, 1 / REQUESTS_PER_SECOND - (time.monotonic() - started))):
                return

    def _ask(self, device: str, connection: http.client.HTTPConnection, label: int, body: bytes) -> None:
        try:
            connection.request("POST", "/v2/models/digits/infer", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()  # reopened by the next request
            return
        if response.status != http.HTTPStatus.OK:
            return  # no release there yet
        answer = json.loads(content)
        scores = answer["outputs"][0]["data"]
        key = (device, answer["model_version"])
        with self._lock:
            self._asked[key] += 1
            self._right[key] += scores.index(max(scores)) == label


def _body(image: Image) -> bytes:
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 64], "data": [float(value) for value in image.pixels]}
    return json.dumps({"inputs": [tensor]}).encode("ascii")
