"""Which values a text states that none of its sources holds: the rule behind *fabricated*.

`ungrounded(text, sources)` reads a text without a model. A value is a number (with or without unit, currency
or percent), a date, a time, an e-mail or web address, a file name, a code (letters and digits mixed), a
quoted string, or a capitalised name that does not begin a sentence. It is grounded where a source holds it,
whatever the spelling: `1,000` is `1000`, `3 pm` is `15:00`, `March 3` is `2025-03-03`, `five` is `5`, `15 %`
is `0.15`, `18.4` may be said as `18`; case and Unicode form do not matter. The length of a list in a JSON
source counts as a number in it.

What is left out, so that a reader knows what the figure cannot see:

- adjectives and paraphrase ("sunny", "delivered yesterday"), and false claims made of grounded values;
- a name that begins a sentence or follows a colon or an abbreviation, a label of up to three words before
  a colon, names without capitals, "one" and number words above twelve, units and signs (`18 km` is grounded
  by `-18 °C`), which source a value came from, a quotation whose digits are grounded;
- values in a question, an offer or advice ("Shall I try Lisbon?", "please try again in 5 minutes"), other
  than addresses, codes, money and long numbers.

And what it finds that may be no fault: anything computed. A sum of two grounded numbers is not grounded, nor
is 64 °F where a source says 18 °C: with sums allowed, a handful of numbers would ground most small ones.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import cache, lru_cache
from typing import Any, NamedTuple

import msgspec

_MONTHS = "january february march april may june july august september october november december".split()
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_SCALES = {"k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6, "bn": 9, "billion": 9}
_UNITS = frozenset(
    "km kg g mg m cm mm mi ft in lb lbs oz l ml mph kmh kph c f k h hr hrs min mins s sec ms gb mb kb tb am pm"
    " st nd rd th eur usd gbp x px kwh kw w v a bn mn d w y yr yrs pt pts hz ghz mhz bpm kcal cal p pp".split()
)
_LARGEST_ROUNDED, _FINEST_ROUNDED = Decimal(10) ** 15, -12  # beyond, Decimal's 28 digits would round for us
# Capitals that name nothing, wherever they stand.
_NO_NAMES = frozenset(
    "i i'm i'll i've i'd ok okay a am pm id ids url urls api json http https html error errors not no only and"
    " is it tool tools mr mrs ms dr note sorry unfortunately please thanks unknown n/a tbd faq".split()
)

_MONTH = r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<!\d)(?P<year>\d{4})[-/](?P<number>\d{1,2})[-/](?P<day>\d{1,2})(?!\d)(?:T(?=\d\d:))?",
        rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}\b(?!:)(?:,?\s+(?P<year>\d{{4}})\b(?![.,:]\d))?",
        rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+(?P<year>\d{{4}})\b(?![.,:]\d))?",
        r"(?<![\d/.])(?P<day>\d{1,2})(?P<sep>[/.])(?P<number>\d{1,2})(?P=sep)(?P<year>\d{4}|\d{2})(?![\d/])",
    )
)
_TIME = re.compile(
    r"(?<![\d:.,])(?P<hour>[01]?\d|2[0-4])(?:[:.](?P<minute>[0-5]\d)(?::[0-5]\d)?)?\s?(?P<half>[ap]m\b|[ap]\.m\b\.?)"
    r"|(?<![\d:])(?P<hour24>[01]?\d|2[0-4]):(?P<minute24>[0-5]\d)(?::[0-5]\d(?:\.\d+)?)?(?!\d|:\d)(?:Z\b)?"
    r"|\b(?P<word>noon|midnight)\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    # The bounds are those of mail and DNS; without them a long text of dots and slashes takes minutes.
    r"\b(?:https?://|www\.)[^\s<>\"'`)\]]+|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
    r"|\b[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.(?:com|org|net|io|dev|edu|gov|example|test|info|co|de|fr|uk)\b(?:/[^\s<>\"'`)\]]*)?"
    r"|(?<!\w)[\w./~-]{0,255}\w\.(?:pdf|csv|txt|md|docx?|xlsx?|pptx?|png|jpe?g|json|ya?ml|py|toml|log|zip)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'"([^"\n]{1,200})"|`([^`\n]{1,200})`|(?<!\w)\'([^\n]{1,200}?)\'(?!\w)')
_CODE = re.compile(r"(?<![\w.-])#?(?=\w)(?=[\w/-]{0,99}[^\W\d_])(?=[\w/-]{0,99}\d)\w+(?:[-_/]\w+|\.\d\w*)*")
_NUMBER = re.compile(
    r"(?P<money>[$€£¥]\s?)?(?P<digits>\d+(?:[.,'’]\d+)*)(?:\s?(?P<scale>thousand|million|billion|bn|mn|k|m)\b)?"
    r"(?P<after>\s?(?:%|percent\b|€|£|usd\b|eur\b|gbp\b|dollars?\b|euros?\b|°\s?[CF]?\b))?",
    re.IGNORECASE,
)
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS[2:])})\b", re.IGNORECASE)
_SPACED = re.compile(r"(?<![\d.,])\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?![\d.,])")
_NAME = re.compile(r"(?<![\w'])[^\W\d_][\w'&]*(?:[-.][^\W\d_][\w']*)*")
_SENTENCE = re.compile(r"(?<=[.!?;])[\"')*]*\s+|\n+")
_LAYOUT = re.compile(r"^[\s>#*•–-]+|^\s*[>#*•–-]*\s*\(?\d{1,2}[.)]\s+", re.MULTILINE)
_LABEL = re.compile(r"^(?:[^\s:.,\d]++ ?){1,3}:(?=\s|\*|$)")
_OFFER = re.compile(
    r"^(?:would|should|shall|do|does|did|can|could|may|will|want|which|what|when|where|who|why|how|is|are|was|were"
    r"|has|have|had)\b.*\?$"
    r"|^(?:alternatively|otherwise|in the meantime|if you like|if you wish|for now)?,?\s*"
    r"(?:please|try|feel free|let me know|if you|i (?:suggest|recommend)|i(?:'d| would) (?:suggest|recommend)"
    r"|you (?:can|could|may|might|should)(?: also| want to| wish to)? "
    r"(?:try|check|visit|contact|look|retry|ask|use|search|call|reach|consult|provide|give|tell))\b",
    re.IGNORECASE | re.DOTALL,
)


class Value(NamedTuple):
    """Something that a text states."""

    start: int
    text: str
    firm: bool
    """Counts in an offer or advice too: an address, a code, money, a long number."""
    grounded: bool


class _Date(NamedTuple):
    year: int | None
    month: int
    day: int


class _Known:
    """Everything that the sources hold, in the forms that values are looked up by."""

    def __init__(self, sources: Iterable[str]) -> None:
        texts = [normal(text) for source in sources for text in _texts(source)]
        joined = "\n".join(texts)
        self.text = _plain(joined)
        found_dates = _dates(joined)
        self.dates = {date for _, _, dates in found_dates for date in dates}
        rest = _blank(joined, [(start, end) for start, end, _ in found_dates])
        found_times = _times(rest)
        self.minutes = {minute for _, _, minutes in found_times for minute in minutes}
        rest = _blank(rest, [(start, end) for start, end, _ in found_times])  # 18:03 holds no 3
        self.words = set(_words(joined))
        self.numbers: set[Decimal] = {Decimal(i) for i, word in enumerate(_WORDS) if word in self.words}
        for match in _NUMBER.finditer(rest):
            self.numbers |= _readings(match)
        self.numbers |= {Decimal(re.sub(r"\D", "", m[0])) for m in _SPACED.finditer(rest)}
        for minute in self.minutes:
            self.numbers |= {Decimal(minute // 60), Decimal((minute // 60 - 1) % 12 + 1)}
        for date in self.dates:
            self.words |= {_MONTHS[date.month - 1], _MONTHS[date.month - 1][:3]}
            self.numbers |= {Decimal(part) for part in (date.year, date.day) if part is not None}
            if date.year is not None:
                self.words.add(_DAYS[datetime.date(date.year, date.month, date.day).weekday()])
        for month in re.findall(r"(?<!\d)\d{4}-(0[1-9]|1[0-2])(?![-\d])", joined):
            self.words |= {_MONTHS[int(month) - 1], _MONTHS[int(month) - 1][:3]}
        self.words |= {day[:3] for day in _DAYS if day in self.words}
        self.words |= {day for day in _DAYS if day[:3] in self.words}
        self.ranked = sorted(self.numbers)

    def has_text(self, text: str) -> bool:
        """Whether the words of `text` stand in a source, one after another."""
        wanted = _plain(text).strip(" .,;:!?")
        return bool(re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", self.text))

    def has_date(self, dates: Sequence[_Date]) -> bool:
        return any(
            (a.month, a.day) == (b.month, b.day) and (None in (a.year, b.year) or a.year == b.year)
            for a in dates
            for b in self.dates
        )

    def has_number(self, readings: set[Decimal], percent: bool) -> bool:
        if readings & self.numbers:
            return True
        if any(_rounds(number, reading) for reading in readings for number in self.near(reading)):
            return True
        return percent and self.has_number({reading / 100 for reading in readings}, False)

    def near(self, said: Decimal) -> Sequence[Decimal]:
        """The numbers that may be `said` once they are rounded: less than one of its last digit away."""
        step = Decimal(1).scaleb(int(said.as_tuple().exponent))
        return self.ranked[bisect_left(self.ranked, said - step) : bisect_right(self.ranked, said + step)]

    def has_name(self, word: str) -> bool:
        bare = word.removesuffix("'s").removesuffix("'")
        parts = [part for part in re.split(r"[-.&']", bare) if part]
        return all(
            part in self.words or part.removesuffix("s") in self.words or f"{part}s" in self.words
            for part in parts
        )


def ungrounded(text: str, sources: Iterable[str]) -> list[str]:
    """The values that `text` states and no source holds, in order, each once, as `text` spells them."""
    said = sentences(normal(text))
    if not any(_stated(sentence, _known(())) for sentence in said):
        return []  # it states no value at all, and long sources need not be read
    known = _known(tuple(sources))
    return list(dict.fromkeys(value.text for sentence in said for value in _stated(sentence, known)))


@lru_cache(maxsize=8)
def _known(sources: tuple[str, ...]) -> _Known:
    """Kept for a while: scoring one reply looks into one prompt several times."""
    return _Known(sources)


def normal(text: str) -> str:
    """NFC, with one kind of quotation mark, apostrophe and dash; keeps case."""
    text = nfc(text)
    return text.translate(str.maketrans("“”„«»‘’ʼ−‐‑\u00a0\u202f", '"""""\'\'\'---  '))


