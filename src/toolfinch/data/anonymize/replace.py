"""`Replacer`: texts with every real token replaced, wherever and however it is written in them.

What is found (by the same `Spellings` as the gate's) is replaced letter run by letter run, so that separators, case
and encoding stay: `KOVACS, Anna` becomes `TOLDEN, Mira`, `anna_kovacs` `mira_tolden`, `Kov%C3%A1cs` `Tolden`. Fakes
hold no quotes, brackets or backslashes, so a text that is JSON stays JSON, and a text in which nothing is found stays
as it is, byte for byte. Base64 and hexadecimal are decoded, replaced and encoded again; what cannot be encoded again
(compressed, other character sets, bytes that are no text) becomes a run that says nothing.
"""

from __future__ import annotations

import base64
import itertools
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from toolfinch.data.anonymize.decoded import BREAK, DEEPEST, Text, decoded_bytes, rewritten
from toolfinch.data.anonymize.fold import bare, normal
from toolfinch.data.anonymize.gate import LEAST_PARTIAL
from toolfinch.data.anonymize.layers import Layer, layers
from toolfinch.data.anonymize.persona import Pseudonyms
from toolfinch.data.anonymize.spellings import Found, Spellings
from toolfinch.data.anonymize.words import Parts

KEPT = 1 << 16
"""Texts that are remembered with what they become; a log repeats many."""
_RANK = ("secret", "e-mail", "handle", "phone", "card number", "IBAN", "IP address", "URL", "id")
"""Of two tokens that are written the same in the same place, the one that is replaced; then others, by name."""


class Replaced(NamedTuple):
    """What a text becomes."""

    text: str
    did: tuple[tuple[str, int], ...] = ()
    """How many tokens of each kind were replaced."""


class Part(NamedTuple):
    """A text that a value stands for, as it is searched."""

    place: int
    """Of the value, among those that are searched together."""
    layer: Layer | None
    text: str
    value: str
    """Its text as it is written."""


class Cut(NamedTuple):
    """A stretch of a text, and what comes in its place."""

    begin: int
    end: int
    text: str
    did: tuple[tuple[str, int], ...]
    rank: int


