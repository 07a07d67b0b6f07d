"""That the work for a text grows with its length: by the thread's own time, so that a busy machine changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(of: Callable[[], object]) -> float:
    began = time.thread_time()
    of()
    return time.thread_time() - began


def assert_grows_with_it(part: Callable[[], object], whole: Callable[[], object], what: str = "") -> None:
    """`whole` is eight times `part`: 8 times the time is linear, 64 times quadratic.

    What takes less than half a second in all may take it for any reason.
    """
    short, long = seconds(part), seconds(whole)
    assert long < 24 * short + 0.5, f"{what}: {short:.2f} s became {long:.2f} s for eight times as much"
