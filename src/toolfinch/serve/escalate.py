"""`Gated`: a small model behind the gate, and a bigger one for what the gate does not accept.

The model is never changed in the middle of a tool loop: where the messages end with tool results, whoever made those
calls goes on. A loop of the bigger model's goes to it at once, unseen by the small one. In a loop of the small model's
nothing is escalated: what is not accepted there is asked about or declined, as without a bigger model.

The server keeps no conversation, so it must read from the request whose loop it is. The bigger model's calls carry it
in their ids, which every client sends back with the results: `call_big_` and the id that its endpoint gave. That
outlives a restart and holds for several servers behind one address; the mark is taken off before the bigger model
sees its ids again. For clients that drop or rewrite ids, the last `REMEMBERED` replies of the bigger model are
also kept in memory, as hashes of what was asked and called. Calls that neither tells of are the small model's.

A gated reply is held until it is whole, since nothing of it may be seen before it is judged: a stream of it is the
whole reply at once, with nothing but empty deltas before it.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import msgspec

from toolfinch import models
from toolfinch.caller import Decoding, Delta, Reply, ToolCaller
from toolfinch.callers.openai import OpenAICaller
from toolfinch.decode.calibration import Calibration, load
from toolfinch.decode.engine import ContextError
from toolfinch.message import Message, ToolCall, canonical
from toolfinch.serve.gate import decide, held_back
from toolfinch.tool import Tool

MARK = "call_big_"
"""What the ids of the bigger model's calls begin with; nobody else's do."""
LONGEST_ID = 40
"""Characters; OpenAI refuses longer ids."""
REMEMBERED = 4096
RETRIES = 1
"""Of a request to an endpoint, for one that was lost or came at a bad moment: the server's clients try again as well."""


def gated(small: ToolCaller, model: str, *, format: str = "", escalate_to: str = "") -> Gated:
    """A model on this machine behind its gate; `model` and `format` are what it was loaded from.

    `escalate_to` is a bigger model's endpoint, `http://host:8000/v1#model`. Raises UsageError for a model without a
    calibration, or with another model's, and where nothing is at the URL.
    """
    path = models.HERE / model if model in models.packaged() else Path(model)
    calibration = load(path, format=format)
    if not escalate_to:
        return Gated(small, calibration)
    url, _, name = escalate_to.partition("#")
    return Gated(small, calibration, OpenAICaller(url, name, retries=RETRIES))


