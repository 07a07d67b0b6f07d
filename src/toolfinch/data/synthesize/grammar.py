"""Templates for what users and assistants say, and the renderer that fills them.

    [what's|how's] the weather in <location>[ in Fahrenheit<units=fahrenheit>|]?

`[a|b|]` is a choice (here with the empty choice), `<slot>` a value, `<slot=value>` sets a value and writes
nothing, `<slot*>` two to four values ("Paris and Rome"), `<~kind>` a value that is no argument, `@name` a rule of the same world's `common.txt`. A
phrase file has sections, `[name]`, each a list of templates, one a line; `#` starts a comment line.

What a template writes and which slots it used come from the same walk, so the gold arguments are known by
construction. Typos and lower case touch the template's own words only, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple, TypeAlias

from toolfinch.data.synthesize.rand import Rand
from toolfinch.errors import DataError

World = Literal["train", "heldout"]


class Slot(NamedTuple):
    name: str
    many: bool = False
    aside: bool = False
    """Written, but no argument."""


class Set(NamedTuple):
    """Gives a slot a value without writing anything."""

    name: str
    value: Any


class Choice(NamedTuple):
    options: tuple[Template, ...]


Part: TypeAlias = str | Slot | Set | Choice
Template: TypeAlias = tuple[Part, ...]
Section: TypeAlias = tuple[Template, ...]

_TOKEN = re.compile(r"\[|\]|\||<~?[\w.]+(?:=[^>]*|\*)?>|@[a-z]\w*")
_HEAD = re.compile(r"\[([\w +]+(?:>[^\]]+)?)\]")
_SLOT = re.compile(r"<[\w.]+>")


def parse(text: str, rules: dict[str, Section] | None = None, *, plain: bool = False) -> Template:
    """Compile one template; in a `plain` one only slots mean something (code is full of brackets).

    Raises DataError for an unclosed choice or an unknown rule.
    """
    rules = rules or {}
    stack: list[list[list[Part]]] = [[[]]]
    at = 0
    for match in (_SLOT if plain else _TOKEN).finditer(text):
        if match.start() > at:
            stack[-1][-1].append(text[at : match.start()])
        at = match.end()
        token = match.group()
        if token == "[":
            stack.append([[]])
        elif token == "|" and len(stack) > 1:
            stack[-1].append([])
        elif token == "]" and len(stack) > 1:
            options = tuple(tuple(option) for option in stack.pop())
            stack[-1][-1].append(Choice(options))
        elif token[0] == "<":
            stack[-1][-1].append(_slot(token[1:-1]))
        elif token[0] == "@":
            if token[1:] not in rules:
                raise DataError(f"template {text!r}: no rule {token}")
            stack[-1][-1].append(Choice(rules[token[1:]]))
        else:
            stack[-1][-1].append(token)
    if len(stack) != 1:
        raise DataError(f"template {text!r}: a [ is not closed")
    if at < len(text):
        stack[0][0].append(text[at:])
    return tuple(stack[0][0])


def _slot(text: str) -> Slot | Set:
    name, equals, value = text.partition("=")
    if equals:
        literal: Any = {"true": True, "false": False}.get(value, value)
        return Set(name, int(value) if value.isdigit() else literal)
    return Slot(name.strip("~*"), name.endswith("*"), name.startswith("~"))


@cache
def phrases(world: World, name: str) -> dict[str, Section]:
    """The sections of a phrase file, compiled. Raises DataError, naming file and line."""
    rules = {} if name == "common" else phrases(world, "common")
    path = files("toolfinch.data.synthesize").joinpath("phrases", world, f"{name}.txt")
    sections: dict[str, list[Template]] = {}
    current: list[Template] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.rstrip()
        if not line or line.startswith("#"):
            continue
        if head := _HEAD.fullmatch(line):
            current = sections.setdefault(head[1], [])
            continue
        if current is None:
            raise DataError(f"{world}/{name}.txt:{number}: a template before the first [section]")
        try:
            made = {key: tuple(value) for key, value in sections.items()} if name == "common" else rules
            current.append(parse(line, made, plain=name == "values"))
        except DataError as error:
            raise DataError(f"{world}/{name}.txt:{number}: {error}") from error
    return {key: tuple(value) for key, value in sections.items()}


Fill: TypeAlias = Callable[[str], tuple[Any, str]]
"""Gives a slot's value and how it is written."""


