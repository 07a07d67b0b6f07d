"""`Committee`: teachers that are asked the same questions, many at a time, answered in order.

It reads no more questions ahead than it needs to keep the teachers busy. Whatever ends an asking early (an error, the
budget, Ctrl-C), what is under way is waited for a while, since it is paid for, and ends up in the ledger.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from toolfinch.data.teacher.bill import Bill, bill
from toolfinch.data.teacher.ledger import Ledger, Stopped
from toolfinch.data.teacher.question import Answer, Question
from toolfinch.data.teacher.teacher import Check, Teacher, TeacherSpec
from toolfinch.errors import UsageError

GRACE_S = 30.0
"""For requests that are under way when an asking ends early."""


class Committee:
    """Implements `Teachers`."""

    def __init__(
        self, specs: Sequence[TeacherSpec], ledger: Ledger, *, check: Check, students: Collection[str] = ()
    ) -> None:
        """`check` is asked of every request before it leaves and of every answer: why not, "" if it is fine.

        Raises UsageError for no teacher, for two with the same model, and what `Teacher` raises.
        """
        names = [spec.model for spec in specs]
        if not names:
            raise UsageError("no teacher is named")
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"teacher {name}: named twice, and would give the same answers twice")
        self._ledger = ledger
        self._teachers = [Teacher(spec, ledger, check=check, students=students) for spec in specs]
        self._desks = [
            _Desk(teacher, spec.concurrency) for teacher, spec in zip(self._teachers, specs, strict=True)
        ]
        self._ahead = 2 * max(spec.concurrency for spec in specs)
        if ledger.interrupted:
            print(
                f"toolfinch: {ledger.path}: the last run was interrupted with {ledger.interrupted} requests under way; "
                "those that are asked again may be paid for twice",
                file=sys.stderr,
                flush=True,
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(teacher.name for teacher in self._teachers)

    def ask(self, questions: Iterable[Question]) -> Iterator[tuple[Answer, ...]]:
        """For each question, in the order given, the answer of each teacher.

        Raises what `Teacher.answer` raises; what was answered before is in the ledger.
        """
        run = _Run()
        window: deque[list[Future[Answer]]] = deque()
        try:
            for question in questions:
                window.append([desk.take(question, run) for desk in self._desks])
                while window and (len(window) >= self._ahead or all(one.done() for one in window[0])):
                    yield run.answers(window.popleft())
            while window:
                yield run.answers(window.popleft())
        finally:
            run.stopped.set()
            if under_way := self._ledger.under_way:
                print(
                    f"toolfinch: waiting for {under_way} answers that are paid for; Ctrl-C leaves them",
                    file=sys.stderr,
                    flush=True,
                )
                self._ledger.settle(GRACE_S)

    def bill(self) -> Bill:
        """What all this has cost, and what this committee was asked."""
        return bill(self._ledger, {one.name: (one.asked, one.remembered) for one in self._teachers})

    def close(self) -> None:
        for desk in self._desks:
            desk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Run:
    """One asking: its first error ends it for all threads."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._error: BaseException | None = None
        self._lock = threading.Lock()

    def fail(self, error: BaseException) -> None:
        with self._lock:
            if self._error is None and not isinstance(error, Stopped):
                self._error = error
        self.stopped.set()

    def answers(self, futures: Sequence[Future[Answer]]) -> tuple[Answer, ...]:
        try:
            return tuple(future.result() for future in futures)
        except Stopped:
            if self._error is not None:
                raise self._error from None
            raise


class _Desk:
    """One teacher's threads."""

    def __init__(self, teacher: Teacher, threads: int) -> None:
        self._teacher = teacher
        self._todo: queue.SimpleQueue[tuple[Question, _Run, Future[Answer]] | None] = queue.SimpleQueue()
        self._left = threads  # those that are not started

    def take(self, question: Question, run: _Run) -> Future[Answer]:
        answer: Future[Answer] = Future()
        self._todo.put((question, run, answer))
        if self._left:
            self._left -= 1
            # Daemons, and no pool, which would wait for every request under way before the process may end.
            threading.Thread(target=self._work, daemon=True, name="toolfinch-teacher").start()
        return answer

    def _work(self) -> None:
        while (task := self._todo.get()) is not None:
            question, run, future = task
            try:
                answer = self._teacher.answer(question, run.stopped)
            except BaseException as error:  # noqa: BLE001  (raised again where the answer is)
                run.fail(error)
                future.set_exception(error)
            else:
                future.set_result(answer)
        self._todo.put(None)  # for the next thread

    def close(self) -> None:
        self._todo.put(None)
