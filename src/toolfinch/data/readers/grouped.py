"""Rows of one session, brought together from wherever they stand in a log that does not fit into memory.

A row's place (32 bytes) is kept in a temporary file, and so are the rows themselves where one cannot go to a place in
the log (gzip, a JSON list). In memory are sixteen bytes a session, the names of the sessions that came last, and the
places of at most `PLACES` rows. Left out: who reads a session with more rows than that at once must hold it.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from toolfinch.data.readers.rows import Row

PLACES = 1 << 16
"""Rows whose places are held at once."""
KNOWN = 1 << 16
"""Names that are held as they are; of older ones the hash is."""
Places = npt.NDArray[np.uint64]
"""For each row its group, where it begins, how long it is, and its number in the file."""


class Groups:
    """Rows by key, in the order in which their keys first came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = _Names()
        self.counts = array("I")
        """Rows of each group."""
        self.spill: IO[bytes] | None = None
        self.places: IO[bytes] | None = None
        self.begun = array("I")
        """Groups that there were when each piece of `places` was full."""
        self.last = array("Q")
        """The piece that is being filled."""

    def add(self, key: str, row: Row) -> None:
        number, offset, text = row
        if offset < 0:
            if self.spill is None:
                self.spill = tempfile.TemporaryFile(prefix="toolfinch-")  # noqa: SIM115  (closed by `close`)
            offset = self.spill.tell()
            self.spill.write(text)
        group = self.names.recent.get(key)
        if group is None:
            group = self.names.number(key)
            if group == len(self.counts):
                self.counts.append(0)
        self.counts[group] += 1
        self.last.extend((group, offset, len(text), number))
        if len(self.last) == 4 * PLACES:
            self._flush()

    def _flush(self) -> None:
        if self.places is None:
            self.places = tempfile.TemporaryFile(prefix="toolfinch-")  # noqa: SIM115  (closed by `close`)
        self.places.write(self.last)
        del self.last[:]
        self.begun.append(len(self.counts))

    def __iter__(self) -> Iterator[Iterable[tuple[int, bytes]]]:
        """Each key's rows, in the order of the file, each with its number. A group is read before the next."""
        if self.spill is not None:
            self.spill.flush()
            yield from self._each(self.spill)
        elif self.counts:
            with self.path.open("rb") as log:
                yield from self._each(log)

    def _each(self, log: IO[bytes]) -> Iterator[Iterable[tuple[int, bytes]]]:
        read, file = os.pread, log.fileno()
        ends = np.cumsum(np.frombuffer(self.counts, np.uint32), dtype=np.int64)
        group = 0
        while group < len(ends):
            before = int(ends[group - 1]) if group else 0
            until = max(group + 1, int(np.searchsorted(ends, before + PLACES, side="right")))
            pieces = self._of(group, until, int(ends[until - 1]) - before)
            if until == group + 1:
                yield ((row[3], read(file, row[2], row[1])) for piece in pieces for row in piece.tolist())
            else:
                found = np.concatenate(list(pieces))
                found = found[np.argsort(found[:, 0], kind="stable")]
                at = 0
                for count in self.counts[group:until]:
                    rows = found[at : at + count].tolist()
                    yield [(row[3], read(file, row[2], row[1])) for row in rows]
                    at += count
            group = until

    def _of(self, group: int, until: int, count: int) -> Iterator[Places]:
        """The places of the rows of some groups, in the order of the file; there are so many of them."""
        first = int(np.searchsorted(np.frombuffer(self.begun, np.uint32), group, side="right"))
        for place in range(first, len(self.begun) + 1):
            here = self._piece(place)
            here = here[(here[:, 0] >= group) & (here[:, 0] < until)]
            if len(here):
                yield here
            count -= len(here)
            if not count:
                return

    def _piece(self, place: int) -> Places:
        if self.places is None or place == len(self.begun):
            found = np.array(self.last, np.uint64)
        else:
            self.places.seek(place * PLACES * 32)
            found = np.frombuffer(self.places.read(PLACES * 32), np.uint64)
        return found.reshape(-1, 4)

    def close(self) -> None:
        for file in (self.spill, self.places):
            if file is not None:
                file.close()
        self.spill = self.places = None


class _Names:
    """A number for each name, from 0, in the order in which they first come."""

    def __init__(self) -> None:
        self.recent: dict[str, int] = {}
        self.count = 0
        self._hashes = np.zeros(0, np.int64)  # of older names, sorted; equal ones are taken for equal names
        self._numbers = np.zeros(0, np.int64)

    def number(self, name: str) -> int:
        """That of one which is not among `recent`."""
        if len(self.recent) >= KNOWN:
            self._age()
        found = self.count
        at = int(self._hashes.searchsorted(hash(name)))
        if at < len(self._hashes) and int(self._hashes[at]) == hash(name):
            found = int(self._numbers[at])
        self.count = max(self.count, found + 1)
        self.recent[name] = found
        return found

    def _age(self) -> None:
        hashes = np.fromiter(map(hash, self.recent), np.int64, len(self.recent))
        numbers = np.fromiter(self.recent.values(), np.int64, len(self.recent))
        self._hashes, kept = np.unique(np.concatenate([self._hashes, hashes]), return_index=True)
        self._numbers = np.concatenate([self._numbers, numbers])[kept]
        self.recent.clear()
