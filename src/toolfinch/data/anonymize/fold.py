"""`normal`: a text without what does not change whom it names: case, accents, Unicode forms, what cannot be seen.

Every character is folded by itself, so places in the folded text lead back to the text. Left out: letters of one
script that look like those of another.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

_PLAIN = {
    "ı": "i",
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "æ": "ae",
    "œ": "oe",
    "ħ": "h",
    "ŧ": "t",
}
"""Letters that Unicode does not take apart and that people write without their strokes."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "ß": "ss"})


class _Fold(dict[int, str]):
    """What each character becomes; made as they come."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = fold(chr(code))
        return folded


def fold(char: str) -> str:
    """One character folded: none, one or a few. Outside ASCII only letters and digits are left; all else is a space."""
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(_part(part) for part in parts if unicodedata.category(part) not in ("Mn", "Me", "Cf"))


def _part(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Nd":  # of every script
        return str(unicodedata.digit(char))
    if char > "\x7f" and category[0] not in "LMN":
        return " "
    return _PLAIN.get(char, char)


_FOLD = _Fold()


_BETWEEN = re.compile(r"[\x00-/:-@\[-`{-\x7f]+")
_OTHERS = re.compile(r"[^\x00-\x7f]+")


def normal(text: str) -> str:
    """The text folded: NFKC without accents, case-folded, digits as 0 to 9, nothing that is invisible."""
    if not text.isascii():
        text = _OTHERS.sub(lambda match: match[0].translate(_FOLD), text)
    return text.lower()


def origins(text: str) -> NDArray[np.int64]:
    """Of each character of `normal(text)`, which character of the text it comes from."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    places = np.flatnonzero(codes > 127)
    sizes = np.ones(len(codes), dtype=np.int64)
    kinds, which = np.unique(codes[places], return_inverse=True)
    sizes[places] = np.array([len(_FOLD[code]) for code in kinds.tolist()], dtype=np.int64)[which]
    return np.repeat(np.arange(len(codes)), sizes)


def bare(text: str) -> str:
    """The letters and digits of `normal(text)` alone."""
    return _BETWEEN.sub("", normal(text))


def spelled_out(text: str) -> str:
    """With the two letters that stand for an umlaut where there is none: `Müller` as `Mueller`."""
    return unicodedata.normalize("NFC", text).lower().translate(_UMLAUTS)


def unspaced(char: str) -> bool:
    """Whether it is of a script that is written without spaces, or with endings joined to names (Korean)."""
    code = ord(char)
    return (
        0x0E00 <= code <= 0x0EFF
        or 0x1000 <= code <= 0x11FF
        or 0x1780 <= code <= 0x17FF
        or 0x2E80 <= code <= 0x9FFF
        or 0xA960 <= code <= 0xA97F
        or 0xAC00 <= code <= 0xD7FF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x3FFFF
    )
