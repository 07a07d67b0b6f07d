"""Anthropic Messages requests, one a row, with or without the response.

    {"system": …, "tools": [{"name", "description", "input_schema"}], "messages": [{"role", "content"}, …],
     "response": {"type": "message", "content": [blocks]}}

The request may stand under `request`, `params` (a batch) or `body`; the response under `response`, or as
`content` beside the request. Blocks that are read: `text`, `tool_use`, `tool_result` (`is_error` kept), and the
connector's `mcp_tool_use` and `mcp_tool_result`. What a user says in the turn of the results is a user's message
behind them. A tool without a schema that the caller runs (`bash_20250124`) is given by its name.

Left out: `thinking` and `redacted_thinking`; `tool_choice` and all sampling parameters; the tools that Anthropic
runs itself, from the list (a session in which one ran is an error, as is one with an image or a document); a
response that is an error. A row stands alone: a session that is logged once a request is joined by `log`.

The API is described at https://docs.anthropic.com/en/api/messages (version 2023-06-01).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolfinch.data.readers import times
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.turns import Turns, listed, mapped, named
from toolfinch.errors import DataError

NAME = "anthropic"
REASONING = ("thinking", "redacted_thinking")
CALLS = ("tool_use", "mcp_tool_use")
RESULTS = ("tool_result", "mcp_tool_result")
HOSTED = ("web_search_", "web_fetch_", "code_execution_", "tool_search_tool_", "mcp_toolset")
"""How the types of tools begin that run at the provider."""


def looks_like(row: Mapping[str, Any]) -> bool:
    """By a `system` beside the messages, `input_schema`, blocks of calls or results, or a response."""
    request = _request(row)
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return False
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            return False
        if message.get("tool_calls") or message.get("function_call"):
            return False
    tools = request.get("tools")
    schemas = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    if any("function" in tool for tool in schemas):
        return False
    response = row.get("response")
    return (
        isinstance(request.get("system"), str | list)
        or "anthropic_version" in request
        or any("input_schema" in tool for tool in schemas)
        or (isinstance(response, dict) and response.get("type") == "message")
        or any(kind in (*CALLS, *RESULTS, *REASONING) for one in messages for kind in _kinds(one))
        or any(kind in (*CALLS, *REASONING) for kind in _kinds(row))
    )


def key(row: Mapping[str, Any]) -> str:
    return ""


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Session]:
    """One a row."""
    for row in rows:
        request = _request(row)
        turns = Turns()
        turns.say("system", turns.text(request.get("system"), "system"))
        for i, message in enumerate(listed(request.get("messages"), "messages")):
            said = mapped(message, f"messages[{i}]")
            if said.get("role") not in ("user", "assistant", "system"):
                raise DataError(f"messages[{i}].role: expected user or assistant")
            blocks(turns, said["role"], said.get("content"), f"messages[{i}].content")
        response = row.get("response")
        if isinstance(response, dict):
            if response.get("type") != "error":
                blocks(turns, "assistant", response.get("content"), "response.content")
        elif response is not None:
            raise DataError(f"response: expected an object, got {type(response).__name__}")
        elif row.get("content") is not None:
            blocks(turns, "assistant", row["content"], "content")
        given = named(row, "session_id", "conversation_id")
        yield turns.session(given, _tools(request.get("tools")), times.of_row(row))


def blocks(turns: Turns, role: str, content: Any, where: str) -> None:
    """One message's content: words, calls and results, in their order; a user's results before the words."""
    if type(content) is str:
        turns.say(role, content)
        return
    if not isinstance(content, list):
        turns.say(role, turns.text(content, where))
        return
    words: list[str] = []
    between = "" if role == "assistant" else "\n"  # citations cut an answer into blocks
    for i, raw in enumerate(content):
        if type(raw) is dict and raw.get("type") == "text" and type(raw.get("text")) is str:
            words.append(raw["text"])  # most are
            continue
        place = f"{where}[{i}]"
        block = mapped(raw, place)
        kind = block.get("type")
        if kind in RESULTS:
            text = block.get("content")
            if type(text) is not str:
                text = turns.text(text, f"{place}.content")
            turns.result(block.get("tool_use_id"), text, place, is_error=block.get("is_error") is True)
        elif kind in CALLS:
            if role != "assistant":
                raise DataError(f"{place}: a call in a message that is not the assistant's")
            turns.say(role, between.join(words))
            words = []
            turns.call(block.get("id"), block.get("name"), block.get("input"), place)
        elif kind not in REASONING:
            words.append(turns.part(block, place))
    turns.say(role, between.join(words))


def _request(row: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("request", "params", "body"):
        if isinstance(row.get(key), dict):
            return row[key]  # type: ignore[no-any-return]
    return row


def _tools(raw: Any) -> list[Any] | None:
    if raw is None:
        return None
    found: list[Any] = []
    for i, one in enumerate(listed(raw, "tools")):
        tool = mapped(one, f"tools[{i}]")
        kind = tool.get("type")
        if tool.get("input_schema") is not None:
            found.append(tool)
        elif not isinstance(kind, str) or not kind.startswith(HOSTED):
            if not isinstance(tool.get("name"), str):
                raise DataError(f"tools[{i}].name: missing")
            found.append(tool["name"])
    return found


def _kinds(message: Mapping[str, Any]) -> list[Any]:
    content = message.get("content")
    found = (
        [part.get("type") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    )
    return [kind for kind in found if isinstance(kind, str)]
