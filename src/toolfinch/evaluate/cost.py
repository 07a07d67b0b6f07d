"""What calls cost: a user's price table, times the tokens and seconds that an evaluation measured.

    currency = "USD"
    calls_a_day = [1000, 10000]

    [price."gpt-5-mini"]        # by the caller's name, as the columns of the report have it
    prompt = 0.25               # money for a million tokens
    cached = 0.025              # of the prompt's tokens, those that the endpoint took from its cache
    completion = 2.0

    [price.someones-endpoint]
    call = 0.01

    [price.fledgling]
    hour = 0.5                  # of a machine, paid for the seconds that a call takes

`toolfinch eval … --prices FILE` reads it. Left out: steps by volume, a machine that is paid while it waits,
and prices of the package's own: they change, and a table that is out of date is worse than none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from toolfinch.errors import RecipeError
from toolfinch.evaluate.page import Grid
from toolfinch.recipe import convert, load

DAYS = 30
"""In a month."""
_Money = Annotated[float, msgspec.Meta(ge=0)]
_Calls = Annotated[int, msgspec.Meta(ge=1)]


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one caller costs: by tokens (`prompt` and `completion`), by `call`, or by `hour`."""

    prompt: _Money | None = None
    completion: _Money | None = None
    """For a million tokens, as is `prompt`."""
    cached: _Money | None = None
    """For a million tokens of the prompt that came from the endpoint's cache; None: as `prompt`."""
    call: _Money | None = None
    hour: _Money | None = None
    """Of a machine that makes one call at a time."""

    def __post_init__(self) -> None:
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        if set(given) - {"cached"} not in ({"prompt", "completion"}, {"call"}, {"hour"}) or (
            "cached" in given and "prompt" not in given
        ):
            raise ValueError(
                f"expected prompt and completion (and maybe cached), or call, or hour; got {', '.join(given) or 'nothing'}"
            )
        if not all(map(math.isfinite, given.values())):
            raise ValueError("expected finite prices")


class Prices(msgspec.Struct, frozen=True):
    """A price table."""

    price: dict[str, Price]
    """By the caller's name."""
    currency: str = ""
    calls_a_day: tuple[int, ...] = (1_000, 10_000)


class Usage(msgspec.Struct, frozen=True):
    """What one call of a caller takes in the mean."""

    prompt_tokens: float | None
    completion_tokens: float | None
    """None where the endpoint did not say; so is `prompt_tokens`."""
    seconds: float | None
    """Wall clock; None where no call was answered."""
    cached_tokens: float = 0.0
    """Of the prompt's tokens."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table as it stands in the file; each price is read by itself, so that an error names its caller."""

    price: dict[str, Any]
    currency: str = ""
    calls_a_day: Annotated[tuple[_Calls, ...], msgspec.Meta(min_length=1)] = (1_000, 10_000)


def read(path: Path) -> Prices:
    """A price table. Raises RecipeError naming the file and the key."""
    if not path.is_file():
        raise RecipeError(f"{path}: no such file", hint="--prices takes a TOML file; docs/cost.md shows one")
    file = load(path, _File)
    price = {
        name: convert(raw, Price, f"{path}: price.{msgspec.json.encode(name).decode()}")
        for name, raw in file.price.items()
    }
    return Prices(price, file.currency, file.calls_a_day)


def per_call(
    price: Price,
    prompt_tokens: float | None,
    completion_tokens: float | None,
    seconds: float | None,
    cached_tokens: float = 0.0,
) -> float:
    """Money for one call.

    Raises ValueError with the reason where the price needs what was not measured: unknown is not free.
    """
    if price.call is not None:
        return price.call
    if price.hour is not None:
        if seconds is None:
            raise ValueError("no call was answered")
        return price.hour * seconds / 3600
    # No prompt is empty: where it has no tokens, the endpoint did not say.
    if not prompt_tokens or completion_tokens is None:
        raise ValueError("the endpoint gave no token counts")
    assert price.prompt is not None and price.completion is not None
    if cached_tokens > prompt_tokens:
        raise ValueError("the endpoint counted more cached tokens than tokens of the prompt")
    cached = price.prompt if price.cached is None else price.cached
    fresh = prompt_tokens - cached_tokens
    return (fresh * price.prompt + cached_tokens * cached + completion_tokens * price.completion) / 1e6


def grid(prices: Prices, usage: Mapping[str, Usage]) -> Grid:
    """A row for each caller: its price, the cost of a call, and of N calls a day by the day and month.

    Where there is no cost, the cells are dashes and the last one says why.
    """
    spans = [
        name
        for calls in prices.calls_a_day
        for name in (f"{calls:,} a day: by day", f"{calls:,} a day: by month")
    ]
    rows = []
    for caller, used in usage.items():
        price = prices.price.get(caller)
        try:
            if price is None:
                raise ValueError("the table has no price for it")
            each = per_call(
                price, used.prompt_tokens, used.completion_tokens, used.seconds, used.cached_tokens
            )
        except ValueError as reason:
            shown = "–" if price is None else _shown(price)
            rows.append((caller, shown, *["–"] * (1 + len(spans)), str(reason)))
            continue
        sums = [_money(each * calls * days) for calls in prices.calls_a_day for days in (1, DAYS)]
        words = _words(each, max(prices.calls_a_day), prices.currency)
        rows.append((caller, _shown(price), f"{_digits(each)}", *sums, words))
    title = f"Cost ({prices.currency})" if prices.currency else "Cost"
    return Grid(title, ("", "price", "a call", *spans, "in words"), tuple(rows))


def _words(each: float, calls: int, currency: str) -> str:
    unit = f" {currency}" if currency else ""
    day, month = each * calls, each * calls * DAYS
    return (
        f"{calls:,} calls a day at {_digits(each)}{unit} each are {_money(day)}{unit} a day, "
        f"{_money(month)}{unit} a month of {DAYS} days"
    )


def _shown(price: Price) -> str:
    if price.call is not None:
        return f"{_digits(price.call)} a call"
    if price.hour is not None:
        return f"{_digits(price.hour)} an hour"
    kinds = {"in": price.prompt, "cached": price.cached, "out": price.completion}
    parts = [f"{_digits(value)} {name}" for name, value in kinds.items() if value is not None]
    return f"{', '.join(parts)} a million tokens"


def _digits(value: float, significant: int = 6) -> str:
    """Six significant digits for a price, so that a reader who multiplies it arrives at the sums shown."""
    if not value:
        return "0"
    places = max(0, significant - 1 - math.floor(math.log10(value)))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(value: float) -> str:
    """A sum: whole from 1,000 on, in hundredths from 1 on, else to three significant digits."""
    if 0 < value < 1:
        return _digits(value, 3)
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"
    return text.removesuffix(".00")
