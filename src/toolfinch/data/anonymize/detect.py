"""What in a text is personal or secret by its form: e-mails, phones, cards, IBANs, IP addresses, keys and passwords.

`patterned` finds what a pattern can find and a check digit or a range proves, and is all that a first look at a log
needs. `secrets` asks a kept scanner too (Kingfisher: in this process, offline, nothing is tried out), `in_urls` looks
into web addresses, `is_phone` asks a kept library. Names are not found here: those come from a roster, from `harvest`
or from `ner`.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

from toolfinch.errors import MissingDependency


class Found(NamedTuple):
    """One such thing in a text."""

    kind: str
    begin: int
    end: int


_SECRETS = {
    "sk-": r"sk-[\w-]{20,}",
    **{f"gh{kind}_": rf"gh{kind}_\w{{30,}}" for kind in "pousr"},
    "github_pat_": r"github_pat_\w{30,}",
    "glpat-": r"glpat-[\w-]{20,}",
    "xox": r"xox[abeprs]-[\w-]{10,}",
    "AKIA": r"AKIA[0-9A-Z]{16}\b",
    "ASIA": r"ASIA[0-9A-Z]{16}\b",
    "AIza": r"AIza[\w-]{35}",
    "hf_": r"hf_[A-Za-z]{30,}",
    "npm_": r"npm_\w{36}",
    "_live_": r"_live_\w{16,}",
    "eyJ": r"eyJ(?<![\w-]eyJ)[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+",
    "PRIVATE KEY-----": r"PRIVATE KEY-----",
}
# Each begins with what is rare and looks back from there: a pattern that begins by looking back, or with what
# may be any word, is tried at every character.
_EMAIL = re.compile(r"@(?<=[\w%+-]@)(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b")
_LOCAL = re.compile(r"(?:[\w!#$&'*+/=?^`{|}~%-]+\.)*[\w!#$&'*+/=?^`{|}~%-]+$")
_LOCAL_STARTS = re.compile(r"^(?:[^\w]|%[0-9A-Fa-f]{2})+")
_LONGEST_LOCAL = 64
_IBAN = re.compile(r"[A-Z]{2}(?<!\w..)\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(
    r"[2-6](?<![\w.-].)(?:\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}|(?<=3)[47]\d{2}[ -]?\d{6}[ -]?\d{5})(?![\w-])"
)
_IP4 = re.compile(r"\d(?<![\w.].)\d{0,2}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_IP6 = re.compile(
    r"[0-9A-Fa-f](?<![\w:.].)[0-9A-Fa-f]{0,3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{1,4}(?![\w:])"
)
_PHONE = re.compile(
    r"[+(\d](?<![\w.,/:+-].)(?:(?<=\+)\d[\d ()./-]{6,20}\d|(?<=\()\d{2,5}\) ?\d{2,5}(?:[ ./-]?\d{2,5}){1,3}"
    r"|(?<=\d)\d{1,4}(?:[ ./-]\d{2,8}){1,4})(?![\w/:-]|[.,]\d)"
)
_NUMBERS = re.compile(r"[+(\d][\d ()./-]{6,}")
"""What holds every card, phone and IPv4 address, as none of them is shorter."""
_COLONS = re.compile(r"::|:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:")
_NO_PHONE = re.compile(r"\d{4}[ ./-]\d{1,2}[ ./-]\d{1,2}|\d{1,2}[ ./-]\d{1,2}[ ./-]\d{4}|\d+(?:\.\d+){3}")
"""Dates and addresses."""


def patterned(text: str) -> list[Found]:
    """What is of some kind by its form, in order; what is of one kind is not also of another."""
    found: list[Found] = []
    numbers = [match.span() for match in _NUMBERS.finditer(text)]
    for kind, pattern, sign, proves in _KINDS:
        matches: Iterable[re.Match[str]] = ()
        if sign is None:
            matches = _within(text, numbers, pattern)
        elif sign(text) if callable(sign) else sign in text:
            matches = pattern.finditer(text)
        taken = [
            Found(kind, _local(text, match.start()) if kind == "e-mail" else match.start(), match.end())
            for match in matches
            if proves(match[0])
        ]
        if taken:
            found += taken
            text = _blanked(text, taken)
    return sorted(found, key=lambda one: one.begin)


def _within(text: str, spans: list[tuple[int, int]], pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """The pattern's matches that begin in one of the spans: quicker than to try it everywhere."""
    done = 0
    for begin, end in spans:
        place = max(begin, done)
        while place < end and (match := pattern.search(text, place, end + 2)) and match.start() < end:
            yield match
            place = done = match.end()


