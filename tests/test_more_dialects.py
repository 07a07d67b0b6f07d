"""Calls without a mark of their own: what is read as one, what stays text, and what is unread."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growth import TIMES, assert_grows_with_it
from test_dialects import WEATHER, cut, described, json_values, keys, names, plain, plain_calls, same, stream
from toolfinch import dialects
from toolfinch.dialects import chat_template
from toolfinch.dialects.dialect import Dialect, Parsed
from toolfinch.message import ToolCall, assistant, user
from toolfinch.tool import Tool

BARE, PYTHONIC = dialects.get("bare_json"), dialects.get("pythonic")
each = pytest.mark.parametrize("dialect", [BARE, PYTHONIC], ids=lambda d: d.name)
TOOLS = [WEATHER, Tool("now"), Tool("get_weather_v2")]
OSLO, ROME = ToolCall("get_weather", {"city": "Oslo"}), ToolCall("get_weather", {"city": "Rome"})
NOW = ToolCall("now", {})

B_OSLO = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'
B_ROME = B_OSLO.replace("Oslo", "Rome").replace("arguments", "parameters")
B_NOW = '{"name": "now", "arguments": {}}'
B_OTHER = '{"name": "rm_all", "arguments": {"city": "Oslo"}}'
BOTH = f"[{B_OSLO}, {B_NOW}]"


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        pytest.param(B_ROME, (ROME,), id="Llama 3"),
        pytest.param(f"<|python_tag|>{B_ROME}; {B_OSLO}", (ROME, OSLO), id="Llama 3, two"),
        pytest.param(f'{{"type": "function", {B_ROME[1:]}', (ROME,), id="Llama 3 with a type"),
        pytest.param(f'{{"type": "function", "function": {B_OSLO}}}', (OSLO,), id="as OpenAI's history"),
        pytest.param(B_ROME.replace("name", "function"), (ROME,), id="function for name"),
        pytest.param(f"{B_OSLO}\n{B_ROME}", (OSLO, ROME), id="a line each"),
        pytest.param(f"[TOOL_CALLS]{BOTH}", (OSLO, NOW), id="Mistral 7B 0.3"),
        pytest.param(f'[TOOL_CALLS] [{B_OSLO[:-1]}, "id": "VvvODy9mT"}}]', (OSLO,), id="Mistral with an id"),
        pytest.param('[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]now[ARGS]{}', (OSLO, NOW), id="Mistral"),
        pytest.param('[TOOL_CALLS]get_weather[CALL_ID]bbc5b7ede[ARGS]{"city": "Oslo"}', (OSLO,), id="Mistral 3.2"),
        pytest.param('[TOOL_CALLS]get_weather{"city": "Oslo"}', (OSLO,), id="Mistral, its marks not printed"),
        pytest.param(f"<|tool_call|>{BOTH}", (OSLO, NOW), id="Granite 3.1"),
        pytest.param(f"<tool_call>{BOTH}", (OSLO, NOW), id="Granite 3.2"),
        pytest.param(f"<function_call> {B_OSLO} <function_call> {B_NOW}", (OSLO, NOW), id="Granite 20B"),
        pytest.param(f"<|tool_call|>{BOTH}<|/tool_call|>", (OSLO, NOW), id="Phi-4-mini"),
        pytest.param(f"functools{BOTH}", (OSLO, NOW), id="Phi-4-mini, functools"),
        pytest.param(BOTH, (OSLO, NOW), id="xLAM"),
        pytest.param(f"<think>\nwhich?\n</think>\n\n{BOTH}", (OSLO, NOW), id="xLAM after thoughts"),
        pytest.param(f"```\n{BOTH}\n```", (OSLO, NOW), id="Hammer"),
        pytest.param(f"```json\n{B_OSLO}\n```\n\n```json\n{B_NOW}\n```", (OSLO, NOW), id="two fences"),
        pytest.param(f"[TOOL_CALLS]```json\n{BOTH}```", (OSLO, NOW), id="mark and fence"),
        pytest.param(f"<|tool_call_start|>{BOTH}<|tool_call_end|>", (OSLO, NOW), id="LFM2 asked for JSON"),
        pytest.param(f"[\n  {B_OSLO},\n  {B_NOW}\n]", (OSLO, NOW), id="over lines"),
        pytest.param(B_OSLO.replace('{"city": "Oslo"}', '"{\\"city\\": \\"Oslo\\"}"'), (OSLO,), id="as a string"),
        pytest.param(f"[{B_OSLO}, {B_OTHER}]", (OSLO, ToolCall("rm_all", OSLO.arguments)), id="one is offered"),
        pytest.param(f"<|tool_call|>[{B_OTHER}]", (ToolCall("rm_all", OSLO.arguments),), id="none, but a mark"),
    ],
)  # fmt: skip
def test_bare_json_reads_what_families_write(text: str, calls: tuple[ToolCall, ...]) -> None:
    """A right call that the endpoint left in its text would count as no call."""
    assert BARE.parse(text, TOOLS).calls == calls
    assert BARE.parse(text, TOOLS).content == "" and BARE.parse(text, TOOLS).unread == ()
    said = BARE.parse(f"Let me look.\n{text}", TOOLS)
    if not text.startswith("<think>"):
        assert (said.content, said.calls, said.unread) == ("Let me look.", calls, ())
    cut_off = BARE.parse(text[: text.rindex("}")], TOOLS)
    assert cut_off.unread and len(cut_off.calls) < len(calls)


P_OSLO = 'get_weather(city="Oslo")'
P_BOTH = f"[{P_OSLO}, now()]"


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        pytest.param(f"<|tool_call_start|>{P_BOTH}<|tool_call_end|>", (OSLO, NOW), id="LFM2"),
        pytest.param(P_BOTH, (OSLO, NOW), id="Llama 3.2, ToolACE"),
        pytest.param(f"<|python_start|>{P_BOTH}<|python_end|>", (OSLO, NOW), id="Llama 4"),
        pytest.param(f"<|python_tag|>{P_OSLO}", (OSLO,), id="Llama 3"),
        pytest.param(f"<function_calls>\n{P_OSLO}\nnow()\n</function_calls>", (OSLO, NOW), id="OLMo 3"),
        pytest.param(f"```tool_code\n{P_OSLO}\n```", (OSLO,), id="Gemma 3"),
        pytest.param(f"```python\n{P_BOTH}\n```", (OSLO, NOW), id="fence"),
        pytest.param(P_OSLO, (OSLO,), id="alone"),
        pytest.param(f"{P_OSLO}\n\n  now()", (OSLO, NOW), id="a line each"),
        pytest.param(f"{P_OSLO};\nnow()", (OSLO, NOW), id="a line each, with semicolons"),
        pytest.param("<think>\nhm\n</think>\n\nnow()", (NOW,), id="after thoughts"),
        pytest.param(f"[\n    {P_OSLO},\n    now(),\n]", (OSLO, NOW), id="over lines"),
        pytest.param("[get_weather(city = 'Oslo',)]", (OSLO,), id="spaces and a comma"),
        pytest.param(f"[{P_OSLO}, rm_all()]", (OSLO, ToolCall("rm_all", {})), id="one is not offered"),
        pytest.param("<|python_start|>[rm_all()]", (ToolCall("rm_all", {}),), id="none is, but a mark"),
        pytest.param("<|tool_call_start|>[a.b-c/d(x=1)]", (ToolCall("a.b-c/d", {"x": 1}),), id="no identifier"),
    ],
)  # fmt: skip
def test_pythonic_reads_what_families_write(text: str, calls: tuple[ToolCall, ...]) -> None:
    """A right call that the endpoint left in its text would count as no call."""
    assert PYTHONIC.parse(text, TOOLS).calls == calls
    assert PYTHONIC.parse(text, TOOLS).content == "" and PYTHONIC.parse(text, TOOLS).unread == ()
    cut_off = PYTHONIC.parse(text[: text.rindex(")")], TOOLS)
    assert cut_off.unread and len(cut_off.calls) < len(calls)


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("True", True), ("false", False), ("None", None), ("null", None), ("-3", -3), ("1e3", 1000.0),
        ("1_000", 1000), ("0x10", 16), ("[1, [True, {'a': None}], ('b',)]", [1, [True, {"a": None}], ["b"]]),
        ('{"a": true, "b": [null]}', {"a": True, "b": [None]}), ("{'a': true}", {"a": True}),
        (r"'it\'s \\ \n \d é'", "it's \\ \n \\d é"), ('"a, b) = [c"', "a, b) = [c"), (r'"\ud83d\ude00\/"', "😀/"),
        ("'two\nlines \\'of\\' text'", "two\nlines 'of' text"), ("'''a 'b'\nc'''", "a 'b'\nc"), ("''", ""),
        ("'a' 'b'", "ab"), ("r'\\d+'", r"\d+"), ("{}", {}), ("'<|tool_call_end|>'", "<|tool_call_end|>"),
    ],
    ids=repr,
)  # fmt: skip
def test_literals_of_python_and_of_json_are_read(literal: str, value: Any) -> None:
    """A value that is read as another one is a call that was never made."""
    for text in (f"[f(x={literal})]", f"[f(a=1, x={literal}, b=2)]"):
        (call,) = PYTHONIC.parse(f"<|tool_call_start|>{text}<|tool_call_end|>", []).calls
        assert call.same(
            ToolCall("f", {"x": value} if "a=" not in text[:5] else {"a": 1, "x": value, "b": 2})
        )


@pytest.mark.parametrize(
    "arguments",
    [
        "'Oslo'", "city", "city=Oslo", "city=oslo()", "city='a' + 'b'", "city=f'{x}'", "city=b'x'", "city=1j",
        "city='a', city='b'", "city='a', **{'city': 'b'}", "**kwargs", "*['a']", "city={1: 2}", "city={'a'}",
        "city={'a': 1, 'a': 2}", "city=nan", "city=1e999", "city=...", "city='\\ud800'", "city=[x for x in y]",
        "city=__import__('os')", "city==1", "city=1 if x else 2", "city=1,,days=2", "city='a' # no", "=1",
        "city=(1", "city=not True", "city=-True", "city=--1", "city={**{}}", "city=", "city='x\\x0",
        "city=" + "-" * 50_000 + "1", "city=" + "9" * 5000,
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_what_is_no_literal_by_name_is_unread_and_never_run(arguments: str) -> None:
    """An expression that is evaluated runs a model's text; a guess at it is a call with a made-up value."""
    for text in (
        f"[get_weather({arguments})]",
        f"<|tool_call_start|>[get_weather({arguments})]<|tool_call_end|>",
    ):
        read = PYTHONIC.parse(text, TOOLS)
        assert read.calls == () and "".join((*read.unread, read.content)) == text and read.unread


