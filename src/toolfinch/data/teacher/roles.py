"""`Role`: what a tool does to which kind of thing, told from its name, description, schema and risk.

`book_rental` creates bookings where another tool takes a `booking_id`, `find_bikes` lists bikes, `price_quote`
only answers. Where it cannot be told, a tool answers: what it gives depends on its arguments alone. Left out:
tools that do two things at once, such as one that moves money from one account to another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from toolfinch.data.synthesize.value_kinds import words_of
from toolfinch.tool import Tool

Deed = Literal["search", "get", "create", "update", "delete", "answer"]

VERBS: dict[Deed, frozenset[str]] = {
    "search": frozenset("find search list browse query lookup discover recommend filter".split()),
    "get": frozenset(
        "get fetch read show view retrieve check track describe inspect locate look see display tell".split()
    ),
    "create": frozenset(
        """create add make open book reserve buy order rent schedule plan register submit file report request place post
        send upload insert new draft log record enroll publish issue purchase invite hire take""".split()
    ),
    "update": frozenset(
        """update edit change modify move reschedule assign rename resize set extend renew approve reject confirm
        close start stop pause resume lock unlock activate deactivate enable disable mark complete archive restore
        pay rate return adjust replace switch write append postpone freeze grant deny accept decline""".split()
    ),
    "delete": frozenset("delete remove cancel drop erase clear abort withdraw revoke discard".split()),
}
READ_ENDINGS = frozenset(
    "status details info information history availability hours balance price quote list weather".split()
)
"""A name that ends with one of them reads, whatever it begins with: `order_status`."""
GENERIC = frozenset("method code command sql script expression".split())
"""Parameters of tools that can do anything, so that nobody can tell what one does."""
_PREPOSITIONS = frozenset("for by of in from to with at on and or the a an my".split())
_ID_ENDS = frozenset("id identifier ref reference uuid guid".split())
_NUMBER_ENDS = frozenset("number code key no sku".split())
_NO_THINGS = frozenset(
    """phone telephone mobile postal zip post country currency language card page line area dial discount promo
    coupon api access pin house room fax security state color colour sort error account_type item""".split()
)
"""What has a number or a code and is not looked up by it."""


class Role(msgspec.Struct, frozen=True):
    """What one tool does."""

    deed: Deed
    kind: str = ""
    """The kind of thing, one word; empty where the tool answers."""
    key: str = ""
    """The parameter that names the record; empty where there is none."""
    refs: dict[str, str] = {}
    """Parameters that name records of other kinds: the kind by the parameter's name."""


class Roles(msgspec.Struct, frozen=True):
    """What some tools do together."""

    of: dict[str, Role]
    """By the tool's name."""
    ids: dict[str, str]
    """Kinds whose records have ids that nobody can guess, and the parameter's name that holds them."""
    written: frozenset[str]
    """Kinds that some tool changes."""


class _Seen(msgspec.Struct, frozen=True):
    """A tool as its name and parameters show it."""

    tool: Tool
    deed: Deed | None
    verb: str
    nouns: tuple[str, ...]
    """Words of the name after the verb, up to a preposition; the last one in the singular."""
    many: bool
    """The last noun stands in the plural."""
    ids: dict[str, str]
    """Parameters that hold an id, and the kind that their name tells ("" for a bare `id`)."""


def roles(tools: Sequence[Tool]) -> Roles:
    """The roles of tools that are offered together."""
    seen = [_see(tool) for tool in tools]
    kinds = {kind for one in seen for kind in one.ids.values() if kind}
    kinds |= {one.nouns[-1] for one in seen if one.nouns and "" in one.ids.values()}
    of = {one.tool.name: _role(one, kinds) for one in seen}
    ids: dict[str, str] = {}
    for one in seen:
        role = of[one.tool.name]
        if role.key in one.ids:
            ids.setdefault(role.kind, role.key)
        for name, kind in role.refs.items():
            ids.setdefault(kind, name)
    written = frozenset(r.kind for r in of.values() if r.deed in ("create", "update", "delete"))
    keyed = [role for role in of.values() if role.key]
    for one in seen:
        role = of[one.tool.name]
        if not role.key and role.deed != "answer":
            of[one.tool.name] = _by_nature(one, role, keyed, ids, written)
    of = {name: Role("answer", refs=r.refs) if r.deed == "answer" else r for name, r in of.items()}
    return Roles(of, ids, written)


def _see(tool: Tool) -> _Seen:
    name = re.sub(r"^mcp__\w+?__", "", tool.name)
    words = [word for word in words_of(name).split() if not word.isdigit()]
    deed, verb = _verb(words, tool)
    nouns: list[str] = []
    after = words[words.index(verb) + 1 :] if verb in words else words
    for word in after or words:
        if word in _PREPOSITIONS and nouns:
            break
        nouns.append(word)
    last = nouns[-1] if nouns else ""
    nouns[-1:] = [singular(last)] if last else []
    parameters: Mapping[str, Any] = tool.parameters.get("properties", {})
    ids = {key: kind for key, schema in parameters.items() if (kind := _id_kind(key, schema)) is not None}
    return _Seen(tool, deed, verb, tuple(nouns), singular(last) != last, ids)


