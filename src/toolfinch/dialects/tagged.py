"""Reading turns that are text with `<tool_call>` blocks in it, perhaps after a `<think>` block.

What is between the tags differs by family and is read by a `ReadBlock`; the rest is the same and is here.
A block of thoughts is looked for only where a turn begins, and a call only outside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from toolfinch.dialects.dialect import Parser, Step
from toolfinch.message import ToolCall
from toolfinch.tool import Tool

OPEN = "<tool_call>"
CLOSE = "</tool_call>"
THINK = "<think>"
END_THINK = "</think>"

Block = tuple[int, ToolCall | None]
"""How long a block is, and its call; None where it cannot be read."""
ReadBlock = Callable[[str, Sequence[Tool], bool], Block | None]
"""`read(text, tools, final)`: the block that `text` begins with, at `<tool_call>`; None: not yet whole."""


def tagged(read: ReadBlock, separators: tuple[str, ...]) -> Step:
    """A dialect's `step`. The first of `separators` that stands between text and a call is not content."""

    def step(parser: Parser, final: bool) -> bool:
        if (thinking := thoughts(parser, final)) is not None:
            return thinking
        text = parser.pending
        at = text.find(OPEN)
        if at < 0:
            if final:
                say(parser, parser.take(len(text)))
            else:
                shown = text[: len(text) - _begun(text, OPEN)].rstrip()
                say(parser, parser.take(len(shown)))
            return False
        if at > 0:
            before = parser.take(at)
            # Blank text beside a call is only layout.
            if before.strip() or parser.last == "text":
                ending = next((s for s in separators if before.endswith(s)), "")
                say(parser, before.removesuffix(ending))
            return True
        block = read(text, parser.tools, final)
        if block is None:
            return False
        length, call = block
        written = parser.take(length)
        if call is None:
            parser.lose(written)
        else:
            parser.call(call)
        return True

    return step


def resync(text: str, start: int, final: bool) -> Block | None:
    """A block that cannot be read: it ends with the next closing tag, or before the next opening one."""
    close, again = text.find(CLOSE, start), text.find(OPEN, start)
    if again >= 0 and (close < 0 or again < close):
        return again, None
    if close >= 0:
        return close + len(CLOSE), None
    return (len(text), None) if final else None


def thoughts(parser: Parser, final: bool) -> bool | None:
    """What a step is where a turn begins with thoughts, or may; None where it does not."""
    begins = parser.pending.lstrip()
    if parser.last != "start" or (begins and not begins.startswith(THINK[: len(begins)])):
        return None
    if not begins.startswith(THINK):
        return None if final else False
    begin = parser.pending.index(THINK) + len(THINK)
    end = parser.pending.find(END_THINK, begin)
    if end < 0:
        if not final:
            return False
        end = len(parser.pending)
    parser.think(parser.pending[begin:end].strip("\n"))
    parser.take(end + len(END_THINK))
    return True


def say(parser: Parser, text: str) -> None:
    """Settle text as content, without the white space that only keeps it off a block before it."""
    if parser.last == "block" and (not parser.said or not text.strip()):
        text = text.lstrip()  # what follows a block on the same line, or nothing
    parser.say(text)


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of the text may be the beginning of the mark."""
    return next((n for n in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:n])), 0)
