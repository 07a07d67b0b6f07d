"""The OpenAI chat completions wire format: a request's bytes in; what goes out is in `answer` and `stream`.

Every field that would change the reply is read or refused; none is ignored in silence. A refusal names the
field by its path: `messages[2].tool_calls[0].function.arguments: not JSON`. Not offered: penalties, `top_p`, images,
sound. `strict` in a tool or a schema is accepted: calls and answers are held to their schemas in any case. Unlike
OpenAI's, the default temperature is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import jsonschema_rs
import msgspec

from toolfinch import recipe
from toolfinch.caller import Decoding, Reply
from toolfinch.errors import DataError, RecipeError
from toolfinch.message import Message, from_openai
from toolfinch.serve import offered
from toolfinch.serve.limits import Limits
from toolfinch.serve.offered import Offered
from toolfinch.serve.refusal import RequestError
from toolfinch.tool import Tool

Body = TypeVar("Body")
Read = TypeVar("Read")

CHOICES = 16
"""The most replies that one request may ask for."""
STOPS = 4
TOP_LOGPROBS = 20
SET_ASIDE = "x-toolfinch-set-aside-bad-tools"
"""A header for clients that cannot add the field `toolfinch.set_aside_bad_tools`; its value is `true`."""

Schema = dict[str, Any]


class Request(msgspec.Struct, frozen=True):
    """A reply that is asked for, whichever API asks."""

    messages: tuple[Message, ...]
    offered: Offered
    decoding: Decoding
    model: str
    """Empty: whichever is served."""
    stream: bool
    include_usage: bool = False
    """In a stream: a last chunk with the token counts."""
    n: int = 1
    set_aside: bool = False
    """Whether tools that cannot be used are set aside, and not a reason to refuse."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        return self.offered.tools


class Ours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request may ask for that OpenAI has no field for."""

    set_aside_bad_tools: bool = False


class _StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


Count = Annotated[int, msgspec.Meta(ge=1)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a request by type; what they mean together is read below."""

    messages: list[Any]
    model: str | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Temperature | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    toolfinch: Ours = Ours()

    # Read only to refuse every value but the one that changes nothing.
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    modalities: list[str] | None = None

    # Addressed to OpenAI's own house; they change no reply.
    user: Any = None
    metadata: Any = None
    store: Any = None
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
) -> Request:
    """Read a chat completion's request; `set_aside` is what its header says, `behind` are names of tools of the server's
    own. Raises RequestError naming the field."""
    return decoded(body, _Body, lambda read: _read(read, limits, set_aside, behind))


def decoded(body: bytes, kind: type[Body], read: Callable[[Body], Read]) -> Read:
    """What `read` makes of a body of that kind. Raises RequestError for one that is not."""
    try:
        raw = msgspec.json.decode(body)
        if not isinstance(raw, dict):
            raise RequestError(f"body: expected a JSON object, got {type(raw).__name__}")
        return read(recipe.convert(raw, kind, "body"))
    except RecursionError as error:
        raise RequestError("body: nested too deeply") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise RequestError(f"body: not JSON ({error})") from error
    except (RecipeError, DataError) as error:
        raise RequestError(str(error).removeprefix("body: ")) from error


def _read(body: _Body, limits: Limits, set_aside: bool, behind: frozenset[str]) -> Request:
    _refuse_unsupported(body)
    set_aside = set_aside or body.toolfinch.set_aside_bad_tools
    tools = offered.read(body.tools or [], limit=limits.tools, set_aside=set_aside, behind=behind)
    given = {limit for limit in (body.max_tokens, body.max_completion_tokens) if limit is not None}
    if len(given) > 1:
        raise RequestError("max_tokens: differs from max_completion_tokens; give one of them")
    default = Decoding()
    decoding = Decoding(
        max_tokens=given.pop() if given else default.max_tokens,
        temperature=default.temperature if body.temperature is None else body.temperature,
        seed=body.seed or 0,
        tool_choice=_tool_choice(body.tool_choice, tools),
        parallel=body.parallel_tool_calls is not False,
        stop=_stop(body.stop),
        response_schema=_response_format(body.response_format),
        logprobs=_logprobs(body),
        think=thinks(body.reasoning_effort, "reasoning_effort"),
    )
    return Request(
        messages=_messages(body.messages),
        offered=tools,
        decoding=decoding,
        model=body.model or "",
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        n=1 if body.n is None else body.n,
        set_aside=set_aside,
    )


def _refuse_unsupported(body: _Body) -> None:
    if body.n is not None and not 1 <= body.n <= CHOICES:
        raise RequestError(f"n: expected 1 to {CHOICES}, got {body.n}")
    refuse_top_p(body.top_p, body.temperature)
    for field in ("presence_penalty", "frequency_penalty", "logit_bias"):
        if getattr(body, field):
            raise RequestError(f"{field}: not supported")
    if body.modalities not in (None, ["text"]):
        raise RequestError("modalities: only ['text'] is supported")
    if body.stream_options is not None and not body.stream:
        raise RequestError("stream_options: only with stream")


def refuse_top_p(top_p: float | None, temperature: float | None) -> None:
    if top_p not in (None, 1) and temperature:  # without a temperature it changes nothing
        raise RequestError(f"top_p: only 1 is supported with a temperature, got {top_p}")


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")


def thinks(effort: str | None, where: str) -> bool:
    """Whether a reasoning effort asks for thoughts before the turn; how many of them is the model's choice."""
    if effort is not None and effort not in EFFORTS:
        raise RequestError(f"{where}: expected one of {', '.join(EFFORTS)}, got {effort!r}")
    return effort not in (None, "none", "minimal")


