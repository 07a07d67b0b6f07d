"""Rows of one session, brought together from wherever they stand in a log that does not fit into memory.

Kept in memory are a row's place (12 bytes) and a session's key; the rows stay in the log, or, where one cannot
go to a place in it (gzip, a JSON list), in a temporary file beside the system's others. One session is held
whole while it is read.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from toolfinch.data.readers.rows import Row


class Groups:
    """Rows by key, in the order in which their keys first came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spill: IO[bytes] | None = None
        self.last: dict[str, int] = {}  # by key, its last row so far; index + 1 into the next two
        self.before = array("I")  # the row of the same key before it; 0 for the first
        self.offsets = array("Q")
        self.numbers = array("Q")  # of each key's first row

    def add(self, key: str, row: Row) -> None:
        offset = row.offset
        if offset < 0:
            if self.spill is None:
                self.spill = tempfile.TemporaryFile(prefix="toolfinch-")  # noqa: SIM115  (closed by `close`)
            offset = self.spill.tell()
            self.spill.write(row.text + b"\n")
        if key not in self.last:
            self.numbers.append(row.number)
        self.before.append(self.last.get(key, 0))
        self.offsets.append(offset)
        self.last[key] = len(self.offsets)

    def __iter__(self) -> Iterator[tuple[int, list[bytes]]]:
        """Each key's rows, in the order of the file, and the number of the first."""
        if not self.last:
            return
        if self.spill is not None:
            self.spill.flush()
            yield from self._each(self.spill)
        else:
            with self.path.open("rb") as log:
                yield from self._each(log)

    def _each(self, log: IO[bytes]) -> Iterator[tuple[int, list[bytes]]]:
        for number, last in zip(self.numbers, self.last.values(), strict=True):
            places = []
            while last:
                places.append(self.offsets[last - 1])
                last = self.before[last - 1]
            found = []
            for place in reversed(places):
                log.seek(place)
                found.append(log.readline().strip())
            yield number, found

    def close(self) -> None:
        if self.spill is not None:
            self.spill.close()
            self.spill = None
