"""Reads logs of OpenAI chat requests: JSON lines, gzipped or not, `messages` and usually `tools` in each.

A row is a conversation. A log of requests repeats the conversation so far in each; of rows that continue one
another the longest is kept. A row that cannot be read is left out and counted with its reason, unless
`strict`. Left out: the model's reply where a log keeps it beside `messages` and not in the next row, content
that is not text, and one session spread over several files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.data import dataset
from toolfinch.data.curate import Dropped, unpaired
from toolfinch.errors import DataError, SchemaError
from toolfinch.example import Conversation
from toolfinch.tool import Tool, read_with_repairs

PREFIX = "is repeated by a longer row"


class ReadReport(msgspec.Struct, frozen=True):
    """What was read from one file, and what was not."""

    source: str
    rows: int
    """Lines that are not blank, and one for the rest of a file whose compression is cut."""
    read: int
    """Conversations; `rows == read + len(skipped)`."""
    skipped: tuple[Dropped, ...] = ()
    """`file:row` and why."""
    orphan_results: int = 0
    """Tool results that answer no call."""
    missing_schemas: dict[str, int] = {}
    """Calls by name of a tool that the row does not offer."""
    repaired: dict[str, tuple[str, ...]] = {}
    """By tool name, what was repaired in its schema."""

    def reasons(self, examples: int = 3) -> dict[str, tuple[int, tuple[str, ...]]]:
        """How many rows each reason left out, with the first few as `file:row`; most frequent first."""
        places: dict[str, list[str]] = {}
        for one in self.skipped:
            places.setdefault(one.reason, []).append(one.id)
        ranked = sorted(places.items(), key=lambda item: -len(item[1]))
        return {reason: (len(where), tuple(where[:examples])) for reason, where in ranked}


def read(
    path: Path, tools: Iterable[Tool] = (), *, strict: bool = False
) -> tuple[list[Conversation], ReadReport]:
    """Read one log. `tools` are those of rows that bring none, and of rows that give only names.

    Raises DataError naming file and row: with `strict` at the first row that cannot be read, without it only
    if the file cannot be opened or no row of it can be read.
    """
    lists = dataset.ToolLists(tools)
    sessions = _Sessions()
    skipped: list[Dropped] = []
    for number, line in _until_broken(path, skipped, strict=strict):
        try:
            row = dataset.decode(line)
            one = dataset.conversation(
                row,
                id=_session(row) or f"{_stem(path)}:{number}",
                source=f"{path.name}:{number}",
                tools=lists.read(row),
                messages=dataset.read_messages([_modern(message) for message in row.messages]),
            )
        except (DataError, SchemaError) as error:
            if strict:
                raise DataError(f"{path}:{number}: {error}", hint=error.hint) from error
            skipped.append(Dropped(f"{path}:{number}", _reason(error)))
            continue
        replaced = sessions.add(one, number, named=_session(row) != "")
        if replaced:
            skipped.append(Dropped(f"{path}:{replaced}", PREFIX))
    found = sessions.conversations()
    if not found:
        raise DataError(f"{skipped[0].id}: {skipped[0].reason}; no row of the file could be read")
    orphans, missing = 0, Counter[str]()
    for one in found:
        orphans += len(unpaired(one.messages).orphans)
        names = {tool.name for tool in one.tools}
        missing.update(c.name for message in one.messages for c in message.calls if c.name not in names)
    return found, ReadReport(
        str(path),
        len(found) + len(skipped),
        len(found),
        tuple(skipped),
        orphans,
        dict(missing.most_common()),
        lists.repairs,
    )


def read_tools(path: Path) -> tuple[Tool, ...]:
    """Read a tool file: a JSON list, `{"tools": [...]}`, `{service: [...]}`, `{name: tool}`, one tool, or one
    tool a line; each tool in any shape that `tool.read` knows.

    Raises DataError or SchemaError naming the file and the place in it, and for two tools of one name.
    """
    lines = [line for _, line in dataset.scan(path, rows=False)]
    try:
        raw: Any = msgspec.json.decode(b"\n".join(lines))
    except dataset.NOT_JSON as whole:
        try:
            raw = [msgspec.json.decode(line) for line in lines]
        except dataset.NOT_JSON:
            raise DataError(f"{path}: neither JSON nor JSON lines: {whole}") from whole
    try:
        tools = dataset.unique(read_with_repairs(one, f"{path}: {where}")[0] for where, one in _each(raw))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if not tools:
        raise DataError(f"{path}: there are no tools in it")
    return tools


def _each(raw: Any, where: str = "") -> Iterable[tuple[str, Any]]:
    """The tools in a file and where each stands."""
    if isinstance(raw, list):
        for i, item in enumerate(raw):
            yield f"{where}[{i}]", item
    elif isinstance(raw, Mapping) and not {"name", "function"} & set(raw):
        for key, value in raw.items():
            place = f"{where}.{key}" if where else str(key)
            if isinstance(value, list):
                yield from _each(value, place)
            else:
                yield place, value
    else:
        yield where or "tool", raw


def _until_broken(path: Path, skipped: list[Dropped], *, strict: bool) -> Iterator[tuple[int, bytes]]:
    """The file's lines; a gzip that is still being written, or was cut, gives those before its end."""
    number = 0
    try:
        for number, line in dataset.scan(path):
            yield number, line
    except DataError as error:
        if strict or number == 0:
            raise
        skipped.append(Dropped(f"{path}:{number + 1}", _reason(error).removeprefix(f"{path}:{number + 1}: ")))


