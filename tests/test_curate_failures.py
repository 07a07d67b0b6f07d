"""Would break: a lie learned after a failure, an honest report dropped, or an outage that fills the dataset."""

from __future__ import annotations

import random
from typing import Any

import pytest

from toolfinch.data.curate import failures
from toolfinch.data.curate.decisions import decisions
from toolfinch.data.outcome import outcome
from toolfinch.data.stage import run
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, assistant, tool, user
from toolfinch.tool import Tool

CALL = assistant("", ToolCall("book", {"city": "Rome", "day": "2025-03-03"}, "c"))
FAILED, EMPTY, FINE = '{"error": "timeout"}', '{"results": []}', '{"price": 120}'
FABRICATED, CLAIMED = failures.FABRICATED, failures.CLAIMED


def talk(*messages: Message, id: str = "x", **more: Any) -> Conversation:
    asked = user("A room in Rome on 2025-03-03, please")
    return Conversation(id, (Tool("book", "Books a room."),), (asked, *messages), **more)


def why(*messages: Message) -> str:
    """Why the last turn is not learned; "" if it is."""
    one = talk(*messages)
    (kept,), step = run(failures.honest(), [one])
    assert kept.messages == one.messages
    last = len(one.messages) - 1
    assert set(kept.marks) == ({last} if step.did else set())
    return next(iter(step.did), "").removeprefix("turn skipped: ")


@pytest.mark.parametrize(
    ("result", "said", "reason"),
    [
        (FAILED, "Sorry, the booking failed.", ""),
        (FAILED, "I could not book it. Shall I try 2025-03-04?", ""),
        (FAILED, "It didn't work. Please try again in 5 minutes.", ""),
        (FAILED, "The booking on March 3 in Rome was not made.", ""),
        (FAILED, "Shall I try again?", ""),
        (FAILED, "Once it has been booked you will get a mail.", ""),
        (FAILED, "", ""),
        (FAILED, "Your room in Rome has been booked.", f"after a failed result, {CLAIMED}"),
        (FAILED, "All set! Rome, 2025-03-03.", f"after a failed result, {CLAIMED}"),
        (FAILED, "I've successfully reserved it.", f"after a failed result, {CLAIMED}"),
        (FAILED, "No problem, it is booked.", f"after a failed result, {CLAIMED}"),
        (FAILED, "Your booking number is RX-4471.", f"after a failed result, {FABRICATED}"),
        (FAILED, "Sorry, that failed. The 10:40 is $61.", f"after a failed result, {FABRICATED}"),
        ("Error: no such room", "I've booked it.", f"after a failed result, {CLAIMED}"),
        (EMPTY, "There are none in Rome.", ""),
        (EMPTY, "I found no rooms, unfortunately.", ""),
        (EMPTY, "It has been cancelled.", ""),  # many tools return nothing when they did it
        (EMPTY, "The Grand Hotel costs 120 EUR.", f"after an empty result, {FABRICATED}"),
        (FINE, "The Grand Hotel costs 990 EUR.", ""),  # a good result is not this filter's
    ],
)
def test_what_is_said_after_a_failure(result: str, said: str, reason: str) -> None:
    assert why(CALL, tool(result, "c"), assistant(said)) == reason


def test_one_of_two_results_that_failed_leaves_the_other_to_tell_of() -> None:
    two = assistant("", ToolCall("book", {}, "c"), ToolCall("book", {"x": 1}, "d"))
    assert why(two, tool(FAILED, "c"), tool(FINE, "d"), assistant("One has been booked for 120.")) == ""
    assert why(two, tool(FAILED, "c"), tool(FINE, "d"), assistant("It is 990 EUR.")).endswith(FABRICATED)
    assert why(two, tool(FAILED, "c"), tool(FAILED, "d"), assistant("It has been booked.")).endswith(CLAIMED)


def test_how_often_it_tried_is_no_made_up_number() -> None:
    tries = [message for _ in range(3) for message in (CALL, tool(FAILED, "c"))]
    assert why(*tries, assistant("I tried three times, and it failed 3 times.")) == ""


