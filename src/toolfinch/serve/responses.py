"""OpenAI's Responses API: a request's bytes in, as the same `Request` that a chat completion is.

Nothing is kept between requests: `previous_response_id`, `conversation`, `store: true` and references to items are
refused, and the whole conversation comes with every request. Reasoning items are skipped: no reply of ours makes any,
and those of another model are sealed. What goes out is in `responses_stream`. Left out: tools that the server itself
would run, prompt templates, images and files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from toolfinch.caller import Decoding
from toolfinch.errors import DataError, UsageError
from toolfinch.message import Message, call_from_openai, from_openai, to_openai
from toolfinch.serve import offered, wire
from toolfinch.serve.limits import Limits
from toolfinch.serve.offered import Offered
from toolfinch.serve.refusal import Refusal, RequestError
from toolfinch.tool import Tool
from toolfinch.tool import to_openai as tool_to_openai

LOGPROBS = "message.output_text.logprobs"
_INCLUDED = (LOGPROBS, "reasoning.encrypted_content")
"""What a client may ask to be included; there is no reasoning, so nothing is lost of it."""

_NAMES = {"messages": "input", "max_tokens": "max_output_tokens", "response_format": "text.format"}
"""What fields of a chat completion, which is what callers speak of, are called here."""


class Asked(msgspec.Struct, frozen=True):
    """A request and what of it the response repeats."""

    request: wire.Request
    echo: dict[str, Any]
    chat: bytes
    """The conversation, tools and metadata as a chat completion's body, for the trace."""


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: dict[str, Any] | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct, frozen=True):
    effort: str | None = None


class _StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    include_obfuscation: bool | None = None


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a request by type; what they mean together is read below."""

    input: str | list[Any]
    instructions: str | None = None
    model: str | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_output_tokens: wire.Count | None = None
    temperature: wire.Temperature | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    metadata: Any = None
    toolfinch: wire.Ours = wire.Ours()

    # Read only to refuse every value but the one that changes nothing.
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    background: bool | None = None
    truncation: str | None = None
    max_tool_calls: int | None = None
    top_p: float | None = None

    # Addressed to OpenAI's own house; they change no reply.
    user: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None


def read_request(
    body: bytes,
    limits: Limits = Limits(),
    *,
    set_aside: bool = False,
    behind: frozenset[str] = frozenset(),
) -> Asked:
    """As `wire.read_request`."""
    return wire.decoded(body, _Body, lambda read: _read(read, limits, set_aside, behind))


def refused(error: UsageError) -> RequestError:
    """What a caller, or the service, says of a field, in this API's names."""
    refusal = Refusal(error)
    said = refusal.body["error"]
    message, field = said["message"], (said["param"] or "").partition(".")[0]
    if field in _NAMES:
        message = _NAMES[field] + message.removeprefix(field)
    return RequestError(message, status=refusal.status, code=said["code"], counts=said.get("counts"))


def _read(body: _Body, limits: Limits, set_aside: bool, behind: frozenset[str]) -> Asked:
    _refuse_unsupported(body)
    set_aside = set_aside or body.toolfinch.set_aside_bad_tools
    tools = offered.read(body.tools or [], limit=limits.tools, set_aside=set_aside, flat=True, behind=behind)
    text, default = body.text or _Text(), Decoding()
    request = wire.Request(
        messages=_messages(body),
        offered=tools,
        decoding=Decoding(
            max_tokens=body.max_output_tokens or default.max_tokens,
            temperature=default.temperature if body.temperature is None else body.temperature,
            tool_choice=_tool_choice(body.tool_choice, tools),
            parallel=body.parallel_tool_calls is not False,
            response_schema=wire.format_schema(text.format, "text.format"),
            logprobs=_logprobs(body),
            think=wire.thinks(body.reasoning.effort if body.reasoning else None, "reasoning.effort"),
        ),
        model=body.model or "",
        stream=bool(body.stream),
        set_aside=set_aside,
    )
    return Asked(request, _echo(body, request), _as_chat(body, request))


def _refuse_unsupported(body: _Body) -> None:
    stateless = "not supported: no responses are kept here; send the whole conversation as input"
    for field in ("store", "previous_response_id", "conversation"):
        if getattr(body, field):
            raise RequestError(f"{field}: {stateless}")
    for field in ("prompt", "background", "max_tool_calls"):
        if getattr(body, field):
            raise RequestError(f"{field}: not supported")
    if body.truncation not in (None, "disabled"):
        raise RequestError("truncation: only 'disabled' is supported: nothing is cut to fit")
    if body.text is not None and body.text.verbosity not in (None, "medium"):
        raise RequestError("text.verbosity: not supported")
    wire.refuse_top_p(body.top_p, body.temperature)
    if body.stream_options is not None and not body.stream:
        raise RequestError("stream_options: only with stream")
    for i, name in enumerate(body.include or ()):
        if name not in _INCLUDED:
            raise RequestError(f"include[{i}]: expected one of {', '.join(_INCLUDED)}, got {name!r}")


