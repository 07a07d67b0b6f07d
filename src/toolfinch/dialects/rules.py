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

import msgspec

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
_FEW, _SHORT = 16, 80
"""Optional properties that stand behind one another, and characters of one that is written where it is used."""
_OBJECT = {"type", "properties", "required", "additionalProperties"}
_MAPS = ("properties", "patternProperties")
_ONE = ("items", "additionalProperties")


def literal(text: str) -> str:
    """Exactly this text."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def either(options: Sequence[str]) -> str:
    return f"({' | '.join(options)})"


def value(schema: Mapping[str, Any] | Literal[True]) -> str:
    """One JSON value of a schema that `held` made."""
    styled = {**({} if schema is True else schema), "x-guidance": _STYLE}
    return f"%json {json.dumps(styled, ensure_ascii=False)}"


def shared(schema: Any, values: dict[bytes, str]) -> str:
    """The name of a rule for such a value, which tools share: compiling takes its time by the number of rules.

    `values`: encoded schema to name, is added to; `value_rules` are the rules in the end.
    """
    return values.setdefault(msgspec.json.encode(schema), f"value{len(values)}")


def value_rules(values: Mapping[bytes, str]) -> list[str]:
    return [f"{name}: {value(msgspec.json.decode(encoded))}" for encoded, name in values.items()]


def arguments(rule: str, parameters: Mapping[str, Any], values: dict[bytes, str]) -> list[str]:
    """`rule`: the object that a tool with these parameters is called with; for `values` see `shared`.

    llguidance reads any schema as a whole, into several rules a property. Where nothing but its properties says what
    an object is, one rule does.
    """
    schema = held(parameters)
    properties, required = schema.get("properties", {}), schema.get("required", ())
    if (
        not schema.keys() <= _OBJECT
        or schema.get("additionalProperties") is not False
        or schema.get("type") != "object"
        or any(part is False for part in properties.values())
        or not properties.keys() >= set(required)
    ):
        return [f"{rule}: {value(schema)}"]
    items = {
        key: f"{literal(strict_json.dumps(key) + ': ')} {shared(part, values)}"
        for key, part in properties.items()
    }
    if not items:
        return [f'{rule}: "{{}}"']
    inside, more = keys(rule, items, required)
    return [f'{rule}: "{{" {inside if required else f"({inside})?"} "}}"', *more]


def keys(rule: str, items: Mapping[str, str], required: Sequence[str]) -> tuple[str, list[str]]:
    """At least one of the items, in their order, each at most once, the required ones all; and the rules that it needs.

    None, where one item is always there: before and behind it, a comma belongs to what is optional.
    """
    lead = next((i for i, key in enumerate(items) if key in required), None)
    if lead is None:
        return _some(rule, list(items.values()))
    parts = []
    for i, (key, item) in enumerate(items.items()):
        part = item if i == lead else f'", " {item}' if i > lead else f'{item} ", "'
        parts.append(part if key in required else f"({part})?")
    return " ".join(parts), []


def _some(rule: str, items: Sequence[str]) -> tuple[str, list[str]]:
    """At least one of items that may all be left out.

    A few stand behind one another. Of more it is some of one half and any of the other, or some of the other: llguidance goes
    as deep as rules do, and its stack ends.
    """
    lines: list[str] = []
    names = list(items)
    for i, item in enumerate(items):
        if len(item) > _SHORT:  # it is written twice
            names[i] = f"{rule}_{i}"
            lines.append(f"{names[i]}: {item}")

    def halves(start: int, end: int) -> tuple[str, str]:
        """Of these items: some, and any."""
        if end - start > _FEW:
            middle, both = (start + end) // 2, f"{rule}_any{start}_{end}"
            (some, any_), (other, any_other) = halves(start, middle), halves(middle, end)
            lines.append(f"{both}: {any_} {any_other}")
            return f"({some} {any_other} | {other})", both
        after = [*(f" {rule}_from{i}" for i in range(start + 1, end)), ""]
        lines.extend(f'{rule}_from{i}: (", " {names[i]})?{more}' for i, more in enumerate(after, start))
        first = either([name + more for name, more in zip(names[start:end], after, strict=True)])
        return first, f"{rule}_from{start}"

    return halves(0, len(names))[0], lines


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
