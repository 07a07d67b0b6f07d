"""`Conversation` and `Example`: what was said, and what should be said next.

A conversation is a whole logged session; on disk it is one line of OpenAI chat JSONL (`id`, `tools`,
`messages`) with, optionally, `scenario`, `source`, `tags` and `marks`. Every assistant turn in it is a
decision, and `examples` makes one `Example` of each, sharing the tools and messages in memory. Marks add
what the log's own turn cannot say: other acceptable values, arguments that may be left out, tools that have to
wait for what this turn brings, and whether a turn without a call asks, declines or just says something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from toolfinch.message import Message, ToolCall
from toolfinch.tool import Tool

Kind = Literal["call", "say", "ask", "decline"]

QUESTION_MARKS = ("?", "？", "؟")
"""What an `ask` ends with; a turn is read by the same rule whether it was logged or is a reply."""

SCENARIOS = (
    "single_tool",
    "multi_tool_parallel",
    "multi_tool_sequential",
    "no_tool_needed",
    "error_recovery",
    "reasoning_heavy",
    "complex_multi_step",
)


class ExpectedCall(msgspec.Struct, frozen=True):
    """A gold call, and what else would be right."""

    call: ToolCall
    accept: dict[str, tuple[Any, ...]] = {}
    """Further acceptable values by argument, beside the one in `call`."""
    optional: tuple[str, ...] = ()
    """Arguments of `call` that may be left out."""
    folded: bool = False
    """Strings that differ only in case, spaces and `,./-_*^` are equal, and so are both kinds of quotes: the
    comparison of BFCL, for suites that were made for it."""
    defaults: bool = True
    """Whether leaving an argument out is the same as giving the schema's default; where it is not, as in BFCL,
    only `accept` and `optional` say what is right."""


class Expected(msgspec.Struct, frozen=True):
    """What should come next: calls (in any order), or words."""

    kind: Kind
    calls: tuple[ExpectedCall, ...] = ()
    """None of them where the kind is `call`: any call to an offered tool is right."""
    text: str = ""
    """The reference text: what the log's assistant said, to train on, never to score by equality."""
    later: tuple[str, ...] = ()
    """Tools whose calls depend on what comes now: on a call's result, or on the answer to a question."""
    then: tuple[ToolCall, ...] = ()
    """The calls of the conversation's next turns, up to the user's next message."""


Label = Literal["agreed", "changed", "disputed", "abstained"]
"""A teacher's word on a logged turn: it would do the same, it does something else which now stands there, teachers
differ among themselves, or none gave an answer that can be used."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one assistant turn beyond its text."""

    kind: Kind | None = None
    accept: tuple[dict[str, tuple[Any, ...]], ...] = ()
    """One dict a call, in the order of the turn's calls; empty: only the logged values."""
    optional: tuple[tuple[str, ...], ...] = ()
    skip: bool = False
    """True: not a decision to learn or to be measured on (a bad turn in a good log)."""
    scenario: str = ""
    """This turn's scenario, where it differs from the conversation's."""
    later: tuple[str, ...] = ()
    """As in `Expected`: tools that it would be too early to call in this turn."""
    label: Label | None = None
    """What teachers said of this turn; None where none was asked."""


class Conversation(msgspec.Struct, frozen=True):
    """One session of an assistant."""

    id: str
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]
    scenario: str = ""
    source: str = ""
    """Where it came from: a file and row, or a generator and seed."""
    tags: tuple[str, ...] = ()
    """Free labels to report by, such as `unseen_services`."""
    marks: dict[int, Mark] = {}
    """By index in `messages`."""
    time: str = ""
    """When it began, as far as the log says: UTC, ISO 8601 to the second. To split by; an anonymized data set
    does not have it."""


class Example(msgspec.Struct, frozen=True):
    """One decision: the tools, the messages so far, and what is expected next."""

    id: str
    """`<conversation id>/<index of the assistant turn>`."""
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]
    expected: Expected
    scenario: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()

    @property
    def conversation_id(self) -> str:
        return self.id.rpartition("/")[0]


def examples(conversation: Conversation) -> Iterator[Example]:
    """Every assistant turn of a conversation as an example, but those marked `skip`."""
    for i, message in enumerate(conversation.messages):
        mark = conversation.marks.get(i, Mark())
        if message.role != "assistant" or mark.skip:
            continue
        yield Example(
            id=f"{conversation.id}/{i}",
            tools=conversation.tools,
            messages=conversation.messages[:i],
            expected=msgspec.structs.replace(expected(message, mark), then=_next_calls(conversation, i)),
            scenario=mark.scenario or conversation.scenario,
            source=conversation.source,
            tags=conversation.tags,
        )


def expected(message: Message, mark: Mark) -> Expected:
    """What an assistant turn and its mark say should have come next."""
    if not message.calls:
        kind = mark.kind or ("ask" if message.content.rstrip().endswith(QUESTION_MARKS) else "say")
        return Expected(kind, text=message.content, later=mark.later)
    calls = tuple(
        ExpectedCall(
            call,
            mark.accept[i] if i < len(mark.accept) else {},
            mark.optional[i] if i < len(mark.optional) else (),
        )
        for i, call in enumerate(message.calls)
    )
    return Expected("call", calls, message.content, mark.later)


def _next_calls(conversation: Conversation, turn: int) -> tuple[ToolCall, ...]:
    calls: list[ToolCall] = []
    for i, message in enumerate(conversation.messages[turn + 1 :], turn + 1):
        if message.role == "user":
            break
        if not conversation.marks.get(i, Mark()).skip:
            calls.extend(message.calls)
    return tuple(calls)


def gold_message(example: Example) -> Message:
    """The turn that the example expects, as the assistant would write it."""
    return Message("assistant", example.expected.text, tuple(c.call for c in example.expected.calls))
