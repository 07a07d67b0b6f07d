"""Makes a model of random weights write what a benchmark wants it to write, at the cost of the true model.

Between the forward pass and whoever chooses the next token, the wanted token's logit is raised. Everything else stays: the
passes, the grammar, how many tokens are asked for. `Steered` is our engine so; `steer` does the same to a `llama_cpp.Llama`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolfinch.callers.llama_cpp_engine import LlamaCppEngine
from toolfinch.decode.engine import Logits, Part

RAISED = np.float32(1e4)


class Steered(LlamaCppEngine):
    """Writes, behind each prompt of `wanted`, its tokens; elsewhere what the weights say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted: Mapping[tuple[int, ...], Sequence[int]] = {}
        self._read: list[list[int]] = [[] for _ in range(self.slots)]

    def forward(self, parts: Sequence[Part]) -> list[Logits | None]:
        out = super().forward(parts)
        for part, logits in zip(parts, out, strict=True):
            ids = self._read[part.slot]
            ids += part.ids
            if logits is not None and (token := self._next(ids)) is not None:
                logits[token] = RAISED
        return out

    def _next(self, ids: list[int]) -> int | None:
        for prompt, reply in self.wanted.items():
            n = len(prompt)
            written = len(ids) - n
            if 0 <= written < len(reply) and ids[n:] == list(reply[:written]) and tuple(ids[:n]) == prompt:
                return reply[written]
        return None

    def copy(self, source: int, target: int, length: int) -> None:
        super().copy(source, target, length)
        self._read[target] = self._read[source][:length]

    def cut(self, slot: int, length: int) -> None:
        super().cut(slot, length)
        del self._read[slot][length:]


def steer(llama: Any, prompt: int, reply: Sequence[int]) -> None:
    """Make a `llama_cpp.Llama` write `reply` behind a prompt of so many tokens."""
    import llama_cpp

    evaluate = type(llama).eval

    def evaluated(tokens: Sequence[int]) -> None:
        evaluate(llama, tokens)
        written = llama.n_tokens - prompt
        if 0 <= written < len(reply):
            llama_cpp.llama_get_logits_ith(llama.ctx, -1)[reply[written]] = RAISED

    llama.eval = evaluated
