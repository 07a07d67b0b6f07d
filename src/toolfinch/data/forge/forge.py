"""Endless conversations over tools that nobody has seen: what a base model learns to call tools from.

    for conversation in forge(10_000, seed=1): ...

Each conversation invents its tools (`invent.py`, over `domains.txt`), offers 1 to 14 of them with siblings
and strangers among them, and plays 1 to 8 episodes (`episodes.py`): calls, parallel and chained calls,
missing values asked for, requests that no tool fits, failures, small talk, questions already answered. Gold
calls are valid against their schemas and every value is in the conversation or follows from it. The i-th
conversation of a seed is always the same, whatever `n` is.

Left out: tools that run (`toolbox/`), hand-written requests for them (`data/synthesize`), any language but
English, and results that depend on the arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

from toolfinch.data.forge import lexicon
from toolfinch.data.forge.domains import DOMAINS, OBJECTS, Object
from toolfinch.data.forge.episodes import EPISODES, thanking
from toolfinch.data.forge.invent import compound, invent, style
from toolfinch.data.forge.names import brand, coined, pick
from toolfinch.data.forge.spec import Spec
from toolfinch.data.forge.talk import Talk, first_day
from toolfinch.data.forge.values import Today, say_date
from toolfinch.example import Conversation, expected

_SIZES = (1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 8, 9, 10, 10, 11, 12, 14)
_LENGTHS = (1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 8)
_DRAWS = tuple(episode for episode, weight in EPISODES for _ in range(weight))


def forge(n: int, *, seed: int) -> Iterator[Conversation]:
    """`n` conversations; the same ones for the same seed."""
    for i in range(n):
        yield conversation(seed, i)


def conversation(seed: int, index: int) -> Conversation:
    """The conversation of a seed at an index."""
    rng = Random(f"forge {seed} {index}")
    specs = toolset(rng, pick(rng, _SIZES))
    confirms = rng.random() < 0.14
    today, rules = _setting(rng, confirms=confirms)
    talk = Talk(rng, specs, today, rules, confirms=confirms)
    wanted = pick(rng, _LENGTHS)
    done = 0
    tried = 0
    while done < wanted:
        # The first few draws may not suit the tools; a plain single call always does.
        episode = pick(rng, _DRAWS) if tried < 20 else _DRAWS[0]
        tried += 1
        done += episode(talk)
    if rng.random() < 0.07:
        thanking(talk)
    return Conversation(
        id=f"forge-{seed}-{index}",
        tools=tuple(s.tool for s in specs),
        messages=tuple(talk.messages),
        scenario=_scenario(talk),
        source=f"forge seed {seed} index {index}",
        marks=talk.marks,
    )


def toolset(rng: Random, size: int) -> list[Spec]:
    """`size` tools of different names and purposes: siblings on one object, neighbours, strangers."""
    specs: list[Spec] = []
    names: set[str] = set()
    purposes: set[tuple[str, str]] = set()
    shared = style(rng)
    mixed = rng.random() < 0.25
    obj = _subject(rng)
    while len(specs) < size:
        actions = list(obj.actions)
        rng.shuffle(actions)
        wanted = pick(rng, (1, 2, 2, 3, 3, 4))
        for action in actions[: min(wanted, size - len(specs))]:
            spec = invent(rng, obj, action, style(rng) if mixed else shared)
            if spec.tool.name not in names and spec.purpose not in purposes:
                names.add(spec.tool.name)
                purposes.add(spec.purpose)
                specs.append(spec)
        obj = (
            pick(rng, DOMAINS[obj.domain]) if rng.random() < 0.4 and obj.domain in DOMAINS else _subject(rng)
        )
    rng.shuffle(specs)
    return specs


def _subject(rng: Random) -> Object:
    return pick(rng, OBJECTS) if rng.random() < 0.72 else compound(rng)


def _setting(rng: Random, *, confirms: bool) -> tuple[Today, str]:
    """The conversation's date and its system line, which may be empty."""
    day = first_day(rng)
    parts: list[str] = []
    told = rng.random() < 0.6
    weekday = told and rng.random() < 0.6
    if rng.random() < 0.25:
        parts.append(
            pick(rng, lexicon.SYSTEMS).replace("{b}", brand(rng)).replace("{x}", coined(rng).capitalize())
        )
    if told:
        shown = day.isoformat() if rng.random() < 0.7 else say_date(rng, day, year=True)
        if weekday:
            name = lexicon.WEEKDAYS[day.weekday()]
            shown = pick(rng, (f"{name}, {shown}", f"{shown} ({name})", f"{name} {shown}"))
        parts.append(pick(rng, lexicon.TODAYS).replace("{d}", shown))
    if confirms:
        parts.append(pick(rng, lexicon.CONFIRM_RULES))
    return Today(day, told, weekday), " ".join(parts)


def _scenario(talk: Talk) -> str:
    """The scenario of all calls where they agree."""
    seen = {mark.scenario for mark in talk.marks.values() if mark.kind == "call"}
    if not seen:
        return "no_tool_needed"
    return seen.pop() if len(seen) == 1 else "complex_multi_step"


def census(conversations: Iterable[Conversation]) -> dict[str, float]:
    """What a batch is made of: distinct tools, decisions by kind (all, and those right after the user's
    turn, where calling is the question), and mean characters of a conversation's messages and tools."""
    tools: set[str] = set()
    after_user: Counter[str] = Counter()
    decisions: Counter[str] = Counter()
    total = characters = tool_count = tool_characters = 0
    for one in conversations:
        total += 1
        tool_count += len(one.tools)
        for tool in one.tools:
            shown = f"{tool.name} {tool.description} {tool.parameters}"
            tools.add(shown)
            tool_characters += len(shown)
        for i, message in enumerate(one.messages):
            characters += len(message.content) + sum(len(f"{c.name}{c.arguments}") for c in message.calls)
            if message.role == "assistant":
                kind = expected(message, one.marks[i]).kind
                decisions[kind] += 1
                if one.messages[i - 1].role == "user":
                    after_user[kind] += 1
    asked = sum(after_user.values())
    return {
        "conversations": total,
        "distinct_tools": len(tools),
        "tools_each": tool_count / total,
        "tool_characters_each": tool_characters / total,
        "message_characters_each": characters / total,
        "decisions_each": decisions.total() / total,
        **{f"share_{kind}": count / asked for kind, count in sorted(after_user.items())},
        **{f"share_of_all_{kind}": count / decisions.total() for kind, count in sorted(decisions.items())},
    }
