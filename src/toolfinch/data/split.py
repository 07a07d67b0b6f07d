"""Divides conversations between train, validation and test, with no group on two sides.

A group is what shares a key (by default each conversation is its own) or opens almost the same way, so that
a repeated or templated conversation cannot be trained on and tested on. Which side a group goes to depends on
its hash and the seed alone, not on the order of the file. Left out: splitting by time, and near-duplicates
that open differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from toolfinch.errors import UsageError
from toolfinch.example import Conversation

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}

OPENING = 40
"""Characters of the user's words that make an opening: a bare greeting joins nobody."""

_NOT_WORDS = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\d+")


def by_id(conversation: Conversation) -> str:
    return conversation.id


class Facts(NamedTuple):
    """What a split has to know of a conversation."""

    group: str
    opening: str
    """"" where there are no words."""


def look(conversation: Conversation) -> Facts:
    return Facts(by_id(conversation), opening(conversation))


def check(fractions: Mapping[str, float]) -> None:
    """Raises UsageError for fractions that are negative or do not add up to 1."""
    if any(fraction < 0 for fraction in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        shown = ", ".join(f"{side} {fraction:g}" for side, fraction in fractions.items())
        raise UsageError(f"split: fractions must be 0 or more and add up to 1, got {shown}")


def sides(facts: Mapping[str, Facts], fractions: Mapping[str, float], *, seed: int = 0) -> dict[str, str]:
    """The side of each conversation, by its id.

    The largest groups are placed first, each where most is still missing, so the sides have the sizes asked
    for to within one group of the smallest size. Raises what `check` raises.
    """
    check(fractions)
    groups = _groups(facts)
    missing = {side: fraction * len(facts) for side, fraction in fractions.items() if fraction}
    side_of: dict[str, str] = {}
    for key in sorted(groups, key=lambda key: (-len(groups[key]), _hash(key, seed))):
        side = max(missing, key=missing.__getitem__)
        missing[side] -= len(groups[key])
        side_of.update(dict.fromkeys(groups[key], side))
    return side_of


def split(
    conversations: Sequence[Conversation],
    fractions: Mapping[str, float] = FRACTIONS,
    *,
    seed: int = 0,
    group: Callable[[Conversation], str] = by_id,
) -> dict[str, list[Conversation]]:
    """The conversations of each side, in the order given; see `sides`. Each has an id of its own."""
    facts = {one.id: Facts(group(one), opening(one)) for one in conversations}
    side_of = sides(facts, fractions, seed=seed)
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
    """Ids by group. What shares a key or an opening, directly or through others, is one group."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while (above := parent.setdefault(key, key)) != key:
            parent[key] = parent[above]
            key = above
        return key

    for fact in facts.values():
        if fact.opening:
            # The smaller name is the root, so that the order of the file does not matter.
            first, second = sorted((root(f"group {fact.group}"), root(f"opening {fact.opening}")))
            parent[second] = first
    groups: dict[str, list[str]] = {}
    for id, fact in facts.items():
        groups.setdefault(root(f"group {fact.group}"), []).append(id)
    return groups


def _hash(key: str, seed: int) -> bytes:
    return blake2b(f"{seed} {key}".encode(), digest_size=16).digest()
