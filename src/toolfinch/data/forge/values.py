"""Values for invented parameters: what a call carries, and how a person says it.

`sample(rng, kind, args, today)` gives a `Value`: the argument, and one spoken form from which it can be read
or worked out. Most values are copied letter for letter, many of them syllables or codes that no model can
know; dates, clock times, durations, numbers, booleans and enums are often said in words and must be
normalised. A kind is a word of `domains.txt` (`city`, `int 1 10`, `enum a,b=said like this`); KINDS maps it
to the function that makes its values, SCHEMA to its JSON Schema.

Left out: locales, time zones, and any value that needs knowledge beyond the conversation and common sense.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from toolfinch.data.forge import lexicon
from toolfinch.data.forge.names import DIGITS, TEXT, between, letters, pick


class Today(NamedTuple):
    """The conversation's own date, and how much of it the system line tells."""

    date: datetime.date
    told: bool
    """The system line gives the date: "tomorrow" and "3 May" can be resolved."""
    weekday: bool
    """The system line names the weekday too: "on Friday" can be resolved."""


class Value(NamedTuple):
    """One value of a parameter."""

    arg: Any
    """As the call carries it."""
    say: str
    """As the user says it."""


Sampler = Callable[[Random, tuple[str, ...], Today], Value]


# --- numbers --------------------------------------------------------------------------------------------

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def number_words(number: int) -> str:
    """A whole number below 1,000 in English words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{_ONES[hundreds]} hundred" + (f" and {number_words(rest)}" if rest else "")


def _int(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    low, high = int(args[0]), int(args[1])
    number = between(rng, low, high)
    if high > 1000 and rng.random() < 0.5:
        number = max(low, number // 100 * 100)
    roll = rng.random()
    if (0 <= number < 13 and roll < 0.4) or (13 <= number < 100 and roll < 0.12):
        return Value(number, number_words(number))
    if number >= 1000 and roll < 0.15:
        return Value(number, f"{number:,}")
    return Value(number, str(number))


_COMPANY = {
    1: ("just me", "one", "myself", "one person", "1"),
    2: ("two", "me and my partner", "the two of us", "a couple", "my wife and me", "2"),
    3: ("three", "the three of us", "me and two friends", "3"),
    4: ("four", "my family of four", "the four of us", "4"),
}


def _people(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    number = between(rng, int(args[0]), int(args[1]))
    if number in _COMPANY and rng.random() < 0.6:
        return Value(number, pick(rng, _COMPANY[number]))
    said = number_words(number) if rng.random() < 0.4 else str(number)
    return Value(number, said + pick(rng, ("", " people", " people", " persons", " of us")))


def _intset(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    number = int(pick(rng, args))
    return Value(number, number_words(number) if number < 13 and rng.random() < 0.3 else str(number))


def _num(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    low, high = int(args[0]), int(args[1])
    number: float = low + rng.random() * (high - low)
    number = round(number, 1 if rng.random() < 0.7 else 2)
    if number == int(number):
        number = int(number)  # JSON keeps 2 and 2.0 apart, people do not
    if isinstance(number, int) and 0 < number < 13 and rng.random() < 0.2:
        return Value(number, number_words(number))
    return Value(number, f"{number:g}")


def _money(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    low, high = int(args[0]), int(args[1])
    amount: float = between(rng, low, high)
    if amount > 200 and rng.random() < 0.6:
        amount = int(amount) // 50 * 50
    if amount < 1000 and rng.random() < 0.15:
        amount = int(amount) + between(rng, 5, 95) / 100
    shown = f"{amount:.2f}" if isinstance(amount, float) else str(amount)
    roll = rng.random()
    if roll < 0.45:
        return Value(amount, f"{pick(rng, '$$€£')}{shown}")
    if roll < 0.8:
        return Value(amount, f"{shown} {pick(rng, ('dollars', 'euros', 'bucks', 'USD', 'EUR', 'pounds'))}")
    if isinstance(amount, int) and amount < 100 and roll < 0.9:
        return Value(amount, f"{number_words(amount)} {pick(rng, ('dollars', 'euros', 'bucks'))}")
    if isinstance(amount, int) and amount >= 1000 and amount % 1000 == 0:
        return Value(amount, f"{amount // 1000}k")
    return Value(amount, shown)


def _coordinate(low: int, high: int) -> Sampler:
    def sampler(rng: Random, args: tuple[str, ...], today: Today) -> Value:
        number = round(low + rng.random() * (high - low), between(rng, 2, 4))
        return Value(number, str(number))

    return sampler


_MINUTES = (
    (15, ("15 minutes", "a quarter of an hour", "fifteen minutes")),
    (30, ("30 minutes", "half an hour", "30 min", "thirty minutes")),
    (45, ("45 minutes", "three quarters of an hour", "45 min")),
    (60, ("an hour", "1 hour", "60 minutes", "one hour")),
    (90, ("an hour and a half", "90 minutes", "1.5 hours", "one and a half hours")),
    (120, ("two hours", "2 hours", "120 minutes", "2h")),
    (180, ("three hours", "3 hours", "180 minutes")),
    (240, ("four hours", "4 hours")),
)


def _mins(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    if rng.random() < 0.45:
        number = between(rng, 2, 120)
        return Value(number, f"{number} {pick(rng, ('minutes', 'min', 'mins', 'minutes'))}")
    number, said = pick(rng, _MINUTES)
    return Value(number, pick(rng, said))


def _year(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    year = between(rng, 1960, 2026)
    return Value(year, str(year))


# --- dates and times ------------------------------------------------------------------------------------


def ordinal(day: int) -> str:
    if 10 < day % 100 < 14:
        return f"{day}th"
    return f"{day}{({1: 'st', 2: 'nd', 3: 'rd'}).get(day % 10, 'th')}"


def say_date(rng: Random, day: datetime.date, *, year: bool) -> str:
    """A calendar date as written by a person."""
    month = lexicon.MONTHS[day.month - 1]
    if rng.random() < 0.3:
        month = month[:3]
    tail = f" {day.year}" if year else ""
    roll = rng.random()
    if roll < 0.3:
        return f"{day.day} {month}{tail}"
    if roll < 0.5:
        return f"{month} {day.day}{',' if year else ''}{tail}"
    if roll < 0.7:
        return f"{month} {ordinal(day.day)}{',' if year else ''}{tail}"
    if roll < 0.85:
        return f"the {ordinal(day.day)} of {month}{tail}"
    return f"{ordinal(day.day)} {month}{tail}"


def _date(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    roll = rng.random()
    base = today.date
    if not today.told or roll < 0.22:
        day = base + datetime.timedelta(days=between(rng, 0, 300))
        said = day.isoformat() if rng.random() < 0.5 else say_date(rng, day, year=True)
        return Value(day.isoformat(), said)
    if roll < 0.4:
        ahead, said = pick(
            rng,
            (
                (1, "tomorrow"),
                (1, "tomorrow"),
                (0, "today"),
                (2, "the day after tomorrow"),
                (7, "a week from today"),
            ),
        )
        return Value((base + datetime.timedelta(days=ahead)).isoformat(), said)
    if roll < 0.62 and today.weekday:
        ahead = between(rng, 1, 6)
        day = base + datetime.timedelta(days=ahead)
        name = lexicon.WEEKDAYS[day.weekday()]
        return Value(day.isoformat(), pick(rng, ("", "", "this ", "this coming ")) + name)
    if roll < 0.78:
        day = base + datetime.timedelta(days=between(rng, 1, 27))
        said = f"the {ordinal(day.day)}"
        if day.month == base.month and rng.random() < 0.3:
            said += " of this month"
        return Value(day.isoformat(), said)
    if roll < 0.84:
        ahead = between(rng, 2, 10)
        return Value(
            (base + datetime.timedelta(days=ahead)).isoformat(),
            f"{pick(rng, (str(ahead), number_words(ahead)))} days from now",
        )
    day = base + datetime.timedelta(days=between(rng, 1, 120))
    return Value(day.isoformat(), say_date(rng, day, year=rng.random() < 0.15))


def _birthdate(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    day = datetime.date(between(rng, 1940, 2010), between(rng, 1, 12), between(rng, 1, 28))
    said = day.isoformat() if rng.random() < 0.4 else say_date(rng, day, year=True)
    return Value(day.isoformat(), said)


def _time(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    hour = between(rng, 6, 22)
    minute = pick(rng, (0, 0, 0, 15, 30, 30, 45, between(rng, 1, 59)))
    arg = f"{hour:02d}:{minute:02d}"
    roll = rng.random()
    if roll < 0.25:
        return Value(arg, arg)
    if hour == 12 and minute == 0 and roll < 0.7:
        return Value(arg, "noon")
    twelve = hour % 12 or 12
    half = "am" if hour < 12 else "pm"
    if roll < 0.6:
        clock = f"{twelve}:{minute:02d}" if minute else str(twelve)
        return Value(
            arg, f"{clock}{pick(rng, ('', ' '))}{pick(rng, (half, half, half.upper(), half[0] + '.m.'))}"
        )
    if minute in (0, 15, 30, 45):
        part = "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"
        following = (hour + 1) % 12 or 12
        name = number_words if rng.random() < 0.5 else str
        hour_word = pick(rng, ("", " o'clock"))
        said = {
            0: f"{name(twelve)}{hour_word}",
            15: f"quarter past {name(twelve)}",
            30: f"half past {name(twelve)}",
            45: f"quarter to {name(following)}",
        }[minute]
        return Value(arg, f"{said} {part}")
    return Value(arg, f"{twelve}:{minute:02d} {half}")


# --- choices and compositions ---------------------------------------------------------------------------


def _bool(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    """args: phrases for true, "//", phrases for false."""
    cut = args.index("//")
    yes = rng.random() < 0.55
    return Value(yes, pick(rng, args[:cut] if yes else args[cut + 1 :]))


def _enum(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    """args: options, each `value=said=said`."""
    value, _, said = pick(rng, args).partition("=")
    if said and rng.random() < 0.6:
        return Value(value, pick(rng, said.split("=")))
    return Value(value, value.replace("_", " "))


def _currency(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    currency, said = pick(rng, lexicon.CURRENCIES)
    return Value(currency, said if rng.random() < 0.5 else currency)


def _digits(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    digits = letters(rng, DIGITS, int(args[0]))
    return Value(digits, digits)


def _list(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    """args: the kind of the items, and its own args."""
    wanted = pick(rng, (1, 2, 2, 2, 3, 3, 4))
    if args[0] in ("num", "int") and len(args) == 3 and wanted < 3:
        wanted += 2
    values: list[Value] = []
    for _ in range(wanted):
        value = sample(rng, args[0], args[1:], today)
        if all(value.arg != v.arg for v in values):
            values.append(value)
    return Value([v.arg for v in values], join([v.say for v in values], "and" if rng.random() < 0.7 else ""))


def _lines(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    """args: the kind of the things, and the keys for thing and count. A list of objects."""
    rows: dict[str, tuple[int, str]] = {}
    for _ in range(pick(rng, (1, 1, 2, 2, 3))):
        count = _int(rng, ("1", "9"), today)
        rows.setdefault(sample(rng, args[0], (), today).arg, (count.arg, count.say))
    arg = [{args[1]: thing, args[2]: count} for thing, (count, _) in rows.items()]
    link = pick(rng, (" ", " ", " x "))
    return Value(arg, join([f"{said}{link}{thing}" for thing, (_, said) in rows.items()]))


def _listn(rng: Random, args: tuple[str, ...], today: Today) -> Value:
    """args: kind, low, high, and how many."""
    values = [sample(rng, args[0], args[1:-1], today).arg for _ in range(int(args[-1]))]
    return Value(values, "(" + ", ".join(f"{v:g}" for v in values) + ")")


def join(parts: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; commas alone where `word` is empty."""
    if len(parts) == 1:
        return parts[0]
    if not word:
        return ", ".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


