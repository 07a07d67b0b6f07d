"""Runs, suites and reports: nothing is lost, nothing is asked twice, nothing is unescaped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from toolfinch.caller import Decoding, Reply
from toolfinch.callers.floors import NeverCall
from toolfinch.callers.local import LocalCaller
from toolfinch.decode.engine import ContextError
from toolfinch.errors import DataError, RecipeError, ToolfinchError
from toolfinch.evaluate.run import run, ticking
from toolfinch.evaluate.suite import load
from toolfinch.example import Example, Expected, ExpectedCall
from toolfinch.message import Message, ToolCall, assistant, user
from toolfinch.tool import Tool

WEATHER = Tool("get_weather", "Weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
PARIS = ToolCall("get_weather", {"city": "Paris"})


def examples(n: int) -> list[Example]:
    gold = Expected("call", (ExpectedCall(PARIS, accept={"city": ("Paris, France",)}, optional=("city",)),))
    return [
        Example(
            f"c{i}/1", (WEATHER,), (user(f"Paris {i}?"),), gold if i % 2 else Expected("say"), "single_tool"
        )
        for i in range(n)
    ]


class Scripted:
    """Answers with a call, and raises what it is told to raise at a given request."""

    name = "scripted"

    def __init__(self, trouble: dict[int, BaseException] | None = None) -> None:
        self.asked: list[str] = []
        self.trouble = trouble or {}

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding | None = None
    ) -> Reply:
        self.asked.append(messages[-1].content)
        if error := self.trouble.get(len(self.asked)):
            raise error
        return Reply(assistant("", PARIS))


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_a_stopped_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C keeps what is finished and says so; the next run asks only for the rest."""
    with pytest.raises(KeyboardInterrupt):
        run(Scripted({4: KeyboardInterrupt()}), examples(6), tmp_path)
    assert len(lines(tmp_path)) == 3
    assert "3 of 6" in capsys.readouterr().err
    again = Scripted()
    results = run(again, examples(6), tmp_path)
    assert again.asked == ["Paris 3?", "Paris 4?", "Paris 5?"]
    assert [r.example.id for r in results] == [e.id for e in examples(6)]
    assert len(lines(tmp_path)) == 6


