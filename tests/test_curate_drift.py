"""Would break: a call rewritten to a tool or an argument that it never was; the same tool under two names in a dataset."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from drifting import Logged, earlier, logged, today
from toolfinch.data.curate import drift
from toolfinch.data.curate.quality import calls_fit
from toolfinch.data.stage import run
from toolfinch.example import Conversation, Mark
from toolfinch.message import ToolCall, assistant, tool, user
from toolfinch.tool import Tool
from toolfinch.toolbox.builtin import builtin_tools


def history(seed: int, *, timed: bool, share: float = 0.4) -> list[Logged]:
    """Four releases of the built-in toolbox, the last of them today's."""
    rng, shapes, rows = random.Random(seed), today(), []
    for release in range(4):
        time = f"2025-0{9 - release}-01T00:00:00" if timed else ""
        rows += [logged(rng, shapes, f"r{release}-{row}", time) for row in range(40)]
        shapes = earlier(rng, shapes, share)
    return rows


def parts(one: Conversation) -> list[Any]:
    return [*one.tools, *(call for message in one.messages for call in message.calls)]


def said(before: Any, after: Any, truth: Any) -> bool:
    return after in (before, truth)


@pytest.mark.parametrize("share", [0.3, 0.8])
@pytest.mark.parametrize("timed", [False, True], ids=["given", "learned"])
def test_renamed_and_changed_tools_are_what_they_are_today(timed: bool, share: float) -> None:
    right = drifted = 0
    for seed in range(8):
        rows = history(seed, timed=timed, share=share)
        assert not any(calls_fit(row.one) or calls_fit(row.truth) for row in rows)
        kept, _ = run(drift.stage(() if timed else builtin_tools()), [row.one for row in rows])
        for row, after in zip(rows, kept, strict=True):
            assert all(map(said, parts(row.one), parts(after), parts(row.truth))), (
                "a repair is the truth, or none"
            )
            drifted += row.one != row.truth
            right += row.one != row.truth == after
            assert not row.lost or after == row.one, "what cannot be said today stays"
    assert right >= 0.9 * drifted > 500


def parameters(*required: str, **properties: Any) -> dict[str, Any]:
    shown = {
        name: {"type": "string", "description": said} if isinstance(said, str) else said
        for name, said in properties.items()
    }
    return {"type": "object", "properties": shown, "required": list(required), "additionalProperties": False}


def session(id: str, *tools: Tool, call: ToolCall | None = None, **more: Any) -> Conversation:
    call = call or ToolCall(tools[0].name, {})
    return Conversation(id, tools, (user("?"), assistant("", call)), **more)


TICKET = Tool("ticket", "Show the details of a support ticket.", parameters("id", id="Number of the ticket."))
FETCH = Tool(
    "fetch_ticket",
    "Show the details of a support ticket.",
    parameters("ticket_id", ticket_id="Number of the ticket."),
)
OLD = session("old", TICKET, call=ToolCall("ticket", {"id": "7"}))


def repaired(
    current: Tool | tuple[Tool, ...], old: Conversation, *others: Conversation
) -> tuple[Conversation, Mapping[str, int]]:
    kept, step = run(drift.stage(current if isinstance(current, tuple) else (current,)), [old, *others])
    return kept[0], step.did


def test_everything_that_names_the_tool_is_rewritten() -> None:
    messages = (*OLD.messages, tool("open", "", "ticket"), assistant("It is open."))
    marks = {1: Mark(accept=({"id": ("07",)},), optional=(("id",),), later=("ticket",))}
    old = msgspec.structs.replace(OLD, messages=messages, marks=marks)
    after, did = repaired(FETCH, old)
    assert after.tools == (FETCH,)
    assert after.messages[1].calls == (ToolCall("fetch_ticket", {"ticket_id": "7"}),)
    assert after.messages[2].result is not None and after.messages[2].result.name == "fetch_ticket"
    assert after.marks[1] == Mark(
        accept=({"ticket_id": ("07",)},), optional=(("ticket_id",),), later=("fetch_ticket",)
    )
    assert did == {"tool renamed": 1, "argument renamed": 1, "tool definition replaced": 1}


