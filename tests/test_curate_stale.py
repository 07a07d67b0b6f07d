"""Would break: a call that rests on something unseen learned as a decision, or a good one thrown away for it."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

from toolfinch.data.curate import stale
from toolfinch.data.stage import run
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, assistant, system, tool, user
from toolfinch.tool import Tool

DO = Tool(
    "do",
    "Does something, by default on 2019-03-01.",
    {
        "type": "object",
        "properties": {
            "mode": {"type": "string", "enum": ["sha256", "md5"]},
            "seats": {"type": "string", "default": "2"},
        },
    },
)


def talk(*messages: Message, **more: Any) -> Conversation:
    return Conversation("x", more.pop("tools", (Tool("do"),)), messages, **more)


def why(
    *before: Message | str,
    tools: tuple[Tool, ...] = (Tool("do"),),
    tags: tuple[str, ...] = (),
    **arguments: Any,
) -> str:
    """Why the call after these messages is stale; "" if it is not."""
    said = [user(one) if isinstance(one, str) else one for one in before]
    kept, step = run(
        stale.stage(), [talk(*said, assistant("", ToolCall("do", arguments)), tools=tools, tags=tags)]
    )
    if kept:
        return next((reason.removeprefix("turn skipped: ") for reason in step.did), "")
    return step.dropped[0].reason.removeprefix("no decision left: ")


TODAY = system("Today is 2025-05-02, a Friday.")


@pytest.mark.parametrize(
    ("said", "arguments", "reason"),
    [
        # Dates.
        (["Fly tomorrow"], {"date": "2025-05-03"}, stale.RELATIVE),
        (["Fly on the 7th"], {"date": "2019-03-07"}, stale.RELATIVE),
        (["Fly as always"], {"date": "2025-05-03"}, stale.DATE),
        (["Fly tomorrow"], {"when": {"start": "2025-05-03T10:00:00"}}, stale.RELATIVE),
        ([TODAY, "Fly tomorrow"], {"date": "2025-05-03"}, ""),
        ([TODAY, "Vuela pasado mañana"], {"date": "2025-05-04"}, ""),
        (["Fly tomorrow", assistant("On May 3rd?"), "Yes"], {"date": "2025-05-03"}, ""),
        (["Fly on March 5"], {"date": "2019-03-05"}, ""),
        (["What is on from 12 to 14 March?"], {"from": "2026-03-12", "to": "2026-03-14"}, ""),
        (["Fly on 3/5/2025"], {"date": "2025-03-05"}, ""),
        # Ids and numbers.
        (["Cancel my order"], {"order": "BK-4471"}, stale.CODE),
        (["Cancel order bk 4471"], {"order": "BK-4471"}, ""),
        (["Cancel my order"], {"order_id": 4471}, stale.NUMBER),
        (["Cancel my order"], {"orderId": "4471"}, stale.NUMBER),
        (["Cancel my order"], {"number": 884471}, stale.NUMBER),
        (["Cancel 884,471"], {"number": 884471}, ""),
        (["Call them"], {"phone": "415-927-3034"}, stale.NUMBER),
        (["Call (415) 927 3034"], {"phone": "415-927-3034"}, ""),
        (["Which?"], {"limit": 100000, "seats": "2", "page": 1, "ratio": 0.25, "minutes": 120}, ""),
        (["Hash it"], {"mode": "utf-8", "size": "20kg", "model": "gpt-4"}, ""),
        # Addresses and paths.
        (["Mail Bob"], {"to": "bob@example.com"}, stale.ADDRESS),
        (["Mail them"], {"to": ["a@b.example", "c@d.example"]}, stale.ADDRESS),
        (["Mail Bob@Example.com"], {"to": "bob@example.com"}, ""),
        (["Mail bob, his host is example.com"], {"to": "bob@example.com"}, ""),
        (["Read it"], {"path": "/srv/ledger/march.csv"}, stale.PATH),
        (["Read march.csv"], {"path": "/srv/ledger/march.csv"}, ""),
        (["What does Wikipedia say of owls?"], {"url": "https://en.wikipedia.org/wiki/Owl"}, ""),
        (["Open the page"], {"url": "https://intra.example/case/4417283"}, stale.PATH),
        # What is made up on purpose.
        (["Invite Ann"], {"body": "Dear Ann, see you on 2025-05-03. Call 415-927-3034."}, ""),
        (["Sum it"], {"code": "x = 88123 * 2\nprint(x)", "expression": "(88123 + 4) / 2"}, ""),
        (["Find it"], {"query": "order BK-4471 refund rules", "flag": "True", "on": True, "none": None}, ""),
        (["At half past 11, for two"], {"time": "11:30", "people": "2"}, ""),
        # What one knows, chooses or works out.
        (["Where is Paris?"], {"lat": 48.8566, "longitude": "2.35222", "zip": "75001", "timeout": 30500}, ""),
        ([TODAY, "Sales since yesterday"], {"since": 1746057600, "month": "2025-05", "day": "20250501"}, ""),
        (["Sales of March"], {"month": "2025-03"}, ""),
        (["Sales of last month"], {"month": "2025-03"}, stale.RELATIVE),
        (["Since yesterday"], {"since": 1746057600}, stale.RELATIVE),
        (["Send 12345 and 43,210 together"], {"amount": 55555}, ""),
        (["Send 12345 and 43,210 together"], {"amount": 55556}, stale.NUMBER),
        (["Mail John Smith of example.com"], {"to": "john.smith@example.com"}, ""),
        (["Ping this machine, show it in full HD"], {"host": "127.0.0.1", "quality": "1080p"}, ""),
        (["Ping it"], {"host": "10.2.33.141"}, stale.NUMBER),
        (["Run the tests"], {"command": "/usr/bin/python3 -m pytest"}, ""),
        # References.
        (["Cancel that order"], {}, ""),
        (["Cancel that order"], {"what": "order"}, ""),
        (["Continue where we left off"], {"name": "notes"}, stale.REFERENCE),
        (["Book that hotel"], {"name": "Ritz"}, stale.REFERENCE),
        (["Open that file"], {"name": "notes"}, stale.REFERENCE),
        (["Book the second one"], {"name": "Rialto"}, stale.REFERENCE),
        (["Same as before, please"], {"name": "Rialto"}, stale.REFERENCE),
        (["There is a file in here. Open that file"], {"name": "notes"}, ""),
        (["I sent notes.txt, read that file"], {"name": "notes.txt"}, ""),
        (["Films?", assistant("Rialto, Ponte."), "Book the second one"], {"name": "Ponte"}, ""),
        ([system("The user has a file open."), "Print that file"], {"name": "notes"}, ""),
        (['Translate "the second one"'], {"text": "the second one"}, ""),
        (["Do it, and besides that report the hour"], {"text": "hour"}, ""),
        (["Are seats left? In that event, enrol Ann"], {"text": "Ann"}, ""),
    ],
)  # fmt: skip
def test_a_call_rests_on_what_is_visible(said: list[Any], arguments: dict[str, Any], reason: str) -> None:
    assert why(*said, **arguments) == reason


def test_schemas_results_and_earlier_calls_are_visible() -> None:
    assert why("Fly", date="2019-03-01") == stale.DATE
    assert why("Fly", date="2019-03-01", tools=(DO,)) == ""
    assert why("Hash", mode="sha256", tools=(DO,)) == ""
    found = [
        user("My order?"),
        assistant("", ToolCall("do", {"q": "x"}, "c")),
        tool('{"id": "BK-4471"}', "c"),
    ]
    assert why(*found, order="BK-4471") == ""
    assert why(*found, order="BK-4472") == stale.CODE
    again = [user("Cancel BK-4471"), assistant("", ToolCall("do", {"order": "BK-4471"})), tool("ok")]
    assert why(*again[1:], order="BK-4471") == stale.CODE, "the first call is stale as well"


def test_the_day_of_the_conversation_may_be_given() -> None:
    for day, kept in (("2025-05-02", 1), ("2025-05-03", 0)):
        call = assistant("", ToolCall("do", {"date": day}))
        one = talk(user("What is on today?"), call, time="2025-05-02T09:00:00Z")
        assert len(run(stale.stage(), [one])[0]) == kept


def test_a_result_is_not_visible_before_it_came() -> None:
    late = talk(
        user("Cancel my order"),
        assistant("", ToolCall("do", {"order": "BK-4471"}, "c")),
        tool("BK-4471 is cancelled", "c"),
        assistant("", ToolCall("do", {"order": "BK-4471"}, "d")),
        tool("ok", "d"),
        assistant("Done."),
    )
    (kept,), step = run(stale.stage(), [late])
    assert [index for index, mark in kept.marks.items() if mark.skip] == [1]
    assert step.did == {f"turn skipped: {stale.CODE}": 1}
    assert kept.messages == late.messages, "it stays as context"


def test_words_are_never_stale_and_skipped_turns_are_not_looked_at() -> None:
    said = talk(user("My order?"), assistant("It is BK-4471."))
    assert run(stale.stage(), [said])[0] == [said]
    skipped = talk(
        user("Cancel"),
        assistant("", ToolCall("do", {"order": "BK-4471"})),
        tool("ok"),
        assistant("Done."),
        marks={1: Mark(skip=True)},
    )
    kept, step = run(stale.stage(), [skipped])
    assert kept == [skipped]
    assert not step.did


def test_after_a_compaction_only_what_the_summary_names_is_known() -> None:
    said = ["Summary: we fixed the parser in /srv/app/parser.py.", "go on"]
    assert why(*said, tags=("compacted",), path="/srv/app/parser.py") == ""
    assert why(*said, tags=("compacted",), path="/srv/app/lexer.py") == stale.COMPACTED
    assert why(*said, path="/srv/app/lexer.py") == "", "a session's own beginning names its folders"


def test_a_long_prompt_is_read_word_for_word_only() -> None:
    filler = "word " * (stale.READ // 4)
    assert why(filler, user("Cancel BK-4471"), order="BK-4471") == ""
    assert why(filler, user("Fly"), date="2025-05-03") == "", (
        "in so much text it may stand in another spelling"
    )


def test_nothing_depends_on_the_order_of_rows_and_it_can_be_sent_elsewhere() -> None:
    rows = [
        Conversation(
            f"s{i}",
            (DO,),
            (user("Cancel" + " BK-1234" * (i % 2)), assistant("", ToolCall("do", {"order": "BK-1234"}))),
        )
        for i in range(20)
    ]
    stage = stale.stage()
    kept = {one.id for one in run(stage, rows)[0]}
    assert kept == {f"s{i}" for i in range(20) if i % 2}
    random.Random(0).shuffle(rows)
    change = pickle.loads(pickle.dumps(stage.decide({})))
    assert {one.id for one in rows if not isinstance(change(one), str)} == kept
