"""BFCL's multi-turn cases: played as BFCL plays them, judged by its checker, and nothing of a reply is executed.

Most of it needs BFCL's wheel and mpmath. The cases here are invented; its own are read where it is installed.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.caller import Decoding, Reply
from toolfinch.callers.floors import NeverCall
from toolfinch.errors import DataError, MissingDependency
from toolfinch.evaluate.played import Outcome
from toolfinch.evaluate.suites.bfcl_multi_turn import STEPS, gold, load, play
from toolfinch.evaluate.suites.bfcl_turns import CATEGORIES, DOCS, Case, Turn
from toolfinch.evaluate.suites.bfcl_world import INSTALL, Setting, World, written
from toolfinch.message import Message, ToolCall, assistant, user
from toolfinch.tool import Tool

needs_bfcl = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("bfcl_eval", "mpmath")),
    reason=f"needs: {INSTALL}",
)


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {case.id: case for case in load()}


@pytest.fixture
def world() -> Iterator[World]:
    one = World(seconds=10)
    yield one
    one.close()


class Script:
    """Makes the calls of each turn, one a reply, or all at once where one by one is more than BFCL allows."""

    name = "script"

    def __init__(self, turns: Sequence[Sequence[ToolCall]], *, at_once: int = STEPS) -> None:
        self.turns, self.at_once = turns, at_once
        self.offered: list[list[str]] = []

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        self.offered.append([tool.name for tool in tools])
        calls = self.turns[sum(message.role == "user" for message in messages) - 1]
        done = sum(1 for _ in itertools.takewhile(lambda m: m.role != "user", reversed(messages)))
        if len(calls) > self.at_once:
            return Reply(assistant("", *(calls if not done else ())))
        return Reply(assistant("", *calls[done // 2 : done // 2 + 1]))


# Calls as text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(("content", "file_name", "x1")), json_values))
def test_a_written_call_is_its_values_and_nothing_else(arguments: dict[str, Any]) -> None:
    """A value that ends its quotes would be evaluated as code."""
    try:
        text = written("echo", arguments)
    except ValueError:
        with pytest.raises(UnicodeEncodeError):
            json.dumps(arguments, ensure_ascii=False).encode()
        return
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args
    assert {word.arg: ast.literal_eval(word.value) for word in call.keywords} == arguments


@pytest.mark.parametrize("word", ["", "a b", "a)", "class", "a=1, b", "os.system", "1st", "*a"])
def test_what_is_no_name_is_never_written(word: str) -> None:
    """A key such as `a=1).x(b` is the one way into the text that no quote guards."""
    for name, arguments in ((word, {}), ("echo", {word: 1})):
        with pytest.raises(ValueError, match="not a name"):
            written(name, arguments)


# Invented cases in BFCL's file system


def case(cases: dict[str, Case], *turns: str, classes: tuple[str, ...] = ("GorillaFileSystem",)) -> Case:
    """Turns of gold calls, one a line, in a folder that holds `a/a` and a file."""
    tools = next(one.turns[-1].tools for one in cases.values() if one.setting.involved_classes == classes)
    file = {"type": "file", "content": "first line"}
    root = {
        "a": {"type": "directory", "contents": {"a": {"type": "directory", "contents": {}}}},
        "f.txt": file,
    }
    config = {"GorillaFileSystem": {"root": {"home": {"type": "directory", "contents": root}}}}
    made = []
    for n, text in enumerate(turns):
        lines = tuple(filter(None, text.split("\n")))
        made.append(
            Turn((user(f"Request {n} about x.txt, y.txt and a."),), tools, lines, tuple(map(call, lines)))
        )
    setting = Setting("multi_turn_base_0", classes, msgspec.Raw(json.dumps(config).encode()))
    return Case("base_0", "base", "0", tuple(made), setting)


def call(text: str) -> ToolCall:
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return ToolCall(node.func.id, {str(word.arg): ast.literal_eval(word.value) for word in node.keywords})


def script(*turns: str) -> Script:
    return Script([[call(line) for line in text.split("\n") if line] for text in turns])


GOLD = ("cd(folder='a')\ntouch(file_name='x.txt')", "", "touch(file_name='y.txt')")


@needs_bfcl
@pytest.mark.parametrize(
    ("turns", "kind"),
    [
        (GOLD, None),
        ((GOLD[0] + "\npwd()", "ls()", GOLD[2]), None),
        ((GOLD[0], GOLD[2], "ls()"), None),
        (("", "", ""), "missed_call"),
        (("cd(folder='a')", "", GOLD[2]), "gave_up_early"),
        (("touch(file_name='x.txt')\ncd(folder='a')", "", GOLD[2]), "wrong_order"),
        (("cd(folder='a')\nmkdir(dir_name='x.txt')", "", GOLD[2]), "wrong_tool"),
        (("cd(folder='a')\ncd(folder='a')\ntouch(file_name='x.txt')", "", GOLD[2]), "repeated_call"),
        ((GOLD[0] + "\nmkdir(dir_name='more')", "", GOLD[2]), "stray_call"),
        ((GOLD[0], GOLD[2], ""), "premature_call"),
        ((GOLD[0], "mkdir(dir_name='more')", GOLD[2]), "stray_call"),
        (("cd(folder='a')\ntouch(name='x.txt')", "", GOLD[2]), "unknown_argument"),
        (("cd(folder='a')\ntouch()", "", GOLD[2]), "missing_argument"),
        (("cd(folder='a')\ntouch(file_name=['x.txt'])", "", GOLD[2]), "wrong_type"),
        (("cd(folder='a')\ntouch(file_name='y.txt')", "", GOLD[2]), "wrong_value"),
        (("cd(folder='a')\ntouch(file_name='q7.txt')", "", GOLD[2]), "not_grounded"),
    ],
)
def test_every_way_to_fail_has_its_name(
    cases: dict[str, Case], turns: tuple[str, ...], kind: str | None
) -> None:
    """A failure under a wrong name sends the reader of a report to the wrong place."""
    outcome = play(script(*turns), case(cases, *GOLD))
    assert (outcome.failure.kind if outcome.failure else None) == kind, outcome.failure


@needs_bfcl
def test_what_the_checker_found_is_marked(cases: dict[str, Case]) -> None:
    """A wrong state must not look like a missing result; a check that was not reached has no mark."""
    right = {"within_steps": True, "called_each_turn": True, "state_right": True, "results_right": True}
    one = case(cases, *GOLD)
    assert play(gold(one), one).marks == right | {"waited": True}
    assert play(script("", "", ""), one).marks == {
        "within_steps": True,
        "called_each_turn": False,
        "waited": True,
    }
    wrong = play(script(GOLD[0] + "\ntouch(file_name='z')", "ls()", GOLD[2]), one)
    assert wrong.marks == {
        "within_steps": True,
        "called_each_turn": True,
        "state_right": False,
        "waited": False,
    }
    assert wrong.expected.split("\n")[1:] == ["turn 2: no call", "turn 3: touch(file_name='y.txt')"]
    reads = case(cases, "cat(file_name='f.txt')")
    assert play(script("ls()"), reads).marks == right | {"results_right": False}


@needs_bfcl
def test_results_are_those_of_the_state_so_far(cases: dict[str, Case]) -> None:
    """Made anew for every request, the instances would forget earlier steps and turns."""

    def results(one: Case) -> list[str]:
        played = play(script("cd(folder='a')\nls()", "", "cd(folder='a')\nls()"), one)
        return [message.content for message in played.messages if message.role == "tool"]

    one = case(cases, *GOLD)
    entered = '{"current_working_directory": "a"}'
    listed = '{"current_directory_content": %s}'
    assert results(one) == [entered, listed % '["a"]', entered, listed % "[]"]
    setting = msgspec.structs.replace(one.setting, id="multi_turn_long_context_0")
    assert len(results(msgspec.structs.replace(one, setting=setting))[3]) > 500


@needs_bfcl
def test_more_replies_with_calls_than_bfcl_allows_end_the_case(cases: dict[str, Case]) -> None:
    """A caller that loops would never end; in the last turn BFCL still looks at what it did."""

    class Loops(Script):
        def reply(self, *request: Any) -> Reply:
            return Reply(assistant("", call("pwd()")))

    outcome = play(Loops([]), case(cases, "cd(folder='a')", "ls()"))
    assert len(outcome.replies) == STEPS + 1
    assert outcome.failure and outcome.failure.kind == "repeated_call"
    assert outcome.marks == {"within_steps": False}
    assert play(Loops([]), case(cases, "pwd()")).failure is None


@needs_bfcl
def test_a_reply_that_cannot_be_read_ends_the_turn(cases: dict[str, Case]) -> None:
    """BFCL makes none of its calls; a call without a result would break the chat template of the next reply."""

    class Garbled(Script):
        def reply(self, *request: Any) -> Reply:
            return msgspec.structs.replace(super().reply(*request), unread=("<tool_call>{",))

    outcome = play(Garbled([[call("cd(folder='a')")]]), case(cases, "cd(folder='a')"))
    assert outcome.failure and outcome.failure.kind == "malformed" and "<tool_call>{" in outcome.failure.why
    assert len(outcome.replies) == 1 and not any(m.calls or m.role == "tool" for m in outcome.messages)


@needs_bfcl
@pytest.mark.parametrize(("stop", "kind"), [("error", "endpoint_error"), ("context", "context_exceeded")])
def test_a_case_without_a_reply_says_so(cases: dict[str, Case], stop: Any, kind: str) -> None:
    """An endpoint that is down must not look like a model that is wrong."""

    class Broken(Script):
        def reply(self, *request: Any) -> Reply:
            return Reply(assistant(), stop=stop, error="no more")

    outcome = play(Broken([]), case(cases, *GOLD))
    assert outcome.failure and (outcome.failure.kind, outcome.failure.why) == (kind, "no more")
    assert outcome.marks == {}


# What a reply can do to us: nothing


@needs_bfcl
@pytest.mark.parametrize(
    "content",
    [
        "__import__('os').system('touch {mark}')",
        "') or __import__('os').system('touch {mark}') or ('",
        "'); open('{mark}', 'w') #",
        "\\'); open('{mark}', 'w')\n#",
        '"""\n__import__("pathlib").Path("{mark}").write_text("x")\n"""',
        "{{x.__class__.__mro__}} %s {mark} \\x27) \\N{{APOSTROPHE}} \r\n\t\0",
    ],
)
def test_a_hostile_argument_is_text(
    cases: dict[str, Case], tmp_path: Path, content: str, world: World
) -> None:
    """BFCL evaluates calls: an argument that gets out of its quotes runs on the user's machine."""
    mark = tmp_path / "mark"
    content = content.format(mark=mark)
    outcome = play(Script([[ToolCall("echo", {"content": content})]]), case(cases, "ls()"), world=world)
    assert not mark.exists()
    (shown,) = (m.content for m in outcome.messages if m.role == "tool")
    # BFCL takes away spaces before a bracket (and marks its tools' names there), even inside of text.
    assert json.loads(shown)["terminal_output"] == content.replace(" (", "(")


