"""The tokenizer in a GGUF file: from tokenizer.json to `tokenizer.ggml.*`, and back for the parity check.

llama.cpp knows a byte-level BPE tokenizer by its tokens, their types, its merges, and the *name* of its
pre-tokenizer, whose regular expression is compiled in. So the expression in tokenizer.json is recognised
here, and one that is not known is refused: a wrong split gives a model that runs and reads nonsense.

llama.cpp does not normalise. A tokenizer with NFC (Qwen's) therefore agrees with it on NFC text only; whoever
calls llama.cpp normalises first, and `toolfinch.normalizer` in the file says so.

Left out: SentencePiece, WordPiece, any other normaliser.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.errors import MissingDependency, UsageError

_CASELESS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# llama.cpp src/llama-vocab.cpp, "original regex from tokenizer.json".
SPLITS = {
    "qwen2": _CASELESS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+" + _TAIL,
    "qwen35": _CASELESS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+" + _TAIL,
    "llama-bpe": _CASELESS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+" + _TAIL,
}
# gguf.TokenType
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5


class Vocab(msgspec.Struct, frozen=True):
    """What a GGUF file holds of a tokenizer."""

    pre: str
    tokens: list[str]
    types: list[int]
    merges: list[str]
    special: dict[str, int]
    """Token ids by GGUF key: bos, eos, padding, eot, eom; only those that exist."""
    add_bos: bool
    chat_template: str
    nfc: bool
    """The tokenizer normalises to NFC, which llama.cpp does not."""


def vocab(folder: Path, size: int) -> Vocab:
    """Read a transformers folder's tokenizer; `size` is the model's vocabulary, padded with unused tokens.

    Raises UsageError, naming the file and the part, for a tokenizer that llama.cpp would read differently.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UsageError(f"{path}: missing; only tokenizers with a tokenizer.json can be written")
    raw = json.loads(path.read_text(encoding="utf-8"))
    model = raw["model"]
    if model.get("type") != "BPE" or model.get("byte_fallback") or model.get("continuing_subword_prefix"):
        raise UsageError(f"{path}: model {model.get('type')!r} is not a byte-level BPE")
    pre = pre_tokenizer(raw, path)
    by_id = {i: (token, NORMAL) for token, i in model["vocab"].items()}
    for added in raw.get("added_tokens", ()):
        if added["lstrip"] or added["rstrip"] or added["single_word"]:
            raise UsageError(
                f"{path}: token {added['content']!r} strips its surroundings; llama.cpp does not"
            )
        by_id[added["id"]] = (added["content"], CONTROL if added["special"] else USER_DEFINED)
    if max(by_id) >= size:
        raise UsageError(f"{path}: token id {max(by_id)} is past the model's vocabulary of {size}")
    entries = [by_id.get(i, (f"[PAD{i}]", UNUSED)) for i in range(size)]
    return Vocab(
        pre=pre,
        tokens=[token for token, _ in entries],
        types=[kind for _, kind in entries],
        merges=[m if isinstance(m, str) else " ".join(m) for m in model["merges"]],
        special=_special(folder, {token: i for i, (token, _) in by_id.items()}),
        add_bos=_adds_bos(folder),
        chat_template=chat_template(folder),
        nfc=raw.get("normalizer") is not None,
    )


def pre_tokenizer(raw: dict[str, Any], where: Path) -> str:
    """llama.cpp's name for a tokenizer.json's pre-tokenizer; UsageError for one that it does not know."""
    if raw.get("normalizer") not in (None, {"type": "NFC"}):
        raise UsageError(f"{where}: normalizer {raw['normalizer']} is not one that llama.cpp can do without")
    found = raw.get("pre_tokenizer") or {}
    steps = found.get("pretokenizers", [found])
    last = steps[-1]
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space"):
        raise UsageError(f"{where}: pre-tokenizer {found.get('type')!r} is not byte-level")
    if len(steps) == 1 and last.get("use_regex", True):
        name = "gpt-2"
    else:
        split = steps[0] if len(steps) == 2 and not last.get("use_regex", True) else {}
        regex = split.get("pattern", {}).get("Regex")
        isolated = split.get("behavior") == "Isolated" and not split.get("invert")
        known = [name for name, expression in SPLITS.items() if expression == regex and isolated]
        if not known:
            raise UsageError(
                f"{where}: unknown pre-tokenizer {regex or [step.get('type') for step in steps]!r}; "
                f"known: {', '.join(['gpt-2', *SPLITS])}"
            )
        name = known[0]
    # llama.cpp looks a whole word up before merging for llama-bpe, and only for it.
    if bool(raw["model"].get("ignore_merges")) != (name == "llama-bpe"):
        raise UsageError(f"{where}: pre-tokenizer {name} with ignore_merges={name != 'llama-bpe'}")
    return name


def _special(folder: Path, ids: dict[str, int]) -> dict[str, int]:
    """The special ids; every end token of generation_config.json is written, since each must stop a reply."""
    config = _json(folder / "tokenizer_config.json")
    out = {}
    for key, name in (("bos", "bos_token"), ("eos", "eos_token"), ("padding", "pad_token")):
        token = config.get(name)
        text = token.get("content") if isinstance(token, dict) else token
        if text is not None:
            if text not in ids:
                raise UsageError(
                    f"{folder / 'tokenizer_config.json'}: {name} {text!r} is not in the vocabulary"
                )
            out[key] = ids[text]
    if "eos" not in out:
        raise UsageError(f"{folder / 'tokenizer_config.json'}: no eos_token; a reply would never end")
    ends = _json(folder / "generation_config.json").get("eos_token_id") or []
    others = [i for i in (ends if isinstance(ends, list) else [ends]) if i != out["eos"]]
    if len(others) > 2:
        raise UsageError(f"{folder / 'generation_config.json'}: more end tokens than a GGUF file can name")
    return out | dict(zip(("eot", "eom"), others, strict=False))


def _adds_bos(folder: Path) -> bool:
    """Whether encoding puts the bos token first; asked of the tokenizer itself."""
    tokenizer = _transformers_tokenizer(folder)
    ids = tokenizer("a").input_ids
    return tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id


def chat_template(folder: Path) -> str:
    """The chat template of a transformers folder; UsageError where there is none, or more than one."""
    template = _transformers_tokenizer(folder).chat_template
    if not isinstance(template, str):
        raise UsageError(f"{folder}: the tokenizer has no chat template (or more than one)")
    return template


def _transformers_tokenizer(folder: Path) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingDependency(
            "exporting needs transformers", hint="pip install 'toolfinch[train]'"
        ) from error
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    out: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return out


def rebuild(stored: Vocab) -> Any:
    """A `tokenizers.Tokenizer` from what a GGUF file holds, nothing else; the parity check reads with it."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    ids = {t: i for i, (t, k) in enumerate(zip(stored.tokens, stored.types, strict=True)) if k != UNUSED}
    merges = [(a, b) for a, _, b in (m.partition(" ") for m in stored.merges)]
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=stored.pre == "llama-bpe"))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=stored.pre == "gpt-2")
    steps = [] if stored.pre == "gpt-2" else [pre_tokenizers.Split(Regex(SPLITS[stored.pre]), "isolated")]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    added = [
        AddedToken(token, special=kind == CONTROL, normalized=False)
        for token, kind in zip(stored.tokens, stored.types, strict=True)
        if kind in (CONTROL, USER_DEFINED)
    ]
    tokenizer.add_tokens(added)
    return tokenizer