def _verb(words: Sequence[str], tool: Tool) -> tuple[Deed | None, str]:
    """What the tool does, and the word that says so."""
    parameters = tool.parameters.get("properties", {})
    if any(name.lower() in GENERIC for name in parameters):
        return "answer", ""
    if words and words[-1] in READ_ENDINGS:
        verb = words[0] if words[0] in VERBS["get"] | VERBS["search"] else ""
        return "get", verb
    described = re.findall(r"[a-z]+", tool.description.lower())[:1]
    for word in (*words[:1], *(_plain(word) for word in described), *words[1:]):
        for deed, verbs in VERBS.items():
            if word in verbs and (tool.risk != "read" or deed in ("search", "get")):
                return deed, word
    return None, ""


def _plain(word: str) -> str:
    """`fetches` as an instruction says it."""
    known = frozenset().union(*VERBS.values())
    return next((w for w in (word, word.removesuffix("s"), word.removesuffix("es")) if w in known), word)


def _id_kind(name: str, schema: Any) -> str | None:
    """The kind whose id a parameter holds; "" where its name is a bare `id`; None where it holds none."""
    if not isinstance(schema, Mapping) or "enum" in schema or schema.get("type") not in ("string", "integer"):
        return None
    words = words_of(name).split()
    if not words or words[-1] not in _ID_ENDS | _NUMBER_ENDS:
        return None
    head = words[-2] if len(words) > 1 else ""
    if head in _NO_THINGS or (words[-1] in _NUMBER_ENDS and not head):
        return None
    return "" if head in _PREPOSITIONS else head


def _role(one: _Seen, kinds: set[str]) -> Role:
    required = one.tool.parameters.get("required", ())
    noun = one.nouns[-1] if one.nouns else ""
    if one.deed == "create":
        kind = _made(one, kinds - set(one.ids.values())) or noun
        key = next((name for name, of in one.ids.items() if of == kind and name in required), "")
        return Role("create", kind, key, _refs(one, key))
    kind = next((k for k in sorted(kinds) if _alike(k, noun)), noun)
    keys = [name for name, of in one.ids.items() if of == kind]
    keys += [name for name, of in one.ids.items() if not of]
    if not keys and not (one.deed == "search" or (one.many and kind in kinds)):
        needed = [name for name in one.ids if name in required]
        keys = needed if len(needed) == 1 else []
    key = next((name for name in keys if name in required), "")
    if not key:
        if one.deed == "search" or (one.deed == "get" and one.many):
            return Role("search", kind, "", _refs(one, ""))
        return Role(one.deed or "answer", kind, "", _refs(one, ""))
    by_risk: dict[str, Deed] = {"read": "get", "write": "update", "destructive": "answer"}
    deed = one.deed or by_risk[one.tool.risk]
    return Role("get" if deed == "search" else deed, one.ids[key] or kind, key, _refs(one, key))


def _refs(one: _Seen, key: str) -> dict[str, str]:
    return {name: kind for name, kind in one.ids.items() if kind and name != key}


def _made(one: _Seen, kinds: Iterable[str]) -> str:
    """Which known kind a tool makes: `book_rental` a booking, `create_repair_ticket` a ticket."""
    described = re.findall(r"[a-z]+", one.tool.description.lower())
    for word in (*reversed(one.nouns), one.verb, *described):
        for kind in sorted(kinds):
            if _alike(kind, word):
                return kind
    return ""


def _alike(a: str, b: str) -> bool:
    """Equal, or one word begins as the other does: `booking` and `book`."""
    short, long = sorted((a, b), key=len)
    return a == b or (len(short) >= 4 and long.startswith(short[: max(4, len(short) - 2)]))


def _by_nature(
    one: _Seen, role: Role, keyed: Sequence[Role], ids: Mapping[str, str], written: frozenset[str]
) -> Role:
    """The role of a tool that is given no id.

    A record without an id is named by what it is called: a path, a title, an address. Creating needs a name
    only where another tool finds by it; where nothing of the kind is known, a tool that reads only answers.
    """
    if role.deed in ("search", "get") and role.kind not in (*ids, *written):
        return Role("answer", refs=role.refs)
    if role.deed == "search" or (role.deed == "get" and role.kind in ids):
        return msgspec.structs.replace(role, deed="search")
    if role.kind in ids and role.deed in ("update", "delete"):
        return Role("answer", refs=role.refs)
    properties = one.tool.parameters.get("properties", {})
    names = [
        name
        for name in one.tool.parameters.get("required", ())
        if properties.get(name, {}).get("type") == "string"
        and not {"enum", "format", "pattern"} & set(properties[name])
    ]
    if role.deed == "create":
        shared = {other.key for other in keyed if other.kind == role.kind}
        names = [name for name in names if name in shared]
    return msgspec.structs.replace(role, key=names[0] if names else "")


def singular(word: str) -> str:
    """`bookings` is "booking", `addresses` "address"."""
    if len(word) < 4 or word.endswith(("ss", "us", "is", "news")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word.removesuffix("s")
