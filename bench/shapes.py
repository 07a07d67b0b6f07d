"""Models of true shape and random weights, for the benchmarks whose figures do not depend on what a model knows.

    python bench/shapes.py OUT --models LLAMA_CPP/models [qwen3-0.6b] [qwen3.5-4b]

Writes OUT/qwen3-0.6b-q4_k_m.gguf (0.4 GB, read by `hermes`) and OUT/qwen3.5-4b-q4_k_m.gguf (2.6 GB, `qwen_xml`), by the
project's own export; those that are there are left as they are. `--models` is the `models` folder of a llama.cpp checkout, which
the source distribution of llama-cpp-python has in vendor/llama.cpp (`pip download --no-deps --no-binary
llama-cpp-python llama-cpp-python==0.3.36`): it has Qwen's vocabulary without weights, and the chat templates.

The vocabulary is Qwen2's, to which Qwen3 added a few tokens that are added here. Of Qwen3.5's 248,320 entries the
last 96,000 are unused here, so its calls have a few more tokens than they would have. Up to 20 GB of disk and 4 GB of
memory while the larger one is made.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from toolfinch.export.gguf import load_config, read_vocab, write_gguf
from toolfinch.export.layout import Place, layout
from toolfinch.export.quantize import quantize
from toolfinch.export.vocab import CONTROL, UNUSED, USER_DEFINED, Vocab, rebuild

SPREAD = 0.02
SHARD = 256 * 1024**2
"""Weights of one safetensors file, or one tensor where that has more."""

# Behind <|im_end|>, in the order of their ids; the first eleven are special.
ADDED = (
    "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>",
    "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
    "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>",
)  # fmt: skip
FIRST_ADDED = 151_646


def qwen3() -> Any:
    """The configuration of Qwen/Qwen3-0.6B."""
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=151_936,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40_960,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        tie_word_embeddings=True,
    )


def qwen35() -> Any:
    """The text part of Qwen/Qwen3.5-4B."""
    from transformers.models.qwen3_5.configuration_qwen3_5 import Qwen3_5TextConfig

    return Qwen3_5TextConfig(
        vocab_size=248_320,
        hidden_size=2560,
        intermediate_size=9216,
        num_hidden_layers=32,
        num_attention_heads=16,
        num_key_value_heads=4,
        head_dim=256,
        linear_num_key_heads=16,
        linear_num_value_heads=32,
        linear_key_head_dim=128,
        linear_value_head_dim=128,
        max_position_embeddings=262_144,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10_000_000.0,
            "partial_rotary_factor": 0.25,
            "mrope_section": [11, 11, 10],
        },
        tie_word_embeddings=True,
    )


SHAPES = {
    "qwen3-0.6b": (qwen3, "ggml-vocab-qwen2.gguf", "Qwen-Qwen3-0.6B.jinja", "hermes"),
    "qwen3.5-4b": (qwen35, "ggml-vocab-qwen35.gguf", "Qwen3.5-4B.jinja", "qwen_xml"),
}
"""Configuration, vocabulary, chat template, dialect."""


def with_added(found: Vocab) -> Vocab:
    """Qwen3's vocabulary out of Qwen2's, whose free entries stand as user-defined in that file."""
    tokens, types = list(found.tokens), list(found.types)
    for i, token in enumerate(tokens):
        if token.startswith("[PAD"):
            types[i] = UNUSED
    for i, token in enumerate(ADDED, FIRST_ADDED):
        tokens[i], types[i] = token, CONTROL if i < FIRST_ADDED + 11 else USER_DEFINED
    return msgspec.structs.replace(found, tokens=tokens, types=types)


def save_tokenizer(source: Path, template: str, folder: Path) -> None:
    from tokenizers import normalizers
    from transformers import GenerationConfig, PreTrainedTokenizerFast

    words = with_added(read_vocab(source))
    tokenizer = rebuild(words)
    tokenizer.normalizer = normalizers.NFC()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    ends = [fast.eos_token_id, fast.pad_token_id]
    GenerationConfig(eos_token_id=ends).save_pretrained(folder)


def drawn(place: Place, random: np.random.Generator) -> Any:
    """A tensor as a fresh model may have it, in bfloat16."""
    import torch

    centre = 0.0
    if place.source.endswith("norm.weight") and place.value == "same":
        centre = 1.0
    elif place.source.endswith("A_log"):
        centre = -2.0  # a slow decay
    values = random.standard_normal(place.shape, np.float32)
    return torch.from_numpy(values).mul_(SPREAD).add_(centre).to(torch.bfloat16)


def shards(places: tuple[Place, ...]) -> Iterator[list[Place]]:
    out: list[Place] = []
    size = 0
    for place in places:
        more = int(np.prod(place.shape)) * 2
        if out and size + more > SHARD:
            yield out
            out, size = [], 0
        out.append(place)
        size += more
    yield out


def make(name: str, path: Path, models: Path) -> None:
    """Write one of SHAPES to `path`."""
    from safetensors.torch import save_file

    config_of, vocabulary, template, dialect = SHAPES[name]
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{name}-") as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        config_of().save_pretrained(folder)
        save_tokenizer(models / vocabulary, (models / "templates" / template).read_text(), folder)
        for number, places in enumerate(shards(layout(load_config(folder), folder).places)):
            weights = {place.source: drawn(place, random) for place in places}
            save_file(weights, folder / f"model-{number:03}.safetensors", metadata={"format": "pt"})
        whole = Path(scratch) / "bf16.gguf"
        write_gguf(folder, whole, "bf16", dialect=dialect, name=name)
        shutil.rmtree(folder)
        quantize(whole, Path(scratch) / path.name, "q4_k_m")
        (Path(scratch) / path.name).rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help="default: all")
    parser.add_argument("--models", type=Path, required=True, help="llama.cpp's `models` folder")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.names or SHAPES:
        path = asked.out / f"{name}-q4_k_m.gguf"
        if not path.exists():
            make(name, path, asked.models)
        print(f"{path}: {path.stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
