"""`Blueprint`: a conversation before anybody has written its words: what is wanted, called, answered, and left behind.

Calls come first, because then they are gold: each fits its schema, its result is the world's, and `check` runs
them all again in a fresh world. Who draws one is `drawing.py`, or a teacher (`propose.py`); the words are `prose.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from toolfinch.data.teacher.domain import Domain
from toolfinch.data.teacher.world import Failure, World
from toolfinch.message import Message, ToolCall, ToolResult
from toolfinch.schema import violations
from toolfinch.tool import Tool, shown

LONG = 8
"""Turns of the user from which on a conversation is long."""
LONGEST = 16


class Step(msgspec.Struct, frozen=True):
    """The calls of one assistant turn, and what they brought."""

    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult, ...]
    copied: tuple[tuple[str, ...], ...] = ()
    """By call: arguments that an earlier result gives, so that the user need not say them."""
    said: tuple[dict[str, str], ...] = ()
    """By call: how the user is to say an argument, where it is not as the value stands."""


class Round(msgspec.Struct, frozen=True):
    """What the user wants next, and everything until that is settled."""

    kind: Literal["act", "decline", "chat"]
    """`decline`: no offered tool can do it. `chat`: no tool is needed."""
    scenario: str
    intent: str
    """What the user wants, for whoever writes the words."""
    steps: tuple[Step, ...] = ()
    ask: tuple[str, ...] = ()
    """Required arguments of the first call that the user leaves out, so that they are asked for."""

    @property
    def turns(self) -> int:
        """How many times the user speaks."""
        return 2 if self.ask else 1


class Blueprint(msgspec.Struct, frozen=True):
    """A conversation without its words."""

    id: str
    seed: str
    """Of the world."""
    scenario: str
    tools: tuple[Tool, ...]
    """Those that are offered."""
    goal: str
    rounds: tuple[Round, ...]
    state: str
    """The digest of what the world is in the end."""
    failures: dict[int, Failure] = {}
    """Planned failures, by the number of the call."""

    @property
    def turns(self) -> int:
        """How many times the user speaks."""
        return sum(one.turns for one in self.rounds)

    @property
    def steps(self) -> Iterator[Step]:
        return (step for one in self.rounds for step in one.steps)


def check(blueprint: Blueprint, domain: Domain) -> str:
    """Why a blueprint cannot be used; "" where it can. Names tools and paths, never values."""
    offered = {tool.name: tool for tool in blueprint.tools}
    for step in blueprint.steps:
        for call in step.calls:
            if call.name not in offered:
                return f"blueprint: calls {shown(call.name)!r}, which is not offered"
            if found := violations(offered[call.name], call.arguments):
                return f"blueprint: call of {call.name!r}: {found[0]}"
    pairs = ((c, r) for step in blueprint.steps for c, r in zip(step.calls, step.results, strict=True))
    return replay(blueprint, pairs, domain)


def replay(blueprint: Blueprint, pairs: Iterable[tuple[ToolCall, ToolResult]], domain: Domain) -> str:
    """Run calls in a fresh world: why what they bring is not what was written down; "" where it is."""
    world = World(domain, blueprint.seed, blueprint.failures)
    for call, written in pairs:
        result = world.run(call)
        if (result.content, result.is_error) != (written.content, written.is_error):
            return f"replay: {call.name!r} gives another result"
    return "" if world.state() == blueprint.state else "replay: the state is another one in the end"


def pairs_of(messages: Sequence[Message]) -> Iterator[tuple[ToolCall, ToolResult]]:
    """Every call of a written conversation with its result, in order."""
    calls = {call.id: call for message in messages for call in message.calls}
    for message in messages:
        if message.result is not None and message.result.call_id in calls:
            yield calls[message.result.call_id], message.result