@needs_bfcl
@pytest.mark.parametrize(
    "wrong",
    [
        ToolCall("dict", {"x": 1}),
        ToolCall("breakpoint", {}),
        ToolCall("__import__('os').getcwd", {}),
        ToolCall("_load_scenario", {"scenario": {}}),
        ToolCall("post_tweet", {"content": "of a class that is not there"}),
        ToolCall("ls", {"a=1) or print(b": 1}),
        ToolCall("ls", {"a": "\ud800"}),
    ],
)
def test_a_call_that_cannot_be_made_is_answered_and_not_evaluated(
    cases: dict[str, Case], wrong: ToolCall
) -> None:
    """Its name or key would be evaluated as Python; the case has to go on after it."""
    one = case(cases, *GOLD)
    outcome = play(Script([(wrong, *one.turns[0].calls), (), one.turns[2].calls]), one)
    assert outcome.failure is None
    assert outcome.messages[2].content.startswith("Error during execution: ")


@needs_bfcl
def test_the_process_refuses_what_no_tool_needs(world: World, tmp_path: Path) -> None:
    """The second wall: code that did get there must not reach files, processes or the network."""
    setting = Setting("multi_turn_base_0", ("MathAPI",), msgspec.Raw(b"{}"))
    mark = tmp_path / "mark"
    mark.touch()
    for text in (
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"__import__('os').unlink({str(mark)!r})",
        f"__import__('os').system('touch {tmp_path / 'new'}')",
        f"__import__('subprocess').run(['touch', {str(tmp_path / 'new')!r}])",
        "__import__('socket').create_connection(('127.0.0.1', 9))",
    ):
        (result,) = world.run(setting, [[[text]]])
        assert "may not do this" in result, text
    assert [path.name for path in tmp_path.iterdir()] == ["mark"]
    assert "HOME" not in world.run(setting, [[["str(dict(__import__('os').environ))"]]])[0]


