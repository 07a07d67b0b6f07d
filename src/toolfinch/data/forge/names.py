"""Names, words and codes for invented values: text that is copied letter for letter.

TEXT maps a kind of text (`city`, `code`, `todo`) to the function that makes one. A large part is coined from
syllables or drawn character by character, so that a model learns to copy and cannot remember. `values.py`
builds on this. Left out: anything that is said differently than it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from toolfinch.data.forge import lexicon

T = TypeVar("T")


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of the options; a good deal faster than `rng.choice`."""
    return options[int(rng.random() * len(options))]


def between(rng: Random, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))


# --- words and names ------------------------------------------------------------------------------------

_ONSET = [
    "b",
    "br",
    "c",
    "ch",
    "cl",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gl",
    "gr",
    "h",
    "j",
    "k",
    "kl",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "pr",
    "qu",
    "r",
    "s",
    "sh",
    "sk",
    "sl",
    "st",
    "t",
    "th",
    "tr",
    "v",
    "w",
    "wh",
    "y",
    "z",
]
_NUCLEUS = ["a", "a", "e", "e", "i", "i", "o", "o", "u", "ai", "au", "ea", "ee", "ie", "oa", "oo", "ou", "y"]
_CODA = [
    "",
    "",
    "",
    "",
    *[
        "b",
        "ck",
        "d",
        "f",
        "g",
        "k",
        "l",
        "ll",
        "m",
        "n",
        "nd",
        "ng",
        "nt",
        "p",
        "r",
        "rk",
        "rn",
        "s",
        "sh",
        "ss",
        "st",
        "t",
        "th",
        "v",
        "x",
        "z",
    ],
]
SYLLABLES = tuple(o + v + c for o in _ONSET for v in _NUCLEUS for c in _CODA)
_OPEN = tuple(o + v for o in _ONSET for v in _NUCLEUS)
_ALNUM = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
LOWNUM = "abcdefghijkmnpqrstuvwxyz0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HEX = "0123456789abcdef"
DIGITS = "0123456789"


def coined(rng: Random) -> str:
    """A lower-case word that nobody has seen: two or three syllables."""
    roll = rng.random()
    if roll < 0.5:
        return pick(rng, _OPEN) + pick(rng, SYLLABLES)
    if roll < 0.8:
        return pick(rng, _OPEN) + pick(rng, _OPEN) + pick(rng, SYLLABLES)
    return pick(rng, SYLLABLES)


def letters(rng: Random, alphabet: str, length: int) -> str:
    """`length` random characters of the alphabet."""
    size = len(alphabet)
    random = rng.random
    return "".join([alphabet[int(random() * size)] for _ in range(length)])


def words(rng: Random, low: int, high: int) -> str:
    """`low` to `high` plain words."""
    return " ".join([pick(rng, lexicon.WORDS) for _ in range(between(rng, low, high))])


