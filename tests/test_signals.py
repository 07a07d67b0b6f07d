"""Would break: a confidence that counts tokens nobody chose, that is taken behind the mask, or of the wrong part of a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from alone import generate
from test_decode import PROMPT, SPECIAL
from test_grammar import Wishful, _tool
from toolfinch import dialects
from toolfinch.caller import Decoding, Reply
from toolfinch.decode.engine import Logits
from toolfinch.errors import UsageError
from toolfinch.tool import Tool

TRIGGER = 256 + SPECIAL.index("<tool_call>")
TOOLS = (_tool("ab", "n", n={"type": "integer"}), _tool("ac", "n", n={"type": "integer"}))


class Doubtful(Wishful):
    """Wants one text; at some places it gives a share to other bytes."""

    def __init__(self, text: str, doubts: dict[int, dict[str, float]], **more: Any) -> None:
        super().__init__(text, **more)
        self._doubts = doubts

    def _logits(self) -> Logits:
        logits = super()._logits()
        if doubt := self._doubts.get(self._at):
            p = np.exp(logits.astype(np.float64)) * (1 - sum(doubt.values()))
            for text, share in doubt.items():
                p[self.encode(text)[0]] += share
            logits = np.log(p).astype(np.float32)
        return logits


def _reply(engine: Wishful, tools: Sequence[Tool] = TOOLS, dialect: str = "hermes", **how: Any) -> Reply:
    *_, reply = generate(engine, dialects.get(dialect), PROMPT, tools, Decoding(**{"max_tokens": 200, **how}))
    assert isinstance(reply, Reply) and reply.signals
    return reply


CALL = '<tool_call>\n{"name": "ab", "arguments": {"n": 7}}\n</tool_call>'
AT_NAME = 1 + CALL.removeprefix("<tool_call>").index("b")
AT_VALUE = 1 + CALL.removeprefix("<tool_call>").index("7")


def test_sure_of_all() -> None:
    """A frame that can be no other would make every call look sure, and this one no surer."""
    signals = _reply(Doubtful(CALL, {})).signals
    assert signals and signals.called
    assert signals.trigger == pytest.approx(1) and signals.name == pytest.approx(1)
    assert signals.value_min == pytest.approx(1) and signals.removed == pytest.approx(0, abs=1e-6)
    # The trigger; the second letter of the name; the value and where it ends; the end of the turn.
    assert signals.sampled == 5


def test_a_doubt_counts_where_it_stands() -> None:
    """A doubt about the tool taken for one about a value, or the reverse."""
    signals = _reply(Doubtful(CALL, {AT_NAME: {"c": 0.3}})).signals
    assert signals and signals.name == pytest.approx(0.4, abs=1e-5) and signals.value_min == pytest.approx(1)
    signals = _reply(Doubtful(CALL, {AT_VALUE: {"3": 0.45}})).signals
    assert signals and signals.name == pytest.approx(1) and signals.value_min == pytest.approx(0.1, abs=1e-5)
    assert signals.value_mean == pytest.approx((0.1 + 1) / 2, abs=1e-5)


def test_a_name_is_judged_among_the_names_that_there_are() -> None:
    """A share for what cannot be written anyway says nothing of which tool it should be."""
    signals = _reply(Doubtful(CALL, {AT_NAME: {"z": 0.5}})).signals
    assert signals and signals.name == pytest.approx(1) and signals.removed == pytest.approx(0.5, abs=1e-5)


def test_what_the_mask_overruled_shows_as_a_negative_margin() -> None:
    """Taken behind the mask, the margin of a value that the model did not want is as good as any."""
    signals = _reply(Doubtful(CALL, {AT_VALUE: {"x": 0.8}})).signals
    assert signals and signals.value_min == pytest.approx(0.2 - 0.8, abs=1e-5)
    assert signals.removed == pytest.approx(0.8, abs=1e-5)


def test_a_tool_that_is_the_only_one_has_no_margin() -> None:
    """A name that was forced is not a name that was sure."""
    signals = _reply(Doubtful(CALL, {}), TOOLS[:1]).signals
    assert signals and signals.name is None


def test_words_have_the_decision_alone() -> None:
    """The margins of prose are no sign of whether it was right not to call."""
    signals = _reply(Doubtful("No.", {0: {"<tool_call>": 0.2}})).signals
    assert signals and not signals.called and signals.trigger == pytest.approx(0.2, abs=1e-5)
    assert signals.name is signals.value_min is signals.removed is None


@pytest.mark.parametrize("dialect", ["hermes", "qwen_xml", "bare_json", "pythonic", "react"])
def test_every_dialect_tells_the_parts_of_a_call_apart(dialect: str) -> None:
    """The text up to the arguments is the dialect's; by the wrong one all of a call is its name."""
    how = dialects.get(dialect)
    text = how.forced_start("ab") + ("<parameter=n>\n7" if dialect == "qwen_xml" else "")
    text += {"hermes": ' {"n": 7', "bare_json": ' {"n": 7', "react": ' {"n": 7', "pythonic": "n=7"}.get(
        dialect, ""
    )
    reply = _reply(Doubtful(text, {}), dialect=dialect, tool_choice="required", parallel=False, logprobs=1)
    chosen = [one for one in reply.logprobs if not one.forced]
    assert "b" in [one.text for one in chosen if one.part == "name"]
    assert "7" in [one.text for one in chosen if one.part == "arguments"]


