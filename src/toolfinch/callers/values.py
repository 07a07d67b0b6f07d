"""Values that a conversation holds: what `rule_filled` has to choose from.

Read are quoted text, e-mail addresses, URLs, paths, dates (2026-03-08), times (14:30), both together (a moment:
2026-03-08T14:30), codes (`BK-4471`), numbers (`1,299.95`, `20kg`, `two`) and capitalised names; and under their
keys, the values in calls and in results that are JSON. A date without a year takes the one that is given.

Left out: relative dates ("tomorrow"), 3/4/2026, "one" and number words above twelve, names without capitals,
units, results that are not JSON, and what stands after the first 20,000 characters of a message.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from toolfinch.grounding import normal
from toolfinch.message import Message
from toolfinch.retrieve.terms import words

READ = 20_000
"""Characters of a message that are read."""
_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]{{0,6}}\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? (?P<year>\d{4}))?\b"
_CAPITAL = r"[A-ZÀ-ÖØ-Þ](?:[\w&.'-]*\w)?"
_PATTERNS = {
    "email": (r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",),
    "url": (r"\b(?:https?://|www\.)[^\s<>\"'`)\]]*[^\s<>\"'`)\].,;:!?]",),
    "path": (
        r"(?<![\w/.~-])[~.\w-]*(?:/[\w.*~-]+)+/?(?<![.,])",
        r"(?<![\w.-])[A-Za-z_][\w.-]*\.[a-z]\w{1,4}\b",
    ),
    "date": (
        r"(?<!\d)(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)T?",
        rf"\b{_MONTH} (?:the )?{_DAY}{_YEAR}",
        rf"\b{_DAY} (?:of )?{_MONTH}{_YEAR}",
    ),
    "time": (
        r"(?<![\w:])(?P<hour>\d{1,2})(?:[:.](?P<minute>[0-5]\d))? ?(?P<half>[ap])\.?m\b",
        r"(?<![\d:])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::[0-5]\d)?(?!\d)",
    ),
    "code": (r"(?<![\w.#-])(?=#?[\w-]*\d)(?:[a-z#][\w-]*|\d[\w-]*(?-i:[A-Z])[\w-]*|\d+(?:-\d+)+)\b",),
    "number": (
        r"(?<![\w.,])-?\d{1,15}(?:,\d{3}){0,4}(?:\.\d{1,15})?(?!\.?\d)",
        rf"\b(?:{'|'.join(_NUMBERS[2:])})\b",
    ),
    "name": (rf"(?-i:(?<![\w']){_CAPITAL}(?: (?:(?:of|de|del|la|van|von) )?{_CAPITAL})*)",),
}
"""In the order of reading: what one kind has read is gone for the next."""
_COMPILED = [(kind, re.compile(one, re.IGNORECASE)) for kind, some in _PATTERNS.items() for one in some]
_QUOTED = re.compile(r'"([^"\n]+)"|`([^`\n]+)`|(?<!\w)\'([^\n]{1,500}?)\'(?!\w)')
_NO_NAME = re.compile(
    r"(?:i|ids?|i'\w+|ok|okay|yes|no|sure|thanks|hello|hi|\w+day|january|february|march|april|may|june|july|august|(?:sept|oct|nov|dec)\w*ber)$",
    re.IGNORECASE,
)


class Found(NamedTuple):
    """A value that the conversation holds."""

    kind: str
    value: Any
    text: str
    """The value as it stands there; of a date or time its one form."""
    back: int
    """0 for the last message, 1 for the one before it."""
    start: int
    end: int
    beside: frozenset[str]
    """The stems of the two words before it and the one after it; of its key in JSON."""


def read(message: Message, back: int, year: str) -> tuple[str, list[Found]]:
    """The text of a message as it was read, and the values in it; `year` is that of dates without one.

    The text of a result is empty: in JSON its values have keys, and an error's words are nothing to call with.
    """
    pairs = list(_keyed(message))
    keyed = [  # in places of their own before the text's
        Found(f"={key}", value, str(value), back, place, place + 1, stems(key))
        for place, (key, value) in enumerate(pairs, -len(pairs))
    ]
    text = "" if message.result else normal(message.content[:READ])
    return text, [*keyed, *_stated(text, back, year)]


def stems(key: str) -> frozenset[str]:
    """The words of an argument's name that tell something, without a plural's s."""
    return frozenset(word.rstrip("s") for word in words(key) if len(word) > 2 or word == "id")


def _keyed(message: Message) -> Iterator[tuple[str, Any]]:
    """The scalars in a result that is JSON, or in a turn's calls, each with its key."""
    todo: list[tuple[str, Any]] = [("", call.arguments) for call in message.calls]
    if message.result:
        try:
            todo.append(("", msgspec.json.decode(message.content)))
        except (msgspec.DecodeError, RecursionError):
            return
    while todo:
        key, value = todo.pop()
        if isinstance(value, dict):
            todo += reversed([(str(name), one) for name, one in value.items()])
        elif isinstance(value, list):
            todo += reversed([(key, one) for one in value])
        elif key and value is not None:
            yield key, value


