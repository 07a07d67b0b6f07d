"""New conversations over a user's tools, their words by a teacher; the calls are fixed first and replayed last.

    for one in invent(tools, 500, seed=1, teachers=teachers, log=conversations): ...

Each conversation has a length and a scenario, in the shares that are wanted; a blueprint (`drawing.py`, or proposed by
a teacher, `propose.py`); then words (`prose.py`). What does not hold is dropped with its reason. The same seed asks
the same questions, and the ledger remembers the answers, so a run that was stopped goes on where it was for nothing.
Without teachers it is the offline synthesizer that writes, `data.synthesize.from_schemas`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from toolfinch.data.synthesize import WEIGHTS, from_schemas
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.teacher import propose, prose
from toolfinch.data.teacher.blueprint import LONG, LONGEST, Blueprint
from toolfinch.data.teacher.domain import Domain, domain
from toolfinch.data.teacher.drawing import draw_blueprint
from toolfinch.data.teacher.question import Answer, Question, Teachers
from toolfinch.data.teacher.script import Slot
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.example import SCENARIOS, Conversation
from toolfinch.tool import Tool

FIRST = 20
"""Conversations after which a teacher that gave nothing usable is no longer asked."""
BATCH = 100
"""Conversations that are under way at once."""
LONG_SHARE = 0.15
"""Share of the long conversations, where the log's lengths are followed."""
ROUNDS: dict[int, float] = {
    1: 0.4,
    2: 0.2,
    3: 0.15,
    4: 0.1,
    **dict.fromkeys(range(LONG, LONGEST + 1), LONG_SHARE / 9),
}
"""How often each number of rounds is drawn, where neither a log nor a recipe says."""
EXAMPLES = 3
"""User turns of the log that a teacher is shown."""


class Synthesize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """New conversations, written by the teachers; by the offline synthesizer where there are none."""

    conversations: int
    """How many are tried. What does not hold is dropped, and not tried again."""
    seed: int = 0
    scenarios: dict[str, float] = msgspec.field(default_factory=lambda: dict(WEIGHTS))
    """Weights by scenario."""
    rounds: dict[str, float] = {}
    """Weights by number of rounds, 1 to 16, such as `{ 1 = 0.5, 8 = 0.1 }`; without it the log's own, and long ones."""
    proposed: float = 0.5
    """The share of the blueprints that a teacher proposes, where the scenario allows it; the rest are drawn."""

    def lengths(self) -> dict[int, float] | None:
        """`rounds` by number; None where there is none. Raises UsageError for what is no number."""
        for name in self.rounds:
            if not name.isdecimal():
                raise UsageError(f"synthesize.rounds: {name!r} is no number")
        return {int(name): weight for name, weight in self.rounds.items()} or None


class _Row:
    """A conversation under way."""

    def __init__(self, number: int, id: str, seed: str, scenario: str, rounds: int) -> None:
        self.number, self.id, self.seed, self.scenario, self.rounds = number, id, seed, scenario, rounds
        self.plan: Blueprint | None = None
        self.proposer = ""
        self.reason = ""
        self.texts: dict[str, str] = {}
        self.waves: list[list[Slot]] = []
        self.prompt = ""
        self.style: tuple[str, ...] = ()


