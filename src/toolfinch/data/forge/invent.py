"""Invents tools: an object and a verb become a tool that nobody has seen.

`invent(rng, object, action, style)` chooses which details the tool takes and which it requires, and has
`describe.py` name and describe them. `compound(rng)` makes an object of coined words and borrowed fields,
for tools about nothing in particular.
"""

from __future__ import annotations

from random import Random

import msgspec

from toolfinch.data.forge import lexicon
from toolfinch.data.forge.describe import (
    DATE_FORMS,
    TOOL_STYLES,
    cased,
    masked_name,
    parameters,
    tool_about,
    tool_name,
)
from toolfinch.data.forge.domains import OBJECTS, Action, Field, Object
from toolfinch.data.forge.names import between, coined, pick
from toolfinch.data.forge.spec import Param, Spec, Style
from toolfinch.data.forge.verbs import VERBS, Verb
from toolfinch.tool import Tool

_ID_PHRASES = ("{}", "{}", "number {}", "with id {}", "({})", "{}")


def style(rng: Random) -> Style:
    """A naming style for a set of tools."""
    tool = pick(rng, TOOL_STYLES)
    param = pick(rng, ("snake",) * 7 + ("camel", "camel", "kebab", "pascal", "flat"))
    masked = rng.random()
    return Style(tool, param, masked < 0.09, 0.03 < masked < 0.12, coined(rng))


def compound(rng: Random) -> Object:
    """An object of made-up or borrowed words with fields of two or three known objects."""
    roll = rng.random()
    if roll < 0.4:
        noun = f"{pick(rng, lexicon.WORDS)} {pick(rng, lexicon.THINGS)}"
    elif roll < 0.7:
        noun = f"{coined(rng)} {pick(rng, lexicon.THINGS)}"
    else:
        noun = coined(rng)
    plural = noun + ("es" if noun.endswith(("s", "x", "ch", "sh", "z")) else "s")
    actions = tuple(
        Action(verb, noun, plural) for verb in sorted({pick(rng, _COMMON_VERBS) for _ in range(4)})
    )
    fields: list[Field] = []
    for _ in range(between(rng, 2, 4)):
        source = pick(rng, OBJECTS)
        fields.extend(pick(rng, source.fields) for _ in range(between(rng, 1, 3)))
    flags = "bbbbcsr"
    seen: set[str] = set()
    own: list[Field] = []
    for i, field in enumerate(fields):
        if field.names[0] in seen:
            continue
        seen.add(field.names[0])
        flag = field.flag if field.flag in "it" and i == 0 else pick(rng, flags)
        phrases = field.phrases if field.flag not in "it" else ()
        own.append(Field(flag, rng.random() < 0.4, field.names, field.kind, field.args, phrases))
    if rng.random() < 0.5:
        own.append(
            Field("t", False, ("name", "title", "label"), pick(rng, ("title", "name", "brand")), (), ())
        )
    return Object("general", noun, plural, actions, tuple(own))


_COMMON_VERBS = (
    *(
        "search",
        "search",
        "list",
        "get",
        "get",
        "status",
        "create",
        "create",
        "add",
        "update",
        "update",
        "delete",
    ),
    *(
        "cancel",
        "assign",
        "close",
        "archive",
        "share",
        "approve",
        "check",
        "estimate",
        "schedule",
        "send",
        "start",
    ),
    *(
        "stop",
        "lock",
        "rename",
        "export",
        "register",
        "submit",
        "calculate",
        "track",
        "activate",
        "reset",
        "record",
    ),
)


def invent(rng: Random, obj: Object, action: Action, style: Style) -> Spec:
    """One tool that does `action` to `obj`."""
    verb = VERBS[action.verb]
    identity, fields = _chosen_fields(rng, obj, action, verb)
    params: list[Param] = []
    taken: set[str] = set()
    required = _required(rng, verb, identity, fields)
    for field in fields:
        alias = field.names[0] if rng.random() < 0.45 else pick(rng, field.names)
        name = masked_name(rng, len(params)) if style.masked_params else cased(alias.split("_"), style.param)
        if name in taken:
            continue
        taken.add(name)
        label = alias.replace("_", " ")
        if len(label) < 3 or rng.random() < 0.2:
            label = max(field.names[:2], key=len).replace("_", " ")
        params.append(Param(field, name, label, field in required, _form(rng, field)))
    if len(params) > 3 and rng.random() < 0.12:
        params = _grouped(rng, params, identity)
    elif rng.random() < 0.35:
        rng.shuffle(params)
    elif rng.random() < 0.5:
        params.sort(key=lambda p: not p.required)
    params = _together(params)
    tool = Tool(
        tool_name(rng, action, verb, obj, style, params),
        tool_about(rng, action, verb, obj, params, masked=style.masked_tool),
        parameters(rng, params, action.noun, masked=style.masked_params),
        risk=("write" if verb.writes else "read"),
        idempotent=not verb.writes,
    )
    own = next((p for p in params if p.field is identity), None)
    return Spec(tool, obj, action, verb, tuple(params), own)


