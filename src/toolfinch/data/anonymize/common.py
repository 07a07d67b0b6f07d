"""Words that are also names, and whether one of them is meant as a name where it stands."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_DOES = re.compile(
    r" (?:said|says|asked|asks|wants|wanted|told|tells|thinks|thought|knows|knew|wrote|writes|replied|answered"
    r"|agreed|prefers|likes|lives|called)\b"
)
"""What somebody does who has just been named: `Will said`. Not what a thing does, too: `Bill is due`."""
_INTERJECTIONS = frozenset(
    "well right good fine perfect welcome just even still first second next true clear best look see say look hail "
    "last then soon late early long little more most great sweet cool nice smart wise".split()
)
"""Words with which a sentence begins, and that a comma may follow."""
_BEFORE_PLACES = frozenset(
    "in on of by since until till from this last next early mid late through during every near around at the to".split()
)
_WORD_BEFORE = re.compile(r"([^\W_]*)([^\w]*)$")
EDGES = "\"'`\x1f\\"
"""What a text is taken to end at, beside its end: quotes, and what the gate joins strings with."""


@functools.cache
def lists() -> dict[str, frozenset[str]]:
    """The three lists of common.txt: `words`, `capitalised`, `never alone`."""
    found: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("common.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            words = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            words += line.split()
    return {name: frozenset(words) for name, words in found.items()}


def is_common(word: str) -> bool:
    """Of letters that are folded."""
    return word in _all()


@functools.cache
def _all() -> frozenset[str]:
    return frozenset().union(*lists().values())


def never_alone(word: str) -> bool:
    return word in lists()["never alone"]


def capitalised(word: str) -> bool:
    """Written as names are: `Will`, but neither `will` nor `WILL`."""
    return word[:1].isupper() and not word[1:].isupper() and (len(word) == 1 or word[1:2].islower())


_NAMES_SOMEONE = re.compile(
    r"(?:(?:first|last|full|given|family|sur|user|nick|display|contact|customer|client|recipient|sender|employee"
    r"|patient|guest|member|author|owner)[ _-]?name|user|login|handle|assignee|assigned[ _-]?to|owner|author|reporter"
    r"|reviewer|approver|recipient|sender|employee|manager|attendees?|participants?|created[ _-]?by|updated[ _-]?by)"
    r"[\"'\\]*\s{0,3}[:=\x1f]\s{0,3}[\[\"'\\]*@?$",
    re.IGNORECASE,
)
"""A key and what stands between it and its value."""
_LONGEST_KEY = 32


def in_field(text: str, begin: int, end: int) -> bool:
    """Whether the word at that place is all that stands behind a key that names someone: `"assignee": "will"`."""
    after = text[end : end + 1]
    return (not after or after in EDGES or after in ",\n}") and (
        _NAMES_SOMEONE.search(text[max(0, begin - _LONGEST_KEY) : begin]) is not None
    )


def meant(text: str, begin: int, end: int) -> bool:
    """Whether the word at that place, a common or a very short one, is written as a name, or names someone by its key.

    It has to be capitalised, and not because it begins a sentence; there it is one if somebody then does something
    (`Will said`), is spoken to (`Mark, can you`) or owns something. Months, days and places may not follow a
    preposition (`in March`), nor stand beside a number.
    """
    word = text[begin:end]
    if in_field(text, begin, end):
        return True
    if not capitalised(word):
        return False
    before, after = text[max(0, begin - 32) : begin], text[end : end + 16]
    if after[:2] in ("'s", "’s"):
        return True
    always = word.lower() in lists()["capitalised"]
    if (not before or before[-1] in EDGES) and (not after or after[0] in EDGES):
        return not always
    match = _WORD_BEFORE.search(before)
    assert match is not None  # both groups may be empty
    previous, gap = match.groups()
    if (
        not previous or gap.strip(" ,") or "\n" in gap
    ):  # begins a text, a sentence, a line, what is in brackets
        spoken_to = after[:1] == "," and word.lower() not in _INTERJECTIONS
        return not always and (spoken_to or _DOES.match(after) is not None)
    if always:
        return not (
            previous.lower() in _BEFORE_PLACES
            or any(char.isdigit() for char in previous)
            or after.lstrip(" ,.")[:1].isdigit()
        )
    return True
