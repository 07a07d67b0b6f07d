"""One conversation with Kettenwerk's assistant, being written.

`Session.ask` adds what a user says: a phrase from `phrases.txt` with its slots filled and
its style (small letters, a slip of the finger, a greeting) applied; it returns the values that were said, so
that a plan in `plans.py` can make the call that they ask for. `Decks` deals phrases like cards: one comes
back only when all others of its section have been used.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from shop import FLEET, WEEKDAYS, Result, Shop, is_open

HERE = Path(__file__).parent
SYSTEM = (
    "You are the assistant of Kettenwerk, a bicycle workshop and rental shop. Today is {today}. "
    "Use the tools; ask for what is missing; say so when no tool fits. The shop's phone is 555-0100."
)
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August"]
NUMBERS = (
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
)

Slots = dict[str, Any]
Call = tuple[str, dict[str, Any]]

TYPES = {
    "city": ("city bike",),
    "trekking": ("trekking bike", "touring bike"),
    "e_bike": ("e-bike", "ebike", "pedelec", "electric bike"),
    "cargo": ("cargo bike",),
    "mountain": ("mountain bike", "MTB"),
    "road": ("road bike", "racing bike"),
    "kids": ("kids' bike", "children's bike"),
}
EXTRAS = {
    "helmet": "a helmet",
    "lock": "a lock",
    "panniers": "panniers",
    "child_seat": "a child seat",
    "trailer": "a trailer",
}
PROBLEMS = {
    "puncture": ("a flat rear tyre", "a puncture", "a front tyre that goes soft overnight", "a flat"),
    "brakes": (
        "squealing brakes",
        "a front brake that barely bites",
        "worn brake pads",
        "a brake cable that snapped",
    ),
    "gears": (
        "gears that keep skipping",
        "a bent derailleur",
        "a shifter that won't go into third",
        "rattling gears",
    ),
    "wheel": (
        "a wobbly back wheel",
        "two broken spokes",
        "a buckled front wheel",
        "a wheel that rubs on the frame",
    ),
    "chain": ("a chain that keeps coming off", "a rusty chain", "a snapped chain", "a stretched chain"),
    "e_bike_diagnosis": (
        "a motor that cuts out uphill",
        "a battery that dies after 5 km",
        "an error code on the motor display",
        "a motor that no longer switches on",
    ),
}


def read_phrases() -> dict[str, list[str]]:
    """The lines of `phrases.txt` by section."""
    sections: dict[str, list[str]] = {}
    for line in (HERE / "phrases.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = sections[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            section.append(line)
    return sections


def lower_first(template: str) -> str:
    """The sentence with a small first letter, unless it begins with 'I', an abbreviation or a slot."""
    return template if re.match(r"I\b|[A-Z]{2}|\{", template) else template[0].lower() + template[1:]


class Decks:
    """Phrases dealt in a random order without repeats until a section is used up."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.full = read_phrases()
        self.left: dict[str, list[str]] = {}

    def deal(self, section: str) -> str:
        if not self.left.get(section):
            self.left[section] = self.rng.sample(self.full[section], len(self.full[section]))
        return self.left[section].pop()


# --- how people write values -------------------------------------------------------------------------------


def count(rng: random.Random, n: int) -> str:
    return NUMBERS[n] if n < len(NUMBERS) and rng.random() < 0.6 else str(n)


