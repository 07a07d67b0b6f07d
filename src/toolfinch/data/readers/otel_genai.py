"""Reads traces with OpenTelemetry's GenAI attributes (`gen_ai.*`), in every layout of spans that `otlp` knows.

Made from github.com/open-telemetry/semantic-conventions: docs/gen-ai (spans, events, the JSON schemas of
`gen_ai.input.messages`, `gen_ai.output.messages`, `gen_ai.system_instructions` and `gen_ai.tool.definitions`) at
1.37 and later, now github.com/open-telemetry/semantic-conventions-genai, and at 1.36 for the events of one message
each. Layouts:

- since 1.37: those attributes, as JSON text or structures, on the span or on its event
  `gen_ai.client.inference.operation.details`; messages have `parts` of `text`, `reasoning` (left out), `tool_call`
  and `tool_call_response`, whose result is `response`, or `result` as the convention's own examples had it;
- up to 1.36: the span's events `gen_ai.system.message`, `gen_ai.user.message`, `gen_ai.assistant.message`,
  `gen_ai.tool.message` and `gen_ai.choice`, with attributes, a body, or JSON in `gen_ai.event.content`;
- `execute_tool` spans: `gen_ai.tool.call.id`, `.arguments`, `.result`; the span's status is the result's error.

A session is a `gen_ai.conversation.id`, else a trace; a span without that id takes it from its trace only within
one batch, so a log of single spans should have it on all of them, tools' too. `steps` says how its spans become
conversations. Where spans of requests have messages, those of agents around them are left out: they hold the
first question and the last answer without the calls between.

A definition without parameters, where none of the session has any, is a name alone: recording them is opt-in.
Left out: choices but the first, records of the logs signal, `gen_ai.prompt.N`, built-in tools of a provider and
parts that are not text (both errors), and which model it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolfinch.data.readers import otlp, steps
from toolfinch.data.readers.chats import decoded, messages, text_of
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.otlp import Span, at, listed
from toolfinch.data.readers.steps import Chat, Request, Run
from toolfinch.data.readers.times import iso
from toolfinch.errors import DataError

NAME = "otel_genai"
DETAILS = "gen_ai.client.inference.operation.details"
EVENTS = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
AGENTS = ("invoke_agent", "create_agent", "invoke_workflow", "plan")


def looks_like(row: Mapping[str, Any]) -> bool:
    return otlp.convention(row) == "genai"


def key(row: Mapping[str, Any]) -> str:
    return otlp.key(row, _conversation, "gen_ai")


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Session]:
    yield from otlp.by_session([span for row in rows for span in otlp.spans(row)], _conversation, _session)


def _conversation(span: Span) -> str:
    found = at(span.attributes, "gen_ai", "conversation", "id")
    return found if isinstance(found, str) else ""


def _session(id: str, spans: list[Span]) -> list[Session]:
    requests: list[Request] = []
    agents: list[Request] = []
    runs: list[Run] = []
    for span in spans:
        said = otlp.level(at(span.attributes, "gen_ai"))
        operation = at(said, "operation", "name")
        if operation == "execute_tool":
            runs.append(_run(span, said))
        elif (request := _request(span, said)) is not None:
            (agents if operation in AGENTS else requests).append(request)
    requests = requests or agents
    if not requests:
        raise DataError(
            "no span of the session holds messages", hint="OpenTelemetry records them on request only"
        )
    if not any(_parameters(tool) for request in requests for tool in request.tools or ()):
        requests = [Request(one.sent, one.reply, _names(one.tools), one.time) for one in requests]
    return steps.conversations(id, requests, runs)


def _request(span: Span, said: Mapping[str, Any]) -> Request | None:
    """The messages of a span, None where it has none."""
    for event in span.events:
        if event.name == DETAILS:
            said = {**said, **otlp.level(at(event.attributes, "gen_ai"))}
    tools = [decoded(one) for one in listed(at(said, "tool", "definitions"))] or None
    sent, replies = decoded(at(said, "input", "messages")), decoded(at(said, "output", "messages"))
    if sent is None and replies is None:
        return _from_events(span, tools)
    instructions = decoded(at(said, "system_instructions"))
    if isinstance(instructions, list):  # parts, without a message around them
        instructions = {"role": "system", "parts": instructions}
    choices = at(said, "request", "choice", "count")
    if isinstance(replies, list) and isinstance(choices, int) and choices > 1:
        replies = replies[:1]
    return Request(
        [*messages(instructions, "system"), *messages(sent)],
        messages(replies, "assistant"),
        tools,
        iso(span.start),
    )


def _from_events(span: Span, tools: list[Any] | None) -> Request | None:
    sent: list[Chat] = []
    choices: list[dict[str, Any]] = []
    for event in span.events:
        if event.name in EVENTS:
            # authors may call themselves anything; the event says whose message it is
            sent += messages({**_body(event), "role": EVENTS[event.name]})
        elif event.name == "gen_ai.choice":
            choices.append(_body(event))
    first = next((one for one in choices if str(one.get("index", 0)) == "0"), None)
    if first is None:
        return Request(sent, (), tools, iso(span.start)) if sent else None
    given = first.get("message", first)
    inner = decoded(given)
    if isinstance(inner, dict) and {"content", "tool_calls"} & (fields := _fields(inner)).keys():
        said: Any = {"tool_calls": first.get("tool_calls"), **fields}
    elif isinstance(inner, list):
        said = {"content": inner}
    else:
        said = {"content": given if isinstance(given, str) else None, "tool_calls": first.get("tool_calls")}
    return Request(sent, messages({**said, "role": "assistant"}), tools, iso(span.start))


def _body(event: otlp.Event) -> dict[str, Any]:
    """An event's fields: its attributes, or JSON in one of them."""
    fields = otlp.level(event.attributes)
    for inner in (at(fields, "gen_ai", "event", "content"), at(fields, "event", "body"), fields.get("body")):
        if isinstance(inner := decoded(inner), dict):
            fields = {**fields, **inner}
    return _fields(fields)


def _fields(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A message's fields, its calls a list whether they are flat, JSON text or a list."""
    fields = otlp.level(raw)
    if "tool_calls" in fields:
        calls = [decoded(one) for one in listed(fields["tool_calls"])]
        fields["tool_calls"] = [otlp.level(one) if isinstance(one, dict) else one for one in calls]
    return fields


def _run(span: Span, said: Mapping[str, Any]) -> Run:
    tool = otlp.level(said.get("tool"))
    name, id = tool.get("name"), at(tool, "call", "id")
    arguments, result = decoded(at(tool, "call", "arguments")), at(tool, "call", "result")
    return Run(
        name if isinstance(name, str) else "",
        id if isinstance(id, str) else "",
        arguments if isinstance(arguments, dict) else None,
        text_of(result) if result is not None else span.error or "",
        span.error is not None,
    )


def _parameters(tool: Any) -> Any:
    function = tool.get("function", tool) if isinstance(tool, dict) else {}
    return function.get("parameters") if isinstance(function, dict) else None


def _names(tools: Sequence[Any] | None) -> list[Any] | None:
    """Definitions without parameters as names."""
    if not tools:
        return None
    functions = [tool.get("function", tool) if isinstance(tool, dict) else tool for tool in tools]
    return [one.get("name", one) if isinstance(one, dict) else one for one in functions]
