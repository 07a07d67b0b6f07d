"""The schema-guided dialogues as a suite: which turns, under which scenario and tag, and bad folders.

The rows here are invented. The suite itself is measured where TOOLFINCH_TRACES names the folder that holds
`sgd`.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolfinch.cli.main import main
from toolfinch.cli.validate import check
from toolfinch.errors import DataError
from toolfinch.evaluate import suite


def function(name: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": schema}}


FERRY = function("Ferries_1_Book", port={"type": "string"}, cars={"type": "string", "enum": ["0", "1"]})
MOSS = function("Moss_1_Weigh", grams={"type": "number"})
FAILED = '{"error": "not possible", "results": []}'


def call(name: str, **arguments: Any) -> dict[str, Any]:
    body = {"name": name, "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": body}],
    }


def row(session: str, services: list[str], *messages: tuple[str, str] | dict[str, Any]) -> dict[str, Any]:
    turns = [m if isinstance(m, dict) else {"role": m[0], "content": m[1]} for m in messages]
    for turn in turns:
        if turn["role"] == "tool":
            turn["tool_call_id"] = "c"
    return {"session_id": session, "services": services, "tools": [FERRY, MOSS], "messages": turns}


FERRIED = row(
    "a",
    ["Ferries_1"],
    ("user", "A ferry, please."),
    ("assistant", "From which port?"),
    ("user", "Aure, no cars."),
    call("Ferries_1_Book", port="Aure", cars="0"),
    ("tool", FAILED),
    ("assistant", "It did not work. Another port?"),
    ("user", "No."),
    ("assistant", "As you wish."),
)
WEIGHED = row(
    "b",
    ["Ferries_1", "Moss_1"],
    ("user", "Weigh it."),
    call("Moss_1_Weigh", grams=3),
    ("tool", '{"results": [{"grams": 3}], "count": 1}'),
    ("assistant", "Three grams."),
    ("user", "And a ferry from Aure with two cars."),
    call("Ferries_1_Book", port="Aure", cars="2"),
)


def sgd(folder: Path, *rows: Any) -> Path:
    """A folder of the suite; a row that is text is written as it is."""
    lines = [one if isinstance(one, str) else json.dumps(one) for one in rows or (FERRIED, WEIGHED)]
    (folder / "test.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "test.tools.json").write_text(json.dumps({"Ferries_1": [FERRY], "Moss_1": [MOSS]}))
    (folder / "train.tools.json").write_text(json.dumps({"Ferries_1": [FERRY], "Hens_1": []}))
    return folder


def test_every_turn_with_its_scenario_and_tag(tmp_path: Path) -> None:
    """A turn under the wrong heading would be read as skill, or the lack of it, in something else."""
    found = suite.open("sgd", sgd(tmp_path))
    assert [(e.id, e.scenario, e.expected.kind, e.tags) for e in found.examples] == [
        ("a/1", "ask", "ask", ("seen services",)),
        ("a/3", "call", "call", ("seen services",)),
        ("a/5", "after a failed result", "ask", ("seen services",)),
        ("a/7", "say", "say", ("seen services",)),
        ("b/1", "call", "call", ("unseen services",)),
        ("b/3", "after a result", "say", ("unseen services",)),
    ]
    assert found.examples[1].expected.calls[0].call.arguments == {"port": "Aure", "cars": "0"}
    assert check("sgd", found.examples, found.left_out).holds


def test_a_call_that_its_schema_refuses_is_left_out(tmp_path: Path) -> None:
    """No caller that is held to the tools could be right on it; the reason is kept."""
    (dropped,) = suite.open("sgd", sgd(tmp_path)).left_out
    assert dropped.id == "b/5"
    assert dropped.reason.startswith("the gold call does not fit Ferries_1_Book's schema: cars: ")


def test_a_part_is_spread_over_all_conversations(tmp_path: Path) -> None:
    """The file goes service by service: its first rows are of a single one."""
    many = [row(f"s{i}", ["Moss_1"], ("user", f"Hi {i}."), ("assistant", "Hello.")) for i in range(12)]
    found = suite.part(suite.open("sgd", sgd(tmp_path, *many)), 3)
    assert [example.conversation_id for example in found.examples] == ["s0", "s4", "s8"]


def _cut(folder: Path) -> None:
    path = folder / "test.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-30])


def _flip(folder: Path) -> None:
    path = folder / "test.jsonl.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _with_train(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "train.tools.json").write_text(text)

    return write


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_cut, r"test\.jsonl\.gz:\d: broken gzip"),
        (_flip, r"test\.jsonl\.gz:\d: "),
        (_without("test.jsonl.gz"), r"test\.jsonl\.gz: no such file"),
        (_without("train.tools.json"), r"train\.tools\.json: no such file"),
        (_without("test.tools.json"), r"test\.tools\.json: no such file"),
        (_with_train("{"), r"train\.tools\.json: "),
        (_with_train('["Ferries_1"]'), r"train\.tools\.json: Expected `object`, got `array`"),
    ],
    ids=["cut", "flipped", "no test", "no train tools", "no test tools", "half JSON", "no object"],
)
def test_a_damaged_folder_is_named(damage: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    """What could be read before the damage would be another, smaller suite under the same name."""
    damage(sgd(tmp_path))
    with pytest.raises(DataError, match=says):
        suite.open("sgd", tmp_path)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('{"session_id": ', "not JSON"),
        (
            row("x", ["Boats_9"], ("user", "Hi."), ("assistant", "Yes?")),
            "service 'Boats_9' is not in test.tools",
        ),
        (row("x", [], ("user", "Hi."), ("assistant", "Yes?")), "names no services"),
        (row("x", ["Moss_1"], ("user", "Hi."), call("Moss_1_Eat")), "'Moss_1_Eat' is not among the tools"),
        (
            row("x", ["Moss_1"], call("Moss_1_Weigh", grams=1), ("tool", "gone"), ("assistant", "Oh.")),
            "the result before x/2: ",
        ),
        (
            row("x", ["Moss_1"], call("Moss_1_Weigh", grams=1), ("tool", "[" * 5000), ("assistant", "Oh.")),
            "the result before x/2: ",
        ),
    ],
    ids=["half a line", "unknown service", "no service", "unknown tool", "result in words", "deep result"],
)
def test_a_bad_row_is_named(bad: Any, says: str, tmp_path: Path) -> None:
    """A typo in a service's name would pass for an unseen service, a result in words for a good one."""
    with pytest.raises(DataError, match=rf"test\.jsonl\.gz:2: .*{says}"):
        suite.open("sgd", sgd(tmp_path, FERRIED, bad))


def test_the_suite_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["validate", "sgd", "--data", str(sgd(tmp_path))])
    assert stopped.value.code == 0
    assert "rows left out: 1" in capsys.readouterr().out


def test_the_suite_itself() -> None:
    """The decisions must stay those of the published figures: 1,090 of 100 conversations, 152 of them seen."""
    where = os.environ.get("TOOLFINCH_TRACES")
    if not where:
        pytest.skip("TOOLFINCH_TRACES does not name the folder that holds sgd")
    folder = Path(where) / "sgd"
    if not folder.is_dir():
        pytest.skip(f"{where}: no folder sgd")
    found = suite.open("sgd", folder)
    assert (len(found.examples), len(found.left_out)) == (16_134, 0)
    part = suite.part(found, 100)
    assert Counter(e.tags for e in part.examples) == {("unseen services",): 938, ("seen services",): 152}
    assert check("sgd", part.examples).holds
