"""Stands in for a paid model in the tests of synthesis: it answers by rules, from the question's own text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from toolfinch.data.teacher import propose, prose
from toolfinch.data.teacher.question import Answer, Question

Reply = Callable[[Question], Any]
_SLOT = re.compile(r"(t\d+) (USER|ASSISTANT): \(to write: (.*)\)$", re.DOTALL)


class Scripted:
    """A committee of rules; `asked` remembers every question."""

    def __init__(self, *replies: Reply, names: tuple[str, ...] = ("rules", "second", "third")) -> None:
        self.replies = replies
        self.names = names[: len(replies)]
        self.asked: list[Question] = []

    def ask(self, questions: Iterable[Question]) -> Iterator[tuple[Answer, ...]]:
        for question in questions:
            self.asked.append(question)
            given = []
            for name, reply in zip(self.names, self.replies, strict=True):
                value = reply(question)
                failed = isinstance(value, Exception)
                given.append(
                    Answer(name, value=None if failed else value, error=str(value) if failed else "")
                )
            yield tuple(given)


def honest(question: Question) -> Any:
    """What a good teacher would answer."""
    if question.purpose == propose.PURPOSE:
        return plan(question)
    if question.purpose == propose.REVIEW:
        return {"why": "", "exact": "yes"}
    assert question.purpose == prose.PURPOSE
    return {key: text for key, (_, text) in turns(question).items()}


def turns(question: Question) -> dict[str, tuple[str, str]]:
    """The turns that are asked for: who speaks, and what is said by rules."""
    found: dict[str, tuple[str, str]] = {}
    brought: list[str] = []
    for line in question.messages[1].content.split("\n"):
        if line.startswith(("RESULT ", "FAILED ")):
            brought.append(line)
        elif (slot := _SLOT.match(line)) is not None:
            key, role, task = slot.groups()
            found[key] = (role.lower(), user(task) if role == "USER" else assistant(task, brought))
            brought = []
    return found


def user(task: str) -> str:
    wish, _, values = task.partition(" Says these: ")
    return f"{wish.partition(': ')[2] or wish}{f' {values}' if values else ''}"


def assistant(task: str, brought: list[str]) -> str:
    if task.startswith("asks for"):
        return f"{task.partition(',')[0].replace('asks for', 'What is')}?"
    if task.startswith("says that it cannot"):
        return "I'm sorry, that is not something I can do here."
    if "honestly" in task:
        return "Sorry, that did not work: it failed or there was nothing."
    if not brought:
        return "Gladly."
    result = brought[-1].partition(" ")[2]
    number = re.search(r'"(\w+_id)":"([^"]+)"', result)
    return f"Done, the reference is {number[2]}." if number else "That is done."


def plan(question: Question) -> Any:
    """A plan over the example assistant's tools, from the records that the question lists."""
    text = question.messages[1].content
    found = re.search(r"\n([^\n]*?) (\d+) rounds?\.", text)
    assert found
    shape, count = found[1], int(found[2])
    bookings = re.findall(r'^booking: .*?"booking_id":"([^"]+)"', text, re.MULTILINE)
    look = [{"name": "get_booking", "arguments": {"booking_id": id}} for id in bookings]
    colours = "red blue green black white grey brown pink gold navy teal lime plum rust mint sand".split()
    repairs = [
        {
            "name": "create_repair_ticket",
            "arguments": {
                "service": "brakes",
                "bike": f"{colour} bike",
                "drop_off_date": "2025-04-10",
                "phone": "555-0160",
            },
        }
        for colour in colours
    ]
    after = {"name": "repair_status", "arguments": {"ticket_id": "$1.ticket_id"}}
    if "same time" in shape or "do not need" in shape:
        first = [look[:2]]
    elif shape.startswith("One round with one call"):
        first = [[look[0]]]
    else:
        first = [[repairs[0]], [after]]
    rest = [[[call]] for call in [*look[2:], *repairs[1:]]]
    rounds = [first, *rest[: count - 1]]
    wish = "to have it looked after: {}"
    return {
        "goal": "several things about bikes",
        "rounds": [
            {"wish": wish.format(number), "steps": steps}
            for number, steps in zip("abcdefghijklmnop", rounds, strict=False)
        ],
    }


def corrupt(change: Callable[[str, str, str], str]) -> Reply:
    """`honest`, but for what `change(key, role, text)` makes of each turn."""

    def reply(question: Question) -> Any:
        if question.purpose != prose.PURPOSE:
            return honest(question)
        return {key: change(key, role, text) for key, (role, text) in turns(question).items()}

    return reply


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
