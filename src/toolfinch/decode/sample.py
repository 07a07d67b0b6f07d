"""`Sampler`: one token out of logits, the same for a seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from toolfinch.decode.engine import Logits
from toolfinch.errors import ToolfinchError, UsageError


class Sampler:
    """Greedy at temperature 0; otherwise draws from softmax(logits / temperature)."""

    def __init__(self, temperature: float, seed: int) -> None:
        if temperature < 0:
            raise UsageError(f"temperature: expected 0 or more, got {temperature}")
        self._temperature = temperature
        self._random = np.random.default_rng(seed % 2**64)

    def __call__(self, logits: Logits) -> int:
        best = int(logits.argmax())
        if not np.isfinite(logits[best]):
            raise ToolfinchError(f"the model's logits are broken: the best of them is {logits[best]}")
        if self._temperature == 0:
            return best
        scaled = (logits.astype(np.float64) - logits[best]) / self._temperature
        cumulative = np.exp(scaled).cumsum()
        return int(np.searchsorted(cumulative, self._random.random() * cumulative[-1], side="right"))


def logprobs(logits: Logits) -> npt.NDArray[np.float64]:
    """log softmax, in double precision."""
    wide = logits.astype(np.float64)
    wide -= wide.max()
    wide -= np.log(np.exp(wide).sum())
    return wide
