"""No session, user or source, and no opening, has more than its share of the data.

Which of too many stay a keyed hash decides, so that it is neither the first nor the same ones as in another data set.
It must run before stages that compare all conversations: a flood there costs time, and keeps the first ones only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from toolfinch.data.curate.decisions import decisions, draw, session, without
from toolfinch.data.split import opening
from toolfinch.data.stage import Change, Changed, Facts, Stage, together
from toolfinch.example import Conversation


def decisions_each(
    most: int, of: Callable[[Conversation], str] = session, *, name: str = "session", key: str = ""
) -> Stage:
    """At most so many decisions of what `of` gives the same name; "" joins nobody.

    Whole conversations stay, in the order of their hash, as long as there is room; of the one for which there is
    not enough the surplus turns are marked `skip`, the rest are dropped.
    """
    reason = f"more than {most} decisions of one {name}"

    def look(one: Conversation) -> tuple[bytes, int]:
        group = of(one)
        return draw(group)[:8] if group else b"", len(decisions(one))

    def decide(facts: Facts) -> Change:
        groups: defaultdict[bytes, list[str]] = defaultdict(list)
        for id, (group, _) in facts.items():
            if group:
                groups[group].append(id)
        room: dict[str, int] = {}  # of those that are not kept as they are
        for ids in groups.values():
            if sum(facts[id][1] for id in ids) <= most:
                continue
            left = most
            for id in sorted(ids, key=lambda id: draw(id, key=key)):
                if facts[id][1] > left:
                    room[id] = left
                left = max(0, left - facts[id][1])

        def change(one: Conversation) -> Conversation | Changed | str:
            if one.id not in room:
                return one
            ranked = sorted(decisions(one), key=lambda turn: draw(one.id, turn, key=key))
            return without(one, dict.fromkeys(sorted(ranked[room[one.id] :]), reason), reason)

        return change

    return together(f"at most {most} decisions of one {name}", look, decide)


def openings(most: int, *, key: str = "") -> Stage:
    """At most so many conversations that open alike, as `split.opening` has it."""
    reason = f"more than {most} conversations open alike"

    def look(one: Conversation) -> bytes:
        words = opening(one)
        return draw(words)[:8] if words else b""

    def decide(facts: Facts) -> Change:
        groups: defaultdict[bytes, list[str]] = defaultdict(list)
        for id, group in facts.items():
            if group:
                groups[group].append(id)
        dropped = {
            id
            for ids in groups.values()
            if len(ids) > most
            for id in sorted(ids, key=lambda id: draw(id, key=key))[most:]
        }
        return lambda one: reason if one.id in dropped else one

    return together(f"at most {most} open alike", look, decide)
