"""Spans of OpenTelemetry as files hold them: what `otel_genai` and `openinference` have in common.

A row is an OTLP/JSON batch (`resourceSpans`), one OTLP span, what an SDK's console exporter writes, or a row of a
Phoenix data frame (`context.trace_id`, `attributes.…`). Attributes are lists of OTLP keys and values, or objects
that are nested, flat (`a.b.0.c`) or a mixture; they are opened a level at a time, so that keys inside a value (a
schema, arguments) stay as they are. Left out: protobuf, links, and records of the logs signal (`resourceLogs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from toolfinch.data.readers import steps
from toolfinch.data.readers.chats import decoded, first
from toolfinch.data.readers.format import Session
from toolfinch.errors import DataError

Convention = Literal["", "genai", "openinference"]


class Event(msgspec.Struct, frozen=True):
    name: str
    attributes: Mapping[str, Any]


class Span(msgspec.Struct, frozen=True):
    """What is the same in every layout."""

    trace: str
    id: str
    name: str
    kind: str
    """OpenInference's, in capitals; empty where it has none."""
    start: int | None
    attributes: Mapping[str, Any]
    """Opened by one level."""
    events: tuple[Event, ...] = ()
    error: str | None = None
    """Why it failed, which may be empty; None where it did not."""


def spans(row: Mapping[str, Any], heads: tuple[str, ...] = ()) -> list[Span]:
    """The spans of a row, with no attributes but those whose names begin so. Raises DataError."""
    with steps.guarded():
        batches = first(row, "resourceSpans", "resource_spans")
        if batches is None:
            return [_span(row, heads)]
        return [
            _span(one, heads)
            for batch in _objects(batches)
            for scope in _objects(first(batch, "scopeSpans", "scope_spans"))
            for one in _objects(scope.get("spans"))
        ]


def convention(row: Mapping[str, Any]) -> Convention:
    """Whose attributes a row's spans have; OpenInference's where they have both."""
    if not any(key in row for key in ("resourceSpans", "resource_spans", "attributes", "events")) and not any(
        isinstance(key, str) and key.startswith("attributes.") for key in row
    ):
        return ""
    try:
        found = spans(row)
    except DataError:
        return ""
    if any(span.kind or _has_messages(span) for span in found):
        return "openinference"
    return "genai" if any(_is_genai(span) for span in found) else ""


def _has_messages(span: Span) -> bool:
    model = level(at(span.attributes, "llm"))
    return any(key in model for key in ("input_messages", "output_messages"))


def _is_genai(span: Span) -> bool:
    return "gen_ai" in span.attributes or any(one.name.startswith("gen_ai.") for one in span.events)


def by_session(
    found: Sequence[Span], named: Callable[[Span], str], build: Callable[[str, list[Span]], list[Session]]
) -> Iterator[Session]:
    """The sessions that `build` makes of the spans of each; `named` gives the id that a span says.

    A span without one is of the session of its trace, and a trace without one is a session. One that cannot be
    read does not keep the others back: the first error is raised after them.
    """
    failed: DataError | None = None
    for id, group in _grouped(found, named).items():
        ordered = steps.in_order([(span.id, span.start, span) for span in group])
        try:
            with steps.guarded():
                made = build(id, ordered)
        except DataError as error:
            failed = failed or error
        else:
            yield from made
    if failed is not None:
        raise failed


def key(row: Mapping[str, Any], named: Callable[[Span], str], *heads: str) -> str:
    """The one session of a row's spans; empty where there are several, or none can be read.

    `heads` are the first parts of the attributes that `named` looks at.
    """
    try:
        groups = _grouped(spans(row, heads), named)
    except DataError:
        return ""
    return next(iter(groups)) if len(groups) == 1 else ""


def _grouped(found: Sequence[Span], named: Callable[[Span], str]) -> dict[str, list[Span]]:
    of_trace = {span.trace: id for span in found if span.trace and (id := named(span))}
    groups: dict[str, list[Span]] = {}
    for span in found:
        groups.setdefault(named(span) or of_trace.get(span.trace, span.trace), []).append(span)
    return groups


def level(raw: Any) -> dict[str, Any]:
    """One level of an object whose keys may be paths: `{"a.b": 1, "a.c": 2}` is `{"a": {"b": 1, "c": 2}}`."""
    out: dict[str, Any] = {}
    opened: dict[str, dict[str, Any]] = {}
    last, inner = "", out
    for path, value in raw.items() if isinstance(raw, dict) else ():
        head, rest = _cut(path) if len(path) < 200 else _cut.__wrapped__(path)
        if rest is not None:
            if head is not last:  # most stand together
                found = opened.get(head)
                if found is None:
                    found = dict(out[head]) if isinstance(out.get(head), dict) else {}
                    opened[head] = out[head] = found
                last, inner = head, found
            inner[rest] = value
        elif path in opened and isinstance(value, dict):
            opened[path].update(value)
        elif value is not None and path not in out:
            out[path] = value
    return out


@lru_cache(maxsize=1 << 14)
def _cut(path: str) -> tuple[str, str | None]:
    """A path's first name and what follows it. A trace has the same few in every row."""
    head, dot, rest = path.partition(".")
    return head, rest if dot else None


def at(raw: Any, *path: str) -> Any:
    """What stands at a path, whether nested or flat; None if nothing does."""
    for name in path:
        if not isinstance(raw, dict):
            return None
        found, start = raw.get(name), f"{name}."
        if dotted := {key[len(start) :]: one for key, one in raw.items() if key.startswith(start)}:
            found = {**found, **dotted} if isinstance(found, dict) else dotted
        raw = found
    return raw


