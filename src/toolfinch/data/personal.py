"""Counts what in a text is likely to be personal or secret, by kind, and never tells what it was.

For a first look at a log, not for its protection: names are not found, nor what is written in another way than
the usual, and some of what is found will be none. Removing is `anonymize`'s.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable

_SECRETS = {
    "sk-": r"sk-[\w-]{20,}",
    "gh": r"gh[pousr]_\w{30,}",
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
_NO_PHONE = re.compile(r"\d{4}[ ./-]\d{1,2}[ ./-]\d{1,2}|\d{1,2}[ ./-]\d{1,2}[ ./-]\d{4}|\d+(?:\.\d+){3}")
"""Dates and addresses."""


def likely(text: str) -> Counter[str]:
    """How many of each kind there are; what is of one kind is not counted as another."""
    found: Counter[str] = Counter()
    for kind, pattern, sign, proves in _KINDS:
        if sign not in text:
            continue

        def taken(match: re.Match[str], kind: str = kind, proves: Callable[[str], bool] = proves) -> str:
            if not proves(match[0]):
                return match[0]
            found[kind] += 1
            return "\0"

        text = pattern.sub(taken, text)
    return found


def _always(_: str) -> bool:
    return True


def _is_iban(text: str) -> bool:
    """ISO 7064: the first four characters moved behind, letters as 10 to 35, remainder 1 of 97."""
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    """The check digit of ISO/IEC 7812 (Luhn)."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _is_phone(text: str) -> bool:
    return 7 <= sum(c.isdigit() for c in text) <= 15 and not _NO_PHONE.fullmatch(text)


_KINDS: tuple[tuple[str, re.Pattern[str], str, Callable[[str], bool]], ...] = (
    *(("secret", re.compile(pattern), sign, _always) for sign, pattern in _SECRETS.items()),
    ("e-mail", _EMAIL, "@", _always),
    ("IBAN", _IBAN, "", _is_iban),
    ("card number", _CARD, "", _is_card),
    ("IP address", _IP4, "", _is_ip),
    ("IP address", _IP6, ":", _is_ip),
    ("phone", _PHONE, "", _is_phone),
)
"""Kind, what it looks like, a sign without which there is none, and what proves it; in the order of trying."""
KINDS = tuple(dict.fromkeys(kind for kind, *_ in _KINDS))
