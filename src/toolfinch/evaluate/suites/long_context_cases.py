"""The decisions of the suite `long_context`; `long_context` says what they measure.

Each is written as the rounds that it needs, in their order, and what is asked and right at the end. The texts in
`alone` (the needed values, stale ones, and the names by which they are found) stand in no other round.
"""

from __future__ import annotations

from typing import NamedTuple

from toolfinch.evaluate.suites.cases import call, calls, sentence
from toolfinch.evaluate.suites.long_context_rounds import (
    Round,
    contact,
    contacts,
    done,
    folder,
    invoice,
    invoices,
    listed_file,
    log,
    minutes,
    order,
    orders,
    returned,
    returns,
)
from toolfinch.example import Expected


class Case(NamedTuple):
    kind: str
    """`one_value`, `two_values`, `latest_value`, `by_status`, `not_there` or `already_done`."""
    rounds: tuple[Round, ...]
    asks: str
    expected: Expected
    alone: tuple[str, ...]
    pair: str = ""
    """Joins two cases that differ in a status and in what is right, in nothing else."""


def _again(asks: str, one: Round) -> Round:
    return one._replace(asks=asks)


ONE_VALUE = {
    "cancel": Case(
        "one_value",
        (orders("2026-02", order("SO-48213", "Halden & Voss", "2026-02-11", "open", 1284.37)),),
        "Halden & Voss have changed their minds: cancel their order.",
        calls(call("cancel_order", order="SO-48213")),
        ("SO-48213", "Halden"),
    ),
    "address": Case(
        "one_value",
        (
            contacts(
                "Legal",
                contact("Ottilie Brandauer", "clerk", "tilly.b7@mail.maplerow.example", "+49 30 555 0372"),
            ),
        ),
        'Write to Ottilie Brandauer, subject "Signature", text "The contract is ready."',
        calls(
            call(
                "send_email",
                to="tilly.b7@mail.maplerow.example",
                subject="Signature",
                body=sentence("The contract is ready."),
            )
        ),
        ("Brandauer", "Ottilie", "tilly.b7"),
    ),
    "due-date": Case(
        "one_value",
        (invoices("2026-03", invoice("INV-20417", "Kestrel Plywood", "613.29", "2026-06-23", "open")),),
        "Pay invoice INV-20417 of Kestrel Plywood, 613.29 euros, on the day on which it is due.",
        calls(call("pay_invoice", invoice="INV-20417", amount=613.29, date="2026-06-23")),
        ("INV-20417", "Kestrel", "2026-06-23"),
    ),
    "amount": Case(
        "one_value",
        (orders("2026-01", order("SO-33810", "Marchetti Salons", "2026-01-20", "delivered", 742.86)),),
        "Marchetti Salons get all of their money back for SO-33810.",
        calls(call("refund_order", order="SO-33810", amount=742.86)),
        ("SO-33810", "Marchetti", "742.86"),
    ),
    "file": Case(
        "one_value",
        (
            folder(
                "leases", listed_file("2026-01-19", 84213, "Ilse Brandt", "quay-street-second-floor-31.pdf")
            ),
        ),
        "In the folder leases there is one file of Ilse Brandt. Share it with tom@harbourlaw.example.",
        calls(call("share_file", file="quay-street-second-floor-31.pdf", email="tom@harbourlaw.example")),
        ("Brandt", "quay-street"),
    ),
    "failed-charge": Case(
        "one_value",
        (
            log(
                "2026-05-03",
                "2026-05-03T11:48:09Z ERROR charge failed code=E7731 order=SO-61946 attempt=3",
            ),
        ),
        "On 3 May a charge failed with the code E7731. Cancel that order.",
        calls(call("cancel_order", order="SO-61946")),
        ("SO-61946", "E7731"),
    ),
}

