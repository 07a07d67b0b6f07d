"""Would break: a bad conversation kept, a good one dropped, or a drop without its reason in the funnel."""

from __future__ import annotations

from typing import Any

import pytest

from toolfinch.data.curate import repeats
from toolfinch.data.curate.quality import at_most, calls_fit, ends_properly, trim
from toolfinch.data.funnel import Dropped, Funnel, step
from toolfinch.data.pairs import unpaired
from toolfinch.data.stage import filtered, run
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, assistant, system, tool, user
from toolfinch.tool import Tool

WEATHER = Tool(
    "weather",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CALL = assistant("", ToolCall("weather", {"city": "Rome"}, "c1"))
TWO = assistant("", ToolCall("weather", {"city": "Rome"}, "c1"), ToolCall("weather", {"city": "Oslo"}, "c2"))


def talk(*messages: Message, id: str = "x", **more: Any) -> Conversation:
    return Conversation(id, (WEATHER,), messages, **more)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (ToolCall("weather", {"city": "Rome"}), ""),
        (ToolCall("wether", {"city": "Rome"}), "calls 'wether', which is not offered"),
        (ToolCall("weather", {}), "call of 'weather': city: missing"),
        (ToolCall("weather", {"city": 3}), "call of 'weather': city: value is not of type \"string\""),
        (ToolCall("weather", {"city": "Rome", "x": 1}), "call of 'weather': x: unknown argument"),
    ],
)
def test_a_call_must_fit_its_schema(call: ToolCall, reason: str) -> None:
    good = ToolCall("weather", {"city": "Oslo"})
    assert calls_fit(talk(user("?"), assistant("", good, call))) == reason
    assert calls_fit(talk(user("?"), assistant("", call), marks={1: Mark(skip=True)})) == ""


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([user("hi"), assistant("hello")], ""),
        ([user("?"), CALL, tool("22", "c1"), assistant("22")], ""),
        ([user("?"), CALL], ""),
        ([user("?"), TWO, tool("1", "c2"), tool("2", "c1"), assistant("both")], ""),
        ([user("?"), TWO, tool("1"), tool("2"), assistant("both")], ""),
        ([user("?"), CALL, tool("22", "c1"), CALL, tool("22", "c1"), assistant("22")], ""),
        ([system("s"), user("hi")], "no assistant turn"),
        ([user("hi"), assistant("hello"), user("?")], "ends with a user message"),
        ([user("?"), CALL, tool("22", "c1")], "ends with a tool message"),
        ([user("?"), CALL, assistant("22")], "a call without a result"),
        ([user("?"), TWO, tool("1", "c1"), assistant("one")], "a call without a result"),
        (
            [user("?"), CALL, user("hello?"), tool("22", "c1"), assistant("22")],
            "a tool result without a call",
        ),
        ([user("?"), CALL, tool("22", "c9"), assistant("22")], "a tool result without a call"),
        (
            [user("?"), CALL, tool("22", "c1"), tool("22", "c1"), assistant("22")],
            "a tool result without a call",
        ),
        ([user("?"), tool("22", "c1"), assistant("22")], "a tool result without a call"),
        ([user("?"), CALL, tool("22", "", "time"), assistant("22")], "a tool result without a call"),
    ],
)
def test_a_conversation_must_end_and_its_calls_be_answered(messages: list[Message], reason: str) -> None:
    assert ends_properly(talk(*messages)) == reason


def test_unpaired_points_at_the_messages() -> None:
    found = unpaired([user("?"), TWO, tool("1", "c1"), tool("9", "c9"), assistant("one"), CALL])
    assert (found.orphans, found.unanswered) == ((3,), (1, 5))


def test_trim_cuts_only_what_follows_the_last_decision() -> None:
    whole = [user("?"), CALL, tool("22", "c1"), assistant("22")]
    assert trim(talk(*whole, user("thanks"))) == talk(*whole)
    assert trim(talk(*whole[:3])) == talk(*whole[:2])
    for untouched in (talk(*whole), talk(user("?"))):
        assert trim(untouched) is untouched


def test_the_token_limit_is_inclusive() -> None:
    short = at_most(3, lambda one: len(one.messages))
    assert short(talk(*[user("x")] * 3)) == ""
    assert short(talk(*[user("x")] * 4)) == "longer than 3 tokens"


def test_every_dropped_row_is_named_and_the_counts_add_up() -> None:
    rows = [
        talk(user("?"), id="a"),
        talk(user("?"), assistant("!"), id="b"),
        talk(user("?"), CALL, user("?"), id="c"),
    ]
    kept, done = run(filtered("ends", ends_properly), rows)
    assert [one.id for one in kept] == ["b"]
    assert done.dropped == (Dropped("a", "no assistant turn"), Dropped("c", "ends with a user message"))
    assert sum(done.reasons.values()) == done.rows_in - done.rows_out == 2


def test_the_funnel_is_a_table_that_hides_no_count() -> None:
    dropped = [Dropped(str(i), f"reason {i % 4} | odd") for i in range(10)]
    table = Funnel((step("read", 12_010, 12_000, dropped, {"looked": 3}),)).to_markdown(reasons=2)
    assert table == (
        "| step | in | out | dropped because | changed |\n"
        "|---|---:|---:|---|---|\n"
        "| read | 12,010 | 12,000 "
        "| reason 0 \\| odd: 3<br>reason 1 \\| odd: 3<br>2 more: 4 | looked: 3 |\n"
    )


def test_a_copy_under_another_id_is_left_out_whichever_comes_first() -> None:
    """A shorter copy would put the same turns into train and test."""
    whole = Conversation("a", (), (user("hi"), assistant("yes?"), user("bye"), assistant("bye")))
    start = Conversation("b", (), whole.messages[:2])
    other = Conversation("c", (), (user("hi"), assistant("no?")))
    for given in ([whole, start, other], [start, other, whole]):
        kept, step = run(repeats.stage(), given)
        assert {one.id for one in kept} == {"a", "c"}
        assert [one.id for one in step.dropped] == ["b"]
    twice = [whole, Conversation("d", (), whole.messages)]
    assert [one.id for one in run(repeats.stage(), twice)[0]] == ["a"]
