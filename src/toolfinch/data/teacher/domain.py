"""`Domain`: everything that a world is made from: tools, what they do, what values look like, what a log shows.

Values come from the synthesizer's makers, by schema. Where a log is given, results and records have its shapes:
a result is one of the log's own, with the arguments' and the record's values laid over it. Left out: relations
between fields that a schema does not tell, such as a price that follows from a number of days.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from toolfinch.data.outcome import outcome
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.samplers import sample
from toolfinch.data.synthesize.schema_skill import schema_skill
from toolfinch.data.synthesize.skill import Kind, Skill, builtin_skills
from toolfinch.data.synthesize.value_kinds import words_of
from toolfinch.data.teacher.roles import Roles, roles
from toolfinch.example import Conversation
from toolfinch.message import canonical
from toolfinch.schema import violations
from toolfinch.tool import Tool

SHAPES = 30
"""Logged results of one tool that are kept."""
VALUES = 60
"""Logged values of one argument that are kept."""
FIELDS = 5
"""Details of a record that no log shows."""
BOUNDS = frozenset(
    "from to since until before after min max minimum maximum start end limit page offset".split()
)
"""Words of parameters that filter or page and are no detail of a thing."""
LIMITS = frozenset({"limit", "max_results", "maxresults", "count", "top_k", "page_size", "size"})
_QUERIES = frozenset({"query", "q", "search", "keyword", "keywords", "sort", "sort_by", "order_by", "cursor"})
_STATUSES = ("active", "open", "confirmed", "pending")


class Domain(msgspec.Struct, frozen=True):
    """What some tools, and perhaps a log of them, say of their world."""

    tools: dict[str, Tool]
    roles: Roles
    skills: dict[str, Skill]
    """How to make the values of a tool's arguments, by tool."""
    shapes: dict[str, tuple[Any, ...]]
    """Decoded results by tool, as logged; of those that did not fail."""
    known: dict[str, tuple[dict[str, Any], ...]]
    """Logged records by kind, of kinds with an id."""
    fields: dict[str, dict[str, Kind]]
    """Details of a kind's records where no log shows any: how to make their values."""
    said: dict[str, dict[str, tuple[Any, ...]]]
    """Logged values of arguments, by tool and parameter; none of parameters that hold an id."""
    keys: dict[str, str]
    """By kind: the name that its records' id or name goes by."""

    def created(self, kind: str) -> bool:
        """Whether a tool makes such things, so that a world can have ones that no log has."""
        return any(role.deed == "create" and role.kind == kind for role in self.roles.of.values())


def domain(tools: Sequence[Tool], logged: Sequence[Conversation] = ()) -> Domain:
    """What is known of tools; `logged` gives real results. Raises UsageError, naming the tool and the parameter,
    for a required one that no value can be made for."""
    found = roles(tools)
    builtin = builtin_skills("train")
    skills = {
        tool.name: builtin[tool.name]
        if tool.name in builtin and builtin[tool.name].tool == tool
        else schema_skill(tool, "train")
        for tool in tools
    }
    shapes = _shapes(logged, skills)
    keys: dict[str, str] = {}
    for role in found.of.values():
        if role.kind and role.key:
            keys.setdefault(role.kind, role.key)
    keys.update(found.ids)
    for role in found.of.values():
        if role.kind:
            keys.setdefault(role.kind, f"{role.kind}_id")
    known = {kind: tuple(_records(shapes, found, kind)) for kind in found.ids}
    fields = {kind: _fields(kind, tools, found, skills) for kind in keys}
    by_name = {tool.name: tool for tool in tools}
    return Domain(by_name, found, skills, shapes, known, fields, _said(logged, by_name, found), keys)


def draw(kind: Kind, rand: Rand) -> tuple[Any, str]:
    """A value, and how a person writes it."""
    return sample(kind, rand, "train") if isinstance(kind, str) else kind(rand, "train")


def in_order(values: Mapping[str, Any], rand: Rand) -> dict[str, Any]:
    """The values with dates in the order in which they stand, a few days apart, and no minimum over its maximum.

    A period that ends before it begins would be refused by any real tool.
    """
    out = dict(values)
    dated = [name for name, value in values.items() if day_of(value) is not None]
    if len(dated) > 1:
        day = min(day for name in dated if (day := day_of(values[name])) is not None)
        for name in dated:
            out[name] = day.isoformat()
            day += datetime.timedelta(days=rand.between(1, 9))
    for low, high in zip(_bounded(out, "min"), _bounded(out, "max"), strict=False):
        out[low], out[high] = sorted((out[low], out[high]))
    return out


