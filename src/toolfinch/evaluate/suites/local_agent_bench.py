"""Local Agent Bench: twelve requests, three tools; keyword traps, negation, requests that need no tool.

Source: https://github.com/MikeVeerman/tool-calling-benchmark (Mike Veerman); no licence file, its README
says: use it freely, attribution appreciated. File: `local_agent_bench.json`. The scenarios are the three
parts of its score: `action`, `hard` (where it names the one tool that is right) and `restraint`.

Own scoring: 0.4 x share of the ten action requests with a call of the expected tool (of any tool where it
names none) + 0.3 x share of the two restraint requests without a call + 0.3 x share of the three hard ones
without a named wrong tool; a majority of three runs. Arguments do not count there. The nearest here is
`tool_decision_accuracy`, which is stricter: one tool is right for each request, and nothing else may be
called. `exact_match` also wants the arguments. Twelve cases say little: read the intervals.

Left out, since no arguments can be said to be right: P6 (the city is not known), P7 and P12 (the day is not).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from toolfinch.data.funnel import Dropped
from toolfinch.errors import DataError
from toolfinch.evaluate.suites import rows
from toolfinch.example import Example, Expected, ExpectedCall
from toolfinch.message import ToolCall, user

FILE = "local_agent_bench.json"
LEFT_OUT = {
    "P6": "the city cannot be known, and any tool counts there",
    "P7": "the date that is meant cannot be known",
    "P12": "the time of the meeting cannot be known",
}


class Prompt(msgspec.Struct, frozen=True):
    id: str
    prompt: str
    expect: Literal["tool", "no_tool"]
    expected_tool: str | None = None


class Suite(msgspec.Struct, frozen=True):
    tools: tuple[dict[str, Any], ...]
    prompts: tuple[Prompt, ...]


def read(folder: Path) -> Iterator[Example | Dropped]:
    """Raises DataError naming the file and the request."""
    path = folder / FILE
    suite = rows.document(path, Suite)
    tools = tuple(rows.tool(raw, str(path)) for raw in suite.tools)
    for prompt in suite.prompts:
        if prompt.id in LEFT_OUT:
            yield Dropped(f"{prompt.id}/1", LEFT_OUT[prompt.id])
            continue
        calls = _meeting(prompt.prompt) if prompt.id == "P3" else _CALLS.get(prompt.id, ())
        if bool(calls) != (prompt.expect == "tool"):
            raise DataError(f"{path}: {prompt.id}: not the request of that id that is known here")
        scenario = "hard" if prompt.expected_tool else "action" if calls else "restraint"
        yield rows.checked(
            Example(
                id=f"{prompt.id}/1",
                tools=tools,
                messages=(user(prompt.prompt),),
                expected=Expected("call", calls) if calls else Expected("say"),
                scenario=scenario,
                source=f"local_agent_bench {prompt.id}",
            )
        )


def _weather(city: str) -> ExpectedCall:
    return ExpectedCall(ToolCall("get_weather", {"city": city}))


def _search(*patterns: str) -> ExpectedCall:
    return ExpectedCall(ToolCall("search_files", {"pattern": patterns[0]}), {"pattern": patterns[1:]})


def _meeting(prompt: str) -> tuple[ExpectedCall]:
    """Those who are invited stand in the request."""
    people = re.findall(r"[\w.]+@[\w.]*\w", prompt)
    arguments = {"title": "Sprint Review", "time": "2025-02-10T14:00:00", "attendees": people}
    return (ExpectedCall(ToolCall("schedule_meeting", arguments), {"attendees": (people[::-1],)}),)


_REPORTS = (
    "*quarterly*report*",
    "*quarterly report*",
    "*quarterly_report*",
    "*quarterly-report*",
    "*quarterly*",
    "quarterly report",
    "quarterly_report*",
    "quarterly*report*",
)
_CALLS: dict[str, tuple[ExpectedCall, ...]] = {
    "P1": (_weather("Antwerp"),),
    "P2": (_search("*.py", "**/*.py"),),
    "P4": (_weather("Brussels"),),
    "P8": (_search("*.py", "**/*.py"), _weather("Paris")),
    "P10": (_weather("Bruges"),),
    "P11": (_search(*_REPORTS, *(f"**/{pattern}" for pattern in _REPORTS)),),
}
"""The calls that answer a request; the suite itself names no arguments."""
