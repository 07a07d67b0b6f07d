"""`Replacer`: texts with every real token replaced, wherever and however it is written in them.

What is found (by the same `Spellings` as the gate's) is replaced letter run by letter run, so that separators, case
and encoding stay: `KOVACS, Anna` becomes `TOLDEN, Mira`, `anna_kovacs` `mira_tolden`, `Kov%C3%A1cs` `Tolden`. Fakes
hold no quotes, brackets or backslashes, so a text that is JSON stays JSON, and a text in which nothing is found stays
as it is, byte for byte. Base64 and hexadecimal are decoded, replaced and encoded again; what cannot be encoded again
(compressed, other character sets, bytes that are no text) becomes a run that says nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache, partial
from itertools import accumulate, groupby
from operator import itemgetter
from typing import NamedTuple

from toolfinch.data.anonymize.decoded import BREAK, DEEPEST
from toolfinch.data.anonymize.fold import bare, normal
from toolfinch.data.anonymize.gate import LEAST_PARTIAL
from toolfinch.data.anonymize.layers import Layer, layers, may_be_encoded
from toolfinch.data.anonymize.persona import Pseudonyms
from toolfinch.data.anonymize.runs import Run, again, runs
from toolfinch.data.anonymize.spellings import Candidate, Seen, Spellings
from toolfinch.data.anonymize.words import Parts

KEPT = 1 << 16
"""Texts that are remembered with what they become; a log repeats many."""
_KINDS = ("secret", "e-mail", "handle", "phone", "card number", "IBAN", "IP address", "URL", "id")
_RANK = {kind: rank for rank, kind in enumerate(_KINDS)} | {"secret": -1}
"""Of two tokens that are written the same in the same place, the one that is replaced; then others, by their fakes."""
_DECODED, _IN_BYTES = 100, 200
"""Added to the rank of what is found in a layer, and in base64 and the like."""


class Replaced(NamedTuple):
    """What a text becomes."""

    text: str
    did: tuple[tuple[str, int], ...] = ()
    """How many tokens of each kind were replaced."""


class Together:
    """Texts that are searched as one: values, what they are the values of, and what they say decoded."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self.places: list[int] = []
        """Of each text, which value it is or is decoded of; -1 for one in which nothing is to be replaced."""
        self.layers: list[Layer | None] = []

    def add(self, text: str, place: int, layer: Layer | None = None) -> None:
        self._texts.append(text)
        self.places.append(place)
        self.layers.append(layer)

    @cached_property
    def text(self) -> str:
        return BREAK.join(self._texts)

    @cached_property
    def begins(self) -> list[int]:
        """Where in `text` each of them begins."""
        return [0, *accumulate(len(text) + 1 for text in self._texts)]


Put = tuple[str, tuple[tuple[str, int], ...]]
"""What comes in a stretch's place, and what it counts as in `Replaced.did`."""


class Cut(NamedTuple):
    """A stretch of a text that may have to be replaced. Secrets come first, then the longest: their order is that of
    the first four fields."""

    no_secret: bool
    minus_size: int
    rank: int
    begin: int
    put: Callable[[], Put | None]
    """What comes in its place, or that it is nobody's after all. Asked of those alone that are in no other's."""


_order = itemgetter(0, 1, 2, 3)


