"""The generation loop: what it hands out piece by piece is what it reports whole, and it stops when told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alone import generate
from tiny_models import tiny_model, tiny_tokenizer
from toolfinch import dialects
from toolfinch.caller import Decoding, Delta, Reply
from toolfinch.decode.decision import probability, trigger_id
from toolfinch.decode.engine import ContextError, Engine, Logits, Part, Pieces, common_prefix, logits_after
from toolfinch.decode.prefixes import Prefixes
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.message import ToolCall, assistant
from toolfinch.tool import Tool

SPECIAL = ("<|im_end|>", "<tool_call>", "</tool_call>")
EOS, TRIGGER = 256, 257
PROMPT = [ord("?")] * 7
HERMES = dialects.get("hermes")
TOOLS = (Tool("set_alarm"), Tool("stop"))
ALARM = '<tool_call>\n{"name": "set_alarm", "arguments": {"at": "07:30"}}\n</tool_call>'


class Typist:
    """An engine over bytes that wants to write one text, whatever was written before.

    It is run free here: what the loop does with a text must not depend on which texts a grammar lets pass.
    """

    context = 400
    stop_ids = frozenset({EOS})
    chat_template = bos_token = eos_token = ""
    slots, cells, can_cut = 1, 400, True

    def __init__(self, text: str, special: Sequence[str] = SPECIAL, first: dict[int, float] | None = None):
        self._special = special
        self._script = [*self.encode(text), EOS]
        self._first = first
        self._at = 0
        self._held: list[list[int]] = [[] for _ in range(self.slots)]
        self.passes: list[list[int]] = []

    @property
    def lltokenizer(self) -> Any:
        raise AssertionError("a free reply needs no grammar")

    def encode(self, text: str) -> list[int]:
        parts = re.split("(" + "|".join(map(re.escape, self._special)) + ")", text)
        return [
            token
            for part in parts
            for token in ([256 + self._special.index(part)] if part in self._special else part.encode())
        ]

    def decode(self, ids: Sequence[int]) -> str:
        parts = [bytes([i]) if i < 256 else self._special[i - 256].encode() for i in ids]
        return b"".join(parts).decode("utf-8", "replace")

    def forward(self, parts: Sequence[Part]) -> list[Logits | None]:
        self.passes.append([len(part.ids) for part in parts])
        assert len({part.slot for part in parts}) == len(parts)
        out: list[Logits | None] = []
        for part in parts:
            assert len(part.ids), "a pass over nothing"
            self._held[part.slot] += part.ids
            assert len(self._held[part.slot]) <= self.context
            self._at = len(self._held[part.slot]) - len(PROMPT)
            out.append(self._logits() if part.wants_logits else None)
        return out

    def copy(self, source: int, target: int, length: int) -> None:
        assert length <= len(self._held[source]) if self.can_cut else length == len(self._held[source])
        self._held[target] = self._held[source][:length]

    def cut(self, slot: int, length: int) -> None:
        assert length == 0 or (self.can_cut and length <= len(self._held[slot]))
        del self._held[slot][length:]

    def dump(self, slot: int) -> bytes:
        return bytes(str(self._held[slot]), "ascii")

    def restore(self, slot: int, state: bytes, length: int) -> bool:
        self._held[slot] = list(map(int, state.strip(b"[]").split(b","))) if state else []
        return len(self._held[slot]) == length

    def _logits(self) -> Logits:
        p = np.full(256 + len(self._special), 1e-12)
        if self._at == 0 and self._first:
            for token, share in self._first.items():
                p[token] = share
        else:
            p[self._script[min(self._at, len(self._script) - 1)]] = 1
        return np.log(p / p.sum()).astype(np.float32)


def run(engine: Engine, tools: Sequence[Tool] = TOOLS, dialect: str = "hermes", **how: Any) -> Reply:
    """The reply, after checking that the deltas add up to it."""
    deltas, reply = [], None
    for item in generate(
        engine,
        dialects.get(dialect),
        PROMPT,
        tools,
        Decoding(**{"max_tokens": 300, "constrain": False, **how}),
    ):
        assert reply is None, "the reply must come last"
        if isinstance(item, Delta):
            deltas.append(item)
        else:
            reply = item
    assert reply is not None
    assert "".join(delta.text for delta in deltas) == reply.message.content
    assert tuple(delta.call for delta in deltas if delta.call) == reply.message.calls
    return reply


@given(st.text(max_size=40))
def test_pieces_add_up_and_never_show_half_a_character(text: str) -> None:
    """A stream would show U+FFFD where a character's bytes come in several tokens."""
    tokenizer = _tokenizer()
    ids = tokenizer.encode(text, add_special_tokens=False).ids

    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=False))

    pieces = Pieces(decode, tokenizer.encode("before", add_special_tokens=False).ids)
    shown = [pieces.feed(token) for token in ids]
    if "\ufffd" not in decode(ids):
        assert not any("\ufffd" in piece for piece in shown)
    assert "".join(shown) + pieces.finish() == decode(ids)


