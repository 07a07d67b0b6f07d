"""Relabelling: teachers are asked what the assistant should have done, a logged turn at a time.

Each decision of a conversation is put to every teacher: the messages so far, and the tools. Answers and the log's own
turn vote; what more than half of all votes say is the turn's label:

    agreed      the log's turn, and a teacher says the same
    changed     something else, which then stands in the log's place
    disputed    no side has more than half
    abstained   no teacher gave an answer that can be used

Two turns are the same if `score`, which the evaluation and the reward use, takes one for the other: calls by value, in
any order, with every value that a mark accepts; and any words for any words, so the log's own words stay. Turns that
are disputed or that teachers abstained from are marked `skip`: later turns still see them, nobody learns them.

A changed turn is the last of its conversation. What the log goes on with was the answer to something else: a result
of a call that now was never made, or the user's reaction to words that now were never said. It is left out even
where it could stand for itself, because learning it would need the wrong turn before it as context, unmarked.

Decisions are put in the order of the conversation, many conversations at a time, so what follows a changed turn is
never paid for. Left out: other values that would be right too, and a teacher's reasons.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from toolfinch.caller import Reply
from toolfinch.data.stage import Changed
from toolfinch.data.teacher.question import Answer, Question, Teachers
from toolfinch.example import QUESTION_MARKS, Conversation, Example, Label, Mark, expected
from toolfinch.message import Message, assistant
from toolfinch.schema import violations
from toolfinch.score import score

PURPOSE = "relabel/1"
WINDOW = 256
"""Conversations under way at a time: so many are in memory, and so many questions can be asked at once."""
UNSURE = "no turn that teachers are sure of"


class Relabel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How logged turns are put to teachers."""

    weight: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    """The log's own vote; each teacher's is 1. Between 0 and 1, one teacher alone can change a turn, and where two
    differ the log decides. 0 gives it no vote."""
    unsure: Literal["skip", "keep"] = "skip"
    """What becomes of turns that are disputed or abstained from: `keep` learns them as they are logged."""
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """For one answer; a teacher that thinks aloud needs more."""


class Verdict(NamedTuple):
    """What teachers say of one turn."""

    label: Label
    turn: Message | None = None
    """What stands there now, where the label is `changed`."""


def verdict(example: Example, answers: Sequence[Answer], weight: float = 0.5) -> Verdict:
    """What the votes come to. `example` expects the log's turn.

    A turn of the log that calls what is not offered, or does not fit its schema, cannot be right and has no vote.
    Teachers without a usable answer vote for nothing, but count among those of whom more than half have to agree.
    """
    given = [answer.message for answer in answers if answer.message is not None]
    if not given:
        return Verdict("abstained")
    own = weight if _could_be_right(example) else 0.0
    needed = (len(answers) + own) / 2
    agree = [turn for turn in given if _same(example, turn)]
    if agree and len(agree) + own > needed:
        return Verdict("agreed")
    sides: list[list[Message]] = []
    for turn in given:
        if turn in agree:
            continue
        for side in sides:
            if _alike(example, side[0], turn):
                side.append(turn)
                break
        else:
            sides.append([turn])
    for side in sides:
        if len(side) > needed:
            return Verdict("changed", side[0])
    return Verdict("disputed")


def _could_be_right(example: Example) -> bool:
    tools = {tool.name: tool for tool in example.tools}
    calls = [gold.call for gold in example.expected.calls]
    return all(call.name in tools and not violations(tools[call.name], call.arguments) for call in calls)


def _same(example: Example, turn: Message) -> bool:
    return score(example, Reply(turn)).exact


def _alike(example: Example, turn: Message, other: Message) -> bool:
    """Whether two teachers say the same: one is right where the other is expected; of words, both ask or neither."""
    if not (turn.calls or other.calls):
        return _asks(turn) == _asks(other)
    return _same(msgspec.structs.replace(example, expected=expected(turn, Mark())), other)


