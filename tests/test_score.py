"""The score: gold is right, floors are floors, every kind of failure has its case, and no reply breaks it."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolfinch.caller import Reply
from toolfinch.example import (
    Conversation,
    Example,
    Expected,
    ExpectedCall,
    Mark,
    examples,
    expected,
    gold_message,
)
from toolfinch.message import Message, ToolCall, assistant, tool, user
from toolfinch.score import FAILURES, same_value, score
from toolfinch.tool import Tool

WEATHER = Tool(
    "get_weather",
    "Weather of a city.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "default": 1},
            "units": {"type": "string", "enum": ["metric", "imperial"]},
        },
        "required": ["city"],
    },
)
MAIL = Tool(
    "send_mail",
    "Sends a mail.",
    {"type": "object", "properties": {"to": {"type": "string"}, "cc": {"type": "array"}}, "required": ["to"]},
)
TOOLS = (WEATHER, MAIL)
PARIS = ToolCall("get_weather", {"city": "Paris"})
OSLO = ToolCall("get_weather", {"city": "Oslo"})
MAIL_ANN = ToolCall("send_mail", {"to": "Ann"})


def example(*calls: ToolCall | ExpectedCall, kind: str = "", messages: tuple[Message, ...] = ()) -> Example:
    gold = tuple(c if isinstance(c, ExpectedCall) else ExpectedCall(c) for c in calls)
    expected = Expected(kind or ("call" if gold else "say"), gold)  # type: ignore[arg-type]
    return Example("c/1", TOOLS, messages or (user("Weather in Paris?"),), expected)


def waits(*due: ToolCall, later: str = "send_mail", kind: str = "") -> Example:
    """An example in which the calls of one tool depend on what is due."""
    ex = example(*due, kind=kind)
    return msgspec.structs.replace(ex, expected=msgspec.structs.replace(ex.expected, later=(later,)))


def first(due: ToolCall, *then: ToolCall) -> Example:
    """An example whose conversation goes on with further calls."""
    ex = example(due)
    return msgspec.structs.replace(ex, expected=msgspec.structs.replace(ex.expected, then=then))


def says(text: str, *calls: ToolCall) -> Reply:
    return Reply(assistant(text, *calls))


def calls(*made: ToolCall) -> Reply:
    return says("", *made)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_gold_scores_one_in_any_order(n: int) -> None:
    """A scorer that wants the log's order, or that cannot pair calls of one name, fails here."""
    gold = (PARIS, OSLO, MAIL_ANN)[:n]
    for order in itertools.permutations(gold):
        s = score(example(*gold), calls(*order))
        assert s.exact and s.failure is None and s.decision_right and s.tool_decision_right
        assert (s.names_tp, s.names_fp, s.names_fn, s.keys_fp, s.keys_fn) == (n, 0, 0, 0, 0)
        assert all(c.valid and c.accurate for c in s.calls)


@pytest.mark.parametrize("text", ["Which city?", "哪个城市？", "أي مدينة؟"])
def test_a_logged_question_is_of_the_kind_that_it_scores(text: str) -> None:
    """Read by two rules, the gold turn of an assistant that asks in Chinese would be wrong."""
    turn = assistant(text)
    ex = msgspec.structs.replace(example(), expected=expected(turn, Mark()))
    assert score(ex, Reply(turn)).kind_right


@pytest.mark.parametrize("kind", ["say", "ask", "decline"])
def test_no_call_is_right_where_none_is_expected(kind: str) -> None:
    """Refusals must have their own credit; asking is told from saying, declining is not."""
    ex = example(kind=kind)
    assert score(ex, says("Sorry, no.")).exact and score(ex, says("Which city? ")).exact
    assert score(ex, says("Sorry, no.")).kind_right == (kind != "ask")
    assert score(ex, says("Which city? ")).kind_right == (kind == "ask")
    assert not score(ex, calls(PARIS)).exact


EARLIER = (user("Weather in Paris?"), assistant("", PARIS), tool("offline", is_error=True))
PARIS_OR_OSLO = (user("Is it warmer in Oslo? No, weather in Paris, please."),)
ACCEPTS = ExpectedCall(PARIS, accept={"city": ("Paris, France",), "units": ("metric",)}, optional=())