@pytest.mark.parametrize(
    "body",
    [
        "{'name': 'get_weather', 'arguments': {}}",
        '{"name": "get_weather", "arguments": {"a": NaN}}',
        '{"name": "get_weather", "arguments": {"a": 1e999}}',
        '{"name": "get_weather", "arguments": {"a": 1, "a": 2}}',
        '{"name": "get_weather", "name": "now", "arguments": {}}',
        '{"name": "get_weather", "arguments": [1]}',
        '{"name": "get_weather", "arguments": "Oslo"}',
        '{"name": "get_weather", "arguments": {}, "parameters": {}}',
        '{"name": "get_weather", "arguments": {}, "why": "as asked"}',
        '{"name": "get_weather", "arguments": {"a": "\\ud800"}}',
        '{"type": "tool", "name": "get_weather", "arguments": {}}',
        f'[{B_OSLO}, {{"name": "now", "why": 1}}]',
        f"[{B_OSLO}, 7]",
        '{"name": "get_weather", "arguments": {"city": Oslo"}}',
    ],
)
def test_a_bare_call_that_cannot_be_read_is_unread(body: str) -> None:
    """Read by a lenient parser it would run with a value that nobody can be sure of; as text it would hide."""
    for text in (body, f"[TOOL_CALLS]{body}", f"<|tool_call|>{body}<|/tool_call|>"):
        assert BARE.parse(text, TOOLS) == Parsed(unread=(text,))


