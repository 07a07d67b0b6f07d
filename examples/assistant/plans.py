"""The plans that conversations follow: one call, a question first, two calls at once, a chain, an error, …

A plan writes one conversation into a `Session`. `build_log.py` says how many conversations follow which.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from replies import on, report
from session import Call, Session, Slots, lower_first
from shop import Result, next_open

TOOLS = (
    "opening_hours",
    "find_bikes",
    "check_availability",
    "price_quote",
    "book_rental",
    "get_booking",
    "cancel_booking",
    "create_repair_ticket",
    "repair_status",
    "send_sms",
)
Plan = Callable[[Session], None]

ASK = {
    "miss_book_contact": [
        "What name and phone number shall I put on the booking?",
        "Sure. Your name and phone number, please?",
    ],
    "miss_find_type": [
        "What type of bike are you looking for?",
        "Which type: city, trekking, e-bike, cargo, mountain, road or kids?",
    ],
    "miss_find_dates": [
        "For which days?",
        "From when to when do you need it?",
        "Which dates are you thinking of?",
    ],
    "miss_check_dates": ["For which dates?", "From when to when?", "Which days should I check?"],
    "miss_quote_days": ["For how many days?", "How many days would you rent it?"],
    "miss_get_id": [
        "What is your booking number?",
        "Could you give me the booking number, it starts with B?",
    ],
    "miss_cancel_id": ["Which booking is it, what is its number?", "What is the number of the booking?"],
    "miss_status_id": ["What is your ticket number?", "Could you give me the number of the repair ticket?"],
    "miss_repair_phone": [
        "Which phone number can the workshop reach you on?",
        "And your phone number, please?",
    ],
    "miss_repair_date": ["When would you drop it off?", "Which day would you like to bring it in?"],
    "miss_sms_text": ["What should the message say?", "And the text?"],
    "miss_sms_to": ["Which number should I send it to?", "What is the phone number?"],
}
MISSING = {
    "miss_book_contact": ("book_rental", "answer_contact"),
    "miss_find_type": ("find_bikes", "answer_type"),
    "miss_find_dates": ("find_bikes", "answer_range"),
    "miss_check_dates": ("check_availability", "answer_range"),
    "miss_quote_days": ("price_quote", "answer_days"),
    "miss_get_id": ("get_booking", "answer_bid"),
    "miss_cancel_id": ("cancel_booking", "answer_bid"),
    "miss_status_id": ("repair_status", "answer_tid"),
    "miss_repair_phone": ("create_repair_ticket", "answer_phone"),
    "miss_repair_date": ("create_repair_ticket", "answer_day"),
    "miss_sms_text": ("send_sms", "answer_text"),
    "miss_sms_to": ("send_sms", "answer_to"),
}
"""By section with something missing: the tool, and the section that answers."""


def arguments(tool: str, said: Slots) -> dict[str, Any]:
    """The call's arguments, from what the user said."""
    first, last = said.get("range") or (None, None)
    period = {"from_date": first, "to_date": last}
    every: dict[str, dict[str, Any]] = {
        "opening_hours": {"date": said.get("date"), "department": said.get("department")},
        "find_bikes": {
            "type": said.get("type"),
            **period,
            "rider_height_cm": said.get("height"),
            "max_price_per_day": said.get("max"),
        },
        "check_availability": {"bike_id": said.get("bike"), **period},
        "price_quote": {k: said.get(k) for k in ("type", "days", "extras", "insurance")},
        "book_rental": {
            "bike_id": said.get("bike"),
            **period,
            "customer": {"name": said.get("name"), "phone": said.get("phone")},
            "pickup_time": said.get("time"),
            "extras": said.get("extras"),
        },
        "get_booking": {"booking_id": said.get("bid")},
        "cancel_booking": {"booking_id": said.get("bid"), "reason": said.get("reason")},
        "create_repair_ticket": {
            "service": said.get("service"),
            "bike": said.get("desc"),
            "drop_off_date": said.get("day") or said.get("date"),
            "drop_off_time": said.get("time"),
            "phone": said.get("phone"),
        },
        "repair_status": {"ticket_id": said.get("tid")},
        "send_sms": {"to": said.get("phone"), "text": said.get("text")},
    }
    return {name: value for name, value in every[tool].items() if value is not None}


