"""The stage that takes real people, organisations, ids and secrets out of conversations.

It looks at each for what its fields and forms tell (`harvest`, `detect`, perhaps `ner`), merges that with the roster,
gives everyone a persona (`persona`) and replaces them everywhere (`walk`, `replace`). The time at which a conversation
began goes. `known` is what the gate looks for afterwards.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from toolfinch.data.anonymize import detect, harvest, walk
from toolfinch.data.anonymize.dates import shifted
from toolfinch.data.anonymize.decoded import BREAK, Text, decoded_bytes
from toolfinch.data.anonymize.entity import Entity, merge
from toolfinch.data.anonymize.forms import PUBLIC
from toolfinch.data.anonymize.known import Known
from toolfinch.data.anonymize.layers import layers, may_be_encoded
from toolfinch.data.anonymize.ner import Names
from toolfinch.data.anonymize.persona import Pseudonyms
from toolfinch.data.anonymize.replace import Replacer
from toolfinch.data.anonymize.spellings import Spellings
from toolfinch.data.stage import Changed, Facts, Stage, together
from toolfinch.example import Conversation
from toolfinch.tool import Tool

NAME = "anonymize"
WEEKS = 52
"""Dates move by up to so many weeks, to either side."""
KEPT = 1000
"""Lists of tools that are kept, as rows share them."""


class Fact(NamedTuple):
    """What one conversation tells."""

    entities: tuple[Entity, ...]
    values: tuple[Known, ...]
    """Real tokens that belong to no entity."""


def stage(
    key: bytes,
    roster: Sequence[Entity],
    *,
    allow: frozenset[str] = frozenset(),
    shift_dates: bool = False,
    ner: Path | None = None,
) -> Stage:
    """The stage. `allow`: what may stay, as `spellings.read_allowed` gives it; `ner`: a folder with a model."""
    decide = partial(_decided, key, tuple(roster), allow, shift_dates)
    return together(NAME, partial(look, names=Names(ner) if ner else None), decide)


def _decided(
    key: bytes, roster: Sequence[Entity], allow: frozenset[str], shift_dates: bool, facts: Facts
) -> Anonymizer:
    entities = merge([*roster, *(entity for fact in facts.values() for entity in fact.entities)])
    return anonymizer(key, entities, known(facts, roster), allow, shift_dates)


def look(one: Conversation, names: Names | None = None) -> Fact:
    """What a conversation tells of people and the like: by its fields and by the form of what is in it."""
    repeated = dict.fromkeys(message.content for message in one.messages if message.role == "system")
    said = dict.fromkeys(text for _, text in walk.texts(one, {}))
    texts = [text for text in said if text and text not in repeated]
    found = {
        *_detected(tuple(texts), _written(one)),
        *(told for text in repeated for told in _in_repeated(text)),
        *(_in_tools(msgspec.json.encode(one.tools)) if one.tools else ()),
    }
    entities = set(harvest.entities(one))
    entities |= {_ENTITIES[kind](text) for kind, text in found if kind in _ENTITIES}
    if names is not None:
        entities |= names.entities([*repeated, *texts])
    values = {Known(text, kind) for kind, text in found if kind not in _ENTITIES}
    return Fact(tuple(sorted(entities)), tuple(sorted(values)))


_ENTITIES: dict[str, Callable[[str], Entity]] = {
    "e-mail": lambda text: Entity("person", emails=(text,)),
    "phone": lambda text: Entity("person", phones=(text,)),
    "handle": lambda text: Entity("person", handles=(text,)),
    "id": lambda text: Entity("project", ids=(text,)),
}
"""Kinds that are told of someone."""


def _written(one: Conversation) -> str:
    """Calls as they are written: a secret may be told by the key beside it."""
    calls = [call.arguments for message in one.messages for call in message.calls]
    return json.dumps(calls) if calls else ""


@lru_cache(KEPT)
def _in_repeated(text: str) -> frozenset[tuple[str, str]]:
    """Of a system message: a log repeats a few of them."""
    return frozenset(_detected((text,), ""))


@lru_cache(KEPT)
def _in_tools(raw: bytes) -> frozenset[tuple[str, str]]:
    """Of a list of tools: what their descriptions, defaults and examples say."""
    texts: list[str] = []

    def collect(text: str) -> str:
        texts.append(text)
        return text

    for one in msgspec.json.decode(raw, type=tuple[Tool, ...]):
        walk.tool(one, collect)
    return frozenset(_detected(tuple(texts), ""))


def _detected(texts: Sequence[str], written: str) -> set[tuple[str, str]]:
    """(kind, text) of what is told by its form, in texts and in what they say decoded."""
    every = list(texts)
    whole = BREAK.join(texts)
    if may_be_encoded(whole):
        every += (layer.text for text in texts for layer in layers(text))
    every += (said.text for _, said in decoded_bytes(Text(whole)) if not said.partial)
    joined = "\n".join(every)
    found: set[tuple[str, str]] = set()
    for secret in (*detect.secrets(joined), *detect.secrets(written)):
        found.add(("secret", secret))
        joined = joined.replace(secret, "\0" * len(secret))
    for one in detect.patterned(joined):
        text = joined[one.begin : one.end]
        if one.kind != "secret" and (one.kind != "phone" or detect.is_phone(text)):
            found.add((one.kind, text))
    return found.union(detect.in_urls(joined))


def known(facts: Facts, roster: Sequence[Entity]) -> tuple[Known, ...]:
    """Every real token, sorted: of the roster, and of what the conversations tell."""
    found: set[Known] = set()
    for entity in {*roster, *(entity for fact in facts.values() for entity in fact.entities)}:
        found |= {Known(text, entity.kind) for text in entity.names}
        found |= {Known(text, "e-mail") for text in entity.emails}
        found |= {Known(host, "URL") for host in map(_host, entity.emails) if host}
        found |= {Known(text, "handle") for text in entity.handles}
        found |= {Known(text, "id") for text in entity.ids}
        found |= {Known(text, "URL") for text in entity.domains}
        for phone in entity.phones:
            found |= {Known(text, "phone") for text in (phone, *detect.national(phone))}
    for fact in facts.values():
        found.update(fact.values)
    return tuple(sorted(found))


def _host(email: str) -> str:
    """Where an address is kept, which says who they work for; "" where anyone may have one."""
    host = email.rpartition("@")[2].lower()
    return "" if host in PUBLIC or "." not in host else host


class Anonymizer:
    """The change of the stage: replaces what is real in a conversation, and in other texts."""

    def __init__(
        self,
        key: bytes,
        entities: tuple[Entity, ...],
        tokens: tuple[Known, ...],
        allow: frozenset[str],
        shift_dates: bool,
    ) -> None:
        """`entities` are merged, `tokens` all that come from them or stand alone."""
        self._made_of = (key, entities, tokens, allow, shift_dates)
        self._key, self._shift_dates = key, shift_dates
        self.replacer = Replacer(Spellings(tokens, allow, key), Pseudonyms(key, entities, tokens))
        self._lists: dict[bytes, Tools] = {}
        self._held: dict[int, Tools] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return anonymizer, self._made_of

    def __call__(self, one: Conversation) -> Conversation | Changed:
        tools = self._tools(one.tools)
        found = list(dict.fromkeys(walk.texts(one, tools.shapes)))
        values: dict[tuple[str, str], str] = {}
        did: Counter[str] = Counter()
        for value, replaced in zip(found, self.replacer.many(found), strict=True):
            values[value] = replaced.text
            for kind, count in replaced.did:
                did[f"{kind} replaced"] += count
        if self._shift_dates:
            weeks = self._weeks(one.id)
            for value, text in values.items():
                if value[1] in (one.id, one.source):  # two could become one
                    continue
                values[value] = shifted(text, weeks)
                did["texts with dates moved"] += values[value] != text
        if not did and tools.made is one.tools:
            return one
        changed = walk.mapped(one, lambda key, text: values[key, text], tools.shapes) if did else one
        return Changed(msgspec.structs.replace(changed, tools=tools.made), +did)

    def tools(self, given: Sequence[Tool]) -> tuple[Tool, ...]:
        """Tools that stand beside the conversations."""
        return tuple(walk.tool(tool, self.replacer.text) for tool in given)

    def _weeks(self, id: str) -> int:
        """Of a conversation: as many weeks in all of it, and never none."""
        said = hmac.digest(self._key, b"weeks\0" + id.encode("utf-8", "surrogatepass"), hashlib.sha256)
        weeks = int.from_bytes(said[:8], "big") % (2 * WEEKS) - WEEKS
        return weeks if weeks < 0 else weeks + 1

    def _tools(self, given: tuple[Tool, ...]) -> Tools:
        """Lists of tools are shared by rows: each is looked at once."""
        held = self._held.get(id(given))
        if held is not None and held.given is given:
            return held
        raw = msgspec.json.encode(given)
        found = self._lists.get(raw)
        if found is None:
            made = tuple(walk.tool(tool, self.replacer.text) for tool in given)
            found = Tools(given, given if made == given else made, walk.shapes(given))
        elif found.made is found.given:
            found = Tools(given, given, found.shapes)
        else:
            found = found._replace(given=given)
        for kept in (self._held, self._lists):
            if len(kept) >= KEPT:
                kept.clear()
        self._held[id(given)] = self._lists[raw] = found
        return found


class Tools(NamedTuple):
    """A list of tools, what it becomes, and the shapes of the arguments."""

    given: tuple[Tool, ...]
    made: tuple[Tool, ...]
    shapes: walk.Shapes


@lru_cache(2)
def anonymizer(
    key: bytes,
    entities: tuple[Entity, ...],
    tokens: tuple[Known, ...],
    allow: frozenset[str],
    shift_dates: bool,
) -> Anonymizer:
    """One for all parts that a process works on: to make it takes seconds."""
    return Anonymizer(key, entities, tokens, allow, shift_dates)