@each
@pytest.mark.parametrize(
    "text",
    [
        "[]",
        B_OTHER,
        f"[{B_OTHER}]",
        f"```json\n{B_OTHER}\n```",
        '{"name": "get_weather"}',
        '{"name": "get_weather", "description": "Weather.", "parameters": {"type": "object"}}',
        '{"name": "Get_Weather", "arguments": {}}',
        '{"city": "Oslo", "name": {"first": "get_weather"}, "days": [1, {"a": {}}]}',
        'I would write {"tool": "get_weather"} or [x](y) or {name: 1}.',
        '{"name": "Ada", "id": 7',
        "```python\nprint([1, 2])\n```",
        "get_weather",
        "Use get_weather(city='Oslo') for that.",
        "get_weather(city='Oslo') is what I would call.",
        "x = get_weather(city='Oslo')",
        "[rm_all(city='Oslo')]",
        "[1] see [now] and [get_weather]",
        "get_weather (city='Oslo')",
        "get_weather_v3(city='Oslo')",
        "  \n {",
        "{[`` ` ```",
        "functools is a module; [TOOL_CALLS is half a mark, <|tool",
    ],
)
def test_text_that_only_mentions_stays_text(dialect: Dialect, text: str) -> None:
    """An answer about a tool, or any JSON, would be run as a call."""
    assert dialect.parse(text, TOOLS) == Parsed(content=text)
    assert stream(dialect, list(text), TOOLS)[1] == Parsed(content=text)


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        pytest.param(BARE, f"Sure.\n\n{B_OSLO}\n\nDone.", Parsed("Sure.\n\n\nDone.", (OSLO,)), id="around"),
        pytest.param(BARE, f"So {B_OSLO} it is.", Parsed("So  it is.", (OSLO,)), id="in a line"),
        pytest.param(BARE, f"{B_OTHER}\n{B_OSLO}", Parsed(B_OTHER, (OSLO,)), id="text that is JSON, and a call"),
        pytest.param(
            BARE,
            f"{B_OSLO.replace('Oslo', 'Os' + chr(10) + 'lo')}\n{B_ROME}",
            Parsed('lo"}}', (ROME,), (B_OSLO.partition("lo")[0],)),
            id="broken, then a good one",
        ),
        pytest.param(PYTHONIC, f"Sure.\n{P_OSLO}\nDone.", Parsed("Sure.\nDone.", (OSLO,)), id="lines around"),
        pytest.param(
            BARE,
            '[TOOL_CALLS]now[ARGS]{"a": 1, "a": 2}[TOOL_CALLS]now[ARGS]{x}[TOOL_CALLS]now[ARGS]{}\nWell.',
            Parsed("Well.", (NOW,), ('[TOOL_CALLS]now[ARGS]{"a": 1, "a": 2}', "[TOOL_CALLS]now[ARGS]{x}")),
            id="Mistral, two bad, then good",
        ),
        pytest.param(
            PYTHONIC,
            f"Sure.<|tool_call_start|>{P_BOTH}<|tool_call_end|>Looking.",
            Parsed("Sure.Looking.", (OSLO, NOW)),
            id="LFM2's text on both sides",
        ),
        pytest.param(
            PYTHONIC,
            f"<|tool_call_start|>nothing<|tool_call_end|><|tool_call_start|>{P_BOTH}<|tool_call_end|>",
            Parsed("", (OSLO, NOW), ("<|tool_call_start|>nothing<|tool_call_end|>",)),
            id="bad, then good",
        ),
    ],
)  # fmt: skip
def test_text_and_calls_are_told_apart(dialect: Dialect, text: str, expected: Parsed) -> None:
    """Words beside a call are part of the answer, and a bad call does not hide a good one."""
    assert dialect.parse(text, TOOLS) == expected


