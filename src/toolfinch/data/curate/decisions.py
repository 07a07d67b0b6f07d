"""The assistant turns of a conversation that are there to learn from, and how a stage takes some of them out.

A turn that is bad, or one too many, is marked `skip` and stays as context; a conversation with none left goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from toolfinch.data.stage import Changed
from toolfinch.example import Conversation, Mark

_NO_MARK = Mark()
_AGAIN = re.compile(r"(?:#\d+)+$")  # a part of a session that two files have is `s1#2#2`
_AGENT = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/.+")


def decisions(one: Conversation) -> list[int]:
    """Indices of its assistant turns that are not marked `skip`."""
    marks = one.marks
    return [
        index
        for index, message in enumerate(one.messages)
        if message.role == "assistant" and not (index in marks and marks[index].skip)
    ]


def without(one: Conversation, turns: Mapping[int, str], reason: str = "") -> Conversation | Changed | str:
    """The conversation with these turns, given with the reason of each, marked `skip`.

    Where no decision is left it goes, for `reason` or else for that of the first of them.
    """
    if not turns:
        return one
    marks = dict(one.marks)
    did: dict[str, int] = {}
    for index, why in turns.items():
        marks[index] = msgspec.structs.replace(marks.get(index, _NO_MARK), skip=True)
        did[f"turn skipped: {why}"] = did.get(f"turn skipped: {why}", 0) + 1
    after = msgspec.structs.replace(one, marks=marks)
    if decisions(after):
        return Changed(after, did)
    return reason or f"no decision left: {turns[min(turns)]}"


def session(one: Conversation) -> str:
    """The id of the session that it is a part of.

    Readers give parts of one session the ids `s1`, `s1#2`; a sub-agent of a session with a UUID `<UUID>/<agent>`.
    """
    id = _AGAIN.sub("", one.id)
    agent = _AGENT.fullmatch(id)
    return agent[1] if agent else id


def source(one: Conversation) -> str:
    """The file or generator that it came from, without the row."""
    return one.source.rpartition(":")[0] or one.source


def draw(*parts: object, key: str = "") -> bytes:
    """16 bytes that depend on what is given and on nothing else: whoever has the smallest is drawn."""
    said = "\0".join(map(str, parts))
    return blake2b(said.encode("utf-8", "surrogatepass"), key=key.encode()[:64], digest_size=16).digest()
