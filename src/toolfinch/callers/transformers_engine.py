"""A transformers model as an `Engine`, on CPU or GPU.

Each slot has a key-value cache of its own, and a pass takes the slots one after the other: one padded batch of caches of
many lengths is what the servers made for it do better (vLLM, llama-server), which `callers.openai` reaches. Only plain
attention can be cut back: a recurrent or sliding-window layer has forgotten what it would need. Quantised weights, adapters that
are not merged, and more than one device are left out.
"""

from __future__ import annotations

import copy
import inspect
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolfinch.decode.engine import END_OF_TURN, Logits, Part
from toolfinch.errors import MissingDependency, ToolfinchError, UsageError

if TYPE_CHECKING:
    from llguidance import LLTokenizer

_SMALL = 50_000_000
"""Parameters. A step of a smaller model is too short to share out: on a busy machine, threads that wait for
one another made it 18 times as long."""


class TransformersEngine:
    """Implements `decode.engine.Engine`."""

    def __init__(self, folder: Path, *, device: str = "", slots: int = 2, cells: int = 0) -> None:
        """Load a model folder. `device`: as torch names it; empty picks CUDA where there is one. `cells`: tokens of all
        slots together, 0: as many as one sequence may have.

        CPU computes in float32 (bfloat16 is slow there, and float32 is what parity is checked against),
        a GPU in the type of the file. Raises UsageError where the folder is not a whole, supported model.
        """
        try:
            import torch
            from safetensors import SafetensorError
            from transformers import AutoModelForCausalLM, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise MissingDependency(
                f"{folder}: running a transformers model needs {error.name}",
                hint="pip install 'toolfinch[serve]'",
            ) from error

        _check(folder)
        if not sys.stderr.isatty():
            logging.disable_progress_bar()
        self._torch = torch
        try:
            self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            torch.empty(0, device=self._device)
        except (RuntimeError, AssertionError) as error:  # the second where torch was built without CUDA
            raise UsageError(f"device {device!r}: {_first_line(error)}") from error
        dtype = torch.float32 if self._device.type == "cpu" else "auto"
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any
            self._model, info = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype=dtype, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise UsageError(f"{folder}: cannot be loaded: {_first_line(error)}") from error
        if info["missing_keys"]:  # transformers would fill them with random numbers and go on
            missing = sorted(info["missing_keys"])
            raise UsageError(f"{folder}: {len(missing)} of the model's weights are missing: {missing[0]} ...")
        self._model.to(self._device).eval()
        # Renamed in transformers 5.24, which says so with every reply.
        takes = inspect.signature(self._model.forward).parameters
        self._cache = "cache" if "cache" in takes else "past_key_values"

        config = self._model.config.get_text_config()
        self._context = int(config.max_position_embeddings)
        self._vocabulary = len(self._tokenizer)
        self._stop_ids = self._ends(config)
        self._cells = max(cells, self._context)
        self._caches: list[Any] = [None] * slots
        self._lock = threading.Lock()  # transformers sets the tokenizer's padding anew for each text
        size = sum(weight.numel() for weight in self._model.parameters())
        self._one_thread = self._device.type == "cpu" and size < _SMALL
        self._can_cut = self._plain()

    @property
    def context(self) -> int:
        return self._context

    @property
    def slots(self) -> int:
        return len(self._caches)

    @property
    def cells(self) -> int:
        return self._cells

    @property
    def can_cut(self) -> bool:
        return self._can_cut

    @property
    def stop_ids(self) -> frozenset[int]:
        return self._stop_ids

    @property
    def chat_template(self) -> str:
        template = self._tokenizer.chat_template
        if isinstance(template, dict):  # several named ones: the one for tools, as transformers itself picks
            template = template.get("tool_use") or template.get("default")
        return template or ""

    @property
    def bos_token(self) -> str:
        return self._tokenizer.bos_token or ""

    @property
    def eos_token(self) -> str:
        return self._tokenizer.eos_token or ""

    def encode(self, text: str) -> list[int]:
        with self._lock:
            return list(self._tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        with self._lock:
            text: str = self._tokenizer.decode(
                list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        return text

    @cached_property
    def lltokenizer(self) -> LLTokenizer:
        from llguidance.hf import from_tokenizer

        return from_tokenizer(self._tokenizer, eos_token=sorted(self._stop_ids))

    def forward(self, parts: Sequence[Part]) -> list[Logits | None]:
        return [self._read(part) for part in parts]

    def _read(self, part: Part) -> Logits | None:
        cache = self._caches[part.slot]
        self._caches[part.slot] = None  # until it is through, it is good for nothing
        with self._threads(), self._torch.inference_mode():
            out = self._model(
                input_ids=self._torch.tensor([list(part.ids)], device=self._device),
                use_cache=True,
                logits_to_keep=1,
                **{self._cache: cache},
            )
        self._caches[part.slot] = out[self._cache]
        if not part.wants_logits:
            return None
        # The embedding is often padded past the vocabulary; those rows are no tokens.
        logits: Logits = out.logits[0, -1, : self._vocabulary].float().cpu().numpy()
        return logits.astype(np.float32, copy=False)

    def copy(self, source: int, target: int, length: int) -> None:
        self._caches[target] = copy.deepcopy(self._caches[source])
        if self._can_cut:
            self.cut(target, length)

    def cut(self, slot: int, length: int) -> None:
        if length == 0:
            self._caches[slot] = None
            return
        surplus = self._caches[slot].get_seq_length() - length
        if surplus and not self._can_cut:
            raise ToolfinchError(f"this model's memory cannot be cut back to {length} tokens")
        if surplus:
            self._caches[slot].crop(-surplus)

    def dump(self, slot: int) -> bytes:
        """Raises ToolfinchError for a model that remembers otherwise than by plain attention."""
        from safetensors.torch import save

        if not self._can_cut:
            raise ToolfinchError("the state of this kind of model cannot be kept elsewhere")
        layers = enumerate(self._caches[slot].layers)
        state: bytes = save(
            {
                f"{i}.{part}": getattr(layer, part).contiguous()
                for i, layer in layers
                for part in ("keys", "values")
            }
        )
        return state

    def restore(self, slot: int, state: bytes, length: int) -> bool:
        from safetensors import SafetensorError
        from safetensors.torch import load
        from transformers import DynamicCache

        self.cut(slot, 0)
        cache = DynamicCache(config=self._model.config)
        try:
            parts = load(state)
            for i in range(len(parts) // 2):
                keys, values = (parts[f"{i}.{part}"].to(self._device) for part in ("keys", "values"))
                cache.update(keys, values, i)
        except (SafetensorError, KeyError):
            return False
        if not self._can_cut or cache.get_seq_length() != length:
            return False
        self._caches[slot] = cache
        return True

    @contextmanager
    def _threads(self) -> Iterator[None]:
        before = self._torch.get_num_threads()
        if not self._one_thread or before == 1:
            yield
            return
        self._torch.set_num_threads(1)
        try:
            yield
        finally:
            self._torch.set_num_threads(before)

    def _plain(self) -> bool:
        """Whether all layers remember by plain attention; known once something was read."""
        from transformers.cache_utils import DynamicLayer

        self._read(Part(0, [0], wants_logits=False))
        plain = all(type(layer) is DynamicLayer for layer in self._caches[0].layers)
        self._caches[0] = None
        return plain

    def _ends(self, config: Any) -> frozenset[int]:
        # The model's own word first: a config's class has a default, which may be any token of this one.
        given = self._model.generation_config.eos_token_id
        if given is None:
            given = config.eos_token_id
        ends = {given} if isinstance(given, int) else set(given or ())
        vocabulary = self._tokenizer.get_vocab()
        ends.update(vocabulary[text] for text in (self.eos_token, *END_OF_TURN) if text in vocabulary)
        return frozenset(ends)


def _check(folder: Path) -> None:
    """Raises UsageError for a folder that is not a whole transformers model."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    if not (folder / "config.json").exists():
        raise UsageError(f"{folder}: no config.json, so not a transformers model folder")
    if not any(folder.glob("*.safetensors")):
        raise UsageError(f"{folder}: no weights (*.safetensors)")
    if not (folder / "tokenizer.json").exists():
        raise UsageError(f"{folder}: no tokenizer.json")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