_TOKENIZERS: list[Any] = []


def _tokenizer() -> Any:
    if not _TOKENIZERS:
        _TOKENIZERS.append(tiny_tokenizer())
    return _TOKENIZERS[0]


def test_unfinished_bytes_at_the_end_are_shown_once() -> None:
    """A reply cut inside a character would lose its last bytes, or show them twice."""
    pieces = Pieces(Typist("").decode)
    assert [pieces.feed(token) for token in "aé".encode()[:-1]] == ["a", ""]
    assert pieces.finish() == "\ufffd"
    assert pieces.finish() == ""


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | words,
    lambda v: st.lists(v, max_size=3),
    max_leaves=4,
)
calls = st.builds(
    ToolCall, st.sampled_from(["set_alarm", "stop"]), st.dictionaries(words, values, max_size=3)
)


@given(words, st.lists(calls, max_size=2), st.booleans(), st.booleans())
@settings(max_examples=60)
def test_streamed_and_whole_are_the_same_turn(
    content: str, wanted: list[ToolCall], parallel: bool, special: bool
) -> None:
    """A call lost or doubled in a stream (the engines' most common bug); half a tag shown as text."""
    text = HERMES.render_turn(assistant(content, *wanted), TOOLS)
    engine = Typist(text, SPECIAL if special else SPECIAL[:1])
    engine.context = 5000
    reply = run(engine, parallel=parallel, max_tokens=4000)
    expected = wanted if parallel else wanted[:1]
    assert len(reply.message.calls) == len(expected)
    assert all(a.same(b) for a, b in zip(reply.message.calls, expected, strict=True))
    assert reply.message.content.strip() == content.strip()
    assert reply.stop == ("tool_calls" if expected else "stop")
    assert reply.unread == ()


@pytest.mark.parametrize(("p", "called"), [(0.4, False), (0.499, False), (0.501, True), (0.9, True)])
def test_decision_is_between_events_not_tokens(p: float, called: bool) -> None:
    """Argmax would call at p = 0.4, since the rest is shared by twenty ways to begin a sentence."""
    others = {ord(c): (1 - p) / 20 for c in "ABCDEFGHIJKLMNOPQRST"}
    engine = Typist(ALARM, first={TRIGGER: p, **others})
    reply = run(engine, max_tokens=120)
    assert bool(reply.message.calls) is called
    assert reply.confidence == pytest.approx(p if called else 1 - p, abs=1e-6)


def test_decision_of_a_reply_that_calls_after_words_has_no_confidence() -> None:
    """Its first position was sure of words; reporting that as confidence in the call would be false."""
    reply = run(Typist("Sure. " + ALARM))
    assert reply.message.calls and reply.message.content == "Sure. "
    assert reply.confidence is None


def test_trigger_of_several_tokens_decodes_token_by_token() -> None:
    """A probability of its first token alone would be passed off as the decision's."""
    engine = Typist(ALARM, special=SPECIAL[:1])
    assert trigger_id(engine, HERMES.trigger) is None
    reply = run(engine)
    assert reply.message.calls and reply.confidence is None


