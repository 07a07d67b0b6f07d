"""`Report`: what the gate found, told without telling it.

A token is shown as its HMAC under the key, which a reviewed allow-list takes (`hmac:…`); a place as file, row and JSON
path, in which only the keys of our own formats are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

SHOWN = 200
"""Survivors in the Markdown; the rest is counted."""
UNREADABLE = "unreadable"
"""The kind of what could not be cleared: encoded too deeply, or no text."""


class Survivor(msgspec.Struct, frozen=True, order=True):
    """One real token in one place."""

    file: str = ""
    row: int = 0
    """From 1; 0 where it is not in a row: a file's name."""
    path: str = ""
    """`messages[2].content`; other keys than our own are `*`."""
    kind: str = ""
    form: str = ""
    """How it is written: `given name`, `local part`."""
    how: str = ""
    """The encodings around it, the outermost first."""
    mark: str = ""
    """HMAC of the alias, as the allow-list takes it."""
    in_schema: bool = False
    """It equals a tool's name or an enum's value, which are left alone, and stands where those stand."""


class Report(msgspec.Struct, frozen=True):
    """What was looked for, where, and what was found."""

    files: int
    rows: int
    size: int
    """Bytes."""
    known: dict[str, int]
    """Tokens that were looked for, by kind."""
    spellings: int
    """Ways of writing them."""
    blind: dict[str, int]
    """Tokens that are too short or too common to be looked for, by kind."""
    allowed: dict[str, int] = {}
    """Tokens that the allow-list lets stay in whole or in one of their spellings, by kind."""
    survivors: tuple[Survivor, ...] = ()
    """In order of file and row; without those in a schema."""
    let_through: dict[str, int] = {}
    """Names of tools and values of enums that were left alone, by kind; those in lists of tools once a list."""

    def line(self) -> str:
        """One line: how many, in which file and rows first."""
        first = self.survivors[0].file
        rows = sorted({one.row for one in self.survivors if one.file == first and one.row})
        where = (
            f", row {rows[0]}"
            if len(rows) == 1
            else f", rows {', '.join(map(str, rows[:5]))}"
            if rows
            else ""
        )
        more = ", …" if len(rows) > 5 else ""
        count = len(self.survivors)
        return f"{count:,} real token{'s' if count != 1 else ''} would be released; first in {first}{where}{more}"

    def to_markdown(self) -> str:
        """For the card (nothing survived) and for who has to see to it (something did)."""
        looked = ", ".join(f"{count:,} {kind}" for kind, count in self.known.items()) or "none"
        lines = [
            f"Looked for {sum(self.known.values()):,} real tokens ({looked}) in {self.spellings:,} spellings, and for "
            f"secrets, in {self.files:,} files, {self.rows:,} rows, {self.size / 1e6:,.1f} MB: "
            f"{len(self.survivors):,} found.",
        ]
        if self.blind:
            lines += ["", f"Too short or too common to be looked for: {_counts(self.blind)}."]
        if self.allowed:
            lines += ["", f"Let stay, as the allow-list says: {_counts(self.allowed)}."]
        if self.let_through:
            lines += ["", f"Left alone as names of tools and values of enums: {_counts(self.let_through)}."]
        if self.survivors:
            lines += ["", *_table(self.survivors)]
        return "\n".join(lines) + "\n"


def _table(survivors: tuple[Survivor, ...]) -> Iterable[str]:
    kinds = Counter(one.kind for one in survivors)
    yield f"By kind: {_counts(dict(kinds.most_common()))}."
    yield ""
    yield "| file | row | path | kind | written as | encoded | token |"
    yield "|---|---:|---|---|---|---|---|"
    for one in survivors[:SHOWN]:
        mark = f"`hmac:{one.mark}`" if one.mark else ""
        yield f"| {one.file} | {one.row or ''} | {one.path} | {one.kind} | {one.form} | {one.how} | {mark} |"
    if len(survivors) > SHOWN:
        yield ""
        yield f"{len(survivors) - SHOWN:,} more are not shown."


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
