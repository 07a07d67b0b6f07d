"""Tool files: what a log's tools are, where its rows do not bring them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from toolfinch.data import dataset
from toolfinch.errors import DataError
from toolfinch.retrieve.tool_file import each
from toolfinch.tool import Tool, read_with_repairs


def read_tools(path: Path) -> tuple[Tool, ...]:
    """Read a tool file: a JSON list, `{"tools": [...]}`, `{service: [...]}`, `{name: tool}`, one tool, or one
    tool a line; each tool in any shape that `tool.read` knows.

    Raises DataError or SchemaError naming the file and the place in it, and for two tools of one name.
    """
    lines = [line for _, line in dataset.scan(path, rows=False)]
    try:
        raw: Any = msgspec.json.decode(b"\n".join(lines))
    except dataset.NOT_JSON as whole:
        try:
            raw = [msgspec.json.decode(line) for line in lines]
        except dataset.NOT_JSON:
            raise DataError(f"{path}: neither JSON nor JSON lines: {whole}") from whole
    try:
        tools = dataset.unique(read_with_repairs(one, f"{path}: {where}")[0] for where, one in each(raw))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if not tools:
        raise DataError(f"{path}: there are no tools in it")
    return tools