class Replacer:
    """Replaces; pure but for what it remembers."""

    def __init__(self, spellings: Spellings, pseudonyms: Pseudonyms) -> None:
        self.spellings, self.pseudonyms = spellings, pseudonyms
        self._secrets = [
            one.text
            for one in pseudonyms.known
            if one.kind == "secret"
            and any(char.isspace() or char == "\\" for char in one.text)
            and not spellings.allows(bare(one.text))
        ]
        self._done: dict[tuple[str, str], Replaced] = {}

    def many(self, values: Sequence[tuple[str, str]]) -> list[Replaced]:
        """Of each (key, text) what the text becomes; the key is what it is the value of, or empty."""
        new = [one for one in dict.fromkeys(values) if one not in self._done]
        if new:
            if len(self._done) + len(new) > KEPT:
                self._done = {one: self._done[one] for one in values if one in self._done}
            self._done.update(zip(new, self._replaced(new, DEEPEST), strict=True))
        return [self._done[one] for one in values]

    def text(self, text: str) -> str:
        """One text that is the value of nothing: the name of a file."""
        return self.many([("", text)])[0].text

    def _replaced(self, values: Sequence[tuple[str, str]], depth: int, least: int = 0) -> list[Replaced]:
        """`least`: letters and digits of an alias, below which it says nothing here."""
        plain: list[Part] = []
        other: list[Part] = []
        for place, (key, text) in enumerate(values):
            parts = plain if text.isascii() and key.isascii() else other
            if key:
                parts.append(Part(-1, None, key, key))
            parts.append(Part(place, None, text, text))
            for layer in layers(text):
                (plain if layer.text.isascii() else other).append(Part(place, layer, layer.text, text))
        cuts: dict[int, list[Cut]] = {}
        for place, cut in (*self._secret_cuts([*plain, *other]), *self._cuts(plain, other, depth, least)):
            cuts.setdefault(place, []).append(cut)
        made = [Replaced(text) for _, text in values]
        for place, found in cuts.items():
            made[place] = _made(made[place].text, found)
        return made

    def _secret_cuts(self, parts: Sequence[Part]) -> Iterator[tuple[int, Cut]]:
        """Secrets of several lines or words, as they were written: no rule of spelling takes a line's end for a gap."""
        for secret in self._secrets:
            for part in parts:
                begin = part.text.find(secret) if part.place >= 0 else -1
                while begin >= 0:
                    end = begin + len(secret)
                    cut = Cut(
                        *_origin(part, begin, end), self.pseudonyms.secret(secret), (("secret", 1),), -1
                    )
                    yield part.place, cut
                    begin = part.text.find(secret, end)

    def _cuts(
        self, plain: Sequence[Part], other: Sequence[Part], depth: int, least: int
    ) -> Iterator[tuple[int, Cut]]:
        """What is to be replaced in each value; stretches may overlap."""
        runs: list[Run] = []
        for parts in (plain, other):
            if not parts:
                continue
            joined = BREAK.join(part.text for part in parts)
            begins = [0, *accumulate(len(part.text) + 1 for part in parts)]
            for found in self.spellings.find(joined):
                at = bisect_right(begins, found.begin) - 1
                part = parts[at]
                if part.place >= 0 and len(found.alias.key) >= least:
                    yield part.place, self._cut(part, found, found.begin - begins[at], found.end - begins[at])
            for begin, name, written, said in _encoded(joined) if depth else ():
                at = bisect_right(begins, begin) - 1
                if parts[at].place >= 0:
                    runs.append(Run(parts[at], begin - begins[at], name, written, said))
        for partial in (False, True):
            some = [run for run in runs if run.said.partial is partial]
            inner = [("", run.said.text) for run in some]
            if inner:
                new = self._replaced(inner, depth - 1, LEAST_PARTIAL if partial else least)
                for run, one in zip(some, new, strict=True):
                    if one.text != run.said.text:
                        yield run.part.place, _again(run, one)

    def _cut(self, part: Part, found: Found, begin: int, end: int) -> Cut:
        kind = found.known.kind
        fakes = self.pseudonyms.parts(found.known, found.alias)
        if kind == "secret":
            text = self.pseudonyms.secret(found.known.text)
        elif part.layer is None:
            text = _woven_plain(part.text[begin:end], fakes)
        else:
            places = [part.layer.place(place) for place in range(begin, end)]
            text = _woven(part.text[begin:end], [part.value[a:b] for a, b in places], fakes)
        rank = _RANK.index(kind) if kind in _RANK else len(_RANK)
        rank -= kind == "secret"
        return Cut(*_origin(part, begin, end), text, ((kind, 1),), rank + (0 if part.layer is None else 100))


class Run(NamedTuple):
    """A stretch of a text that is text in another encoding."""

    part: Part
    begin: int
    name: str
    written: str
    said: Text


_PUNYCODE = re.compile(r"(?<![\w-])xn--[a-z0-9-]{1,59}", re.IGNORECASE)
_EXPONENT_SIGN = re.compile(r"\.\d{4,17}[eE]")
_EXPONENT = re.compile(r"(?<![\w.])\d\.\d{4,17}[eE]\+?\d\d?(?!\w)")


