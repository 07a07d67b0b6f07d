"""`Stage`: one step from a log to a dataset, in a form that runs on one machine or on many.

A stage that has to know of the other conversations (copies, a cap, a split) says what it has to know of each:
`look` gives a small fact about one, `decide` gets the facts of all and gives the `Change` that is then made of each
one by itself. Looking and changing are pure and see one conversation, so they can run anywhere, in any order;
facts come to `decide` in the order of the conversations' ids, so nothing depends on the order of the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from toolfinch.data.funnel import Dropped, Step, step
from toolfinch.example import Conversation

Filter = Callable[[Conversation], str]
"""Why a conversation is dropped; "" keeps it."""


class Changed(NamedTuple):
    """A conversation that goes on, and what was done to it."""

    one: Conversation
    did: Mapping[str, int]
    """How often, by what: `{"e-mail replaced": 2}`. Counted in the funnel; names no value."""


Change = Callable[[Conversation], Conversation | Changed | str]
"""The conversation as it goes on, or why it goes (never "")."""
Facts = Mapping[str, Any]
"""By the conversation's id, in the order of the ids; each small, and able to be pickled."""


class Stage(NamedTuple):
    """One step. Make it with `each`, `filtered` or `together`."""

    name: str
    """As in the funnel."""
    look: Callable[[Conversation], Any] | None
    """A fact about one conversation; None where nothing has to be known of the others."""
    decide: Callable[[Facts], Change]


def each(name: str, change: Change) -> Stage:
    """A stage that sees one conversation at a time."""
    return Stage(name, None, lambda _: change)


def filtered(name: str, reason: Filter) -> Stage:
    """A stage that only keeps or drops, one conversation at a time."""
    return each(name, lambda one: reason(one) or one)


def together(name: str, look: Callable[[Conversation], Any], decide: Callable[[Facts], Change]) -> Stage:
    """A stage whose change rests on facts about all conversations."""
    return Stage(name, look, decide)


def run(stage: Stage, conversations: Sequence[Conversation]) -> tuple[list[Conversation], Step]:
    """Run a stage on conversations that are in memory."""
    facts: Facts = {}
    if stage.look is not None:
        facts = dict(sorted((one.id, stage.look(one)) for one in conversations))
    change = stage.decide(facts)
    kept: list[Conversation] = []
    tally = Tally(stage.name)
    for one in conversations:
        if (after := tally.count(one, change(one))) is not None:
            kept.append(after)
    return kept, tally.step()


class Tally:
    """Counts what one stage did."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows_in = 0
        self.dropped: list[Dropped] = []
        self.did: Counter[str] = Counter()

    def count(self, one: Conversation, after: Conversation | Changed | str) -> Conversation | None:
        """What goes on of it; None where it is dropped."""
        self.rows_in += 1
        if isinstance(after, str):
            self.dropped.append(Dropped(one.id, after))
            return None
        if isinstance(after, Changed):
            self.did.update(after.did)
            return after.one
        return after

    def add(self, other: Tally) -> None:
        """Count in what another has counted of the same stage."""
        self.rows_in += other.rows_in
        self.dropped += other.dropped
        self.did.update(other.did)

    def step(self) -> Step:
        return step(self.name, self.rows_in, self.rows_in - len(self.dropped), self.dropped, self.did)
