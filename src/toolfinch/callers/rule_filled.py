"""Arguments without a model: what the conversation says, put where the schema seems to want it.

`fill(tool, messages)` is how the floor `bm25` gets its arguments. Deterministic, and simple on purpose:

1. *Values* (`values`) are read from every message but the system's. A date without a year takes the last year
   that the conversation names.
2. *A required argument*, in the schema's order, takes the first value of its kind that fits its schema: those
   of the latest message before others, those beside a word of the argument's name before others, each value
   once. The kind is the type, the `format`, or what a word of the name (else of the description) hints at. Of
   an enum it is the member that is mentioned first. An array takes all such values of that message.
3. *An optional argument* is left out unless an enum's member is mentioned, or a value is of the type that the
   name or `format` says (address, path, date, time), or stands beside a word of the name.
4. *A required argument without such a value* gets its default, the first of the enum, false, [], an address,
   path, date or time that another argument has, any value that fits, and at last the user's message, or 1.

Left out: what `values` does not read, units (3 hours are 3, not 180 minutes), currencies and languages by code,
free text without quotes, optional booleans and objects, members that the schema does not name, all but the
first branch of `anyOf`, and a search for what a `pattern` wants.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolfinch.callers import values
from toolfinch.callers.values import Found, stems
from toolfinch.message import Message
from toolfinch.retrieve.terms import words
from toolfinch.schema import validator
from toolfinch.tool import Tool

_TYPED = ("email", "url", "path", "date", "time", "moment")
_TEXT = ("quoted", "url", "path", "name", "code", "number")
_HINTS = {
    word: kinds
    for said, kinds in (
        ("email mail recipient sender cc bcc attendee", ("email", "name")),
        ("url uri link website webpage endpoint", ("url",)),
        ("path file filename folder directory", ("path",)),
        ("date day birthday deadline", ("date",)),
        ("time hour", ("time",)),
        ("datetime timestamp start end", ("moment", "date", "time")),
        ("id sku code number isbn reference ticket order", ("code", "number", "quoted", "name")),
        ("title subject text message body content query expression command", ("quoted", "name")),
        ("name city location place country person author artist origin destination", ("name", "quoted")),
    )
    for word in said.split()
}
_FORMATS = {"date": "date", "time": "time", "date-time": "moment", "email": "email", "uri": "url"}
_WRITTEN = {"THH:MM": "moment", "YYYY": "date", "HH:MM": "time"}
"""What a description says of the format."""


def fill(tool: Tool, messages: Sequence[Message]) -> dict[str, Any]:
    """A call's arguments: all required ones, each fitting its schema wherever these rules find such a value."""
    return _Filler(messages).members(tool.parameters)