TRAPS = {
    "another act": (
        Tool("create_user", "Create a user account.", parameters("name", name="Name of the user.")),
        Tool("delete_user", "Delete a user account.", parameters("name", name="Name of the user.")),
    ),
    "another act, copied text": (
        Tool("add_item", "Manages the items of a shopping list.", parameters("item", item="The item.")),
        Tool("remove_item", "Manages the items of a shopping list.", parameters("item", item="The item.")),
    ),
    "another thing": (
        Tool("get_weather", "Get the weather for a city.", parameters("city", city="Name of the city.")),
        Tool("get_time", "Get the time for a city.", parameters("city", city="Name of the city.")),
    ),
    "another service": (
        Tool("Bank_1_Pay", "Pay money to somebody else.", parameters("to", to="Who gets it.")),
        Tool("Bank_2_Pay", "Pay money to somebody else.", parameters("to", to="Who gets it.")),
    ),
    "nothing in common but arguments": (
        Tool("lookup", "Look up a word in a dictionary.", parameters("query", query="What to look for.")),
        Tool("shell", "Run commands in a terminal.", parameters("query", query="What to look for.")),
    ),
    "no description": (Tool("alpha", "", parameters("x", x="")), Tool("beta", "", parameters("x", x=""))),
    "a name that went to another tool": (
        Tool(
            "search",
            "Search flights between two airports.",
            parameters("origin", origin="Airport of departure."),
        ),
        Tool(
            "search",
            "Find recipes by ingredient.",
            parameters("ingredient", ingredient="What is in the fridge."),
        ),
    ),
    "another unit": (
        Tool(
            "wait",
            "Wait for some time.",
            parameters("time", time={"type": "integer", "description": "Seconds to wait."}),
        ),
        Tool(
            "wait",
            "Wait for some time.",
            parameters("time", time={"type": "integer", "description": "Minutes to wait."}),
        ),
    ),
    "opposed arguments": (
        Tool("move", "Move a file to another place.", parameters("source", source="File to move.")),
        Tool("move", "Move a file to another place.", parameters("target", target="Where to move it.")),
    ),
}


@pytest.mark.parametrize("name", TRAPS)
@pytest.mark.parametrize("given", [True, False], ids=["given", "learned"])
def test_what_is_not_certain_is_left_alone(name: str, given: bool) -> None:
    old, new = TRAPS[name]
    value: Any = 5 if name == "another unit" else "a value"
    one = session(
        "old",
        old,
        call=ToolCall(old.name, {old.parameters["required"][0]: value}),
        time="2024-01-01T00:00:00",
    )
    other = session(
        "new",
        new,
        call=ToolCall(new.name, {new.parameters["required"][0]: value}),
        time="2025-01-01T00:00:00",
    )
    assert repaired(new if given else (), one, other)[0] == one


def test_names_that_were_offered_side_by_side_are_two_tools() -> None:
    assert repaired(FETCH, OLD)[0] != OLD
    both = session("both", FETCH, TICKET, call=ToolCall("ticket", {"id": "7"}))
    assert repaired(FETCH, OLD, both)[0] == OLD


def test_of_two_that_it_could_be_none_is_taken() -> None:
    twin = msgspec.structs.replace(FETCH, name="load_ticket")
    assert repaired((FETCH, twin), OLD)[0] == OLD


def test_arguments_that_changed_places_are_not_mixed_up() -> None:
    ends = {"a": "Where it starts.", "b": "Where it ends."}
    old = Tool("route", "Plan a route on the map.", parameters("a", "b", **ends))
    new = Tool("route", "Plan a route on the map.", parameters("a", "b", a=ends["b"], b=ends["a"]))
    one = session("old", old, call=ToolCall("route", {"a": "Oslo", "b": "Rome"}))
    assert repaired(new, one)[0] == one


INTEGER: dict[str, Any] = {"type": "integer"}
STRING: dict[str, Any] = {"type": "string"}
UNITS: dict[str, Any] = {"type": "string", "enum": ["celsius", "fahrenheit"]}


@pytest.mark.parametrize(
    ("before", "after", "value", "now"),
    [
        (STRING, INTEGER, "5", 5),
        (STRING, INTEGER, "007", None),  # an id, perhaps
        (STRING, INTEGER, "five", None),
        (STRING, {"type": "number"}, "-2.50", -2.5),
        (INTEGER, STRING, 5, "5"),
        ({"type": "number"}, STRING, 5.0, "5"),
        (STRING, {"type": "boolean"}, "True", True),
        ({"type": "boolean"}, STRING, False, "false"),
        ({**UNITS, "enum": ["CELSIUS", "Fahrenheit"]}, UNITS, "CELSIUS", "celsius"),
        ({**UNITS, "enum": ["kelvin", "celsius"]}, UNITS, "kelvin", None),
        (STRING, {**UNITS, "enum": ["a-b", "a_b"]}, "a b", None),
        ({"type": "array", "items": STRING}, {"type": "array", "items": INTEGER}, ["1", "2"], [1, 2]),
    ],
)
def test_a_value_is_written_as_the_type_is_now(before: Any, after: Any, value: Any, now: Any) -> None:
    old = Tool("set_level", "Set the level of a lamp.", parameters("level", level=before))
    new = Tool("set_level", "Set the level of a lamp.", parameters("level", level=after))
    one = session("old", old, call=ToolCall("set_level", {"level": value}))
    found, did = repaired(new, one)
    if now is None:
        assert found == one and not did
    else:
        assert found.messages[1].calls[0].arguments == {"level": now} and did["type changed"] >= 1


