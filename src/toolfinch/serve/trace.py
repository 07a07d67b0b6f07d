"""`Trace`: the file that a server appends each finished chat completion to; the reader `toolfinch_trace` reads it.

    {"toolfinch_trace": 1, "time": "2026-05-04T03:02:01Z", "session": "s1",
     "sent": {"messages": […], "tools": […], "tool_choice": "auto"},
     "reply": {"model", "message", "finish_reason", "confidence", "unread", "usage"}}

A line a completion, the same whether it was streamed. What was sent stands as it was sent, without white space;
`message` is what the client got, the calls with its ids. What the tools gave back is in the client's next request.
`time` is when the request came. `session` is the header `X-Session-Id`, else `session_id`, `conversation_id` or
`thread_id` of the request's `metadata`; it is left out where the client names none. Left out: `user`, which names
a person and no conversation; sampling parameters; requests that failed or were given up; and a second server that
writes to the same file.

The file holds whatever people said: it is made for its owner alone (0600), and nothing leaves the machine.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from toolfinch.caller import Reply
from toolfinch.errors import UsageError
from toolfinch.serve import answer

VERSION = 1
HEADER = "x-session-id"
METADATA = ("session_id", "conversation_id", "thread_id")


class _Sent(msgspec.Struct, frozen=True):
    """What a request holds that is kept."""

    messages: msgspec.Raw
    tools: msgspec.Raw | UnsetType = UNSET
    tool_choice: msgspec.Raw | UnsetType = UNSET


class _Named(msgspec.Struct, frozen=True):
    metadata: Any = None


class _Row(msgspec.Struct, frozen=True):
    toolfinch_trace: int
    time: str
    sent: _Sent
    reply: dict[str, Any]
    session: str | UnsetType = UNSET


class Trace:
    """An open trace file. Where the disk is full or gone the server goes on: that is said once, and counted."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError naming the file where it cannot be written."""
        self.path = path
        self.written = 0
        self.lost = 0
        """Completions that could not be written."""
        self._lock = threading.Lock()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            status = os.fstat(self._file)
            if stat.S_ISREG(status.st_mode) and status.st_size:
                os.lseek(self._file, -1, os.SEEK_END)
                if os.read(self._file, 1) != b"\n":  # the end of a line that a crash has cut
                    os.write(self._file, b"\n")
        except OSError as error:
            raise UsageError(f"--trace {path}: cannot be written ({error.strerror})") from error

    def add(self, body: bytes, header: str, began: datetime, model: str, reply: Reply) -> None:
        """Append one completion; `header` is what `HEADER` says, "" for nothing. May be called by several threads."""
        row = _Row(
            toolfinch_trace=VERSION,
            time=began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            sent=msgspec.json.decode(body, type=_Sent),
            reply={
                "model": model,
                "message": answer.message_json(reply.message),
                "finish_reason": reply.stop,
                **answer.extra_json(reply),
                "usage": answer.usage_json(reply.usage),
            },
            session=header or _in_metadata(body) or UNSET,
        )
        # What was sent may have line breaks between its values.
        self._append(msgspec.json.format(msgspec.json.encode(row), indent=-1) + b"\n")

    def _append(self, line: bytes) -> None:
        with self._lock:
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, line) < len(line):
                    raise OSError(0, "the disk is full")
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, size)  # never half a line
                self.lost += 1
                if self.lost == 1:
                    self._say(f"cannot be written ({error.strerror}): replies are not traced until it can")
            else:
                self.written += 1

    def close(self) -> None:
        os.close(self._file)
        if self.lost:
            self._say(f"{self.lost} replies are missing in it")

    def _say(self, what: str) -> None:
        print(f"toolfinch: --trace {self.path}: {what}", file=sys.stderr, flush=True)


def _in_metadata(body: bytes) -> str:
    metadata = msgspec.json.decode(body, type=_Named).metadata
    said = [metadata.get(key) for key in METADATA] if isinstance(metadata, Mapping) else []
    return next((one for one in said if isinstance(one, str) and one), "")
