"""`Request`: what a user asks for and all that follows, in canonical tool and argument names.

A request is a list of turns: the user's words, the calls of one turn with their results, or the assistant's
words. Several requests become one conversation in `compose.py`, where schemas may be varied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from toolfinch.data.synthesize.grammar import (
    Fill,
    Section,
    Template,
    Text,
    World,
    blur,
    phrases,
    roughen,
    write,
)
from toolfinch.data.synthesize.mocks import Result, encode
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.samplers import sample, variants
from toolfinch.data.synthesize.skill import Skill
from toolfinch.example import Kind

STRANGE = 0.3
"""Share of the training requests in which some words may be made strange."""


class Call(NamedTuple):
    """A gold call in canonical names, and the tool's answer."""

    tool: str
    args: dict[str, Any]
    result: Result
    accept: Mapping[str, tuple[Any, ...]] = {}


class Said(NamedTuple):
    """Words of the assistant that are a decision: say, ask or decline."""

    kind: Kind
    text: str


Turn = str | tuple[Call, ...] | Said


class Request(NamedTuple):
    scenario: str
    turns: tuple[Turn, ...]
    absent: frozenset[str] = frozenset()
    """Tools that must not be offered: they could do what is declined."""
    later: tuple[int, str] = (99, "")
    """From which turn on it is another scenario, and which."""
    system: str = ""
    """What the system message has to say."""
    present: frozenset[str] = frozenset()
    """Tools that must be offered though nothing is called: to ask for an argument is to have its tool."""

    def needed(self) -> set[str]:
        """The tools that must be offered."""
        return {call.tool for call in self.calls()} | self.present

    def calls(self) -> list[Call]:
        return [call for turn in self.turns if not isinstance(turn, (str, Said)) for call in turn]


class Asking:
    """What requests are written with: randomness, a world, the skills that may be used, and all there are."""

    def __init__(
        self, rand: Rand, world: World, skills: Mapping[str, Skill], known: Mapping[str, Skill]
    ) -> None:
        self.rand = rand
        self.world = world
        self.skills = skills
        self.known = known
        self.names = tuple(skills)

    def shared(self, file: str, section: str) -> Section:
        """Templates that belong to no tool."""
        return phrases(self.world, file)[section]

    def fill(self, tool: str, shown: Mapping[str, Any] | None = None) -> Fill:
        """Values for slots: what is `shown` first, then the tool's argument, then the kind of that name."""
        kinds = self.known[tool].kinds if tool else {}

        def value(slot: str) -> tuple[Any, str]:
            if shown is not None and slot in shown:
                given = shown[slot]
                return given if type(given) is tuple else (given, _written(given))
            kind = kinds.get(slot, slot)
            return (
                sample(kind, self.rand, self.world) if isinstance(kind, str) else kind(self.rand, self.world)
            )

        return value

    def write(self, template: Template, tool: str = "", shown: Mapping[str, Any] | None = None) -> Text:
        return write(template, self.rand, self.fill(tool, shown), Text())

    def say(self, section: Section, shown: Mapping[str, Any] | None = None) -> str:
        return str(self.write(self.rand.pick(section), "", shown))

    def typed(self, text: Text) -> str:
        """A request as a person types it. In training some have strange words, as no template has all words."""
        if self.world == "train" and self.rand.chance(STRANGE):
            blur(text, self.rand)
        return roughen(text, self.rand)

    def call(self, tool: str, args: dict[str, Any]) -> Call:
        """A call that succeeds."""
        payload, facts = self.known[tool].mock(args, self.rand, self.world)
        return Call(tool, args, Result(encode(payload), facts), self.accept(tool, args))

    def accept(self, tool: str, args: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
        """Other ways to write the arguments that mean the same."""
        kinds = self.known[tool].kinds
        found = {}
        for name, value in args.items():
            kind = kinds.get(name)
            if isinstance(value, str) and isinstance(kind, str) and (other := variants(kind, value)):
                found[name] = other
        return found


def _written(value: Any) -> str:
    return " and ".join(str(v) for v in value) if isinstance(value, list) else str(value)
