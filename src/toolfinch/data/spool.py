"""Conversations on disk between two steps: a folder of parts, each of which can be read by itself.

A part is what one process works on at a time, here or on another machine. Conversations are written as they are,
the tools that they share once a part; a part appears whole or not at all. For what users read see `dataset`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from toolfinch.example import Conversation
from toolfinch.tool import Tool

ROWS = 1000
"""Conversations in a part, at most: few enough that what is lost with a killed process is little."""
SIZE = 8 << 20
"""Bytes after which a part ends."""


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    one: Conversation
    """Without its tools."""
    tools: tuple[Tool, ...] | None = None
    """Where no earlier line of the part has the same."""
    same: int = -1
    """Else the number of the list, counted from 0."""


_DECODER = msgspec.json.Decoder(_Line)


def write(folder: Path, conversations: Iterable[Conversation]) -> list[Path]:
    """Write conversations as parts of a new folder and give them in order."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Path] = []
    size = 0
    waiting: list[bytes] = []
    lists = _Lists()

    def flush() -> None:
        parts.append(folder / f"{len(parts):06d}.jsonl")
        _write(parts[-1], waiting)

    for one in conversations:
        waiting.append(lists.line(one))
        size += len(waiting[-1])
        if len(waiting) == ROWS or size >= SIZE:
            flush()
            size, waiting, lists = 0, [], _Lists()
    if waiting:
        flush()
    return parts


def write_part(part: Path, conversations: Iterable[Conversation]) -> None:
    """Write one part."""
    lists = _Lists()
    part.parent.mkdir(parents=True, exist_ok=True)
    _write(part, [lists.line(one) for one in conversations])


def read(part: Path) -> Iterator[Conversation]:
    """The conversations of one part, in order."""
    lists: list[tuple[Tool, ...]] = []
    for text in part.read_bytes().splitlines():
        line = _DECODER.decode(text)
        if line.tools is not None:
            lists.append(line.tools)
        yield msgspec.structs.replace(line.one, tools=lists[line.same])


def read_all(parts: Sequence[Path]) -> Iterator[Conversation]:
    for part in parts:
        yield from read(part)


class _Lists:
    """The tools that a part has so far, told apart by identity: the readers share them, and comparing would cost."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.held: list[tuple[Tool, ...]] = []  # or another could get the same identity

    def line(self, one: Conversation) -> bytes:
        bare = msgspec.structs.replace(one, tools=())
        number = self.numbers.get(id(one.tools))
        if number is not None:
            return msgspec.json.encode(_Line(bare, same=number))
        self.numbers[id(one.tools)] = len(self.held)
        self.held.append(one.tools)
        return msgspec.json.encode(_Line(bare, one.tools))


def _write(part: Path, lines: Sequence[bytes]) -> None:
    unfinished = part.with_name(f".{part.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            file.writelines(line + b"\n" for line in lines)
        unfinished.replace(part)
    finally:
        unfinished.unlink(missing_ok=True)
