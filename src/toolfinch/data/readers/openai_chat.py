"""OpenAI chat requests, as an assistant logs them: `messages` and usually `tools` in each row.

A row is a conversation, named by `session_id`, `conversation_id` or `id` where it has one of them. Read, too:
`functions`, `function_call` and role `function`, from before November 2023, and our own keys beside them
(`scenario`, `source`, `tags`, `services`, `marks`, `time`), so a dataset of ours is a log as well, and when a row was logged under any of `times.KEYS`. Made from the API
reference of Chat Completions (platform.openai.com/docs/api-reference/chat). Left out: the model's reply where a
log keeps it beside `messages` and not in the next row, and every other key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from toolfinch.data import dataset
from toolfinch.data.readers import anthropic, times
from toolfinch.data.readers.format import Session
from toolfinch.errors import DataError
from toolfinch.example import Mark

NAME = "openai_chat"


class Row(msgspec.Struct, frozen=True):
    messages: list[dict[str, Any]]
    tools: Any = None
    functions: Any = None
    """What OpenAI called `tools` before November 2023."""
    id: str | int | None = None
    session_id: str | int | None = None
    conversation_id: str | int | None = None
    scenario: str | None = None
    source: str | None = None
    tags: tuple[str, ...] | None = None
    services: tuple[str, ...] | None = None
    """Become tags, as `service:<name>`."""
    marks: dict[int, Mark] = {}


def looks_like(row: Mapping[str, Any]) -> bool:
    """`messages` with a role each, and nothing that only Anthropic's requests have."""
    messages = row.get("messages")
    return (
        isinstance(messages, list)
        and all(isinstance(message, dict) and "role" in message for message in messages)
        and not anthropic.looks_like(row)
    )


def key(row: Mapping[str, Any]) -> str:
    return ""


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterator[Session]:
    for raw in rows:
        try:
            row = msgspec.convert(raw, Row, str_keys=True)
        except msgspec.ValidationError as error:
            raise DataError(dataset.without_values(error)) from error
        given = (row.session_id, row.conversation_id, row.id)
        yield Session(
            messages=[_modern(message) for message in row.messages],
            id=next((str(id) for id in given if id not in (None, "")), ""),
            tools=row.functions if row.tools is None else row.tools,
            tags=(*(row.tags or ()), *(f"service:{name}" for name in row.services or ())),
            scenario=row.scenario or "",
            source=row.source or "",
            marks=row.marks,
            time=times.of_row(raw),
        )


def _modern(message: dict[str, Any]) -> dict[str, Any]:
    """Today's form of a message with `function_call` or role `function`."""
    if message.get("role") == "function":
        return {**message, "role": "tool"}
    if message.get("function_call") is not None and not message.get("tool_calls"):
        return {**message, "tool_calls": [{"function": message["function_call"]}]}
    return message
