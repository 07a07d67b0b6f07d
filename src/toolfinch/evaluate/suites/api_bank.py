"""API-Bank, levels 1 and 2: the next call of a dialogue.

[Li et al. 2023](https://arxiv.org/abs/2304.08244). Source: https://github.com/AlibabaResearch/DAMO-ConvAI
(`api-bank`), Apache-2.0. Files: `test_points.jsonl` (which turn of which dialogue, the tools and the gold
call), `apis_openai.json` (the tools), and the dialogues of the source's `lv1-lv2-samples`, anywhere below the
folder. Without the dialogues a test point cannot be asked. The scenarios are `level 1` (the tools are given)
and `level 2` (the source lets them be found by a search first; here they are given too).

What one decision is: the call at one turn, after the true turns before it. All test points of a dialogue are
one conversation in the intervals.

Own scoring: it runs the predicted call against a small database and compares the result, so another spelling
of a value may be right there. Ours compares the values. Its ROUGE of the replies in words is not here.

Values are text in the source, whatever the schema says; they are read in the schema's type, and the text is
right as well. An argument that some gold call leaves out is taken as optional (the list of tools says that
all are required, the descriptions say otherwise).

Left out: calls of `ToolSearcher` (its keywords are free text, and the source compares what they find), and
calls with an argument that the tool does not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.data.funnel import Dropped
from toolfinch.errors import DataError
from toolfinch.evaluate.suites import rows
from toolfinch.example import Example, Expected
from toolfinch.message import Message, ToolCall, assistant, system, tool, user
from toolfinch.tool import Tool

YEAR = system("The year is 2023.")
"""What the source's prompt says as well; its dates cannot be right without it."""


class Gold(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, Any]


class Point(msgspec.Struct, frozen=True):
    """One line of `test_points.jsonl`."""

    id: str
    level: int
    dialogue: str
    upto: int
    """Index of the gold call's turn in the dialogue."""
    tools: tuple[str, ...]
    gold: Gold


class Result(msgspec.Struct, frozen=True):
    output: Any = None
    exception: Any = None


class Turn(msgspec.Struct, frozen=True):
    """One line of a dialogue: `User` and `AI` have a text, `API` a call and its result."""

    role: str
    text: str = ""
    api_name: str = ""
    param_dict: dict[str, Any] = {}
    result: Result = Result()


def read(folder: Path) -> Iterator[Example | Dropped]:
    """Raises DataError naming file and row, and for a dialogue that is missing or not the one meant."""
    points = list(rows.lines(folder / "test_points.jsonl", Point))
    tools = _tools(folder / "apis_openai.json", [point.gold for _, point in points])
    files = {path.name: path for path in sorted(folder.rglob("*.jsonl"))}
    for where, point in points:
        if point.gold.name == "ToolSearcher":
            yield Dropped(point.id, "the keywords of a search for tools are free text")
            continue
        place = f"{folder / where}"
        unknown = [name for name in (*point.tools, point.gold.name) if name not in tools]
        if unknown:
            raise DataError(f"{place}: {unknown[0]!r} is not in apis_openai.json")
        if point.dialogue not in files:
            raise DataError(
                f"{place}: no dialogue {point.dialogue} below {folder}",
                hint="put lv1-lv2-samples of https://github.com/AlibabaResearch/DAMO-ConvAI (api-bank) there",
            )
        yield _decision(point, files[point.dialogue], tools, where)


def _decision(point: Point, path: Path, tools: Mapping[str, Tool], where: str) -> Example | Dropped:
    turns = [turn for _, turn in rows.lines(path, Turn)]
    if not (point.upto < len(turns) and turns[point.upto].api_name == point.gold.name):
        raise DataError(f"{path}: turn {point.upto} is no call of {point.gold.name}, as {where} says")
    expected = rows.expected_call(point.gold.name, point.gold.arguments, tools[point.gold.name])
    example = Example(
        id=point.id,
        tools=tuple(tools[name] for name in point.tools),
        messages=(YEAR, *_messages(turns[: point.upto], tools, path)),
        expected=Expected("call", (expected,)),
        scenario=f"level {point.level}",
        source=f"api_bank {where}",
    )
    return rows.checked(example)


def _messages(turns: list[Turn], tools: Mapping[str, Tool], path: Path) -> list[Message]:
    out: list[Message] = []
    for i, turn in enumerate(turns):
        match turn.role:
            case "User":
                out.append(user(turn.text))
            case "AI":
                out.append(assistant(turn.text))
            case "API":
                said = ""
                if out and out[-1].role == "assistant":  # what it said before the call: one turn, not two
                    said = out.pop().content
                out.append(assistant(said, _call(turn, tools, f"call_{i}")))
                failed = turn.result.exception is not None
                result = turn.result.exception if failed else turn.result.output
                text = result if isinstance(result, str) else msgspec.json.encode(result).decode()
                out.append(tool(text, f"call_{i}", turn.api_name, is_error=failed))
            case _:
                raise DataError(f"{path}: turn {i}: expected User, AI or API, got {turn.role!r}")
    return out


def _call(turn: Turn, tools: Mapping[str, Tool], id: str) -> ToolCall:
    known = tools.get(turn.api_name)
    properties = known.parameters["properties"] if known else {}
    values = {key: rows.typed(value, properties.get(key)) for key, value in turn.param_dict.items()}
    return ToolCall(turn.api_name, values, id)


def _tools(path: Path, golds: list[Gold]) -> dict[str, Tool]:
    tools = {}
    for name, raw in rows.document(path, dict[str, dict[str, Any]]).items():
        one = rows.tool(raw, f"{path}: {name}")
        calls = [gold.arguments for gold in golds if gold.name == name]
        needed = [key for key in one.parameters.get("required", ()) if all(key in call for call in calls)]
        tools[name] = msgspec.structs.replace(one, parameters={**one.parameters, "required": needed})
    return tools