@needs_bfcl
def test_a_hang_or_a_crash_is_one_case_s(cases: dict[str, Case]) -> None:
    """One call that never ends would hold up the run, and one crash would end it."""
    world = World(seconds=1.5)
    good = case(cases, *GOLD)
    hang = case(cases, "absolute_value(number=1)", classes=("VehicleControlAPI", "MathAPI"))
    outcome = play(script("power(base=10, exponent=1000000000)"), hang, world=world)
    assert outcome.failure and outcome.failure.kind == "endpoint_error"
    assert "no answer within 1.5 s" in outcome.failure.why
    assert play(gold(good), good, world=world).failure is None

    class Kills(Script):
        def reply(self, *request: Any) -> Reply:
            assert world._process
            world._process.kill()
            world._process.wait()
            return super().reply(*request)

    outcome = play(Kills(good_calls := [turn.calls for turn in good.turns]), good, world=world)
    assert outcome.failure and "ended with code -9" in outcome.failure.why
    assert play(Script(good_calls), good, world=world).failure is None

    setting = msgspec.structs.replace(good.setting, initial_config=msgspec.Raw(b"[]"))
    outcome = play(gold(good), msgspec.structs.replace(good, setting=setting), world=world)
    assert outcome.failure and "AttributeError" in outcome.failure.why
    assert play(gold(good), good, world=world).failure is None
    world.close()


