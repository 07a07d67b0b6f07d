"""Where each weight of a transformers checkpoint goes in a GGUF file, for llama, qwen3 and qwen3_5.

`layout(config, folder)` gives one `Layout`: the GGUF architecture, its hyperparameters, and a `Place` for
every tensor. A place is a name and a few invertible steps (reorder rows, add one, drop an axis), so that the
same table writes a file (`Place.store`) and reads it back (`Place.restore`). What llama.cpp expects was
taken from its loaders (`src/models/*.cpp`) and what transformers stores from `modeling_*.py`:

- llama: transformers rotates the two halves of a head, llama.cpp its even and odd rows: q and k interleave.
- qwen3_5: RMSNorm weights are stored as an offset from one (the gated norm's are not); `A_log` becomes
  `-exp(A_log)`; value heads go from grouped by key head to tiled over key heads
  (ggml-org/llama.cpp#19468); llama.cpp knows one linear head size, so key and value heads must share it.
  Multi-token-prediction (`mtp.*`) and vision weights are left out, and no count of them is written.

Left out: mixtures of experts, biases, sliding windows, RoPE scaling other than Llama 3's. Those are refused,
naming what is unknown; a llama.cpp checkout's converter can do them (`--converter`).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from toolfinch.errors import UsageError

Array = npt.NDArray[Any]
CONVERTER_HINT = "convert it with a llama.cpp checkout: --converter PATH"
FAMILIES = ("llama", "qwen3", "qwen3_5")
# Weights of a checkpoint that a text GGUF does not hold.
DROPPED = ("mtp.", "model.mtp.", "model.visual.", "visual.")


class Place(msgspec.Struct, frozen=True):
    """One tensor: its name and shape in transformers, and what becomes of it in the GGUF file."""

    source: str
    name: str
    shape: tuple[int, ...]
    """In transformers."""
    rows: Array | None = None
    """Row i of the GGUF tensor is row `rows[i]` of the transformers one."""
    columns: Array | None = None
    value: Literal["same", "plus_one", "minus_exp"] = "same"
    drop_axis: int | None = None
    """An axis of length one that the GGUF tensor does not have."""
    exact: bool = False
    """Kept in float32 in every format: norms, per-head scalars, the convolution."""

    def store(self, tensor: Array) -> Array:
        """The GGUF tensor (float32) of a transformers tensor."""
        out = tensor.astype(np.float32, copy=False)
        if self.drop_axis is not None:
            out = np.squeeze(out, self.drop_axis)
        if self.rows is not None:
            out = out[self.rows]
        if self.columns is not None:
            out = out[:, self.columns]
        if self.value == "plus_one":
            out = out + np.float32(1)
        elif self.value == "minus_exp":
            out = -np.exp(out)
        return np.ascontiguousarray(out)

    def restore(self, tensor: Array) -> Array:
        """The transformers tensor (float32) of a GGUF tensor: the inverse of `store`."""
        out = tensor.astype(np.float32, copy=False)
        if self.value == "plus_one":
            out = out - np.float32(1)
        elif self.value == "minus_exp":
            out = np.log(-out)
        if self.columns is not None:
            out = out[:, np.argsort(self.columns)]
        if self.rows is not None:
            out = out[np.argsort(self.rows)]
        return np.ascontiguousarray(out.reshape(self.shape))


class Layout(msgspec.Struct, frozen=True):
    """A GGUF file's architecture, hyperparameters and tensors."""

    architecture: str
    keys: dict[str, Any]
    """Hyperparameters, without the `<architecture>.` prefix; values are int, float or list of int."""
    places: tuple[Place, ...]
    extra: dict[str, Array]
    """Tensors that transformers computes instead of storing them."""


def family(config: Any) -> str:
    """The model family of a transformers config, whole or of its text part."""
    name: str = config.model_type
    return name.removesuffix("_text")


