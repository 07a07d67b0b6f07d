"""A GGUF file as an `Engine`, through the low-level loop of llama-cpp-python.

`Llama.generate` is not used: it samples inside and keeps its logits to itself. `Llama.eval` and
`llama_get_logits_ith` give the raw logits after the last token. The cache is cut back to the longest common
prefix with the next prompt; where the model's memory cannot be cut (recurrent layers), it starts anew.
"""

from __future__ import annotations

import ctypes
import logging
import unicodedata
import weakref
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolfinch.artifact import NORMALIZER_KEY
from toolfinch.decode.engine import END_OF_TURN, Logits, common_prefix, cores
from toolfinch.errors import MissingDependency, UsageError

if TYPE_CHECKING:
    from llguidance import LLTokenizer


def _llama_class(llama_cpp: Any) -> Any:
    """`llama_cpp.Llama`; where it was compiled with Intel's AMX, one that does not use it.

    GCC 12 compiles llama.cpp's AMX kernels so that the first product of matrices ends the process (see the Makefile).
    Weights in the file's own layout never reach those kernels, nor the other ones for weights laid out anew, which
    makes prompts slower; `Llama` has no argument for it.
    """
    if b"AMX_INT8 = 1" not in llama_cpp.llama_print_system_info():
        return llama_cpp.Llama

    class Llama(llama_cpp.Llama):  # type: ignore[misc]
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "model_params":
                value.use_extra_bufts = False
            super().__setattr__(name, value)

    return Llama


class LlamaCppEngine:
    """Implements `decode.engine.Engine`."""

    def __init__(self, path: Path, *, context: int = 8192, n_threads: int = 0, gpu_layers: int = 0) -> None:
        """Load a GGUF file.

        `context` in tokens, at most what the model was trained for, since its cache is allocated at once;
        `n_threads` 0: all cores that it may use; `gpu_layers` -1: all of them. Raises UsageError for a file that llama.cpp
        cannot load.
        """
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise UsageError(f"{path}: not a GGUF file")
        try:
            import llama_cpp
        except ImportError as error:
            raise MissingDependency(
                f"{path}: running a GGUF needs llama-cpp-python", hint="pip install 'toolfinch[gguf]'"
            ) from error

        threads = n_threads or cores()
        logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
        self._library = llama_cpp
        self._context = min(context, self._trained_context(path))
        try:
            self._llama: Any = _llama_class(llama_cpp)(
                str(path),
                n_ctx=self._context,
                n_threads=threads,
                n_threads_batch=threads,
                n_gpu_layers=gpu_layers,
                logits_all=False,
                verbose=False,
            )
        except ValueError as error:
            raise UsageError(f"{path}: llama.cpp cannot load it ({error})") from error
        # Its own `__del__` fails at the interpreter's end, when the functions it needs are gone.
        weakref.finalize(self, self._llama.close)
        self._normal_form = self._llama.metadata.get(NORMALIZER_KEY, "")
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._size = self._llama.n_vocab()
        self._stop_ids = self._ends()
        self._ids: list[int] = []

    def _trained_context(self, path: Path) -> int:
        """Tokens; asked of the file's head alone, since a larger cache would be allocated for nothing."""
        params = self._library.llama_model_default_params()
        params.vocab_only = True
        model = self._library.llama_model_load_from_file(str(path).encode(), params)
        if model is None:
            raise UsageError(f"{path}: llama.cpp cannot load it: damaged, or of an unknown architecture")

        def text(key: str) -> str:
            buffer = ctypes.create_string_buffer(256)
            self._library.llama_model_meta_val_str(model, key.encode(), buffer, len(buffer))
            return buffer.value.decode()

        trained = text(f"{text('general.architecture')}.context_length")
        self._library.llama_model_free(model)
        if not trained.isdecimal():
            raise UsageError(f"{path}: does not say how much context the model was trained for")
        return int(trained)

    @property
    def context(self) -> int:
        return self._context

    @property
    def stop_ids(self) -> frozenset[int]:
        return self._stop_ids

    @property
    def metadata(self) -> dict[str, str]:
        """The file's key-value pairs, arrays left out."""
        return dict(self._llama.metadata)

    @property
    def chat_template(self) -> str:
        return self.metadata.get("tokenizer.chat_template", "")

    @property
    def bos_token(self) -> str:
        return self._named_token("bos")

    @property
    def eos_token(self) -> str:
        return self._named_token("eos")

    def encode(self, text: str) -> list[int]:
        if self._normal_form == "NFC":
            text = unicodedata.normalize("NFC", text)
        return list(self._llama.tokenize(text.encode(), add_bos=False, special=True))

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(self._bytes_of(token) for token in ids).decode("utf-8", "replace")

    @cached_property
    def lltokenizer(self) -> LLTokenizer:
        from llguidance.llamacpp import lltokenizer_from_vocab

        return lltokenizer_from_vocab(self._vocabulary, eos_token=sorted(self._stop_ids))

    def start(self, ids: Sequence[int]) -> tuple[Logits, int]:
        keep = min(common_prefix(self._ids, ids), len(ids) - 1)
        if keep < len(self._ids) and not self._llama._ctx.kv_cache_seq_rm(0, keep, -1):
            keep = 0
        if keep == 0:
            self._llama._ctx.kv_cache_clear()
        del self._ids[keep:]
        self._llama.n_tokens = keep
        return self._eval(ids[keep:]), keep

    def step(self, token: int) -> Logits:
        return self._eval([token])

    def _eval(self, ids: Sequence[int]) -> Logits:
        seen, self._ids = self._ids, []  # until it is through, the cache is good for nothing
        self._llama.eval(ids)
        self._ids = [*seen, *ids]
        pointer = self._library.llama_get_logits_ith(self._llama.ctx, -1)
        return np.ctypeslib.as_array(pointer, shape=(self._size,)).astype(np.float32, copy=True)

    def _bytes_of(self, token: int) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            n = self._library.llama_token_to_piece(self._vocabulary, token, buffer, size, 0, True)
            if n >= 0:
                return buffer.raw[:n]
            size = -n  # the size that it needs

    def _named_token(self, name: str) -> str:
        # llama.cpp makes up an id where the file has none; a template must see none, as in training.
        token = self.metadata.get(f"tokenizer.ggml.{name}_token_id")
        return "" if token is None else self.decode([int(token)])

    def _ends(self) -> frozenset[int]:
        is_end = self._library.llama_vocab_is_eog
        ends = {token for token in range(self._size) if is_end(self._vocabulary, token)}
        for text in END_OF_TURN:
            ids = self.encode(text)
            if len(ids) == 1:
                ends.add(ids[0])
        return frozenset(ends)
