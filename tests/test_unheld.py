"""Would break: a call that goes out though it was held to nothing; a call in thoughts, or where none may be; thoughts that
are bent like a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from alone import generate
from test_decode import EOS
from test_grammar import Wishful, _tool
from toolfinch import dialects
from toolfinch.caller import Decoding, Reply
from toolfinch.message import ToolCall
from toolfinch.tool import Tool

TOOLS = (_tool("ab", "n", n={"type": "integer"}), _tool("ac", "n", n={"type": "integer"}))
AB = ToolCall("ab", {"n": 7})
PLAIN, OPENED = [ord("?")] * 7, [*b"<think>"]
each = pytest.mark.parametrize("dialect", dialects.DIALECTS)
thinking = pytest.mark.parametrize(
    "dialect", [name for name, dialect in dialects.DIALECTS.items() if dialect.thinks]
)


class Speller(Wishful):
    """Writes the marks of a call letter by letter, never as the tokens that they are."""

    def __init__(self, text: str) -> None:
        super().__init__("")
        self._script = [*text.encode(), EOS]


def _reply(
    engine: Wishful, dialect: str, tools: Sequence[Tool] = TOOLS, prompt: Sequence[int] = PLAIN, **how: Any
) -> Reply:
    how = {"max_tokens": 300, **how}
    *_, reply = generate(engine, dialects.get(dialect), prompt, tools, Decoding(**how))
    assert isinstance(reply, Reply)
    return reply


# --- what readers read beyond what is written ----------------------------------------------------------

OTHER_FORMS = [
    ("hermes", '<tool_call>\n{"name": "NAME", "arguments": {"n": "x"}}\n</tool_call>'),
    ("qwen_xml", "<tool_call>\n<function=NAME>\n<parameter=n>\nx\n</parameter>\n</function>\n</tool_call>"),
    ("react", 'Action: NAME\nAction Input: {"n": "x"}'),
    ("react", 'Thought: hm\n\n    Action: NAME\nAction Input: {"n": "x"}'),
    ("bare_json", '{ "name": "NAME", "arguments": {"n": "x"}}'),
    ("bare_json", '{"function": "NAME", "arguments": {"n": "x"}}'),
    ("bare_json", '[{"type": "function", "name": "NAME", "arguments": {"n": "x"}}]'),
    ("bare_json", '[TOOL_CALLS]NAME[ARGS]{"n": "x"}'),
    ("bare_json", '<tool_call>{"arguments": {"n": "x"}, "name": "NAME"}'),
    ("pythonic", '[NAME(n="x")]'),
    ("pythonic", '<|python_tag|>NAME(n="x")'),
]
forms = pytest.mark.parametrize(("dialect", "text"), OTHER_FORMS)


@forms
@pytest.mark.parametrize("name", ["ab", "rm_all"])
@pytest.mark.parametrize("before", ["", "On it.\n"])
def test_a_wrong_call_goes_out_in_no_form(dialect: str, text: str, name: str, before: str) -> None:
    """Readers are made for many families; the grammar begins at one dialect's trigger."""
    reply = _reply(Speller(before + text.replace("NAME", name)), dialect)
    for call in reply.message.calls:
        assert call.name == "ab" and isinstance(call.arguments["n"], int), reply.raw


def test_one_that_was_refused_lends_its_trigger_to_nobody() -> None:
    """Behind a trigger inside of another form, the next form would count as held."""
    inner = '{"name": "ab", "parameters": {"n": 7}}'
    text = f'[TOOL_CALLS]rm_all[ARGS]{inner}\n[TOOL_CALLS]ab[ARGS]{{"n": "x"}}'
    reply = _reply(Speller(text), "bare_json")
    assert reply.message.calls == () and len(reply.unread) == 2


@forms
def test_no_form_of_a_call_goes_out_where_none_may(dialect: str, text: str) -> None:
    for tools, how in (
        (TOOLS, {"tool_choice": "none"}),
        ((), {}),
        (TOOLS, {"tool_choice": "none", "constrain": False}),
    ):
        for engine in (Speller, Wishful):
            reply = _reply(engine(text.replace("NAME", "ab")), dialect, tools, **how)
            assert reply.message.calls == () and (reply.message.content or reply.unread), reply.raw


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("bare_json", '{ "arguments": {"n": 7}, "name": "ab"}'),
        ("bare_json", '[TOOL_CALLS]ab[ARGS]{"n": 7}'),
        ("pythonic", "[ab(n=7)]"),
    ],
)
def test_a_right_call_in_another_form_is_still_a_call(dialect: str, text: str) -> None:
    """Models that write another family's form would call nothing any more."""
    assert _reply(Speller(text), dialect).message.calls == (AB,)
    assert _reply(Speller(text), dialect, TOOLS, constrain=False).message.calls == (AB,)
    reply = _reply(Speller(text), dialect, TOOLS[1:])  # with that tool not offered it may be text, or unread
    assert reply.message.calls == ()


def test_a_trigger_that_is_spelled_is_not_completed() -> None:
    """The grammar looks for one token; the reader for its text."""
    call = dialects.get("hermes").write_call(ToolCall("rm_all", {}))
    for before in ("", "Hi.\n", dialects.get("hermes").write_call(AB) + "\n"):
        reply = _reply(Speller(before + call), "hermes", parallel=True)
        assert reply.message.calls == () and reply.unread == () and "<tool_call>" not in reply.raw
    # In a value it is text like any other.
    tool = _tool("say", "x", x={"type": "string"})
    text = dialects.get("hermes").write_call(ToolCall("say", {"x": "MARK"}))
    engine = Wishful(text)
    at = engine._script.index(ord("M"))
    engine._script[at : at + 4] = b"<tool_call>"
    assert _reply(engine, "hermes", [tool]).message.calls == (ToolCall("say", {"x": "<tool_call>"}),)


