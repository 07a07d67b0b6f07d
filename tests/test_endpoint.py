"""Endpoints that misbehave, over real sockets, and runs against them: every case kept, every error one line.

An endpoint is asked by a thread that waits, and on an event loop, as the server does it; what comes of it is the same.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from toolfinch import dialects
from toolfinch.caller import Decoding, Reply, Usage
from toolfinch.callers import http
from toolfinch.callers.load import load
from toolfinch.callers.openai import API_KEY, OpenAICaller
from toolfinch.cli.main import main
from toolfinch.dialects import DIALECTS, auto
from toolfinch.errors import UsageError
from toolfinch.evaluate.run import run
from toolfinch.example import Example, Expected
from toolfinch.message import ToolCall, assistant, user
from toolfinch.serve.run import background
from toolfinch.tool import Tool

TOOLS = (
    Tool("set_alarm", "Set an alarm", {"type": "object", "properties": {"at": {"type": "string"}}}),
    Tool("stop_alarm", "Stop it", {"type": "object", "properties": {}}),
)
ALARM = ToolCall("set_alarm", {"at": "07:30"})
ASK = [user("go")]


class Handler(BaseHTTPRequestHandler):
    """Hands each POST to the next of the server's turns, the last one again and again."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self.answer(200, {"object": "list", "data": [{"id": "m"}]})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            turn = self.server.turns[min(len(self.server.asked), len(self.server.turns) - 1)]
            self.server.asked.append(request)
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        try:
            turn(self, request)
        except OSError:  # the client went away
            self.close_connection = True
        finally:
            with self.server.lock:
                self.server.now -= 1

    def answer(self, status: int, body: Any, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.head(status, {"Content-Length": str(len(content)), **headers})
        self.wfile.write(content)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


Turn = Callable[[Handler, dict[str, Any]], None]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, turns: Sequence[Turn]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.turns = turns
        self.asked: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.now = self.most = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def serving(*turns: Turn) -> Iterator[Server]:
    with Server(turns) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def says(content: Any = "hi", finish: str = "stop", **message: Any) -> Turn:
    turn = {"role": "assistant", "content": content, **message}
    choice = {"index": 0, "message": turn, "finish_reason": finish}
    return lambda to, _: to.answer(200, {"id": "x", "choices": [choice], "usage": {"prompt_tokens": 3}})


def fails(status: int, body: Any, **headers: str) -> Turn:
    return lambda to, _: to.answer(status, body, **headers)


def slow(seconds: float, turn: Turn) -> Turn:
    def wait(to: Handler, request: dict[str, Any]) -> None:
        time.sleep(seconds)
        turn(to, request)

    return wait


def trickles(to: Handler, _: dict[str, Any]) -> None:
    """A byte at a time, each well within any time limit for a single read."""
    to.head(200, {"Content-Length": "1000", "Content-Type": "application/json"})
    for _ in range(1000):
        to.wfile.write(b" ")
        time.sleep(0.05)


def trickles_head(to: Handler, _: dict[str, Any]) -> None:
    to.wfile.write(b"HTTP/1.1 200 OK\r\nX-Pad: ")
    for _ in range(1000):
        to.wfile.write(b"H")
        time.sleep(0.05)


def cuts(head: dict[str, str], sent: bytes) -> Turn:
    """Closes in the middle."""

    def cut(to: Handler, _: dict[str, Any]) -> None:
        to.head(200, head)
        to.wfile.write(sent)
        to.wfile.flush()
        to.close_connection = True
        to.connection.shutdown(socket.SHUT_RDWR)

    return cut


def hangs_up(to: Handler, _: dict[str, Any]) -> None:
    to.close_connection = True
    to.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BACKOFF_S", 0.01)


class OnLoop(OpenAICaller):
    """Asked on an event loop, a new one each time."""

    def __init__(self, run: Callable[[Any], Any], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._run = run

    def reply(self, *args: Any) -> Reply:
        async def once() -> Reply:
            try:
                return await self.reply_async(*args)
            finally:
                await http.close()

        reply: Reply = self._run(once())
        return reply


def on_uvloop(work: Any) -> Any:
    return pytest.importorskip("uvloop").run(work)


Way = Callable[..., OpenAICaller]
WAYS: dict[str, Way] = {
    "thread": OpenAICaller,
    "asyncio": partial(OnLoop, asyncio.run),
    "uvloop": partial(OnLoop, on_uvloop),
}
either_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def caller(server: Server, way: Way = OpenAICaller, **options: Any) -> OpenAICaller:
    return way(server.url, "m", **{"retries": 0, "timeout_s": 5.0, **options})


def example(i: int) -> Example:
    return Example(f"c{i}/1", TOOLS, (user(f"{i}"),), Expected("say"))


HTML = b"<!doctype html>\n<title>Sign in</title>"
EVENTS = b'data: {"choices": [{"delta": {"content": "h"}}]}\n\ndata: {"cho'
REFUSAL = {"error": {"message": "the prompt is\nfiltered", "code": "content_filter"}}

TROUBLE: list[tuple[str, Turn, str]] = [
    ("a web page", fails(200, HTML), "not a completion: '<!doctype html> <title>Sign in</title>'"),
    ("a proxy's page", fails(502, HTML), "HTTP 502: '<!doctype html> <title>Sign in</title>'"),
    ("nothing", fails(200, b""), "not a completion: nothing"),
    ("an error as a success", fails(200, REFUSAL), "not a completion: the prompt is filtered (content_filter)"),
    ("no choices", fails(200, {"choices": []}), "its list of choices is empty"),
    ("an error as a choice", says(None, "error"), "stopped with an error"),
    ("a trickle", trickles, "no whole answer within 0.6 s"),
    ("a trickling head", trickles_head, "no whole answer within"),
    ("a hang", slow(1.5, says()), "no whole answer within"),
    ("closed at once", hangs_up, "broke off: Server disconnected"),
    ("closed in the body", cuts({"Content-Length": "900"}, b'{"choices": ['), "broke off: peer closed"),
    ("closed in a chunk", cuts({"Transfer-Encoding": "chunked"}, b"fff\r\n{"), "broke off: peer closed"),
    ("closed without a length", cuts({"Connection": "close"}, b'{"choices": ['), "not a completion: '{"),
    (
        "closed in a stream of events",
        cuts({"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}, b"90\r\n" + EVENTS),
        "broke off: peer closed",
    ),
    ("events", fails(200, EVENTS, Content_Type="text/event-stream"), "not a completion: 'data: "),
    ("no gzip", fails(200, b'{"choices"', Content_Encoding="gzip"), "cannot be read"),
    ("half a gzip", fails(200, gzip.compress(b"{" * 999, mtime=0)[:20], Content_Encoding="gzip"), "not a completion"),
    ("no HTTP", lambda to, _: to.wfile.write(b"SSH-2.0-OpenSSH\r\n") and to.finish(), "broke off"),
    ("OpenAI's words", fails(400, REFUSAL), "HTTP 400: the prompt is filtered (content_filter)"),
    ("Ollama's words", fails(400, {"error": "m does not support tools"}), "HTTP 400: m does not support tools"),
    ("vLLM's words", fails(404, {"object": "error", "message": "no m"}), "HTTP 404: no m"),
    (
        "FastAPI's words",
        fails(422, {"detail": [{"loc": ["body", "model"], "msg": "required", "input": "secret"}]}),
        "HTTP 422: ['body', 'model']: required",
    ),
    ("Google's words", fails(400, [{"error": {"message": "no"}}]), "HTTP 400: no"),
    ("no words", fails(500, b""), "HTTP 500: nothing"),
]  # fmt: skip


@either_way
@pytest.mark.parametrize(("turn", "words"), [t[1:] for t in TROUBLE], ids=[t[0] for t in TROUBLE])
def test_trouble_is_an_outcome_of_one_line(way: Way, turn: Turn, words: str) -> None:
    """A wrong answer, a traceback, or a case without end, in the middle of a long evaluation."""
    with serving(turn) as server:
        began = time.monotonic()
        reply = caller(server, way, timeout_s=0.6).reply(ASK, TOOLS)
        assert time.monotonic() - began < 30  # a byte at a time, the answer would take 50
    assert (reply.stop, reply.message) == ("error", assistant())
    assert reply.error.startswith(f"{server.url}/chat/completions: ") and "\n" not in reply.error
    assert words in reply.error and "secret" not in reply.error


PASSING: list[Turn] = [
    hangs_up,
    fails(408, {}),
    fails(409, {}),
    fails(429, {}),
    fails(500, HTML),
    fails(503, {}),
]


@either_way
@pytest.mark.parametrize("turn", PASSING)
def test_what_may_pass_is_tried_again(way: Way, turn: Turn) -> None:
    """One lost packet or a busy moment in an hour of evaluation would be a failed case."""
    with serving(turn, turn, turn, says("hi")) as server:
        assert caller(server, way, retries=3).reply(ASK, TOOLS).message.content == "hi"
        assert len(server.asked) == 4
    with serving(turn) as server:
        assert caller(server, way, retries=2).reply(ASK, TOOLS).stop == "error"
        assert len(server.asked) == 3


@either_way
@pytest.mark.parametrize("turn", [fails(400, {}), fails(401, {}), fails(404, {}), fails(200, HTML)])
def test_what_will_not_pass_is_not_tried_again(way: Way, turn: Turn) -> None:
    """Every case of a run would wait through all retries for the same refusal."""
    with serving(turn, says()) as server:
        assert caller(server, way, retries=3).reply(ASK, TOOLS).stop == "error"
        assert len(server.asked) == 1


@either_way
def test_retry_after_is_kept_to_within_the_limit(way: Way) -> None:
    """Asking again too soon prolongs a rate limit; waiting an hour for one case is no answer either."""
    with serving(fails(429, {}, Retry_After="1"), says()) as server:
        began = time.monotonic()
        assert caller(server, way, retries=1).reply(ASK, TOOLS).stop == "stop"
        assert 1.0 <= time.monotonic() - began < 30
    with serving(fails(429, {"error": "slow down"}, Retry_After="3600"), says()) as server:
        began = time.monotonic()
        assert "slow down" in caller(server, way, retries=1).reply(ASK, TOOLS).error
        assert time.monotonic() - began < 30 and len(server.asked) == 1


@either_way
def test_the_limit_holds_for_all_tries_together(way: Way) -> None:
    """Four retries of two minutes each are ten minutes for one case."""
    with serving(slow(0.2, fails(500, {}))) as server:
        began = time.monotonic()
        assert caller(server, way, retries=1000, timeout_s=0.7).reply(ASK, TOOLS).stop == "error"
        assert time.monotonic() - began < 30 and len(server.asked) > 1


REFUSED: list[tuple[str, int, Any, dict[str, Any]]] = [
    ("seed", 400, {"error": {"message": "Unrecognized request argument supplied: seed"}}, {}),
    ("seed", 422, {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}, {}),
    ("seed", 400, [{"error": {"message": 'Unknown name "seed": Cannot find field.'}}], {}),
    (
        "max_tokens",
        400,
        {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}},
        {"max_completion_tokens": 512},
    ),
    (
        "temperature",
        400,
        {"error": {"message": "'temperature' does not support 0. Only the default (1) value is supported."}},
        {},
    ),
    ("parallel_tool_calls", 400, {"error": "parallel_tool_calls is not supported"}, {}),
    ("tool_choice", 400, {"error": "Unsupported param: tool_choice"}, {}),
]


@either_way
@pytest.mark.parametrize(("name", "status", "body", "instead"), REFUSED)
def test_a_refused_parameter_is_left_out_once_and_for_all(
    way: Way, name: str, status: int, body: Any, instead: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """An endpoint that does not know `seed` could not be measured; or its results would differ in silence."""

    def strict(to: Handler, request: dict[str, Any]) -> None:
        (fails(status, body) if name in request else says())(to, request)

    with serving(slow(0.05, strict)) as server:
        asking = caller(server, way)
        results = run(asking, [example(i) for i in range(8)], concurrency=4, progress=False)
    assert all(r.reply.stop == "stop" for r in results)
    assert list(asking.changes) == [name]
    (line,) = capsys.readouterr().err.splitlines()
    assert f"from here on {name} is {asking.changes[name]}" in line and f"HTTP {status}" in line
    refused, *_, last = server.asked
    assert len(server.asked) <= 8 + 4
    assert last == {
        **{k: v for k, v in refused.items() if k != name},
        "messages": last["messages"],
        **instead,
    }


@either_way
@pytest.mark.parametrize(
    "how", [Decoding(tool_choice="required"), Decoding(tool_choice="=set_alarm"), Decoding(parallel=False)]
)
def test_a_parameter_that_asks_for_something_is_not_left_out(way: Way, how: Decoding) -> None:
    """The reply would be to another question."""
    body = {"error": "tool_choice and parallel_tool_calls are not supported"}

    def strict(to: Handler, request: dict[str, Any]) -> None:
        asked = request.get("tool_choice", "auto") != "auto" or request.get("parallel_tool_calls") is False
        (fails(400, body) if asked else says())(to, request)

    with serving(strict) as server:
        assert "not supported" in caller(server, way).reply(ASK, TOOLS, how).error


@either_way
@pytest.mark.parametrize(
    "said",
    [
        "'max_tokens' is too large: 512. This model's maximum context length is 4096 tokens.",
        "The decoder prompt (length 40) is longer than the maximum model length of 16.",  # vLLM
        "The input (40 tokens) is longer than the model's context length (16 tokens).",  # SGLang
        "Input length (40 tokens) exceeds the maximum allowed length (16 tokens).",
        "Trying to keep the first 40 tokens when context the overflows.",  # LM Studio
        "Cannot truncate prompt with n_keep (40) >= n_ctx (16)",
    ],
)
def test_a_prompt_that_is_too_long_is_the_models_limit(way: Way, said: str) -> None:
    """Neither an endpoint's error, which is left out of the figures, nor a refusal of `max_tokens`."""
    with serving(fails(400, {"error": {"message": said, "param": "max_tokens"}})) as server:
        asking = caller(server, way)
        assert asking.reply(ASK, TOOLS).stop == "context" and not asking.changes
        with background(asking) as url:
            assert load(url).reply(ASK, TOOLS).stop == "context"


@either_way
def test_tokens_that_are_not_known_are_none(way: Way) -> None:
    """Some servers say -1, and a negative cost ended the report."""
    answer = {
        "choices": [{"message": {"content": "hi"}}],
        "usage": {"prompt_tokens": -1, "completion_tokens": -1},
    }
    with serving(lambda to, _: to.answer(200, answer)) as server:
        assert caller(server, way).reply(ASK, TOOLS).usage == Usage()


@either_way
def test_a_refusal_that_was_misread_changes_nothing(way: Way, capsys: pytest.CaptureFixture[str]) -> None:
    """A tool that is named as a parameter is would leave the rest of the run without its temperature."""
    said = "Invalid schema for function 'temperature': 'oneOf' is not permitted"
    with serving(fails(400, {"error": {"message": said}})) as server:
        asking = caller(server, way)
        assert said in asking.reply(ASK, TOOLS).error and not asking.changes
        assert len(server.asked) == 2 and not capsys.readouterr().err


@either_way
def test_vllm_without_a_parser_is_asked_for_text(way: Way, capsys: pytest.CaptureFixture[str]) -> None:
    """`--dialect auto` is for servers that do not read calls, and this one answers none of them otherwise."""

    def vllm(to: Handler, request: dict[str, Any]) -> None:
        said = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        text = DIALECTS["hermes"].render_turn(assistant("", ALARM), TOOLS)
        (says(text) if request["tool_choice"] == "none" else fails(400, {"message": said}))(to, request)

    with serving(vllm) as server:
        assert caller(server, way, dialect="auto").reply(ASK, TOOLS).message.calls == (ALARM,)
        assert "tool_choice is sent as none" in capsys.readouterr().err
        assert "--enable-auto-tool-choice" in caller(server, way).reply(ASK, TOOLS).error


def test_a_turn_that_only_calls_has_no_null_for_its_text() -> None:
    """llama-cpp-python's server answers 500 to `content: null`: every case after a tool's result would be lost."""
    with serving(says()) as server:
        OpenAICaller(server.url).reply([*ASK, assistant("", ALARM), user("and?")], TOOLS)
    _, turn, _ = server.asked[0]["messages"]
    assert "content" not in turn and turn["tool_calls"][0]["function"]["name"] == "set_alarm"


@either_way
def test_arguments_that_are_not_json_are_unread(way: Way) -> None:
    """Engines pass on what a model wrote; half a call must count as a call that failed, not as silence."""
    calls = [
        {"id": "1", "type": "function", "function": {"name": "set_alarm", "arguments": '{"at": '}},
        {"id": "2", "type": "function", "function": {"name": "set_alarm", "arguments": "{}"}},
        {"id": "3", "type": "function", "function": {"name": "set_alarm", "arguments": {"at": "7"}}},
        {"type": "custom"},
    ]
    with serving(says(None, "tool_calls", tool_calls=calls, reasoning_content="hm")) as server:
        reply = caller(server, way, dialect="auto").reply(ASK, TOOLS)
    assert reply.message.calls == (ToolCall("set_alarm", {}, "2"), ToolCall("set_alarm", {"at": "7"}, "3"))
    assert len(reply.unread) == 2 and "at" in reply.unread[0] and not reply.read_as


def test_content_in_parts_is_text() -> None:
    """Some endpoints send their thoughts as parts beside the text."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "hi"},
    ]
    with serving(says(parts, reasoning_content=None, refusal=None)) as server:
        assert caller(server).reply(ASK, TOOLS).message == assistant("hi")


NO_COMPLETIONS: list[Any] = [
    {},
    [],
    "busy",
    {"choices": None},
    {"choices": [{}]},
    {"choices": [{"message": None}]},
    {"choices": [{"message": {"content": 5}}]},
    {"choices": [{"message": {"tool_calls": 5}}]},
    {"choices": [{"message": {}}], "usage": {"prompt_tokens": "many"}},
]


@either_way
@pytest.mark.parametrize("body", NO_COMPLETIONS, ids=json.dumps)
def test_an_answer_that_is_no_completion_is_an_error(way: Way, body: Any) -> None:
    """Endpoints answer 200 with anything at all."""
    with serving(fails(200, body)) as server:
        reply = caller(server, way).reply(ASK, TOOLS)
    assert reply.stop == "error" and "not a completion" in reply.error


@either_way
def test_only_our_own_key_is_sent(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for one company would be handed to whatever host was typed."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret-one")
    monkeypatch.setenv(API_KEY, "mine")
    heads: list[str] = []

    def look(to: Handler, request: dict[str, Any]) -> None:
        heads.append(str(to.headers))
        says()(to, request)

    with serving(look) as server:
        caller(server, way).reply(ASK, TOOLS)
    assert "Bearer mine" in heads[0] and "secret-one" not in heads[0]


TURNS = [assistant("", ALARM), assistant("At once.", ALARM), assistant("", ALARM, ToolCall("stop_alarm", {}))]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", DIALECTS)
def test_a_call_left_in_the_text_is_read(name: str, turn: Any) -> None:
    """A right call lost to an endpoint without a parser would be counted as no call."""
    text = DIALECTS[name].render_turn(turn, TOOLS)
    for thoughts in ("", "<think>\nset_alarm?\n</think>\n\n", "it was opened in the prompt\n</think>\n"):
        with serving(says(thoughts + text)) as server:
            named = caller(server, dialect=name).reply(ASK, TOOLS)
            any_of_them = caller(server, dialect="auto").reply(ASK, TOOLS)
            unread = caller(server).reply(ASK, TOOLS)
        assert named.message == any_of_them.message == turn
        assert named.read_as == any_of_them.read_as == name and named.stop == "tool_calls"
        assert not unread.message.calls and not unread.read_as and unread.message.content == thoughts + text


TEXTS = [
    'The answer is {"at": "07:30"}.',
    '{"name": "buy_stock", "arguments": {"at": "07:30"}}',
    '```json\n{"name": "Ann", "id": 3}\n```',
    "I would call buy_stock(at='07:30') for that.",
    "[buy_stock(at='07:30')]",
    "set_alarm sets an alarm, stop_alarm() ends it.",
    "Action is needed: set_alarm",
    "Action: please tell me the time.",
    "Thought: no tool fits\nAction: None",
    "Observation: it is late.",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_only_looks_like_a_call_is_text(text: str) -> None:
    """A refusal that shows some JSON would become a stray call."""
    read, name = auto.read(text, TOOLS)
    assert (read.content, read.calls, read.unread, name) == (text, (), (), "")


def test_the_dialect_that_reads_an_offered_call_goes_first() -> None:
    """Two dialects share their tags: what one cannot read, or reads as nonsense, is another's plain call."""
    for name in DIALECTS:
        text = DIALECTS[name].render_turn(assistant("", ALARM), TOOLS)
        assert auto.read(text, TOOLS)[1] == name
    wrong = ToolCall("buy_stock", {"at": "now"})
    read, name = auto.read(DIALECTS["hermes"].render_turn(assistant("", wrong), TOOLS), TOOLS)
    assert (read.calls, name) == ((wrong,), "hermes")  # between marks: a wrong call, and no sentence
    for broken in (
        '<tool_call>\n{"name": "set_alarm", "arguments": {"at"',
        'Action: set_alarm\nAction Input: {"at',
    ):
        read, name = auto.read(broken, TOOLS)
        assert read.unread and not read.calls and not name
    assert auto.read("<think>\nI could <tool_call>", TOOLS)[0].thinking
    assert not auto.read("<think>\n" + DIALECTS["hermes"].render_turn(assistant("", ALARM), TOOLS), TOOLS)[
        0
    ].calls


def test_a_dialect_is_passed_on_and_checked() -> None:
    """A misspelt dialect would read nothing in every case."""
    text = DIALECTS["hermes"].render_turn(assistant("", ALARM), TOOLS)
    with serving(says(text)) as server:
        assert load(f"{server.url}#m", "auto").reply(ASK, TOOLS).read_as == "hermes"
        assert load(server.url, "hermes").reply(ASK, TOOLS).read_as == "hermes"
        assert not load(server.url).reply(ASK, TOOLS).read_as
        with pytest.raises(UsageError, match="klingon"):
            load(server.url, "klingon")
    assert dialects.get("hermes").name == "hermes"


def test_an_endpoint_that_refuses_everything_fails_the_run_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of dashes and exit code 0 would pass in a script, and hide that the key is wrong."""
    with serving(fails(401, {"error": {"message": "bad key"}})) as server:
        argv = f"eval it={server.url} --no-floors --suite forty --conversations 3 --out {tmp_path}"
        with pytest.raises(SystemExit) as stop:
            main(argv.split())
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert "3 of 3 cases got no reply" in said and "bad key" in said.splitlines()[-1]
    assert "bad key" in (tmp_path / "report.md").read_text()
