"""NESTFUL, first version: requests that need a call on the result of another call.

[Basu et al. 2024](https://arxiv.org/abs/2409.03797). Source: https://github.com/IBM/NESTFUL (`data_v1`),
Apache-2.0. Files: `data/executable/executable-data.json` and `-spec.json`, and the same of
`data/non-executable/non-executable-glaive` and `-sgd`. The scenarios are `executable`, `glaive` and `sgd`.

What one decision is: the first turn. NESTFUL writes a whole plan at once and names results before they exist
(`$var1.id$`); a caller of tools waits for them. So the calls without a reference are expected, all in one
turn, and a call with one is too early: its tool is in `later`. What a caller does with a result is not
measured, since the suite has no results (its `executable` part needs live, paid services). Where several
calls can be made at once (tag `several_calls`), a caller that makes them one by one is wrong here; `one_call`
says the others.

Tools: those of the whole plan and up to eight more of the same file, unlike them and drawn by a hash of the
row.

Own scoring: F1 of names and of parameters, partial and full match of the sequence, and in a later version
whether running it gives the right answer. Not comparable.

Left out: `var_result` (a way to name the answer, no tool), rows with a call that has no specification, and
rows whose gold call does not fit its specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.data.funnel import Dropped
from toolfinch.evaluate.suites import rows
from toolfinch.example import Example, Expected
from toolfinch.message import user

PARTS = {
    "executable": "data/executable/executable",
    "glaive": "data/non-executable/non-executable-glaive",
    "sgd": "data/non-executable/non-executable-sgd",
}
OTHER_TOOLS = 8
_REFERENCE = re.compile(rb"\bvar\d+[.$]")


class Spec(msgspec.Struct, frozen=True):
    """One tool; each part of the suite has its own key for the parameters."""

    name: str
    description: str
    query_parameters: dict[str, dict[str, Any]] = {}
    path_parameters: dict[str, dict[str, Any]] = {}
    parameters: dict[str, dict[str, Any]] = {}
    arguments: dict[str, dict[str, Any]] = {}


class Call(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, Any]


class Row(msgspec.Struct, frozen=True):
    input: str
    output: tuple[Call, ...]


def read(folder: Path) -> Iterator[Example | Dropped]:
    """Raises DataError naming the file and the place in it."""
    for part, stem in PARTS.items():
        data, spec = folder / f"{stem}-data.json", folder / f"{stem}-spec.json"
        found = rows.document(data, tuple[Row, ...])
        # Some specifications stand twice in a file, with the same content.
        specs = {one.name: one for one in rows.document(spec, tuple[Spec, ...])}
        tools = {name: rows.tool(_bare(one), f"{spec}: {name}") for name, one in specs.items()}
        catalogue = rows.Catalogue(tools)
        for number, row in enumerate(found, 1):
            yield _decision(row, catalogue, part, f"{data.name}[{number - 1}]", f"{part}-{number}")


def _decision(row: Row, catalogue: rows.Catalogue, part: str, where: str, id: str) -> Example | Dropped:
    tools = catalogue.tools
    calls = [call for call in row.output if call.name != "var_result"]
    unknown = [call.name for call in calls if call.name not in tools]
    if unknown:
        return Dropped(f"{id}/1", f"{unknown[0]} has no specification")
    now = [call for call in calls if not _depends(call)]
    if not now:
        return Dropped(f"{id}/1", "every call needs another call's result")
    example = Example(
        id=f"{id}/1",
        tools=catalogue.offered(id, [call.name for call in calls], OTHER_TOOLS),
        messages=(user(row.input),),
        expected=Expected(
            "call",
            tuple(rows.expected_call(call.name, call.arguments, tools[call.name]) for call in now),
            later=tuple(dict.fromkeys(call.name for call in calls if _depends(call))),
        ),
        scenario=part,
        source=f"nestful {where}",
        tags=("one_call" if len(now) == 1 else "several_calls",),
    )
    return rows.checked(example)


def _depends(call: Call) -> bool:
    return _REFERENCE.search(msgspec.json.encode(call.arguments)) is not None


def _bare(spec: Spec) -> dict[str, Any]:
    given = {**spec.query_parameters, **spec.path_parameters, **spec.parameters, **spec.arguments}
    properties = {key: _property(value) for key, value in given.items()}
    return {
        "name": spec.name,
        "description": spec.description,
        "parameters": {"type": "object", "properties": properties},
    }


def _property(raw: dict[str, Any]) -> dict[str, Any]:
    """One parameter as JSON Schema; `required` stays inside, from where `schema.normalise` moves it."""
    kept = ("description", "required", "items", "properties")
    out = {key: raw[key] for key in kept if key in raw}
    given = str(raw.get("type", "string")).lower()
    out["type"] = "string" if given.startswith(("enum", "date")) else given
    for key in ("enum", "allowed_values", "possible_values"):
        # Some say a range as text (`1-100`), or nothing as an empty list.
        if isinstance(raw.get(key), list) and raw[key]:
            out["enum"] = raw[key]
    for key in ("default", "default_value"):
        if key in raw:
            out["default"] = rows.typed(raw[key], out)
    return out
