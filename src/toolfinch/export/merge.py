"""Merge a LoRA adapter (a PEFT folder) into its base: one transformers folder, as everything else wants it.

The sum is done in float32 and saved in bf16. Every tensor of the adapter must find its place: PEFT only warns
about those that do not, and a merge that changed nothing looks like one that worked. An adapter that was
trained on a vision-language Qwen3.5 is merged into the text model; vision weights are left out.

Left out: mixtures of experts, quantised bases, and adapters of other kinds than LoRA.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from toolfinch.errors import MissingDependency, UsageError

DTYPES = ("bfloat16", "float16", "float32")


def merge(adapter: Path, out: Path, *, base: Path | None = None, dtype: str = "bfloat16") -> Path:
    """Write `adapter` merged into its base to the new folder `out`, and return it.

    `base` is needed where adapter_config.json names a model that is no folder on this disk. The tokenizer and
    chat template are the adapter's where it has them, else the base's. UsageError, naming the file, for an
    adapter that does not fit; `out` is written whole or not at all.
    """
    try:
        import torch
        from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
        from safetensors.torch import load_file
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    except ImportError as error:
        hint = "pip install 'toolfinch[train]'"
        raise MissingDependency(f"merging needs {error.name}", hint=hint) from error
    if dtype not in DTYPES:
        raise UsageError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
    if out.exists():
        raise UsageError(f"{out}: already there; merge into a new folder")
    config = _adapter_config(adapter)
    base = base or Path(config["base_model_name_or_path"])
    if not (base / "config.json").is_file():
        raise UsageError(f"{base}: the adapter's base model is not on disk", hint="give its folder: --base")

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, local_files_only=True)
    weights = {
        _text_only(key): value for key, value in load_file(adapter / "adapter_model.safetensors").items()
    }
    _refuse_untied(model, weights, adapter)
    wrapped = get_peft_model(model, LoraConfig.from_pretrained(adapter))
    places = {key: value.shape for key, value in get_peft_model_state_dict(wrapped).items()}
    shapes = {key: value.shape for key, value in weights.items()}
    if odd := sorted(key for key in places.keys() | shapes if places.get(key) != shapes.get(key)):
        raise UsageError(
            f"{adapter}: does not fit {base}: {odd[0]} is {_size(shapes, odd[0])}, "
            f"expected {_size(places, odd[0])}"
        )
    set_peft_model_state_dict(wrapped, weights)
    merged = wrapped.merge_and_unload(safe_merge=True).to(getattr(torch, dtype))
    if (base / "generation_config.json").is_file():
        merged.generation_config = GenerationConfig.from_pretrained(base, local_files_only=True)
    words = adapter if (adapter / "tokenizer.json").is_file() else base
    tokenizer = AutoTokenizer.from_pretrained(words, local_files_only=True)
    if len(tokenizer) > merged.get_input_embeddings().num_embeddings:
        raise UsageError(f"{words}: {len(tokenizer)} tokens, more than the model has embeddings for")

    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        merged.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return out


def _adapter_config(adapter: Path) -> dict[str, Any]:
    path = adapter / "adapter_config.json"
    if not path.is_file():
        raise UsageError(f"{path}: missing; expected a PEFT adapter folder")
    if not (adapter / "adapter_model.safetensors").is_file():
        raise UsageError(f"{adapter / 'adapter_model.safetensors'}: missing")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if config.get("peft_type") != "LORA":
        raise UsageError(f"{path}: peft_type {config.get('peft_type')!r} is not LORA")
    return config


def _text_only(key: str) -> str:
    """An adapter's key as the text model has it, where it was trained inside a vision-language one."""
    return re.sub(r"\bmodel\.language_model\.", "model.", key)


def _size(shapes: dict[str, Any], key: str) -> str:
    return str(tuple(shapes[key])) if key in shapes else "not there"


def _refuse_untied(model: Any, weights: dict[str, Any], adapter: Path) -> None:
    """UsageError where the adapter would tear tied embeddings apart: one half would be lost on saving."""
    touched = [key for key in weights if "lm_head" in key or "embed_tokens" in key]
    if model.config.get_text_config().tie_word_embeddings and touched:
        raise UsageError(f"{adapter}: changes {touched[0]}, which is tied in the base; it cannot be merged")