def _stated(text: str, back: int, year: str) -> Iterator[Found]:
    """What a text holds, kind by kind."""

    def found(kind: str, value: Any, start: int, end: int) -> Found:
        beside = (*words(text[max(0, start - 40) : start])[-2:], *words(text[end : end + 40])[:1])
        written = text[start:end].replace(",", "") if kind == "number" else str(value)
        return Found(kind, value, written, back, start, end, stems(" ".join(beside)))

    rest = text
    dates: list[Found] = []
    times: list[Found] = []
    for match in _QUOTED.finditer(text):
        start, end = match.span(match.lastindex or 0)
        yield found("quoted", text[start:end], start, end)
        if re.search(r"\s", text[start:end]):  # "a@b.org" and "7714" are also what they look like
            rest = _blank(rest, start, end)
    for kind, pattern in _COMPILED:
        for match in pattern.finditer(rest):
            start, end = _name(rest, *match.span()) if kind == "name" else match.span()
            value = _READERS[kind](match, year) if kind in _READERS else text[start:end]
            if value == "":
                continue
            one = found(kind, value, start, end)
            rest = _blank(rest, *match.span())
            dates += [one] if kind == "date" else []
            times += [one] if kind == "time" else []
            yield one
    for date in dates:
        after = min(times, key=lambda time: (time.start < date.start, time.start), default=None)
        if after:
            yield found("moment", f"{date.value}T{after.value}", date.start, date.end)


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + "\0" * (end - start) + text[end:]


def _date(match: re.Match[str], year: str) -> str:
    month = match["month"].lower()
    try:
        number = int(month) if month.isdigit() else _MONTHS.index(month) + 1
        return datetime.date(int(match["year"] or year), number, int(match["day"])).isoformat()
    except ValueError:  # no year, no such day, or a letter that only ignoring case makes one of the month's
        return ""


def _time(match: re.Match[str], _: str) -> str:
    hour, half = int(match["hour"]), match.groupdict().get("half")
    if half and not 1 <= hour <= 12:
        return ""
    hour = hour % 12 + 12 * (half in ("p", "P")) if half else hour
    return f"{hour:02}:{match['minute'] or '00'}"


def _number(match: re.Match[str], _: str) -> int | float | str:
    plain = match[0].lower().replace(",", "")
    if plain in _NUMBERS:
        return _NUMBERS.index(plain)
    if not plain[-1].isdigit():  # `ſix`: such a letter again
        return ""
    return float(plain) if "." in plain else int(plain)


_READERS: dict[str, Callable[[re.Match[str], str], Any]] = {"date": _date, "time": _time, "number": _number}


def _name(text: str, start: int, end: int) -> tuple[int, int]:
    """A run of capitalised words without what only begins a sentence or names no thing; maybe nothing is left."""
    before, after = text[:start].rstrip(" \"'("), text[end:].lstrip(" \"')")
    opens = not before or before[-1] in ".?!:;\n"
    if opens and (before or after.strip(".?!")):  # a name alone is an answer
        start += len(text[start:end].partition(" ")[0])
    parts = list(re.finditer(r"[^ ]+", text[start:end]))
    while parts and (_NO_NAME.match(parts[0][0]) or parts[0][0].islower()):
        del parts[0]
    while parts and _NO_NAME.match(parts[-1][0]):
        del parts[-1]
    if not parts:
        return start, start
    stop = start + parts[-1].end()
    return start + parts[0].start(), stop - 2 * text[start:stop].endswith("'s")
