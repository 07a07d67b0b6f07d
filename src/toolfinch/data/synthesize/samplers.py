"""Typed values for the synthesizer: names, cities, paths, SQL, dates, made-up words.

A value comes with the way it is written in the request: most are copied as they stand, some are normalised
("3pm" to "15:00", "half an hour" to 30). Invented words come from syllables and random letters, so that a
model has to copy what it reads. The two worlds share no word pool, syllable, year or code.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from toolfinch.data.synthesize.grammar import Text, World, coined, phrases, write
from toolfinch.data.synthesize.rand import Rand

WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
YEARS: dict[World, tuple[int, ...]] = {"train": (2023, 2024, 2025, 2026), "heldout": (2027, 2028, 2029)}
UNHEARD = 0.15
"""Share of the words drawn from a training pool that are invented instead: what is copied may be any word."""
_REAL = frozenset({"ext", "package", "sky", "status", "tld", "weekday", "zone"})
"""Pools whose words a tool's world knows all of."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CODE = "abcdefghjkmnpqrstuvwxyz0123456789"
_CODE_END: dict[World, str] = {"train": "abcdefghjkm01234", "heldout": "npqrstuvwxyz56789"}


@cache
def words(world: World) -> dict[str, tuple[str, ...]]:
    """The word pools of a world."""
    path = files("toolfinch.data.synthesize").joinpath("phrases", world, "words.txt")
    pools: dict[str, list[str]] = {}
    current: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = pools.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            current.extend(word.strip() for word in line.split(","))
    return {name: tuple(pool) for name, pool in pools.items()}


def sample(kind: str, rand: Rand, world: World) -> tuple[Any, str]:
    """A value of a kind, and how it is written. Raises KeyError for an unknown kind."""
    make = MADE.get(kind)
    if make is not None:
        return make(rand, world)
    pool = words(world).get(kind)
    if pool is not None:
        word = rand.pick(pool)
        if world == "train" and kind not in _REAL and rand.chance(UNHEARD):
            word = coined(rand).capitalize() if word[0].isupper() else coined(rand)
        return word, word
    if kind[0].isupper():
        _, text = sample(kind.lower(), rand, world)
        text = text[0].upper() + text[1:]
        return text, text
    written = str(
        write(rand.pick(phrases(world, "values")[kind]), rand, lambda k: sample(k, rand, world), Text())
    )
    return written, written


def _same(make: Callable[[Rand, World], str]) -> Callable[[Rand, World], tuple[Any, str]]:
    def both(rand: Rand, world: World) -> tuple[Any, str]:
        text = make(rand, world)
        return text, text

    return both


def rare(rand: Rand, world: World) -> str:
    """An invented name, such as Dorvekaton."""
    if world == "train" and rand.chance(0.4):
        return coined(rand).capitalize()
    pools = words(world)
    name = "".join(rand.pick(pools["syllable"]) for _ in range(rand.between(2, 3))) + rand.pick(pools["tail"])
    return name[0].upper() + name[1:]


def code(rand: Rand, world: World) -> str:
    """A random short code. Its last character tells the worlds apart."""
    body = "".join(rand.pick(_CODE) for _ in range(rand.between(3, 6))) + rand.pick(_CODE_END[world])
    return body.upper() if rand.chance(0.3) else body


def number(rand: Rand, world: World) -> str:
    """A positive whole number, of one to four figures."""
    return str(rand.between(2, 10 ** rand.between(1, 4)))


def city(rand: Rand, world: World) -> str:
    roll = rand.random()
    if roll < 0.15:
        return rare(rand, world)
    name = rand.pick(words(world)["city"])
    if roll > 0.92:
        return f"{name}, {rand.pick(words(world)['country'])}"
    return name.lower() if roll > 0.85 else name


def person(rand: Rand, world: World) -> str:
    pools = words(world)
    roll = rand.random()
    first = rand.pick(pools["first"]) if roll < 0.8 else rare(rand, world)
    return first if roll < 0.5 else f"{first} {rand.pick(pools['last'])}"


