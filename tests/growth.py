"""That the work for a text grows with its length: by the thread's own time, so that a busy machine changes little."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

TIMES = 16
"""How many times the part the whole is."""


def seconds(of: Callable[[], object]) -> float:
    gc.disable()  # it takes as long as what other tests have left behind
    try:
        began = time.thread_time()
        of()
        return time.thread_time() - began
    finally:
        gc.enable()


def assert_grows_with_it(part: Callable[[], object], whole: Callable[[], object], what: str = "") -> None:
    """`whole` is `TIMES` times `part`: 16 times the time is linear, 256 times quadratic.

    What takes less than half a second in all may take it for any reason.
    """
    short, long = seconds(part), seconds(whole)
    assert long < 4 * TIMES * short + 0.5, f"{what}: {short:.2f} s became {long:.2f} s, {TIMES} times as much"
