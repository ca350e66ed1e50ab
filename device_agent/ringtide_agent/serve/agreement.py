"""During probation: does the active release answer live inputs as the stable one does?"""

from collections.abc import Mapping, Sequence

import numpy as np

from ringtide_agent.serve.lineup import Serving
from ringtide_agent.serve.onnx_session import Tensor
from ringtide_contract.errors import TransientError

CLOSE = 1e-3
"""Difference that two regressions may have and still agree."""


def agree(active: Sequence[Tensor], stable: Sequence[Tensor]) -> bool:
    """Say whether two releases gave the same answer to one request.

    Where the first output is a row of scores for each input, the best scores must stand in the same places;
    otherwise it must be numerically close.
    """
    one, other = active[0], stable[0]
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    if one.ndim == 2 and one.shape[1] > 1:
        return bool(np.array_equal(one.argmax(axis=1), other.argmax(axis=1)))
    return bool(np.allclose(one, other, rtol=CLOSE, atol=CLOSE))


def compare(serving: Serving, feeds: Mapping[str, Tensor], outputs: Sequence[Tensor]) -> None:
    """Count whether the stable release, where there is one, answers a request as the active one did."""
    if serving.stable is None:
        return
    try:
        theirs = serving.stable.session.run(feeds)
    except TransientError:
        return  # the stable release takes other inputs: no comparison, so no evidence either way
    serving.active.tally.compared(agreed=agree(outputs, theirs))
