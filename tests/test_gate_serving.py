"""Would break: a call that goes out below its threshold, a word of a held-back reply in a stream, a model that is
changed in the middle of a tool loop, an id that the bigger model would not know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch import message
from toolfinch.caller import Decoding, Delta, Reply, Signals, Verdict
from toolfinch.decode.calibration import CLASSES, Calibration, Column, Limit, Map, p_right
from toolfinch.decode.engine import ContextError
from toolfinch.errors import ToolfinchError
from toolfinch.message import Message, ToolCall, user
from toolfinch.serve import escalate
from toolfinch.serve.escalate import LONGEST_ID, MARK, Gated
from toolfinch.serve.gate import DECLINE, decide, held_back
from toolfinch.tool import Tool

LEAST = {"words": 0.5, "read": 0.6, "write": 0.8, "destructive": None}
# The probability is the least margin, as that of two tokens: 0.5 to 1.
CALLED = Map((Column("value_min", 0.0, 1.0, 1.0),), 0.0, (-9.0, 0.0, 9.0), (0.0, 0.5, 1.0), 100)
WORDS = Map((Column("trigger", 0.0, 1.0, -1.0),), 0.0, (-9.0, 0.0, 9.0), (0.0, 0.5, 1.0), 100)
CALIBRATION = Calibration(
    "", "", (), "", CALLED, WORDS, tuple(Limit(r, 0.1, 0.9, LEAST[r], 100) for r in CLASSES), 200, 100, 10, 0
)
TOOLS = (Tool("look", risk="read"), Tool("put", risk="write"), Tool("drop"))
ASKED = (user("Put the blue cup away"),)


def calling(name: str, margin: float, trigger: float = 0.999, **arguments: object) -> Reply:
    signals = Signals(True, trigger=trigger, value_min=margin, sampled=5)
    return Reply(message.assistant("", ToolCall(name, arguments)), signals=signals, stop="tool_calls")


def saying(text: str, trigger: float) -> Reply:
    return Reply(message.assistant(text), signals=Signals(False, trigger=trigger, sampled=5))


SURE, MIDDLING, UNSURE = 0.999, 0.95, 0.0  # about 0.92, 0.70 and 0.50 of being right


# --- the verdict ---


@pytest.mark.parametrize(
    ("reply", "bigger", "action"),
    [
        (calling("look", SURE), False, "accept"),
        (calling("look", MIDDLING), False, "accept"),
        (calling("look", UNSURE), False, "ask"),
        (calling("look", UNSURE), True, "escalate"),
        (calling("look", UNSURE, trigger=0.2), False, "decline"),
        (calling("put", SURE), True, "accept"),
        (calling("put", MIDDLING), True, "escalate"),
        (calling("put", MIDDLING), False, "ask"),
        (calling("drop", 1.0), True, "escalate"),  # no threshold: never
        (calling("drop", 1.0), False, "ask"),
        (calling("unknown", SURE), True, "escalate"),  # as destructive as can be
        (saying("It is away.", 0.1), True, "accept"),
        (saying("It is away.", 0.9), True, "escalate"),
        (saying("It is away.", 0.9), False, "accept"),  # words do nothing
        (msgspec.structs.replace(saying("", 0.1), unread=("<tool_call>",)), False, "decline"),
        (msgspec.structs.replace(saying("", 0.1), unread=("<tool_call>",)), True, "escalate"),
    ],
)
def test_the_verdict(reply: Reply, bigger: bool, action: str) -> None:
    assert decide(reply, TOOLS, CALIBRATION, bigger=bigger).action == action


@given(
    st.sampled_from(["look", "put", "drop", "unknown"]),
    st.floats(-1, 1),
    st.none() | st.floats(0, 1),
    st.booleans(),
)
def test_no_call_is_accepted_below_its_threshold(
    name: str, margin: float, trigger: float | None, bigger: bool
) -> None:
    signals = Signals(True, trigger=trigger, value_min=margin)
    reply = Reply(message.assistant("", ToolCall(name, {})), signals=signals)
    verdict = decide(reply, TOOLS, CALIBRATION, bigger=bigger)
    least = LEAST.get({"look": "read", "put": "write"}.get(name, "destructive"))
    passes = least is not None and p_right(CALIBRATION, signals) >= least
    assert (verdict.action == "accept") == passes
    assert bool(held_back(reply, verdict, ASKED).message.calls) == passes or verdict.action == "escalate"


def test_a_reply_without_signals_cannot_pass() -> None:
    with pytest.raises(ToolfinchError, match="without signals"):
        decide(Reply(message.assistant("Hello")), TOOLS, CALIBRATION)


def test_a_question_names_the_call_and_what_nobody_said() -> None:
    reply = calling("put", UNSURE, what="blue cup", where="top shelf")
    held = held_back(reply, decide(reply, TOOLS, CALIBRATION), ASKED)
    assert held.message == message.assistant(
        "I am not sure that this is what you want, so I have not done it yet: "
        'put(what="blue cup", where="top shelf"). I found no mention of the value for where of put. Shall I do it?'
    )
    assert (held.stop, held.raw, held.unread) == ("stop", "", ())
    declined = held_back(reply, Verdict("decline", 0.5, 0.8, "write"), ASKED)
    assert declined.message == message.assistant(DECLINE)


# --- two models ---


class Small:
    """Streams what it is told to, in pieces."""

    name = "small"

    def __init__(self, *replies: Reply | ContextError) -> None:
        self.left = list(replies)
        self.seen: list[Sequence[Message]] = []
        self.closed = False

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        *_, last = self.stream(messages, tools, decoding)
        assert isinstance(last, Reply)
        return last

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        self.seen.append(messages)
        reply = self.left.pop(0)
        if isinstance(reply, ContextError):
            raise reply
        try:
            for letter in reply.message.content:
                yield Delta(letter)
            for call in reply.message.calls:
                yield Delta(call=call)
            yield reply
        finally:
            self.closed = True


class Big:
    """Answers whole, with ids as an endpoint gives them."""

    name = "http://10.0.0.7:8000/v1#big-model"

    def __init__(self, *replies: Reply) -> None:
        self.left = list(replies)
        self.seen: list[Sequence[Message]] = []

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        self.seen.append(messages)
        return self.left.pop(0)


def bigs(name: str, id: str, **arguments: object) -> Reply:
    return Reply(message.assistant("", ToolCall(name, arguments, id)), stop="tool_calls")


def continued(first: Sequence[Message], reply: Reply, *, ids: bool = True) -> list[Message]:
    """The conversation with the reply and a result for each of its calls."""
    calls = [msgspec.structs.replace(call, id=call.id if ids else "") for call in reply.message.calls]
    return [*first, message.assistant("", *calls), *(message.tool("done", c.id, c.name) for c in calls)]


def test_accepted_goes_out_as_it_is() -> None:
    reply = calling("look", SURE, what="cup")
    got = Gated(Small(reply), CALIBRATION, Big()).reply(ASKED, TOOLS)
    assert got.message == reply.message and got.made_by == "small"
    assert got.verdict is not None and got.verdict.action == "accept" and got.p_right == got.verdict.p_right


def test_escalated_is_the_bigger_models_and_says_so() -> None:
    big = Big(bigs("put", "abc123", what="blue cup"))
    got = Gated(Small(calling("put", UNSURE)), CALIBRATION, big).reply(ASKED, TOOLS)
    assert got.message.calls == (ToolCall("put", {"what": "blue cup"}, f"{MARK}abc123"),)
    assert got.made_by == "big-model"  # its address stays here
    assert got.verdict is not None and got.verdict.action == "escalate" and got.p_right is None


@pytest.mark.parametrize("ids", [True, False])
def test_a_loop_of_the_bigger_model_stays_its_own(ids: bool) -> None:
    small = Small(calling("put", UNSURE))
    big = Big(bigs("look", "a1"), bigs("put", "a2"), Reply(message.assistant("Done.")))
    gated = Gated(small, CALIBRATION, big)
    messages: list[Message] = list(ASKED)
    for _ in range(2):
        messages = continued(messages, gated.reply(messages, TOOLS), ids=ids)
    assert gated.reply(messages, TOOLS).message.content == "Done."
    assert len(small.seen) == 1
    if ids:  # and it saw its own ids again
        assert [call.id for m in big.seen[-1] for call in m.calls] == ["a1", "a2"]
        assert [m.result.call_id for m in big.seen[-1] if m.result] == ["a1", "a2"]


def test_a_mark_outlives_a_restart() -> None:
    first = Gated(Small(calling("put", UNSURE)), CALIBRATION, Big(bigs("put", "a1")))
    messages = continued(ASKED, first.reply(ASKED, TOOLS))
    small = Small()
    later = Gated(small, CALIBRATION, Big(Reply(message.assistant("Done."))))
    assert later.reply(messages, TOOLS).made_by == "big-model"
    assert not small.seen


def test_a_loop_of_the_small_model_is_not_taken_from_it() -> None:
    gated = Gated(Small(calling("look", SURE), calling("put", UNSURE)), CALIBRATION, Big())
    got = gated.reply(continued(ASKED, gated.reply(ASKED, TOOLS)), TOOLS)
    assert got.made_by == "small"
    assert got.verdict is not None and got.verdict.action == "ask"


def test_a_loop_that_a_conversation_begins_with_is_one() -> None:
    begun = continued((), calling("look", SURE))
    assert Gated(Small(calling("put", UNSURE)), CALIBRATION, Big()).reply(begun, TOOLS).made_by == "small"


def test_the_next_request_of_the_user_is_a_new_choice() -> None:
    gated = Gated(Small(calling("put", UNSURE), calling("look", SURE)), CALIBRATION, Big(bigs("put", "a1")))
    messages = [
        *continued(ASKED, gated.reply(ASKED, TOOLS)),
        message.assistant("Done."),
        user("Where is it now?"),
    ]
    assert gated.reply(messages, TOOLS).made_by == "small"


def test_nothing_of_a_held_back_reply_is_streamed() -> None:
    secret = msgspec.structs.replace(
        calling("put", UNSURE), message=message.assistant("I will", ToolCall("put", {}))
    )
    for big, said in ((None, "Shall I do it?"), (Big(Reply(message.assistant("No."))), "No.")):
        items = list(Gated(Small(secret), CALIBRATION, big).stream(ASKED, TOOLS))
        text = "".join(item.text for item in items if isinstance(item, Delta))
        assert "I will" not in text and text.endswith(said)
        assert not any(isinstance(item, Delta) and item.call for item in items)
        assert isinstance(items[-1], Reply) and items[-1].message.content == text


def test_a_stream_is_the_reply_and_can_be_stopped_while_it_is_held() -> None:
    reply = msgspec.structs.replace(
        calling("look", SURE), message=message.assistant("So:", ToolCall("look", {}))
    )
    whole = Gated(Small(reply), CALIBRATION).reply(ASKED, TOOLS)
    items = list(Gated(Small(reply), CALIBRATION).stream(ASKED, TOOLS))
    deltas = [item for item in items if isinstance(item, Delta) and item != Delta()]
    assert deltas == [Delta("So:"), Delta(call=ToolCall("look", {}))] and items[-1] == whole
    small = Small(reply)
    stream = Gated(small, CALIBRATION).stream(ASKED, TOOLS)
    assert next(stream) == Delta()
    stream.close()  # type: ignore[attr-defined]
    assert small.closed


def test_a_prompt_that_does_not_fit_the_small_model() -> None:
    assert (
        Gated(Small(ContextError(9, 8)), CALIBRATION, Big(Reply(message.assistant("Hi"))))
        .reply(ASKED, TOOLS)
        .made_by
    )
    with pytest.raises(ContextError):
        Gated(Small(ContextError(9, 8)), CALIBRATION).reply(ASKED, TOOLS)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=60))
def test_marked_ids_are_short_enough_and_come_back(id: str) -> None:
    marked = escalate._marked(id)
    assert marked.startswith(MARK) and len(MARK) < len(marked) <= LONGEST_ID
    if 0 < len(id) <= LONGEST_ID - len(MARK):
        assert marked.removeprefix(MARK) == id


def test_memory_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escalate, "REMEMBERED", 3)
    kept = escalate._Remembered()
    for key in (b"1", b"2", b"3", b"1", b"4"):
        kept.add(key)
    assert [key in kept for key in (b"1", b"2", b"3", b"4")] == [True, False, True, True]


def test_two_turns_over_two_servers_with_the_official_client() -> None:
    """The bigger model behind its own server, the gate behind another, and a client that sends ids back."""
    openai = pytest.importorskip("openai")
    from toolfinch.callers.openai import OpenAICaller
    from toolfinch.serve.run import background

    big = Big(bigs("put", "a1", what="blue cup"), Reply(message.assistant("It is away.")))
    small = Small(calling("put", UNSURE, what="cup"))
    with background(big) as upstream:
        gated = Gated(small, CALIBRATION, OpenAICaller(upstream, big.name))
        with background(gated) as url, openai.OpenAI(base_url=url, api_key="none") as client:
            tools = [{"type": "function", "function": {"name": "put", "parameters": {"type": "object"}}}]
            messages = [{"role": "user", "content": "Put the blue cup away"}]
            first = client.chat.completions.create(model="small", messages=messages, tools=tools)
            (call,) = first.choices[0].message.tool_calls
            assert call.id == f"{MARK}a1" and call.function.arguments == '{"what": "blue cup"}'
            result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
            messages += [first.choices[0].message.model_dump(exclude_none=True), result]
            second = client.chat.completions.create(
                model="small", messages=messages, tools=tools, stream=True
            )
            said = "".join(chunk.choices[0].delta.content or "" for chunk in second if chunk.choices)
    assert said == "It is away." and len(small.seen) == 1
    assert [m.result.call_id for m in big.seen[1] if m.result] == ["a1"]
