"""The tools of an MCP server: a command that is run and spoken to over its standard input and output, or a URL.

The client of the `mcp` package checks a page of tools as a whole: one tool without `type: object` loses all. So the
listing is taken as it comes over the wire, the client is handed an empty one, and each tool is read, repaired or set
aside by itself. A page is asked for until the server names no next one. Risk is from the tool's annotations, which are
the server's own word; a tool without them is taken for destructive.

A command gets the few environment variables that the package passes on (PATH, HOME and the like);
`mcp:env NAME=VALUE COMMAND` gives it others.

Left out: calling the tools, signing in to a server, following changes of its list, and watching for a server that
changes what a tool says it does.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from toolfinch.errors import DataError, MissingDependency, SchemaError
from toolfinch.retrieve.listing import Listed, Listing, SetAside, hashed, safe
from toolfinch.tool import read_with_repairs

if TYPE_CHECKING:
    from mcp.client import Transport
    from mcp.client._transport import TransportStreams

SECONDS = 60.0
"""For starting a server and listing its tools; `npx` may fetch it first."""
_KEYS = ("name", "description", "inputSchema", "annotations")
"""What of a tool is read: nothing else that a server sends says what its tool is."""


def listing(source: str) -> Listing:
    """The tools of the server at a URL (`http://…`), or that a command line starts.

    Raises MissingDependency without the `mcp` package, and DataError naming the source where the server cannot be
    started or reached, does not answer in `SECONDS`, or does not speak the protocol. What a URL has of a user and a query,
    and what a command has behind `NAME=`, is never shown: a token may stand there.
    """
    shown = _shown(source)
    try:
        import httpx2
        from mcp import MCPError
        from pydantic import ValidationError
    except ImportError as error:
        raise MissingDependency(
            f"{shown}: reading MCP servers needs the mcp package", hint="pip install 'toolfinch[mcp]'"
        ) from error
    expected = (
        DataError,
        OSError,
        TimeoutError,
        MCPError,
        ValidationError,
        httpx2.HTTPError,
        httpx2.InvalidURL,
    )
    try:
        label, raw = asyncio.run(_listed(source))
    except (*expected, ExceptionGroup) as error:
        first = next(_leaves(error))
        if not all(isinstance(leaf, expected) for leaf in _leaves(error)):
            raise
        why = f"no answer in {SECONDS:g} s" if isinstance(first, TimeoutError) else _line(first)
        raise DataError(f"{shown}: {why}", hint="is it an MCP server, and is it running?") from error
    return _read(shown, label, raw)


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _shown(source: str) -> str:
    if _is_url(source):
        return re.sub(r"(?<=://)[^/@]*@|\?.*", "", source)
    return re.sub(r"\b([A-Za-z_]\w*)=\S+", r"\1=…", source)


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error


async def _listed(source: str) -> tuple[str, list[Any]]:
    """The server's name for itself, and its tools as they came."""
    from mcp import Client, StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client

    transport: Transport
    if _is_url(source):
        transport = streamable_http_client(source)
    else:
        try:
            command, *arguments = shlex.split(source)
        except ValueError as error:
            raise DataError(f"not a command line: {error}") from error
        transport = stdio_client(StdioServerParameters(command=command, args=arguments))
    raw: list[Any] = []
    cursors: set[str] = set()
    async with asyncio.timeout(SECONDS), Client(_tapped(transport, raw), cache=None) as client:
        page = await client.list_tools()
        while page.next_cursor:
            if page.next_cursor in cursors:
                raise DataError("its list of tools has no end: a page comes again")
            cursors.add(page.next_cursor)
            page = await client.list_tools(cursor=page.next_cursor)
        return (client.server_info.name if client.server_info else ""), raw


@asynccontextmanager
async def _tapped(transport: Transport, raw: list[Any]) -> AsyncIterator[TransportStreams]:
    """The transport, with the tools taken out of what comes in and put into `raw`."""
    import anyio
    from mcp.shared.message import SessionMessage
    from mcp_types import JSONRPCResponse

    async with transport as (incoming, outgoing):
        out, onwards = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async def pass_on() -> None:
            async with out:
                async for message in incoming:
                    if isinstance(message, SessionMessage) and isinstance(message.message, JSONRPCResponse):
                        result = message.message.result
                        if isinstance(result.get("tools"), list):
                            raw.extend(result["tools"])
                            result["tools"] = []
                    await out.send(message)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pass_on)
            try:
                yield onwards, outgoing
            finally:
                tasks.cancel_scope.cancel()
                onwards.close()


def _read(source: str, label: str, raw: list[Any]) -> Listing:
    tools: dict[str, Listed] = {}
    aside: list[SetAside] = []
    for i, one in enumerate(raw):
        where = f"tools[{i}]"
        original = one.get("name") if isinstance(one, dict) else None
        if not isinstance(original, str) or not original:
            aside.append(SetAside(source, "", f"{where}: no name"))
            continue
        name = safe(original)
        if name in tools and tools[name].original != original:
            name = hashed(original)
        try:
            ours = {**{key: one[key] for key in _KEYS if key in one}, "name": name}
            tool, _ = read_with_repairs(ours, where)
        except SchemaError as error:
            aside.append(SetAside(source, original, str(error)))
            continue
        if name in tools:
            aside.append(SetAside(source, original, f"{where} {original!r}: the name is given twice"))
        else:
            tools[name] = Listed(tool, original)
    return Listing(source, label, tuple(tools.values()), tuple(aside))
