"""Calls held to their tools: whatever the model would like to write, what it writes is one of their calls.

Two directions: what is right can be written (gold calls, in every dialect and both engines' tokens), and what
can be written is right (a model of random weights, asked for a call, gives a valid one).
"""

from __future__ import annotations

import functools
import itertools
import random
import re
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLTokenizer, TokenizerWrapper

from alone import generate
from test_decode import EOS, PROMPT, SPECIAL, TRIGGER, Typist
from toolfinch import dialects, models
from toolfinch.caller import Decoding, Reply
from toolfinch.callers.load import load
from toolfinch.decode.engine import Engine, Logits
from toolfinch.decode.grammar import Constraint
from toolfinch.dialects.dialect import Dialect, ordered
from toolfinch.errors import MissingDependency, ToolfinchError, UsageError
from toolfinch.evaluate.run import key_of
from toolfinch.evaluate.suite import load as suite
from toolfinch.example import gold_message
from toolfinch.message import ToolCall, user
from toolfinch.schema import violations
from toolfinch.tool import Tool, read

HERMES, QWEN_XML, REACT = (dialects.get(name) for name in ("hermes", "qwen_xml", "react"))
each = pytest.mark.parametrize("dialect", dialects.DIALECTS.values(), ids=lambda d: d.name)


class _Bytes:
    """What llguidance asks of a tokenizer, for the vocabulary of `Typist`."""

    eos_token_id, bos_token_id = EOS, None
    tokens = tuple([bytes([i]) for i in range(256)] + [text.encode() for text in SPECIAL])
    special_token_ids = tuple(range(256, 256 + len(SPECIAL)))

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@functools.cache
def _byte_vocabulary() -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(_Bytes()), eos_token=[EOS])


class Wishful(Typist):
    """An engine over bytes that wants to write one text, and can be held back."""

    context = 5000

    @property
    def lltokenizer(self) -> LLTokenizer:
        return _byte_vocabulary()


class Babbler(Wishful):
    """Random weights, leaning to what closes a value, so that it comes to an end."""

    def __init__(self, seed: int) -> None:
        super().__init__("")
        self._random = np.random.default_rng(seed)

    def _logits(self) -> Logits:
        logits = self._random.normal(0, 3, 256 + len(SPECIAL))
        logits[list(b'"}],\n')] += 6
        return logits.astype(np.float32)


BYTES = Wishful("")


def _tool(name: str = "book", *required: str, **properties: Any) -> Tool:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return read({"name": name, "parameters": schema})


def _refused(engine: Engine, dialect: Dialect, tools: Sequence[Tool], text: str) -> str | None:
    """Where in a reply the grammar stops it, as the text up to there; None where it may be written."""
    constraint = Constraint(engine, dialect, tools, required=False)
    ids = engine.encode(text)
    for at, token in enumerate([*ids, min(engine.stop_ids)]):
        allowed = constraint.allowed(engine.lltokenizer.vocab_size)
        if allowed is not None and not allowed[token]:
            return engine.decode(ids[:at])
        if at < len(ids):
            constraint.feed(token)
    return None


def _writes(dialect: Dialect, tools: Sequence[Tool], *calls: ToolCall) -> bool:
    text = dialect.write_turn("", "\n".join(map(dialect.write_call, ordered(calls, tools))))
    return _refused(BYTES, dialect, tools, text) is None


def _reply(engine: Engine, dialect: Dialect, tools: Sequence[Tool], **how: Any) -> Reply:
    *_, last = generate(engine, dialect, PROMPT, tools, Decoding(**{"max_tokens": 600, **how}))
    assert isinstance(last, Reply)
    return last


# --- what is right can be written ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scenarios_200", "unseen_tools_100"])
def test_gold_calls_can_be_written_in_the_models_own_tokens(name: str) -> None:
    """A token split that the tokenizer would not write, one space more, another order of keys: every call of
    the training format would be bent into another."""
    from toolfinch.callers.transformers_engine import TransformersEngine

    _gold_is_let_through(TransformersEngine(models.HERE / "fledgling", device="cpu"), HERMES, name, 2)


@each
def test_gold_calls_can_be_written_in_every_dialect(dialect: Dialect) -> None:
    """The rules and `write_call` are two descriptions of one format, and must be the same."""
    _gold_is_let_through(BYTES, dialect, "scenarios_200", 4)


