"""Messages as the SDKs write them, in the OpenAI shape: what traces hold as inputs and outputs of models.

Read are the shapes of OpenAI (chat, and the items of Responses), Anthropic (`content` blocks), OpenTelemetry GenAI (`parts`), LangChain (serialised
objects, `type` and `content`, pairs) and the AI SDK (`tool-call`, `tool-result`), any of them as JSON text, too.
The model's reasoning is left out. Everything else that is not text, a call or a result is an error, and so is
a user's message or a result without content: the log was made without it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from toolfinch.data.readers.steps import Chat, Run, tool_message
from toolfinch.errors import DataError

ROLES = {
    **dict.fromkeys(("system", "developer", "SystemMessage"), "system"),
    **dict.fromkeys(("user", "human", "HumanMessage"), "user"),
    **dict.fromkeys(("assistant", "ai", "AIMessage", "model"), "assistant"),
    **dict.fromkeys(("tool", "function", "ToolMessage", "FunctionMessage"), "tool"),
}
TEXT = ("text", "input_text", "output_text")
REASONING = ("reasoning", "thinking", "redacted_thinking", "reasoning_content")
CALLS = ("tool_call", "tool_use", "tool-call", "function_call")
RESULTS = ("tool_call_response", "tool_result", "tool-result")
MEDIA = (
    "image",
    "image_url",
    "input_image",
    "audio",
    "input_audio",
    "document",
    "file",
    "input_file",
    "video",
)
_PLAIN_KEYS = {"role", "content", "parts", "tool_call_id"}
_OPENING = frozenset("{[")
_MESSAGE_KEYS = {"role", "content", "parts", "tool_calls", "toolCalls", "additional_kwargs", "kwargs"}


def decoded(raw: Any) -> Any:
    """What JSON text of an object or a list holds; anything else as it is."""
    if isinstance(raw, str) and raw.lstrip()[:1] in _OPENING:
        try:
            return msgspec.json.decode(raw)
        except (msgspec.DecodeError, ValueError):
            return raw
    return raw


def first(raw: Mapping[str, Any], *names: str) -> Any:
    """The first of these keys that says something."""
    for name in names:
        if (found := raw.get(name)) is not None:
            return found
    return None


def text_of(raw: Any) -> str:
    """A tool's result as the text that the model reads: JSON where it is a structure."""
    if raw is None:
        return ""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, list) and raw:
        if all(_is_text(part) for part in raw):
            return "".join(first(part, "text", "content") for part in raw)
        if any(isinstance(part, dict) and part.get("type") in MEDIA for part in raw):
            raise DataError("a tool's result that is not text")
    return msgspec.json.encode(raw).decode()


def messages(raw: Any, role: str = "user") -> list[Chat]:
    """Messages from a list, one message, or text that `role` said. Raises DataError."""
    raw = decoded(raw)
    if raw is None:
        return []
    if isinstance(raw, str | dict):
        return message(raw, role)
    if not isinstance(raw, list):
        raise DataError("messages that are neither a list nor text")
    if raw and all(isinstance(one, list) for one in raw) and not _is_pair(raw[0]):
        if len(raw) > 1:
            raise DataError("several prompts in one request")
        return messages(raw[0], role)
    return [chat for one in raw for chat in message(one, role)]


def sent_messages(raw: Any) -> list[Chat]:
    """What a model was sent, from a request (with Anthropic's `system`, Responses' `instructions`), messages or text."""
    raw = decoded(raw)
    if not isinstance(raw, dict) or (_MESSAGE_KEYS | {"type"}) & raw.keys():
        return _without_definitions(raw)
    given = first(raw, "messages", "prompts", "prompt", "input")
    if given is None:
        raise DataError("an input without messages")
    instructions = raw.get("system") or raw.get("instructions")
    system = messages({"content": instructions}, "system") if instructions else []
    return [*system, *_without_definitions(given)]


def _without_definitions(raw: Any) -> list[Chat]:
    raw = decoded(raw)
    return messages([one for one in raw if not is_tool_definition(one)] if isinstance(raw, list) else raw)


