"""What is in a log, before anything is spent on it: sessions, tools, results, repetitions, lengths, personal data.

`toolfinch data inspect` shows it. The log is streamed, so its size does not matter; tokens are counted in a sample.
Nothing that anyone said is in an `Inspection`: counts, and names of tools and of reasons. Left out: what is
alike but not equal, and whether what was done was right.
"""

from __future__ import annotations

import heapq
import random
from array import array
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np

from toolfinch import models
from toolfinch.data import personal
from toolfinch.data.outcome import outcome
from toolfinch.data.readers import log
from toolfinch.data.readers.repeats import COPY, PREFIX
from toolfinch.data.readers.report import Tally
from toolfinch.dialects import chat_template
from toolfinch.errors import ToolfinchError
from toolfinch.example import Conversation
from toolfinch.message import ROLES, canonical
from toolfinch.tool import Tool, shown

TOKENIZER = "fledgling"
SAMPLE = 500
"""Conversations whose tokens are counted, drawn evenly; of a log with no more, all."""
LONGEST = 8
"""And those with the most characters, so that the maximum is one of the log."""


class Tokens(msgspec.Struct, frozen=True):
    """Lengths of whole conversations, tools included, as the tokenizer's own template writes them."""

    tokenizer: str
    counted: int
    p50: int
    p95: int
    max: int
    refused: int = 0
    """Conversations that the template does not write."""


class Results(msgspec.Struct, frozen=True):
    """What tools returned."""

    all: int = 0
    failed: int = 0
    """The log says so, or the text does: an error where the result should be."""
    marked: int = 0
    """Those of them of which the log says so."""
    empty: int = 0
    """No text, or JSON with nothing in it."""


class Personal(msgspec.Struct, frozen=True):
    """What is likely to be personal, of one kind."""

    mentions: int
    sessions: int


class Inspection(msgspec.Struct, frozen=True):
    """What one log holds."""

    source: str
    format: str
    rows: int
    sessions: int
    roles: dict[str, int]
    """Messages by role."""
    turns: int
    """Assistant turns, each a decision to learn."""
    calls: int
    offered: dict[str, int]
    """Sessions by tool that is offered in them."""
    used: dict[str, int]
    """Calls by tool."""
    never_used: tuple[str, ...]
    """Tools that are offered and not called once."""
    without_schema: dict[str, int]
    """Calls by tool that its session does not offer, or only names."""
    results: Results
    orphan_results: int
    copies: int
    """Rows that are another row word for word."""
    prefixes: int
    """Rows that a longer row continues."""
    same_words: int
    """Sessions that say what an earlier one says, under another id."""
    skipped: dict[str, int]
    """Rows by the reason for which they cannot be read."""
    repaired: dict[str, tuple[str, ...]]
    """By tool, what was repaired in its schema."""
    tokens: Tokens
    personal: dict[str, Personal]
    """By kind."""


def inspect(path: Path, tools: Iterable[Tool] = (), *, format: str = "") -> Inspection:
    """Look through one log. Raises what `log.conversations` raises."""
    tally = Tally()
    roles: Counter[str] = Counter()
    offered: Counter[str] = Counter()
    used: Counter[str] = Counter()
    results: Counter[str] = Counter()
    mentions: Counter[str] = Counter()
    concerned: Counter[str] = Counter()
    words = array("Q")
    lengths = _Sample()
    for one in log.conversations(path, tools, format=format, tally=tally):
        offered.update(tool.name for tool in one.tools)
        texts = []
        for message in one.messages:
            roles[message.role] += 1
            texts.append(message.content)
            for call in message.calls:
                used[shown(call.name)] += 1
                texts.append(canonical(call.arguments).decode())
            if message.result is not None:
                results.update(
                    ("all", outcome(message.result), *(["marked"] if message.result.is_error else []))
                )
        words.append(_digest(one))
        text = "\n".join(texts)
        lengths.add(one, len(text))
        found = personal.likely(text)
        mentions.update(found)
        concerned.update(found.keys())
    report = tally.report()
    reasons = {reason: len(rows) for reason, rows in report.left_out.items()}
    return Inspection(
        source=str(path),
        format=report.format,
        rows=report.rows,
        sessions=report.read,
        roles={role: roles[role] for role in ROLES if roles[role]},
        turns=roles["assistant"],
        calls=used.total(),
        offered=dict(offered.most_common()),
        used=dict(used.most_common()),
        never_used=tuple(sorted(offered.keys() - used.keys())),
        without_schema=report.missing_schemas,
        results=Results(results["all"], results["failed"], results["marked"], results["empty"]),
        orphan_results=report.orphan_results,
        copies=reasons.pop(COPY, 0),
        prefixes=reasons.pop(PREFIX, 0),
        same_words=len(words) - len(np.unique(np.frombuffer(words, np.uint64))),
        skipped=dict(sorted(reasons.items(), key=lambda item: -item[1])),
        repaired=report.repaired,
        tokens=lengths.tokens(),
        personal={
            kind: Personal(mentions[kind], concerned[kind]) for kind in personal.KINDS if mentions[kind]
        },
    )


def _digest(one: Conversation) -> int:
    """Of what was said and called, without the ids of the session and of its calls."""
    said = [(m.role, m.content, [(c.name, c.arguments) for c in m.calls]) for m in one.messages]
    return int.from_bytes(blake2b(msgspec.json.encode(said), digest_size=8).digest(), "little")


class _Sample:
    """An even sample of conversations (algorithm R), and the longest."""

    def __init__(self) -> None:
        self.chance = random.Random(0)  # the same log gives the same sample
        self.seen = 0
        self.drawn: list[Conversation] = []
        self.longest: list[tuple[int, int, Conversation]] = []

    def add(self, one: Conversation, size: int) -> None:
        self.seen += 1
        if len(self.drawn) < SAMPLE:
            self.drawn.append(one)
        elif (place := self.chance.randrange(self.seen)) < SAMPLE:
            self.drawn[place] = one
        heapq.heappush(self.longest, (size, -self.seen, one))
        if len(self.longest) > LONGEST:
            heapq.heappop(self.longest)

    def tokens(self) -> Tokens:
        import tokenizers

        folder = models.base_folder(TOKENIZER)
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        template = models.fledgling_template()

        def lengths(of: Iterable[Conversation]) -> list[int]:
            texts = []
            for one in of:
                with suppress(ToolfinchError):  # counted as refused
                    texts.append(
                        chat_template.render(template, one.messages, one.tools, add_generation_prompt=False)
                    )
            return [len(found) for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

        drawn = lengths(self.drawn)
        longest = lengths(one for _, _, one in self.longest)
        p50, p95 = (round(float(np.percentile(drawn or [0], share))) for share in (50, 95))
        refused = len(self.drawn) - len(drawn)
        return Tokens(TOKENIZER, len(self.drawn), p50, p95, max([*drawn, *longest], default=0), refused)
