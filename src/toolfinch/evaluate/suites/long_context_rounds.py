"""The world of the suite `long_context`: ten tools of an office, and what the five that read bring.

There is one office: a call brings the same rows in every case, drawn from a seed that is the call itself, and a
longer result has all of a shorter one. `Round` is a request, its call and the rows that a case puts
into the middle of what the call brings. The results have seven shapes: records as JSON on one line and on many,
a table, a list of files, a log, a CSV and minutes in prose. Left out: results of tools that fail.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import msgspec

from toolfinch.evaluate.suites.cases import call, date, number, text, tool
from toolfinch.example import ExpectedCall

T = TypeVar("T")

TOOLS = (
    tool(
        "list_orders",
        "List the orders that customers placed in a month.",
        "read",
        {"month": text("YYYY-MM.", pattern=r"^\d{4}-\d\d$")},
    ),
    tool(
        "list_invoices",
        "List the invoices that suppliers sent in a month.",
        "read",
        {"month": text("YYYY-MM.", pattern=r"^\d{4}-\d\d$")},
    ),
    tool(
        "list_contacts",
        "List the people of a department with their addresses.",
        "read",
        {"department": text("Name of the department.")},
    ),
    tool("list_files", "List the files in a folder.", "read", {"folder": text("Name of the folder.")}),
    tool(
        "read_file", "Read a text file: minutes, returns, logs.", "read", {"path": text("Path of the file.")}
    ),
    tool(
        "send_email",
        "Send an email.",
        "destructive",
        {
            "to": text("Address of the recipient.", format="email"),
            "subject": text("Subject line."),
            "body": text("Text of the email."),
        },
    ),
    tool(
        "share_file",
        "Give somebody access to a file.",
        "write",
        {
            "file": text("Name of the file as listed, without its folder."),
            "email": text("Address of the person.", format="email"),
        },
    ),
    tool(
        "pay_invoice",
        "Pay a supplier's invoice on a day.",
        "destructive",
        {
            "invoice": text("Number of the invoice."),
            "amount": number("Euros to pay.", exclusiveMinimum=0),
            "date": date("Day of the payment"),
        },
    ),
    tool(
        "cancel_order",
        "Cancel a customer's order.",
        "destructive",
        {"order": text("Number of the order.")},
    ),
    tool(
        "refund_order",
        "Give a customer money back for an order.",
        "destructive",
        {"order": text("Number of the order."), "amount": number("Euros to give back.", exclusiveMinimum=0)},
    ),
)


class Draws:
    """Numbers that are the same on every machine and for every Python.

    Only `random.random` is used: its sequence for a seed is the one that Python promises to keep.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def below(self, end: int) -> int:
        return int(self._random() * end)

    def one(self, of: Sequence[T]) -> T:
        return of[self.below(len(of))]

    def several(self, of: Sequence[T], count: int) -> list[T]:
        """`count` different ones, in the order drawn."""
        rest = list(of)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]


# What one row of each shape looks like; the cases write theirs with the same functions.


def order(number: str, customer: str, placed: str, status: str, euros: float | None, note: str = "") -> str:
    record = {"order": number, "customer": customer, "placed": placed, "status": status, "total": euros}
    return msgspec.json.encode({**record, "note": note} if note else record).decode()


def invoice(number: str, supplier: str, amount: str, due: str, state: str) -> str:
    return f"| {number} | {supplier} | {amount} | {due} | {state} |"


def contact(name: str, role: str, email: str | None, phone: str) -> str:
    record = {"name": name, "role": role, "email": email, "phone": phone}
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode()


def listed_file(changed: str, size: int, owner: str, name: str) -> str:
    return f"{changed}  {size:>9}  {owner:<18}  {name}"


def returned(day: str, order: str, reason: str, handled_by: str) -> str:
    return f"{day},{order},{reason},{handled_by}"


