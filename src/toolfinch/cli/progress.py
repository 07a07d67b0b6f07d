"""How a verb tells what it is doing: lines on standard error, so that standard output stays for results."""

from __future__ import annotations

import sys
import time

_started = time.monotonic()


def say(text: str) -> None:
    """Print one line with the seconds since the start."""
    print(f"[{time.monotonic() - _started:6.1f} s] {text}", file=sys.stderr, flush=True)