def invent(
    tools: Sequence[Tool],
    n: int,
    *,
    seed: int,
    teachers: Teachers | None = None,
    log: Sequence[Conversation] = (),
    scenarios: Mapping[str, float] = WEIGHTS,
    rounds: Mapping[int, float] | None = None,
    proposed: float = 0.5,
) -> Iterator[Conversation | str]:
    """`n` conversations, each itself or why it was dropped, in a fixed order.

    log: a sample that fits into memory; results, values, system messages and manners are taken from it, so it has
    to be anonymized. rounds: weights by number of rounds, such as `rounds_of` a test set; ROUNDS without a log.
    Raises UsageError for no tools, an unknown scenario, a length out of 1 to 16, or a required parameter that no value
    can be made for; ToolfinchError where none of the first 20 could be used; and what asking raises.
    """
    _refuse(tools, scenarios, rounds)
    if teachers is None:
        yield from from_schemas(tools, n, seed, scenarios=scenarios)
        return
    log = sorted(log, key=lambda one: one.id)  # so that the order of the rows does not show
    world = domain(tools, log)
    lengths = dict(rounds or (mixed(rounds_of(log)) if log else ROUNDS))
    rows = list(_rows(n, seed, scenarios, lengths))
    start = 0
    while start < n:
        batch = rows[start : start + (FIRST if start == 0 else BATCH)]
        done = list(_write(batch, world, teachers, log, seed, proposed))
        yield from done
        reasons = Counter(one for one in done if isinstance(one, str))
        if start == 0 and len(done) == FIRST == reasons.total():
            reason, count = reasons.most_common(1)[0]
            raise ToolfinchError(
                f"teacher {', '.join(teachers.names)}: none of the first {FIRST} conversations could be used; "
                f"{count} of them: {reason}",
                hint="a bigger model may do, or the offline synthesizer, which needs none",
            )
        start += len(batch)


def rounds_of(conversations: Iterable[Conversation]) -> dict[int, float]:
    """How often each number of rounds (messages of the user), up to 16, is in a log or a test set."""
    counts = Counter(min(LONGEST, sum(m.role == "user" for m in one.messages)) for one in conversations)
    return {number: float(counts[number]) for number in sorted(counts) if number}


def mixed(rounds: Mapping[int, float]) -> dict[int, float]:
    """A log's lengths, with the share of long conversations that logs seldom have."""
    short = {number: weight for number, weight in rounds.items() if number < LONG}
    if not short:
        return dict(rounds) or dict(ROUNDS)
    scale = (1 - LONG_SHARE) / sum(short.values())
    long = dict.fromkeys(range(LONG, LONGEST + 1), LONG_SHARE / (LONGEST - LONG + 1))
    return {**{number: weight * scale for number, weight in short.items()}, **long}


def _refuse(
    tools: Sequence[Tool], scenarios: Mapping[str, float], rounds: Mapping[int, float] | None
) -> None:
    if not tools:
        raise UsageError("tools: there are none")
    for name in scenarios:
        if name not in SCENARIOS:
            raise UsageError(f"synthesize.scenarios: {name!r} is not one of {', '.join(SCENARIOS)}")
    for number in rounds or ():
        if not 1 <= number <= LONGEST:
            raise UsageError(f"synthesize.rounds: {number} is not between 1 and {LONGEST}")
    for name, weights in (("scenarios", [*scenarios.values()]), ("rounds", [*(rounds or {1: 1.0}).values()])):
        if min(weights, default=-1.0) < 0 or not sum(weights):
            raise UsageError(
                f"synthesize.{name}: expected weights that are not negative, one of them above 0"
            )


def _rows(n: int, seed: int, scenarios: Mapping[str, float], rounds: Mapping[int, float]) -> Iterator[_Row]:
    """What each conversation is to be, in the shares that are wanted, however many there are."""
    lengths: Counter[int] = Counter()
    chosen: dict[int, Counter[str]] = {}
    for number in range(n):
        length = _due(rounds, lengths)
        scenario = _due(scenarios, chosen.setdefault(length, Counter()))
        scenario = "complex_multi_step" if length >= LONG else scenario
        yield _Row(number, f"teacher-{seed}-{number}", f"invent/{seed}/{number}", scenario, length)


def _due(weights: Mapping[Any, float], counts: Counter[Any]) -> Any:
    """The one that is furthest behind its share, and counts it."""
    share = sum(weights.values())
    due = max(weights, key=lambda key: weights[key] / share * (counts.total() + 1) - counts[key])
    counts[due] += 1
    return due


# --- one batch


