"""Nothing that anyone said is in what a reader says of a log: reasons, reports, `inspect`, the funnel, errors."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reader_rows import GOLDEN
from toolfinch.cli.data_inspect import as_lines
from toolfinch.data.build import build
from toolfinch.data.build_recipe import BuildRecipe, Split
from toolfinch.data.curate import quality
from toolfinch.data.inspect import inspect
from toolfinch.data.readers import log
from toolfinch.data.stage import filtered, run
from toolfinch.errors import ToolfinchError

CANARY = 'CaNaRy of "Ann"'
Place = tuple[str | int, ...]


def golden(name: str) -> list[Any]:
    path = GOLDEN / ("xlam.expected.jsonl" if name == "openai_chat" else f"{name}.jsonl")
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    if at:
        yield at
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in steps:
        yield from places(part, (*at, step))


def planted(old: Any) -> Iterator[Any]:
    """The canary where a value was, whole, in the wrong type, and in what the value's own syntax makes of it."""
    yield CANARY
    yield [CANARY]
    yield {"type": CANARY, "text": CANARY, "role": CANARY}
    if isinstance(old, str):
        yield old[: len(old) // 2] + CANARY
        yield old[:-2] + CANARY


def broken(name: str) -> Iterator[tuple[int, Any]]:
    """Rows and where they stand, one for each kind of place (the same keys) and each way to plant there."""
    seen = set()
    for number, row in enumerate(golden(name)):
        for place in places(row):
            kind = tuple(step for step in place if isinstance(step, str))
            if kind in seen:
                continue
            seen.add(kind)
            for value in planted(reduce(lambda part, step: part[step], place, row)):
                made = copy.deepcopy(row)
                reduce(lambda part, step: part[step], place[:-1], made)[place[-1]] = value
                yield number, made


def says(path: Path, name: str) -> str:
    """All that is told of a log that is read and filtered."""
    try:
        found, report = log.read(path, format=name)
    except ToolfinchError as error:
        return f"{error} {error.hint}"
    filters = (quality.ends_properly, quality.calls_fit)
    reasons = [run(filtered("", one), found)[1].reasons for one in filters]
    return repr([report.reasons(), report.missing_schemas, report.repaired, reasons])


@pytest.mark.parametrize("name", log.FORMATS)
def test_no_reason_has_a_value_of_a_broken_row(tmp_path: Path, name: str) -> None:
    rows = [json.dumps(row) for row in golden(name)]
    path = tmp_path / "a.jsonl"
    for number, row in broken(name):
        path.write_text("\n".join([*rows[:number], json.dumps(row), *rows[number + 1 :]]))
        assert "CaNaRy" not in says(path, name)
    for cut in (rows[0][:-1] + CANARY, f'"{CANARY}"', rows[0] + CANARY):
        path.write_text("\n".join([cut, *rows]))
        assert "CaNaRy" not in says(path, name)


@pytest.mark.parametrize("name", log.FORMATS)
def test_no_page_has_a_value_of_a_broken_row(tmp_path: Path, name: str) -> None:
    """All of them in one log, looked through and made into a dataset."""
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [*golden(name), *(row for _, row in broken(name))]))
    found = inspect(path, format=name)
    assert "CaNaRy" not in msgspec.json.encode(found).decode() + repr(as_lines(found))
    try:
        recipe = BuildRecipe(logs=(str(path),), format=name, split=Split(1.0, 0.0, 0.0))
        build(recipe, tmp_path / "out")
    except ToolfinchError as error:  # nothing is left of MCP
        assert "CaNaRy" not in f"{error} {error.hint}"
    else:
        for page in ("funnel.md", "card.md", "card.json"):
            assert "CaNaRy" not in (tmp_path / "out" / page).read_text()


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": CANARY, "content": "x"}]},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{"name": CANARY}]},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "f", "x-risk": CANARY}]},
        {"messages": [{"role": "assistant", "content": "x"}], "marks": {"0": {"kind": CANARY}}},
        {"messages": [{"role": "assistant", "content": "x"}], "marks": {"0": {"later": [CANARY]}}},
        {"messages": [{"role": "assistant", "content": "x"}], "marks": {CANARY: {}}},
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": f"{{{CANARY}"}}]}
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "x"},
                {
                    "role": "assistant",
                    "tool_calls": [{"function": {"name": "f", "arguments": {"to": "Bob"}}}],
                },
            ],
            "tools": [
                {"name": "f", "parameters": {"type": "object", "properties": {"to": {"enum": [CANARY]}}}}
            ],
        },
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_value_that_is_not_allowed_is_not_quoted(tmp_path: Path, row: dict[str, Any], strict: bool) -> None:
    path = tmp_path / "a.jsonl"
    fine = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
    path.write_text(json.dumps(fine) + "\n" + json.dumps(row))
    told = says(path, "openai_chat")
    assert "a.jsonl:2" in told or "'f'" in told, "it is dropped for a reason"
    assert "CaNaRy" not in told
    if strict:
        try:
            log.read(path, format="openai_chat", strict=True)
        except ToolfinchError as error:
            assert "CaNaRy" not in f"{error} {error.hint}"
