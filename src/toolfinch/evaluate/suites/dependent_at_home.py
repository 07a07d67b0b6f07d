"""The cases of the `dependencies` suite from private life, by field; `dependencies` says what they measure."""

from __future__ import annotations

from toolfinch.evaluate.suites.cases import call, in_any_order
from toolfinch.evaluate.suites.dependent import Case, case, due, off

CASES: dict[str, tuple[Case, ...]] = {
    "travel": (
        case(
            "choice",
            "Find the trains from Lyon to Turin on 2026-05-08 and book two seats on the cheapest of them.",
            "Find the trains from Lyon to Turin on 2026-05-08 and book two seats on train TR-9281.",
            call("search_trains", origin="Lyon", destination="Turin", date="2026-05-08"),
            call("book_train", train_id="TR-9281", passengers=2),
            due(
                [
                    {"id": "TR-9270", "euros": 74},
                    {"id": "TR-9275", "euros": 49},
                    {"id": "TR-9281", "euros": 61},
                ],
                call("book_train", train_id="TR-9275", passengers=2),
            ),
        ),
        case(
            "condition",
            "My passport is from Kenya. See if I need a visa for Georgia; if I don't, reserve 3 nights at Casa Luz from "
            "2026-06-02.",
            "My passport is from Kenya. See if I need a visa for Georgia; even if I do, reserve 3 nights at Casa Luz "
            "from 2026-06-02.",
            call("visa_rules", country="Georgia", nationality="Kenya"),
            call("reserve_room", hotel="Casa Luz", check_in="2026-06-02", nights=3),
            due(
                {"visa_needed": False},
                call("reserve_room", hotel="Casa Luz", check_in="2026-06-02", nights=3),
            ),
            off(
                {"visa_needed": True, "days": 30}, "You need a visa for Georgia, so I have reserved nothing."
            ),
        ),
        case(
            "value",
            "Which train from Oslo to Bergen leaves first on 2026-07-01? As soon as you know, get one seat on it.",
            "Which train from Oslo to Bergen leaves first on 2026-07-01? Meanwhile, get one seat on NO-612.",
            call("search_trains", origin="Oslo", destination="Bergen", date="2026-07-01"),
            call("book_train", train_id="NO-612", passengers=1),
            due(
                [{"id": "NO-601", "departs": "08:25"}, {"id": "NO-599", "departs": "06:25"}],
                call("book_train", train_id="NO-599", passengers=1),
            ),
        ),
        case(
            "condition",
            "Reserve Villa Rosa for 2 nights from 2026-05-20, unless Peru asks for a visa with a passport of Denmark.",
            "Reserve Villa Rosa for 2 nights from 2026-05-20, and tell me whether Peru asks for a visa with a passport "
            "of Denmark.",
            call("visa_rules", country="Peru", nationality="Denmark"),
            call("reserve_room", hotel="Villa Rosa", check_in="2026-05-20", nights=2),
        ),
        case(
            "choice",
            "Compare the trains from Ghent to Basel on 2026-08-11 and on 2026-08-12; then take the fastest of all for "
            "one person.",
            "Compare the trains from Ghent to Basel on 2026-08-11 and on 2026-08-12; besides, take BE-77 for one "
            "person.",
            (
                call("search_trains", origin="Ghent", destination="Basel", date="2026-08-11"),
                call("search_trains", origin="Ghent", destination="Basel", date="2026-08-12"),
            ),
            call("book_train", train_id="BE-77", passengers=1),
        ),
        case(
            "condition",
            "Our trip depends on what Oman says about a passport of Chile: only with no visa needed do we stay, 4 "
            "nights at Dar Noor from 2026-09-03.",
            "",
            call("visa_rules", country="Oman", nationality="Chile"),
            call("reserve_room", hotel="Dar Noor", check_in="2026-09-03", nights=4),
        ),
    ),
    "shop": (
        case(
            "condition",
            "Order 3 of SKU 7714, provided that at least 3 are in stock.",
            "Order 3 of SKU 7714, and tell me how many are in stock.",
            call("check_stock", sku="7714"),
            call("place_order", sku="7714", quantity=3),
            due({"in_stock": 8, "euros": 14.5}, call("place_order", sku="7714", quantity=3)),
            off({"in_stock": 2, "euros": 14.5}, "Only 2 are in stock, so I have not ordered."),
        ),
        case(
            "choice",
            "Check A-100 and B-200 and order one piece of whichever costs less.",
            "Check A-100 and B-200 and order one piece of A-100 whatever it costs.",
            (call("check_stock", sku="A-100"), call("check_stock", sku="B-200")),
            call("place_order", sku="A-100", quantity=1),
            due(
                ({"in_stock": 40, "euros": 21.9}, {"in_stock": 3, "euros": 19.9}),
                call("place_order", sku="B-200", quantity=1),
            ),
        ),
        case(
            "condition",
            "See if order 55120 has left the warehouse, and if it hasn't, cancel it.",
            "See if order 55120 has left the warehouse, and cancel order 55121.",
            call("order_status", order_id="55120"),
            call("cancel_order", order_id="55121"),
            due({"state": "being packed"}, call("cancel_order", order_id="55120")),
            off({"state": "shipped yesterday"}, "It was shipped yesterday, so I could not cancel it."),
        ),
        case(
            "order",
            "Cancel order 88014 and, once that has gone through, order 2 of C-31 instead.",
            "Cancel order 88014 and, without waiting for that, order 2 of C-31.",
            call("cancel_order", order_id="88014"),
            call("place_order", sku="C-31", quantity=2),
            due({"cancelled": True}, call("place_order", sku="C-31", quantity=2)),
            off(
                {"cancelled": False, "reason": "already shipped"},
                "Order 88014 has been shipped and could not be cancelled, so I have not ordered C-31.",
            ),
        ),
        case(
            "condition",
            "Only when order 60233 shows as delivered, order another 5 of D-9.",
            "Does order 60233 show as delivered? When you're at it, order another 5 of D-9.",
            call("order_status", order_id="60233"),
            call("place_order", sku="D-9", quantity=5),
        ),
        case(
            "value",
            "Order 10 of E-5 if there are that many; failing that, as many as there are.",
            "",
            call("check_stock", sku="E-5"),
            call("place_order", sku="E-5", quantity=10),
            due({"in_stock": 6, "euros": 3.2}, call("place_order", sku="E-5", quantity=6)),
        ),
        case(
            "condition",
            "In the event that F-12 costs less than 20 euros, get me one.",
            "Does F-12 cost less than 20 euros? Get me one anyway.",
            call("check_stock", sku="F-12"),
            call("place_order", sku="F-12", quantity=1),
        ),
    ),
    "calendar": (
        case(
            "condition",
            'Check 2026-03-19, then, if I\'m free at 15:00, add "Haircut" at that time.',
            'Check 2026-03-19, and add "Haircut" on that day at 15:00.',
            call("show_day", date="2026-03-19"),
            call("add_appointment", title="Haircut", date="2026-03-19", start="15:00"),
            due([], call("add_appointment", title="Haircut", date="2026-03-19", start="15:00")),
            off(
                [{"id": "ap-12", "title": "Board", "start": "14:30", "end": "16:00"}],
                "You have Board from 14:30 to 16:00, so I have not added the haircut.",
            ),
        ),
        case(
            "value",
            'Look up which id "Piano" has on 2026-04-02 and cancel it.',
            'Look up which id "Piano" has on 2026-04-02 and cancel ap-31.',
            call("show_day", date="2026-04-02"),
            call("cancel_appointment", appointment_id="ap-31"),
            due(
                [
                    {"id": "ap-86", "title": "Tax office", "start": "09:00"},
                    {"id": "ap-87", "title": "Piano", "start": "17:00"},
                ],
                call("cancel_appointment", appointment_id="ap-87"),
            ),
        ),
        case(
            "choice",
            "Who of Ada and Boris is available on 2026-04-09? Enter the name of that one as an appointment at 12:30.",
            'Who of Ada and Boris is available on 2026-04-09? Enter "Team" as an appointment on that day at 12:30.',
            call("who_is_available", people=in_any_order("Ada", "Boris"), date="2026-04-09"),
            call("add_appointment", title="Team", date="2026-04-09", start="12:30"),
            due(
                {"available": ["Boris"], "away": ["Ada"]},
                call("add_appointment", title="Boris", date="2026-04-09", start="12:30"),
            ),
        ),
        case(
            "condition",
            'So long as both Chen and Dora are available on 2026-04-14, add "Retrospective" for 10:00.',
            'Are both Chen and Dora available on 2026-04-14? In any event, add "Retrospective" that day for 10:00.',
            call("who_is_available", people=in_any_order("Chen", "Dora"), date="2026-04-14"),
            call("add_appointment", title="Retrospective", date="2026-04-14", start="10:00"),
        ),
        case(
            "value",
            'Look at 2026-05-05 and put "Run" on that day, right after my last appointment.',
            'Look at 2026-05-05 and put "Run" on that day at 18:00, after my last appointment.',
            call("show_day", date="2026-05-05"),
            call("add_appointment", title="Run", date="2026-05-05", start="18:00"),
            due(
                [
                    {"id": "ap-40", "title": "Audit", "start": "13:00", "end": "17:15"},
                    {"id": "ap-39", "title": "Tour", "start": "09:00", "end": "10:30"},
                ],
                call("add_appointment", title="Run", date="2026-05-05", start="17:15"),
            ),
        ),
        case(
            "choice",
            'Compare 2026-06-08 with 2026-06-09; "Painting" goes to 09:00 on the emptier one.',
            'Show me 2026-06-08 and 2026-06-09; "Painting" goes to 09:00 on 2026-06-09.',
            (call("show_day", date="2026-06-08"), call("show_day", date="2026-06-09")),
            call("add_appointment", title="Painting", date="2026-06-09", start="09:00"),
        ),
        case(
            "condition",
            'Should 2026-07-13 have nothing at 08:00, enter "Blood test" there.',
            'Show me 2026-07-13, and at 08:00 enter "Blood test" there.',
            call("show_day", date="2026-07-13"),
            call("add_appointment", title="Blood test", date="2026-07-13", start="08:00"),
        ),
    ),
    "bank": (
        case(
            "condition",
            "Tell me if checking holds more than 2,000 euros, and if so, move 500 of them to savings.",
            "Tell me if checking holds more than 2,000 euros, and even if not, move 500 of them to savings.",
            call("get_balance", account="checking"),
            call("transfer", source="checking", target="savings", euros=500),
            due({"euros": 2614.07}, call("transfer", source="checking", target="savings", euros=500)),
            off({"euros": 1880.4}, "Checking holds 1,880.40 euros, so I have moved nothing."),
        ),
        case(
            "value",
            "Find the invoice from Northwind Energy and pay it.",
            "Find the invoice from Northwind Energy and pay IN-204.",
            call("find_invoice", sender="Northwind Energy"),
            call("pay_invoice", invoice_id="IN-204"),
            due(
                {"id": "IN-733", "euros": 91.2, "due": "2026-04-01"}, call("pay_invoice", invoice_id="IN-733")
            ),
        ),
        case(
            "choice",
            "See what checking and joint hold, and move 100 euros to savings from the fuller of the two.",
            "See what checking and joint hold, and move 100 euros to savings, from checking.",
            (call("get_balance", account="checking"), call("get_balance", account="joint")),
            call("transfer", source="checking", target="savings", euros=100),
            due(
                ({"euros": 350.0}, {"euros": 1270.5}),
                call("transfer", source="joint", target="savings", euros=100),
            ),
        ),
        case(
            "value",
            "Move half of what is on savings to joint.",
            "",
            call("get_balance", account="savings"),
            call("transfer", source="savings", target="joint", euros=500),
            due({"euros": 1840.0}, call("transfer", source="savings", target="joint", euros=920)),
        ),
        case(
            "condition",
            "Assuming joint has enough on it, pay IN-518; it's 340 euros.",
            "Tell me what joint has on it, and pay IN-518; it's 340 euros.",
            call("get_balance", account="joint"),
            call("pay_invoice", invoice_id="IN-518"),
            off({"euros": 112.5}, "Joint has only 112.50 euros on it, so I have not paid IN-518."),
        ),
        case(
            "order",
            "Move 250 euros from savings to checking; after they have arrived, pay IN-911 from there.",
            "Move 250 euros from savings to checking; in parallel, pay IN-911, there's money enough for it already.",
            call("transfer", source="savings", target="checking", euros=250),
            call("pay_invoice", invoice_id="IN-911"),
        ),
    ),
    "music": (
        case(
            "value",
            'Find the id of "Blue Harbour" and queue the song by that id.',
            'Find the id of "Blue Harbour" and queue the song with the id s-40.',
            call("find_song", title="Blue Harbour"),
            call("queue_song", song_id="s-40"),
            due({"id": "s-2207", "minutes": 4.1}, call("queue_song", song_id="s-2207")),
        ),
        case(
            "value",
            'Make a playlist "Rainy" and put s-112 on it.',
            'Make a playlist "Rainy" and put s-112 on pl-9.',
            call("make_playlist", name="Rainy"),
            call("add_to_playlist", playlist_id="pl-9", song_id="s-112"),
            due({"id": "pl-77"}, call("add_to_playlist", playlist_id="pl-77", song_id="s-112")),
        ),
        case(
            "condition",
            "See what is on in the kitchen, and if it's an advert, pause it there.",
            "See what is on in the kitchen, and if it's an advert; pause the study.",
            call("now_playing", room="kitchen"),
            call("pause_music", room="study"),
            due({"playing": "advert: Sofa World"}, call("pause_music", room="kitchen")),
            off({"playing": "song: Glasshouse"}, "It's the song Glasshouse, so I have let it play."),
        ),
        case(
            "choice",
            'Look for "Northern Line" and "Paper Boats" and queue the shorter one.',
            'Look for "Northern Line" and "Paper Boats" and queue s-18 already.',
            (call("find_song", title="Northern Line"), call("find_song", title="Paper Boats")),
            call("queue_song", song_id="s-18"),
            due(
                ({"id": "s-51", "minutes": 3.2}, {"id": "s-60", "minutes": 5.8}),
                call("queue_song", song_id="s-51"),
            ),
        ),
        case(
            "value",
            'Make a playlist "Dawn", look for "First Light", then put that song on that list.',
            'Make a playlist "Dawn", look for "First Light", and put s-5 on pl-3.',
            (call("make_playlist", name="Dawn"), call("find_song", title="First Light")),
            call("add_to_playlist", playlist_id="pl-3", song_id="s-5"),
            due(
                ({"id": "pl-80"}, {"id": "s-914"}),
                call("add_to_playlist", playlist_id="pl-80", song_id="s-914"),
            ),
        ),
        case(
            "condition",
            "Given that nothing is playing in the study, queue s-301.",
            "Tell me what is playing in the study, and queue s-301.",
            call("now_playing", room="study"),
            call("queue_song", song_id="s-301"),
        ),
    ),
    "home": (
        case(
            "condition",
            "How warm is the bedroom? If it's under 18, set it to 20.",
            "How warm is the bedroom? Even if it's over 18, set it to 20.",
            call("read_temperature", room="bedroom"),
            call("set_heating", room="bedroom", celsius=20),
            due({"celsius": 16.8}, call("set_heating", room="bedroom", celsius=20)),
            off({"celsius": 19.1}, "The bedroom is at 19.1, so I have left the heating as it is."),
        ),
        case(
            "condition",
            "Is the back door locked? If not, lock it.",
            "Is the back door locked? If you would, lock the garage.",
            call("door_state", door="back"),
            call("lock_door", door="garage"),
            due({"state": "shut"}, call("lock_door", door="back")),
            off({"state": "locked"}, "The back door is locked already."),
        ),
        case(
            "choice",
            "Kitchen and study: find out which is colder, and heat that one to 21.",
            "Kitchen and study: find out which is colder, and heat the hall to 21.",
            (call("read_temperature", room="kitchen"), call("read_temperature", room="study")),
            call("set_heating", room="hall", celsius=21),
        ),
        case(
            "value",
            "How warm is the hall? Heat the study to just that.",
            "How warm is the hall? Heat the study to just 19.",
            call("read_temperature", room="hall"),
            call("set_heating", room="study", celsius=19),
            due({"celsius": 22}, call("set_heating", room="study", celsius=22)),
        ),
        case(
            "condition",
            "Unless the front door is open, switch the light in the hall off.",
            "Is the front door open? Please also switch the light in the hall off.",
            call("door_state", door="front"),
            call("switch_light", room="hall", to="off"),
        ),
        case(
            "order",
            "Lock the garage and, the moment it is locked, turn the light in the cellar off.",
            "Lock the garage and, since it's on for nothing, turn the light in the cellar off.",
            call("lock_door", door="garage"),
            call("switch_light", room="cellar", to="off"),
        ),
        case(
            "value",
            "Depending on how warm the kitchen is, heat it: below 17 to 22, from there on to 19.",
            "",
            call("read_temperature", room="kitchen"),
            call("set_heating", room="kitchen", celsius=19),
            due({"celsius": 16.5}, call("set_heating", room="kitchen", celsius=22)),
        ),
    ),
    "library": (
        case(
            "value",
            'Look for "The Salt Road" and hold it for me.',
            'Look for "The Salt Road" and hold B-208 for me.',
            call("find_book", title="The Salt Road"),
            call("hold_book", book_id="B-208"),
            due({"id": "B-519", "copy": "out until 2026-05-02"}, call("hold_book", book_id="B-519")),
        ),
        case(
            "choice",
            "List the loans of card 4471 and renew the one that is due first.",
            "List the loans of card 4471 and renew the one with the id L-90.",
            call("list_loans", card="4471"),
            call("renew_loan", loan_id="L-90"),
            due(
                [{"id": "L-90", "due": "2026-05-09"}, {"id": "L-84", "due": "2026-04-30"}],
                call("renew_loan", loan_id="L-84"),
            ),
        ),
        case(
            "order",
            "Pay the fine of card 1200; once it is settled, which unblocks the card, renew its loan L-15.",
            "Pay the fine of card 1200; renew loan L-15 as well, which is on another card.",
            call("pay_fine", card="1200"),
            call("renew_loan", loan_id="L-15"),
        ),
        case(
            "condition",
            'Is a copy of "Glass Rivers" on the shelf? If all are out, hold it.',
            'Is a copy of "Glass Rivers" on the shelf? For my wife, hold B-3.',
            call("find_book", title="Glass Rivers"),
            call("hold_book", book_id="B-3"),
            due({"id": "B-640", "copies": [{"state": "out"}]}, call("hold_book", book_id="B-640")),
            off(
                {"id": "B-640", "copies": [{"state": "on the shelf", "place": "Floor 2"}]},
                "A copy is on the shelf on floor 2, so I have not put it on hold.",
            ),
        ),
        case(
            "value",
            "Renew every single loan of card 8080.",
            "Renew L-33 and show me every single loan of card 8080.",
            call("list_loans", card="8080"),
            call("renew_loan", loan_id="L-33"),
            due(
                [{"id": "L-41", "due": "2026-05-01"}, {"id": "L-42", "due": "2026-05-03"}],
                call("renew_loan", loan_id="L-41"),
                call("renew_loan", loan_id="L-42"),
            ),
        ),
        case(
            "choice",
            'Find "Ember" and "Ash Wednesday", and of these hold the one with the longer wait.',
            'Find "Ember" and "Ash Wednesday", and of others hold B-71.',
            (call("find_book", title="Ember"), call("find_book", title="Ash Wednesday")),
            call("hold_book", book_id="B-71"),
        ),
    ),
}
