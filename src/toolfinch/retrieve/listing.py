"""`Listing`: the tools that one source has (a file, an OpenAPI document, an MCP server), and those that cannot be used."""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

from toolfinch.tool import Tool

LONGEST = 64
"""Characters that OpenAI allows in a function's name: letters, digits, _ and -."""


class SetAside(msgspec.Struct, frozen=True):
    """A tool that is not offered."""

    source: str
    name: str
    """As the source has it; "" where it has none."""
    reason: str
    """One line that names the tool, or its place, and what is wrong."""


class Listed(msgspec.Struct, frozen=True):
    """A tool, and what its source calls it: what to call it by there."""

    tool: Tool
    original: str


class Listing(msgspec.Struct, frozen=True):
    """What one source has."""

    source: str
    label: str
    """A short name of the source, to tell apart tools of one name."""
    tools: tuple[Listed, ...]
    set_aside: tuple[SetAside, ...] = ()


def safe(name: str) -> str:
    """A name of letters, digits, _ and - of at most 64 characters; a name that is one already stays as it is.

    Where little is left of a name, or it is cut, a hash of the whole keeps it apart from others.
    """
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", name)
    if plain == name and len(name) <= LONGEST:
        return name
    plain = plain.strip("_")
    return plain if re.search("[a-zA-Z]", plain) and len(plain) <= LONGEST else hashed(name)


def hashed(name: str) -> str:
    """`safe`, with a hash of the name at its end."""
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_")
    return f"{plain[: LONGEST - 9] or 'tool'}_{blake2b(name.encode(), digest_size=4).hexdigest()}"
