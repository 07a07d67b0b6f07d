"""`Engine`: what the generation loop asks of a model; `Pieces`: text out of tokens as they come.

An engine holds one conversation's cache and is not thread-safe; `callers.local.LocalCaller` puts a lock
around it. Batching of several conversations is left to the servers that do it well (vLLM, llama-server),
which `callers.openai` reaches.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from toolfinch.errors import UsageError

if TYPE_CHECKING:
    from llguidance import LLTokenizer

Logits = npt.NDArray[np.float32]
"""One score a vocabulary entry, raw: before any softmax, mask or temperature."""

# Tokens that end a turn whatever the model's own configuration says; llama.cpp keeps the same kind of list,
# because configurations often name only one of the two that a chat model ends with.
END_OF_TURN = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<turn|>",
)


def cores() -> int:
    """Those that this process may use: one thread more than that, and every step waits for it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ContextError(UsageError):
    """The prompt does not fit in what the model can read; nothing is ever cut to make it fit."""

    def __init__(self, prompt_tokens: int, context: int) -> None:
        super().__init__(
            f"the prompt has {prompt_tokens} tokens and the model's context is {context}: "
            "at least one must be left for the reply",
            hint="send fewer messages or fewer tools, or load the model with a larger context",
        )
        self.prompt_tokens = prompt_tokens
        self.context = context


class Engine(Protocol):
    """A model that can be asked, token by token, what comes next."""

    @property
    def context(self) -> int:
        """The most tokens, prompt and reply together, that it can read."""
        ...

    @property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end a turn."""
        ...

    @property
    def chat_template(self) -> str:
        """Jinja source, empty where the model has none."""
        ...

    @property
    def bos_token(self) -> str: ...

    @property
    def eos_token(self) -> str: ...

    def encode(self, text: str) -> list[int]:
        """Tokens of a rendered prompt: special tokens in the text are read as such, none are added."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Text of tokens, special ones written out; bytes that are not whole UTF-8 give U+FFFD."""
        ...

    @property
    def lltokenizer(self) -> LLTokenizer:
        """The vocabulary as llguidance reads it, with `stop_ids` for its ends; made at the first use."""
        ...

    def start(self, ids: Sequence[int]) -> tuple[Logits, int]:
        """Logits after a prompt of at least one token, and how many of its tokens came from the cache."""
        ...

    def step(self, token: int) -> Logits:
        """Logits after one more token."""
        ...


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading tokens two sequences share."""
    length = min(len(a), len(b))
    return next((i for i in range(length) if a[i] != b[i]), length)


class Pieces:
    """Turns tokens into text one at a time, holding back a character until all of its bytes are there.

    The text of a token can depend on the one before it (a leading space), so a few earlier tokens are
    decoded along and their text is cut off again.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], before: Sequence[int] = ()) -> None:
        self._decode = decode
        self._ids = list(before[-4:])
        self._known = 0
        self._read = len(self._ids)

    def feed(self, token: int) -> str:
        """The text that this token completes; empty while a character is unfinished."""
        self._ids.append(token)
        text = self._new_text()
        if text.endswith("\ufffd"):
            return ""
        return self._take(text)

    def finish(self) -> str:
        """What is still held back: U+FFFD for bytes that never became a character."""
        return self._take(self._new_text())

    def _new_text(self) -> str:
        known = self._decode(self._ids[self._known : self._read])
        return self._decode(self._ids[self._known :])[len(known) :]

    def _take(self, text: str) -> str:
        self._known, self._read = self._read, len(self._ids)
        return text
