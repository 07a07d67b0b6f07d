"""Which sessions of a log others repeat: a log of requests holds a conversation at every length.

`Beginnings` is given every session once and then says, by their place, which to leave out. It keeps eight bytes a
message and a session, whatever the messages hold.
"""

from __future__ import annotations

from array import array

import msgspec
import numpy as np
import numpy.typing as npt

from toolfinch.example import Conversation

COPY = "is a copy of an earlier row"
PREFIX = "is repeated by a longer row"
REASONS = ("", COPY, PREFIX)


class Beginnings:
    """What the sessions of a log begin with."""

    def __init__(self) -> None:
        self.wholes = array("q")
        self.parts = array("q")

    def add(self, one: Conversation, *, named: bool) -> None:
        *parts, whole = digests(one, named=named)
        self.wholes.append(whole)
        self.parts.extend(parts)

    def repeated(self) -> npt.NDArray[np.uint8]:
        """For each session in the order given, an index into `REASONS`: why it is left out, 0 to keep it."""
        wholes = np.frombuffer(self.wholes, np.int64)
        parts = np.frombuffer(self.parts, np.int64)
        found = np.full(len(wholes), REASONS.index(COPY), np.uint8)
        found[np.unique(wholes, return_index=True)[1]] = 0
        if len(parts):
            parts.sort()  # in place: there may be many
            at = np.minimum(np.searchsorted(parts, wholes), len(parts) - 1)
            found[parts[at] == wholes] = REASONS.index(PREFIX)
        return found


def digests(one: Conversation, *, named: bool) -> list[int]:
    """A digest of each beginning of a conversation, the shortest first; the same only within this process.

    A named session continues only itself, even if its system message (which may hold the time) or its tools
    change; one without a name continues any that starts with the same tools and messages.
    """
    running = hash(one.id if named else tuple(tool.name for tool in one.tools))
    found = []
    for message in one.messages:
        if not (named and message.role == "system"):
            running = hash((running, msgspec.json.encode(message)))
            found.append(running)
    return found or [running]
