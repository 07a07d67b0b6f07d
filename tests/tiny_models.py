"""Tiny random models and tokenizers on disk, in the shapes that the real families have.

`tiny_model(folder, "qwen3")` writes a transformers folder in well under a second. The weights are drawn wide
(standard deviation `spread` = 0.1, norms off their defaults), so that every tensor moves the logits: with the
usual 0.02 the logits are little but the embedding, and an export that shuffles a layer would go unseen.
`teach` then makes such a model say what it is told, in a few seconds, where random babble is not enough.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

Family = Literal["qwen3", "qwen3_5", "llama"]

_CASELESS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS = {
    "qwen2": _CASELESS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+" + _TAIL,
    "qwen35": _CASELESS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+" + _TAIL,
    "llama-bpe": _CASELESS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+" + _TAIL,
}
PRE_OF = {"qwen3": "qwen2", "qwen3_5": "qwen35", "llama": "llama-bpe"}

TEXT = [
    "Set an alarm for 7:30 tomorrow, please. I'll be in Paris; it's 18 degrees there.",
    '<tool_call>\n{"name": "set_alarm", "arguments": {"time": "07:30", "days": ["mon"]}}\n</tool_call>',
    "What's the weather like in São Paulo? We've 250 guests, they're coming at 12:45.\r\n\r\n  And then?",
    "You may call these tools, each in its own block, or answer in words. Naïve café, Ελλάδα, 東京, שלום.",
    "<tools>\n</tools> system user assistant tool name description parameters type object properties string",
]

TEMPLATE = """\
{%- if tools %}<|im_start|>system
Tools:
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{{ {"name": call.function.name, "arguments": call.function.arguments} | tojson }}
</tool_call>
{%- endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def tiny_tokenizer(pre: str = "qwen2", vocab: int = 480) -> Any:
    """A byte-level BPE `tokenizers.Tokenizer` of about `vocab` entries with the pre-tokenizer `pre`."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    tokenizer = Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    if pre.startswith("qwen"):
        tokenizer.normalizer = normalizers.NFC()
    if pre == "gpt-2":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(SPLITS[pre]), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab - 8, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    if pre == "llama-bpe":
        special.append("<|begin_of_text|>")
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ("<tool_call>", "</tool_call>")])
    if pre == "llama-bpe":
        bos = tokenizer.token_to_id("<|begin_of_text|>")
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", bos)]
        )
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: Path, template: str = TEMPLATE) -> Any:
    """Write it beside the model, with its chat template; the transformers tokenizer comes back."""
    from transformers import PreTrainedTokenizerFast

    has_bos = tokenizer.token_to_id("<|begin_of_text|>") is not None
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        **({"bos_token": "<|begin_of_text|>"} if has_bos else {}),
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    return fast


def tiny_model(
    folder: Path,
    family: Family = "qwen3",
    *,
    pre: str = "",
    template: str = TEMPLATE,
    dtype: str = "bfloat16",
    seed: int = 0,
    spread: float = 0.1,
    **config: Any,
) -> Path:
    """Write a random model of `family` and a tokenizer; `config` overrides the tiny configuration.

    The vocabulary of the model is padded past the tokenizer's, as real ones are. A qwen3_5 model has linear
    and full attention layers, more value heads than key heads, and unused `mtp.*` weights in its file.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer(pre or PRE_OF[family])
    fast = save_tokenizer(tokenizer, folder, template)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(
        tiny_config(family, (tokenizer.get_vocab_size() + 32) & ~31, **config)
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            centre = 1.0 if weight.abs().min() == weight.abs().max() == 1 else 0.0
            if name.endswith("A_log"):
                centre = -2.0  # a slow decay, so that what was said a while ago counts
            weight.copy_(centre + torch.randn(weight.shape) * spread)
    ends = [fast.eos_token_id, fast.pad_token_id]
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=fast.pad_token_id)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    if family == "qwen3_5":
        _add_mtp(folder)
    return folder


def tiny_config(family: Family, vocab_size: int, **overrides: Any) -> Any:
    """The transformers config of a tiny model."""
    from transformers import LlamaConfig, Qwen3Config
    from transformers.models.qwen3_5.configuration_qwen3_5 import Qwen3_5TextConfig

    shape: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": True,
    }
    if family == "qwen3":
        return Qwen3Config(**{**shape, **overrides})
    if family == "llama":
        return LlamaConfig(**{**shape, "tie_word_embeddings": False, **overrides})
    linear = {
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 32,
        "linear_value_head_dim": 32,
        "head_dim": 64,
        "mtp_num_hidden_layers": 1,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000_000.0,
            "partial_rotary_factor": 0.25,
            "mrope_section": [3, 3, 2],
        },
    }
    return Qwen3_5TextConfig(**{**shape, **linear, **overrides})