def test_a_retry_and_what_comes_after_the_users_next_words_are_not_judged() -> None:
    assert why(CALL, tool(FAILED, "c"), assistant("It is done: RX-1", ToolCall("book", {}, "d"))) == ""
    assert why(CALL, tool(FAILED, "c"), CALL, tool(FINE, "c"), assistant("Booked: RX-1.")) == ""
    assert (
        why(CALL, tool(EMPTY, "c"), assistant("None."), user("I am Ann, 52"), assistant("Hello Ann!")) == ""
    )


def test_nothing_left_to_learn_goes_with_its_reason() -> None:
    one = talk(CALL, tool(FAILED, "c"), assistant("It has been booked."), marks={1: Mark(skip=True)})
    kept, step = run(failures.honest(), [one])
    assert kept == []
    assert step.dropped[0].reason == f"no decision left: after a failed result, {CLAIMED}"


def test_conversations_are_tagged_once() -> None:
    one = talk(CALL, tool(FAILED, "c"), CALL, tool(EMPTY, "c"), CALL, tool(FAILED, "c"), assistant("Sorry."))
    fine = talk(CALL, tool(FINE, "c"), assistant("120."), id="y", tags=("a",))
    kept, step = run(failures.tag(), [one, fine])
    assert [each.tags for each in kept] == [("failed_result", "empty_result"), ("a",)]
    assert step.did == {"has a empty_result": 1, "has a failed_result": 1}
    assert run(failures.tag(), kept)[0] == kept


def many(result: str, count: int, prefix: str = "") -> list[Conversation]:
    return [
        talk(CALL, tool(result.replace("N", str(i)), "c"), assistant("Sorry."), id=f"{prefix or result}{i}")
        for i in range(count)
    ]


def after_failures(rows: list[Conversation]) -> list[str]:
    """The ids of those whose turn after a failure is learned."""
    return [one.id for one in rows if outcome(one.messages[2].result) != "ok" and 3 in decisions(one)]  # type: ignore[arg-type]


def test_an_outage_is_thinned_out_and_rare_failures_stay() -> None:
    rows = [
        *many('{"error": "down at 12:0N, request N"}', 200, "down"),
        *many('{"error": "rare"}', 3, "rare"),
        *many(FINE, 300, "fine"),
    ]
    kept, step = run(failures.balance(0.25, 0.02), rows)
    assert len(kept) == len(rows), "the calls before it are still there to learn"
    ids = after_failures(kept)
    assert sum("down" in id for id in ids) == 20  # 2 % of 1,006 decisions
    assert sum("rare" in id for id in ids) == 3
    assert step.did == {"turn skipped: more than 2% of the decisions are after the same failure": 180}
    assert sorted(ids)[:20] != [f"down{i}" for i in range(20)], "not the first ones"


def test_all_failures_together_are_a_share_and_none_vanishes() -> None:
    kinds = "abcdefgh"
    rows = [one for kind in kinds for one in many(f'{{"error": "{kind * 4}"}}', 40, kind)]
    rows += many(FINE, 80, "fine")
    kept, _ = run(failures.balance(0.25, 1.0), rows)
    ids = after_failures(kept)
    assert len(ids) == 200  # of 800 decisions
    assert {kind: sum(id.startswith(kind) for id in ids) for kind in kinds} == dict.fromkeys(kinds, 25)
    alone, _ = run(failures.balance(0.0, 0.0), rows)
    assert len(after_failures(alone)) == len(kinds) * failures.FEW


def test_two_tools_that_say_the_same_are_two_failures() -> None:
    other = assistant("", ToolCall("pay", {}, "c"))
    rows = many(FAILED, 30, "book") + [
        talk(other, tool(FAILED, "c"), assistant("Sorry."), id=f"pay{i}") for i in range(30)
    ]
    ids = after_failures(run(failures.balance(1.0, 0.0), rows)[0])
    assert [sum(id.startswith(name) for id in ids) for name in ("book", "pay")] == [failures.FEW] * 2


def test_which_stay_does_not_depend_on_the_order_of_the_rows() -> None:
    rows = many(FAILED, 60) + many(EMPTY, 60) + many(FINE, 30)
    expected = set(after_failures(run(failures.balance(0.1, 0.05), rows)[0]))
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        assert set(after_failures(run(failures.balance(0.1, 0.05), rows)[0])) == expected
