"""`ToolCaller` and `Reply`: anything that produces the next turn from messages and tools.

An engine on this machine, an endpoint elsewhere, and a floor such as "never call" all have this one shape,
so the evaluation, the server and the parity check do not know which they talk to.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Literal, Protocol

import msgspec

from toolfinch.message import Message, ToolCall
from toolfinch.tool import Tool

Stop = Literal["stop", "tool_calls", "length", "error", "context"]
"""`error`: the engine or endpoint gave no reply. `context`: the prompt does not fit the model."""


class Decoding(msgspec.Struct, frozen=True):
    """How a reply is to be made."""

    max_tokens: int = 512
    temperature: float = 0.0
    """0 is greedy."""
    seed: int = 0
    tool_choice: str = "auto"
    """`auto`, `none`, `required`, or `=NAME` for one named tool."""
    parallel: bool = True
    """False: at most one call a reply."""
    stop: tuple[str, ...] = ()
    constrain: bool = True
    """Whether a call's name, keys and types are held to the tools while it is written. Only engines on this
    machine can; an endpoint does what it does."""
    response_schema: dict[str, Any] | None = None
    """A JSON Schema that the words of a reply that calls nothing are held to."""
    logprobs: int | None = None
    """How many of the likeliest tokens to report beside each that was written; None: no log-probabilities."""
    think: bool = False
    """Whether the model may think before its turn, where its chat template knows of thinking."""


class Usage(msgspec.Struct, frozen=True):
    """Token counts."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class Timings(msgspec.Struct, frozen=True):
    """Seconds of wall clock."""

    prompt_s: float = 0.0
    decode_s: float = 0.0
    total_s: float = 0.0


class Signals(msgspec.Struct, frozen=True):
    """What the model's raw logits, before any mask, say of one reply. Forced tokens take no part: they carry nothing."""

    called: bool
    """Whether the reply has calls; the fields from `name` to `copied` are None where it has none."""
    trigger: float | None = None
    """P(call) at the decision; None where the trigger is not one token, or was forced."""
    name: float | None = None
    """The least margin between the chosen and the next best token, of those that valid tool names allow (renormalised
    over them), while names were written; None where every name was forced (one tool)."""
    value_min: float | None = None
    """The least margin between p(chosen token) and p(best other token), over unforced tokens of arguments; negative where the
    mask overruled the model."""
    value_mean: float | None = None
    removed: float | None = None
    """The largest share of probability that the mask took away at one token."""
    copied: float | None = None
    """The share of the argument values that stand in the conversation; None where there are no values."""
    sampled: int = 0
    """Tokens that the model chose."""
    forced: int = 0
    """Tokens that could be no others."""


class TokenLogprob(msgspec.Struct, frozen=True):
    """One token of a reply, natural logarithms. Raw, of the model's own distribution before any mask."""

    text: str
    logprob: float
    """0 for a forced token, which the model was not asked for."""
    top: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens and their log-probabilities, best first."""
    id: int = -1
    """-1 where the caller does not say."""
    part: Literal["words", "name", "arguments"] = "words"
    """Of the reply: what a call's frame is made of counts to what comes next in it."""
    forced: bool = False
    margin: float | None = None
    """p(this token) less p(the best other one); None for a forced token."""
    removed: float = 0.0
    """The share of probability that the mask took away here."""


RiskClass = Literal["words", "read", "write", "destructive"]
"""What a reply can do: `words` calls nothing, a reply with calls is as its riskiest tool."""


class Verdict(msgspec.Struct, frozen=True):
    """What the gate decided on one reply."""

    action: Literal["accept", "ask", "decline", "escalate"]
    p_right: float
    """The calibrated probability that the whole reply was right."""
    threshold: float | None
    """The least that is accepted of its class; None: nothing is."""
    risk: RiskClass


class Reply(msgspec.Struct, frozen=True):
    """The next turn and how it came to be."""

    message: Message
    confidence: float | None = None
    """The engine's probability for its decision (call or not), raw; None where it gives none."""
    usage: Usage = Usage()
    timings: Timings = Timings()
    stop: Stop = "stop"
    raw: str = ""
    """The text as generated, before a dialect read it."""
    unread: tuple[str, ...] = ()
    """What looked like a call and could not be read; never empty where a call was malformed."""
    error: str = ""
    """Set only where `stop` is `error` or `context`."""
    outside: str = ""
    """The same without the endpoint's address, for a server's clients; empty where it has none."""
    signals: Signals | None = None
    """Only from engines on this machine."""
    p_right: float | None = None
    """The calibrated probability that the whole reply is right; None without a calibration."""
    logprobs: tuple[TokenLogprob, ...] = ()
    shown: tuple[str, ...] | None = None
    """The tools that were shown to the model, where they were chosen out of more; None: all were."""
    none_fits: float | None = None
    """In [0, 1]: how likely it is, by the words alone, that none of all the tools fits. Only where tools were chosen."""
    made_by: str = ""
    """The caller that wrote it, where several stand behind one; empty: the one that was asked."""
    verdict: Verdict | None = None
    """The gate's, on the reply of the model on this machine, which another model's reply may have taken the place
    of; None without a gate."""
    read_as: str = ""
    """The dialect by which calls were found that the endpoint had left in its text; empty: none were."""


class Delta(msgspec.Struct, frozen=True):
    """A piece of a streamed reply: text, or one whole call at its index."""

    text: str = ""
    call: ToolCall | None = None


class ToolCaller(Protocol):
    """Produces the next assistant turn."""

    @property
    def name(self) -> str: ...

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply: ...


class StreamingCaller(ToolCaller, Protocol):
    """A caller that can hand out a reply while it is being made."""

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        """Deltas, then the whole `Reply` as the last item."""
        ...


def streamed(
    caller: ToolCaller, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding
) -> Generator[Delta | Reply, None, None]:
    """Any caller's reply as a stream; of one that cannot hand it out while it is made, all at once.

    Closing it stops the work, where the caller can be stopped.
    """
    stream: Callable[..., Generator[Delta | Reply, None, None]] | None = getattr(caller, "stream", None)
    if stream is not None:
        with closing(stream(messages, tools, decoding)) as items:
            yield from items
        return
    reply = caller.reply(messages, tools, decoding)
    if reply.message.content:
        yield Delta(reply.message.content)
    for call in reply.message.calls:
        yield Delta(call=call)
    yield reply
