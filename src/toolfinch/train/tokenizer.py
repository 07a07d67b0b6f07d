"""Train the embedded base's tokenizer: byte-level BPE that copies well.

A small model fills an argument mostly by copying it from the conversation, so a word must have the same
tokens in ` Paris`, `"Paris` and `(Paris`. The vocabulary is therefore learned on words apart from the space
or mark before them; only the most frequent plain words also get a token with their space, as the last merges.
At run time the split is Qwen2's expression (digits one by one), which llama.cpp knows as `qwen2`.

Left out: normalisation other than NFC, and any language but the corpus's (bytes cover the rest).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<tool_call>",
    "</tool_call>",
    "<think>",
    "</think>",
)

# Qwen2's split (Qwen/Qwen2.5 tokenizer.json); llama.cpp implements the same one.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# The learning split: letters and digits share no token with what stands before them.
APART_SPLIT = r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|[\r\n]+|\s+"

SPACE = "Ġ"  # what byte-level BPE writes for a space


def train_tokenizer(texts: Iterable[str], vocab_size: int, spaced_words: int) -> Any:
    """A `tokenizers.Tokenizer` of `vocab_size` entries, `spaced_words` of them words with their space."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    words: Counter[str] = Counter()

    def counted() -> Iterable[str]:
        for text in texts:
            words.update(re.findall(r"(?<= )[a-z]{2,}\b", text))
            yield text

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.NFC()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(APART_SPLIT), "isolated"), byte_level]
    )
    learner.train_from_iterator(
        counted(),
        trainers.BpeTrainer(
            vocab_size=vocab_size - len(SPECIAL_TOKENS) - spaced_words,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return _assemble(learner, [w for w, _ in words.most_common()], vocab_size)


def _assemble(learner: Any, frequent: list[str], vocab_size: int) -> Any:
    """Add the spaced words as last merges, the run-time split, and the special tokens."""
    import json

    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    model = json.loads(learner.to_str())["model"]
    vocab: dict[str, int] = model["vocab"]
    merges = [tuple(m) for m in model["merges"]]
    room = vocab_size - len(SPECIAL_TOKENS) - len(vocab)
    for word in [w for w in frequent if w in vocab][:room]:
        vocab[SPACE + word] = len(vocab)
        merges.append((SPACE, word))
    out = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    out.normalizer = normalizers.NFC()
    out.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    out.decoder = decoders.ByteLevel()
    out.add_special_tokens(
        [AddedToken(t, special=t.startswith("<|"), normalized=False) for t in SPECIAL_TOKENS]
    )
    return out


def save_tokenizer(tokenizer: Any, folder: Path, chat_template: str, context: int) -> None:
    """Write it in the shape that `AutoTokenizer.from_pretrained` reads."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = chat_template
    fast.save_pretrained(folder)