# --- however it arrives --------------------------------------------------------------------------------

SOUP = [
    *dialects.bare_json.MARKS, *dialects.bare_json.MARKS.values(), *dialects.pythonic.MARKS,
    *dialects.pythonic.MARKS.values(), "```", "```json\n", "```python\n", "functools", "<think>", "</think>",
    B_OSLO, B_OTHER, B_NOW, P_OSLO, P_BOTH, "[", "]", "{", "}", "(", ")", '"name": "now"', '{"name":', "now",
    "now(", "[TOOL_CALLS]now", "[ARGS]", "[ARGS]{}", "[CALL_ID]", "get_weather(", "city=", "'", '"', "\\", "\n", " ", ",", ";", "**", "=", "#", "7", ", ", "x",
]  # fmt: skip
soups = st.lists(st.sampled_from(SOUP) | st.text(max_size=2), max_size=12).map("".join)


@st.composite
def outputs(draw: st.DrawFn) -> tuple[Dialect, str, list[Tool]]:
    """What a model may write with these tools: a turn, whole, cut off or damaged, or a soup of marks."""
    dialect = draw(st.sampled_from([BARE, PYTHONIC]))
    if draw(st.booleans()):
        return dialect, draw(soups), TOOLS
    some = draw(st.lists(plain_calls, min_size=1, max_size=2))
    text = dialect.write_turn(draw(plain), "\n".join(map(dialect.write_call, some)))
    at = draw(st.integers(0, len(text)))
    match draw(st.sampled_from(["whole", "cut", "insert", "delete", "no mark"])):
        case "cut":
            text = text[:at]
        case "insert":
            text = text[:at] + draw(soups) + text[at:]
        case "delete":
            text = text[:at] + text[at + draw(st.integers(1, 5)) :]
        case "no mark":
            text = text.replace("<|tool_call_start|>", "").replace("<|tool_call_end|>", "")
    return dialect, text, described(some)