class _Filler:
    """The values of one conversation, and which of them have been given away."""

    def __init__(self, messages: Sequence[Message]) -> None:
        said = [message for message in messages if message.role != "system"][::-1]
        self.request = next((message.content for message in said if message.role == "user"), "")
        years = re.findall(r"\b(?:19|20)\d\d\b", " ".join(m.content[: values.READ] for m in messages))
        read = [values.read(one, back, years[-1] if years else "") for back, one in enumerate(said)]
        self.texts = [text for text, _ in read]
        self.found = [one for _, found in read for one in found]
        self.used: list[Found] = []

    def members(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The members of an object: required ones are served first, optional ones before anything is guessed."""
        properties = {key: _plain(one) for key, one in schema.get("properties", {}).items()}
        needed = [key for key in properties if key in schema.get("required", ())]
        out: dict[str, Any] = {}
        for key in sorted(properties, key=lambda key: key not in needed):
            out.update((key, value) for value in self.find(key, properties[key], sure=key not in needed))
        for key in needed:
            if key not in out:
                out[key] = self.guess(key, properties[key])
        return {key: out[key] for key in properties if key in out}

    def find(self, key: str, schema: Mapping[str, Any], *, sure: bool) -> list[Any]:
        """The argument by the second rule, or with `sure` by the third; none or one."""
        kind = _type(schema)
        if kind == "object":
            return [] if sure else [self.members(schema)]
        item = _plain(schema.get("items")) if kind == "array" else schema
        free = [one for one in self.candidates(key, item, sure=sure) if not self.taken(one)]
        if kind == "array":
            free = [one for one in free if (one.back, one.kind) == (free[0].back, free[0].kind)]
        chosen = free[: int(schema.get("maxItems", len(free))) if kind == "array" else 1]
        taken = [_written(one, item) for one in chosen]
        if not chosen or (kind == "array" and not _fits(schema, taken)):
            return []
        self.used += chosen
        return [taken] if kind == "array" else taken

    def taken(self, one: Found) -> bool:
        return any(one.back == o.back and one.start < o.end and o.start < one.end for o in self.used)

    def candidates(self, key: str, schema: Mapping[str, Any], *, sure: bool) -> list[Found]:
        """The values that may be the argument, best first."""
        own = stems(key)
        if "enum" in schema:
            named = self.mentioned(schema["enum"], sure=sure)
            return sorted(named, key=lambda one: (one.back, one.start, -one.end))
        kinds, typed = _kinds(key, schema)
        same = (f"={key}", "=id") if "id" in own else (f"={key}",)
        ranks = {kind: rank for rank, kind in enumerate((*same, *kinds))}
        found = [
            one
            for one in self.found
            if one.kind in ranks
            and (not sure or one.kind == typed or (own & one.beside and one.kind[0] != "="))
            and _fits(schema, _written(one, schema))
        ]
        return sorted(found, key=lambda one: (one.back, not own & one.beside, ranks[one.kind], one.start))

    def mentioned(self, members: Sequence[Any], *, sure: bool) -> Iterator[Found]:
        """Members of an enum where the conversation names them; with `sure` only those that are words."""
        for member in members:
            name = str(member)
            if not name or (sure and not re.search(r"[^\W\d_]{2}", name)):
                continue
            spelled = re.sub(r"(?:\\?[ _-])+", "[ _-]?", re.escape(name))
            pattern = re.compile(rf"(?<![\w.:-]){spelled}(?![\w:-])", re.IGNORECASE if len(name) > 1 else 0)
            for back, text in enumerate(self.texts):
                if match := pattern.search(text):
                    yield Found("enum", member, name, back, *match.span(), frozenset())
            for one in self.found:
                if one.kind == "number" and str(one.value) == name:
                    yield one._replace(kind="enum", value=member)

    def guess(self, key: str, schema: Mapping[str, Any]) -> Any:
        """The argument by the fourth rule."""
        if "default" in schema:
            return schema["default"]
        if options := schema.get("enum", [schema["const"]] if "const" in schema else []):
            return options[0]
        kind = _type(schema)
        if kind == "object":
            return self.members(schema)
        if kind == "array":
            return [] if _fits(schema, []) else [self.guess(key, _plain(schema.get("items")))]
        if kind in ("boolean", "null"):
            return False if kind == "boolean" else None
        again = [one for one in self.candidates(key, schema, sure=False) if one.kind in _TYPED]
        rest = [one for one in self.found if one.kind[0] != "="]
        rest.sort(key=lambda one: (self.taken(one), one.back, one.start))
        last = [1, 0] if kind in ("integer", "number") else [self.request, ""]
        bounds = [schema[bound] for bound in ("minimum", "maximum") if bound in schema]
        options = [*(_written(one, schema) for one in (*again, *rest)), *last, *bounds]
        return next((value for value in options if _fits(schema, value)), last[0])


def _kinds(key: str, schema: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """The kinds of value that an argument takes, best first, and the one that is a rule's sure sign ("": none)."""
    if _type(schema) in ("integer", "number"):
        return ("number",), ""
    description = str(schema.get("description", ""))
    form = _FORMATS.get(schema.get("format", ""), "")
    form = form or next((kind for sign, kind in _WRITTEN.items() if sign in description), "")
    if form:
        return (form,), form
    for word in reversed(words(key)):
        if hint := _HINTS.get(word.removesuffix("s")):
            return hint, hint[0] if hint[0] in _TYPED else ""
    hints = (_HINTS.get(word.removesuffix("s")) for word in words(description))
    return next((hint for hint in hints if hint), _TEXT), ""


def _type(schema: Mapping[str, Any]) -> str:
    """The first JSON type that is not null; "" where the schema says none."""
    said = schema.get("type", "object" if "properties" in schema else "")
    return said if isinstance(said, str) else next((one for one in said if one != "null"), "null")


def _plain(schema: Any) -> dict[str, Any]:
    """A schema with the first branch of its `anyOf` or `oneOf` (null is none) laid over it."""
    plain = dict(schema) if isinstance(schema, Mapping) else {}
    branches = [*plain.pop("anyOf", ()), *plain.pop("oneOf", ())]
    first = next((b for b in branches if isinstance(b, Mapping) and b.get("type") != "null"), {})
    return {**plain, **first}


def _written(one: Found, schema: Mapping[str, Any]) -> Any:
    return one.text if _type(schema) == "string" and one.kind != "enum" else one.value


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    alone = Tool("", "", {"type": "object", "properties": {"value": dict(schema)}})
    return validator(alone).is_valid({"value": value})
