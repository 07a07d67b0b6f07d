"""The score under fuzzing: nothing makes it raise or hang, and nothing malformed is right."""

from __future__ import annotations

import inspect
import itertools
import sys
import unicodedata
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growth import TIMES, assert_grows_with_it
from toolfinch.caller import Reply
from toolfinch.dialects import DIALECTS
from toolfinch.errors import DataError
from toolfinch.example import Example, Expected, ExpectedCall
from toolfinch.grounding import ungrounded
from toolfinch.message import Message, ToolCall, assistant, call_from_openai, from_openai, tool, user
from toolfinch.score import FAILURES, Score, score
from toolfinch.tool import Tool, read

ANY = Tool(
    "any", "Takes anything.", {"type": "object", "properties": {"a": {}}, "additionalProperties": True}
)
TEXT = read(
    {
        "name": "text",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "n": {"type": "integer", "default": 1}},
            "required": ["a"],
        },
    }
)
ASKED = (user("Say x."),)


def case(
    *due: ToolCall | ExpectedCall,
    messages: tuple[Message, ...] = ASKED,
    tools: tuple[Tool, ...] = (ANY, TEXT),
) -> Example:
    gold = tuple(each if isinstance(each, ExpectedCall) else ExpectedCall(each) for each in due)
    return Example("c/1", tools, messages, Expected("call", gold))


def made(*calls: ToolCall, text: str = "") -> Reply:
    return Reply(assistant(text, *calls))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**64), 10**400])
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=12)
    | st.sampled_from(
        ["x", "3", "\ud800", "e\u0301", "\u00e9", "a" + "\u0301\u0316" * 60, "2026-03-04", "\0"]
    )
    | st.binary(max_size=3)
    | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.none() | st.floats(), inner, max_size=3)
    ),
    max_leaves=8,
)
arguments = st.dictionaries(st.sampled_from(["a", "n", "z", "\ud800"]) | st.integers(), anything, max_size=3)
any_call = st.builds(ToolCall, st.sampled_from(["any", "text", "none", "", "\ud800"]), arguments)
said = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(
    [
        "On 2026-03-04 Ann paid 5.0001 euros to a@b.example.",
        "1e9 '5' \"x\" 3 pm, file.pdf?",
        "7" * 400,
        "½ ٣ ²³",
    ]
)
replies = st.builds(
    lambda text, calls, unread, stop: Reply(assistant(text, *calls), unread=tuple(unread), stop=stop),
    said,
    st.lists(any_call, max_size=3),
    st.lists(said, max_size=1),
    st.sampled_from(["stop", "tool_calls", "length", "error", "context"]),
)
earlier = st.lists(
    st.builds(user, said)
    | st.builds(lambda text, call: assistant(text, call), said, any_call)
    | st.builds(tool, said | st.sampled_from(['{"a": [1, {"b": 2}]}', "[" * 5000, '{"a":1,"a":2}'])),
    max_size=3,
)
golds = st.lists(
    st.builds(
        ExpectedCall,
        any_call,
        st.dictionaries(st.sampled_from(["a", "n"]), st.tuples(anything), max_size=1),
        st.sampled_from([(), ("a",), ("z",)]),
        folded=st.booleans(),
    ),
    max_size=3,
)
schemas = st.builds(
    lambda default, text: Tool(
        "text", text, {"type": "object", "properties": {"a": {}, "n": {"default": default}}}
    ),
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(st.integers()),
    said,
)
examples = st.builds(
    lambda kind, due, messages, last: Example(
        "c/1", (ANY, last), tuple(messages), Expected(kind, tuple(due) if kind == "call" else ())
    ),
    st.sampled_from(["call", "call", "say", "ask", "decline"]),
    golds,
    earlier,
    schemas,
)


def json_equal(a: Any, b: Any) -> bool:
    """The comparison of docs/metrics.md, written again and by recursion: numbers by value, booleans apart."""
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b or (a != a and b != b)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(json_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(json_equal(a[key], b[key]) for key in a)
    return isinstance(a, str) and isinstance(b, str) and nfc_equal(a, b)


def nfc_equal(a: str, b: str) -> bool:
    return unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b)


def may_be(gold: ExpectedCall, call: ToolCall, default: Any) -> bool:
    """Whether a call is what was expected, given or left out as the example and the schema allow."""
    if gold.call.name != call.name:
        return False
    defaults = {"n": (default,)} if call.name == "text" else {}
    for key in gold.call.arguments.keys() | call.arguments.keys():
        right = (
            *([gold.call.arguments[key]] if key in gold.call.arguments else []),
            *gold.accept.get(key, ()),
        )
        if key not in gold.call.arguments:
            right = (*right, *defaults.get(key, ()))
        if key in call.arguments:
            if not any(json_equal(call.arguments[key], each) for each in right):
                return False
        elif key not in gold.optional and not any(
            json_equal(each, value) for each in defaults.get(key, ()) for value in right
        ):
            return False
    return True


