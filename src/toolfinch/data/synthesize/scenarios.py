"""Single, parallel, chained and needless requests; each function writes one `Request`.

Gold is known by construction: a template's slots are the arguments, a chain says which result feeds which
argument. No result is ever invented in an answer: answers are filled from facts. Errors are in `recover.py`,
deductions in `reason.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from toolfinch.data.synthesize.grammar import Slot, Template, Text, World, phrases, roughen, write
from toolfinch.data.synthesize.request import Asking, Call, Request, Said, Turn
from toolfinch.data.synthesize.samplers import sample


def answer(calls: Sequence[Call], asking: Asking) -> Said:
    """What the assistant says after successful calls: one grounded sentence each."""
    return Said("say", " ".join(sentence(call, asking) for call in calls))


def sentence(call: Call, asking: Asking) -> str:
    """One result in words. Never ends with a question mark: that would be asking."""
    sections = asking.known[call.tool].sections
    section = sections["answer"]
    for name in ("days", "append"):
        if call.args.get(name):
            section = sections.get(f"answer {name}", section)
    shown = {**call.args, **{f"r.{fact}": value for fact, value in call.result.facts.items()}}
    text = asking.say(section, shown)
    return text if text[-1] in '.!"' else text + "."


def ask_for(tool: str, asking: Asking) -> Text:
    """A whole request for one call of a tool: a standing sentence or a wrapped instruction."""
    rand = asking.rand
    sections = asking.known[tool].sections
    if rand.chance(0.55) and "request" in sections:
        return asking.write(rand.pick(sections["request"]), tool)
    return wrap(asking.write(rand.pick(sections["clause"]), tool), asking)


def wrap(clause: Text, asking: Asking) -> Text:
    """An instruction inside one of the ways to ask for something.

    A clause that ends with a bare value of several words stays at the end: nobody could say where the value
    stops.
    """
    template = asking.rand.pick(asking.shared("common", "wrap"))
    if clause.pieces and clause.fixed[-1] and " " in clause.pieces[-1]:
        while template[-1] != Slot("clause"):
            template = asking.rand.pick(asking.shared("common", "wrap"))
    return insert(template, clause, asking, capital=asking.rand.chance(0.35))


def insert(template: Template, clause: Text, asking: Asking, *, capital: bool = False) -> Text:
    """A template with `<clause>` replaced by a text; the text's values are kept."""
    out = Text()
    for part in template:
        if part == Slot("clause"):
            out.extend(clause, capital=capital and not out.pieces)
        else:
            write((part,), asking.rand, asking.fill(""), out)
    return out


def single_tool(asking: Asking) -> Request:
    tool = asking.rand.pick(asking.names)
    text = ask_for(tool, asking)
    call = asking.call(tool, text.values)
    return Request("single_tool", (asking.typed(text), (call,), answer([call], asking)))


def multi_tool_parallel(asking: Asking) -> Request:
    """Independent calls in one turn: one tool for several values, or several instructions."""
    rand = asking.rand
    several = [
        (tool, section)
        for tool in asking.names
        for section in asking.skills[tool].sections
        if section.startswith("multi")
    ]
    calls: list[Call] = []
    if several and rand.chance(0.3):
        tool, section = rand.pick(several)
        text = asking.write(rand.pick(asking.skills[tool].sections[section]), tool)
        many = next(name for name, value in text.values.items() if isinstance(value, list))
        calls = [asking.call(tool, {**text.values, many: value}) for value in text.values[many]]
    else:
        count = rand.pick((2, 2, 2, 3))
        tools = rand.sample(asking.names, count) if rand.chance(0.85) else [rand.pick(asking.names)] * count
        text = Text()
        for i, tool in enumerate(tools):
            clause = asking.write(rand.pick(asking.skills[tool].sections["clause"]), tool)
            call = asking.call(tool, clause.values)
            if any(call[:2] == other[:2] for other in calls):
                continue
            if i:
                text.extend(asking.write(rand.pick(asking.shared("common", "join"))))
                text.add(" ")
            text.extend(clause)
            calls.append(call)
        if rand.chance(0.5):
            text = wrap(text, asking)
    return Request("multi_tool_parallel", (asking.typed(text), tuple(calls), answer(calls, asking)))


