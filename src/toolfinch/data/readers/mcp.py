"""Model Context Protocol messages (JSON-RPC 2.0), one or a batch a row, bare or beside a time and a session.

    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name", "arguments"}}
    {"time": …, "session_id": …, "message": {"jsonrpc": "2.0", "id": 1, "result": {"content", "isError"}}}

The message may stand under `message`, `msg`, `data` or `body`, as JSON text too, or a request and its response
under `request` and `response`. `tools/list` results, page by page, are the tools; `tools/call` requests are calls,
and what answers them by id are results: the text of `content`, or `structuredContent` where there is none.
`isError` and a JSON-RPC error make a result an error. Calls that were under way together are one turn.

**Such a log has no conversation.** A session, from one `initialize` to the next, is a row of calls and results
without anybody's words, and is tagged `without:user`: why a tool was called is nowhere in it, so none of its turns is
a decision to learn, and all are marked to be skipped. It shows what tools there are, and what they take and return.

Left out: notifications, other methods, a server's own requests and their answers, and tasks. Images and other
content that is not text stand as `[image]`, with a tag.

The protocol is described at https://modelcontextprotocol.io/specification/2025-11-25/server/tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from toolfinch.data.readers import times
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.turns import Turns, as_json, listed, mapped, named, readable
from toolfinch.errors import DataError

NAME = "mcp"
SESSION = KEYS = ("session_id", "sessionId", "mcp-session-id", "mcp_session_id", "session", "connection_id")
_CARRIERS = ("message", "msg", "data", "body", "request", "response")


def looks_like(row: Mapping[str, Any]) -> bool:
    """By `jsonrpc`, in the row or in what it carries."""
    try:
        return bool(_carried(row))
    except DataError:
        return False


def key(row: Mapping[str, Any]) -> str:
    """The session; one for all rows that name none."""
    return named(row, *SESSION) or NAME


class _Connection:
    """What went over one connection since its `initialize`."""

    def __init__(self, session: str = "") -> None:
        self.session = session
        self.time = ""
        self.turns = Turns(whole=True)
        self.turns.tags["without:user"] = None
        self.turns.replayed = True
        self.tools: dict[str, Mapping[str, Any]] | None = None
        self.asked: dict[str, str] = {}  # id of a request -> its method, and `page` for a list's second page
        self.calls = 0
        self.wrong: DataError | None = None

    def take(self, message: Mapping[str, Any]) -> None:
        method, id = message.get("method"), named(message, "id")
        if method is None:
            if id in self.asked:
                self.answer(id, message)
        elif method == "tools/call" and id:
            asked = mapped(message.get("params"), "tools/call: params")
            self.turns.call(id, asked.get("name"), asked.get("arguments"), "tools/call")
            self.asked[id] = "call"
            self.calls += 1
        elif method == "tools/list" and id:
            params = message.get("params")
            self.asked[id] = "page" if isinstance(params, dict) and params.get("cursor") else "list"

    def answer(self, id: str, message: Mapping[str, Any]) -> None:
        """A response; that to another request of the same id, the other side's, is passed over."""
        result, error = message.get("result"), message.get("error")
        if self.asked[id] == "call":
            if isinstance(error, dict):
                said = error.get("message")
                text = said if isinstance(said, str) else as_json(error, "tools/call: error")
                self.turns.result(id, text, "tools/call", is_error=True)
            elif isinstance(result, dict) and _is_result(result):
                text = self._text(result)
                self.turns.result(id, text, "tools/call", is_error=result.get("isError") is True)
            else:
                return
        elif isinstance(result, dict) and "tools" in result:
            tools: dict[str, Mapping[str, Any]] = {}
            if self.asked[id] == "page":
                tools |= self.tools or {}
            for i, one in enumerate(listed(result["tools"], "tools/list: tools")):
                tool = mapped(one, f"tools/list: tools[{i}]")
                tools[named(tool, "name")] = tool
            self.tools = tools
        elif not isinstance(error, dict):
            return
        del self.asked[id]

    def _text(self, result: Mapping[str, Any]) -> str:
        parts = []
        content = result.get("content")
        for i, one in enumerate(listed(content, "tools/call: content")):
            where = f"tools/call: content[{i}]"
            part = mapped(one, where)
            if part.get("type") == "text" and type(text := part.get("text")) is str:  # most
                parts.append(text)
                continue
            inner = part.get("resource")
            if (
                part.get("type") == "resource"
                and isinstance(inner, dict)
                and isinstance(inner.get("text"), str)
            ):
                parts.append(inner["text"])
            else:
                parts.append(self.turns.part(part, where))
        if not parts and result.get("structuredContent") is not None:
            return as_json(result["structuredContent"], "tools/call: structuredContent")
        return "\n".join(parts)

    def told(self) -> Session:
        if self.wrong is not None:
            raise self.wrong
        tools = None if self.tools is None else list(self.tools.values())
        return self.turns.session(self.session, tools, self.time)


def sessions(rows: Iterable[Mapping[str, Any]]) -> Iterator[Session]:
    """One from each `initialize` to the next, if it calls. What is wrong with one is raised after the others."""
    parts = (one.told for one in _connections(rows) if one.calls or one.wrong is not None)
    return readable(parts, "no tool is called in it")


def _connections(rows: Iterable[Mapping[str, Any]]) -> Iterator[_Connection]:
    now: _Connection | None = None
    for row in rows:
        now = now or _Connection(named(row, *SESSION))
        try:
            for message in _carried(row):
                if message.get("method") == "initialize":
                    yield now
                    now = _Connection(named(row, *SESSION))
                if not now.time:
                    now.time = times.of_row(row)
                now.take(message)
        except DataError as error:
            now.wrong = now.wrong or error
    if now is not None:
        yield now


def _is_result(result: Mapping[str, Any]) -> bool:
    """Whether it is a tool's, and not a client's answer to a server that asks for a model's words."""
    return "role" not in result and (isinstance(result.get("content"), list) or "structuredContent" in result)


def _carried(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The messages of a row."""
    if "jsonrpc" in row:
        return [row]
    found: list[Mapping[str, Any]] = []
    for key in _CARRIERS:
        body = row.get(key)
        if body is None:
            continue
        if type(body) is dict:  # most are
            if "jsonrpc" in body:
                found.append(body)
            continue
        if isinstance(body, str) and '"jsonrpc"' in body:
            try:
                body = msgspec.json.decode(body)
            except (msgspec.DecodeError, RecursionError) as error:
                raise DataError(f"{key}: not JSON") from error
        for one in body if isinstance(body, list) else [body]:
            if isinstance(one, dict) and "jsonrpc" in one:
                found.append(one)
    return found