def _chosen_fields(rng: Random, obj: Object, action: Action, verb: Verb) -> tuple[Field | None, list[Field]]:
    """The field that names the record (or none), and the fields of the tool, the identity first."""
    if verb.shape == "search":
        pool = obj.flagged("bs")
        own = obj.flagged("t") if rng.random() < 0.1 and action.verb != "list" else []
        count = between(rng, 0, 2) if action.verb == "list" else between(rng, 1, 5)
        fields = own + _some(rng, pool, count)
        if (action.verb == "list" and rng.random() < 0.3) or not fields:
            fields.append(pick(rng, _PAGING))
        return None, fields
    if verb.shape == "ask":
        fields = [f for f in obj.flagged("bs") if f.required]
        fields += _some(rng, [f for f in obj.flagged("bs") if not f.required], between(rng, 0, 2))
        titles = obj.flagged("t")
        if titles and (not fields or rng.random() < 0.8):
            fields = [titles[0], *fields]
        return None, fields or [_id_field(obj.noun)]
    details = obj.flagged("bc")
    if verb.shape == "create":
        titles = obj.flagged("t")
        fields = _some(rng, details, between(rng, 1, 5))
        if titles and (rng.random() < 0.75 or not fields):
            fields = [titles[0], *fields]
        return None, fields or [_id_field(obj.noun)]
    options = obj.flagged("it")
    identity = pick(rng, options) if options and action.noun == obj.noun else _id_field(action.noun)
    if verb.shape == "update":
        return identity, [identity, *(_some(rng, details, between(rng, 1, 4)) or [pick(rng, _CHANGES)])]
    extra = between(rng, 1, 2) if rng.random() < 0.35 else 0
    return identity, [identity, *_some(rng, details, extra)]


def _some(rng: Random, pool: list[Field], count: int) -> list[Field]:
    """`count` of the pool in its own order, those marked `!` more likely."""
    if count >= len(pool):
        return list(pool)
    ranked = sorted(pool, key=lambda f: rng.random() - (0.6 if f.required else 0.0))
    wanted = {id(f) for f in ranked[:count]}
    return [f for f in pool if id(f) in wanted]


_PAGING = (
    Field(
        "s", False, ("limit", "max_results", "count"), "int", ("1", "50"), ("max {}", "only {}", "at most {}")
    ),
    Field("s", False, ("page", "page_number"), "int", ("1", "9"), ("page {}", "on page {}")),
)
_CHANGES = (
    Field("c", False, ("note", "comment", "remark"), "text", (), ('with the note "{}"', "noting {}")),
    Field("c", False, ("name", "new_name", "title"), "title", (), ("to {}", "called {}")),
    Field("c", False, ("date", "new_date", "day"), "date", (), ()),
)


def _id_field(noun: str) -> Field:
    last = noun.split()[-1]
    return Field("i", True, (f"{last}_id", "id", f"{last}_number", f"{last}_ref"), "code", (), _ID_PHRASES)


def _required(rng: Random, verb: Verb, identity: Field | None, fields: list[Field]) -> list[Field]:
    if identity is not None:
        need = [identity]
        if verb.shape == "update" and len(fields) == 2:
            return fields
        if verb.shape == "update" and rng.random() < 0.3:
            need.append(fields[1])
        return need
    if verb.shape == "ask":
        return [f for f in fields if f.required or f.flag in "it"] or fields[:1]
    if verb.shape == "search":
        need = [f for f in fields if f.required and rng.random() < 0.75]
        return need if need or rng.random() < 0.3 else [f for f in fields if f.required][:1]
    need = [
        f for f in fields if (f.required and rng.random() < 0.92) or (f.flag == "t" and rng.random() < 0.9)
    ]
    need += [f for f in fields if f not in need and f.kind != "bool" and rng.random() < 0.2]
    return need or fields[:1]


def _form(rng: Random, field: Field) -> str:
    if field.kind == "int" and rng.random() < 0.05:
        return "text"
    if field.kind in ("date", "birthdate") and rng.random() < 0.06:
        return pick(rng, tuple(DATE_FORMS))
    if field.kind == "enum" and rng.random() < 0.08:
        return "open"
    return ""


def _grouped(rng: Random, params: list[Param], identity: Field | None) -> list[Param]:
    """Some of the parameters put into one object parameter."""
    name = pick(rng, ("details", "options", "filters", "data", "request", "spec", "settings", "info"))
    inside = {id(p) for p in params if p.field is not identity and rng.random() < 0.6}
    if len(inside) < 2 or any(p.name == name for p in params):
        return params
    return [msgspec.structs.replace(p, group=name) if id(p) in inside else p for p in params]


def _together(params: list[Param]) -> list[Param]:
    """Grouped parameters moved next to the first of their group, so that schema order is argument order."""
    loose = [p for p in params if not p.group]
    grouped = [p for p in params if p.group]
    if not grouped:
        return params
    at = sum(not p.group for p in params[: params.index(grouped[0])])
    return loose[:at] + grouped + loose[at:]