class Chain(NamedTuple):
    """Tools by step, which fact of which step gives which argument, and the ways to ask for it."""

    tools: tuple[str, ...]
    parts: tuple[range, ...]
    """The steps that each of the user's messages asks for."""
    together: frozenset[int]
    """Steps that are called in the same turn as the step before."""
    binds: tuple[tuple[int, str, int, str], ...]
    templates: tuple[Template, ...]


@cache
def chains(world: World) -> tuple[Chain, ...]:
    """The chains of a world, as `chains.txt` declares them."""
    found = []
    for head, templates in phrases(world, "chains").items():
        plan, _, binding = head.partition("|")
        tools: list[str] = []
        together: set[int] = set()
        parts: list[range] = []
        for part in plan.split(">>"):
            first = len(tools)
            for stage in part.split(">"):
                for i, name in enumerate(stage.split("+")):
                    if i:
                        together.add(len(tools))
                    tools.append(name.strip())
            parts.append(range(first, len(tools)))
        binds = []
        for bind in binding.split():
            (step, name), (giver, fact) = (side.split(".") for side in bind.split("="))
            binds.append((int(step) - 1, name, int(giver) - 1, fact))
        found.append(Chain(tuple(tools), tuple(parts), frozenset(together), tuple(binds), templates))
    return tuple(found)


Worded = Sequence[tuple[Text, dict[int, dict[str, Any]]]]
"""What the user says for each part of a chain, and the arguments that the words give, by step."""


def chained(asking: Asking, chain: Chain, scenario: str, worded: Worded = ()) -> Request:
    """A request whose later calls use earlier results. With `>>`, the user asks for the rest afterwards.

    The words are the chain's own templates' unless `worded` has them, part by part.
    """
    calls: list[Call] = []
    turns: list[Turn] = []
    for number, part in enumerate(chain.parts):
        if worded:
            text, given = worded[number]
        elif number < len(chain.parts) - 1:
            text = ask_for(chain.tools[part[0]], asking)
            given = {part[0]: text.values}
        else:
            text, given = _steps(asking, chain)
        turns.append(asking.typed(text))
        for step in part:
            args = given.setdefault(step, {})
            for target, name, giver, fact in chain.binds:
                if target == step:
                    source = calls[giver]
                    args[name] = (
                        source.result.facts[fact] if fact in source.result.facts else source.args[fact]
                    )
            calls.append(asking.call(chain.tools[step], args))
            if step in chain.together:
                turns[-1] = (*turns[-1], calls[-1])
            else:
                turns.append((calls[-1],))
        told = part[0] if chain.together else part[-1] - (len(part) > 2)
        turns.append(answer(calls[told:], asking))
    later = (2, scenario) if len(chain.parts) > 1 else (99, "")
    return Request("single_tool" if len(chain.parts) > 1 else scenario, tuple(turns), later=later)


def _steps(asking: Asking, chain: Chain) -> tuple[Text, dict[int, dict[str, Any]]]:
    """The words for a chain, and the arguments that they give by step."""

    def fill(slot: str) -> tuple[Any, str]:
        step, _, name = slot.rpartition(".")
        return asking.fill(chain.tools[int(step) - 1] if step else "")(name)

    text = write(asking.rand.pick(chain.templates), asking.rand, fill, Text())
    given: dict[int, dict[str, Any]] = {}
    for slot, value in text.values.items():
        step, _, name = slot.rpartition(".")
        given.setdefault(int(step) - 1, {})[name] = value
    return text, given


def written_chain(asking: Asking, scenario: str, lengths: range) -> Request | None:
    """One of the chains that are written out as a whole."""
    found = [c for c in chains(asking.world) if len(c.tools) in lengths and set(c.tools) <= set(asking.names)]
    return chained(asking, asking.rand.pick(found), scenario) if found else None


def no_tool_needed(asking: Asking) -> Request | None:
    way = asking.rand.weighted(
        ((chat, 2.6), (impossible, 1.4), (removed, 2.6), (missing, 3.0), (recall, 0.7), (cancelled, 0.5))
    )
    return way(asking)


