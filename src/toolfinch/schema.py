"""Tool schemas: `normalise` repairs and inlines one, `violations` checks a call's arguments against it.

A schema out of `normalise` is JSON Schema 2020-12 of an object, without references, and compiles. What it
means for certain is repaired and the repair named; anything else is refused with the tool and the JSON path.
References are inlined here and not by `jsonschema_rs.dereference`, which sorts the properties (their order is
the order a model writes arguments in), drops a description beside a reference and leaves recursion in place.
Left out: recursive and remote schemas, `format` assertions, and repairs that would need a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn, Protocol

import jsonschema_rs
import msgspec

from toolfinch.errors import SchemaError

MAX_DEPTH = 12
"""Levels of nested schemas; deeper is not something that a model fills in."""
MAX_NODES = 5_000
"""Schemas in one tool once references are inlined: a few references to references make millions."""

TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
ALIASES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "double": "number",
    "bool": "boolean",
    "dict": "object",
    "list": "array",
    "tuple": "array",
    "none": "null",
}
"""Type names of other languages that have one JSON type each; `any` is the absence of a type."""

# Keywords by what they hold: one schema, a list of them, or named ones. A branch is about the same value as
# the schema that it is in.
_ONE = (
    "items",
    "additionalProperties",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_LISTS = ("prefixItems",)
_MAPS = ("properties", "patternProperties")
_BRANCH_ONE = ("not", "if", "then", "else")
_BRANCH_LISTS = ("anyOf", "oneOf", "allOf")
_BRANCH_MAPS = ("dependentSchemas",)
_COMBINE = (*_BRANCH_ONE, *_BRANCH_LISTS, *_BRANCH_MAPS)
_REFUSED = ("$dynamicRef", "$recursiveRef", "dependencies")
_DROPPED = ("$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "$dynamicAnchor")
_ANNOTATIONS = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly")


class Described(Protocol):
    """Whatever has a normalised schema; in practice a `Tool`."""

    @property
    def parameters(self) -> dict[str, Any]: ...


def normalise(schema: Any, tool: str = "tool") -> tuple[dict[str, Any], tuple[str, ...]]:
    """A tool's schema as 2020-12 without references, and the repairs made, each with its JSON path.

    `normalise(normalise(s)[0])` changes nothing more. Raises SchemaError naming the tool and the path.
    """
    walk = _Walk(schema, tool)
    if not isinstance(schema, Mapping):
        walk.refuse("parameters", f"expected an object, got {type(schema).__name__}")
    done = walk.schema(_top(dict(schema), walk), _At("parameters"))
    if done.get("type") != "object":
        walk.refuse("parameters.type", "expected object")
    done.setdefault("properties", {})
    try:
        jsonschema_rs.Draft202012Validator(done, mask="value", offline=True)
    except ValueError as error:  # ValidationError is one
        at = "".join(f".{step}" for step in getattr(error, "instance_path", ()))
        walk.refuse(f"parameters{at}", str(error).partition("\n")[0])
    return done, tuple(walk.repairs)


def violations(tool: Described, arguments: dict[str, Any], *, closed: bool = True) -> tuple[str, ...]:
    """Why a call's arguments do not fit the tool's schema: `path: reason`, without the values; () if they do.

    `closed`: an argument that the schema does not name is a violation, unless the schema says
    `additionalProperties` itself. Plain JSON Schema (`closed=False`) would let it pass.
    """
    check = validator(tool, closed=closed)
    if check.is_valid(arguments):
        return ()
    try:
        errors = list(check.iter_errors(arguments))
    except ValueError:  # 'Recursion limit reached', at some 255 levels
        return ("arguments: nested too deeply",)
    found: list[str] = []
    kinds = jsonschema_rs.ValidationErrorKind
    for error in errors:
        match error.kind:
            case kinds.Required(name):
                found.append(f"{_path([*error.instance_path, name])}: missing")
            case kinds.AdditionalProperties(names) | kinds.UnevaluatedProperties(names):
                found += [f"{_path([*error.instance_path, name])}: unknown argument" for name in names]
            case kinds.Enum() | kinds.Constant() | kinds.Pattern() | kinds.Not() | kinds.PropertyNames():
                # Their messages quote the schema, which in a log may list somebody's contacts.
                found.append(
                    f"{_path(error.instance_path)}: value does not fit {_KEYWORDS[type(error.kind)]}"
                )
            case _:
                found.append(f"{_path(error.instance_path)}: {error.message}")
    return tuple(sorted(set(found)))


def validator(tool: Described, *, closed: bool = True) -> jsonschema_rs.Draft202012Validator:
    """The compiled check of a tool's arguments, kept by the schema's content."""
    return _compiled(msgspec.json.encode(tool.parameters), closed)


@lru_cache(maxsize=10_000)
def _compiled(encoded: bytes, closed: bool) -> jsonschema_rs.Draft202012Validator:
    schema = msgspec.json.decode(encoded)
    # The mask keeps argument values, which may be private, out of reasons that are counted and printed.
    return jsonschema_rs.Draft202012Validator(
        _closed(schema) if closed else schema, mask="value", offline=True
    )


def _closed(schema: Any, *, top: bool = True) -> Any:
    """The schema with unnamed properties forbidden wherever an object names some (or is the whole call)."""
    if not isinstance(schema, dict):
        return schema
    out = dict(schema)
    if "items" in out:
        out["items"] = _closed(out["items"], top=False)
    if "prefixItems" in out:
        out["prefixItems"] = [_closed(item, top=False) for item in out["prefixItems"]]
    if "properties" in out:
        out["properties"] = {name: _closed(value, top=False) for name, value in out["properties"].items()}
    if (top or out.get("properties")) and "additionalProperties" not in out:
        # Unlike `additionalProperties`, this one sees what anyOf, allOf and the like name.
        out.setdefault("unevaluatedProperties", False)
    return out


_KEYWORDS = {
    jsonschema_rs.ValidationErrorKind.Enum: "enum",
    jsonschema_rs.ValidationErrorKind.Constant: "const",
    jsonschema_rs.ValidationErrorKind.Pattern: "pattern",
    jsonschema_rs.ValidationErrorKind.Not: "not",
    jsonschema_rs.ValidationErrorKind.PropertyNames: "propertyNames",
}


def _path(steps: list[Any]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".") or "arguments"


def _top(schema: dict[str, Any], walk: _Walk) -> dict[str, Any]:
    """The outermost schema, which can only be an object's, said or not."""
    given = schema.get("type")
    if isinstance(given, list) and "object" in given and set(given) <= {"object", "null"}:
        walk.repair("parameters.type", "arguments are never null -> object")
        return {**schema, "type": "object"}
    if given is not None or "$ref" in schema:
        return schema
    said = {key for key in schema if key not in (*_ANNOTATIONS, *_DROPPED, "type", "required")}
    if said - {"additionalProperties"} and "properties" not in said:
        walk.refuse("parameters", f"expected type object with properties, got only {', '.join(sorted(said))}")
    walk.repair("parameters.type", "missing -> object")
    return {"type": "object", **{key: value for key, value in schema.items() if key != "type"}}


