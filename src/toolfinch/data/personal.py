"""Counts what in a text is likely to be personal or secret, by kind, and never tells what it was.

For a first look at a log, not for its protection: names are not found, nor what is written in another way than
the usual, and some of what is found will be none. Removing is `anonymize`'s, which has the patterns.
"""

from __future__ import annotations

from collections import Counter

from toolfinch.data.anonymize import detect

KINDS = detect.KINDS


def likely(text: str) -> Counter[str]:
    """How many of each kind there are; what is of one kind is not counted as another."""
    return Counter(one.kind for one in detect.patterned(text))