def nfc(text: str) -> str:
    """Unicode NFC; a text with more marks on one letter than anybody writes is left as it is.

    Python sorts the marks of a letter by comparing them all: a million of them would take hours.
    """
    return text if text.isascii() or _marks().search(text) else unicodedata.normalize("NFC", text)


@cache
def _marks() -> re.Pattern[str]:
    combining = "".join(mark for mark in map(chr, range(0x300, 0x1F000)) if unicodedata.combining(mark))
    return re.compile(f"[{combining}]{{100}}")


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text that `normal` has read."""
    parts = _SENTENCE.split(_LAYOUT.sub("\n", text))  # the 1. and - of a list are layout, not values
    return [part.strip().strip("*_").strip() for part in parts if part.strip()]


def _stated(sentence: str, known: _Known) -> list[Value]:
    offer = _OFFER.search(sentence) is not None
    found = sorted(_values(sentence, known))
    return [value for value in found if not value.grounded and (value.firm or not offer)]


def _values(sentence: str, known: _Known) -> Iterator[Value]:
    """Every value of one sentence; what one kind has read is blanked out for the next."""
    rest = sentence

    def take(start: int, end: int) -> None:
        nonlocal rest
        rest = _blank(rest, [(start, end)])

    for match in _QUOTED.finditer(rest):
        inner = match[1] or match[2] or match[3]
        if known.has_text(inner):
            take(match.start(), match.end())
        elif not (re.search(r"\d", inner) or _ADDRESS.search(inner)):  # those are judged by their values
            yield Value(match.start(), match[0], False, False)
            take(match.start(), match.end())
    for match in _ADDRESS.finditer(rest):
        said = match[0].rstrip(".,;:!?*_")
        yield Value(match.start(), said, True, known.has_text(said.rstrip("/")))
        take(match.start(), match.start() + len(said))
    for start, end, dates in _dates(rest):
        yield Value(start, rest[start:end].strip(), False, known.has_date(dates))
        take(start, end)
    for start, end, minutes in _times(rest):
        yield Value(start, rest[start:end].strip(), False, bool(minutes & known.minutes))
        take(start, end)
    for match in _CODE.finditer(rest):
        if _is_code(match[0]):
            yield Value(match.start(), match[0], True, known.has_text(match[0].lstrip("#")))
            take(match.start(), match.end())
    for match in _NUMBER.finditer(rest):
        firm = bool(match["money"] or match["after"]) or len(re.sub(r"\D", "", match["digits"])) >= 5
        percent = "%" in (match["after"] or "") or "percent" in (match["after"] or "").lower()
        yield Value(match.start(), match[0].strip(), firm, known.has_number(_readings(match), percent))
        take(match.start(), match.end())
    for match in _NUMBER_WORD.finditer(rest):
        value = Decimal(_WORDS.index(match[0].lower()))
        yield Value(match.start(), match[0], False, value in known.numbers)
    yield from _names(rest, known)


def _names(sentence: str, known: _Known) -> Iterator[Value]:
    """Runs of capitalised words that are not known; the first word of a sentence or after a colon is none."""
    label = _LABEL.match(sentence)
    start = label.end() if label else 0
    run: list[re.Match[str]] = []
    opening = True
    for match in _NAME.finditer(sentence, start):
        between = sentence[run[-1].end() : match.start()] if run else ""
        opens = opening or sentence[: match.start()].rstrip(" *_\"'(").endswith((":", "–", "—", "|"))
        opening = False
        word = match[0].casefold()
        is_name = match[0][0].isupper() and not opens and word not in _NO_NAMES | _UNITS
        is_name = is_name and not known.has_name(word)
        if run and (not is_name or between.strip()):
            yield Value(run[0].start(), sentence[run[0].start() : run[-1].end()], False, False)
            run = []
        if is_name:
            run.append(match)
    if run:
        yield Value(run[0].start(), sentence[run[0].start() : run[-1].end()], False, False)


def _is_code(token: str) -> bool:
    """`BK-4471` and `12B` are codes, `20kg`, `3rd` and `10x` are numbers with something behind."""
    number = re.fullmatch(r"#?\d+([^\W\d_]+)", token)
    dashed = re.fullmatch(r"\d+-[^\W\d_]+(?:-[^\W\d_]+)?|\d+(?:/[^\W\d_]+)", token)  # 5-day, 3/week
    return not dashed and not (number and number[1].lower() in _UNITS)


def _readings(match: re.Match[str]) -> set[Decimal]:
    """Every number that digits with points, commas and a scale can mean."""
    digits = re.sub(r"['’]", "", match["digits"])
    out = {Decimal(re.sub(r"[.,]", "", digits))} if _grouped(digits) else set()
    head, mark, tail = digits, "", ""
    if last := re.search(r"[.,](?=\d+$)", digits):
        head, mark, tail = digits[: last.start()], last[0], digits[last.end() :]
    one_mark = mark not in head and (not re.search(r"[.,]", head) or _grouped(head))
    if mark and one_mark and not (mark == "," and out):  # 1,000 is no 1, but 1.000 may be
        out.add(Decimal(f"{re.sub(r'[.,]', '', head)}.{tail}"))
    if not mark:
        out.add(Decimal(digits))
    if not out:  # 10.0.0.1 and other dotted things: as it stands, without the marks
        out.add(Decimal(re.sub(r"[.,]", "", digits)))
    if scale := match["scale"]:
        out |= {value.scaleb(_SCALES[scale.lower()]) for value in out}
    return out


def _grouped(digits: str) -> bool:
    return re.fullmatch(r"\d{1,3}(?:,\d{3})+|\d{1,3}(?:\.\d{3})+", digits) is not None


def _rounds(number: Decimal, said: Decimal) -> bool:
    """Whether `said` is `number` with fewer decimals, or to the last digit of `1.2 million`."""
    exponent = int(said.as_tuple().exponent)
    if exponent < _FINEST_ROUNDED:
        return False
    step = Decimal(1).scaleb(exponent)
    if int(number.as_tuple().exponent) >= exponent or abs(number - said) >= step or number > _LARGEST_ROUNDED:
        return False
    return said in (number.quantize(step, ROUND_HALF_UP), number.quantize(step, ROUND_HALF_EVEN))


def _dates(text: str) -> list[tuple[int, int, tuple[_Date, ...]]]:
    """(start, end, what it may mean) of every date; `3/4/2025` may mean two."""
    out = []
    for pattern in _DATES:
        found = []
        for match in pattern.finditer(text):
            groups = match.groupdict()
            year = int(groups["year"]) if groups.get("year") else None
            if year is not None and year < 100:
                year += 2000
            day = int(groups["day"])
            if name := groups.get("month"):
                if name == "may":  # "the 5 may be wrong"
                    continue
                pairs = [(_month(name), day)]
            else:
                number = int(groups["number"])
                pairs = (
                    [(number, day)]
                    if match.start("year") == match.start()
                    else [(number, day), (day, number)]
                )
            dates = tuple(_Date(year, m, d) for m, d in pairs if _real(year, m, d))
            if dates:
                found.append((match.start(), match.end(), dates))
        text = _blank(text, [(start, end) for start, end, _ in found])
        out += found
    return out


def _blank(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with spaces in place of spans that do not overlap."""
    parts, at = [], 0
    for start, end in sorted(spans):
        parts += [text[at:start], " " * (end - start)]
        at = end
    return "".join((*parts, text[at:]))


