"""Our suites in Inspect: every sample has the score that we give the same reply."""

from __future__ import annotations

import importlib
import importlib.metadata
import itertools
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolfinch import dialects
from toolfinch.caller import Decoding, Reply
from toolfinch.callers.floors import Bm25Pick, NeverCall
from toolfinch.errors import MissingDependency, UsageError
from toolfinch.evaluate import run, suite
from toolfinch.example import Example, gold_message
from toolfinch.message import Message, ToolCall, assistant, tool, user
from toolfinch.score import Score, score
from toolfinch.tool import Tool, read

inspect_ai = pytest.importorskip("inspect_ai", reason="needs inspect-ai: pip install 'toolfinch[inspect]'")
inspect_model = importlib.import_module("toolfinch.evaluate.inspect_model")
inspect_tasks = importlib.import_module("toolfinch.evaluate.inspect_tasks")
inspect_turns = importlib.import_module("toolfinch.evaluate.inspect_turns")
FORTY = suite.load("forty")


def evaluated(folder: Path, task: Any, model: Any, **how: Any) -> Any:
    """The log of a real run, as it is read back from its file."""
    from inspect_ai.log import read_eval_log

    (log,) = inspect_ai.eval(task, model=model, log_dir=str(folder), display="none", **how)
    assert log.status == "success", log.error
    return read_eval_log(log.location)


def by_id(log: Any) -> dict[str, Any]:
    """The samples, which a log has in an order of its own."""
    return {sample.id: sample for sample in log.samples}


def own(sample: Any) -> Any:
    (found,) = sample.scores.values()
    return found


# --- the same replies, the same scores -----------------------------------------------------------------

# One behaviour after the other, so that every kind of reply meets several kinds of decision.
BEHAVIOURS = ("gold", "wrong", "broken", "ask", "nothing", "cut", "error", "too long", "extra", "in the text")


def fixed(example: Example, behaviour: str) -> Reply:
    """What the model says."""
    gold = gold_message(example)
    call = gold.calls[0] if gold.calls else ToolCall(example.tools[0].name, {})
    match behaviour:
        case "gold":
            return Reply(gold)
        case "wrong":
            return Reply(assistant("", msgspec.structs.replace(call, arguments={"city": 7, "nope": None})))
        case "broken":
            return Reply(assistant("", *gold.calls[1:]), unread=("Error parsing the arguments: {city: ",))
        case "ask":
            return Reply(assistant("Which one do you mean?"))
        case "nothing":
            return Reply(assistant())
        case "cut":
            return Reply(assistant("I will"), stop="length")
        case "error":
            return Reply(assistant(), stop="error", error="RuntimeError: the endpoint is down")
        case "too long":
            return Reply(assistant("too many tokens"), stop="context", error="too many tokens")
        case "extra":
            return Reply(assistant("Both.", *gold.calls, ToolCall("rm_all", {"path": ["/", 1.5]})))
        case _:
            return Reply(assistant(dialects.get("bare_json").write_call(call)))


REPLIES = {e.id: fixed(e, b) for e, b in zip(FORTY, itertools.cycle(BEHAVIOURS), strict=False)}


def scripted_model() -> Any:
    """Inspect's own stand-in for an endpoint, with the fixed replies."""
    from inspect_ai.model import get_model

    by_prompt = {tuple(m.content for m in e.messages): e for e in FORTY}
    assert len(by_prompt) == len(FORTY)

    def answer(messages: list[Any], tools: list[Any], choice: Any, config: Any) -> Any:
        example = by_prompt[tuple(message.text for message in messages)]
        assert [info.name for info in tools] == [each.name for each in example.tools]
        reply = REPLIES[example.id]
        if reply.stop == "error":
            raise RuntimeError(reply.error)
        return inspect_model.output_of("scripted", reply, len(messages))

    return get_model("mockllm/scripted", custom_outputs=answer, memoize=False)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Any:
    task = inspect_tasks.task_of("forty")
    return evaluated(tmp_path_factory.mktemp("logs"), task, scripted_model())