def layout(config: Any, where: Path) -> Layout:
    """The layout of a transformers config; UsageError for one that this file does not know.

    `config` is what `AutoConfig.from_pretrained` gives; `where` names the model in errors.
    """
    kind = family(config)
    text = config.get_text_config()
    if kind not in FAMILIES:
        raise UsageError(
            f"{where}: no GGUF writer for the architecture {config.model_type!r} "
            f"(only {', '.join(FAMILIES)})",
            hint=CONVERTER_HINT,
        )
    if text.hidden_act != "silu":
        raise UsageError(f"{where}: hidden_act {text.hidden_act!r} is not silu", hint=CONVERTER_HINT)
    if getattr(text, "use_sliding_window", False):
        raise UsageError(f"{where}: sliding-window attention cannot be written", hint=CONVERTER_HINT)
    rope = text.rope_parameters
    scaled_rope = rope.get("rope_type", "default") != "default"
    if scaled_rope and not (kind == "llama" and rope["rope_type"] == "llama3"):
        raise UsageError(f"{where}: RoPE scaling {rope['rope_type']!r} is unknown", hint=CONVERTER_HINT)
    keys: dict[str, Any] = {
        "vocab_size": text.vocab_size,
        "block_count": text.num_hidden_layers,
        "context_length": text.max_position_embeddings,
        "embedding_length": text.hidden_size,
        "feed_forward_length": text.intermediate_size,
        "attention.head_count": text.num_attention_heads,
        "attention.head_count_kv": text.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": float(text.rms_norm_eps),
        "attention.key_length": text.head_dim,
        "attention.value_length": text.head_dim,
        "rope.freq_base": float(rope["rope_theta"]),
        "rope.dimension_count": text.head_dim,
    }
    if kind == "qwen3_5":
        keys |= _qwen35_keys(text, where)
    prefix = "model.language_model." if config is not text else "model."
    centred: dict[str, Any] = {"value": "plus_one"} if kind == "qwen3_5" else {}
    places = [
        Place(f"{prefix}embed_tokens.weight", "token_embd.weight", (text.vocab_size, text.hidden_size)),
        Place(f"{prefix}norm.weight", "output_norm.weight", (text.hidden_size,), exact=True, **centred),
    ]
    # The outer config speaks for a checkpoint that nests its text config.
    if not config.tie_word_embeddings:
        places.append(Place("lm_head.weight", "output.weight", (text.vocab_size, text.hidden_size)))
    for layer in range(text.num_hidden_layers):
        places += _block(text, kind, f"{prefix}layers.{layer}.", f"blk.{layer}.", layer)
    extra = {"rope_freqs.weight": _llama3_factors(rope, text.head_dim)} if scaled_rope else {}
    return Layout(kind.replace("_", ""), keys, tuple(places), extra)


def _block(text: Any, kind: str, source: str, name: str, layer: int) -> list[Place]:
    """The tensors of one decoder layer."""
    hidden, inner = text.hidden_size, text.intermediate_size
    centred: dict[str, Any] = {"value": "plus_one"} if kind == "qwen3_5" else {}
    after_attention = "post_attention_norm" if kind == "qwen3_5" else "ffn_norm"

    def place(theirs: str, ours: str, *shape: int, **how: Any) -> Place:
        return Place(f"{source}{theirs}.weight", f"{name}{ours}.weight", shape, **how)

    places = [
        place("input_layernorm", "attn_norm", hidden, exact=True, **centred),
        place("post_attention_layernorm", after_attention, hidden, exact=True, **centred),
        place("mlp.gate_proj", "ffn_gate", inner, hidden),
        place("mlp.up_proj", "ffn_up", inner, hidden),
        place("mlp.down_proj", "ffn_down", hidden, inner),
    ]
    if kind == "qwen3_5" and text.layer_types[layer] == "linear_attention":
        return places + _linear_attention(text, source, name)
    size, heads, kv_heads = text.head_dim, text.num_attention_heads, text.num_key_value_heads
    q_rows = k_rows = None
    if kind == "llama":
        q_rows, k_rows = _interleave(heads, size), _interleave(kv_heads, size)
    gated = 2 if kind == "qwen3_5" else 1  # each head's query is followed by its output gate
    places += [
        place("self_attn.q_proj", "attn_q", heads * size * gated, hidden, rows=q_rows),
        place("self_attn.k_proj", "attn_k", kv_heads * size, hidden, rows=k_rows),
        place("self_attn.v_proj", "attn_v", kv_heads * size, hidden),
        place("self_attn.o_proj", "attn_output", hidden, heads * size),
    ]
    if kind != "llama":
        places += [
            place("self_attn.q_norm", "attn_q_norm", size, exact=True, **centred),
            place("self_attn.k_norm", "attn_k_norm", size, exact=True, **centred),
        ]
    return places


