"""Leaves out what another conversation begins with, or says word for word, under whatever id.

A log that is written once a request holds the same session at every length; a shorter copy would put the same
turns into two splits. Of equal ones the one with the first id stays. Ids of calls are no part of the comparison.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from toolfinch.data.stage import Change, Facts, Stage, together
from toolfinch.example import Conversation
from toolfinch.message import canonical

REASON = "is the beginning or a copy of another conversation"


def stage() -> Stage:
    return together("repeats no other", digests, decide)


def digests(one: Conversation) -> tuple[bytes, ...]:
    """One a message, of everything up to it."""
    running = blake2b(msgspec.json.encode(sorted(tool.name for tool in one.tools)), digest_size=16)
    found = []
    for message in one.messages:
        said = (message.role, message.content, [(c.name, canonical(c.arguments)) for c in message.calls])
        running.update(msgspec.json.encode(said) + b"\n")
        found.append(running.digest())
    return tuple(found)


def decide(facts: Facts) -> Change:
    beginnings = {digest for digests in facts.values() for digest in digests[:-1]}
    repeated = set()
    for id, digests in facts.items():
        if digests and digests[-1] in beginnings:
            repeated.add(id)
        beginnings.update(digests[-1:])
    return lambda one: REASON if one.id in repeated else one
