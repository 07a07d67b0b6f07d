"""Any OpenAI-compatible endpoint as a `ToolCaller`: a bigger model, vLLM, llama-server, our own server.

Transport errors and overload are retried with backoff by the client; what remains is an outcome, not an
exception: a `Reply` that stopped with `error` and says why, so a long evaluation keeps the row. Streaming is
left out: whoever needs deltas gets the reply's words and calls at its end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from toolfinch.caller import Decoding, Reply, Stop, Timings, Usage
from toolfinch.errors import DataError, MissingDependency, UsageError
from toolfinch.message import Message, ToolCall, call_from_openai
from toolfinch.message import to_openai as message_to_openai
from toolfinch.tool import Tool
from toolfinch.tool import to_openai as tool_to_openai

API_KEY = "TOOLFINCH_API_KEY"
"""The environment variable with the endpoint's key; OPENAI_API_KEY is not sent to endpoints that you name."""


class OpenAICaller:
    """Implements `ToolCaller` for `POST {base_url}/chat/completions`."""

    def __init__(self, base_url: str, model: str = "", *, timeout_s: float = 120.0, retries: int = 4) -> None:
        """`model` empty: the endpoint is asked, and must serve exactly one. Raises UsageError otherwise."""
        try:
            import openai
        except ImportError as error:
            raise MissingDependency(
                f"{base_url}: calling an endpoint needs the openai client",
                hint="pip install 'toolfinch[serve]'",
            ) from error
        self._errors = openai
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=os.environ.get(API_KEY, "none"),
            timeout=timeout_s,
            max_retries=retries,
        )
        self._base_url = base_url
        self._model = model or self._only_model()

    @property
    def name(self) -> str:
        return f"{self._base_url}#{self._model}"

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        """The endpoint's turn; an error that outlives the retries comes back as `stop="error"`."""
        began = time.perf_counter()
        ask = self._client.chat.completions.with_raw_response
        try:
            answer = ask.create(**self._request(messages, tools, decoding)).content
            return _read(msgspec.json.decode(answer, type=_Completion), time.perf_counter() - began)
        except self._errors.APIError as error:
            why = f"{type(error).__name__}: {error}"
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            why = f"the endpoint's answer is not a completion: {error}"
        why = " ".join(why.split())
        timings = Timings(total_s=time.perf_counter() - began)
        return Reply(Message("assistant"), timings=timings, stop="error", error=why)

    def _request(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            # Without our own key: strict endpoints refuse a message that has one they do not know.
            "messages": [
                {key: value for key, value in message_to_openai(message).items() if key != "is_error"}
                for message in messages
            ],
            "max_tokens": decoding.max_tokens,
            "temperature": decoding.temperature,
            "seed": decoding.seed,
        }
        if decoding.stop:
            request["stop"] = list(decoding.stop)
        if tools:
            choice: Any = decoding.tool_choice
            if choice.startswith("="):
                choice = {"type": "function", "function": {"name": choice[1:]}}
            request["tools"] = [tool_to_openai(tool) for tool in tools]
            request["tool_choice"] = choice
            request["parallel_tool_calls"] = decoding.parallel
        return request

    def _only_model(self) -> str:
        models = self._client.with_options(max_retries=1).models.with_raw_response
        try:
            listing = msgspec.json.decode(models.list().content, type=_Listing)
        except self._errors.APIError as error:
            raise UsageError(f"{self._base_url}: {error}", hint="is the server running?") from error
        except (msgspec.DecodeError, UnicodeError) as error:
            raise UsageError(f"{self._base_url}: does not list its models: {error}") from error
        served = [model.id for model in listing.data]
        if len(served) != 1:
            offered = ", ".join(served) or "none"
            raise UsageError(f"{self._base_url}: name one of its models after a # (it serves: {offered})")
        return served[0]


class _Model(msgspec.Struct):
    id: str


class _Listing(msgspec.Struct):
    data: list[_Model]


class _Answer(msgspec.Struct):
    content: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(msgspec.Struct):
    message: _Answer
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Ours(msgspec.Struct):
    """What our own server adds."""

    confidence: float | None = None
    unread: tuple[str, ...] = ()


class _Completion(msgspec.Struct):
    """As much of a completion as is read; the client's own types would let anything through."""

    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    usage: _Usage | None = None
    toolfinch: _Ours | None = None


def _read(completion: _Completion, total_s: float) -> Reply:
    answer, finish = completion.choices[0].message, completion.choices[0].finish_reason
    calls: list[ToolCall] = []
    unread: list[str] = []
    for i, raw in enumerate(answer.tool_calls or []):
        try:
            calls.append(call_from_openai(raw, f"tool_calls[{i}]"))
        except DataError:
            unread.append(msgspec.json.encode(raw).decode())
    usage = completion.usage or _Usage()
    ours = completion.toolfinch or _Ours()
    details = usage.prompt_tokens_details or _Details()
    return Reply(
        Message("assistant", answer.content or "", tuple(calls)),
        confidence=ours.confidence,
        usage=Usage(usage.prompt_tokens, usage.completion_tokens, details.cached_tokens or 0),
        timings=Timings(total_s=total_s),
        stop=_stop(finish, calls),
        raw=msgspec.json.encode(answer).decode(),
        unread=(*unread, *ours.unread),
    )


def _stop(finish_reason: str | None, calls: Sequence[ToolCall]) -> Stop:
    if finish_reason == "length":
        return "length"
    return "tool_calls" if calls else "stop"