def _month(name: str) -> int:
    return next(i for i, month in enumerate(_MONTHS, 1) if month.startswith(name.lower()[:3]))


def _real(year: int | None, month: int, day: int) -> bool:
    try:
        datetime.date(2000 if year is None else year, month, day)
    except ValueError:
        return False
    return True


def _times(text: str) -> list[tuple[int, int, frozenset[int]]]:
    """(start, end, minutes of the day that it may mean) of every time; `3:00` may be afternoon."""
    out = []
    for match in _TIME.finditer(text):
        if match["word"]:
            minutes = {720} if match["word"].lower() == "noon" else {0, 1440}
        elif match["half"]:
            hour = int(match["hour"])
            minute = int(match["minute"] or 0)
            if hour > 12:
                minutes = {hour * 60 + minute}
            else:
                minutes = {(hour % 12 + (12 if match["half"][0] in "pP" else 0)) * 60 + minute}
        else:
            hour, minute = int(match["hour24"]), int(match["minute24"])
            minutes = {hour * 60 + minute}
            if 1 <= hour <= 12 and not match["hour24"].startswith("0"):
                minutes |= {(hour * 60 + minute + 720) % 1440, hour * 60 + minute}
        out.append((match.start(), match.end(), frozenset(minutes)))
    return out


def _texts(source: str) -> list[str]:
    """A source, and where it is JSON its strings, and the length of each list in it as a number."""
    try:
        todo: list[Any] = [msgspec.json.decode(source)]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return [source]
    out = [source]
    while todo:
        match todo.pop():
            case str() as text:
                out.append(text)
            case dict() as members:
                todo += [*members.keys(), *members.values()]
            case list() as items:
                out.append(str(len(items)))
                todo += items
    return out


def _words(text: str) -> list[str]:
    """Words as looked up: `getWeather` and `get_weather` are two words each."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return [w for both in (text, parted) for w in re.findall(r"[^\W_]+", both.casefold())]


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).casefold()
