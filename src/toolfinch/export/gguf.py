"""Write a transformers folder as one GGUF file, and read such a file back.

`write_gguf(folder, path, "q8_0")` streams one tensor at a time through the numpy quantizers of the `gguf`
package, so f32, f16, bf16 and Q8_0 need no compiler (K-quants: `quantize.py`). Which tensor goes where is in
`layout.py`, the tokenizer in `vocab.py`. `restore` does the reverse: a transformers folder made of what the
GGUF file holds, which is how a file is checked where llama.cpp is not installed.

Architectures beyond `layout.FAMILIES` go through a llama.cpp checkout's own converter: `convert_with`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from toolfinch.artifact import DIALECT_KEY, NORMALIZER_KEY
from toolfinch.errors import MissingDependency, ToolfinchError, UsageError
from toolfinch.export.layout import DROPPED, Array, Layout, layout
from toolfinch.export.vocab import Vocab, rebuild, vocab

# Format -> (gguf.GGMLQuantizationType, llama.cpp's file type number).
WRITTEN = {"f32": ("F32", 0), "f16": ("F16", 1), "bf16": ("BF16", 32), "q8_0": ("Q8_0", 7)}
QUANTIZATION_VERSION = 2  # GGML_QNT_VERSION


class Written(msgspec.Struct, frozen=True):
    """What is in a GGUF file."""

    architecture: str
    types: dict[str, int]
    """Number of tensors by GGML type; a row that a type cannot hold is kept in bf16, and shows here."""


def write_gguf(folder: Path, path: Path, kind: str, *, dialect: str, name: str) -> Written:
    """Write the model in `folder` to `path` as `kind` (a key of WRITTEN).

    UsageError, naming what is unknown, for an architecture or tokenizer that cannot be written, and for a
    checkpoint that lacks a weight or has one too many. The caller gives a temporary `path` and renames it.
    """
    gguf = _import_gguf()
    if kind not in WRITTEN:
        raise UsageError(f"format {kind!r}: expected one of {', '.join(WRITTEN)}")
    config = load_config(folder)
    plan = layout(config, folder)
    words = vocab(folder, plan.keys["vocab_size"])
    type_name, file_type = WRITTEN[kind]
    wanted = gguf.GGMLQuantizationType[type_name]
    writer = gguf.GGUFWriter(path, plan.architecture)
    writer.add_string(DIALECT_KEY, dialect)
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(file_type)
    writer.add_quantization_version(QUANTIZATION_VERSION)
    _add_keys(writer, plan)
    _add_vocab(writer, words)

    source = Checkpoint(folder)
    source.expect(plan)
    chosen = []
    for place in plan.places:
        stored = tuple(n for axis, n in enumerate(place.shape) if axis != place.drop_axis)
        kind_of = gguf.GGMLQuantizationType.F32 if place.exact else _fits(wanted, stored)
        chosen.append((place, stored, kind_of))
    for tensor_name, tensor in plan.extra.items():
        writer.add_tensor_info(tensor_name, tensor.shape, tensor.dtype, tensor.nbytes)
    for place, stored, kind_of in chosen:
        in_bytes = gguf.quant_shape_to_byte_shape(stored, kind_of)
        size = int(np.prod(in_bytes, dtype=np.int64))
        writer.add_tensor_info(place.name, in_bytes, np.dtype(np.uint8), size, raw_dtype=kind_of)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in plan.extra.values():
            writer.write_tensor_data(tensor)
        for place, _, kind_of in chosen:
            data = gguf.quants.quantize(place.store(source.read(place.source)), kind_of)
            writer.write_tensor_data(data.view(np.uint8))
    finally:
        writer.close()
    types = Counter(kind_of.name for *_, kind_of in chosen)
    types["F32"] += len(plan.extra)
    return Written(plan.architecture, dict(types))


def _fits(wanted: Any, shape: tuple[int, ...]) -> Any:
    """`wanted`, or BF16 where the rows are no multiple of its block."""
    gguf = _import_gguf()
    block, _ = gguf.GGML_QUANT_SIZES[wanted]
    return wanted if shape[-1] % block == 0 else gguf.GGMLQuantizationType.BF16


def _add_keys(writer: Any, plan: Layout) -> None:
    for key, value in plan.keys.items():
        full = f"{plan.architecture}.{key}"
        if isinstance(value, list):
            writer.add_array(full, value)
        elif isinstance(value, float):
            writer.add_float32(full, value)
        else:
            writer.add_uint32(full, value)


def _add_vocab(writer: Any, words: Vocab) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words.pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.types)
    writer.add_token_merges(words.merges)
    for key, token_id in words.special.items():
        writer.add_uint32(f"tokenizer.ggml.{key}_token_id", token_id)
    writer.add_add_bos_token(words.add_bos)
    writer.add_chat_template(words.chat_template)
    if words.nfc:
        writer.add_string(NORMALIZER_KEY, "NFC")


class Checkpoint:
    """The safetensors of a transformers folder, read one tensor at a time."""

    def __init__(self, folder: Path) -> None:
        try:
            from safetensors import safe_open
        except ImportError as error:
            raise _missing("safetensors") from error
        paths = sorted(folder.glob("*.safetensors"))
        if not paths:
            raise UsageError(f"{folder}: no *.safetensors in it")
        self.folder = folder
        self._files: list[Any] = [safe_open(path, framework="pt") for path in paths]
        self._where = {name: file for file in self._files for name in file.keys()}  # noqa: SIM118

    def expect(self, plan: Layout) -> None:
        """UsageError unless it holds the plan's tensors in their shapes, and nothing that is not known."""
        for place in plan.places:
            if place.source not in self._where:
                raise UsageError(f"{self.folder}: tensor {place.source} is missing")
            shape = tuple(self._where[place.source].get_slice(place.source).get_shape())
            if shape != place.shape:
                raise UsageError(f"{self.folder}: tensor {place.source} is {shape}, expected {place.shape}")
        # A tied checkpoint may repeat its embedding as lm_head.
        known = {place.source for place in plan.places} | {"lm_head.weight"}
        for name in self._where:
            if name not in known and not name.startswith(DROPPED):
                raise UsageError(f"{self.folder}: tensor {name} has no place in a {plan.architecture} GGUF")

    def read(self, name: str) -> Array:
        """One tensor in float32."""
        out: Array = self._where[name].get_tensor(name).float().numpy()
        return out


