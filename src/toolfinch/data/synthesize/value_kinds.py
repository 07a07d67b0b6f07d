"""What values a parameter of any tool takes, told from its schema, name and description.

`kind_of` gives a kind of `samplers.py` or a sampler of its own; `words_of` says a parameter's name as a person
would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from toolfinch.data.synthesize.grammar import World
from toolfinch.data.synthesize.pattern import text_like
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.samplers import WORDS, a_day, join, sample

Sampler = Callable[[Rand, World], tuple[Any, str]]

BY_FORMAT = {"date": "date", "time": "time", "email": "email", "uri": "url", "url": "url"}
BY_WORD: tuple[tuple[str, str], ...] = (
    ("email mail recipient cc bcc", "email"),
    ("url uri link website webpage endpoint", "url"),
    ("directory folder dir", "dirpath"),
    ("file path filename filepath attachment", "filepath"),
    ("timezone", "timezone"),
    ("language locale lang", "language"),
    ("country", "country"),
    ("city town location place address destination origin venue region area", "place"),
    ("code id identifier number key token reference sku isbn symbol ticker serial hash", "code"),
    ("subject headline", "subject"),
    ("title", "title"),
    ("query search keyword keywords topic question term", "topic"),
    ("sql statement", "sql"),
    ("command", "shell"),
    ("expression formula equation", "expression"),
    ("body message text content comment note notes reason description details summary", "body"),
    ("team department group", "team"),
    ("status", "status"),
    ("database", "database"),
    ("table", "table"),
    ("day weekday", "weekday"),
    ("user username author owner assignee customer person employee contact member guest", "person"),
    ("item product thing object", "thing"),
    ("event meeting", "event"),
    ("name", "rare"),
)
"""Words of a parameter's name, or failing that of its description, and the kind that they tell."""
DATE_WORDS = frozenset(
    {"date", "day", "deadline", "due", "birthday", "since", "until", "checkin", "checkout"}
)


def words_of(name: str) -> str:
    """A parameter's or tool's name in words: `maxResults` is "max results"."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return " ".join(re.split(r"[\W_]+", spaced)).strip().lower()


def kind_of(name: str, schema: Mapping[str, Any]) -> str | Sampler:
    """What values a parameter takes: a kind, or a sampler of its own."""
    for key in ("enum", "examples"):
        if schema.get(key):
            return one_of([value for value in schema[key] if value is not None])
    if "const" in schema:
        return one_of([schema["const"]])
    for key in ("anyOf", "oneOf", "allOf"):
        branches = [branch for branch in schema.get(key, ()) if branch.get("type") != "null"]
        if branches:
            return kind_of(name, {**schema, **branches[0], key: ()})
    types = schema.get("type", "string")
    kind = types if isinstance(types, str) else next((t for t in types if t != "null"), "string")
    if kind in ("integer", "number"):
        return numbers(schema, whole=kind == "integer")
    if kind == "boolean":
        return one_of([True, False])
    if kind == "array":
        return several(kind_of(name, schema.get("items") or {}), schema)
    if kind == "object":
        return fields(schema)
    if "pattern" in schema:
        return like(schema["pattern"])
    return _text(name, schema)


def _text(name: str, schema: Mapping[str, Any]) -> str | Sampler:
    if schema.get("format") == "date-time":
        return moment
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    description = str(schema.get("description", "")).lower()
    if "yyyy-mm-dd" in description:
        return "date"
    if "hh:mm" in description:
        return "time"
    for text in (words_of(name), re.sub(r"[^a-z ]", " ", description)):
        words = set(text.split())
        if words & DATE_WORDS and not schema.get("format"):
            return "date"
        for keys, kind in BY_WORD:
            if words & set(keys.split()):
                return kind
    return "word"


def one_of(values: list[Any]) -> Sampler:
    """One of some values; `in_progress` may be written "in progress"."""

    def pick(rand: Rand, world: World) -> tuple[Any, str]:
        value = rand.pick(values)
        surface = _say(value)
        return value, surface.replace("_", " ") if rand.chance(0.5) else surface

    return pick


def _say(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return join([_say(v) for v in value])
    return str(value)


def numbers(schema: Mapping[str, Any], *, whole: bool) -> Sampler:
    """Numbers within the schema's bounds, written in figures, small ones sometimes in words."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", 1 if schema.get("maximum", 2) > 1 else 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", max(100, low * 10)))
    step = schema.get("multipleOf", 1 if whole else 0.5)
    first = -(-low // step) + ("exclusiveMinimum" in schema and low % step == 0)
    last = high // step - ("exclusiveMaximum" in schema and high % step == 0)

    def draw(rand: Rand, world: World) -> tuple[Any, str]:
        near = min(last, first + 20) if rand.chance(0.5) else last
        value = rand.between(int(first), int(near)) * step
        value = int(value) if value == int(value) else round(value, 6)
        in_words = isinstance(value, int) and 0 <= value <= 12 and rand.chance(0.25)
        return value, WORDS[value] if in_words else str(value)

    return draw


def several(kind: str | Sampler, schema: Mapping[str, Any]) -> Sampler:
    """A list of one to three different values, or as many as the schema wants."""
    least = max(1, schema.get("minItems", 1))
    most = max(least, min(3, schema.get("maxItems", 3)))

    def draw(rand: Rand, world: World) -> tuple[Any, str]:
        found: list[Any] = []
        written: list[str] = []
        count = rand.between(least, most)
        for _ in range(count * 4):
            value, surface = sample(kind, rand, world) if isinstance(kind, str) else kind(rand, world)
            if value not in found:
                found.append(value)
                written.append(surface)
            if len(found) == count:
                break
        return found, join(written)

    return draw


def fields(schema: Mapping[str, Any]) -> Sampler:
    """An object with the required properties, or the first one where none is: "street Elm 3 and city Oslo"."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    names = schema.get("required") or list(properties)[:1]
    kinds = {name: kind_of(name, properties[name]) for name in names}

    def draw(rand: Rand, world: World) -> tuple[Any, str]:
        value: dict[str, Any] = {}
        written: list[str] = []
        for name, kind in kinds.items():
            value[name], surface = sample(kind, rand, world) if isinstance(kind, str) else kind(rand, world)
            written.append(f"{words_of(name)} {surface}")
        return value, join(written) if written else "nothing"

    return draw


def like(pattern: str) -> Sampler:
    """Texts that match a pattern. Raises ValueError where the pattern is not simple."""
    make = text_like(pattern)

    def draw(rand: Rand, world: World) -> tuple[Any, str]:
        text = make(rand)
        return text, text

    return draw


def moment(rand: Rand, world: World) -> tuple[Any, str]:
    """A date and time as RFC 3339 writes it."""
    text = f"{a_day(rand, world).isoformat()}T{rand.between(0, 23):02d}:{rand.between(0, 59):02d}:00Z"
    return text, text
