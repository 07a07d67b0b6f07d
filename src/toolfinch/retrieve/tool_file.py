"""Tool files: JSON in any of the forms that tools are kept in, each tool read by itself.

A list, `{"tools": [...]}`, `{service: [...]}`, `{name: tool}`, one tool, or one tool a line. A tool that cannot be read is
set aside and the others stay; `data.readers.tools.read_tools` reads the same forms and forgives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from toolfinch.errors import SchemaError
from toolfinch.retrieve.listing import Listed, Listing, SetAside
from toolfinch.tool import read_with_repairs


def listing(source: str, label: str, raw: Any) -> Listing:
    """The tools of a file's content. Names stay as the file has them."""
    tools: list[Listed] = []
    aside: list[SetAside] = []
    for where, one in each(raw):
        try:
            tool, _ = read_with_repairs(one, where)
        except SchemaError as error:
            aside.append(SetAside(source, _name(one), str(error)))
        else:
            tools.append(Listed(tool, tool.name))
    return Listing(source, label, tuple(tools), tuple(aside))


def each(raw: Any, where: str = "") -> Iterable[tuple[str, Any]]:
    """The tools in a file and where each stands."""
    if isinstance(raw, list):
        for i, item in enumerate(raw):
            yield f"{where}[{i}]", item
    elif isinstance(raw, dict) and not {"name", "function"} & set(raw):
        for key, value in raw.items():
            place = f"{where}.{key}" if where else str(key)
            if isinstance(value, list):
                yield from each(value, place)
            else:
                yield place, value
    else:
        yield where or "tool", raw


def _name(raw: Any) -> str:
    body = raw.get("function", raw) if isinstance(raw, dict) else None
    name = body.get("name") if isinstance(body, dict) else None
    return name if isinstance(name, str) else ""
