"""`Ledger`: every paid request on disk, so that nothing is paid for twice in silence.

One row of a SQLite file is one request that was sent. Its intent is on disk, synced, before it is sent; what came of
it is written when it comes:

    intent → done       a completion came: it is kept and never asked for again, usable or not
           → failed     the endpoint refused it: nothing was paid
           → unknown    it was sent and no answer could be read: it may have been paid

Intents that a process left behind when it was killed become `unknown` when the ledger is opened again. Asking again is
a new row, so rows that may have been paid for nothing can be counted, and what they can have cost stays reserved.
The ledger holds answers and no questions: of a question it has the hash. What is true of an answer (does it fit the
schema, do teachers agree) is worked out from it each time, so a changed filter pays nothing.

One process has the ledger open at a time; its threads share it.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from toolfinch.caller import Usage
from toolfinch.errors import DataError, ToolfinchError, UsageError

APPLICATION = 0x546F466C  # "ToFl", in the header of the file
VERSION = 1
_TABLE = """
CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    purpose TEXT NOT NULL,
    teacher TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intent', 'done', 'failed', 'unknown')),
    price TEXT NOT NULL,
    reserved REAL NOT NULL,
    paid REAL NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    answer BLOB,
    error TEXT NOT NULL DEFAULT '',
    began TEXT NOT NULL,
    ended TEXT
);
CREATE INDEX of_key ON requests (key);
CREATE UNIQUE INDEX paid_once ON requests (key) WHERE state = 'done';
"""


class BudgetSpent(ToolfinchError):
    """The next request could cost more than what is left; it was not sent."""


class Stopped(ToolfinchError):
    """The run that a request belongs to has ended; it was not sent."""


class Known(msgspec.Struct, frozen=True):
    """A completion that was paid for."""

    answer: bytes | None
    """As `callers.openai.bare` has it; None where it could not be kept."""
    error: str
    """Why it was of no use when it came; empty where it was."""
    usage: Usage
    paid: float


class Account(msgspec.Struct, frozen=True):
    """What one teacher was asked and paid, over the ledger's whole life."""

    teacher: str
    done: int
    """Completions that came and were paid."""
    useless: int
    """Those of them that could not be used."""
    failed: int
    """Requests that the endpoint refused; nothing was paid."""
    unknown: int
    """Requests that were sent and whose answer never came, or could not be read."""
    double: int
    """Those of `unknown` that were asked again and answered: they may have been paid for twice."""
    usage: Usage
    paid: float
    unsettled: float
    """The most that the `unknown` ones can have cost."""


