"""Which calls and results of a conversation belong to each other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from toolfinch.message import Message


class Unpaired(msgspec.Struct, frozen=True):
    """Indices of messages."""

    orphans: tuple[int, ...]
    """Tool results that answer no call of the turn before them."""
    unanswered: tuple[int, ...]
    """Assistant turns of which a call has no result before the next turn, once for each such call."""


def unpaired(messages: Sequence[Message]) -> Unpaired:
    """Which calls and results do not belong to each other.

    They are joined by id; a result without one answers the first open call of its name, or the first of all.
    """
    orphans: list[int] = []
    unanswered: list[int] = []
    opened = 0
    waiting: list[tuple[str, str]] = []  # (id, name) of calls still without a result
    for index, message in enumerate(messages):
        if message.result is None:
            unanswered += [opened] * len(waiting)
            waiting = [(call.id, call.name) for call in message.calls]
            opened = index
            continue
        by_id, by_name = message.result.call_id, message.result.name
        for place, (call_id, name) in enumerate(waiting):
            if call_id == by_id if by_id and call_id else by_name in ("", name):
                del waiting[place]
                break
        else:
            orphans.append(index)
    unanswered += [opened] * len(waiting)
    return Unpaired(tuple(orphans), tuple(unanswered))
