"""`Spellings`: all aliases of all known tokens, looked for in a text at once.

Two views of the text are searched, each with one Aho-Corasick automaton: its words (all else is a space) for names
that stand alone, and its letters and digits without anything between them for the rest. What is found there is a
candidate, which the alias's rule accepts or not by what the text has at that place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolfinch.data.anonymize.common import in_field, meant
from toolfinch.data.anonymize.decoded import BREAK
from toolfinch.data.anonymize.fold import bare, normal, origins, unspaced
from toolfinch.data.anonymize.forms import GAP, LONG, NATIONAL, SHORT, SURE, Alias, aliases, calling_codes
from toolfinch.data.anonymize.known import Known, marked
from toolfinch.errors import DataError, MissingDependency

HMAC = "hmac:"
Ways = Sequence[tuple[Alias, Known]]


class Found(NamedTuple):
    """A place in a text where a token is written."""

    begin: int
    end: int
    alias: Alias
    known: Known
    """The first of those that have the alias, in the order of their texts."""


class Candidate(NamedTuple):
    """A place in a text where the letters and digits of a token are."""

    begin: int
    end: int
    alias: Alias
    known: Known
    at: int
    """Where it is in the folded text."""
    until: int


def read_allowed(path: Path) -> frozenset[str]:
    """What a person has looked at and lets stay: a file with one text a line, or what a report showed (`hmac:…`).

    `#` begins a comment. Raises DataError where it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from error
    return frozenset(line for raw in text.splitlines() if (line := raw.partition("#")[0].strip()))


def _table(word: bool) -> bytes:
    out = bytearray()
    for code in range(256):
        keep = code >= 128 or (chr(code).isalpha() if word else chr(code).isalnum() or chr(code) == BREAK)
        out += chr(code).lower().encode("latin-1") if keep and code < 128 else bytes([code if keep else 32])
    return bytes(out)


_WORDS, _COMPACT = _table(True), _table(False)
_DROPPED = bytes(code for code in range(128) if not (chr(code).isalnum() or chr(code) == BREAK))
_KEPT = bytes(0 if code in _DROPPED else 1 for code in range(256))


class Spellings:
    """What is looked for. Made once for all texts; can be pickled."""

    def __init__(self, known: Iterable[Known], allow: frozenset[str] = frozenset(), key: bytes = b"") -> None:
        """`key` is that of the report whose `hmac:` lines are in `allow`."""
        try:
            import ahocorasick_rs
        except ImportError as error:
            raise MissingDependency(
                "ahocorasick_rs is not installed", hint="pip install 'toolfinch[data]'"
            ) from error
        self._made_of = (tuple(sorted(set(known))), allow, key)
        self.allows = allowed = _Allowed(allow, key)
        """Whether letters and digits of a folded text are allowed."""
        words: dict[str, dict[Alias, Known]] = {}
        compact: dict[str, dict[Alias, Known]] = {}
        self.blind: list[Known] = []
        """Those that nothing can be looked for of: too short, or a word like `the`."""
        self.allowed: list[Known] = []
        """Those that may stay, or one of whose aliases may."""
        for one in self._made_of[0]:
            ways = aliases(one)
            if not ways:
                self.blind.append(one)
            whole = allowed.whole(one)
            if whole or any(allowed(alias.key) for alias in ways):
                self.allowed.append(one)
            for alias in () if whole else ways:
                if not allowed(alias.key):
                    alone = alias.rule in ("word", "handle")
                    (words if alone else compact).setdefault(alias.key, {}).setdefault(alias, one)
        self._words = [list(ways.items()) for ways in words.values()]
        self._compact = [list(ways.items()) for ways in compact.values()]
        self._word_search = ahocorasick_rs.BytesAhoCorasick([f" {key} ".encode() for key in words])
        self._compact_search = ahocorasick_rs.BytesAhoCorasick([key.encode() for key in compact])
        self.size = len(words) + len(compact)

    def __reduce__(self) -> tuple[Any, ...]:
        return Spellings, self._made_of

    def find(self, text: str, key: str = "") -> list[Found]:
        """Every place where a token is written, in order; places may overlap.

        `key`: what the text is the value of, which may say that it names someone (`common.in_field`).
        """
        if key:
            skip = len(key) + 1
            both = self.find(f"{key}{BREAK}{text}")
            return [
                one._replace(begin=one.begin - skip, end=one.end - skip) for one in both if one.begin >= skip
            ]
        seen, candidates = self.candidates(text)
        found = {Found(one.begin, one.end, one.alias, one.known) for one in candidates if seen.accepts(one)}
        return sorted(found, key=lambda one: (one.begin, -one.end, one.alias.key, one.alias.form))

    def candidates(self, text: str) -> tuple[Seen, list[Candidate]]:
        """Every place with the letters and digits of a token, in no order; `Seen.accepts` tells whether one is written
        there."""
        seen = Seen(text)
        found: list[Candidate] = []
        words = b" " + seen.data.translate(_WORDS) + b" "
        for pattern, begin, end in self._word_search.find_matches_as_indexes(words, overlapping=True):
            seen.add(self._words[pattern], begin, end - 2, found)
        solid = seen.data.translate(_COMPACT, _DROPPED)
        for pattern, begin, end in self._compact_search.find_matches_as_indexes(solid, overlapping=True):
            kept = seen.kept
            seen.add(self._compact[pattern], kept.item(begin), kept.item(end - 1) + 1, found)
        return seen, found


