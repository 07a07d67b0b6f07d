"""ToolBench rows, which ToolLLaMA was trained on: turns with a thought, an action and its input.

    {"id": "Step 4: the request", "conversations": [
      {"from": "system", "value": "… you have access to the following APIs: [{'name': 'f', …}, …]"},
      {"from": "user", "value": "\\nthe request\\nBegin!\\n"},
      {"from": "assistant", "value": "\\nThought: …\\nAction: f\\nAction Input: {…}"},
      {"from": "function", "value": "{\\"error\\": \\"\\", \\"response\\": \\"…\\"}"}, …]}

Made from `preprocess/preprocess_toolllama_data.py`, `Downstream_tasks/rapidapi.py` and the example data of
github.com/OpenBMB/ToolBench, and ms-swift's `Agent.md`, whose rows have `tools` and no list of APIs. A step is
a row that repeats the steps before it, so rows have no id: who reads them keeps the longest. Actions are read
as JSON, also with line breaks inside of its strings, or as a Python literal. A result is an error where its `error` is not empty, even if the rest of it was
cut, as it is behind 1,024 characters. An API's name is kept as it is written (`api_for_tool`).

`Finish` is no tool. With `give_answer` its answer is the turn's text, without the thought, as the dialect
`react` has it; a row that ends in `give_up_and_restart` is an error, for the rows before it hold all else.
Left out: the system message that lists the APIs, since a dialect writes its own; `Begin!`; of parameters
`optional`, which names what `required` does not. `example_value` becomes `examples`. Not read are search
trees with all their attempts (`answer_generation`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolfinch.data.readers.conversations import ACTION, APIS, family, turns
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.transcript import Transcript, as_text, call, read_tools
from toolfinch.dialects.pythonic import read_value
from toolfinch.dialects.react import FINISH
from toolfinch.errors import DataError
from toolfinch.message import ToolCall

NAME = "toolbench"
_THOUGHT = re.compile(r"^[ \t]*Thought:[ \t]*", re.MULTILINE)
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# Where the JSON was cut, its beginning still says it.
_FAILED = re.compile(r"\s*\{\s*(?:\"error\"|'error'|error)\s*:\s*(?:\"(?!\")|'(?!')|[^\s\"'nNf{\[])")


def looks_like(row: Mapping[str, Any]) -> bool:
    return family(row) == NAME


def key(row: Mapping[str, Any]) -> str:
    return ""


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Session]:
    return [_session(row) for row in rows]


def _session(row: Mapping[str, Any]) -> Session:
    told = Transcript()
    tools = read_tools(row.get("tools"))
    for turn in turns(row):
        if turn.role == "result":
            text = as_text(turn.value)
            marked = turn.raw.get("is_error") is True
            told.result(text, turn.raw.get("name"), is_error=marked or failed(text))
            continue
        text = turn.text()
        if turn.role == "system" and APIS in text:
            tools = _apis(text.partition(APIS)[2])
        elif turn.role == "system":
            told.say("system", text)
        elif turn.role == "user":
            told.say("user", text.strip().removesuffix("Begin!").strip())
        else:
            _assistant(text, told)
    return Session(told.messages, tools=None if tools is None else _without_finish(tools))


def _apis(text: str) -> list[Any]:
    begin, end = text.find("["), text.rfind("]") + 1
    found = read_tools(text[begin:end]) if 0 <= begin < end else None
    if found is None:
        raise DataError("the system message has no list of APIs")
    return found


def _without_finish(tools: list[Any]) -> list[Any]:
    return [_modern(one) for one in tools if not (isinstance(one, dict) and _name(one) == FINISH)]


def _name(tool: Mapping[str, Any]) -> Any:
    body = tool.get("function")
    return body.get("name") if isinstance(body, dict) else tool.get("name")


def _modern(tool: Any) -> Any:
    """A tool without the keys that JSON Schema does not have."""
    parameters = tool.get("parameters") if isinstance(tool, dict) else None
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    if not isinstance(parameters, dict) or not isinstance(properties, dict):
        return tool
    schema = {key: value for key, value in parameters.items() if key != "optional"}
    schema["properties"] = {name: _example(value) for name, value in properties.items()}
    return {**tool, "parameters": schema}


def _example(part: Any) -> Any:
    if not isinstance(part, dict) or "example_value" not in part:
        return part
    rest = {key: value for key, value in part.items() if key != "example_value"}
    return {**rest, "examples": [part["example_value"]]}


def failed(text: str) -> bool:
    """Whether a result says that it is an error."""
    try:
        value = read_value(text)
    except ValueError:
        return _FAILED.match(text) is not None
    return isinstance(value, dict) and bool(value.get("error"))


def _assistant(text: str, told: Transcript) -> None:
    actions = list(ACTION.finditer(text))
    said = text[: actions[0].start()] if actions else text
    thought = "\n".join(part.strip() for part in _THOUGHT.split(said) if part.strip())
    calls: list[ToolCall] = []
    for i, action in enumerate(actions):
        end = actions[i + 1].start() if i + 1 < len(actions) else len(text)
        calls.append(_call(action["name"].strip(), text[action.end() : end]))
    finish = [one for one in calls if one.name == FINISH]
    if not finish:
        told.call(thought, calls) if calls else told.say("assistant", thought)
    elif len(calls) > 1:
        raise DataError("a turn finishes and acts")
    else:
        told.say("assistant", _answer(finish[0].arguments))


def _call(name: str, text: str) -> ToolCall:
    text, *thoughts = _THOUGHT.split(text)
    if any(part.strip() for part in thoughts):
        raise DataError("a thought between two actions")
    try:
        return call(name, text)
    except DataError:
        return call(name, _STRING.sub(lambda string: _escaped(string[0]), text))


def _escaped(string: str) -> str:
    return string.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _answer(arguments: Mapping[str, Any]) -> str:
    if arguments.get("return_type") == "give_up_and_restart":
        raise DataError("gives up and starts again")
    answer = arguments.get("final_answer")
    if not isinstance(answer, str) or not answer:
        raise DataError("finishes without an answer")
    return answer
