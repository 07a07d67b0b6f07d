"""Would break: what stands around the model, and what the operator is told of it; what a diagnosis shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from test_endpoint import Turn, fails, hangs_up, serving
from test_serve import ASK, Replay
from toolfinch.caller import Decoding
from toolfinch.callers import http
from toolfinch.callers.load import load
from toolfinch.callers.local import LocalCaller
from toolfinch.cli.main import main
from toolfinch.errors import EndpointGone, UsageError
from toolfinch.message import assistant, user
from toolfinch.serve.diagnosis import diagnose
from toolfinch.serve.limits import Limits
from toolfinch.serve.refusal import Refusal
from toolfinch.serve.retrieving import Retrieving
from toolfinch.serve.run import background
from toolfinch.serve.stack import Stack, assemble, innermost
from toolfinch.tool import read

ALARM = {
    "name": "set_alarm",
    "description": "Set an alarm.",
    "parameters": {"type": "object", "properties": {"time": {"type": "string"}}, "required": ["time"]},
}
UNHELD = {
    "name": "odd",
    "parameters": {"type": "object", "properties": {"x": {"type": "string", "pattern": "(?=a)b"}}},
}


@pytest.fixture(scope="module")
def fledgling() -> LocalCaller:
    caller = load("fledgling", live=2)
    assert isinstance(caller, LocalCaller)
    return caller


def test_a_catalogue_is_searched_and_what_cannot_be_held_is_said(tmp_path: Path) -> None:
    """One bad tool of thousands would fail every request that finds it."""
    path = tmp_path / "tools.json"
    path.write_text(
        json.dumps([ALARM, UNHELD, *({"name": f"t{i}", "description": f"number {i}"} for i in range(30))])
    )
    said: list[str] = []
    caller = assemble("fledgling", None, Stack(tools_k=3, catalogue=(str(path),)), said.append)
    assert [line.partition(":")[2].split()[0] for line in said] == ["odd"] and "look-ahead" in said[0]
    reply = caller.reply([user("Set an alarm for 07:30")], [])
    assert reply.shown and len(reply.shown) == 3 and reply.shown[0] == "set_alarm"
    assert {call.name for call in reply.message.calls} <= set(reply.shown) and reply.none_fits is not None
    assert isinstance(caller, Retrieving) and innermost(caller) is caller.caller
    with background(caller) as base:
        answer = httpx.post(
            base + "/chat/completions",
            json={"messages": [{"role": "user", "content": "Set an alarm for 8:00"}]},
        )
        asked = {"messages": [{"role": "user", "content": "now"}], "parallel_tool_calls": False}
        named = {"type": "function", "function": {"name": "set_alarm"}}
        for choice in (named, "required"):
            made = httpx.post(base + "/chat/completions", json={**asked, "tool_choice": choice}).json()
            assert made["choices"][0]["message"]["tool_calls"], made
        flat = {"type": "function", "name": "set_alarm"}
        made = httpx.post(base + "/responses", json={"input": "now", "tool_choice": flat}).json()
        assert [one["name"] for one in made["output"]] == ["set_alarm"]
        named["function"]["name"] = "nothing"
        assert httpx.post(base + "/chat/completions", json={**asked, "tool_choice": named}).status_code == 400
    extra = answer.json()["toolfinch"]
    assert extra["shown"][0] == "set_alarm" and 0 <= extra["none_fits"] <= 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fledgling", "--gate"], "toolfinch calibrate"),
        (["never", "--gate"], "only a model on this machine"),
        (["fledgling", "--catalogue", "nowhere.json"], "nowhere.json"),
        (["fledgling", "--parallel", "0"], "--parallel"),
        (["fledgling", "--prefix-cache", "/proc/x"], "/proc/x"),
        (["fledgling", "--format", "q9"], "q9"),
    ],
    ids=str,
)
def test_what_cannot_stand_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback; or a server without the gate that was asked for."""
    with pytest.raises(SystemExit) as stop:
        main(["serve", *arguments, "--port", "0"])
    lines = capsys.readouterr().err.strip().splitlines()
    assert (
        stop.value.code == 2
        and says in " ".join(lines)
        and len(lines) <= 2
        and lines[0].startswith("error: ")
    )


def test_a_diagnosis_is_of_the_very_reply(fledgling: LocalCaller) -> None:
    """It would show another prompt, or other tokens, than what the client got."""
    tools = [read(ALARM)]
    asked = [user("Set an alarm for 07:30")]
    found = diagnose(fledgling, asked, tools, Decoding())
    plain = fledgling.reply(asked, tools)
    assert "".join(piece.text for piece in found.prompt) == fledgling.prompt(asked, tools)
    assert found.made.raw == plain.raw and found.made.message == plain.message
    assert "".join(one.text for one in found.reply).startswith(plain.raw)
    assert sum(not one.forced for one in found.reply) == found.made.signals.sampled  # type: ignore[union-attr]
    few = diagnose(Retrieving(fledgling, 1, [read({"name": "other"})]), asked, tools, Decoding())
    assert "other" not in "".join(piece.text for piece in few.prompt)
    with pytest.raises(UsageError, match="this machine"):
        diagnose(Replay(assistant("hi")), asked, tools, Decoding())