def _blanked(text: str, taken: list[Found]) -> str:
    parts, done = [], 0
    for one in taken:
        parts += [text[done : max(done, one.begin)], "\0" * (one.end - max(done, one.begin))]
        done = one.end
    return "".join([*parts, text[done:]])


def _local(text: str, at: int) -> int:
    """Where the part before the @ begins."""
    before = text[max(0, at - _LONGEST_LOCAL) : at]
    match = _LOCAL.search(before)
    local = match[0] if match else before[-1:]
    lead = _LOCAL_STARTS.match(local)
    if lead and lead.end() < len(local):
        local = local[lead.end() :]
    for sign in "=/?&'`{}|":  # allowed, but nearly always what stands before an address
        local = local.rpartition(sign)[2] or local if sign != "'" else local
    return at - len(local)


def _always(_: str) -> bool:
    return True


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and iban_remainder(plain) == 1


def iban_remainder(plain: str) -> int:
    """ISO 7064: the first four characters moved behind, letters as 10 to 35, modulo 97; 1 where it is valid."""
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97


def luhn(digits: str) -> int:
    """The sum of ISO/IEC 7812 modulo 10; 0 where the last digit is a valid check digit."""
    numbers = [int(c) for c in digits]
    doubled = [sum(divmod(2 * d, 10)) for d in numbers[-2::-2]]
    return (sum(numbers[-1::-2]) + sum(doubled)) % 10


def _is_card(text: str) -> bool:
    digits = "".join(c for c in text if c.isdigit())
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn(digits) == 0


def _is_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _is_phone(text: str) -> bool:
    return 7 <= sum(c.isdigit() for c in text) <= 15 and not _NO_PHONE.fullmatch(text)


_IBAN_SHAPE = bytes(65 if 65 <= code <= 90 else 57 if 48 <= code <= 57 else 46 for code in range(256))


def _may_have_iban(text: str) -> bool:
    """Quicker than the pattern."""
    return not text.isascii() or b"AA99" in text.encode().translate(_IBAN_SHAPE)


_KINDS: tuple[
    tuple[str, re.Pattern[str], str | Callable[[str], object] | None, Callable[[str], bool]], ...
] = (
    *(("secret", re.compile(pattern), sign, _always) for sign, pattern in _SECRETS.items()),
    ("e-mail", _EMAIL, "@", _always),
    ("IBAN", _IBAN, _may_have_iban, _is_iban),
    ("card number", _CARD, None, _is_card),
    ("IP address", _IP4, None, _is_ip),
    ("IP address", _IP6, _COLONS.search, _is_ip),
    ("phone", _PHONE, None, _is_phone),
)
"""Kind, what it looks like, a sign without which there is none (None where it is a number), and what proves it; in the
order of trying."""
KINDS = tuple(dict.fromkeys(kind for kind, *_ in _KINDS))

_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "HU", "IN", "AU", "BR")
"""Whose ways of writing a phone number without a country's code are known; many others are the same."""


@lru_cache(65536)
def is_phone(text: str) -> bool:
    """Whether what looks like a phone number is one, or is of the numbers that are kept for stories (555-01xx)."""
    try:
        import phonenumbers
    except ImportError as error:
        raise _missing("phonenumbers") from error

    digits = "".join(c for c in text if c.isdigit())
    if "55501" in digits[-7:]:
        return True
    try:
        if text.lstrip().startswith("+"):
            return phonenumbers.is_possible_number(phonenumbers.parse(text, None))
        if len(digits) < 9:
            return False  # "1234-5678" is as often an order
        return any(phonenumbers.is_valid_number(phonenumbers.parse(text, region)) for region in _REGIONS)
    except phonenumbers.NumberParseException:
        return False


