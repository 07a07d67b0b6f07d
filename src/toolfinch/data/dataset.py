"""Conversations on disk: one line of OpenAI chat JSONL each, with our keys beside `tools` and `messages`.

`write_dataset` writes a whole file or nothing, gzipped where the name ends in .gz; `read_dataset` streams it
back, equal, and stops at the first row that is wrong. Logs that others wrote are read by `readers`, which
forgive. Left out: columnar formats and appending.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from toolfinch.errors import DataError, SchemaError
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolResult, from_openai, to_openai
from toolfinch.tool import Tool, read_with_repairs, shown, to_record

GZIP = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BROKEN_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading JSON raises; the last for thousands of nested brackets."""
KEPT = 1000
"""Lists of tools that are kept to be shared."""


class Row(msgspec.Struct, frozen=True):
    """One line, before its tools and messages are read. Keys that are not here are passed over."""

    messages: list[dict[str, Any]]
    tools: msgspec.Raw = msgspec.Raw()
    id: str | None = None
    scenario: str | None = None
    source: str | None = None
    tags: tuple[str, ...] | None = None
    marks: dict[int, Mark] = {}
    time: str | None = None


_ROW = msgspec.json.Decoder(Row)
_TOOLS = msgspec.json.Decoder(tuple[msgspec.Raw, ...])


class ToolLists:
    """Reads lists of tools, each text once: rows of a log repeat a few lists thousands of times."""

    def __init__(self, catalogue: Iterable[Tool] = (), *, names_pass: bool = False) -> None:
        self.catalogue = {tool.name: tool for tool in unique(catalogue)}
        """For rows without tools, and those that name theirs without a schema."""
        self.repairs: dict[str, tuple[str, ...]] = {}
        """By tool name, what was repaired in its schema."""
        self.names_pass = names_pass
        """Whether a tool that is given by name, and is not in the catalogue, is left out of its list."""
        self.without_schema: dict[str, None] = {}
        """The names of those that were."""
        self._lists: dict[bytes, tuple[Tool, ...]] = {}
        self._tools: dict[bytes, Tool] = {}

    def read(self, text: bytes) -> tuple[Tool, ...]:
        """The tools of a JSON list; the catalogue where there is none (no text, or `null`).

        Raises DataError or SchemaError naming the place in the list.
        """
        if not _said(text):
            return tuple(self.catalogue.values())
        if text not in self._lists:
            if len(self._lists) >= KEPT:  # a log may offer other tools in every row
                self._lists.clear()
                self._tools.clear()
            try:
                items = _TOOLS.decode(text)
            except NOT_JSON as error:
                raise DataError(f"tools: {error}") from error
            self._lists[text] = unique(
                tool
                for i, item in enumerate(items)
                if (tool := self._tool(bytes(item), f"tools[{i}]")) is not None
            )
        return self._lists[text]

    def _tool(self, text: bytes, where: str) -> Tool | None:
        if text not in self._tools:
            try:
                raw = msgspec.json.decode(text)
            except NOT_JSON as error:
                raise DataError(f"{where}: not JSON ({error})") from error
            if isinstance(raw, str):
                if raw in self.catalogue:
                    return self.catalogue[raw]
                if not self.names_pass:
                    raise DataError(f"{where}: a name without a schema")
                self.without_schema[shown(raw)] = None
                return None
            tool, repairs = read_with_repairs(raw, where)
            if repairs:
                self.repairs[tool.name] = repairs
            self._tools[text] = tool
        return self._tools[text]


def _said(text: bytes) -> bool:
    return text not in (b"", b"null")