TWO_VALUES = {
    "file-and-address": Case(
        "two_values",
        (
            folder("reports", listed_file("2026-04-02", 190377, "Piet Okonjo", "harbour-noise-64.xlsx")),
            contacts(
                "Facilities",
                contact("Runa Silva", "planner", "silva.rn@partner.example", "+49 30 555 0611"),
            ),
        ),
        "Give Runa Silva from Facilities access to the file of Piet Okonjo in the folder reports.",
        calls(call("share_file", file="harbour-noise-64.xlsx", email="silva.rn@partner.example")),
        ("Okonjo", "harbour-noise", "Silva"),
    ),
    "invoice-and-date": Case(
        "two_values",
        (
            invoices("2026-04", invoice("INV-73305", "Albion Castors", "219.48", "2026-07-14", "open")),
            minutes(
                "2026-05-12",
                "Albion Castors asked for their money early, and they will have it on 2026-06-26.",
            ),
        ),
        "Pay the invoice of Albion Castors, 219.48 euros, on the day that the minutes of 12 May name.",
        calls(call("pay_invoice", invoice="INV-73305", amount=219.48, date="2026-06-26")),
        ("INV-73305", "Albion", "2026-06-26", "2026-07-14"),
    ),
    "return-and-amount": Case(
        "two_values",
        (
            returns("2026-03", returned("2026-03-15", "SO-20951", "cracked glass top", "Wen Adeyemi")),
            minutes(
                "2026-04-14",
                "For the cracked glass top we give back 84.65 euros, which is less than was asked for.",
            ),
        ),
        "In March a cracked glass top was returned. Give back for that order what the minutes of 14 April say.",
        calls(call("refund_order", order="SO-20951", amount=84.65)),
        ("SO-20951", "cracked", "84.65"),
    ),
    "order-and-total": Case(
        "two_values",
        (
            log(
                "2026-05-17",
                "2026-05-17T12:20:55Z ERROR charge failed code=E5508 order=SO-87402 attempt=2",
            ),
            orders("2026-05", order("SO-87402", "Tessera Lofts", "2026-05-16", "delivered", 1530.92)),
        ),
        "On 17 May a charge failed with the code E5508. Refund the total of that order.",
        calls(call("refund_order", order="SO-87402", amount=1530.92)),
        ("SO-87402", "E5508", "Tessera", "1530.92"),
    ),
}

_SANNE = contacts("Purchasing", contact("Sanne Holt", "buyer", "s.holt@partner.example", "+49 30 555 0840"))
_LOWENTHAL = invoices("2026-04", invoice("INV-41182", "Lowenthal Veneers", "377.14", "2026-06-29", "open"))
_DELACROIX = orders("2026-03", order("SO-15530", "Delacroix Cafes", "2026-03-09", "open", 918.23))
_RASMUS = folder("tenders", listed_file("2026-04-12", 40961, "Edda Rasmus", "bid-north-quay-0412.docx"))

LATEST_VALUE = {
    "new-address": Case(
        "latest_value",
        (
            _SANNE,
            _again(
                "The list of Purchasing has just been corrected; get it again.",
                _SANNE._replace(
                    rows=(contact("Sanne Holt", "buyer", "sanne58@fastpost.example", "+49 30 555 0840"),)
                ),
            ),
        ),
        'Write to Sanne Holt, subject "Oak", text "Please order twelve boards."',
        calls(
            call(
                "send_email",
                to="sanne58@fastpost.example",
                subject="Oak",
                body=sentence("Please order twelve boards."),
            )
        ),
        ("Holt", "Sanne", "sanne58"),
    ),
    "new-due-date": Case(
        "latest_value",
        (
            _LOWENTHAL,
            _again(
                "A supplier has changed an invoice of 2026-04, so list them anew.",
                _LOWENTHAL._replace(
                    rows=(invoice("INV-41182", "Lowenthal Veneers", "377.14", "2026-07-08", "open"),)
                ),
            ),
        ),
        "Pay invoice INV-41182 of Lowenthal Veneers, 377.14 euros, on the day on which it is due.",
        calls(call("pay_invoice", invoice="INV-41182", amount=377.14, date="2026-07-08")),
        ("INV-41182", "Lowenthal", "2026-06-29", "2026-07-08"),
    ),
    "new-total": Case(
        "latest_value",
        (
            _DELACROIX,
            _again(
                "Somebody has worked on the orders of 2026-03; fetch them once more.",
                _DELACROIX._replace(
                    rows=(order("SO-15530", "Delacroix Cafes", "2026-03-09", "open", 655.71),)
                ),
            ),
        ),
        "Delacroix Cafes get all of their money back for SO-15530, at its present total.",
        calls(call("refund_order", order="SO-15530", amount=655.71)),
        ("SO-15530", "Delacroix", "918.23", "655.71"),
    ),
    "new-file": Case(
        "latest_value",
        (
            _RASMUS,
            _again(
                "A file in the folder tenders has been replaced. What is in there now?",
                _RASMUS._replace(
                    rows=(listed_file("2026-05-07", 41733, "Edda Rasmus", "bid-north-quay-0507.docx"),)
                ),
            ),
        ),
        "Share the file that Edda Rasmus has in the folder tenders with bids@northquay.example.",
        calls(call("share_file", file="bid-north-quay-0507.docx", email="bids@northquay.example")),
        ("Rasmus", "bid-north-quay"),
    ),
}