class _At(NamedTuple):
    """Where in a schema we are."""

    path: str
    depth: int = 0
    refs: tuple[str, ...] = ()
    """The references that led here."""
    branch: bool = False
    """Directly inside an anyOf and the like, which may speak of properties that are named outside of it."""

    def under(self, step: str, *, branch: bool = False) -> _At:
        return _At(self.path + step, self.depth + 1, self.refs, branch)


class _Walk:
    """One pass over a schema, and what it has repaired."""

    def __init__(self, root: Any, tool: str) -> None:
        self.root = root
        self.tool = tool
        self.repairs: list[str] = []
        self.nodes = 0

    def refuse(self, path: str, why: str) -> NoReturn:
        raise SchemaError(f"tool {self.tool!r}: {path}: {why}")

    def repair(self, path: str, what: str) -> None:
        # One definition that is used twice is walked twice; both places are named.
        self.repairs.append(f"{path}: {what}")

    def schema(self, value: Any, at: _At) -> dict[str, Any]:
        """One schema and what is under it."""
        if not isinstance(value, Mapping):
            self.refuse(at.path, f"expected a schema, got {type(value).__name__}")
        self.nodes += 1
        if at.depth > MAX_DEPTH:
            self.refuse(at.path, f"nested deeper than {MAX_DEPTH} levels")
        if self.nodes > MAX_NODES:
            self.refuse(at.path, f"more than {MAX_NODES} schemas once references are inlined")
        if "$ref" in value:
            value, refs = self.inlined(value, at)
            at = at._replace(refs=refs)
        for key in _REFUSED:
            if key in value:
                self.refuse(f"{at.path}.{key}", "not supported")
        out = {k: v for k, v in value.items() if k not in _DROPPED}
        self.drop_nulls(out, at.path)
        self.settle_type(out, at)
        self.modernise(out, at.path)
        self.list_required(out, at.path)
        for key in (*_MAPS, *_BRANCH_MAPS):
            if key in out:
                if not isinstance(out[key], Mapping):
                    self.refuse(f"{at.path}.{key}", f"expected an object, got {type(out[key]).__name__}")
                out[key] = {
                    name: self.part(item, at.under(f".{key}.{name}", branch=key in _BRANCH_MAPS))
                    for name, item in out[key].items()
                }
        for key in (*_LISTS, *_BRANCH_LISTS):
            if key in out:
                out[key] = [
                    self.part(item, at.under(f".{key}[{i}]", branch=key in _BRANCH_LISTS))
                    for i, item in enumerate(self.filled_list(out[key], f"{at.path}.{key}"))
                ]
        for key in (*_ONE, *_BRANCH_ONE):
            if key in out:
                out[key] = self.part(out[key], at.under(f".{key}", branch=key in _BRANCH_ONE))
        if not at.branch:
            self.check_fillable(out, at.path)
        return out

    def part(self, value: Any, at: _At) -> Any:
        """A schema inside another, where true and false are schemas too."""
        return value if isinstance(value, bool) else self.schema(value, at)

    def filled_list(self, value: Any, path: str) -> list[Any]:
        if not isinstance(value, list | tuple) or not value:
            self.refuse(path, "expected a list that is not empty")
        return list(value)

    def inlined(self, value: Mapping[str, Any], at: _At) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """What a `$ref` points to, with the keys beside it laid over, and the references followed."""
        refs = at.refs
        while "$ref" in value:
            ref, path = value["$ref"], f"{at.path}.$ref"
            if not isinstance(ref, str) or not ref.startswith("#"):
                self.refuse(path, "only references inside the schema can be read")
            if ref in refs or ref in ("#", "#/"):
                self.refuse(path, "recursive, and a call's arguments are finite")
            target = self.root
            for step in ref.removeprefix("#").split("/")[1:]:
                step = step.replace("~1", "/").replace("~0", "~")
                if not isinstance(target, Mapping) or step not in target:
                    self.refuse(path, "not in the schema")
                target = target[step]
            if not isinstance(target, Mapping):
                self.refuse(path, "not a schema")
            beside = {k: v for k, v in value.items() if k != "$ref"}
            clash = [k for k in beside if k in target and k not in (*_ANNOTATIONS, *_DROPPED)]
            if clash:
                self.refuse(f"{at.path}.{clash[0]}", "said beside $ref and again where it points")
            value, refs = {**target, **beside}, (*refs, ref)
        return value, refs

    def drop_nulls(self, out: dict[str, Any], path: str) -> None:
        """Keys written as null say the same as keys left out, and `properties` the same as none."""
        for key in ("type", "required", "enum", "description", "items", "title", "format"):
            if key in out and out[key] is None:
                del out[key]
                self.repair(f"{path}.{key}", "null -> left out")
        if "properties" in out and out["properties"] is None:
            out["properties"] = {}
            self.repair(f"{path}.properties", "null -> {}")

    def settle_type(self, out: dict[str, Any], at: _At) -> None:
        path = f"{at.path}.type"
        given = out.get("type")
        if given is None:
            if (certain := self.certain_type(out, at)) is not None:
                rest = dict(out)
                out.clear()
                out.update({"type": certain, **rest})  # first, where one looks for it
                self.repair(path, f"missing -> {certain}")
            return
        several = isinstance(given, list | tuple)
        written = self.filled_list(given, path) if several else [given]
        names = list(dict.fromkeys(self.type_name(name, path) for name in written))
        if "any" in names:
            del out["type"]
            self.repair(path, f"{given!r} -> any type, left out")
            return
        out["type"] = names if several else names[0]
        if out["type"] != given:
            self.repair(path, f"{given!r} -> {out['type']!r}")
        self.reconcile_enum(out, names, f"{at.path}.enum")

    def reconcile_enum(self, out: dict[str, Any], types: list[str], path: str) -> None:
        """An enum without one value of the declared type: values written as text, or those of the items."""
        values = self.values(out, path)
        if not values or any(_is(value, types) for value in values):
            return
        items = out.get("items", {})
        if types == ["array"] and "enum" in out and isinstance(items, Mapping) and "enum" not in items:
            out["items"] = {**items, "enum": out.pop("enum")}
            self.repair(path, "values of an array's items -> enum of the items")
            return
        meant = [_read_as(value, types) for value in values]
        if "enum" not in out or not any(_is(value, types) for value in meant):
            self.refuse(path, f"none of its values is of type {', '.join(types)}")
        kinds = list(dict.fromkeys([*types, *(_json_type(v) for v in meant if not _is(v, types))]))
        out["enum"] = meant
        if len(kinds) > len(types):
            out["type"] = kinds
        self.repair(path, f"values as text -> values of type {', '.join(kinds)}")

    def type_name(self, name: Any, path: str) -> str:
        if not isinstance(name, str):
            self.refuse(path, "expected a type's name")
        lower = name.strip().lower()
        known = ALIASES.get(lower, lower)
        if known not in (*TYPES, "any"):
            self.refuse(path, "unknown type")
        return known

    def values(self, out: dict[str, Any], path: str) -> list[Any]:
        if "enum" in out:
            return self.filled_list(out["enum"], path)
        return [out["const"]] if "const" in out else []

    def certain_type(self, out: dict[str, Any], at: _At) -> str | None:
        """The type that the other keys leave as the only one."""
        if values := self.values(out, f"{at.path}.enum"):
            kinds = {_json_type(value) for value in values}
            if kinds == {"integer", "number"}:
                return "number"
            return kinds.pop() if len(kinds) == 1 else None
        if at.branch:  # its type is the business of the schema around it
            return None
        if "properties" in out:
            return "object"
        if "items" in out or "prefixItems" in out:
            return "array"
        return None

    def modernise(self, out: dict[str, Any], path: str) -> None:
        """Forms of earlier drafts and of OpenAPI 3.0 that 2020-12 writes otherwise."""
        if isinstance(out.get("items"), list | tuple):
            self.repair(f"{path}.items", "list -> prefixItems")
            out["prefixItems"] = out.pop("items")
            if "additionalItems" in out:
                out["items"] = out.pop("additionalItems")
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(out.get(exclusive), bool):
                if out.pop(exclusive) and bound in out:
                    out[exclusive] = out.pop(bound)
                self.repair(f"{path}.{exclusive}", "true or false -> the bound itself")
        nullable = out.pop("nullable", None)
        if nullable is True and isinstance(out.get("type"), str):
            out["type"] = [out["type"], "null"]
            if "enum" in out and None not in out["enum"]:
                out["enum"] = [*out["enum"], None]
            self.repair(f"{path}.nullable", "true -> type null beside the other")
        elif nullable is True and "anyOf" in out:
            out["anyOf"] = [*self.filled_list(out["anyOf"], f"{path}.anyOf"), {"type": "null"}]
            self.repair(f"{path}.nullable", "true -> null beside the others in anyOf")

    def list_required(self, out: dict[str, Any], path: str) -> None:
        """`required` as a list of names; draft 3 wrote it as true or false in each property."""
        names = out.get("required", [])
        if isinstance(names, str):
            self.repair(f"{path}.required", "one name -> a list of it")
            names = [names]
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            self.refuse(f"{path}.required", "expected a list of names")
        properties = out.get("properties")
        if isinstance(properties, Mapping):
            out["properties"] = plain = dict(properties)
            for name, value in properties.items():
                if isinstance(value, Mapping) and isinstance(value.get("required"), bool):
                    plain[name] = {k: v for k, v in value.items() if k != "required"}
                    names = [*names, name] if value["required"] else names
                    self.repair(f"{path}.properties.{name}.required", "moved to the object's list")
        unique = list(dict.fromkeys(names))
        if "required" in out or unique:
            out["required"] = unique

    def check_fillable(self, out: dict[str, Any], path: str) -> None:
        """A required argument that the schema does not describe cannot be filled in by a model."""
        open_to_more = out.get("additionalProperties") not in (None, False)
        if open_to_more or any(key in out for key in ("patternProperties", *_COMBINE)):
            return
        for i, name in enumerate(out.get("required", ())):
            if name not in out.get("properties", {}):
                self.refuse(f"{path}.required[{i}]", "not among the properties")


def _is(value: Any, types: list[str]) -> bool:
    kind = _json_type(value)
    return kind in types or (kind == "integer" and "number" in types)


def _read_as(value: Any, types: list[str]) -> Any:
    """The number or boolean that a text is, where one of `types` is that; else the value as it is."""
    if not isinstance(value, str):
        return value
    try:
        read = msgspec.json.decode(value.lower() if value in ("True", "False") else value)
    except msgspec.DecodeError:
        return value
    return read if _is(read, types) and isinstance(read, int | float) else value


def _json_type(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case None:
            return "null"
        case list() | tuple():
            return "array"
        case _:
            return "object"
