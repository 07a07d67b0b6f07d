"""`Outcome`: what came of a case that is played over several replies, and not scored reply by reply.

A played suite is a module with three functions: `load(data)` gives its cases, each with an `id` and a
`group`; `play(caller, case, decoding)` runs one case and gives its `Outcome`; `gold(case)` is a caller that
passes it, which `toolfinch validate` plays. `run.play` runs them all; the report, the page and `compare` read
outcomes and scored replies alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from toolfinch.caller import Decoding, Reply, ToolCaller
from toolfinch.message import Message
from toolfinch.score import Failure
from toolfinch.tool import Tool


class PlayedCase(Protocol):
    """A case of a played suite."""

    @property
    def id(self) -> str: ...

    @property
    def group(self) -> str: ...


class Outcome(msgspec.Struct, frozen=True):
    """What a caller did with one case."""

    id: str
    scenario: str
    group: str
    """Cases of one group are not independent; the intervals take it for one draw."""
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]
    """The whole conversation, the caller's replies among it."""
    replies: tuple[Reply, ...]
    failure: Failure | None
    """None exactly where the case is passed; `endpoint_error` where the engine or endpoint gave no reply."""
    expected: str
    """What would have been right, for the person who reads the report."""
    marks: dict[str, bool] = {}
    """The suite's own yes-or-no findings by name; one that does not apply to this case is absent."""
    tags: tuple[str, ...] = ()


class PlayedSuite(Protocol):
    """The module of a played suite."""

    def load(self, data: Path | None) -> Sequence[Any]:
        """Every case, each a `PlayedCase`. Raises DataError naming file and row."""
        ...

    def play(self, caller: ToolCaller, case: Any, decoding: Decoding) -> Outcome:
        """Run one case to its end. A reply that stopped with an error ends it as `endpoint_error`."""
        ...

    def gold(self, case: Any) -> ToolCaller:
        """A caller that passes the case."""
        ...
