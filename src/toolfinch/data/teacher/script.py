"""The script of a blueprint: who speaks when and to what end, and the calls in between."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from toolfinch.data.outcome import outcome
from toolfinch.data.synthesize.value_kinds import words_of
from toolfinch.data.teacher.blueprint import Blueprint, Round, Step
from toolfinch.example import Kind


class Slot(NamedTuple):
    """A turn that is to be written."""

    role: Literal["user", "assistant"]
    task: str
    """What it is to do, for whoever writes it."""
    kind: Kind = "say"
    """Of the assistant's turns."""
    key: str = ""
    """`t1`, `t2`, …: its name in the answer."""
    round: int = 0
    values: tuple[str, ...] = ()
    """What the user has to say: `booking id: B-10442`."""
    withheld: bool = False
    """The assistant asks for what the user left out: the first call waits for it."""
    bad: bool = False
    """Something failed or was not found, and the turn has to report it."""
    good: bool = False
    """Everything that was called worked."""


Part = Slot | Step


def script(blueprint: Blueprint) -> list[Part]:
    """The parts of the whole conversation, in order."""
    parts: list[Part] = []
    slots = 0
    for number, one in enumerate(blueprint.rounds):
        for part in _round(one):
            if isinstance(part, Slot):
                slots += 1
                part = part._replace(key=f"t{slots}", round=number)
            parts.append(part)
    return parts


def _round(one: Round) -> Iterator[Part]:
    if one.kind == "decline":
        yield Slot("user", f"asks for this, which no function can do: {one.intent}")
        yield Slot("assistant", "says that it cannot do that here, and claims nothing", "decline")
        return
    if one.kind == "chat":
        yield Slot("user", one.intent)
        yield Slot(
            "assistant", "answers from what has been said so far, or with a friendly word; offers nothing new"
        )
        return
    told: list[str] = []
    late: list[str] = []
    for step in one.steps:
        before = {*told, *late}
        for place, call in enumerate(step.calls):
            said = step.said[place] if place < len(step.said) else {}
            copied = step.copied[place] if place < len(step.copied) else ()
            first = step is one.steps[0]
            these: list[str] = []
            for name, value in call.arguments.items():
                label = words_of(name)
                if name not in copied:
                    home = late if first and place == 0 and name in one.ask else these
                    home += [text for text in _listed(label, value, said.get(name)) if text not in before]
                elif first:
                    these.append(f"{label}: the one from before")
            told += [", ".join(these)] if len(step.calls) > 1 and these else these
    yield Slot("user", f"wants: {one.intent}", values=tuple(told))
    if one.ask:
        words = " and the ".join(words_of(name) for name in one.ask)
        yield Slot("assistant", f"asks for the {words}, without guessing", "ask", withheld=True)
        yield Slot("user", f"gives the {words}", values=tuple(late))
    yield from one.steps
    results = one.steps[-1].results
    failed = [result for result in results if outcome(result) != "ok"]
    if len(failed) == len(results):
        task = "reports honestly that this failed or that nothing was found"
    elif failed:
        task = "says what came of it, and honestly what failed"
    else:
        task = "says briefly what came of it"
    yield Slot("assistant", task, bad=bool(failed), good=not failed)


def _listed(label: str, value: Any, said: str | None = None) -> Iterator[str]:
    """A value as the user is told to say it."""
    match value:
        case _ if said is not None:
            yield f"{label}: {said}"
        case bool():
            yield f"{label}: {'yes' if value else 'no'}"
        case dict():
            for name, member in value.items():
                yield from _listed(f"{label} {words_of(name)}", member)
        case list():
            for item in value:
                yield from _listed(label, item)
        case str() as text if re.fullmatch(r"[a-z]+(?:_[a-z]+)+", text):
            yield f"{label}: {text.replace('_', ' ')}"
        case _:
            yield f"{label}: {value}"


def values_of(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Every text in a call's arguments."""
    todo: list[Any] = [arguments]
    while todo:
        match todo.pop():
            case str() as text:
                yield text
            case dict() as members:
                todo += members.values()
            case list() as items:
                todo += items
