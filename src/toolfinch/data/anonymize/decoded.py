"""Everything that can be read in a decoded JSON value: its strings, keys and numbers, and what is encoded in them.

`strings` gives what stands in a value, `decodings` what one text says when one encoding is undone: escapes (`\\u00e1`,
`\\xe1`, however many backslashes, which also undoes JSON in strings), percent signs, HTML entities, quoted-printable,
base64 (both alphabets, padded or not, wherever in a run it begins), hexadecimal, punycode, numbers with an exponent;
compressed bytes behind base64. What is undone is looked at again, so encodings in encodings are read, too. Left out:
ciphers, encodings of other alphabets, images.
"""

from __future__ import annotations

import binascii
import html
import re
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BREAK = "\x1f"
"""Between strings that are read together; no encoding goes on across it."""
DEEPEST = 6
"""Encodings in encodings that are undone; a text that is then still encoded is not cleared."""
LARGEST = 16 << 20
"""Bytes that one compressed text may become."""


class Text(NamedTuple):
    """A text that can be read."""

    text: str
    how: tuple[str, ...] = ()
    """The encodings that were undone, the outermost first."""
    partial: bool = False
    """Readable parts among bytes that are not: a short word in it says nothing."""


def strings(
    value: Any, path: str = "", known: frozenset[str] = frozenset(), key: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Every string, key and number of a decoded value: its path, in which a key is shown only if it is `known`, the
    key that it is the value of, and itself."""
    if isinstance(value, str):
        yield path, key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            shown = f"{path}.{name}" if name in known else f"{path}.*"
            yield f"{shown} (key)", "", str(name)
            yield from strings(inner, shown, known, str(name))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from strings(inner, f"{path}[{place}]", known)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, key, number(value)


def collect(value: Any, into: list[str]) -> None:
    """`strings` without paths, which is quicker."""
    if isinstance(value, str):
        into.append(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            into.append(key if type(key) is str else str(key))
            if type(inner) is str:
                into.append(inner)
            elif inner is not None:
                collect(inner, into)
    elif isinstance(value, list | tuple):
        for inner in value:
            collect(inner, into)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        into.append(number(value))


def number(value: int | float) -> str:
    """A number in digits: 36301234567.0 and 3.6301234567e10 are one phone."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e30:
        value = int(value)
    return str(value)


def deeper(one: Text, seen: set[str]) -> Iterator[Text]:
    """The text with one encoding undone, for each that it has; what was seen before is passed over."""
    for undone in (*rewritten(one), *(undone for _, undone in decoded_bytes(one))):
        if undone.text not in seen:
            seen.add(undone.text)
            yield undone


def rewritten(one: Text) -> Iterator[Text]:
    """The text with one encoding of characters undone; only the strings that have a sign of it."""
    text = one.text
    for sign, name, undo in _ENCODINGS:
        if sign not in text:
            continue
        part = BREAK.join(p for p in text.split(BREAK) if sign in p) if BREAK in text else text
        undone = undo(part)
        if undone != part:
            yield Text(undone, (*one.how, name), one.partial)
    if _EXPONENT_SIGN.search(text):
        yield Text(_EXPONENT.sub(_plain_number, text), (*one.how, "exponent"), one.partial)


def decoded_bytes(one: Text) -> Iterator[tuple[int, Text]]:
    """What stands in base64 and hexadecimal, with the place where each begins.

    Six bytes of ASCII at a stretch are enough (nine where there is other UTF-8), less where they stand alone: then
    four in hexadecimal, and any number of them in base64 that is padded with `=`.
    """
    text = one.text
    if len(text) >= 8:
        codes = text.encode("latin-1", "replace")
        for begin, end in _base64_at(codes):
            yield from _said(one, begin, "base64", text[begin:end])
        shape = codes.translate(_HEX_SHAPE)
        if _IN_HEX in shape:
            for begin, end in _hex_at(codes):
                yield from _said(one, begin, "hex", text[begin:end])
        if _IN_SPACED_HEX in shape:
            for begin in _spaced_hex_at(codes):
                if match := _SPACED_HEX.match(text, begin):
                    yield from _said(one, begin, "hex", re.sub(r"[:,]", " ", match[0]))
    if "//" in text or "/v" in text:
        for marked in _UTF16.finditer(text):
            yield from _said(one, marked.start(), "base64", marked[0])
    if "=" in text:
        for padded in _PADDED.finditer(text):
            yield from _said(one, padded.start(), "base64", padded[0].rstrip("="))


_WORD = 40
"""Characters of a run up to which what it says is remembered: long words, which look encoded and come again."""


def _said(one: Text, begin: int, name: str, run: str) -> Iterator[tuple[int, Text]]:
    """What of decoded bytes is text."""
    for said in _read_once(name, run) if len(run) <= _WORD else _read(name, run):
        yield begin, Text(said.text, (*one.how, *said.how), said.partial or one.partial)


def _read(name: str, run: str) -> Iterator[Text]:
    raw = _from_base64(run) if name == "base64" else bytes.fromhex(run)
    if _is_text(raw):
        yield Text(raw.decode(), (name,))
        return
    if raw[:2] == b"\x1f\x8b" or raw[:2] in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        yield Text(_text(_unzipped(raw)), (name, "zip"))
    if raw.count(0) * 4 > len(raw) or raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        for codec in ("utf-16-le", "utf-16-be"):
            yield Text(raw.decode(codec, "replace"), (name, codec), partial=True)
    parts = [match[0].decode("utf-8", "replace") for match in _READABLE.finditer(raw)]
    if parts:
        yield Text(BREAK.join(parts), (name,), partial=True)


@lru_cache(1 << 14)
def _read_once(name: str, run: str) -> tuple[Text, ...]:
    return tuple(_read(name, run))


# --- text in text

_ESCAPE = re.compile(
    r"\\+(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([nrtbf\"'/]))"
)
_LETTERS = {"n": "\n", "r": "\n", "t": "\t", "b": " ", "f": "\n", '"': '"', "'": "'", "/": "/"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_PERCENT_U = re.compile(r"%u([0-9A-Fa-f]{4})")
_EXPONENT = re.compile(r"(?<![\w.])\d\.\d{4,17}[eE]\+?\d\d?(?!\w)")


_EXPONENT_SIGN = re.compile(r"\.\d{4,17}[eE]")
"""Begins with what is rare, so it is quick."""


def _from_escape(match: re.Match[str]) -> str:
    short, braced, long, byte, letter = match.groups()
    if letter:
        return _LETTERS[letter]
    code = int(short or braced or long or byte, 16)
    return chr(code) if code <= 0x10FFFF else match[0]


def _escapes(text: str) -> str:
    undone = _ESCAPE.sub(_from_escape, text)
    if _SURROGATE.search(undone):  # two halves of one character
        undone = undone.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return undone


def _percent(text: str) -> str:
    text = _PERCENT_U.sub(lambda m: chr(int(m[1], 16)), text)
    undone = urllib.parse.unquote(text, errors="replace")
    if "\ufffd" in undone and "\ufffd" not in text:
        undone += BREAK + urllib.parse.unquote(text, encoding="latin-1")
    return undone


def _entities(text: str) -> str:
    return html.unescape(text)


_SOFT_BREAK = re.compile(r"=\r?\n")
_QUOTED = re.compile(r"(?:=[0-9A-F]{2})+")


def _quoted_printable(text: str) -> str:
    text = _SOFT_BREAK.sub("", text)
    undone = _QUOTED.sub(_from_quoted, text)
    if _QUOTED.search(undone):
        latin = _QUOTED.sub(lambda m: bytes.fromhex(m[0].replace("=", "")).decode("latin-1"), text).split(
            BREAK
        )
        known = set(undone.split(BREAK))  # or the text would grow each time that it is looked at again
        undone = BREAK.join([undone, *(one for one in latin if one not in known)])
    return undone


def _from_quoted(match: re.Match[str]) -> str:
    """What is no UTF-8 stays: the first of `x=ABÁ`, written `x=AB=C3=81`, was not quoted."""
    raw = bytes.fromhex(match[0].replace("=", ""))
    kept = raw.decode("utf-8", "surrogateescape")
    return "".join(f"={ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in kept)


_PUNYCODE = re.compile(r"xn--([a-z0-9-]{1,59})", re.IGNORECASE)


def _from_punycode(match: re.Match[str]) -> str:
    try:
        return match[1].encode("ascii").decode("punycode")
    except UnicodeError:
        return match[0]


def _punycode(text: str) -> str:
    return _PUNYCODE.sub(_from_punycode, text)


_IN_LINES = re.compile(r"\n(?<=[A-Za-z0-9+/]{60}\n)(?=[A-Za-z0-9+/])")


def _one_line(text: str) -> str:
    """Base64 that mail and keys break into lines."""
    joined, count = _IN_LINES.subn("", text.replace("\r\n", "\n"))
    return joined if count else text


def _plain_number(match: re.Match[str]) -> str:
    return number(float(match[0]))


_ENCODINGS = (
    ("\\", "escapes", _escapes),
    ("%", "percent signs", _percent),
    ("&", "HTML entities", _entities),
    ("=", "quoted-printable", _quoted_printable),
    ("xn--", "punycode", _punycode),
    ("\n", "lines", _one_line),
)
"""A sign, what it is a sign of, and how it is undone."""

# --- bytes in text

# Whether base64 or hexadecimal stands for text is told by classes of characters, without decoding: from a character
# and its place in a group of four follows whether the byte is ASCII, leads a sequence of UTF-8, or goes on with one.
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SIX = {char: place for place, char in enumerate(_ALPHABET)} | {ord("-"): 62, ord("_"): 63}
_FOUR = {char: int(chr(char), 16) for char in b"0123456789abcdefABCDEF"}
_PADDED = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{2,}={1,2}")
_UTF16 = re.compile(r"(?<![A-Za-z0-9+/])(?://[4-7]|/v[89+/])[A-Za-z0-9+/]{6,}")
"""Base64 of what begins with UTF-16's byte order mark."""
_READABLE = re.compile(rb"[\t\n\r -~\xc2-\xf4\x80-\xbf]{6,}")


def _class(of: dict[int, int], test: Callable[[int], bool]) -> bytes:
    """A table for `bytes.translate`: 1 where a character's value passes."""
    return bytes(int(char in of and test(of[char])) for char in range(256))


_QUAD, _SHOWN, _UTF8, _BEFORE, _BEHIND = 1, 2, 4, 8 | 16, 32 | 64
"""Bits of what is told of four characters of base64: that they are four; that they are three bytes of ASCII; that
they may be three of UTF-8, which the bytes by themselves say, and the first two, and the last two."""


def _roles() -> Iterator[bytes]:
    """Tables of bits by character: of the first, the second, the third and the fourth of four. A bit of the four is
    one that they all have; of `_BEFORE` and `_BEHIND` two neighbours have to share one."""
    ascii_: tuple[Callable[[int], bool], ...] = (
        lambda v: v < 32 and (v >= 8 or v == 0),  # of ASCII: what is printed, or 0, as in UTF-16
        lambda v: v & 15 < 8 and (v & 15 >= 2 or v & 15 == 0),
        lambda v: v & 3 < 2,
    )
    leads: tuple[Callable[[int], bool], ...] = (
        lambda v: v >= 48,
        lambda v: v & 15 >= 12,
        lambda v: v & 3 == 3,
    )
    goes_on: tuple[Callable[[int], bool], ...] = (
        lambda v: 32 <= v < 48,
        lambda v: 8 <= v & 15 < 12,
        lambda v: v & 3 == 2,
    )
    for place in range(3):
        table = bytearray(256)
        for char, value in _SIX.items():
            is_ascii, lead, on = ascii_[place](value), leads[place](value), goes_on[place](value)
            bits = _QUAD | _SHOWN * is_ascii | _UTF8 * (place > 0 or is_ascii or lead or on)
            # Neither ASCII that goes on, nor a lead that does not.
            if place:
                bits |= (16 if on else 8) if place == 1 else (64 if on else 32)
            if place < 2:
                bits |= (8 if place == 0 else 32) * (not lead) | (16 if place == 0 else 64) * (not is_ascii)
            table[char] = bits
        yield bytes(table)
    yield bytes(_QUAD | _SHOWN | _UTF8 if char in _SIX else 0 for char in range(256))


_ROLES = tuple(_roles())
_HEX = _class(_FOUR, lambda v: True)
_HEX_ASCII = _class(_FOUR, lambda v: 2 <= v < 8)
_HEX_GOES_ON = _class(_FOUR, lambda v: 8 <= v < 12)
_HEX_LEADS = _class(_FOUR, lambda v: v >= 12)
_SEPARATES = bytes(int(char in b" :,") for char in range(256))


_SPACED_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :,]){3,}[0-9A-Fa-f]{2}")
_HEX_SHAPE = bytes(32 if char in b" :," else 120 if char in _FOUR else 46 for char in range(256))
_IN_HEX, _IN_SPACED_HEX = b"xxxxxxxx", b"xx xx xx "
"""What a text has, translated by `_HEX_SHAPE`, where `_hex_at` and `_spaced_hex_at` find something: quickly looked
for, and rare."""


def _mask(codes: bytes, table: bytes) -> NDArray[np.bool_]:
    return np.frombuffer(codes.translate(table), dtype=np.bool_)


def _base64_at(codes: bytes) -> list[tuple[int, int]]:
    one, two, three, four = (np.frombuffer(codes.translate(table), dtype=np.uint8) for table in _ROLES)
    first, second, third = one[:-3], two[1:-2], three[2:-1]
    start, rest = first & second, second & third
    whole = start & third & four[3:]
    shown = (whole & _SHOWN) != 0
    utf8 = ((whole & _UTF8) != 0) & ((start & _BEFORE) != 0) & ((rest & _BEHIND) != 0)
    inside = four != 0
    hits = np.zeros(len(whole), dtype=np.bool_)
    hits[:-4] = shown[:-4] & shown[4:]
    pair = utf8[:-4] & utf8[4:]
    begins = pair.copy()
    begins[1:] &= ~inside[: len(pair) - 1]
    hits[:-4] |= begins & (shown[:-4] | shown[4:])
    if len(codes) >= 16:
        hits[:-8] |= begins[:-4] & utf8[8:]
        hits[:-12] |= pair[:-8] & pair[8:]
    return [(begin, end - ((end - begin) % 4 == 1)) for begin, end in _runs(np.flatnonzero(hits), inside, 4)]


def _hex_at(codes: bytes) -> list[tuple[int, int]]:
    inside = _mask(codes, _HEX)
    ascii_ = _mask(codes, _HEX_ASCII)[:-1] & inside[1:]
    goes_on, leads = _mask(codes, _HEX_GOES_ON)[:-1], _mask(codes, _HEX_LEADS)[:-1]
    valid = inside[:-1] & inside[1:]
    valid[:-2] &= ~((ascii_[:-2] & goes_on[2:]) | (leads[:-2] & ~goes_on[2:]))
    four = ascii_[:-6] & ascii_[2:-4] & ascii_[4:-2] & ascii_[6:]
    alone = four.copy()
    alone[1:] &= ~inside[: len(alone) - 1]
    alone[:-1] &= ~inside[8 : 8 + len(alone) - 1]
    hits = alone
    hits[:-4] |= four[:-4] & four[4:]
    four = valid[:-6] & valid[2:-4] & valid[4:-2] & valid[6:]
    hits[:-8] |= four[:-8] & four[8:]
    return [(begin, end - (end - begin) % 2) for begin, end in _runs(np.flatnonzero(hits), inside, 2)]


def _spaced_hex_at(codes: bytes) -> list[int]:
    """Where `41 6e 6e 61` begins."""
    inside, between = _mask(codes, _HEX), _mask(codes, _SEPARATES)
    pair = inside[:-2] & inside[1:-1] & between[2:]
    hits = np.flatnonzero(pair[:-6] & pair[3:-3] & pair[6:]).tolist()  # three bytes are a time of day
    return [hit for before, hit in zip([-9, *hits], hits, strict=False) if hit - before != 3]


def _runs(hits: NDArray[np.int64], inside: NDArray[np.bool_], size: int) -> list[tuple[int, int]]:
    """What the hits are part of: from as far before as the alignment allows to the end of the run, each once."""
    if not len(hits):
        return []
    outside = np.concatenate(([-1], np.flatnonzero(~inside), [len(inside)]))
    place = np.searchsorted(outside, hits)
    begins, ends = outside[place - 1] + 1, outside[place]
    begins += (hits - begins) % size
    return sorted(set(zip(begins.tolist(), ends.tolist(), strict=True)))


def _from_base64(run: str) -> bytes:
    plain = run.replace("-", "+").replace("_", "/")
    plain = plain[:-1] if len(plain) % 4 == 1 else plain
    return binascii.a2b_base64(plain + "=" * (-len(plain) % 4))


def _is_text(raw: bytes) -> bool:
    try:
        return all(char.isprintable() or char in "\t\n\r" for char in raw.decode())
    except UnicodeDecodeError:
        return False


def _unzipped(raw: bytes) -> bytes:
    try:
        return zlib.decompressobj(47).decompress(raw, LARGEST)
    except zlib.error:
        return b""


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") + BREAK + raw.decode("latin-1")
