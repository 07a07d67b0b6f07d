"""What invented tools are about: objects, their details, and what can be done with them.

Read once from `domains.txt`. A line `== travel` opens a domain. A line

    * hotel | hotels | search book:room:rooms get

opens an object with its plural and its verbs (keys of `verbs.txt`), a verb with a noun of its own where
one books a room, not a hotel. Every further line is a field of the object:

    b! city,location | city | in {};near {}

that is a flag, `!` where tools usually require it, names (the first is the plainest), the kind of its values
(`values.KINDS`), and phrases that say it; `<{}` stands before the noun. A line `~ search | I'm hungry` gives
ways to ask for one of the verbs without naming verb or object. Flags: `i` the record's identifier,
`t` its title, `s` a filter, `c` a detail of a new record, `b` both, `r` only in results.
"""

from __future__ import annotations

from importlib.resources import files

import msgspec

from toolfinch.data.forge.values import KINDS
from toolfinch.data.forge.verbs import VERBS
from toolfinch.errors import DataError

FLAGS = "itscbr"


class Field(msgspec.Struct, frozen=True, eq=False):
    """One detail of an object."""

    flag: str
    required: bool
    names: tuple[str, ...]
    kind: str
    args: tuple[str, ...]
    phrases: tuple[str, ...]


class Action(msgspec.Struct, frozen=True, eq=False):
    """A verb of an object, with the noun it is used with."""

    verb: str
    noun: str
    plural: str


class Object(msgspec.Struct, frozen=True, eq=False):
    """A thing that tools work on."""

    domain: str
    noun: str
    plural: str
    actions: tuple[Action, ...]
    fields: tuple[Field, ...]
    hints: dict[str, tuple[str, ...]] = {}
    """By verb: what people say who want it and name neither verb nor object."""

    def flagged(self, flags: str) -> list[Field]:
        return [field for field in self.fields if field.flag in flags]


def kind(text: str, where: str) -> tuple[str, tuple[str, ...]]:
    """Read a kind and its arguments. Raises DataError, naming `where`, for an unknown one."""
    head, _, rest = text.strip().partition(" ")
    if head not in KINDS:
        raise DataError(f"{where}: unknown kind {head!r}")
    if head == "enum":
        return head, tuple(part.strip() for part in rest.split(","))
    if head == "bool":
        yes, _, no = rest.partition("//")
        if not yes.strip() or not no.strip():
            raise DataError(f"{where}: a bool needs phrases on both sides of //")
        return head, (*_split(yes), "//", *_split(no))
    if head == "list":
        inner, args = kind(rest, where)
        return head, (inner, *args)
    if head == "lines":
        inner, name, count = rest.split()
        kind(inner, where)
        return head, (inner, name, count)
    if head == "listn":
        inner, args = kind(rest.rpartition(" ")[0], where)
        return head, (inner, *args, rest.rpartition(" ")[2])
    return head, tuple(rest.split())


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def read(text: str, source: str = "domains.txt") -> tuple[Object, ...]:
    """The objects of a domain text. Raises DataError naming the line of anything unreadable."""
    objects: list[Object] = []
    domain = ""
    head: tuple[str, str, tuple[Action, ...]] | None = None
    fields: list[Field] = []
    hints: dict[str, tuple[str, ...]] = {}

    def close() -> None:
        if head is not None:
            objects.append(Object(domain, head[0], head[1], head[2], tuple(fields), dict(hints)))
            fields.clear()
            hints.clear()

    for number, line in enumerate(text.splitlines(), 1):
        where = f"{source}:{number}"
        if not line.strip() or line.startswith("# "):
            continue
        if line.startswith("== "):
            close()
            head, domain = None, line[3:].strip()
        elif line.startswith("* "):
            close()
            parts = [part.strip() for part in line[2:].split(" | ")]
            if len(parts) != 3 or not domain:
                raise DataError(f"{where}: expected `* noun | plural | verbs` inside a domain")
            head = parts[0], parts[1], tuple(_action(v, parts[0], parts[1], where) for v in parts[2].split())
        elif line.startswith("~ ") and head is not None:
            verb, _, texts = line[2:].partition(" | ")
            if verb not in {action.verb for action in head[2]} or not texts:
                raise DataError(f"{where}: expected `~ verb | requests` for a verb of {head[0]}")
            hints[verb] = _split(texts)
        elif head is None:
            raise DataError(f"{where}: a field outside an object")
        else:
            fields.append(_field(line, where))
    close()
    return tuple(objects)


def _action(text: str, noun: str, plural: str, where: str) -> Action:
    parts = text.split(":")
    if parts[0] not in VERBS:
        raise DataError(f"{where}: unknown verb {parts[0]!r}")
    if len(parts) == 1:
        return Action(parts[0], noun, plural)
    if len(parts) != 3:
        raise DataError(f"{where}: expected verb:noun:plural, got {text!r}")
    return Action(parts[0], parts[1].replace("_", " "), parts[2].replace("_", " "))


def _field(line: str, where: str) -> Field:
    parts = [part.strip() for part in line.split(" | ")]
    flag, _, names = parts[0].partition(" ")
    if flag.rstrip("!") not in tuple(FLAGS) or not names or len(parts) not in (2, 3):
        raise DataError(f"{where}: expected `flag names | kind | phrases`")
    head, args = kind(parts[1], where)
    phrases = _split(parts[2]) if len(parts) == 3 else ()
    if any("{}" not in phrase for phrase in phrases):
        raise DataError(f"{where}: a phrase without {{}}")
    return Field(flag[0], "!" in flag, tuple(names.split(",")), head, args, phrases)


OBJECTS = read((files(__package__) / "domains.txt").read_text(encoding="utf-8"))
DOMAINS = {o.domain: tuple(p for p in OBJECTS if p.domain == o.domain) for o in OBJECTS}
