"""Would break: spans that no tool for generative AI reads, that quote somebody unasked, or that come out of nowhere."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from test_serve import OPENAI_TOOLS, Failing, Replay
from toolfinch.data.readers import log
from toolfinch.errors import ToolfinchError
from toolfinch.message import ToolCall, assistant
from toolfinch.serve import telemetry
from toolfinch.serve.run import background
from toolfinch.serve.telemetry import Telemetry

trace = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

HTTP = httpx.Client(timeout=60, headers={"Connection": "close"})
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CALL = assistant("On it.", ToolCall("set_alarm", {"at": "07:30"}))
BODY = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Wake me"}],
    "tools": OPENAI_TOOLS,
    "seed": 4,
    "max_tokens": 50,
    "stop": ["x"],
}


def spans(caller: Any, *, capture: bool, n: int = 1, stream: bool = False) -> Any:
    """The spans of one request."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider, kept = trace.TracerProvider(), export.InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with background(caller, telemetry=Telemetry(provider, capture=capture)) as url:
        body = {**BODY, "n": n, "stream": stream}
        HTTP.post(f"{url}/chat/completions", json=body, headers={"traceparent": PARENT})
    return kept.get_finished_spans()


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_a_span_of_the_convention_below_the_clients(stream: bool) -> None:
    (span,) = spans(Replay(CALL), capture=False, n=2, stream=stream)
    assert span.name == "chat replay"
    assert f"{span.parent.span_id:016x}" == PARENT.split("-")[2]
    found = dict(span.attributes)
    assert found.pop("gen_ai.usage.output_tokens") > 0
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "toolfinch",
        "gen_ai.request.model": "replay",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.seed": 4,
        "gen_ai.request.stop_sequences": ("x",),
        "gen_ai.request.choice.count": 2,
        "gen_ai.output.type": "text",
        "gen_ai.response.model": "replay",
        "gen_ai.response.finish_reasons": ("tool_call", "tool_call"),
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.cache_read.input_tokens": 3,
    }


def test_what_was_said_is_recorded_on_request_and_our_own_reader_reads_it(tmp_path: Any) -> None:
    (span,) = spans(Replay(CALL), capture=True)
    record = json.loads(span.to_json())
    (tmp_path / "spans.jsonl").write_text(json.dumps(record) + "\n")
    (one,), report = log.read(tmp_path / "spans.jsonl")
    assert report.format == "otel_genai"
    assert [message.content for message in one.messages] == ["Be brief.", "Wake me", "On it."]
    assert [(call.name, call.arguments) for call in one.messages[-1].calls] == [
        ("set_alarm", {"at": "07:30"})
    ]
    assert [tool.name for tool in one.tools] == ["set_alarm", "stop"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_is_the_spans(stream: bool) -> None:
    (span,) = spans(Failing(ToolfinchError("the logits are broken"), after=1), capture=False, stream=stream)
    assert not span.status.is_ok and span.status.description == "the logits are broken"
    assert span.attributes["error.type"] == "ToolfinchError"
    (span,) = spans(Failing(ValueError("Wake me"), after=1), capture=False, stream=stream)
    assert "Wake me" not in span.to_json()


def test_nothing_is_sent_unless_an_exporter_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in telemetry.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert telemetry.configured() is None
    monkeypatch.setenv(telemetry.ENDPOINTS[0], "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert telemetry.configured() is None


def test_spans_go_to_the_configured_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv(telemetry.ENDPOINTS[0], f"http://127.0.0.1:{collector.server_port}")
        made = telemetry.configured()
        assert made is not None
        with background(Replay(CALL), telemetry=made) as url:
            HTTP.post(f"{url}/chat/completions", json=BODY)
        made.close()
        collector.shutdown()
    (path, body) = got[0]
    assert path == "/v1/traces" and b"gen_ai.operation.name" in body and b"Wake me" not in body
