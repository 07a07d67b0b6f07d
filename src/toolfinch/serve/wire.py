"""The OpenAI chat completions wire format: a request's bytes in, a completion's JSON out.

Every field that would change the reply is read or refused; none is ignored in silence. A refusal names the
field by its path: `messages[2].tool_calls[0].function.arguments: not JSON`. Not offered: several choices,
log-probabilities, penalties, response formats, images. `strict` in a tool is accepted and not enforced.
Unlike OpenAI's, the default temperature is 0.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from toolfinch import recipe
from toolfinch.caller import Decoding, Reply, Usage
from toolfinch.dialects import strict_json
from toolfinch.errors import DataError, RecipeError, SchemaError, UsageError
from toolfinch.message import Message, ToolCall, from_openai
from toolfinch.tool import Tool
from toolfinch.tool import read as read_tool


class RequestError(UsageError):
    """The client's mistake, as OpenAI reports it; `param` is the path that the message begins with."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        path, colon, _ = message.partition(": ")
        self.param = path if colon and " " not in path else None
        self.status = status
        self.code = code


class Request(msgspec.Struct, frozen=True):
    """A chat completion that is asked for."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    decoding: Decoding
    model: str
    """Empty: whichever is served."""
    stream: bool
    include_usage: bool
    """In a stream: a last chunk with the token counts."""


class _StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a request by type; what they mean together is read below."""

    messages: list[Any]
    model: str | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None

    # Read only to refuse every value but the one that changes nothing.
    n: int | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None

    # Addressed to OpenAI's own house; they change no reply.
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None


def read_request(body: bytes) -> Request:
    """Read a request. Raises RequestError naming the field."""
    try:
        raw = msgspec.json.decode(body)
        if not isinstance(raw, dict):
            raise RequestError(f"body: expected a JSON object, got {type(raw).__name__}")
        return _read(recipe.convert(raw, _Body, "body"))
    except RecursionError as error:
        raise RequestError("body: nested too deeply") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise RequestError(f"body: not JSON ({error})") from error
    except (RecipeError, DataError) as error:
        raise RequestError(str(error).removeprefix("body: ")) from error


def _read(body: _Body) -> Request:
    _refuse_unsupported(body)
    tools = _tools(body.tools or [])
    limits = [n for n in (body.max_tokens, body.max_completion_tokens) if n is not None]
    if len(set(limits)) > 1:
        raise RequestError("max_tokens: differs from max_completion_tokens; give one of them")
    default = Decoding()
    return Request(
        messages=_messages(body.messages),
        tools=tools,
        decoding=Decoding(
            max_tokens=limits[0] if limits else default.max_tokens,
            temperature=default.temperature if body.temperature is None else body.temperature,
            seed=body.seed or 0,
            tool_choice=_tool_choice(body.tool_choice, tools),
            parallel=body.parallel_tool_calls is not False,
            stop=_stop(body.stop),
        ),
        model=body.model or "",
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
    )


def _refuse_unsupported(body: _Body) -> None:
    if body.n not in (None, 1):
        raise RequestError(f"n: only 1 is supported, got {body.n}")
    if body.top_p not in (None, 1) and body.temperature:  # without a temperature it changes nothing
        raise RequestError(f"top_p: only 1 is supported with a temperature, got {body.top_p}")
    for field in ("presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"):
        if getattr(body, field):
            raise RequestError(f"{field}: not supported")
    if body.response_format not in (None, {"type": "text"}):
        raise RequestError("response_format: only {'type': 'text'} is supported")
    if body.modalities not in (None, ["text"]):
        raise RequestError("modalities: only ['text'] is supported")
    if body.stream_options is not None and not body.stream:
        raise RequestError("stream_options: only with stream")


