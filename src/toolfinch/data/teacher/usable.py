"""`use`: what of a teacher's reply can be used, or why nothing can.

Whatever is asked for is checked here, also where the endpoint was told to keep to it. Reasons name tools, never
values: they are counted, kept and printed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from toolfinch.caller import Reply
from toolfinch.data.teacher.question import Question
from toolfinch.errors import SchemaError
from toolfinch.message import Message
from toolfinch.schema import violations


def use(question: Question, reply: Reply) -> tuple[Message | None, Any, str]:
    """The turn, the JSON value (where the question has a schema), and why there is neither.

    Raises SchemaError for a question whose schema is none.
    """
    if reply.stop == "length":
        return None, None, f"cut off after {question.max_tokens} tokens"
    if question.schema is None:
        why = _no_turn(question, reply)
        return (None, None, why) if why else (reply.message, None, "")
    check = validator(question.schema, question.purpose)
    read = False
    for value in _values(reply.message.content):
        read = True
        try:
            if check.is_valid(value):
                return None, value, ""
        except ValueError:  # nested too deeply
            break
    return None, None, "JSON that does not fit the schema" if read else "no JSON"


def _no_turn(question: Question, reply: Reply) -> str:
    message, choice = reply.message, question.tool_choice
    tools = {tool.name: tool for tool in question.tools}
    if reply.unread:
        return "a call that cannot be read"
    for call in message.calls:
        if call.name not in tools:
            return "a call of a tool that is not offered"
        if violations(tools[call.name], call.arguments):
            return f"a call of {call.name!r} that does not fit its schema"
        if choice == "none" or (choice.startswith("=") and call.name != choice[1:]):
            return f"a call of {call.name!r}, which was not asked for"
    if not message.calls and choice not in ("auto", "none"):
        return "no call, where one was asked for"
    if not message.calls and not message.content.strip():
        return "nothing"
    return ""


def validator(schema: dict[str, Any], purpose: str) -> jsonschema_rs.Draft202012Validator:
    """The compiled check of an answer, kept by the schema's content. SchemaError naming what asks with it."""
    try:
        return _compiled(msgspec.json.encode(schema))
    except ValueError as error:
        raise SchemaError(f"{purpose}: its schema is none: {str(error).splitlines()[0]}") from error


@lru_cache(maxsize=1000)
def _compiled(encoded: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(msgspec.json.decode(encoded), mask="value", offline=True)


_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def _no_json(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_STRICT = json.JSONDecoder(parse_constant=_no_json)  # no NaN, no Infinity


def _values(text: str) -> Iterator[Any]:
    """The JSON values that a text may mean, the likeliest first: all of it, a fenced block, the first that begins.

    Endpoints that do not hold a model to JSON leave its thoughts and its politeness around it.
    """
    text = text.rpartition("</think>")[2].strip()
    for candidate in (text, *_FENCED.findall(text)):
        try:
            yield msgspec.json.decode(candidate)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
    for opening in re.finditer(r"[{\[]", text):
        try:
            yield _STRICT.raw_decode(text, opening.start())[0]
            return
        except ValueError:
            continue
        except RecursionError:
            return
