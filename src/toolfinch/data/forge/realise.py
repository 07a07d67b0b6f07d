"""Puts what the user says into words.

`request` asks for one call with given values: a frame, a verb or none, the object, and a phrase for each
value in any order, some moved to sentences of their own. `polish` then gives the text its user: lower case,
typos, fillers, missing full stops; it never touches a value, which is fenced by FENCE while text is put
together. What the assistant says is in `replies.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from toolfinch.data.forge import lexicon
from toolfinch.data.forge.describe import article
from toolfinch.data.forge.names import TITLE_CASED, between, first_name, pick
from toolfinch.data.forge.spec import Param, Spec
from toolfinch.data.forge.values import Value, join

FENCE = "\x02"
"""Stands before and after every value while text is put together."""

Given = Mapping[Param, Value]


class Persona(NamedTuple):
    """How one user writes."""

    lower: bool
    typos: bool
    terse: bool
    chatty: bool
    bare: bool
    """Leaves out final punctuation."""


def persona(rng: Random) -> Persona:
    return Persona(
        lower=rng.random() < 0.18,
        typos=rng.random() < 0.1,
        terse=rng.random() < 0.15,
        chatty=rng.random() < 0.15,
        bare=rng.random() < 0.4,
    )


def fence(text: str) -> str:
    return f"{FENCE}{text}{FENCE}"


KIND_PHRASES: dict[str, tuple[str, ...]] = {
    "date": ("on {}", "for {}", "{}"),
    "time": ("at {}", "for {}", "{}"),
    "city": ("in {}", "near {}"),
    "country": ("in {}",),
    "person": ("for {}", "with {}"),
    "first": ("for {}", "with {}"),
    "text": ('saying "{}"', 'with the note "{}"', "note: {}"),
    "longtext": (': "{}"', "of: {}"),
    "address": ("at {}", "to {}"),
    "mins": ("for {}", "of {}"),
    "language": ("in {}",),
    "code": ("{}", "number {}", "with id {}"),
}
_QUOTED = frozenset(("title", "subject", "text", "todo", "longtext", "question", "dishname"))


def unclear(param: Param, given: Given) -> bool:
    """A bare value could be taken for that of another parameter."""
    mine = _LIKE.get(param.field.kind, param.field.kind)
    return any(p is not param and _LIKE.get(p.field.kind, p.field.kind) == mine for p in given)


_LIKE = {
    **dict.fromkeys(("int", "intset", "num", "money", "people", "year", "lat", "lon", "digits"), "number"),
    **dict.fromkeys(("city", "place", "country", "address", "station"), "place"),
    **dict.fromkeys(("person", "first", "name", "doctor", "company", "brand", "handle"), "name"),
    **dict.fromkeys(("title", "subject", "topic", "word", "brandplace", "slug", "product"), "words"),
    **dict.fromkeys(("date", "birthdate"), "date"),
}


def phrase(rng: Random, param: Param, value: Value, *, named: bool = False) -> str:
    """One way to say a parameter's value, with its label if `named`; starts with `<` where it belongs
    before the noun."""
    field = param.field
    if field.kind == "bool":
        return fence(value.say)
    options = field.phrases or KIND_PHRASES.get(field.kind, ())
    if named or not options or rng.random() < 0.1:
        text = pick(rng, lexicon.BARE).replace("{label}", param.label)
    else:
        text = pick(rng, options)
    said = value.say
    if field.kind in _QUOTED and '"' not in text and rng.random() < 0.35:
        said = f'"{said}"'
    elif field.kind == "date" and text.startswith("on ") and said.startswith(_RELATIVE):
        text = text[3:]
    return text.replace("{}", fence(said))


_RELATIVE = (
    "to",
    "the day",
    "a week",
    "this",
    *"23456789",
    "two d",
    "three d",
    "four d",
    "five d",
    "six d",
    "ten d",
)


def clause(rng: Random, param: Param, value: Value, *, named: bool = False) -> str:
    """A value in a sentence of its own, with its label if `named`."""
    kind = param.field.kind
    if kind == "bool" or rng.random() < 0.3:
        said = phrase(rng, param, value, named=named).lstrip("<")
        return pick(rng, lexicon.GENERIC_SENTENCES).replace("{}", said)
    if not named and kind in lexicon.KIND_CLAUSES and rng.random() < 0.3:
        return pick(rng, lexicon.KIND_CLAUSES[kind]).replace("{}", fence(value.say))
    text = pick(rng, lexicon.CLAUSES)
    text = text.replace("{label}", param.label).replace("{Label}", param.label.capitalize())
    return text.replace("{}", fence(value.say))


def request(rng: Random, spec: Spec, given: Given, user: Persona) -> str:
    """A request for one call of the tool with these values, fenced; for `polish`."""
    items = list(given.items())
    if len(items) > 1 and rng.random() < 0.6:
        rng.shuffle(items)
    hints = spec.object.hints.get(spec.verb.key)
    if hints and spec.action.noun == spec.object.noun and rng.random() < 0.18:
        return " ".join((_stopped(pick(rng, hints)), *(clause(rng, p, v) for p, v in items)))
    if rng.random() < 0.015:
        return _by_name(rng, spec, items)
    before: list[str] = []
    own = ""
    slots: list[str] = []
    apart: list[str] = []
    room = len(items) if rng.random() < 0.55 else between(rng, 1, 4)
    for param, value in items:
        if param is spec.identity:
            own = phrase(rng, param, value)
        elif len(slots) >= room:
            apart.append(clause(rng, param, value))
        else:
            said = phrase(rng, param, value)
            if said[0] == "<":
                before.append(said[1:])
            else:
                slots.append(said)
    which, thing = _thing(rng, spec, own.lstrip("<"), before)
    if slots:
        thing = f"{thing} {_chain(rng, slots)}"
    text = _framed(rng, spec, which, thing, user)
    if apart:
        text = " ".join((_stopped(text), *apart))
    return text


def _framed(rng: Random, spec: Spec, which: str, thing: str, user: Persona) -> str:
    """The object in a sentence; `which` is its article or the like, with a space, or empty."""
    verb = spec.verb
    if user.terse and rng.random() < 0.7:
        whole = which + thing if rng.random() < 0.5 else thing
        return whole if verb.needs and rng.random() < 0.4 else f"{pick(rng, verb.say)} {whole}"
    if verb.needs and rng.random() < (0.45 if verb.shape in ("search", "ask") else 0.3):
        text = pick(rng, verb.needs)
        if any(word in text for word in ("any {n}", "which {n}", "what {n}", "many {n}")):
            which = ""
        return text.replace("{n}", which + thing)
    frame, own = pick(rng, lexicon.FRAMES)
    return frame.replace("{v}", pick(rng, verb.say_own if own else verb.say)).replace("{n}", which + thing)


def _by_name(rng: Random, spec: Spec, items: Sequence[tuple[Param, Value]]) -> str:
    """A request that names the tool and its parameters, as developers do."""
    link = pick(rng, ("=", " = ", ": ", " "))
    details = ", ".join(
        f"{p.name}{link}{fence(str(v.arg).lower() if p.field.kind == 'bool' else v.say)}" for p, v in items
    )
    lead = pick(rng, ("use {t}", "call {t}", "run {t}", "please use {t}", "can you call {t}"))
    text = lead.replace("{t}", fence(spec.tool.name))
    return f"{text} with {details}" if details else text


def _thing(rng: Random, spec: Spec, own: str, before: Sequence[str]) -> tuple[str, str]:
    """The object of a request: its article or the like, and the noun with what stands around it."""
    shape = spec.verb.shape
    noun, plural = spec.action.noun, spec.action.plural
    if shape == "search":
        roll = rng.random()
        if roll < 0.7 or spec.verb.key == "list":
            which = pick(
                rng, ("", "", "", "some ", "all ", "the ", "my ") if spec.verb.key == "list" else _SOME
            )
            return which, " ".join((*before, plural))
        if roll < 0.95 or not spec.verb.needs:
            thing = " ".join((*before, noun))
            return f"{indefinite(thing)} ", thing
        return "", " ".join((pick(rng, ("something", "anything")), *before))
    thing = " ".join((*before, noun, own)) if own else " ".join((*before, noun))
    if shape == "create":
        which = pick(rng, (f"{indefinite(thing)} ", f"{indefinite(thing)} ", "a new ", "another ", ""))
        return which, thing
    if shape == "ask":
        return "the ", thing
    return pick(rng, ("", "the ", "my ", "our ", "the ") if own else ("my ", "the ")), thing


_SOME = ("", "", "", "", "some ", "the ", "a few ", "good ")


def indefinite(thing: str) -> str:
    return article(thing.lstrip(FENCE)).split(" ", 1)[0]


def _chain(rng: Random, slots: Sequence[str]) -> str:
    roll = rng.random()
    if len(slots) == 1 or roll < 0.6:
        return " ".join(slots)
    if roll < 0.8:
        return ", ".join(slots)
    return join(slots)


def _stopped(text: str) -> str:
    return text if text[-1] in "?!." else text + "."


_CORRECTIONS = (
    "no, make it {}",
    "no wait, {}",
    "sorry, I meant {}",
    "actually {}",
    "scratch that, {}",
    "I mean {}",
    "correction: {}",
    "hmm, rather {}",
)


def corrected(rng: Random, text: str, param: Param, wrong: Value, given: Given) -> str | None:
    """The request with one value first said wrong and then put right; None where it is not said plainly."""
    right = given[param]
    fenced = fence(right.say)
    if text.count(fenced) != 1 or wrong.say == right.say:
        return None
    fix = pick(rng, _CORRECTIONS)
    fix = fix.replace("{}", f"{param.label} {fenced}" if unclear(param, given) else fenced)
    text = text.replace(fenced, fence(wrong.say))
    return pick(
        rng,
        (
            f"{_stopped(text)} {fix.capitalize()}.",
            f"{text.rstrip('.?!')}, {fix}",
            f"{text.rstrip('.?!')} - {fix}",
        ),
    )


_WORD = re.compile(r"[a-z]{4,}")


def _typo(rng: Random, text: str) -> str:
    def spoil(match: re.Match[str]) -> str:
        word = match.group()
        if rng.random() > 0.12:
            return word
        at = between(rng, 1, len(word) - 2)
        roll = rng.random()
        if roll < 0.4:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        if roll < 0.75:
            return word[:at] + word[at + 1 :]
        return word[:at] + word[at] + word[at:]

    return _WORD.sub(spoil, text)


def polish(rng: Random, text: str, user: Persona, *, opening: bool = True) -> str:
    """The user's own way of writing: the fences fall, the values stay as they are."""
    if opening:
        if user.chatty and rng.random() < 0.6:
            before = pick(rng, lexicon.CONTEXTS)
            before = before.replace("{p}", first_name(rng)).replace("{a}", pick(rng, lexicon.THINGS))
            text = f"{before} {_capital(text)}"
        elif rng.random() < 0.1:
            text = f"{pick(rng, lexicon.OPENERS)}{pick(rng, (', ', ' ', ', '))}{text}"
        if not user.terse and rng.random() < 0.06:
            text = f"{_stopped(text)} {pick(rng, lexicon.AFTERS)}"
    if user.typos or user.lower:
        parts = text.split(FENCE)
        for i in range(0, len(parts), 2):
            if user.typos:
                parts[i] = _typo(rng, parts[i])
            if user.lower:
                parts[i] = parts[i].lower()
        text = FENCE.join(parts)
    if not user.lower:
        text = _capital(text)
    if user.bare:
        text = text.rstrip(".") if not text.endswith("?" + FENCE) else text
        if rng.random() < 0.5:
            text = text.rstrip("?")
    elif text[-1] not in "?!.":
        text += "."
    return text.replace(FENCE, "")


