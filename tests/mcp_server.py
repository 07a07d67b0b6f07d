"""A real MCP server of the `mcp` package: `python mcp_server.py stdio`, or `python mcp_server.py PORT` for HTTP.

Two pages of tools. The package's own server refuses to send tools that are not as the protocol has them, so those are put
in on the way out, as servers in other languages send them. `python mcp_server.py circle` names the same next page for ever,
`silent` never answers, and `dies` is no server.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

import anyio
import mcp_types as types
from mcp import stdio_server
from mcp.server.lowlevel.server import Server
from mcp.shared.message import SessionMessage
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OBJECT = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
PAGES: dict[str, list[types.Tool]] = {
    "": [
        types.Tool(
            name="read_file",
            description="Reads  a file;\n\ttabs and 中文 stay.",
            input_schema=OBJECT,
            annotations=types.ToolAnnotations(read_only_hint=True),
        ),
        types.Tool(
            name="delete_file", input_schema=OBJECT, annotations=types.ToolAnnotations(title="Delete")
        ),
    ],
    "2": [
        types.Tool(
            name="fs.write",
            description="Writes a file.",
            input_schema=OBJECT,
            annotations=types.ToolAnnotations(destructive_hint=False, idempotent_hint=True),
        )
    ],
}
BAD: list[Any] = [
    {"name": "untyped", "description": "No type.", "inputSchema": {"properties": {"a": {"type": "int"}}}},
    {"name": "circle", "inputSchema": {"type": "object", "properties": {"a": {"$ref": "#"}}}},
    {"description": "No name.", "inputSchema": {"type": "object"}},
    "not a tool",
    {"name": "sly", "x-risk": "read", "function": {"name": "other"}, "inputSchema": {"type": "object"}},
]


async def list_tools(_: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    cursor = (params.cursor if params else None) or ""
    following = "2" if not cursor or sys.argv[1] == "circle" else None
    return types.ListToolsResult(tools=PAGES[cursor], next_cursor=following)


SERVER: Server[Any] = Server("Files & folders", version="1", on_list_tools=list_tools)


def spoil(result: dict[str, Any]) -> None:
    """The first page gets the bad tools."""
    if result.get("nextCursor") and isinstance(result.get("tools"), list):
        result["tools"] = [result["tools"][0], *BAD, *result["tools"][1:]]


class Spoiling:
    """A write stream that spoils what is sent."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def send(self, item: SessionMessage) -> None:
        if isinstance(item.message, types.JSONRPCResponse):
            spoil(item.message.result)
        await self.inner.send(item)

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def __aenter__(self) -> Spoiling:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.aclose()


async def over_stdio() -> None:
    async with stdio_server() as (incoming, outgoing):
        await SERVER.run(incoming, Spoiling(outgoing), SERVER.create_initialization_options())


def over_http(port: int) -> None:
    import json

    import uvicorn

    app: ASGIApp = SERVER.streamable_http_app(json_response=True)

    async def spoiled(scope: Scope, receive: Receive, send: Send) -> None:
        """Whole JSON answers are spoiled in their one body, whose length changes."""
        start: list[Message] = []

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            body = message.get("body", b"")
            with contextlib.suppress(ValueError):
                parsed = json.loads(body)
                if isinstance(parsed.get("result"), dict):
                    spoil(parsed["result"])
                    body = json.dumps(parsed).encode()
            if start:
                head = start.pop()
                fixed = (b"content-length", str(len(body)).encode())
                headers = [pair for pair in head["headers"] if pair[0].lower() != b"content-length"]
                await send(
                    {**head, "headers": [*headers, fixed] if not message.get("more_body") else headers}
                )
            await send({**message, "body": body})

        await app(scope, receive, out if scope["type"] == "http" else send)

    uvicorn.run(spoiled, host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    match sys.argv[1]:
        case "stdio" | "circle":
            anyio.run(over_stdio)
        case "silent":
            time.sleep(60)
        case "dies":
            sys.exit("no server here")
        case port:
            over_http(int(port))