class Gated:
    """Implements `ToolCaller` and `StreamingCaller`; safe to share between threads, as its callers are."""

    def __init__(self, small: ToolCaller, calibration: Calibration, big: ToolCaller | None = None) -> None:
        """`calibration` is of the small model, which must give signals."""
        self.small = small
        self.big = big
        self.calibration = calibration
        self._made = _Remembered()

    @property
    def name(self) -> str:
        return self.small.name

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        """The reply that goes out. Raises what the callers raise, and ToolfinchError for a small reply without signals.

        A prompt that does not fit the small model goes to the bigger one. Where a tool choice demands a call, words may
        come all the same: a call that is not accepted is not made because it was demanded. The timings of a reply that was escalated
        hold the time of both models, its usage is the bigger model's alone. Where the bigger model's endpoint fails,
        so does the request: what was not accepted does not go out after all.
        """
        *_, last = self.stream(messages, tools, decoding)
        assert isinstance(last, Reply)
        return last

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        """Empty deltas while it is made, at which the work can be stopped; then the reply's own, and the `Reply`."""
        loop = _loop(messages)
        if self.big is not None and loop is not None and self._is_big(messages, loop):
            reply = self._ask_big(self.big, messages, tools, decoding)
        else:
            reply = yield from self._judged(messages, tools, decoding, self.big if loop is None else None)
        if reply.message.content:
            yield Delta(reply.message.content)
        for call in reply.message.calls:
            yield Delta(call=call)
        yield reply

    def _judged(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding, big: ToolCaller | None
    ) -> Generator[Delta, None, Reply]:
        """The small model's reply, or what goes out in its place. `big` may be asked."""
        try:
            reply = yield from _held(self.small, messages, tools, decoding)
        except ContextError:
            if big is None:
                raise
            return self._ask_big(big, messages, tools, decoding)
        if reply.stop in ("error", "context"):  # no reply that could be judged
            return reply
        verdict = decide(reply, tools, self.calibration, bigger=big is not None)
        if big is None or verdict.action != "escalate":
            return msgspec.structs.replace(held_back(reply, verdict, messages), made_by=self.small.name)
        bigger = self._ask_big(big, messages, tools, decoding)
        spent = msgspec.structs.replace(
            bigger.timings, total_s=bigger.timings.total_s + reply.timings.total_s
        )
        return msgspec.structs.replace(bigger, verdict=verdict, p_right=None, timings=spent)

    def _ask_big(
        self, big: ToolCaller, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding
    ) -> Reply:
        reply = big.reply([_unmarked(message) for message in messages], tools, decoding)
        calls = tuple(msgspec.structs.replace(call, id=_marked(call.id)) for call in reply.message.calls)
        if calls:
            self._made.add(_key(messages, calls))
        message = msgspec.structs.replace(reply.message, calls=calls)
        made_by = big.name.rpartition("#")[2]  # an endpoint's address is nobody's business
        return msgspec.structs.replace(reply, message=message, made_by=made_by)

    def _is_big(self, messages: Sequence[Message], loop: int) -> bool:
        """Whether the bigger model made the calls of the message at `loop`."""
        calls = messages[loop].calls
        return any(call.id.startswith(MARK) for call in calls) or _key(messages[:loop], calls) in self._made


def _held(
    small: ToolCaller, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding
) -> Generator[Delta, None, Reply]:
    """An empty delta for each of the small model's, and its whole reply as what the iterator returns."""
    stream: Callable[..., Iterator[Delta | Reply]] | None = getattr(small, "stream", None)
    if stream is None:
        return small.reply(messages, tools, decoding)
    reply: Reply | None = None
    for item in stream(messages, tools, decoding):
        if isinstance(item, Reply):
            reply = item
        else:
            yield Delta()
    assert reply is not None, "a stream ends with its reply"
    return reply


def _loop(messages: Sequence[Message]) -> int | None:
    """Where the message is whose calls' results the messages end with; None: they end with no results."""
    at = len(messages)
    while at and messages[at - 1].result is not None:
        at -= 1
    return at - 1 if 0 < at < len(messages) and messages[at - 1].calls else None


def _marked(id: str) -> str:
    """An endpoint's id with the mark; a new one where it gave none, or a longer one than the mark leaves room for."""
    if not id or len(MARK) + len(id) > LONGEST_ID:
        return MARK + secrets.token_hex(12)
    return MARK + id


def _unmarked(message: Message) -> Message:
    """The message as the bigger model knows it."""
    result = message.result
    if result is not None and result.call_id.startswith(MARK):
        result = msgspec.structs.replace(result, call_id=result.call_id.removeprefix(MARK))
    calls = tuple(msgspec.structs.replace(call, id=call.id.removeprefix(MARK)) for call in message.calls)
    return msgspec.structs.replace(message, calls=calls, result=result)


def _key(messages: Sequence[Message], calls: Sequence[ToolCall]) -> bytes:
    """A hash of the user's last message, how many came before it, and the calls without their ids.

    Not of all messages: clients shorten long results and change system messages between two requests.
    """
    asked = [message.content for message in messages if message.role == "user"]
    plain = [(call.name, canonical(call.arguments)) for call in calls]
    return hashlib.sha256(msgspec.json.encode((len(asked), asked[-1:], plain))).digest()


class _Remembered:
    """The last so many keys."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: bytes) -> None:
        with self._lock:
            self._keys[key] = None
            self._keys.move_to_end(key)
            while len(self._keys) > REMEMBERED:
                self._keys.popitem(last=False)

    def __contains__(self, key: bytes) -> bool:
        with self._lock:
            return key in self._keys