class Seen:
    """A text, as it is and folded."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = text.isascii()
        self.folded = normal(text)
        self.data = self.folded.encode("utf-8", "surrogatepass")

    @cached_property
    def kept(self) -> NDArray[np.int64]:
        """Where in `data` the bytes are that the view without separators has."""
        return np.flatnonzero(np.frombuffer(self.data.translate(_KEPT), dtype=np.bool_))

    @cached_property
    def chars(self) -> NDArray[np.int64]:
        """Of each byte of `data`, and of the end, which character of `folded` it is of."""
        begins = (np.frombuffer(self.data, dtype=np.uint8) & 0xC0) != 0x80
        return np.append(np.cumsum(begins) - 1, len(self.folded))

    @cached_property
    def origins(self) -> NDArray[np.int64]:
        return origins(self.text)

    def add(self, ways: Ways, begin: int, end: int, into: list[Candidate]) -> None:
        """Candidates of all ways to write what stands in these bytes of `data`."""
        first, last = begin, end
        if not self.plain:
            if len(self.data) != len(self.folded):
                begin, end = self.chars.item(begin), self.chars.item(end)
            first, last = self.origins.item(begin), self.origins.item(end - 1) + 1
            while last < len(self.text) and not normal(self.text[last]):
                last += 1  # an accent that is a character of its own
        for alias, known in ways:
            into.append(Candidate(first, last, alias, known, begin, end))

    def accepts(self, one: Candidate) -> bool:
        """Whether the rule of the alias accepts what stands between and around its letters and digits."""
        alias, at, until = one.alias, one.at, one.until
        return _RULES[alias.rule](alias, self, at, until) and (
            not alias.cased or _written_as_name(alias, self, at, until, one.begin, one.end)
        )

    def around(self, begin: int, end: int) -> tuple[str, str]:
        """The characters beside a place in `folded`."""
        return self.folded[begin - 1 : begin] if begin else "", self.folded[end : end + 1]

    def gaps(self, begin: int, end: int) -> list[tuple[int, str]]:
        """What separates in a place of `folded`, and after how many letters and digits."""
        found, before = [], 0
        for match in _GAP.finditer(self.folded, begin, end):
            found.append((match.start() - begin - before, match[0]))
            before += len(match[0])
        return found


_GAP = re.compile(GAP)
_YEAR = re.compile(r"\d{1,4}(?![^\W_])")
"""What people put behind their names: `anna85`."""
_WIDE = re.compile(r"[\s,]")
_IN_GROUPS = re.compile(r"[./:_-]{1,2} ?")
_IN_DATE = re.compile(r"[ ,./_-]{1,3}")
_IN_NUMBER = re.compile(r"[ \-._()/+]{1,3}")


def _is_letter(char: str) -> bool:
    return char > "\x7f" or char.isalpha()


def _apart(inner: str, outer: str) -> bool:
    """Whether a word ends between two characters: letters and digits are apart."""
    if not outer or unspaced(inner) or unspaced(outer):
        return True
    return not (_is_letter(outer) if _is_letter(inner) else outer.isdigit())


def _at_edges(alias: Alias, seen: Seen, begin: int, end: int, *, digits: bool) -> bool:
    """Whether it begins and ends words; with `digits` they may stand directly beside letters."""
    left, right = seen.around(begin, end)
    if not digits and (left.isdigit() or right.isdigit()):
        return False
    return _apart(alias.key[0], left) and _apart(alias.key[-1], right)


def _word(alias: Alias, seen: Seen, begin: int, end: int) -> bool:
    left, right = seen.around(begin, end)
    if right.isdigit() and not left.isdigit() and _YEAR.match(seen.folded, end):
        return _at_edges(alias, seen, begin, end, digits=True)
    return _at_edges(alias, seen, begin, end, digits=len(alias.key) > SHORT)


def _handle(alias: Alias, seen: Seen, begin: int, end: int) -> bool:
    left, right = seen.around(begin, end)
    if in_field(seen.folded, begin, end):
        return True
    return (
        left == "@"
        and not right.isdigit()
        and seen.folded[begin - 2 : begin - 1] in ("", " ", "\n", "(", '"', BREAK)
    )


def _name(alias: Alias, seen: Seen, begin: int, end: int) -> bool:
    gaps = seen.gaps(begin, end)
    if not gaps and len(alias.key) >= LONG and not alias.cased:
        return True
    if not _at_edges(alias, seen, begin, end, digits=len(alias.key) > SHORT):
        return False
    if any(len(gap) > 12 or len("".join(gap.split())) > 3 for _, gap in gaps):
        return False
    return all(place in alias.cuts for place, _ in gaps) or len(gaps) == len(alias.key) - 1


def _slug(alias: Alias, seen: Seen, begin: int, end: int) -> bool:
    if [*seen.gaps(begin, end)] not in ([(alias.cuts[0], ".")], [(alias.cuts[0], "_")]):
        return False
    return _at_edges(alias, seen, begin, end, digits=True)


def _number(alias: Alias, seen: Seen, begin: int, end: int) -> bool:
    gaps = seen.gaps(begin, end)
    size = len(alias.key)
    if not all(_IN_NUMBER.fullmatch(gap) and (size >= 7 or place in alias.cuts) for place, gap in gaps):
        return False
    before = seen.folded[max(0, begin - 7) : begin]
    stripped = before.removesuffix("0").removesuffix("0")  # 00 before a country code, 0 before an area
    if stripped[-1:].isdigit():
        code = re.search(r"\d+$", stripped)
        if alias.form != NATIONAL or code is None or code[0].removeprefix("00") not in calling_codes():
            return False
        stripped = stripped[: code.start()]
    after = seen.folded[end : end + 4]
    if after[:1].isdigit():
        return False
    if size >= 10:
        return True
    if re.search(r"[^\W_]$", stripped) or re.match(r"[^\W_]", after):
        return False
    decimals = re.search(r"\d[.,]$", before) if not gaps else None
    return not decimals and not re.match(r"[.,](?!0+(?!\d))\d", after)


def _code(alias: Alias, seen: Seen, begin: int, end: int) -> bool:
    gaps = seen.gaps(begin, end)
    size = len(alias.key)
    for place, gap in gaps:
        least = 10 if _WIDE.search(gap) else 6
        if "\n" in gap or len(gap) > 4 or (size < least and place not in alias.cuts):
            return False
    left, right = seen.around(begin, end)
    return size >= SURE or not (left.isalnum() or right.isalnum())


def _groups(alias: Alias, seen: Seen, begin: int, end: int) -> bool:
    gaps = seen.gaps(begin, end)
    between = _IN_GROUPS if re.fullmatch(r"[0-9a-f]+", alias.key) else _IN_DATE
    if tuple(place for place, _ in gaps) != alias.cuts or not all(between.fullmatch(gap) for _, gap in gaps):
        return False
    before, after = seen.folded[max(0, begin - 2) : begin], seen.folded[end : end + 2]
    separators = "." if len(alias.cuts) == 3 else ".:"  # a port may follow an IPv4 address
    longer = (before[:1].isdigit() and before[1:2] and before[1] in separators) or (
        after[:1] in separators and after[1:].isdigit()
    )
    return not longer and _at_edges(alias, seen, begin, end, digits=True)


_RULES: dict[str, Callable[[Alias, Seen, int, int], bool]] = {
    "word": _word,
    "name": _name,
    "slug": _slug,
    "number": _number,
    "code": _code,
    "groups": _groups,
    "handle": _handle,
}


def _written_as_name(alias: Alias, seen: Seen, begin: int, end: int, first: int, last: int) -> bool:
    if alias.rule == "word":
        return meant(seen.text, first, last)
    if alias.rule != "name" or not any(_WIDE.search(gap) for _, gap in seen.gaps(begin, end)):
        return True
    return all(word[:1].isupper() for word in re.findall(r"[^\W_]+", seen.text[first:last]))


class _Allowed:
    """Which aliases and tokens are allowed."""

    def __init__(self, allow: Iterable[str], key: bytes) -> None:
        self.key = key
        self.marks = frozenset(line.removeprefix(HMAC) for line in allow if line.startswith(HMAC))
        self.texts = frozenset(bare(line) for line in allow if not line.startswith(HMAC))

    def __call__(self, alias: str) -> bool:
        return alias in self.texts or (bool(self.marks) and marked(self.key, alias) in self.marks)

    def whole(self, known: Known) -> bool:
        """All of a token, with every alias: its own text is allowed."""
        return self(bare(known.text))