@settings(max_examples=500, deadline=None)
@given(output=outputs(), at=st.lists(st.integers(0, 10_000), max_size=12))
def test_chunks_do_not_matter(output: tuple[Dialect, str, list[Tool]], at: list[int]) -> None:
    """A streamed answer would differ from the same answer at once, by where the network cut it."""
    dialect, text, tools = output
    whole, parsed = stream(dialect, [text], tools)
    assert stream(dialect, cut(text, at), tools) == (whole, parsed)
    assert stream(dialect, list(text), tools) == (whole, parsed)
    assert "".join(delta.text for delta in whole) == parsed.content
    assert tuple(delta.call for delta in whole if delta.call) == parsed.calls


@settings(max_examples=500, deadline=None)
@given(output=outputs(), at=st.integers(0, 10_000))
def test_nothing_is_lost(output: tuple[Dialect, str, list[Tool]], at: int) -> None:
    """A character put anywhere into any output has to turn up somewhere in what was read."""
    dialect, text, tools = output
    text = text.replace("¤", "")
    at %= len(text) + 1
    assert "¤" in str(dialect.parse(f"{text[:at]}¤{text[at:]}", tools))


@each
@given(
    some=st.lists(
        st.builds(ToolCall, names, st.dictionaries(keys, json_values, max_size=4)), min_size=1, max_size=3
    )
)
def test_any_json_survives(dialect: Dialect, some: list[ToolCall]) -> None:
    """A quote, bracket, mark or control character in a value would end or change the call."""
    tools = described(some)
    read = dialect.parse(dialect.render_calls(some, tools), tools)
    assert same(read.calls, some)
    assert read == Parsed(calls=read.calls)
    turn = dialect.parse(dialect.render_turn(assistant("", *some), tools), tools)
    assert same(turn.calls, some) and turn == Parsed(calls=turn.calls)


@each
@pytest.mark.parametrize(
    "value",
    [
        '{"a":' * 20_000, "[" * 20_000, "{" * 20_000 + "}" * 20_000, '"' + "\\" * 50_001, "'" + "\\" * 50_001,
        '{"' + "a" * 99_999, "9" * 9_999, '{"name": ' * 12_000, '[{"name": "now", ' * 8_000, "```" * 30_000,
        "[now(" * 20_000, "now(" * 20_000, "\nnow(" * 20_000, "-" * 50_000, "<|tool_call|>" * 9_000, "functools" * 9_000,
        "[TOOL_CALLS]" * 9_000, "<function_calls>" * 6_000, "[ " * 40_000, "'''" * 20_000, "now()\n" * 6_000,
        '{"name": "now", "arguments": {}}\n' * 2_000, '{"name": "x", "arguments": {}} ' * 3_000, "a" * 99_999,
    ],
    ids=lambda text: text[:16],
)  # fmt: skip
def test_hostile_text_is_read_quickly(dialect: Dialect, value: str) -> None:
    """A model that repeats itself must not hang or crash the server."""
    part = value[: len(value) // TIMES]
    for before in (
        "",
        '{"name": "now", "arguments": {"a": ',
        "[TOOL_CALLS]",
        "[now(a=",
        "<|python_start|>[now(a=",
    ):
        for after in ("", ")]}}"):
            assert_grows_with_it(
                lambda b=before, a=after: dialect.parse(b + part + a, TOOLS),  # type: ignore[misc]
                lambda b=before, a=after: dialect.parse(b + value + a, TOOLS),  # type: ignore[misc]
            )


@each
def test_words_arrive_as_soon_as_they_are_certain(dialect: Dialect) -> None:
    """Brackets in prose would hold the answer back until its end."""
    parser = dialect.parser(TOOLS)
    text = "See [1], {a: 2} and `x`.\nThen (b). "
    assert "".join(delta.text for chunk in text for delta in parser.feed(chunk)) == text.rstrip()


# --- as a shipped template writes ----------------------------------------------------------------------


def test_a_bare_call_is_what_llama_s_template_writes() -> None:
    """What is supervised would differ from what the template shows as history, by a space or a key."""
    found = importlib.util.find_spec("trl")
    if found is None or found.origin is None:
        pytest.skip("the templates come with trl")
    turn = assistant("", ToolCall("get_weather", {"city": "Ålesund <b>", "place": {"a": [1.5, None, "x"]}}))
    for file in ("llama3_1", "llama3_2"):
        template = (Path(found.origin).parent / "chat_templates" / f"{file}.jinja").read_text()
        text = chat_template.render(template, [user("Hi"), turn], [WEATHER], add_generation_prompt=False)
        written = text.rpartition("assistant<|end_header_id|>\n\n")[2].removesuffix("<|eot_id|>")
        assert written == BARE.render_turn(turn, [WEATHER])
