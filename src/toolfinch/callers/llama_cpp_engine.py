"""A GGUF file as an `Engine`, through llama.cpp's own functions as llama-cpp-python binds them.

`llama_cpp.Llama` is not used: it samples inside, keeps its logits to itself and holds one sequence. Here all slots
share one cache of keys and values (`kv_unified`), so that a prefix which several of them have is held once, and a
pass takes tokens of all of them. Several GPUs, embeddings and LoRA adapters are left out.
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
from toolfinch.decode.engine import END_OF_TURN, Logits, Part, cores
from toolfinch.errors import MissingDependency, ToolfinchError, UsageError

if TYPE_CHECKING:
    from llguidance import LLTokenizer

_log = logging.getLogger("toolfinch.llama_cpp")

_GGML_ERROR = 4
_BATCH = 512
"""Tokens of one pass through the model; longer parts take several."""


class LlamaCppEngine:
    """Implements `decode.engine.Engine`."""

    def __init__(
        self,
        path: Path,
        *,
        context: int = 8192,
        n_threads: int = 0,
        gpu_layers: int = 0,
        slots: int = 2,
        cells: int = 0,
    ) -> None:
        """Load a GGUF file.

        `context`: tokens of one sequence, at most what the model was trained for; `cells`: tokens of all `slots`
        together, whose cache is allocated at once, 0: as many as two sequences (what slots share counts once); `n_threads` 0: all cores that it may use;
        `gpu_layers` -1: all of them. Raises UsageError for a file that llama.cpp cannot load.
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

        _to_our_log(llama_cpp)
        llama_cpp.llama_backend_init()
        self._library = llama_cpp
        self._model = self._load(path, gpu_layers)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._size = llama_cpp.llama_vocab_n_tokens(self._vocabulary)
        self._context = min(context, self._trained_context(path))
        self._slots = slots
        self._cells = max(cells or self._context * min(slots, 2), self._context)
        self._ctx = self._make_context(path, n_threads or cores())
        self._memory = llama_cpp.llama_get_memory(self._ctx)
        self._batch = _Batch(llama_cpp)
        self._lengths = [0] * slots
        self._can_cut = not (
            llama_cpp.llama_model_is_recurrent(self._model) or llama_cpp.llama_model_is_hybrid(self._model)
        )
        self._normal_form = self.metadata.get(NORMALIZER_KEY, "")
        self._stop_ids = self._ends()
        weakref.finalize(self, _free, llama_cpp, self._ctx, self._model)

    def _load(self, path: Path, gpu_layers: int) -> Any:
        params = self._library.llama_model_default_params()
        params.n_gpu_layers = 0x7FFFFFFF if gpu_layers < 0 else gpu_layers
        if b"AMX_INT8 = 1" in self._library.llama_print_system_info():
            # GCC 12 compiles llama.cpp's AMX kernels so that the first product of matrices ends the process (see the
            # Makefile). Weights in the file's own layout never reach them, nor the other kernels for weights laid out
            # anew, which makes prompts slower.
            params.use_extra_bufts = False
        model = self._library.llama_model_load_from_file(str(path).encode(), params)
        if model is None:
            raise UsageError(f"{path}: llama.cpp cannot load it: damaged, or of an unknown architecture")
        return model

    def _trained_context(self, path: Path) -> int:
        trained = self.metadata.get(f"{self.metadata.get('general.architecture')}.context_length", "")
        if not trained.isdecimal():
            raise UsageError(f"{path}: does not say how much context the model was trained for")
        return int(trained)

    def _make_context(self, path: Path, threads: int) -> Any:
        params = self._library.llama_context_default_params()
        params.n_ctx = self._cells
        params.n_batch = params.n_ubatch = _BATCH
        params.n_seq_max = self._slots
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        context = self._library.llama_init_from_model(self._model, params)
        if context is None:
            raise UsageError(f"{path}: llama.cpp cannot make a context of {self._cells} tokens for it")
        return context

    @property
    def context(self) -> int:
        return self._context

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def cells(self) -> int:
        return self._cells

    @property
    def can_cut(self) -> bool:
        return self._can_cut

    @property
    def stop_ids(self) -> frozenset[int]:
        return self._stop_ids

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The file's key-value pairs, arrays left out."""
        key_at, value_at = (
            self._library.llama_model_meta_key_by_index,
            self._library.llama_model_meta_val_str_by_index,
        )
        found = {}
        for i in range(self._library.llama_model_meta_count(self._model)):
            found[_text(lambda *at, i=i: key_at(self._model, i, *at))] = _text(
                lambda *at, i=i: value_at(self._model, i, *at)
            )
        return found

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
        raw = text.encode()
        room = len(raw) + 1  # no token is less than a byte; a tokenizer may put a space before the first
        while True:
            ids = (self._library.llama_token * room)()
            n = self._library.llama_tokenize(self._vocabulary, raw, len(raw), ids, room, False, True)
            if n >= 0:
                return list(ids[:n])
            room = -n  # the size that it needs

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(self._bytes_of(token) for token in ids).decode("utf-8", "replace")

    @cached_property
    def lltokenizer(self) -> LLTokenizer:
        from llguidance.llamacpp import lltokenizer_from_vocab

        return lltokenizer_from_vocab(self._vocabulary, eos_token=sorted(self._stop_ids))

    def forward(self, parts: Sequence[Part]) -> list[Logits | None]:
        out: list[Logits | None] = [None] * len(parts)
        batch: list[tuple[int, int, int, bool]] = []
        wanted: list[tuple[int, int]] = []
        for number, part in enumerate(parts):
            at, last = self._lengths[part.slot], len(part.ids) - 1
            for i, token in enumerate(part.ids):
                if len(batch) == _BATCH:
                    self._decode(batch, wanted, out)
                    batch, wanted = [], []
                wants = part.wants_logits and i == last
                if wants:
                    wanted.append((number, len(batch)))
                batch.append((token, at + i, part.slot, wants))
        if batch:
            self._decode(batch, wanted, out)
        return out

    def _decode(
        self, batch: list[tuple[int, int, int, bool]], wanted: list[tuple[int, int]], out: list[Logits | None]
    ) -> None:
        code = self._library.llama_decode(self._ctx, self._batch.filled(batch))
        if code != 0:
            why = "its cache is full" if code == 1 else f"code {code}"
            raise ToolfinchError(f"llama.cpp could not read {len(batch)} tokens: {why}")
        for _, position, slot, _ in batch:
            self._lengths[slot] = position + 1
        for number, row in wanted:
            pointer = self._library.llama_get_logits_ith(self._ctx, row)
            out[number] = np.ctypeslib.as_array(pointer, shape=(self._size,)).astype(np.float32, copy=True)

    def copy(self, source: int, target: int, length: int) -> None:
        self.cut(target, 0)
        self._library.llama_memory_seq_cp(self._memory, source, target, -1, length if self._can_cut else -1)
        self._lengths[target] = length

    def cut(self, slot: int, length: int) -> None:
        if not self._library.llama_memory_seq_rm(self._memory, slot, length or -1, -1):
            raise ToolfinchError(f"this model's memory cannot be cut back to {length} tokens")
        self._lengths[slot] = length

    def dump(self, slot: int) -> bytes:
        size = self._library.llama_state_seq_get_size(self._ctx, slot)
        buffer = (ctypes.c_uint8 * size)()
        written = self._library.llama_state_seq_get_data(self._ctx, buffer, size, slot)
        return bytes(memoryview(buffer)[:written])

    def restore(self, slot: int, state: bytes, length: int) -> bool:
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        self.cut(slot, 0)
        if self._library.llama_state_seq_set_data(self._ctx, buffer, len(state), slot) == 0:
            self.cut(slot, 0)
            return False
        self._lengths[slot] = length
        return True

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