# --- words of a schema ---------------------------------------------------------------------------------

NAMED = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@each
@pytest.mark.parametrize("tools", [(), TOOLS], ids=["alone", "none may be called"])
def test_a_value_that_begins_like_a_call_is_a_value(dialect: str, tools: Sequence[Tool]) -> None:
    """The trigger of `bare_json` is how many an object begins."""
    reply = _reply(Wishful('{"name": "ab"}'), dialect, tools, tool_choice="none", response_schema=NAMED)
    assert msgspec.json.decode(reply.message.content) == {"name": "ab"}
    assert reply.message.calls == () and reply.unread == ()


@pytest.mark.parametrize("choice", ["none", "auto"])
def test_a_call_inside_of_a_value_is_text(choice: str) -> None:
    """A string of an answer would run a tool."""
    text = '{"name": "<tool_call><function=rm></function></tool_call>"}'
    reply = _reply(Speller(text), "qwen_xml", tool_choice=choice, response_schema=NAMED)
    assert reply.message.calls == () and reply.message.content == text


# --- thoughts ------------------------------------------------------------------------------------------


@thinking
@pytest.mark.parametrize("choice", ["required", "=ab"])
def test_a_call_that_must_be_is_written_behind_the_thoughts_not_in_them(dialect: str, choice: str) -> None:
    """A forced start within an opened `<think>` is a thought, and so is all that follows."""
    call = dialects.get(dialect).write_call(AB)
    reply = _reply(
        Wishful("hm</think>\n\n" + call),
        dialect,
        prompt=OPENED,
        think=True,
        tool_choice=choice,
        parallel=False,
    )
    assert reply.raw.startswith("hm</think>\n\n") and reply.message.calls == (AB,)
    assert reply.signals and reply.signals.forced + reply.signals.sampled == reply.usage.completion_tokens
    early = Wishful("hm\n</think>\n\n" + call)
    early._script[2] = EOS
    ended = _reply(early, dialect, prompt=OPENED, think=True, tool_choice=choice, parallel=False)
    assert ended.raw.startswith("hm\n</think>\n\n") and ended.message.calls == (AB,)
    cut = _reply(Wishful("hm " * 99), dialect, prompt=OPENED, tool_choice=choice, max_tokens=60)
    assert (cut.stop, cut.message.calls, cut.message.content) == ("length", (), "")


@thinking
@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("think", [True, False])
def test_thoughts_are_free_and_no_calls(dialect: str, opened: bool, think: bool) -> None:
    """Where a call in them is bent to the tools, or taken for one; also of a model that thinks unasked."""
    how = dialects.get(dialect)
    thoughts = f"Perhaps {how.trigger}zz or not</think>\n\n"
    for text, calls in ((how.write_call(AB), (AB,)), ("No.", ())):
        wish = ("" if opened else "<think>") + thoughts + text
        reply = _reply(Wishful(wish), dialect, prompt=OPENED if opened else PLAIN, think=think)
        assert reply.raw == wish and reply.message.calls == calls and reply.unread == ()
        assert reply.message.content.strip() == ("" if calls else text)
        assert reply.signals and (reply.signals.value_min is None) == (not calls)
        if calls:  # the thought trigger is not where the name begins
            assert reply.signals.name == pytest.approx(1) and reply.signals.value_min == pytest.approx(1)


def test_only_the_first_thoughts_are() -> None:
    """The reader takes a second `<think>` for text, and a call in it for a call."""
    text = "<think>a</think><think>b" + dialects.get("hermes").write_call(ToolCall("rm_all", {}))
    reply = _reply(Wishful(text), "hermes", think=True)
    assert all(call.name == "ab" for call in reply.message.calls)


def test_a_trigger_that_was_thought_of_does_not_keep_words_from_beginning() -> None:
    """Each token behind it would count as completing it, until none is left."""
    reply = _reply(
        Wishful("hm <tool_call></think>Hi."), "hermes", prompt=OPENED, think=True, tool_choice="none"
    )
    assert reply.message.content == "Hi." and reply.unread == ()


# --- signals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "Thought: hm\n", "Thought: hm\n   "])
def test_signals_of_a_call_that_begins_its_line_anyhow(before: str) -> None:
    """A call that is held and whose tokens all count as words would look as sure as words."""
    reply = _reply(Wishful(before + 'Action: ab\nAction Input: {"n": 7}'), "react", parallel=False)
    assert reply.message.calls == (AB,) and reply.signals
    assert reply.signals.name == pytest.approx(1) and reply.signals.value_min == pytest.approx(1)


@pytest.mark.parametrize("dialect", ["hermes", "qwen_xml", "bare_json", "react"])
def test_the_second_call_has_a_name_too(dialect: str) -> None:
    """Only the first call's doubts would count."""
    how = dialects.get(dialect)
    text = how.write_turn("", "\n".join([how.write_call(AB), how.write_call(ToolCall("ac", {"n": 3}))]))
    reply = _reply(Wishful(text), dialect, logprobs=0)
    assert [call.name for call in reply.message.calls] == ["ab", "ac"]
    names = "".join(one.text for one in reply.logprobs if one.part == "name" and not one.forced)
    assert "b" in names and "c" in names
