"""BFCL v4, its single-turn Python categories: one request, one call or several, or none.

[Patil et al. 2025](https://gorilla.cs.berkeley.edu/leaderboard.html). Source: the `bfcl-eval` package, whose
`data` folder is found where it is installed (`installed`), Apache-2.0. Files, for each of `CATEGORIES`:
`BFCL_v4_<category>.json`, and `possible_answer/BFCL_v4_<category>.json` where calls are expected. The
scenarios are the categories.

| category | expected |
|---|---|
| `irrelevance`, `live_irrelevance` | decline |
| `live_relevance` | any call of an offered tool |
| all others | the calls |

BFCL lists every acceptable value of every argument; "" among them says that it may be left out. `acceptable`
gives the whole values that its checker takes, its quirks included, so that an answer is an exact match here
where BFCL's checker passes it; docs/suites.md lists what is left of the difference. Names keep their dots. Of
a schema, two things that no caller could keep to are repaired: an unknown name in `required`, and an enum of
text for a number.

Left out: rows whose listed answers BFCL's own checker refuses, the sentence on Python's syntax that BFCL adds
to every description, Java, JavaScript, the live services and, here, the turns of multi-turn cases.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from toolfinch.data.funnel import Dropped
from toolfinch.errors import DataError, MissingDependency
from toolfinch.evaluate.suites import rows
from toolfinch.example import Example, Expected, ExpectedCall
from toolfinch.message import ToolCall, from_openai
from toolfinch.schema import validator
from toolfinch.tool import Tool

NO_CALL = ("irrelevance", "live_irrelevance")
ANY_CALL = ("live_relevance",)
LISTED = (
    "simple_python",
    "multiple",
    "parallel",
    "parallel_multiple",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
)
"""The categories that have a file of possible answers."""
CATEGORIES = (*LISTED, *NO_CALL, *ANY_CALL)

MOST = 4096
"""Whole values that the lists inside one argument may multiply to; BFCL's largest has 2,187."""

PYTHON = {
    "string": str,
    "any": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
}
"""What BFCL's checker takes a type for."""


class Parameters(msgspec.Struct, frozen=True):
    properties: dict[str, dict[str, Any]]
    required: tuple[str, ...] = ()


class Function(msgspec.Struct, frozen=True):
    """What of a function's description decides which answers are right."""

    name: str
    parameters: Parameters


class Row(msgspec.Struct, frozen=True):
    id: str
    question: tuple[tuple[dict[str, Any], ...], ...]
    """Turns of messages; here always one turn."""
    function: tuple[dict[str, Any], ...]


class Answer(msgspec.Struct, frozen=True):
    id: str
    ground_truth: tuple[dict[str, dict[str, list[Any]]], ...]
    """One function a call, with the acceptable values of each argument."""


def installed() -> Path:
    """The data folder of the installed `bfcl-eval`, which is looked up and not imported."""
    found = importlib.util.find_spec("bfcl_eval")
    if found is None or not found.submodule_search_locations:
        raise MissingDependency(
            "bfcl: its data comes with bfcl-eval, which is not installed; else give --data FOLDER",
            hint="pip install --no-deps bfcl-eval==2026.3.23",
        )
    return Path(found.submodule_search_locations[0]) / "data"


def read(folder: Path) -> Iterator[Example | Dropped]:
    """Raises DataError naming file and row."""
    tools: dict[bytes, Tool] = {}  # many rows share their functions
    for category in CATEGORIES:
        name = f"BFCL_v4_{category}.json"
        answers = _answers(folder / "possible_answer" / name) if category in LISTED else {}
        for where, row in rows.lines(folder / name, Row):
            place = f"{folder / where}: {row.id}"
            if len(row.question) != 1:
                raise DataError(f"{place}: expected one turn, got {len(row.question)}")
            offered = tuple(_tool(raw, tools, place) for raw in row.function)
            if category in NO_CALL:
                expected: Expected | str = Expected("decline")
            elif category in ANY_CALL:
                expected = Expected("call")
            elif row.id in answers:
                expected = _expected(row, answers.pop(row.id), offered, place)
            else:
                raise DataError(f"{place}: has no answer in possible_answer/{name}")
            messages = tuple(
                from_openai(raw, f"{place}: question[0][{i}]") for i, raw in enumerate(row.question[0])
            )
            id = f"{row.id}/{len(messages)}"
            if isinstance(expected, str):
                yield Dropped(id, expected)
            else:
                yield Example(id, offered, messages, expected, category, f"bfcl {where}")
        if answers:
            raise DataError(
                f"{folder / 'possible_answer' / name}: {next(iter(answers))}: is no row of {name}"
            )


def _answers(path: Path) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for where, answer in rows.lines(path, Answer):
        if found.setdefault(answer.id, answer) is not answer:
            raise DataError(f"{path.parent / where}: {answer.id} is given twice")
    return found


def _tool(raw: dict[str, Any], known: dict[bytes, Tool], where: str) -> Tool:
    text = msgspec.json.encode(raw)
    if text not in known:
        known[text] = rows.tool({**raw, "parameters": _repaired(raw.get("parameters"))}, where)
    return known[text]


