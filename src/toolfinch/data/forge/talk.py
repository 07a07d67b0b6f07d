"""One conversation in the making: its tools, its user, its messages and marks.

`Talk` keeps what every episode needs: the random source, the date, the persona, the offered specs, and the
messages so far with a mark for each assistant turn. Episodes (`episodes.py`) write into it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec

from toolfinch.data.forge import realise
from toolfinch.data.forge.domains import Field
from toolfinch.data.forge.names import TITLE_CASED, between, code, pick
from toolfinch.data.forge.spec import Param, Spec
from toolfinch.data.forge.values import Today, Value, sample
from toolfinch.example import Kind, Mark
from toolfinch.message import Message, ToolCall, assistant, system, tool, user

Given = dict[Param, Value]
Row = dict[str, Any]


class Talk:
    """A conversation being written. `specs` are the offered tools; `rules` the system line, or empty."""

    def __init__(
        self, rng: Random, specs: Sequence[Spec], today: Today, rules: str, *, confirms: bool
    ) -> None:
        self.rng = rng
        self.specs = specs
        self.today = today
        self.confirms = confirms
        self.persona = realise.persona(rng)
        self.messages: list[Message] = [system(rules)] if rules else []
        self.marks: dict[int, Mark] = {}
        self._calls = 0

    def hear(self, text: str) -> None:
        """The user says something."""
        self.messages.append(user(text))

    def say(self, text: str, kind: Kind = "say", scenario: str = "") -> None:
        """The assistant says something."""
        self.marks[len(self.messages)] = Mark(kind, scenario=scenario)
        self.messages.append(assistant(text))

    def call(self, wanted: Sequence[tuple[Spec, Given]], scenario: str) -> list[ToolCall]:
        """The assistant calls tools, all at once."""
        calls: list[ToolCall] = []
        accept: list[dict[str, tuple[Any, ...]]] = []
        for spec, given in wanted:
            self._calls += 1
            calls.append(ToolCall(spec.tool.name, spec.arguments(given), f"call_{self._calls}"))
            accept.append(
                {
                    p.name: (v.say,)
                    for p, v in given.items()
                    if v.say != v.arg
                    and not p.group
                    and p.field.kind in TITLE_CASED
                    and isinstance(v.arg, str)
                }
            )
        self.marks[len(self.messages)] = Mark("call", tuple(accept) if any(accept) else (), scenario=scenario)
        self.messages.append(assistant("", *calls))
        return calls

    def result(self, call: ToolCall, value: Any) -> None:
        """A tool answers, with JSON."""
        self.messages.append(tool(msgspec.json.encode(value).decode(), call.id, call.name))

    def fail(self, call_id: str, key: str, fault: str) -> None:
        """A tool fails, with the fault under `key`."""
        content = msgspec.json.encode({key: fault}).decode()
        name = next(c.name for m in reversed(self.messages) for c in m.calls if c.id == call_id)
        self.messages.append(tool(content, call_id, name, is_error=True))

    def instruct(self, text: str) -> None:
        """Adds to the system line of a conversation that has not begun."""
        rules = self.messages[0].content if self.messages else ""
        self.messages[:] = [system(f"{rules} {text}".strip())]

    # --- values -----------------------------------------------------------------------------------------

    def value(self, field: Field) -> Value:
        value = sample(self.rng, field.kind, field.args, self.today)
        if self.persona.lower and self.rng.random() < 0.5:
            return realise.careless(value, field.kind)
        return value

    def given(self, spec: Spec, *, optional: float = 0.35) -> Given:
        """Values for every required parameter and some of the others."""
        random = self.rng.random
        out: Given = {}
        first: Value | None = None
        for param in spec.params:
            if param.required or random() < optional:
                value = self.value(param.field)
                if param.field.kind == "date":
                    if first is not None and random() < 0.25:
                        value = later(self.rng, first)
                    first = first or value
                if param.field.kind != "bool" and any(value.arg == v.arg for v in out.values()):
                    value = self.value(param.field)
                out[param] = value
        if not out and spec.params and random() < 0.8:
            param = pick(self.rng, spec.params)
            out[param] = self.value(param.field)
        return ordered(spec, out)

    # --- results ----------------------------------------------------------------------------------------

    def rows(self, spec: Spec, count: int, link: Field | None = None) -> list[Row]:
        """What a search returns: the same few fields for every row, the name or number first; `link` is a
        field that must be among them."""
        fields = self.row_fields(spec, between(self.rng, 1, 3))
        if link is not None and all(f is not link for f in fields):
            fields.append(link)
        return [self.row(fields) for _ in range(count)]

    def row(self, fields: Sequence[Field]) -> Row:
        return {f.names[0]: sample(self.rng, f.kind, f.args, self.today).arg for f in fields}

    def row_fields(self, spec: Spec, more: int) -> list[Field]:
        named = [f for f in spec.object.fields if f.flag in "it"]
        if spec.identity is not None:
            named = []
        head = [pick(self.rng, named)] if named else []
        if len(named) > 1 and self.rng.random() < 0.4:
            head = sorted(named, key=lambda f: f.flag, reverse=True)
        rest = [f for f in spec.object.fields if f.flag == "r"]
        asked = {id(p.field) for p in spec.params}
        rest += [f for f in spec.object.fields if f.flag in "bsc" and id(f) not in asked and not _dull(f)]
        if not head and not rest:
            rest = [p.field for p in spec.params]
        chosen = rest[: more + 1]
        self.rng.shuffle(chosen)
        return head + chosen[: max(more, 1 - len(head))]

    def reference(self) -> str:
        return code(self.rng)


def _dull(field: Field) -> bool:
    """No result would carry it: long, or a knob of the search itself."""
    return field.kind in _LONG or field.names[0] in _KNOBS


_LONG = frozenset(("text", "longtext", "list", "listn", "lines", "bool", "todo"))
_KNOBS = frozenset(("limit", "page", "sort_by", "max_results", "query"))


def ordered(spec: Spec, given: Given) -> Given:
    """Dates put into the order of the object's fields: a trip ends after it starts."""
    dated = [p for p in given if p.field.kind == "date"]
    if len(dated) < 2:
        return given
    dated.sort(key=lambda p: spec.object.fields.index(p.field))
    values = sorted((given[p] for p in dated), key=lambda v: str(v.arg))
    return {**given, **dict(zip(dated, values, strict=True))}


def later(rng: Random, first: Value) -> Value:
    """A date said by its distance from another."""
    days = pick(rng, (1, 2, 3, 4, 5, 7, 7, 10, 14))
    said = {1: "the day after that", 7: "a week later", 14: "two weeks later"}.get(days, f"{days} days later")
    return Value((datetime.date.fromisoformat(first.arg) + datetime.timedelta(days=days)).isoformat(), said)


def first_day(rng: Random) -> datetime.date:
    """The day a conversation takes place."""
    return datetime.date(2018, 1, 1) + datetime.timedelta(days=between(rng, 0, 3600))
