"""Would break: a tool that is changed on its way, a call of one that was never shown, an index for every request."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from toolfinch.caller import Decoding, Reply
from toolfinch.message import Message, ToolCall, assistant, tool, user
from toolfinch.serve import retrieving
from toolfinch.serve.retrieving import Retrieving
from toolfinch.tool import Tool, read

MANY = [
    read({"name": f"tool_{word}", "description": f"Does {word} things."}) for word in "abcdefghijklmnopqrst"
]
ALARM = read(
    {
        "name": "set_alarm",
        "description": "Set an alarm clock.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    }
)
ASKED = [user("Please set an alarm for seven.")]


class Showing:
    """Calls the first tool that it is shown."""

    name = "showing"

    def __init__(self) -> None:
        self.shown: list[tuple[Tool, ...]] = []

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        self.shown.append(tuple(tools))
        return Reply(assistant("", ToolCall(tools[0].name, {})))


def test_few_are_shown_and_the_right_one_unchanged() -> None:
    """All tools in the prompt, or a copy of one that lost its schema."""
    inner = Showing()
    reply = Retrieving(inner, 4).reply(ASKED, [*MANY, ALARM])
    (shown,) = inner.shown
    assert len(shown) == 4 and shown[0] is ALARM
    assert (
        reply.shown == tuple(one.name for one in shown)
        and reply.none_fits is not None
        and reply.none_fits < 0.6
    )
    assert reply.message.calls[0].name == "set_alarm"


def test_where_all_fit_all_are_shown_in_their_order() -> None:
    """A reply that says that tools were chosen where none were."""
    inner = Showing()
    reply = Retrieving(inner, 30).reply(ASKED, MANY)
    assert inner.shown == [tuple(MANY)] and reply.shown is None and reply.none_fits is None


def test_a_catalogue_is_searched_with_what_the_request_offers() -> None:
    """A tool of the request that the catalogue's of the same name takes the place of."""
    inner = Showing()
    own = read({"name": "set_alarm", "description": "Set an alarm of my own."})
    caller = Retrieving(inner, 3, [*MANY, ALARM])
    caller.reply(ASKED, [])
    assert inner.shown[0][0] is ALARM and len(inner.shown[0]) == 3
    caller.reply(ASKED, [own])
    assert inner.shown[1][0] is own and ALARM not in inner.shown[1]


@pytest.mark.parametrize("choice", ["auto", "=tool_q"])
def test_what_was_used_and_what_is_named_stay(choice: str) -> None:
    """A result without its tool; a choice that cannot be met."""
    inner = Showing()
    history = [user("do p"), assistant("", ToolCall("tool_p", {}, "1")), tool("ok", "1", "tool_p"), *ASKED]
    Retrieving(inner, 2).reply(history, [*MANY, ALARM], Decoding(tool_choice=choice))
    names = [one.name for one in inner.shown[0]]
    assert "tool_p" in names and "set_alarm" in names and ("tool_q" in names) is (choice == "=tool_q")


def test_the_same_tools_are_indexed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second for ten thousand tools, with every request."""
    made: list[int] = []
    build = retrieving.Bm25

    def counted(tools: Sequence[Tool]) -> object:
        made.append(len(tools))
        return build(tools)

    monkeypatch.setattr(retrieving, "Bm25", counted)
    caller = Retrieving(Showing(), 3, MANY)
    for _ in range(3):
        caller.reply(ASKED, [])
        caller.reply(ASKED, [read({"name": "set_alarm", "description": "Set an alarm clock."})])
    assert made == [20, 21]
    for number in range(40):
        caller.reply(ASKED, [read({"name": f"own_{number}"})])
    assert len(caller._indexes) <= 32