def _run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert not stop.value.code


def test_a_diagnosis_over_http_and_on_the_command_line(
    fledgling: LocalCaller, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request that cannot be read is the client's mistake here, too."""
    body: dict[str, Any] = {"messages": ASK, "tools": [{"type": "function", "function": ALARM}]}
    with background(fledgling) as base:
        answer = httpx.post(base + "/diagnose", json=body)
        assert answer.status_code == 200 and answer.json()["dialect"] == "hermes"
        assert httpx.post(base + "/diagnose", json={"messages": 3}).status_code == 400
        # An answer of a schema that the client's own stop string cuts is no failure.
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
        shape = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        cut = httpx.post(
            base + "/chat/completions", json={"messages": ASK, "response_format": shape, "stop": ":"}
        )
        assert cut.status_code == 200 and cut.json()["choices"][0]["message"]["content"] == '{"a"'
        page = httpx.get(base.removesuffix("v1"))
        assert (
            page.status_code == 200
            and "Toolfinch" in page.text
            and "default-src 'none'" in page.headers["content-security-policy"]
        )
    with background(fledgling, limits=Limits(request_s=0.001)) as base:
        late = httpx.post(base + "/diagnose", json=body)
        assert late.status_code == 504 and late.json()["error"]["code"] == "timeout"
    path = tmp_path / "request.json"
    path.write_text(json.dumps(body))
    _run("diagnose", "fledgling", str(path), "--json")
    assert json.loads(capsys.readouterr().out)["reply"] == answer.json()["reply"]
    _run("diagnose", "fledgling", str(path))
    shown = capsys.readouterr().out
    assert "forced" in shown and "margin" in shown and "P(call)" in shown
    path.write_text("{")
    with pytest.raises(SystemExit):
        main(["diagnose", "fledgling", str(path)])
    assert "not JSON" in capsys.readouterr().err


def test_an_endpoint_that_is_gone_is_not_the_servers_own_mistake() -> None:
    """A 500 sends the operator to look in the wrong place."""
    refusal = Refusal(
        EndpointGone("20 requests in a row got no answer; the last: http://bob:hunter2@inside/v1")
    )
    assert refusal.status == 502 and refusal.body["error"]["type"] == "upstream_error"
    assert "inside" not in refusal.body["error"]["message"]


TOO_LONG = fails(400, {"error": {"message": "maximum context length is 8"}})
OUTSIDE: list[tuple[str, Turn, int, str]] = [
    ("a bad moment", fails(500, {"error": {"message": "no room in 10.0.0.7"}}), 502, "HTTP 500"),
    ("a bad key", fails(401, {"error": {"message": "bad key sk-12"}}), 502, "HTTP 401"),
    ("a refusal", fails(400, {"error": {"message": "it is filtered"}}), 502, "HTTP 400: it is filtered"),
    ("hung up", hangs_up, 502, "the connection broke off"),
    ("nonsense", fails(200, b"<html>10.0.0.7"), 502, "its answer cannot be read"),
    ("too long", TOO_LONG, 413, "HTTP 400: maximum context length is 8"),
]


@pytest.mark.parametrize(("turn", "status", "said"), [t[1:] for t in OUTSIDE], ids=[t[0] for t in OUTSIDE])
def test_where_an_endpoint_is_stays_inside(
    monkeypatch: pytest.MonkeyPatch, turn: Turn, status: int, said: str
) -> None:
    """Its address, a password in it, or its key would reach whoever asks; and clients try again as well."""
    monkeypatch.setattr(http, "BACKOFF_S", 0.01)
    with serving(turn) as server:
        url = server.url.replace("http://", "http://bob:hunter2@")
        caller = assemble(f"{url}#m", None, Stack(), lambda _: None)
        assert "hunter2" not in caller.name
        with background(caller) as base:
            for path, ask in (("chat/completions", {"messages": ASK}), ("responses", {"input": "go"})):
                server.asked.clear()
                answer = httpx.post(f"{base}/{path}", json=ask, timeout=60)
                assert answer.status_code == status and answer.json()["error"]["message"].endswith(said)
                assert not any(x in answer.text for x in ("hunter2", "127.0.0.1", "10.0.0.7", "sk-12"))
                again = turn is hangs_up or said in ("HTTP 500",)
                assert len(server.asked) == 1 + again
            diagnosed = httpx.post(base + "/diagnose", json={"messages": ASK})
        assert diagnosed.status_code == 400 and "127.0.0.1" not in diagnosed.text
