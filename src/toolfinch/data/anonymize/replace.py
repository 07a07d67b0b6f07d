"""`Replacer`: texts with every real token replaced, wherever and however it is written in them.

What is found (by the same `Spellings` as the gate's) is replaced letter run by letter run, so that separators, case
and encoding stay: `KOVACS, Anna` becomes `TOLDEN, Mira`, `anna_kovacs` `mira_tolden`, `Kov%C3%A1cs` `Tolden`. Fakes
hold no quotes, brackets or backslashes, so a text that is JSON stays JSON, and a text in which nothing is found stays
as it is, byte for byte. Base64 and hexadecimal are decoded, replaced and encoded again; what cannot be encoded again
(compressed, other character sets, bytes that are no text) becomes a run that says nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from toolfinch.data.anonymize.decoded import BREAK, DEEPEST
from toolfinch.data.anonymize.fold import bare, normal
from toolfinch.data.anonymize.gate import LEAST_PARTIAL
from toolfinch.data.anonymize.layers import Layer, layers
from toolfinch.data.anonymize.persona import Pseudonyms
from toolfinch.data.anonymize.runs import Run, again, runs
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

    def _replaced(
        self, values: Sequence[tuple[str, str]], depth: int, least: int = 0, passes: int = 3
    ) -> list[Replaced]:
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
        rest: list[int] = []
        for place, found in cuts.items():
            made[place], partly = _made(made[place].text, found)
            if partly and passes:
                rest.append(place)
        if rest:
            inner = [(values[place][0], made[place].text) for place in rest]
            for place, one in zip(rest, self._replaced(inner, depth, least, passes - 1), strict=True):
                did = Counter(dict(made[place].did)) + Counter(dict(one.did))
                made[place] = Replaced(one.text, tuple(sorted(did.items())))
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
        encoded: list[tuple[Part, int, Run]] = []
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
            for run in runs(joined) if depth else ():
                at = bisect_right(begins, run.begin) - 1
                if parts[at].place >= 0:
                    encoded.append((parts[at], run.begin - begins[at], run))
        for partial in (False, True):
            some = [one for one in encoded if one[2].said.partial is partial]
            if some:
                inner = [("", run.said.text) for _, _, run in some]
                new = self._replaced(inner, depth - 1, LEAST_PARTIAL if partial else least)
                for (part, begin, run), one in zip(some, new, strict=True):
                    if one.text != run.said.text:
                        place = _origin(part, begin, begin + len(run.written))
                        yield part.place, Cut(*place, again(run, one.text), one.did, 200)

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


def _origin(part: Part, begin: int, end: int) -> tuple[int, int]:
    """From places in a layer to places in the value's text."""
    if part.layer is None:
        return begin, end
    return part.layer.place(begin)[0], part.layer.place(end - 1)[1]


def _made(text: str, cuts: list[Cut]) -> tuple[Replaced, bool]:
    """The text with stretches replaced that do not overlap, secrets first, then the longest; and whether one that was
    found is replaced only in part."""
    partly = False
    chosen: list[tuple[int, int, Cut]] = []
    for cut in sorted(
        cuts, key=lambda one: (one.rank >= 0, one.begin - one.end, one.rank, one.begin, one.text)
    ):
        at = bisect_left(chosen, (cut.begin,))
        if (at == 0 or chosen[at - 1][1] <= cut.begin) and (at == len(chosen) or chosen[at][0] >= cut.end):
            chosen.insert(at, (cut.begin, cut.end, cut))
        else:
            within = chosen[at - (at == len(chosen) or chosen[at][0] > cut.begin)]
            partly |= not (within[0] <= cut.begin and cut.end <= within[1])
    out, done = [], 0
    did: Counter[str] = Counter()
    for begin, end, cut in chosen:
        out += [text[done:begin], cut.text]
        done = end
        did.update(dict(cut.did))
    return Replaced("".join([*out, text[done:]]), tuple(sorted(did.items()))), partly


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
