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

from toolfinch.errors import UsageError
from toolfinch.example import Conversation

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}

OPENING = 40
"""Characters of the user's words that make an opening: a bare greeting joins nobody."""

_NOT_WORDS = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\d+")


def by_id(conversation: Conversation) -> str:
    return conversation.id


def split(
    conversations: Sequence[Conversation],
    fractions: Mapping[str, float] = FRACTIONS,
    *,
    seed: int = 0,
    group: Callable[[Conversation], str] = by_id,
) -> dict[str, list[Conversation]]:
    """The conversations of each side, in the order given.

    The largest groups are placed first, each where most is still missing, so the sides have the sizes asked
    for to within one group of the smallest size. Raises UsageError for fractions that are negative or do not
    add up to 1.
    """
    if any(fraction < 0 for fraction in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        shown = ", ".join(f"{side} {fraction:g}" for side, fraction in fractions.items())
        raise UsageError(f"split: fractions must be 0 or more and add up to 1, got {shown}")
    groups = _groups(conversations, group)
    missing = {side: fraction * len(conversations) for side, fraction in fractions.items() if fraction}
    side_of: dict[int, str] = {}
    for key in sorted(groups, key=lambda key: (-len(groups[key]), _hash(key, seed))):
        side = max(missing, key=missing.__getitem__)
        missing[side] -= len(groups[key])
        side_of.update(dict.fromkeys(groups[key], side))
    sides: dict[str, list[Conversation]] = {side: [] for side in fractions}
    for index, one in enumerate(conversations):
        sides[side_of[index]].append(one)
    return sides


def opening(conversation: Conversation) -> str:
    """The user's first words, without case, punctuation and numbers, and the tools' names; "" if no words."""
    words = ""
    for message in conversation.messages:
        if message.role == "user" and len(words) < OPENING:
            words += " " + _DIGITS.sub("0", _NOT_WORDS.sub(" ", message.content.casefold())).strip()
    if not words.strip():
        return ""
    return "\n".join((words.strip(), *sorted(tool.name for tool in conversation.tools)))


def _groups(
    conversations: Sequence[Conversation], group: Callable[[Conversation], str]
) -> dict[str, list[int]]:
    """Indices by group. What shares a key or an opening, directly or through others, is one group."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while (above := parent.setdefault(key, key)) != key:
            parent[key] = parent[above]
            key = above
        return key

    keys = [f"group {group(one)}" for one in conversations]
    for key, one in zip(keys, conversations, strict=True):
        if words := opening(one):
            # The smaller name is the root, so that the order of the file does not matter.
            first, second = sorted((root(key), root(f"opening {words}")))
            parent[second] = first
    groups: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(root(key), []).append(index)
    return groups


def _hash(key: str, seed: int) -> bytes:
    return blake2b(f"{seed} {key}".encode(), digest_size=16).digest()
