"""Reads LangSmith runs: exports to blob storage, answers of the API, what `Client.list_runs` gives as JSON.

Made from docs.langchain.com/langsmith (Run data format; Threads) and langchain-core's serialisation of messages
(`dumpd`: `{"lc": 1, "type": "constructor", "id": […, "AIMessage"], "kwargs": {…}}`), 2026. A run a line: `id`,
`trace_id`, `dotted_order`, `run_type`, `inputs`, `outputs`, `error`, `extra`; the last three and the inputs may be
JSON text. Messages are serialised by LangChain or in any other shape that `chats` reads, the calls in `tool_calls`
or `additional_kwargs`; tools are in `extra.invocation_params` or beside the messages.

A session is the thread that the run's metadata name (`thread_id`, `session_id`, `conversation_id`), else a trace.
LangSmith puts them on every run of a trace only if asked, and a run without them counts to its trace alone. The
run's own `session_id` is the project: never read. `steps` says how its runs become conversations: those of type
`llm` are the requests, those of type `tool` the runs of tools; `error`, or a ToolMessage whose status is `error`, is
the result's error. Where a session has no `llm` run (an export of root runs) its chains with messages are the
requests. A run that comes again is an update.

Left out: other types of runs, token streams (`events`), choices but the first, attachments, feedback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from toolfinch.data.readers import steps
from toolfinch.data.readers.chats import decoded, first, reply, request_tools, sent_messages, tool_run
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.steps import Request, Run
from toolfinch.data.readers.times import iso
from toolfinch.errors import DataError

NAME = "langsmith"


def looks_like(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("run_type"), str) and "inputs" in row and ("id" in row or "trace_id" in row)


def key(row: Mapping[str, Any]) -> str:
    thread = first(_metadata(row), "thread_id", "session_id", "conversation_id")
    if isinstance(thread, str | int) and thread:
        return str(thread)
    order = row.get("dotted_order")
    root = order.partition(".")[0].partition("Z")[2] if isinstance(order, str) else ""
    found = first(row, "thread_id", "trace_id") or root or row.get("id")
    return found if isinstance(found, str) else ""


def _metadata(row: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        with steps.guarded():
            extra = decoded(row.get("extra"))
            found = decoded(
                (extra.get("metadata") if isinstance(extra, dict) else None) or row.get("metadata")
            )
    except DataError:  # nested too deeply; `sessions` says so
        return {}
    return found if isinstance(found, dict) else {}


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Session]:
    with steps.guarded():
        return _session(rows)


def _session(rows: Sequence[Mapping[str, Any]]) -> list[Session]:
    ordered = steps.in_order([(str(first(row, "id") or ""), _start(row), row) for row in rows])
    requests = [_request(row) for row in ordered if row.get("run_type") == "llm"]
    if not requests:
        requests = [_request(row) for row in ordered if row.get("run_type") == "chain" and _has_messages(row)]
    if not requests:
        raise DataError("no run of the session is of the type llm, or a chain with messages")
    runs = [_run(row) for row in ordered if row.get("run_type") == "tool"]
    found = steps.conversations(key(rows[0]), requests, runs)
    if not found:
        raise DataError("no run of the session holds messages")
    return found


def _start(row: Mapping[str, Any]) -> int | None:
    """The run's own time: the last of its dotted order where it has no other."""
    if (time := steps.moment(row.get("start_time"))) is not None:
        return time
    order = row.get("dotted_order")
    text = order.rpartition(".")[2].partition("Z")[0] if isinstance(order, str) else ""
    try:
        return steps.moment(datetime.strptime(text, "%Y%m%dT%H%M%S%f").isoformat())
    except ValueError:
        return None


def _has_messages(row: Mapping[str, Any]) -> bool:
    inputs, outputs = decoded(row.get("inputs")), decoded(row.get("outputs"))
    return all(isinstance(one, dict) and isinstance(one.get("messages"), list) for one in (inputs, outputs))


def _request(row: Mapping[str, Any]) -> Request:
    inputs, extra = decoded(row.get("inputs")), decoded(row.get("extra"))
    parameters = extra.get("invocation_params") if isinstance(extra, dict) else None
    tools = request_tools(parameters) if isinstance(parameters, dict) else None
    return Request(
        sent_messages(inputs), reply(row.get("outputs")), tools or request_tools(inputs), iso(_start(row))
    )


def _run(row: Mapping[str, Any]) -> Run:
    error, name = row.get("error"), row.get("name")
    why = error if isinstance(error, str) and error else None
    return tool_run(name if isinstance(name, str) else "", row.get("inputs"), row.get("outputs"), why)