def chat(asking: Asking) -> Request:
    """Talk: nothing to call."""
    rand = asking.rand
    memo: dict[str, tuple[Any, str]] = {}

    def fill(slot: str) -> tuple[Any, str]:
        if slot not in memo:
            memo[slot] = sample("city" if slot == "city2" else slot, rand, asking.world)
        return memo[slot]

    section = asking.shared("chat", "thanks" if rand.chance(0.2) else "chat")
    said, _, reply = str(write(rand.pick(section), rand, fill, Text())).partition(" => ")
    user = Text()
    user.add(said)
    absent = frozenset({"web_search"}) if said.endswith("?") else frozenset()
    return Request("no_tool_needed", (roughen(user, rand), Said("say", reply)), absent)


def decline(asking: Asking) -> Said:
    return Said("decline", asking.say(asking.shared("common", "decline")))


def impossible(asking: Asking) -> Request | None:
    """Something that no tool here does."""
    clause = asking.write(asking.rand.pick(asking.shared("chat", "impossible")))
    asked = set(str(clause).lower().split())
    if any(asked & matters(skill.tool.name, skill.tool.description) for skill in asking.known.values()):
        return None
    return Request("no_tool_needed", (roughen(wrap(clause, asking), asking.rand), decline(asking)))


@cache
def matters(name: str, description: str) -> frozenset[str]:
    """The words that say what a tool is about."""
    text = "".join(c if c.isalnum() else " " for c in f"{name} {description}").lower()
    return frozenset(word for word in text.split() if len(word) > 3)


def removed(asking: Asking) -> Request | None:
    """The tool that could do it is not offered, nor one that could stand in."""
    if len(asking.known) < 2:
        return None
    tool = asking.rand.pick(tuple(asking.known))
    skill = asking.known[tool]
    lacking = [section for section in skill.sections if section.startswith("missing ")]
    if lacking and asking.rand.chance(0.15):  # there is nothing to ask for: no answer would help
        text = asking.write(asking.rand.pick(skill.sections[asking.rand.pick(lacking)]), tool)
    else:
        text = ask_for(tool, asking)
    absent = skill.substitutes | {tool}
    return Request("no_tool_needed", (asking.typed(text), decline(asking)), absent)


def recall(asking: Asking) -> Request:
    """The user did not catch the answer: it is said again, and nothing is called twice."""
    rand = asking.rand
    tool = rand.pick(asking.names)
    text = ask_for(tool, asking)
    call = asking.call(tool, text.values)
    said = answer([call], asking)
    again = asking.say(asking.shared("common", "recall"))
    turns = (asking.typed(text), (call,), said, again, said)
    return Request("single_tool", turns, later=(4, "no_tool_needed"))


def cancelled(asking: Asking) -> Request:
    """The user takes the request back within the message: nothing is called."""
    rand = asking.rand
    tool = rand.pick(asking.names)
    clause = asking.write(rand.pick(asking.skills[tool].sections["clause"]), tool)
    text = insert(rand.pick(asking.shared("common", "cancelled")), clause, asking)
    said = Said("say", asking.say(asking.shared("common", "all right")))
    return Request("no_tool_needed", (roughen(text, rand), said))


def missing(asking: Asking) -> Request | None:
    """A required argument is not in the request: ask, and go on when the user answers."""
    rand = asking.rand
    pairs = [
        (tool, section.partition(" ")[2])
        for tool, skill in asking.skills.items()
        for section in skill.sections
        if section.startswith("missing ")
    ]
    if not pairs:
        return None
    tool, name = rand.pick(pairs)
    sections = asking.skills[tool].sections
    text = asking.write(rand.pick(sections[f"missing {name}"]), tool)
    turns: list[Turn] = [asking.typed(text), Said("ask", asking.say(sections[f"ask {name}"], text.values))]
    if rand.chance(0.6):
        reply = asking.write(rand.pick(sections[f"reply {name}"]), tool)
        call = asking.call(tool, {**text.values, **reply.values})
        turns += [asking.typed(reply), (call,), answer([call], asking)]
    return Request("no_tool_needed", tuple(turns), later=(2, "single_tool"), present=frozenset({tool}))