@settings(max_examples=400)
@given(examples, replies)
def test_nothing_raises_and_nothing_malformed_is_right(ex: Example, reply: Reply) -> None:
    """A crash stops a training run; a right score for what no tool could be called with pays for noise."""
    found = score(ex, reply)
    assert (found.failure is None) == found.exact
    assert found.failure is None or (found.failure.kind in FAILURES and "\n" not in found.failure.why)
    if reply.unread or reply.stop in ("error", "context"):
        assert not found.exact
    if reply.unread and reply.stop == "stop":
        assert found.failure is not None and found.failure.kind == "malformed"
    assert len(found.calls) == len(reply.message.calls)
    msgspec.json.decode(
        msgspec.json.encode(msgspec.structs.replace(found, failure=None, calls=())), type=Score
    )
    calls, due = reply.message.calls, ex.expected.calls
    if not any(each.folded for each in due) and (due or ex.expected.kind != "call"):
        default = ex.tools[1].parameters["properties"]["n"]["default"]
        fits = len(calls) == len(due) and any(
            all(may_be(g, c, default) for g, c in zip(due, order, strict=True))
            for order in itertools.permutations(calls)
        )
        silent = reply.stop == "length" and not (calls or reply.message.content.strip())
        answered = not (reply.unread or silent or reply.stop in ("error", "context"))
        assert found.exact == (fits and answered)


@settings(max_examples=200)
@given(any_call, any_call)
def test_gold_is_right_whatever_it_holds(one: ToolCall, other: ToolCall) -> None:
    """Of what JSON can hold: a call that is not itself makes the figures of a suite wrong."""
    if only_json(one.arguments) and only_json(other.arguments):
        assert score(case(one, other), made(other, one)).exact


def only_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(only_json, value.values()))
    if isinstance(value, list | tuple):
        return all(map(only_json, value))
    return not isinstance(value, bytes | Decimal)


def nested(depth: int, kind: type, inside: Any = 1) -> Any:
    for _ in range(depth):
        inside = [inside] if kind is list else {"k": inside}
    return inside


@pytest.mark.parametrize("kind", [list, dict])
def test_nesting_without_end(kind: type) -> None:
    """By recursion, anywhere, a hundred thousand levels end the run."""
    deep, same, other = (nested(100_000, kind, inside) for inside in (1, 1.0, 2))
    gold = ToolCall("any", {"a": deep})
    assert score(case(gold), made(ToolCall("any", {"a": same}))).exact
    for messages in (ASKED, (user("x"), assistant("", ToolCall("any", {"a": other})), tool("{}"))):
        for due in (gold, ToolCall("any", {"a": "x"}), ToolCall("text", {"a": "x"}), ToolCall("any", {})):
            for call in (ToolCall("any", {"a": other}), ToolCall("text", {"a": other})):
                assert not score(case(due, messages=messages), made(call)).exact
        assert not score(case(gold, messages=messages), made(text="It is 5.")).exact


BLOBS = {
    "letters": "a",
    "words": "ab1 ",
    "digits": "7",
    "quotes": "'",
    "commas": "1,",
    "dots": "a.",
    "addresses": "a@",
    "names": "Aa ",
    "dates": "2025-01-01 ",
    "times": "3:45 ",
    "json": '{"a":',
    "lists": "[",
    "marks": "\u0301\u0316",
    "accents": "e\u0301",
    "dashes": "#1a-",
    "thousands": "1 000 ",
    "slashes": "a/",
    "paths": "~.-/",
    "web": "www.a",
    "apostrophes": "a'",
    "lines": "\n",
}


def in_every_place(blob: str) -> list[tuple[Example, Reply]]:
    """A text as a reply, as an argument, as gold, in a message, in a result, in an earlier call, in a tool."""
    x, this = ToolCall("any", {"a": "x 1"}), ToolCall("any", {"a": blob})
    nine = ToolCall("any", {"a": "Bo 9"})
    long = (msgspec.structs.replace(ANY, description=blob),)
    return [
        (case(x), made(text=blob)),
        (case(x), made(this)),
        (case(x), made(ToolCall("any", {"a": "x 1", blob: 1}))),
        (case(this), made(nine)),
        (case(x, messages=(user(blob),)), made(text="It was Bo who paid 9.")),
        (case(x, messages=(user(blob),)), made(nine)),
        (case(x, messages=(user("x"), tool(blob))), made(nine)),
        (case(x, messages=(user("x"), assistant("", this), tool("5"))), made(nine)),
        (case(x, tools=long), made(nine)),
        (case(), Reply(assistant(blob), unread=(blob,))),
        (case(this), made(this)),
    ]