def message(raw: Any, role: str = "user") -> list[Chat]:
    """One message, which may hold several results and text as well; `role` where it names none itself."""
    if (plain := _plain(raw)) is not None:
        return plain
    raw = decoded(raw)
    if isinstance(raw, str):
        raw = {"role": role, "content": raw}
    elif _is_pair(raw):
        raw = {"role": raw[0], "content": raw[1]}
    if not isinstance(raw, dict):
        raise DataError("a message that is not an object")
    if "role" not in raw and _is_item(raw):
        if raw["type"] in REASONING:
            return []
        if raw["type"] == "function_call_output":
            failed = _failed(raw) or raw.get("status") == "failed"
            return [tool_message(text_of(raw.get("output")), _id(raw, "call_id"), is_error=failed)]
        raw = {"role": "assistant", "content": [raw]}
    role, body = _role(raw, role)
    given = first(body, "parts", "content")
    if role == "tool" and "parts" not in body and not _has_results(given):
        if given is None:
            raise DataError("a tool's result without content")
        id = _id(body, "tool_call_id", "toolCallId", "tool_use_id", "id")
        return [tool_message(text_of(given), id, _name(body), is_error=_failed(body))]
    if role == "user" and given is None:
        raise DataError("a user's message without content")
    text, calls, results = _read(decoded(given) if "parts" in body else given)
    listed = _listed_calls(body)
    if listed or role == "assistant":
        calls = listed or calls
        if role != "assistant" and calls:
            raise DataError("a call in a message that is not the assistant's")
        said: Chat = {"role": "assistant", "content": text or None}
        if calls:
            said["tool_calls"] = calls
        return [*([said] if text or calls else []), *results]
    if calls:
        raise DataError("a call in a message that is not the assistant's")
    if role == "tool":
        id = _id(body, "tool_call_id", "id")
        return results or [tool_message(text, id, _name(body), is_error=_failed(body))]
    return [*results, *([{"role": role, "content": text}] if text or not results else [])]


def _plain(raw: Any) -> list[Chat] | None:
    """A message of OpenAI's or OpenTelemetry's that is text alone, as most are; None for any other."""
    if type(raw) is not dict or not raw.keys() <= _PLAIN_KEYS:
        return None
    role, content = raw.get("role"), raw.get("content")
    if "parts" in raw:
        parts = raw["parts"]
        if type(parts) is not list or len(parts) != 1 or role == "tool" or content is not None:
            return None
        part = parts[0]
        if type(part) is not dict or part.get("type") != "text" or "text" in part:
            return None
        content = part.get("content")
    known = ROLES.get(role) if type(role) is str else None
    if known is None or type(content) is not str:
        return None
    if known == "tool":
        return [tool_message(content, _id(raw, "tool_call_id"))]
    if "tool_call_id" in raw:
        return None
    return [{"role": known, "content": content}] if content or known != "assistant" else []


def reply(raw: Any) -> list[Chat]:
    """What a model answered, from a message, a list of them or of its parts, a response that holds one, or text."""
    value = decoded(raw)
    if value in (None, "", []):
        return []
    if isinstance(value, dict):
        for name in ("choices", "generations"):
            if isinstance(value.get(name), list):
                return _chosen(value[name])
        for name, kind in (("messages", list), ("message", dict), ("output", list)):
            if isinstance(value.get(name), kind):
                return reply(value[name])
        if value.keys() == {"output"}:
            return reply(value["output"])
        if _is_message(value):
            return message(value, "assistant")
    elif isinstance(value, list):
        if all(_is_part(one) for one in value):
            return message({"content": value}, "assistant")
        if all(isinstance(one, dict) and isinstance(one.get("function"), dict) for one in value):
            return message({"tool_calls": value}, "assistant")
        if all(_is_message(one) or isinstance(one, list) for one in value):
            return messages(value, "assistant")
    return message({"content": text_of(raw)}, "assistant")


def _is_item(raw: Mapping[str, Any]) -> bool:
    """An item of OpenAI's Responses that is no message."""
    return raw.get("type") in (*REASONING, *CALLS, "function_call_output")


