"""`aliases`: how a real token may be written, and by which rule each way of writing is told from innocent text.

An alias is a run of letters and digits, folded (`fold.normal`); its rule says what may stand between and around them.
The replacer and the gate both look for aliases by these rules (`spellings`), so what one leaves the other lets pass.
Left out: endings of inflected languages, nicknames that nobody gave (Bob for Robert), misspellings, transliterations.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import accumulate
from typing import Literal

import msgspec

from toolfinch.data.anonymize.common import is_common, never_alone
from toolfinch.data.anonymize.fold import bare, normal, spelled_out, unspaced
from toolfinch.data.anonymize.known import Known
from toolfinch.errors import MissingDependency

Rule = Literal["word", "name", "slug", "number", "code", "groups", "handle"]
"""What an alias is told by:

- `word`: one word. No letter beside it; for a short one (`SHORT`), no digit either, but as in `anna85`.
- `name`: several words, at the edges of words. White space and commas only where words end; other characters
  anywhere. A long one (`LONG`) that is written together may be part of a longer word.
- `slug`: as a name, but without white space in it.
- `number`: digits, with what people write between them. Not part of a longer number, zeros before it apart.
- `code`: letters and digits, separators anywhere, at edges; a `SURE` one anywhere.
- `groups`: as a code, with separators exactly between its groups (an IP address, a date).
- `handle`: one word behind an `@`.
"""
SHORT, LONG, SURE = 5, 9, 16
GAP = r"[\x00-\x1e\x20-/:-@\[-`{-\x7f]+"
"""What separates, in a folded text."""


class Alias(msgspec.Struct, frozen=True, gc=False):
    """One way to write a token."""

    key: str
    """Letters and digits of the folded text."""
    form: str
    """What it is, for a report: `given name`, `local part`."""
    rule: Rule
    cased: bool = False
    """A word that is common or very short: only where `common.meant` takes it for a name; a name of such words:
    only with capitals, unless it is written as a slug."""
    cuts: tuple[int, ...] = ()
    """Where its words end, for rules that ask: how many characters of the key are before."""


def aliases(known: Known) -> tuple[Alias, ...]:
    """The ways to write it that are looked for; none where no rule could tell it from other text (`7`, `the`)."""
    found: dict[tuple[str, Rule], Alias] = {}
    for text in dict.fromkeys((known.text, spelled_out(known.text))):
        for one in _FORMS.get(known.kind, _other)(text.strip()):
            if one is not None:
                found.setdefault((one.key, one.rule), one)
    return tuple(found.values())


# --- parts of which the forms are made


def _word(text: str, form: str) -> Alias | None:
    """One word that may stand alone."""
    key = bare(text)
    parts = alnum_runs(text)
    if len(parts) > 1:
        return _name(parts, form)
    if len(key) < 2 or never_alone(key):
        return None
    if any(unspaced(char) for char in text):
        return Alias(key, form, "name")
    if not key.isalpha():
        return _code(key, form, 4)
    return Alias(key, form, "word", cased=len(key) <= 3 or is_common(key))


def _name(parts: Iterable[str], form: str, *, turned: bool = False) -> Alias | None:
    """Words one after the other, whatever is between. `turned` names end with a word that may begin what follows
    (`Lewis will be`), so one common word is enough to ask for capitals."""
    keys = [key for part in parts for key in alnum_runs(part)]
    key = "".join(keys)
    if len(keys) < 2:
        return _word(key, form)
    if len(key) < 4:
        return None
    common = [len(k) < 3 or is_common(k) for k in keys]
    return Alias(key, form, "name", any(common) if turned else all(common), _cuts(keys))


def _code(text: str, form: str, shortest: int) -> Alias | None:
    key = bare(text)
    if len(key) < shortest or (key.isdigit() and len(key) < 5):
        return None
    return Alias(key, form, "number" if key.isdigit() else "code", cuts=_cuts(alnum_runs(text)))


def _groups(parts: Iterable[str], form: str) -> Alias:
    keys = [bare(part) for part in parts]
    return Alias("".join(keys), form, "groups", cuts=_cuts(keys))


def _cuts(keys: list[str]) -> tuple[int, ...]:
    return tuple(accumulate(len(key) for key in keys[:-1]))


def alnum_runs(text: str) -> list[str]:
    """Runs of letters and digits."""
    return [part for part in re.split(GAP, normal(text)) if part]


# --- kinds

TITLES = frozenset(
    "mr mrs ms miss mx dr prof sir madam herr frau mme mlle sr sra srta dhr mevr jr ii iii iv phd md esq ing dipl "
    "bsc msc mba rev hon capt sgt lt col".split()
)
PARTICLES = frozenset(
    "van von de der den del della di da dos das du la le el al bin ibn ter ten zu af av st o mc mac".split()
)


def _person(text: str) -> Iterator[Alias | None]:
    words = [word for word in ordered_name(text) if bare(word) and bare(word) not in TITLES]
    if not words:
        return
    if len(words) == 1:
        yield _word(words[0], "name")
        return
    cut = len(words) - 1
    while cut > 1 and bare(words[cut - 1]) in PARTICLES:
        cut -= 1
    given, middle, family = words[0], words[1:cut], words[cut:]
    yield _name(words, "full name")
    yield _name([*family, given, *middle], "family name first", turned=True)
    if middle:
        yield _name([given, *family], "full name")
        yield _name([*family, given], "family name first", turned=True)
        yield _name([given, *(bare(word)[:1] for word in middle), *family], "full name")
    yield _word(given, "given name")
    yield from _pieces(given, "given name")
    yield _name(family, "family name") if len(family) > 1 else _word(family[0], "family name")
    if len(family) > 1:
        yield _word(family[-1], "family name")
    yield from _pieces(family[-1], "family name")
    yield from _initials(bare(given), bare("".join(family)))


def ordered_name(text: str) -> list[str]:
    """The words of a name in the order given, family."""
    before, comma, behind = text.partition(",")
    if comma and any(bare(word) not in TITLES for word in behind.replace(".", " ").split()):
        text = f"{behind} {before}"
    return text.replace(",", " ").replace(".", " ").split()


def _pieces(word: str, form: str) -> Iterator[Alias | None]:
    """Of a double name."""
    pieces = [piece for piece in re.split(r"[-‐‑–/]", word) if piece]
    if len(pieces) > 1:
        yield from (_word(piece, form) for piece in pieces if len(bare(piece)) > 3)


def _initials(given: str, family: str) -> Iterator[Alias | None]:
    """`akovacs`, `kovacsa`, `annak`. With something between, the name that stands alone is enough, but for one that
    is common."""
    if not (given and family) or unspaced(given[0]):
        return
    a, k = given[0], family[0]
    for key, word, cut in (
        (a + family, family, 1),
        (family + a, family, len(family)),
        (given + k, given, len(given)),
    ):
        plural = key == word + "s"
        if is_common(word) or len(word) < 3 or plural:
            yield Alias(key, "initial", "slug", cased=True, cuts=(cut,))
        elif len(word) >= 5 and not is_common(key):
            yield Alias(key, "initial", "word")


GENERIC = frozenset(
    "info support admin administrator sales hello contact noreply donotreply reply office mail email team help "
    "helpdesk billing accounts accounting service customer customers customerservice press media marketing webmaster "
    "postmaster root user users test demo jobs careers hr legal privacy security abuse newsletter orders order "
    "booking bookings reservations invoice invoices notifications alerts example someone name firstname lastname "
    "your you me dev developer api bot feedback enquiries inquiries shop store events main general".split()
)
"""Local parts that are nobody's name."""