# Reading


def test_without_the_wheel_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install bfcl-eval` alone brings a hundred packages; without mpmath a quarter of the cases fail."""
    for name in ("mpmath", "bfcl_eval"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingDependency, match=f"need {name}") as found:
            load()
        assert found.value.hint == INSTALL


ROW = {
    "id": "multi_turn_base_1",
    "question": [[{"role": "user", "content": "Where am I?"}]],
    "initial_config": {},
    "involved_classes": ["GorillaFileSystem"],
}
ANSWER = {"id": "multi_turn_base_1", "ground_truth": [["pwd()"]]}


@needs_bfcl
@pytest.mark.parametrize(
    ("row", "answer", "says"),
    [
        ({"question": 3}, {}, "base.json:2: Expected `array`, got `int` - at `$.question`"),
        ({"id": "multi_turn_base_2"}, {}, "base.json:2: 'multi_turn_base_2' has no answer"),
        ({"involved_classes": ["Os"]}, {}, "base.json:2: involved_classes: unknown: Os"),
        ({"missed_function": {"0": ["rmdir"]}}, {}, "base.json:2: missed_function: unknown: rmdir"),
        ({"question": [[]]}, {}, "base.json:2: question[0]: nothing is said"),
        (
            {},
            {"ground_truth": []},
            "possible_answer/BFCL_v4_multi_turn_base.json:1: ground_truth: expected 1",
        ),
        ({}, {"ground_truth": [["pwd"]]}, "base.json:1: turn 0 of its answer"),
        ({}, {"ground_truth": [["rmdir()"]]}, "base.json:1: turn 0 of its answer"),
        ({}, {"ground_truth": [["pwd(1)"]]}, "base.json:1: turn 0 of its answer"),
        ({}, {"ground_truth": [["pwd(x=open('f'))"]]}, "base.json:1: turn 0 of its answer"),
    ],
)
def test_a_broken_row_is_named(
    tmp_path: Path, row: dict[str, Any], answer: dict[str, Any], says: str
) -> None:
    """A suite that reads past a broken row is another suite."""

    def write(name: str, *lines: Any) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    for file in DOCS.values():
        write(
            f"multi_turn_func_doc/{file}.json",
            {"name": "pwd", "parameters": {"type": "dict", "properties": {}}},
        )
    for category in CATEGORIES:
        write(f"BFCL_v4_multi_turn_{category}.json", ROW, ROW)
        write(f"possible_answer/BFCL_v4_multi_turn_{category}.json", ANSWER)
    assert len(load(tmp_path)) == 8
    write("BFCL_v4_multi_turn_base.json", ROW, ROW | row)
    write("possible_answer/BFCL_v4_multi_turn_base.json", ANSWER | answer)
    with pytest.raises(DataError, match=re.escape(says)):
        load(tmp_path)


@needs_bfcl
def test_a_tool_that_is_held_back_comes_with_its_turn(cases: dict[str, Case]) -> None:
    """Offered too early, `miss_func` would be `base`; never offered, nobody could pass it."""
    one = cases["miss_func_3"]
    caller = Script([turn.calls for turn in one.turns])
    outcome = play(caller, one)
    assert outcome.failure is None
    before, after = caller.offered[0], caller.offered[-1]
    assert {"find", "ls"}.isdisjoint(before) and after == [*before, "find", "ls"]
    said = [message.content for message in outcome.messages if message.role == "user"]
    assert "functions" in said[1] and said[1] not in (said[0], said[2])


@needs_bfcl
def test_the_variants_of_a_case_are_one_group(cases: dict[str, Case]) -> None:
    """Taken for independent, four variants of each request would make every interval half as wide."""
    assert len(cases) == 800
    groups: dict[str, list[Case]] = {}
    for one in cases.values():
        groups.setdefault(one.group, []).append(one)
    for variants in groups.values():
        assert [one.scenario for one in variants] == list(CATEGORIES)
        assert len({one.setting.involved_classes for one in variants}) == 1
        asked = [{m.content for turn in one.turns for m in turn.messages} for one in variants]
        tools = [{call.name for turn in one.turns for call in turn.calls} for one in variants]
        assert all(asked[0] & others or tools[0] == used for others, used in zip(asked, tools, strict=True))


STUCK = """
import atexit, sys, threading, time
import msgspec
from toolfinch.evaluate.suites.bfcl_world import Setting, World

world = World(float(sys.argv[1]))
atexit.register(world.close)
setting = Setting("multi_turn_base_0", ("MathAPI",), msgspec.Raw(b"{}"))
world.run(setting, [])
for _ in range(3):
    stuck = [[["power(base=10, exponent=1000000000)"]]]
    threading.Thread(target=world.run, args=(setting, stuck), daemon=True).start()
print(world._process.pid, flush=True)
time.sleep(60)
"""


@needs_bfcl
@pytest.mark.skipif(sys.platform == "win32", reason="needs: signals")
@pytest.mark.parametrize(("way", "seconds"), [(signal.SIGINT, 30.0), (signal.SIGKILL, 3.0)])
def test_a_stuck_process_ends_with_ours(way: signal.Signals, seconds: float) -> None:
    """After Ctrl-C the command would hang for a call that never ends; killed, it would leave a core busy for good."""
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as ours:
        assert ours.stdout
        theirs = int(ours.stdout.readline())
        time.sleep(0.3)
        ours.send_signal(way)
        ours.wait(timeout=10)
    end = time.monotonic() + 10
    while time.monotonic() < end and alive(theirs):
        time.sleep(0.05)
    assert not alive(theirs)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a zombie that no parent has collected is no process at work
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@needs_bfcl
def test_threads_share_the_process(cases: dict[str, Case], world: World) -> None:
    """An answer to another thread's request would be a result of another case."""
    some = list(cases.values())[::20]

    def one(case: Case) -> Outcome:
        return play(Script([turn.calls for turn in case.turns]), case, world=world)

    alone = [one(case) for case in some]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, some)) == alone
    assert all(outcome.failure is None for outcome in alone)


# Against BFCL itself


@needs_bfcl
@pytest.mark.slow
def test_gold_passes_and_never_calling_does_not(cases: dict[str, Case]) -> None:
    """A suite whose own answers fail, or that is passed by doing nothing, measures nothing."""
    assert [one.id for one in cases.values() if play(gold(one), one).failure] == []
    assert [one.id for one in cases.values() if not play(NeverCall(), one).failure] == []
    one_by_one = {
        one.id
        for one in cases.values()
        if play(Script([turn.calls for turn in one.turns], at_once=1000), one).failure
    }
    more_calls_than_steps = {o.id for o in cases.values() if any(len(t.calls) > STEPS + 1 for t in o.turns)}
    assert one_by_one == more_calls_than_steps == {"long_context_38", "long_context_46"}


Turns = list[list[ToolCall]]


def drop(draw: random.Random, turns: Turns) -> None:
    turn = draw.choice([turn for turn in turns if turn])
    turn.pop(draw.randrange(len(turn)))


def swap(draw: random.Random, turns: Turns) -> None:
    turn = draw.choice([turn for turn in turns if turn])
    turn.insert(0, turn.pop(draw.randrange(len(turn))))


def change(draw: random.Random, turns: Turns) -> None:
    changed: dict[type, Callable[[Any], Any]] = {
        bool: lambda value: not value,
        str: lambda value: value + "x",
        list: lambda value: value[1:],
        dict: lambda value: {},
    }
    places = [(turn, i) for turn in turns for i, call in enumerate(turn) if call.arguments]
    if places:
        turn, i = draw.choice(places)
        key = draw.choice(list(turn[i].arguments))
        value = turn[i].arguments[key]
        value = changed.get(type(value), lambda number: number + 1)(value)
        turn[i] = ToolCall(turn[i].name, turn[i].arguments | {key: value})


def move(draw: random.Random, turns: Turns) -> None:
    at = draw.randrange(len(turns))
    turns[at - 1], turns[at] = turns[at], turns[at - 1]


def again(draw: random.Random, turns: Turns) -> None:
    turn = draw.choice([turn for turn in turns if turn])
    turn.append(draw.choice(turn))


ITS_OWN = """
import json, sys
from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker
for n, line in enumerate(sys.stdin):
    entry, turns, gold = json.loads(line)
    steps = [[[f"{name}({','.join(f'{k}={v!r}' for k, v in arguments.items())})"] for name, arguments in turn]
             for turn in turns]
    found = multi_turn_checker(steps, gold, entry, "", f"model{n}")
    print(found.get("error_type", "").partition(":")[2])
"""
MARKS = {
    "": "",
    "empty_turn_model_response": "called_each_turn",
    "instance_state_mismatch": "state_right",
    "execution_response_mismatch": "results_right",
}


@needs_bfcl
@pytest.mark.slow
@pytest.mark.parametrize("mutate", [drop, swap, change, move, again])
def test_the_verdict_is_bfcl_s(
    cases: dict[str, Case], mutate: Callable[[random.Random, Turns], None]
) -> None:
    """What is between a caller and the checker (steps, texts, the process) must not change a verdict."""
    played, lines = [], []
    for one in cases.values():
        turns = [list(turn.calls) for turn in one.turns]
        mutate(random.Random(one.id), turns)
        if any(len(turn) > STEPS for turn in turns):
            continue
        outcome = play(Script(turns), one)
        played.append(
            next((name for name, fine in outcome.marks.items() if not fine and name != "waited"), "")
        )
        assert (outcome.failure is None) == (played[-1] == "")
        calls = [[(call.name, call.arguments) for call in turn] for turn in turns]
        lines.append(msgspec.json.encode((one.setting, calls, [turn.gold for turn in one.turns])))
    done = subprocess.run(
        [sys.executable, "-c", ITS_OWN], input=b"\n".join(lines), capture_output=True, check=True
    )
    its_own = [MARKS[said] for said in done.stdout.decode().split("\n")[:-1]]
    assert played == its_own
    assert len(played) > 780 and 0 < played.count("") < len(played)