def listed(raw: Any) -> list[Any]:
    """A list, from a list, from JSON text or from an object with the places as keys: `{"0.a": …, "1.a": …}`."""
    raw = decoded(raw)
    if raw is None:
        return []
    if isinstance(raw, list):
        return raw
    if not isinstance(raw, dict):
        raise DataError("an attribute that should be a list is none")
    items = level(raw)
    if not all(name.isdecimal() and len(name) < 10 for name in items):
        raise DataError("an attribute that should be a list has keys that are no places")
    return [items[name] for name in sorted(items, key=int)]


def _objects(raw: Any) -> list[Mapping[str, Any]]:
    raw = [] if raw is None else raw
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise DataError("a batch that is not resourceSpans, scopeSpans and spans")
    return raw


def _span(row: Mapping[str, Any], heads: tuple[str, ...] = ()) -> Span:
    context = row.get("context")
    if context is None:  # a data frame's
        context = {"trace_id": row.get("context.trace_id"), "span_id": row.get("context.span_id")}
    given = _attributes(row.get("attributes"))
    given |= {name[11:]: one for name, one in row.items() if name.startswith("attributes.")}
    if heads:
        given = {name: one for name, one in given.items() if name.startswith(heads)}
    attributes = level(given)  # once: there may be thousands
    events = tuple(
        Event(_text(event.get("name")), _attributes(_with_body(event)))
        for event in _events(decoded(row.get("events")))
    )
    kind = _text(at(attributes, "openinference", "span", "kind") or row.get("span_kind")).upper()
    return Span(
        trace=_text(first(row, "traceId", "trace_id") or at(context, "trace_id")),
        id=_text(first(row, "spanId", "span_id") or at(context, "span_id") or row.get("id")),
        name=_text(row.get("name")),
        kind=kind if kind in KINDS else "",
        start=steps.moment(
            first(row, "startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime", "timestamp")
        ),
        attributes=attributes,
        events=events,
        error=_error(row, attributes, events),
    )


KINDS = (
    "LLM",
    "TOOL",
    "CHAIN",
    "AGENT",
    "RETRIEVER",
    "EMBEDDING",
    "RERANKER",
    "GUARDRAIL",
    "EVALUATOR",
    "PROMPT",
    "DECISION",
    "UNKNOWN",
)
"""OpenInference's kinds of spans; OpenTelemetry's own (CLIENT, INTERNAL) are others."""


def _events(raw: Any) -> list[Mapping[str, Any]]:
    if raw is None:
        return []
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise DataError("events that are not a list of objects")
    return raw


def _with_body(event: Mapping[str, Any]) -> Any:
    """An event's attributes; its body where it has one and they are empty."""
    return event.get("attributes") or value(event.get("body"))


def _attributes(raw: Any) -> dict[str, Any]:
    raw = decoded(raw)
    if raw is None:
        return {}
    if isinstance(raw, list):
        return _pairs(raw)
    if not isinstance(raw, dict):
        raise DataError("attributes that are neither an object nor a list of keys and values")
    return {name: one for name, one in raw.items() if one is not None}


def _pairs(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, list):
        raise DataError("keys and values that are not a list")
    out = {}
    for pair in raw:
        if not isinstance(pair, dict) or not isinstance(pair.get("key"), str):
            raise DataError("a key and value that has no key")
        if (read := value(pair.get("value"))) is not None:
            out[pair["key"]] = read
    return out


_VALUES = ("string", "int", "double", "bool", "bytes", "array", "kvlist")


def value(raw: Any) -> Any:
    """An OTLP value (`{"stringValue": …}`), or what is none as it is. Integers are text in OTLP/JSON."""
    if not isinstance(raw, dict) or len(raw) != 1:
        return raw
    [(name, inner)] = raw.items()
    kind = str(name).removesuffix("Value").removesuffix("_value")
    if kind == name or kind not in _VALUES:
        return raw
    if kind == "array":
        items = inner.get("values") or [] if isinstance(inner, dict) else None
        if not isinstance(items, list):
            raise DataError("an array value that is not a list")
        return [value(one) for one in items]
    if kind == "kvlist":
        return _pairs(inner.get("values") or [] if isinstance(inner, dict) else None)
    if kind == "int" and isinstance(inner, str) and inner.lstrip("-").isdecimal() and len(inner) < 30:
        return int(inner)
    return inner


def _error(row: Mapping[str, Any], attributes: Mapping[str, Any], events: Sequence[Event]) -> str | None:
    """Status 2 or ERROR, or `error.type`; the reason is the status's, or the exception's."""
    status = row.get("status")
    code, why = first(row, "status_code"), first(row, "status_message")
    if isinstance(status, dict):
        code, why = first(status, "code", "status_code"), first(status, "message", "description")
    elif status is not None:
        code = status
    failed = code == 2 or (isinstance(code, str) and code.upper().rpartition(".")[2].endswith("ERROR"))
    if not failed and at(attributes, "error", "type") is None:
        return None
    raised = (at(event.attributes, "exception", "message") for event in events if event.name == "exception")
    return _text(why) or _text(next(raised, None)) or _text(at(attributes, "error", "message"))


def _text(raw: Any) -> str:
    return str(raw) if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