@pytest.mark.parametrize(
    ("ex", "reply", "kind"),
    [
        (example(PARIS), Reply(assistant(), stop="error", error="timeout"), "endpoint_error"),
        (example(), Reply(assistant(), stop="error", error="timeout"), "endpoint_error"),
        (example(), Reply(assistant(), stop="context", error="too long"), "context_exceeded"),
        (example(), Reply(assistant(" "), stop="length"), "malformed"),
        (example(PARIS), Reply(assistant(), stop="length"), "malformed"),
        (example(PARIS), Reply(assistant("I will"), stop="length"), "missed_call"),
        (example(PARIS), Reply(assistant(), stop="context", error="too long"), "context_exceeded"),
        (example(PARIS), Reply(assistant(), unread=("<tool_call>{",)), "malformed"),
        (example(), Reply(assistant(), unread=("<tool_call>{",)), "malformed"),
        (example(PARIS), Reply(assistant("", PARIS), unread=("{",)), "malformed"),
        (example(PARIS), calls(PARIS, PARIS), "repeated_call"),
        (example(PARIS), calls(OSLO, OSLO), "repeated_call"),
        (example(PARIS, MAIL_ANN), calls(PARIS, PARIS), "repeated_call"),
        (example(kind="decline", messages=EARLIER), calls(PARIS), "repeated_call"),
        (example(MAIL_ANN, messages=EARLIER), calls(PARIS), "repeated_call"),
        (example(OSLO, messages=(*EARLIER, user("And Oslo?"))), calls(PARIS), "wrong_value"),
        (example(), calls(PARIS), "stray_call"),
        (example(PARIS), calls(PARIS, MAIL_ANN), "stray_call"),
        (example(PARIS), calls(PARIS, ToolCall("no_such_tool", {})), "stray_call"),
        (example(PARIS), says("Sunny."), "missed_call"),
        (example(PARIS, OSLO), calls(OSLO), "missed_call"),
        (example(PARIS), calls(MAIL_ANN), "wrong_tool"),
        (example(PARIS), calls(ToolCall("get_wether", {"city": "Paris"})), "wrong_tool"),
        (example(PARIS), calls(ToolCall("get_weather", {"town": "Paris"})), "unknown_argument"),
        (example(PARIS), calls(ToolCall("get_weather", {})), "missing_argument"),
        (example(ToolCall("send_mail", {"to": "A", "cc": ["B"]})), calls(ToolCall("send_mail", {"to": "A"})),
         "missing_argument"),
        (example(PARIS), calls(ToolCall("get_weather", {"city": 75})), "wrong_type"),
        (example(PARIS), calls(ToolCall("get_weather", {"city": None})), "wrong_type"),
        (example(PARIS), calls(ToolCall("get_weather", {"city": "Paris", "days": "1"})), "wrong_type"),
        (example(PARIS), calls(OSLO), "not_grounded"),
        (example(PARIS, messages=PARIS_OR_OSLO), calls(OSLO), "wrong_value"),
        (example(OSLO), calls(ToolCall("get_weather", {"city": "Rome"})), "wrong_value"),
        (example(PARIS), calls(ToolCall("get_weather", {"city": "Paris", "units": "kelvin9"})), "not_grounded"),
        (example(PARIS), calls(ToolCall("get_weather", {"city": "Paris", "units": "Paris"})), "wrong_value"),
        (example(PARIS), calls(ToolCall("get_weather", {"city": "paris"})), "wrong_value"),
        (example(PARIS), calls(ToolCall("get_weather", {"city": "Paris", "units": "metric"})), "wrong_value"),
        (example(ACCEPTS), calls(ToolCall("get_weather", {"city": "Paris", "units": "no"})), "wrong_value"),
        (example(PARIS, MAIL_ANN), calls(OSLO, ToolCall("send_mail", {})), "missing_argument"),
        (example(kind="call"), says("hm"), "missed_call"),
        (waits(PARIS), calls(PARIS, MAIL_ANN), "premature_call"),
        (waits(PARIS), calls(MAIL_ANN), "premature_call"),
        (waits(PARIS), calls(OSLO, MAIL_ANN, MAIL_ANN), "premature_call"),
        (waits(kind="ask"), calls(MAIL_ANN), "premature_call"),
        (waits(PARIS, later="get_weather"), calls(PARIS, OSLO), "premature_call"),
        (waits(PARIS, later="get_weather"), calls(OSLO), "not_grounded"),
        (first(PARIS, MAIL_ANN), calls(MAIL_ANN), "wrong_order"),
        (first(PARIS, MAIL_ANN), calls(PARIS, MAIL_ANN), "wrong_order"),
        (first(PARIS, OSLO), calls(OSLO), "wrong_order"),
        (first(PARIS, OSLO), calls(ToolCall("get_weather", {"city": "Rome"})), "not_grounded"),
        (first(PARIS, MAIL_ANN), calls(ToolCall("no_such_tool", {})), "wrong_tool"),
        (example(PARIS), says("It is 21 °C in Paris."), "fabricated_result"),
        (example(PARIS), says("It is sunny in Paris."), "missed_call"),
        (example(MAIL_ANN, messages=EARLIER), says("It is offline."), "gave_up_early"),
        (example(MAIL_ANN, messages=EARLIER), says("It is 21 °C."), "fabricated_result"),
        (example(kind="call"), calls(ToolCall("no_such_tool", {})), "wrong_tool"),
        (example(kind="call"), calls(PARIS, ToolCall("no_such_tool", {})), "stray_call"),
        (waits(PARIS), calls(PARIS, ToolCall("no_such_tool", {})), "stray_call"),
        (waits(PARIS), says("Sunny."), "missed_call"),
        (waits(PARIS), Reply(assistant("", MAIL_ANN), unread=("{",)), "malformed"),
    ],
)  # fmt: skip
def test_kinds_of_failure(ex: Example, reply: Reply, kind: str) -> None:
    """The kinds are exclusive and their precedence is a promise: a report groups by them."""
    s = score(ex, reply)
    assert s.failure is not None and s.failure.kind == kind
    assert not s.exact and "\n" not in s.failure.why


