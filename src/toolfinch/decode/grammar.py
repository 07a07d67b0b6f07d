"""The grammar of a reply: from a call's trigger on, only calls of the offered tools can be written.

Whether to call is decided freely, on the raw logits (`decode.decision`). Once the trigger is there, chosen or
forced, each next token is one of those with which the call can still become one of an offered tool, with
the keys and types of its schema, as the dialect writes it. Behind a call all is free again, up to the next
trigger. Where the text that must follow is the same whatever the model says, its tokens are not asked of the model
(`forced`), as long as they are those that its tokenizer would write.

The rules of one call are the dialect's (`Dialect.grammar`), what of a schema they hold to is in
`dialects.rules`, and the matching is llguidance's. `Words` holds the words of a reply to a JSON Schema. Left out:
a trigger that is one token of the vocabulary goes unseen where the model spells it in others, and so do other forms
of a call that a dialect reads (`Writer` keeps it from the first and refuses what is wrong of the second); text between
two calls has no special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from toolfinch.decode.decision import trigger_id
from toolfinch.decode.engine import Engine
from toolfinch.decode.forced import forced
from toolfinch.dialects import Dialect, rules
from toolfinch.errors import MissingDependency, SchemaError, ToolfinchError
from toolfinch.tool import Tool

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_EXCERPT = re.compile(r"\n +\d+ \| |\n<state>")


Allowed = npt.NDArray[np.bool_]
"""For each token of the vocabulary, whether it can come next."""


class Constraint:
    """What may be written next in one reply."""

    def __init__(self, engine: Engine, dialect: Dialect, tools: Sequence[Tool], *, required: bool) -> None:
        """`required`: the reply has to be a call.

        Raises SchemaError naming the tool whose schema llguidance cannot hold to, MissingDependency where
        llguidance is not installed.
        """
        _need_llguidance()
        self._engine = engine
        self._trigger = trigger_id(engine, dialect.trigger)
        self._active = self._trigger is None  # a trigger of several tokens is looked for in the text
        start = _compiled(
            engine.lltokenizer, dialect, _frame(engine, dialect), msgspec.json.encode(list(tools)), required
        )
        self._matcher = start.deep_copy()
        self._since: list[int] = []

    def allowed(self, size: int) -> Allowed | None:
        """Of a vocabulary of `size`; None where every token can come next."""
        return _allowed(self._matcher, size) if self._active else None

    def feed(self, token: int) -> None:
        """A token was written. Raises ToolfinchError for one that was not allowed."""
        if token == self._trigger:
            self._active = True
            self._since.clear()
        if self._active:
            self._since.append(token)
            self._matcher.consume_token(token)
            _check(self._matcher)

    def forced(self) -> list[int]:
        """The tokens that come next whatever the model says; not fed yet."""
        if not self._active:
            return []
        return forced(self._engine, self._matcher, self._since)


class Words:
    """What may be written next in a reply without calls whose words are one JSON value of a schema."""

    def __init__(self, engine: Engine, schema: Mapping[str, Any]) -> None:
        """Raises SchemaError where llguidance cannot hold to the schema."""
        _need_llguidance()
        self._engine = engine
        self._matcher = _json(engine.lltokenizer, msgspec.json.encode(schema)).deep_copy()
        self._since: list[int] = []

    def allowed(self, size: int) -> Allowed | None:
        return _allowed(self._matcher, size)

    def feed(self, token: int) -> None:
        self._since.append(token)
        self._matcher.consume_token(token)
        _check(self._matcher)

    def forced(self) -> list[int]:
        if self._matcher.is_accepting():  # it could go on with white space; or end
            return []
        return forced(self._engine, self._matcher, self._since)


def _allowed(matcher: LLMatcher, size: int) -> Allowed:
    bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
    _check(matcher)
    allowed = np.unpackbits(bits, count=size, bitorder="little").view(np.bool_)
    if not allowed.any():
        raise ToolfinchError("no token of the vocabulary can go on with the reply")
    return allowed


def _check(matcher: LLMatcher) -> None:
    if matcher.is_error():
        raise ToolfinchError(f"the grammar of the reply failed: {_reason(matcher)}")


def _need_llguidance() -> None:
    try:
        import llguidance  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            "holding calls to their tools needs llguidance", hint="pip install llguidance"
        ) from error


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


@lru_cache(maxsize=64)
def _json(vocabulary: LLTokenizer, encoded: bytes) -> LLMatcher:
    made = _matcher(vocabulary, f"start: {rules.value(msgspec.json.decode(encoded))}")
    if made.is_error():
        raise SchemaError(f"response_format: replies cannot be held to its schema: {_reason(made)}")
    return made


def _matcher(vocabulary: LLTokenizer, lark: str) -> LLMatcher:
    from llguidance import LLMatcher, LLParserLimits

    # A choice among more tools, or more properties, than 2,000 would end a reply where it is written.
    limits = LLParserLimits(max_items_in_row=20_000, initial_lexer_fuel=20_000_000)
    return LLMatcher(vocabulary, LLMatcher.grammar_from_lark(lark), log_level=0, limits=limits)


def _reason(matcher: LLMatcher) -> str:
    """What went wrong, in one line, without the grammar, the state and the stack that llguidance prints with it."""
    said = _EXCERPT.split(matcher.get_error())[0]
    if "grammar.symbols.len()" in said:  # it panics there
        return "the grammar has too many parts"
    words = said.rpartition("failed to compile JSON schema: ")[2].split()
    return " ".join(word for word in words if word.strip("^"))
