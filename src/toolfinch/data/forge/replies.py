"""The assistant's own words: questions, confirmations, reports of results, refusals.

All short, since each token of them is trained on, and all made of what the conversation holds: a report
repeats values of the result and adds none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from toolfinch.data.forge.describe import article
from toolfinch.data.forge.names import between, pick
from toolfinch.data.forge.spec import Param, Spec
from toolfinch.data.forge.values import Value, join

_ASK_ONE = (
    *(
        "What {l} should I use?",
        "Which {l}?",
        "What is the {l}?",
        "What's the {l}?",
        "Could you tell me the {l}?",
    ),
    *("Please tell me the {l}.", "Sure, what {l}?", "I need the {l} for that. What is it?", "And the {l}?"),
    *("What {l} would you like?", "What {l} do you want?", "Which {l} do you have in mind?"),
)
_ASK_KIND = {
    "date": (
        "For which date?",
        "On what date?",
        "Which day?",
        "When should it be?",
        "What date works for you?",
    ),
    "time": ("At what time?", "What time?", "For what time?", "What time should it be?"),
    "city": ("In which city?", "Which city?", "What city should I look at?", "Where?"),
    "people": ("For how many people?", "How many of you?", "How many people?"),
    "bool": ("{L}: yes or no?", "Do you want {l}?", "Should I set {l}?"),
    "text": ("What should it say?", "What's the text?", "And the {l}?"),
}


def ask(rng: Random, params: Sequence[Param]) -> str:
    """Asks for missing parameters."""
    label = join([p.label for p in params])
    field = params[0].field
    if len(params) > 1:
        text = pick(
            rng, ("What are the {l}?", "I still need the {l}.", "Please give me the {l}.", "Sure. The {l}?")
        )
    elif field.kind in _ASK_KIND and (field.kind == "bool" or rng.random() < 0.3) and label == field.kind:
        text = pick(rng, _ASK_KIND[field.kind])
    elif field.kind == "bool":
        text = pick(rng, _ASK_KIND["bool"])
    else:
        text = pick(rng, _ASK_ONE)
    text = text.replace("{l}", label).replace("{L}", label.capitalize())
    if len(params) == 1 and field.kind == "enum" and rng.random() < 0.3:
        options = join([option.partition("=")[0].replace("_", " ") for option in field.args], "or")
        text = f"{text.rstrip('?.')}: {options}?"
    return text


def confirm(rng: Random, spec: Spec, given: Mapping[Param, Value]) -> str:
    """Repeats what is about to be done and asks for a yes."""
    details = ", ".join(f"{p.label} {show(p.argument(v))}" for p, v in given.items())
    do = pick(rng, spec.verb.say)
    lead = pick(
        rng,
        (
            f"Please confirm: {do} {spec.action.noun}",
            f"Shall I {do} the {spec.action.noun}",
            f"You want to {do} the {spec.action.noun}",
            f"To confirm: {spec.action.noun}",
        ),
    )
    return f"{lead}, {details}?" if details else f"{lead}?"


def show(value: Any) -> str:
    """A JSON value as the assistant says it."""
    if value is True:
        return "yes"
    if value is False:
        return "no"
    if isinstance(value, list):
        return join([show(v) for v in value]) if value else "none"
    if isinstance(value, dict):
        return ", ".join(f"{k} {show(v)}" for k, v in value.items())
    return str(value)


def report_rows(rng: Random, spec: Spec, rows: Sequence[Mapping[str, Any]]) -> str:
    """What a search found."""
    noun, plural = spec.action.noun, spec.action.plural
    if not rows:
        return pick(
            rng,
            (
                f"I found no {plural} for that.",
                f"Sorry, there are no matching {plural}.",
                f"No {plural} match. Want to try something else?",
            ),
        )
    names = [show(next(iter(row.values()))) for row in rows]
    keys = list(rows[0])
    if len(rows) == 1 or rng.random() < 0.3:
        more = ""
        if len(keys) > 1:
            key = pick(rng, keys[1:])
            more = f" with {plain(key)} {show(rows[0][key])}"
        if len(rows) == 1:
            return pick(
                rng,
                (
                    f"I found {names[0]}{more}.",
                    f"There is {names[0]}{more}.",
                    f"One {noun}: {names[0]}{more}.",
                ),
            )
        return pick(
            rng,
            (
                f"I found {len(rows)} {plural}. How about {names[0]}{more}?",
                f"There are {len(rows)} {plural}, for example {names[0]}{more}.",
            ),
        )
    return pick(
        rng,
        (
            f"I found {len(rows)} {plural}: {join(names)}.",
            f"There are {len(rows)}: {join(names)}.",
            f"Here they are: {join(names)}.",
            f"{join(names)}.",
        ),
    )


def offer(rng: Random, spec: Spec, row: Mapping[str, Any], count: int, key: str) -> str:
    """One of the rows found, by the value under `key`, with a detail."""
    more = [k for k in row if k != key]
    detail = ""
    if more and rng.random() < 0.7:
        name = pick(rng, more)
        detail = pick(rng, (" with {k} {v}", ", {k} {v}", " ({k} {v})"))
        detail = detail.replace("{k}", plain(name)).replace("{v}", show(row[name]))
    found = pick(rng, ("How about {}?", "There is {}.", "I found {}.", "What about {}?", "I'd suggest {}."))
    if count > 1 and rng.random() < 0.6:
        found = pick(
            rng,
            (
                f"I found {count} {spec.action.plural}. How about {{}}?",
                f"There are {count}, for example {{}}.",
            ),
        )
    return found.replace("{}", show(row[key]) + detail)


def report_record(rng: Random, spec: Spec, row: Mapping[str, Any], own: str) -> str:
    """What is known of one record."""
    parts = [f"{plain(k)} {show(v)}" for k, v in row.items() if show(v) != own]
    body = ", ".join(parts[: between(rng, 1, 3)]) or "all is fine"
    return pick(
        rng, (f"{capital(spec.action.noun)} {own}: {body}.", f"It has {body}.", f"Here it is: {body}.")
    )


def report_done(rng: Random, spec: Spec, own: str, ref: str) -> str:
    """A change was made."""
    noun, done = spec.action.noun, spec.verb.done
    subject = f"{noun} {own}" if own and rng.random() < 0.6 else noun
    tail = pick(rng, (f" The reference is {ref}.", f" Its id is {ref}.", f" ({ref})")) if ref else ""
    return (
        pick(
            rng,
            (
                f"Done, the {subject} is {done}.",
                f"The {subject} is {done}.",
                f"Okay, {subject} {done}.",
                f"All set: {subject} {done}.",
            ),
        )
        + tail
    )


def report_answer(rng: Random, spec: Spec, shown: str) -> str:
    """One fact or number."""
    noun = spec.action.noun
    return pick(
        rng,
        (
            f"The {noun} is {shown}.",
            f"It's {shown}.",
            f"That gives {shown}.",
            f"{capital(noun)}: {shown}.",
            f"The result is {shown}.",
        ),
    )


def plain(key: str) -> str:
    """A JSON key in plain words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key).replace("_", " ").replace("-", " ").lower()


_DECLINES = (
    "I don't have a tool for that.",
    "Sorry, I don't have a tool for that.",
    "Sorry, none of my tools can {v} {p}.",
    "I can't {v} {p} with the tools I have.",
    "That's not something I can do here.",
    "I have no tool to {v} {p}.",
    "Unfortunately I can't do that; I can only {c}.",
    "I can't help with that here, but I can {c}.",
)


def decline(rng: Random, spec: Spec, offered: Sequence[Spec]) -> str:
    """No tool fits."""
    text = pick(rng, _DECLINES)
    if "{c}" in text:
        text = text.replace("{c}", capability(rng, pick(rng, offered)))
    noun = spec.action.plural if spec.verb.shape == "search" else article(spec.action.noun)
    return text.replace("{v}", pick(rng, spec.verb.say)).replace("{p}", noun)


def capability(rng: Random, spec: Spec) -> str:
    """What a tool can do, in words."""
    return f"{spec.verb.say[0]} {spec.action.plural}"


def capital(text: str) -> str:
    return text[0].upper() + text[1:]