def _messages(raw: Sequence[Any]) -> tuple[Message, ...]:
    if not raw:
        raise RequestError("messages: expected at least one")
    messages: list[Message] = []
    called: dict[str, str] = {}
    for i, one in enumerate(raw):
        message = from_openai(one, f"messages[{i}]")
        called.update({call.id: call.name for call in message.calls if call.id})
        messages.append(named(message, called, f"messages[{i}].tool_call_id"))
    return tuple(messages)


def named(message: Message, called: Mapping[str, str], where: str) -> Message:
    """A tool's message with the tool's name, by the ids of the calls before it.

    Templates of some families print the name, which OpenAI's shapes leave to the id.
    """
    result = message.result
    if result is None or not result.call_id:
        return message
    if result.call_id not in called:
        raise RequestError(f"{where}: no earlier call has the id {result.call_id!r}")
    result = msgspec.structs.replace(result, name=called[result.call_id])
    return msgspec.structs.replace(message, result=result)


def _tool_choice(raw: str | dict[str, Any] | None, tools: Offered) -> str:
    if not isinstance(raw, dict):
        return choice(raw, tools)
    if raw.get("type") != "function":
        raise RequestError(f"tool_choice.type: only 'function' is supported, got {raw.get('type')!r}")
    function = raw.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return named_choice(name, tools, "tool_choice.function.name")


def choice(raw: str | None, tools: Offered) -> str:
    """A tool choice that names no tool, as `Decoding` has it."""
    if raw is None:
        return "auto"
    if raw not in ("auto", "none", "required"):
        raise RequestError(f"tool_choice: expected auto, none, required or a function, got {raw!r}")
    if raw == "required" and not (tools.tools or tools.behind):
        aside = "; ".join(f"{why}: set aside" for _, why in tools.aside)
        raise RequestError("tool_choice: required, but there are no tools" + (f" ({aside})" if aside else ""))
    return raw


def named_choice(name: Any, tools: Offered, where: str) -> str:
    """A tool choice that names one."""
    if not isinstance(name, str):
        raise RequestError(f"{where}: missing")
    if name not in tools.behind and all(tool.name != name for tool in tools.tools):
        aside = dict(tools.aside)
        if name in aside:
            raise RequestError(f"{where}: {name!r} was set aside ({aside[name]})")
        raise RequestError(f"{where}: no tool is named {name!r}")
    return f"={name}"


def _stop(raw: str | list[str] | None) -> tuple[str, ...]:
    stops = (raw,) if isinstance(raw, str) else tuple(raw or ())
    if "" in stops:
        raise RequestError("stop: an empty string stops everything")
    if len(stops) > STOPS:
        raise RequestError(f"stop: at most {STOPS}, got {len(stops)}")
    return stops


def _logprobs(body: _Body) -> int | None:
    top = body.top_logprobs
    if top is not None and not 0 <= top <= TOP_LOGPROBS:
        raise RequestError(f"top_logprobs: expected 0 to {TOP_LOGPROBS}, got {top}")
    if top and not body.logprobs:
        raise RequestError("top_logprobs: only with logprobs")
    return (top or 0) if body.logprobs else None


def _response_format(raw: Mapping[str, Any] | None) -> Schema | None:
    if raw is None or raw.get("type") != "json_schema":
        return format_schema(raw, "response_format")
    inner = raw.get("json_schema")
    if not isinstance(inner, dict):
        raise RequestError("response_format.json_schema: missing")
    return format_schema({"type": "json_schema", **inner}, "response_format", ".json_schema")


def format_schema(raw: Mapping[str, Any] | None, where: str, inner: str = "") -> Schema | None:
    """The JSON Schema that a format asks for, None for plain text; `inner` is the step to where it stands.

    Raises RequestError for what is no schema. Whether it can be held to is found out by who holds to it.
    """
    if raw is None or raw.get("type") == "text":
        return None
    if raw.get("type") == "json_object":
        return {"type": "object"}
    if raw.get("type") != "json_schema":
        raise RequestError(
            f"{where}.type: expected text, json_object or json_schema, got {raw.get('type')!r}"
        )
    where = f"{where}{inner}.schema"
    schema = raw.get("schema")
    if not isinstance(schema, dict):
        raise RequestError(f"{where}: {'missing' if schema is None else 'expected an object'}")
    try:
        _validator(schema)
    except ValueError as error:  # ValidationError is one
        at = "".join(f".{step}" for step in getattr(error, "instance_path", ()))
        raise RequestError(f"{where}{at}: {str(error).partition(chr(10))[0]}") from error
    return schema


def warnings(request: Request, reply: Reply) -> tuple[str, ...]:
    """What a reply to this request lacks of what was asked for."""
    lacks = request.decoding.logprobs is not None and not reply.logprobs and reply.usage.completion_tokens
    return (
        *request.offered.warnings,
        *(("logprobs: the model gave none",) if lacks else ()),
    )


def misfit(request: Request, reply: Reply) -> bool:
    """Whether a whole answer is not of the schema that was asked for, which not every caller holds to."""
    schema = request.decoding.response_schema
    if schema is None or reply.message.calls or reply.stop != "stop":
        return False
    if request.decoding.stop:  # it may have been cut where the client wanted
        return False
    if reply.verdict is not None and reply.verdict.action in ("ask", "decline"):
        return False  # the gate's own words, in place of calls
    try:
        return not _validator(schema).is_valid(msgspec.json.decode(reply.message.content))
    except (msgspec.DecodeError, RecursionError):
        return True


def _validator(schema: Schema) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, mask="value", offline=True)