def _linear_attention(text: Any, source: str, name: str) -> list[Place]:
    """The Gated DeltaNet tensors of a qwen3_5 layer."""
    hidden, size = text.hidden_size, text.linear_key_head_dim
    keys, values = text.linear_num_key_heads, text.linear_num_value_heads
    key_rows = 2 * keys * size  # q and k lie before v
    all_rows = key_rows + values * size
    per_row, per_head = _tile(keys, values, size), _tile(keys, values, 1)
    qkv = np.concatenate([np.arange(key_rows), key_rows + per_row])
    kernel = text.linear_conv_kernel_dim
    at = f"{source}linear_attn."
    return [
        Place(f"{at}in_proj_qkv.weight", f"{name}attn_qkv.weight", (all_rows, hidden), qkv),
        Place(f"{at}in_proj_z.weight", f"{name}attn_gate.weight", (values * size, hidden), per_row),
        Place(f"{at}in_proj_a.weight", f"{name}ssm_alpha.weight", (values, hidden), per_head),
        Place(f"{at}in_proj_b.weight", f"{name}ssm_beta.weight", (values, hidden), per_head),
        Place(f"{at}out_proj.weight", f"{name}ssm_out.weight", (hidden, values * size), None, per_row),
        Place(
            f"{at}conv1d.weight",
            f"{name}ssm_conv1d.weight",
            (all_rows, 1, kernel),
            qkv,
            drop_axis=1,
            exact=True,
        ),
        Place(f"{at}A_log", f"{name}ssm_a", (values,), per_head, value="minus_exp", exact=True),
        Place(f"{at}dt_bias", f"{name}ssm_dt.bias", (values,), per_head, exact=True),
        Place(f"{at}norm.weight", f"{name}ssm_norm.weight", (size,), exact=True),
    ]


def _qwen35_keys(text: Any, where: Path) -> dict[str, Any]:
    """Hyperparameters of the hybrid, checked against what llama.cpp can load."""
    if text.linear_key_head_dim != text.linear_value_head_dim:
        raise UsageError(
            f"{where}: linear_key_head_dim {text.linear_key_head_dim} and linear_value_head_dim "
            f"{text.linear_value_head_dim} differ; llama.cpp knows one size for both"
        )
    full = [i for i, kind in enumerate(text.layer_types) if kind == "full_attention"]
    interval = full[0] + 1 if full else text.num_hidden_layers + 1
    if full != list(range(interval - 1, text.num_hidden_layers, interval)):
        raise UsageError(f"{where}: full attention is not on every {interval}th layer: {text.layer_types}")
    rope = text.rope_parameters
    sections = list(rope.get("mrope_section", (11, 11, 10)))
    return {
        "rope.dimension_count": int(text.head_dim * rope.get("partial_rotary_factor", 1.0)),
        "rope.dimension_sections": sections + [0] * (4 - len(sections)),
        "ssm.conv_kernel": text.linear_conv_kernel_dim,
        "ssm.state_size": text.linear_key_head_dim,
        "ssm.group_count": text.linear_num_key_heads,
        "ssm.time_step_rank": text.linear_num_value_heads,
        "ssm.inner_size": text.linear_value_head_dim * text.linear_num_value_heads,
        "full_attention_interval": interval,
    }


def _interleave(heads: int, size: int) -> Array:
    """Row order that puts row j of a head's second half behind row j of its first half."""
    return np.arange(heads * size).reshape(heads, 2, size // 2).swapaxes(1, 2).reshape(-1)


def _tile(keys: int, values: int, size: int) -> Array:
    """Row order from value heads grouped by key head (k0 k0 k1 k1) to tiled over them (k0 k1 k0 k1)."""
    return np.arange(values * size).reshape(keys, values // keys, size).swapaxes(0, 1).reshape(-1)


def _llama3_factors(rope: dict[str, Any], head_dim: int) -> Array:
    """Divisors of the rotary frequencies (transformers' `_compute_llama3_parameters`, as factors)."""
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    original = rope["original_max_position_embeddings"]
    factors = []
    for i in range(0, head_dim, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (i / head_dim)
        smooth = min(max((original / wavelength - low) / (high - low), 0.0), 1.0)
        factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, dtype=np.float32)
