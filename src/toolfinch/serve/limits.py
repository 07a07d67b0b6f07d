"""`Limits`: how much one request may be and take, and how many may wait."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Whatever is above a limit is refused, with both numbers; nothing is cut to fit."""

    body_bytes: int = 8 << 20
    """Bytes of a request's body; more is a 413."""
    tools: int = 2048
    """Tools in a request; more is a 413."""
    queue: int = 64
    """Requests that wait for a turn while others are answered; one more is a 429."""
    request_s: float = 300.0
    """Seconds from a request's first byte to its reply's last, the wait for a turn included; then 504."""
    body_s: float = 30.0
    """Seconds for the body of a request to come in; then 408."""
    grace_s: float = 30.0
    """Seconds that requests under way are given once the server is told to stop."""
