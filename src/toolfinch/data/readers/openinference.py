"""Reads traces with OpenInference's attributes (Phoenix, Arize), in every layout of spans that `otlp` knows.

Made from github.com/Arize-ai/openinference: spec/semantic_conventions.md, llm_spans.md and tool_calling.md (2026), and
the rows of Phoenix' `get_spans_dataframe` and of its REST API. Layouts: flat attributes
(`llm.input_messages.0.message.tool_calls.0.tool_call.function.name`), the same as nested objects, or lists whose
items have flat keys (`message.role`), with or without `attributes.` before the names.

A session is a `session.id`, else a trace; a span without that id takes it from its trace only within one batch.
`steps` says how its spans become conversations: LLM spans are the requests, TOOL spans (`tool.name`, `input.value`,
`output.value`, `tool.id`) the runs of tools, whose status is the result's error. Tools are `llm.tools.N.tool`:
`json_schema`, whole or only the parameters beside `name` and `description`; a name alone where that is all.

Left out: spans of other kinds, LLM spans with nothing but `input.value`, choices but the first, reasoning. Content
that is not text is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from toolfinch.data.readers import otlp, steps
from toolfinch.data.readers.chats import decoded, first, message, tool_run
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.otlp import Span, at, level, listed
from toolfinch.data.readers.steps import Chat, Request, Run
from toolfinch.data.readers.times import iso
from toolfinch.errors import DataError

NAME = "openinference"


def looks_like(row: Mapping[str, Any]) -> bool:
    return otlp.convention(row) == "openinference"


def key(row: Mapping[str, Any]) -> str:
    return otlp.key(row, _named, "session")


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Session]:
    yield from otlp.by_session([span for row in rows for span in otlp.spans(row)], _named, _session)


def _named(span: Span) -> str:
    found = at(span.attributes, "session", "id")
    return found if isinstance(found, str) else ""


def _session(id: str, spans: list[Span]) -> list[Session]:
    known: Known = {}
    requests = [request for span in spans if (request := _request(span, known)) is not None]
    if not requests:
        raise DataError("no span of the session holds messages")
    return steps.conversations(id, requests, [_run(span) for span in spans if span.kind == "TOOL"])


Known = dict[Any, Any]
"""What messages and tools of a session that are given as flat text were read as: each request repeats them."""


def _once(raw: Any, kind: str, known: Known, read: Callable[[Any], Any]) -> Any:
    """What `read` says of it."""
    if type(raw) is not dict or set(map(type, raw.values())) != {str}:  # 1 and true would be one key
        return read(raw)
    key = (kind, *raw.items())
    if (found := known.get(key)) is None:
        found = known[key] = read(raw)
    return found


def _request(span: Span, known: Known) -> Request | None:
    """The messages of an LLM span, None where it has none or is of another kind."""
    model = level(at(span.attributes, "llm"))
    if span.kind not in ("", "LLM") or not {"input_messages", "output_messages"} & model.keys():
        return None
    sent = [
        chat for one in listed(model.get("input_messages")) for chat in _once(one, "user", known, _message)
    ]
    replies = listed(model.get("output_messages"))
    parameters = decoded(model.get("invocation_parameters"))
    choices = parameters.get("n") if isinstance(parameters, dict) else None
    if isinstance(choices, int) and choices > 1:
        replies = replies[:1]
    reply = [chat for one in replies for chat in _message(one, "assistant")]
    tools = [_once(one, "tool", known, _tool) for one in listed(model.get("tools"))] or None
    return Request(sent, reply, tools, iso(span.start))


def _message(raw: Any, role: str = "user") -> list[Chat]:
    fields = level(at(raw, "message"))
    if not fields:
        raise DataError("a message that is not an object")
    out: dict[str, Any] = {name: fields[name] for name in ("role", "name", "tool_call_id") if name in fields}
    content = fields.get("content")
    if content is None and fields.get("contents") is not None:
        content = [level(at(part, "message_content")) for part in listed(fields["contents"])]
    if content is not None:
        out["content"] = content
    calls = [_call(one) for one in listed(fields.get("tool_calls"))]
    if not calls and fields.get("function_call_name") is not None:  # before tool_calls
        function = {
            "name": fields["function_call_name"],
            "arguments": fields.get("function_call_arguments_json"),
        }
        calls = [{"function": function}]
    if calls:
        out["tool_calls"] = calls
    return message(out, role)


def _call(raw: Any) -> dict[str, Any]:
    call = level(at(raw, "tool_call"))
    function = level(call.get("function"))
    arguments = function.get("arguments")
    return {"id": call.get("id"), "function": {"name": function.get("name"), "arguments": arguments}}


def _tool(raw: Any) -> Any:
    """A definition in a shape that `tool.read` knows, or a name."""
    fields = level(at(raw, "tool"))
    name = fields.get("name")
    schema = decoded(first(fields, "json_schema", "parameters"))
    if isinstance(schema, dict) and ("function" in schema or isinstance(schema.get("name"), str)):
        return schema
    if isinstance(schema, dict) and isinstance(spec := schema.get("toolSpec"), dict):  # Bedrock
        parameters = at(spec, "inputSchema", "json")
        return {"name": spec.get("name"), "description": spec.get("description"), "parameters": parameters}
    if not isinstance(name, str):
        raise DataError("a tool without a name")
    if not isinstance(schema, dict):
        return name
    return {"name": name, "description": fields.get("description"), "parameters": schema}


def _run(span: Span) -> Run:
    tool = level(at(span.attributes, "tool"))
    name = first(tool, "name") or span.name
    given = at(span.attributes, "input", "value")
    returned = at(span.attributes, "output", "value")
    run = tool_run(name if isinstance(name, str) else "", given, returned, span.error)
    id = first(tool, "id") or at(span.attributes, "tool_call", "id")
    if not isinstance(id, str):
        return run
    return Run(run.name, id, run.arguments, run.result, run.is_error)
