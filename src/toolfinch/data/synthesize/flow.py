"""Chains put together from clauses: a first instruction, and next ones that take what a step gave.

    look up <query> online, and once that is done save the text of the top hit in <path>

Where `chains.txt` has whole requests, this has parts: any tool's clause first, then clauses of other tools
with a name for the thing that an earlier step gives (`[after content]` in a tool's phrases, `[it text]` in
`links.txt`), joined in any way that instructions follow one another. Training phrasings only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from toolfinch.data.synthesize.grammar import Section, Slot, Template, Text, phrases, write
from toolfinch.data.synthesize.request import Asking, Request
from toolfinch.data.synthesize.scenarios import Chain, Worded, chained, wrap, written_chain


class Gives(NamedTuple):
    """Something that a tool's result holds."""

    tool: str
    fact: str
    kind: str
    """How it is spoken of: a section `[it KIND]` of `links.txt`."""
    takers: tuple[tuple[str, str], ...]
    """Tools and the argument of each that it can be given to."""


_BODY = (("write_file", "content"), ("send_email", "body"))
_WORDS = (*_BODY, ("translate", "text"), ("web_search", "query"), ("create_calendar_event", "title"))
GIVES = (
    Gives("web_search", "url", "page", (("get_webpage", "url"), ("http_request", "url"))),
    Gives("list_directory", "path", "file", (("read_file", "path"),)),
    Gives("read_file", "text", "text", _WORDS),
    Gives("get_webpage", "text", "text", _WORDS),
    Gives("http_request", "text", "text", _WORDS),
    Gives("translate", "translation", "translation", _BODY),
    Gives("calculate", "value", "result", _BODY),
    Gives("execute_python", "output", "result", _WORDS),
    Gives("shell_command", "output", "result", _WORDS),
    Gives("get_current_datetime", "date", "date", (*_BODY, ("create_calendar_event", "date"))),
    Gives("get_current_datetime", "time", "time", _BODY),
)
COMPOSED = 0.6
"""Share of the training chains that are put together; the others are written out in `chains.txt`."""
LATER = 0.2
"""Share of the chains of two whose second part the user asks for after the first result."""


def multi_tool_sequential(asking: Asking) -> Request | None:
    return _either(asking, "multi_tool_sequential", range(2, 3))


def complex_multi_step(asking: Asking) -> Request | None:
    return _either(asking, "complex_multi_step", range(3, 9))


def _either(asking: Asking, scenario: str, lengths: range) -> Request | None:
    if asking.world == "train" and asking.rand.chance(COMPOSED):
        return flow(asking, lengths[0])
    return written_chain(asking, scenario, lengths)


def flow(asking: Asking, length: int) -> Request | None:
    """A chain of two or three calls; None where the tools at hand, or this world's phrases, make none."""
    rand = asking.rand
    steps = _steps(asking, length)
    if not steps:
        return None
    links = phrases(asking.world, "links")
    first = steps[0][0].tool
    clauses = [asking.write(rand.pick(asking.skills[first].sections["clause"]), first)]
    tools: list[str] = [first]
    binds: list[tuple[int, str, int, str]] = []
    for number, (gives, (taker, name)) in enumerate(steps, 1):
        clauses.append(_after(asking, links[f"it {gives.kind}"], taker, name))
        tools.append(taker)
        binds.append((number, name, tools.index(gives.tool), gives.fact))
    given = {i: dict(clause.values) for i, clause in enumerate(clauses)}
    scenario = "multi_tool_sequential" if length == 2 else "complex_multi_step"
    worded: Worded
    parts: tuple[range, ...] = (range(length),)
    if length == 2 and rand.chance(LATER):
        later = _joined(asking, rand.pick(links["later"]), {"next": clauses[1]})
        worded = ((wrap(clauses[0], asking), {0: given[0]}), (later, {1: given[1]}))
        parts = (range(1), range(1, 2))
    else:
        template = rand.pick(links["then"] if length == 2 else links["then three"])
        names = ("first", "next", "last")[:length]
        text = _joined(asking, template, dict(zip(names, clauses, strict=True)))
        if template[0] == Slot("first") and rand.chance(0.4):  # others begin with words of their own
            text = wrap(text, asking)
        worded = ((text, given),)
    return chained(asking, Chain(tuple(tools), parts, frozenset(), tuple(binds), ()), scenario, worded)


def _steps(asking: Asking, length: int) -> list[tuple[Gives, tuple[str, str]]]:
    """What each later step is given, and the tool and argument that take it; no tool is used twice."""
    rand = asking.rand
    tools: list[str] = []
    steps: list[tuple[Gives, tuple[str, str]]] = []
    while len(steps) < length - 1:
        # "It" is what the last step gave, or, where that gave nothing (a file was saved), the one before.
        found = _uses(asking, tools[-1:] or asking.names, tools) or _uses(asking, tools, tools)
        if not found:
            return []
        giver = rand.pick(sorted({gives.tool for gives, _ in found}))
        step = rand.pick([use for use in found if use[0].tool == giver])
        tools += [step[1][0]] if tools else [giver, step[1][0]]
        steps.append(step)
    return steps


def _uses(asking: Asking, givers: Sequence[str], used: Sequence[str]) -> list[tuple[Gives, tuple[str, str]]]:
    return [
        (gives, (taker, name))
        for gives in GIVES
        for taker, name in gives.takers
        if gives.tool in givers
        and taker in asking.skills
        and taker not in used
        and f"after {name}" in asking.skills[taker].sections
    ]


def _after(asking: Asking, names: Section, taker: str, argument: str) -> Text:
    """An instruction for `taker` in which `argument` is spoken of as what came before."""
    rand = asking.rand
    fill = asking.fill(taker)
    it = asking.say(names)
    text = Text()
    template = rand.pick(asking.skills[taker].sections[f"after {argument}"])
    write(template, rand, lambda slot: (None, it) if slot == "it" else fill(slot), text)
    text.values.pop("it", None)
    return text


def _joined(asking: Asking, template: Template, clauses: Mapping[str, Text]) -> Text:
    """A template with its instructions written in; they keep their values to themselves."""
    text = Text()
    for part in template:
        if isinstance(part, Slot):
            text.extend(clauses[part.name])
        else:
            write((part,), asking.rand, asking.fill(""), text)
    return text
