"""xLAM rows: Python's types as JSON Schema, what is required, and calls that are all made at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from reader_rows import Row, as_row, broken, only, others, refused, rows, survives
from toolfinch.data.readers import xlam
from toolfinch.errors import DataError
from toolfinch.schema import normalise

CALLS = [{"name": "f", "arguments": {}}]


def row(parameters: Any = None, answers: Any = CALLS) -> Row:
    tool = {"name": "f", "description": "", "parameters": parameters or {}}
    return {"query": "x", "tools": [tool], "answers": answers}


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(only(xlam, one)) for one in rows("xlam")] == rows("xlam.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(xlam.looks_like(one) for one in rows("xlam"))
    assert [name for name, one in others("xlam") if xlam.looks_like(one)] == []


NUMBERS = {"type": "array", "items": {"type": "number"}}


@pytest.mark.parametrize(
    ("written", "schema", "required"),
    [
        ("str", {"type": "string"}, True),
        ("string", {"type": "string"}, True),
        ("int, optional", {"type": "integer"}, False),
        ("bool,optional", {"type": "boolean"}, False),
        ("Optional[float]", {"type": "number"}, False),
        ("dict", {"type": "object"}, True),
        ("list", {"type": "array"}, True),
        ("List[float]", NUMBERS, True),
        ("typing.List[float]", NUMBERS, True),
        ("list[list[float]], optional", {"type": "array", "items": NUMBERS}, False),
        ("Tuple[float, float]", {**NUMBERS, "minItems": 2, "maxItems": 2}, True),
        ("Tuple[float, ...]", NUMBERS, True),
        (
            "tuple[str, int]",
            {
                "type": "array",
                "prefixItems": [{"type": "string"}, {"type": "integer"}],
                "minItems": 2,
                "maxItems": 2,
            },
            True,
        ),
        ("set", {"type": "array", "uniqueItems": True}, True),
        ("Set[int]", {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, True),
        ("Dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}, True),
        ("Dict[str, Any]", {"type": "object", "additionalProperties": True}, True),
        ("Union[int, str]", {"type": ["integer", "string"]}, True),
        ("int | None", {"type": ["integer", "null"]}, True),
        (
            "List[Optional[List[int]]]",
            {
                "type": "array",
                "items": {
                    "anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}],
                },
            },
            True,
        ),
        ("Literal['a', 'b']", {"enum": ["a", "b"]}, True),
        ("Callable[[float], float]", {}, True),
        ("datetime.datetime", {}, True),
        ("Any", {}, True),
    ],
)
def test_types_as_python_writes_them(written: str, schema: dict[str, Any], required: bool) -> None:
    found = xlam.parameter({"type": written})
    assert found == (schema, required)
    normalise({"type": "object", "properties": {"a": found[0]}})


@pytest.mark.parametrize(
    ("part", "default", "required"),
    [
        ({"type": "str", "default": ""}, None, True),
        ({"type": "str", "default": None}, None, True),
        ({"type": "str", "default": "AAPL"}, "AAPL", False),
        ({"type": "int", "default": 0}, 0, False),
        ({"type": "bool, optional", "default": False}, False, False),
        ({"type": "List[str], optional, default: ['a']"}, ["a"], False),
        ({"type": "str, optional, default is here"}, "is here", False),
        ({"type": "int", "default": 5, "required": True}, 5, True),
        ({"type": "int", "required": False}, None, False),
        ({}, None, True),
    ],
)
def test_a_parameter_is_required_unless_it_may_be_left_out(
    part: dict[str, Any], default: Any, required: bool
) -> None:
    schema, found = xlam.parameter(part)
    assert (schema.get("default"), found) == (default, required)


@pytest.mark.parametrize(
    "written",
    [
        *("np.ndarray", "Foo", "List[Foo]", "", "a b", "[int]", "int()", "Dict[str]", "Tuple[...]", "1", 3),
        *("List[" * 3_000, "lambda: 0", "Literal[b'x']", "'str'()", "int | Foo"),
    ],
)
def test_an_unknown_type_is_refused(written: Any) -> None:
    with pytest.raises(DataError, match="a parameter's type"):
        xlam.parameter({"type": written})


def test_parameters_that_are_a_schema_stay_one() -> None:
    schema = {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}
    assert only(xlam, row(schema)).tools == [{"name": "f", "description": "", "parameters": schema}]
    flat = {"type": {"type": "str"}, "properties": {"type": "dict, optional"}}
    (tool,) = only(xlam, row(flat)).tools or ()
    assert tool["parameters"]["required"] == ["type"]
    assert set(tool["parameters"]["properties"]) == {"type", "properties"}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row(answers=[]), "answers: there are none"),
        (row(answers="[]"), "answers: there are none"),
        (row(answers="f()"), "neither JSON"),
        (row(answers=["f"]), "a call is no object"),
        (row({"a": 1}), "a parameter is no object"),
        (row({"a": {"type": "Foo"}}), "not one that can be read"),
        ({"query": "x", "tools": "?", "answers": CALLS}, "tools: neither JSON"),
        ({"query": "x", "tools": "[" * 5000, "answers": CALLS}, "tools: neither JSON"),
        ({"query": "x", "tools": [{"name": "f"}], "answers": "[" * 5000}, "a call is neither JSON"),
        ({"query": None, "tools": [], "answers": CALLS}, "query: expected text"),
    ],
)
def test_what_cannot_be_read_is_said(wrong: Row, reason: str) -> None:
    assert reason in refused(xlam, wrong)


@settings(max_examples=150)
@given(broken("xlam"))
def test_a_broken_row_ends_in_a_session_or_a_data_error(row: Row) -> None:
    survives(xlam, row)