def day_of(value: Any) -> datetime.date | None:
    """The day that a value is in ISO form; None for anything else."""
    if not isinstance(value, str) or len(value) != 10:
        return None
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        return None


def _bounded(values: Mapping[str, Any], word: str) -> list[str]:
    return [
        name
        for name, value in values.items()
        if word in words_of(name).split() and isinstance(value, (int, float)) and not isinstance(value, bool)
    ]


def _shapes(logged: Iterable[Conversation], tools: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Results by tool, each once; those whose canonical bytes come first, so that no order of rows shows."""
    found: dict[str, dict[bytes, Any]] = {}
    for conversation in logged:
        names = {call.id: call.name for m in conversation.messages for call in m.calls if call.id}
        for message in conversation.messages:
            result = message.result
            name = (result.name or names.get(result.call_id, "")) if result is not None else ""
            if result is None or name not in tools or outcome(result) != "ok":
                continue
            try:
                value = msgspec.json.decode(result.content)
            except (msgspec.DecodeError, RecursionError):
                value = result.content
            found.setdefault(name, {})[canonical(value)] = value
    return {
        name: tuple(found[name][key] for key in _spread(sorted(found[name]), SHAPES))
        for name in sorted(found)
    }


def _said(
    logged: Iterable[Conversation], tools: Mapping[str, Tool], found: Roles
) -> dict[str, dict[str, tuple[Any, ...]]]:
    """The values of valid calls, each once, in an order that does not depend on the rows'."""
    said: dict[str, dict[str, dict[bytes, Any]]] = {}
    for call in (c for one in logged for m in one.messages for c in m.calls):
        if call.name not in tools or violations(tools[call.name], call.arguments):
            continue
        role = found.of[call.name]
        for name, value in call.arguments.items():
            if name != role.key and name not in role.refs:
                said.setdefault(call.name, {}).setdefault(name, {})[canonical(value)] = value
    return {
        tool: {
            name: tuple(values[key] for key in _spread(sorted(values), VALUES))
            for name, values in said[tool].items()
        }
        for tool in sorted(said)
    }


def _spread(items: Sequence[bytes], count: int) -> list[bytes]:
    step = max(1, len(items) / count)
    return [items[int(i * step)] for i in range(min(count, len(items)))]


def _records(shapes: Mapping[str, Sequence[Any]], found: Roles, kind: str) -> Iterator[dict[str, Any]]:
    """The logged objects of a kind: those that hold its id. What several results say of one is put together."""
    name = found.ids[kind]
    by_key: dict[str, dict[str, Any]] = {}
    others = {other for of, other in found.ids.items() if of != kind}
    for tool, results in shapes.items():
        own = found.of[tool].kind == kind
        if found.of[tool].deed == "delete":
            continue
        for result in results:
            for item in objects(result):
                key = item.get(name, item.get("id") if own else None)
                if isinstance(key, (str, int)) and (own or not others & set(item)):
                    plain = {k: v for k, v in item.items() if k != "id" and not isinstance(v, (dict, list))}
                    by_key.setdefault(str(key), {name: key}).update({**plain, name: key})
    for key in sorted(by_key):
        yield by_key[key]


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value, the outer ones first."""
    todo = [value]
    while todo:
        item = todo.pop(0)
        if isinstance(item, dict):
            yield item
            todo += item.values()
        elif isinstance(item, list):
            todo += item


def _fields(kind: str, tools: Sequence[Tool], found: Roles, skills: Mapping[str, Skill]) -> dict[str, Kind]:
    """Details of a kind's records: what tools set, change or look for, and a status."""
    order = ("create", "update", "search", "get", "delete", "answer")
    about = [tool for tool in tools if found.of[tool.name].kind == kind]
    about.sort(key=lambda tool: order.index(found.of[tool.name].deed))
    fields: dict[str, Kind] = {}
    for tool in about:
        role = found.of[tool.name]
        for name, maker in skills[tool.name].kinds.items():
            words = set(words_of(name).split())
            bound = bool(words & BOUNDS) and role.deed != "create"
            if name in (role.key, *role.refs, *_QUERIES, *LIMITS) or bound or len(fields) >= FIELDS:
                continue
            fields.setdefault(name, maker)
    if "status" not in fields:
        fields["status"] = lambda rand, world: (status := rand.pick(_STATUSES), status)
    return fields
