"""The data card: what a dataset is made of, what became of every row, and how it was kept from telling too much.

`card.md`, for people, and the same in `card.json`. It holds counts, names of tools and reasons, and passes the
same gate as the rows. Left out: what the data is good for, which its maker has to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from toolfinch.data.funnel import Funnel
from toolfinch.example import Conversation, examples
from toolfinch.tool import shown


class Side(msgspec.Struct):
    """One side of the split, counted while it is written."""

    conversations: int = 0
    decisions: int = 0
    calls: int = 0
    sha256: str = ""
    """Of the file."""
    size: int = 0
    """Of the file, bytes."""
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    """Decisions by what is expected: call, say, ask, decline."""
    scenarios: Counter[str] = msgspec.field(default_factory=Counter)
    """Conversations."""
    tools: Counter[str] = msgspec.field(default_factory=Counter)
    """Calls."""
    labels: Counter[str] = msgspec.field(default_factory=Counter)
    """Turns by what teachers said of them."""
    tags: Counter[str] = msgspec.field(default_factory=Counter)
    """Conversations."""

    def counted(self, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
        """Hands on conversations and counts them."""
        for one in conversations:
            self.conversations += 1
            self.scenarios[one.scenario or "(none said)"] += 1
            self.tags.update(one.tags)
            self.labels.update(mark.label for mark in one.marks.values() if mark.label)
            for example in examples(one):
                self.decisions += 1
                self.kinds[example.expected.kind] += 1
                self.calls += len(example.expected.calls)
                self.tools.update(shown(expected.call.name) for expected in example.expected.calls)
            yield one


class Log(msgspec.Struct, frozen=True):
    """One log that was read."""

    source: str
    format: str
    rows: int
    read: int
    orphan_results: int
    missing_schemas: dict[str, int]


class Card(msgspec.Struct, frozen=True):
    """Everything that a card says."""

    name: str
    command: str
    version: str
    code: str
    """A digest of the code that made it."""
    logs: tuple[Log, ...]
    sides: dict[str, Side]
    funnel: Funnel
    """Without the ids of what was dropped, which are in dropped.jsonl."""
    base: str
    """Whose tokens were counted."""
    max_tokens: int
    anonymized: bool
    gate: str = ""
    """What the gate looked for and found, Markdown."""
    teachers: str = ""
    """What was asked of teachers and paid, Markdown; empty where none was."""

    def to_markdown(self) -> str:
        lines = [f"# Data card: {self.name}", "", f"`{self.command}`, Toolfinch {self.version}.", ""]
        lines += [
            "| side | conversations | decisions | calls | kinds | SHA-256 |",
            "|---|--:|--:|--:|---|---|",
        ]
        for name, side in self.sides.items():
            lines.append(
                f"| {name} | {side.conversations:,} | {side.decisions:,} | {side.calls:,} "
                f"| {_counted(side.kinds)} | `{side.sha256[:16]}` |"
            )
        lines += [
            "",
            "## From where",
            "",
            "| log | format | rows | sessions | left out |",
            "|---|---|--:|--:|---|",
        ]
        for log in self.logs:
            out = [f"{log.orphan_results:,} results of no call"] if log.orphan_results else []
            if log.missing_schemas:
                out.append(f"{sum(log.missing_schemas.values()):,} calls without a schema")
            lines.append(f"| {log.source} | {log.format} | {log.rows:,} | {log.read:,} | {', '.join(out)} |")
        lines += ["", "## What became of the rows", "", self.funnel.to_markdown()]
        lines += [f"Tokens are `{self.base}`'s; the longest row has at most {self.max_tokens:,}.", ""]
        lines += ["## Personal data", ""]
        if self.anonymized:
            lines += [self.gate]
        else:
            lines += [
                "Not anonymized: what the logs say stands in the data as it is. No gate was passed.",
                "",
            ]
        if self.teachers:
            lines += ["## Teachers", "", self.teachers]
        lines += self._made_of()
        return "\n".join(lines).rstrip() + "\n"

    def _made_of(self) -> list[str]:
        lines = [
            "## What is in it",
            "",
            "| | " + " | ".join(self.sides) + " |",
            "|---|" + "--:|" * len(self.sides),
        ]
        for heading, of in (
            ("scenario", "scenarios"),
            ("tag", "tags"),
            ("label", "labels"),
            ("tool", "tools"),
        ):
            counters: list[Counter[str]] = [getattr(side, of) for side in self.sides.values()]
            whole: Counter[str] = Counter()
            for counter in counters:
                whole.update(counter)
            ranked = sorted(whole, key=lambda name: (-whole[name], name))
            for name in ranked[:SHOWN]:
                lines.append(f"| {heading} {name} | " + " | ".join(f"{c[name]:,}" for c in counters) + " |")
            if ranked[SHOWN:]:
                rest = [sum(c[name] for name in ranked[SHOWN:]) for c in counters]
                more = " | ".join(f"{n:,}" for n in rest)
                lines.append(f"| {len(ranked) - SHOWN} more {heading}s | {more} |")
        return lines


SHOWN = 20


def _counted(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ranked)
