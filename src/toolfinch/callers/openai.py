"""Any OpenAI-compatible endpoint as a `ToolCaller`: a bigger model, vLLM, llama-server, Ollama, our own server.

What goes wrong is an outcome and not an exception: a `Reply` that stopped with `error` and says why, so a long
evaluation keeps the row. What would meet every row is raised: an endpoint that is not there when the caller
is made (`UsageError`), and one that gave nothing for `IN_A_ROW` requests in a row (`EndpointGone`).

Endpoints differ in what they take. A parameter that one refuses by name is left out from then on, which is
said once on stderr and in `OpenAICaller.changes`; one that the reply depends on is never left out. Not done
is streaming: whoever needs deltas gets the reply's words and calls at its end.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from toolfinch import dialects
from toolfinch.caller import Decoding, Reply, Stop, Timings, Usage
from toolfinch.callers.http import Endpoint, NoAnswer, beginning, error_words
from toolfinch.dialects import Dialect, Parsed, auto
from toolfinch.errors import DataError, EndpointGone, UsageError
from toolfinch.message import Message, ToolCall, call_from_openai
from toolfinch.message import to_openai as message_to_openai
from toolfinch.tool import Tool
from toolfinch.tool import to_openai as tool_to_openai

API_KEY = "TOOLFINCH_API_KEY"
"""The environment variable with the endpoint's key; OPENAI_API_KEY is not sent to endpoints that you name."""
TIMEOUT_S = 120.0
IN_A_ROW = 20
"""So many requests without any answer, each with its retries, end a run."""


