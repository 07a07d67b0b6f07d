"""`Tool`: name, description, JSON-Schema parameters, risk.

`read` takes the shapes that tools are written in (OpenAI, Anthropic, MCP, and a bare name, description and
parameters), `from_function` a typed Python function. `to_openai` is what a model or an endpoint is shown;
`to_record` is the same with the risk beside it, for our own files. Running a tool is left to `toolbox`.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from toolfinch.errors import SchemaError
from toolfinch.schema import normalise

Risk = Literal["read", "write", "destructive"]
RISKS = ("read", "write", "destructive")

# What every dialect can write and read back: no spaces, quotes or brackets.
_NAME = re.compile(r"[\w.:/-]{1,128}")


class Tool(msgspec.Struct, frozen=True):
    """A function that a model may ask for."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    """JSON Schema of an object, normalised by `schema.normalise`."""
    risk: Risk = "destructive"
    """What a call can do; unknown tools are taken for the worst."""
    idempotent: bool = False


def read(raw: Any, where: str = "tool") -> Tool:
    """Read a tool written in any of the known shapes; its schema is normalised.

    Raises SchemaError naming `where`, the tool's name and the JSON path.
    """
    return read_with_repairs(raw, where)[0]


def read_with_repairs(raw: Any, where: str = "tool") -> tuple[Tool, tuple[str, ...]]:
    """`read`, and what `schema.normalise` had to repair."""
    if not isinstance(raw, Mapping):
        raise SchemaError(f"{where}: expected an object, got {type(raw).__name__}")
    body = raw
    if "function" in raw:  # OpenAI chat completions
        body = raw["function"]
        if not isinstance(body, Mapping):
            raise SchemaError(f"{where}.function: expected an object, got {type(body).__name__}")
    name = body.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SchemaError(f"{where}.name: expected letters, digits and _ - . : / (at most 128)")
    description = body.get("description")
    if not isinstance(description, str | None):
        raise SchemaError(
            f"{where} {name!r}: description: expected a string, got {type(description).__name__}"
        )
    given = [body[key] for key in ("parameters", "input_schema", "inputSchema") if body.get(key) is not None]
    if len(given) > 1:
        raise SchemaError(f"{where} {name!r}: more than one of parameters, input_schema, inputSchema")
    # OpenAI and MCP both read a missing schema as "takes nothing".
    schema: Any = given[0] if given else {"type": "object", "properties": {}}
    parameters, repairs = normalise(schema, tool=name)
    risk, idempotent = _effects(raw, body, f"{where} {name!r}")
    return Tool(name, description or "", parameters, risk, idempotent), repairs


def _effects(raw: Mapping[str, Any], body: Mapping[str, Any], where: str) -> tuple[Risk, bool]:
    """Risk and idempotence, from our own keys or from MCP's annotations; the worst where nothing is said."""
    said = {**body, **raw}
    hints = said.get("annotations") or {}
    if not isinstance(hints, Mapping):
        raise SchemaError(f"{where}: annotations: expected an object, got {type(hints).__name__}")
    risk: Risk = "destructive"
    if said.get("x-risk") is not None:
        if said["x-risk"] not in RISKS:
            raise SchemaError(f"{where}: x-risk: expected one of {', '.join(RISKS)}")
        risk = said["x-risk"]
    elif isinstance(said.get("x-transactional"), bool):
        risk = "write" if said["x-transactional"] else "read"
    elif hints.get("readOnlyHint") is True:
        risk = "read"
    elif hints.get("destructiveHint") is False:
        risk = "write"
    idempotent = said.get("x-idempotent", hints.get("idempotentHint", risk == "read"))
    if not isinstance(idempotent, bool):
        raise SchemaError(f"{where}: x-idempotent: expected true or false")
    return risk, idempotent


def shown(name: str) -> str:
    """A called tool's name for a report; what no tool can be named may be anything, and is not shown."""
    return name if _NAME.fullmatch(name) else "(no tool's name)"