def test_a_torn_last_line_is_asked_again(tmp_path: Path) -> None:
    """A killed process leaves half a line; the file must be readable after the next run."""
    run(Scripted(), examples(3), tmp_path)
    path = tmp_path / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    again = Scripted()
    run(again, examples(3), tmp_path)
    assert again.asked == ["Paris 2?"] and len(lines(tmp_path)) == 3


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    """A line that is whole and wrong is not a torn one: say where, do not write over it."""
    (tmp_path / "results.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(DataError, match=r"results\.jsonl:1"):
        run(Scripted(), examples(1), tmp_path)
    assert (tmp_path / "results.jsonl").read_text() == '{"id": 1}\n'


def test_only_the_same_request_is_reused(tmp_path: Path) -> None:
    """Another artifact, decoding, caller, prompt or tool is another request; another gold is not."""
    first = examples(1)
    run(Scripted(), first, tmp_path)
    gold = [msgspec.structs.replace(first[0], expected=Expected("call", (ExpectedCall(PARIS),)))]
    same = Scripted()
    assert run(same, gold, tmp_path)[0].score.exact and not same.asked
    for changed, options in (
        (first, {"artifact": "abc"}),
        (first, {"decoding": Decoding(seed=1)}),
        ([msgspec.structs.replace(first[0], messages=(user("Oslo?"),))], {}),
        ([msgspec.structs.replace(first[0], tools=(WEATHER, Tool("x")))], {}),
    ):
        other = Scripted()
        run(other, changed, tmp_path, **options)  # type: ignore[arg-type]
        assert other.asked
    assert not run(NeverCall(), first, tmp_path)[0].reply.message.calls


def test_errors_are_outcomes_and_asked_again(tmp_path: Path) -> None:
    """A timeout is no wrong answer, does not end the run, and is not kept for the answer."""
    errors = {1: TimeoutError("slow"), 2: ToolfinchError("engine gone"), 3: RuntimeError("out of memory")}
    results = run(Scripted(dict(errors)), examples(4), tmp_path)
    assert [r.reply.stop for r in results] == ["error", "error", "error", "stop"]
    assert "slow" in results[0].reply.error and results[0].score.failure is not None
    again = Scripted()
    run(again, examples(4), tmp_path)
    assert len(again.asked) == 3


def test_what_did_not_fit_is_asked_again(tmp_path: Path) -> None:
    """A server that was started again with more context would keep the verdict of the small one."""
    one = examples(1)
    assert run(Scripted({1: ContextError(9, 8)}), one, tmp_path)[0].reply.stop == "context"
    assert run(Scripted(), one, tmp_path)[0].reply.stop == "stop"


def test_a_callers_usage_error_ends_the_run() -> None:
    """A missing model would meet every example: 200 recorded errors would hide one plain mistake."""
    with pytest.raises(RecipeError):
        run(Scripted({1: RecipeError("wrong key")}), examples(2))


def test_what_only_one_example_cannot_have_ends_that_example_alone() -> None:
    """One odd schema, or one long conversation, among a thousand would end every run of the suite."""
    from toolfinch.callers.load import load as load_caller

    codes = {"type": "array", "items": {"type": "string", "pattern": "^(?=x)"}}
    odd = Tool("odd", "", {"type": "object", "properties": {"codes": codes}})
    plain = Tool("plain", "", {"type": "object", "properties": {}})
    asked = [((odd,), "hello"), ((plain,), "word " * 9000), ((plain,), "hello")]
    cases = [
        Example(f"c/{i}", tools, (user(text),), Expected("say")) for i, (tools, text) in enumerate(asked)
    ]
    caller = load_caller("fledgling")
    assert isinstance(caller, LocalCaller)
    schema, context, fine = run(caller, cases, progress=False)
    assert (schema.reply.stop, context.reply.stop) == ("error", "context") and not fine.reply.error
    assert "'odd'" in schema.reply.error and "context is 8192" in context.reply.error
    refuses = (
        "{% if messages[0]['content'] == 'no' %}{{ raise_exception('roles must alternate') }}{% endif %}"
    )
    caller.template = refuses + caller.template
    said = [
        Example(f"d/{i}", (plain,), (user(text),), Expected("say")) for i, text in enumerate(("no", "hi"))
    ]
    refused, fine = run(caller, said, progress=False)
    assert "roles must alternate" in refused.reply.error and not fine.reply.error


def test_a_reply_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Half a surrogate pair must not end the run, nor be lost."""

    class Surrogate(Scripted):
        def reply(self, *_: object, **__: object) -> Reply:  # type: ignore[override]
            return Reply(assistant("\ud800"))

    (result,) = run(Surrogate(), examples(1), tmp_path)
    assert result.reply.stop == "error" and lines(tmp_path)


def test_progress_off_a_terminal_is_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log file needs a sign of life, not the control characters of a bar."""
    monkeypatch.setattr("toolfinch.evaluate.run.SECONDS_BETWEEN_LINES", 0)
    run(NeverCall(), examples(2))
    assert capsys.readouterr().err.splitlines() == ["never-call: 1 of 2", "never-call: 2 of 2"]
    run(NeverCall(), examples(2), progress=False)
    assert not capsys.readouterr().err


def test_a_name_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar of a model with brackets in its name would end the run that it shows."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ticking("a[/b]", 1, True) as tick:
        tick()


def test_latency_is_measured_where_the_caller_gives_none() -> None:
    """Otherwise a floor would have a latency of exactly 0."""
    assert run(NeverCall(), examples(1))[0].reply.timings.total_s > 0


ROW = {
    "id": "a",
    "scenario": "single_tool",
    "tools": [{"name": "get_weather", "description": "", "parameters": WEATHER.parameters}],
    "messages": [
        {"role": "user", "content": "Paris?"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "get_weather", "arguments": "{}"}}]},
        {"role": "tool", "content": "sunny"},
        {"role": "assistant", "content": "Sunny."},
    ],
    "marks": {"3": {"kind": "say"}},
}  # fmt: skip


def test_suite_from_a_file(tmp_path: Path) -> None:
    """Every assistant turn is an example, gzipped or not."""
    (tmp_path / "s.jsonl").write_text(json.dumps(ROW) + "\n")
    with gzip.open(tmp_path / "s.jsonl.gz", "wt") as file:
        file.write(json.dumps(ROW) + "\n")
    plain = load(tmp_path / "s.jsonl")
    assert [e.expected.kind for e in plain] == ["call", "say"]
    assert [e.id for e in plain] == ["a/1", "a/3"] == [e.id for e in load(str(tmp_path / "s.jsonl.gz"))]


def test_suite_with_a_bad_row_is_refused(tmp_path: Path) -> None:
    """A suite that silently has 199 of 200 rows is another suite."""
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + '{"messages": 3}\n')
    with pytest.raises(DataError, match=r"s\.jsonl:2"):
        load(path)
    with pytest.raises(DataError, match="no such suite"):
        load("frozen_201")