def email(rand: Rand, world: World) -> str:
    pools = words(world)
    first = (rand.pick(pools["first"]) if rand.chance(0.7) else rare(rand, world)).lower().replace(" ", "")
    last = rand.pick(pools["last"]).lower().replace(" ", "").replace("'", "").replace("ü", "ue")
    user = rand.pick((first, f"{first}.{last}", f"{first[0]}{last}", f"{first}_{rand.between(1, 99)}", last))
    host = rand.pick(pools["domain"]) if rand.chance(0.7) else rare(rand, world).lower()
    return f"{user}@{host}.{rand.pick(pools['tld'])}"


def a_day(rand: Rand, world: World) -> datetime.date:
    return datetime.date(rand.pick(YEARS[world]), 1, 1) + datetime.timedelta(days=rand.below(365))


def say_day(day: datetime.date, rand: Rand) -> str:
    """A date as people write it; the year is always there."""
    roll = rand.random()
    month = MONTHS[day.month - 1]
    if roll < 0.5:
        return day.isoformat()
    if roll < 0.7:
        return f"{month} {day.day}, {day.year}"
    if roll < 0.85:
        return f"{day.day} {month} {day.year}"
    return f"{WEEKDAYS[day.weekday()]} {day.isoformat()}"


def date(rand: Rand, world: World) -> tuple[Any, str]:
    day = a_day(rand, world)
    return day.isoformat(), say_day(day, rand)


def say_time(hour: int, minute: int, rand: Rand) -> str:
    roll = rand.random()
    if roll < 0.45:
        return f"{hour:02d}:{minute:02d}"
    half = "am" if hour < 12 else "pm"
    twelve = hour % 12 or 12
    gap = rand.pick(("", " "))
    return f"{twelve}{gap}{half}" if minute == 0 else f"{twelve}:{minute:02d}{gap}{half}"


def time(rand: Rand, world: World) -> tuple[Any, str]:
    hour, minute = rand.between(6, 22), rand.pick((0, 0, 0, 15, 30, 30, 45, 5, 50))
    return f"{hour:02d}:{minute:02d}", say_time(hour, minute, rand)


def minutes(rand: Rand, world: World) -> tuple[Any, str]:
    roll = rand.random()
    if roll < 0.6:
        value = rand.pick((10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 75, 90, 100, 120))
        return value, f"{value} {rand.pick(('minutes', 'minutes', 'min'))}"
    return rand.pick(
        (
            (30, "half an hour"),
            (60, "an hour"),
            (60, "one hour"),
            (120, "two hours"),
            (120, "2 hours"),
            (180, "3 hours"),
            (90, "an hour and a half"),
            (90, "1.5 hours"),
            (15, "a quarter of an hour"),
        )
    )


def seconds(rand: Rand, world: World) -> tuple[Any, str]:
    value = rand.pick((5, 10, 15, 20, 45, 60, 90, 100, 120, 180, 240, 300))
    if value % 60 == 0 and rand.chance(0.3):
        count = value // 60
        return value, "a minute" if count == 1 else f"{WORDS[count]} minutes"
    return value, f"{value} {rand.pick(('seconds', 'seconds', 's'))}"


def small(rand: Rand, world: World) -> tuple[Any, str]:
    """A count from 2 to 20, in figures or words."""
    value = rand.between(2, 20)
    return value, WORDS[value] if value <= 12 and rand.chance(0.3) else str(value)


def digits(rand: Rand, world: World) -> tuple[Any, str]:
    value = rand.between(2, 20)
    return str(value), str(value)


def days(rand: Rand, world: World) -> tuple[Any, str]:
    value = rand.between(2, 12)
    return value, WORDS[value] if rand.chance(0.3) else str(value)


def lines(rand: Rand, world: World) -> tuple[Any, str]:
    value = rand.pick((5, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 200, rand.between(3, 400)))
    return value, WORDS[value] if value <= 12 and rand.chance(0.3) else str(value)


def pixels(rand: Rand, world: World) -> tuple[Any, str]:
    value = rand.pick((64, 128, 200, 256, 320, 480, 512, 640, 800, 1024, 1280, rand.between(50, 2000)))
    return value, str(value)


def level(rand: Rand, world: World) -> tuple[Any, str]:
    value = rand.between(1, 9)
    return value, str(value)


