"""Reading a turn whose dialect nobody named: every dialect tries, and the one that finds a call says so.

A dialect on its own already leaves JSON and code that only look like calls as text, unless they name an
offered tool. Here one that reads a call to an offered tool goes before all others, then one whose marks hold
a call to another tool, which is a wrong call and not a sentence, and last one that found a call which it
could not read. The marks of `react` are English words: what it cannot read counts only if it names an offered
tool, or has an input. Thoughts before the turn are taken off first, whatever the dialect.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import msgspec

from toolfinch.dialects import DIALECTS
from toolfinch.dialects.dialect import Dialect, Parsed
from toolfinch.dialects.tagged import END_THINK, THINK
from toolfinch.tool import Tool


def read(text: str, tools: Sequence[Tool]) -> tuple[Parsed, str]:
    """The turn, and the name of the dialect that its calls were read by; "" where there are none.

    Between dialects that do equally well the order of `DIALECTS` decides.
    """
    offered = {tool.name for tool in tools}
    tried = [(parse(dialect, text, tools), name) for name, dialect in DIALECTS.items()]
    for parsed, name in tried:
        if any(call.name in offered for call in parsed.calls):
            return parsed, name
    for parsed, name in tried:
        if parsed.calls:
            return parsed, name
    for parsed, name in tried:
        if parsed.unread and (name != "react" or _tries(parsed.unread, offered)):
            return parsed, ""
    thinking, said = apart(text)
    return Parsed(said, thinking=thinking), ""


def _tries(unread: Sequence[str], offered: Set[str]) -> bool:
    return any(word in text for text in unread for word in (*offered, "Action Input:"))


def parse(dialect: Dialect, text: str, tools: Sequence[Tool]) -> Parsed:
    """What one dialect reads, behind the thoughts."""
    thinking, said = apart(text)
    parsed = dialect.parse(said, tools)
    return msgspec.structs.replace(parsed, thinking=thinking) if thinking else parsed


def apart(text: str) -> tuple[str, str]:
    """The thoughts that a turn begins with, and the rest. The prompt may have opened them, as some templates do."""
    thoughts, end, rest = text.partition(END_THINK)
    if text.lstrip().startswith(THINK):
        return thoughts.lstrip().removeprefix(THINK).strip(), rest.lstrip()
    if end and THINK not in thoughts:
        return thoughts.strip(), rest.lstrip()
    return "", text
