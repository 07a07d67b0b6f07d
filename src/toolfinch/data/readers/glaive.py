"""Glaive rows, second version: a session is two strings.

    {"system": "SYSTEM: You are … access to the following functions. Use them if required -\\n{…}\\n\\n{…}",
     "chat": "USER: … ASSISTANT: <functioncall> {\\"name\\": \\"f\\", \\"arguments\\": '{\\"a\\": 1}'} <|endoftext|>
              FUNCTION RESPONSE: {…} ASSISTANT: … <|endoftext|>"}

each speaker at the start of a line. Made from the dataset cards of glaiveai/glaive-function-calling and
glaiveai/glaive-function-calling-v2 (huggingface.co).

A call's arguments stand in single quotes, and what is inside them is quoted in more than one way: as it is,
apostrophes and all, or as a Python string, with backslashes. Both are tried; arguments that can be read in
two ways with different values are an error, as are those that can be read in none.

Left out: the sentence before the functions, since a dialect writes its own, and the first version, whose
session is one string. A line of a message that begins with a speaker's name and a colon is taken for a turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from toolfinch.data.readers.format import Session
from toolfinch.data.readers.transcript import Transcript, call, read_calls, session_id
from toolfinch.dialects import strict_json
from toolfinch.dialects.pythonic import read_value
from toolfinch.errors import DataError
from toolfinch.message import ToolCall

NAME = "glaive"
CALL = "<functioncall>"
_END = "<|endoftext|>"
_SPEAKER = re.compile(r"\n[ \t]*(USER|ASSISTANT|FUNCTION RESPONSE):")
"""A line's beginning, found by its break: several times quicker than `^`."""
_OFFER = re.compile(r",? (?:with|who has) access to the following functions\b[^{\n]*")
_QUOTED = re.compile(
    r"""\{\s*"name"\s*:\s*"(?P<name>[^"\\]*)"\s*,\s*"arguments"\s*:\s*(?P<text>'(?P<inside>.*)')\s*\}""",
    re.DOTALL,
)
# JSON has no such escape, so where it stands it can only have been meant for the quotes.
_APOSTROPHE = re.compile(r"(?<!\\)((?:\\\\)*)\\'")


_TWO_WAYS = re.compile(r"['\\\r\n]")
"""Without these a Python string says what stands in it."""


def looks_like(row: Mapping[str, Any]) -> bool:
    chat = row.get("chat")
    return (
        isinstance(chat, str)
        and isinstance(row.get("system", ""), str)
        and _SPEAKER.search(f"\n{chat}") is not None
        and "messages" not in row
    )


def key(row: Mapping[str, Any]) -> str:
    return ""


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Session]:
    return [_session(row) for row in rows]


def _session(row: Mapping[str, Any]) -> Session:
    system, chat = row.get("system") or "", row.get("chat")
    if not isinstance(system, str) or not isinstance(chat, str):
        raise DataError("system and chat: expected text")
    told = Transcript()
    said, tools = read_system(system.strip().removeprefix("SYSTEM:").strip())
    if said:
        told.say("system", said)
    before, *parts = _SPEAKER.split(f"\n{chat}")
    if before.strip() or not parts:
        raise DataError("chat: does not begin with a speaker")
    for speaker, text in zip(parts[::2], parts[1::2], strict=True):
        text = text.strip()
        if speaker == "USER":
            told.say("user", text)
        elif speaker == "FUNCTION RESPONSE":
            told.result(text.removesuffix(_END).strip())
        elif CALL in text:
            told.call(*read_turn(text))
        else:
            told.say("assistant", _ended(text))
    return Session(told.messages, session_id(row), tools)


@lru_cache(maxsize=256)
def read_system(text: str) -> tuple[str, list[Any] | None]:
    """A system message without its functions, and those; none of them is an empty list. Rows repeat a few.

    Raises DataError where the functions are not JSON objects one after the other.
    """
    at = text.find("{")
    if at < 0:
        return text, []
    tools = []
    said = text[:at]
    while text[at:].strip():
        try:
            tool, at = strict_json.first(text, at)
        except ValueError as error:
            raise DataError("system: the functions are not JSON objects one after the other") from error
        tools.append(tool)
    return _OFFER.sub(".", said).strip(), tools


def read_turn(text: str) -> tuple[str, list[ToolCall]]:
    """A turn's text and its calls. Raises DataError."""
    said, *blocks = _ended(text).split(CALL)
    return said.strip(), [_read_call(block.strip().removesuffix(_END).strip()) for block in blocks]


def _ended(text: str) -> str:
    said = text.strip().removesuffix(_END).strip()
    if _END in said and CALL not in said:
        raise DataError("chat: text behind the end of a turn")
    return said


def _read_call(text: str) -> ToolCall:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return call(quoted["name"], _arguments(quoted["text"], quoted["inside"]))
    try:
        whole = [strict_json.loads(text)]
    except ValueError as error:
        raise DataError("a call that is not JSON with its arguments in single quotes") from error
    return read_calls(whole)[0]


def _arguments(text: str, inside: str) -> Any:
    """What is in the quotes, in the one way or the other."""
    readings = []
    ways = [inside]
    if _TWO_WAYS.search(inside):
        ways = [_APOSTROPHE.sub(r"\1'", inside), _unquoted(text)]
    for reading in ways:
        try:
            readings.append(strict_json.loads(reading) if reading.strip() else {})
        except ValueError:
            continue
    if not readings:
        raise DataError("a call's arguments cannot be read inside of their quotes")
    if any(strict_json.dumps(one) != strict_json.dumps(readings[0]) for one in readings[1:]):
        raise DataError("a call's arguments can be read in two ways")
    return readings[0]


def _unquoted(text: str) -> str:
    """What a Python string says; "?", which is no JSON, where it is none."""
    try:
        value = read_value(text)
    except ValueError:
        return "?"
    return value if isinstance(value, str) else "?"
