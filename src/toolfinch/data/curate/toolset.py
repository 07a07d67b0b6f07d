"""A digest of a list of tools, whatever its order: lists are shared by thousands of rows, so it is made once a list."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from toolfinch.tool import Tool

_KEPT = 1000
_digests: dict[int, tuple[tuple[Tool, ...], bytes]] = {}
"""By identity; the list is held beside it, or another one could get the same."""


def digest(tools: tuple[Tool, ...]) -> bytes:
    """8 bytes of a set of tools: names, descriptions and schemas."""
    known = _digests.get(id(tools))
    if known is not None:
        return known[1]
    running = blake2b(digest_size=8)
    for one in sorted(map(of_tool, tools)):
        running.update(one)
    found = running.digest()
    if len(_digests) >= _KEPT:
        _digests.clear()
    _digests[id(tools)] = (tools, found)
    return found


def of_tool(tool: Tool) -> bytes:
    """8 bytes of one tool, as a model sees it."""
    seen = msgspec.json.encode((tool.name, tool.description, tool.parameters), order="deterministic")
    return blake2b(seen, digest_size=8).digest()
