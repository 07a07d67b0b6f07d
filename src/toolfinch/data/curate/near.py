"""Conversations that say almost the same and do exactly the same: of each group one stays, the one with the smallest id.

Words are compared by MinHash over three of them in a row (R-MinHash of all of a conversation's, which no order
changes), candidates found by banding, and every candidate checked. Whatever the words, conversations are apart when
they offer other tools, make other calls (typed values count) or when a result failed here and not there. A sketch is
kept as its numbers' lowest bytes: two that differ agree by chance in 1 of 256, which the estimate allows for (b-bit
minwise hashing, Li and König 2010, https://arxiv.org/abs/0910.3349).

What is found is an estimate: with 128 numbers its standard error is 0.04 at most. Left out: paraphrases, and words of
scripts without spaces, but for Chinese and Japanese ones, whose characters count as words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np

from toolfinch.data.curate import toolset
from toolfinch.data.curate.words import words
from toolfinch.data.outcome import outcome
from toolfinch.data.stage import Change, Facts, Stage, together
from toolfinch.errors import MissingDependency
from toolfinch.example import Conversation

REASON = "says almost the same as another conversation, and does the same"
NUMBERS = 128
"""In a sketch."""
BANDS = 32
"""Of four numbers each: of pairs that share 0.7 of their shingles 99.98 % become candidates, at 0.5 87 %."""
THRESHOLD = 0.8
"""Jaccard similarity of the shingles from which on two say almost the same."""
SEED = 1

_HALF, _LOWER = np.uint64(32), np.uint64(0xFFFFFFFF)
_AT_ONCE = 100_000
_encode = msgspec.json.Encoder(order="deterministic").encode


class Sketch(NamedTuple):
    """What has to be known of one conversation."""

    does: bytes
    """A digest of the tools, the calls and how they ended; alike are only conversations with the same."""
    words: bytes
    """The lowest byte of each of the `NUMBERS`; empty where nobody says a word."""


def stage(threshold: float = THRESHOLD) -> Stage:
    """Raises MissingDependency at once where rensa is not installed."""
    _check_installed()

    def decide(facts: Facts) -> Change:
        dropped = {id for id, first in groups(facts, threshold).items() if id != first}
        return lambda one: REASON if one.id in dropped else one

    return together("near-duplicates", sketch, decide)


def _check_installed() -> None:
    try:
        import rensa  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependency("near-duplicates need rensa", hint="pip install 'toolfinch[data]'") from error


def sketch(one: Conversation) -> Sketch:
    """What users and assistant said, and what was done."""
    from rensa import RMinHash

    does = [toolset.digest(one.tools)]
    said = []
    for message in one.messages:
        if message.result is not None:
            does.append(outcome(message.result).encode())
            continue
        for call in message.calls:
            does.append(_encode((call.name, call.arguments)))
        if message.role != "system" and message.content:
            said.append(message.content)
    tokens = words(" ".join(said))
    done = blake2b(b"\0".join(does), digest_size=8).digest()
    if not tokens:
        return Sketch(done, b"")
    made = RMinHash(NUMBERS, SEED)
    shingles = list(map(" ".join, zip(tokens, tokens[1:], tokens[2:], strict=False)))
    made.update(shingles or [" ".join(tokens)])
    return Sketch(done, np.array(made.digest(), np.uint32).astype(np.uint8).tobytes())


def groups(facts: Mapping[str, Sketch], threshold: float = THRESHOLD) -> dict[str, str]:
    """By id, the smallest id of its group: what says almost the same, directly or through others."""
    ids = sorted(facts)
    sketches = [facts[id] for id in ids]
    parent = list(range(len(ids)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in _alike(sketches, threshold):
        smaller, larger = sorted((root(first), root(second)))
        parent[larger] = smaller
    return {id: ids[root(index)] for index, id in enumerate(ids)}


def _alike(sketches: Sequence[Sketch], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs of indices. In a bucket each is compared with the first, not with all: a flood of thousands of copies has
    thousands of pairs, and not millions. Two that are alike meet without the others in some other band."""
    told = np.array([index for index, one in enumerate(sketches) if one.words], np.int64)
    if not len(told):
        return
    does = np.frombuffer(b"".join(sketches[i].does for i in told), np.uint64)
    _, rank, size = np.unique(does, return_inverse=True, return_counts=True)
    shared = size[rank] > 1  # by few, in most logs
    told, group = told[shared], rank[shared].astype(np.uint64) << _HALF
    numbers = np.frombuffer(b"".join(sketches[i].words for i in told), np.uint8).reshape(-1, NUMBERS)
    bands = numbers.view(np.uint32)
    pairs = np.empty(0, np.uint64)  # two places in `told` each; most pairs meet in many bands
    for band in range(BANDS):
        buckets = group | bands[:, band]
        order = np.argsort(buckets, kind="stable").astype(np.uint64)
        begins = np.ones(len(order), bool)
        begins[1:] = buckets[order[1:]] != buckets[order[:-1]]
        first = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
        pairs = np.union1d(pairs, first[~begins] << _HALF | order[~begins])
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        left, right = some >> _HALF, some & _LOWER
        agree = (numbers[left] == numbers[right]).mean(axis=1)
        jaccard = (agree - 1 / 256) / (1 - 1 / 256)
        found = jaccard >= threshold
        yield from zip(told[left[found]].tolist(), told[right[found]].tolist(), strict=True)
