"""The verbs of invented tools, read once from `verbs.txt`, whose first lines explain its columns.

A `Verb` says how an action is named in a tool, asked for in a request, described, and reported when done.
Two verbs of one family could serve the same request, so no two tools on one object share a family.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Literal, cast, get_args

import msgspec

from toolfinch.errors import DataError

Shape = Literal["search", "create", "act", "update", "ask"]


class Verb(msgspec.Struct, frozen=True, eq=False):
    """An action on an object."""

    key: str
    shape: Shape
    """search: filters to rows; create: details to a new record; act: on one record; update: one record and
    its new details; ask: details to one answer (a fact, a calculation)."""
    family: str
    writes: bool
    done: str
    """Past participle, in answers."""
    names: tuple[str, ...]
    """In tool names."""
    say: tuple[str, ...]
    """In requests, before the object."""
    say_own: tuple[str, ...]
    """Those that fit after "I want to": without "me"."""
    about: tuple[str, ...]
    """In descriptions, before the object."""
    needs: tuple[str, ...]
    """Requests without the verb; `{n}` is the object with its details."""


def read(text: str, source: str = "verbs.txt") -> dict[str, Verb]:
    """The verbs by key. Raises DataError naming the line of anything unreadable."""
    sets: dict[str, tuple[str, ...]] = {"": ()}
    out: dict[str, Verb] = {}
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{source}:{number}"
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("@"):
            name, _, phrases = line.partition(" = ")
            sets[name] = _parts(phrases, ";")
            continue
        cells = [cell.strip() for cell in line.split("|")]
        cells += [""] * (9 - len(cells))
        if len(cells) != 9 or cells[1] not in get_args(Shape) or cells[3] not in ("r", "w") or not cells[6]:
            raise DataError(
                f"{where}: expected key | shape | family | r or w | done | names | say | about | needs"
            )
        say = _parts(cells[6], ",")
        out[cells[0]] = Verb(
            key=cells[0],
            shape=cast(Shape, cells[1]),
            family=cells[2],
            writes=cells[3] == "w",
            done=cells[4],
            names=_parts(cells[5], ","),
            say=say,
            say_own=tuple(s for s in say if not s.endswith(" me") and " me " not in s) or say,
            about=_parts(cells[7], ",") or tuple(s.capitalize() for s in say[:2]),
            needs=sets[cells[8]] if cells[8].startswith("@") else _parts(cells[8], ";"),
        )
    return out


def _parts(text: str, mark: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(mark) if part.strip())


VERBS = read((files(__package__) / "verbs.txt").read_text(encoding="utf-8"))
