"""The cases of `bfcl_multi_turn`: four categories of BFCL v4, from its wheel or a folder with the same files.

Left out: playing them (`bfcl_multi_turn`).
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.errors import DataError, MissingDependency
from toolfinch.evaluate.suites import bfcl, rows
from toolfinch.evaluate.suites.bfcl_world import INSTALL, Setting
from toolfinch.message import Message, ToolCall, from_openai, user
from toolfinch.tool import Tool

CATEGORIES = ("base", "miss_func", "miss_param", "long_context")
DOCS = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}
"""Where each class's tools are described."""


class Turn(msgspec.Struct, frozen=True):
    """What the user says, and what BFCL's author did about it."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    """Those offered from here on."""
    gold: tuple[str, ...]
    """As BFCL writes and evaluates them."""
    calls: tuple[ToolCall, ...]
    """The same, read. None: nothing can be done in this turn."""


class Case(msgspec.Struct, frozen=True):
    """One conversation."""

    id: str
    """`base_12`."""
    scenario: str
    group: str
    turns: tuple[Turn, ...]
    setting: Setting


class Row(msgspec.Struct, frozen=True):
    id: str
    question: tuple[tuple[dict[str, Any], ...], ...]
    initial_config: msgspec.Raw
    involved_classes: tuple[str, ...]
    missed_function: dict[str, tuple[str, ...]] = {}


class Answer(msgspec.Struct, frozen=True):
    id: str
    ground_truth: tuple[tuple[str, ...], ...]


def load(data: Path | None = None) -> list[Case]:
    """Every case, category by category.

    Raises MissingDependency without the wheel, which is needed to play even where the files are elsewhere, and
    DataError naming file and row.
    """
    for package in ("bfcl_eval", "mpmath"):
        if importlib.util.find_spec(package) is None:
            raise MissingDependency(
                f"bfcl_multi_turn runs BFCL's own classes, which need {package}; it is not installed",
                hint=INSTALL,
            )
    wheel = bfcl.installed()
    folder = data or wheel
    tools = {
        name: tuple(
            rows.tool(raw, where)
            for where, raw in rows.lines(folder / "multi_turn_func_doc" / f"{file}.json", dict[str, Any])
        )
        for name, file in DOCS.items()
    }
    more = user(_more_tools(wheel.parent / "constants" / "default_prompts.py"))
    return [case for category in CATEGORIES for case in _category(folder, category, tools, more)]


def _more_tools(path: Path) -> str:
    """What BFCL's user says when tools are added: a constant of its source, which is not imported here."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign([ast.Name("DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC")], value):
                return str(ast.literal_eval(value))
    raise DataError(f"{path}: DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC is not in it", hint=INSTALL)


def _category(
    folder: Path, category: str, tools: Mapping[str, tuple[Tool, ...]], more: Message
) -> Iterator[Case]:
    name = f"BFCL_v4_multi_turn_{category}.json"
    answers = {
        answer.id: (where, answer) for where, answer in rows.lines(folder / "possible_answer" / name, Answer)
    }
    for where, row in rows.lines(folder / name, Row):
        place = folder / where
        if row.id not in answers:
            raise DataError(f"{place}: {row.id!r} has no answer in possible_answer")
        answered, answer = answers[row.id]
        if unknown := set(row.involved_classes) - tools.keys():
            raise DataError(f"{place}: involved_classes: unknown: {', '.join(sorted(unknown))}")
        if len(answer.ground_truth) != len(row.question):
            raise DataError(
                f"{folder / 'possible_answer' / answered}: ground_truth: expected {len(row.question)} turns"
            )
        yield Case(
            id=row.id.removeprefix("multi_turn_"),
            scenario=category,
            group=row.id.rpartition("_")[2],
            turns=tuple(
                _turns(row, answer, [t for c in row.involved_classes for t in tools[c]], more, str(place))
            ),
            setting=Setting(row.id, row.involved_classes, row.initial_config.copy()),
        )


def _turns(row: Row, answer: Answer, tools: Sequence[Tool], more: Message, place: str) -> Iterator[Turn]:
    named = {tool.name: tool for tool in tools}
    held = row.missed_function
    offered = [tool for tool in tools if not any(tool.name in names for names in held.values())]
    for i, (said, gold) in enumerate(zip(row.question, answer.ground_truth, strict=True)):
        messages = tuple(from_openai(m, f"{place}: question[{i}][{j}]") for j, m in enumerate(said))
        if str(i) in held:
            if unknown := set(held[str(i)]) - named.keys():
                raise DataError(f"{place}: missed_function: unknown: {', '.join(sorted(unknown))}")
            offered += [named[name] for name in held[str(i)]]
            messages = (more,)
        if not messages:
            raise DataError(f"{place}: question[{i}]: nothing is said")
        try:
            calls = tuple(_read(call, named) for call in gold)
        except (SyntaxError, ValueError, KeyError) as error:
            raise DataError(f"{place}: turn {i} of its answer is not a call of its tools: {error}") from error
        yield Turn(messages, tuple(offered), gold, calls)


def _read(text: str, tools: Mapping[str, Tool]) -> ToolCall:
    """A gold call, which may give its first arguments without their names."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(text)
    keys = list(tools[call.func.id].parameters["properties"])[: len(call.args)]
    values = dict(zip(keys, call.args, strict=True)) | {str(word.arg): word.value for word in call.keywords}
    return ToolCall(call.func.id, {key: ast.literal_eval(value) for key, value in values.items()})
