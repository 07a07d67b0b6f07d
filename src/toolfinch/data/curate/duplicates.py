"""The same decision, taken once: what another conversation has decided in the same exchange is not learned again.

A decision is known by the tools offered, what has been said since the user's last message (and, before words without
a call, by what the assistant had said to get it), and the call with its typed values, or the words. The same request
with another argument is another decision. A conversation goes where others have all of its decisions; in one that
stays the repeated ones are marked `skip`. Of equal ones the one with the smallest id stays. Left out: wording that
differs in more than case, spaces and marks, which is for `near`.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from toolfinch.data.curate import toolset
from toolfinch.data.curate.decisions import decisions, without
from toolfinch.data.stage import Change, Changed, Facts, Stage, together
from toolfinch.example import Conversation
from toolfinch.message import Message

REASON = "every decision in it is another conversation's"
REPEATED = "the same decision as in another conversation"
SIZE = 8
"""Bytes of a key."""

_MARKS = str.maketrans(dict.fromkeys(".,;:!?\"'`()[]*_", " "))
_encode = msgspec.json.Encoder(order="deterministic").encode


def stage() -> Stage:
    return together("exact duplicates", keys, decide)


def keys(one: Conversation) -> bytes:
    """The keys of its decisions in order, `SIZE` bytes each."""
    found = []
    since: list[bytes] = []  # what was said and done since the user's last message, from there on
    asked = b""  # what the assistant had said before that
    said = b""
    marks = one.marks
    tools = toolset.digest(one.tools)
    for index, message in enumerate(one.messages):
        role = message.role
        if role == "user":
            since = [_plain(message.content)]
            asked = said
        elif role == "assistant":
            does = _does(message)
            if not (index in marks and marks[index].skip):
                before = since if message.calls else [asked, *since]
                key = b"\0".join((tools, *before, does))
                found.append(blake2b(key, digest_size=SIZE).digest())
            since.append(does)
            said = does
        elif role == "tool":
            since.append(message.content.encode("utf-8", "surrogatepass"))
    return b"".join(found)


def _does(message: Message) -> bytes:
    if not message.calls:
        return b"says " + _plain(message.content)
    if len(message.calls) == 1:
        call = message.calls[0]
        return b"calls " + _encode((call.name, call.arguments))
    return b"calls " + b"\0".join(sorted(_encode((call.name, call.arguments)) for call in message.calls))


def _plain(text: str) -> bytes:
    return " ".join(text.casefold().translate(_MARKS).split()).encode("utf-8", "surrogatepass")


def decide(facts: Facts) -> Change:
    taken: set[bytes] = set()
    dropped: set[str] = set()
    repeated: dict[str, tuple[int, ...]] = {}
    for id, joined in facts.items():
        own = [joined[at : at + SIZE] for at in range(0, len(joined), SIZE)]
        again = [key in taken for key in own]
        if True not in again:
            taken.update(own)
        elif all(again):
            dropped.add(id)
        else:
            taken.update(own)
            repeated[id] = tuple(place for place, is_again in enumerate(again) if is_again)

    def change(one: Conversation) -> Conversation | Changed | str:
        if one.id in dropped:
            return REASON
        if one.id not in repeated:
            return one
        turns = decisions(one)
        return without(one, {turns[place]: REPEATED for place in repeated[one.id]})

    return change
