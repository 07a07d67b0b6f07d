"""Runs stages over parts on disk, one part after the other; `on_ray` does the same on several processes or machines.

A pass is two kinds of tasks, each of one part: `Look` gives the facts, `Make` writes the changed part. Both
are pure but for that file, which appears whole or not at all, so a task that is done twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from toolfinch.data import spool
from toolfinch.data.funnel import Step
from toolfinch.data.stage import Change, Stage, Tally
from toolfinch.example import Conversation

Task = Callable[[Path], Any]


class Runner(Protocol):
    """Where tasks run."""

    def __call__(self, task: Task, parts: Sequence[Path]) -> Iterator[Any]:
        """The task's result for each part, in the order of the parts."""
        ...


def here(task: Task, parts: Sequence[Path]) -> Iterator[Any]:
    """In this process."""
    return map(task, parts)


@dataclass(frozen=True)
class Look:
    """Facts about the conversations of a part, by id."""

    look: Callable[..., Any]

    def __call__(self, part: Path) -> list[tuple[str, Any]]:
        return [(one.id, self.look(one)) for one in spool.read(part)]


@dataclass(frozen=True)
class Make:
    """Makes the changes of several stages, one after the other, of a part's conversations, and writes those that go
    on into `folder`, under the part's name."""

    changes: Sequence[tuple[str, Change]]
    folder: Path

    def __call__(self, part: Path) -> list[Tally]:
        tallies = [Tally(name) for name, _ in self.changes]
        kept = (self._made(one, tallies) for one in spool.read(part))
        spool.write_part(self.folder / part.name, (one for one in kept if one is not None))
        return tallies

    def _made(self, one: Conversation | None, tallies: Sequence[Tally]) -> Conversation | None:
        for tally, (_, change) in zip(tallies, self.changes, strict=True):
            if one is None:
                break
            one = tally.count(one, change(one))
        return one


Watch = Callable[[str, int, int], None]
"""Told of a step's progress: its name, parts done, and how many there are."""


def passes(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Stages that can share a pass: those that see one conversation at a time go along with what comes before."""
    together: list[list[Stage]] = []
    for stage in stages:
        if stage.look is None and together:
            together[-1].append(stage)
        else:
            together.append([stage])
    return together


def run(
    stages: Sequence[Stage],
    parts: Sequence[Path],
    folder: Path,
    runner: Runner = here,
    watch: Watch = lambda *_: None,
) -> tuple[list[Path], list[Step]]:
    """Run the stages of one pass from `parts` into `folder`; the parts that it made, and what each stage did.

    Only the first of them may look.
    """
    first = stages[0]
    total = len(parts) * (1 if first.look is None else 2)
    done = 0
    facts: dict[str, Any] = {}
    watch(first.name, 0, total)
    if first.look is not None:
        for found in runner(Look(first.look), parts):
            facts.update(found)
            watch(first.name, done := done + 1, total)
    ordered = {id: facts[id] for id in sorted(facts)}
    changes = [(stage.name, stage.decide(ordered if stage is first else {})) for stage in stages]
    totals = [Tally(stage.name) for stage in stages]
    for tallies in runner(Make(changes, folder), parts):
        for whole, tally in zip(totals, tallies, strict=True):
            whole.add(tally)
        watch(first.name, done := done + 1, total)
    return [folder / part.name for part in parts], [tally.step() for tally in totals]