@pytest.mark.parametrize("special", [SPECIAL, SPECIAL[:1]], ids=["one token", "spelled out"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_none_never_calls(special: Sequence[str], temperature: float) -> None:
    """A model that wants to call would call, by the trigger token or by spelling it."""
    reply = run(Typist("Hm. " + ALARM, special), tool_choice="none", temperature=temperature)
    assert reply.message.calls == () and reply.unread == ()
    assert HERMES.trigger not in reply.raw


def test_without_tools_nothing_is_called() -> None:
    """With no tools offered any call is invented."""
    assert run(Typist(ALARM), tools=()).message.calls == ()


def test_required_and_named_calls_are_forced() -> None:
    """A model that would rather talk must still call; with a name, that tool and only once."""
    body = ', "arguments": {}}\n</tool_call>'
    asked = run(Typist(HERMES.forced_start(None) + 'stop"' + body), tool_choice="required")
    assert [call.name for call in asked.message.calls] == ["stop"]
    text = HERMES.forced_start("stop") + ' {"a": 1}}\n</tool_call>\n' + ALARM
    named = run(Typist(text), tool_choice="=stop")
    assert named.message.calls == (ToolCall("stop", {"a": 1}),)
    assert named.raw == text.partition("\n" + ALARM)[0]
    assert named.confidence is None
    assert named.usage.prompt_tokens == len(PROMPT)


@pytest.mark.parametrize(
    ("choice", "tools", "says"),
    [
        ("=nope", TOOLS, "'nope'"),
        ("required", (), "no tools"),
        ("always", TOOLS, "'always'"),
        ("=x", (), "none"),
    ],
)
def test_a_tool_choice_that_cannot_be_met_is_refused(choice: str, tools: Sequence[Tool], says: str) -> None:
    """It would be ignored in silence."""
    with pytest.raises(UsageError, match=says):
        run(Typist("hi"), tools, tool_choice=choice)


def test_length_is_reported_and_the_cut_call_is_unread() -> None:
    """A call cut by the limit would vanish, or be taken for a stop."""
    reply = run(Typist(ALARM), max_tokens=30)
    assert reply.stop == "length" and reply.message.calls == ()
    assert reply.unread and reply.usage.completion_tokens == 30


def test_context_overflow_names_both_counts() -> None:
    """Engines cut the prompt in silence, and the tools go first."""
    engine = Typist("hi")
    engine.context = len(PROMPT)
    with pytest.raises(ContextError, match="7 tokens and the model's context is 7"):
        run(engine)
    engine.context = len(PROMPT) + 1
    assert run(engine).stop == "length"


def test_stop_strings_cut_words_but_never_a_call() -> None:
    """A stop in two tokens would leak its first half; a newline as a stop would cut every call in two."""
    reply = run(Typist("one two END three"), stop=("END",))
    assert reply.message.content == "one two " and reply.stop == "stop"
    assert run(Typist("an EN"), stop=("END",)).message.content == "an EN"
    reply = run(Typist("ok" + ALARM), stop=("\n", ":30"))
    assert len(reply.message.calls) == 1 and reply.message.content == "ok"


def test_stops_of_a_dialect_end_the_turn() -> None:
    """A model that goes on to write the tool's answer itself would be believed."""
    text = 'Thought: go\nAction: stop\nAction Input: {}\nObservation: {"ok": true}\nAction: stop\n'
    reply = run(Typist(text), dialect="react")
    assert [call.name for call in reply.message.calls] == ["stop"]
    assert reply.stop == "tool_calls" and reply.unread == ()


def test_closing_the_stream_stops_the_engine() -> None:
    """A client that hangs up would leave the engine busy to the end of the reply."""
    engine = Typist("a long answer")
    items = generate(engine, HERMES, PROMPT, TOOLS, Decoding(constrain=False))
    next(items)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert len(engine.passes) <= 3


@given(st.integers())
@settings(max_examples=20)
def test_sampling_repeats_with_its_seed(seed: int) -> None:
    """A seed that is negative or huge would crash; one that is ignored makes runs unrepeatable."""
    first = {ord("a"): 0.3, ord("b"): 0.3, TRIGGER: 0.4}
    a, b = (run(Typist("x", first=first), temperature=1.0, seed=seed) for _ in range(2))
    assert a.raw == b.raw
    assert a.confidence == pytest.approx(0.4 if a.raw.startswith("<") else 0.6)


def test_sampling_follows_the_probabilities() -> None:
    """An off-by-one in the search of the cumulative sum would pick a neighbour."""
    first = {ord("a"): 0.25, ord("b"): 0.75}
    picked = [run(Typist("ax", first=first), temperature=1.0, seed=i).raw[0] for i in range(200)]
    assert set(picked) == {"a", "b"}
    assert 20 < picked.count("a") < 80


def test_broken_logits_are_an_error() -> None:
    """NaN has no order: argmax would pick the first NaN and write nonsense with confidence."""

    class Broken(Typist):
        def _logits(self) -> Logits:
            return np.full_like(super()._logits(), np.nan)

    with pytest.raises(ToolfinchError, match="nan"):
        run(Broken("hi"))


@given(st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=9))
def test_probability_is_softmax(logits: list[float]) -> None:
    """Overflow in float32 would make the confidence NaN."""
    array = np.array(logits, dtype=np.float32) * 10
    assert sum(probability(array, i) for i in range(len(logits))) == pytest.approx(1)
    assert probability(array, int(array.argmax())) >= 1 / len(logits) - 1e-9


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_common_prefix(a: list[int], b: list[int]) -> None:
    """One token too many and the model answers another conversation."""
    n = common_prefix(a, b)
    assert a[:n] == b[:n] and (n == min(len(a), len(b)) or a[n] != b[n])


@pytest.mark.parametrize("family", ["qwen3", "llama", "qwen3_5"])
def test_prefix_cache_does_not_change_logits(family: Any, tmp_path: Path) -> None:
    """A cache cut at the wrong place answers from another conversation's memory."""
    from toolfinch.callers.transformers_engine import TransformersEngine

    folder = tiny_model(tmp_path, family)
    _check_cache(TransformersEngine(folder), TransformersEngine(folder), family, atol=1e-3)


@pytest.mark.parametrize("family", ["qwen3", "qwen3_5"])
def test_prefix_cache_of_llama_cpp_does_not_change_logits(family: Any, tmp_path: Path) -> None:
    """The same, where a refused cut of a recurrent memory must start it anew."""
    pytest.importorskip("llama_cpp")
    from toolfinch.callers.llama_cpp_engine import LlamaCppEngine
    from toolfinch.export.gguf import write_gguf

    path = tmp_path / "m.gguf"
    write_gguf(tiny_model(tmp_path / "m", family), path, "f32", dialect="hermes", name="m")
    engines = [LlamaCppEngine(path, context=512, n_threads=1) for _ in range(2)]
    _check_cache(*engines, family, atol=2e-2)  # its cache is float16


def _check_cache(warm: Engine, cold: Engine, family: str, atol: float) -> None:
    plain = family != "qwen3_5"  # attention alone, whose cache can be cut
    random = np.random.default_rng(0)
    base = random.integers(0, 400, 60).tolist()
    prompts = [
        base,
        base,
        [*base[:40], 5, 6, 7],
        [*base[:40], 5, 6, 7, 8],
        base[:10],
        [9, *base[:5]],
        random.integers(0, 400, 30).tolist(),
    ]
    prefixes = Prefixes(warm)
    for i, prompt in enumerate(prompts):
        slot = prefixes.acquire(prompt, 0, 3)
        assert slot is not None
        if i:
            shared = common_prefix(prompts[i - 1], prompt)
            assert len(slot.ids) >= (min(shared, len(prompt) - 1) if plain else 0)
        rest, prompt = prompt[len(slot.ids) :], list(prompt)
        for more in [rest, *([token] for token in (3, 1, 2)[: i % 4])]:
            (logits,) = warm.forward([Part(slot.number, more)])
            prefixes.extend(slot, more)
        prefixes.release(slot)
        expected = logits_after(cold, slot.ids)
        assert logits is not None and slot.ids[: len(prompt)] == prompt
        np.testing.assert_allclose(logits, expected, atol=atol, rtol=0)
