"""Reads a log of any known format: JSON lines, gzipped or not, or one JSON list.

`FORMATS` names the known ones, `detect` tells which one a file is of, `conversations` streams what is in it
and `read` collects that. Of sessions that continue one another the longest is kept. What cannot be read is left
out and counted with its reason, unless `strict`. Which ones repeat is known at the end of a file, so what is read
waits in a temporary file, about as large as the log without its tools; memory holds about 60 bytes for each session,
and one session: for Responses all rows that name none. Left out: one session spread over several files.
"""

from __future__ import annotations

import importlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

import msgspec
import numpy as np

from toolfinch.data import dataset
from toolfinch.data.readers.format import Format, Session
from toolfinch.data.readers.grouped import Groups
from toolfinch.data.readers.repeats import NEVER, REASONS, Beginnings
from toolfinch.data.readers.report import ReadReport, Tally
from toolfinch.data.readers.rows import Row, decode, decode_all, keyed, rows
from toolfinch.data.readers.times import written
from toolfinch.errors import DataError, SchemaError, UsageError
from toolfinch.example import Conversation
from toolfinch.message import Message
from toolfinch.tool import Tool

FORMATS = {
    name: f"toolfinch.data.readers.{name}"
    for name in (
        "toolfinch_trace",
        "openai_chat",
        "openai_responses",
        "anthropic",
        "mcp",
        "otel_genai",
        "openinference",
        "langfuse",
        "langsmith",
        "claude_code",
        "codex",
        "sharegpt",
        "hermes",
        "glaive",
        "xlam",
        "toolbench",
    )
}
"""The module of each format, by its name."""

FIRST = 50
"""Rows by which a format is told."""

HELD = 32 << 20
"""Bytes of conversations between the two passes that are held in memory before they go to a temporary file."""


def format_of(name: str) -> Format:
    """Raises UsageError for a name that is not in `FORMATS`."""
    if name not in FORMATS:
        raise UsageError(f"{name!r}: no such format", hint=f"one of {', '.join(FORMATS)}")
    return cast(Format, importlib.import_module(FORMATS[name]))


_AMONG_CHATS = {"hermes", "toolbench"}


def detect(path: Path) -> str:
    """The format of a file's first rows; rows that are of none among them change nothing.

    Raises DataError where they are of none or of more than one, and for a file that is missing, empty, binary
    or without a row that is JSON.
    """
    first: Mapping[str, Any] | None = None
    reason = ""
    found: dict[str, None] = {}
    try:
        for row in islice(rows(path), FIRST):
            try:
                raw = decode(row.text)
            except DataError as error:
                reason = reason or f"{path}:{row.number}: {error}"
                continue
            first = raw if first is None else first
            found.update(dict.fromkeys(name for name in FORMATS if format_of(name).looks_like(raw)))
    except DataError:
        if first is None:
            raise
    if first is None:
        raise DataError(f"{reason}; no row of the file could be read", hint="expected one JSON object a line")
    if not found:
        raise DataError(
            f"{path}: a log in no known format (known: {', '.join(FORMATS)}); its first row has "
            + (f"the keys {', '.join(key[:40] for key in list(first)[:20])}" if first else "no keys")
        )
    if found.keys() & _AMONG_CHATS:  # such a data set has plain chats among its rows
        found.pop("sharegpt", None)
    if len(found) > 1:
        raise DataError(f"{path}: looks like {' and like '.join(found)}", hint="name it with --format")
    return next(iter(found))


def read(
    path: Path, tools: Iterable[Tool] = (), *, format: str = "", strict: bool = False
) -> tuple[list[Conversation], ReadReport]:
    """All of one log, as `conversations` gives it."""
    tally = Tally()
    found = list(conversations(path, tools, format=format, strict=strict, tally=tally))
    return found, tally.report()


def conversations(
    path: Path,
    tools: Iterable[Tool] = (),
    *,
    format: str = "",
    strict: bool = False,
    tally: Tally | None = None,
) -> Iterator[Conversation]:
    """One log, a conversation at a time: first rows that are a session each, then those that share one.

    `tools` are those of sessions that bring none, and of those that give only names. An id that comes again gets
    `#2`. `tally` is filled as it goes, and whole at the end.

    Raises DataError naming file and row: with `strict` at the first that cannot be read, before anything is
    given out; without it only if the file cannot be opened, is of no known format, or holds nothing that can be
    read.
    """
    tally = Tally() if tally is None else tally
    tally.source, tally.format = str(path), format or detect(path)
    lists = dataset.ToolLists(tools, names_pass=True)
    tally.repaired = lists.repairs
    with (
        SpooledTemporaryFile(HELD, prefix="toolfinch-") as spill,
        SpooledTemporaryFile(1 << 20, prefix="toolfinch-") as parts,
    ):
        beginnings = Beginnings(cast(IO[bytes], parts))
        numbers = array("Q")
        ids = array("q")  # by hash: there may be millions
        before = b""  # the tools of the last one; most have the same
        for number, session in _sessions(path, format_of(tally.format), tally):
            try:
                if isinstance(session, DataError):
                    raise session
                offered = _encoded(session.tools)
                one = _conversation(path, number, session, lists.read(offered))
                said = _each_encoded(one.messages)
                rest = _encoded(msgspec.structs.replace(one, tools=(), messages=()))
            except (DataError, SchemaError) as error:
                if strict:
                    raise DataError(f"{path}:{number}: {error}", hint=error.hint) from error
                tally.skip(number, error)
                continue
            beginnings.add(one, said, named=session.id != "")
            numbers.append(number)
            ids.append(hash(one.id))
            if offered != before:
                spill.write(_TOOLS + offered + b"\n")
                before = offered
            spill.write(b"[%b,[%b]]\n" % (rest, b",".join(said)))
        repeated, began = beginnings.repeated()
        del beginnings  # it may be large
        if not len(repeated):
            first = tally.report().skipped[0]
            raise DataError(f"{first.id}: {first.reason}; no row of the file could be read")
        spill.seek(0)
        tally.missing_schemas.update(dict.fromkeys(lists.without_schema, 0))
        kept, times = np.unique(np.frombuffer(ids, np.int64)[repeated == 0], return_counts=True)
        seen = dict.fromkeys(kept[times > 1].tolist(), 0)
        del ids, kept, times
        for number, why, time, line in zip(numbers, repeated, began, _spilled(spill), strict=True):
            if why:
                tally.skip(number, REASONS[why])
                continue
            text, offered = line
            one, messages = _SPILLED.decode(text)
            name = one.id
            if (known := hash(name)) in seen:
                seen[known] += 1
                name = f"{name}#{seen[known]}" if seen[known] > 1 else name
            one = msgspec.structs.replace(
                one,
                id=name,
                tools=lists.read(offered),
                messages=messages,
                time="" if time == NEVER else written(int(time)),
            )
            tally.keep(one)
            yield one


