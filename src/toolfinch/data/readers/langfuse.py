"""Reads Langfuse observations: exports to blob storage, answers of the API, and traces with their observations.

Made from langfuse.com/docs (Blob storage export field reference; Query data via API; Export from UI) and
github.com/langfuse/langfuse (packages/shared: the observation schema, and how tool definitions and calls are
taken out of inputs and outputs), 2026. Layouts, a JSON object a line:

- an observation, its keys in snake case (`observations_v2/` and the older `observations/`, whose rows have no
  `session_id`) or in camel case (API v1 and v2, the JSON export of the observations table);
- a trace with its `observations` (`GET /traces/{id}`), or `{"trace": …, "observations": […]}` (its download).

`input` and `output` are JSON text or structures, in any shape that `chats` reads; `output` may be plain text. The
tools are those among the input, else `tool_definitions`; the calls those of the output, else `tool_calls` with
`tool_call_names`.

A session is a `session_id`, else a trace. `steps` says how its observations become conversations: those of type
GENERATION are the requests; TOOL the runs of tools, and SPAN those whose name and input are a call's, since
older SDKs have no TOOL. Level ERROR is the result's error. An observation that comes again is an update.

Left out: the table of traces alone (its input and output hide the calls), other types, scores, CSV.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolfinch.data.readers import steps
from toolfinch.data.readers.chats import (
    decoded,
    first,
    messages,
    reply,
    request_tools,
    sent_messages,
    tool_run,
)
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.steps import Request, Run
from toolfinch.data.readers.times import iso
from toolfinch.errors import DataError

NAME = "langfuse"
TYPES = (
    "GENERATION",
    "SPAN",
    "EVENT",
    "TOOL",
    "AGENT",
    "CHAIN",
    "RETRIEVER",
    "EVALUATOR",
    "EMBEDDING",
    "GUARDRAIL",
)


def looks_like(row: Mapping[str, Any]) -> bool:
    inner = row.get("observations")
    if isinstance(inner, list) and inner:
        return all(isinstance(one, dict) and _is_observation(one) for one in inner)
    return _is_observation(row)


def _is_observation(row: Mapping[str, Any]) -> bool:
    return row.get("type") in TYPES and isinstance(first(row, "trace_id", "traceId"), str)


def key(row: Mapping[str, Any]) -> str:
    trace = row.get("trace")
    for one in (row, trace if isinstance(trace, dict) else {}):
        if session := first(one, "session_id", "sessionId"):
            return str(session) if isinstance(session, str | int) else ""
    for one in _observations(row):
        if id := first(one, "trace_id", "traceId"):
            return str(id) if isinstance(id, str | int) else ""
    return ""


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Session]:
    with steps.guarded():
        return _session(rows)


def _observations(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    inner = row.get("observations")
    if inner is None:
        return [row]
    return [one for one in inner if isinstance(one, dict)] if isinstance(inner, list) else []


def _session(rows: Sequence[Mapping[str, Any]]) -> list[Session]:
    observations = steps.in_order(
        [
            (str(first(one, "id") or ""), steps.moment(first(one, "start_time", "startTime")), one)
            for row in rows
            for one in _observations(row)
        ]
    )
    requests: list[Request] = []
    runs: list[Run] = []
    for one in observations:
        match one.get("type"):
            case "GENERATION":
                requests.append(_request(one))
            case "TOOL" | "SPAN":
                run = _run(one)
                if one["type"] == "TOOL" or run.arguments is not None:
                    runs.append(run)
    if not requests:
        raise DataError("no observation of the session is of the type GENERATION")
    found = steps.conversations(key(rows[0]), requests, runs)
    if not found:
        raise DataError("no observation of the session holds messages")
    return found


def _request(one: Mapping[str, Any]) -> Request:
    given = decoded(one.get("input"))
    answer = reply(one.get("output"))
    calls = _calls(one)
    if calls and not any(said.get("tool_calls") for said in answer):
        answer += messages({"role": "assistant", "content": None, "tool_calls": calls})
    time = iso(first(one, "start_time", "startTime"))
    return Request(sent_messages(given), answer, request_tools(given) or _definitions(one), time)


def _calls(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`tool_calls`, of which each is JSON text, with the names in a list of their own."""
    raw = decoded(first(one, "tool_calls", "toolCalls")) or []
    names = decoded(first(one, "tool_call_names", "toolCallNames")) or []
    if not isinstance(raw, list) or not isinstance(names, list):
        raise DataError("tool_calls or tool_call_names that are not a list")
    calls = []
    for i, call in enumerate(raw):
        call = decoded(call)
        if not isinstance(call, dict):
            raise DataError("a call that is not an object")
        calls.append({**({"name": names[i]} if i < len(names) else {}), **call})
    return calls


def _definitions(one: Mapping[str, Any]) -> list[Any] | None:
    """`tool_definitions`: by name, JSON text of description and parameters, the latter JSON text again."""
    raw = decoded(first(one, "tool_definitions", "toolDefinitions"))
    if isinstance(raw, list):
        return [decoded(tool) for tool in raw] or None
    if not isinstance(raw, dict):
        return None
    tools: list[Any] = []
    for name, text in raw.items():
        fields = decoded(text)
        if not isinstance(fields, dict):
            tools.append(name)
            continue
        parameters = decoded(fields.get("parameters")) or None
        tools.append({"name": name, "description": fields.get("description"), "parameters": parameters})
    return tools or None


def _run(one: Mapping[str, Any]) -> Run:
    failed = one.get("level") == "ERROR"
    why = first(one, "status_message", "statusMessage")
    name = one.get("name")
    error = (why if isinstance(why, str) else "") if failed else None
    return tool_run(name if isinstance(name, str) else "", one.get("input"), one.get("output"), error)
