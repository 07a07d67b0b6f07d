"""`Format`: how one kind of log is laid out. A module a format beside this one; `log` reads with them.

A module has the first four names below and nothing to do with files: it is given rows, JSON objects that are already
decoded, and gives sessions in the OpenAI chat shape, which everything after it reads. Where rows share sessions,
`KEYS` makes reading quicker, and lets a session be longer than memory is large.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from toolfinch.example import Mark
from toolfinch.message import Message


class Session(msgspec.Struct, frozen=True):
    """One session, or as much of it as a log's row holds."""

    messages: Sequence[Mapping[str, Any] | Message]
    """Ours, or OpenAI chat messages: `role`, `content`, `tool_calls`, `tool_call_id`, `name`; and our `is_error`,
    true where the log says that a tool failed."""
    id: str = ""
    """The log's own name for it; empty where it gives none."""
    tools: Sequence[Any] | None = None
    """Definitions in any shape that `tool.read` knows, or names alone; None where the log brings none."""
    tags: tuple[str, ...] = ()
    scenario: str = ""
    source: str = ""
    """Where the log itself says that the session came from; empty: its file and row."""
    marks: Mapping[int, Mark] = {}
    """By index in `messages`."""
    time: str = ""
    """When it began, as `times.iso` gives it; empty where the log does not say."""


class Format(Protocol):
    """The names that a format's module has."""

    NAME: str
    """As the user gives it, such as `anthropic`."""

    KEYS: tuple[str, ...]
    """All that `key` looks at; none where every row has the same key. `sessions` is then given an iterator, and reads
    it once and no further than the sessions that it has given. A module may lack it."""

    def looks_like(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is of this format, and by its keys of no other."""
        ...

    def key(self, row: Mapping[str, Any]) -> str:
        """What rows of one session have in common, wherever they stand in the file; empty: the row stands alone."""
        ...

    def sessions(self, rows: Iterable[Mapping[str, Any]]) -> Iterable[Session]:
        """The sessions that the rows of one key make, in the order of the file. Without `KEYS`, `rows` is a list.

        Raises DataError with the reason, without file and row, where they make none. What a row says that
        cannot be read is never passed over in silence: it is an error, or the format's docstring names it.
        """
        ...
