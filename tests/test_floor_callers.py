"""The floors: what each always does, and the rules by which `bm25` fills arguments in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growth import TIMES, assert_grows_with_it
from toolfinch.caller import ToolCaller
from toolfinch.callers.floors import AlwaysAsk, Bm25Pick, NeverCall
from toolfinch.callers.load import load
from toolfinch.callers.rule_filled import fill
from toolfinch.example import Example, Expected
from toolfinch.message import Message, ToolCall, assistant, system, tool, user
from toolfinch.schema import violations
from toolfinch.score import score
from toolfinch.tool import Tool, read

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
WHOLE = {"type": "integer"}


def needs(*optional: str, **properties: Any) -> Tool:
    """A tool whose properties are all required but for `optional`."""
    required = [key for key in properties if key not in optional]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return read({"name": "moss", "parameters": schema})


FERRY = read({"name": "book_ferry", "description": "Book a ferry.", "parameters": {"type": "object"}})
SHED = read({"name": "open_shed", "description": "Open a shed.", "parameters": {"type": "object"}})


@pytest.mark.parametrize(
    ("spec", "name"), [("never", "never-call"), ("ask", "always-ask"), ("bm25", "bm25-pick")]
)
def test_floors_load_by_name(spec: str, name: str) -> None:
    """A folder of that name in the working directory must not be needed."""
    caller: ToolCaller = load(spec)
    assert caller.name == name


def test_never_and_ask_do_one_thing() -> None:
    """A floor that is read as another kind of answer is the floor of another figure."""
    messages = [user("Book a ferry.")]
    kinds = [
        score(
            Example("a/1", (FERRY,), tuple(messages), Expected("say")), caller.reply(messages, [FERRY])
        ).got_kind
        for caller in (NeverCall(), AlwaysAsk())
    ]
    assert kinds == ["say", "ask"]


def test_bm25_picks_by_the_last_request_and_never_declines() -> None:
    pick = Bm25Pick()
    said = [user("Open the shed."), assistant("Done."), user("Now a ferry.")]
    reply = pick.reply(said, [SHED, FERRY])
    assert [call.name for call in reply.message.calls] == ["book_ferry"]
    assert reply.stop == "tool_calls"
    assert pick.reply([user("Thanks!")], [SHED, FERRY]).message.calls
    assert not pick.reply(said, []).message.calls


# Which value goes where


FILLED: list[tuple[str, Tool, dict[str, Any]]] = [
    ("From Lyon to Turin.", needs(origin=TEXT, destination=TEXT), {"origin": "Lyon", "destination": "Turin"}),
    ("Is it raining in Rio de Janeiro?", needs(city=TEXT), {"city": "Rio de Janeiro"}),
    ("What is Priya Raman's number?", needs(name=TEXT), {"name": "Priya Raman"}),
    ("Oslo", needs(city=TEXT), {"city": "Oslo"}),
    ("Find Oslo on Friday.", needs(city=TEXT), {"city": "Oslo"}),
    ('Note "oak" as "Tree".', needs(title=TEXT, text=TEXT), {"title": "oak", "text": "Tree"}),
    ("Mail a.b@c.org, please.", needs(to={**TEXT, "format": "email"}), {"to": "a.b@c.org"}),
    ('Mail "a.b@c.org".', needs(to={**TEXT, "format": "email"}), {"to": "a.b@c.org"}),
    ("Open https://a.org/x?y=1.", needs(url=TEXT), {"url": "https://a.org/x?y=1"}),
    ("Read notes/old.txt and stop.", needs(path=TEXT), {"path": "notes/old.txt"}),
    ("on March 8th, 2027", needs(date=TEXT), {"date": "2027-03-08"}),
    ("on 8 March 2027, or 2028-01-02", needs(day=TEXT, end_date=TEXT), {"day": "2027-03-08", "end_date": "2028-01-02"}),
    ("on 2027-03-08", needs(from_date=TEXT, to_date=TEXT), {"from_date": "2027-03-08", "to_date": "2027-03-08"}),
    ("at 4:30 pm", needs(time=TEXT), {"time": "16:30"}),
    ("at 12 am", needs(start={**TEXT, "description": "Start, HH:MM."}), {"start": "00:00"}),
    (
        "on 8 March 2027 at 9 a.m.",
        needs(start={**TEXT, "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d$"}),
        {"start": "2027-03-08T09:00"},
    ),
    ("1,299.95 dollars", needs(amount=NUMBER), {"amount": 1299.95}),
    ("two seats, 20kg", needs(seats=WHOLE, kg=NUMBER), {"seats": 2, "kg": 20}),
    ("-70 it is", needs(celsius=NUMBER), {"celsius": -70}),
    ("2.5 or 3", needs(count=WHOLE), {"count": 3}),
    ("from 192.168.2.7", needs(count=WHOLE), {"count": 1}),
    ("between 3 and 30", needs(level={**WHOLE, "minimum": 5}), {"level": 30}),
    ("Cancel order 30077 of 12.", needs(order_id=TEXT), {"order_id": "30077"}),
    ("Start BK-4471.", needs(protocol_id=TEXT), {"protocol_id": "BK-4471"}),
    ("in the Study, not the hall", needs(room={**TEXT, "enum": ["hall", "study"]}), {"room": "study"}),
    ("ultra high-end", needs(price={**TEXT, "enum": ["high", "ultra_high_end"]}), {"price": "ultra_high_end"}),
    ("for two", needs(seats={**TEXT, "enum": ["1", "2"]}), {"seats": "2"}),
    ("Ask Ann and Bob.", needs(people={"type": "array", "items": TEXT}), {"people": ["Ann", "Bob"]}),
    (
        "in Leeds",
        needs(near={"type": "object", "properties": {"city": TEXT, "street": TEXT}, "required": ["city"]}),
        {"near": {"city": "Leeds"}},
    ),
    ("Go.", needs(near={"anyOf": [{"type": "null"}, WHOLE]}), {"near": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "tool", "arguments"), FILLED, ids=[said for said, *_ in FILLED])
def test_a_value_goes_where_the_schema_wants_it(said: str, tool: Tool, arguments: dict[str, Any]) -> None:
    """A floor that misses these would make any model look good."""
    assert fill(tool, [user(said)]) == arguments


def test_each_value_is_used_once() -> None:
    """Two arguments of one value would be right only by accident."""
    rooms = {**TEXT, "enum": ["hall", "study"]}
    assert fill(needs(a=rooms, b=rooms), [user("From the study to the hall.")]) == {"a": "study", "b": "hall"}


@pytest.mark.parametrize(
    ("said", "filled"),
    [
        ("Go to Oslo with 3 and \"x\".", {}),
        ("It is urgent: high!", {"priority": "high"}),
        ("Copy a@b.org.", {"cc": ["a@b.org"]}),
        ("At most limit 3.", {"limit": 3}),
        ("Pin it: pinned!", {}),
        ("in the Orion building", {}),
    ],
)  # fmt: skip
def test_optional_arguments_need_a_sure_sign(said: str, filled: dict[str, Any]) -> None:
    """Every optional argument that was not asked for makes a right call wrong."""
    properties = {
        "priority": {**TEXT, "enum": ["low", "high"], "default": "low"},
        "cc": {"type": "array", "items": TEXT, "default": []},
        "limit": {**WHOLE, "default": 10},
        "note": TEXT,
        "pinned": {"type": "boolean"},
        "near": {"type": "object", "properties": {"building": TEXT}, "required": ["building"]},
    }
    assert fill(needs(*properties, **properties), [user(said)]) == filled


GUESSED: list[tuple[dict[str, Any], Any]] = [
    ({**TEXT, "default": "x"}, "x"),
    ({**TEXT, "enum": ["b", "a"]}, "b"),
    ({**TEXT, "enum": ["", "a"]}, ""),
    ({"const": 7}, 7),
    (TEXT, "go on"),
    ({**TEXT, "maxLength": 2}, ""),
    (WHOLE, 1),
    ({**WHOLE, "minimum": 5}, 5),
    ({**NUMBER, "maximum": 0}, 0),
    ({"type": "boolean"}, False),
    ({"type": ["null", "boolean"]}, False),
    ({"type": "array", "items": TEXT}, []),
    ({"type": "array", "items": WHOLE, "minItems": 1}, [1]),
    ({"type": "object", "properties": {"n": WHOLE}, "required": ["n"]}, {"n": 1}),
    (
        {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {"n": WHOLE}, "required": ["n"]}},
        [{"n": 1}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "guessed"), GUESSED, ids=[str(schema) for schema, _ in GUESSED])
def test_a_required_argument_is_always_there(schema: dict[str, Any], guessed: Any) -> None:
    """Left out, the call could not be right, nor even run."""
    wants = needs(value=schema)
    found = fill(wants, [user("go on")])
    assert found == {"value": guessed}
    assert not violations(wants, found)


# The conversation


def test_the_latest_message_counts_first() -> None:
    said = [
        user("Rain in Oslo?"),
        assistant("Yes."),
        user("And in Bergen?"),
        assistant("No."),
        user("Thanks!"),
    ]
    assert fill(needs(city=TEXT), said) == {"city": "Bergen"}
    assert fill(needs(city=TEXT), said[:3]) == {"city": "Bergen"}
    assert fill(needs(city=TEXT), said[:1]) == {"city": "Oslo"}


def test_results_and_earlier_calls_are_read_by_key() -> None:
    """An id that a search has found is what the next call is about."""
    said = [
        user("Find the train to Oslo on May 8 and book two seats."),
        assistant("", ToolCall("find", {"city": "Oslo", "passengers": 2}, "c")),
        tool(json.dumps({"trains": [{"id": "NO-61", "price": 40}, {"id": "NO-62"}]}), "c", "find"),
    ]
    wants = needs("price", train_id=TEXT, passengers=WHOLE, price=NUMBER)
    assert fill(wants, said) == {"train_id": "NO-61", "passengers": 2}
    assert fill(needs(city=TEXT), said) == {"city": "Oslo"}


def test_an_errors_words_are_no_values() -> None:
    """A retry with `Forbidden` in place of the order's number would pass for a sensible change."""
    said = [
        user("Cancel order 30077."),
        assistant("", ToolCall("cancel", {})),
        tool("Error: Forbidden B7 to Bob"),
    ]
    assert fill(needs(order_id=TEXT), said) == {"order_id": "30077"}
    assert fill(needs(order_id=TEXT), [*said[:2], tool('{"events": []}')]) == {"order_id": "30077"}