def test_each_token_says_what_it_was() -> None:
    """What `diagnose` shows would be of another token than it stands beside."""
    reply = _reply(Doubtful(CALL, {AT_VALUE: {"3": 0.25}}), logprobs=2)
    assert "".join(one.text for one in reply.logprobs[:-1]) == CALL
    assert sum(one.forced for one in reply.logprobs) == reply.signals.forced  # type: ignore[union-attr]
    (seven,) = [one for one in reply.logprobs if one.text == "7"]
    assert (seven.part, seven.forced) == ("arguments", False)
    assert np.exp(seven.logprob) == pytest.approx(0.75, abs=1e-5)
    assert [text for text, _ in seven.top] == ["7", "3"] and seven.margin == pytest.approx(0.5, abs=1e-5)
    assert all(one.logprob == 0 and one.margin is None for one in reply.logprobs if one.forced)


# --- words that are held to a schema, thoughts that are not ---------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}},
    "required": ["a", "b"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("tools", [(), TOOLS], ids=["alone", "beside tools"])
def test_words_are_held_to_the_schema_that_was_asked_for(tools: Sequence[Tool]) -> None:
    """Prose where a program reads JSON."""
    reply = _reply(Wishful('Sure! {"a": 12, "b": "yes"}'), tools, response_schema=SCHEMA)
    assert reply.stop == "stop" and not reply.message.calls
    assert set(msgspec.json.decode(reply.message.content)) == {"a", "b"}
    shown = _reply(Wishful('Sure! {"a": 12, "b": "yes"}'), tools, response_schema=SCHEMA, logprobs=1).logprobs
    assert shown[0].removed == pytest.approx(1)  # of what it wanted to begin with, nothing was left


def test_a_call_is_still_a_call_beside_a_schema() -> None:
    """A schema for words would keep the model from calling."""
    reply = _reply(Wishful(CALL), response_schema=SCHEMA)
    assert [call.arguments for call in reply.message.calls] == [{"n": 7}]


def test_a_schema_beside_tools_needs_a_decision_that_can_be_seen() -> None:
    """Where a trigger is spelled, words and calls begin alike: the reply would be neither."""
    with pytest.raises(UsageError, match="response_format"):
        _reply(Wishful("x"), dialect="bare_json", response_schema=SCHEMA)


def test_thoughts_are_free_and_decide_nothing() -> None:
    """A trigger that is only thought about would be held to the tools, or be taken for the decision."""
    text = "<think>maybe <tool_call> or not</think>\n\n" + CALL
    reply = _reply(Wishful(text), think=True)
    assert reply.raw == text and [call.name for call in reply.message.calls] == ["ab"]
    assert reply.confidence == pytest.approx(1) and reply.signals and reply.signals.called
    silent = _reply(Wishful("<think>hm</think>No."), think=True)
    assert silent.message.content == "No." and silent.message.calls == ()
