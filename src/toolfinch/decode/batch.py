"""`Batcher`: several replies at a time from one engine, all of them in each forward pass.

A thread of its own runs the engine. Each pass reads, for every reply under way, the tokens that its writer wants; of
prompts that are still being read, as many tokens as keep the pass short for the others. A reply whose reader has gone is
dropped before the next pass. Replies are begun in the order in which they were asked for; one that does not fit beside those
under way waits, and so do those behind it.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from toolfinch.caller import Delta, Reply
from toolfinch.decode.engine import Engine, Logits, Part
from toolfinch.decode.prefix_store import Store
from toolfinch.decode.prefixes import Prefixes, Slot
from toolfinch.decode.writer import Writer
from toolfinch.errors import ToolfinchError

_PROMPT_TOKENS = 512
"""Of prompts, in one pass, together."""
_LOOK_S = 0.5
"""Seconds without news, after which whoever waits for a reply can go."""
_CLOSED = "the model was closed"


@dataclass(eq=False)
class _Job:
    writer: Writer
    head: int
    out: queue.SimpleQueue[Sequence[Delta | Reply] | Exception] = field(default_factory=queue.SimpleQueue)
    gone: bool = False
    slot: Slot | None = None
    unread: list[int] = field(default_factory=list)
    """Tokens that the model has to read before the writer can go on."""


class Batcher:
    """Safe to share between threads."""

    def __init__(self, engine: Engine, *, live: int = 1, store: Store | None = None) -> None:
        """`live`: how many replies are made at once; the engine's other slots keep prefixes."""
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=_run, args=(_Passes(engine, min(live, engine.slots), store), self._jobs), daemon=True
        )
        self._lock = threading.Lock()
        self._started = False
        # The thread holds the engine: it has to be over before the engine goes, also at the interpreter's end.
        self._end = weakref.finalize(self, _end, self._jobs, self._thread)

    def stream(self, writer: Writer, head: int) -> Iterator[Delta | Reply]:
        """Deltas, then the whole `Reply`; closing the iterator stops the work before the next pass.

        Empty deltas come while there is nothing to show (a line, a prompt, a call), so that it can be closed then, too.
        `head`: how many tokens of the prompt's beginning other prompts share, as far as is known.
        """
        with self._lock:
            if not self._started and self._end.alive:
                self._started = True
                self._thread.start()
        job = _Job(writer, head)
        self._jobs.put(job)
        if not self._end.alive:  # the thread may be past its last look
            raise ToolfinchError(_CLOSED)
        try:
            while True:
                try:
                    items = job.out.get(timeout=_LOOK_S)
                except queue.Empty:
                    yield Delta()
                    continue
                if isinstance(items, Exception):
                    raise items
                yield from items
                if items and isinstance(items[-1], Reply):
                    return
        finally:
            job.gone = True

    def close(self) -> None:
        """End the thread; replies under way end with a ToolfinchError."""
        self._end()


def _end(jobs: queue.SimpleQueue[_Job | None], thread: threading.Thread) -> None:
    jobs.put(None)
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join()
    with contextlib.suppress(queue.Empty):  # what came after its last look
        while True:
            if (job := jobs.get_nowait()) is not None:
                job.out.put(ToolfinchError(_CLOSED))


def _run(passes: _Passes, jobs: queue.SimpleQueue[_Job | None]) -> None:
    try:
        _work(passes, jobs)
    except Exception as error:  # noqa: BLE001  (raised again by each reply: nobody may wait for ever)
        passes.close(error)
        while (job := jobs.get()) is not None:
            job.out.put(error)


def _work(passes: _Passes, jobs: queue.SimpleQueue[_Job | None]) -> None:
    while True:
        try:
            while True:
                job = jobs.get(block=not passes.busy)
                if job is None:
                    passes.close(ToolfinchError(_CLOSED))
                    return
                passes.waiting.append(job)
        except queue.Empty:
            passes.step()


class _Passes:
    """What the thread does between two looks at its queue."""

    def __init__(self, engine: Engine, live: int, store: Store | None) -> None:
        self.waiting: deque[_Job] = deque()
        self._live: list[_Job] = []
        self._engine = engine
        self._most = live
        self._prefixes = Prefixes(engine, store)

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self._live)

    def step(self) -> None:
        """One forward pass."""
        for job in [job for job in self._live if job.gone]:
            self._drop(job)
        self._begin()
        parts = self._parts()
        if not parts:
            return
        try:
            all_logits = self._engine.forward([part for _, part in parts])
        except Exception as error:  # noqa: BLE001  (raised again by each reply that was in the pass)
            for job, _ in parts:
                self._fail(job, error)
            return
        for (job, part), logits in zip(parts, all_logits, strict=True):
            try:
                self._go_on(job, part, logits)
            except Exception as error:  # noqa: BLE001  (raised again where the reply is)
                self._fail(job, error)

    def close(self, error: Exception) -> None:
        """All replies end with the error."""
        for job in [*self._live, *self.waiting]:
            job.out.put(error)

    def _begin(self) -> None:
        while self.waiting and len(self._live) < self._most:
            job = self.waiting[0]
            if not job.gone:
                try:
                    if not self._place(job):
                        return
                except Exception as error:  # noqa: BLE001  (raised again where the reply is)
                    self._fail(job, error)
            self.waiting.popleft()

    def _place(self, job: _Job) -> bool:
        """Give the job a slot, if there is one that it fits in."""
        writer = job.writer
        prompt = writer.wanted
        room = writer.limit - (len(prompt) - writer.prompt_tokens)
        job.slot = self._prefixes.acquire(prompt, job.head, room)
        if job.slot is None:
            return False
        self._live.append(job)
        writer.cached = len(job.slot.ids)
        job.unread = list(prompt[writer.cached :])
        items: list[Delta | Reply] = [*writer.begin()]
        if writer.done:  # nothing of it was the model's to choose
            items += [*writer.finish(), writer.reply()]
            self._drop(job)
        if items:
            job.out.put(items)
        return True

    def _parts(self) -> list[tuple[_Job, Part]]:
        parts = []
        prompt_tokens = _PROMPT_TOKENS
        for job in self._live:
            assert job.slot is not None
            length, read = len(job.unread), len(job.slot.ids)
            if read < job.writer.prompt_tokens:
                length = min(length, prompt_tokens)
                if read < job.head:
                    length = min(length, job.head - read)  # to be kept as it is then
                prompt_tokens -= length
            if length:
                part = Part(job.slot.number, job.unread[:length], wants_logits=length == len(job.unread))
                parts.append((job, part))
        return parts

    def _go_on(self, job: _Job, part: Part, logits: Logits | None) -> None:
        """The part was read."""
        assert job.slot is not None
        self._prefixes.extend(job.slot, part.ids)
        del job.unread[: len(part.ids)]
        if len(job.slot.ids) == job.head:
            self._prefixes.keep(job.slot)
        if logits is None:
            return
        writer = job.writer
        items: list[Delta | Reply] = [*writer.advance(logits)]
        if writer.done:
            items += [*writer.finish(), writer.reply()]
        if items:
            job.out.put(items)
        if writer.done:
            self._drop(job)
        else:
            job.unread = list(writer.wanted)

    def _fail(self, job: _Job, error: Exception) -> None:
        job.out.put(error)
        if job in self._live:
            self._drop(job, broken=True)

    def _drop(self, job: _Job, *, broken: bool = False) -> None:
        self._live.remove(job)
        assert job.slot is not None
        self._prefixes.release(job.slot, broken=broken)
