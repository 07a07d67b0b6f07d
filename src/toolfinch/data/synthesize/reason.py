"""Requests whose arguments have to be worked out: `puzzles.py`, and four ways that suit any tool.

A value may be described instead of given ("the day after 2025-03-07", "a dozen"), be told from another one
("Rome, not Paris"), be corrected in the same breath, or come from the request before ("and in Oslo?").
"""

from __future__ import annotations

from typing import Any

from toolfinch.data.synthesize.grammar import Slot, Text, roughen, write
from toolfinch.data.synthesize.puzzles import DESCRIBED, PUZZLES
from toolfinch.data.synthesize.request import Asking, Request
from toolfinch.data.synthesize.scenarios import answer, ask_for, wrap

COPIED = frozenset(
    {"place", "url", "api", "filepath", "dirpath", "email", "date", "time", "language", "timezone"}
    | {"database", "person", "code", "rare", "country"}
)
"""Kinds of values that can be told apart in a few words."""
SWAPPED = COPIED | {"topic", "expression", "sql", "shell", "glob", "text", "title"}
"""Kinds of values that can be swapped for another of the kind in a few words."""


def reasoning_heavy(asking: Asking) -> Request | None:
    return puzzle(asking) if asking.rand.chance(0.45) else any_reasoning(asking)


def any_reasoning(asking: Asking) -> Request | None:
    """A deduction that suits any tool."""
    ways = ((described, 2.0), (contrast, 1.2), (correction, 1.6), (follow_up, 1.6))
    return asking.rand.weighted(ways)(asking)


def puzzle(asking: Asking) -> Request | None:
    """A hand-written puzzle about a built-in tool."""
    rand = asking.rand
    can = [name for name, (tool, _) in PUZZLES.items() if tool in asking.skills]
    if not can:
        return None
    name = rand.pick(can)
    tool, make = PUZZLES[name]
    made = make(rand, asking.world)
    section = asking.shared("puzzles", f"{name} told" if made.system else name)
    text = asking.write(rand.pick(section), tool, made.shown)
    properties = asking.skills[tool].tool.parameters["properties"]
    given = {
        slot: value for slot, value in text.values.items() if slot in properties and slot not in made.shown
    }
    call = asking.call(tool, {**given, **made.args})
    call = call._replace(
        accept={
            **call.accept,
            **{k: tuple(v for v in values if v != call.args[k]) for k, values in made.accept.items()},
        }
    )
    turns = (roughen(text, rand), (call,), answer([call], asking))
    return Request("reasoning_heavy", turns, system=made.system)


def described(asking: Asking) -> Request | None:
    """One value is described, so that it has to be worked out."""
    rand = asking.rand
    tool = rand.pick(asking.names)
    kinds = asking.skills[tool].kinds
    can = [name for name, kind in kinds.items() if isinstance(kind, str) and kind in DESCRIBED]
    if not can:
        return None
    name = rand.pick(can)
    kind = kinds[name]
    assert isinstance(kind, str)
    value, surface = DESCRIBED[kind](rand, asking.world)
    return _with(asking, tool, name, value, surface)


def contrast(asking: Asking) -> Request | None:
    """The value is told from one that is not meant."""
    rand = asking.rand
    found = _copied(asking, COPIED)
    if found is None:
        return None
    tool, name = found
    value, surface = asking.fill(tool)(name)
    other, other_surface = asking.fill(tool)(name)
    if other == value:
        return None
    template = rand.pick(asking.shared("common", "contrast"))
    shown = {"right": surface, "wrong": other_surface}
    return _with(asking, tool, name, value, str(asking.write(template, "", shown)))


def _copied(asking: Asking, kinds: frozenset[str]) -> tuple[str, str] | None:
    """A tool and an argument of it whose values are copied."""
    tool = asking.rand.pick(asking.names)
    can = [name for name, kind in asking.skills[tool].kinds.items() if kind in kinds]
    return (tool, asking.rand.pick(can)) if can else None


def _with(asking: Asking, tool: str, name: str, value: Any, surface: str) -> Request | None:
    """A request in which one argument is written in a way of its own; None where the template lacks it."""
    rand = asking.rand
    sections = asking.skills[tool].sections
    for _ in range(4):
        standing = "request" in sections and rand.chance(0.5)
        text = asking.write(
            rand.pick(sections["request" if standing else "clause"]), tool, {name: (value, surface)}
        )
        if name in text.values:
            call = asking.call(tool, text.values)
            text = text if standing else wrap(text, asking)
            return Request("reasoning_heavy", (roughen(text, rand), (call,), answer([call], asking)))
    return None


def correction(asking: Asking) -> Request | None:
    """The user changes their mind within the message: the last word counts."""
    rand = asking.rand
    found = _copied(asking, SWAPPED)
    if found is None:
        return None
    tool, name = found
    clause = asking.write(rand.pick(asking.skills[tool].sections["clause"]), tool)
    if name not in clause.values:
        return None
    value, surface = asking.fill(tool)(name)
    out = Text()
    for part in rand.pick(asking.shared("common", "correction")):
        if part == Slot("clause"):
            out.extend(clause)
        elif part == Slot("new"):
            out.add(surface, fixed=True)
        else:
            write((part,), rand, asking.fill(""), out)
    call = asking.call(tool, {**clause.values, name: value})
    return Request("reasoning_heavy", (roughen(out, rand), (call,), answer([call], asking)))


def follow_up(asking: Asking) -> Request | None:
    """A second message that only makes sense after the first: the same again with another value."""
    rand = asking.rand
    found = _copied(asking, SWAPPED)
    if found is None:
        return None
    tool, name = found
    text = ask_for(tool, asking)
    if name not in text.values:
        return None
    first = asking.call(tool, text.values)
    value, surface = asking.fill(tool)(name)
    second = asking.call(tool, {**text.values, name: value})
    if second.args == first.args:
        return None
    more = asking.write(rand.pick(asking.shared("common", "follow")), "", {"new": (value, surface)})
    turns = (
        roughen(text, rand),
        (first,),
        answer([first], asking),
        roughen(more, rand),
        (second,),
        answer([second], asking),
    )
    return Request("single_tool", turns, later=(3, "reasoning_heavy"))
