"""What a text says with its characters' encodings undone, and where each character stands: for replacing in place.

`decoded.rewritten` undoes the same encodings (percent signs, HTML entities, backslashes, quoted-printable) for those
who only have to read. What is found in a `Layer` can be replaced where it stands, in the middle of what stays
encoded. Quotes and backslashes are left as they are: they only stand between words. For bytes see `decoded`.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right

from toolfinch.data.anonymize.decoded import DEEPEST


class Layer:
    """A text with one encoding, or one more, undone."""

    def __init__(self, under: Layer | None) -> None:
        self.text = ""
        self._parts: list[str] = []
        self._size = 0
        # Stretches of the text: where each begins, where it comes from in the layer under it, and how long it is
        # there if it is one encoded character; 0 where it is as it was.
        self._begins: list[int] = []
        self._origins: list[int] = []
        self._sizes: list[int] = []
        self._under = under

    def _add(self, part: str, origin: int, size: int = 0) -> None:
        if part:
            self._parts.append(part)
            self._begins.append(self._size)
            self._origins.append(origin)
            self._sizes.append(size)
            self._size += len(part)

    def place(self, at: int) -> tuple[int, int]:
        """Where the character at that place begins and ends in the text that was decoded."""
        stretch = bisect_right(self._begins, at) - 1
        begin, size = self._origins[stretch], self._sizes[stretch]
        if not size:
            begin, size = begin + at - self._begins[stretch], 1
        if self._under is None:
            return begin, begin + size
        return self._under.place(begin)[0], self._under.place(begin + size - 1)[1]


_ENCODED = re.compile(
    r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)|%u(?P<percent_u>[0-9A-Fa-f]{4})"
    r"|(?<!\\)\\++(?:u(?P<short>[0-9A-Fa-f]{4})|u\{(?P<braced>[0-9A-Fa-f]{1,6})\}|U(?P<long>[0-9A-Fa-f]{8})"
    r"|x(?P<byte>[0-9A-Fa-f]{2})|(?P<blank>[nrtbf]))"
    r"|(?P<entity>&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]\w{1,30});)"
    r"|(?P<quoted>(?:=[0-9A-F]{2})+)|(?P<soft>=\r?\n)"
    r"|(?P<line>\n(?<=[A-Za-z0-9+/]{60}\n)(?=[A-Za-z0-9+/])|\r\n(?<=[A-Za-z0-9+/]{60}\r\n)(?=[A-Za-z0-9+/]))"
)
_LINES = re.compile(r"\n(?<=[A-Za-z0-9+/]{12}\n|[A-Za-z0-9+/]{11}\r\n)")
"""Perhaps base64 in lines."""


def layers(text: str) -> list[Layer]:
    """The text decoded once, twice, …, as long as something is encoded. Every place is one of `text`.

    What is no UTF-8 where that is meant is read as Latin-1, too.
    """
    every: list[Layer] = []
    waiting: list[tuple[str, Layer | None]] = [(text, None)] if may_be_encoded(text) else []
    for _ in range(DEEPEST + 1 if waiting else 0):
        found: list[Layer] = []
        for above, under in waiting:
            if not may_be_encoded(above):
                continue
            layer = _decoded(above, under, "utf-8")
            if layer is not None:
                found.append(layer)
                if (
                    "\ufffd" in layer.text
                    and "\ufffd" not in above
                    and (latin := _decoded(above, under, "latin-1"))
                ):
                    found.append(latin)
        every += found
        waiting = [(layer.text, layer) for layer in found]
    return every


def may_be_encoded(text: str) -> bool:
    """Whether it has the sign of an encoding; that of several texts, if one of them has."""
    return (
        "\\" in text
        or "%" in text
        or "&" in text
        or "=" in text
        or ("\n" in text and bool(_LINES.search(text)))
    )


def _decoded(text: str, under: Layer | None, charset: str) -> Layer | None:
    """What is encoded in it decoded once; None where nothing is."""
    layer = Layer(under)
    done, high, any_found = 0, "", False
    for match in _ENCODED.finditer(text):
        begin, end = match.span()
        kind, piece = match.lastgroup, match[0]
        if kind == "entity" and html.unescape(piece) == piece:
            continue
        any_found = True
        if begin > done:
            layer._add(text[done:begin], done)
            high = ""
        done = end
        if kind in ("percent", "quoted"):
            raw = bytes.fromhex(piece.replace(piece[0], ""))
            for char in raw.decode(charset, "replace"):
                size = 3 * len(char.encode(charset)) if char != "\ufffd" else 3
                layer._add(char, begin, size)
                begin += size
        elif kind == "entity":
            layer._add(html.unescape(piece), begin, end - begin)
        elif kind == "blank":
            layer._add("\n", begin, end - begin)  # or another that stands between words
        elif kind not in ("soft", "line"):
            code = int(match[kind or 0], 16)
            char = chr(code) if code <= 0x10FFFF else "\ufffd"
            if high and "\udc00" <= char <= "\udfff":
                # Two halves of one character, as JSON writes those beyond 16 bits.
                layer._parts[-1] = (high + char).encode("utf-16", "surrogatepass").decode("utf-16")
                layer._sizes[-1] += end - begin
            else:
                layer._add(char, begin, end - begin)
            high = char if "\ud800" <= char <= "\udbff" else ""
    if not any_found:
        return None
    layer._add(text[done:], done)
    layer.text = "".join(layer._parts)
    layer._parts.clear()
    return layer if layer.text != text else None
