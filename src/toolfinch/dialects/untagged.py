"""Reading turns in which a call may begin without a mark: at a bracket, behind a fence, on a line of its own.

A dialect says where a call may begin (`Find`) and what stands there (`ReadAt`); the rest is the same for all
of them and is here. Text is handed on as soon as no call can begin in it, so nothing that is settled depends
on what is yet to come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from toolfinch.dialects.dialect import Parser, Step
from toolfinch.dialects.tagged import say, thoughts
from toolfinch.message import ToolCall
from toolfinch.tool import Tool

Found = tuple[int, tuple[ToolCall, ...] | None]
"""How long it is, and its calls: none of them where it is text after all, None where it cannot be read."""
Find = Callable[[str, Sequence[Tool], bool], int]
"""`find(text, tools, fresh)`: the first place at which a call may begin, even if what is there of it is yet
too short to tell; `len(text)` where there is none. `fresh`: no text stands before it on the same line."""
ReadAt = Callable[[str, Sequence[Tool], bool], Found | None]
"""`read(text, tools, final)`: what the text begins with, at a place that was found; None: not yet whole."""


def untagged(find: Find, read: ReadAt, separator: str) -> Step:
    """A dialect's `step`. The `separator` that stands between text and a call is not content."""

    def step(parser: Parser, final: bool) -> bool:
        if (thinking := thoughts(parser, final)) is not None:
            return thinking
        text = parser.pending
        at = find(text, parser.tools, parser.last != "text")
        if at == len(text):
            say(parser, parser.take(at if final else len(text.rstrip())))
            return False
        found = read(text[at:], parser.tools, final)
        if found is None or found[1] != ():
            # White space before a call is held back until it is known to be one.
            say(parser, parser.take(len(text[:at].rstrip())))
        if found is None:
            return False
        length, calls = found
        if calls == ():
            say(parser, parser.take(at + length))
            return True
        between = parser.take(len(parser.pending) - len(text) + at)
        if parser.last == "text":
            parser.say(between.removesuffix(separator))
        written = parser.take(length)
        if calls is None:
            parser.lose(written)
        for call in calls or ():
            parser.call(call)
        return True

    return step


def begun(marks: Sequence[str]) -> str:
    """A pattern of what may be the beginning of one of the marks, at the end of a text."""
    parts = {mark[:length] for mark in marks for length in range(1, len(mark))}
    longest = sorted(parts, key=len, reverse=True)
    return rf"(?:{'|'.join(map(re.escape, longest))})\Z"


def closed(text: str, at: int, marks: Sequence[str], final: bool) -> int | None:
    """Where what ends a block is over: those of the marks that follow, in order; None: not to be told yet."""
    for mark in marks:
        rest = text[at:].lstrip()
        if rest.startswith(mark):
            at = len(text) - len(rest) + len(mark)
        elif mark.startswith(rest) and not final:
            return None
        elif rest and mark.startswith(rest):  # cut off in it
            at = len(text)
    return at


def unread(text: str, at: int, mark: str, final: bool) -> Found | None:
    """A block that cannot be read from `at` on: it ends with its mark, or with the line where it has none."""
    end = text.find(mark or "\n", at)
    if end >= 0:
        return end + len(mark), None
    return (len(text), None) if final else None