def test_every_sample_has_our_score(log: Any) -> None:
    """A call that is dropped, renamed or repaired on the way through Inspect is scored as another reply."""
    samples, exact = by_id(log), 0
    assert samples.keys() == REPLIES.keys()
    for example in FORTY:
        sample, reply = samples[example.id], REPLIES[example.id]
        if reply.stop == "error":
            assert "the endpoint is down" in sample.error.message and not sample.scores
            continue
        ours, theirs = score(example, reply), own(sample)
        assert msgspec.convert(theirs.metadata["score"], Score) == ours
        assert theirs.value == ("C" if ours.exact else "I")
        assert theirs.metadata["failure"] == (ours.failure.kind if ours.failure else None)
        assert theirs.explanation == (ours.failure.why if ours.failure else None)
        exact += ours.exact
    assert 0 < exact < len(FORTY)
    scored = [sample for sample in log.samples if sample.scores]
    assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(exact / len(scored))
    kinds = {own(sample).metadata["failure"] for sample in scored}
    assert {None, "malformed", "stray_call", "unknown_argument", "context_exceeded"} <= kinds


def test_what_a_scenario_scores_is_a_metric_of_its_own(log: Any) -> None:
    """One number hides where a model fails."""
    metrics = {name: m.value for each in log.results.scores for name, m in each.metrics.items()}
    samples = by_id(log)
    for scenario in {example.scenario for example in FORTY}:
        rows = [samples[e.id] for e in FORTY if e.scenario == scenario and samples[e.id].scores]
        assert metrics[scenario] == pytest.approx(sum(own(s).value == "C" for s in rows) / len(rows))


def test_calls_left_in_the_text_are_read_on_request(tmp_path: Path, log: Any) -> None:
    """A right call lost to format would look like a model that cannot call."""
    ids = [i for i, reply in REPLIES.items() if reply.message.content.startswith('{"name"')]
    task = inspect_tasks.task_of("forty", dialect="auto")
    read = {s.id: own(s) for s in evaluated(tmp_path, task, scripted_model(), sample_id=ids).samples}
    plain = {s.id: own(s) for s in log.samples if s.id in ids}
    assert {found.metadata["read_as"] for found in read.values()} == {"bare_json"}
    assert {found.metadata["read_as"] for found in plain.values()} == {""}
    assert sum(f.value == "C" for f in read.values()) > sum(f.value == "C" for f in plain.values())


@pytest.mark.parametrize(("name", "floor"), [("bm25", Bm25Pick()), ("never", NeverCall())])
def test_our_callers_score_the_same_through_inspect(tmp_path: Path, name: str, floor: Any) -> None:
    """Messages or tools that change on the way make another prompt, and another reply."""
    theirs = by_id(evaluated(tmp_path, inspect_tasks.task_of("forty"), f"toolfinch/{name}"))
    for ours in run.run(floor, FORTY, progress=False):
        assert msgspec.convert(own(theirs[ours.example.id]).metadata["score"], Score) == ours.score


def test_played_cases_end_the_same(tmp_path: Path) -> None:
    """Played cases ask in a thread while Inspect's loop waits: more of them at once than it has threads."""
    opened = suite.open("failed_tools")
    cases = list(opened.played)[:60]
    task = inspect_tasks.task_of("failed_tools")
    ids = [case.id for case in cases]
    theirs = by_id(evaluated(tmp_path, task, "toolfinch/bm25", sample_id=ids, max_samples=60))
    ours = run.play(opened.module, Bm25Pick(), cases, progress=False)
    assert len({outcome.failure is None for outcome in ours}) == 2
    for outcome in ours:
        sample = theirs[outcome.id]
        assert own(sample).value == ("I" if outcome.failure else "C")
        assert own(sample).metadata["failure"] == (outcome.failure.kind if outcome.failure else None)
        assert own(sample).metadata["marks"] == outcome.marks
        assert [m.text for m in sample.messages] == [m.content for m in outcome.messages]


# --- to Inspect and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["forty", "dependencies", "scenarios_200", "unseen_tools_100"])
def test_prompts_come_back_as_they_were(name: str) -> None:
    """The model would be asked something else than `toolfinch eval` asks."""
    for example in suite.load(name):
        back = [inspect_turns.from_inspect(m) for m in inspect_turns.to_inspect(example.messages)]
        assert back == list(example.messages)
        assert (
            tuple(inspect_turns.from_info(inspect_turns.to_info(t)) for t in example.tools) == example.tools
        )


def test_calls_without_an_id_keep_their_results() -> None:
    """Two results of one turn that change places; an error that is read as an answer."""
    given = [
        user("Both?"),
        assistant("", ToolCall("a", {}), ToolCall("b", {"x": [1, {"y": None}]})),
        tool("one"),
        tool("down", is_error=True),
    ]
    _, asked, first, second = inspect_turns.to_inspect(given)
    assert [first.tool_call_id, second.tool_call_id] == [call.id for call in asked.tool_calls]
    assert (first.function, second.function, second.error.message) == ("a", "b", "down")
    back: list[Message] = [inspect_turns.from_inspect(m) for m in (asked, first, second)]
    assert [call.arguments for call in back[0].calls] == [{}, {"x": [1, {"y": None}]}]
    assert [(m.result.content, m.result.is_error) for m in back[1:] if m.result] == [
        ("one", False),
        ("down", True),
    ]