def assert_scored(blob: str) -> None:
    *wrong, right = in_every_place(blob)
    for ex, reply in wrong:
        found = score(ex, reply)
        assert found.failure is not None and len(found.failure.why) < 1000
    assert score(*right).exact


@pytest.mark.parametrize("name", BLOBS)
def test_long_texts_take_no_longer_than_they_are(name: str) -> None:
    """One quadratic pattern, and a model that repeats itself stops the evaluation for an hour."""
    short = BLOBS[name] * (6_250 // len(BLOBS[name]))
    for part, whole in zip(in_every_place(short), in_every_place(short * TIMES), strict=True):
        assert_grows_with_it(lambda p=part: score(*p), lambda w=whole: score(*w))  # type: ignore[misc]
    assert_scored(short * TIMES)


@pytest.mark.slow
@pytest.mark.parametrize("characters", [490_000, 10_000_000])
@pytest.mark.parametrize("name", BLOBS)
def test_ten_megabytes_are_scored(name: str, characters: int) -> None:
    """The same as long as a prompt is read at all, and for what is longer."""
    assert_scored(BLOBS[name] * (characters // len(BLOBS[name])))


def test_a_prompt_too_long_to_read_accuses_nobody() -> None:
    """What was not read may hold the value: "made up" would be a claim without a look."""
    x, nine = ToolCall("any", {"a": "x 1"}), ToolCall("any", {"a": "Bo 9"})
    for length, call_fault, word_fault in (
        (10, "not_grounded", "fabricated_result"),
        (600_000, "wrong_value", "missed_call"),
    ):
        ex = case(x, messages=(user("x 1 " + "a" * length),))
        for reply, kind in ((made(nine), call_fault), (made(text="It was Bo who paid 9."), word_fault)):
            found = score(ex, reply)
            assert found.failure is not None and found.failure.kind == kind


def test_many_calls() -> None:
    """Pairing by recursion ends at a thousand calls, and comparing each with each takes minutes."""
    x = ToolCall("any", {"a": "x"})
    assert score(case(), made(*[x] * 3000)).exact
    distinct = [ToolCall("any", {"a": str(i)}) for i in range(5000)]
    found = score(case(x), made(*distinct))
    assert found.failure is not None and found.failure.kind == "stray_call"
    assert not score(case(x), made(*distinct, *distinct)).exact
    assert_grows_with_it(
        lambda: score(case(x), made(*distinct[::TIMES])), lambda: score(case(x), made(*distinct))
    )


def test_many_values() -> None:
    """A list of numbers that never ends is what a small model writes when it loses the thread."""
    prompt = (user(" ".join(str(7 * i) for i in range(20_000))),)
    x = ToolCall("any", {"a": [0]})
    written = list(range(0, 7000, 7))
    for reply in (
        made(ToolCall("any", {"a": written})),
        made(ToolCall("any", {"a": [0], **{f"k{i}": i for i in written}})),
        made(ToolCall("any", {"a": [str(i) for i in written]})),
        made(text=", ".join(str(i + 0.5) for i in written)),
    ):
        assert not score(case(x, messages=prompt), reply).exact
    few = made(ToolCall("any", {"a": written[::TIMES]}))
    many = made(ToolCall("any", {"a": written}))
    assert_grows_with_it(
        lambda: score(case(x, messages=prompt), few), lambda: score(case(x, messages=prompt), many)
    )


@settings(max_examples=200)
@given(st.data())
def test_as_many_pairs_as_there_can_be(data: st.DataObject) -> None:
    """A greedy pairing calls a right reply wrong where two expected calls would take the same call."""
    size = data.draw(st.integers(1, 5))
    values = st.integers(0, 4)
    due = [
        ExpectedCall(ToolCall("any", {"a": first}), {"a": tuple(others)})
        for first, others in data.draw(
            st.lists(st.tuples(values, st.lists(values, max_size=3)), min_size=size, max_size=size)
        )
    ]
    given_values = data.draw(st.lists(values, min_size=size, max_size=size))
    found = score(case(*due), made(*(ToolCall("any", {"a": value}) for value in given_values)))
    most = max(
        sum(value in (e.call.arguments["a"], *e.accept["a"]) for e, value in zip(due, order, strict=True))
        for order in itertools.permutations(given_values)
    )
    assert sum(call.accurate for call in found.calls) == most
    assert found.exact == (most == size)
    assert sorted(call.gold for call in found.calls if call.gold is not None) == list(range(size))


def test_a_path_as_long_as_the_reply() -> None:
    """Every pair but one has to be moved for the last call, which recursion could not follow."""
    size = 400
    due = [ExpectedCall(ToolCall("any", {"a": i + 1}), {"a": (i,)}) for i in range(size)]
    due.append(ExpectedCall(ToolCall("any", {"a": 1})))
    written = [ToolCall("any", {"a": i}) for i in (*range(1, size + 1), 0)]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + size // 2)
    try:
        assert score(case(*due), made(*written)).exact
    finally:
        sys.setrecursionlimit(limit)


def test_numbers_beyond_the_precision_of_decimal() -> None:
    """Rounding to 29 digits raises in Decimal, which works with 28."""
    fine = "123456.7890123456789012345678901234"
    assert ungrounded(f"It is {fine[:-1]}.", [fine])
    assert ungrounded(f"It is {'9' * 40}.5", ["9" * 40 + ".52", "1" + "0" * 4000])
    assert not ungrounded("It is 123456.79.", [fine])


def openai(arguments: Any) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": "text", "arguments": arguments}}


REPEATED = ('{"a":"y","a":"x"}', '{"a":"x","n":1,"n":1}', '{"a":"x","n":{"k":1,"k":[]}}')
TRAILING = '{"a":"x"}}'
NO_CALL = (
    *REPEATED,
    '{"a":NaN}',
    '{"a":1e400}',
    '{"a":"\\ud800"}',
    '{"a":"\ud800"}',
    '{"a":"x"',
    TRAILING,
    "[]",
    "null",
    '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
)


@pytest.mark.parametrize("arguments", NO_CALL, ids=[str(i) for i in range(len(NO_CALL))])
def test_what_no_reader_agrees_on_is_no_call(arguments: str) -> None:
    """With a key given twice one server runs the first value and another the last; that is not a right call."""
    with pytest.raises(DataError, match=r"^w\.function\.arguments: "):
        call_from_openai(openai(arguments), "w")
    ex = case(ToolCall("text", {"a": "x"}))
    for name, text in {
        "hermes": f'<tool_call>\n{{"name": "text", "arguments": {arguments}}}\n</tool_call>',
        "react": f"Thought: so\nAction: text\nAction Input: {arguments}",
        "bare_json": f'{{"name": "text", "parameters": {arguments}}}',
    }.items():
        read = DIALECTS[name].parse(text, (ANY, TEXT))
        found = score(ex, Reply(assistant(read.content, *read.calls), unread=read.unread))
        if arguments == TRAILING and not DIALECTS[name].end:
            continue  # what follows the object is text there
        assert not found.exact, name
        if arguments in REPEATED:
            assert found.failure is not None and found.failure.kind == "malformed", name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pythonic", '[text(a="y", a="x")]'),
        ("pythonic", '[any(a={"k": 1, "k": 1})]'),
        (
            "qwen_xml",
            "<tool_call>\n<function=text>\n<parameter=a>\ny\n</parameter>\n<parameter=a>\nx\n</parameter>\n"
            "</function>\n</tool_call>",
        ),
    ],
)
def test_an_argument_given_twice_is_malformed(name: str, text: str) -> None:
    """The same in the dialects that do not write arguments as JSON."""
    read = DIALECTS[name].parse(text, (ANY, TEXT))
    ex = case(ToolCall("text", {"a": "x"}))
    found = score(ex, Reply(assistant(read.content, *read.calls), unread=read.unread))
    assert found.failure is not None and found.failure.kind == "malformed"


borders = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["assistant", "tool", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "function", "name", "arguments", "id", "text"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(borders)
def test_the_border_gives_a_call_or_says_what_is_wrong(raw: Any) -> None:
    """An endpoint sends anything; only a DataError becomes an unread call of the reply."""
    for reader in (from_openai, call_from_openai):
        try:
            found = reader(raw, "w")
        except DataError as error:
            assert str(error).startswith("w")
        else:
            assert isinstance(found, Message | ToolCall)


def test_an_address_without_end_is_none() -> None:
    """To write it as text would need a hundred thousand levels of recursion."""
    assert call_from_openai({"id": nested(100_000, list), "function": {"name": "t"}}, "w").id == ""
    assert call_from_openai({"id": 7, "function": {"name": "t"}}, "w").id == "7"
