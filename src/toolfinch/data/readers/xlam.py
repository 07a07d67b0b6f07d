"""xLAM rows: one request, the tools, and the calls that answer it, all at once.

    {"id": 7, "query": "…", "tools": "[{\\"name\\": \\"f\\", \\"description\\": …, \\"parameters\\": {
       \\"city\\": {\\"type\\": \\"str\\", \\"description\\": …},
       \\"days\\": {\\"type\\": \\"int, optional\\", \\"default\\": 3, …}}}]",
     "answers": "[{\\"name\\": \\"f\\", \\"arguments\\": {\\"city\\": \\"Oslo\\"}}]"}

Made from the dataset card of Salesforce/xlam-function-calling-60k (huggingface.co; APIGen, arXiv:2406.18518)
and NeMo Automodel's description of its reader. `tools` and `answers` are lists or their text.

Parameters become JSON Schema: types as Python writes them (`List[Tuple[float, float]]`, `Optional[str]`), a
parameter required unless its type says `optional` or it has a default; an empty default is none. A
`Callable`, `datetime`, `date` or `time` may be any value, as JSON has none of them; other unknown types are
errors. Parameters that are JSON Schema already stay as they are.

A row without answers is an error: it does not say what else to do. There are no results, and all other keys
of a row are left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from toolfinch.data.readers.format import Session
from toolfinch.data.readers.transcript import Transcript, read_calls, read_tools, session_id
from toolfinch.dialects.pythonic import read_value
from toolfinch.errors import DataError
from toolfinch.schema import ALIASES, TYPES

NAME = "xlam"
_ANY = ("any", "callable", "datetime", "date", "time")
_ARRAYS = ("list", "array", "sequence", "iterable")
_OBJECTS = ("dict", "object", "mapping", "defaultdict")
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_DEFAULT = re.compile(r"\bdefault(?:s to|\s*[:=])?\s*(.+)")


def looks_like(row: Mapping[str, Any]) -> bool:
    texts = (row.get("tools"), row.get("answers"))
    return isinstance(row.get("query"), str) and all(isinstance(one, str | list) for one in texts)


def key(row: Mapping[str, Any]) -> str:
    return ""


def sessions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Session]:
    return [_session(row) for row in rows]


def _session(row: Mapping[str, Any]) -> Session:
    if not isinstance(row.get("query"), str):
        raise DataError("query: expected text")
    tools = _tools(row.get("tools"))
    answers = row.get("answers")
    if not answers or (isinstance(answers, str) and answers.strip() in ("", "[]")):
        raise DataError("answers: there are none")
    told = Transcript()
    told.say("user", row["query"])
    told.call("", read_calls(answers))
    return Session(told.messages, session_id(row), tools)


def _tools(raw: Any) -> list[Any]:
    """The tools as JSON Schema. Rows share them one by one, in ever new lists, so each text is read once."""
    if isinstance(raw, str):
        try:
            return [_tool_of(bytes(one).decode()) for one in _RAW.decode(raw)]
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass  # Python's literals, one behind the other, or nested too deeply: `read_tools` knows
    return [_tool(one) for one in read_tools(raw) or []]


@lru_cache(maxsize=4096)
def _tool_of(text: str) -> Any:
    """Raises ValueError for JSON that is no tool: `read_tools` says why."""
    value = read_value(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return _tool(value)


def _tool(raw: Any) -> Any:
    if not isinstance(raw, dict):
        return raw
    if isinstance(raw.get("function"), dict):
        return {**raw, "function": _tool(raw["function"])}
    parameters = raw.get("parameters")
    if not isinstance(parameters, dict) or isinstance(parameters.get("type"), str):
        return raw
    if not all(isinstance(part, dict) for part in parameters.values()):
        raise DataError("tools: a parameter is no object")
    read = {name: parameter(part) for name, part in parameters.items()}
    schema = {
        "type": "object",
        "properties": {name: part for name, (part, _) in read.items()},
        "required": [name for name, (_, required) in read.items() if required],
    }
    return {**raw, "parameters": schema}


def parameter(part: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """A parameter's JSON Schema, and whether it is required. Raises DataError for a type that is not known."""
    written = part.get("type", "any")
    if not isinstance(written, str):
        raise DataError("tools: a parameter's type is no text")
    type_text, remarks = _first(written)
    rest = {key: value for key, value in part.items() if key not in ("type", "required")}
    if "default" not in rest and (said := _DEFAULT.search(remarks)):
        try:
            rest["default"] = read_value(said[1])
        except ValueError:
            rest["default"] = said[1].strip()
    if rest.get("default") in ("", None):
        rest.pop("default", None)
    schema, optional = _top(type_text)
    optional = optional or "optional" in remarks.lower() or "default" in rest or part.get("required") is False
    return {**schema, **rest}, not optional or part.get("required") is True