def test_a_schema_that_inspect_cannot_hold_is_still_shown() -> None:
    """A keyword of Draft 2020-12 must not keep a suite from being run with another provider."""
    parts = {
        "size": {"oneOf": [{"const": "s"}, {"type": "integer", "minimum": 1}]},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["x"]}, "maxItems": 2},
        "any": True,
        "list": {"type": "array", "items": True},
        "map": {"type": "object", "additionalProperties": {"type": "number"}},
    }
    exact: Tool = read(
        {"name": "f", "parameters": {"type": "object", "properties": parts, "required": ["size"]}}
    )
    info = inspect_turns.to_info(exact)
    assert inspect_turns.from_info(info) == exact
    info.options = None
    shown = inspect_turns.from_info(info).parameters
    assert shown["required"] == ["size"] and set(shown["properties"]) == set(parts)
    assert shown["properties"]["size"]["anyOf"] == [
        {"type": "string", "enum": ["s"]},
        {"type": "integer", "minimum": 1},
    ]
    assert shown["properties"]["map"]["additionalProperties"] == {"type": "number"}


def test_inspect_s_options_reach_our_callers() -> None:
    """`--temperature` or a tool choice that is ignored in silence gives another run than was asked for."""
    from inspect_ai.model import GenerateConfig
    from inspect_ai.tool import ToolFunction

    config = GenerateConfig(max_tokens=7, temperature=0.5, seed=3, stop_seqs=["x"], parallel_tool_calls=False)
    decoding = inspect_model.decoding_of(ToolFunction("f"), config)
    assert decoding == Decoding(7, 0.5, 3, "=f", parallel=False, stop=("x",))
    assert inspect_model.decoding_of("auto", inspect_tasks.CONFIG) == Decoding()


# --- how it is found -----------------------------------------------------------------------------------


def test_the_entry_point_registers_every_suite_and_the_model() -> None:
    """`inspect eval toolfinch/NAME` would not find it."""
    from inspect_ai._util.registry import registry_find, registry_info, registry_unqualified_name

    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["inspect_ai"] == {"toolfinch": inspect_tasks.__name__}
    known = registry_find(lambda info: info.type == "task")
    assert {*suite.BUILT_IN, *suite.PUBLIC, *suite.PLAYED} <= {
        registry_unqualified_name(registry_info(each)) for each in known
    }


def test_an_unknown_dialect_is_refused_before_a_model_is_asked() -> None:
    """Every reply would be paid for, and none scored."""
    with pytest.raises(UsageError, match="no dialect 'nope'"):
        inspect_tasks.task_of("forty", dialect="nope")


@pytest.mark.slow
def test_the_command_of_the_docs_runs(tmp_path: Path) -> None:
    """The command line finds the package, its suites and its model by their names, or it is of no use."""
    if not [e for e in importlib.metadata.entry_points(group="inspect_ai") if e.name == "toolfinch"]:
        pytest.skip("toolfinch is not installed, only on the path")
    command = [sys.executable, "-m", "inspect_ai", "eval", "--display", "plain", "--log-dir", str(tmp_path)]
    models = ["--model", "toolfinch/bm25", "--limit", "3"]
    subprocess.run([*command, "toolfinch/forty", *models], check=True, capture_output=True, cwd=tmp_path)
    assert len(list(tmp_path.glob("*forty*.eval"))) == 1
    missing = subprocess.run(
        [*command, "toolfinch/nestful", *models], capture_output=True, text=True, cwd=tmp_path
    )
    said = " ".join((missing.stdout + missing.stderr).split())
    assert missing.returncode and "needs -T data=FOLDER" in said and "Traceback" not in said


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ImportError from deep inside, and no word of the extra."""
    monkeypatch.setitem(sys.modules, "inspect_ai.model", None)
    monkeypatch.delitem(sys.modules, inspect_turns.__name__)
    with pytest.raises(MissingDependency) as missing:
        importlib.import_module(inspect_turns.__name__)
    assert "toolfinch[inspect]" in missing.value.hint


def test_help_does_not_load_it() -> None:
    """Half a second for everyone, for a few who use it."""
    code = "import sys; from toolfinch.cli.main import main; main(['--help']); print('inspect_ai' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.endswith("False\n")
