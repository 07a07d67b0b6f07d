"""`Diagnosis`: what happened to one request, token by token.

The prompt as the model was given it, and each token of the reply: whether it was forced or chosen, how likely it was before
any mask, by what margin, and what else the model had in mind. `toolfinch diagnose` prints it, the server's page shows it.
Only a model on this machine can be asked; an endpoint does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import msgspec

from toolfinch.caller import Decoding, Reply, TokenLogprob, ToolCaller, streamed
from toolfinch.callers.local import LocalCaller
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.message import Message
from toolfinch.serve.retrieving import Retrieving
from toolfinch.serve.stack import innermost
from toolfinch.tool import Tool

_BESIDE = 5
"""Likeliest tokens that are shown beside each."""


class Piece(msgspec.Struct, frozen=True):
    """One token of the prompt."""

    id: int
    text: str


class Diagnosis(msgspec.Struct, frozen=True):
    """One request and its reply."""

    model: str
    dialect: str
    prompt: tuple[Piece, ...]
    reply: tuple[TokenLogprob, ...]
    made: Reply
    """As every client gets it; `raw` is the text as it was generated."""


class Unwanted(ToolfinchError):
    """A diagnosis that nobody waits for."""


def model_of(caller: ToolCaller) -> LocalCaller:
    """The model in the middle of a stack. Raises UsageError where it is not on this machine."""
    model = innermost(caller)
    if not isinstance(model, LocalCaller):
        raise UsageError("only a model on this machine can be diagnosed")
    return model


def diagnose(
    caller: ToolCaller,
    messages: Sequence[Message],
    tools: Sequence[Tool],
    decoding: Decoding,
    stopped: Callable[[], bool] = lambda: False,
) -> Diagnosis:
    """Ask for the reply and keep what it was made of; of a stack, that of the model in the middle, before any gate.

    Raises UsageError for a caller that is not on this machine, Unwanted where `stopped` says so before it is whole.
    """
    model = model_of(caller)
    if isinstance(caller, Retrieving):
        choice = caller.choice(messages, tools, decoding.tool_choice)
        tools = caller.offered(tools) if choice is None else choice.tools
    engine = model.engine
    ids = engine.encode(model.prompt(messages, tools, think=decoding.think))
    shown = msgspec.structs.replace(decoding, logprobs=_BESIDE)
    made: Reply | None = None
    with closing(streamed(model, messages, tools, shown)) as items:
        for item in items:
            if isinstance(item, Reply):
                made = item
            elif stopped():
                raise Unwanted("nobody waits for it any more")
    assert made is not None, "a stream ends with its reply"
    return Diagnosis(
        model=model.name,
        dialect=model.dialect.name,
        prompt=tuple(Piece(one, engine.decode([one])) for one in ids),
        reply=made.logprobs,
        made=msgspec.structs.replace(made, logprobs=()),
    )