@pytest.mark.parametrize(
    ("gold", "arguments"),
    [
        (PARIS, {"city": "Paris", "days": 1}),
        (PARIS, {"city": "Paris", "days": 1.0}),
        (ToolCall("get_weather", {"city": "Paris", "days": 1}), {"city": "Paris"}),
        (ToolCall("get_weather", {"city": "Paris", "days": 3}), {"city": "Paris", "days": 3.0}),
        (ToolCall("get_weather", {"city": "Caf\u00e9"}), {"city": "Cafe\u0301"}),
        (ACCEPTS, {"city": "Paris, France"}),
        (ACCEPTS, {"city": "Paris", "units": "metric"}),
        (ExpectedCall(ToolCall("get_weather", {"city": "N", "days": 3}), optional=("days",)), {"city": "N"}),
    ],
)  # fmt: skip
def test_other_ways_to_be_right(gold: ToolCall | ExpectedCall, arguments: dict[str, Any]) -> None:
    """Defaults, accepted values and optional arguments are right, and cost no key precision or recall."""
    s = score(example(gold), calls(ToolCall("get_weather", arguments)))
    assert s.exact and s.keys_fp == s.keys_fn == 0


def test_pairing_finds_the_best_assignment() -> None:
    """Greedy pairing would give Paris to the call that also accepts Oslo, and lose one."""
    either = ExpectedCall(PARIS, accept={"city": ("Oslo",)})
    for order in itertools.permutations((PARIS, OSLO)):
        assert score(example(either, PARIS), calls(*order)).exact


def test_valid_is_not_accurate() -> None:
    """A schema-valid call to an unasked city is valid; an unoffered tool is never valid."""
    (oslo,) = score(example(PARIS), calls(OSLO)).calls
    (made_up,) = score(example(PARIS), calls(ToolCall("made_up", {}))).calls
    assert oslo.valid and not oslo.accurate and oslo.gold == 0
    assert not made_up.valid and made_up.gold is None


def test_keys_of_unpaired_calls_count() -> None:
    """Otherwise calling nothing, or everything, would have a perfect key F1."""
    s = score(example(PARIS, MAIL_ANN), calls(PARIS, ToolCall("x", {"a": 1, "b": 2})))
    assert (s.keys_tp, s.keys_fp, s.keys_fn) == (1, 2, 1)


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (3, 3.0, True), ("3", 3, False), (True, 1, False), (0, False, False), (None, 0, False),
        (None, "", False), ("a", "a ", False), ([1, 2], [2, 1], False), ([1], [1.0], True),
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False), (10**400, 1e300, False), (float("nan"), float("nan"), True),
        (-0.0, 0, True), ([], {}, False),
    ],
)  # fmt: skip
def test_same_value(a: Any, b: Any, equal: bool) -> None:
    """Python's own equality would take True for 1."""
    assert same_value(a, b) is same_value(b, a) is equal


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["city", "days", "units", "to", "cc", "other"])
any_call = st.builds(
    ToolCall,
    st.sampled_from(["get_weather", "send_mail", "made_up", ""]),
    st.dictionaries(keys | st.text(max_size=3), json_values, max_size=4),
)
any_reply = st.builds(
    Reply,
    st.builds(lambda text, made: assistant(text, *made), st.text(max_size=9), st.lists(any_call, max_size=4)),
    unread=st.lists(st.text(max_size=9), max_size=1).map(tuple),
    stop=st.sampled_from(["stop", "tool_calls", "length", "error"]),
)
any_example = st.lists(any_call, max_size=3).map(lambda made: example(*made))