def unique(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """The tools without repetitions. Raises DataError where two different ones share a name."""
    by_name: dict[str, Tool] = {}
    for tool in tools:
        if by_name.setdefault(tool.name, tool) != tool:
            raise DataError(f"two different tools are named {tool.name!r}")
    return tuple(by_name.values())


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, decompressed if they are gzip. Raises DataError if there is no such file."""
    if path.is_dir():
        raise DataError(f"{path}: a folder; expected a file")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with path.open("rb", buffering=1 << 20) as plain:
        stream: Any = gzip.GzipFile(fileobj=plain) if is_gzip(path) else plain
        yield stream


def is_gzip(path: Path) -> bool:
    """By its first bytes, whatever its name."""
    with path.open("rb") as plain:
        return plain.read(2) == GZIP


def lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """The lines of a text file that are not blank, gzipped or not: number from 1, first byte, stripped text.

    Raises DataError for a file that is missing, empty, binary or cut in its compression.
    """
    number = offset = 0
    blank = True
    with opened(path) as stream:
        try:
            for number, line in enumerate(stream, start=1):
                begins, offset = offset, offset + len(line)
                if number == 1:
                    line = line.removeprefix(BYTE_ORDER_MARK)
                    begins = offset - len(line)
                    if b"\0" in line[:4096]:
                        raise DataError(f"{path}: not text (it has null bytes)")
                if text := line.strip():
                    blank = False
                    if line[0] <= 32:
                        begins += len(line) - len(line.lstrip())
                    yield number, begins, text
        except BROKEN_GZIP as error:
            raise DataError(f"{path}:{number + 1}: broken gzip: {error}") from error
    if blank:
        raise DataError(f"{path}: empty")


def scan(path: Path, *, rows: bool = True) -> Iterator[tuple[int, bytes]]:
    """`lines` without their places. Raises DataError, with `rows` for a file that is a JSON list, too."""
    first = True
    for number, _, line in lines(path):
        if rows and first and line.startswith(b"["):
            raise DataError(
                f"{path}: a JSON list; expected one object a line",
                hint="jq -c '.[]' turns a list into lines",
            )
        first = False
        yield number, line


def decode(line: bytes) -> Row:
    """Raises DataError, without file and row, for a line that is not such an object."""
    try:
        return _ROW.decode(line)
    except msgspec.ValidationError as error:
        raise DataError(without_values(error)) from error
    except NOT_JSON as error:
        raise DataError(f"not JSON ({error})") from error


def without_values(error: msgspec.ValidationError) -> str:
    """What msgspec says, without the value that it quotes: it may be personal."""
    return re.sub(r"(Invalid enum value) .*(?= - at `)", r"\1", str(error), flags=re.DOTALL)


def checked(one: Conversation) -> Conversation:
    """Raises DataError, without file and row, where its marks are not of its turns and tools."""
    for index, mark in one.marks.items():
        if not 0 <= index < len(one.messages) or one.messages[index].role != "assistant":
            raise DataError(f"marks.{index}: there is no assistant message at that place")
        for name in mark.later:
            if all(tool.name != name for tool in one.tools):  # it could never be called, early or not
                raise DataError(f"marks.{index}.later: names what is not among the row's tools")
    return one


def read_messages(raw: Sequence[Mapping[str, Any] | Message]) -> tuple[Message, ...]:
    """Messages in the OpenAI shape, or ours already. Raises DataError, naming the message."""
    if not raw:
        raise DataError("messages: empty")
    return tuple([_message(message, i) for i, message in enumerate(raw)])


def _message(raw: Mapping[str, Any] | Message, i: int) -> Message:
    if type(raw) is Message:
        return raw
    if type(raw) is dict and len(raw) <= 3:  # most are words or a result, and read so in half the time
        role, content = raw.get("role"), raw.get("content")
        if type(content) is str:
            if len(raw) == 2 and (role == "user" or role == "assistant"):
                return Message(role, content)
            if role == "tool" and type(id := raw.get("tool_call_id")) is str and len(raw) == 3:
                return Message("tool", content, (), ToolResult(content, id))
    return from_openai(raw, f"messages[{i}]")


def read_dataset(path: Path) -> Iterator[Conversation]:
    """A file that `write_dataset` wrote, one conversation after the other.

    Raises DataError naming file and row at the first thing that is wrong, an id that comes twice included.
    """
    lists = ToolLists()
    ids: set[str] = set()
    for number, line in scan(path):
        try:
            row = decode(line)
            if row.id is None:
                raise DataError("id: missing", hint="a log becomes a dataset with `toolfinch data`")
            if row.id in ids:
                raise DataError(f"id: {row.id!r} is given twice")
            found = checked(
                Conversation(
                    id=row.id,
                    tools=lists.read(bytes(row.tools)),
                    messages=read_messages(row.messages),
                    scenario=row.scenario or "",
                    source=row.source or "",
                    tags=row.tags or (),
                    marks=row.marks,
                    time=row.time or "",
                )
            )
        except (DataError, SchemaError) as error:
            raise DataError(f"{path}:{number}: {error}", hint=error.hint) from error
        ids.add(row.id)
        yield found


def to_row(conversation: Conversation) -> dict[str, Any]:
    """The object that `write_dataset` writes as one line. Keys with nothing in them are left out."""
    row = {
        "id": conversation.id,
        "tools": [to_record(tool) for tool in conversation.tools],
        "messages": [to_openai(message) for message in conversation.messages],
        "scenario": conversation.scenario,
        "source": conversation.source,
        "tags": conversation.tags,
        "marks": conversation.marks,
        "time": conversation.time,
    }
    return {key: value for key, value in row.items() if value or key in ("id", "tools", "messages")}


def write_dataset(path: Path, conversations: Iterable[Conversation]) -> int:
    """Write conversations and return how many; the file appears whole or not at all.

    Raises DataError where there are none: no reader takes an empty file. Equal conversations make equal
    bytes, compressed or not. `read_dataset` gives back what was written if the tools' schemas are normalised.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    count = 0
    try:
        with unfinished.open("wb") as plain:
            stream: IO[bytes] | gzip.GzipFile = plain
            if path.suffix == ".gz":  # without a name and a time in it, which would change the bytes
                stream = gzip.GzipFile(filename="", mode="wb", fileobj=plain, compresslevel=6, mtime=0)
            for one in conversations:
                stream.write(msgspec.json.encode(to_row(one)) + b"\n")
                count += 1
            if stream is not plain:
                stream.close()
            if count == 0:
                raise DataError(f"{path}: there are no conversations to write")
            plain.flush()
            os.fsync(plain.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return count