def load_config(folder: Path) -> Any:
    """The transformers config of a folder."""
    try:
        from transformers import AutoConfig
    except ImportError as error:
        raise _missing("transformers") from error
    if not (folder / "config.json").is_file():
        is_adapter = (folder / "adapter_config.json").is_file()
        hint = "it is an adapter: merge it into its base first" if is_adapter else ""
        raise UsageError(f"{folder}: no config.json in it; expected a transformers model folder", hint=hint)
    model_type = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except ValueError as error:
        raise UsageError(f"{folder}: transformers does not know the architecture {model_type!r}") from error


def read_tensors(path: Path) -> Iterator[tuple[str, str, Array]]:
    """(name, GGML type, values in float32 with transformers' axis order) for every tensor of a GGUF file."""
    gguf = _import_gguf()
    for tensor in gguf.GGUFReader(path).tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        yield tensor.name, tensor.tensor_type.name, values.reshape(tuple(map(int, reversed(tensor.shape))))


def read_vocab(path: Path) -> Vocab:
    """The tokenizer that a GGUF file holds."""
    fields = _import_gguf().GGUFReader(path).fields

    def value(key: str, default: Any = None) -> Any:
        return fields[key].contents() if key in fields else default

    names = ("bos", "eos", "padding", "eot", "eom")
    special = {name: value(f"tokenizer.ggml.{name}_token_id") for name in names}
    return Vocab(
        pre=value("tokenizer.ggml.pre"),
        tokens=value("tokenizer.ggml.tokens"),
        types=value("tokenizer.ggml.token_type"),
        merges=value("tokenizer.ggml.merges"),
        special={name: token_id for name, token_id in special.items() if token_id is not None},
        add_bos=bool(value("tokenizer.ggml.add_bos_token", False)),
        chat_template=value("tokenizer.chat_template", ""),
        nfc=value(NORMALIZER_KEY) == "NFC",
    )


def restore(path: Path, folder: Path, out: Path) -> None:
    """Write a transformers folder `out` of what a GGUF file holds: weights (float32), tokenizer, template.

    Only `config.json` comes from `folder`. ToolfinchError when the file lacks a tensor or has one too many.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import GenerationConfig, PreTrainedTokenizerFast

    plan = layout(load_config(folder), folder)
    stored = {name: values for name, _, values in read_tensors(path)}
    wanted = {place.name for place in plan.places} | set(plan.extra)
    if stored.keys() != wanted:
        raise ToolfinchError(f"{path}: tensors differ from the model's: {sorted(stored.keys() ^ wanted)[:3]}")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy2(folder / "config.json", out / "config.json")
    weights = {p.source: torch.from_numpy(p.restore(stored[p.name]).copy()) for p in plan.places}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    words = read_vocab(path)
    texts = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=rebuild(words),
        clean_up_tokenization_spaces=False,
        **{name: words.tokens[words.special[key]] for name, key in texts.items() if key in words.special},
    )
    tokenizer.chat_template = words.chat_template
    tokenizer.save_pretrained(out)
    ends = [words.special[key] for key in ("eos", "eot", "eom") if key in words.special]
    GenerationConfig(eos_token_id=ends).save_pretrained(out)


def convert_with(converter: Path, folder: Path, path: Path, kind: str) -> None:
    """Run a llama.cpp checkout's `convert_hf_to_gguf.py` on a model, for architectures we do not write.

    `converter` is the script or the checkout. ToolfinchError with its last line when it fails.
    """
    script = converter / "convert_hf_to_gguf.py" if converter.is_dir() else converter
    if not script.is_file():
        raise UsageError(f"{script}: no such converter; --converter takes a llama.cpp checkout")
    command = [sys.executable, str(script), str(folder), "--outfile", str(path), "--outtype", kind]
    if load_config(folder).model_type.startswith("qwen3_5"):
        command.append("--no-mtp")  # transformers saves no mtp weights but keeps their count
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not path.is_file():
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise ToolfinchError(f"{script}: failed on {folder}: {last}")


def _import_gguf() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise _missing("gguf") from error
    return gguf


def _missing(library: str) -> MissingDependency:
    return MissingDependency(f"exporting needs {library}", hint="pip install 'toolfinch[train,gguf]'")
