"""Hermes rows: ShareGPT turns with tools, calls and results as JSON between tags.

    {"id": "…", "conversations": [
      {"from": "system", "value": "… <tools>[{…}]</tools> … <tool_call>\\n{…}\\n</tool_call>"},
      {"from": "human", "value": "…"},
      {"from": "gpt", "value": "text\\n<tool_call>\\n{\\"name\\": …, \\"arguments\\": {…}}\\n</tool_call>"},
      {"from": "tool", "value": "<tool_response>\\n{\\"name\\": …, \\"content\\": …}\\n</tool_response>"}, …]}

Made from the dataset card of NousResearch/hermes-function-calling-v1 (huggingface.co) and the prompts in
github.com/NousResearch/Hermes-Function-Calling, 2024. Calls are read as the dialect `hermes` reads them, and
where that cannot, as a Python literal, which the first release wrote, or as several objects between one pair
of tags. Results may stand in a user's turn, as Qwen's template writes them; `tool_call_id` joins them where
it is given, else the name and the place. Tools are those of the system message, or the row's `tools`.

Left out: of the system message, the tools and the instructions around them (a dialect writes its own), from
the first known sentence of them to the last `</tool_call>`; and all other keys of the row. Thoughts and
scratch pads stay in the text of their turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from toolfinch.data.readers.conversations import RESPONSE, family, turns
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.transcript import (
    Transcript,
    as_text,
    read_calls,
    read_tools,
    session_id,
    several,
)
from toolfinch.dialects.hermes import read_block, read_call
from toolfinch.dialects.tagged import CLOSE, END_THINK, OPEN, THINK, Block
from toolfinch.errors import DataError
from toolfinch.message import ToolCall

NAME = "hermes"
_TOOLS, _CLOSE_TOOLS = "<tools>", "</tools>"
_INSTRUCTIONS = (
    "# Tools",
    "You are a function calling AI",
    "You are provided with function signatures",
    "You may call one or more functions",
    "Here are the available tools",
)
_CLOSE_RESPONSE = "</tool_response>"
_WRAPPED = {"name", "content", "tool_call_id", "is_error"}


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
        text = turn.text()
        if turn.role == "system":
            text, offered = read_system(text)
            tools = tools if offered is None else offered
            if text:
                told.say("system", text)
        elif turn.role == "result" or (turn.role == "user" and text.lstrip().startswith(RESPONSE)):
            _results(text, told, failed=turn.raw.get("is_error") is True)
        elif turn.role == "assistant" and OPEN in text:
            told.call(*read_turn(text))
        elif turn.role == "call":
            told.call("", read_calls(text))
        else:
            told.say(turn.role, text)
    return Session(told.messages, session_id(row), tools)


@lru_cache(maxsize=256)
def read_system(text: str) -> tuple[str, list[Any] | None]:
    """What a system message says beside its tools and how to call them, and the tools; None for none. Rows repeat a few."""
    close = text.rfind(_CLOSE_TOOLS)
    begin = text.rfind(_TOOLS, 0, max(close, 0))
    while begin >= 0 and not text[begin + len(_TOOLS) : close].strip():  # the tags are only named
        close = text.rfind(_CLOSE_TOOLS, 0, begin)
        begin = text.rfind(_TOOLS, 0, max(close, 0))
    if begin < 0:
        return text, None
    starts = [at for words in _INSTRUCTIONS if 0 <= (at := text.find(words)) < begin]
    last = text.rfind(CLOSE, close)
    end = last + len(CLOSE) if last >= 0 else close + len(_CLOSE_TOOLS)
    said = (text[: min([*starts, begin])].strip(), text[end:].strip())
    return "\n\n".join(part for part in said if part), read_tools(text[begin + len(_TOOLS) : close])


def read_turn(text: str) -> tuple[str, list[ToolCall]]:
    """A turn's text and its calls. Raises DataError for a block that cannot be read."""
    at = text.find(END_THINK) + len(END_THINK) if text.lstrip().startswith(THINK) and END_THINK in text else 0
    said, calls = [text[:at]], list[ToolCall]()
    while (begin := text.find(OPEN, at)) >= 0:
        said.append(text[at:begin])
        length, call = _plain(text[begin:]) or read_block(text[begin:], (), True) or (len(text) - begin, None)
        at = begin + length
        if call is not None:
            calls.append(call)
        else:
            calls += read_calls(text[begin + len(OPEN) : at].strip().removesuffix(CLOSE))
    said.append(text[at:])
    return "".join(part if part.strip() else "" for part in said).strip(), calls


def _plain(text: str) -> Block | None:
    """A block that is JSON up to the first closing tag, as most are: found many times quicker."""
    end = text.find(CLOSE)
    if end < 0:
        return None
    call = read_call(text[len(OPEN) : end])
    return None if call is None else (end + len(CLOSE), call)


def _results(text: str, told: Transcript, *, failed: bool) -> None:
    found: list[str] = []
    outside, at = "", 0
    while (begin := text.find(RESPONSE, at)) >= 0:
        outside += text[at:begin]
        end = text.find(_CLOSE_RESPONSE, begin)
        found.append(text[begin + len(RESPONSE) : end if end >= 0 else None])
        at = end + len(_CLOSE_RESPONSE) if end >= 0 else len(text)
    if not found:
        told.result(text, is_error=failed)
        return
    if (outside + text[at:]).strip():
        raise DataError(f"a tool's turn has text outside of {RESPONSE}")
    for body in found:
        for one in _wrapped(body) or [{"content": body.strip()}]:
            told.result(
                as_text(one["content"]),
                one.get("name"),
                one.get("tool_call_id"),
                is_error=failed or one.get("is_error") is True,
            )


def _wrapped(text: str) -> list[Mapping[str, Any]]:
    """Results with their names, as objects; empty for anything else, which is a result as it is."""
    if not text.lstrip().startswith(("{", "[")):
        return []
    try:
        found = several(text)
    except ValueError:
        return []
    whole = all(isinstance(one, dict) and "content" in one and set(one) <= _WRAPPED for one in found)
    return found if whole else []
