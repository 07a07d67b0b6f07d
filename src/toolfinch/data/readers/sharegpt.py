"""ShareGPT rows with tools, in the dialects that are about.

    {"conversations": [{"from": "human", "value": "…"},
                       {"from": "function_call", "value": "{\\"name\\": …, \\"arguments\\": {…}}"},
                       {"from": "observation", "value": "…"},
                       {"from": "gpt", "value": "…"}],
     "system": "…", "tools": "[{…}]"}

Made from `data/README.md`, `converter.py` and `formatter.py` of github.com/hiyouga/LLaMA-Factory (2025), and
the dataset cards of Team-ACE/ToolACE and lilacai/glaive-function-calling-v2-sharegpt (huggingface.co). Read:

- a `function_call` with one call or a list of them, as JSON, a Python literal or an object, thoughts in
  `<think>` before it; several such turns in a row are one turn;
- one `observation` for several calls, where it is a list of as many results, or as many parts with
  `</tool_response>` and `<tool_response>` between them, as LLaMA-Factory joins them; otherwise one each;
- `tools` as a list or its text, or in the system message: as Glaive writes them, or as ToolACE does, which
  has its calls in the assistant's text (`[f(a=1), g()]`);
- `tool_calls` in an assistant's turn, and `is_error` in a result's;
- a system message in the turns before one in the row.

Rows with images, pairs of answers (`chosen`, `rejected`) and answers marked as bad (`kto_tag`) are errors, and
so are calls in marks of other dialects. Left out: ToolACE's system message, which is its tools and how to
call them; weights of turns; all other keys of the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from toolfinch.data.readers import glaive
from toolfinch.data.readers.conversations import Turn, family, turns
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.transcript import Transcript, as_text, read_calls, read_tools, session_id
from toolfinch.dialects import pythonic
from toolfinch.dialects.tagged import END_THINK, OPEN, THINK
from toolfinch.errors import DataError

NAME = "sharegpt"
_LIST = re.compile(r"\[\s*\{\s*[\"'](?:name|type|description)[\"']")
_BRACKETS = re.compile(r"\[\s*[^\s\[\](){}'\"=,][^\[\](){}'\"=,\n]*\(.*\)\s*\]", re.DOTALL)
_MARKS = (
    "<|python_tag|>",
    "<|python_start|>",
    "<|tool_call_start|>",
    "[TOOL_CALLS]",
    OPEN,
    "<|tool▁call▁begin|>",
)
_BETWEEN = re.compile(r"\s*</tool_response>\s*<tool_response>\s*")


def looks_like(row: Mapping[str, Any]) -> bool:
    return family(row) == NAME


def key(row: Mapping[str, Any]) -> str:
    return ""


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Session]:
    return [_session(row) for row in rows]


def _session(row: Mapping[str, Any]) -> Session:
    if any(row.get(key) for key in ("images", "videos", "audios")):
        raise DataError("the row has images, videos or audio")
    if row.get("chosen") is not None or row.get("rejected") is not None:
        raise DataError("the row is a pair of answers, not a conversation")
    if row.get("kto_tag") is False:
        raise DataError("the row's answer is marked as bad (kto_tag)")
    tools = read_tools(row.get("tools"))
    told = Transcript()
    read = turns(row)
    if row.get("system") and read[0].role != "system":
        read.insert(0, Turn(-1, "system", row["system"], {}))
    for role, run in groupby(read, lambda turn: turn.role):
        if role == "result":
            _results(list(run), told)
            continue
        for turn in run:
            if role == "system":
                said, offered = _read_system(turn.text()) if tools is None else (turn.text(), None)
                tools = tools if offered is None else offered
                if said:
                    told.say("system", said)
            elif role == "user":
                told.say("user", turn.text())
            elif role == "call":
                _calls(turn, told)
            else:
                _assistant(turn, told, offered=bool(tools))
    return Session(told.messages, session_id(row), tools)


def _read_system(text: str) -> tuple[str, list[Any] | None]:
    """A system message without its tools, and those; None where it names none."""
    if "access to the following functions" in text and "{" in text:
        return glaive.read_system(text.strip().removeprefix("SYSTEM:").strip())
    listed = _LIST.search(text)
    if listed is None or "[func" not in text:  # `in the format of [func1(…), func2(…)]`
        return text, None
    return "", read_tools(text[listed.start() : text.rfind("}]") + 2])


def _calls(turn: Turn, told: Transcript) -> None:
    text, thoughts = turn.value, ""
    if isinstance(text, str) and text.lstrip().startswith(THINK) and END_THINK in text:
        thoughts, _, text = text.partition(END_THINK)
        thoughts += END_THINK
    told.call(thoughts, read_calls(text))


def _assistant(turn: Turn, told: Transcript, *, offered: bool) -> None:
    given = turn.raw.get("tool_calls")
    text = turn.text() if turn.value is not None or not given else ""
    if given:
        told.call(text, read_calls(given))
    elif glaive.CALL in text:
        told.call(*glaive.read_turn(text))
    elif offered and _BRACKETS.fullmatch(text.strip()):
        calls = pythonic.read_calls(text.strip()[1:-1])
        if calls is None:
            raise DataError(f"{turn.where}: calls in brackets that cannot be read")
        told.call("", calls)
    elif any(mark in text for mark in _MARKS):
        raise DataError(f"{turn.where}: a call in a dialect that these rows are not read in")
    else:
        told.say("assistant", text)


def _results(run: list[Turn], told: Transcript) -> None:
    if len(run) == 1 and len(told.waiting) > 1:
        for part in _parts(run[0].value, len(told.waiting)):
            told.result(as_text(part), is_error=run[0].raw.get("is_error") is True)
        return
    for turn in run:
        if turn.value is None:
            raise DataError(f"{turn.where}: a result without a value")
        told.result(
            as_text(turn.value),
            turn.raw.get("name"),
            turn.raw.get("tool_call_id"),
            is_error=turn.raw.get("is_error") is True,
        )


def _parts(value: Any, number: int) -> list[Any]:
    """The results of several calls that one turn holds; itself where it does not hold as many."""
    if isinstance(value, str):
        parts: Any = _BETWEEN.split(value)
        if len(parts) == number:
            return list(parts)
        try:
            parts = pythonic.read_value(value)
        except ValueError:
            return [value]
    else:
        parts = value
    return parts if isinstance(parts, list) and len(parts) == number else [value]