def _gold_is_let_through(engine: Engine, dialect: Dialect, name: str, every: int) -> None:
    for example in suite(name)[::every]:
        if example.expected.calls:
            text = dialect.render_turn(gold_message(example), example.tools)
            assert _refused(engine, dialect, example.tools, text) is None, text


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f<"), max_size=8)
keys = st.text("abcé_-. 名", min_size=1, max_size=4)


def objects(inner: st.SearchStrategy[tuple[dict[str, Any], Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    def made(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
        parts = draw(st.dictionaries(keys, inner, max_size=4))
        required = [name for name in parts if draw(st.booleans())]
        given = {name: v for name, (_, v) in parts.items() if name in required or draw(st.booleans())}
        properties = {name: schema for name, (schema, _) in parts.items()}
        return {"type": "object", "properties": properties, "required": required}, given

    return st.composite(made)()


pairs = st.recursive(
    st.one_of(
        st.tuples(st.just({"type": "string"}), texts),
        st.tuples(st.just({"type": "integer"}), st.integers(-(2**70), 2**70)),
        st.tuples(st.just({"type": "number"}), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just({"type": "boolean"}), st.booleans()),
        st.tuples(st.just({"type": "null"}), st.none()),
        st.tuples(st.just({"type": ["integer", "null"]}), st.none() | st.integers(0, 9)),
        st.tuples(st.just({"type": "integer", "minimum": 3, "maximum": 20}), st.integers(3, 20)),
        st.tuples(st.just({"type": "string", "minLength": 2, "maxLength": 4}), st.text("ab", min_size=2, max_size=4)),
        st.lists(texts, min_size=1, max_size=3, unique=True).flatmap(
            lambda e: st.tuples(st.just({"type": "string", "enum": e}), st.sampled_from(e))
        ),
    ),
    lambda inner: st.one_of(
        inner.flatmap(lambda p: st.tuples(st.just({"type": "array", "items": p[0]}), st.lists(st.just(p[1]), max_size=3))),
        inner.map(lambda p: ({"anyOf": [p[0], {"type": "null"}]}, p[1])),
        objects(inner),
    ),
    max_leaves=5,
)  # fmt: skip
"""A schema and a value of it."""


@each
@given(pair=objects(pairs), data=st.data())
@settings(max_examples=40)
def test_any_call_of_any_schema_can_be_written(dialect: Dialect, pair: Any, data: st.DataObject) -> None:
    """A type that the grammar spells otherwise than `write_call`; an order that is not the one calls are written in."""
    schema, arguments = pair
    tool = read({"name": "f", "parameters": schema})
    order = data.draw(st.permutations(list(arguments)))
    call = ToolCall("f", {key: arguments[key] for key in order})
    assert violations(tool, call.arguments) == ()
    try:
        dialect.render_calls([call], [tool])
    except ToolfinchError:  # qwen_xml cannot write every value
        return
    assert _writes(dialect, [tool, _tool()], call)


@each
def test_several_calls_and_words_around_them_can_be_written(dialect: Dialect) -> None:
    """Parallel calls cut to one, or a second call forced where the model only wanted to end its turn."""
    tools = [_tool("a", x={"type": "integer"}), _tool("b")]
    calls = [ToolCall("a", {"x": 1}), ToolCall("b", {}), ToolCall("a", {})]
    assert _writes(dialect, tools, *calls)
    text = dialect.write_turn("On it.", "\n".join(map(dialect.write_call, calls)))
    assert _refused(BYTES, dialect, tools, text) is None
    assert _refused(BYTES, dialect, tools, text + "\nDone\n\n") is None
    stray = dialect.write_call(ToolCall("c", {}))
    assert _refused(BYTES, dialect, tools, f"{text}\n{stray}") is not None


def test_free_text_of_react_and_its_answer_can_be_written() -> None:
    """Its answers are actions too: a model that may only call tools could never answer."""
    text = 'Thought: hm\nAction: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "é\\n"}'
    assert _refused(BYTES, REACT, [_tool()], text) is None
    assert _refused(BYTES, REACT, [_tool()], text.replace("Finish", "Finnish")) is not None
    assert _reply(Wishful("Thought: \n" + text[12:]), REACT, [_tool()], tool_choice="required").message.calls


# --- what is wrong cannot ------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "Thought: x\n", "Thought: x\n  ", "  "])
def test_a_line_that_begins_with_react_s_trigger_is_a_call(before: str) -> None:
    """The parser reads a call there; a grammar that waits for a thought first would let any through."""
    text = before + "Action: book\nAction Input: {}"
    assert REACT.parse(text, [_tool()]).calls
    assert _refused(BYTES, REACT, [_tool()], text) is None
    assert _refused(BYTES, REACT, [_tool()], text.replace("book", "rm_all")) is not None


BOOK = _tool(
    "book", "guests", "when",
    when={"type": "string", "enum": ["noon", "ночь"]},
    guests={"type": "integer", "minimum": 1},
    code={"type": "string"},
    price={"type": "number"},
    tags={"type": "array", "items": {"type": "string"}, "maxItems": 2},
    seat={"type": "object", "properties": {"row": {"type": "integer"}}, "required": ["row"]},
    note={"anyOf": [{"type": "integer"}, {"type": "null"}]},
    paid={"type": "boolean"},
)  # fmt: skip
RIGHT = {"when": "noon", "guests": 2}


@each
@pytest.mark.parametrize(
    "wrong",
    [
        {"guests": 2},
        {},
        {**RIGHT, "colour": 1},
        {**RIGHT, "gues": 1},
        {**RIGHT, "when": "night"},
        {**RIGHT, "guests": "two"},
        {**RIGHT, "guests": 0},
        {**RIGHT, "guests": 1.5},
        {**RIGHT, "price": [1]},
        {**RIGHT, "tags": ["a", "b", "c"]},
        {**RIGHT, "tags": [7]},
        {**RIGHT, "tags": {}},
        {**RIGHT, "seat": {}},
        {**RIGHT, "seat": {"row": "7"}},
        {**RIGHT, "seat": {"row": 7, "column": 1}},
        {**RIGHT, "note": True},
        {**RIGHT, "paid": None},
    ],
    ids=str,
)
def test_wrong_arguments_cannot_be_written(dialect: Dialect, wrong: dict[str, Any]) -> None:
    """Each would be refused by the tool, or worse, run."""
    assert violations(BOOK, wrong) != ()
    assert not _writes(dialect, [BOOK, _tool("other")], ToolCall("book", wrong))


@each
@pytest.mark.parametrize(
    "right",
    [
        RIGHT,
        {"guests": 2, "when": "ночь"},
        {**RIGHT, "code": "0042", "price": 1e-07, "note": None, "paid": False},
        {**RIGHT, "code": 'é "quoted" \\ \n \t 日本'},
        {**RIGHT, "seat": {"row": 7}, "tags": [], "note": 3, "price": 2},
    ],
    ids=str,
)
def test_right_arguments_can(dialect: Dialect, right: dict[str, Any]) -> None:
    """Digits of a string taken for a number, characters that are escaped here and not there."""
    assert _writes(dialect, [_tool("other"), BOOK], ToolCall("book", right))


@each
def test_numbers_in_a_string_and_strings_in_a_number(dialect: Dialect) -> None:
    """ "7" and 7 differ in JSON; where text alone stands for both, the schema decides."""
    text, number = _tool("f", v={"type": "string"}), _tool("f", v={"type": "integer"})
    assert _writes(dialect, [text], ToolCall("f", {"v": "7"}))
    assert _writes(dialect, [number], ToolCall("f", {"v": 7}))
    if dialect is not QWEN_XML:
        assert not _writes(dialect, [text], ToolCall("f", {"v": 7}))
        assert not _writes(dialect, [number], ToolCall("f", {"v": "7"}))


@each
@pytest.mark.parametrize("name", ["bookk", "boo", "", "Book", "get_weather"])
def test_a_tool_that_is_not_offered_cannot_be_called(dialect: Dialect, name: str) -> None:
    """An invented name reaches whoever runs the calls."""
    assert not _writes(dialect, [BOOK, _tool("books")], ToolCall(name, dict(RIGHT)))


@each
def test_arguments_come_in_the_order_of_the_schema(dialect: Dialect) -> None:
    """Where any key may come next, each has to be asked of the model: twice the steps of a call."""
    tools = [_tool("f", "v", "w", v={"type": "integer"}, w={"type": "integer"})]
    text = dialect.write_turn("", dialect.write_call(ToolCall("f", {"w": 8, "v": 7})))
    assert _refused(BYTES, dialect, tools, text) is not None
    (ahead,) = ordered([ToolCall("f", {"w": 8, "v": 7})], tools)
    assert list(ahead.arguments) == ["v", "w"]
    assert dialect.render_calls([ToolCall("f", {"w": 8, "v": 7})], tools) == dialect.write_call(ahead)


@each
def test_a_key_cannot_be_written_twice(dialect: Dialect) -> None:
    """JSON readers keep one of the two, and not all the same one."""
    once = dialect.write_call(ToolCall("f", {"v": 7, "w": 8}))
    twice = once.replace('"w"', '"v"').replace("=w>", "=v>").replace("w=", "v=")
    assert once != twice
    tools = [_tool("f", v={"type": "integer"}, w={"type": "integer"})]
    assert _refused(BYTES, dialect, tools, dialect.write_turn("", once)) is None
    assert _refused(BYTES, dialect, tools, dialect.write_turn("", twice)) is not None


@each
@pytest.mark.parametrize("required", ["", "a", "b", "c", "ac", "abc"])
def test_any_of_the_optional_arguments_may_be_left_out(dialect: Dialect, required: str) -> None:
    """A comma too many or too few, where the first, a middle or the last one is left out."""
    properties = {key: {"type": "integer"} for key in "abc"}
    for others in (False, True):
        schema = {"properties": properties, "required": [*required], "additionalProperties": others}
        tools = [read({"name": "f", "parameters": {"type": "object", **schema}})]
        for size in range(5):
            for keys_ in itertools.combinations("abcz", size):
                fits = {*required} <= {*keys_} and (others or "z" not in keys_)
                call = ToolCall("f", {key: i for i, key in enumerate(keys_)})
                assert _writes(dialect, tools, call) is fits, (keys_, others)


@each
def test_so_many_optional_arguments(dialect: Dialect) -> None:
    """llguidance goes as deep as rules refer to one another: a request would end the process, stack and all."""
    random_ = random.Random(0)

    def written() -> None:
        for n in (15, 16, 17, 33, 100, 1500):
            properties = {f"k{i}": {"type": "integer"} for i in range(n)}
            tools = [read({"name": "f", "parameters": {"type": "object", "properties": properties}})]
            for size in (0, 1, 1, 2, 2, 5, n // 2, n) if n < 200 else (1, 3):
                some = sorted(random_.sample(range(n), size))
                call = ToolCall("f", {f"k{i}": i for i in some})
                assert _writes(dialect, tools, call), some
                if size > 1:
                    text = dialect.write_turn("", dialect.write_call(call))
                    first, last = (f"k{some[at]}" for at in (0, -1))
                    swap = {first: last, last: first}
                    swapped = re.sub(r"k\d+", lambda m, to=swap: to.get(m[0], m[0]), text)  # type: ignore[misc]
                    assert _refused(BYTES, dialect, tools, swapped) is not None, some

    before = threading.stack_size(512 * 1024)
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(written).result()
    finally:
        threading.stack_size(before)


@each
def test_so_many_tools(dialect: Dialect) -> None:
    """By itself llguidance ends a reply in the middle where more than 2,000 ways are open."""
    tools = [_tool(f"f{i}", k={"type": "integer"}) for i in range(2048)]
    assert _writes(dialect, tools, ToolCall("f2047", {"k": 1}))
    assert not _writes(dialect, tools, ToolCall("f2048", {"k": 1}))


def test_too_many_parts_are_said_in_a_line() -> None:
    """What the client reads would be a stack of addresses."""
    many = {f"k{i}": {"type": "string"} for i in range(40)}
    tools = [_tool(f"f{i}", **many) for i in range(600)]
    with pytest.raises(ToolfinchError, match=r"all 600 at once: the grammar has too many parts$"):
        Constraint(BYTES, HERMES, tools, required=False)


@each
def test_a_key_of_control_characters(dialect: Dialect) -> None:
    for key in ("a\x7f", "tab\tq", 'q"\\'):
        tools = [_tool("f", key, **{key: {"type": "integer"}})]
        assert _writes(dialect, tools, ToolCall("f", {key: 1})), key


def test_no_comma_stands_before_the_first_argument() -> None:
    """Python cannot read `f(, z=1)`, so the call would be lost."""
    schema = {"type": "object", "properties": {"a": {}}, "additionalProperties": True}
    dialect, tools = dialects.get("pythonic"), [read({"name": "f", "parameters": schema})]
    right = dialect.write_turn("", dialect.write_call(ToolCall("f", {"z": 1})))
    assert _refused(BYTES, dialect, tools, right) is None
    assert _refused(BYTES, dialect, tools, right.replace("f(", "f(, ")) is not None


SCHEMAS: list[tuple[str, dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]] = [
    ("none", {}, [{}], [{"a": 1}]),
    (
        "$ref",
        {"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}},
        [{"a": 1}, {}],
        [{"a": "x"}],
    ),
    (
        "open",
        {"properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": {"type": "boolean"}},
        [{"a": 1}, {"a": 1, "b": True}],
        [{"b": True}, {"a": 1, "b": 2}, {"a": True}],
    ),
    (
        "a choice or null",
        {"properties": {"a": {"anyOf": [{"type": "string", "enum": ["x", "y"]}, {"type": "null"}]}}},
        [{"a": "x"}, {"a": None}, {}],
        [{"a": "z"}, {"a": 1}],
    ),
    (
        "true and false",
        {"properties": {"any": True, "never": False, "a": {"type": "integer"}}},
        [{"any": [{"x": None}], "a": 1}, {"any": 2}, {}],
        [{"never": 1}, {"a": "x"}],
    ),
    (
        "open to anything",
        {"properties": {"a": {"type": "integer"}}, "additionalProperties": {}},
        [{"a": 1, "b": "x"}, {"c": [1]}],
        [{"a": "x"}, {"b": 1, "a": "x"}],
    ),
    (
        "names by pattern",
        {"properties": {"a": {"type": "integer"}}, "patternProperties": {"^x-": {"type": "string"}}},
        [{"a": 1, "x-b": "y"}, {}],
        [{"a": "x"}],
    ),
    (
        "map",
        {"properties": {"m": {"type": "object", "additionalProperties": {"type": "integer"}}}},
        [{"m": {"x": 1, "é": 2}}, {"m": {}}],
        [{"m": {"x": "y"}}, {"m": 1}],
    ),
    (
        "any object",
        {"properties": {"m": {"type": "object"}}},
        [{"m": {"x": [1, {"y": None}]}}],
        [{"m": [1]}],
    ),
    (
        "one of two kinds",
        {
            "properties": {
                "by": {
                    "oneOf": [
                        {"type": "object", "properties": {"card": {"type": "integer"}}, "required": ["card"]},
                        {"type": "object", "properties": {"iban": {"type": "string"}}, "required": ["iban"]},
                    ]
                }
            }
        },
        [{"by": {"card": 1}}, {"by": {"iban": "x"}}],
        [{"by": {"card": "x"}}, {"by": {}}, {"by": {"card": 1, "cash": 2}}],
    ),
    (
        "unheld keywords",
        {
            "properties": {
                "t": {"type": "string", "format": "currency"},
                "format": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
                "not": {"type": "integer", "not": {"const": 3}},
            }
        },
        [{"t": "x", "format": [1, 2], "not": 4}],
        [{"format": ["x"]}, {"not": "x"}, {"uniqueItems": 1}],
    ),
    (
        "branches of the whole",
        {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
         "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        [{"a": 1}, {"b": 1}, {"a": 1, "b": 2}],
        [{"c": 1}, {"a": "x"}],
    ),
    (
        "more than 64",
        {"properties": {f"p{i}": {"type": "integer"} for i in range(70)}, "required": ["p1", "p68"]},
        [{"p1": 1, "p68": 2}, {"p0": 0, "p1": 1, "p68": 2, "p69": 3}],
        [{"p1": 1}, {"p1": 1, "p68": "x"}, {"p68": 1, "p70": 1}],
    ),
]  # fmt: skip


@each
@pytest.mark.parametrize(("schema", "right", "wrong"), [s[1:] for s in SCHEMAS], ids=[s[0] for s in SCHEMAS])
def test_schemas_of_every_shape(
    dialect: Dialect, schema: dict[str, Any], right: list[dict[str, Any]], wrong: list[dict[str, Any]]
) -> None:
    """A keyword that is forgotten lets everything through; one that is read wrongly, nothing."""
    tool = read({"name": "f", "parameters": {"type": "object", **schema}})
    for arguments in right:
        assert violations(tool, arguments) == ()
        assert _writes(dialect, [tool], ToolCall("f", arguments)), arguments
    for arguments in wrong:
        assert not _writes(dialect, [tool], ToolCall("f", arguments)), arguments


@each
def test_a_schema_that_cannot_be_compiled_names_the_tool(dialect: Dialect) -> None:
    """Unconstrained in silence; or one bad tool among fifty, and no word which."""
    bad = _tool("bad", codes={"type": "array", "items": {"type": "string", "pattern": "^(?=x)"}})
    with pytest.raises(UsageError, match=r"tool 'bad': .*look-around") as refused:
        _reply(Wishful("hi"), dialect, [_tool(), bad, _tool("c")])
    assert "\n" not in str(refused.value)
    assert _reply(Wishful("hi"), dialect, [bad], constrain=False).raw == "hi"


def test_without_llguidance_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ImportError in the middle of a request; or worse, no constraint."""
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingDependency, match="llguidance"):
        _reply(Wishful("hi"), HERMES, [_tool()])
    assert _reply(Wishful("hi"), HERMES, [_tool()], constrain=False).raw == "hi"


# --- the whole loop ------------------------------------------------------------------------------------


def test_whether_to_call_stays_free() -> None:
    """A grammar from the first token on would make a small model call where it should answer."""
    tools = [_tool("stop")]
    assert _reply(Wishful("No need."), HERMES, tools).message.content == "No need."
    likely = {TRIGGER: 0.4, **{ord(c): 0.02 for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcd"}}
    reply = _reply(Wishful("x", first=likely), HERMES, tools, max_tokens=3)
    assert reply.message.calls == () and reply.confidence == pytest.approx(0.6)


def test_a_wrong_wish_becomes_a_right_call() -> None:
    """The grammar would be built and never applied."""
    wish = '<tool_call>\n{"name": "stopp", "arguments": {"now": "yes"}}\n</tool_call>'
    free = _reply(Wishful(wish), HERMES, [_tool("stop")], constrain=False)
    assert free.message.calls == (ToolCall("stopp", {"now": "yes"}),)
    held = _reply(Wishful(wish), HERMES, [_tool("stop")])
    assert held.message.calls == (ToolCall("stop", {}),) and held.stop == "tool_calls"


@each
def test_only_the_named_tool_can_be_called_and_once(dialect: Dialect) -> None:
    """A forced choice that the model talks its way out of."""
    tools = [_tool("a", "x", x={"type": "boolean"}), _tool("b")]
    for seed in range(5):
        reply = _reply(Babbler(seed), dialect, tools, tool_choice="=a")
        assert [call.name for call in reply.message.calls] == ["a"]
        reply = _reply(Babbler(seed), dialect, tools, tool_choice="required", parallel=False)
        assert len(reply.message.calls) == 1


@each
def test_a_call_cut_by_the_limit_is_unread(dialect: Dialect) -> None:
    """Half a call that is valid as far as it goes is no call."""
    tools = [_tool("a", "x", x={"type": "string", "minLength": 500})]
    reply = _reply(Babbler(0), dialect, tools, tool_choice="required", max_tokens=60)
    assert (reply.stop, reply.message.calls) == ("length", ()) and reply.unread


finite = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "integer", "minimum": -5, "maximum": 500}),
    st.just({"type": "number", "minimum": 0, "maximum": 1}),
    st.just({"type": ["boolean", "null"]}),
    st.just({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 9}, {"type": "null"}]}),
    st.lists(texts, min_size=1, max_size=3, unique=True).map(lambda e: {"type": "string", "enum": e}),
    st.just({"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3}),
    st.just({
        "type": "object",
        "properties": {"on": {"type": "boolean"}, "é": {"enum": [1, None, "x"]}},
        "required": ["é"],
    }),
)  # fmt: skip
finite_tools = st.lists(
    st.builds(
        lambda name, parts: _tool(name, *[k for k, (_, r) in parts.items() if r], **{k: s for k, (s, _) in parts.items()}),
        st.sampled_from(["a", "ab", "set.x", "ü_1"]),
        st.dictionaries(keys, st.tuples(finite, st.booleans()), max_size=4),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda tool: tool.name,
)  # fmt: skip


@each
@given(tools=finite_tools, seed=st.integers(0, 2**32), temperature=st.sampled_from([0.0, 1.0]))
@settings(max_examples=40)
def test_what_random_logits_write_is_a_valid_call(
    dialect: Dialect, tools: list[Tool], seed: int, temperature: float
) -> None:
    """Any gap between the grammar, the dialect's reader and the schema shows here."""
    # Room for a list to end by itself: a pythonic one that is cut has no call that can be read.
    how = {"tool_choice": "required", "temperature": temperature, "max_tokens": 6000}
    _check_valid(_reply(Babbler(seed), dialect, tools, **how), tools)


def _check_valid(reply: Reply, tools: Sequence[Tool]) -> None:
    assert reply.message.calls, reply.raw
    assert reply.unread == () or reply.stop == "length", reply.raw
    offered = {tool.name: tool for tool in tools}
    for call in reply.message.calls:
        assert violations(offered[call.name], call.arguments) == (), reply.raw


TOOLS = (
    BOOK_FINITE := _tool(
        "book", "when", "guests",
        when={"type": "string", "enum": ["noon", "night"]},
        guests={"type": "integer", "minimum": 1, "maximum": 12},
        code={"type": "string", "maxLength": 6},
        seat={"type": "object", "properties": {"row": {"type": "integer", "maximum": 9}}, "required": ["row"]},
    ),
    _tool("cancel", "why", why={"type": "array", "items": {"enum": ["late", "ill"]}, "maxItems": 2}),
    _tool("stop"),
)  # fmt: skip


@each
@pytest.mark.parametrize("engine", ["folder", "gguf"])
def test_a_model_of_random_weights_always_writes_valid_calls(
    dialect: Dialect, engine: str, request: pytest.FixtureRequest
) -> None:
    """The promise itself: real tokens, real engines, weights that know nothing, and every call can be run."""
    caller = load(str(request.getfixturevalue(engine)), dialect.name, n_threads=1)
    finished = 0
    for seed in range(8):
        how = Decoding(
            tool_choice="required", parallel=False, temperature=1.5 * (seed > 0), seed=seed, max_tokens=200
        )
        reply = caller.reply([user(f"number {seed}")], TOOLS, how)
        if reply.stop != "length":  # raw text of qwen_xml has no end that it must come to
            finished += 1
            _check_valid(reply, TOOLS)
    assert finished == 8 if dialect is not QWEN_XML else finished


@pytest.mark.parametrize("choice", ["required", "=book", "=stop"])
def test_both_engines_write_the_same_constrained_call(folder: Path, gguf: Path, choice: str) -> None:
    """A mask over another vocabulary than the logits' would allow other words in each engine."""
    how = Decoding(tool_choice=choice, parallel=False, max_tokens=40)
    a, b = (load(str(path), "hermes", n_threads=1).reply([user("go")], TOOLS, how) for path in (folder, gguf))
    assert a.raw == b.raw and a.message.calls == b.message.calls and a.stop == b.stop


def test_a_free_run_is_not_resumed_as_a_constrained_one() -> None:
    """The report with the constraint would be made of the replies without it."""
    example = suite("scenarios_200")[0]
    a, b = (key_of("m", "sha", Decoding(constrain=on), example) for on in (True, False))
    assert a != b


def test_a_request_pays_for_its_grammar_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling for each reply; or a copy that remembers the last reply."""
    made: list[int] = []
    grammar: Callable[[Sequence[Tool], bool], str] = HERMES.grammar

    def counted(tools: Sequence[Tool], required: bool) -> str:
        made.append(1)
        return grammar(tools, required)

    dialect = dialects.Dialect(**{**vars(HERMES), "grammar": counted})
    tools = [_tool("stop")]
    raws = {_reply(Babbler(3), dialect, tools, tool_choice="required").raw for _ in range(3)}
    assert len(raws) == 1 and len(made) == 1
    _reply(Babbler(3), dialect, [_tool("halt")], tool_choice="required")
    assert len(made) == 2
