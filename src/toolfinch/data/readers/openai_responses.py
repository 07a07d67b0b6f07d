"""OpenAI Responses requests and responses, one exchange a row.

    {"instructions", "input": text or [items], "tools": [{"type": "function", "name", "parameters"}],
     "previous_response_id", "response": {"object": "response", "id", "output": [items]}}

The request may stand under `request` or `body` (a batch), the response under `response`, `response.body`, or as
`output` beside the input. Items that are read: `message`; `function_call` and `function_call_output`, joined by
`call_id`; the caller's own `local_shell_call`, `shell_call`, `apply_patch_call` and `custom_tool_call` with their
outputs, as calls of `local_shell`, `shell`, `apply_patch` and the custom tool's name (its text is the argument
`input`); `mcp_call`, which holds its result; `item_reference` to an item that the log holds.

A row with `previous_response_id`, or with the `conversation` of an earlier row, goes on where that one ended; its
instructions and tools are those of the last row that gives any. Only what nothing continues is a session. Where
the log does not hold the earlier response, the history is at the provider alone: an error. Rows that name no
session, no conversation and no earlier response may be continued by any other, so they share one key (and are held in
memory together), unless `store` is false.

Left out: `reasoning` items, approvals and lists of MCP tools, `tool_choice` and sampling parameters, a `prompt`
that is kept at the provider, the tools that run there (a session in which one ran is an error, as is one with an
image or a file), and streams of events.

The API is described at https://platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from toolfinch.data.readers import times
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.turns import Turns, as_json, listed, mapped, named, readable
from toolfinch.errors import DataError

NAME = "openai_responses"
SILENT = ("reasoning", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "ghost_snapshot")
CALLER = {
    "local_shell_call": ("local_shell", "action"),
    "shell_call": ("shell", "action"),
    "apply_patch_call": ("apply_patch", "operation"),
}
"""The calls with a type of their own: the tool's name, and what holds its arguments."""
OUTPUTS = ("function_call_output", "custom_tool_call_output", *(f"{kind}_output" for kind in CALLER))
ITEMS = ("function_call", "custom_tool_call", "mcp_call", "item_reference", *CALLER, *OUTPUTS, *SILENT)
_OTHERS = ("messages", "traceId", "trace_id", "run_type", "attributes", "payload", "jsonrpc", "conversations")
"""Keys of the formats that have an `input` or an `output`, too."""


def looks_like(row: Mapping[str, Any]) -> bool:
    """By `object: response`, by items of calls and results, or by `input` beside what only this API has."""
    request, response = _exchange(row)
    if any(key in row or key in request for key in _OTHERS):
        return False
    if response.get("object") == "response":
        return True
    given, output = request.get("input"), response.get("output")
    known = [one for one in (given, output) if isinstance(one, list) and one and all(map(_is_item, one))]
    if any(item.get("type") in ITEMS for items in known for item in items):
        return True
    if isinstance(given, str) or given in known:
        own = "instructions" in request or "previous_response_id" in request
        return own or output in known or (given in known and isinstance(request.get("model"), str))
    return False


def key(row: Mapping[str, Any]) -> str:
    """The session's or conversation's name; else one for all that may be continued, and none for what may not."""
    request, response = _exchange(row)
    if found := named(row, "session_id", "conversation_id") or _conversation(request, response):
        return found
    kept = _said("store", request, response) is not False and named(response, "id")
    return NAME if kept or _said("previous_response_id", request, response) is not None else ""


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterator[Session]:
    """One for every row that no other continues. What is wrong with one is raised after those that can be read."""
    links = _links(rows)
    written = cache(lambda: _written(rows))
    inner = set(links.values())

    def told(place: int) -> Session:
        return _session([rows[one] for one in _chain(links, place)], written)

    parts = (partial(told, place) for place in links if place not in inner)
    yield from readable(parts, "previous_response_id: responses that continue each other")


def item(turns: Turns, raw: Any, where: str) -> None:
    """Tell one item of an input or an output, which are also what Codex logs."""
    one = mapped(raw, where)
    kind = one.get("type", "message" if "role" in one else None)
    if not isinstance(kind, str):
        raise DataError(f"{where}.type: expected text")
    id = one.get("call_id") or one.get("id")
    if kind == "message":
        role = one.get("role")
        if role not in ("system", "developer", "user", "assistant"):
            raise DataError(f"{where}.role: expected user, assistant, system or developer")
        text = one.get("content")
        if type(text) is not str:
            text = turns.text(text, f"{where}.content", between="")
        turns.say("system" if role == "developer" else role, text)
    elif kind == "function_call":
        turns.call(id, one.get("name"), one.get("arguments"), where)
    elif kind == "custom_tool_call":
        if not isinstance(one.get("input"), str):
            raise DataError(f"{where}.input: expected text")
        turns.call(id, one.get("name"), {"input": one["input"]}, where)
    elif kind in CALLER:
        name, holder = CALLER[kind]
        arguments = mapped(one.get(holder), f"{where}.{holder}")
        silent = ("type",) if kind != "apply_patch_call" else ()  # whose type says what is done
        arguments = {
            key: given for key, given in arguments.items() if key not in silent and given is not None
        }
        turns.call(id, name, arguments, where)
    elif kind == "mcp_call":
        known = turns.call(one.get("id"), one.get("name"), one.get("arguments"), where)
        output, error = one.get("output"), one.get("error")
        if output is not None or error is not None:
            text, _ = _output(turns, output if error is None else error, where)
            turns.result(known, text, where, is_error=error is not None)
    elif kind in OUTPUTS:
        text, failed = one.get("output"), False
        if type(text) is not str:
            text, failed = _output(turns, text, f"{where}.output")
        turns.result(id, text, where, is_error=failed or one.get("status") == "failed")
    elif kind not in SILENT:
        turns.unread(kind, where)