def national(phone: str) -> Iterator[str]:
    """A number with a country's code as it is written in that country: +36 30 … as 06 30 …."""
    import phonenumbers

    if phone.lstrip().startswith("+"):
        try:
            parsed = phonenumbers.parse(phone, None)
        except phonenumbers.NumberParseException:
            return
        written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        if written.strip()[:1] in "0(":
            yield re.sub(r"\s*ext\..*", "", written)


def _missing(library: str) -> MissingDependency:
    return MissingDependency(f"{library} is not installed", hint="pip install 'toolfinch[data]'")


@cache
def _scanner() -> Any:
    try:
        from kingfisher_sdk import Scanner
    except ImportError as error:
        raise _missing("kingfisher-secret-scanner") from error
    return Scanner(base64=False)


def secrets(text: str) -> list[str]:
    """The secrets of a text, by the scanner's rules and our own patterns, sorted; each as it is written.

    A private key's block is one secret, with its first and last line.
    """
    # What the scanner takes for UTF-16, were it given text, it would read in another way.
    raw = text.encode("utf-8", "replace")
    found = {
        text[one.begin : one.end]
        for one in _patterned_secrets(text, raw)
        if not text[one.begin : one.end].startswith("PRIVATE KEY")
    }
    for one in _scanner().scan(raw):
        if one.visible and one.secret.strip():
            found.add(one.secret)
    return sorted(found)


@cache
def _signs() -> Any:
    """Finds the signs of our own patterns all at once."""
    try:
        import ahocorasick_rs
    except ImportError as error:
        raise _missing("ahocorasick_rs") from error
    # Many times quicker than to find every match, which the other kinds do.
    kind = ahocorasick_rs.MatchKind.LeftmostFirst
    return ahocorasick_rs.BytesAhoCorasick([sign.encode() for sign in _SECRETS], matchkind=kind)


def _patterned_secrets(text: str, raw: bytes) -> Iterator[Found]:
    """What our own patterns say are secrets; `raw` is the text encoded."""
    if not _signs().find_matches_as_indexes(raw):
        return
    for kind, pattern, sign, _ in _KINDS:
        if kind == "secret" and isinstance(sign, str) and sign in text:
            for match in pattern.finditer(text):
                yield Found(kind, *match.span())


_URL = re.compile(r"://(?<=[A-Za-z0-9]://)[^\s\"'<>\\^`{|}]{3,2000}")
"""Begins with what is rare; which scheme it is does not matter."""
_OF_SECRETS = frozenset(
    "token access_token refresh_token id_token key api_key apikey sig signature password passwd pwd secret"
    " client_secret auth authorization session sessionid session_id sid code otp".split()
)
_OF_IDS = frozenset(
    "user user_id userid uid account account_id customer customer_id member member_id".split()
)
_OF_HANDLES = frozenset("username user_name login handle".split())


def in_urls(text: str) -> Iterator[tuple[str, str]]:
    """(kind, value) of what web addresses tell: who logs in, with which password, and values whose key says it."""
    if "://" not in text:
        return
    for match in _URL.finditer(text):
        try:
            parts = urllib.parse.urlsplit("x" + match[0].rstrip(".,;:)]"))
            query = urllib.parse.parse_qsl(parts.query)
        except ValueError:
            continue  # no web address after all
        if parts.password:
            yield "secret", urllib.parse.unquote(parts.password)
        if parts.username and parts.password:
            yield "handle", urllib.parse.unquote(parts.username)
        for key, value in query:
            key = key.lower().replace("-", "_")
            if len(value) < 4 or "@" in value:
                continue
            if key in _OF_SECRETS and len(value) >= 8:
                yield "secret", value
            elif key in _OF_IDS and any(c.isdigit() for c in value):
                yield "id", value
            elif key in _OF_HANDLES:
                yield "handle", value
