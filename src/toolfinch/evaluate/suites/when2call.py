"""When2Call: call, ask for what is missing, or say that it cannot be done.

[Ross et al. 2025](https://arxiv.org/abs/2504.18851). Source: https://github.com/NVIDIA/When2Call, Apache-2.0;
its requests and tools are from BFCL's live part. File: `when2call_test_llm_judge.jsonl`, 300 rows, 100 of
each class. The scenarios are the suite's classes.

| class | expected |
|---|---|
| `tool_call` | call |
| `request_for_info` | ask |
| `cannot_answer` | decline |

Own scoring: which class a reply is in, by a model that reads it; arguments do not count. The nearest here are
`kind_accuracy` and `decision_accuracy`. A reply is read by a rule: with a call it calls, else with a question
mark at its end it asks, else it declines; a question that goes on with a sentence is taken for a decline
(nine of the suite's own reference texts are). `exact_match` asks for the reference arguments, of which the
suite has one value each; read it second. Always answering with one class has a third of the classes right.
Rows made from one request of BFCL are one conversation in the intervals.

Left out: rows whose gold call does not fit its tool's schema, and `direct` answers (no row expects one).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from toolfinch.data import dataset
from toolfinch.data.funnel import Dropped
from toolfinch.errors import DataError
from toolfinch.evaluate.suites import rows
from toolfinch.example import Example, Expected
from toolfinch.message import user
from toolfinch.tool import Tool

FILE = "when2call_test_llm_judge.jsonl"


class Answers(msgspec.Struct, frozen=True):
    """One text for each class."""

    tool_call: str
    request_for_info: str
    cannot_answer: str


class Row(msgspec.Struct, frozen=True):
    uuid: str
    source_id: str
    """The request of BFCL that the row was made from; some were used for two classes."""
    question: str
    correct_answer: Literal["tool_call", "request_for_info", "cannot_answer"]
    answers: Answers
    tools: tuple[str, ...]
    """Each one as JSON text."""


class Call(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, Any]


def read(folder: Path) -> Iterator[Example | Dropped]:
    """Raises DataError naming file and row."""
    for where, row in rows.lines(folder / FILE, Row):
        place = str(folder / where)
        offered = tuple(rows.tool(_json(raw, dict[str, Any], place), place) for raw in row.tools)
        example = Example(
            id=f"{row.source_id}/{row.uuid}",
            tools=offered,
            messages=(user(row.question),),
            expected=_expected(row, {tool.name: tool for tool in offered}, place),
            scenario=row.correct_answer,
            source=f"when2call {where}",
        )
        yield rows.checked(example)


def _expected(row: Row, tools: dict[str, Tool], where: str) -> Expected:
    match row.correct_answer:
        case "request_for_info":
            return Expected("ask", text=row.answers.request_for_info)
        case "cannot_answer":
            return Expected("decline", text=row.answers.cannot_answer)
        case "tool_call":
            call = _json(row.answers.tool_call, Call, where)
            if call.name not in tools:
                raise DataError(f"{where}: {call.name!r} is not among the row's tools")
            return Expected("call", (rows.expected_call(call.name, call.arguments, tools[call.name]),))


def _json(text: str, content: type[rows.T], where: str) -> rows.T:
    try:
        return msgspec.json.decode(text, type=content)
    except (msgspec.ValidationError, *dataset.NOT_JSON) as error:
        raise DataError(f"{where}: {error}") from error