def _add_mtp(folder: Path) -> None:
    """Put multi-token-prediction weights into the file, as the published checkpoints have them."""
    import torch
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["mtp.fc.weight"] = torch.randn(8, 16).to(torch.bfloat16)
    tensors["mtp.layers.0.self_attn.q_proj.weight"] = torch.randn(8, 8).to(torch.bfloat16)
    save_file(tensors, path, metadata={"format": "pt"})


def with_vision(folder: Path, out: Path) -> Path:
    """The qwen3_5 model in `folder` as the vision-language checkpoint that it is published as."""
    import shutil

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.models.qwen3_5.configuration_qwen3_5 import Qwen3_5Config
    from transformers.models.qwen3_5.modeling_qwen3_5 import Qwen3_5ForConditionalGeneration

    shutil.copytree(folder, out, ignore=shutil.ignore_patterns("*.gguf"))
    text = AutoConfig.from_pretrained(folder)
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 4}
    vision |= {"out_hidden_size": text.hidden_size, "num_position_embeddings": 16}
    config = Qwen3_5Config(text_config=text.to_dict(), vision_config=vision, tie_word_embeddings=True)
    model = Qwen3_5ForConditionalGeneration(config)
    inner = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.model.language_model.load_state_dict(inner.model.state_dict())
    model.tie_weights()
    model.to(torch.bfloat16).save_pretrained(out)
    return out


def tiny_opt(folder: Path) -> Path:
    """A random OPT with OPT-350m's oddities, as the files that it is published as.

    Embeddings narrower than the layers, norms after them, one token that begins and ends a text, no chat
    template, no tokenizer.json, and weights that are not safetensors.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import OPTConfig, OPTForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    learner.train_from_iterator(
        TEXT * 3,
        trainers.BpeTrainer(
            vocab_size=512,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    learner.model.save(str(folder))
    names = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    words = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "add_prefix_space": False, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    config = OPTConfig(
        vocab_size=512,
        hidden_size=64,
        word_embed_proj_dim=32,
        ffn_dim=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=2048,
        do_layer_norm_before=False,
        dropout=0.0,
    )
    torch.manual_seed(0)
    model = OPTForCausalLM(config).half()
    config.architectures = ["OPTForCausalLM"]
    config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


def teach(folder: Path, pairs: list[tuple[str, str]], *, steps: int = 60, rate: float = 2e-3) -> Path:
    """Train the model in `folder` until it continues each text of `pairs` with the other; saved in place."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    rows = []
    for prompt, completion in pairs:
        start, end = (tokenizer(t, add_special_tokens=False).input_ids for t in (prompt, completion))
        rows.append((start + end, [-100] * len(start) + end))
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([i + [tokenizer.pad_token_id] * (longest - len(i)) for i, _ in rows])
    labels = torch.tensor([label + [-100] * (longest - len(label)) for _, label in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    torch.manual_seed(0)
    for _ in range(steps):
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.05, f"taught to a loss of {loss.item():.3f}, which is not enough to rely on"
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


def corrupt_tensor(gguf_path: Path, name: str) -> None:
    """Overwrite one tensor of a GGUF file with zeros, leaving everything else as it is."""
    from gguf import GGUFReader

    tensor = next(t for t in GGUFReader(gguf_path).tensors if t.name == name)
    with gguf_path.open("r+b") as file:
        file.seek(int(tensor.data_offset))
        file.write(bytes(int(tensor.n_bytes)))


def read_config(folder: Path) -> dict[str, Any]:
    """The model's config.json."""
    out: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return out
