"""What Kettenwerk's assistant says of a result: short, and with no number that the result does not hold.

`report` gives a few ways to say the same; `build_log.py` picks one.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from session import MONTHS, TYPES
from shop import WEEKDAYS, Result


def on(text: str) -> str:
    """'2025-05-16' as 'Fri 16 May'."""
    day = date.fromisoformat(text)
    return f"{WEEKDAYS[day.weekday()][:3]} {day.day} {MONTHS[day.month - 1]}"


def span(first: str, last: str) -> str:
    return on(first) if first == last else f"{on(first)} to {on(last)}"


def a_type(name: str) -> str:
    return TYPES[name][0]


def report(tool: str, args: dict[str, Any], result: Result) -> list[str]:
    """Ways to tell a result; every number in them comes from the result or the arguments."""
    if "error" in result:
        return failure(tool, args, result["error"])
    match tool:
        case "opening_hours":
            if result.get("closed"):
                return [f"We are closed on {on(args['date'])}.", f"{on(args['date'])}: closed, sorry."]
            hours = [f"{k} {v}" for k, v in result.items() if k not in ("date", "weekday")]
            return [
                f"{on(args['date'])}: {', '.join(hours)}.",
                f"On {on(args['date'])} we're open: {', '.join(hours)}.",
            ]
        case "find_bikes":
            when, kind = span(args["from_date"], args["to_date"]), a_type(args["type"])
            if not result["bikes"]:
                return [f"No {kind} matches that for {when}.", f"Sorry, I found no {kind} for {when}."]
            listed = "; ".join(
                f"{b['model']} ({b['bike_id']}, {b['rider_cm']} cm, {b['price_per_day']} EUR a day)"
                for b in result["bikes"]
            )
            return [f"Free {when}: {listed}.", f"For {when} there is: {listed}.", f"I found {listed}."]
        case "check_availability":
            when, bike = span(args["from_date"], args["to_date"]), f"{args['bike_id']} ({result['model']})"
            if result["available"]:
                price = result["price_per_day"]
                return [
                    f"Yes, {bike} is free {when}, {price} EUR a day.",
                    f"{bike} is available {when} for {price} EUR a day.",
                ]
            taken = ", ".join(on(d) for d in result["taken_on"])
            return [f"No, {bike} is taken on {taken}.", f"Sorry, {bike} isn't free {when}: taken on {taken}."]
        case "price_quote":
            kind, total, deposit = a_type(args["type"]), result["total"], result["deposit"]
            days = "1 day" if args["days"] == 1 else f"{args['days']} days"
            off = f", {result['discount_percent']}% discount included" if result["discount_percent"] else ""
            return [
                f"{days} with the {kind}: {total} EUR{off}. The deposit is {deposit} EUR.",
                f"That's {total} EUR for {days} ({kind}){off}, plus a deposit of {deposit} EUR.",
            ]
        case "book_rental":
            bid, total, when = result["booking_id"], result["total"], span(args["from_date"], args["to_date"])
            return [
                f"Booked: {args['bike_id']}, {when}. Your booking number is {bid}, the total {total} EUR.",
                f"Done, {args['bike_id']} is yours {when}. Booking {bid}, {total} EUR.",
            ]
        case "get_booking":
            r = result
            when, state = span(r["from_date"], r["to_date"]), r["status"].replace("_", " ")
            what = f"{r['model']} ({r['bike_id']}), {when}, pick-up {r['pickup_time']}, {r['total']} EUR"
            return [
                f"{r['booking_id']}: {what}, {state}.",
                f"It's {state}: {what} in total.",
            ]
        case "cancel_booking":
            bid, refund = result["booking_id"], result["refund"]
            fee = f"after a fee of {result['fee']} EUR" if result["fee"] else "without a fee"
            return [
                f"{bid} is cancelled. You get back {refund} EUR, {fee}.",
                f"Cancelled {bid}; the refund is {refund} EUR {fee}.",
            ]
        case "create_repair_ticket":
            tid, cost, ready = result["ticket_id"], result["estimate"], on(result["ready_by"])
            drop = " at ".join(filter(None, [on(args["drop_off_date"]), args.get("drop_off_time")]))
            return [
                f"Ticket {tid} is open. Drop-off {drop}, about {cost} EUR, ready by {ready}.",
                f"Done: {tid}, drop-off {drop}. The estimate is {cost} EUR, to be ready by {ready}.",
            ]
        case "repair_status":
            tid, cost = result["ticket_id"], result["cost"]
            if result["status"] == "ready":
                return [f"{tid} is ready, the cost is {cost} EUR.", f"Good news: {tid} is ready. {cost} EUR."]
            state, ready = result["status"].replace("_", " "), on(result["ready_by"])
            return [
                f"{tid} isn't ready: {state}. It should be done by {ready}, at {cost} EUR.",
                f"{tid} is {state}, expected by {ready}. The cost so far is {cost} EUR.",
            ]
    return [
        f"Sent to {result['to']}.",
        f"The message to {result['to']} is on its way.",
        f"Done, I texted {result['to']}.",
    ]


def failure(tool: str, args: dict[str, Any], error: str) -> list[str]:
    """Ways to tell an error: what did not happen, and why."""
    if "timed out" in error and tool in ("send_sms", "book_rental", "create_repair_ticket"):
        return [
            "The system timed out, so I can't tell whether that went through. Please check on 555-0100.",
            "I got no confirmation: the request timed out. It may or may not have gone through.",
        ]
    if "unavailable" in error:
        return [
            "The system isn't answering, so I can't look that up now. Please try later or call 555-0100.",
            "I tried twice and the lookup is unavailable at the moment. Sorry, I have no result for you.",
        ]
    return [
        f"That didn't work: {error}.",
        f"I couldn't do that: {error}.",
        f"Sorry, the system says: {error}.",
    ]
