"""Would break: work that nobody is told the end of, or that begins after it; a turn given back while its thread works on."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from toolfinch.serve.refusal import Busy, TimeLimit
from toolfinch.serve.turns import Turns


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _cleans_up(seconds: float) -> None:
    try:
        await _for_ever()
    finally:
        await asyncio.sleep(seconds)


def _later(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def test_all_are_told_though_one_is_at_its_deadline() -> None:
    """What is under way would be cut in the middle because of one request that is just being ended."""

    async def main() -> list[Any]:
        turns = Turns(4, 4)
        late = asyncio.create_task(turns.before(_later(0), _cleans_up(0.2)))
        others = [asyncio.create_task(turns.before(_later(60), _for_ever())) for _ in range(3)]
        await asyncio.sleep(0.1)
        turns.cut()
        return await asyncio.gather(late, *others, return_exceptions=True)

    late, *others = asyncio.run(main())
    assert isinstance(late, Busy | TimeLimit)
    assert [(type(other), other.status, other.code) for other in others] == [(Busy, 503, "stopping")] * 3
    assert len({id(other) for other in others}) == 3


@pytest.mark.filterwarnings("error")
def test_nothing_begins_after_the_end() -> None:
    """It would be cut off without a word."""
    began = []

    async def work() -> None:
        began.append("work")

    async def main() -> None:
        turns = Turns(1, 1)
        turns.cut()
        for begin in (
            lambda: turns.before(_later(60), work()),
            lambda: turns.start(lambda: began.append("job")),
            lambda: turns.result(lambda: began.append("job")),
        ):
            with pytest.raises(Busy):
                await begin()
        with pytest.raises(Busy):
            async with turns.taken():
                began.append("taken")

    asyncio.run(main())
    assert began == []


def test_a_result_has_its_turn_until_its_thread_is_done() -> None:
    """Clients that hang up would have as many jobs at work as they like."""
    release, at_work = threading.Event(), threading.Semaphore(0)

    def job() -> str:
        at_work.release()
        assert release.wait(60)
        return "done"

    async def main() -> None:
        turns = Turns(1, 1)
        gone = asyncio.create_task(turns.result(job))
        while not at_work.acquire(blocking=False):
            await asyncio.sleep(0.01)
        gone.cancel()
        next_ = asyncio.create_task(turns.result(job))
        await asyncio.sleep(0.1)
        assert turns.waiting == 1 and not at_work.acquire(blocking=False)
        release.set()
        assert await next_ == "done"
        with pytest.raises(ZeroDivisionError):
            await turns.result(lambda: 1 // 0)

    asyncio.run(main())