def in_schema_order(value: Any, schema: Any) -> Any:
    """A value with the keys of its objects in the order in which their schema names them, others behind.

    Calls are written, taught and decoded in this one order: where only one key can come next, it need not be asked for.
    """
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, list):
        return [in_schema_order(one, schema.get("items")) for one in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    named = {key: in_schema_order(value[key], part) for key, part in properties.items() if key in value}
    return {**named, **value, **named}


def to_openai(tool: Tool) -> dict[str, Any]:
    """The OpenAI chat completions shape, which most chat templates read too."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }


def to_record(tool: Tool) -> dict[str, Any]:
    """`to_openai` with `x-risk` and `x-idempotent` beside it: `read(to_record(tool)) == tool`."""
    return {**to_openai(tool), "x-risk": tool.risk, "x-idempotent": tool.idempotent}


def from_function(
    function: Callable[..., Any], *, risk: Risk = "destructive", idempotent: bool | None = None
) -> Tool:
    """The tool that a typed Python function is.

    The description is the docstring's text before its first section; parameters are described by an `Args:`
    section (Google) or by `:param name:` lines (Sphinx). A parameter without a default is required, and a
    default is recorded. `X | None = None` is shown as X that may be left out. `idempotent` is by default what
    reading is. Raises SchemaError for a parameter without a type, or with one that JSON has no form for.
    """
    name = function.__name__
    description, documented = _docstring(inspect.getdoc(function) or "")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise SchemaError(f"tool {name!r}: a type cannot be looked up: {error}") from error
    properties: dict[str, Any] = {}
    required: list[str] = []
    definitions: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        where = f"tool {name!r}: parameter {parameter.name!r}"
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise SchemaError(f"{where}: {parameter.kind.description} parameters cannot be called by name")
        if parameter.name not in hints:
            raise SchemaError(f"{where}: has no type")
        try:
            (schema,), definitions[parameter.name] = msgspec.json.schema_components(
                [hints[parameter.name]],
                schema_hook=_not_json(where),
                ref_template=f"#/$defs/{parameter.name}/{{name}}",
            )
        except TypeError as error:
            raise SchemaError(f"{where}: {error}") from error
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif parameter.default is None:
            schema = _without_null(schema)
        else:
            schema["default"] = msgspec.to_builtins(parameter.default, enc_hook=_not_json(where))
        if parameter.name in documented:
            schema["description"] = documented[parameter.name]
        properties[parameter.name] = schema
    raw = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "$defs": definitions,
    }
    parameters, _ = normalise(raw, tool=name)
    return Tool(name, description, parameters, risk, risk == "read" if idempotent is None else idempotent)


def _not_json(where: str) -> Callable[[Any], Any]:
    def refuse(value: Any) -> Any:
        raise SchemaError(f"{where}: JSON has no form for {value!r}")

    return refuse


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """None as a default means "left out", so the model is shown the type alone."""
    rest = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(rest) == 1:
        return {**{k: v for k, v in schema.items() if k != "anyOf"}, **rest[0]}
    return {**schema, "anyOf": rest} if rest else schema


_SECTION = re.compile(r"(Args|Arguments|Parameters|Params|Returns?|Raises|Yields?|Examples?|Notes?):\s*$")
_GOOGLE = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_SPHINX = re.compile(r":param\s+(?:[^:]*\s)?(\w+)\s*:\s*(.*)")


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """A docstring's description, and what it says of each parameter."""
    description: list[str] = []
    documented: dict[str, list[str]] = {}
    section = ""  # the heading we are under; "" is the description
    entry: list[str] | None = None
    indent = 0  # of the entries of an Args section
    for line in text.splitlines():
        words = line.strip()
        depth = len(line) - len(line.lstrip())
        if depth == 0 and (heading := _SECTION.match(line)):
            section, entry, indent = heading[1], None, 0
        elif depth == 0 and words.startswith(":"):
            section = "Sphinx"
            named = _SPHINX.match(words)
            entry = documented.setdefault(named[1], [named[2]]) if named else None
        elif not section:
            description.append(words)
        elif section in ("Args", "Arguments", "Parameters", "Params") and words:
            indent = indent or depth
            if depth <= indent and (named := _GOOGLE.match(words)):
                entry = documented.setdefault(named[1], [named[2]])
            elif entry is not None:
                entry.append(words)
        elif section == "Sphinx" and words and entry is not None:
            entry.append(words)
    paragraphs = "\n".join(description).strip()
    return paragraphs, {name: " ".join(lines).strip() for name, lines in documented.items()}
