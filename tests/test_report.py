"""Reports: every format has every figure, nothing is unescaped, failing cases can be read."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from toolfinch.caller import Decoding, Reply
from toolfinch.callers.floors import NeverCall
from toolfinch.evaluate import failed_tools, judged, output, tables
from toolfinch.evaluate import report as reports
from toolfinch.evaluate.metrics import FIGURES
from toolfinch.evaluate.page import Case
from toolfinch.evaluate.run import run
from toolfinch.example import Example, Expected, ExpectedCall
from toolfinch.message import Message, ToolCall, assistant, user
from toolfinch.tool import Tool

WEATHER = Tool("get_weather", "Weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
PARIS = ToolCall("get_weather", {"city": "Paris"})
EVIL = "<script>alert(1)</script>|\n</pre>&amp;[red]"


class Always:
    """Gives one reply to everything."""

    def __init__(self, reply: Reply, name: str = "always") -> None:
        self.name = name
        self.given = reply

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding | None = None
    ) -> Reply:
        return self.given


def examples(n: int, text: str = "Paris?") -> list[Example]:
    gold = Expected("call", (ExpectedCall(PARIS, accept={"city": ("Paris, France",)}, optional=("city",)),))
    return [
        Example(f"c{i}/1", (WEATHER,), (user(text),), gold if i % 2 else Expected("say"), text, tags=(text,))
        for i in range(n)
    ]


def evil_runs() -> list[reports.Run]:
    suite = examples(4, EVIL)
    return [
        reports.Run(EVIL, "never-call", run(NeverCall(), suite)),
        reports.Run(EVIL, EVIL, run(Always(Reply(assistant("", PARIS))), suite), artifact="f00d"),
    ]


def written(runs: Sequence[reports.Run], folder: Path) -> tuple[reports.Report, dict[str, str]]:
    made = reports.build(runs, f"toolfinch eval {EVIL}", {EVIL: 3})
    output.write(made, runs, folder)
    return made, {path.name: path.read_text() for path in folder.iterdir()}


def test_every_format_has_every_figure(tmp_path: Path) -> None:
    """Figures with intervals, the artifact, the command and the machine, in every file for people."""
    report, files = written(evil_runs(), tmp_path)
    assert sorted(files) == ["cases.jsonl", "failures.jsonl", "report.html", "report.json", "report.md"]
    (section,) = json.loads(files["report.json"])["sections"]
    assert set(section["columns"][0]["overall"]["figures"]) == set(FIGURES) and section["left_out"] == 3
    for text in (files["report.md"], files["report.html"]):
        assert all(s in text for s in ("f00d", "toolfinch eval", report.machine.cpu, section["sha256"]))
        assert "50.0 [15.0, 85.0]" in text and "missed call" in text
    table = [line for line in files["report.md"].splitlines() if line.startswith("|")]
    bars = {line.replace("\\|", "").count("|") for line in table}
    assert bars == {4, 5}  # tables of three and of four columns, no stray bars
    assert "<script>alert" not in files["report.html"] + files["report.md"]
    console = Console(file=io.StringIO(), width=200)
    console.print(tables.terminal(report))
    assert "selection F1" in console.file.getvalue()  # type: ignore[attr-defined]


def test_failing_cases_can_be_read(tmp_path: Path) -> None:
    """Prompt, tools, expected with its alternatives, got, and why."""
    _, files = written(evil_runs(), tmp_path)
    cases = [msgspec.json.decode(line, type=Case) for line in files["failures.jsonl"].splitlines()]
    missed = next(c for c in cases if c.failure == "missed_call")
    assert missed.messages[0]["content"] == EVIL and missed.tools == ("get_weather",) and missed.suite == EVIL
    assert 'get_weather({"city":"Paris"})' in missed.expected and "Paris, France" in missed.expected
    assert "may be left out" in missed.expected and missed.got.startswith("says: ") and missed.why


def test_every_case_is_judged_on_disk_right_or_wrong(tmp_path: Path) -> None:
    """`compare` pairs the lines: one that is missing would be a case that nobody tried."""
    written(evil_runs(), tmp_path)
    cases = judged.read(tmp_path / "cases.jsonl")
    assert len(cases) == 8 and {c.suite for c in cases} == {EVIL} and sum(c.right for c in cases) == 4
    assert all(c.right == (c.failure is None) and c.group == c.id.partition("/")[0] for c in cases)
    assert [c.selection for c in cases[4:]] == [(0, 1, 0), (1, 0, 0)] * 2


def test_suites_stand_under_one_another(tmp_path: Path) -> None:
    """Decisions and played cases in one report: a headline row each, and no figure of the other's."""
    played = failed_tools.load()[:4]
    outcomes = [failed_tools.play(NeverCall(), case) for case in played]
    runs = [
        reports.Run("decisions", "never-call", run(NeverCall(), examples(4))),
        reports.Run("failed_tools", "never-call", outcomes),
    ]
    report, files = written(runs, tmp_path)
    assert [row[0] for row in tables.headline(report).rows] == [
        "decisions: exact match",
        "failed_tools: passed",
    ]
    assert report.sections[1].columns[0].overall.figures["gave_up_early"].value == 1
    assert "fabricated" not in report.sections[0].columns[0].overall.figures
    failing = [json.loads(line) for line in files["failures.jsonl"].splitlines()]
    assert [f["failure"] for f in failing if f["suite"] == "failed_tools"] == ["gave_up_early"] * 4
    assert failing[-1]["messages"][-1]["role"] == "assistant"  # the whole conversation, not its prompt alone