def _session(rows: Sequence[Mapping[str, Any]], written: Callable[[], Mapping[str, Any]]) -> Session:
    """The exchanges of one session, in their order; `written` gives the items of all outputs of the log, by id."""
    turns = Turns()
    told: list[tuple[Any, str]] = []
    instructions: Any = None
    tools: list[Any] | None = None
    for row in rows:
        request, response = _exchange(row)
        given = request.get("input")
        if isinstance(given, str):
            given = [{"role": "user", "content": given}]
        elif given is None:
            raise DataError("input: missing")
        told += [(one, f"input[{i}]") for i, one in enumerate(listed(given, "input"))]
        told += [(one, f"output[{i}]") for i, one in enumerate(listed(response.get("output"), "output"))]
        instructions = _said("instructions", request, response) or instructions
        tools = _tools(_said("tools", request, response)) or tools
    if isinstance(instructions, list):
        told = [*((one, f"instructions[{i}]") for i, one in enumerate(instructions)), *told]
    else:
        turns.say("system", turns.text(instructions, "instructions"))
    for one, where in told:
        if isinstance(one, dict) and one.get("type") == "item_reference":
            one = written().get(named(one, "id"))
            if one is None:
                raise DataError(f"{where}: refers to an item that the log does not hold")
        item(turns, one, where)
    request, response = _exchange(rows[-1])
    name = named(rows[-1], "session_id", "conversation_id") or _conversation(request, response)
    return turns.session(name, tools, next(filter(None, map(_time, rows)), ""))


def _time(row: Mapping[str, Any]) -> str:
    return times.iso(_exchange(row)[1].get("created_at")) or times.of_row(row)


def _written(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    outputs = [_exchange(row)[1].get("output") for row in rows]
    items = [one for output in outputs if isinstance(output, list) for one in output]
    return {named(one, "id"): one for one in items if isinstance(one, dict)}


def _links(rows: Sequence[Mapping[str, Any]]) -> dict[int, int | None]:
    """By the place of a row, that of the row it continues: None for none, -1 if the log does not hold it.

    Of rows about the same response only the last is here.
    """
    ids = [named(_exchange(row)[1], "id") for row in rows]
    places = {id: place for place, id in enumerate(ids) if id}
    spoken: dict[str, int] = {}  # the last row of each conversation
    links: dict[int, int | None] = {}
    for place, row in enumerate(rows):
        if ids[place] and places[ids[place]] != place:
            continue
        request, response = _exchange(row)
        previous = _said("previous_response_id", request, response)
        conversation = _conversation(request, response)
        if previous is not None:
            links[place] = places.get(previous, -1) if isinstance(previous, str) else -1
        else:
            links[place] = spoken.get(conversation) if conversation else None
        spoken[conversation] = place
    return links


def _chain(links: Mapping[int, int | None], last: int) -> list[int]:
    """The rows of a session, the first one first."""
    chain = [last]
    while (above := links[chain[-1]]) is not None:
        if above < 0:
            raise DataError("previous_response_id: the log does not hold that response")
        if len(chain) > len(links):
            raise DataError("previous_response_id: responses that continue each other")
        chain.append(above)
    return chain[::-1]


def _exchange(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The request and the response of a row, wherever it has them; empty where it has none."""
    request: Any = row
    for key in ("request", "body"):
        if isinstance(row.get(key), dict):
            request = row[key]
    response: Any = row.get("response")
    if isinstance(response, dict) and isinstance(response.get("body"), dict):
        response = response["body"]
    if not isinstance(response, dict):
        response = row if "output" in row or row.get("object") == "response" else {}
    return request, response


def _said(key: str, request: Mapping[str, Any], response: Mapping[str, Any]) -> Any:
    """What a request says; a response repeats it."""
    return request[key] if request.get(key) is not None else response.get(key)


def _conversation(request: Mapping[str, Any], response: Mapping[str, Any]) -> str:
    said = _said("conversation", request, response)
    return named(said, "id") if isinstance(said, dict) else said if isinstance(said, str) else ""


def _output(turns: Turns, output: Any, where: str) -> tuple[str, bool]:
    """A result's text, and whether it says that it failed."""
    if isinstance(output, str):
        return output, False
    if isinstance(output, dict):
        text = output.get("content")
        if not isinstance(text, str | list):
            text = as_json(output, where)
        return turns.text(text, where, between=""), output.get("success") is False
    if isinstance(output, list) and not all(isinstance(one, dict) and "type" in one for one in output):
        return as_json(output, where), False
    return turns.text(output, where, between=""), False


def _tools(raw: Any) -> list[Any]:
    """The tools that the caller runs."""
    found: list[Any] = []
    for i, one in enumerate(listed(raw, "tools")):
        tool = mapped(one, f"tools[{i}]")
        kind = tool.get("type")
        if kind == "function":
            found.append(tool)
        elif kind == "custom":
            text = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
            found.append(
                {"name": tool.get("name"), "description": tool.get("description"), "parameters": text}
            )
        elif kind == "namespace":
            found += _tools(tool.get("tools"))
        elif isinstance(kind, str) and f"{kind}_call" in CALLER:
            found.append(kind)
    return found


def _is_item(raw: Any) -> bool:
    return isinstance(raw, dict) and (raw.get("type") in (*ITEMS, "message") or "role" in raw)
