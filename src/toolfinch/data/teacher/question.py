"""`Question` and `Answer`: what is asked of a teacher, and what came back.

Whoever asks (relabelling, synthesis) makes questions and reads answers; sending, paying, retrying and remembering
are `teacher.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from toolfinch.caller import Usage
from toolfinch.message import Message
from toolfinch.tool import Tool


class Question(msgspec.Struct, frozen=True):
    """One request to a teacher. Equal questions are one payment."""

    purpose: str
    """The prompt's name and version, such as `relabel/1`; a new wording is a new version."""
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    schema: dict[str, Any] | None = None
    """The answer is a JSON value of this schema (`response_format`), not a turn."""
    tool_choice: str = "auto"
    temperature: float = 0.0
    max_tokens: int = 1024
    sample: int = 0
    """Tells repeated askings of the same thing apart."""


class Answer(msgspec.Struct, frozen=True):
    """What one teacher gave."""

    teacher: str
    """As the recipe names it."""
    message: Message | None = None
    """The turn; None where there is none to use."""
    value: Any = None
    """The decoded JSON, where the question had a schema and the answer fits it."""
    error: str = ""
    """Why there is nothing to use, in one line without anything of the conversation; empty where there is."""
    usage: Usage = Usage()
    cost: float = 0.0
    """In the recipe's currency; what was once paid, also where this asking paid nothing."""
    remembered: bool = False
    """It came from the ledger: nothing was paid for it now."""


class Teachers(Protocol):
    """One teacher, or a committee."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def ask(self, questions: Iterable[Question]) -> Iterator[tuple[Answer, ...]]:
        """For each question, in the order given, the answer of each teacher; many are under way at a time.

        Raises BudgetSpent before the limit would be passed; what came until then is in the ledger.
        """
        ...