def _logprobs(body: _Body) -> int | None:
    top = body.top_logprobs
    if top is not None and not 0 <= top <= wire.TOP_LOGPROBS:
        raise RequestError(f"top_logprobs: expected 0 to {wire.TOP_LOGPROBS}, got {top}")
    wanted = LOGPROBS in (body.include or ())
    if top and not wanted:
        raise RequestError(f"top_logprobs: only with {LOGPROBS!r} in include")
    return (top or 0) if wanted else None


def _tool_choice(raw: str | dict[str, Any] | None, tools: Offered) -> str:
    if not isinstance(raw, dict):
        return wire.choice(raw, tools)
    if raw.get("type") != "function":
        raise RequestError(f"tool_choice.type: only 'function' is supported, got {raw.get('type')!r}")
    return wire.named_choice(raw.get("name"), tools, "tool_choice.name")


def _messages(body: _Body) -> tuple[Message, ...]:
    messages: list[Message] = []
    called: dict[str, str] = {}
    if body.instructions:
        messages.append(Message("system", body.instructions))
    if isinstance(body.input, str):
        return (*messages, Message("user", body.input))
    if not body.input:
        raise RequestError("input: expected at least one item")
    for i, item in enumerate(body.input):
        message = _item(item, f"input[{i}]")
        if message is None:
            continue
        called.update({call.id: call.name for call in message.calls if call.id})
        message = wire.named(message, called, f"input[{i}].call_id")
        if _one_turn(messages, message):
            before = messages.pop()
            message = Message("assistant", before.content + message.content, before.calls + message.calls)
        messages.append(message)
    return tuple(messages)


def _one_turn(messages: Sequence[Message], message: Message) -> bool:
    """Whether an item belongs to the turn before it: a model's words and calls are items of their own here."""
    if not messages or message.role != "assistant" or messages[-1].role != "assistant":
        return False
    return bool(message.calls or messages[-1].calls)


def _item(item: Any, where: str) -> Message | None:
    if not isinstance(item, dict):
        raise RequestError(f"{where}: expected an object, got {type(item).__name__}")
    match item.get("type", "message"):
        case "message":
            return from_openai({"role": item.get("role"), "content": item.get("content")}, where)
        case "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            try:
                call = call_from_openai({"id": item.get("call_id"), "function": function}, where)
            except DataError as error:
                raise RequestError(str(error).replace(f"{where}.function", where, 1)) from error
            return Message("assistant", calls=(call,))
        case "function_call_output":
            result = {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
            try:
                return from_openai(result, where)
            except DataError as error:
                said = str(error).replace(f"{where}.content", f"{where}.output", 1)
                raise RequestError(said.replace(".tool_call_id", ".call_id", 1)) from error
        case "reasoning":
            return None
        case kind:
            raise RequestError(
                f"{where}.type: expected message, function_call, function_call_output or reasoning, got {kind!r}"
            )


def _echo(body: _Body, request: wire.Request) -> dict[str, Any]:
    text = body.text or _Text()
    return {
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata if body.metadata is not None else {},
        "parallel_tool_calls": request.decoding.parallel,
        "temperature": request.decoding.temperature,
        "text": {"format": text.format or {"type": "text"}},
        "tool_choice": body.tool_choice or "auto",
        "top_p": 1.0,
        "reasoning": {"effort": body.reasoning.effort if body.reasoning else None, "summary": None},
        "truncation": "disabled",
        "background": False,
        "store": False,
        "previous_response_id": None,
    }


def tools_json(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools in this API's flat shape. All are held to their schemas, so all are strict."""
    return [{"type": "function", **tool_to_openai(tool)["function"], "strict": True} for tool in tools]


def _as_chat(body: _Body, request: wire.Request) -> bytes:
    chat: dict[str, Any] = {"messages": [to_openai(message) for message in request.messages]}
    if request.offered.tools:
        chat["tools"] = [tool_to_openai(tool) for tool in request.offered.tools]
    if isinstance(body.metadata, dict):
        chat["metadata"] = body.metadata
    return msgspec.json.encode(chat)