class Ledger:
    """Opens or makes a ledger. Safe to share between threads."""

    def __init__(self, path: Path, budget: float = math.inf) -> None:
        """`budget`: the most that all requests of the ledger together may cost, those that may be double included.

        Raises UsageError where the file cannot be opened, is no ledger, is of another version or is in use, and
        DataError where it is damaged.
        """
        self.path = path
        self.budget = budget
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._under_way: dict[int, float] = {}
        """What each request that is now under way can cost, by its row."""
        if not path.parent.is_dir():
            raise UsageError(f"{path}: there is no such folder")
        try:
            # No waiting for a lock: whoever has it keeps it for hours.
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise UsageError(f"{path}: cannot be opened: {error}") from error
        try:
            with self._guarded():
                self._open()
                self.interrupted: int = self._db.execute(
                    "UPDATE requests SET state = 'unknown', ended = ? WHERE state = 'intent'", (_now(),)
                ).rowcount
                """Requests that were under way when the process that had the ledger ended."""
                self._spent: float = self._db.execute(
                    "SELECT total(CASE state WHEN 'done' THEN paid WHEN 'unknown' THEN reserved END) FROM requests"
                ).fetchone()[0]
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # held from here to the end; a crash frees it
        db.executescript("BEGIN EXCLUSIVE; COMMIT;")
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != APPLICATION:
            raise UsageError(f"{self.path}: a database, but not a ledger")
        if tables and version != VERSION:
            raise UsageError(f"{self.path}: a ledger of version {version}; this is version {VERSION}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # a commit is on the disk, not only with the operating system
        if not tables:
            db.executescript(
                f"BEGIN; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; {_TABLE} COMMIT;"
            )
        if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(" ".join(found.split()))

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """SQLite's errors in one line that names the file."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise UsageError(f"{self.path}: another process is using this ledger") from error
            raise ToolfinchError(
                f"{self.path}: cannot be written: {error}", hint="what is in it stays"
            ) from error
        except sqlite3.ProgrammingError as error:  # a thread that comes too late
            raise Stopped(f"{self.path}: {error}") from error
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{self.path}: not a ledger, or damaged ({error})",
                hint="move it away, or bring back a copy: without it everything is asked and paid for again",
            ) from error

    def known(self, key: str) -> Known | None:
        """What was paid for under this key."""
        with self._lock, self._guarded():
            row = self._db.execute(
                """SELECT answer, error, prompt_tokens, completion_tokens, cached_tokens, paid
                FROM requests WHERE key = ? AND state = 'done'""",
                (key,),
            ).fetchone()
        return Known(row[0], row[1], Usage(*row[2:5]), row[5]) if row else None

    def intend(
        self,
        key: str,
        *,
        purpose: str,
        teacher: str,
        price: str,
        most: float,
        stopped: threading.Event | None = None,
    ) -> int:
        """Write down, on disk when this returns, that a request is about to be sent; gives its row.

        `most` is reserved: where the budget has no room for it, this waits for requests under way to cost less than
        they could have. Raises BudgetSpent where nothing is under way and there is still no room, and Stopped once
        `stopped` is set.
        """
        with self._settled:
            while self._spent + sum(self._under_way.values()) + most > self.budget:
                if not self._under_way:
                    raise BudgetSpent(
                        f"the budget of {self.budget:g} is spent: {self._spent:.4g} was paid or may have been, and "
                        f"the next request can cost {most:.4g}",
                        hint=f"raise the budget and run again: {self.path} has every answer that came",
                    )
                if stopped is not None and stopped.is_set():
                    raise Stopped(f"{teacher}: stopped")
                self._settled.wait(0.5)
            if stopped is not None and stopped.is_set():
                raise Stopped(f"{teacher}: stopped")
            with self._guarded():
                row = self._db.execute(
                    """INSERT INTO requests (key, purpose, teacher, state, price, reserved, began)
                    VALUES (?, ?, ?, 'intent', ?, ?, ?)""",
                    (key, purpose, teacher, price, most, _now()),
                ).lastrowid
            assert row is not None
            self._under_way[row] = most
            return row

    def done(self, row: int, answer: bytes | None, usage: Usage, paid: float, error: str = "") -> None:
        """A completion came. `error`: why it is of no use."""
        self._settle(
            row,
            paid,
            state="done",
            answer=answer,
            paid=paid,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            error=error,
        )

    def failed(self, row: int, error: str) -> None:
        """The endpoint refused it."""
        self._settle(row, 0.0, state="failed", error=error)

    def lost(self, row: int, error: str) -> None:
        """It was sent, and no answer could be read."""
        with self._lock:
            most = self._under_way[row]
        self._settle(row, most, state="unknown", error=error)

    def _settle(self, row: int, spent: float, **columns: Any) -> None:
        columns["ended"] = _now()
        names = ", ".join(f"{name} = ?" for name in columns)
        with self._settled:
            with self._guarded():
                self._db.execute(f"UPDATE requests SET {names} WHERE id = ?", (*columns.values(), row))
            del self._under_way[row]
            self._spent += spent
            self._settled.notify_all()

    @property
    def spent(self) -> float:
        """Paid, or perhaps paid, by all requests that are not under way now."""
        with self._lock:
            return self._spent

    def settle(self, within_s: float) -> int:
        """Wait until what is under way has been answered; how many requests still are not."""
        with self._settled:
            self._settled.wait_for(lambda: not self._under_way, within_s)
            return len(self._under_way)

    @property
    def under_way(self) -> int:
        """Requests that were sent and are not answered yet."""
        with self._lock:
            return len(self._under_way)

    def accounts(self) -> tuple[Account, ...]:
        """One a teacher, by name. Requests under way count nowhere."""
        with self._lock, self._guarded():
            rows = self._db.execute(
                """SELECT teacher, sum(state = 'done'), sum(state = 'done' AND error != ''),
                    sum(state = 'failed'), sum(state = 'unknown'),
                    sum(state = 'unknown' AND EXISTS (
                        SELECT 1 FROM requests AS other WHERE other.key = requests.key AND other.state = 'done')),
                    sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens), total(paid),
                    total(CASE state WHEN 'unknown' THEN reserved END)
                FROM requests GROUP BY teacher ORDER BY teacher"""
            ).fetchall()
        return tuple(
            Account(teacher, done, useless, failed, unknown, double, Usage(*tokens), paid, unsettled)
            for teacher, done, useless, failed, unknown, double, *tokens, paid, unsettled in rows
        )

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
