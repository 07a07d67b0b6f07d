"""Grammar rules that dialects share: a call's arguments by their tool's schema, as Lark text for llguidance.

Held to are names, keys, types, enums, bounds, lengths, patterns and what is required, to any depth. As in
`schema.violations`, an object that names its properties takes no others unless its schema says so. Keys come in the
order of the schema (`tool.in_schema_order`), white space is that of `strict_json.dumps`: what is written is as far as
possible decided by what came before, and need not be asked of the model.

Left out is what a grammar cannot say, or not at a bearable price: `format` (an annotation in 2020-12), `not`,
`if`, `uniqueItems`, `contains`, `propertyNames`, `minProperties`, `maxProperties`, `unevaluated…`, what depends on another property, and that
no more than one branch of a `oneOf` fits. `score` and the tools themselves still check them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

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


def literal(text: str) -> str:
    """Exactly this text."""
    return json.dumps(text, ensure_ascii=False)


def either(options: Sequence[str]) -> str:
    return f"({' | '.join(options)})"


def value(schema: Mapping[str, Any] | Literal[True]) -> str:
    """One JSON value of a schema that `held` made."""
    styled = {**({} if schema is True else schema), "x-guidance": _STYLE}
    return f"%json {json.dumps(styled, ensure_ascii=False)}"


def arguments(parameters: Mapping[str, Any]) -> str:
    """The object that a tool with these parameters is called with."""
    return value(held(parameters))


def keys(rule: str, items: Mapping[str, str], required: Sequence[str], comma: str) -> list[str]:
    """`rule`: the items in their order, each at most once, the required ones all; `comma` between."""
    if not items:
        return [f'{rule}: ""']
    between = f"{literal(comma)} " if comma else ""
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