def call(tool: str, said: Slots) -> Call:
    return tool, arguments(tool, said)


def second(said: Slots) -> Slots:
    """What was said of the second thing of two."""
    return said | {key[:-1]: value for key, value in said.items() if key.endswith("2")}


# --- one turn ---


def tell(s: Session, calls: list[Call], results: list[Result]) -> None:
    """Report the results of one turn of calls in one message."""
    ways = [report(tool, args, result) for (tool, args), result in zip(calls, results, strict=True)]
    s.say(" ".join(s.rng.choice(way) for way in ways))


def do(s: Session, *calls: Call, results: list[Result] | None = None) -> list[Result]:
    """Call and report."""
    got = s.call(*calls, results=results)
    tell(s, list(calls), got)
    return got


# --- the plans ---


def single(tool: str) -> Plan:
    """One request, one call; often something after it."""

    def plan(s: Session) -> None:
        said = s.ask(tool)
        made = call(tool, said)
        [result] = do(s, made)
        after(s, tool, said, made[1], result)

    return plan


def after(s: Session, tool: str, said: Slots, args: dict[str, Any], result: Result) -> None:
    """What may come once a request is done: a next step, a question, another request, thanks."""
    step = s.rng.random()
    if "error" in result or result.get("available") is False or result.get("bikes") == []:
        if step < 0.4:
            shrug(s)
    elif step < 0.3:
        continue_with(s, tool, said, args, result)
    elif step < 0.52:
        if f"follow_{tool}" in s.decks.full:
            follow(s, tool, args, result)
        else:
            another(s)
    elif step < 0.66:
        another(s)
    elif step < 0.84:
        thank(s)


def continue_with(s: Session, tool: str, said: Slots, args: dict[str, Any], result: Result) -> None:
    """The step that naturally follows: book what was found, cancel what was looked up."""
    period = {"range": said.get("range")}
    if result.get("bikes"):
        i = s.rng.randrange(min(len(result["bikes"]), 4))
        chosen = result["bikes"][i]
        picked = s.ask(
            "pick_bike", **period, model=chosen["model"], nth=["first", "second", "third", "fourth"][i]
        )
        do(s, call("book_rental", picked | {"bike": chosen["bike_id"]}))
    elif result.get("available"):
        do(s, call("book_rental", s.ask("book_it", **period, bike=args["bike_id"])))
    elif result.get("status") == "confirmed" and tool == "get_booking":
        do(s, call("cancel_booking", s.ask("cancel_it", bid=args["booking_id"])))
    else:
        thank(s)


def another(s: Session) -> None:
    """A further, unrelated request."""
    tool = s.rng.choice(TOOLS[:-1])
    head, bar, phrase = s.decks.deal(tool).rpartition(" | ")
    connector = s.decks.deal("connector")
    if connector[-1] == "," or connector[-1].isalpha():
        phrase = lower_first(phrase)
    do(s, call(tool, s.write(f"{head}{bar}{connector} {phrase}")))


def shrug(s: Session) -> None:
    """The user takes bad news."""
    s.ask("pity")
    s.say("Sorry about that.", "I'm sorry I couldn't do more.", "Sorry. I'm here if you need anything else.")


def thank(s: Session) -> None:
    s.ask("thanks")
    s.say(
        "You're welcome!",
        "My pleasure.",
        "Any time!",
        "Glad to help.",
        "You're welcome, see you!",
        "Happy to help.",
    )


