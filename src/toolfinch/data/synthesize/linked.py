"""Chains over tools that nobody wrote chains for: a later call takes a value from an earlier result.

The user says which: "...; then, with the booking id it returns, cancel a booking".
"""

from __future__ import annotations

from toolfinch.data.synthesize.grammar import Text, roughen
from toolfinch.data.synthesize.mocks import Result, encode
from toolfinch.data.synthesize.request import Asking, Call, Request, Said, Turn
from toolfinch.data.synthesize.scenarios import sentence
from toolfinch.data.synthesize.value_kinds import words_of

JOINS = (
    "; then, with the {} it returns, ",
    ". With the {} from that, ",
    ", then use the {} you get to ",
    ". Take the {} from the result and ",
)


def linked(asking: Asking, length: int) -> Request | None:
    """A chain of `length` calls; None where no tool takes a value that can be copied."""
    rand = asking.rand
    steps: list[tuple[str, str]] = []
    """Each later step's tool, and the argument that it takes from the result before."""
    takers = [
        (tool, name)
        for tool, skill in asking.skills.items()
        for name, kind in skill.kinds.items()
        if isinstance(kind, str) and f"without {name}" in skill.sections
    ]
    if not takers:
        return None
    steps = [rand.pick(takers) for _ in range(length - 1)]
    tool = rand.pick(asking.names)
    clause = asking.write(rand.pick(asking.skills[tool].sections["clause"]), tool)
    text = Text()
    text.extend(clause)
    args = clause.values
    calls: list[Call] = []
    for taker, name in steps:
        value = asking.fill(taker)(name)[0]
        words = words_of(name)
        payload = {words.replace(" ", "_"): value}
        calls.append(
            Call(tool, args, Result(encode(payload), {"text": str(value)}), asking.accept(tool, args))
        )
        if any(call[:2] == calls[-1][:2] for call in calls[:-1]):
            return None
        clause = asking.write(rand.pick(asking.skills[taker].sections[f"without {name}"]), taker)
        text.add(rand.pick(JOINS).format(words))
        text.extend(clause)
        tool, args = taker, {**clause.values, name: value}
    calls.append(asking.call(tool, args))
    scenario = "multi_tool_sequential" if length == 2 else "complex_multi_step"
    turns: list[Turn] = [roughen(text, rand), *((call,) for call in calls)]
    turns.append(Said("say", sentence(calls[-1], asking)))
    return Request(scenario, tuple(turns))