def test_what_was_lost_to_format_is_apart_from_ability() -> None:
    """A right call that stood in the text is the model's doing and not the endpoint's."""
    read = Reply(assistant("", PARIS), read_as="hermes")
    report = reports.build([reports.Run("s", "endpoint", run(Always(read), examples(4)))], "")
    (grid,) = [g for g in tables.grids(report.sections[0]) if g.title == "Format and ability"]
    assert [row[1] for row in grid.rows] == ["0.0", "50.0", "50.0", "4 hermes"]
    structured = reports.build(
        [reports.Run("s", "x", run(Always(Reply(assistant("", PARIS))), examples(4)))], ""
    )
    shown = tables.grids(structured.sections[0])
    assert "Format and ability" not in [g.title for g in shown]
    assert "exact as delivered" not in [row[0] for row in shown[0].rows]


def test_what_was_not_answered_is_not_lost_to_ability() -> None:
    """An endpoint's errors say nothing about the model."""
    read = Always(Reply(assistant("", PARIS), read_as="hermes"))
    silent = Always(Reply(assistant(), stop="error", error="gone"), "silent")
    report = reports.build([reports.Run("s", c.name, run(c, examples(4))) for c in (silent, read)], "")
    (grid,) = [g for g in tables.grids(report.sections[0]) if g.title == "Format and ability"]
    assert [row[1:] for row in grid.rows[:3]] == [("–", "0.0"), ("–", "50.0"), ("–", "50.0")]


def test_a_column_without_an_answer_does_not_hide_the_marks() -> None:
    """Of a played suite, latency would stand by scenario where the first mark has to."""
    cases = failed_tools.load()[:2]
    silent = Always(Reply(assistant(), stop="error", error="gone"), "silent")
    runs = [
        reports.Run("failed_tools", c.name, [failed_tools.play(c, case) for case in cases])
        for c in (silent, NeverCall())
    ]
    shown = tables.grids(reports.build(runs, "").sections[0])
    assert [g.title for g in shown[1:3]] == ["Passed by scenario", "Fabricated by scenario"]


def test_what_tags_a_case_does_not_make_it_another() -> None:
    """`compare` would refuse a run that had `--seen` beside one that had not."""
    (one,) = examples(1)
    tagged = msgspec.structs.replace(one, tags=("seen tools",), source="elsewhere:7")
    other = msgspec.structs.replace(one, messages=(user("Oslo?"),))
    first, same, not_same = (judged.fingerprint(run(NeverCall(), [e])[0]) for e in (one, tagged, other))
    assert first == same != not_same


def test_callers_on_different_examples_are_refused() -> None:
    """Two suites side by side would compare nothing."""
    runs = [reports.Run("s", f"{n}", run(NeverCall(), examples(n))) for n in (2, 3)]
    with pytest.raises(ValueError, match="2 different sets"):
        reports.build(runs, "")
