"""Times as logs write them, and as a conversation has them: UTC, ISO 8601 to the second.

Read are ISO 8601 with or without a zone (without one it is UTC), and numbers since 1970 in seconds or in thousandths,
millionths or billionths of them, also as text. What is none of these, or not of this century, is no time: such rows
stay, and their time is not known. Left out: other ways to write a date, which countries read differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

KEYS = ("time", "timestamp", "ts", "created_at", "created", "createdAt")
"""Where a row says when it was logged."""
_EARLIEST, _LATEST = 946_684_800, 4_102_444_800
"""Seconds: the years 2000 and 2100."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(raw: Any) -> str:
    """A time in seconds; "" for what is none."""
    at = seconds(raw)
    return "" if at is None else written(at)


def written(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC).isoformat()[:19]}Z"  # half the time of strftime


def seconds(raw: Any) -> int | None:
    """Whole seconds since 1970; None for what is no time."""
    if isinstance(raw, str):
        if not 10 <= len(raw) <= 40:
            return None
        if not raw.isdecimal():
            return _of_text(raw)
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    for unit in (1, 10**3, 10**6, 10**9):
        if _EARLIEST * unit <= raw < _LATEST * unit:
            return int(raw // unit)
    return None


def _of_text(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    at = since.days * 86_400 + since.seconds
    return at if _EARLIEST <= at < _LATEST else None


def of_row(row: Mapping[str, Any]) -> str:
    """When a row was logged, by the first of `KEYS` that holds a time."""
    return next((found for key in KEYS if key in row and (found := iso(row[key]))), "")