def follow(s: Session, tool: str, args: dict[str, Any], result: Result) -> None:
    """A question that the result already answers: no call."""
    chosen = s.rng.choice(result["bikes"]) if tool == "find_bikes" else {}
    about = s.ask(f"follow_{tool}", model=chosen.get("model", ""))["about"]
    if tool == "find_bikes":
        low = min(result["bikes"], key=lambda b: b["price_per_day"])
        n = len(result["bikes"])
        s.say(
            {
                "cheapest": f"The {low['model']} at {low['price_per_day']} EUR a day.",
                "price": f"The {chosen['model']} is {chosen['price_per_day']} EUR a day.",
                "size": f"The {chosen['model']} fits riders of {chosen['rider_cm']} cm.",
                "count": "Just the one." if n == 1 else f"{['Two', 'Three', 'Four', 'Five'][n - 2]} in all.",
                "id": f"The {chosen['model']} is {chosen['bike_id']}.",
            }[about]
        )
    elif tool == "price_quote":
        total, deposit = result["total"], result["deposit"]
        s.say(
            {
                "deposit": f"The deposit is {deposit} EUR, on top of the {total} EUR.",
                "total": f"{total} EUR, plus the deposit of {deposit} EUR.",
                "sum": f"{total} EUR for the rental and {deposit} EUR deposit.",
            }[about]
        )
    elif tool == "get_booking":
        s.say(
            {
                "total": f"{result['total']} EUR.",
                "pickup": f"Pick-up is at {result['pickup_time']}.",
                "bike": f"The {result['model']}, {result['bike_id']}.",
                "until": f"Until {on(result['to_date'])}, that day included.",
                "id": f"{result['bike_id']}.",
                "status": f"Its status is: {result['status'].replace('_', ' ')}.",
                "from": f"From {on(result['from_date'])}.",
            }[about]
        )
    elif tool == "create_repair_ticket":
        s.say(
            {
                "estimate": f"The estimate is {result['estimate']} EUR.",
                "ready": f"By {on(result['ready_by'])}.",
                "id": f"Your ticket number is {result['ticket_id']}.",
            }[about]
        )
    elif tool == "repair_status":
        s.say(f"{result['cost']} EUR.", f"The cost stands at {result['cost']} EUR.")
    else:
        s.say({"id": f"It's {result['booking_id']}.", "total": f"{result['total']} EUR in total."}[about])


def missing(section: str) -> Plan:
    """Something required is missing: ask for it, then call."""

    def plan(s: Session) -> None:
        tool, answer = MISSING[section]
        said = s.ask(section)
        s.say(*ASK[section])
        if answer in ("answer_bid", "answer_tid") and s.rng.random() < 0.2:
            s.ask("give_up")
            s.say("All right. I'm here when you need me.", "No problem, just write again.", "Okay, see you.")
            return
        said |= s.ask(answer, **{k: v for k, v in said.items() if k == "height"})
        made = call(tool, said)
        [result] = do(s, made)
        after(s, tool, said, made[1], result)

    return plan


def parallel(section: str, first: str, other: str) -> Plan:
    """Two independent calls in one turn."""

    def plan(s: Session) -> None:
        said = s.ask(section)
        if first == other == "send_sms":
            twin = said | {"phone": said["phone2"]}
        elif first == other:
            twin = second(said)
        else:
            twin = said
        do(s, call(first, said), call(other, twin))
        if s.rng.random() < 0.25:
            thank(s)

    return plan


def seq_find_book(s: Session) -> None:
    said = s.ask("seq_find_book")
    [found] = s.call(call("find_bikes", said))
    if not found["bikes"]:
        tell(s, [call("find_bikes", said)], [found])
        return
    low = min(found["bikes"], key=lambda b: b["price_per_day"])
    do(s, call("book_rental", {**said, "bike": low["bike_id"]}))


def seq_check_book(s: Session) -> None:
    said = s.ask("seq_check_book")
    [free] = s.call(call("check_availability", said))
    if free["available"]:
        do(s, call("book_rental", said))
    else:
        tell(s, [call("check_availability", said)], [free])


