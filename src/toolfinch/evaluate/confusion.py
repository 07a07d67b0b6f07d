"""The confusion table between tools: which one was called where another was due.

Of every decision, the due calls that were not made stand against the calls that were not due, as the scorer
pairs them: by name. One of each is a pair. Of several, which was made for which cannot be known; those are
paired whose arguments agree most (names and values, then names alone), and then in order. What is left over
stands against `NONE`. Left out are endpoint errors, replies with something unread (it has no name), and
decisions where any call will do; so the sums are not those of the kinds of failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

from toolfinch.evaluate.metrics import Result
from toolfinch.evaluate.page import Grid
from toolfinch.message import ToolCall
from toolfinch.score import same_value

NONE = "(none)"
"""No tool can be called this: the name has brackets."""


def confusion(results: Sequence[Result]) -> dict[tuple[str, str], int]:
    """How often each tool (second) was called where another (first) was due."""
    out: Counter[tuple[str, str]] = Counter()
    for result in results:
        expected, reply = result.example.expected, result.reply
        any_call = expected.kind == "call" and not expected.calls
        if reply.stop == "error" or reply.unread or any_call:
            continue
        made = {call.gold for call in result.score.calls}
        missed = [each.call for g, each in enumerate(expected.calls) if g not in made]
        scored = zip(reply.message.calls, result.score.calls, strict=True)
        out.update(_paired(missed, [call for call, one in scored if one.gold is None]))
    return dict(out)


def _paired(missed: Sequence[ToolCall], extra: Sequence[ToolCall]) -> list[tuple[str, str]]:
    left, free = set(range(len(missed))), set(range(len(extra)))
    out = []
    agreement = {(m, e): _agreement(missed[m], extra[e]) for m, e in product(left, free)}
    for m, e in sorted(agreement, key=lambda at: (-agreement[at][0], -agreement[at][1], at)):
        if m in left and e in free:
            left.remove(m)
            free.remove(e)
            out.append((missed[m].name, extra[e].name))
    out += [(missed[m].name, NONE) for m in left]
    return out + [(NONE, extra[e].name) for e in free]


def _agreement(due: ToolCall, called: ToolCall) -> tuple[int, int]:
    """How many arguments are equal, and how many have the same name."""
    common = due.arguments.keys() & called.arguments.keys()
    return sum(same_value(due.arguments[key], called.arguments[key]) for key in common), len(common)


def grid(counted: Mapping[tuple[str, str], int], top: int = 20) -> Grid:
    """The most frequent mistakes first; the last row sums up what is below the `top`."""
    order = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    rows = [(due, called, str(n)) for (due, called), n in order[:top]]
    if order[top:]:
        rows.append((f"{len(order) - top} more pairs", "", str(sum(n for _, n in order[top:]))))
    return Grid("Tools mistaken", ("due", "called", "times"), tuple(rows))
