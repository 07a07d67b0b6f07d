"""Dates moved by whole weeks: the day of the week, and every distance between dates of one conversation, stay.

ISO dates and times, and dates in words with a month's name, with or without a year; `3/8/2019` is left as it is where
it could be two days, and so are years, months and days of the week that stand alone. A moved date keeps its form.
"""

from __future__ import annotations

import datetime
import re

_MONTHS = "January February March April May June July August September October November December".split()
_NAMES = {name.lower(): place for place, name in enumerate(_MONTHS, 1)}
_NAMES |= {name[:3].lower(): place for place, name in enumerate(_MONTHS, 1)} | {"sept": 9}
_MONTH = r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
_DAY = r"(?P<day>\d{1,2})(?P<suffix>st|nd|rd|th)?"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\w.-])(?P<year>(?:19|20)\d\d)(?P<sep>[-/.])(?P<number>\d\d)(?P=sep)(?P<day>\d\d)(?![\d-]|\.\d)",
        r"(?<![\w.-])(?P<year>(?:19|20)\d\d)(?P<number>[01]\d)(?P<day>[0-3]\d)(?=T\d{4,6}(?!\d))",
        rf"(?<![\w.-]){_MONTH}(?P<between>\.?\s+(?:the\s+)?){_DAY}(?![\w:]|\.\d)(?:(?P<comma>,?\s+)(?P<year>(?:19|20)\d\d)(?!\w))?",
        rf"(?<![\w.,/-]){_DAY}(?P<between>\s+(?:of\s+)?){_MONTH}(?!\w)(?:(?P<comma>\.?,?\s+)(?P<year>(?:19|20)\d\d)(?!\w))?",
        r"(?<![\w./-])(?P<first>\d{1,2})(?P<sep>[/.])(?P<second>\d{1,2})(?P=sep)(?P<year>(?:19|20)\d\d)(?![\w/-]|\.\d)",
    )
)
_NO_YEAR = 2001
"""Where a date has none, it is moved in a year without a leap day."""


def shifted(text: str, weeks: int) -> str:
    """The text with its dates moved by so many weeks."""
    if not any(char.isdigit() for char in text):
        return text
    cuts: list[tuple[int, int, str]] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            made = _moved(match, weeks)
            if made is not None and all(
                match.end() <= begin or end <= match.start() for begin, end, _ in cuts[-8:]
            ):
                cuts.append((*match.span(), made))
    out, done = [], 0
    for begin, end, made in sorted(cuts):
        if begin >= done:
            out += [text[done:begin], made]
            done = end
    return "".join([*out, text[done:]])


def _moved(match: re.Match[str], weeks: int) -> str | None:
    said = match.groupdict()
    year = int(said["year"] or _NO_YEAR)
    if "first" in said:
        first, second = int(said["first"]), int(said["second"])
        if said["sep"] == "." or first > 12:
            day, month = first, second
        elif second > 12:
            day, month = second, first
        else:
            return None  # two days could be meant
    else:
        day = int(said["day"])
        month = int(said["number"]) if "number" in said else _NAMES[said["month"].lower()]
    try:
        date = datetime.date(year, month, day) + datetime.timedelta(weeks=weeks)
    except (ValueError, OverflowError):
        return None
    if "first" in said:
        digits = {"d": _like(date.day, said["first"]), "m": _like(date.month, said["second"])}
        if day != first:
            digits = {"d": _like(date.month, said["first"]), "m": _like(date.day, said["second"])}
        return f"{digits['d']}{said['sep']}{digits['m']}{said['sep']}{date.year}"
    if "number" in said:
        sep = said.get("sep") or ""
        return f"{date.year:04}{sep}{date.month:02}{sep}{date.day:02}"
    number = _like(date.day, said["day"]) + (_suffix(date.day, said["suffix"]) if said["suffix"] else "")
    name = _named(date.month, said["month"])
    end = f"{said['comma']}{date.year}" if said["year"] else ""
    if match.start("month") < match.start("day"):
        return f"{name}{said['between']}{number}{end}"
    return f"{number}{said['between']}{name}{end}"


def _like(value: int, written: str) -> str:
    return f"{value:02}" if len(written) == 2 and written[0] == "0" else str(value)


def _suffix(day: int, written: str) -> str:
    made = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return made.upper() if written.isupper() else made


def _named(month: int, written: str) -> str:
    """In full or short, and in the letters that the other was written in."""
    short = len(written) < 5 and written.lower() not in ("may", "june", "july")
    made = _MONTHS[month - 1][:3] if short else _MONTHS[month - 1]
    return made.upper() if written.isupper() else made.lower() if written.islower() else made
