"""JSON as a call may hold it: standard, without repeated keys, and with its end found by reading it.

Python's `json` lets NaN, infinities, repeated keys and lone surrogates through; here each is an error, since
what a tool would be given is then not what was written.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NoReturn

import msgspec

from toolfinch.message import unique_keys

_LEXEME = re.compile(
    r"(?P<plain>[ \t\r\n\w.,:+-]++)"
    r"|(?P<bracket>[{}\[\]])"
    r'|(?P<string>"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+")'
)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_DECODER = json.JSONDecoder()
_OPEN_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+\\?')


def object_end(text: str, start: int, opens: str = "{") -> tuple[Literal["closed", "open", "broken"], int]:
    """Follow the object that begins at `start`: closed and where it ends, still open, or broken and where.

    `opens` are the brackets that it may begin with: with `"{["` a list is followed as well.

    Only strings and brackets are followed, so `closed` does not yet mean that it is JSON; but the answer
    never changes when more text comes, unless it was `open`. Anything that JSON cannot have outside of a
    string (such as a tag) breaks it, and so does a line's end inside of one.
    """
    stack: list[str] = []
    at = len(text) - len(text[start:].lstrip(" \t\r\n"))
    if at < len(text) and text[at] not in opens:
        return "broken", at
    while at < len(text):
        found = _LEXEME.match(text, at)
        if found is None:
            unclosed = _OPEN_STRING.match(text, at)
            if unclosed is None:
                return "broken", at
            return ("open" if unclosed.end() == len(text) else "broken"), unclosed.end()
        if found.lastgroup == "bracket":
            bracket = found.group()
            if bracket in "{[":
                stack.append("}" if bracket == "{" else "]")
            elif stack.pop() != bracket:
                return "broken", at
            if not stack:
                return "closed", found.end()
        at = found.end()
    return "open", at


def loads(text: str) -> Any:
    """Read one JSON value. Raises ValueError for anything that is not strictly one."""
    try:  # the quick way reads the same, but for keys that are repeated
        value = msgspec.json.decode(text)
        if unique_keys(text, value):
            return value
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        value = json.loads(
            text, parse_constant=_not_json, parse_float=_finite, object_pairs_hook=_without_repeats
        )
        dumps(value).encode()  # a lone surrogate has no bytes
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def first(text: str, at: int) -> tuple[Any, int]:
    """The object that begins at `at`, and where it ends. Raises ValueError."""
    begin = len(text) - len(text[at:].lstrip(" \t\r\n"))
    if text[begin : begin + 1] != "{":
        raise ValueError("not an object")
    try:
        _, end = _DECODER.raw_decode(text, begin)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return loads(text[begin:end]), end


def dumps(value: Any) -> str:
    """Write a value as chat templates' `tojson` does. Raises ValueError or TypeError for what is not JSON."""
    return _ENCODER.encode(value)


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{digits} is too large")
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key is repeated")
    return out
