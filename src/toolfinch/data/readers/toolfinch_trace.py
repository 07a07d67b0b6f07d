"""What `toolfinch serve --trace FILE` writes: a finished chat completion a line (`serve.trace` has the layout).

    {"toolfinch_trace": 1, "time", "session", "sent": {"messages", "tools", "tool_choice"},
     "reply": {"model", "message", "finish_reason", "confidence", "unread", "usage"}}

A row is the conversation that was sent and the turn that was given. What the tools returned is in the next request;
of rows that continue one another `log` keeps the longest, so a conversation has them in the end. A turn that was cut
at the token limit, or in which a call could not be read, is marked to be skipped where it is the last.

Left out: `tool_choice`, the model, confidence and usage. A row of a later version is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolfinch.data.readers.format import Session
from toolfinch.data.readers.times import iso
from toolfinch.data.readers.turns import listed, mapped, named
from toolfinch.errors import DataError
from toolfinch.example import Mark

NAME = "toolfinch_trace"
VERSION = 1


def looks_like(row: Mapping[str, Any]) -> bool:
    return "toolfinch_trace" in row


def key(row: Mapping[str, Any]) -> str:
    return ""


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterator[Session]:
    """One a row."""
    for row in rows:
        if row.get("toolfinch_trace") != VERSION:
            raise DataError(f"toolfinch_trace: expected version {VERSION}")
        sent, reply = mapped(row.get("sent"), "sent"), mapped(row.get("reply"), "reply")
        asked = listed(sent.get("messages"), "sent.messages")
        said = mapped(reply.get("message"), "reply.message")
        unfit = reply.get("finish_reason") == "length" or bool(reply.get("unread"))
        yield Session(
            messages=[*asked, said],
            id=named(row, "session"),
            tools=listed(sent.get("tools"), "sent.tools"),
            marks={len(asked): Mark(skip=True)} if unfit else {},
            time=iso(row.get("time")),
        )
