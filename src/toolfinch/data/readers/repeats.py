"""Which sessions of a log others repeat: a log of requests holds a conversation at every length.

`Beginnings` is given every session once and then says, by their place, which to leave out. It keeps twenty bytes a
session in memory, and eight a message in a temporary file, whatever the messages hold.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import IO

import numpy as np
import numpy.typing as npt

from toolfinch.data.readers.times import seconds
from toolfinch.example import Conversation

COPY = "is a copy of an earlier row"
PREFIX = "is repeated by a longer row"
REASONS = ("", COPY, PREFIX)
NEVER = np.iinfo(np.int64).max
PIECE = 1 << 16
"""Parts that are held, and looked up, at once."""


class Beginnings:
    """What the sessions of a log begin with."""

    def __init__(self, spill: IO[bytes]) -> None:
        self.spill = spill
        """An empty file for parts that come before the last ones."""
        self.wholes = array("q")
        self.parts = array("q")
        """The last ones."""
        self.counts = array("I")
        """Parts of each session."""
        self.times = array("q")
        """Seconds; `NEVER` where the log does not say when."""

    def add(self, one: Conversation, said: Sequence[bytes], *, named: bool) -> None:
        """`said` is the JSON of each of its messages."""
        *parts, whole = digests(one, said, named=named)
        self.wholes.append(whole)
        self.parts.extend(parts)
        if len(self.parts) >= PIECE:
            self._flush()
        self.counts.append(len(parts))
        time = seconds(one.time)
        self.times.append(NEVER if time is None else time)

    def _flush(self) -> None:
        self.spill.write(self.parts)
        del self.parts[:]

    def repeated(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """For each session in the order given: why it is left out, and when it began. Nothing can be added then.

        The first is an index into `REASONS`, 0 to keep it. The second is the earliest time of all sessions that it
        repeats, `NEVER` where none has one.
        """
        wholes, of_whole = np.unique(np.frombuffer(self.wholes, np.int64), return_inverse=True)
        why = np.full(len(of_whole), REASONS.index(COPY), np.uint8)
        why[np.unique(of_whole, return_index=True)[1]] = 0
        first = np.full(len(wholes), NEVER, np.int64)  # by whole
        np.minimum.at(first, of_whole, np.frombuffer(self.times, np.int64))
        began = first[of_whole]
        is_part = np.zeros(len(wholes), np.bool_)
        ends = np.cumsum(np.frombuffer(self.counts, np.uint32), dtype=np.int64)
        self._flush()
        self.spill.seek(0)
        start = 0
        while data := self.spill.read(8 * PIECE):
            piece = np.frombuffer(data, np.int64)
            at = np.minimum(np.searchsorted(wholes, piece), len(wholes) - 1)
            found = np.flatnonzero(wholes[at] == piece)
            is_part[at[found]] = True
            longer = np.searchsorted(ends, start + found, side="right")
            np.minimum.at(began, longer, first[at[found]])
            start += len(piece)
        why[is_part[of_whole]] = REASONS.index(PREFIX)
        return why, began


def digests(one: Conversation, said: Sequence[bytes], *, named: bool) -> list[int]:
    """A digest of each beginning of a conversation, the shortest first; the same only within this process.

    A named session continues only itself, even if its system message (which may hold the time) or its tools
    change; one without a name continues any that starts with the same tools and messages.
    """
    running = hash(one.id if named else tuple([tool.name for tool in one.tools]))
    found = []
    for message, text in zip(one.messages, said, strict=True):
        if not (named and message.role == "system"):
            running = hash((running, text))
            found.append(running)
    return found or [running]