def city(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.55:
        return pick(rng, lexicon.CITIES)
    if roll < 0.9:
        return coined(rng).capitalize()
    return (
        pick(rng, ("New ", "Port ", "San ", "Bad ", "East ", "Upper ", "Saint ", "Fort "))
        + coined(rng).capitalize()
    )


def first_name(rng: Random) -> str:
    return pick(rng, lexicon.FIRST_NAMES) if rng.random() < 0.65 else coined(rng).capitalize()


def last_name(rng: Random) -> str:
    return pick(rng, lexicon.LAST_NAMES) if rng.random() < 0.45 else coined(rng).capitalize()


def person(rng: Random) -> str:
    return f"{first_name(rng)} {last_name(rng)}"


def brand(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.6:
        return coined(rng).capitalize()
    if roll < 0.8:
        return f"{coined(rng).capitalize()} {pick(rng, lexicon.WORDS).capitalize()}"
    return f"{pick(rng, lexicon.WORDS).capitalize()}{pick(rng, lexicon.WORDS)}"


def company(rng: Random) -> str:
    return f"{brand(rng)} {pick(rng, lexicon.COMPANY_FORMS)}" if rng.random() < 0.6 else brand(rng)


def brandplace(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.35:
        return f"{brand(rng)} {pick(rng, lexicon.VENUE_WORDS)}"
    if roll < 0.6:
        return f"The {pick(rng, lexicon.ADJECTIVES).capitalize()} {pick(rng, lexicon.THINGS).capitalize()}"
    if roll < 0.8:
        return f"{first_name(rng)}'s {pick(rng, lexicon.VENUE_WORDS)}"
    return brand(rng)


def place(rng: Random) -> str:
    if rng.random() < 0.4:
        return city(rng)
    return f"{coined(rng).capitalize()} {pick(rng, lexicon.PLACE_WORDS)}"


def title(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.3:
        return f"{pick(rng, lexicon.ADJECTIVES).capitalize()} {pick(rng, lexicon.THINGS).capitalize()}"
    if roll < 0.5:
        return f"The {pick(rng, lexicon.THINGS).capitalize()} of {coined(rng).capitalize()}"
    if roll < 0.7:
        return words(rng, 1, 4).title()
    if roll < 0.85:
        return f"{coined(rng).capitalize()} {pick(rng, lexicon.THINGS).capitalize()}"
    return coined(rng).capitalize()


def subject(rng: Random) -> str:
    thing, other = pick(rng, lexicon.THINGS), pick(rng, lexicon.THINGS)
    return pick(rng, lexicon.SUBJECTS).format(a=thing, b=other, w=pick(rng, lexicon.WORDS), x=coined(rng))


def topic(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.45:
        return pick(rng, lexicon.TOPICS)
    if roll < 0.75:
        return f"{pick(rng, lexicon.ADJECTIVES)} {pick(rng, lexicon.THINGS)}s"
    return coined(rng)


def text(rng: Random) -> str:
    """A short free-text note, without full stop."""
    return pick(rng, lexicon.NOTES).format(
        n=between(rng, 2, 40),
        a=pick(rng, lexicon.THINGS),
        b=pick(rng, lexicon.THINGS),
        j=pick(rng, lexicon.ADJECTIVES),
        p=first_name(rng),
        c=city(rng),
        x=coined(rng),
    )


def todo(rng: Random) -> str:
    return pick(rng, lexicon.TODOS).format(
        a=pick(rng, lexicon.THINGS), p=first_name(rng), g=pick(rng, lexicon.GROCERIES), x=coined(rng)
    )


def address(rng: Random) -> str:
    roll = rng.random()
    street = f"{coined(rng).capitalize()} {pick(rng, lexicon.STREET_WORDS)}"
    if roll < 0.7:
        return f"{between(rng, 1, 990)} {street}"
    if roll < 0.85:
        return f"{street} {between(rng, 1, 99)}"
    return f"{between(rng, 1, 990)} {street}, {city(rng)}"


def code(rng: Random) -> str:
    """An identifier in one of many shapes."""
    roll = int(rng.random() * 10)
    if roll < 2:
        return letters(rng, _ALNUM, between(rng, 5, 8))
    if roll < 4:
        return f"{letters(rng, _UPPER, between(rng, 2, 3))}-{letters(rng, DIGITS, between(rng, 3, 6))}"
    if roll == 4:
        return f"{coined(rng)}_{letters(rng, DIGITS, between(rng, 2, 4))}"
    if roll == 5:
        return letters(rng, DIGITS, between(rng, 4, 8))
    if roll == 6:
        return f"{letters(rng, LOWNUM, 4)}-{letters(rng, LOWNUM, 4)}"
    if roll == 7:
        return letters(rng, _UPPER, 2) + letters(rng, DIGITS, between(rng, 3, 6))
    if roll == 8:
        return (
            f"{letters(rng, _UPPER, 3)}-20{between(rng, 18, 27)}-{letters(rng, DIGITS, between(rng, 2, 4))}"
        )
    return letters(rng, LOWNUM, between(rng, 6, 9))


def email(rng: Random) -> str:
    user = first_name(rng).lower()
    if rng.random() < 0.5:
        user += pick(rng, ("", ".", "_")) + coined(rng)
    return f"{user}@{domain(rng)}"


def domain(rng: Random) -> str:
    return f"{coined(rng)}.{pick(rng, ('com', 'org', 'net', 'io', 'de', 'example', 'co', 'eu'))}"


def phone(rng: Random) -> str:
    shape = pick(rng, ("+{2} {3} {6}", "{3}-{3}-{4}", "0{3} {6}", "+{1}{10}", "({3}) {3}-{4}"))
    parts = shape.split("{")
    out = parts[0]
    for part in parts[1:]:
        length, rest = part.split("}")
        out += letters(rng, DIGITS, int(length)) + rest
    return out


def slug(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.5:
        return f"{coined(rng)}-{pick(rng, lexicon.WORDS)}"
    if roll < 0.8:
        return f"{pick(rng, lexicon.WORDS)}-{pick(rng, lexicon.THINGS)}-{between(rng, 1, 99):02d}"
    return f"{coined(rng)}{between(rng, 1, 99)}"


def handle(rng: Random) -> str:
    return (
        pick(rng, ("", "@"))
        + coined(rng)
        + pick(rng, ("", "_", ""))
        + pick(rng, ("", "", letters(rng, DIGITS, 2)))
    )


def plate(rng: Random) -> str:
    shape = int(rng.random() * 3)
    if shape == 0:
        return f"{letters(rng, _UPPER, 2)} {letters(rng, DIGITS, 4)}"
    if shape == 1:
        return f"{letters(rng, _UPPER, 1)}-{letters(rng, _UPPER, 2)} {letters(rng, DIGITS, 3)}"
    return f"{letters(rng, _UPPER, 3)}{letters(rng, DIGITS, 3)}"


def formula(rng: Random) -> str:
    if rng.random() < 0.5:
        return pick(rng, lexicon.FORMULAS)
    return "".join(
        pick(rng, lexicon.ELEMENTS) + pick(rng, ("", "", "2", "3", "4", "6"))
        for _ in range(between(rng, 2, 3))
    )


def _branch(rng: Random) -> str:
    return f"{pick(rng, ('feature', 'fix', 'hotfix', 'chore', 'exp'))}{pick(rng, '/-')}{coined(rng)}"


def _equation(rng: Random) -> str:
    return f"{formula(rng)} + {formula(rng)} -> {formula(rng)}"


def _dish(rng: Random) -> str:
    return f"{pick(rng, lexicon.INGREDIENTS)} {pick(rng, lexicon.DISH_WORDS)}"


def _product(rng: Random) -> str:
    if rng.random() < 0.6:
        return f"{pick(rng, lexicon.ADJECTIVES)} {pick(rng, lexicon.PRODUCTS)}"
    return f"{coined(rng).capitalize()} {pick(rng, lexicon.PRODUCTS)}"


def _longtext(rng: Random) -> str:
    return f"{text(rng).capitalize()}. {text(rng).capitalize()}."


def _question(rng: Random) -> str:
    a, b = pick(rng, lexicon.THINGS), pick(rng, lexicon.THINGS)
    return pick(rng, ("{a} or {b}?", "Which {a} is best?", "Do we need a {a}?", "When is the {a}?")).format(
        a=a, b=b
    )


TEXT: dict[str, Callable[[Random], str]] = {
    "city": city,
    "place": place,
    "brand": brand,
    "company": company,
    "brandplace": brandplace,
    "person": person,
    "first": first_name,
    "title": title,
    "subject": subject,
    "topic": topic,
    "text": text,
    "todo": todo,
    "longtext": _longtext,
    "question": _question,
    "address": address,
    "code": code,
    "email": email,
    "domain": domain,
    "phone": phone,
    "slug": slug,
    "handle": handle,
    "plate": plate,
    "formula": formula,
    "branch": _branch,
    "equation": _equation,
    "product": _product,
    "dish": _dish,
    "country": lambda r: pick(r, lexicon.COUNTRIES),
    "station": lambda r: f"{city(r)} {pick(r, ('Central', 'North', 'Main', 'Airport', 'East', 'Park'))}",
    "doctor": lambda r: pick(r, ("Dr. ", "Dr. ", "Doctor ", "")) + last_name(r),
    "dishname": lambda r: _dish(r).title() if r.random() < 0.5 else _dish(r),
    "ingredient": lambda r: pick(r, lexicon.INGREDIENTS),
    "grocery": lambda r: pick(r, lexicon.GROCERIES) if r.random() < 0.8 else coined(r),
    "drug": lambda r: (
        coined(r).capitalize() if r.random() < 0.8 else pick(r, ("ibuprofen", "aspirin", "zinc"))
    ),
    "name": lambda r: coined(r).capitalize(),
    "word": lambda r: pick(r, lexicon.WORDS) if r.random() < 0.6 else coined(r),
    "historic": lambda r: (
        f"the {pick(r, ('Battle', 'Treaty', 'Siege', 'Great Fire', 'Council'))} of {city(r)}"
    ),
    "coursename": lambda r: f"{topic(r)} {pick(r, ('101', 'basics', 'II', 'for all', 'workshop'))}",
    "classname": lambda r: f"{between(r, 5, 12)}{pick(r, 'ABCD')}",
    "room": lambda r: f"{pick(r, ('room', 'Room', 'hall', 'studio'))} {pick(r, _UPPER)}{between(r, 1, 400)}",
    "job": lambda r: f"{pick(r, lexicon.JOB_RANKS)}{pick(r, lexicon.JOBS)}",
    "skill": lambda r: pick(r, lexicon.SKILLS) if r.random() < 0.8 else coined(r).capitalize(),
    "tag": lambda r: pick(r, lexicon.WORDS) if r.random() < 0.7 else coined(r),
    "hashtag": lambda r: "#" + (pick(r, lexicon.WORDS) if r.random() < 0.5 else coined(r)),
    "service": lambda r: f"{coined(r)}-{pick(r, ('api', 'web', 'worker', 'db', 'auth', 'gateway', 'cron'))}",
    "version": lambda r: f"{pick(r, ('', 'v'))}{between(r, 0, 9)}.{between(r, 0, 30)}.{between(r, 0, 20)}",
    "repo": lambda r: slug(r) if r.random() < 0.6 else f"{coined(r)}/{slug(r)}",
    "hex": lambda r: letters(r, _HEX, between(r, 7, 10)),
    "hexlong": lambda r: "0x" + letters(r, _HEX, 16),
    "hexcolor": lambda r: "#" + letters(r, _HEX, 6),
    "ip": lambda r: ".".join(str(between(r, 1, 254)) for _ in range(4)),
    "ticker": lambda r: letters(r, _UPPER, between(r, 3, 4)),
    "upcode": lambda r: pick(r, lexicon.WORDS).upper() + str(between(r, 5, 99)),
    "cell": lambda r: f"{pick(r, 'ABCDEFGH')}{between(r, 1, 99)}",
    "password": lambda r: letters(r, LOWNUM + _UPPER + "!?#", between(r, 8, 12)),
    "letter": lambda r: pick(r, _UPPER),
    "itemname": lambda r: (
        f"{pick(r, lexicon.ADJECTIVES)} {pick(r, ('sword', 'shield', 'staff', 'bow', 'ring', 'helm'))}"
    ),
    "team": lambda r: f"{city(r)} {pick(r, ('FC', 'United', 'Rovers', 'Hawks', 'Bears', 'Stars'))}",
    "language": lambda r: pick(r, lexicon.LANGUAGES),
    "color": lambda r: pick(r, lexicon.COLORS),
    "month": lambda r: pick(r, lexicon.MONTHS),
    "weekday": lambda r: pick(r, lexicon.WEEKDAYS),
    "score": lambda r: f"{between(r, 0, 6)}:{between(r, 0, 6)}",
}

TITLE_CASED = frozenset(
    [
        "city",
        "place",
        "person",
        "first",
        "company",
        "country",
        "brandplace",
        "month",
        "weekday",
        "language",
        "doctor",
        "station",
    ]
)
"""Kinds whose values a careless writer puts in lower case while the call keeps the capitals."""