def _email(text: str) -> Iterator[Alias | None]:
    local, _, domain = text.rpartition("@")
    yield _code(text, "e-mail", 5)
    if not local:
        return
    yield _code(f"{local} at {domain}", "e-mail in words", 6)
    yield _code(f"{local} at {domain.replace('.', ' dot ')}", "e-mail in words", 6)
    plain = local.partition("+")[0]
    if plain != local:
        yield _code(f"{plain}@{domain}", "e-mail", 5)
    key = bare(plain)
    if key in GENERIC or len(key) < 4 or is_common(key):
        return
    yield _name(alnum_runs(plain), "local part") if len(alnum_runs(plain)) > 1 else _word(plain, "local part")


@functools.cache
def calling_codes() -> frozenset[str]:
    """Of all countries: `1`, `36`, `380`."""
    try:
        import phonenumbers
    except ImportError as error:
        raise MissingDependency(
            "phonenumbers is not installed", hint="pip install 'toolfinch[data]'"
        ) from error
    return frozenset(str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


NATIONAL = "phone without country code"
"""The form of an alias before which a country code may stand."""
_TRUNKS = (("1", 11), ("06", 11), ("8", 11))
"""What is dialled first within North America, Hungary and Russia, and how many digits there are with it. Zeros are
dropped in any case."""


def _phone(text: str) -> Iterator[Alias | None]:
    plain = normal(re.split(r"(?i)\s*(?:;|ext|x)", text)[0])
    digits = "".join(char for char in plain if char.isdigit())
    whole = digits.lstrip("0")
    if not (plain.startswith("+") or digits.startswith("00")):
        if len(whole) >= 7:
            yield Alias(whole, NATIONAL if len(whole) <= 10 else "phone", "number")
        for trunk, size in _TRUNKS:
            if digits.startswith(trunk) and len(digits) == size:
                yield Alias(digits[len(trunk) :], NATIONAL, "number")
        return
    if len(whole) >= 7:
        yield Alias(whole, "phone", "number")
    code = next((whole[:size] for size in (1, 2, 3) if whole[:size] in calling_codes()), "")
    national = whole[len(code) :].lstrip("0")
    if code and len(national) >= 7:
        yield Alias(national, NATIONAL, "number")
        yield Alias(f"{code}0{national}", "phone", "number")  # +36 (0)30 …


def _handle(text: str) -> Iterator[Alias | None]:
    plain = text.lstrip("@")
    key = bare(plain)
    if len(key) < 2:
        return
    parts = alnum_runs(plain)
    if len(parts) > 1:
        yield _name(parts, "handle")
    elif key.isalpha() and (len(key) <= 3 or is_common(key)):
        yield Alias(key, "handle", "handle")
    else:
        yield _word(key, "handle")


LEGAL = frozenset(
    "inc incorporated ltd limited llc llp lp corp corporation co company plc gmbh ag kg kgaa ug se sa sas sarl srl "
    "spa bv nv oy ab as aps kft zrt nyrt rt bt doo sro pty pte pvt intl holding holdings group the".split()
)


def _organisation(text: str) -> Iterator[Alias | None]:
    words = text.replace(".", "").replace(",", " ").split()
    yield _name(words, "name")
    short = list(words)
    while short and bare(short[-1]) in LEGAL:
        short.pop()
    while len(short) > 1 and bare(short[0]) == "the":
        short.pop(0)
    if short and len(short) < len(words):
        yield _name(short, "name without legal form")


def _id(text: str) -> Iterator[Alias | None]:
    parts = alnum_runs(text)
    if parts and all(part.isalpha() for part in parts):  # `blue-falcon`
        yield _name(parts, "id")
    else:
        yield _code(text, "id", 3)


PUBLIC = frozenset(
    "github.com gitlab.com bitbucket.org google.com docs.google.com drive.google.com maps.google.com calendar.google.com "
    "youtube.com youtu.be linkedin.com facebook.com instagram.com twitter.com x.com t.co reddit.com medium.com "
    "wikipedia.org en.wikipedia.org amazon.com apple.com microsoft.com office.com outlook.com slack.com zoom.us "
    "notion.so dropbox.com stackoverflow.com pypi.org npmjs.com huggingface.co openai.com anthropic.com "
    "gmail.com googlemail.com hotmail.com yahoo.com icloud.com proton.me protonmail.com localhost".split()
)
"""Hosts that say nothing of who uses them."""


def _url(text: str) -> Iterator[Alias | None]:
    parsed = urllib.parse.urlsplit(text if "//" in text else f"//{text}")
    host = (parsed.hostname or "").removeprefix("www.")
    behind = text.partition("//")[2] if "//" in text else text
    if len(bare(behind)) > len(bare(parsed.netloc)):
        yield _code(behind.removeprefix("www."), "URL", 8)
    if host and host not in PUBLIC:
        yield from (
            _ip(host)
            if re.fullmatch(r"[\d.]+|\[?[\da-f:]+:[\da-f:]*\]?", host)
            else [_name(alnum_runs(host), "host")]
        )


def _ip(text: str) -> Iterator[Alias | None]:
    try:
        address = ipaddress.ip_address(text.partition("/")[0].partition("%")[0].strip("[]"))
    except ValueError:
        yield _code(text, "IP address", 5)
        return
    if address.version == 4:
        yield _groups(str(address).split("."), "IP address")
        return
    for written in (
        address.exploded,
        address.compressed,
        ":".join(g.lstrip("0") or "0" for g in address.exploded.split(":")),
    ):
        groups = [group for group in written.split(":") if group]
        if len("".join(groups)) >= 5:
            yield _groups(groups, "IP address")


_MONTHS = "january february march april may june july august september october november december".split()


def _date(text: str) -> Iterator[Alias | None]:
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        yield from _other(text)
        return
    y, m, d = f"{day.year:04}", f"{day.month:02}", f"{day.day:02}"
    for month, of_month in dict.fromkeys(((m, d), (m.lstrip("0"), d.lstrip("0")))):
        for parts in ((y, month, of_month), (of_month, month, y), (month, of_month, y)):
            yield _groups(parts, "date")
    yield Alias(y + m + d, "date", "number")
    name = _MONTHS[day.month - 1]
    for month in (name, name[:3], *(["sept"] if day.month == 9 else [])):
        for number in (d.lstrip("0"), d):
            for suffix in ("", "st", "nd", "rd", "th"):
                yield _groups((number + suffix, month, y), "date in words")
                yield _groups((number + suffix, "of", month, y), "date in words")
                yield _groups((month, number + suffix, y), "date in words")


def _secret(text: str) -> Iterator[Alias | None]:
    yield _code(text, "secret", 4)


def _number(text: str) -> Iterator[Alias | None]:
    yield _code(text, "number", 8)


def _other(text: str) -> Iterator[Alias | None]:
    yield _name(alnum_runs(text), "as it is")


_FORMS = {
    "person": _person,
    "e-mail": _email,
    "phone": _phone,
    "handle": _handle,
    "organisation": _organisation,
    "project": _id,
    "id": _id,
    "URL": _url,
    "IP address": _ip,
    "card number": _number,
    "IBAN": _number,
    "secret": _secret,
    "date": _date,
}