def _asks(turn: Message) -> bool:
    return turn.content.rstrip().endswith(QUESTION_MARKS)


def relabel(
    conversations: Iterable[Conversation], teachers: Teachers, how: Relabel = Relabel()
) -> Iterator[tuple[Conversation, Changed | str]]:
    """Each conversation with what becomes of it, in the order given: labelled, or why it is dropped.

    `Changed.did` counts turns by label (`turns agreed`), conversations that were cut after a changed turn, and why
    which teacher gave no answer. Turns that are marked `skip`, and words where there are no tools, are not asked
    about. Raises what `teachers.ask` raises; run again, it goes on from what was answered.
    """
    source = iter(conversations)
    cases: deque[_Case] = deque()
    while True:
        while len(cases) < WINDOW and (one := next(source, None)) is not None:
            cases.append(_Case(one, how))
        if not cases:
            return
        todo = [case for case in cases if case.index is not None]
        for case, answers in zip(todo, teachers.ask(case.question() for case in todo), strict=True):
            case.take(answers)
        while cases and cases[0].index is None:
            case = cases.popleft()
            yield case.one, case.after()


class _Case:
    """One conversation on its way through its decisions."""

    def __init__(self, one: Conversation, how: Relabel) -> None:
        self.one = one
        self._how = how
        self._labels: dict[int, Label] = {}
        self._changed: Message | None = None  # the turn of the last label
        self._errors: Counter[str] = Counter()
        self.index = self._next(0)
        """The turn that is to be asked about; None where all are done."""

    def _next(self, start: int) -> int | None:
        for index in range(start, len(self.one.messages)):
            message = self.one.messages[index]
            decides = message.role == "assistant" and not self._mark(index).skip
            if decides and (self.one.tools or message.calls):
                return index
        return None

    def _mark(self, index: int) -> Mark:
        return self.one.marks.get(index, Mark())

    def question(self) -> Question:
        return Question(
            PURPOSE, self.one.messages[: self.index], self.one.tools, max_tokens=self._how.max_tokens
        )

    def take(self, answers: Sequence[Answer]) -> None:
        """The teachers' answers to the question."""
        index = self.index
        assert index is not None
        example = Example(
            f"{self.one.id}/{index}",
            self.one.tools,
            self.one.messages[:index],
            expected(self.one.messages[index], self._mark(index)),
        )
        self._errors.update(f"{answer.teacher}: {answer.error}" for answer in answers if answer.error)
        self._labels[index], self._changed = verdict(example, answers, self._how.weight)
        self.index = None if self._changed is not None else self._next(index + 1)

    def after(self) -> Changed | str:
        one, messages, marks = self.one, self.one.messages, dict(self.one.marks)
        for index, label in self._labels.items():
            skip = label in ("disputed", "abstained") and self._how.unsure == "skip"
            marks[index] = msgspec.structs.replace(self._mark(index), label=label, skip=skip)
        did = Counter({f"turns {label}": count for label, count in Counter(self._labels.values()).items()})
        if self._changed is not None:
            last = max(self._labels)
            if last + 1 < len(messages):
                did["conversations cut after a changed turn"] += 1
            messages = (*messages[:last], _turn(self._changed, last))
            marks = {index: mark for index, mark in marks.items() if index < last}
            marks[last] = Mark(label="changed", scenario=self._mark(last).scenario)
        if self._labels and all(marks[index].skip for index in self._labels):
            return UNSURE
        return Changed(msgspec.structs.replace(one, messages=messages, marks=marks), did + self._errors)


def _turn(given: Message, index: int) -> Message:
    """A teacher's turn as the log would have it: words or calls, and ids that are the same each time."""
    if not given.calls:
        return assistant(given.content)
    calls = [
        msgspec.structs.replace(call, id=f"call_{index}_{place}") for place, call in enumerate(given.calls)
    ]
    return assistant("", *calls)
