"""An assistant that makes the same call again and again, and gets the same result, is cut to the first time.

Only turns that follow one another count: the same call after the user has spoken again is a new decision. Text beside
the calls may differ. Left out: loops over two or more calls in turn.
"""

from __future__ import annotations

from typing import Any

import msgspec

from toolfinch.data.stage import Changed, Stage, each
from toolfinch.example import Conversation
from toolfinch.message import canonical

TIMES = 3
"""From so many equal turns on it is a loop; a second try may be one after a passing error."""


def stage() -> Stage:
    return each("loops are cut", cut)


def cut(one: Conversation) -> Conversation | Changed:
    """Without the repetitions of a loop, and without their results; what comes after the loop follows the first."""
    steps = _steps(one)
    gone: set[int] = set()
    start = 0
    while start < len(steps):
        end = start + 1
        while end < len(steps) and steps[end].begins == steps[end - 1].ends and steps[end].same(steps[start]):
            end += 1
        if end - start >= TIMES:
            gone.update(range(steps[start].ends, steps[end - 1].ends))
        start = end
    if not gone:
        return one
    kept = [index for index in range(len(one.messages)) if index not in gone]
    place = {index: new for new, index in enumerate(kept)}
    after = msgspec.structs.replace(
        one,
        messages=tuple(one.messages[index] for index in kept),
        marks={place[index]: mark for index, mark in one.marks.items() if index in place},
    )
    turns = sum(one.messages[index].role == "assistant" for index in gone)
    return Changed(after, {"the same call again, cut": turns})


class _Step(msgspec.Struct, frozen=True):
    """A turn with calls and the results right behind it: messages from `begins` up to `ends`."""

    begins: int
    ends: int
    calls: list[tuple[str, bytes]]
    results: list[tuple[str, bool]]

    def same(self, other: _Step) -> bool:
        return self.calls == other.calls and self.results == other.results


def _steps(one: Conversation) -> list[_Step]:
    steps: list[_Step] = []
    messages = one.messages
    index = 0
    while index < len(messages):
        begins, calls = index, messages[index].calls
        index += 1
        if not calls:
            continue
        results: list[Any] = []
        while index < len(messages) and (result := messages[index].result) is not None:
            results.append((result.content, result.is_error))
            index += 1
        if results:  # without one nothing says that it came to the same
            steps.append(
                _Step(begins, index, [(call.name, canonical(call.arguments)) for call in calls], results)
            )
    return steps