def _is_part(raw: Any) -> bool:
    return isinstance(raw, dict) and "role" not in raw and raw.get("type") in (*TEXT, *REASONING, *CALLS)


def _is_message(raw: Any) -> bool:
    return isinstance(raw, dict) and (
        bool(_MESSAGE_KEYS & raw.keys()) or _is_item(raw) or {"type", "data"} == raw.keys()
    )


def request_tools(raw: Any) -> list[Any] | None:
    """The tools among what was sent: beside the messages, or, as LangGraph has it, as messages of the tool role."""
    raw = decoded(raw)
    if isinstance(raw, dict):
        tools = decoded(first(raw, "tools", "functions"))
        if tools is not None and not isinstance(tools, list):
            raise DataError("tools that are not a list")
        return [decoded(tool) for tool in tools] if tools else request_tools(raw.get("messages"))
    if isinstance(raw, list):
        return [one["content"] for one in raw if is_tool_definition(one)] or None
    return None


def is_tool_definition(raw: Any) -> bool:
    """Whether a message is a definition in disguise: role `tool`, its content a function."""
    content = raw.get("content") if isinstance(raw, dict) and raw.get("role") == "tool" else None
    return isinstance(content, dict) and content.get("type") == "function" and "function" in content


def tool_run(name: str, given: Any, returned: Any, error: str | None) -> Run:
    """A tool's run from its input and output as a tracer has them; `error` is why it failed, None if it did not.

    The input may be a call itself (LangChain), or `args` and `kwargs` of a function; the output a message.
    """
    given, returned = decoded(given), decoded(returned)
    id = ""
    if isinstance(given, dict) and given.keys() == {"input"} and isinstance(given["input"], str):
        inner = decoded(given["input"])
        given = inner if isinstance(inner, dict) else _python(given["input"])
    if isinstance(given, dict) and given.get("type") == "tool_call":
        id, given = _id(given, "id"), given.get("args")
    elif isinstance(given, dict) and given.keys() == {"args", "kwargs"}:
        given = given["kwargs"] if not given["args"] else None
    if isinstance(returned, dict) and returned.keys() == {"output"}:
        returned = decoded(returned["output"])
    failed = error is not None
    if isinstance(returned, dict):
        role, body = _role(returned, "") if {"role", "type", "lc"} & returned.keys() else ("", returned)
        if role == "tool" and (id_there := _id(body, "tool_call_id")):
            id, failed, returned = id_there, failed or _failed(body), body.get("content")
    result = text_of(returned) if returned is not None else error or ""
    return Run(name, id, given if isinstance(given, dict) else None, result, failed)


def _python(text: str) -> Any:
    """The dict whose Python text this is: LangChain logs a tool's input so; None if it is none."""
    try:
        found = ast.literal_eval(text) if text.startswith("{") else None
        plain = msgspec.json.decode(msgspec.json.encode(found))  # what JSON has no form for is no argument
    except (ValueError, SyntaxError, MemoryError, TypeError):
        return None
    return plain if isinstance(plain, dict) else None


def _role(raw: Mapping[str, Any], default: str) -> tuple[str, Mapping[str, Any]]:
    """Whose a message is, and where its content stands."""
    body: Any = raw
    named: Any = raw.get("role")
    if raw.get("type") == "constructor" or "lc" in raw:  # LangChain's dumpd
        path, body = raw.get("id"), raw.get("kwargs")
        if not isinstance(path, list) or not path or not isinstance(path[-1], str):
            raise DataError("a serialised message without its class")
        named = path[-1].removesuffix("Chunk")
    elif (
        named is None and isinstance(raw.get("type"), str) and raw["type"] in ROLES
    ):  # LangChain's messages_to_dict
        named, body = raw["type"], raw.get("data", raw)
    elif (
        named is None
        and isinstance(raw.get("type"), str)
        and raw["type"].removesuffix("MessageChunk") == "AI"
    ):
        named = "ai"
    if not isinstance(body, dict):
        raise DataError("a serialised message without its fields")
    if named == "ChatMessage":
        named = body.get("role")
    if named is None:
        named = default
    if not isinstance(named, str) or (named not in ROLES and default):
        raise DataError("a message of a role that is not system, user, assistant or tool")
    return ROLES.get(named, ""), body