def seq_booking_check(s: Session) -> None:
    said = s.ask("seq_booking_check")
    [booking] = s.call(call("get_booking", said))
    made = call("check_availability", said | {"bike": booking["bike_id"]})
    [free] = do(s, made)
    if free["available"] and s.rng.random() < 0.5:
        do(s, call("book_rental", s.ask("book_it", range=said["range"], bike=booking["bike_id"])))


def seq_cancel_if(s: Session) -> None:
    said = s.ask("seq_cancel_if")
    booking = dict(s.shop.get_booking(said["bid"]))
    if s.rng.random() < 0.4:
        booking["status"] = "picked_up"
    s.call(call("get_booking", said), results=[booking])
    if booking["status"] == "confirmed":
        do(s, call("cancel_booking", said))
    else:
        s.say(
            f"{said['bid']} has already been picked up, so I left it as it is.",
            f"The bike of {said['bid']} is picked up already. I did not cancel.",
        )


def seq_status_sms(s: Session) -> None:
    said = s.ask("seq_status_sms")
    [status] = s.call(call("repair_status", said))
    if status["status"] == "ready":
        do(s, call("send_sms", said))
    else:
        tell(s, [call("repair_status", said)], [status])


def seq_status_hours(s: Session) -> None:
    said = s.ask("seq_status_hours")
    [status] = s.call(call("repair_status", said))
    calls, results = [call("repair_status", said)], [status]
    if status["status"] == "ready":
        calls.append(("opening_hours", {"date": str(s.today), "department": "workshop"}))
        results += s.call(calls[1])
    tell(s, calls, results)


def seq_hours_ticket(s: Session) -> None:
    said = s.ask("seq_hours_ticket")
    hours = call("opening_hours", said | {"department": "workshop"})
    [result] = s.call(hours)
    if result.get("closed"):
        tell(s, [hours], [result])
    else:
        do(s, call("create_repair_ticket", said))


def seq_book_sms(s: Session) -> None:
    said = s.ask("seq_book_sms")
    booked = call("book_rental", said)
    [result] = s.call(booked)
    if "error" in result:
        tell(s, [booked], [result])
        return
    text = ("send_sms", {"to": said["phone"], "text": f"Your booking id is {result['booking_id']}"})
    tell(s, [booked, text], [result, *s.call(text)])


def out_of_scope(s: Session) -> None:
    """No tool fits: say so. Sometimes before or after something that one does fit."""
    where = s.rng.random()
    if where < 0.25:
        do(s, call(tool := s.rng.choice(["repair_status", "opening_hours", "price_quote"]), s.ask(tool)))
    pair(s, "out_of_scope")
    if where > 0.75:
        another(s)
    elif where > 0.6:
        thank(s)


def small_talk(s: Session) -> None:
    pair(s, "small_talk")
    if s.rng.random() < 0.5:
        tool = s.rng.choice(TOOLS)
        do(s, call(tool, s.ask(tool)))


def pair(s: Session, section: str) -> None:
    """A phrase with its own written answer."""
    asked, _, answer = s.decks.deal(section).partition(" >> ")
    said = s.write(asked, section)
    s.say(answer.replace("{bid}", said.get("bid", "")).replace("{today}", s.named_today))


def unknown(tool: str, slot: str, fix: str) -> Plan:
    """A number that does not exist: say so; the user corrects it or gives up."""

    def plan(s: Session) -> None:
        said = s.ask(tool)
        kind = "ticket" if slot == "tid" else "booking"
        do(s, call(tool, said), results=[{"error": f"no {kind} {said[slot]}"}])
        if s.rng.random() < 0.7:
            right = s.ask(fix, **{slot + "2": said[slot]})
            do(s, call(tool, said | {slot: right[slot]}))
        else:
            s.ask("give_up")
            s.say("All right, just come back with the number.", "Okay. The number helps me find it.")

    return plan


