"""Would break: a calibration that is written for too few examples or for an endpoint, a second run that asks the model
again, a report without its figures, a calibration that its own model does not load."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from made_signals import made
from toolfinch import message
from toolfinch.caller import Decoding, Reply, Usage
from toolfinch.cli.calibrate import target
from toolfinch.cli.eval import How, loaded
from toolfinch.cli.main import main
from toolfinch.decode import calibration
from toolfinch.errors import UsageError
from toolfinch.evaluate import run as runs
from toolfinch.evaluate import suite as suites
from toolfinch.message import Message, ToolCall
from toolfinch.tool import Tool

pytest.importorskip("sklearn")
N = 160
PLACES = {"type": "object", "properties": {"place": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "find", "parameters": PLACES}, "x-risk": "read"}


def conversations(path: Path, n: int = N) -> Path:
    """A file of `n` requests; every other one wants a call."""
    lines = []
    for i in range(n):
        call = {
            "id": "c",
            "type": "function",
            "function": {"name": "find", "arguments": f'{{"place": "p{i}"}}'},
        }
        answer = (
            {"role": "assistant", "content": "Hello."}
            if i % 2
            else {"role": "assistant", "tool_calls": [call]}
        )
        lines.append(
            {"id": f"t{i}", "tools": [TOOL], "messages": [{"role": "user", "content": f"p{i}"}, answer]}
        )
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return path


class Known:
    """Replies with made signals, right where those say so; under the name of the model that is calibrated."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._records = iter(made(4 * N, 0)[0])

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        place = messages[0].content
        due = int(place[1:]) % 2 == 0
        record = next(r for r in self._records if r.signals.called == (due == r.right))
        said = (
            message.assistant("", ToolCall("find", {"place": place}))
            if record.signals.called
            else message.assistant("Hi.")
        )
        return Reply(said, confidence=record.raw, signals=record.signals)


@pytest.fixture
def ran(folder: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """The model, the examples, and a folder with a reply to each, as a run of the model would have kept them."""
    pytest.importorskip("torch")
    examples = conversations(tmp_path / "held_out.jsonl")
    (one,) = loaded([str(folder)], How("hermes"))
    out = tmp_path / "out"
    runs.run(Known(one.name), suites.open(examples).examples, out, artifact=one.made_of, progress=False)
    return folder, examples, out


@pytest.mark.slow
def test_it_goes_on_fits_reports_and_keeps(ran: tuple[Path, Path, Path]) -> None:
    folder, examples, out = ran
    kept = (out / "results.jsonl").read_bytes()
    asked = ["calibrate", str(folder), "--dialect", "hermes", "--examples", str(examples), "--out", str(out)]
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--risk", "read=0.2"])
    assert ended.value.code == 0
    assert (out / "results.jsonl").read_bytes() == kept, "the model was asked again"
    found = calibration.load(folder)
    assert (found.examples, found.groups, found.suites) == (N, N, ("held_out.jsonl",))
    assert found.limit("read").target == 0.2 and found.limit("write").n == 0
    report = msgspec.json.decode((out / "report.json").read_bytes())
    assert report["held"]["aurc"]["low"] <= report["held"]["aurc"]["value"] <= report["held"]["aurc"]["high"]
    assert report["same"]["n"] == report["raw"]["n"] == N
    picture = ET.parse(out / "risk-coverage.svg").getroot()
    assert len(picture.findall("{http://www.w3.org/2000/svg}polyline")) == 2
    # What lies beside the model is no part of it: its replies are known again.
    (one,) = loaded([str(folder)], How("hermes"))
    assert one.digest == found.artifact


class Knows:
    """A bigger model that is right in all but every tenth."""

    name = "knows"

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        place = messages[-1].content
        call = int(place[1:]) % 2 == 0 and int(place[1:]) % 20
        said = message.assistant("", ToolCall("find", {"place": place})) if call else message.assistant("Hi.")
        return Reply(said, usage=Usage(100, 10))


@pytest.mark.slow
def test_beside_a_bigger_model(ran: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    from toolfinch.serve.run import background

    folder, examples, out = ran
    table = out / "prices.toml"
    with background(Knows()) as url, pytest.raises(SystemExit) as ended:
        prices = '[price."tiny"]\ncall = 1\n[price."knows"]\nprompt = 100000\ncompletion = 100000\n'
        table.write_text(f'currency = "cents"\n{prices}')
        asked = [
            "calibrate",
            str(folder),
            "--dialect",
            "hermes",
            "--examples",
            str(examples),
            "--out",
            str(out),
        ]
        main([*asked, "--escalate-to", url, "--prices", str(table), "--json"])
    assert ended.value.code == 0
    found = msgspec.json.decode(capsys.readouterr().out)["deferral"]
    assert (found["small"]["cost"]["value"], found["big"]["cost"]["value"]) == (1.0, pytest.approx(11.0))
    assert found["big"]["accuracy"]["value"] == pytest.approx(0.95)
    assert found["gate"][-1]["cost"]["value"] == pytest.approx(12.0)
    assert found["calibrated"]["accuracy"]["value"] > found["small"]["accuracy"]["value"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["http://localhost:1/v1#m"], "has no signals to calibrate"),
        (["bm25"], "has no signals to calibrate"),
        (["fledgling", "--risk", "read=2"], "--risk read=2: expected CLASS=SHARE"),
        (["fledgling", "--suite", "failed_tools"], "failed_tools: is played"),
        (["fledgling", "--prices", "prices.toml"], "--prices is for --escalate-to"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["calibrate", *arguments])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("text", ["read", "read=", "read=0", "read=1", "all=0.1", "=0.1"])
def test_a_target_is_a_class_and_a_share(text: str) -> None:
    with pytest.raises(UsageError, match="expected CLASS=SHARE"):
        target(text)
    assert target("write=0.05") == ("write", 0.05)
