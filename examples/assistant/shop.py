"""Kettenwerk, simulated: a fleet, opening hours, and the ten functions of `tools.json`.

`build_log.py` calls them to get the results that the log shows. What a shop would look up (is the bike
free, how far is the repair) is drawn from the random generator and then remembered, so one conversation
never contradicts itself. Results are dicts; a failure is `{"error": ...}`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date as Date
from datetime import timedelta
from typing import Any, NamedTuple

Result = dict[str, Any]


class Bike(NamedTuple):
    type: str
    model: str
    min_cm: int
    max_cm: int
    price: int
    """EUR a day."""


FLEET = {
    "KW-101": Bike("city", "Amsel 3", 155, 175, 14),
    "KW-102": Bike("city", "Amsel 7", 165, 188, 16),
    "KW-103": Bike("city", "Spatz", 150, 172, 12),
    "KW-104": Bike("city", "Spatz XL", 175, 200, 13),
    "KW-105": Bike("city", "Stadttaube", 160, 185, 15),
    "KW-201": Bike("trekking", "Star Tour", 165, 185, 19),
    "KW-202": Bike("trekking", "Star Tour S", 150, 170, 18),
    "KW-203": Bike("trekking", "Zugvogel", 172, 198, 22),
    "KW-204": Bike("trekking", "Kranich", 168, 190, 21),
    "KW-301": Bike("e_bike", "Falke E", 160, 180, 34),
    "KW-302": Bike("e_bike", "Falke E Plus", 170, 195, 38),
    "KW-303": Bike("e_bike", "Milan", 155, 178, 32),
    "KW-304": Bike("e_bike", "Habicht", 165, 190, 36),
    "KW-305": Bike("e_bike", "Milan S", 148, 168, 31),
    "KW-401": Bike("cargo", "Dohle", 160, 195, 42),
    "KW-402": Bike("cargo", "Dohle Long", 165, 198, 46),
    "KW-403": Bike("cargo", "Pelikan", 155, 190, 48),
    "KW-501": Bike("mountain", "Steinadler", 165, 185, 29),
    "KW-502": Bike("mountain", "Steinadler 29", 175, 200, 32),
    "KW-503": Bike("mountain", "Gams", 155, 175, 26),
    "KW-504": Bike("mountain", "Gams Pro", 160, 182, 35),
    "KW-601": Bike("road", "Mauersegler", 168, 186, 33),
    "KW-602": Bike("road", "Mauersegler 58", 180, 200, 34),
    "KW-603": Bike("road", "Schwalbe", 155, 175, 28),
    "KW-701": Bike("kids", "Zaunkoenig 20", 110, 130, 8),
    "KW-702": Bike("kids", "Zaunkoenig 24", 125, 148, 9),
    "KW-703": Bike("kids", "Meise", 100, 118, 7),
    "KW-704": Bike("kids", "Kohlmeise", 118, 140, 8),
}
DAY_PRICE = {"city": 14, "trekking": 20, "e_bike": 34, "cargo": 45, "mountain": 30, "road": 32, "kids": 8}
DEPOSIT = {"city": 50, "trekking": 80, "e_bike": 200, "cargo": 200, "mountain": 120, "road": 150, "kids": 30}
EXTRA_PRICE = {"helmet": 2, "lock": 1, "panniers": 3, "child_seat": 3, "trailer": 7}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = {
    "shop": ("09:00-18:30", "09:00-14:00"),
    "workshop": ("09:00-17:00", "09:00-13:00"),
    "rental": ("08:30-18:00", "08:30-15:00"),
}
"""By department: Monday to Friday, and Saturday."""
HOLIDAYS = {Date(2025, 4, 18), Date(2025, 4, 21), Date(2025, 5, 1), Date(2025, 5, 29), Date(2025, 6, 9)}
SERVICE_PRICE = {
    "puncture": 18,
    "brakes": 35,
    "gears": 40,
    "wheel": 45,
    "chain": 38,
    "e_bike_diagnosis": 49,
    "full_service": 89,
}


def is_open(day: Date) -> bool:
    return day.weekday() != 6 and day not in HOLIDAYS


def days_between(first: str, last: str) -> Iterator[Date]:
    day, end = Date.fromisoformat(first), Date.fromisoformat(last)
    while day <= end:
        yield day
        day += timedelta(days=1)


def next_open(day: Date) -> Date:
    """The first open day after `day`."""
    day += timedelta(days=1)
    while not is_open(day):
        day += timedelta(days=1)
    return day


class Shop:
    """The functions of `tools.json`, as methods of the same names."""

    def __init__(self, rng: random.Random, today: Date) -> None:
        self.rng, self.today = rng, today
        self.taken: dict[tuple[str, Date], bool] = {}
        self.bookings: dict[str, Result] = {}
        self.repairs: dict[str, Result] = {}

    def is_taken(self, bike_id: str, day: Date) -> bool:
        return self.taken.setdefault((bike_id, day), self.rng.random() < 0.07)

    def opening_hours(self, date: str, department: str | None = None) -> Result:
        day = Date.fromisoformat(date)
        out: Result = {"date": date, "weekday": WEEKDAYS[day.weekday()]}
        if not is_open(day):
            return {**out, "closed": True}
        for name, (week, saturday) in HOURS.items():
            if department in (None, name):
                out[name] = saturday if day.weekday() == 5 else week
        return out

    def find_bikes(
        self,
        type: str,
        from_date: str,
        to_date: str,
        rider_height_cm: int | None = None,
        max_price_per_day: float | None = None,
    ) -> Result:
        found = []
        for bike_id, bike in FLEET.items():
            fits = rider_height_cm is None or bike.min_cm <= rider_height_cm <= bike.max_cm
            affordable = max_price_per_day is None or bike.price <= max_price_per_day
            if bike.type != type or not fits or not affordable:
                continue
            if any(self.is_taken(bike_id, day) for day in days_between(from_date, to_date)):
                continue
            sizes = f"{bike.min_cm}-{bike.max_cm}"
            found.append(
                {"bike_id": bike_id, "model": bike.model, "rider_cm": sizes, "price_per_day": bike.price}
            )
        return {"bikes": found}

    def check_availability(self, bike_id: str, from_date: str, to_date: str) -> Result:
        if bike_id not in FLEET:
            return {"error": f"no bike {bike_id}"}
        taken = [str(d) for d in days_between(from_date, to_date) if self.is_taken(bike_id, d)]
        out: Result = {"bike_id": bike_id, "model": FLEET[bike_id].model}
        if taken:
            return {**out, "available": False, "taken_on": taken}
        return {**out, "available": True, "price_per_day": FLEET[bike_id].price}

    def price_quote(
        self, type: str, days: int, extras: tuple[str, ...] = (), insurance: bool = False
    ) -> Result:
        daily = DAY_PRICE[type] + sum(EXTRA_PRICE[e] for e in extras) + (4 if insurance else 0)
        discount = 0 if days < 7 else 15 if days < 14 else 25
        total = round(daily * days * (100 - discount) / 100)
        return {"total": total, "discount_percent": discount, "deposit": DEPOSIT[type], "currency": "EUR"}

    def book_rental(
        self,
        bike_id: str,
        from_date: str,
        to_date: str,
        customer: dict[str, str],
        pickup_time: str = "09:00",
        extras: tuple[str, ...] = (),
    ) -> Result:
        if bike_id not in FLEET:
            return {"error": f"no bike {bike_id}"}
        days = list(days_between(from_date, to_date))
        for day in days:
            if self.is_taken(bike_id, day):
                return {"error": f"{bike_id} is already booked on {day}"}
        daily = FLEET[bike_id].price + sum(EXTRA_PRICE[e] for e in extras)
        booking_id = f"B-{self.rng.randrange(20000, 70000)}"
        self.taken.update({(bike_id, day): True for day in days})
        self.bookings[booking_id] = {
            "booking_id": booking_id,
            "status": "confirmed",
            "bike_id": bike_id,
            "model": FLEET[bike_id].model,
            "from_date": from_date,
            "to_date": to_date,
            "pickup_time": pickup_time,
            "total": daily * len(days),
        }
        return {"booking_id": booking_id, "status": "confirmed", "total": daily * len(days)}

    def get_booking(self, booking_id: str) -> Result:
        if booking_id not in self.bookings:
            bike_id = self.rng.choice(list(FLEET))
            first = next_open(self.today + timedelta(days=self.rng.randint(0, 17)))
            days = self.rng.randint(1, 6)
            self.bookings[booking_id] = {
                "booking_id": booking_id,
                "status": "confirmed",
                "bike_id": bike_id,
                "model": FLEET[bike_id].model,
                "from_date": str(first),
                "to_date": str(first + timedelta(days=days - 1)),
                "pickup_time": self.rng.choice(["09:00", "09:30", "10:00", "11:15", "14:00", "16:30"]),
                "total": FLEET[bike_id].price * days,
            }
        return self.bookings[booking_id]

    def cancel_booking(self, booking_id: str, reason: str = "") -> Result:
        booking = self.get_booking(booking_id)
        if booking["status"] == "picked_up":
            return {"error": f"{booking_id} has been picked up and cannot be cancelled"}
        self.bookings[booking_id] = {**booking, "status": "cancelled"}
        late = Date.fromisoformat(booking["from_date"]) - self.today <= timedelta(days=1)
        fee = 10 if late and reason != "illness" else 0
        return {"booking_id": booking_id, "status": "cancelled", "fee": fee, "refund": booking["total"] - fee}

    def create_repair_ticket(
        self, service: str, bike: str, drop_off_date: str, phone: str, drop_off_time: str = ""
    ) -> Result:
        day = next_open(Date.fromisoformat(drop_off_date))
        return {
            "ticket_id": f"R-{self.rng.randrange(2000, 9000)}",
            "drop_off": f"{drop_off_date} {drop_off_time}".strip(),
            "estimate": SERVICE_PRICE[service],
            "ready_by": str(next_open(day)),
        }

    def repair_status(self, ticket_id: str) -> Result:
        if ticket_id not in self.repairs:
            status = self.rng.choice(
                ["ready", "ready", "ready", "in_progress", "waiting_for_parts", "received"]
            )
            out: Result = {"ticket_id": ticket_id, "status": status, "cost": self.rng.randint(18, 140)}
            if status != "ready":
                day = next_open(self.today + timedelta(days=self.rng.randint(0, 5)))
                out["ready_by"] = str(day)
            self.repairs[ticket_id] = out
        return self.repairs[ticket_id]

    def send_sms(self, to: str, text: str) -> Result:
        return {"sent": True, "to": to}