_ENCODE = msgspec.json.Encoder().encode
_TOOLS = b"tools "
_SPILLED = msgspec.json.Decoder(tuple[Conversation, tuple[Message, ...]])
"""A line between the two passes: a conversation without its tools and messages, and the messages."""


def _spilled(spill: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each line of a conversation, and the JSON of its tools."""
    offered = b""
    for line in spill:
        if line.startswith(_TOOLS):
            offered = line[len(_TOOLS) : -1]
        else:
            yield line, offered


def _encoded(value: Any) -> bytes:
    return _each_encoded((value,))[0]


def _each_encoded(values: Iterable[Any]) -> list[bytes]:
    try:
        return list(map(_ENCODE, values))
    except UnicodeEncodeError as error:  # half a surrogate pair, out of JSON within a string
        raise DataError(f"text that is not Unicode ({error.reason})") from error
    except RecursionError as error:
        raise DataError("nested too deeply") from error


Found = Iterator[tuple[int, Session | DataError]]
"""Sessions, and what is none, each with the number of its first row."""


def _sessions(path: Path, format: Format, tally: Tally) -> Found:
    """What stands at each row or begins there: first rows that are a session each, then those that share one."""
    keys: tuple[str, ...] | None = getattr(format, "KEYS", None)
    found = _rows(path, tally)
    if keys == ():
        yield from _together(
            ((at, row if isinstance(row, DataError) else row.text) for at, row in found), format
        )
        return
    key_of = None if keys is None else keyed(format.key, keys)
    with closing(Groups(path)) as groups:
        for number, row in found:
            if isinstance(row, DataError):
                yield number, row
                continue
            try:
                if key_of is None:
                    raw = decode(row.text)
                    key = format.key(raw)
                else:
                    key = key_of(row.text)
            except DataError as error:
                yield number, error
                continue
            if key:
                groups.add(key, row)
            elif key_of is None:
                yield from _of_rows(number, [raw], format)
            else:
                yield from _together([(number, row.text)], format)
        for group in groups:
            yield from _together(group, format)


def _rows(path: Path, tally: Tally) -> Iterator[tuple[int, Row | DataError]]:
    """The rows of a file, counted; of one that is broken from some row on those before it, and why."""
    number = 0
    try:
        for row in rows(path):
            number = row.number
            tally.rows += 1
            yield number, row
    except DataError as error:
        if number == 0:
            raise
        tally.rows += 1
        yield number + 1, DataError(str(error).removeprefix(f"{path}:{number + 1}: "))


def _together(group: Iterable[tuple[int, bytes | DataError]], format: Format) -> Found:
    """The sessions of the rows of one key, and the rows that cannot be read, which are left out of them."""
    if isinstance(group, list):
        try:
            raw = decode_all([text for _, text in group])
        except DataError:
            pass  # by one of them
        else:
            yield from _of_rows(group[0][0], raw, format)
            return
    broken: list[tuple[int, DataError]] = []
    decoded = _decoded(group, broken)
    for number, first in decoded:
        rest = chain((first,), (raw for _, raw in decoded))
        for found in _of_rows(number, rest if hasattr(format, "KEYS") else list(rest), format):
            yield from broken
            broken.clear()
            yield found
        for _ in rest:  # where an error ended the sessions before the rows
            pass
    yield from broken


def _decoded(
    group: Iterable[tuple[int, bytes | DataError]], broken: list[tuple[int, DataError]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in group:
        try:
            if isinstance(text, DataError):
                raise text
            yield number, decode(text)
        except DataError as error:
            broken.append((number, error))


def _of_rows(number: int, raw: Iterable[dict[str, Any]], format: Format) -> Found:
    """The sessions that the rows of one key make."""
    some = False
    try:
        for session in format.sessions(raw):
            some = True
            yield number, session
    except DataError as error:
        yield number, error
    else:
        if not some:
            yield number, DataError("no session in it")


def _conversation(path: Path, number: int, session: Session, tools: tuple[Tool, ...]) -> Conversation:
    return dataset.checked(
        Conversation(
            id=session.id or f"{_stem(path)}:{number}",
            tools=tools,
            messages=dataset.read_messages(session.messages),
            scenario=session.scenario,
            source=session.source or f"{path.name}:{number}",
            tags=session.tags,
            marks=dict(session.marks),
            time=session.time,
        )
    )


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json")