def _cut(stretch: tuple[int, int], rank: int, put: Callable[[], Put | None]) -> Cut:
    begin, end = stretch
    return Cut(rank >= 0, begin - end, rank, begin, put)


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
        plain, other = Together(), Together()
        encoded = may_be_encoded(BREAK.join([text for _, text in values]))
        for place, (key, text) in enumerate(values):
            texts = plain if text.isascii() and key.isascii() else other
            if key:
                texts.add(key, -1)
            texts.add(text, place)
            for layer in layers(text) if encoded else ():
                (plain if layer.text.isascii() else other).add(layer.text, place, layer)
        cuts: dict[int, list[Cut]] = defaultdict(list)
        found: list[tuple[int, tuple[int, int], Run]] = []
        for texts in (plain, other):
            if texts.places:
                self._add_secrets(texts, cuts)
                self._add_found(texts, values, least, cuts)
                found += _runs(texts) if depth else ()
        if found:
            self._add_encoded(found, depth, least, cuts)
        made = [Replaced(text) for _, text in values]
        rest: list[int] = []
        for place, stretches in cuts.items():
            made[place], partly = _made(made[place].text, stretches)
            if partly and passes:
                rest.append(place)
        if rest:
            inner = [(values[place][0], made[place].text) for place in rest]
            for place, one in zip(rest, self._replaced(inner, depth, least, passes - 1), strict=True):
                did = Counter(dict(made[place].did)) + Counter(dict(one.did))
                made[place] = Replaced(one.text, tuple(sorted(did.items())))
        return made

    def _add_secrets(self, texts: Together, cuts: dict[int, list[Cut]]) -> None:
        """Secrets of several lines or words, as they were written: no rule of spelling takes a line's end for a gap."""
        for secret in self._secrets:
            put = partial(_given, (self.pseudonyms.secret(secret), (("secret", 1),)))
            begin = texts.text.find(secret)
            while begin >= 0:
                end = begin + len(secret)
                at = bisect_right(texts.begins, begin) - 1
                if texts.places[at] >= 0:
                    first = texts.begins[at]
                    stretch = _origin(texts.layers[at], begin - first, end - first)
                    cuts[texts.places[at]].append(_cut(stretch, _RANK["secret"], put))
                begin = texts.text.find(secret, end)

    def _add_found(
        self, texts: Together, values: Sequence[tuple[str, str]], least: int, cuts: dict[int, list[Cut]]
    ) -> None:
        """What is spelled in them; stretches may overlap."""
        seen, candidates = self.spellings.candidates(texts.text)
        if not candidates:
            return
        begins, places, layers = texts.begins, texts.places, texts.layers
        for one in candidates:
            at = bisect_right(begins, one.begin) - 1
            place, layer, first = places[at], layers[at], begins[at]
            if place < 0 or len(one.alias.key) < least:
                continue
            rank = _RANK.get(one.known.kind, len(_RANK)) + (_DECODED if layer else 0)
            put = partial(self._put, seen, one, layer, first, values[place][1])
            cuts[place].append(_cut(_origin(layer, one.begin - first, one.end - first), rank, put))

    def _put(self, seen: Seen, one: Candidate, layer: Layer | None, first: int, value: str) -> Put | None:
        """`first` is where the text begins in what is searched, `value` what it is, or is decoded of."""
        if not seen.accepts(one):
            return None
        kind, chars = one.known.kind, seen.text[one.begin : one.end]
        if kind == "secret":
            text = self.pseudonyms.secret(one.known.text)
        elif layer is None:
            text = _woven_plain(chars, self.pseudonyms.parts(one.known, one.alias))
        else:
            written = [value[slice(*layer.place(at - first))] for at in range(one.begin, one.end)]
            text = _woven(chars, written, self.pseudonyms.parts(one.known, one.alias))
        return text, ((kind, 1),)

    def _add_encoded(
        self,
        found: Sequence[tuple[int, tuple[int, int], Run]],
        depth: int,
        least: int,
        cuts: dict[int, list[Cut]],
    ) -> None:
        """What stands in bytes that are written in letters and digits."""
        for partly in (False, True):
            some = [one for one in found if one[2].said.partial is partly]
            inner = [("", run.said.text) for _, _, run in some]
            new = self._replaced(inner, depth - 1, LEAST_PARTIAL if partly else least) if some else []
            for (place, stretch, run), one in zip(some, new, strict=True):
                if one.text != run.said.text:
                    put = partial(_given, (again(run, one.text), one.did))
                    cuts[place].append(_cut(stretch, _IN_BYTES, put))


def _runs(texts: Together) -> Iterator[tuple[int, tuple[int, int], Run]]:
    """What may be encoded bytes: in which value, and where in it."""
    for run in runs(texts.text):
        at = bisect_right(texts.begins, run.begin) - 1
        if texts.places[at] >= 0:
            begin = run.begin - texts.begins[at]
            yield texts.places[at], _origin(texts.layers[at], begin, begin + len(run.written)), run


def _given(put: Put) -> Put:
    return put


def _origin(layer: Layer | None, begin: int, end: int) -> tuple[int, int]:
    """From places in a layer to places in the value's text."""
    if layer is None:
        return begin, end
    return layer.place(begin)[0], layer.place(end - 1)[1]


def _made(text: str, cuts: list[Cut]) -> tuple[Replaced, bool]:
    """The text with stretches replaced that do not overlap, in their order; and whether one that was found is replaced
    only in part."""
    partly = False
    chosen: list[tuple[int, int, Put]] = []
    cuts.sort(key=_order)
    for (_, minus_size, _, begin), same in groupby(cuts, _order):
        end = begin - minus_size
        at = bisect_left(chosen, (begin,))
        if (at == 0 or chosen[at - 1][1] <= begin) and (at == len(chosen) or chosen[at][0] >= end):
            puts = [put for cut in same if (put := cut.put())]
            if puts:
                chosen.insert(at, (begin, end, min(puts)))
        elif not partly:
            within = chosen[at - (at == len(chosen) or chosen[at][0] > begin)]
            if begin < within[0] or within[1] < end:
                partly = any(cut.put() for cut in same)
    out, done = [], 0
    did: dict[str, int] = {}
    for begin, end, (fake, counts) in chosen:
        out += [text[done:begin], fake]
        done = end
        for kind, count in counts:
            did[kind] = did.get(kind, 0) + count
    return Replaced("".join([*out, text[done:]]), tuple(sorted(did.items()))), partly


@lru_cache(KEPT)
def _woven_plain(text: str, fakes: Parts) -> str:
    if text.isascii():
        pieces = _PIECES.findall(text)
        if [len(word) for word, _ in pieces if word] == [size for size, _ in fakes]:
            made = iter(fakes)
            return "".join(_cased(next(made)[1], word) if word else gap for word, gap in pieces)
    return _woven(text, text, fakes)


_PIECES = re.compile(r"([A-Za-z0-9]+)|([^A-Za-z0-9]+)")


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
