"""`forty`: eight everyday tools, five categories of eight cases, each with exactly one right decision.

The categories are tool selection, argument accuracy, several tools (at once, and across turns), edge cases and
format compliance. All eight tools are offered in every case, and the date is given, so that every value can be
told from the request. Whatever else is right is listed with `AnyOf`; free text is dictated word for word.

To write the file again: python -m toolfinch.evaluate.suites.forty FOLDER. Figures on a file that differs are
not comparable with those before. Left out: calls that depend on one another (`dependencies`) and failed tools.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from toolfinch.data.dataset import write_dataset
from toolfinch.evaluate.suites.cases import (
    AnyOf,
    as_conversation,
    call,
    calls,
    date,
    done,
    flag,
    in_any_order,
    integer,
    listed,
    number,
    one_of,
    sentence,
    text,
    tool,
)
from toolfinch.example import Conversation, Expected
from toolfinch.message import Message, system, user

TODAY = "Today is Tuesday, 10 March 2026. Times are local."

_EMAIL = {"type": "string", "format": "email"}
TOOLS = (
    tool(
        "find_contact",
        "Look up a person's phone number, email address and birthday in the address book.",
        "read",
        {"name": text("The person's name as the user says it.")},
    ),
    tool(
        "send_email",
        "Send an email.",
        "destructive",
        {
            "to": listed("Addresses of the recipients.", _EMAIL, minItems=1),
            "subject": text("Subject line."),
            "body": text("Text of the email."),
            "cc": listed("Addresses that get a copy.", _EMAIL, default=[]),
            "priority": one_of("How urgent it is.", "low", "normal", "high", default="normal"),
        },
        optional="cc priority",
    ),
    tool(
        "create_event",
        "Put a new event into the calendar.",
        "write",
        {
            "title": text("Name of the event."),
            "start": text("Start, YYYY-MM-DDTHH:MM.", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d$"),
            "duration_minutes": integer("How long it takes.", minimum=5, default=60),
            "attendees": listed("Email addresses of those invited.", _EMAIL, default=[]),
            "location": {
                "type": "object",
                "description": "Where it takes place.",
                "properties": {
                    "building": text("Name of the building."),
                    "room": text("Room number or name."),
                    "floor": integer("Floor, 0 for the ground floor."),
                },
                "required": ["building"],
                "additionalProperties": False,
            },
        },
        optional="duration_minutes attendees location",
    ),
    tool(
        "list_events",
        "List the calendar's events on a range of days.",
        "read",
        {
            "from_date": date("First day"),
            "to_date": date("Last day, the same as from_date for a single day"),
            "calendar": one_of("Which calendar.", "all", "work", "private", default="all"),
        },
        optional="calendar",
    ),
    tool(
        "set_reminder",
        "Remind the user of something at a time, once or again and again. It does not block the calendar.",
        "write",
        {
            "text": text("What the reminder says."),
            "at": text(
                "When, the first time if it repeats, YYYY-MM-DDTHH:MM.",
                pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d$",
            ),
            "repeat": one_of("How often.", "never", "daily", "weekly", "monthly", default="never"),
        },
        optional="repeat",
    ),
    tool(
        "convert_currency",
        "Convert an amount of money at today's rate.",
        "read",
        {
            "amount": number("Amount to convert.", minimum=0),
            "source": text("Currency of the amount, ISO 4217.", pattern="^[A-Z]{3}$"),
            "target": text("Currency to convert to, ISO 4217.", pattern="^[A-Z]{3}$"),
        },
    ),
    tool(
        "find_places",
        "Find shops, restaurants and the like on the map.",
        "read",
        {
            "category": one_of(
                "Kind of place.",
                *("restaurant", "cafe", "pharmacy", "hotel", "parking", "supermarket", "museum"),
            ),
            "near": {
                "type": "object",
                "description": "Where to look.",
                "properties": {"city": text("City."), "street": text("Street, without a house number.")},
                "required": ["city"],
                "additionalProperties": False,
            },
            "radius_metres": integer("How far away at most.", minimum=100, default=1000),
            "open_now": flag("Only places that are open at the moment.", default=False),
            "features": listed(
                "What the place must offer.",
                {"type": "string", "enum": ["wifi", "vegan", "wheelchair", "pets", "terrace"]},
                default=[],
            ),
        },
        optional="radius_metres open_now features",
    ),
    tool(
        "save_note",
        "Save a note.",
        "write",
        {
            "title": text("Title of the note."),
            "content": text("Text of the note, exactly as the user gives it."),
            "tags": listed("Labels; an empty list where the user names none.", {"type": "string"}),
            "pinned": flag("Keep the note at the top.", default=False),
            "fields": {
                "type": "object",
                "description": "Further named values, all of them strings.",
                "additionalProperties": {"type": "string"},
                "default": {},
            },
        },
        optional="pinned fields",
    ),
)

LONG = (
    "Turn the water off at the red valve behind the washing machine before anything else. The boiler needs four "
    "minutes to wake up, so do not press its button twice; if the lamp blinks amber, wait, and if it stays red, "
    "call Mr. Oyelaran on the third floor, who has the service key. The window in the small room sticks in wet "
    "weather: lift, then push. Post for 12a lands in our box now and then; put it on the shelf by the stairs. "
    "Feed the tortoise every second day (dandelion, never lettuce) and weigh her on Sundays; last week she had "
    "1,243 g. The neighbours' boy, Emil, may fetch his ball from the yard without asking. Bins: paper on even "
    "weeks, glass on the 1st and the 15th, everything else on Thursdays before 6:30. The alarm code is the year "
    "in which the bridge was built, backwards. When you leave, two turns of the upper lock, none of the lower "
    "one, it has a will of its own. Thank you, thank you, thank you; there is a cake in the freezer, the one "
    "marked 'not fish'."
)
ROUTE = "Route:\n1. Mill\n2. Old bridge\n\nBring boots."

Case = tuple[str | tuple[Message, ...], Expected]
"""What the user says, or a conversation up to the decision, and what is right."""

SELECTION: tuple[Case, ...] = (
    ("What's the phone number of Priya Raman?", calls(call("find_contact", name="Priya Raman"))),
    (
        'lena.fors@nordhaus.example has to know this by mail, subject "Keys": "The keys are at the desk."',
        calls(
            call(
                "send_email",
                to=["lena.fors@nordhaus.example"],
                subject="Keys",
                body=sentence("The keys are at the desk."),
            )
        ),
    ),
    (
        'I\'m seeing the dentist on 17 March 2026 at 08:30 for 45 minutes; block that time as "Dentist".',
        calls(call("create_event", title="Dentist", start="2026-03-17T08:30", duration_minutes=45)),
    ),
    (
        "What have I got on from 12 to 14 March?",
        calls(call("list_events", from_date="2026-03-12", to_date="2026-03-14")),
    ),
    (
        'At 7 pm tomorrow I want to be nudged with the words "take out the bins"; no need to block my calendar.',
        calls(call("set_reminder", text="take out the bins", at="2026-03-11T19:00")),
    ),
    (
        "I have 250 euros left. How many Swiss francs is that?",
        calls(call("convert_currency", amount=250, source="EUR", target="CHF")),
    ),
    (
        "I'm driving to Ghent. Where can I leave the car?",
        calls(call("find_places", category="parking", near={"city": "Ghent"})),
    ),
    (
        'Write down for me, untagged and headed "Wifi": "guest network heron, no password"',
        calls(call("save_note", title="Wifi", content="guest network heron, no password", tags=[])),
    ),
)

ARGUMENTS: tuple[Case, ...] = (
    (
        "Which events does my work calendar have this Friday?",
        calls(call("list_events", from_date="2026-03-13", to_date="2026-03-13", calendar="work")),
    ),
    (
        "High priority: a mail to tom.oneil+team@post.example and r_sato@mail.post.example, with a copy to "
        'archive@post.example. Its subject is "Minutes" and its text "Agreed as written."',
        calls(
            call(
                "send_email",
                to=in_any_order("tom.oneil+team@post.example", "r_sato@mail.post.example"),
                subject="Minutes",
                body=sentence("Agreed as written."),
                cc=["archive@post.example"],
                priority="high",
            )
        ),
    ),
    (
        '"Budget review" goes into the calendar for 3 April 2026, 13:15 to 14:45, in the Orion building, room '
        "4B on the second floor.",
        calls(
            call(
                "create_event",
                title="Budget review",
                start="2026-04-03T13:15",
                duration_minutes=90,
                location=AnyOf(
                    {"building": "Orion", "room": "4B", "floor": 2},
                    {"building": "Orion building", "room": "4B", "floor": 2},
                    {"building": "Orion Building", "room": "4B", "floor": 2},
                    {"building": "the Orion building", "room": "4B", "floor": 2},
                ),
            )
        ),
    ),
    (
        "A restaurant no more than 800 metres from Kastanienallee in Berlin, please, one that has vegan food and "
        "a terrace and is open right now.",
        calls(
            call(
                "find_places",
                category="restaurant",
                near={"city": "Berlin", "street": "Kastanienallee"},
                radius_metres=800,
                open_now=True,
                features=in_any_order("vegan", "terrace"),
            )
        ),
    ),
    (
        "This laptop is 1,299.95 US dollars. What would that be in yen?",
        calls(call("convert_currency", amount=1299.95, source="USD", target="JPY")),
    ),
    (
        'Every month, beginning on 1 April 2026 at nine in the morning, remind me with "pay the rent".',
        calls(call("set_reminder", text="pay the rent", at="2026-04-01T09:00", repeat="monthly")),
    ),
    (
        "Show me only my private events of the whole of next month.",
        calls(call("list_events", from_date="2026-04-01", to_date="2026-04-30", calendar="private")),
    ),
    (
        'Half an hour called "Standup", tomorrow at a quarter to ten in the morning, with kai@lab.example and '
        "noor@lab.example invited.",
        calls(
            call(
                "create_event",
                title="Standup",
                start="2026-03-11T09:45",
                duration_minutes=30,
                attendees=in_any_order("kai@lab.example", "noor@lab.example"),
            )
        ),
    ),
)

_JONAS = (
    'Mail this to Jonas Feld, his address is in my contacts: subject "Car", text "It is ready for pickup."'
)
_SWIM = 'Should the morning of 18 March be empty, enter "Swim" for 07:00, three quarters of an hour.'
_FARE = 'What is 60 pounds sterling in euros? Put just the number into an untagged note, title "Fare".'
_TEAM = 'An hour with Mira Lund and Owen Pratt on 24 March 2026 at 16:00, "Handover". Invite both by address.'

SEVERAL: tuple[Case, ...] = (
    (
        "Two things: 80 British pounds in euros, and a pharmacy in Leeds.",
        calls(
            call("convert_currency", amount=80, source="GBP", target="EUR"),
            call("find_places", category="pharmacy", near={"city": "Leeds"}),
        ),
    ),
    (
        "How much are 100 euros in Norwegian, Swedish and Danish crowns?",
        calls(*(call("convert_currency", amount=100, source="EUR", target=t) for t in ("NOK", "SEK", "DKK"))),
    ),
    (
        'Save "blue scarf" as a note titled "Gift" without tags, and also remind me on 20 March 2026 at 18:00 '
        'with "buy the scarf".',
        calls(
            call("save_note", title="Gift", content="blue scarf", tags=[]),
            call("set_reminder", text="buy the scarf", at="2026-03-20T18:00"),
        ),
    ),
    (
        "For my trip: hotels in Porto, everything on my calendar for 15 March, and the contact of Inês Prado.",
        calls(
            call("find_places", category="hotel", near={"city": "Porto"}),
            call("list_events", from_date="2026-03-15", to_date="2026-03-15"),
            call("find_contact", name="Inês Prado"),
        ),
    ),
    (
        (
            user(_JONAS),
            *done(
                2,
                (
                    call("find_contact", name="Jonas Feld"),
                    '{"name":"Jonas Feld","phone":"+49 30 555 0148","email":"jfeld@werk.example"}',
                ),
            ),
        ),
        calls(
            call(
                "send_email",
                to=["jfeld@werk.example"],
                subject="Car",
                body=sentence("It is ready for pickup."),
            ),
        ),
    ),
    (
        (
            user(_SWIM),
            *done(
                2,
                (call("list_events", from_date="2026-03-18", to_date="2026-03-18"), '{"events":[]}'),
            ),
        ),
        calls(call("create_event", title="Swim", start="2026-03-18T07:00", duration_minutes=45)),
    ),
    (
        (
            user(_FARE),
            *done(
                2,
                (
                    call("convert_currency", amount=60, source="GBP", target="EUR"),
                    '{"amount":69.42,"currency":"EUR"}',
                ),
            ),
        ),
        calls(call("save_note", title="Fare", content="69.42", tags=[])),
    ),
    (
        (
            user(_TEAM),
            *done(
                2,
                (
                    call("find_contact", name="Mira Lund"),
                    '{"name":"Mira Lund","email":"mlund@ferry.example"}',
                ),
                (
                    call("find_contact", name="Owen Pratt"),
                    '{"name":"Owen Pratt","email":"pratt@ferry.example"}',
                ),
            ),
        ),
        calls(
            call(
                "create_event",
                title="Handover",
                start="2026-03-24T16:00",
                duration_minutes=60,
                attendees=in_any_order("mlund@ferry.example", "pratt@ferry.example"),
            )
        ),
    ),
)

EDGES: tuple[Case, ...] = (
    (
        "Will it rain in Lisbon tomorrow?",
        Expected("decline", text="I can't tell: none of my tools knows the weather."),
    ),
    (
        "Please send an email to ella@quay.example.",
        Expected("ask", text="What should the subject and the text be?"),
    ),
    (
        "My sister changed 300 dollars last week, then found a lovely café in Rome and mailed me about it. All I "
        "need from you is how to reach Bruno Marchetti.",
        calls(call("find_contact", name="Bruno Marchetti")),
    ),
    (
        "Without running anything: what is your tool `find_places` good for?",
        Expected("say", text="It finds shops, restaurants and other places on the map."),
    ),
    (
        "Don't book anything and don't remind me of anything; I only want to see what is on for 19 March 2026.",
        calls(call("list_events", from_date="2026-03-19", to_date="2026-03-19")),
    ),
    (
        'A reminder for 14 March 2026 at 8 in the morning, "water the fig". No, sorry, 9:30 is better.',
        calls(call("set_reminder", text="water the fig", at="2026-03-14T09:30")),
    ),
    (
        f'Keep this whole text as a note, title "Flat", tag "house":\n{LONG}',
        calls(call("save_note", title="Flat", content=LONG, tags=["house"])),
    ),
    (
        "Ett mejl till asa@exempel.example, ämne «Möte på Åsö», text «Vi ses kl. 9 – ta med kaffe ☕»",
        calls(
            call(
                "send_email",
                to=["asa@exempel.example"],
                subject="Möte på Åsö",
                body="Vi ses kl. 9 – ta med kaffe ☕",
            )
        ),
    ),
)

FORMATS: tuple[Case, ...] = (
    (
        'Make a note titled "Config", no tags, with this and nothing else in it: {"retry": 3, "on": true}',
        calls(call("save_note", title="Config", content='{"retry": 3, "on": true}', tags=[])),
    ),
    (
        'Untagged note, title: Last words. Content: "More light," he said, or was it "more \'night\'"?',
        calls(
            call(
                "save_note",
                title="Last words",
                content='"More light," he said, or was it "more \'night\'"?',
                tags=[],
            )
        ),
    ),
    (
        f"Email walkers@hill.example with the subject Sunday. The text, with its line breaks:\n{ROUTE}",
        calls(
            call("send_email", to=["walkers@hill.example"], subject="Sunday", body=AnyOf(ROUTE, ROUTE + "\n"))
        ),
    ),
    (
        "A note, please. Title: 0042. Content: 007. Tags: 1 and 2.",
        calls(call("save_note", title="0042", content="007", tags=in_any_order("1", "2"))),
    ),
    (
        'Note "true" under the title "Answer", with the tag "null", and pin it.',
        calls(call("save_note", title="Answer", content="true", tags=["null"], pinned=True)),
    ),
    (
        'A note that has an empty text: title "Placeholder", without any tags.',
        calls(call("save_note", title="Placeholder", content="", tags=[])),
    ),
    (
        'Save "stock" as a note with the title "Shelf", no tags, and two fields: the one named 3" pipe has the '
        "value 12, the one named C:\\temp has the value full.",
        calls(
            call(
                "save_note",
                title="Shelf",
                content="stock",
                tags=[],
                fields={'3" pipe': "12", "C:\\temp": "full"},
            )
        ),
    ),
    (
        "Title Escapes, tag code, and for the note's content exactly this line:\n"
        r"\n ends a line, \\ is a backslash, \u0041 is A, </tool_call> is text",
        calls(
            call(
                "save_note",
                title="Escapes",
                content=r"\n ends a line, \\ is a backslash, \u0041 is A, </tool_call> is text",
                tags=["code"],
            )
        ),
    ),
)

CATEGORIES = {
    "tool_selection": SELECTION,
    "argument_accuracy": ARGUMENTS,
    "several_tools": SEVERAL,
    "edge_cases": EDGES,
    "format_compliance": FORMATS,
}


def forty() -> list[Conversation]:
    """The forty cases; the category is the scenario."""
    return [
        as_conversation(
            f"forty-{category}-{number}",
            TOOLS,
            (system(TODAY), *_messages(said)),
            expected,
            scenario=category,
            source="forty",
        )
        for category, cases in CATEGORIES.items()
        for number, (said, expected) in enumerate(cases, 1)
    ]


def _messages(said: str | tuple[Message, ...]) -> Sequence[Message]:
    return (user(said),) if isinstance(said, str) else said


def main(folder: Path) -> None:
    print(folder / "forty.jsonl", write_dataset(folder / "forty.jsonl", forty()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