def people(rand: Rand, world: World) -> tuple[Any, str]:
    """One to three people or addresses to invite."""
    make = email if rand.chance(0.3) else person
    names: list[str] = []
    for _ in range(rand.pick((1, 2, 2, 3))):
        name = make(rand, world)
        if name not in names:
            names.append(name)
    return names, join(names)


def emails(rand: Rand, world: World) -> tuple[Any, str]:
    found = [email(rand, world) for _ in range(rand.pick((1, 1, 2)))]
    found = list(dict.fromkeys(found))
    return found, join(found)


def join(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


_OPERATORS = (("+", "plus"), ("-", "minus"), ("*", "times"), ("/", "divided by"))


def expression(rand: Rand, world: World) -> tuple[Any, str]:
    """Arithmetic, written with signs or in words."""
    a, b, c = (int(number(rand, world)) for _ in range(3))
    sign, word = rand.pick(_OPERATORS)
    other, other_word = rand.pick(_OPERATORS)
    roll = rand.random()
    if roll < 0.3:
        text = f"{a} {sign} {b}"
        return text, text if rand.chance(0.8) else f"{a}{sign}{b}"
    if roll < 0.5:
        return f"{a} {sign} {b}", f"{a} {word} {b}"
    if roll < 0.65:
        text = f"({a} {sign} {b}) {other} {c}"
        return text, text
    if roll < 0.75:
        text = f"{a} {sign} {b} {other} {c}"
        return text, text
    if roll < 0.82:
        return f"{a} {sign} {b} {other} {c}", f"{a} {word} {b} {other_word} {c}"
    if roll < 0.9:
        text = f"{a / 10} {sign} {b}"
        return text, text
    text = f"{a % 97 + 2}^{rand.between(2, 5)}" if rand.chance(0.5) else f"sqrt({a})"
    return text, text


def zone(rand: Rand, world: World) -> tuple[Any, str]:
    text = rand.pick(words(world)["zone"]) if rand.chance(0.5) else rand.pick(words(world)["city"])
    return text, text


MADE: dict[str, Callable[[Rand, World], tuple[Any, str]]] = {
    "rare": _same(rare),
    "rarelow": _same(lambda rand, world: rare(rand, world).lower()),
    "code": _same(code),
    "number": _same(number),
    "small": digits,
    "digit": _same(lambda rand, world: str(rand.below(10))),
    "port": _same(lambda rand, world: rand.pick(("3000", "5000", "8000", "8080", "9000"))),
    "letter": _same(lambda rand, world: rand.pick(_LETTERS)),
    "year": _same(lambda rand, world: str(rand.pick(YEARS[world]))),
    "user": _same(lambda rand, world: rand.pick(words(world)["first"]).lower()),
    "noun1": _same(lambda rand, world: rand.pick(words(world)["noun"]).replace(" ", "-")),
    "place": _same(city),
    "person": _same(person),
    "email": _same(email),
    "date": date,
    "time": time,
    "minutes": minutes,
    "seconds": seconds,
    "count": small,
    "days": days,
    "lines": lines,
    "pixels": pixels,
    "level": level,
    "people": people,
    "emails": emails,
    "expression": expression,
    "timezone": zone,
}


def variants(kind: str, value: str) -> tuple[str, ...]:
    """Other ways to write a value of this kind that mean the same."""
    other: list[str] = []
    if kind == "expression":
        tight = value.replace(" ", "")
        other = [tight, value.replace("^", " ** "), tight.replace("^", "**")]
    elif kind in ("body", "note", "text"):
        other = [value + "."] if value[-1].isalnum() else [value.removesuffix(".")]
    elif kind in ("topic", "title", "subject"):
        other = [value.lower(), value[:1].upper() + value[1:]]
    elif kind == "language":
        other = [value.lower(), value.capitalize()]
    elif kind in ("place", "timezone"):
        other = [value.lower()] if value != value.lower() else [value.title()]
        if kind == "place":
            other.append(value.split(",")[0])
    elif kind == "dirpath":
        other = [value.rstrip("/") if value.endswith("/") else value + "/"]
    return tuple(dict.fromkeys(text for text in other if text != value))
