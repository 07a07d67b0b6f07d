"""Other schemas for the same tools, so that a model has to read the schema it is given.

Tools and arguments get other names (synonyms, other naming styles, or meaningless strings while the
descriptions stay, as Hammer does: arXiv 2410.04587), descriptions are rephrased, unused optional arguments
dropped, arguments shuffled. A `Variation` knows the new names; gold calls are renamed with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from toolfinch.data.synthesize.rand import Rand
from toolfinch.tool import Tool


class Variation(NamedTuple):
    """A varied tool and how to get there from canonical names."""

    tool: Tool
    names: dict[str, str]
    """Argument names, canonical to varied, in the order of the varied schema."""
    values: Mapping[str, Mapping[str, str]] = {}
    """By canonical argument: enumerated values, canonical to varied."""

    def arguments(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Canonical arguments under the varied names and values."""
        return {new: self.value(old, args[old]) for old, new in self.names.items() if old in args}

    def value(self, name: str, value: Any) -> Any:
        return self.values[name].get(value, value) if name in self.values else value


class Synonyms(msgspec.Struct, frozen=True):
    """Other names and descriptions of a tool."""

    names: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    parameters: dict[str, tuple[str, ...]] = {}
    """By argument: other names."""
    about: dict[str, tuple[str, ...]] = {}
    """By argument: other descriptions."""
    values: dict[str, tuple[dict[str, str], ...]] = {}
    """By enumerated argument: other sets of values."""


@lru_cache(maxsize=1)
def synonyms() -> dict[str, Synonyms]:
    raw = files("toolfinch.data.synthesize").joinpath("phrases", "synonyms.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, Synonyms])


def same(tool: Tool) -> Variation:
    """The tool as it is."""
    return Variation(tool, {name: name for name in tool.parameters.get("properties", {})})


def vary(tool: Tool, used: set[str], rand: Rand, taken: set[str]) -> Variation:
    """One random variation. `used` arguments are never dropped; the name is none of `taken`."""
    known = synonyms().get(tool.name, Synonyms())
    style = rand.weighted((("keep", 3.0), ("synonym", 4.0), ("mask", 1.5)))
    spelling = rand.pick(SPELLINGS)
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    required = tool.parameters.get("required", [])
    order = list(properties)
    if rand.chance(0.6):
        rand.shuffle(order)
    names: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    varied: dict[str, Any] = {}
    for name in order:
        if name not in required and name not in used and rand.chance(0.35):
            continue
        if style == "mask":
            new = mask(rand)
        elif style == "synonym":
            other = known.parameters.get(name, ())
            new = spell(rand.pick(other) if other and rand.chance(0.7) else name, spelling)
        else:
            new = name
        if new in varied:
            new = name
        names[name] = new
        schema = properties[name]
        if name in known.values and rand.chance(0.4):
            values[name] = rand.pick(known.values[name])
            schema = {
                key: _renamed(value, values[name]) if key in ("enum", "default") else value
                for key, value in schema.items()
            }
        if name in known.about and rand.chance(0.4):
            schema = {**schema, "description": rand.pick(known.about[name])}
        varied[new] = schema
    title = _name(tool.name, known, style, spelling, rand)
    while title in taken:
        title = mask(rand)
    description = tool.description
    if known.descriptions and rand.chance(0.5):
        description = rand.pick(known.descriptions)
    schema = {**tool.parameters, "properties": varied, "required": [names[n] for n in order if n in required]}
    return Variation(Tool(title, description, schema, tool.risk, tool.idempotent), names, values)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    return [names[v] for v in value] if isinstance(value, list) else names[value]


def _name(name: str, known: Synonyms, style: str, spelling: str, rand: Rand) -> str:
    if style == "mask":
        return mask(rand)
    if style == "synonym":
        return spell(
            rand.pick(known.names) if known.names and rand.chance(0.8) else name, spelling, tool=True
        )
    return name


SPELLINGS = ("snake", "snake", "camel", "camel", "kebab", "dotted", "pascal")


def spell(name: str, spelling: str, *, tool: bool = False) -> str:
    """A snake_case name in another style; dots only in tool names, where they are usual."""
    parts = name.split("_")
    if spelling == "camel":
        return parts[0] + "".join(p.capitalize() for p in parts[1:])
    if spelling == "pascal":
        return "".join(p.capitalize() for p in parts)
    if spelling == "kebab":
        return "-".join(parts)
    if spelling == "dotted" and tool and len(parts) > 1:
        return f"{'_'.join(parts[1:])}.{parts[0]}"
    return name


_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def mask(rand: Rand) -> str:
    """A name without meaning, such as `fn_kqzt` or `xq7`."""
    body = "".join(rand.pick(_ALPHABET) for _ in range(rand.between(2, 5)))
    return rand.pick(
        (f"fn_{body}", f"{body}{rand.below(100)}", f"t_{body}", f"{body}_{rand.pick(_ALPHABET)}")
    )
