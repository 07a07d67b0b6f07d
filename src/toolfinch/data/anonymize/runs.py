"""Stretches of a text that are text in another encoding: found, and written again with something else in them.

Base64 and hexadecimal are written again as they were; what cannot be (compressed, other character sets, bytes that
are no text) becomes as many characters that say nothing. For encodings of single characters see `layers`.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from toolfinch.data.anonymize.decoded import Text, decoded_bytes, rewritten

SHORTEST_PARTIAL = 3
"""Characters among bytes that are no text; fewer are chance."""


class Run(NamedTuple):
    """One stretch."""

    begin: int
    name: str
    """Its encoding, the outermost if there are several."""
    written: str
    said: Text


_BYTES = {
    "base64": re.compile(r"[A-Za-z0-9+/_-]+=*"),
    "hex": re.compile(r"[0-9A-Fa-f]+(?:[ :,][0-9A-Fa-f]{2})*"),
}
_PUNYCODE = re.compile(r"(?<![\w-])xn--[a-z0-9-]{1,59}", re.IGNORECASE)
_PUNYCODE_SIGN = re.compile("xn--", re.IGNORECASE)
_EXPONENT_SIGN = re.compile(r"\.\d{4,17}[eE]")
_EXPONENT = re.compile(r"(?<![\w.])\d\.\d{4,17}[eE]\+?\d\d?(?!\w)")
_CHARACTERS = (("punycode", _PUNYCODE_SIGN, _PUNYCODE), ("exponent", _EXPONENT_SIGN, _EXPONENT))
"""Name, a sign that is found quickly, and what it is a sign of."""


def runs(text: str) -> Iterator[Run]:
    """The stretches of a text; they may overlap."""
    for begin, said in decoded_bytes(Text(text)):
        match = _BYTES[said.how[0]].match(text, begin)
        if match is not None and (not said.partial or len(said.text) >= SHORTEST_PARTIAL):
            yield Run(begin, said.how[0], match[0], said)
    for name, sign, pattern in _CHARACTERS:
        if sign.search(text):
            for match in pattern.finditer(text):
                for said in rewritten(Text(match[0])):
                    yield Run(match.start(), name, match[0], said)


def again(run: Run, text: str) -> str:
    """The stretch with `text` in it instead of what it says."""
    if run.name not in _BYTES:
        return text
    if run.said.partial or len(run.said.how) > 1:
        return _blanked(run.written, run.name)
    return _as_base64(text, run.written) if run.name == "base64" else _as_hex(text, run.written)


_BLANK = {"base64": "cmVkYWN0ZWQg", "hex": "726564616374656420"}
"""What `redacted ` is in it."""


def _blanked(written: str, name: str) -> str:
    blank = itertools.cycle(_BLANK[name])
    return re.sub(r"[A-Za-z0-9]", lambda _: next(blank), written)


def _as_base64(text: str, like: str) -> str:
    """In the alphabet and with the padding of `like`."""
    plain = text.encode("utf-8")
    made = base64.urlsafe_b64encode(plain) if "-" in like or "_" in like else base64.b64encode(plain)
    padded = like.endswith("=") or len(like) % 4 == 0
    return made.decode("ascii") if padded else made.decode("ascii").rstrip("=")


def _as_hex(text: str, like: str) -> str:
    between = re.search(r"[ :,]", like[:3])
    made = text.encode("utf-8").hex(between[0]) if between else text.encode("utf-8").hex()
    return made.upper() if like.upper() == like else made
