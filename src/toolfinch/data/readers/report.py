"""`ReadReport`: what was read from a log and what was not, with reasons; `Tally` counts it while it is read.

Reasons are kept with the numbers of their rows, eight bytes each, so that a report of millions of rows is small.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Sequence

import msgspec

from toolfinch.data.funnel import Dropped
from toolfinch.data.pairs import unpaired
from toolfinch.example import Conversation
from toolfinch.tool import shown


class ReadReport(msgspec.Struct, frozen=True):
    """What was read from one file, and what was not."""

    source: str
    format: str
    rows: int
    """Rows of the file, and one for the rest of a file that is cut."""
    read: int
    """Conversations."""
    left_out: dict[str, Sequence[int]] = {}
    """By reason, the rows that are left out; of a session of several rows the first."""
    orphan_results: int = 0
    """Tool results that answer no call."""
    missing_schemas: dict[str, int] = {}
    """Calls by name of a tool that the row does not offer, or gives by its name alone; none may be called."""
    repaired: dict[str, tuple[str, ...]] = {}
    """By tool name, what was repaired in its schema."""

    @property
    def found(self) -> int:
        """Conversations, and what none could be made of: the rows, where each is a session of its own."""
        return self.read + sum(map(len, self.left_out.values()))

    @property
    def skipped(self) -> tuple[Dropped, ...]:
        """`file:row` and why, in the order of the file."""
        places = sorted((row, reason) for reason, rows in self.left_out.items() for row in rows)
        return tuple(Dropped(f"{self.source}:{row}", reason) for row, reason in places)

    def reasons(self, examples: int = 3) -> dict[str, tuple[int, tuple[str, ...]]]:
        """How many rows each reason left out, with the first few as `file:row`; most frequent first."""
        ranked = sorted(self.left_out.items(), key=lambda item: -len(item[1]))
        return {
            reason: (len(rows), tuple(f"{self.source}:{row}" for row in sorted(rows)[:examples]))
            for reason, rows in ranked
        }


class Tally:
    """A report that is being filled; whole when the reading has ended."""

    def __init__(self) -> None:
        self.source = ""
        self.format = ""
        self.rows = 0
        self.read = 0
        self.left_out: dict[str, array[int]] = {}
        self.orphan_results = 0
        self.missing_schemas: Counter[str] = Counter()
        self.repaired: dict[str, tuple[str, ...]] = {}

    def skip(self, row: int, error: Exception | str) -> None:
        self.left_out.setdefault(_reason(error), array("Q")).append(row)

    def keep(self, one: Conversation) -> None:
        self.read += 1
        self.orphan_results += len(unpaired(one.messages).orphans)
        names = {tool.name for tool in one.tools}
        for message in one.messages:
            for call in message.calls:
                if call.name not in names:
                    self.missing_schemas[shown(call.name)] += 1

    def report(self) -> ReadReport:
        return ReadReport(
            self.source,
            self.format,
            self.rows,
            self.read,
            dict(self.left_out),
            self.orphan_results,
            dict(self.missing_schemas.most_common()),
            self.repaired,
        )


def _reason(error: Exception | str) -> str:
    """The error without the positions that make every row's reason its own."""
    return re.sub(r"\[\d+\]", "[]", re.sub(r" \(byte \d+\)| in position [\d-]+", "", str(error)))
