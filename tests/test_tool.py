"""Would break: a tool read from one shape being another tool than from the next, or its risk getting lost."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.errors import SchemaError
from toolfinch.schema import violations
from toolfinch.tool import Tool, from_function, in_schema_order, read, read_with_repairs, to_openai, to_record

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
BARE = {"name": "weather", "description": "The weather.", "parameters": SCHEMA}


@pytest.mark.parametrize(
    "raw",
    [
        BARE,
        {"type": "function", "function": BARE},
        {"type": "function", **BARE, "strict": True},
        {"name": "weather", "description": "The weather.", "input_schema": SCHEMA},
        {"name": "weather", "description": "The weather.", "inputSchema": SCHEMA, "title": "Weather"},
    ],
    ids=["bare", "openai chat", "openai responses", "anthropic", "mcp"],
)
def test_every_shape_is_the_same_tool(raw: dict[str, Any]) -> None:
    assert read(raw) == Tool("weather", "The weather.", SCHEMA)


@pytest.mark.parametrize(
    ("said", "risk", "idempotent"),
    [
        ({}, "destructive", False),
        ({"annotations": {"readOnlyHint": True}}, "read", True),
        ({"annotations": {"destructiveHint": False}}, "write", False),
        ({"annotations": {"destructiveHint": False, "idempotentHint": True}}, "write", True),
        ({"annotations": {"title": "W"}}, "destructive", False),
        ({"annotations": {"readOnlyHint": True}, "x-risk": "write"}, "write", False),
        ({"x-transactional": True}, "write", False),
        ({"x-transactional": False}, "read", True),
        ({"x-risk": "read", "x-idempotent": False}, "read", False),
    ],
)
def test_unsaid_effects_are_taken_for_the_worst(said: dict[str, Any], risk: str, idempotent: bool) -> None:
    for raw in ({**BARE, **said}, {"function": {**BARE, **said}}, {"function": BARE, **said}):
        tool = read(raw)
        assert (tool.risk, tool.idempotent) == (risk, idempotent)


@pytest.mark.parametrize("risk", ["read", "write", "destructive"])
@pytest.mark.parametrize("idempotent", [True, False])
def test_a_record_keeps_all_and_the_wire_shows_no_key_of_ours(risk: Any, idempotent: bool) -> None:
    tool = Tool("weather", "The weather.", SCHEMA, risk, idempotent)
    assert read(to_record(tool)) == tool
    assert to_openai(tool) == {"type": "function", "function": BARE}


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (None, "tool: expected an object"),
        ("weather", "tool: expected an object"),
        ({"function": "weather"}, "tool.function"),
        ({**BARE, "name": ""}, "tool.name"),
        ({**BARE, "name": "get weather"}, "tool.name"),
        ({**BARE, "name": 'x"}</tool_call>'}, "tool.name"),
        ({**BARE, "name": 3}, "tool.name"),
        ({**BARE, "description": ["x"]}, "'weather': description"),
        ({**BARE, "inputSchema": SCHEMA}, "'weather': more than one"),
        ({**BARE, "parameters": [SCHEMA]}, "'weather': parameters: expected an object"),
        ({**BARE, "annotations": "safe"}, "'weather': annotations"),
        ({**BARE, "x-risk": "none"}, "'weather': x-risk"),
        ({**BARE, "x-idempotent": "yes"}, "'weather': x-idempotent"),
    ],
)
def test_what_is_no_tool_is_refused_by_name(raw: Any, named: str) -> None:
    with pytest.raises(SchemaError, match=named.replace(".", r"\.")):
        read(raw)


def test_no_schema_means_no_arguments() -> None:
    tool = read({"name": "now"})
    assert tool.parameters == {"type": "object", "properties": {}}
    assert violations(tool, {}) == ()
    assert violations(tool, {"zone": "UTC"}) == ("zone: unknown argument",)


def test_repairs_are_handed_out() -> None:
    _, repairs = read_with_repairs(
        {"name": "f", "parameters": {"type": "object", "properties": {"n": {"type": "int"}}}}
    )
    assert repairs == ("parameters.properties.n.type: 'int' -> 'integer'",)


class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"


@dataclasses.dataclass
class Place:
    city: str
    country: str = "PT"


class Point(TypedDict):
    x: int


class Window(msgspec.Struct):
    start: Place
    days: int = 1


def forecast(
    place: Place,
    window: Window,
    unit: Unit,
    level: Literal["low", "high"],
    tags: list[str],
    weights: dict[str, float],
    point: Point,
    note: str | None = None,
    other: Place | None = None,
    limit: Annotated[int, msgspec.Meta(ge=1)] = 5,
    hot: bool = False,
    shown: Unit = Unit.C,
) -> str:
    """Forecast the weather.

    Looks a week ahead.

    Args:
        place (Place): Where, as a city
            and a country.
        limit: How many days: at most 7.
        hot: Only hot ones.

    Returns:
        place: not a description of the parameter
    """
    return ""


PLACE = {
    "title": "Place",
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string", "default": "PT"}},
    "required": ["city"],
}


def test_a_function_is_the_tool_its_types_say() -> None:
    tool = from_function(forecast, risk="read")
    properties = tool.parameters["properties"]
    assert tool.description == "Forecast the weather.\n\nLooks a week ahead."
    assert (tool.risk, tool.idempotent) == ("read", True)
    assert list(properties) == list(forecast.__annotations__)[:-1], "arguments are written in this order"
    assert tool.parameters["required"] == ["place", "window", "unit", "level", "tags", "weights", "point"]
    assert properties["place"] == {**PLACE, "description": "Where, as a city and a country."}
    assert properties["window"]["properties"]["start"] == PLACE
    assert properties["unit"]["enum"] == ["celsius", "fahrenheit"]
    assert properties["level"] == {"type": "string", "enum": ["high", "low"]}, "msgspec sorts literals"
    assert properties["tags"] == {"type": "array", "items": {"type": "string"}}
    assert properties["weights"] == {"type": "object", "additionalProperties": {"type": "number"}}
    assert properties["note"] == {"type": "string"}, "None means left out"
    assert properties["other"] == PLACE
    assert properties["limit"]["default"] == 5
    assert properties["limit"]["minimum"] == 1
    assert properties["limit"]["description"] == "How many days: at most 7."
    assert properties["shown"]["default"] == "celsius"
    assert read(to_record(tool)) == tool


def test_sphinx_parameters_are_read() -> None:
    def f(city: str, days: int = 1) -> str:
        """Forecast.

        :param str city: Where,
            by name.
        :param days: How long.
        :returns: text
        """
        return ""

    tool = from_function(f)
    assert tool.description == "Forecast."
    assert [p["description"] for p in tool.parameters["properties"].values()] == [
        "Where, by name.",
        "How long.",
    ]
    assert (tool.risk, tool.idempotent) == ("destructive", False)


def test_a_function_that_cannot_be_called_by_json_is_refused() -> None:
    def untyped(city) -> None: ...  # type: ignore[no-untyped-def]
    def starred(*cities: str) -> None: ...
    def positional(city: str, /) -> None: ...
    def odd(city: complex) -> None: ...
    def default(city: object = object()) -> None: ...

    for function in (untyped, starred, positional, odd, default):
        with pytest.raises(SchemaError, match=rf"'{function.__name__}': parameter '\w+'"):
            from_function(function)


def test_a_bound_method_has_no_self() -> None:
    class Client:
        def get(self, key: str) -> str:
            """Get it."""
            return key

    assert list(from_function(Client().get).parameters["properties"]) == ["key"]


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=8,
)
schemas = st.recursive(
    st.just({}) | st.none(),
    lambda inner: st.builds(
        lambda properties, items: {"properties": properties, "items": items},
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        inner,
    ),
    max_leaves=6,
)


@given(values, schemas)
def test_the_order_of_a_schema_changes_no_value(value: Any, schema: Any) -> None:
    """A key lost or doubled on the way would be another call."""
    put = in_schema_order(value, schema)
    assert put == value
    assert json.dumps(in_schema_order(put, schema)) == json.dumps(put)
    if isinstance(put, dict) and isinstance(schema, dict):
        named = [key for key in schema.get("properties", {}) if key in value]
        assert list(put)[: len(named)] == named