_FIRST = (
    "Amara Bastian Celia Dario Elif Farid Greta Hugo Imke Joost Kalina Leif Maren Nils Olga Pavel Rosa Stefan "
    "Talia Umut Vera Wiebke Xenia Yusuf Zofia Anselm Birgit Cosima Dilek Emre"
).split()
_LAST = (
    "Abel Bergstrom Castell Dumont Eriksen Falk Grimaldi Hartmann Iversen Jansson Kowalski Larsen Molnar Novak "
    "Olsen Petrov Quint Rossi Sorensen Thaler Ullmann Verhoeven Weber Yilmaz Zeman"
).split()
_COMPANY = (
    tuple(
        "Alder Beacon Cobalt Dune Ember Fjord Garnet Heron Indigo Juniper Larch Meridian Opal Pine".split()
    ),
    tuple(
        "Hotels,Interiors,Joinery,Kitchens,Lighting,Office Supply,Schools,Studios,Timber,Textiles".split(",")
    ),
)
_DOMAINS = ("maplerow.example", "mail.maplerow.example", "partner.example", "fastpost.example")
_STATUS = ("open", "packed", "shipped", "delivered", "returned")
_NOTES = (
    "deliver before noon",
    "ring twice at the side entrance",
    "the customer wants oak instead of beech",
    "leave the pallets by the gate",
    "second half follows later",
    "gift wrapping for two of the chairs",
    "call the site office on arrival",
)
_ROLES = ("assistant", "clerk", "head of team", "planner", "trainee", "buyer", "coordinator", "analyst")
_FILE_WORDS = (
    "annual audit budget catalogue contract delivery design draft energy fire floor harvest layout machine offer "
    "paint plan price quality roof safety sample stock survey training van window"
).split()
_ENDINGS = ("pdf", "docx", "xlsx", "csv", "png", "txt")
_REASONS = (
    "scratched leg",
    "wrong colour",
    "arrived late",
    "one drawer missing",
    "ordered twice",
    "does not fit the room",
    "bent hinge",
    "no longer wanted",
)
_EVENTS = (
    ("INFO", "charge accepted order={order} amount={euros} took={ms}ms"),
    ("INFO", "session opened for {mail}"),
    ("WARN", "upstream slow, answered after {ms}ms, order={order}"),
    ("INFO", "settlement batch closed, {count} charges, {euros} euros"),
    ("ERROR", "charge failed code=E{code} order={order} attempt={small}"),
    ("INFO", "receipt sent to {mail}"),
    ("WARN", "queue holds {count} messages"),
)
_SAID = (
    "{person} reported that {company} wants to move the delivery to {day}, and nobody objected.",
    "The second lift is still out of order; {person} has asked for a repair and expects an answer by {day}.",
    "{company} offered a discount of {euros} euros for an early payment, which we turned down.",
    "{person} showed the new catalogue and asked for comments before {day}.",
    "After a long talk about the noise, {person} will see to it that the doors stay closed in the morning.",
    "The cleaning of the showroom cost {euros} euros and will be repeated on {day}.",
    "{person} and {other} will visit {company} together and write down what they see.",
    "Order {order} was mentioned once more; {person} has spoken to the customer, who is content.",
    "The forklift is not to be used after six in the evening, as {company} had asked.",
    "{person} proposed to give {company} back {euros} euros for the damaged panels; this is to be thought over.",
    "The trainees start on {day} and will spend their first week with {person}.",
    "Nobody could say why the heating went off on {day}, so {person} will ask the landlord.",
    "The old price list may be used until {day}, the new one from then on.",
    "{company} has a new address for letters, which {person} has passed on to the drivers.",
    "The budget for the spring fair is {euros} euros, a little less than a year ago.",
    "{person} thanked {other} for the quick help with the water in the cellar.",
    "{other} would like the break room to be painted, in a colour that {person} may choose.",
    "The insurance will pay {euros} euros for the broken window on condition that it is repaired by {day}.",
    "The samples that {company} sent are too dark; {person} will ask for lighter ones.",
    "{person} counted the stock of hinges and found more than the list says.",
    "{company} praised the packing, above all the corners, and would like to hear how {other} does it.",
    "Parking in the yard is to be left to {company} on {day}, when the crane comes.",
    "{person} reminded everyone that order {order} must not leave before it has been paid.",
    "The lease of the van costs {euros} euros a month; {other} will look for a cheaper one.",
    "The sign at the gate was approved, the second one was turned down; {person} tells {company}.",
    "{other} is away until {day}, and {person} reads the letters in the meantime.",
)


def _person(draws: Draws) -> str:
    return f"{draws.one(_FIRST)} {draws.one(_LAST)}"


def _company(draws: Draws) -> str:
    return f"{draws.one(_COMPANY[0])} {draws.one(_COMPANY[1])}"


def _cents(draws: Draws) -> int:
    """An amount that has to be copied to the last digit, which is never 0."""
    return 1000 + draws.below(19_000) * 10 + 1 + draws.below(9)


