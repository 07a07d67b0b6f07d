r"""Text that matches a regular expression, of the simple kind that schemas have: `^KW-[0-9]{3}$`.

Literals, `.`, `\d \w \s`, classes, groups, `|` and repetition; a `*` or `+` is at most three. Anything else
(look-around, back-references, properties) raises ValueError.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import TypeAlias

from toolfinch.data.synthesize.rand import Rand

Make: TypeAlias = Callable[[Rand], str]

_CLASSES = {"d": string.digits, "w": string.ascii_lowercase + string.digits, "s": " "}
_ANY = string.ascii_lowercase + string.digits
_PRINTABLE = string.ascii_letters + string.digits + "-_ .,:/"


def text_like(pattern: str) -> Make:
    """What makes texts that match `pattern`. Raises ValueError for a pattern that is not simple."""
    make, at = _branches(pattern, 0)
    if at != len(pattern):
        raise ValueError(f"unbalanced ) in {pattern!r}")
    return make


def _branches(pattern: str, at: int) -> tuple[Make, int]:
    """Alternatives, up to the end or a closing parenthesis."""
    options: list[list[Make]] = [[]]
    while at < len(pattern) and pattern[at] != ")":
        char = pattern[at]
        if char == "|":
            options.append([])
            at += 1
        elif char in "^$":
            at += 1
        else:
            one, at = _one(pattern, at)
            repeated, at = _repeated(one, pattern, at)
            options[-1].append(repeated)
    return (lambda rand: "".join(make(rand) for make in rand.pick(options))), at


def _one(pattern: str, at: int) -> tuple[Make, int]:
    """One character, class or group."""
    char = pattern[at]
    if char == "(":
        at += 1
        if pattern.startswith("?:", at):
            at += 2
        elif pattern.startswith("?", at):
            raise ValueError(f"not a simple pattern: {pattern!r}")
        make, at = _branches(pattern, at)
        if at >= len(pattern):
            raise ValueError(f"unbalanced ( in {pattern!r}")
        return make, at + 1
    if char == "[":
        return _class(pattern, at + 1)
    if char == "\\":
        return _among(_escaped(pattern, at + 1)), at + 2
    return _among(_ANY if char == "." else char), at + 1


def _among(chars: Sequence[str]) -> Make:
    return lambda rand: rand.pick(chars)


def _escaped(pattern: str, at: int) -> str:
    char = pattern[at : at + 1]
    if char in _CLASSES:
        return _CLASSES[char]
    if not char or char.isalnum():
        raise ValueError(f"not a simple pattern: {pattern!r}")
    return char


def _class(pattern: str, at: int) -> tuple[Make, int]:
    """The inside of `[...]`."""
    negated = pattern.startswith("^", at)
    at += negated
    chars = ""
    while at < len(pattern) and pattern[at] != "]":
        if pattern[at] == "\\":
            chars += _escaped(pattern, at + 1)
            at += 2
        elif pattern[at + 1 : at + 2] == "-" and pattern[at + 2 : at + 3] not in ("", "]"):
            chars += "".join(chr(code) for code in range(ord(pattern[at]), ord(pattern[at + 2]) + 1))
            at += 3
        else:
            chars += pattern[at]
            at += 1
    if at >= len(pattern):
        raise ValueError(f"unbalanced [ in {pattern!r}")
    allowed = "".join(char for char in _PRINTABLE if char not in chars) if negated else chars
    if not allowed:
        raise ValueError(f"an empty class in {pattern!r}")
    return _among(allowed), at + 1


def _repeated(make: Make, pattern: str, at: int) -> tuple[Make, int]:
    """What follows a character, class or group: `?`, `*`, `+`, `{n}`, `{n,m}`."""
    char = pattern[at : at + 1]
    if char in ("?", "*", "+"):
        least, most = {"?": (0, 1), "*": (0, 3), "+": (1, 3)}[char]
        at += 1
    elif char == "{":
        end = pattern.find("}", at)
        first, comma, last = pattern[at + 1 : end].partition(",")
        least = int(first or 0)
        most = int(last) if last else least + 3 * bool(comma)
        at = end + 1
    else:
        return make, at
    return (lambda rand: "".join(make(rand) for _ in range(rand.between(least, most)))), at
