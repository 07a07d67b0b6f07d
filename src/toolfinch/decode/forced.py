"""Tokens that come next whatever the model says, as the model's own tokenizer writes them.

The grammar says which text must follow. Its tokens are not yet certain at its end: a token of the vocabulary may go beyond it, and the
tokenizer would write that one where what comes later fits ("Reg", "gae" but "Reg", "ga", "eton"). So for each token by which the
grammar could go beyond, the tokenizer is asked what it writes; certain is what it writes in all cases. llguidance's own
forced tokens leave out more than that at the end, which is one step in ten of a call, and are not always the tokenizer's.

Taken on trust: how a tokenizer splits a text depends on no more of what comes later than one token.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from toolfinch.decode.engine import Engine, common_prefix

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_MOST = 64
"""Tokens that may go beyond from one place; with more, what is before it is all that is certain."""
_LAST = 3
"""Tokens at the end of the text in which one that goes beyond may begin."""


def forced(engine: Engine, matcher: LLMatcher, before: Sequence[int]) -> list[int]:
    """What follows `before`, which the matcher was given; not given to it yet."""
    vocabulary, before = engine.lltokenizer, list(before)
    found = matcher.compute_ff_tokens()
    special = next((i for i, token in enumerate(found) if vocabulary.is_special_token(token)), len(found))
    text = engine.decode(found[:special]) if special < len(found) else _text(matcher)
    if not text and special == len(found):
        return []
    said = engine.decode(before)
    whole = engine.encode(said + text)
    if whole[: len(before)] != before:  # the model itself wrote otherwise: the forced text is judged alone
        whole, before, said = engine.encode(text), [], ""
    ids = whole[len(before) :]
    if special < len(found):  # nothing goes beyond a special token
        return [*ids, *found[special:]] if ids == found[:special] else ids[: common_prefix(ids, found)]
    most, ends = _ends(engine, matcher, ids)
    ids = ids[:most]
    for more in ends:
        ids = ids[: common_prefix(ids, engine.encode(said + text + more)[len(before) :])]
    return ids


def _text(matcher: LLMatcher) -> str:
    """The text that must follow, as far as its characters are whole; empty in the middle of one."""
    text = matcher.compute_ff_bytes().decode("utf-8", "replace").partition("\ufffd")[0]
    return (
        text.rstrip() if text[-2:].isspace() else text
    )  # a run of white space is split by what is behind it


def _ends(engine: Engine, matcher: LLMatcher, ids: Sequence[int]) -> tuple[int, set[str]]:
    """How many of these forced tokens may be certain, and what tokens that go beyond them add to their text."""
    vocabulary = engine.lltokenizer
    start = max(0, len(ids) - _LAST)
    last = [engine.decode([token]) for token in ids[start:]]
    tail = "".join(last)
    if not tail.isascii():
        return start, set()
    probe = matcher.deep_copy()
    probe.consume_tokens(list(ids[:start]))
    ends: set[str] = set()
    for at, character in enumerate(tail):
        longer = _longer(vocabulary, len(tail) - at)
        bits = np.frombuffer(probe.compute_bitmask(), np.uint8)
        over = np.flatnonzero(np.unpackbits(bits[: len(longer)] & longer, bitorder="little")).tolist()
        one = engine.encode(character)
        if len(over) > _MOST or len(one) != 1 or not probe.consume_token(one[0]):
            whole = [i for i in range(len(last)) if len("".join(last[: i + 1])) <= at]
            return start + len(whole), ends
        for token in over:
            ends.add(vocabulary.decode_bytes([token])[len(tail) - at :].decode("utf-8", "replace"))
    return len(ids), ends


@lru_cache(maxsize=256)
def _longer(vocabulary: LLTokenizer, length: int) -> npt.NDArray[np.uint8]:
    """Of each token, whether it has more bytes than that; as bits, like a mask's."""
    return np.packbits(_lengths(vocabulary) > length, bitorder="little")


@lru_cache(maxsize=8)
def _lengths(vocabulary: LLTokenizer) -> npt.NDArray[np.int32]:
    return np.array(
        [len(vocabulary.decode_bytes([token])) for token in range(vocabulary.vocab_size)], np.int32
    )