def _write(
    rows: Sequence[_Row],
    world: Domain,
    teachers: Teachers,
    log: Sequence[Conversation],
    seed: int,
    proposed: float,
) -> Iterator[Conversation | str]:
    _plan(rows, world, teachers, proposed)
    for row in rows:
        if row.plan is not None:
            row.prompt, row.style = _from_log(row, log)
            row.waves = prose.chunks(row.plan)
    for wave in range(max((len(row.waves) for row in rows), default=0)):
        _say([row for row in rows if not row.reason and wave < len(row.waves)], wave, teachers)
    source = f"teacher/{prose.PURPOSE}/{seed}"
    for row in rows:
        if row.reason or row.plan is None:
            yield row.reason
        else:
            yield prose.written(row.plan, row.texts, world, source=source, prompt=row.prompt)


def _plan(rows: Sequence[_Row], world: Domain, teachers: Teachers, proposed: float) -> None:
    """A blueprint for each row, or the reason why there is none."""
    asked = [
        row
        for row in rows
        if row.scenario in propose.PROPOSED and Rand(f"{row.seed}/proposed").chance(proposed)
    ]
    for row in rows:
        if row not in asked:
            _draw(row, world)
    questions = [propose.question(world, row.seed, row.scenario, row.rounds) for row in asked]
    for row, answers in zip(asked, _ask(teachers, questions), strict=True):
        for answer in _turned(answers, row.number):
            plan: Blueprint | str = f"teacher: {answer.error}"
            if not answer.error:
                plan = propose.blueprint(world, row.id, row.seed, row.scenario, row.rounds, answer.value)
            if isinstance(plan, Blueprint):
                row.plan, row.proposer, row.reason = plan, answer.teacher, ""
                break
            row.reason = row.reason or plan
    if len(teachers.names) < 2:
        return
    planned = [(row, row.plan) for row in asked if row.plan is not None]
    votes = _ask(teachers, [propose.review(plan) for _, plan in planned])
    for (row, _), answers in zip(planned, votes, strict=True):
        row.reason = propose.vote(answers, row.proposer)


def _draw(row: _Row, world: Domain) -> None:
    """A drawn blueprint; of another scenario where the tools do not allow this one."""
    others = [name for name in SCENARIOS if name != row.scenario]
    for scenario in (row.scenario, *Rand(f"{row.seed}/other").sample(others, len(others))):
        row.plan = draw_blueprint(world, row.id, row.seed, scenario, row.rounds)
        if row.plan is not None:
            return
    row.reason = "blueprint: the tools allow none"


def _say(rows: Sequence[_Row], wave: int, teachers: Teachers) -> None:
    """The words of one request each: the first answer that can stand."""
    plans = [(row, row.plan) for row in rows if row.plan is not None]
    questions = [
        prose.question(plan, row.waves[wave], row.texts, prompt=row.prompt, style=row.style)
        for row, plan in plans
    ]
    for (row, plan), answers in zip(plans, _ask(teachers, questions), strict=True):
        reasons: list[str] = []
        for answer in _turned(answers, row.number):
            texts = (
                prose.read(answer.value, row.waves[wave]) if not answer.error else f"teacher: {answer.error}"
            )
            if isinstance(texts, str):
                reasons.append(texts)
            elif wrong := prose.fault(plan, row.texts | texts, row.prompt, first=row.waves[wave][0].round):
                reasons.append(wrong)
            else:
                row.texts |= texts
                break
        else:
            row.reason = next(iter(reasons), "teacher: no answer")


def _ask(teachers: Teachers, questions: Sequence[Question]) -> Iterable[tuple[Answer, ...]]:
    return teachers.ask(questions) if questions else ()


def _turned(answers: Sequence[Answer], number: int) -> Sequence[Answer]:
    """Another teacher comes first each time, so that all of them write."""
    start = number % max(1, len(answers))
    return (*answers[start:], *answers[:start])


def _from_log(row: _Row, log: Sequence[Conversation]) -> tuple[str, tuple[str, ...]]:
    """The system message of a logged conversation, and how users write there."""
    if not log:
        return "", ()
    rand = Rand(f"{row.seed}/log")
    prompt = next((m.content for m in rand.pick(log).messages if m.role == "system"), "")
    first = (m.content for one in rand.sample(log, EXAMPLES) for m in one.messages if m.role == "user")
    return prompt, tuple(dict.fromkeys(text[:300] for text in first if text))[:EXAMPLES]
