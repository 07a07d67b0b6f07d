"""Seal-Tools: one request, one call or several, 4,076 tools.

[Wu et al. 2024](https://arxiv.org/abs/2405.08355). Source: https://github.com/fairyshine/Seal-Tools,
Apache-2.0. Files: `tool.jsonl`, `dev.jsonl`, `test_in_domain.jsonl`, `test_out_domain.jsonl`. The scenarios
are a file and its half, `easy` (one call) or `difficult` (several).

What one decision is: all calls that need no other call's result, in one turn. A value `API_call_n` stands for
the result of another call; such calls are not expected (there is no result to go on with), their tools are
`later`, and the example is tagged `nested`.

Tools: those of the request's calls and ten more, unlike them and drawn by a hash of the row. The suite's own
evaluation offers what its retriever finds, so its numbers measure retrieval as well.

Own scoring: precision, recall and F1 of tool names and of parameters, over all calls, values equal as text.
Ours wants every call of a request; a number written as text in the gold (`"40.7"`) is right both ways.

Left out: one tool whose name has spaces (no dialect can write it) with the rows that call it, and rows whose
gold call does not fit its tool's schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.data.funnel import Dropped
from toolfinch.errors import DataError
from toolfinch.evaluate.suites import rows
from toolfinch.example import Example, Expected
from toolfinch.message import user
from toolfinch.tool import Tool

FILES = ("dev", "test_in_domain", "test_out_domain")
OTHER_TOOLS = 10


class Api(msgspec.Struct, frozen=True):
    """One line of `tool.jsonl`."""

    api_name: str
    api_description: str
    parameters: dict[str, dict[str, Any]]
    required: tuple[str, ...]


class Call(msgspec.Struct, frozen=True):
    api: str
    parameters: dict[str, Any]


class Row(msgspec.Struct, frozen=True):
    id: str
    query: str
    calling: tuple[Call, ...]


def read(folder: Path) -> Iterator[Example | Dropped]:
    """Raises DataError naming file and row."""
    tools: dict[str, Tool] = {}
    unwritable = set()
    for where, api in rows.lines(folder / "tool.jsonl", Api):
        if " " in api.api_name:
            unwritable.add(api.api_name)
            yield Dropped(where, "a tool whose name has spaces")
        else:
            tools[api.api_name] = rows.tool(_bare(api), str(folder / where))
    catalogue = rows.Catalogue(tools)
    for name in FILES:
        for where, row in rows.lines(folder / f"{name}.jsonl", Row):
            for call in row.calling:
                if call.api not in tools and call.api not in unwritable:
                    raise DataError(f"{folder / where}: {call.api!r} is not in tool.jsonl")
            yield _decision(row, catalogue, where)


def _decision(row: Row, catalogue: rows.Catalogue, where: str) -> Example | Dropped:
    tools = catalogue.tools
    now = [call for call in row.calling if not _depends(call)]
    later = [call.api for call in row.calling if _depends(call)]
    if any(call.api not in tools for call in row.calling):
        return Dropped(f"{row.id}/1", "calls a tool whose name has spaces")
    if not now:
        return Dropped(f"{row.id}/1", "every call needs another call's result")
    calls = tuple(rows.expected_call(call.api, call.parameters, tools[call.api]) for call in now)
    example = Example(
        id=f"{row.id}/1",
        tools=catalogue.offered(row.id, [call.api for call in row.calling], OTHER_TOOLS),
        messages=(user(row.query),),
        expected=Expected("call", calls, later=tuple(dict.fromkeys(later))),
        scenario=row.id.rpartition("-")[0],
        source=f"seal_tools {where}",
        tags=("nested",) if later else (),
    )
    return rows.checked(example)


def _depends(call: Call) -> bool:
    return b"API_call_" in msgspec.json.encode(call.parameters)


def _bare(api: Api) -> dict[str, Any]:
    """The bare shape. Of a parameter only what is JSON Schema: the rest (units, examples) has no one form."""
    properties = {
        key: {word: value[word] for word in ("type", "description") if word in value}
        for key, value in api.parameters.items()
    }
    return {
        "name": api.api_name,
        "description": api.api_description,
        "parameters": {"type": "object", "properties": properties, "required": api.required},
    }