def _encoded(text: str) -> Iterator[tuple[int, str, str, Text]]:
    """Where such a stretch begins, its encoding, how it is written, and what it says."""
    for begin, said in decoded_bytes(Text(text)):
        run = _RUNS[said.how[0]].match(text, begin)
        if run is not None and (not said.partial or len(said.text) >= LEAST_PARTIAL // 2):
            yield begin, said.how[0], run[0], said
    for name, sign, pattern in (("punycode", _PUNYCODE, _PUNYCODE), ("exponent", _EXPONENT_SIGN, _EXPONENT)):
        if sign.search(text):
            for match in pattern.finditer(text):
                for said in rewritten(Text(match[0])):
                    yield match.start(), name, match[0], said


def _again(run: Run, new: Replaced) -> Cut:
    """What comes in place of a stretch in which something was replaced."""
    if run.name not in _AGAIN:
        text = new.text
    elif run.said.partial or len(run.said.how) > 1:
        text = _blanked(run.written, run.name)
    else:
        text = _AGAIN[run.name](new.text, run.written)
    return Cut(*_origin(run.part, run.begin, run.begin + len(run.written)), text, new.did, 200)


def _origin(part: Part, begin: int, end: int) -> tuple[int, int]:
    """From places in a layer to places in the value's text."""
    if part.layer is None:
        return begin, end
    return part.layer.place(begin)[0], part.layer.place(end - 1)[1]


def _made(text: str, cuts: list[Cut]) -> Replaced:
    """The text with stretches replaced that do not overlap: secrets first, then the longest."""
    chosen: list[tuple[int, int, Cut]] = []
    for cut in sorted(
        cuts, key=lambda one: (one.rank >= 0, one.begin - one.end, one.rank, one.begin, one.text)
    ):
        at = bisect_left(chosen, (cut.begin,))
        if (at == 0 or chosen[at - 1][1] <= cut.begin) and (at == len(chosen) or chosen[at][0] >= cut.end):
            chosen.insert(at, (cut.begin, cut.end, cut))
    out, done = [], 0
    did: Counter[str] = Counter()
    for begin, end, cut in chosen:
        out += [text[done:begin], cut.text]
        done = end
        did.update(dict(cut.did))
    return Replaced("".join([*out, text[done:]]), tuple(sorted(did.items())))


@lru_cache(KEPT)
def _woven_plain(text: str, fakes: Parts) -> str:
    return _woven(text, text, fakes)


def _woven(chars: str, written: Sequence[str], fakes: Parts) -> str:
    """The fakes in place of the letters and digits of `chars`; what stands between stays as it is `written`."""
    out: list[str] = []
    rest = iter(fakes)
    size, fake = next(rest)
    letters, count = "", 0  # of the part so far: as they are, and how many they are folded
    gaps: list[tuple[int, str]] = []  # in the part: after how many letters, and what
    for char, as_written in zip(chars, written, strict=True):
        folded = len(bare(char)) if char > "\x7f" else int(char.isalnum())
        if not folded:
            if char <= "\x7f" or normal(char):  # an accent by itself goes with its letter
                gaps.append((count, as_written))
            continue
        if not count:
            out += [gap for _, gap in gaps]
            gaps = []
        letters += char
        count += folded
        if count >= size:
            out.append(_with_gaps(_cased(fake, letters), gaps))
            letters, count, gaps = "", 0, []
            size, fake = next(rest, (1 << 30, ""))
    return "".join([*out, *(gap for _, gap in gaps)])


def _with_gaps(fake: str, gaps: Sequence[tuple[int, str]]) -> str:
    for place, gap in reversed(gaps):
        place = min(place, len(fake))
        fake = fake[:place] + gap + fake[place:]
    return fake


def _cased(fake: str, like: str) -> str:
    """The fake in small or capital letters, as the real one is; as names are written where that does not say."""
    if like.islower():
        return fake.lower()
    if like.isupper() and (len(like) > 1 or len(fake) == 1):
        return fake.upper()
    return fake[:1].upper() + fake[1:] if fake.islower() else fake


_RUNS = {
    "base64": re.compile(r"[A-Za-z0-9+/_-]+=*"),
    "hex": re.compile(r"[0-9A-Fa-f]+(?:[ :,][0-9A-Fa-f]{2})*"),
}


_BLANK = {"base64": "cmVkYWN0ZWQg", "hex": "726564616374656420"}
"""What `redacted ` is in it."""


def _blanked(written: str, name: str) -> str:
    """A run of the same length that says nothing."""
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


_AGAIN: dict[str, Callable[[str, str], str]] = {"base64": _as_base64, "hex": _as_hex}
