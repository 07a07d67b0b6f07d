"""`Entity`: a person, an organisation or a project that a log may name, and the roster in which an operator lists them.

A roster is JSON, JSON lines or CSV. `merge` makes one entity of those that are the same. How an entity's names may be
spelled is `forms`'s, what they become `persona`'s.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from toolfinch.data.anonymize.fold import bare, normal
from toolfinch.errors import DataError

Kind = Literal["person", "organisation", "project"]


class Entity(msgspec.Struct, frozen=True, order=True, gc=False):
    """One of them. All fields are sorted and without repetitions when it comes from `merge`."""

    kind: Kind
    names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


FIELDS = {
    "name": "names",
    "names": "names",
    "email": "emails",
    "emails": "emails",
    "phone": "phones",
    "phones": "phones",
    "handle": "handles",
    "handles": "handles",
    "id": "ids",
    "ids": "ids",
    "domain": "domains",
    "domains": "domains",
}
"""What a roster may say of an entity: one value or several."""
LISTS: dict[str, Kind] = {"people": "person", "organisations": "organisation", "projects": "project"}


def read_roster(path: Path) -> tuple[Entity, ...]:
    """The entities of a file, merged: JSON (`people`, `organisations`, `projects`, each a list of objects, and
    `ids`, a list of texts), JSON lines (an object a line, with `kind`; a person's where it says none), or CSV
    (columns kind, name, email, phone, handle, id, domain; several values of one divided by `;`).

    Raises DataError naming the file, the row and the key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from error
    if not text.strip():
        return ()
    if path.suffix.lower() in (".csv", ".tsv"):
        return merge(_from_csv(text, str(path), "\t" if path.suffix.lower() == ".tsv" else ","))
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return merge(_from_lines(text, str(path)))
    if text.lstrip().startswith(("{", "[")):
        try:
            raw = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            if "\n{" in text.strip():
                return merge(_from_lines(text, str(path)))
            raise DataError(f"{path}: not JSON ({error})") from error
        return merge(_from_json(raw, str(path)))
    return merge(_from_csv(text, str(path), ","))


def _from_json(raw: Any, where: str) -> Iterator[Entity]:
    if isinstance(raw, dict) and not raw.keys() & {*LISTS, "ids"}:
        raw = [raw]  # JSON lines of one line
    if isinstance(raw, list):
        for number, row in enumerate(raw, 1):
            yield _entity(row, "person", f"{where}: row {number}")
        return
    for key, rows in raw.items():
        if key not in LISTS and key != "ids":
            raise DataError(f"{where}: {key}: no such key; there are {', '.join([*LISTS, 'ids'])}")
        if not isinstance(rows, list):
            raise DataError(f"{where}: {key}: expected a list")
        for number, row in enumerate(rows):
            at = f"{where}: {key}[{number}]"
            yield Entity("project", ids=_texts(row, at)) if key == "ids" else _entity(row, LISTS[key], at)


def _from_lines(text: str, where: str) -> Iterator[Entity]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise DataError(f"{where}: row {number}: not JSON ({error})") from error
        yield _entity(row, "person", f"{where}: row {number}")


def _from_csv(text: str, where: str, comma: str) -> Iterator[Entity]:
    rows = csv.reader(io.StringIO(text), delimiter=comma)
    try:
        header = [name.strip().lower() for name in next(rows)]
        for name in header:
            if name != "kind" and name not in FIELDS:
                known = ", ".join(["kind", *(field for field in FIELDS if not field.endswith("s"))])
                raise DataError(
                    f"{where}: row 1: {name or 'an empty name'}: no such column; there are {known}"
                )
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{where}: row {rows.line_num}: {len(row)} cells, the header has {len(header)}"
                )
            cells: dict[str, Any] = {}
            for name, cell in zip(header, row, strict=True):
                if name == "kind":
                    if cell.strip():
                        cells["kind"] = cell.strip().lower()
                else:
                    cells.setdefault(name, []).extend(
                        part.strip() for part in cell.split(";") if part.strip()
                    )
            yield _entity(cells, "person", f"{where}: row {rows.line_num}")
    except csv.Error as error:
        raise DataError(f"{where}: row {rows.line_num}: not CSV ({error})") from error


def _entity(row: Any, kind: Kind, where: str) -> Entity:
    if isinstance(row, str) and row.strip():
        row = {"name": row}
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: expected an object, got {type(row).__name__}")
    said = row.get("kind", kind)
    if said not in get_args(Kind):
        raise DataError(f"{where}: kind: expected one of {', '.join(get_args(Kind))}")
    fields: dict[str, tuple[str, ...]] = {}
    for key, value in row.items():
        if key == "kind":
            continue
        if key not in FIELDS:
            raise DataError(f"{where}: {key}: no such key; there are {', '.join(['kind', *FIELDS])}")
        name = FIELDS[key]
        fields[name] = fields.get(name, ()) + _texts(value, f"{where}: {key}")
    for email in fields.get("emails", ()):
        if "@" not in email.strip("@"):
            raise DataError(f"{where}: email: an e-mail address has an @ inside")
    fields["domains"] = tuple(_host(domain) for domain in fields.get("domains", ()))
    if not any(fields.values()):
        raise DataError(f"{where}: says nothing of anyone")
    return Entity(said, **fields)


def _host(domain: str) -> str:
    """Of a domain that may be written as a web address."""
    return re.sub(r"^[a-z]+://|[/?#:].*$", "", domain.lower()).removeprefix("www.")


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    for one in values:
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise DataError(f"{where}: expected text, got {type(one).__name__}")
    return tuple(text for one in values if (text := str(one).strip()))


def merge(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """One entity of all that share an e-mail, a phone, a handle, an id or a full name; sorted.

    A person's name is full from two words on. It does not matter in what order they come.
    """
    given = sorted(set(entities))
    parent = list(range(len(given)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    holder: dict[tuple[str, str], int] = {}
    for place, entity in enumerate(given):
        for sign in _signs(entity):
            a, b = root(holder.setdefault(sign, place)), root(place)
            parent[max(a, b)] = min(a, b)
    groups: dict[int, list[Entity]] = {}
    for place, entity in enumerate(given):
        groups.setdefault(root(place), []).append(entity)
    return tuple(sorted(_union(group) for group in groups.values()))


def _signs(entity: Entity) -> Iterator[tuple[str, str]]:
    """What only one entity of its kind has."""
    for email in entity.emails:
        yield "e-mail", normal(email)
    for phone in entity.phones:
        yield "phone", same_phone(phone)
    for handle in entity.handles:
        yield "handle", normal(handle).lstrip("@")
    for id in entity.ids:
        yield "id", bare(id)
    for domain in entity.domains:
        yield "domain", normal(domain)
    for name in entity.names:
        if entity.kind != "person" or len(name.split()) > 1:
            yield entity.kind, bare(name)


def same_phone(phone: str) -> str:
    """What the ways to write one number share: its last nine digits, with country code or without."""
    written = re.split(r"(?i)\s*(?:;|ext|x)", normal(phone))[0]
    return "".join(char for char in written if char.isdigit())[-9:]


def _union(group: Sequence[Entity]) -> Entity:
    fields = {
        name: tuple(sorted({text for entity in group for text in getattr(entity, name)}))
        for name in dict.fromkeys(FIELDS.values())
    }
    return Entity(group[0].kind, **fields)
