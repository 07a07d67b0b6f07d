"""OpenAPI 3.0 and 3.1 documents as tools: one a operation.

The name is the `operationId`, else method and path (`get_pets_id`); the description is summary and description. Path,
query and header parameters and a JSON body's properties become one object; of two of one name the second is called
`query_id` or the like, and a body that is not a plain object, or that may be left out but has parts that may not, is an
argument `body`. Local references are inlined by `schema.normalise`, which refuses cycles and what is nested too deeply.
Reading (GET, HEAD, OPTIONS) is `read`, DELETE `destructive`, everything else `write`.

Set aside: operations that need a cookie or a body that is not JSON, and whose schemas cannot be read. Left out: making
the request, security, servers, what comes back, TRACE, Swagger 2.0, references into other files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from toolfinch.errors import DataError, SchemaError
from toolfinch.retrieve.listing import Listed, Listing, SetAside, hashed, safe
from toolfinch.schema import normalise
from toolfinch.tool import Risk, Tool

RISK: dict[str, Risk] = {
    "get": "read",
    "head": "read",
    "options": "read",
    "post": "write",
    "put": "write",
    "patch": "write",
    "delete": "destructive",
}
IDEMPOTENT = frozenset({"get", "head", "options", "put", "delete"})
"""As HTTP defines them (RFC 9110, 9.2.2)."""
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json\b|\*/\*|application/\*", re.IGNORECASE)
_NOT_ARGUMENTS = frozenset({"accept", "content-type", "authorization"})
"""Headers that OpenAPI says are not parameters."""
_FOR_OTHERS = frozenset({"xml", "discriminator", "externalDocs"})
"""Keys of OpenAPI's schemas that tell a model nothing."""
_ROOT = "#/$defs/document"
"""Where the document stands in each tool's schema, until its references are inlined."""


def looks_like(raw: Any) -> bool:
    """Whether a JSON document is an OpenAPI one, or an old Swagger one."""
    return isinstance(raw, Mapping) and ("openapi" in raw or "swagger" in raw)


def listing(source: str, label: str, raw: Mapping[str, Any]) -> Listing:
    """The operations of a document. Raises DataError naming `source` where it is not OpenAPI 3.0 or 3.1."""
    version = raw.get("openapi")
    if not isinstance(version, str) or not re.match(r"3\.[01]\.", version):
        raise DataError(f"{source}: expected OpenAPI 3.0 or 3.1, got {version or raw.get('swagger')!r}")
    paths = {} if raw.get("paths") is None else raw["paths"]
    if not isinstance(paths, Mapping):
        raise DataError(f"{source}: paths: expected an object, got {type(paths).__name__}")
    try:
        document = _moved(raw)
    except RecursionError as error:
        raise DataError(f"{source}: nested too deeply") from error
    tools: dict[str, Listed] = {}
    aside: list[SetAside] = []
    for path, unread in document["paths"].items() if paths else ():
        try:
            item = _followed(document, unread)
        except SchemaError as error:
            aside.append(SetAside(source, path, f"{path}: {error}"))
            continue
        for method in (method for method in RISK if method in item):
            operation, shared = item[method], item.get("parameters")
            place = f"{method.upper()} {path}"
            try:
                tool = _tool(document, method, path, operation, shared)
            except SchemaError as error:
                aside.append(SetAside(source, _id(operation) or place, f"{place}: {error}"))
                continue
            if tool.name in tools:
                tool = Tool(
                    hashed(f"{tool.name} {place}"),
                    tool.description,
                    tool.parameters,
                    tool.risk,
                    tool.idempotent,
                )
            tools[tool.name] = Listed(tool, place)
    return Listing(source, label, tuple(tools.values()), tuple(aside))


def _tool(document: Mapping[str, Any], method: str, path: str, operation: Any, shared: Any) -> Tool:
    if not isinstance(operation, Mapping):
        raise SchemaError(f"expected an object, got {type(operation).__name__}")
    name = safe(_id(operation) or re.sub(r"\W+", "_", f"{method} {path}").strip("_"))
    properties: dict[str, Any] = {}
    required: list[str] = []
    for one in _parameters(document, shared, operation.get("parameters")):
        where, key = one["in"], one["name"]
        needed = where == "path" or one.get("required") is True
        if where == "cookie":
            if needed:
                raise SchemaError(f"tool {name!r}: needs the cookie {key!r}")
            continue
        if where == "header" and key.lower() in _NOT_ARGUMENTS:
            continue
        if key in properties:
            key = f"{where}_{key}"
        properties[key] = _described(one)
        if needed:
            required.append(key)
    body, needed = _body(document, operation.get("requestBody"), name)
    if body is not None:
        parts = _plain_object(document, body, needed=needed)
        if parts is None or properties.keys() & parts[0].keys():
            properties["body" if "body" not in properties else "request_body"] = body
            required += ["body"] if needed else []
        else:
            properties |= parts[0]
            required += parts[1]
    said = [operation.get("summary"), operation.get("description")]
    texts = [text.strip() for text in said if isinstance(text, str)]
    description = "\n".join(dict.fromkeys(text for text in texts if text))
    schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "$defs": {"document": document},
    }
    parameters, _ = normalise(schema, tool=name)
    return Tool(name, description, _lean(parameters), RISK[method], method in IDEMPOTENT)


