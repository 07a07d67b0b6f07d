"""The tools of the `dependencies` suite, by field. Every argument is required: a case is about when, not what."""

from __future__ import annotations

from toolfinch.evaluate.suites.cases import date, integer, listed, number, one_of, text, tool
from toolfinch.tool import Tool

ROOMS = ("kitchen", "bedroom", "study", "hall", "cellar")
TOOLSETS: dict[str, tuple[Tool, ...]] = {
    "travel": (
        tool(
            "search_trains",
            "List the trains between two cities on a day, with their ids and prices.",
            "read",
            {
                "origin": text("City of departure."),
                "destination": text("City of arrival."),
                "date": date("Day of travel"),
            },
        ),
        tool(
            "book_train",
            "Buy seats on a train.",
            "destructive",
            {
                "train_id": text("Id of the train."),
                "passengers": integer("Number of seats.", minimum=1),
            },
        ),
        tool(
            "visa_rules",
            "Tell whether a visa is needed to enter a country.",
            "read",
            {
                "country": text("Country of destination."),
                "nationality": text("Country that issued the passport."),
            },
        ),
        tool(
            "reserve_room",
            "Reserve a hotel room.",
            "destructive",
            {
                "hotel": text("Name of the hotel."),
                "check_in": date("First night"),
                "nights": integer("Nights."),
            },
        ),
    ),
    "shop": (
        tool(
            "check_stock",
            "Tell how many pieces of an article are in stock, and their price.",
            "read",
            {"sku": text("Article number.")},
        ),
        tool(
            "place_order",
            "Order an article.",
            "destructive",
            {"sku": text("Article number."), "quantity": integer("Pieces.", minimum=1)},
        ),
        tool("order_status", "Tell the state of an order.", "read", {"order_id": text("Order number.")}),
        tool("cancel_order", "Cancel an order.", "destructive", {"order_id": text("Order number.")}),
    ),
    "calendar": (
        tool("show_day", "List the appointments of a day, with their ids.", "read", {"date": date("Day")}),
        tool(
            "add_appointment",
            "Add an appointment.",
            "write",
            {
                "title": text("Name of the appointment."),
                "date": date("Day"),
                "start": text("Start, HH:MM."),
            },
        ),
        tool(
            "cancel_appointment",
            "Cancel an appointment.",
            "destructive",
            {"appointment_id": text("Id of the appointment.")},
        ),
        tool(
            "who_is_available",
            "Tell which of several people are available on a day.",
            "read",
            {"people": listed("Names.", {"type": "string"}), "date": date("Day")},
        ),
    ),
    "devops": (
        tool(
            "run_tests", "Run the test suite of a branch.", "write", {"branch": text("Name of the branch.")}
        ),
        tool(
            "deploy",
            "Deploy a service.",
            "destructive",
            {
                "service": text("Name of the service."),
                "environment": one_of("Where to.", "staging", "production"),
            },
        ),
        tool(
            "service_health",
            "Tell the state and the error rate of a service.",
            "read",
            {"service": text("Name of the service.")},
        ),
        tool(
            "restart_service",
            "Restart a service.",
            "destructive",
            {"service": text("Name of the service.")},
        ),
        tool(
            "back_up_database",
            "Back up a database and wait until it is done.",
            "write",
            {"database": text("Name of the database.")},
        ),
        tool(
            "migrate_database",
            "Bring a database to the newest schema.",
            "destructive",
            {"database": text("Name of the database.")},
        ),
    ),
    "bank": (
        tool(
            "get_balance",
            "Tell the balance of an account, in euros.",
            "read",
            {"account": one_of("Account.", "checking", "savings", "joint")},
        ),
        tool(
            "transfer",
            "Move money between two of the user's accounts.",
            "destructive",
            {
                "source": one_of("Account to take from.", "checking", "savings", "joint"),
                "target": one_of("Account to pay into.", "checking", "savings", "joint"),
                "euros": number("Amount in euros.", exclusiveMinimum=0),
            },
        ),
        tool("find_invoice", "Find an invoice.", "read", {"sender": text("Who sent it.")}),
        tool("pay_invoice", "Pay an invoice.", "destructive", {"invoice_id": text("Id of the invoice.")}),
    ),
    "music": (
        tool("find_song", "Find a song; gives its id.", "read", {"title": text("Title of the song.")}),
        tool(
            "queue_song", "Add a song to the end of the queue.", "write", {"song_id": text("Id of the song.")}
        ),
        tool("make_playlist", "Make an empty playlist; gives its id.", "write", {"name": text("Name.")}),
        tool(
            "add_to_playlist",
            "Add a song to a playlist.",
            "write",
            {"playlist_id": text("Id of the playlist."), "song_id": text("Id of the song.")},
        ),
        tool(
            "now_playing", "Tell what is being played in a room.", "read", {"room": one_of("Room.", *ROOMS)}
        ),
        tool("pause_music", "Pause the music in a room.", "write", {"room": one_of("Room.", *ROOMS)}),
    ),
    "lab": (
        tool(
            "calibrate", "Calibrate an instrument.", "write", {"instrument": text("Name of the instrument.")}
        ),
        tool(
            "measure",
            "Measure a sample with an instrument.",
            "write",
            {"instrument": text("Name of the instrument."), "sample": text("Number of the sample.")},
        ),
        tool(
            "read_freezer",
            "Tell the temperature of a freezer and whether its door is shut.",
            "read",
            {"freezer": text("Name of the freezer.")},
        ),
        tool("alert_technician", "Page the technician on duty.", "write", {"message": text("What to say.")}),
        tool(
            "find_protocol",
            "Find a protocol by its subject; gives its id.",
            "read",
            {"subject": text("Subject.")},
        ),
        tool(
            "start_protocol", "Start a protocol.", "destructive", {"protocol_id": text("Id of the protocol.")}
        ),
    ),
    "school": (
        tool(
            "get_grade",
            "Tell a student's grade in a course, in points from 0 to 100.",
            "read",
            {"student": text("Name of the student."), "course": text("Name of the course.")},
        ),
        tool(
            "enrol",
            "Enrol a student in a course.",
            "write",
            {"student": text("Name of the student."), "course": text("Name of the course.")},
        ),
        tool(
            "free_seats",
            "Tell how many seats a course has left.",
            "read",
            {"course": text("Name of the course.")},
        ),
        tool(
            "write_to_parents",
            "Send a message to a student's parents.",
            "destructive",
            {"student": text("Name of the student."), "message": text("Text of the message.")},
        ),
    ),
    "home": (
        tool(
            "read_temperature",
            "Tell how warm a room is, in Celsius.",
            "read",
            {"room": one_of("Room.", *ROOMS)},
        ),
        tool(
            "set_heating",
            "Set the heating of a room.",
            "write",
            {
                "room": one_of("Room.", *ROOMS),
                "celsius": integer("Wanted temperature.", minimum=5, maximum=30),
            },
        ),
        tool(
            "door_state",
            "Tell whether a door is open, shut or locked.",
            "read",
            {"door": one_of("Which door.", "front", "back", "garage")},
        ),
        tool(
            "lock_door", "Lock a door.", "write", {"door": one_of("Which door.", "front", "back", "garage")}
        ),
        tool(
            "switch_light",
            "Switch a light.",
            "write",
            {"room": one_of("Room.", *ROOMS), "to": one_of("State.", "on", "off")},
        ),
    ),
    "library": (
        tool(
            "find_book", "Find a book; gives its id and where a copy is.", "read", {"title": text("Title.")}
        ),
        tool("hold_book", "Put a book on hold.", "write", {"book_id": text("Id of the book.")}),
        tool(
            "list_loans", "List the loans of a library card.", "read", {"card": text("Number of the card.")}
        ),
        tool("renew_loan", "Renew a loan.", "write", {"loan_id": text("Id of the loan.")}),
        tool(
            "pay_fine",
            "Pay the open fine of a library card.",
            "destructive",
            {"card": text("Number of the card.")},
        ),
    ),
    "farm": (
        tool(
            "soil_moisture", "Tell how wet the soil of a bed is, in percent.", "read", {"bed": text("Bed.")}
        ),
        tool(
            "water_bed",
            "Water a bed.",
            "write",
            {"bed": text("Bed."), "minutes": integer("For how long.", minimum=1)},
        ),
        tool(
            "rain_outlook", "Tell how many millimetres of rain are expected.", "read", {"date": date("Day")}
        ),
        tool(
            "close_greenhouse",
            "Close the roof of a greenhouse.",
            "write",
            {"greenhouse": text("Greenhouse.")},
        ),
        tool(
            "order_seed",
            "Order seed.",
            "destructive",
            {"variety": text("Variety."), "grams": integer("How much.", minimum=1)},
        ),
        tool("seed_stock", "Tell how many grams of a seed are left.", "read", {"variety": text("Variety.")}),
    ),
    "support": (
        tool("get_ticket", "Show a support ticket.", "read", {"ticket": text("Number of the ticket.")}),
        tool("close_ticket", "Close a support ticket.", "write", {"ticket": text("Number of the ticket.")}),
        tool(
            "agents_on_duty",
            "List the agents on duty, with their open tickets.",
            "read",
            {"team": text("Team.")},
        ),
        tool(
            "assign_ticket",
            "Give a ticket to an agent.",
            "write",
            {"ticket": text("Number of the ticket."), "agent": text("Name of the agent.")},
        ),
        tool(
            "refund",
            "Refund an order.",
            "destructive",
            {"order_id": text("Order number."), "euros": number("Amount in euros.", exclusiveMinimum=0)},
        ),
    ),
    "clinic": (
        tool(
            "open_slots",
            "List a doctor's free appointments on a day, with their ids.",
            "read",
            {"doctor": text("Family name of the doctor."), "date": date("Day")},
        ),
        tool(
            "book_slot",
            "Book a free appointment.",
            "write",
            {"slot_id": text("Id of the appointment."), "patient": text("Name of the patient.")},
        ),
        tool(
            "lab_result",
            "Tell the result of a patient's laboratory test.",
            "read",
            {"patient": text("Name of the patient."), "test": text("Name of the test.")},
        ),
        tool(
            "message_patient",
            "Send a message to a patient.",
            "destructive",
            {"patient": text("Name of the patient."), "message": text("Text of the message.")},
        ),
    ),
    "press": (
        tool(
            "count_words", "Count the words of an article.", "read", {"article": text("Name of the article.")}
        ),
        tool(
            "check_facts",
            "Check an article's facts; lists what is doubtful.",
            "read",
            {"article": text("Name.")},
        ),
        tool("publish", "Publish an article.", "destructive", {"article": text("Name of the article.")}),
        tool(
            "translate_article",
            "Translate an article; gives the name of the new one.",
            "write",
            {"article": text("Name of the article."), "language": text("Language to translate to.")},
        ),
        tool(
            "send_to_editor",
            "Send an article to an editor.",
            "write",
            {"article": text("Name of the article."), "editor": text("Name of the editor.")},
        ),
    ),
}