def test_a_date_without_a_year_takes_the_conversations() -> None:
    assert fill(needs(date=TEXT), [system("Today is 1 March 2026."), user("On May 8th.")]) == {
        "date": "2026-05-08"
    }
    assert fill(needs("date", date=TEXT), [user("On May 8th.")]) == {}
    assert fill(needs("date", date=TEXT), [user("On 2026-02-30.")]) == {}


def test_the_systems_words_are_not_the_users() -> None:
    """The prompt's example city would be in every call."""
    assert fill(needs(city=TEXT), [system("You are in Paris."), user("rain?")]) == {"city": "rain?"}


SCHEMAS = st.recursive(
    st.sampled_from([TEXT, NUMBER, WHOLE, {"type": "boolean"}, {**TEXT, "enum": ["on", "a b"]}, {**WHOLE, "minimum": 2}]),
    lambda inner: st.one_of(
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.builds(
            lambda properties: {"type": "object", "properties": properties, "required": sorted(properties)[:2]},
            st.dictionaries(st.sampled_from(["to", "city", "date", "order_id", "text"]), inner, max_size=4),
        ),
    ),
    max_leaves=6,
)  # fmt: skip
PIECES = [
    "Oslo",
    "7",
    "two",
    "on",
    "2026-03-08",
    "May 8",
    "9 pm",
    '"',
    "'",
    "a@b.org",
    "/x/y",
    "BK-1",
    ".",
    "\n",
    "1,0",
]
SAID: list[Callable[[str], Message]] = [user, tool, assistant]
MESSAGES = st.lists(
    st.builds(
        lambda said, parts: said(" ".join(parts)),
        st.sampled_from(SAID),
        st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8),
    ),
    max_size=4,
)


