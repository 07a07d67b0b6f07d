"""ToolCall-15: fifteen scenarios in five categories, one set of twelve tools, mocked results.

Source: https://github.com/stevibe/ToolCall-15, MIT. File: `toolcall15.json`, its prompts, tools and rules as
data (`system`, `context_message`, `categories`, `tools`, and `scenarios` with `id`, `category`, `user`). The
scenarios are the suite's categories.

Own scoring: a scenario is played to its end over up to eight turns and passes (2 points), half passes (1) or
fails, by calls and by words in the answer. That needs a loop; here only the first turn is measured, and no
score of the suite can be read from these figures:

- tag `whole`: the scenario is over with its calls, or needs none. A right reply would pass there if its
  answer in words does (words are not judged here). Not the other way round: in TC-06 and TC-09 two calls one
  after the other pass there, and here only both in one turn.
- tag `first_step`: a right reply is the first step of the way that the suite describes, and no more. The
  tools of the later steps are `later`: calling them now is too early. (In TC-07 the manager may be looked up
  at once there; here that is a stray call.)

Arguments: the rules say "contains" where the scorer compares whole values, so the values below are the ones
that a careful caller would write; a rare wording can be right there and wrong here. `tool_decision_accuracy`
does not depend on them.

Left out: TC-05 (to look the people up and to make the event are both right first, and the event's title is
free text), and every turn after the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.data.funnel import Dropped
from toolfinch.errors import DataError
from toolfinch.evaluate.suites import rows
from toolfinch.example import Example, Expected, ExpectedCall
from toolfinch.message import ToolCall, system, user

FILE = "toolcall15.json"
LEFT_OUT = {"TC-05": "two first turns are right, and the title of the event is free text"}


class Scenario(msgspec.Struct, frozen=True):
    id: str
    category: str
    user: str


class Suite(msgspec.Struct, frozen=True):
    """The parts of the file that a first turn needs."""

    system: str
    context_message: str
    categories: dict[str, str]
    tools: tuple[dict[str, Any], ...]
    scenarios: tuple[Scenario, ...]


def read(folder: Path) -> Iterator[Example | Dropped]:
    """Raises DataError naming the file and the scenario."""
    path = folder / FILE
    suite = rows.document(path, Suite)
    tools = tuple(rows.tool(raw, str(path)) for raw in suite.tools)
    for scenario in suite.scenarios:
        if scenario.id in LEFT_OUT:
            yield Dropped(f"{scenario.id}/1", LEFT_OUT[scenario.id])
            continue
        if scenario.id not in _EXPECTED or scenario.category not in suite.categories:
            raise DataError(f"{path}: {scenario.id}: a scenario or a category that is not known")
        expected = _EXPECTED[scenario.id](scenario.user)
        first = scenario.id in _FIRST_STEPS
        yield rows.checked(
            Example(
                id=f"{scenario.id}/1",
                tools=tools,
                messages=(system(f"{suite.system}\n\n{suite.context_message}"), user(scenario.user)),
                expected=msgspec.structs.replace(expected, later=_FIRST_STEPS.get(scenario.id, ())),
                scenario=suite.categories[scenario.category],
                source=f"toolcall15 {scenario.id}",
                tags=("first_step" if first else "whole",),
            )
        )


def _call(tool: str, arguments: dict[str, Any], **accept: tuple[Any, ...]) -> ExpectedCall:
    return ExpectedCall(ToolCall(tool, arguments), accept)


def _calls(*calls: ExpectedCall) -> Callable[[str], Expected]:
    return lambda user: Expected("call", calls)


def _weather(city: str, country: str, **fixed: str) -> ExpectedCall:
    """The rules want the city in the text; the unit is free unless the request names one."""
    either: dict[str, tuple[str, ...]] = {} if fixed else {"units": ("celsius", "fahrenheit")}
    places = (f"{city}, {country}", city.lower())
    return _call("get_weather", {"location": city, **fixed}, location=places, **either)


def _stock(ticker: str) -> ExpectedCall:
    return _call("get_stock_price", {"ticker": ticker}, ticker=(ticker.lower(),))


def _files(query: str, *also: str) -> ExpectedCall:
    queries = tuple(dict.fromkeys((query.lower(), *also)))
    return _call("search_files", {"query": query}, query=queries, file_type=("pdf", "docx", "xlsx", "any"))


def _translations(user: str) -> Expected:
    """The text to translate is the one in quotes."""
    quoted = re.search(r"'(.+?)'", user)
    text = quoted[1] if quoted else user
    calls = (
        _call(
            "translate_text",
            {"text": text, "source_language": "English", "target_language": language},
            source_language=("english", "en"),
            target_language=(language.lower(), code),
        )
        for language, code in (("Spanish", "es"), ("Japanese", "ja"))
    )
    return Expected("call", tuple(calls))


_EXPECTED: dict[str, Callable[[str], Expected]] = {
    "TC-01": _calls(_weather("Berlin", "Germany")),
    "TC-02": _calls(_stock("AAPL")),
    "TC-03": _calls(_call("get_contacts", {"query": "Sarah"}, query=("sarah",))),
    "TC-04": _calls(_weather("Tokyo", "Japan", units="fahrenheit")),
    "TC-06": _translations,
    "TC-07": _calls(_files("Q3 budget report", "Q3 Budget Report", "Q3 budget")),
    "TC-08": _calls(_weather("Paris", "France")),
    "TC-09": _calls(_weather("London", "UK"), _stock("MSFT")),
    "TC-10": lambda user: Expected("say"),
    "TC-11": lambda user: Expected("say"),
    "TC-12": lambda user: Expected("decline"),
    "TC-13": _calls(_files("Johnson proposal", "Johnson Proposal", "Johnson proposal document", "Johnson")),
    "TC-14": _calls(_stock("AAPL")),
    "TC-15": _calls(
        _call(
            "web_search",
            {"query": "population of Iceland"},
            query=("Iceland population", "current population of Iceland", "Population of Iceland"),
            max_results=tuple(range(1, 11)),
        )
    ),
}
"""By scenario, from its user's words to what the rules want first."""

_FIRST_STEPS: dict[str, tuple[str, ...]] = {
    "TC-03": ("send_email",),
    "TC-07": ("read_file", "send_email"),
    "TC-08": ("set_reminder",),
    "TC-13": (),
    "TC-14": (),
    "TC-15": ("calculator",),
}
"""Scenarios that go on after the first turn, with the tools that have to wait for its result."""
