"""`Telemetry`: a span for each request, by OpenTelemetry's conventions for generative AI (`gen_ai.*`).

Made from github.com/open-telemetry/semantic-conventions-genai: inference spans, at 1.37 and later. On only where an
exporter is configured by OpenTelemetry's own environment variables. What was said is recorded only where
`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` asks for it, on the span. Left out: metrics of the convention
(`/metrics` has ours), and events.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from toolfinch.caller import Reply
from toolfinch.errors import MissingDependency, ToolfinchError
from toolfinch.message import Message
from toolfinch.serve.answer import total
from toolfinch.tool import to_openai

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from toolfinch.serve.wire import Request

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
PROVIDER = "toolfinch"


class Telemetry:
    """Where spans go to."""

    def __init__(self, provider: TracerProvider, *, capture: bool | None = None) -> None:
        """`capture`: whether messages are recorded; by default what the environment says."""
        self._provider = provider
        self._tracer = provider.get_tracer("toolfinch.serve")
        said = os.environ.get(CAPTURE, "").lower()
        self._capture = said in ("true", "span_only", "span_and_event") if capture is None else capture

    def begin(self, request: Request, model: str, traceparent: str) -> Span:
        """A span below the client's own, where it sent the id of one."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        decoding = request.decoding
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": model,
            "gen_ai.request.max_tokens": decoding.max_tokens,
            "gen_ai.request.temperature": decoding.temperature,
            "gen_ai.request.seed": decoding.seed,
            "gen_ai.output.type": "text" if decoding.response_schema is None else "json",
        }
        if decoding.stop:
            attributes["gen_ai.request.stop_sequences"] = list(decoding.stop)
        if request.n > 1:
            attributes["gen_ai.request.choice.count"] = request.n
        if self._capture:
            attributes |= _said(request)
        context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        span = self._tracer.start_span(f"chat {model}", context, kind=SpanKind.SERVER, attributes=attributes)
        return Span(span, model, capture=self._capture)

    def close(self) -> None:
        """Send what is not sent yet."""
        self._provider.shutdown()


class Span:
    """One request's."""

    def __init__(self, span: Any, model: str, *, capture: bool) -> None:
        self._span = span
        self._model = model
        self._capture = capture

    def fail(self, error: BaseException) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", type(error).__name__)
        # Only our own errors are known to quote nobody.
        self._span.set_status(StatusCode.ERROR, str(error) if isinstance(error, ToolfinchError) else None)

    def end(self, replies: Sequence[Reply]) -> None:
        if replies:
            usage = total(replies)
            self._span.set_attributes(
                {
                    "gen_ai.response.model": self._model,
                    "gen_ai.response.finish_reasons": [_finish(reply) for reply in replies],
                    "gen_ai.usage.input_tokens": usage.prompt_tokens,
                    "gen_ai.usage.output_tokens": usage.completion_tokens,
                    "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
                }
            )
        if replies and self._capture:
            said = [{**_message(one.message), "finish_reason": _finish(one)} for one in replies]
            self._span.set_attribute("gen_ai.output.messages", _json(said))
        self._span.end()


def configured() -> Telemetry | None:
    """By the environment; None where it names no exporter.

    Raises MissingDependency where it does and OpenTelemetry's SDK is not installed.
    """
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    named = [name for name in ENDPOINTS if os.environ.get(name)]
    if off or not named or os.environ.get("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingDependency(
            f"{named[0]} is set, and sending spans needs {error.name}",
            hint="pip install 'toolfinch[telemetry]'",
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME", "toolfinch")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Telemetry(provider)


def _finish(reply: Reply) -> str:
    return "tool_call" if reply.stop == "tool_calls" else reply.stop


def _said(request: Request) -> dict[str, str]:
    system = [message for message in request.messages if message.role == "system"]
    rest = [message for message in request.messages if message.role != "system"]
    said = {"gen_ai.input.messages": _json([_message(message) for message in rest])}
    if system:
        said["gen_ai.system_instructions"] = _json([_text(message.content) for message in system])
    if request.tools:
        tools = [{"type": "function", **to_openai(tool)["function"]} for tool in request.tools]
        said["gen_ai.tool.definitions"] = _json(tools)
    return said


def _message(message: Message) -> dict[str, Any]:
    result = message.result
    if result is not None:
        part = {"type": "tool_call_response", "id": result.call_id, "response": result.content}
        return {"role": "tool", "parts": [part]}
    parts = [_text(message.content)] if message.content else []
    parts += [
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
        for call in message.calls
    ]
    return {"role": message.role, "parts": parts}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "content": text}


def _json(data: Any) -> str:
    return msgspec.json.encode(data).decode()
