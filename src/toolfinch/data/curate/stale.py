"""Calls that rest on what is not there: turns whose arguments nothing visible resolves.

A log holds turns that were right when they were made, because of something that is not in it: an id from a page that
was open, a date that "tomorrow" meant, a file of before the context was compacted. Learned from, they teach to make
values up. Such a turn is marked `skip`, with its reason counted.

Looked at are whole values that point at something: dates, e-mail addresses, URLs, paths, codes (letters and digits
mixed) and long numbers, or any number under a key that names an id. Visible are the messages before the turn, the
calls and results among them, and the schemas of the tools. Left alone are prose, searches, code, names, times, short
numbers, coordinates and settings, the conversation's own day, and what can be put together from visible parts or
worked out of two visible numbers. With any date in sight every other may have been told from it. References without
an antecedent ("that file") are read in English only, and only where the call says something that is not visible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from toolfinch.data.curate.decisions import decisions, without
from toolfinch.data.stage import Changed, Stage, each
from toolfinch.example import Conversation
from toolfinch.grounding import normal, ungrounded
from toolfinch.message import Message
from toolfinch.tool import Tool

DATE = "a date that nothing visible holds"
RELATIVE = "a relative date, and no date that it counts from"
ADDRESS = "an e-mail address that nothing visible holds"
PATH = "a path or URL that nothing visible holds"
CODE = "an id that nothing visible holds"
NUMBER = "a number that nothing visible holds"
REFERENCE = "refers to what is not there"
COMPACTED = "rests on what was before the context was compacted"

LONG = 5
"""Digits from which on a number points at something, whatever its key is."""
READ = 200_000
"""Characters of a prompt in which a value is looked for in other spellings; word for word in any."""

_DATE = re.compile(
    r"\d{4}-\d\d?-\d\d?(?:[T ]\d\d?:\d\d.*)?|\d{1,2}([/.])\d{1,2}\1\d{4}|(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d"
)
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_EPOCH = re.compile(r"1\d{9}(?:\d{3})?")
"""Seconds or milliseconds since 1970."""
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\][\w.@+-]+(?: [\w.@+-]+)*){2,}[/\\]?")
_CODE = re.compile(r"#?(?=[\w.:/-]*[^\W\d_])(?=(?:[\w.:/-]*?\d){3})\w+(?:[-_.:/]\w+)*")
_LONG_NUMBER = re.compile(rf"[+#]?\(?\d[\d ().-]{{{LONG - 1},24}}")
_ROUND = re.compile(r"[1-9]0+")
_DIGITS = re.compile(r"\d+")
_WORDS = re.compile(r"[^\W\d_]{3,}")
_TIME_KEY = re.compile(
    r"(?:^|[_-])(?:since|until|before|after|from|to|start|end|at|ts|time|timestamp|date)(?:$|[_-])|(?:Time|At|Date|stamp)$",
    re.IGNORECASE,
)
_COMPOSED_KEY = re.compile(
    r"(?:^|[_-])(?:command|cmd|code|script|query|sql|expression|body|content|text|title|subject|description|message|pattern"
    r"|regex|prompt)$",
    re.IGNORECASE,
)
"""What stands there is written for the call."""
_KNOWN_KEY = re.compile(
    r"(?:^|[_-])(?:lat|lon|lng|latitude|longitude|zip(?:_?code)?|post(?:al_?)?code|postal|plz|timeout|ttl|port|seed|limit|max|min"
    r"|offset|width|height|size|duration|interval)(?:$|[_-])",
    re.IGNORECASE,
)
"""Numbers that one knows or chooses."""
_COMMON_VALUE = re.compile(r"127(?:\.\d+){3}|0\.0\.0\.0|\d{1,5}[^\W\d_]{1,3}")
"""This machine's address, and quantities such as `1080p`."""
_ID_KEY = re.compile(
    r"(?:^|[_-])(?:id|ids|uuid|guid|ref|reference|ticket|invoice|tracking|account|confirmation|isbn|serial|sku)"
    r"(?:_?(?:no|num|number|code))?$|[a-z]I[dD]s?$",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    r"\b(?:today|tonight|tomorrow|tmrw|yesterday|now|this|next|last|coming|following|ago|later|from now|in (?:a|an|\d+|two|three"
    r"|four|five|six) (?:days?|weeks?|months?|years?)|(?:mon|tues?|wednes|thurs?|fri|satur|sun)day|weekend|week|month"
    r"|year|morning|evening|afternoon|christmas|easter|\d{1,2}(?:st|nd|rd|th)|first|second|third)\b",
    re.IGNORECASE,
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAY = r"(?:the )?\d{1,2}(?:st|nd|rd|th)?"
_NAMED_MONTH = re.compile(
    rf"\b(?P<month>{'|'.join(_MONTHS)})[a-z]{{0,6}}\.? {_DAY}\b|\b{_DAY} (?:of )?(?P<other>{'|'.join(_MONTHS)})[a-z]{{0,6}}\b"
    r"|\b\d{4}-(?P<number>\d\d)-\d\d"
)
_COMMON = frozenset(
    "http https www com org net api html htm php home user users usr tmp var src the and".split()
)
_FILE = re.compile(r"[\w-]\.\w{2,4}\b|/\w")
_QUOTED = re.compile(r'"[^"\n]*"|`[^`\n]*`|(?<!\w)\'[^\'\n]*\'(?!\w)')
_NOUN = (
    r"(?P<noun>files?|folders?|director(?:y|ies)|documents?|e-?mails?|messages?|orders?|tickets?|meetings?|events?"
    r"|appointments?|bookings?|reservations?|issues?|branch(?:es)?|pages?|links?|lists?|repo(?:sitory|s)?|scripts?"
    r"|invoices?|photos?|pictures?|images?|hotels?|restaurants?|flights?|songs?|movies?|cars?|rooms?|products?|items?|tasks?|notes?|errors?|functions?|tests?|tables?|quer(?:y|ies)|results?|threads?|reports?)"
)
_REFERENCES = (
    re.compile(
        r"\b(?:open|read|show|delete|remove|send|print|edit|update|rename|move|copy|close|run|cancel|change|check|book|forward"
        r"|save|fix|use|summari[sz]e|translate|attach|share|reply to|look at|of|from|to|with|into|about) (?:that|those) (?:same )?"
        rf"{_NOUN}\b(?! \d)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\bthe (?:first|second|third|fourth|fifth|last|other|same|previous|earlier) ones?\b|\b(?:same|as) (?:\w+ )?"
        r"(?:as )?(?:before|last time|earlier|previously|above)\b|\b(?:like|as) (?:i|we|you) (?:said|did|discussed|talked about) "
        r"(?:before|earlier|last time|yesterday)\b|\bwhere (?:we|i|you) (?:left off|stopped)\b|\bthe ones? (?:you|we|i) (?:just )?(?:found|mentioned|showed|listed|talked"
        r"|discussed|sent)\b",
        re.IGNORECASE,
    ),
)


def stage() -> Stage:
    return each("nothing stale", change)


def change(one: Conversation) -> Conversation | Changed | str:
    """With the turns that rest on what is not there marked `skip`."""
    learned = set(decisions(one))
    seen = _Seen(one.tools, one.time[:10])
    bad: dict[int, str] = {}
    compacted = "compacted" in one.tags or "without:kept" in one.tags
    for index, message in enumerate(one.messages):
        if message.calls and index in learned:
            for call in message.calls:
                if why := _stale(call.arguments, seen, compacted):
                    bad[index] = why
                    break
            else:
                unseen = any(
                    not seen.holds(str(value))
                    for call in message.calls
                    for _, value in _leaves(call.arguments)
                )
                if unseen and _refers_to_nothing(one.messages[:index]):
                    bad[index] = REFERENCE
        seen.add(message)
    return without(one, bad)


class _Seen:
    """What is visible before a turn."""

    def __init__(self, tools: Sequence[Tool], day: str = "") -> None:
        self.day = day
        """On which the conversation was held: what a call may give where nobody said a date."""
        self.texts = [_schemas(tools)]
        self.plain = [self.texts[0].casefold()]
        self.asked: list[str] = []
        """What users said."""

    def add(self, message: Message) -> None:
        said = [message.content] if message.content else []
        said += [msgspec.json.encode(call.arguments).decode() for call in message.calls]
        if message.role == "user":
            self.asked.append(message.content)
        self.texts += said
        self.plain += [normal(text).casefold() for text in said]

    def holds(self, text: str) -> bool:
        """Word for word, whatever the case."""
        wanted = normal(text).casefold()
        return any(wanted in plain for plain in self.plain)

    def grounds(self, text: str) -> bool:
        """In any spelling that `grounding` knows, but for the schemas'; True where there is too much to read."""
        return sum(map(len, self.texts)) > READ or not ungrounded(text, self.texts[1:])

    def computes(self, text: str) -> bool:
        """Whether two visible numbers make it, added, subtracted or multiplied; True where there are too many."""
        said = {
            Decimal(found.replace(",", ""))
            for plain in self.plain[1:]
            for found in re.findall(
                r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d{1,6})?|(?<![\w.])\d{1,12}(?:\.\d{1,6})?", plain
            )
        }
        wanted = abs(Decimal(text))
        return len(said) > 1000 or any(
            wanted - one in said or one + wanted in said or (one > 1 and wanted / one in said) for one in said
        )

    def months(self) -> set[int]:
        """Those of visible dates, counted from 1."""
        found = set()
        for match in (match for text in self.plain for match in _NAMED_MONTH.finditer(text)):
            name = match["month"] or match["other"]
            found.add(_MONTHS.index(name) + 1 if name else int(match["number"]))
        return found


