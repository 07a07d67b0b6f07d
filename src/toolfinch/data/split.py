"""Divides conversations between train, validation and test, with no group on two sides.

A group is what is a part of one session or opens almost the same way, and with `templates` also what says almost the
same, so that a repeated or templated conversation cannot be trained on and tested on. Which side a group goes to
depends on its hash and the seed alone, not on the order of the file; `by` may say instead that the latest are tested
on, or that some tools are called nowhere but in the test. Left out: groups by person, which a log does not name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Literal, NamedTuple

from toolfinch.data.curate.decisions import session
from toolfinch.errors import UsageError
from toolfinch.example import Conversation

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
TEST = "test"
"""The side that held-out tools go to."""

By = Literal["chance", "time", "tool"]

OPENING = 40
"""Characters of the user's words that make an opening: a bare greeting joins nobody."""
TEMPLATE = 0.7
"""Estimated Jaccard similarity of all that is said from which on two conversations are of one template."""
OVER = 1.5
"""Of what a side still wants, a group or a tool may bring so much; a larger one goes elsewhere."""

_NOT_WORDS = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\d+")


class Facts(NamedTuple):
    """What a split has to know of a conversation."""

    group: str
    opening: bytes = b""
    """A digest; empty where there are no words."""
    time: str = ""
    tools: tuple[str, ...] = ()
    """The names of those that are called."""
    words: bytes = b""
    """A sketch of what is said, as `near` makes it; empty where templates are not looked for."""


def look(
    conversation: Conversation, *, templates: bool = False, group: Callable[[Conversation], str] = session
) -> Facts:
    """Raises MissingDependency where templates are looked for and rensa is not installed."""
    called = {call.name for message in conversation.messages for call in message.calls}
    words = b""
    if templates:
        from toolfinch.data.curate import near  # it needs rensa

        words = near.sketch(conversation).words
    opens = opening(conversation)
    return Facts(
        group(conversation),
        _hash(opens, 0)[:8] if opens else b"",
        conversation.time,
        tuple(sorted(called)),
        words,
    )