_CANCEL = calls(call("cancel_order", order="SO-77126"))
_REFUND = calls(call("refund_order", order="SO-77126", amount=45.15))
_PAY = calls(call("pay_invoice", invoice="INV-58820", amount=960.72, date="2026-06-30"))
_WRITE = calls(
    call(
        "send_email",
        to="sales@sunsail.example",
        subject="Awning",
        body=sentence("We do not need the awning."),
    )
)


def _left(status: str, expected: Expected) -> Case:
    return Case(
        "by_status",
        (orders("2026-04", order("SO-77126", "Lindqvist Inns", "2026-04-27", status, 486.54)),),
        "Lindqvist Inns no longer want SO-77126. If it is listed as open or packed, cancel it; if as shipped or "
        "delivered, refund 45.15 euros of it.",
        expected,
        ("SO-77126", "Lindqvist"),
        "left",
    )


def _awning(decided: str, expected: Expected) -> Case:
    return Case(
        "by_status",
        (minutes("2026-05-26", f"The awning for the loading dock was {decided} after a short vote."),),
        "What did they decide on 26 May about the awning? If they approved it, pay invoice INV-58820, 960.72 "
        'euros, on 2026-06-30. If they turned it down, write to sales@sunsail.example, subject "Awning", text '
        '"We do not need the awning."',
        expected,
        ("awning",),
        "awning",
    )


BY_STATUS = {
    "still-here": _left("packed", _CANCEL),
    "gone": _left("shipped", _REFUND),
    "approved": _awning("approved", _PAY),
    "turned-down": _awning("turned down", _WRITE),
}

NOT_THERE = {
    "no-address": Case(
        "not_there",
        (contacts("Logistics", contact("Tomas Varga", "planner", None, "+49 30 555 0923")),),
        'Write to Tomas Varga from Logistics, subject "Ramp", text "Ramp 4 is free again."',
        Expected("ask", text="Tomas Varga is listed without an email address. Which address shall I use?"),
        ("Varga",),
    ),
    "no-due-date": Case(
        "not_there",
        (invoices("2026-01", invoice("INV-66209", "Ravel Hinges", "154.37", "not stated", "open")),),
        "Pay invoice INV-66209 of Ravel Hinges, 154.37 euros, on the day on which it is due.",
        Expected("ask", text="Invoice INV-66209 states no due date. On which day shall I pay it?"),
        ("INV-66209", "Ravel", "not stated"),
    ),
    "no-total": Case(
        "not_there",
        (orders("2026-05", order("SO-29457", "Castellan Baths", "2026-05-04", "delivered", None)),),
        "Castellan Baths get all of their money back for SO-29457.",
        Expected("ask", text="The list has no total for SO-29457. How much shall I refund?"),
        ("SO-29457", "Castellan"),
    ),
}

ALREADY_DONE = {
    "cancelled": Case(
        "already_done",
        (
            done(
                "Cancel order SO-90377.",
                call("cancel_order", order="SO-90377"),
                '{"order":"SO-90377","cancelled":true}',
                "That order is cancelled.",
            ),
        ),
        "If you have not cancelled SO-90377 yet, do so.",
        Expected("say", text="SO-90377 has been cancelled already."),
        ("SO-90377",),
    ),
    "paid": Case(
        "already_done",
        (
            done(
                "Pay invoice INV-35518, 410.93 euros, on 2026-06-15.",
                call("pay_invoice", invoice="INV-35518", amount=410.93, date="2026-06-15"),
                '{"invoice":"INV-35518","state":"payment ordered","date":"2026-06-15"}',
                "The payment is ordered.",
            ),
        ),
        "Unless you have ordered it before, order the payment of INV-35518: 410.93 euros on 2026-06-15.",
        Expected("say", text="I have ordered the payment of INV-35518 before."),
        ("INV-35518", "410.93"),
    ),
    "shared": Case(
        "already_done",
        (
            done(
                "Share floor-load-77.pdf with kai@statics.example.",
                call("share_file", file="floor-load-77.pdf", email="kai@statics.example"),
                '{"file":"floor-load-77.pdf","shared_with":"kai@statics.example"}',
                "The file is shared.",
            ),
        ),
        "Does kai@statics.example have floor-load-77.pdf from us? If not, share it.",
        Expected("say", text="Yes, floor-load-77.pdf is shared with kai@statics.example."),
        ("floor-load-77", "kai@statics"),
    ),
}

CASES: dict[str, Case] = {
    **ONE_VALUE,
    **TWO_VALUES,
    **LATEST_VALUE,
    **BY_STATUS,
    **NOT_THERE,
    **ALREADY_DONE,
}