class _Sessions:
    """The conversations so far, of those that continue one another only the longest.

    Kept in memory beside them: a digest of each of their beginnings.
    """

    def __init__(self) -> None:
        self.kept: dict[int, Conversation] = {}  # by row
        self.whole: dict[bytes, int] = {}  # digest of a kept conversation -> its row
        self.beginnings: set[bytes] = set()  # digests of every beginning of every kept one

    def add(self, one: Conversation, row: int, *, named: bool) -> int:
        """Keep a row's conversation; returns the row (an earlier one, or this) that another repeats, or 0."""
        digests = _beginnings(one, named=named)
        if digests[-1] in self.beginnings:
            return row
        earlier = next((self.whole.pop(digest) for digest in digests if digest in self.whole), 0)
        if earlier:
            del self.kept[earlier]
        self.kept[row] = one
        self.whole[digests[-1]] = row
        self.beginnings.update(digests)
        return earlier

    def conversations(self) -> list[Conversation]:
        """In the order of their rows; a session id that comes again gets `#2`."""
        seen: Counter[str] = Counter()
        found = []
        for one in self.kept.values():
            seen[one.id] += 1
            again = seen[one.id] > 1
            found.append(msgspec.structs.replace(one, id=f"{one.id}#{seen[one.id]}") if again else one)
        return found


def _beginnings(one: Conversation, *, named: bool) -> list[bytes]:
    """A digest of each beginning of a conversation, by its length.

    A named session continues only itself, even if its system message (which may hold the time) or its tools
    change; one without a name continues any that starts with the same tools and messages.
    """
    running = blake2b(
        msgspec.json.encode(one.id if named else [tool.name for tool in one.tools]), digest_size=16
    )
    digests = []
    for message in one.messages:
        if not (named and message.role == "system"):
            running.update(msgspec.json.encode(message))
            digests.append(running.digest())
    return digests or [running.digest()]


def _session(row: dataset.Row) -> str:
    for given in (row.session_id, row.conversation_id, row.id):
        if given not in (None, ""):
            return str(given)
    return ""


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def _modern(message: dict[str, Any]) -> dict[str, Any]:
    """Today's form of a message with `function_call` or role `function`, from logs before November 2023."""
    if message.get("role") == "function":
        return {**message, "role": "tool"}
    if message.get("function_call") is not None and not message.get("tool_calls"):
        return {**message, "tool_calls": [{"function": message["function_call"]}]}
    return message


def _reason(error: Exception) -> str:
    """The error without the positions that make every row's reason its own."""
    return re.sub(r"\[\d+\]", "[]", re.sub(r" \(byte \d+\)", "", str(error)))
