"""`Engine`: what making replies asks of a model; `Pieces`: text out of tokens as they come.

An engine holds several sequences of tokens at once, each in a slot, and reads more of any of them in one forward pass,
so requests that are made at the same time share it. It is not thread-safe: `decode.batch` is its one user.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

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

    @property
    def slots(self) -> int:
        """How many sequences it can hold."""
        ...

    @property
    def cells(self) -> int:
        """How many tokens all of them together may have; what one has from another (`copy`) counts once."""
        ...

    @property
    def can_cut(self) -> bool:
        """Whether a sequence can be cut back to fewer tokens. A recurrent memory cannot: it has forgotten how it was."""
        ...

    def forward(self, parts: Sequence[Part]) -> list[Logits | None]:
        """Read on in several slots, in one pass: at most one part a slot. For each part the logits after its last token,
        or None where it does not want them."""
        ...

    def copy(self, source: int, target: int, length: int) -> None:
        """Make a slot hold what another holds in its first `length` tokens; all of them, where `can_cut` is false."""
        ...

    def cut(self, slot: int, length: int) -> None:
        """Forget what comes after the first `length` tokens of a slot; to 0 always works."""
        ...

    def dump(self, slot: int) -> bytes:
        """The state of a slot, to be kept elsewhere."""
        ...

    def restore(self, slot: int, state: bytes, length: int) -> bool:
        """Put a state of `length` tokens into an empty slot; False, and the slot still empty, where it does not fit this model."""
        ...


class Part(NamedTuple):
    """More tokens for one slot."""

    slot: int
    ids: Sequence[int]
    wants_logits: bool = True


def logits_after(engine: Engine, ids: Sequence[int]) -> Logits:
    """Logits after a sequence that is read from its beginning, in slot 0."""
    engine.cut(0, 0)
    (logits,) = engine.forward([Part(0, ids)])
    assert logits is not None
    return logits


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
