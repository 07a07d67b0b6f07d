"""Which slot of an engine holds which tokens, and what a new prompt can take over from them.

The beginning of a prompt (its tools and system message) is the same in request after request, so what was read stays
where it is after its reply, by content: a new prompt goes on from the longest beginning that any slot holds, busy or not.
That is copied, not moved, so several requests can go on from one prefix at once. The beginnings that callers name
(`head`) get slots of their own and are the last to be given up; a `Store` keeps them across restarts.

An engine's slots and cells (tokens in all) are both bounded: what was used least recently is given up first, and a prompt
that would not fit beside the replies under way has to wait.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from toolfinch.decode.engine import Engine, common_prefix
from toolfinch.decode.prefix_store import Store


@dataclass(eq=False)
class Slot:
    """What one slot of the engine holds."""

    number: int
    ids: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    """A number for each token; tokens that were copied have the number of their origin."""
    busy: bool = False
    head: bool = False
    """Kept for others to begin with; nothing is ever written behind it."""
    grows_to: int = 0
    """Tokens, of a busy one."""
    used: int = 0


class Prefixes:
    """The slots of one engine. Not thread-safe, as the engine is not."""

    def __init__(self, engine: Engine, store: Store | None = None) -> None:
        self._engine = engine
        self._store = store
        self._slots = [Slot(number) for number in range(engine.slots)]
        self._clock = itertools.count(1)
        self._cell = itertools.count()

    def acquire(self, prompt: Sequence[int], head: int, room: int) -> Slot | None:
        """A busy slot that holds as much of the prompt's beginning as is known, at least one token less than all of it;
        None where everything has to wait for a reply under way.

        `head`: length of the beginning that others share; `room`: how many tokens may be written behind the prompt.
        """
        source, kept = self._longest(prompt)
        if kept < head and self._store is not None and self._store.has(prompt[:head]):
            loaded = self._load(prompt, head)
            # Where it could not be loaded, what was found before may have been given up for it.
            source, kept = (loaded, head) if loaded else self._longest(prompt)
        need = len(prompt) - kept + room
        target = self._target(source, kept)
        if target is not None and not self._make_room(need, source, target, kept):
            # The rest of what the source holds may be what is in the way.
            target = source if source is not None and not source.busy else None
            if target is None or not self._make_room(need, source, target, kept):
                return None
        if target is None:
            return None
        if source is None:
            self._clear(target)
        elif target is source:
            self._cut(target, kept)
        else:
            self._copy(source, target, kept)
            source.used = next(self._clock)
        target.busy, target.head, target.grows_to = True, False, len(prompt) + room
        target.used = next(self._clock)
        return target

    def extend(self, slot: Slot, ids: Sequence[int]) -> None:
        """These tokens were read into it."""
        slot.ids += ids
        slot.cells += itertools.islice(self._cell, len(ids))

    def keep(self, slot: Slot) -> None:
        """What the slot holds now is a beginning that others share. Not kept where no slot is free for it."""
        if any(other.head and other.ids == slot.ids for other in self._slots):
            return
        if self._store is not None and not self._store.has(slot.ids):
            self._store.save(slot.ids, self._engine.dump(slot.number))
        if (target := self._least_used(self._free())) is not None:
            self._copy(slot, target, len(slot.ids))
            target.head, target.used = True, next(self._clock)

    def release(self, slot: Slot, *, broken: bool = False) -> None:
        """Its reply is over. `broken`: what the engine holds there is not known."""
        slot.busy, slot.used = False, next(self._clock)
        if broken:
            self._clear(slot)

    def _longest(self, prompt: Sequence[int]) -> tuple[Slot | None, int]:
        most = len(prompt) - 1  # something must be read to have logits
        best, kept = None, 0
        for slot in self._slots:
            length = min(common_prefix(slot.ids, prompt), most)
            if not self._engine.can_cut and length < len(slot.ids):
                continue
            # Of two that hold as much, the one at hand; of those, the one that nobody else needs.
            if length > kept or (length == kept > 0 and best and best.busy and not slot.busy):
                best, kept = slot, length
        return best, kept

    def _target(self, source: Slot | None, kept: int) -> Slot | None:
        if source is not None and not source.busy and not source.head and kept == len(source.ids):
            return source  # the conversation goes on
        others = [slot for slot in self._free() if slot is not source]
        if others:
            return self._least_used(others)
        return source if source is not None and not source.busy else None

    def _free(self) -> list[Slot]:
        return [slot for slot in self._slots if not slot.busy]

    @staticmethod
    def _least_used(slots: Sequence[Slot]) -> Slot | None:
        return min(slots, key=lambda slot: (bool(slot.ids), slot.head, slot.used), default=None)

    def _make_room(self, need: int, source: Slot | None, target: Slot, kept: int) -> bool:
        """Give up what is needed for `need` more cells; the target will have only `kept` of its own, if it is the source."""
        stays = kept if target is source else 0
        while need > self._engine.cells - self._taken(target, stays):
            victims = [
                slot for slot in self._free() if slot.ids and slot is not source and slot is not target
            ]
            if not victims:
                return False
            self._clear(min(victims, key=lambda slot: (slot.head, slot.used)))
        return True

    def _taken(self, target: Slot, stays: int) -> int:
        """Cells in use, and those that busy slots may yet need."""
        held: set[int] = set()
        to_come = 0
        for slot in self._slots:
            held.update(slot.cells[:stays] if slot is target else slot.cells)
            if slot.busy:
                to_come += slot.grows_to - len(slot.ids)
        return len(held) + to_come

    def _load(self, prompt: Sequence[int], head: int) -> Slot | None:
        """The head from the store, in a slot of its own."""
        if self._store is None or head >= len(prompt):
            return None
        target = self._least_used(self._free())
        if target is None or not self._make_room(head, None, target, 0):
            return None
        state = self._store.load(prompt[:head])
        self._clear(target)
        if state is None or not self._engine.restore(target.number, state, head):
            return None
        self.extend(target, prompt[:head])
        target.head, target.used = True, next(self._clock)
        return target

    def _copy(self, source: Slot, target: Slot, length: int) -> None:
        target.ids, target.cells = [], []  # should the engine fail, it is not known what is there
        self._engine.copy(source.number, target.number, length)
        target.ids, target.cells = source.ids[:length], source.cells[:length]

    def _cut(self, slot: Slot, length: int) -> None:
        if length < len(slot.ids):
            self._engine.cut(slot.number, length)
            del slot.ids[length:], slot.cells[length:]
            slot.head = False

    def _clear(self, slot: Slot) -> None:
        self._engine.cut(slot.number, 0)
        slot.ids, slot.cells, slot.head = [], [], False
