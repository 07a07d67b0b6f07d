"""The grammar of a reply: from a call's trigger on, only calls of the offered tools can be written.

Whether to call is decided freely, on the raw logits (`decode.decision`). Once the trigger is there, chosen or
forced, each next token is masked to those with which the call can still become one of an offered tool, with
the keys and types of its schema, as the dialect writes it. Behind a call all is free again, up to the next
trigger. The model splits the text into tokens as it likes, so nothing is forced that its tokenizer would not
write.

The rules of one call are the dialect's (`Dialect.grammar`), what of a schema they hold to is in
`dialects.rules`, and the matching is llguidance's. Left out: forced tokens are asked of the model all the
same; a trigger that is one token of the vocabulary goes unseen where the model spells it in others; text
between two calls has no special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from toolfinch.decode.decision import trigger_id
from toolfinch.decode.engine import Engine, Logits
from toolfinch.dialects import Dialect, rules
from toolfinch.errors import MissingDependency, SchemaError, ToolfinchError
from toolfinch.tool import Tool

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_EXCERPT = re.compile(r"\n +\d+ \| |\n<state>")


class Constraint:
    """What may be written next in one reply."""

    def __init__(self, engine: Engine, dialect: Dialect, tools: Sequence[Tool], *, required: bool) -> None:
        """`required`: the reply has to be a call.

        Raises SchemaError naming the tool whose schema llguidance cannot hold to, MissingDependency where
        llguidance is not installed.
        """
        try:
            import llguidance  # noqa: F401
        except ImportError as error:
            raise MissingDependency(
                "holding calls to their tools needs llguidance", hint="pip install llguidance"
            ) from error
        self._trigger = trigger_id(engine, dialect.trigger)
        self._active = self._trigger is None  # a trigger of several tokens is looked for in the text
        start = _compiled(
            engine.lltokenizer, dialect, _frame(engine, dialect), msgspec.json.encode(list(tools)), required
        )
        self._matcher = start.deep_copy()

    def mask(self, logits: Logits) -> Logits:
        """The logits, with minus infinity for every token that cannot come next."""
        if not self._active:
            return logits
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        allowed = np.unpackbits(bits, count=len(logits), bitorder="little").view(np.bool_)
        if not allowed.any():
            raise ToolfinchError("no token of the vocabulary can go on with the call")
        return np.where(allowed, logits, np.float32(-np.inf))

    def feed(self, token: int) -> None:
        """A token was written. Raises ToolfinchError for one that the mask had forbidden."""
        self._active = self._active or token == self._trigger
        if self._active:
            self._matcher.consume_token(token)
            self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise ToolfinchError(f"the grammar of the call failed: {_reason(self._matcher)}")


def _frame(engine: Engine, dialect: Dialect) -> str:
    """The rules around the calls: free text, the trigger and the closing mark, as this vocabulary has them."""

    def mark(text: str) -> tuple[str, bool]:
        # llguidance matches a special token by its number alone and anything else by its text alone.
        ids = engine.encode(text)
        special = len(ids) == 1 and engine.lltokenizer.is_special_token(ids[0])
        return (f"<[{ids[0]}]>", True) if special else (rules.literal(text), False)

    trigger, special = mark(dialect.trigger)
    return "\n".join(
        [
            "start: (opened call)* FREE",
            f"opened: FREE {trigger}" if special else f"opened[lazy]: {_line(dialect.trigger)}",
            r"FREE: /(.|\n)*/",
            f"end: {mark(dialect.end)[0]}",
        ]
    )


def _line(trigger: str) -> str:
    """Free text up to a trigger that stands at the start of a line, indented or not, as the parser reads it."""
    begun = trigger.removeprefix("\n")
    before = r"((.|\n)*\n)?[ \t]*" if begun != trigger else r"(.|\n)*"
    return f"/{before}{re.escape(begun)}/"


@lru_cache(maxsize=64)
def _compiled(
    vocabulary: LLTokenizer, dialect: Dialect, frame: str, encoded: bytes, required: bool
) -> LLMatcher:
    """A matcher at the start of a reply, to be copied; `encoded` are the tools, as the cache's key."""
    tools = msgspec.json.decode(encoded, type=list[Tool])
    made = _matcher(vocabulary, f"{frame}\n{dialect.grammar(tools, required)}")
    if not made.is_error():
        return made
    for tool in tools:
        alone = _matcher(vocabulary, f"{frame}\n{dialect.grammar([tool], required)}")
        if alone.is_error():
            raise SchemaError(f"tool {tool.name!r}: calls cannot be held to its schema: {_reason(alone)}")
    raise SchemaError(f"tools: calls cannot be held to all {len(tools)} at once: {_reason(made)}")


def _matcher(vocabulary: LLTokenizer, lark: str) -> LLMatcher:
    from llguidance import LLMatcher

    return LLMatcher(vocabulary, LLMatcher.grammar_from_lark(lark), log_level=0)


def _reason(matcher: LLMatcher) -> str:
    """What went wrong, in one line, without the grammar and the state that llguidance prints with it."""
    said = _EXCERPT.split(matcher.get_error())[0]
    words = said.rpartition("failed to compile JSON schema: ")[2].split()
    return " ".join(word for word in words if word.strip("^"))