def _repaired(schema: Any) -> Any:
    """A schema with what nobody could keep to left out; `tool.read` maps the names of the types."""
    if not isinstance(schema, dict):
        return schema
    out = dict(schema)
    properties = out.get("properties", {})
    if isinstance(properties, dict) and isinstance(out.get("required"), list):
        out["required"] = [name for name in out["required"] if name in properties]
    if properties and isinstance(properties, dict):
        out["properties"] = {name: _repaired(value) for name, value in properties.items()}
    if "items" in out:
        out["items"] = _repaired(out["items"])
    if out.get("type") in ("integer", "float") and isinstance(out.get("enum"), list):
        texts = [str(value) for value in out["enum"]]
        if not any(re.fullmatch(r"-?\d+(\.\d+)?", text) for text in texts):
            del out["enum"]
    return out


def _expected(row: Row, answer: Answer, offered: Sequence[Tool], where: str) -> Expected | str:
    """The calls that are right, or why none can be."""
    if not answer.ground_truth:  # "no calls" would mean "any call"
        raise DataError(f"{where}: its answer has no call")
    tools = {tool.name: tool for tool in offered}
    calls = []
    try:
        functions = {each.name: each for each in msgspec.convert(row.function, tuple[Function, ...])}
        for listed in answer.ground_truth:
            if len(listed) != 1:
                raise DataError(f"{where}: expected one function a call, got {len(listed)}")
            ((name, arguments),) = listed.items()
            if name not in tools:
                raise DataError(f"{where}: {name!r} is not among the row's functions")
            call = _call(functions[name], arguments, tools[name])
            if isinstance(call, str):
                return call
            calls.append(call)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: {error}") from error
    return Expected("call", tuple(calls))


def _call(function: Function, listed: Mapping[str, list[Any]], tool: Tool) -> ExpectedCall | str:
    """One call that is right, with all others that are; or why none is.

    The call itself has, of each argument, the first acceptable value that fits the schema. An argument that
    may be left out and has no such value (null, for a text) is left out of it. Raises
    msgspec.ValidationError naming the argument that cannot be read.
    """
    gold: dict[str, Any] = {}
    accept: dict[str, tuple[Any, ...]] = {}
    optional = []
    schema = validator(msgspec.structs.replace(tool, parameters={**tool.parameters, "required": []}))
    for key in dict.fromkeys((*listed, *function.parameters.required)):
        values = listed.get(key, [])
        described = function.parameters.properties.get(key)
        try:
            right = [] if described is None else acceptable(values, described)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"{function.name}.{key}: {error}") from error
        may_leave_out = "" in values and key not in function.parameters.required
        if not (right or may_leave_out):
            return f"BFCL takes no value of {function.name}.{key}, nor leaves it out"
        if len(right) > MOST:
            return f"more than {MOST} values of {function.name}.{key} are acceptable"
        fitting = [i for i, value in enumerate(right) if value != "" and schema.is_valid({key: value})]
        if fitting or not may_leave_out:
            gold[key] = right.pop(fitting[0] if fitting else 0)
        if right:
            accept[key] = tuple(right)
        if may_leave_out:
            optional.append(key)
    return ExpectedCall(ToolCall(function.name, gold), accept, tuple(optional), folded=True, defaults=False)


def acceptable(values: Sequence[Any], described: Mapping[str, Any]) -> list[Any]:
    """Every value of an argument that BFCL's checker takes, given those it lists: at most `MOST` + 1.

    A value has to be of the described type or of the first listed value's. In an object the keys have lists of
    their own. The "" that says *may be left out* is a value too: as text, and as the empty list.
    Raises msgspec.ValidationError for a type that BFCL does not know or an object without such lists.
    """
    kind = _python(described)
    first = next((type(value) for value in values if value != ""), None)
    if kind is dict and first is dict:
        return _some(whole for value in values if isinstance(value, dict) for whole in _objects(value))
    if kind is not list or first not in (list, None):
        kinds = (int, float) if kind is float else (kind,)
        return [value for value in values if type(value) in (*kinds, first)]
    item = _python(msgspec.convert(described.get("items"), dict[str, Any]))
    lists = [value for value in values if isinstance(value, list)]
    if item is dict:
        found = _some(
            list(one) for each in lists for one in itertools.product(*[_some(_objects(o)) for o in each])
        )
    else:
        found = [each for each in lists if "" in values or any(_typed(each, item, other) for other in lists)]
    return [*found, []] if "" in values else found


def _python(described: Mapping[str, Any]) -> type:
    return PYTHON[msgspec.convert(described.get("type"), Literal[*PYTHON])]


def _typed(items: list[Any], kind: type, listed: list[Any]) -> bool:
    """Whether BFCL takes the types of a list's items: the described one, or that of another list's first."""
    first = next((type(value) for value in listed if value != ""), None)
    return all(type(value) in (kind, first) for value in items)


def _objects(listed: Any) -> Iterator[dict[str, Any]]:
    """The whole objects that an object of lists stands for; a key with "" may be left out, or be "" itself."""
    keys = msgspec.convert(listed, dict[str, list[Any]])
    ways = [
        [*({key: value} for value in values if value != ""), *([{}, {key: ""}] if "" in values else [])]
        for key, values in keys.items()
    ]
    for one in itertools.product(*ways):
        yield {key: value for part in one for key, value in part.items()}


def _some(values: Iterable[Any]) -> list[Any]:
    return list(itertools.islice(values, MOST + 1))