def test_an_argument_that_is_gone_may_only_have_said_the_default() -> None:
    quiet = {"type": "boolean", "default": True}
    old = Tool("build", "Build the project from source.", parameters("name", name="The target.", quiet=quiet))
    new = Tool("build", "Build the project from source.", parameters("name", name="The target."))
    said, unsaid = (
        session("old", old, call=ToolCall("build", {"name": "all", "quiet": value}))
        for value in (False, True)
    )
    assert repaired(new, said)[0] == said
    assert repaired(new, unsaid)[0].messages[1].calls[0].arguments == {"name": "all"}


def test_calls_of_former_names_where_the_tools_are_those_of_today() -> None:
    stray = session("stray", FETCH, call=ToolCall("ticket", {"id": "7"}))
    assert repaired(FETCH, stray, OLD)[0].messages[1].calls == (ToolCall("fetch_ticket", {"ticket_id": "7"}),)
    assert repaired(FETCH, stray)[0] == stray  # nothing says what `ticket` was
    spelled = session("spelled", FETCH, call=ToolCall("fetchTicket", {"ticketId": "7"}))
    assert repaired(FETCH, spelled)[0].messages[1].calls == (ToolCall("fetch_ticket", {"ticket_id": "7"}),)


def test_small_steps_lead_where_one_large_one_would_not() -> None:
    told = "Show the details and history of one support ticket."
    middle = Tool("ticket", told, parameters("ticket_number", ticket_number="Number of the ticket."))
    last = Tool("ticket_info", told, parameters("number", number=""))
    step = session("middle", middle, call=ToolCall("ticket", {"ticket_number": "8"}))
    assert repaired(last, OLD)[0] == OLD
    assert repaired(last, OLD, step)[0].messages[1].calls == (ToolCall("ticket_info", {"number": "7"}),)


def test_definitions_made_for_each_session_are_no_versions() -> None:
    def contacts(number: int) -> Tool:
        to = {"type": "string", "enum": [f"friend {number}", "mother"]}
        return Tool("call", "Call somebody on the phone.", parameters("to", to=to))

    rows = [session(f"s{n}", contacts(n), call=ToolCall("call", {"to": "mother"})) for n in range(20)]
    assert run(drift.stage(), rows)[0] == rows


def test_skipped_turns_need_not_fit() -> None:
    bad = msgspec.structs.replace(
        OLD,
        messages=(*OLD.messages, assistant("", ToolCall("ticket", {"nonsense": 1}))),
        marks={2: Mark(skip=True)},
    )
    after, _ = repaired(FETCH, bad)
    assert [call.name for message in after.messages for call in message.calls] == ["fetch_ticket"] * 2
    assert repaired(FETCH, msgspec.structs.replace(bad, marks={}))[0].tools == OLD.tools


def test_neither_the_order_nor_the_process_matters() -> None:
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    rows = [row.one for row in history(3, timed=False)]
    straight, step = run(drift.stage(), rows)
    stage = cloudpickle.loads(cloudpickle.dumps(drift.stage()))
    facts = {one.id: cloudpickle.loads(cloudpickle.dumps(stage.look(one))) for one in reversed(rows)}
    change = cloudpickle.loads(cloudpickle.dumps(stage.decide(dict(sorted(facts.items())))))
    again = [getattr(after := change(one), "one", after) for one in reversed(rows)]
    assert again == straight[::-1]
    assert step.did["tool renamed"] > 0


def test_conversations_that_shared_their_tools_still_do() -> None:
    rows = [msgspec.structs.replace(OLD, id=f"s{n}") for n in range(3)]
    kept, _ = run(drift.stage([FETCH]), rows)
    assert kept[0].tools == (FETCH,) and len({id(one.tools) for one in kept}) == 1