def _parameters(document: Mapping[str, Any], *lists: Any) -> list[Mapping[str, Any]]:
    """The parameters of a path and an operation, of which those of the operation count."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in (one for many in lists if many is not None for one in _list(many)):
        one = _followed(document, one)
        if not (isinstance(one.get("name"), str) and one.get("in") in ("path", "query", "header", "cookie")):
            raise SchemaError("a parameter without a name or a place")
        found[one["in"], one["name"]] = one
    return list(found.values())


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise SchemaError(f"parameters: expected a list, got {type(value).__name__}")
    return value


def _described(parameter: Mapping[str, Any]) -> Any:
    schema = parameter.get("schema")
    content = parameter.get("content")
    if schema is None and isinstance(content, Mapping) and content:
        media = next(iter(content.values()))
        schema = media.get("schema") if isinstance(media, Mapping) else None
    if not isinstance(schema, Mapping):
        schema = {} if schema is None else schema
    said = parameter.get("description")
    if isinstance(schema, Mapping) and isinstance(said, str) and said.strip():
        return {**schema, "description": said.strip()}
    return schema


def _body(document: Mapping[str, Any], body: Any, name: str) -> tuple[Any, bool]:
    """The schema of a JSON body and whether it must be sent; None where there is none."""
    if body is None:
        return None, False
    body = _followed(document, body)
    needed = body.get("required") is True
    content = body.get("content") or {}
    for kind, media in content.items() if isinstance(content, Mapping) else ():
        if _JSON.match(kind) and isinstance(media, Mapping):
            return media.get("schema", {}), needed
    if needed:
        raise SchemaError(
            f"tool {name!r}: needs a body of {', '.join(content) or 'no kind'}, which is not JSON"
        )
    return None, False


def _plain_object(
    document: Mapping[str, Any], schema: Any, *, needed: bool
) -> tuple[dict[str, Any], list[str]] | None:
    """The properties of a body and those that it needs, where it says nothing else that would be lost."""
    try:
        schema = _followed(document, schema)
    except SchemaError:
        return None  # `normalise` says what is wrong with it
    properties, required = schema.get("properties"), schema.get("required") or []
    known = {"type", "properties", "required", "title", "description", "example", "examples", *_FOR_OTHERS}
    if schema.get("additionalProperties") is False:
        known |= {"additionalProperties"}
    if not isinstance(properties, Mapping) or not isinstance(required, list) or set(schema) - known:
        return None
    if required and not needed:
        return None
    # What only the server sets is not sent.
    ours = {k: v for k, v in properties.items() if not (isinstance(v, Mapping) and v.get("readOnly") is True)}
    return ours, [key for key in required if key in ours]


def _followed(document: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """What a reference points to. Raises SchemaError for one that leads nowhere, out of the document or in a circle."""
    seen = []
    while isinstance(value, Mapping) and isinstance(value.get("$ref"), str):
        ref = value["$ref"]
        if ref in seen or not ref.startswith(_ROOT):
            why = "a circle" if ref in seen else "not in the document"
            raise SchemaError(f"$ref {ref.replace(_ROOT, '#')}: {why}")
        seen.append(ref)
        value = document
        for step in ref.removeprefix(_ROOT).split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            elif isinstance(value, Mapping) and step in value:
                value = value[step]
            else:
                raise SchemaError(f"$ref {ref.replace(_ROOT, '#')}: not in the document")
    if not isinstance(value, Mapping):
        raise SchemaError(f"expected an object, got {type(value).__name__}")
    return value


def _moved(value: Any) -> Any:
    """The document with its references pointing to where it stands in a tool's schema."""
    if isinstance(value, Mapping):
        return {
            key: f"{_ROOT}{unquote(part[1:])}"
            if key == "$ref" and isinstance(part, str) and part.startswith("#/")
            else _moved(part)
            for key, part in value.items()
        }
    return [_moved(part) for part in value] if isinstance(value, list) else value


def _lean(schema: Any) -> Any:
    """A schema without the keys that are for other programs."""
    if isinstance(schema, list):
        return [_lean(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    out = {}
    for key, part in schema.items():
        if key in _FOR_OTHERS or key.startswith("x-"):
            continue
        if key in ("properties", "patternProperties", "dependentSchemas") and isinstance(part, Mapping):
            out[key] = {name: _lean(one) for name, one in part.items()}
        else:
            out[key] = part if key in ("default", "enum", "const", "examples", "example") else _lean(part)
    return out


def _id(operation: Any) -> str:
    name = operation.get("operationId") if isinstance(operation, Mapping) else None
    return name if isinstance(name, str) else ""
