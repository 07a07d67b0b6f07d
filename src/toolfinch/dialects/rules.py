"""Grammar rules that dialects share: a call's arguments by their tool's schema, as Lark text for llguidance.

Held to are names, keys, types, enums, bounds, lengths, patterns and what is required, to any depth. As in
`schema.violations`, an object that names its properties takes no others unless its schema says so. The
arguments of a call may come in any order, since logs and other models do not keep to the schema's; inside
of a value, and for arguments whose schema has an `anyOf` and the like, the order is the schema's, which is all
that llguidance's own JSON Schema offers. White space is that of `strict_json.dumps`.

Left out is what a grammar cannot say, or not at a bearable price: `format` (an annotation in 2020-12), `not`,
`if`, `uniqueItems`, `contains`, `propertyNames`, `minProperties`, `maxProperties`, `unevaluated…`, what depends on another property, and that
no more than one branch of a `oneOf` fits. `score` and the tools themselves still check them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from toolfinch.dialects import strict_json

_STYLE = {
    "item_separator": ", ",
    "key_separator": ": ",
    "whitespace_flexible": False,
    "coerce_one_of": True,
}
_PLAIN = (
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "pattern", "minItems", "maxItems", "required",
)  # fmt: skip
_BRANCHES = ("anyOf", "oneOf", "allOf")
_MAPS = ("properties", "patternProperties")
_ONE = ("items", "additionalProperties")
_BITS = 64  # of the parameter of a Lark rule


def literal(text: str) -> str:
    """Exactly this text."""
    return json.dumps(text, ensure_ascii=False)


def either(options: Sequence[str]) -> str:
    return f"({' | '.join(options)})"


def value(schema: Mapping[str, Any] | Literal[True]) -> str:
    """One JSON value of a schema that `held` made."""
    styled = {**({} if schema is True else schema), "x-guidance": _STYLE}
    return f"%json {json.dumps(styled, ensure_ascii=False)}"


def arguments(rule: str, parameters: Mapping[str, Any]) -> list[str]:
    """`rule`: the object that a tool with these parameters is called with."""
    schema = held(parameters)
    if not _plain(schema):
        return [f"{rule}: {value(schema)}"]
    items = {
        key: f"{literal(strict_json.dumps(key) + ': ')} {value(v)}" for key, v in schema["properties"].items()
    }
    return [f'{rule}: "{{" {rule}_keys "}}"', *keys(f"{rule}_keys", items, schema.get("required", ()), ", ")]


def _plain(schema: Mapping[str, Any]) -> bool:
    """Whether the object's properties and what is required say all of it."""
    properties = schema["properties"]
    return (
        schema.get("additionalProperties") is False
        and set(schema) <= {"type", "properties", "required", "additionalProperties"}
        and set(schema.get("required", ())) <= set(properties)
        and all(part is not False for part in properties.values())
    )


def keys(rule: str, items: Mapping[str, str], required: Sequence[str], comma: str) -> list[str]:
    """`rule`: some of the items, each at most once, the required ones all, in any order; `comma` between.

    More than 64 come in their own order.
    """
    between = f"{literal(comma)} " if comma else ""
    if not items:
        return [f'{rule}: ""']
    if len(items) > _BITS:
        return _in_order(rule, items, required, between)
    empty = "" if required else ' | ""'
    done = "true"
    rules = []
    for bit, (key, item) in enumerate(items.items()):
        rules.append(f"{rule}_{bit}: {item}")
        if key in required:
            done = f"and({done}, bit_set({bit}))"
    options = (f"{rule}_{bit} {rule}_rest::set_bit({bit}) %if bit_clear({bit})" for bit in range(len(items)))
    return [
        f"{rule}: {rule}_next::0{empty}",
        f"{rule}_next::_: " + "\n  | ".join(options),
        f'{rule}_rest::_: "" %if {done}\n  | {between}{rule}_next::_ %if not(is_ones([0:{len(items)}]))',
        *rules,
    ]


def _in_order(rule: str, items: Mapping[str, str], required: Sequence[str], between: str) -> list[str]:
    # `_first` while nothing is written yet, `_rest` where something is.
    rules = [f"{rule}: {rule}_first0"]
    for i, (key, item) in enumerate(items.items()):
        skip = ("", "") if key in required else (f" | {rule}_first{i + 1}", f" | {rule}_rest{i + 1}")
        rules += [
            f"{rule}_{i}: {item}",
            f"{rule}_first{i}: {rule}_{i} {rule}_rest{i + 1}{skip[0]}",
            f"{rule}_rest{i}: {between}{rule}_{i} {rule}_rest{i + 1}{skip[1]}",
        ]
    return [*rules, f'{rule}_first{len(items)}: ""', f'{rule}_rest{len(items)}: ""']


def held(schema: Any, *, top: bool = True, branch: bool = False) -> Any:
    """What of a normalised schema the grammar holds to: known keywords, and objects closed.

    `top`: of a call's arguments; `branch`: about the same object as the schema around it, which closes it.
    """
    if not isinstance(schema, Mapping):
        return schema
    closes = not branch and (top or "properties" in schema or "allOf" in schema)
    out: dict[str, Any] = {}
    for key, part in schema.items():
        if key in _PLAIN:
            out[key] = part
        elif key in _ONE:
            out[key] = held(part, top=False)
        elif key == "prefixItems":
            out[key] = [held(item, top=False) for item in part]
        elif key in _MAPS:
            out[key] = {name: held(item, top=False) for name, item in part.items()}
        elif key in _BRANCHES:
            out[key] = [held(item, top=False, branch=branch or closes) for item in part]
    if closes and "additionalProperties" not in schema and ((names := _named(schema)) or top):
        # A key that only a branch describes is allowed here, for the branch to judge.
        out["properties"] = {**dict.fromkeys(names, True), **out.get("properties", {})}
        out["additionalProperties"] = False
    return out


def _named(schema: Any) -> list[str]:
    """The properties that a schema and its branches name, its own first."""
    if not isinstance(schema, Mapping):
        return []
    branches = (part for key in _BRANCHES for part in schema.get(key, ()))
    return [*schema.get("properties", ()), *(name for part in branches for name in _named(part))]