def _messages(raw: Sequence[Any]) -> tuple[Message, ...]:
    if not raw:
        raise RequestError("messages: expected at least one")
    messages: list[Message] = []
    called: dict[str, str] = {}
    for i, one in enumerate(raw):
        message = from_openai(one, f"messages[{i}]")
        called.update({call.id: call.name for call in message.calls if call.id})
        result = message.result
        if result is not None and result.call_id:
            if result.call_id not in called:
                raise RequestError(
                    f"messages[{i}].tool_call_id: no earlier call has the id {result.call_id!r}"
                )
            # Templates of some families print the name, which OpenAI's shape leaves to the id.
            named = msgspec.structs.replace(result, name=called[result.call_id])
            message = msgspec.structs.replace(message, result=named)
        messages.append(message)
    return tuple(messages)


_TOOL_ERROR = re.compile(r"(?:tool|tools\[\d+\]\.function) '(?P<name>[^']*)': (?P<rest>.*)", re.DOTALL)


def _tools(raw: Sequence[Any]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for i, one in enumerate(raw):
        where = f"tools[{i}]"
        if not isinstance(one, dict):
            raise RequestError(f"{where}: expected an object, got {type(one).__name__}")
        if one.get("type") != "function":
            raise RequestError(f"{where}.type: only 'function' is supported, got {one.get('type')!r}")
        if "function" not in one:
            raise RequestError(f"{where}.function: missing")
        try:
            tool = read_tool(one, f"{where}.function")
        except SchemaError as error:
            found = _TOOL_ERROR.fullmatch(str(error))
            message = f"{where}.function.{found['rest']} (tool {found['name']!r})" if found else str(error)
            raise RequestError(message.replace(".function.function", ".function", 1)) from error
        if any(tool.name == earlier.name for earlier in tools):
            raise RequestError(f"{where}.function.name: {tool.name!r} is given twice")
        tools.append(tool)
    return tuple(tools)


def _tool_choice(raw: str | dict[str, Any] | None, tools: Sequence[Tool]) -> str:
    if raw is None:
        return "auto"
    if isinstance(raw, str):
        if raw not in ("auto", "none", "required"):
            raise RequestError(f"tool_choice: expected auto, none, required or a function, got {raw!r}")
        if raw == "required" and not tools:
            raise RequestError("tool_choice: required, but there are no tools")
        return raw
    if raw.get("type") != "function":
        raise RequestError(f"tool_choice.type: only 'function' is supported, got {raw.get('type')!r}")
    function = raw.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise RequestError("tool_choice.function.name: missing")
    if all(tool.name != name for tool in tools):
        raise RequestError(f"tool_choice.function.name: no tool is named {name!r}")
    return f"={name}"


def _stop(raw: str | list[str] | None) -> tuple[str, ...]:
    stops = (raw,) if isinstance(raw, str) else tuple(raw or ())
    if "" in stops:
        raise RequestError("stop: an empty string stops everything")
    return stops


def new_id(kind: str) -> str:
    """`kind` is `chatcmpl` or `call`."""
    return f"{kind}_{secrets.token_hex(12)}" if kind == "call" else f"{kind}-{secrets.token_hex(12)}"


def call_json(call: ToolCall) -> dict[str, Any]:
    """An entry of `tool_calls`."""
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": strict_json.dumps(call.arguments)},
    }


def message_json(message: Message) -> dict[str, Any]:
    """An assistant's message."""
    if not message.calls:
        return {"role": "assistant", "content": message.content}
    calls = [call_json(call) for call in message.calls]
    return {"role": "assistant", "content": message.content or None, "tool_calls": calls}


def usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def extra_json(reply: Reply) -> dict[str, Any]:
    """What OpenAI's shape has no place for: the confidence, and calls that could not be read."""
    return {"confidence": reply.confidence, "unread": list(reply.unread)}


def completion_json(reply: Reply, model: str, created: int) -> dict[str, Any]:
    """A whole `chat.completion`."""
    message = {**message_json(reply.message), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.stop}
    return {
        "id": new_id("chatcmpl"),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choice],
        "usage": usage_json(reply.usage),
        "toolfinch": extra_json(reply),
    }


def error_json(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