@settings(max_examples=200, deadline=None)
@given(any_example, any_reply)
def test_arbitrary_replies_never_raise(ex: Example, reply: Reply) -> None:
    """A model writes anything; a crash in the reward would stop a training run."""
    s = score(ex, reply)
    assert (s.failure is None) == s.exact
    assert s.names_tp + s.names_fn == len(ex.expected.calls)
    assert s.names_tp + s.names_fp == len(reply.message.calls)
    assert s.failure is None or s.failure.kind in FAILURES
    assert min(s.keys_tp, s.keys_fp, s.keys_fn) >= 0


@settings(max_examples=100, deadline=None)
@given(any_example, st.randoms(use_true_random=False))
def test_gold_of_anything_is_exact_when_shuffled(ex: Example, random: Any) -> None:
    """Gold that does not pass its own scorer makes every number of a suite wrong."""
    gold = gold_message(ex)
    shuffled = list(gold.calls)
    random.shuffle(shuffled)
    assert score(ex, Reply(assistant(gold.content, *shuffled))).exact


def test_hostile_arguments() -> None:
    """Nesting without end, huge strings and integers, half surrogates, thousands of calls."""
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    for value in (deep, "x" * 10**7, 10**5000, "\ud800", float("inf")):
        made = ToolCall("get_weather", {"city": value})
        assert score(example(PARIS), calls(made)).failure
        assert score(example(made), calls(made)).exact
    assert not score(example(PARIS), calls(ToolCall("get_weather", {"\ud800": 1}))).calls[0].valid
    many = score(example(PARIS), calls(*[PARIS] * 2000))
    assert many.failure is not None and many.failure.kind == "repeated_call"


def test_any_call_is_right_where_none_is_named() -> None:
    """BFCL's relevance cases name no call: a scorer that wants one would fail every caller."""
    assert score(example(kind="call"), calls(PARIS)).exact
    assert score(example(kind="call"), calls(PARIS, MAIL_ANN)).exact
    assert not score(example(kind="call"), says("No.")).exact


def test_without_defaults_an_argument_is_given_or_listed() -> None:
    """BFCL's rule: a schema's default says nothing of what a request asks for."""
    given, left_out = ToolCall("get_weather", {"city": "Paris", "days": 1}), PARIS
    for gold, made in ((given, left_out), (left_out, given)):
        assert score(example(gold), calls(made)).exact
        strict = ExpectedCall(gold, defaults=False)
        assert not score(example(strict), calls(made)).exact
        listed = msgspec.structs.replace(strict, accept={"days": (1,)}, optional=("days",))
        assert score(example(listed), calls(made)).exact


def test_folded_strings_differ_in_letters_and_digits_alone() -> None:
    """BFCL's comparison, where an example asks for it; everywhere else a string is what it is."""
    folded = msgspec.structs.replace(
        ExpectedCall(ToolCall("send_mail", {"to": "Ann-Marie", "cc": ["a b"]})), folded=True
    )
    same = calls(ToolCall("send_mail", {"to": "ann, marie", "cc": ["A_b"]}))
    assert score(example(folded), same).exact
    assert not score(example(folded), calls(ToolCall("send_mail", {"to": "annmari", "cc": ["A_b"]}))).exact
    assert not score(example(folded.call), same).exact


def test_what_a_log_calls_next_is_known() -> None:
    """Without it, a call made ahead of its turn would be one tool mistaken for another."""
    turns = (
        user("Weather, then mail Ann."),
        assistant("", PARIS),
        tool("sunny"),
        assistant("", MAIL_ANN),
        tool("ok"),
        user("And Oslo?"),
        assistant("", OSLO),
    )
    made = list(examples(Conversation("c", TOOLS, turns)))
    assert [e.expected.then for e in made] == [(MAIL_ANN,), (), ()]
