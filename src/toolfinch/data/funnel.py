"""`Funnel`: what each step from a log to a dataset let through, and why it dropped the rest; part of the data card.

Reasons name tools and paths, never values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec


class Dropped(msgspec.Struct, frozen=True):
    """One row that a step dropped."""

    id: str
    """The conversation's id, or `file:row` where it could not be read."""
    reason: str


class Step(msgspec.Struct, frozen=True):
    """What one step did."""

    name: str
    rows_in: int
    rows_out: int
    reasons: dict[str, int] = {}
    """How many rows each reason dropped, the most frequent first; they add up to in - out."""
    dropped: tuple[Dropped, ...] = ()
    did: dict[str, int] = {}
    """What was done to rows that went on, and how often."""


class Funnel(msgspec.Struct, frozen=True):
    """The steps from a log to a dataset, in order."""

    steps: tuple[Step, ...] = ()

    def to_markdown(self, reasons: int = 5) -> str:
        """A table with the `reasons` most frequent reasons a step."""
        lines = ["| step | in | out | dropped because | changed |", "|---|---:|---:|---|---|"]
        for step in self.steps:
            why, did = _counts(step.reasons, reasons), _counts(step.did, reasons)
            lines.append(f"| {_cell(step.name)} | {step.rows_in:,} | {step.rows_out:,} | {why} | {did} |")
        return "\n".join(lines) + "\n"


def _counts(counts: Mapping[str, int], shown: int) -> str:
    ranked = [f"{_cell(what)}: {count:,}" for what, count in [*counts.items()][:shown]]
    more = list(counts.values())[shown:]
    if more:
        ranked.append(f"{len(more):,} more: {sum(more):,}")
    return "<br>".join(ranked)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def step(
    name: str, rows_in: int, rows_out: int, dropped: Iterable[Dropped], did: Mapping[str, int] | None = None
) -> Step:
    """A step with its reasons counted."""
    dropped = tuple(dropped)
    reasons = Counter(one.reason for one in dropped)
    return Step(name, rows_in, rows_out, _ranked(reasons), dropped, _ranked(did or {}))


def _ranked(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first; of equals by name, so that the order of the rows does not show."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
