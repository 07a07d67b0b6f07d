"""`choose`: the few of many tools that a model is shown for the next turn of a conversation.

What is looked for is what the user said: the last turn counts fully, each one before it `FADE` of the next, and the
assistant's words just before the user's turn `ASKED` ("Shall I book it?", "Yes."). What tools returned does not count:
it would find a few tools more, and let a text from outside decide what is offered.

Left out: asking again with other words where nothing was found, and keeping anything between requests.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from toolfinch.message import Message
from toolfinch.retrieve.index import Index
from toolfinch.tool import Tool

FADE = 0.7
ASKED = 0.5
NEAR = 0.6
"""A later turn adds only tools that score at least this share of its best one."""
WIDE = 8
"""Times k: how many tools each search brings, to add their scores up over the turns."""
CANDIDATES = 3
"""How many of the best are asked whether they fit; more change nothing that can be measured."""


class Choice(msgspec.Struct, frozen=True):
    """What to show to the model, and how well it suits."""

    tools: tuple[Tool, ...]
    """In the order in which to show them: the very objects that were given."""
    none_fits: float
    """In [0, 1]: the score of a virtual tool "none" beside the others; to be compared with a threshold."""
    scores: tuple[float, ...]
    """One a tool, at the last user turn; 0 for one that is here only because it was shown or used before."""


def choose(
    index: Index, tools: Sequence[Tool], messages: Sequence[Message], k: int, tool_choice: str = "auto"
) -> Choice:
    """The tools for the next turn: `k` at the first user turn, and what later ones add to them.

    `index` was made over `tools`, or over more: what is not among `tools` is never chosen. Where there are at most `k`
    of them, all are shown in their order. Tools that the conversation used, and the one that `tool_choice` names
    (`=NAME`), are always among them. `k` is at least 1.

    **The order is append-only.** Every user turn is gone through again, so that the same messages give the same tools
    and nothing is kept: first stands what the first turn chose, then what each later turn added. So a request's tools
    block begins with the last request's, and where a turn adds nothing, the prompt goes on from where it ended. What
    that costs: a turn that adds tools has the model read them and all messages again, which stand behind them, and
    tools that are needed no more are read on.

    **It is capped.** Over 2k tools, the oldest are dropped until k are left, but never those that were used or that the
    turn looks for. That costs a re-read from the first that went, and is rare since k go at once. Only a conversation
    that used many tools is shown more than 2k.
    """
    by_name = {tool.name: tool for tool in tools}
    shown: dict[str, Tool] = {}
    used: set[str] = set()
    said: dict[str, float] = {}  # scores by what the user said so far
    now: dict[str, float] = {}  # and by the assistant's words before the last user turn
    before = last = ""
    for message in messages:
        if message.role == "user":
            said = _sum((FADE, said), (1.0, _scores(index, message.content, k)))
            now = _sum((1.0, said), (ASKED, _scores(index, before, k)))
            best = [name for name in sorted(now, key=now.__getitem__, reverse=True) if name in by_name][:k]
            enough = NEAR * now[best[0]] if best and len(shown) >= k else 0.0
            for name in best:
                if now[name] >= enough:
                    shown.setdefault(name, by_name[name])
            _cap(shown, used.union(best), k)
            _fill(shown, tools, k)
            last, before = f"{message.content}\n{before}", ""
        elif message.role == "assistant":
            before = message.content or before
            for call in message.calls:
                if call.name in by_name:
                    used.add(call.name)
                    shown.setdefault(call.name, by_name[call.name])
    named = tool_choice.removeprefix("=")
    if named != tool_choice and named in by_name:
        shown.setdefault(named, by_name[named])
    if len(tools) <= k:
        shown = by_name
    _fill(shown, tools, k)  # where no user has spoken
    chosen = tuple(shown.values())
    scores = tuple(now.get(tool.name, 0.0) for tool in chosen)
    best_first = sorted(range(len(chosen)), key=lambda i: -scores[i])[:CANDIDATES]
    none_fits = 1.0 - max((index.fit(last, chosen[i]) for i in best_first), default=0.0)
    return Choice(chosen, none_fits, scores)


def _scores(index: Index, text: str, k: int) -> dict[str, float]:
    return {tool.name: score for tool, score in index.search(text, WIDE * k) if score > 0} if text else {}


def _sum(*parts: tuple[float, dict[str, float]]) -> dict[str, float]:
    """Weighted scores, by tool."""
    total: dict[str, float] = {}
    for weight, scores in parts:
        for name, score in scores.items():
            total[name] = total.get(name, 0.0) + weight * score
    return total


def _fill(shown: dict[str, Tool], tools: Sequence[Tool], k: int) -> None:
    """Adds the first tools until there are k, where few share a word with what was said."""
    for tool in tools:
        if len(shown) >= k:
            break
        shown.setdefault(tool.name, tool)


def _cap(shown: dict[str, Tool], stay: Collection[str], k: int) -> None:
    """Drops the oldest tools but those that `stay` until k are left, where there are more than 2k."""
    if len(shown) > 2 * k:
        for name in [name for name in shown if name not in stay][: len(shown) - k]:
            del shown[name]
