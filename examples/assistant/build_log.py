"""Write `log.jsonl`, the log of Kettenwerk's assistant.

    python examples/assistant/build_log.py

Every conversation follows a plan of `plans.py`; its words come from `phrases.txt`, its values from
`session.py`, its results from `shop.py` and its answers from `replies.py`. One seed makes the whole file,
byte for byte. At the end a few rows are damaged as real logs are (`untidy`); the README lists them. Left out:
any language but English, and users who try to trick the assistant.
"""

from __future__ import annotations

import json
import random
from datetime import date
from typing import Any

from plans import (
    Plan,
    conflict,
    correction,
    full,
    hiccup,
    inline_fix,
    missing,
    out_of_scope,
    parallel,
    seq_book_sms,
    seq_booking_check,
    seq_cancel_if,
    seq_check_book,
    seq_find_book,
    seq_hours_ticket,
    seq_status_hours,
    seq_status_sms,
    single,
    slip,
    small_talk,
    timeout,
    too_late,
    unknown,
)
from session import HERE, Decks, Session

SEED = 1817
Row = dict[str, Any]

PLANS: list[tuple[int, Plan]] = [
    (12, single("opening_hours")),
    (20, single("find_bikes")),
    (14, single("check_availability")),
    (13, single("price_quote")),
    (16, single("book_rental")),
    (13, single("get_booking")),
    (12, single("cancel_booking")),
    (15, single("create_repair_ticket")),
    (15, single("repair_status")),
    (16, single("send_sms")),
    (10, missing("miss_book_contact")),
    (7, missing("miss_find_type")),
    (7, missing("miss_find_dates")),
    (5, missing("miss_check_dates")),
    (5, missing("miss_quote_days")),
    (6, missing("miss_get_id")),
    (7, missing("miss_cancel_id")),
    (7, missing("miss_status_id")),
    (6, missing("miss_repair_phone")),
    (6, missing("miss_repair_date")),
    (3, missing("miss_sms_text")),
    (3, missing("miss_sms_to")),
    (5, parallel("par_two_status", "repair_status", "repair_status")),
    (5, parallel("par_two_availability", "check_availability", "check_availability")),
    (5, parallel("par_two_quotes", "price_quote", "price_quote")),
    (4, parallel("par_two_hours", "opening_hours", "opening_hours")),
    (4, parallel("par_status_hours", "repair_status", "opening_hours")),
    (3, parallel("par_booking_hours", "get_booking", "opening_hours")),
    (4, parallel("par_two_find", "find_bikes", "find_bikes")),
    (3, parallel("par_cancel_two", "cancel_booking", "cancel_booking")),
    (3, parallel("par_two_bookings", "get_booking", "get_booking")),
    (3, parallel("par_two_sms", "send_sms", "send_sms")),
    (7, seq_find_book),
    (6, seq_check_book),
    (5, seq_booking_check),
    (4, seq_cancel_if),
    (4, seq_status_sms),
    (4, seq_status_hours),
    (4, seq_hours_ticket),
    (3, seq_book_sms),
    (44, out_of_scope),
    (20, small_talk),
    (5, unknown("repair_status", "tid", "fix_tid")),
    (4, unknown("get_booking", "bid", "fix_bid")),
    (3, unknown("cancel_booking", "bid", "fix_bid")),
    (6, conflict),
    (9, hiccup),
    (5, timeout),
    (9, full),
    (3, too_late),
    (4, correction("find_bikes", "fix_range", "range")),
    (3, correction("check_availability", "fix_range", "range")),
    (3, correction("find_bikes", "fix_type", "type")),
    (3, correction("price_quote", "fix_type", "type")),
    (4, correction("price_quote", "fix_days", "days")),
    (3, correction("get_booking", "fix_bid", "bid")),
    (4, correction("repair_status", "fix_tid", "tid")),
    (4, correction("opening_hours", "fix_date", "date")),
    (9, inline_fix),
    (1, slip("price_quote", lambda a: a | {"days": str(a["days"])}, "days: expected an integer")),
    (1, slip("find_bikes", lambda a: {k: v for k, v in a.items() if k != "to_date"}, "to_date: required")),
]
"""How many conversations follow which plan."""


def beginning(row: Row, session_id: str) -> Row:
    """The row as it was logged one or two requests earlier: up to an assistant turn."""
    end = next(i for i in range(4, 8) if row["messages"][i]["role"] == "assistant") + 1
    return {"session_id": session_id, "messages": row["messages"][:end]}


def untidy(rows: list[Row]) -> tuple[list[Row], dict[str, str]]:
    """Damage a few rows as a real log is; returns the rows, and by session id what is wrong with it."""
    marks: dict[str, str] = {}
    long = [row for row in rows if len(row["messages"]) >= 8]
    twice = long[3::7][:6]
    talkative = [row for row in long if len(row["messages"][1]["content"]) > 60 and row not in twice]
    renamed = talkative[4::7][:3]
    calls_first = iter(
        [r for r in rows if len(r["messages"]) == 5 and "tool_calls" in r["messages"][2]][4::9]
    )
    for row in twice:
        marks[row["session_id"]] = "logged twice: first up to an earlier request, then whole"
        rows.insert(rows.index(row), beginning(row, row["session_id"]))
    for i, row in enumerate(renamed, start=1):
        part = beginning(row, f"kw-9{i:03}")
        marks[part["session_id"]] = f"repeats the start of {row['session_id']} under another id"
        rows.insert(rows.index(row), part)
    for _ in range(3):
        row = next(calls_first)
        del row["messages"][2]
        marks[row["session_id"]] = "a tool result without its call"
    row = next(calls_first)
    del row["messages"][3:]
    marks[row["session_id"]] = "ends on a call without a result"
    return rows, marks


def build() -> tuple[list[Row], dict[str, str]]:
    """The rows of the log, and by session id what is untidy about it."""
    rng = random.Random(SEED)
    decks = Decks(rng)
    plans = [plan for number, plan in PLANS for _ in range(number)]
    slips = set(plans[-2:])
    rng.shuffle(plans)
    written: list[tuple[date, Row, bool]] = []
    for plan in plans:
        session = Session(rng, decks)
        plan(session)
        written.append((session.today, {"messages": session.messages}, plan in slips))
    written.sort(key=lambda item: item[0])
    rows: list[Row] = []
    broken: dict[str, str] = {}
    for i, (_, row, slipped) in enumerate(written, start=1):
        rows.append({"session_id": f"kw-{i:04}", **row})
        if slipped:
            broken[rows[-1]["session_id"]] = "a call that breaks the schema, then the right one"
    rows, marks = untidy(rows)
    return rows, broken | marks


def render(rows: list[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    rows, marks = build()
    (HERE / "log.jsonl").write_text(render(rows), encoding="utf-8")
    turns = [m for row in rows for m in row["messages"] if m["role"] == "assistant"]
    calling = sum("tool_calls" in m for m in turns)
    print(f"{len(rows)} rows, {len(turns)} assistant turns, {calling} of them with calls")
    for session_id, what in sorted(marks.items()):
        print(f"| `{session_id}` | {what} |")


if __name__ == "__main__":
    main()