class OpenAICaller:
    """Implements `ToolCaller` for `POST {base_url}/chat/completions`; safe to share between threads and event loops."""

    def __init__(
        self,
        base_url: str,
        model: str = "",
        *,
        dialect: str = "",
        timeout_s: float = TIMEOUT_S,
        retries: int = 4,
        api_key: str | None = None,
    ) -> None:
        """`model` empty: the endpoint is asked, and must serve exactly one.

        `dialect`: how to read calls that the endpoint left in its text; `auto` tries all, empty reads none.
        `api_key` is by default what the environment variable TOOLFINCH_API_KEY holds. `timeout_s` is for one
        reply, its `retries` included. Raises UsageError where nothing is at the URL.
        """
        self._dialect = reads(dialect)
        key = os.environ.get(API_KEY, "none") if api_key is None else api_key
        self._endpoint = Endpoint(base_url, key, timeout_s=timeout_s, retries=retries)
        self._base_url = self._endpoint.url
        self._model = model
        self._lock = threading.Lock()
        self._failures = 0  # in a row
        self.changes: Mapping[str, str] = {}
        """Parameters that the endpoint refused, each with what is done about it: `{"seed": "left out"}`."""
        self.served: tuple[str, ...] = ()
        """The models that the endpoint lists; () where it lists none."""
        self._greet()

    @property
    def name(self) -> str:
        return f"{self._base_url}#{self._model}"

    @property
    def model(self) -> str:
        return self._model

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        """The endpoint's turn; an error that outlives the retries comes back as `stop="error"`.

        Raises EndpointGone for the last of `IN_A_ROW` requests without an answer.
        """
        began = time.perf_counter()
        answer = self._tried(request(self._model, messages, tools, decoding))
        return self._outcome(self._endpoint.wait_for(answer), tools, began)

    async def reply_async(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        """As `reply`, on the running event loop; cancelling it ends the request."""
        began = time.perf_counter()
        answer = self._tried(request(self._model, messages, tools, decoding))
        return self._outcome(await answer, tools, began)

    def _outcome(self, answer: bytes | NoAnswer, tools: Sequence[Tool], began: float) -> Reply:
        try:
            if isinstance(answer, NoAnswer):
                raise answer
            reply = read(answer, tools, self._dialect, self._base_url)
            self._failures = 0
        except NoAnswer as error:
            self._count(error)
            stop: Stop = "context" if _TOO_LONG.search(str(error)) else "error"
            reply = Reply(Message("assistant"), stop=stop, error=str(error), outside=error.outside)
        return msgspec.structs.replace(reply, timings=Timings(total_s=time.perf_counter() - began))

    async def _tried(self, request: Mapping[str, Any]) -> bytes | NoAnswer:
        try:
            return await self._answer(request)
        except NoAnswer as error:
            return error

    def send(self, request: Mapping[str, Any]) -> bytes:
        """The body of the endpoint's answer to a request. Raises NoAnswer where there is none."""
        return self._endpoint.wait_for(self._answer(request))

    async def _answer(self, request: Mapping[str, Any]) -> bytes:
        deadline = self._endpoint.deadline()
        tried: dict[str, tuple[str, NoAnswer]] = {}
        while True:
            changes = {**self.changes, **{name: change for name, (change, _) in tried.items()}}
            sent = _changed(request, changes)
            try:
                body = await self._endpoint.post("chat/completions", msgspec.json.encode(sent), deadline)
            except NoAnswer as error:
                refused = _refused(sent, error, reads_text=bool(self._dialect))
                if not refused:
                    raise
                tried |= {name: (change, error) for name, change in refused.items()}
            else:
                self._adopt(tried)
                return body

    def _adopt(self, tried: Mapping[str, tuple[str, NoAnswer]]) -> None:
        """Keep to the changes with which an answer came; others may have rested on a misread refusal."""
        with self._lock:  # requests that are under way together are refused together
            new = {name: how for name, how in tried.items() if name not in self.changes}
            self.changes = {**self.changes, **{name: change for name, (change, _) in new.items()}}
        for name, (change, error) in new.items():
            print(f"toolfinch: {error}; from here on {name} is {change}", file=sys.stderr, flush=True)

    def _count(self, error: NoAnswer) -> None:
        """One more request without an answer; those that only this request met are not counted."""
        with self._lock:
            everyone = error.trouble in ("unreachable", "broken_off", "unreadable")
            self._failures = self._failures + 1 if everyone or error.status in (401, 403, 404, 405) else 0
            failures = self._failures
        if failures >= IN_A_ROW:
            raise EndpointGone(f"{failures} requests in a row got no answer; the last: {error}") from error

    def _greet(self) -> None:
        """Find out that somebody is there, and which model is served where none was named."""
        try:
            body = self._endpoint.wait_for(self._endpoint.get("models"))
        except NoAnswer as error:
            if self._model and error.trouble != "unreachable":
                return  # an endpoint need not list its models
            raise UsageError(str(error), hint="is the server running?") from error
        try:
            self.served = tuple(model.id for model in msgspec.json.decode(body, type=_Listing).data)
        except (msgspec.DecodeError, UnicodeError) as error:
            if self._model:
                return
            raise UsageError(f"{self._base_url}: does not list its models: {error}") from error
        if self._model:
            return
        if len(self.served) != 1:
            offered = ", ".join(self.served) or "none"
            raise UsageError(f"{self._base_url}: name one of its models after a # (it serves: {offered})")
        self._model = self.served[0]


def _message(message: Message) -> dict[str, Any]:
    """Without what some endpoint refuses: our own key, and a null for the text of a turn that only calls."""
    raw = message_to_openai(message)
    return {key: value for key, value in raw.items() if key != "is_error" and value is not None}


def request(
    model: str,
    messages: Sequence[Message],
    tools: Sequence[Tool],
    decoding: Decoding,
    schema: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of a request. With a `schema`, the answer's text is to be JSON of it, as far as the endpoint can."""
    request: dict[str, Any] = {
        "model": model,
        "messages": list(map(_message, messages)),
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
    if schema is not None:
        wanted = {"name": "answer", "strict": True, "schema": schema}
        request["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return request


Reads = Dialect | Literal["", "auto"]
"""How calls are read that an endpoint left in its text."""


def reads(dialect: str) -> Reads:
    """A dialect by its name; `auto` tries all, empty reads none. UsageError for a name that there is not."""
    return "" if not dialect else "auto" if dialect == "auto" else dialects.get(dialect)


def read(body: bytes, tools: Sequence[Tool], dialect: Reads, where: str) -> Reply:
    """A completion as a reply. Raises NoAnswer for a body that is none; `where` is the endpoint's base URL."""
    try:
        completion = msgspec.json.decode(body, type=_Completion)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _unreadable(where, f"not a completion: {_instead(body) or error}") from error
    if not completion.choices:
        raise _unreadable(where, "not a completion: its list of choices is empty")
    answer, finish = completion.choices[0].message, completion.choices[0].finish_reason
    if finish == "error":
        raise _unreadable(where, "the endpoint stopped with an error")
    ours = completion.toolfinch or _Ours()
    calls, unread = _calls(answer.tool_calls or [])
    parsed = Parsed(_text(answer.content), calls, (*unread, *ours.unread))
    read_as = ""
    if dialect and tools and not parsed.calls and not parsed.unread:
        parsed, read_as = _read_text(parsed.content, tools, dialect)
    usage = completion.usage or _Usage()
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
    return Reply(
        Message("assistant", parsed.content, parsed.calls),
        confidence=ours.confidence,
        # Below 0 is how some say that they do not know.
        usage=Usage(*(max(0, n or 0) for n in (usage.prompt_tokens, usage.completion_tokens, cached))),
        stop="length" if finish == "length" else "tool_calls" if parsed.calls else "stop",
        raw=msgspec.json.encode(answer).decode(),
        unread=parsed.unread,
        read_as=read_as,
    )


def _read_text(text: str, tools: Sequence[Tool], dialect: Dialect | Literal["auto"]) -> tuple[Parsed, str]:
    if isinstance(dialect, str):
        return auto.read(text, tools)
    parsed = auto.parse(dialect, text, tools)
    return parsed, dialect.name if parsed.calls else ""


def _unreadable(where: str, why: str) -> NoAnswer:
    return NoAnswer(f"{where.rstrip('/')}/chat/completions: {why}", "unreadable")


def bare(body: bytes) -> bytes:
    """A completion with nothing but what is read of it, to be kept and read again."""
    return msgspec.json.encode(msgspec.json.decode(body, type=_Completion))


_LEFT_OUT = "left out"
_RENAMED = "sent as max_completion_tokens"
_NONE = "sent as none"
_CHANGES = {
    "seed": _LEFT_OUT,
    "temperature": _LEFT_OUT,
    "parallel_tool_calls": _LEFT_OUT,
    "tool_choice": _LEFT_OUT,
    "max_tokens": _RENAMED,
    "response_format": _LEFT_OUT,
}
"""What is done about a parameter that an endpoint refuses. OpenAI's reasoning models take no `max_tokens` and
only their own `temperature`; Gemini's and other strict endpoints know no `seed`; whoever asks for JSON of a schema
says so in words too, and checks what comes."""
_FORMAT = re.compile(r"response[_ ]format|json_schema|structured output")
"""Names `response_format`. Endpoints that know it refuse this type of it, or what the schema says, in many words."""
_DEFAULTS = {"tool_choice": "auto", "parallel_tool_calls": True}
"""These are changed only where they say no more than their absence does: any other value asks for something."""
_REFUSES = re.compile(
    r"(?i)unsupported|n['o]t support|unknown|unrecogni[sz]ed|unexpected|extra|not permitted|not allowed"
    r"|cannot find field|only the default"
)
_TOO_LONG = re.compile(
    r"(?i)context_length_exceeded|exceed_context_size|maximum context length|exceeds the available context"
    r"|context size has been exceeded|longer than the maximum model length|longer than the model'?s context length"
    r"|input length \(\d+ tokens\) exceeds|tokens when (?:the )?context|n_keep \(\d+\) >= n_ctx"
)
"""What OpenAI, vLLM, llama.cpp, llama-cpp-python, SGLang and LM Studio say of a prompt that does not fit."""


def _changed(request: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    """The request as this endpoint takes it."""
    sent = dict(request)
    for name, change in changes.items():
        if _may_change(sent, name):
            value = sent.pop(name)
            if change == _RENAMED:
                sent["max_completion_tokens"] = value
            elif change == _NONE:
                sent[name] = "none"
    return sent


def _may_change(sent: Mapping[str, Any], name: str) -> bool:
    return name in sent and sent[name] == _DEFAULTS.get(name, sent[name])


def _refused(sent: Mapping[str, Any], error: NoAnswer, *, reads_text: bool) -> dict[str, str]:
    """The parameters that the endpoint refuses by name, with what to do about each."""
    said = str(error)
    if error.status not in (400, 422):
        return {}
    # vLLM without a tool parser; with `none` it still shows the model its tools, and leaves calls in the text.
    if reads_text and "--enable-auto-tool-choice" in said and _may_change(sent, "tool_choice"):
        return {"tool_choice": _NONE}
    if "response_format" in sent and _FORMAT.search(said):
        return {"response_format": _LEFT_OUT}
    if not _REFUSES.search(said):
        return {}
    return {
        name: change
        for name, change in _CHANGES.items()
        if _may_change(sent, name) and re.search(rf"\b{name}\b", said)
    }


class _Model(msgspec.Struct):
    id: str


class _Listing(msgspec.Struct):
    data: list[_Model]


class _Answer(msgspec.Struct):
    content: str | list[Any] | None = None
    tool_calls: list[Any] | None = None


class _Choice(msgspec.Struct):
    message: _Answer
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Ours(msgspec.Struct):
    """What our own server adds."""

    confidence: float | None = None
    unread: tuple[str, ...] = ()


class _Completion(msgspec.Struct):
    """As much of a completion as is read; anything beside it, such as reasoning, is left alone."""

    choices: list[_Choice]
    usage: _Usage | None = None
    toolfinch: _Ours | None = None


def _calls(raw_calls: Sequence[Any]) -> tuple[tuple[ToolCall, ...], tuple[str, ...]]:
    """The calls, and those that cannot be read."""
    calls, unread = [], []
    for i, raw in enumerate(raw_calls):
        try:
            calls.append(call_from_openai(raw, f"tool_calls[{i}]"))
        except DataError:
            unread.append(msgspec.json.encode(raw).decode())
    return tuple(calls), tuple(unread)


def _text(content: str | list[Any] | None) -> str:
    """What is said; some endpoints (Mistral's) send parts, with thoughts among them."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(str(part.get("text") or "") for part in parts)
    return content or ""


def _instead(body: bytes) -> str:
    """What came instead of a completion: an error with the status of a success, or something else than JSON."""
    try:
        return error_words(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return beginning(body)
