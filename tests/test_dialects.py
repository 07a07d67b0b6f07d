"""Dialects: what is written reads back the same, however it arrives, and nothing of it is lost."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growth import TIMES, assert_grows_with_it
from toolfinch import dialects
from toolfinch.caller import Delta
from toolfinch.dialects import chat_template
from toolfinch.dialects.dialect import Dialect, Parsed
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.message import Message, ToolCall, assistant, user
from toolfinch.tool import Tool

ALL = list(dialects.DIALECTS.values())
HERMES, QWEN_XML, REACT, PYTHONIC = map(dialects.get, ("hermes", "qwen_xml", "react", "pythonic"))
each = pytest.mark.parametrize("dialect", ALL, ids=lambda d: d.name)

WEATHER = Tool(
    "get_weather",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "celsius": {"type": "boolean"},
            "place": {"type": "object"},
        },
    },
)

# --- strategies ----------------------------------------------------------------------------------------

MARKS = [
    "<tool_call>", "</tool_call>", "<function=", "</function>", "<parameter=", "</parameter>", "<think>",
    "</think>", "\nAction:", "Action Input:", "Observation:", "Thought:", '{"name": "f", "arguments": {}}',
    "<function=f>\n", '{"name": "', '", "arguments": ', "{", "}", '"', "\\", "\n", " ", "f", "7", "<", ">",
    "Finish", '{"return_type": "give_answer", "final_answer": "x"}', "{}",
]  # fmt: skip
texts = st.one_of(st.text(), st.lists(st.sampled_from(MARKS) | st.text(max_size=3)).map("".join))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.from_regex(r"[\w.:/-]{1,20}", fullmatch=True).filter(lambda name: name != "Finish")
keys = st.from_regex(r"[^>\n]{1,10}", fullmatch=True)
calls = st.builds(ToolCall, names, st.dictionaries(keys, json_values, max_size=4))
plain = st.text(st.characters(codec="utf-8", exclude_characters="<>"), max_size=30)
plain_calls = st.builds(
    ToolCall, names, st.dictionaries(keys, plain | st.integers() | st.lists(plain, max_size=2), max_size=3)
)


TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}


def described(calls: list[ToolCall]) -> list[Tool]:
    """Tools whose schemas name the type of every argument."""
    tools: dict[str, dict[str, Any]] = {}
    for call in calls:
        properties = tools.setdefault(call.name, {})
        for key, value in call.arguments.items():
            known = set(properties.get(key, {}).get("type", ()))
            properties[key] = {"type": sorted(known | {TYPES[type(value)]})}
    return [Tool(name, parameters={"type": "object", "properties": p}) for name, p in tools.items()]


def same(calls: tuple[ToolCall, ...], others: list[ToolCall]) -> bool:
    return len(calls) == len(others) and all(a.same(b) for a, b in zip(calls, others, strict=True))


def stream(dialect: Dialect, chunks: list[str], tools: list[Tool]) -> tuple[list[Delta], Parsed]:
    """Deltas, with neighbouring texts joined, and the whole."""
    parser = dialect.parser(tools)
    deltas = [delta for chunk in chunks for delta in parser.feed(chunk)] + parser.close()
    merged: list[Delta] = []
    for delta in deltas:
        if merged and merged[-1].call is None and delta.call is None:
            merged[-1] = Delta(merged[-1].text + delta.text)
        else:
            merged.append(delta)
    return merged, parser.finish()


def cut(text: str, at: list[int]) -> list[str]:
    marks = sorted({0, len(text), *(i % (len(text) + 1) for i in at)})
    return [text[a:b] for a, b in itertools.pairwise(marks)]


# --- writing and reading are inverses ------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [HERMES, REACT], ids=lambda d: d.name)
@given(some=st.lists(calls, min_size=1, max_size=3))
def test_any_json_survives_in_the_json_dialects(dialect: Dialect, some: list[ToolCall]) -> None:
    """A tag, quote, line break or control character in a value would end or change the call."""
    read = dialect.parse(dialect.render_calls(some, ()), ())
    assert same(read.calls, some)
    assert read == Parsed(calls=read.calls)


@given(some=st.lists(calls, min_size=1, max_size=3), typed=st.booleans())
def test_qwen_xml_writes_exactly_or_refuses(some: list[ToolCall], typed: bool) -> None:
    """Untyped text would silently turn "7" into 7, or a value with a tag into another call."""
    tools = described(some) if typed else []
    try:
        text = QWEN_XML.render_calls(some, tools)
    except ToolfinchError:
        return
    read = QWEN_XML.parse(text, tools)
    assert same(read.calls, some)
    assert read == Parsed(calls=read.calls)


@given(name=names, arguments=st.dictionaries(keys, st.text() | st.integers() | st.lists(plain), max_size=4))
def test_qwen_xml_with_types_refuses_nothing_but_tags(name: str, arguments: dict[str, Any]) -> None:
    """A refusal where the schema settles the type would drop good training rows."""
    call = ToolCall(name, {k: v.replace("<", "") if isinstance(v, str) else v for k, v in arguments.items()})
    tools = described([call])
    assert same(QWEN_XML.parse(QWEN_XML.render_calls([call], tools), tools).calls, [call])


@each
@given(content=plain, some=st.lists(plain_calls, max_size=3))
def test_turns_round_trip(dialect: Dialect, content: str, some: list[ToolCall]) -> None:
    """Content that changes between writing and reading differs from what the model was trained on."""
    if some and not content.strip():
        content = ""  # blank content beside calls is layout in the tagged dialects
    tools = described(some)
    try:
        text = dialect.render_turn(assistant(content, *some), tools)
    except ToolfinchError:
        # Plain text with a mark: a word of react's, or what a bare call may begin with.
        marks = {"react": ("Action:", "Observation:"), "bare_json": ("[", "```"), "pythonic": ("(", "```")}
        assert any(mark in content for mark in marks[dialect.name])
        return
    read = dialect.parse(text, tools)
    assert read.content == (content.strip() if dialect is QWEN_XML else content)
    assert same(read.calls, some)
    assert not read.unread
    assert not read.thinking


@each
def test_two_identical_calls_stay_two(dialect: Dialect) -> None:
    """A parser that keys calls by content would run one of them."""
    call = ToolCall("get_weather", {"city": "Oslo"})
    assert dialect.parse(dialect.render_calls([call, call], [WEATHER]), [WEATHER]).calls == (call, call)


@each
def test_digits_and_numbers_stay_apart(dialect: Dialect) -> None:
    """`"7"` and `7` look alike without quotes; so do 1, 1.0 and True."""
    call = ToolCall("get_weather", {"city": "7", "days": 7, "celsius": True, "place": {"x": 1.0, "y": "1"}})
    read = dialect.parse(dialect.render_calls([call], [WEATHER]), [WEATHER]).calls
    assert same(read, [call])


@each
def test_not_json_is_refused(dialect: Dialect) -> None:
    """NaN would be trained on and then be unreadable."""
    for value in (float("nan"), float("inf"), object(), "\ud800", {1: 2}):
        with pytest.raises(ToolfinchError, match="get_weather"):
            dialect.render_calls([ToolCall("get_weather", {"place": value})], [WEATHER])


@pytest.mark.parametrize(
    ("dialect", "message", "says"),
    [
        (
            QWEN_XML,
            assistant("", ToolCall("get_weather", {"city": "a<parameter=b>"})),
            "'city' has <parameter=",
        ),
        (
            QWEN_XML,
            assistant("", ToolCall("get_weather", {"place": {"a": ["</tool_call>"]}})),
            "'place' has </tool",
        ),
        (QWEN_XML, assistant("", ToolCall("unknown", {"zip": "0150"})), None),
        (
            QWEN_XML,
            assistant("", ToolCall("unknown", {"zip": "150"})),
            "'zip' would be read as int, not str",
        ),
        (
            QWEN_XML,
            assistant("", ToolCall("get_weather", {"days": "7"})),
            "'days' would be read as int, not str",
        ),
        (
            QWEN_XML,
            assistant("", ToolCall("get_weather", {"note": "None"})),
            "'note' would be read as NoneType, not str",
        ),
        (QWEN_XML, assistant("", ToolCall("get_weather", {"a>b": 1})), "get_weather"),
        (REACT, assistant("", ToolCall("Finish", {"final_answer": "x"})), "Finish"),
        (REACT, assistant("", ToolCall("two\nlines", {})), "two"),
        (REACT, assistant("I do.\nAction: x\nAction Input: {}", ToolCall("f", {})), "marks"),
        (HERMES, assistant('<tool_call>{"name": "f"}</tool_call>'), "marks"),
        (HERMES, assistant("write <tool_call> then"), "marks"),
        (QWEN_XML, assistant("write <tool_call> then"), "marks"),
        (HERMES, assistant("", ToolCall("", {})), "''"),
        (HERMES, assistant("<think>\nhm\n</think>\n\nYes.", ToolCall("f", {})), None),
    ],
)
def test_what_a_format_cannot_hold_is_refused(dialect: Dialect, message: Message, says: str | None) -> None:
    """Fail closed: written anyway, it would be read as something else."""
    if says is None:
        dialect.render_turn(message, [WEATHER])
    else:
        with pytest.raises(ToolfinchError, match=says):
            dialect.render_turn(message, [WEATHER])


# --- streaming, and reading what is broken --------------------------------------------------------------


@st.composite
def outputs(draw: st.DrawFn) -> tuple[Dialect, str]:
    """What a model may write: a turn, whole, cut off or damaged, or a soup of marks."""
    dialect = draw(st.sampled_from(ALL))
    if draw(st.booleans()):
        return dialect, draw(st.sampled_from(["", "<think>\n", "<tool_call>"])) + draw(texts)
    some = draw(st.lists(plain_calls, max_size=2))
    text = dialect.write_turn(draw(plain), "\n".join(dialect.write_call(call) for call in some))
    at = draw(st.integers(0, len(text)))
    match draw(st.sampled_from(["whole", "cut", "insert", "delete", "twice"])):
        case "cut":
            text = text[:at]
        case "insert":
            text = text[:at] + draw(texts) + text[at:]
        case "delete":
            text = text[:at] + text[at + draw(st.integers(1, 5)) :]
        case "twice":
            text += text[at:]
    return dialect, text


@settings(max_examples=400, deadline=None)
@given(output=outputs(), at=st.lists(st.integers(0, 10_000), max_size=12))
def test_chunks_do_not_matter(output: tuple[Dialect, str], at: list[int]) -> None:
    """A streamed answer would differ from the same answer at once, by where the network cut it."""
    dialect, text = output
    whole, parsed = stream(dialect, [text], [])
    assert parsed == dialect.parse(text, [])
    assert stream(dialect, cut(text, at), []) == (whole, parsed)
    assert stream(dialect, list(text), []) == (whole, parsed)
    assert "".join(delta.text for delta in whole) == parsed.content
    assert tuple(delta.call for delta in whole if delta.call) == parsed.calls


@settings(max_examples=400, deadline=None)
@given(output=outputs(), at=st.integers(0, 10_000))
def test_nothing_is_lost(output: tuple[Dialect, str], at: int) -> None:
    """A character put anywhere into any output has to turn up somewhere in what was read."""
    dialect, text = output
    text = text.replace("¤", "")
    at %= len(text) + 1
    assert "¤" in str(dialect.parse(f"{text[:at]}¤{text[at:]}", []))


@each
@given(text=st.text())
def test_text_without_marks_is_content(dialect: Dialect, text: str) -> None:
    """An answer is handed on as it is, white space and all."""
    if not any(mark in text for mark in ("<", "Thought:", "Action:", "Observation:")):
        assert dialect.parse(text, []) == Parsed(content=text)


@each
@pytest.mark.parametrize(
    "value",
    [
        pytest.param('{"a":' * 20_000, id="objects"),
        pytest.param("[" * 20_000, id="arrays"),
        pytest.param("{" * 20_000 + "}" * 20_000, id="closed"),
        pytest.param('"' + "\\" * 50_001, id="backslashes"),
        pytest.param('{"' + "a" * 99_999, id="string"),
        pytest.param("9" * 9_999, id="digits"),
    ],
)
def test_hostile_text_is_read_quickly(dialect: Dialect, value: str) -> None:
    """A model that repeats itself must not hang or crash the server."""
    for before in (
        '<tool_call>\n{"name": "f", "arguments": {"a": ',
        "<tool_call>\n<function=f>\n<parameter=a>\n",
        'Action: f\nAction Input: {"a": ',
    ):
        part, whole = (
            f"{before}{v}}}}}\n</parameter>\n</function>\n</tool_call>"
            for v in (value[: len(value) // TIMES], value)
        )
        assert_grows_with_it(lambda p=part: dialect.parse(p, []), lambda w=whole: dialect.parse(w, []))  # type: ignore[misc]
        dialect.parse(whole[: len(whole) // 2], [])


def test_text_and_calls_arrive_as_soon_as_they_are_certain() -> None:
    """Text held back until the end would make streaming pointless; a trigger let through would show."""
    parser = HERMES.parser([])
    assert parser.feed("Let me ") == [Delta("Let me")]
    assert parser.feed("look.\n<tool") == [Delta(" look.")]
    assert parser.feed('_call>\n{"name": "f", "argu') == []
    assert parser.feed('ments": {}}\n</tool_call') == []
    assert parser.feed(">") == [Delta(call=ToolCall("f", {}))]
    assert parser.close() == []
    with pytest.raises(ToolfinchError):
        parser.feed("more")


@each
def test_forced_start_is_how_a_call_turn_begins(dialect: Dialect) -> None:
    """A forced start off the trained text would leave the model where it has never been."""
    text = dialect.render_turn(assistant("", ToolCall("get_weather", {"city": "Oslo"})), [WEATHER])
    for name in (None, "get_weather"):
        begin = dialect.forced_start(name)
        assert text.startswith(begin)
        parser = dialect.parser([WEATHER])
        parser.feed(begin)
        parser.feed(text.removeprefix(begin))
        assert parser.finish() == Parsed(calls=(ToolCall("get_weather", {"city": "Oslo"}),))
    assert "get_weather_v2".removeprefix("get_weather") not in dialect.forced_start("get_weather")


@each
def test_marks_are_what_is_written(dialect: Dialect) -> None:
    """Decoding watches for the trigger and the stops; they have to be in the text, or not."""
    text = dialect.render_turn(assistant("Yes.", ToolCall("get_weather", {"city": "Oslo"})), [WEATHER])
    assert dialect.trigger in text
    assert text.endswith(dialect.end)
    assert not any(stop in text for stop in dialect.stops)


def test_an_unknown_dialect_is_named() -> None:
    """A misspelt recipe says what there is."""
    with pytest.raises(UsageError, match="'qwen-xml'; there are hermes, qwen_xml, react"):
        dialects.get("qwen-xml")


# --- as the shipped templates write ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "file"),
    [
        (HERMES, "qwen2_5"),
        (HERMES, "qwen3"),
        (HERMES, "qwen3_instruct_2507"),
        (QWEN_XML, "qwen3_5_nothink"),
        (QWEN_XML, "qwen3_8"),
        (PYTHONIC, "lfm2_v2"),
        (PYTHONIC, "lfm2_2_5_v2"),
    ],
)
@pytest.mark.parametrize("content", ["", "Let me look."])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_turns_are_what_the_shipped_templates_write(
    dialect: Dialect, file: str, content: str, count: int
) -> None:
    """What is supervised would differ from what the template shows as history, by a space or a line."""
    found = importlib.util.find_spec("trl")
    if found is None or found.origin is None:
        pytest.skip("the templates come with trl")
    template = (Path(found.origin).parent / "chat_templates" / f"{file}.jinja").read_text()
    call = ToolCall("get_weather", {"city": "Ålesund <b>", "days": 2, "place": {"a": [1.5, None, "x"]}})
    turn = assistant(content, *[call] * count)
    # A user's turn after it, since some templates add thoughts to the last one.
    text = chat_template.render(
        template,
        [user("Hi"), turn, user("Thanks")],
        [WEATHER],
        add_generation_prompt=False,
        preserve_thinking=False,
    )
    written = text.partition("Hi<|im_end|>\n<|im_start|>assistant\n")[2].partition("<|im_end|>")[0]
    assert written == dialect.render_turn(turn, [WEATHER])