class Text:
    """A text being written: pieces, which of them are values, and the values by slot."""

    __slots__ = ("exact", "fixed", "pieces", "values")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.fixed: list[bool] = []
        self.values: dict[str, Any] = {}
        self.exact = False
        """Whether some words give a value without writing it ("in Fahrenheit"), so that none can be spared."""

    def __str__(self) -> str:
        return "".join(self.pieces)

    def add(self, text: str, *, fixed: bool = False) -> None:
        self.pieces.append(text)
        self.fixed.append(fixed)

    def extend(self, other: Text, *, capital: bool = False) -> None:
        """Add another text, with its values; `capital`: its first letter becomes one, unless a value's."""
        start = len(self.pieces)
        self.pieces += other.pieces
        self.fixed += other.fixed
        self.values.update(other.values)
        self.exact = self.exact or other.exact
        if capital and other.pieces and not other.fixed[0]:
            self.pieces[start] = other.pieces[0][:1].upper() + other.pieces[0][1:]


def write(template: Template, rand: Rand, fill: Fill, text: Text) -> Text:
    """Render a template onto the end of `text`. A slot that occurs twice keeps its first value."""
    for part in template:
        if isinstance(part, str):
            text.pieces.append(part)
            text.fixed.append(False)
        elif isinstance(part, Choice):
            write(rand.pick(part.options), rand, fill, text)
        elif isinstance(part, Set):
            text.values[part.name] = part.value
            text.exact = True
        else:
            _write_slot(part, rand, fill, text)
    return text


def _write_slot(slot: Slot, rand: Rand, fill: Fill, text: Text) -> None:
    name = slot.name
    if not slot.many:
        value, surface = fill(name)
        if not slot.aside:
            text.values[name] = value
        text.add(surface, fixed=True)
        return
    values: list[Any] = []
    surfaces: list[str] = []
    for _ in range(rand.pick((2, 2, 2, 3, 3, 4))):
        value, surface = fill(name)
        if value not in values:
            values.append(value)
            surfaces.append(surface)
    text.values[name] = values
    last = len(surfaces) - 1
    joiner = rand.pick((" and ", " and ", ", and ", " & ", " as well as ")) if last else ""
    for i, surface in enumerate(surfaces):
        if i:
            text.add(joiner if i == last else ", ")
        text.add(surface, fixed=True)


def slots(template: Template) -> set[str]:
    """Every slot that a template can write or set."""
    found: set[str] = set()
    for part in template:
        if isinstance(part, (Slot, Set)):
            found.add(part.name)
        elif isinstance(part, Choice):
            for option in part.options:
                found |= slots(option)
    return found


def roughen(text: Text, rand: Rand) -> str:
    """The text as a hurried person types it: lower case, no full stop, a typo. Values stay as they are."""
    roll = rand.random()
    if roll < 0.55:
        return str(text)
    pieces, fixed = text.pieces, text.fixed
    if roll < 0.80:
        pieces = [p if f else p.lower() for p, f in zip(pieces, fixed, strict=True)]
    if roll > 0.70 and pieces and not fixed[-1]:
        pieces = [*pieces[:-1], pieces[-1].rstrip(".?!")]
    if roll > 0.86:
        longest = max(range(len(pieces)), key=lambda i: 0 if fixed[i] else len(pieces[i]), default=0)
        if pieces and not fixed[longest] and len(pieces[longest]) > 6:
            pieces = [*pieces]
            pieces[longest] = typo(pieces[longest], rand)
    return "".join(pieces)


def blur(text: Text, rand: Rand) -> None:
    """Make a few of the template's own words strange, or drop them, unless none can be spared."""
    if text.exact:
        return
    for i, piece in enumerate(text.pieces):
        if text.fixed[i]:
            continue
        kept = []
        for word in piece.split(" "):
            if len(word) > 2 and word.isalpha() and word.lower() not in _DECIDING and rand.chance(0.1):
                if rand.chance(0.3):
                    continue
                word = coined(rand)
            kept.append(word)
        text.pieces[i] = " ".join(kept)


_DECIDING = frozenset(
    "first last top best before after then once not never without only both each every none instead".split()
)
"""Words that are never made strange: another one would ask for something else."""


def coined(rand: Rand) -> str:
    """A word that is none, such as brelo."""
    start = "".join(rand.pick(_ONSETS) + rand.pick("aeiou") for _ in range(rand.between(1, 3)))
    return start + rand.pick(_CODAS)


_ONSETS = "b br ch d dr f fl g gl h j k kr l m n p pl pr qu r s sh sk st t th tr v w y z".split()
_CODAS = ("", "", *"ck d ft g ld ll m n nd nt p rd rk rn sh st t x".split())


def typo(text: str, rand: Rand) -> str:
    """Swap, drop or double one letter inside a word."""
    at = 1 + rand.below(len(text) - 3)
    if not (text[at - 1].isalpha() and text[at].isalpha() and text[at + 1].isalpha()):
        return text
    kind = rand.below(3)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at] + text[at:]
