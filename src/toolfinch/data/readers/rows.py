"""The rows of a log: JSON lines, gzipped or not, or one JSON list.

Both are read in pieces, whatever the file's size. Left out: one JSON object over several lines, and an element
of a list that is larger than 64 MB.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from toolfinch.data import dataset
from toolfinch.errors import DataError

LONGEST = 64_000_000
"""Characters of one element of a list; what is not whole by then is taken for broken."""
CHUNK = 1 << 20
_SIGN = re.compile(r"[^ \t\r\n]")
_ROW = msgspec.json.Decoder(dict[str, Any])
_JSON = json.JSONDecoder()


class Row(NamedTuple):
    number: int
    """From 1: of the line, or of the element."""
    offset: int
    """Where it begins in the file; -1 where one cannot go there."""
    text: bytes


_made = partial(tuple.__new__, Row)
"""What is a tuple already as a Row; `Row(…)` takes three times as long."""


def rows(path: Path) -> Iterator[Row]:
    """Raises DataError naming the file: missing, empty, binary, or broken from some row on, which it names."""
    if _is_list(path):
        yield from _elements(path)
        return
    found = dataset.lines(path)
    if dataset.is_gzip(path):
        found = ((number, -1, text) for number, _, text in found)
    yield from map(_made, found)


def decode(text: bytes) -> dict[str, Any]:
    """Raises DataError, without file and row, for what is not a JSON object."""
    try:
        return _ROW.decode(text)
    except msgspec.ValidationError as error:
        raise DataError(dataset.without_values(error)) from error
    except dataset.NOT_JSON as error:
        raise DataError(f"not JSON ({error})") from error


def decode_all(texts: Iterable[bytes]) -> list[dict[str, Any]]:
    """`decode` for each, as quick as can be; where it raises, some of them may be fine."""
    try:
        return list(map(_ROW.decode, texts))
    except (msgspec.ValidationError, *dataset.NOT_JSON) as error:
        raise DataError("not JSON") from error


def keyed(key: Callable[[Mapping[str, Any]], str], keys: tuple[str, ...]) -> Callable[[bytes], str]:
    """`key` of a row's text, for one that looks at these keys alone, which are all that is read: several times quicker.

    What is broken raises the DataError of `decode`, but for text that is not UTF-8 and numbers that are too large,
    which are not noticed among the values of other keys.
    """
    names = [f"f{i}" for i in range(len(keys))]
    fields = [(name, Any, None) for name in names]
    head = msgspec.defstruct("Head", fields, rename=dict(zip(names, keys, strict=True)))
    read = msgspec.json.Decoder(head).decode
    values = msgspec.structs.astuple

    def named(*values: Any) -> str:
        return key(dict(zip(keys, values, strict=True)))

    lately = lru_cache(maxsize=256, typed=True)(named)

    def key_of(text: bytes) -> str:
        try:
            found = values(read(text))
        except (msgspec.ValidationError, *dataset.NOT_JSON):
            return key(decode(text))
        try:
            return lately(*found)
        except TypeError:  # a list or an object, which cannot be looked up
            return named(*found)

    return key_of


def _is_list(path: Path) -> bool:
    with dataset.opened(path) as stream:
        try:
            start = stream.read(4096)
        except dataset.BROKEN_GZIP:
            return False  # `lines` says what is wrong
    return start.removeprefix(dataset.BYTE_ORDER_MARK).lstrip().startswith(b"[")


def _elements(path: Path) -> Iterator[Row]:
    """The elements of a list, each with its line breaks taken out, which stand only between values."""
    number = 0
    with dataset.opened(path) as stream:
        text = _Text(stream)
        try:
            text.sign()
            text.at += 1  # the bracket
            while text.sign() != "]":
                line = text.value().replace("\r", " ").replace("\n", " ")
                number += 1
                yield Row(number, -1, line.encode(errors="surrogateescape"))
                if (sign := text.sign()) == ",":
                    text.at += 1
                elif sign != "]":
                    raise ValueError("expected , or ] after an element")
            text.at += 1
            if text.sign():
                raise ValueError("text after the end of the list")
        except dataset.BROKEN_GZIP as error:
            raise DataError(f"{path}:{number + 1}: broken gzip: {error}") from error
        except RecursionError as error:
            raise DataError(f"{path}:{number + 1}: not JSON from here on (nested too deeply)") from error
        except ValueError as error:
            why = str(error).partition(": line ")[0]  # a position in the piece says nothing of the file
            raise DataError(f"{path}:{number + 1}: not JSON from here on ({why})") from error
    if not number:
        raise DataError(f"{path}: an empty list")


class _Text:
    """A stream as text, of which no more is held than one value needs."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        # Bytes that are not UTF-8 come through and are refused with their row, not with the file.
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self.text = ""
        self.at = 0  # what comes before is done with

    def more(self) -> bool:
        """Read on, as much as is held already, so that a long value is not begun too often; False at the end."""
        piece = self.stream.read(max(CHUNK, len(self.text) - self.at))
        self.text, self.at = self.text[self.at :] + self.decoder.decode(piece, final=not piece), 0
        return bool(piece)

    def sign(self) -> str:
        """The next character that is no space, left in place; "" at the end."""
        while True:
            match = _SIGN.search(self.text, self.at)
            if match:
                self.at = match.start()
                return match[0]
            self.at = len(self.text)
            if not self.more():
                return ""

    def value(self) -> str:
        """The JSON of one value, whole. Raises ValueError."""
        while True:
            try:
                end = _JSON.raw_decode(self.text, self.at)[1]
            except ValueError:
                if len(self.text) - self.at > LONGEST or not self.more():
                    raise
            else:
                value = self.text[self.at : end]
                self.at = end
                return value
