"""The steps of a build that ask teachers, and the one that writes without them: relabel and synthesize.

They run in this process, whatever else runs elsewhere: the ledger has one writer, and waiting needs no core.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.artifact import write_atomically
from toolfinch.data import dataset, lengths, spool
from toolfinch.data.anonymize.gate import Gate
from toolfinch.data.build_recipe import Ask
from toolfinch.data.curate import quality
from toolfinch.data.funnel import Step
from toolfinch.data.stage import Tally
from toolfinch.data.teacher import student
from toolfinch.data.teacher.bill import Bill
from toolfinch.data.teacher.committee import Committee
from toolfinch.data.teacher.invent import Synthesize, invent
from toolfinch.data.teacher.ledger import Ledger
from toolfinch.data.teacher.question import Teachers
from toolfinch.data.teacher.relabel import Relabel, relabel
from toolfinch.errors import UsageError
from toolfinch.example import Conversation
from toolfinch.tool import Tool

BILL = "bill.json"
SEEN = 2000
"""Conversations of the log from which the synthesizer takes results, values and manners."""


class Asked:
    """The committee of a build, and its ledger. Use it as a context."""

    def __init__(self, ask: Ask, base: str, ledger: Path, gate: Gate) -> None:
        self._ledger = Ledger(ledger, ask.budget)
        try:
            self.committee = Committee(
                ask.teachers, self._ledger, check=_check(gate), students=student.names(ask.student or base)
            )
        except BaseException:
            self._ledger.close()
            raise

    def __enter__(self) -> Committee:
        return self.committee

    def __exit__(self, *_: object) -> None:
        self.committee.close()
        self._ledger.close()


def _check(gate: Gate) -> Any:
    def why_not(value: Any) -> str:
        kinds = sorted({one.kind for one in gate.check(value)})
        return f"it holds what the gate stops ({', '.join(kinds)})" if kinds else ""

    return why_not


def relabelled(
    parts: Sequence[Path], folder: Path, teachers: Teachers, how: Relabel
) -> tuple[list[Path], list[Step]]:
    """Every conversation with its turns labelled, in parts of `folder`."""
    tally = Tally("relabel")

    def rows() -> Iterator[Conversation]:
        for before, after in relabel(spool.read_all(parts), teachers, how):
            kept = tally.count(before, after)
            if kept is not None:
                yield kept

    made = spool.write(folder, rows())
    return made, [tally.step()]


def extended(
    parts: Sequence[Path],
    folder: Path,
    tools: Sequence[Tool],
    how: Synthesize,
    teachers: Teachers | None,
    longest: lengths.Longest,
    max_tokens: int,
    gate: Gate | None,
) -> tuple[list[Path], list[Step]]:
    """The parts as they are, and new conversations behind them. The step counts the new ones alone."""
    tally = Tally("synthesize (new ones)")
    filters = (quality.ends_properly, quality.calls_fit, quality.at_most(max_tokens, longest))
    offered = tuple(tools) or _offered(parts)
    if not offered:
        raise UsageError("synthesize: there are no tools", hint='name a file of them: tools = "tools.json"')

    def rows() -> Iterator[Conversation]:
        made = invent(
            offered,
            how.conversations,
            seed=how.seed,
            teachers=teachers,
            log=_sample(parts),
            scenarios=how.scenarios,
            rounds=how.lengths(),
            proposed=how.proposed,
        )
        taken = {one.id for one in spool.read_all(parts)}
        for number, one in enumerate(made):
            nothing = Conversation(f"new-{how.seed}-{number}", (), ())
            if isinstance(one, str):
                tally.count(nothing, one)
                continue
            why = next((why for reason in filters if (why := reason(one))), "")
            while one.id in taken:  # the log may hold what was written in an earlier build
                one = msgspec.structs.replace(one, id=f"{one.id}+")
            taken.add(one.id)
            if not why and gate and gate.check(dataset.to_row(one)):
                why = "what was made up is somebody's"
            kept = tally.count(one, why or one)
            if kept is not None:
                yield kept

    new = spool.write(folder / "new", rows())
    together = []
    for number, part in enumerate([*parts, *new]):
        together.append(folder / f"{number:06d}.jsonl")
        shutil.copyfile(part, together[-1])
    return together, [tally.step()]


def _offered(parts: Sequence[Path]) -> tuple[Tool, ...]:
    """The tools of the rows; of two with one name the first."""
    found: dict[str, Tool] = {}
    for one in spool.read_all(parts):
        for tool in one.tools:
            found.setdefault(tool.name, tool)
    return tuple(found.values())


def _sample(parts: Sequence[Path]) -> list[Conversation]:
    """An even sample of the log (algorithm R), the same each time."""
    chance = random.Random(0)
    rows = spool.read_all(parts)
    drawn = list(islice(rows, SEEN))
    for seen, one in enumerate(rows, SEEN + 1):
        place = chance.randrange(seen)
        if place < SEEN:
            drawn[place] = one
    return drawn


def keep_bill(folder: Path, bill: Bill) -> None:
    """A step's bill, in its folder: the ledger's accounts at its end, and what it asked."""
    write_atomically(folder / BILL, msgspec.json.encode(bill))


def whole_bill(work: Path) -> Bill | None:
    """The last accounts of a build, and what all of its steps asked; None where none did."""
    bills = [msgspec.json.decode(path.read_bytes(), type=Bill) for path in sorted(work.glob(f"*/{BILL}"))]
    if not bills:
        return None
    asked: Counter[str] = Counter()
    remembered: Counter[str] = Counter()
    for bill in bills:
        asked.update(bill.asked)
        remembered.update(bill.remembered)
    return msgspec.structs.replace(bills[-1], asked=dict(asked), remembered=dict(remembered))