_SAMPLERS: dict[str, Sampler] = {
    "int": _int,
    "intset": _intset,
    "people": _people,
    "num": _num,
    "money": _money,
    "lat": _coordinate(-60, 70),
    "lon": _coordinate(-170, 170),
    "mins": _mins,
    "year": _year,
    "date": _date,
    "birthdate": _birthdate,
    "time": _time,
    "bool": _bool,
    "enum": _enum,
    "currency": _currency,
    "digits": _digits,
    "list": _list,
    "lines": _lines,
    "listn": _listn,
}

KINDS = frozenset(TEXT) | frozenset(_SAMPLERS)


def sample(rng: Random, kind: str, args: tuple[str, ...], today: Today) -> Value:
    """One value of the kind. Raises KeyError for a kind that is not in KINDS."""
    sampler = _SAMPLERS.get(kind)
    if sampler is not None:
        return sampler(rng, args, today)
    word = TEXT[kind](rng)
    return Value(word, word)


def schema(kind: str, args: tuple[str, ...]) -> dict[str, Any]:
    """The JSON Schema of a kind's values, without a description."""
    if kind in ("int", "intset", "people", "mins", "year"):
        return {"type": "integer"}
    if kind in ("num", "money", "lat", "lon"):
        return {"type": "number"}
    if kind == "bool":
        return {"type": "boolean"}
    if kind == "enum":
        return {"type": "string", "enum": [option.partition("=")[0] for option in args]}
    if kind == "list":
        return {"type": "array", "items": schema(args[0], args[1:])}
    if kind == "lines":
        keys = {args[1]: {"type": "string"}, args[2]: {"type": "integer"}}
        return {"type": "array", "items": {"type": "object", "properties": keys, "required": [*args[1:]]}}
    if kind == "listn":
        return {"type": "array", "items": schema(args[0], args[1:-1])}
    return {"type": "string"}