def conflict(s: Session) -> None:
    """The bike is taken: no booking, and no claim of one."""
    said = s.ask("book_rental")
    taken = f"{said['bike']} is already booked on {said['range'][0]}"
    s.call(call("book_rental", said), results=[{"error": taken}])
    day = on(said["range"][0])
    s.say(
        f"{said['bike']} is already booked on {day}, so I could not book it.",
        f"Sorry, no booking: {said['bike']} is taken on {day}.",
    )
    step = s.rng.random()
    if step < 0.5:
        moved = s.ask("fix_range", range2=said["range"])
        free = said | {"range": moved["range"]}
        do(s, call("book_rental", free))
    elif step < 0.8:
        shrug(s)


def hiccup(s: Session) -> None:
    """A lookup fails for a moment: try the same call once more, then report what came of it."""
    tool = s.rng.choice(["repair_status", "get_booking", "check_availability", "find_bikes", "opening_hours"])
    said = s.ask(tool)
    down = [{"error": "service unavailable, try again"}]
    s.call(call(tool, said), results=down)
    if s.rng.random() < 0.6:
        do(s, call(tool, said))
        return
    do(s, call(tool, said), results=down)
    if s.rng.random() < 0.6:
        s.ask("again")
        do(s, call(tool, said))


def timeout(s: Session) -> None:
    """An action times out: it may have happened, so it is not repeated; the assistant says so."""
    tool = s.rng.choice(["send_sms", "book_rental", "create_repair_ticket"])
    do(s, call(tool, s.ask(tool)), results=[{"error": "request timed out, outcome unknown"}])
    if s.rng.random() < 0.3:
        shrug(s)


def full(s: Session) -> None:
    """The workshop is full that day: offer the next one, and open the ticket when the user agrees."""
    said = s.ask("create_repair_ticket")
    free = str(next_open(date.fromisoformat(said["day"])))
    s.call(
        call("create_repair_ticket", said),
        results=[{"error": f"workshop is full on {said['day']}", "next_free": free}],
    )
    s.say(
        f"The workshop is full on {on(said['day'])}. The next free day is {on(free)}, shall I take that?",
        f"No slot on {on(said['day'])}, sorry. Would {on(free)} do?",
    )
    if s.rng.random() < 0.75:
        s.ask("answer_yes")
        do(s, call("create_repair_ticket", said | {"day": free}))
    else:
        s.ask("pity")
        s.say("All right, I opened no ticket.", "Okay, nothing has been booked.")


def too_late(s: Session) -> None:
    said = s.ask("cancel_booking")
    bid = said["bid"]
    s.call(
        call("cancel_booking", said), results=[{"error": f"{bid} has been picked up and cannot be cancelled"}]
    )
    s.say(
        f"{bid} has already been picked up, so it can't be cancelled.",
        f"I could not cancel {bid}: the bike has been picked up.",
    )
    if s.rng.random() < 0.3:
        shrug(s)


def correction(tool: str, fix: str, slot: str) -> Plan:
    """The user changes one value after the answer: the same call with the new value."""

    def plan(s: Session) -> None:
        said = s.ask(tool)
        do(s, call(tool, said))
        changed = s.ask(
            fix, **{slot + "2": said[slot]}, **({"height": said["height"]} if "height" in said else {})
        )
        made = call(tool, said | {slot: changed[slot]})
        [result] = do(s, made)
        if s.rng.random() < 0.3:
            after(s, tool, said | {slot: changed[slot]}, made[1], result)

    return plan


def inline_fix(s: Session) -> None:
    """The user corrects themselves within the sentence."""
    tool, _, phrase = s.decks.deal("inline_fix").partition(": ")
    do(s, call(tool, s.write(phrase, "inline_fix_sms" if tool == "send_sms" else "inline_fix")))


def slip(tool: str, spoil: Callable[[dict[str, Any]], dict[str, Any]], error: str) -> Plan:
    """The logged assistant breaks the schema, is told so, and repairs its call."""

    def plan(s: Session) -> None:
        right = call(tool, s.ask(tool))
        s.call((tool, spoil(right[1])), results=[{"error": error}])
        do(s, right)

    return plan
