"""`Watch`: what the raw logits say of a reply while its calls are written (`caller.Signals`).

Only tokens that the model chose count, and only those of calls: of a call's text, 60 % can be no other, and say nothing.
Probabilities are taken before the mask, over the whole vocabulary; of a tool's name, over the tokens that lead to one of
the offered names, since between those the choice is made. Left out: behind the first call of a `pythonic` list, names
count as arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from toolfinch.caller import Signals
from toolfinch.decode.decision import opening
from toolfinch.decode.engine import Logits
from toolfinch.decode.grammar import Allowed
from toolfinch.dialects import Dialect
from toolfinch.tool import Tool


class Watch:
    """One reply."""

    def __init__(self, dialect: Dialect, tools: Sequence[Tool]) -> None:
        self._trigger, self._opening = dialect.trigger, opening(dialect.trigger)
        self._heads = tuple(dialect.forced_start(tool.name).partition(dialect.trigger)[2] for tool in tools)
        self._call: int | None = None
        """Where in the reply's text the call that is being written goes on behind its trigger."""
        self._from = 0
        """From where on a trigger may still come."""
        self._in_name = False
        self._names: list[float] = []
        self._values: list[float] = []
        self._removed = 0.0

    def text(self, raw: str, *, called: bool) -> None:
        """The reply's text so far; `called`: with it a call was finished."""
        if called:
            self.skip(raw)
        if self._call is None and self._heads:
            found = self._opening.search(raw, self._from)
            if found is None:
                own_line = self._trigger.startswith("\n")
                self._from = max(
                    self._from, raw.rfind("\n") if own_line else len(raw) - len(self._trigger) + 1
                )
                return
            self._call = found.end()
        if self._call is not None:
            written = raw[self._call :]
            self._in_name = not any(written.startswith(head) for head in self._heads)

    def skip(self, raw: str) -> None:
        """All of the reply's text so far is done with: a call is over, or it was only thought."""
        # A call may be known to be over only when the next one has begun.
        self._call, self._from = None, max(0, len(raw) - len(self._trigger))

    @property
    def calling(self) -> bool:
        """Whether a call is being written."""
        return self._call is not None

    @property
    def part(self) -> Literal["words", "name", "arguments"]:
        """What the next token belongs to."""
        if self._call is None:
            return "words"
        return "name" if self._in_name else "arguments"

    def chosen(self, logits: Logits, allowed: Allowed | None, token: int) -> None:
        """A token was chosen by these logits, out of the allowed ones."""
        if self._call is None:
            return
        weights = np.exp(logits - logits.max())
        total = float(weights.sum())
        if allowed is not None:
            possible = float(weights[allowed].sum())
            self._removed = max(self._removed, 1 - possible / total)
            if self._in_name:
                weights, total = np.where(allowed, weights, 0), possible
        mine, weights[token] = float(weights[token]), 0
        margin = (mine - float(weights.max())) / total if total > 0 else 0.0
        (self._names if self._in_name else self._values).append(margin)

    def signals(self, *, called: bool, trigger: float | None, sampled: int, forced: int) -> Signals:
        if not called:
            return Signals(called, trigger, sampled=sampled, forced=forced)
        return Signals(
            called,
            trigger,
            name=min(self._names, default=None),
            value_min=min(self._values, default=None),
            value_mean=sum(self._values) / len(self._values) if self._values else None,
            removed=self._removed,
            sampled=sampled,
            forced=forced,
        )
