"""What a text is looked up by: stems of its words, and pairs of characters where a script does not part its words.

`getHTTPStatus_v2` gives `get http status v2`; "booked", "booking" and "books" give `book`; "Café" gives `cafe`;
"查天气" gives 查天 天气. The stems are made by five rules for English endings, which are wrong now and then, and the same
way for a tool and for a request. Left out: word lists of other languages, synonyms, spelling mistakes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

STOP = frozenset(
    "a an and any are as at be been but by can could did do does for from had has have he her him his how i if in into is it its "
    "just let like me my need of on or our please she should so some than that the their them then there these they this "
    "those to us want was we were what when where which who will with would you your".split()
)
"""English words that say nothing of what is wanted. Among few tools their rarity does not tell, so a list has to."""

# Han, kana, Hangul, Thai, Lao, Burmese, Khmer: no spaces between words, or (Hangul) endings that no rule here knows.
_UNPARTED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
_ACCENTS = re.compile("[\u0300-\u036f]")
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words(text: str) -> list[str]:
    """Lower-case words; `getHTTPStatus_v2` is `get`, `http`, `status`, `v2`."""
    found: list[str] = []
    for run in _WORD.findall(text):
        if run.islower():  # most are, and looking for humps takes half the time
            found.append(run)
        else:
            found += [word.lower() for word in _HUMP.split(run)]
    return found


def terms(text: str) -> list[str]:
    """The terms of a text, in its order, with repetitions and without stop words."""
    if text.isascii():
        return [stem(word) for word in words(text) if word not in STOP]
    return list(_any_script(text))


def _any_script(text: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    # Vowel signs are no letters to `str.isalnum`, and a word of Hindi or Thai would fall apart at each.
    spaced = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in plain)
    for run in spaced.split():
        end = 0
        for found in _UNPARTED.finditer(run):
            yield from _parted(run[end : found.start()])
            yield from _pairs(found[0])
            end = found.end()
        yield from _parted(run[end:])


def _parted(run: str) -> Iterator[str]:
    for word in words(run) if run.isascii() else [run.casefold()] * bool(run):
        if word not in STOP:
            yield stem(word)


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for i in range(len(run) - 1):
        yield run[i : i + 2]


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """A lower-case word without the commonest English endings: `cities`, `city` -> `citi`; `moving`, `move` -> `mov`."""
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if (
            word.endswith(ending)
            and len(word) - len(ending) >= 3
            and re.search("[aeiouy]", word[: -len(ending)])
        ):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
                word = word[:-1]
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    if word.endswith("y"):
        word = word[:-1] + "i"
    return word