def _capital(text: str) -> str:
    return text if text[0] == FENCE else text[0].upper() + text[1:]


def careless(value: Value, kind: str) -> Value:
    """The value said in lower case where its capitals can be put back, else unchanged."""
    if kind in TITLE_CASED and value.say.lower().title() == value.say:
        return Value(value.arg, value.say.lower())
    return value


# --- the user's shorter turns ---------------------------------------------------------------------------

_REPLIES = (
    "{}",
    "{}",
    "{}",
    "{} please",
    "it's {}",
    "{}.",
    "{}, thanks",
    "let's say {}",
    "make it {}",
    "{} would be good",
    "{}, I think",
    "hmm, {}",
    "I'd like {}",
    "{} sounds good",
    "I'd say {}",
    "that would be {}",
)


def answer(rng: Random, items: Sequence[tuple[Param, Value]], user: Persona) -> str:
    """The user's reply to a question for these parameters."""
    if len(items) == 1:
        param, value = items[0]
        said = fence(value.say)
        if param.field.kind == "bool":
            if rng.random() < 0.6:
                said = pick(rng, ("yes", "yes please", "yep") if value.arg else ("no", "no thanks", "nope"))
            return polish(rng, said, user, opening=False)
        if rng.random() < 0.3:
            said = phrase(rng, param, value).lstrip("<")
        elif rng.random() < 0.12:
            return polish(rng, clause(rng, param, value), user, opening=False)
        return polish(rng, pick(rng, _REPLIES).replace("{}", said), user, opening=False)
    parts = [
        phrase(rng, p, v).lstrip("<") if rng.random() < 0.5 else f"{p.label} {fence(v.say)}" for p, v in items
    ]
    return polish(rng, _chain(rng, parts), user, opening=False)


_VARIED = (
    "and {}?",
    "what about {}?",
    "how about {}?",
    "same {}",
    "the same but {}",
    "try again {}",
    "now {}",
    "and again {}",
    "can you do that {}?",
    "also {}",
)


def variation(rng: Random, param: Param, given: Given, user: Persona) -> str:
    """Asks for the last thing again with one value changed; `given` has the new one."""
    said = phrase(rng, param, given[param], named=unclear(param, given)).lstrip("<")
    return polish(rng, pick(rng, _VARIED).replace("{}", said), user, opening=False)
