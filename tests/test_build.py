"""Would break: a row that nobody accounts for, a build that starts again or goes on from something else, a dataset
that is half there, or another result on other machines."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolfinch.cli.main import main
from toolfinch.data import spool
from toolfinch.data.build import Watcher, build
from toolfinch.data.build_recipe import BuildRecipe, Split
from toolfinch.data.dataset import read_dataset, to_row
from toolfinch.data.funnel import Step
from toolfinch.errors import DataError
from toolfinch.example import Conversation
from toolfinch.message import ToolCall, assistant, tool, user
from toolfinch.tool import Tool

WEATHER = Tool(
    "weather",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
ALL = Split(1.0, 0.0, 0.0)


def talk(id: str, text: str, *more: Any) -> Conversation:
    return Conversation(id, (WEATHER,), (user(text), *(more or (assistant("ok"),))))


def logs(folder: Path, *names: str, rows: int = 10) -> tuple[str, ...]:
    """Per file so many good conversations, one that is wrong, and one that cannot be read."""
    paths = []
    for name in names:
        made = [to_row(talk(str(i), f"{name} {i} " + "word " * 20)) for i in range(rows)]
        made.append(to_row(talk("bad", f"{name} bad", assistant("", ToolCall("nope", {})))))
        made.append({"messages": []})
        path = folder / name
        path.write_text("\n".join(map(json.dumps, made)))
        paths.append(str(path))
    return tuple(paths)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_every_row_of_every_file_is_accounted_for(tmp_path: Path) -> None:
    recipe = BuildRecipe(logs=logs(tmp_path, "a.jsonl", "b.jsonl"))
    out = tmp_path / "out"
    built = build(recipe, out)
    steps = {step.name: step for step in built.card.funnel.steps}
    assert (steps["read"].rows_in, steps["read"].rows_out) == (24, 22)
    assert (steps["calls fit their schemas"].rows_in, steps["calls fit their schemas"].rows_out) == (22, 20)
    everyone = [one.id for path in built.files.values() for one in read_dataset(path)]
    assert sorted(everyone) == sorted([str(i) for i in range(10)] + [f"{i}#2" for i in range(10)])
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    assert sorted(row["id"] for row in dropped if row["step"] == "calls fit their schemas") == [
        "bad",
        "bad#2",
    ]
    assert len(dropped) == 4
    assert built.card.funnel.to_markdown() == (out / "funnel.md").read_text()
    assert sum(side.conversations for side in built.card.sides.values()) == 20
    assert not (out / ".work").exists(), "it may hold what the log says as it is"


def test_a_saved_recipe_makes_the_same_again(tmp_path: Path) -> None:
    build(BuildRecipe(logs=logs(tmp_path, "a.jsonl")), tmp_path / "one", name="a")
    with pytest.raises(SystemExit) as stop:
        main(["data", "build", str(tmp_path / "one" / "recipe.toml"), "--out", str(tmp_path / "two")])
    assert stop.value.code == 0
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    for name in one.keys() - {"recipe.toml", "card.md", "card.json"}:
        assert one[name] == two[name]


def test_the_step_that_took_the_last_row_is_named(tmp_path: Path) -> None:
    recipe = BuildRecipe(logs=logs(tmp_path, "a.jsonl"), max_tokens=3)
    with pytest.raises(DataError, match="after 'at most 3 tokens': longer than 3 tokens"):
        build(recipe, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.jsonl"))


class Stopping(Watcher):
    """Presses Ctrl-C when a step is done; counts what was used again."""

    def __init__(self, after: str = "") -> None:
        self.after = after
        self.again: list[str] = []
        self.done: list[str] = []

    def line(self, step: Step) -> None:
        self.done.append(step.name)
        if step.name == self.after:
            raise KeyboardInterrupt

    def reused(self, name: str) -> None:
        self.again.append(name)


def test_a_stopped_build_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    recipe = BuildRecipe(logs=logs(tmp_path, "a.jsonl", "b.jsonl"))
    watcher = Stopping()
    build(recipe, tmp_path / "whole", watcher=watcher)
    whole = files(tmp_path / "whole")
    for number, name in enumerate(watcher.done):
        out = tmp_path / f"out-{number}"
        with pytest.raises(KeyboardInterrupt):
            build(recipe, out, watcher=Stopping(name))
        assert files(out) == {}, "nothing is given out before all is done"
        assert (out / ".work").stat().st_mode & 0o77 == 0, "a log as it is is nobody else's"
        again = Stopping()
        build(recipe, out, watcher=again)
        assert {n: b for n, b in files(out).items() if n != "recipe.toml"} == {
            n: b for n, b in whole.items() if n != "recipe.toml"
        }
        assert again.again[:1] == (["read"] if name != "read" else []), name


@pytest.mark.parametrize("change", ["log", "recipe", "nothing"])
def test_what_has_changed_is_done_again(tmp_path: Path, change: str) -> None:
    recipe = BuildRecipe(logs=logs(tmp_path, "a.jsonl"))
    with pytest.raises(KeyboardInterrupt):
        build(recipe, tmp_path / "out", watcher=Stopping("repeats no other"))
    if change == "log":
        with Path(recipe.logs[0]).open("a") as log:
            log.write("\n" + json.dumps(to_row(talk("new", "one more"))))
    if change == "recipe":
        recipe = msgspec.structs.replace(recipe, max_tokens=1000)
    again = Stopping()
    built = build(recipe, tmp_path / "out", watcher=again)
    assert (
        again.again
        == {"log": [], "recipe": ["read"], "nothing": ["read", "trim", "schema drift repaired"]}[change]
    )
    assert sum(side.conversations for side in built.card.sides.values()) == (11 if change == "log" else 10)


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("", "logs: there are none"),
        ('logs = ["nowhere.jsonl"]', "nowhere.jsonl: no such file"),
        ('logs = ["none-*.jsonl"]', "logs: none-*.jsonl: no file is named like that"),
        ("logs = 3", "logs: expected array, got int"),
        ('logs = ["a"]\nsplits = 1', "splits: no such key"),
        ('logs = ["{log}"]\n[split]\ntrain = 0.5', "split: fractions must be 0 or more and add up to 1"),
        ('logs = ["{log}"]\nbase = "no-such-base"', "no-such-base"),
        ('logs = ["{log}"]\nformat = "fax"', "'fax': no such format"),
    ],
)
def test_a_wrong_recipe_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], toml: str, line: str
) -> None:
    (tmp_path / "r.toml").write_text(toml.replace("{log}", logs(tmp_path, "a.jsonl")[0]))
    with pytest.raises(SystemExit) as stop:
        main(["data", "build", str(tmp_path / "r.toml"), "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    said = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error: ")]
    assert len(said) == 1 and line in said[0]


def test_a_full_disk_leaves_the_last_good_dataset(tmp_path: Path) -> None:
    recipe = BuildRecipe(logs=logs(tmp_path, "a.jsonl"), split=ALL)
    build(recipe, tmp_path / "out")
    before = files(tmp_path / "out")
    more = BuildRecipe(logs=logs(tmp_path, "a.jsonl", "b.jsonl", rows=300), split=ALL)
    (tmp_path / "more.toml").write_text(
        f"logs = {json.dumps(list(more.logs))}\n[split]\ntrain = 1.0\nvalidation = 0.0\ntest = 0.0\n"
    )

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    command = [sys.executable, "-m", "toolfinch", "data", "build", str(tmp_path / "more.toml")]
    ran = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        preexec_fn=small,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert len([line for line in ran.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert "File too large" in ran.stderr and "Traceback" not in ran.stderr
    assert files(tmp_path / "out") == before


def test_parts_keep_tools_apart_that_come_and_go(tmp_path: Path) -> None:
    """Lists of tools are told apart by identity: one that is gone must not lend its identity to the next."""

    def made(i: int) -> Conversation:
        return Conversation(str(i), (Tool(f"tool_{i}"),), (user("hi"), assistant("ok")))

    parts = spool.write(tmp_path, map(made, range(2500)))
    assert len(parts) == 3
    assert list(spool.read_all(parts)) == [made(i) for i in range(2500)]


def test_parts_give_back_what_was_written(tmp_path: Path) -> None:
    one = Conversation(
        "é\u2028\n",
        (WEATHER,),
        (user("\x85 \u2028 line"), assistant("", ToolCall("weather", {"n": 1, "f": 1.0, "x": None}, "c"))),
        tags=("t",),
        time="2025-01-01T00:00:00Z",
    )
    again = msgspec.structs.replace(one, id="2", messages=(*one.messages, tool("{}", "c", is_error=True)))
    assert list(spool.read_all(spool.write(tmp_path, [one, again]))) == [one, again]


@pytest.mark.slow
def test_ray_gives_the_same_bytes_even_if_a_worker_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    from toolfinch.data.on_ray import OnRay

    monkeypatch.setattr(spool, "ROWS", 40)
    recipe = BuildRecipe(logs=logs(tmp_path, *(f"{i}.jsonl" for i in range(8)), rows=40))
    build(recipe, tmp_path / "here")
    killed = tmp_path / "killed"

    class Dying:
        """The tasks of a runner, the fourth of which takes its worker with it, once."""

        def __init__(self, run: OnRay) -> None:
            self.run = run

        def __call__(self, task: Any, parts: Any) -> Any:
            dies = str(parts[3])

            def deadly(part: Path) -> Any:
                if str(part) == dies and not killed.exists():
                    killed.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return task(part)

            return self.run(deadly, parts)

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with OnRay() as run:
            build(recipe, tmp_path / "there", run=Dying(run))
    finally:
        ray.shutdown()
    assert killed.exists()
    here, there = files(tmp_path / "here"), files(tmp_path / "there")
    assert here.keys() == there.keys()
    for name in here.keys() - {"recipe.toml"}:
        assert here[name] == there[name], name
