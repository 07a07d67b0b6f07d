"""Requests whose arguments need a small deduction: "half of 90", "the day after", "not Paris, Rome".

Each puzzle gives its own slots; what the templates leave to the tool is sampled as everywhere. The deduced
value is the gold argument, and `accept` lists the other ways to write it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from toolfinch.data.synthesize.grammar import World
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.samplers import (
    MONTHS,
    WEEKDAYS,
    WORDS,
    a_day,
    city,
    email,
    number,
    sample,
    say_time,
    words,
)


class Puzzle(NamedTuple):
    shown: dict[str, Any]
    """What the template's slots write; a pair where the value differs from what is written."""
    args: dict[str, Any]
    """The deduced arguments."""
    accept: Mapping[str, tuple[Any, ...]] = {}
    system: str = ""
    """What the system message has to say for it."""


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _count(n: int, rand: Rand) -> str:
    return WORDS[n] if n <= 12 and rand.chance(0.7) else str(n)


def time_later(rand: Rand, world: World) -> Puzzle:
    now = rand.between(6, 17) * 60 + rand.pick((0, 10, 15, 20, 30, 40, 45))
    gap, text = rand.pick(
        (
            (30, "half an hour"),
            (60, "an hour"),
            (90, "an hour and a half"),
            (45, "45 minutes"),
            (20, "20 minutes"),
            (15, "a quarter of an hour"),
            *((60 * h, f"{_count(h, rand)} hours") for h in (2, 3, 4, 5)),
        )
    )
    day = a_day(rand, world).isoformat()
    shown = {"now": say_time(now // 60, now % 60, rand), "day": day, "delta": text}
    return Puzzle(shown, {"date": day, "start_time": _clock(now + gap)})


def days_later(rand: Rand, world: World) -> Puzzle:
    today = a_day(rand, world)
    if rand.chance(0.4):
        ahead = rand.between(1, 6)
        when = rand.pick(("on ", "this ", "this coming ")) + WEEKDAYS[(today.weekday() + ahead) % 7]
    else:
        days = rand.between(2, 9)
        ahead, when = rand.pick(
            (
                (1, "tomorrow"),
                (1, "tomorrow"),
                (2, "the day after tomorrow"),
                (days, f"in {_count(days, rand)} days"),
                (7, "in a week"),
                (7, "a week from now"),
                (14, "in two weeks"),
                (0, "today"),
            )
        )
    day = today + datetime.timedelta(days=ahead)
    long = f"{WEEKDAYS[today.weekday()]}, {MONTHS[today.month - 1]} {today.day}, {today.year}"
    date = rand.pick((f"{WEEKDAYS[today.weekday()]} {today.isoformat()}", long))
    if rand.chance(0.4):
        system = rand.pick(
            ("Today is {}.", "Current date: {}", "Date: {}", "You are a helpful assistant. Today is {}.")
        )
        return Puzzle({"when": when}, {"date": day.isoformat()}, system=system.format(date))
    return Puzzle({"today": date, "when": when}, {"date": day.isoformat()})


def time_word(rand: Rand, world: World) -> Puzzle:
    hour = rand.between(1, 11)
    later = rand.chance(0.6)
    part = rand.pick(("in the afternoon", "in the evening")) if later else "in the morning"
    if later:
        part = "in the afternoon" if hour < 6 else "in the evening"
    base = hour * 60 + (720 if later else 0)
    name = WORDS[hour]
    value, text = rand.pick(
        (
            (720, "noon"),
            (720, "midday"),
            (0, "midnight"),
            (base + 30, f"half past {name} {part}"),
            (base + 15, f"quarter past {name} {part}"),
            (base - 15, f"quarter to {name} {part}"),
            (base, f"{name} o'clock {part}"),
            (base, f"{name} {part}"),
        )
    )
    return Puzzle({"word_time": text}, {"start_time": _clock(value)})


def from_to(rand: Rand, world: World) -> Puzzle:
    start = rand.between(7, 18) * 60 + rand.pick((0, 0, 15, 30, 45))
    length = rand.pick((15, 30, 45, 60, 75, 90, 105, 120, 150, 180))
    end = start + length
    shown = {"start": say_time(start // 60, start % 60, rand), "end": say_time(end // 60, end % 60, rand)}
    return Puzzle(shown, {"start_time": _clock(start), "duration_minutes": length})


_FRACTIONS = ((2, "half"), (3, "a third"), (4, "a quarter"), (5, "a fifth"), (10, "a tenth"), (2, "one half"))


def fraction(rand: Rand, world: World) -> Puzzle:
    a = number(rand, world)
    if rand.chance(0.3):
        times, text = rand.pick(
            ((2, "double"), (2, "twice"), (3, "three times"), (3, "triple"), (10, "ten times"))
        )
        return Puzzle({"fraction": text, "a": a}, {"expression": f"{a} * {times}"}, _accept(f"{times} * {a}"))
    part, text = rand.pick(_FRACTIONS)
    other = _accept(
        f"1 / {part} * {a}",
        f"{a} * {round(1 / part, 4)}",
        f"{round(1 / part, 4)} * {a}",
        f"(1 / {part}) * {a}",
    )
    return Puzzle({"fraction": text, "a": a}, {"expression": f"{a} / {part}"}, other)


def percent(rand: Rand, world: World) -> Puzzle:
    a, p = number(rand, world), rand.pick((5, 10, 12, 15, 18, 20, 25, 30, 40, 60, 75))
    other = _accept(
        f"{p} / 100 * {a}",
        f"{a} * {p / 100:g}",
        f"{p / 100:g} * {a}",
        f"({p} / 100) * {a}",
        f"{p} * {a} / 100",
    )
    return Puzzle({"p": str(p), "a": a}, {"expression": f"{a} * {p} / 100"}, other)


def price(rand: Rand, world: World) -> Puzzle:
    a, b = rand.between(2, 60), rand.between(2, 300)
    shown = {"a": str(a), "b": str(b), "noun": rand.pick(words(world)["noun"])}
    return Puzzle(shown, {"expression": f"{a} * {b}"}, _accept(f"{b} * {a}"))


def _accept(*texts: str) -> dict[str, tuple[Any, ...]]:
    return {"expression": tuple(dict.fromkeys(t for text in texts for t in (text, text.replace(" ", ""))))}


def units(rand: Rand, world: World) -> Puzzle:
    return Puzzle({}, {})


def not_city(rand: Rand, world: World) -> Puzzle:
    return Puzzle({"other": city(rand, world)}, {})


def where_person(rand: Rand, world: World) -> Puzzle:
    p1, p2 = rand.sample(words(world)["first"], 2)
    return Puzzle({"p1": p1, "p2": p2, "other": city(rand, world)}, {})


def whose_email(rand: Rand, world: World) -> Puzzle:
    p1, p2 = rand.sample(words(world)["first"], 2)
    return Puzzle({"p1": p1, "p2": p2, "other": email(rand, world)}, {})


def which_file(rand: Rand, world: World) -> Puzzle:
    p1, p2 = rand.sample(words(world)["first"], 2)
    return Puzzle({"p1": p1, "p2": p2, "other": sample("filepath", rand, world)[1]}, {})


def path_join(rand: Rand, world: World) -> Puzzle:
    folder = sample("dirpath", rand, world)[1]
    name = (
        f"{sample('stem', rand, world)[1]}_{sample('code', rand, world)[1]}.{sample('ext', rand, world)[1]}"
    )
    return Puzzle({"folder": folder, "name": name}, {"path": f"{folder}/{name}"})


def method(rand: Rand, world: World) -> Puzzle:
    return Puzzle({}, {})


def preference(rand: Rand, world: World) -> Puzzle:
    unit = rand.pick(("celsius", "fahrenheit"))
    name = unit.capitalize()
    system = rand.pick(
        (
            f"The user prefers {name}.",
            f"Always use {name} for temperatures.",
            f"User settings: temperature unit = {name}",
        )
    )
    return Puzzle({}, {"units": unit}, system=system)


Maker: TypeAlias = Callable[[Rand, World], Puzzle]
PUZZLES: dict[str, tuple[str, Maker]] = {
    "time_later": ("create_calendar_event", time_later),
    "days_later": ("create_calendar_event", days_later),
    "time_word": ("create_calendar_event", time_word),
    "from_to": ("create_calendar_event", from_to),
    "fraction": ("calculate", fraction),
    "percent": ("calculate", percent),
    "price": ("calculate", price),
    "units": ("get_weather", units),
    "preference": ("get_weather", preference),
    "not_city": ("get_weather", not_city),
    "where_person": ("get_weather", where_person),
    "whose_email": ("send_email", whose_email),
    "which_file": ("read_file", which_file),
    "path_join": ("read_file", path_join),
    "method": ("http_request", method),
}
"""By section of `puzzles.txt`: the tool, and what makes the puzzle."""


def described_count(rand: Rand, world: World) -> tuple[Any, str]:
    a, b = rand.between(2, 9), rand.between(2, 9)
    return rand.pick(
        (
            (12, "a dozen"),
            (6, "half a dozen"),
            (2, "a couple of"),
            (2 * a, f"twice {_count(a, rand)}"),
            (a, f"half of {2 * a}"),
            (a + b, f"{a} plus {b}"),
            (3 * a, f"three times {_count(a, rand)}"),
        )
    )


def described_date(rand: Rand, world: World) -> tuple[Any, str]:
    day = a_day(rand, world)
    ahead = rand.between(2, 6)
    month = f"{MONTHS[day.month - 1]} {day.year}"
    last = (day.replace(day=28) + datetime.timedelta(days=4)).replace(day=1) - datetime.timedelta(days=1)
    name = WEEKDAYS[(day.weekday() + ahead) % 7]
    found, text = rand.pick(
        (
            (day + datetime.timedelta(days=1), f"the day after {day.isoformat()}"),
            (day + datetime.timedelta(days=1), f"the day after {WEEKDAYS[day.weekday()]} {day.isoformat()}"),
            (day - datetime.timedelta(days=1), f"the day before {day.isoformat()}"),
            (day + datetime.timedelta(days=2), f"two days after {day.isoformat()}"),
            (day + datetime.timedelta(days=7), f"one week after {day.isoformat()}"),
            (day.replace(day=1), f"the first of {month}"),
            (day.replace(day=1), f"the first day of {month}"),
            (last, f"the last day of {month}"),
            (
                day + datetime.timedelta(days=ahead),
                f"the {name} after {WEEKDAYS[day.weekday()]} {day.isoformat()}",
            ),
        )
    )
    return found.isoformat(), text


def described_time(rand: Rand, world: World) -> tuple[Any, str]:
    if rand.chance(0.5):
        made = time_word(rand, world)
        return made.args["start_time"], made.shown["word_time"]
    start = rand.between(8, 17) * 60 + rand.pick((0, 0, 15, 30))
    gap, text = rand.pick(
        ((60, "an hour"), (30, "half an hour"), (120, "two hours"), (45, "45 minutes"), (90, "90 minutes"))
    )
    later = rand.chance(0.6)
    said = say_time(start // 60, start % 60, rand)
    return _clock(start + gap if later else start - gap), f"{text} {'after' if later else 'before'} {said}"


def described_minutes(rand: Rand, world: World) -> tuple[Any, str]:
    extra, half = rand.pick((5, 10, 15, 20, 25)), rand.pick((15, 20, 25, 40))
    return rand.pick(
        (
            (60 + extra, f"an hour and {extra} minutes"),
            (2 * half, f"twice {half} minutes"),
            (150, "two and a half hours"),
            (45, "three quarters of an hour"),
            (240, "four hours"),
            (extra, f"{extra} minutes instead of an hour"),
        )
    )


DESCRIBED: dict[str, Callable[[Rand, World], tuple[Any, str]]] = {
    "count": described_count,
    "lines": described_count,
    "date": described_date,
    "time": described_time,
    "minutes": described_minutes,
}
"""By kind: a value that is described instead of given."""