@given(st.dictionaries(st.sampled_from(["to", "city", "date", "n", "url"]), SCHEMAS, max_size=4), MESSAGES)
def test_what_is_filled_in_fits(properties: dict[str, Any], messages: list[Message]) -> None:
    """A call that its own schema refuses shows how little the floor knows of JSON, and nothing of the task."""
    wants = needs(**properties)
    found = fill(wants, messages)
    assert violations(wants, found) == ()
    assert msgspec.json.encode(found) == msgspec.json.encode(fill(wants, messages))


@pytest.mark.parametrize(
    "said", ["a.", "'a ", '"', "/", "A ", "a@a.", "#", "1-", "1a-", "jan 1 ", "1:00 ", "https://"]
)
def test_hostile_text_takes_no_time(said: str) -> None:
    """A pattern that goes back over a long text again and again would hang an evaluation."""
    wants, many = needs(city=TEXT, n=NUMBER), said * 3_125
    assert_grows_with_it(lambda: fill(wants, [user(many)]), lambda: fill(wants, [user(many * TIMES)]))


def test_a_bound_may_be_written_as_a_fraction() -> None:
    """JSON has one kind of number: `2.0` is a whole one."""
    some = {"type": "array", "items": NUMBER, "maxItems": 2.0}
    assert fill(needs(of=some), [user("1, 2, 3")]) == {"of": [1, 2]}


def test_a_deep_or_broken_result_is_passed_over() -> None:
    assert fill(needs(n=WHOLE), [user("3 of them"), tool("[" * 100_000), tool('{"n": ')]) == {"n": 3}


@pytest.mark.parametrize("said", ["ſep 5", "5 ſep 2020", "ſix", "fıve", "nİne"])
def test_letters_that_are_others_without_their_case(said: str) -> None:
    """Python takes ſ for s and ı for i where case is ignored, and the floor would end every run of a suite."""
    assert fill(needs(n=WHOLE, date=TEXT), [user(said)]).keys() == {"n", "date"}