_callbacks: list[Any] = []
"""Held here, since the library holds no Python object."""


def _to_our_log(library: Any) -> None:
    """Whatever llama.cpp prints goes to the log `toolfinch.llama_cpp`, below what is shown unless asked for: what fails is
    raised here in a line of our own.

    The binding has the levels of an older ggml.h: it prints warnings and swallows errors.
    """
    if _callbacks:
        return

    @library.llama_log_callback  # type: ignore[untyped-decorator]
    def said(level: int, text: bytes, _: Any) -> None:
        as_error = level == _GGML_ERROR
        _log.log(logging.INFO if as_error else logging.DEBUG, text.decode("utf-8", "replace").rstrip())

    _callbacks.append(said)
    library.llama_log_set(said, ctypes.c_void_p(0))


class _Batch:
    """One `llama_batch`, filled again for each pass."""

    def __init__(self, library: Any) -> None:
        self._batch = library.llama_batch_init(_BATCH, 0, 1)
        weakref.finalize(self, library.llama_batch_free, self._batch)

    def filled(self, rows: Sequence[tuple[int, int, int, bool]]) -> Any:
        """`rows`: token, position, slot, whether its logits are wanted."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (token, position, slot, wants) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = slot
            batch.logits[i] = wants
        return batch


def _text(read: Any) -> str:
    """What a function of the library writes that returns the length it needs."""
    size = 256
    while True:
        buffer = ctypes.create_string_buffer(size)
        needed = read(buffer, size)
        if needed < size:
            return buffer.value.decode("utf-8", "replace")
        size = needed + 1


def _free(library: Any, context: Any, model: Any) -> None:
    library.llama_free(context)
    library.llama_model_free(model)