def say_day(rng: random.Random, today: date, day: date) -> str:
    """A day as an adverbial: 'tomorrow', 'on Friday', 'on 16 May', 'on the 16th', …"""
    ahead, month = (day - today).days, MONTHS[day.month - 1]
    forms = [f"on {day.day} {month}", f"on {month} {day.day}", f"on {day.day}.{day.month}.", f"on {day}"]
    if 1 < ahead < 7:
        forms += [f"on {WEEKDAYS[day.weekday()]}"] * 6
    if ahead < 21 and day.day > today.day:
        end = {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10 if day.day // 10 != 1 else 0, "th")
        forms += [f"on the {day.day}{end}"] * 2
    if (day - timedelta(days=day.weekday())) - (today - timedelta(days=today.weekday())) == timedelta(days=7):
        forms += [f"on {WEEKDAYS[day.weekday()]} next week"] * 3
    named = {0: ["today"], 1: ["tomorrow"], 2: ["the day after tomorrow"], 7: ["a week from today"]}
    if ahead < 2:
        return named[ahead][0]
    return rng.choice(forms + named.get(ahead, []) * 4)


def say_range(rng: random.Random, today: date, first: date, last: date) -> str:
    """A period as an adverbial; the last day is always included."""
    days = (last - first).days + 1
    if days == 1:
        return say_day(rng, today, first)
    m1, m2 = MONTHS[first.month - 1], MONTHS[last.month - 1]
    w1, w2 = WEEKDAYS[first.weekday()], WEEKDAYS[last.weekday()]
    forms = [
        f"from {first.day} {m1} to {last.day} {m2}",
        f"{m1} {first.day} to {m2} {last.day}",
        f"{first} to {last}",
    ]
    forms += [
        f"{first.day}.{first.month}. to {last.day}.{last.month}.",
        f"from {first.day}.{first.month}. until {last.day}.{last.month}.",
    ]
    if m1 == m2:
        forms += [f"{first.day}-{last.day} {m1}", f"from the {first.day} to the {last.day} of {m1}"]
    ahead = (first - today).days
    if ahead < 7:
        start = "tomorrow" if ahead == 1 else w1
        forms += [
            f"for {count(rng, days)} days starting {start}",
            f"for {count(rng, days)} days from {start}",
        ]
    if (last - today).days < 7:
        start = "tomorrow" if ahead == 1 else w1
        forms += [
            f"from {start} to {w2}",
            f"{start} till {w2}",
            f"from {start} through {w2}",
            f"{w1[:3]}-{w2[:3]}",
        ]
        if days == 2 and first.weekday() == 5:
            forms += ["this weekend", "over the weekend", "this weekend, both days"] * 3
    if days == 2 and ahead == 1:
        forms += ["tomorrow and the day after"] * 3
    monday = today - timedelta(days=today.weekday()) + timedelta(days=7)
    if monday <= first and last < monday + timedelta(days=7):
        forms += [f"next week, {w1} to {w2}", f"next week from {w1} until {w2}"] * 2
    return rng.choice(forms)


def say_time(rng: random.Random, hour: int, minute: int) -> str:
    forms = [f"at {hour}:{minute:02}", f"around {hour}.{minute:02}"]
    twelve = NUMBERS[(hour - 1) % 12 + 1]
    if minute == 0:
        forms += [f"at {hour - 12}pm" if hour > 12 else "at noon" if hour == 12 else f"at {hour}am"] * 2
    elif 9 <= hour <= 12:
        forms += [{15: f"at quarter past {twelve}", 30: f"at half past {twelve}"}.get(minute, forms[0])]
    return rng.choice(forms)


# --- one conversation --------------------------------------------------------------------------------------


class Session:
    """A conversation being written: `ask` adds a user turn, `call` calls with their results, `say` words."""

    def __init__(self, rng: random.Random, decks: Decks) -> None:
        self.rng, self.decks = rng, decks
        self.today = date(2025, 4, 7) + timedelta(days=rng.randrange(100))
        while not is_open(self.today):
            self.today += timedelta(days=1)
        self.shop = Shop(rng, self.today)
        self.style = rng.choices(["plain", "lower", "typo", "polite"], [48, 22, 10, 20])[0]
        self.name, self.phone = self.a_name(), f"555-01{rng.randrange(1, 100):02}"
        self.named_today = f"{WEEKDAYS[self.today.weekday()]} {self.today}"
        self.messages: list[dict[str, Any]] = [
            {"role": "system", "content": SYSTEM.format(today=self.named_today)}
        ]

    def a_name(self) -> str:
        return f"{self.decks.deal('given')} {self.decks.deal('family')}"

    # the user

    def ask(self, section: str, **known: Any) -> Slots:
        """Add a user turn from a section of the phrases; returns what was said, by slot."""
        return self.write(self.decks.deal(section), section, **known)

    def write(self, phrase: str, section: str = "", **known: Any) -> Slots:
        """Add a user turn of one phrase; `known` fixes slots, or (as `tid2`) says what they must not be."""
        slots: Slots = dict(known)
        head, _, template = phrase.rpartition(" | ")
        for pair in filter(None, head.split(", ")):
            key, _, value = pair.partition("=")
            slots[key] = self.implied(value)
        others = "sms" in section and section != "seq_book_sms"
        if len(self.messages) == 1 and section != "small_talk":
            template = self.open(template)
        template = self.restyle(template)
        said = re.sub(r"\{(\w+)\}", lambda m: self.fill(m, template, slots, others), template)
        self.messages.append({"role": "user", "content": said})
        return slots

    def implied(self, value: str) -> Any:
        if value.startswith("+"):
            return str(self.today + timedelta(days=int(value)))
        return int(value) if value.isdigit() else {"true": True, "false": False}.get(value, value)

    def open(self, template: str) -> str:
        """Some greet, some thank in advance; nobody twice."""
        chance = 0.75 if self.style == "polite" else 0.15
        thanked = template.endswith("{text}") or re.search("thank|thx", template, re.I)
        if self.rng.random() < chance / 2 and not thanked:
            stop = "" if template[-1] in ".!?" else "."
            template = f"{template}{stop} {self.decks.deal('closer')}"
        greeted = re.match(r"(hi|hello|hey|yes hello)\b", template, re.I)
        if self.rng.random() < chance and not greeted:
            opener = self.decks.deal("opener")
            template = f"{opener} {lower_first(template) if opener[-1] in ',:' else template}"
        return template

    def restyle(self, template: str) -> str:
        """Small letters or a slip of the finger, but never inside a value."""
        if self.style == "lower":
            template = re.sub(r"\.$", "", template.lower())
        if self.style == "typo":
            words = list(re.finditer(r"(?<![{@\w])[a-z]{5,}(?![}@\w])", template))
            if words:
                m = self.rng.choice(words)
                i = self.rng.randrange(m.start() + 1, m.end() - 1)
                swapped = template[:i] + template[i + 1] + template[i] + template[i + 2 :]
                dropped = template[:i] + template[i + 1 :]
                template = self.rng.choice([swapped, dropped])
        return template

    def fill(self, match: re.Match[str], template: str, slots: Slots, others: bool) -> str:
        text = self.surface(match[1], slots, others, "{height}" in template or "height" in slots)
        before = template[: match.start()]
        starts = not before or re.search(r"[.!?] $", before) is not None
        if starts and self.style != "lower" and text[0].islower() and match[1] not in ("text", "desc"):
            text = text[0].upper() + text[1:]
        if template.startswith(".", match.end()):
            text = text.removesuffix(".")
        return text

    def surface(self, slot: str, slots: Slots, others: bool, tall: bool) -> str:
        """How the user writes a slot; its value goes into `slots` under the slot's key."""
        rng, today = self.rng, self.today
        kind = slot.rstrip("2").removeprefix("noun_").removeprefix("a_")
        key = slot.removeprefix("noun_").removeprefix("a_")
        twin = slots.get(kind) if key != kind else slots.get(kind + "2")

        def fresh(draw: Callable[[], Any]) -> Any:
            value = slots.get(key)
            while value is None or value == twin:
                value = draw()
            slots[key] = value
            return value

        match kind:
            case "date" | "day":
                value = fresh(lambda: str(self.some_day(open_only=kind == "day")))
                text = say_day(rng, today, date.fromisoformat(value))
                text = text.removeprefix("on ") if slot.startswith("noun_") else text
                return text.lower() if self.style == "lower" else text
            case "range":
                first, last = fresh(self.some_range)
                text = say_range(rng, today, date.fromisoformat(first), date.fromisoformat(last))
                return text.lower() if self.style == "lower" else text
            case "type":
                value = fresh(lambda: rng.choice([t for t in TYPES if t != "kids" or not tall]))
                text = rng.choice(TYPES[value])
                article = "an" if text[0] in "eM" else "a"
                return f"{article} {text}" if slot.startswith("a_") else text
            case "bike":
                value = fresh(lambda: rng.choice(list(FLEET)))
                return self.scrawl(value)
            case "bid":
                return self.scrawl(fresh(lambda: f"B-{rng.randrange(20000, 70000)}"))
            case "tid":
                return self.scrawl(fresh(lambda: f"R-{rng.randrange(2000, 9000)}"))
            case "days":
                value = fresh(lambda: rng.choice([1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 14]))
                special = {1: ["one day", "a day"], 7: ["a week", "one week", "7 days"], 14: ["two weeks"]}
                return rng.choice(special.get(value) or [f"{count(rng, value)} days"])
            case "height":
                low, high = (105, 146) if slots.get("type") == "kids" else (152, 194)
                value = fresh(lambda: rng.randint(low, high))
                return rng.choice(
                    [
                        f"{value} cm",
                        f"{value // 100}.{value % 100:02} m",
                        f"{value}cm",
                        f"{value // 100}m{value % 100:02}",
                    ]
                )
            case "max":
                value = fresh(lambda: rng.choice([15, 18, 20, 25, 30, 35, 40, 45, 50]))
                return rng.choice([f"{value} euros", f"€{value}", f"{value} EUR", f"{value}€"])
            case "extras":
                value = fresh(lambda: rng.sample(list(EXTRAS), rng.choice([1, 1, 2])))
                return " and ".join(EXTRAS[e] for e in value)
            case "name":
                return str(fresh(lambda: self.name if key == kind else self.a_name()))
            case "phone":
                own = not others and key == kind
                value = fresh(lambda: self.phone if own else f"555-01{rng.randrange(1, 100):02}")
                return str(value) if rng.random() < 0.8 else value.replace("-", " ")
            case "time":
                hour, minute = rng.randint(9, 15), rng.choice([0, 0, 15, 30, 30, 45])
                slots[key] = f"{hour:02}:{minute:02}"
                return say_time(rng, hour, minute)
            case "problem":
                slots["service"] = rng.choice(list(PROBLEMS))
                return rng.choice(PROBLEMS[slots["service"]])
            case "text":
                return str(fresh(lambda: self.decks.deal(kind)))
            case "desc":
                value = fresh(lambda: self.decks.deal(kind))
                article = "an" if value[0] in "aeiou" else "a"
                return f"{article} {value}" if slot.startswith("a_") else str(value)
            case "model" | "nth":
                return str(slots[kind])
        raise KeyError(f"phrases.txt: no slot {{{slot}}}")

    def scrawl(self, code: str) -> str:
        loose = [code.replace("-", ""), code.lower(), code.replace("-", " ")]
        return self.rng.choice(loose) if self.style == "lower" or self.rng.random() < 0.15 else code

    def some_day(self, *, open_only: bool) -> date:
        while True:
            ahead = self.rng.randint(1, 6) if self.rng.random() < 0.65 else self.rng.randint(0, 16)
            day = self.today + timedelta(days=ahead)
            if ahead > 0 and is_open(day) if open_only else True:
                return day

    def some_range(self) -> tuple[str, str]:
        while True:
            ahead = self.rng.randint(1, 5) if self.rng.random() < 0.55 else self.rng.randint(1, 20)
            first = self.today + timedelta(days=ahead)
            if is_open(first):
                break
        days = self.rng.choice([1, 1, 2, 2, 2, 3, 3, 4, 5, 7])
        return str(first), str(first + timedelta(days=days - 1))

    # the assistant

    def call(self, *calls: Call, results: list[Result] | None = None) -> list[Result]:
        """Add one turn of calls and the tools' answers; `results` replaces what the shop would say."""
        if results is None:
            results = [getattr(self.shop, name)(**arguments) for name, arguments in calls]
        ids = [f"call_{self.rng.getrandbits(36):09x}" for _ in calls]
        made = [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
            }
            for call_id, (name, arguments) in zip(ids, calls, strict=True)
        ]
        self.messages.append({"role": "assistant", "content": None, "tool_calls": made})
        for call_id, result in zip(ids, results, strict=True):
            text = json.dumps(result, ensure_ascii=False)
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": text})
        return results

    def say(self, *variants: str) -> None:
        self.messages.append({"role": "assistant", "content": self.rng.choice(variants)})