_schemas_of: dict[int, tuple[Sequence[Tool], str]] = {}


def _schemas(tools: Sequence[Tool]) -> str:
    known = _schemas_of.get(id(tools))
    if known is None:
        if len(_schemas_of) >= 1000:
            _schemas_of.clear()
        text = "\n".join(
            f"{tool.description}\n{msgspec.json.encode(tool.parameters).decode()}" for tool in tools
        )
        known = _schemas_of[id(tools)] = (tools, text)
    return known[1]


def _stale(arguments: dict[str, Any], seen: _Seen, compacted: bool) -> str:
    for key, value in _leaves(arguments):
        if why := _unresolved(key, value, seen, compacted):
            return COMPACTED if compacted else why
    return ""


def _leaves(arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Strings and numbers, each with the key that it stands under."""
    todo: list[tuple[str, Any]] = [("", arguments)]
    while todo:
        key, value = todo.pop()
        if isinstance(value, dict):
            todo += [(str(name), part) for name, part in value.items()]
        elif isinstance(value, list):
            todo += [(key, part) for part in value]
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield key, value


def _unresolved(key: str, value: str | int | float, seen: _Seen, compacted: bool) -> str:
    """Why nothing visible resolves a value; "" where something does, or where it is not one that has to be."""
    text = f"{value:.15g}" if isinstance(value, float) else str(value).strip()
    if len(text) > 500 or not _is_pointer(key, text) or seen.holds(text):
        return ""
    if _DATE.fullmatch(text):
        return _date(text, seen)
    if found := _MONTH.fullmatch(text):
        named = re.compile(rf"\b{_MONTHS[int(found[1]) - 1]}[a-z]{{0,6}}\b")
        return "" if any(map(named.search, seen.plain)) else _date(text, seen)
    if _EPOCH.fullmatch(text) and _TIME_KEY.search(key):
        return _date(text, seen)
    if _EMAIL.fullmatch(text):
        name, _, host = text.partition("@")
        return "" if seen.holds(host) and all(map(seen.holds, re.split(r"[._+-]", name))) else ADDRESS
    if _URL.fullmatch(text) or _PATH.fullmatch(text):
        return "" if _built(text, seen, whole=compacted) else PATH
    parts = [part for part in _DIGITS.findall(text) if len(part) > 1] or [text]
    if all(seen.holds(part) for part in parts) or seen.grounds(text):
        return ""
    if not _CODE.fullmatch(text) and _is_number(text) and seen.computes(text):
        return ""
    return CODE if _CODE.fullmatch(text) else NUMBER


def _is_pointer(key: str, text: str) -> bool:
    if _ID_KEY.search(key) and any(map(str.isdigit, text)) and " " not in text:
        return len(text) > 1
    if _COMPOSED_KEY.search(key) or _COMMON_VALUE.fullmatch(text):
        return False
    if _LONG_NUMBER.fullmatch(text):
        if _KNOWN_KEY.search(key):
            return False
        digits = re.sub(r"\D", "", text)
        return len(digits) >= LONG and not _ROUND.fullmatch(digits)
    return any(kind.fullmatch(text) for kind in (_DATE, _MONTH, _EMAIL, _URL, _PATH, _CODE))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d{1,15}(?:\.\d{1,6})?", text) is not None


def _date(text: str, seen: _Seen) -> str:
    """With a date in sight any other may have been told from it ("tomorrow", "de hoy en ocho"): that is not judged."""
    if (
        (seen.day and text.startswith(seen.day))
        or seen.months()
        or seen.grounds(text[:10] if text[:4].isdigit() else text)
    ):
        return ""
    return RELATIVE if any(_RELATIVE.search(said) for said in seen.asked) else DATE


def _built(text: str, seen: _Seen, *, whole: bool) -> bool:
    """Whether a path or URL can be put together from visible parts: some word of it, and every number that is an id.

    Where `whole`, the last part has to be visible as it is.
    """
    if whole:
        return seen.holds(re.split(r"[/\\]", text.rstrip("/\\"))[-1])
    words = [word for word in _WORDS.findall(text) if word.lower() not in _COMMON]
    numbers = [number for number in _DIGITS.findall(text) if len(number) >= LONG]
    return (not words or any(map(seen.holds, words))) and all(map(seen.holds, numbers))


def _refers_to_nothing(before: Sequence[Message]) -> bool:
    """Whether the user's last words refer to something, and nothing before them could be it."""
    asked = max((index for index, message in enumerate(before) if message.role == "user"), default=-1)
    if asked < 0 or any(message.role in ("assistant", "tool") for message in before):
        return False
    said = _QUOTED.sub(" ", before[asked].content)
    earlier = "\n".join(message.content for message in before[:asked])
    for pattern in _REFERENCES:
        for match in pattern.finditer(said):
            noun = match.groupdict().get("noun")
            told = f"{earlier}\n{said[: match.start()]}"
            if noun is None:
                if not earlier:
                    return True
            elif noun.lower().rstrip("s") not in told.lower() and not _FILE.search(told):
                return True
    return False