def _is_pair(raw: Any) -> bool:
    """LangChain's ("human", "text")."""
    return isinstance(raw, list | tuple) and len(raw) == 2 and isinstance(raw[0], str) and raw[0] in ROLES


def _is_text(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and part.get("type") in TEXT
        and isinstance(first(part, "text", "content"), str)
    )


def _has_results(content: Any) -> bool:
    return isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") in RESULTS for part in content
    )


def _read(content: Any) -> tuple[str, list[Chat], list[Chat]]:
    """The text, the calls and the results of a message's content."""
    text: list[str] = []
    calls: list[Chat] = []
    results: list[Chat] = []
    if content is None:
        return "", calls, results
    if isinstance(content, dict):
        content = [content]
    if isinstance(content, str):
        return content, calls, results
    if not isinstance(content, Sequence):
        raise DataError("content that is neither text nor a list of parts")
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, str):
            text.append(part)
        elif _is_text(part):
            text.append(first(part, "text", "content"))
        elif kind in CALLS:
            calls.append(_call(part))
        elif kind in RESULTS:
            results.append(_result(part))
        elif kind not in REASONING:
            raise DataError("content that is not text, a call or a result")
    return "".join(text), calls, results


def _result(part: Mapping[str, Any]) -> Chat:
    given = first(part, "response", "result", "output", "content")
    failed = _failed(part)
    if part["type"] == "tool-result" and isinstance(given, dict) and {"type", "value"} <= given.keys():
        failed = failed or str(given["type"]).startswith("error")  # the AI SDK's error-text, error-json
        given = given["value"]
    id = _id(part, "id", "tool_use_id", "toolCallId", "tool_call_id")
    return tool_message(text_of(given), id, _name(part), is_error=failed)


def _listed_calls(body: Mapping[str, Any]) -> list[Chat]:
    """The calls that stand beside a message's content."""
    extra = body.get("additional_kwargs")
    extra = extra if isinstance(extra, dict) else {}
    raw = decoded(body.get("tool_calls") or body.get("toolCalls") or extra.get("tool_calls") or [])
    legacy = first(body, "function_call") or first(extra, "function_call")
    if body.get("invalid_tool_calls"):
        raise DataError("a call whose arguments are not JSON")
    if not raw and legacy:
        raw = [{"function": decoded(legacy)}]
    if not isinstance(raw, list):
        raise DataError("tool_calls that are not a list")
    return [_call(decoded(one)) for one in raw]


def _call(raw: Any) -> Chat:
    body = raw.get("function", raw) if isinstance(raw, dict) else None
    if not isinstance(body, dict):
        raise DataError("a call that is not an object")
    name = first(body, "name", "toolName")
    if not isinstance(name, str) or not name:
        raise DataError("a call without a name")
    arguments = first(body, "arguments", "args", "input")
    if not isinstance(arguments, str | dict | None):
        raise DataError("a call's arguments are neither an object nor text")
    id = _id(raw, "call_id", "id", "toolCallId")
    return {
        "id": id,
        "type": "function",
        "function": {"name": name, "arguments": {} if arguments in (None, "") else arguments},
    }


def _id(raw: Mapping[str, Any], *names: str) -> str:
    found = first(raw, *names)
    return str(found) if isinstance(found, str | int) else ""


def _name(raw: Mapping[str, Any]) -> str:
    found = first(raw, "name", "toolName")
    return found if isinstance(found, str) else ""


def _failed(raw: Mapping[str, Any]) -> bool:
    return any(raw.get(key) is True for key in ("is_error", "isError")) or raw.get("status") == "error"


def _chosen(raw: list[Any]) -> list[Chat]:
    """The first choice of a response, of OpenAI or of LangChain."""
    while raw and isinstance(raw[0], list):
        raw = raw[0]
    if not raw:
        return []
    if not isinstance(raw[0], dict):
        raise DataError("a choice that is not an object")
    return reply(first(raw[0], "message", "text"))
