"""What the hand-written suites are written with: tools, calls, results, and the conversation of a case.

    call("find_places", category="cafe", features=AnyOf(["wifi", "pets"], ["pets", "wifi"]))

`as_conversation` is the inverse of `example.examples` for a conversation with one measured decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolfinch.example import Conversation, Expected, ExpectedCall, Mark
from toolfinch.message import Message, ToolCall
from toolfinch.message import tool as result_of
from toolfinch.tool import Risk, Tool, read

Properties = dict[str, dict[str, Any]]


class AnyOf:
    """Values of an argument that are all right; the first is the gold one."""

    def __init__(self, *values: Any) -> None:
        self.gold, *self.others = values


def in_any_order(first: Any, second: Any) -> AnyOf:
    """A list of two whose order says nothing."""
    return AnyOf([first, second], [second, first])


def sentence(text: str) -> AnyOf:
    """A dictated sentence: whether its full stop belongs to it is for the reader to say."""
    return AnyOf(text, text.removesuffix("."))


def call(name: str, /, **arguments: Any) -> ExpectedCall:
    gold = {key: value.gold if isinstance(value, AnyOf) else value for key, value in arguments.items()}
    accept = {key: tuple(value.others) for key, value in arguments.items() if isinstance(value, AnyOf)}
    return ExpectedCall(ToolCall(name, gold), accept)


def calls(*due: ExpectedCall, later: Sequence[str] = ()) -> Expected:
    return Expected("call", due, later=tuple(later))


def done(turn: int, *made: tuple[ExpectedCall, str]) -> tuple[Message, ...]:
    """An earlier turn that made calls, and what came of each; `turn` is its place in the messages."""
    ready = [(_numbered(each.call, turn, i), result) for i, (each, result) in enumerate(made)]
    turn_made = Message("assistant", calls=tuple(each for each, _ in ready))
    return (turn_made, *(result_of(result, each.id, each.name) for each, result in ready))


def _numbered(call: ToolCall, turn: int, place: int) -> ToolCall:
    return ToolCall(call.name, call.arguments, f"call_{turn}_{place}")


def as_conversation(
    id: str,
    tools: Sequence[Tool],
    messages: Sequence[Message],
    expected: Expected,
    *,
    scenario: str,
    source: str,
    tags: Sequence[str] = (),
) -> Conversation:
    """The conversation whose one measured decision, its last turn, is `expected`."""
    at = len(messages)
    due = tuple(_numbered(each.call, at, i) for i, each in enumerate(expected.calls))
    accept = tuple(each.accept for each in expected.calls)
    marks = {i: Mark(skip=True) for i, message in enumerate(messages) if message.role == "assistant"}
    marks[at] = Mark(expected.kind, accept if any(accept) else (), later=expected.later)
    return Conversation(
        id,
        tuple(tools),
        (*messages, Message("assistant", expected.text, due)),
        scenario,
        source,
        tuple(tags),
        marks,
    )


def tool(name: str, description: str, risk: Risk, properties: Properties, optional: str = "") -> Tool:
    """A tool; `optional` has the names of the arguments that may be left out, the rest are required."""
    schema = {
        "type": "object",
        "properties": properties,
        "required": [key for key in properties if key not in optional.split()],
        "additionalProperties": False,
    }
    return read({"name": name, "description": description, "parameters": schema, "x-risk": risk})


def text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def one_of(description: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, "enum": list(values), **more}


def integer(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "description": description, **more}


def number(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "number", "description": description, **more}


def flag(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "boolean", "description": description, **more}


def date(description: str) -> dict[str, Any]:
    return text(f"{description}, YYYY-MM-DD.", format="date")


def listed(description: str, items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "description": description, "items": items, **more}