def check(fractions: Mapping[str, float], by: By = "chance") -> None:
    """Raises UsageError for fractions that are negative or do not add up to 1, or leave no test for held-out tools."""
    if any(fraction < 0 for fraction in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        shown = ", ".join(f"{side} {fraction:g}" for side, fraction in fractions.items())
        raise UsageError(f"split: fractions must be 0 or more and add up to 1, got {shown}")
    if by == "tool" and not 0 < fractions.get(TEST, 0) < 1:
        raise UsageError("split: to hold out tools, the test part must be more than 0 and less than 1")


def sides(
    facts: Mapping[str, Facts], fractions: Mapping[str, float], *, seed: int = 0, by: By = "chance"
) -> dict[str, str]:
    """The side of each conversation, by its id.

    By `chance` the largest groups are placed first, each where most is still missing, so the sides have the sizes asked
    for to within one group of the smallest size. By `time` the latest groups go to the last of the sides. By `tool`
    the test holds every group that calls one of the tools that the seed picks, so none of the others does; those may
    still be offered there. Raises what `check` raises, and UsageError where no time is known or fewer than two tools
    are called.
    """
    check(fractions, by)
    groups = _groups(facts)
    order = sorted(groups, key=lambda key: (-len(groups[key]), _hash(key, seed)))
    wanted = {side: fraction * len(facts) for side, fraction in fractions.items() if fraction}
    placed: dict[str, str] = {}  # groups
    if by == "time":
        placed = _latest(groups, facts, wanted, seed)
    elif by == "tool":
        placed = dict.fromkeys(_holding(groups, facts, wanted.pop(TEST), seed), TEST)
        rest = len(facts) - sum(len(groups[key]) for key in placed)
        share = sum(wanted.values())
        wanted = {side: size * rest / share for side, size in wanted.items()}
    for key in order:
        if key not in placed:
            placed[key] = max(wanted, key=wanted.__getitem__)
            wanted[placed[key]] -= len(groups[key])
    return {id: placed[key] for key, ids in groups.items() for id in ids}


def _latest(
    groups: Mapping[str, list[str]], facts: Mapping[str, Facts], wanted: Mapping[str, float], seed: int
) -> dict[str, str]:
    """The side of every group: a group is as late as its latest conversation."""
    if facts and not any(fact.time for fact in facts.values()):
        raise UsageError("split: by time, and no conversation has one", hint="leave out split.by")
    latest = {key: max(facts[id].time for id in ids) for key, ids in groups.items()}
    missing = dict(wanted)
    first, *later = missing
    placed = {}
    for key in sorted(groups, key=lambda key: (latest[key], _hash(key, seed)), reverse=True):
        size = len(groups[key])
        fits = (
            side for side in reversed(later) if missing[side] > 0 and size <= max(1, OVER * missing[side])
        )
        placed[key] = next(fits, first)
        missing[placed[key]] -= size
    return placed


def _holding(
    groups: Mapping[str, list[str]], facts: Mapping[str, Facts], wanted: float, seed: int
) -> set[str]:
    """The groups that call a tool which is held out; about as many conversations as are wanted."""
    calling: defaultdict[str, set[str]] = defaultdict(set)
    for key, ids in groups.items():
        for id in ids:
            for tool in facts[id].tools:
                calling[tool].add(key)

    def size(keys: set[str]) -> int:
        return sum(len(groups[key]) for key in keys)

    if len(calling) < 2:
        raise UsageError("split: by tool, and fewer than two tools are called", hint="leave out split.by")
    held: set[str] = set()
    for tool in sorted(calling, key=lambda tool: _hash(tool, seed)):
        if size(held | calling[tool]) <= OVER * wanted:
            held |= calling[tool]
        if size(held) >= wanted:
            break
    if not held:  # every tool is called too often: the rarest one
        held = min(calling.values(), key=lambda keys: (size(keys), _hash(min(keys), seed)))
    if size(held) == len(facts):
        raise UsageError(
            "split: by tool, and every conversation calls the same ones or is like one that does"
        )
    return held


def split(
    conversations: Sequence[Conversation],
    fractions: Mapping[str, float] = FRACTIONS,
    *,
    seed: int = 0,
    group: Callable[[Conversation], str] = session,
    by: By = "chance",
    templates: bool = False,
) -> dict[str, list[Conversation]]:
    """The conversations of each side, in the order given; see `sides`. Each has an id of its own."""
    facts = {one.id: look(one, templates=templates, group=group) for one in conversations}
    side_of = sides(facts, fractions, seed=seed, by=by)
    divided: dict[str, list[Conversation]] = {side: [] for side in fractions}
    for one in conversations:
        divided[side_of[one.id]].append(one)
    return divided


def opening(conversation: Conversation) -> str:
    """The user's first words, without case, punctuation and numbers, and the tools' names; "" if no words."""
    words = ""
    for message in conversation.messages:
        if message.role == "user" and len(words) < OPENING:
            words += " " + _DIGITS.sub("0", _NOT_WORDS.sub(" ", message.content.casefold())).strip()
    if not words.strip():
        return ""
    return "\n".join((words.strip(), *sorted(tool.name for tool in conversation.tools)))


def _groups(facts: Mapping[str, Facts]) -> dict[str, list[str]]:
    """Ids by group. What shares a key, an opening or a template, directly or through others, is one group."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while (above := parent.setdefault(key, key)) != key:
            parent[key] = parent[above]
            key = above
        return key

    def join(one: str, other: str) -> None:
        # The smaller name is the root, so that the order of the file does not matter.
        first, second = sorted((root(one), root(other)))
        parent[second] = first

    for fact in facts.values():
        if fact.opening:
            join(f"group {fact.group}", f"opening {fact.opening.hex()}")
    for id, first in _templates(facts).items():
        join(f"group {facts[id].group}", f"group {facts[first].group}")
    groups: dict[str, list[str]] = {}
    for id in sorted(facts):
        groups.setdefault(root(f"group {facts[id].group}"), []).append(id)
    return groups


def _templates(facts: Mapping[str, Facts]) -> dict[str, str]:
    """By id, the first of those that say almost the same, whatever they do."""
    told = {id: fact.words for id, fact in facts.items() if fact.words}
    if not told:
        return {}
    from toolfinch.data.curate import near  # it reads tools and outcomes, which nothing else here does

    return near.groups({id: near.Sketch(bytes(8), words) for id, words in told.items()}, TEMPLATE)


def _hash(key: str, seed: int) -> bytes:
    return blake2b(f"{seed} {key}".encode(), digest_size=16).digest()
