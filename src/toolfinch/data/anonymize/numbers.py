"""Fakes of ids, phones, cards, IBANs, IP addresses and secrets: of the same length and form, with check digits that hold.

Each is a function of the real text, a probe, and `number(value, probe)`, which gives a keyed number. What standards
keep for examples is used where there is such: 555-01xx, documentation addresses; a secret becomes a plain word.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Protocol

from toolfinch.data.anonymize.detect import iban_remainder, luhn


class Keyed(Protocol):
    """A keyed number of 128 bits."""

    def __call__(self, value: str, probe: int = 0) -> int: ...


_STORIES = re.compile(r"\d*55501\d\d")
"""Numbers that are kept for stories, with whatever is dialled before them."""


def is_for_stories(line: str) -> bool:
    """Whether a number, digits alone, is nobody's already."""
    return _STORIES.fullmatch(line) is not None


def phone(line: str, size: int, real: set[str], number: Keyed) -> str:
    """The national part of a number, of `size` digits, or as many as it ends with: it ends with 55501 and two digits.
    `real` are no fakes. One that is for stories itself becomes another of the same hundred, as a schema may ask for
    those: none is a real one, there may be no room for two sets of them, and no two become the same."""
    if is_for_stories(line):
        return f"{line[:-2]}{(int(line[-2:]) + 1 + number(line[:-2]) % 99) % 100:02d}"
    for probe in range(10_000):
        drawn = number(line, probe)
        digits = f"{drawn % 10**16:016d}"
        if size < 7 or probe > 2000:  # too short to be told from others
            keeps = size >= 7 and line[-7:-4] == "555"
            fake = f"{digits[: size - 7]}555{digits[-4:]}" if keeps else digits[:size]
        else:
            lead = digits[: size - 7]
            lead = str(2 + drawn % 7) + lead[1:] if lead else ""
            fake = f"{lead}55501{digits[-2:]}"
        if fake not in real:
            return fake
    return fake


_PREFIX = re.compile(r"[^\W\d_]{1,6}(?:[\W_](?=.*\d.*\d.*\d)|(?=\d{3,}\Z))")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def id(text: str, probe: int, number: Keyed) -> str:
    """Digits for digits and letters for letters of the same case; a short prefix (`PRJ-`) stays, and so does what a
    number must have not to change its form: a first digit that is not 0, hexadecimal letters, a check digit."""
    prefix = _PREFIX.match(text)
    kept = prefix.end() if prefix else 0
    drawn = number(text, probe)
    letters = [c for c in text[kept:] if c.isalpha()]
    hexadecimal = len(text) - kept >= 8 and all(c in "abcdefABCDEF" for c in letters)
    out = list(text)
    for place in range(kept, len(text)):
        char = text[place]
        if char.isdigit():
            drawn, digit = divmod(drawn, 10)
            out[place] = str(digit or 1 + drawn % 9) if _begins(text, place) and char != "0" else str(digit)
        elif char.isalpha():
            drawn, letter = divmod(drawn, 6 if hexadecimal else 26)
            made = chr(97 + letter)
            out[place] = made.upper() if char.isupper() else made
        if drawn < 1000:
            drawn = number(f"{text}\0{place}", probe)
    if _UUID.fullmatch(text):
        out[14], out[19] = text[14], text[19]
    made = "".join(out)
    return _with_check_digit(made) if text.isdigit() and len(text) >= 12 and not luhn(text) else made


def _begins(text: str, place: int) -> bool:
    return place == 0 or not text[place - 1].isdigit()


def _with_check_digit(digits: str) -> str:
    return digits[:-1] + next(last for last in "0123456789" if luhn(digits[:-1] + last) == 0)


def card(text: str, probe: int, number: Keyed) -> str:
    """The first four digits, which tell the kind of card, stay."""
    digits = "".join(char for char in text if char.isdigit())
    drawn = f"{number(digits, probe) % 10**32:032d}"
    return _with_check_digit(digits[:4] + drawn[: len(digits) - 4])


def iban(text: str, probe: int, number: Keyed) -> str:
    """Country and length stay."""
    plain = "".join(char for char in text.upper() if char.isalnum())
    drawn = number(plain, probe)
    out = []
    for char in plain[4:]:
        drawn, part = divmod(drawn, 10 if char.isdigit() else 26)
        out.append(str(part) if char.isdigit() else chr(65 + part))
    unchecked = f"{plain[:2]}00{''.join(out)}"
    return f"{plain[:2]}{98 - iban_remainder(unchecked):02d}{''.join(out)}"


_DOCUMENTATION = ("192.0.2", "198.51.100", "203.0.113")
_USED_UP = 64
"""Probes after which the 768 addresses for documentation are taken for used up; then come those for benchmarks."""


def ip(text: str, probe: int, number: Keyed) -> str:
    """Of the ranges for documentation (RFC 5737, 3849), then of that for benchmarks (RFC 2544)."""
    address = ipaddress.ip_address(text)
    drawn = number(str(address), probe)
    if address.version == 4:
        if probe < _USED_UP:
            return f"{_DOCUMENTATION[drawn % 3]}.{drawn // 3 % 254 + 1}"
        return f"198.{18 + drawn % 2}.{drawn // 2 % 256}.{drawn // 512 % 254 + 1}"
    groups = address.exploded.split(":")
    made = ["2001", "0db8"]
    for group in groups[2:]:
        drawn, part = divmod(drawn, 16 ** len(group.lstrip("0")) or 1)
        made.append(f"{max(1, part):04x}" if group != "0000" else group)
    if made[2:] == ["0000"] * 6:
        made[-1] = f"{drawn % 65535 + 1:04x}"
    return str(ipaddress.ip_address(":".join(made)))


def ip_forms(text: str) -> Iterator[str]:
    """The ways to write an address, in one order for all."""
    address = ipaddress.ip_address(text)
    yield str(address)
    yield address.exploded
    if address.version == 6:
        yield ":".join(group.lstrip("0") or "0" for group in address.exploded.split(":"))


def secret(text: str, probe: int, number: Keyed) -> str:
    """A word that is written as names of variables are: no scanner takes it for a secret, wherever it stands."""
    return f"$EXAMPLE_SECRET_{number(text, probe) % 16**8:08x}"


MADE: dict[str, Callable[..., str]] = {
    "id": id,
    "card number": card,
    "IBAN": iban,
    "IP address": ip,
}
"""By kind of token."""
