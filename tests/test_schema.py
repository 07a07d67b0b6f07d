"""Would break: a schema changed in meaning or taken though no model could fill it, a bad call let through."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolfinch.errors import SchemaError
from toolfinch.schema import MAX_DEPTH, normalise, violations
from toolfinch.tool import Tool


def thing(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


# Each: the schema of property `p` as found, as repaired, and the end of the repair's path.
REPAIRS = [
    ({"type": "int"}, {"type": "integer"}, "p.type"),
    ({"type": "String"}, {"type": "string"}, "p.type"),
    ({"type": "float"}, {"type": "number"}, "p.type"),
    ({"type": "bool"}, {"type": "boolean"}, "p.type"),
    ({"type": "dict"}, {"type": "object"}, "p.type"),
    ({"type": "list"}, {"type": "array"}, "p.type"),
    ({"type": "tuple"}, {"type": "array"}, "p.type"),
    ({"type": "any", "description": "d"}, {"description": "d"}, "p.type"),
    ({"type": None, "description": "d"}, {"description": "d"}, "p.type"),
    ({"type": ["str", "NoneType"[:4]]}, {"type": ["string", "null"]}, "p.type"),
    ({"type": ["int", "integer"]}, {"type": ["integer"]}, "p.type"),
    ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}, "p.type"),
    ({"enum": [1, 2.5]}, {"type": "number", "enum": [1, 2.5]}, "p.type"),
    ({"const": True}, {"type": "boolean", "const": True}, "p.type"),
    ({"items": {"type": "string"}}, {"type": "array", "items": {"type": "string"}}, "p.type"),
    ({"properties": None}, {"type": "object", "properties": {}}, "p.properties"),
    ({"type": "string", "enum": None}, {"type": "string"}, "p.enum"),
    ({"type": "string", "description": None}, {"type": "string"}, "p.description"),
    ({"type": "integer", "enum": ["1", "2"]}, {"type": "integer", "enum": [1, 2]}, "p.enum"),
    ({"type": "boolean", "enum": ["True", "False"]}, {"type": "boolean", "enum": [True, False]}, "p.enum"),
    (
        {"type": "integer", "enum": ["1", "dontcare"]},
        {"type": ["integer", "string"], "enum": [1, "dontcare"]},
        "p.enum",
    ),
    (
        {"type": "array", "items": {"type": "string"}, "enum": ["a"]},
        {"type": "array", "items": {"type": "string", "enum": ["a"]}},
        "p.enum",
    ),
    ({"type": "string", "nullable": True}, {"type": ["string", "null"]}, "p.nullable"),
    (
        {"type": "array", "items": [{"type": "string"}], "additionalItems": False},
        {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
        "p.items",
    ),
    (
        {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        {"type": "integer", "exclusiveMinimum": 0},
        "p.exclusiveMinimum",
    ),
    (
        {"type": "object", "properties": {"q": {"type": "string", "required": True}}},
        {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
        "q.required",
    ),
    ({"type": "object", "required": "q", **thing(q={})}, {**thing(q={}), "required": ["q"]}, "p.required"),
]


@pytest.mark.parametrize(("found", "repaired", "path"), REPAIRS, ids=[str(r[0])[:60] for r in REPAIRS])
def test_a_certain_meaning_is_repaired_and_named(found: Any, repaired: Any, path: str) -> None:
    before = copy.deepcopy(found)
    done, repairs = normalise(thing(p=found), "t")
    assert done["properties"]["p"] == repaired
    assert any(r.startswith("parameters.properties.") and r.split(": ")[0].endswith(path) for r in repairs)
    assert found == before, "the caller's schema is not touched"
    assert normalise(done, "t") == (done, ())


@pytest.mark.parametrize(
    ("found", "done"),
    [
        ({}, thing()),
        ({"properties": {"a": {}}}, thing(a={})),
        ({"type": "dict", "properties": None, "required": None}, thing()),
        ({"type": ["object", "null"]}, thing()),
        ({"$ref": "#/$defs/A", "$defs": {"A": thing(a={})}}, thing(a={})),
        ({"$schema": "http://json-schema.org/draft-07/schema#", **thing(a={})}, thing(a={})),
    ],
)
def test_the_outermost_schema_is_an_object(found: Any, done: Any) -> None:
    assert normalise(found, "t")[0] == done


REFUSED = [
    (None, "parameters: expected an object"),
    ([], "parameters: expected an object"),
    ({"type": "array"}, "parameters.type"),
    ({"type": "string"}, "parameters.type"),
    ({"city": {"type": "string"}}, "parameters: expected type object with properties, got only city"),
    ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}}, "parameters.type"),
    (thing(p={"type": "strng"}), "parameters.properties.p.type: unknown type"),
    (thing(p={"type": 3}), "parameters.properties.p.type"),
    (thing(p={"type": []}), "parameters.properties.p.type"),
    (thing(p="string"), "parameters.properties.p: expected a schema"),
    (thing(p={"enum": []}), "parameters.properties.p.enum"),
    (thing(p={"type": "integer", "enum": ["a"]}), "parameters.properties.p.enum"),
    (thing(p={"type": "string", "pattern": "("}), "parameters.properties.p.pattern"),
    (thing(p={"type": "string", "minLength": -1}), "parameters.properties.p.minLength"),
    (thing(p={"$ref": "#/$defs/Missing"}), "parameters.properties.p.$ref: not in the schema"),
    (thing(p={"$ref": "https://example.org/s.json"}), "parameters.properties.p.$ref"),
    (thing(p={"$ref": "#"}), "parameters.properties.p.$ref: recursive"),
    (thing(p={"$dynamicRef": "#x"}), "parameters.properties.p.$dynamicRef"),
    ({**thing(p={"$ref": "#/$defs/A", "type": "string"}), "$defs": {"A": {"type": "integer"}}}, "p.type"),
    ({**thing(p={}), "required": ["q"]}, "parameters.required[0]: not among the properties"),
    ({**thing(p={}), "required": True}, "parameters.required: expected a list"),
    ({**thing(p={}), "required": [1]}, "parameters.required: expected a list"),
    ({"type": "object", "properties": ["p"]}, "parameters.properties: expected an object"),
    (thing(p={"anyOf": []}), "parameters.properties.p.anyOf"),
]


@pytest.mark.parametrize(("found", "named"), REFUSED, ids=[str(r[0])[:60] for r in REFUSED])
def test_a_doubtful_schema_is_refused_by_tool_and_path(found: Any, named: str) -> None:
    with pytest.raises(SchemaError) as refusal:
        normalise(found, "book")
    assert str(refusal.value).startswith("tool 'book': parameters")
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_references_are_inlined_where_they_stand() -> None:
    place = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"$ref": "#/definitions/A"}}}
    done, repairs = normalise(
        {
            **thing(first={"$ref": "#/$defs/P", "description": "mine"}, second={"$ref": "#/$defs/P"}),
            "$defs": {"P": {**place, "description": "theirs"}},
            "definitions": {"A": {"type": "integer"}},
        }
    )
    inlined = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}}
    assert done == thing(
        first={**inlined, "description": "mine"}, second={**inlined, "description": "theirs"}
    )
    assert list(done["properties"]["first"]["properties"]) == ["z", "a"], "order is the author's"
    assert repairs == ()


def test_a_property_may_be_named_like_a_keyword() -> None:
    for name in ("$ref", "type", "required", "properties", "enum", "items", "$defs", "nullable"):
        schema = {**thing(**{name: {"type": "string"}}), "required": [name]}
        assert normalise(schema) == (schema, ())


def test_a_default_that_looks_like_a_schema_is_left_alone() -> None:
    schema = thing(p={"type": "object", "default": {"$ref": "#/x", "type": "int"}})
    assert normalise(schema) == (schema, ())


def test_recursion_depth_and_expansion_have_limits() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}
    with pytest.raises(SchemaError, match="recursive"):
        normalise({**thing(n={"$ref": "#/$defs/N"}), "$defs": {"N": node}})
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(MAX_DEPTH - 1):
        deep = {"type": "array", "items": deep}
    normalise(thing(p=deep))
    with pytest.raises(SchemaError, match="deeper"):
        normalise(thing(p={"type": "array", "items": deep}))
    bomb = {f"L{i}": thing(**{f"p{k}": {"$ref": f"#/$defs/L{i + 1}"} for k in range(10)}) for i in range(10)}
    with pytest.raises(SchemaError, match="more than"):
        normalise({**thing(p={"$ref": "#/$defs/L0"}), "$defs": {**bomb, "L10": {"type": "string"}}})


def test_a_branch_may_require_what_is_named_outside_of_it() -> None:
    schema = {**thing(a={}, b={}), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    assert normalise(schema) == (schema, ())


def test_a_branch_is_not_given_a_type_that_it_does_not_say() -> None:
    schema = thing(a={"anyOf": [{"properties": {"b": {"type": "string"}}}, {"type": "null"}]})
    assert normalise(schema) == (schema, ())


def tool(schema: dict[str, Any]) -> Tool:
    return Tool("t", parameters=normalise(schema)[0])


TRIP = tool(
    {
        **thing(
            city={"type": "string", "enum": ["Rome", "Oslo"]},
            days={"type": "integer", "minimum": 1},
            stops={"type": "array", "items": thing(name={"type": "string"})},
            extra={"type": "object"},
        ),
        "required": ["city"],
    }
)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"city": "Rome"}, ()),
        ({"city": "Rome", "days": 2.0, "extra": {"any": "thing"}}, ()),
        ({}, ("city: missing",)),
        ({"city": "secret"}, ("city: value does not fit enum",)),
        ({"city": "Rome", "days": "2"}, ('days: value is not of type "integer"',)),
        ({"city": "Rome", "days": True}, ('days: value is not of type "integer"',)),
        ({"city": "Rome", "town": "x"}, ("town: unknown argument",)),
        (
            {"city": "Rome", "stops": [{"name": "a"}, {"nom": "b"}]},
            ("stops[1].nom: unknown argument",),
        ),
        (
            {"town": 1, "days": 0},
            ("city: missing", "days: value is less than the minimum of 1", "town: unknown argument"),
        ),
    ],
)
def test_violations_name_path_and_reason_and_no_value(arguments: Any, found: tuple[str, ...]) -> None:
    assert violations(TRIP, arguments) == found


def test_unknown_arguments_pass_only_where_the_schema_says_so() -> None:
    assert violations(TRIP, {"city": "Rome", "town": "x"}, closed=False) == ()
    assert violations(tool({**thing(a={}), "additionalProperties": True}), {"b": 1}) == ()
    assert violations(tool({**thing(a={}), "additionalProperties": {"type": "string"}}), {"b": "x"}) == ()
    split = tool({**thing(a={}), "allOf": [{"properties": {"b": {"type": "string"}}}]})
    assert violations(split, {"a": 1, "b": "x"}) == (), "named in a branch is named"
    assert violations(split, {"c": 1}) == ("c: unknown argument",)


LEAF = st.one_of(
    st.sampled_from([{"type": t} for t in ("string", "int", "Number", "any", "bool", "null")]),
    st.fixed_dictionaries({"enum": st.lists(st.integers() | st.text(max_size=3), min_size=1, max_size=3)}),
)
NAMES = st.text("abc$.~/[]é", min_size=1, max_size=3)
SCHEMAS = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds(lambda p: {"properties": p}, st.dictionaries(NAMES, inner, max_size=3)),
        st.builds(lambda i: {"items": i}, inner),
        st.builds(lambda a: {"anyOf": a}, st.lists(inner, min_size=1, max_size=2)),
    ),
    max_leaves=8,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(NAMES, SCHEMAS, max_size=3), st.dictionaries(NAMES, VALUES, max_size=3))
def test_normalising_twice_changes_nothing_and_any_arguments_can_be_checked(
    properties: dict[str, Any], arguments: dict[str, Any]
) -> None:
    done, _ = normalise({"properties": properties})
    assert normalise(done) == (done, ())
    found = violations(Tool("t", parameters=done), arguments, closed=False)
    assert (found == ()) == jsonschema_rs.is_valid(done, arguments)
    assert set(arguments) <= set(properties) or violations(Tool("t", parameters=done), arguments)


def test_arguments_that_are_nested_too_deeply_to_check_are_a_violation() -> None:
    """The validator gives up by an error of its own, which would end the reading of a whole log."""
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    tool = Tool("f", parameters={"type": "object", "properties": {"x": {"type": "string"}}})
    assert violations(tool, {"x": deep}) == ("arguments: nested too deeply",)