def _first(written: str) -> tuple[str, str]:
    """The type, and what stands behind the first comma outside of its brackets."""
    depth = 0
    for i, character in enumerate(written):
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            return written[:i].strip(), written[i + 1 :].strip()
    return written.strip(), ""


@lru_cache(maxsize=4096)
def _top(text: str) -> tuple[dict[str, Any], bool]:
    """A type's JSON Schema, and whether it may be left out, which is what `Optional[X]` means here."""
    try:
        node = ast.parse(text, mode="eval").body
        if isinstance(node, ast.Subscript) and _dotted(node.value) == "optional":
            return _schema(node.slice), True
        return _schema(node), False
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise DataError("tools: a parameter's type is not one that can be read") from error


def _schema(node: ast.expr) -> dict[str, Any]:
    """Raises ValueError for anything that is no type."""
    match node:
        case ast.Constant(value=None):
            return {"type": "null"}
        case ast.Constant(value=str() as quoted):
            return _named(quoted.lower())
        case ast.Subscript(value=base, slice=ast.Tuple(elts=items)):
            return _of(_dotted(base), items)
        case ast.Subscript(value=base, slice=item):
            return _of(_dotted(base), [item])
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _either([_schema(left), _schema(right)])
    return _named(_dotted(node))


def _named(name: str) -> dict[str, Any]:
    if name in _ANY:
        return {}
    if name in ("set", "frozenset"):
        return {"type": "array", "uniqueItems": True}
    if name in _ARRAYS:
        return {"type": "array"}
    if name in _OBJECTS:
        return {"type": "object"}
    known = ALIASES.get(name, name)
    if known not in TYPES:
        raise ValueError("no type that JSON has")
    return {"type": known}


def _of(name: str, items: list[ast.expr]) -> dict[str, Any]:
    if name in _ANY:
        return {}
    if name == "literal":
        values = [item.value for item in items if isinstance(item, ast.Constant)]
        if len(values) == len(items) and all(isinstance(v, str | int | float | None) for v in values):
            return {"enum": values}
        raise ValueError("a literal that JSON has not")
    if name in ("tuple", "set", "frozenset", *_ARRAYS) and isinstance(items[-1], ast.Constant):
        if items[-1].value is ...:
            return {"type": "array", "items": _schema(items[0])}
        raise ValueError("no type")
    parts = [_schema(item) for item in items]
    if name == "union":
        return _either(parts)
    if name == "optional" and len(parts) == 1:
        return _either([*parts, {"type": "null"}])
    if name == "tuple":
        size = {"minItems": len(parts), "maxItems": len(parts)}
        same = all(part == parts[0] for part in parts)
        return {"type": "array", **({"items": parts[0]} if same else {"prefixItems": parts}), **size}
    if name in ("set", "frozenset") and len(parts) == 1:
        return {"type": "array", "items": parts[0], "uniqueItems": True}
    if name in _ARRAYS and len(parts) == 1:
        return {"type": "array", "items": parts[0]}
    if name in _OBJECTS and len(parts) == 2:
        return {"type": "object", "additionalProperties": parts[1] or True}
    raise ValueError("no type")


def _either(parts: list[dict[str, Any]]) -> dict[str, Any]:
    if any(not part for part in parts):
        return {}
    if all(set(part) == {"type"} and isinstance(part["type"], str) for part in parts):
        names = list(dict.fromkeys(part["type"] for part in parts))
        return {"type": names if len(names) > 1 else names[0]}
    return {"anyOf": parts}


def _dotted(node: ast.expr) -> str:
    """`List` of `typing.List`, in small letters."""
    if isinstance(node, ast.Name):
        return node.id.lower()
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return _dotted(ast.Name(node.attr)) if node.value.id in ("typing", "t", "datetime") else "unknown"
    raise ValueError("no type")
