"""How an invented tool presents itself: its name, its description, and the schema of its parameters.

Names follow the service's style or are noise (masked); descriptions come in many wordings and are sometimes
missing, but never where the name is masked: then they alone tell what the tool does.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from random import Random
from typing import Any

from toolfinch.data.forge.domains import Action, Field, Object
from toolfinch.data.forge.names import LOWNUM, between, coined, letters, pick
from toolfinch.data.forge.spec import Param, Style
from toolfinch.data.forge.values import Today, sample, schema
from toolfinch.data.forge.verbs import Verb

_EPOCH = Today(datetime.date(2024, 1, 1), told=False, weekday=False)
DATE_FORMS = {
    "%d.%m.%Y": "DD.MM.YYYY",
    "%d/%m/%Y": "DD/MM/YYYY",
    "%Y%m%d": "YYYYMMDD",
    "%m/%d/%Y": "MM/DD/YYYY",
}


def parameters(rng: Random, params: list[Param], noun: str, *, masked: bool) -> dict[str, Any]:
    top: dict[str, Any] = {}
    need: list[str] = []
    telling = rng.random()
    for param in params:
        one = _property(rng, param, noun, telling=1.0 if masked else telling)
        if not param.group:
            top[param.name] = one
            if param.required:
                need.append(param.name)
            continue
        home = top.setdefault(param.group, {"type": "object", "properties": {}, "required": []})
        home["properties"][param.name] = one
        if param.required:
            home["required"].append(param.name)
            if param.group not in need:
                need.append(param.group)
    return {"type": "object", "properties": top, "required": need}


def _property(rng: Random, param: Param, noun: str, *, telling: float) -> dict[str, Any]:
    field = param.field
    out: dict[str, Any] = {"type": "string"} if param.form == "text" else schema(field.kind, field.args)
    about = _about_param(rng, param, noun) if telling > 0.2 and rng.random() < telling + 0.3 else ""
    hint = DATE_FORMS.get(param.form, "")
    if param.form == "open":
        out = {"type": "string"}
        hint = pick(rng, ("one of {o}", "{o}", "options: {o}", "can be {o}")).replace("{o}", _options(field))
    if not hint and field.kind in _HINTS and rng.random() < 0.6:
        hint = pick(rng, _HINTS[field.kind])
    if hint:
        about = f"{about} ({hint})" if about else hint
    elif about and field.kind in ("code", "plate", "slug", "email") and rng.random() < 0.12:
        about += f", e.g. {sample(rng, field.kind, field.args, _EPOCH).arg}"
    if about:
        out["description"] = about
    if field.kind == "int" and not param.form and rng.random() < 0.08:
        out["minimum"], out["maximum"] = int(field.args[0]), int(field.args[1])
    if not param.required and field.kind in ("int", "bool", "enum", "num") and rng.random() < 0.15:
        out["default"] = param.argument(sample(rng, field.kind, field.args, _EPOCH))
    return out


def _options(field: Field) -> str:
    return ", ".join([option.partition("=")[0] for option in field.args])


_HINTS = {
    "date": ("YYYY-MM-DD", "YYYY-MM-DD", "ISO date"),
    "birthdate": ("YYYY-MM-DD",),
    "time": ("HH:MM", "HH:MM", "24h HH:MM"),
    "mins": ("minutes", "in minutes", "min"),
    "list": ("list", "one or more", "array"),
    "currency": ("ISO code", "three-letter code"),
}


def _about_param(rng: Random, param: Param, noun: str) -> str:
    # Now and then another alias than the request uses: the description need not echo the wording.
    words = param.label if rng.random() < 0.6 else pick(rng, param.field.names).replace("_", " ")
    if param.field.kind == "bool":
        return f"{pick(rng, ('Whether', 'True if', 'If', 'Flag:'))} {words}"
    roll = rng.random()
    if roll < 0.35:
        return words.capitalize()
    if roll < 0.5:
        return f"The {words}"
    if param.field.flag == "s" and roll < 0.6:
        return f"Filter by {words}"
    need = "required" if param.required else "optional"
    return pick(rng, _ABOUTS).format(l=words, L=words.capitalize(), n=noun, o=need)


_ABOUTS = (
    *("{L} of the {n}", "{L} of the {n}", "{L} for the {n}", "The {l} to use", "The {n}'s {l}", "{L} ({o})"),
    *("{L} of the requested {n}", "Given {l}", "{L} as given by the user", "The {l} in question", "{L}, {o}"),
)


# --- names ----------------------------------------------------------------------------------------------

TOOL_STYLES = (
    *("snake",) * 10,
    *("camel", "camel", "camel", "pascal", "pascal", "kebab", "dotted", "dotted", "noun_first", "noun_first"),
    *("service", "service", "prefixed", "prefixed", "domain_dotted", "mcp", "short", "upper"),
)


def cased(words: Iterable[str], style: str) -> str:
    parts = [w.lower() for w in words if w]
    if style == "camel":
        return parts[0] + "".join(p.capitalize() for p in parts[1:])
    if style == "pascal":
        return "".join(p.capitalize() for p in parts)
    if style == "kebab":
        return "-".join(parts)
    if style == "flat":
        return "".join(parts)
    return "_".join(parts)


def tool_name(rng: Random, action: Action, verb: Verb, obj: Object, style: Style, params: list[Param]) -> str:
    if style.masked_tool:
        return _masked_tool(rng)
    do = pick(rng, verb.names).split("_")
    many = verb.shape == "search" and rng.random() < 0.6
    noun = (action.plural if many else action.noun).lower().replace("-", " ").replace("'", "").split()
    if len(noun) > 2 and rng.random() < 0.5:
        noun = noun[-2:]
    domain = obj.domain.lower().split()
    words = do + noun
    if verb.shape == "search" and len(params) == 1 and rng.random() < 0.2:
        words = [*words, "by", *params[0].field.names[0].split("_")]
    how = style.tool
    if how == "noun_first":
        return cased(noun + do, "snake")
    if how == "service":
        return f"{cased(domain, 'pascal')}_{between(rng, 1, 9)}_{cased(words, 'pascal')}"
    if how == "prefixed":
        return f"{style.service}_{cased(words, 'snake')}"
    if how == "mcp":
        return f"mcp__{style.service}__{cased(words, 'snake')}"
    if how == "dotted":
        return f"{cased(noun, 'snake')}.{cased(do, 'snake')}"
    if how == "domain_dotted":
        return f"{cased(domain, 'snake')}.{cased(words, pick(rng, ('snake', 'camel')))}"
    if how == "upper":
        return f"{style.service.upper()}_{cased(words, 'snake').upper()}"
    if how == "short":
        return f"{do[0][:4]}_{noun[-1][:5]}"
    return cased(words, how)


def _masked_tool(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.35:
        return coined(rng)
    if roll < 0.6:
        return f"{pick(rng, ('fn', 'tool', 'func', 'op', 'api'))}_{letters(rng, LOWNUM, 4)}"
    if roll < 0.8:
        return f"{coined(rng)}_{coined(rng)}"
    return f"{pick(rng, ('tool', 'function', 'action'))}_{between(rng, 1, 99)}"


def masked_name(rng: Random, index: int) -> str:
    roll = rng.random()
    if roll < 0.4:
        return f"{pick(rng, ('p', 'arg', 'param_', 'x', 'field_'))}{index + 1}"
    if roll < 0.7:
        return coined(rng)
    return letters(rng, "abcdefghijklmnopqrstuvwxyz", between(rng, 2, 5))


# --- descriptions ---------------------------------------------------------------------------------------


def article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiouAEIOU' and not noun.startswith(('use', 'uni', 'eu')) else 'a'} {noun}"


def tool_about(
    rng: Random, action: Action, verb: Verb, obj: Object, params: list[Param], *, masked: bool
) -> str:
    if not masked and rng.random() < 0.05:
        return ""
    about = pick(rng, verb.about)
    if verb.shape == "search":
        thing = action.plural
    elif verb.shape == "ask":
        thing = f"the {action.noun}"
    elif verb.shape == "create":
        thing = article(action.noun) if rng.random() < 0.7 else f"a new {action.noun}"
    else:
        thing = pick(rng, (article(action.noun), f"the {action.noun}", f"an existing {action.noun}"))
    plain = f"{about} {thing}"
    text = f"{_third_person(about)} {thing}" if rng.random() < 0.25 else plain
    roll = rng.random()
    labels = [p.label for p in params]
    if roll < 0.2 and labels:
        link = {"search": "by", "act": "by", "create": "with"}.get(verb.shape, "given")
        text = f"{text} {link} {' and '.join(labels[:2])}"
    elif roll < 0.28 and obj.domain != "general":
        text = pick(rng, ("{d}: {t}", "{t} ({d})", "{t} in the {d} service")).format(d=obj.domain, t=text)
    elif roll < 0.5:
        text = pick(rng, _WRAPS[verb.shape]).format(t=text, l=_decapital(plain), n=action.noun)
    return text + ("." if rng.random() < 0.4 else "")


_WRAPS = {
    "search": (
        *("{t} that match the given filters", "{t} and return a list", "{t} available", "Tool to {l}"),
        *("{t} matching a query", "Returns a list. {t}"),
    ),
    "act": ("Use this to {l}", "{t} by its identifier", "{t} that exists", "{t} for the user", "Tool to {l}"),
    "create": (
        *("{t} for the user", "{t} with the given details", "Allows to {l}", "{t} and return its id"),
        *("{t} in the system", "Tool to {l}"),
    ),
    "update": ("{t} with new details", "Use this to {l}", "{t}; only given fields change", "Tool to {l}"),
    "ask": ("{t} and return the result", "{t} from the given values", "Use this to {l}", "{t} as one value"),
}


def _decapital(text: str) -> str:
    return text[0].lower() + text[1:]


def _third_person(about: str) -> str:
    """ "Look up" as "Looks up"."""
    first, _, rest = about.partition(" ")
    ending = "es" if first.endswith(("s", "x", "ch", "sh")) else "s"
    if first.endswith("y") and first[-2] not in "aeou":
        first, ending = first[:-1], "ies"
    return f"{first}{ending} {rest}".rstrip()