def _euros(draws: Draws) -> str:
    return f"{(cents := _cents(draws)) // 100}.{cents % 100:02}"


def _order_number(draws: Draws) -> str:
    return f"SO-{10_000 + draws.below(90_000)}"


def _day(draws: Draws, month: str) -> str:
    return f"{month}-{1 + draws.below(28):02}"


def _later(draws: Draws, month: str) -> str:
    """A day in one of the three months that follow."""
    months = int(month[:4]) * 12 + int(month[5:7]) - 1 + 1 + draws.below(3)
    return _day(draws, f"{months // 12}-{months % 12 + 1:02}")


def _mail(draws: Draws, name: str) -> str:
    first, last = name.lower().split()
    local = draws.one(
        (f"{first}.{last}", f"{first[0]}{last}", f"{last}{10 + draws.below(90)}", f"{last}.{first[:2]}")
    )
    return f"{local}@{draws.one(_DOMAINS)}"


def _order_row(draws: Draws, month: str) -> str:
    note = draws.one(_NOTES) if draws.below(3) == 0 else ""
    placed, status = _day(draws, month), draws.one(_STATUS)
    return order(_order_number(draws), _company(draws), placed, status, _cents(draws) / 100, note)


def _invoice_row(draws: Draws, month: str) -> str:
    number = f"INV-{10_000 + draws.below(90_000)}"
    return invoice(
        number, _company(draws), _euros(draws), _later(draws, month), draws.one(("open", "paid", "on hold"))
    )


def _contact_row(draws: Draws, department: str) -> str:
    name = _person(draws)
    return contact(name, draws.one(_ROLES), _mail(draws, name), f"+49 30 555 {draws.below(10_000):04}")


def _file_row(draws: Draws, folder: str) -> str:
    name = f"{'-'.join(draws.several(_FILE_WORDS, 3))}-{draws.below(100):02}.{draws.one(_ENDINGS)}"
    return listed_file(
        _day(draws, f"2025-{1 + draws.below(12):02}"), 900 + draws.below(9_000_000), _person(draws), name
    )


def _minutes_row(draws: Draws, path: str) -> str:
    person, other = draws.several(_FIRST, 2)
    return draws.one(_SAID).format(
        person=person,
        other=other,
        company=_company(draws),
        day=_later(draws, path[-13:-6]),
        euros=_euros(draws),
        order=_order_number(draws),
    )


def _log_row(draws: Draws, path: str) -> str:
    level, event = draws.one(_EVENTS)
    at = f"{draws.below(24):02}:{draws.below(60):02}:{draws.below(60):02}"
    said = event.format(
        order=_order_number(draws),
        mail=_mail(draws, _person(draws)),
        euros=_euros(draws),
        code=1000 + draws.below(9000),
        ms=20 + draws.below(4000),
        count=2 + draws.below(400),
        small=1 + draws.below(4),
    )
    return f"{path[-14:-4]}T{at}Z {level} {said}"


def _returned_row(draws: Draws, path: str) -> str:
    return returned(_day(draws, path[-11:-4]), _order_number(draws), draws.one(_REASONS), _person(draws))


class Shape(NamedTuple):
    """What a kind of result looks like."""

    row: Callable[[Draws, str], str]
    head: str
    """Before the first row; `{}` is what was asked for."""
    joint: str
    tail: str
    characters_a_token: float
    """As the packaged base's tokenizer reads it."""
    by_time: bool = False
    """Rows begin with their time, and stand in its order."""


SHAPES = {
    "orders": Shape(_order_row, "[", ",", "]", 2.25),
    "invoices": Shape(
        _invoice_row,
        "| invoice | supplier | euros | due | state |\n|---|---|--:|---|---|\n",
        "\n",
        "\n",
        1.25,
    ),
    "contacts": Shape(_contact_row, '{"department": "{}", "people": [\n', ",\n", "\n]}", 1.85),
    "files": Shape(_file_row, "{}:\n", "\n", "\n", 1.45),
    "minutes": Shape(_minutes_row, "# Minutes\n\n", "\n", "\n", 2.6),
    "log": Shape(_log_row, "", "\n", "\n", 1.55, by_time=True),
    "returns": Shape(_returned_row, "date,order,reason,handled_by\n", "\n", "\n", 1.5, by_time=True),
}


