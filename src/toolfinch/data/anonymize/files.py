"""What the gate reads of files on disk: rows as they are and decoded, some at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from toolfinch.data.dataset import NOT_JSON, lines, opened
from toolfinch.errors import DataError

BATCH = 1 << 20
"""Bytes that are searched at once."""
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Line(NamedTuple):
    """One row of a file."""

    number: int
    raw: str
    value: Any
    """Decoded; the text itself where it is not JSON."""
    tools: bytes = b""
    """The JSON of its tools."""
    repeats: bool = False
    """Whether a key stands twice in an object: the text says more than the value."""


def batches(path: Path) -> Iterator[list[Line]]:
    """The rows of a file; JSON and other text that is not in rows is one. Raises DataError where it is not text."""
    name = path.name.removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson")) and path.stat().st_size:
        yield from _of_rows(path)
        return
    with opened(path) as stream:
        raw = stream.read()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: not UTF-8 text (byte {error.start}); it cannot be cleared") from error
    if name.endswith(".json"):
        yield [_line(1, raw)]
    else:
        yield [Line(1, text, text)]


def _of_rows(path: Path) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    for number, _, raw in lines(path):
        batch.append(_line(number, raw))
        size += len(raw)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _line(number: int, raw: bytes) -> Line:
    text = raw.decode("utf-8", "replace")
    try:
        parts = {key: bytes(part) for key, part in _ROW.decode(raw).items()}
    except NOT_JSON:
        try:
            return Line(number, text, msgspec.json.decode(raw), repeats=_repeats(raw))
        except NOT_JSON:
            return Line(number, text, text)
    value = {key: _once(part) if key == "tools" else msgspec.json.decode(part) for key, part in parts.items()}
    written = (
        _written_once(part) if key == "tools" else msgspec.json.encode(value[key])
        for key, part in parts.items()
    )
    whole = b",".join(
        msgspec.json.encode(key) + b":" + part for key, part in zip(parts, written, strict=True)
    )
    # What is written as we write it cannot have a key twice; looking for one is slow.
    return Line(number, text, value, parts.get("tools", b""), raw != b"{" + whole + b"}" and _repeats(raw))


def _repeats(raw: bytes) -> bool:
    """Whether an object in it has a key twice."""
    found = False

    def seen(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) != len(pairs)

    json.loads(raw, object_pairs_hook=seen)
    return found


@lru_cache(64)
def _once(raw: bytes) -> Any:
    return msgspec.json.decode(raw)


@lru_cache(64)
def _written_once(raw: bytes) -> bytes:
    return msgspec.json.encode(_once(raw))