class Round(NamedTuple):
    """One request that was dealt with before the decision."""

    asks: str
    call: ExpectedCall
    answers: str
    shape: str = ""
    """A key of SHAPES; empty: the result is `result`, whole."""
    of: str = ""
    """What was asked for: a month, a department, a folder, a path."""
    rows: tuple[str, ...] = ()
    """Put into the middle of the result; where rows stand by time, theirs is the middle of it."""
    result: str = ""


def orders(month: str, *rows: str) -> Round:
    asks = f"Show me the orders of {month}."
    return Round(asks, call("list_orders", month=month), "These are the orders.", "orders", month, rows)


def invoices(month: str, *rows: str) -> Round:
    asks = f"Which invoices came in {month}?"
    return Round(asks, call("list_invoices", month=month), "Here they are.", "invoices", month, rows)


def contacts(department: str, *rows: str) -> Round:
    asks = f"Who is in the department {department}?"
    made = call("list_contacts", department=department)
    return Round(asks, made, "That is everybody there.", "contacts", department, rows)


def folder(name: str, *rows: str) -> Round:
    asks = f"What is in the folder {name}?"
    return Round(asks, call("list_files", folder=name), "The folder is listed above.", "files", name, rows)


def minutes(day: str, *rows: str) -> Round:
    return _file(f"minutes/{day}.md", f"Open the minutes of {day}.", "minutes", rows)


def log(day: str, *rows: str) -> Round:
    return _file(f"logs/payments-{day}.log", f"Let me see the payment log of {day}.", "log", rows)


def returns(month: str, *rows: str) -> Round:
    return _file(f"returns/{month}.csv", f"I need the list of returns of {month}.", "returns", rows)


def _file(path: str, asks: str, shape: str, rows: tuple[str, ...]) -> Round:
    return Round(asks, call("read_file", path=path), "I have opened it.", shape, path, rows)


def done(asks: str, made: ExpectedCall, result: str, answers: str) -> Round:
    """A round in which something was done, not looked up."""
    return Round(asks, made, answers, result=result)


_MONTHS = tuple(f"2025-{month:02}" for month in range(1, 13))
_DEPARTMENTS = (
    "Sales Design Production Warehouse Quality Marketing Transport Training Reception Repairs".split()
)
_FOLDERS = "photos offers manuals plans certificates surveys archive samples posters training".split()
_OTHERS = (
    tuple(map(orders, _MONTHS)),
    tuple(minutes(f"{month}-11") for month in _MONTHS),
    tuple(map(contacts, _DEPARTMENTS)),
    tuple(log(f"{month}-24") for month in _MONTHS),
    tuple(map(invoices, _MONTHS)),
    tuple(map(folder, _FOLDERS)),
    tuple(map(returns, _MONTHS)),
)


def others(seed: str, count: int) -> list[Round]:
    """Rounds that no case needs: all shapes in turn, beginning anywhere; fewer are the first of more."""
    draws = Draws(seed)
    start = draws.below(len(_OTHERS))
    drawn = [draws.several(kind, 3) for kind in _OTHERS]  # three times seven are more than any case needs
    return [drawn[(start + i) % len(_OTHERS)][i // len(_OTHERS)] for i in range(count)]


LONGEST = 2_400
"""Tokens of the longest result that `bring` can give."""


def bring(one: Round, tokens: float, without: Sequence[str]) -> str:
    """The result of a round: about so many tokens, the round's own rows in the middle of the others.

    No other row holds one of the texts in `without`, whatever the case.
    """
    if not one.shape:
        return one.result
    shape = SHAPES[one.shape]
    head = shape.head.replace("{}", one.of)
    room = tokens * shape.characters_a_token - len(head) - len(shape.tail)
    room -= sum(len(row) + len(shape.joint) for row in one.rows)
    rows: list[str] = []
    for row in _rows(one.shape, one.of):
        length = len(row) + len(shape.joint)
        if room < length / 2:
            break
        if not any(text in row.lower() for text in without):
            rows.append(row)
            room -= length
    middle = len(rows) // 2
    rows[middle:middle] = one.rows
    if shape.by_time:
        rows.sort()
    return head + shape.joint.join(rows) + shape.tail


@cache
def _rows(shape: str, of: str) -> tuple[str, ...]:
    draws = Draws(f"long_context {shape} {of}")
    row = SHAPES[shape].row
    rows: list[str] = []
    room = LONGEST * SHAPES[shape].characters_a_token
    while room > 0:
        rows.append(row(draws, of))
        room -= len(rows[-1])
    return tuple(rows)
