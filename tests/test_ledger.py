"""The ledger: what a killed, full, shared or damaged one does to money.

Would break: a request that is sent before its intent is on disk and paid for again unseen; an answer paid for twice; a
limit passed because reservations were forgotten; a traceback, or a fresh empty ledger, where the file is damaged.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_endpoint import Handler, says, serving
from toolfinch.caller import Usage
from toolfinch.data.teacher.ledger import BudgetSpent, Ledger, Stopped
from toolfinch.data.teacher.question import Question
from toolfinch.data.teacher.teacher import key_of
from toolfinch.errors import DataError, ToolfinchError, UsageError
from toolfinch.message import user

ABOUT: dict[str, Any] = {"purpose": "p/1", "teacher": "t", "price": ""}

ASKING = """
import sys
from pathlib import Path
from toolfinch.data.teacher.committee import Committee
from toolfinch.data.teacher.ledger import Ledger
from toolfinch.data.teacher.question import Question
from toolfinch.data.teacher.teacher import TeacherSpec
from toolfinch.message import user

url, path, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
spec = TeacherSpec(url, "m", price_in=1, price_out=1, concurrency=4)
with Ledger(path) as ledger, Committee([spec], ledger, check=lambda _: "") as teachers:
    for i, (answer,) in enumerate(teachers.ask(Question("p/1", (user(str(i)),)) for i in range(count))):
        assert answer.message.content == f"answer {i}", answer
    print(teachers.bill().accounts[0])
"""


def asking(url: str, path: Path, count: int) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", ASKING, url, str(path), str(count)], stdout=pipe, stderr=pipe, text=True
    )


def rows_of(path: Path) -> Counter[str]:
    with closing(sqlite3.connect(path)) as db:
        return Counter(key for (key,) in db.execute("SELECT key FROM requests"))


def test_killed_at_any_moment_it_pays_again_only_for_what_was_under_way(tmp_path: Path) -> None:
    """The promise that everything else rests on: SIGKILL, several times, with a server that counts."""
    path = tmp_path / "ledger.db"
    count, chance = 120, random.Random(7)

    def answers(to: Handler, request: dict[str, Any]) -> None:
        time.sleep(chance.uniform(0, 0.05))
        says(f"answer {request['messages'][-1]['content']}")(to, request)

    interrupted = 0
    with serving(answers) as server:

        def seen() -> Counter[str]:
            with server.lock:
                return Counter(request["messages"][-1]["content"] for request in server.asked)

        for _ in range(4):
            before = len(server.asked)
            process = asking(server.url, path, count)
            while len(server.asked) == before and process.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.15))
            process.kill()
            process.communicate()
            assert process.returncode == -signal.SIGKILL
            with Ledger(path) as ledger:
                interrupted += ledger.interrupted
                assert ledger.interrupted <= 4
                assert ledger.accounts()[0].unknown == interrupted
        assert interrupted, "nothing was ever under way: the test tests nothing"
        assert len(seen()) < count, "it was done before it was killed"
        process = asking(server.url, path, count)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert f"done={count}" in out and f"double={interrupted}" in out
        rows = rows_of(path)
        for i in range(count):  # an intent was on disk for each request that the server ever saw
            asked, known = seen()[str(i)], rows[key_of("m", Question("p/1", (user(str(i)),)))]
            assert 1 <= asked <= known
        assert sum(rows.values()) == count + interrupted

        before = len(server.asked)
        process = asking(server.url, path, count)
        process.communicate(timeout=60)
        assert process.returncode == 0 and len(server.asked) == before
        process = asking(server.url, path, count + 1)
        process.communicate(timeout=60)
        assert process.returncode == 0 and len(server.asked) == before + 1


def test_only_a_row_that_is_done_is_known(tmp_path: Path) -> None:
    """A refused or lost request taken for an answer, or one paid answer asked for again."""
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        for what in ("done", "failed", "lost", "nothing"):
            row = ledger.intend(what, most=1.0, **ABOUT)
            if what == "done":
                ledger.done(row, b"{}", Usage(3, 2, 1), 0.25, "of no use")
            elif what != "nothing":
                getattr(ledger, what)(row, "HTTP 500")
        assert ledger.spent == 1.25
    with Ledger(path) as ledger:
        assert ledger.interrupted == 1
        assert [ledger.known(key) is not None for key in ("done", "failed", "lost", "nothing")] == [
            True
        ] + 3 * [False]
        known = ledger.known("done")
        assert known is not None
        assert (known.answer, known.error, known.usage, known.paid) == (
            b"{}",
            "of no use",
            Usage(3, 2, 1),
            0.25,
        )
        (account,) = ledger.accounts()
        assert (account.done, account.useless, account.failed, account.unknown) == (1, 1, 1, 2)
        assert (account.double, account.paid, account.unsettled) == (0, 0.25, 2.0)
        ledger.done(ledger.intend("lost", most=1.0, **ABOUT), None, Usage(), 0.5)
        assert ledger.accounts()[0].double == 1
    with Ledger(path) as ledger:
        assert ledger.interrupted == 0 and ledger.spent == 2.75


@given(
    st.lists(
        st.tuples(st.floats(0, 3), st.floats(0, 1), st.sampled_from(["done", "failed", "lost"])), max_size=30
    )
)
@settings(max_examples=30)
def test_the_limit_is_never_passed(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[float, float, str]]
) -> None:
    """One request too many, on one thread or because what is under way was not counted."""
    budget = 5.0
    with Ledger(tmp_path_factory.mktemp("l") / "ledger.db", budget) as ledger:
        for i, (most, share, end) in enumerate(requests):
            before = ledger.spent
            try:
                row = ledger.intend(str(i), most=most, **ABOUT)
            except BudgetSpent:
                assert before + most > budget
                continue
            assert before + most <= budget
            if end == "done":
                ledger.done(row, b"{}", Usage(), most * share)
            else:
                getattr(ledger, end)(row, "no")
            assert ledger.spent <= budget


def test_a_reservation_waits_for_what_is_under_way(tmp_path: Path) -> None:
    """A run that stops with half of its budget left, since requests cost less than they could."""
    with Ledger(tmp_path / "ledger.db", 1.0) as ledger:
        first = ledger.intend("a", most=0.8, **ABOUT)
        threading.Timer(0.1, lambda: ledger.done(first, b"{}", Usage(), 0.1)).start()
        second = ledger.intend("b", most=0.8, **ABOUT)
        assert ledger.spent == 0.1
        stopped = threading.Event()
        threading.Timer(0.1, stopped.set).start()
        with pytest.raises(Stopped):
            ledger.intend("c", most=0.8, stopped=stopped, **ABOUT)
        ledger.done(second, b"{}", Usage(), 0.5)
        with pytest.raises(BudgetSpent, match=r"the budget of 1 is spent: 0.6 .* can cost 0.8") as spent:
            ledger.intend("c", most=0.8, **ABOUT)
        assert "ledger.db has every answer" in spent.value.hint


def _version(path: Path) -> None:
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")


def _another(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE songs (name)")


def _damaged(path: Path) -> None:
    with Ledger(path) as ledger:
        for i in range(200):
            ledger.done(ledger.intend(str(i), most=0, **ABOUT), b"x" * 500, Usage(), 0)
    raw = bytearray(path.read_bytes())
    raw[4096 * 3 : 4096 * 20] = random.Random(1).randbytes(4096 * 17)
    path.write_bytes(raw)


BAD: list[tuple[str, Any, type[Exception], str]] = [
    ("text", lambda p: p.write_text("hello, " * 1000), DataError, "not a ledger, or damaged"),
    ("damaged", _damaged, DataError, "not a ledger, or damaged"),
    ("another version", _version, UsageError, "a ledger of version 7; this is version 1"),
    ("another database", _another, UsageError, "a database, but not a ledger"),
    ("a folder", lambda p: p.mkdir(), UsageError, "cannot be opened"),
]


@pytest.mark.parametrize(("make", "kind", "words"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
def test_what_is_no_ledger_is_one_line(tmp_path: Path, make: Any, kind: type[Exception], words: str) -> None:
    """A traceback; or an empty ledger in its place, and everything paid for again."""
    path = tmp_path / "ledger.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(kind, match=words) as refused:
        Ledger(path)
    assert str(refused.value).startswith(f"{path}: ") and "\n" not in str(refused.value)
    assert before == (path.read_bytes() if path.is_file() else b"")
    with pytest.raises(UsageError, match="no such folder"):
        Ledger(tmp_path / "nowhere" / "ledger.db")


def test_a_second_process_is_told(tmp_path: Path) -> None:
    """Two processes that both see a question unanswered pay for it twice."""
    path = tmp_path / "ledger.db"
    code = f"from pathlib import Path; from toolfinch.data.teacher.ledger import Ledger; Ledger(Path({str(path)!r}))"
    with Ledger(path):
        for second in (lambda: Ledger(path), None):
            if second is not None:
                with pytest.raises(UsageError, match="another process is using this ledger"):
                    second()
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "UsageError" in other.stderr and "another process is using this ledger" in other.stderr
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


FILLING = """
import resource, sys
from pathlib import Path
from toolfinch.caller import Usage
from toolfinch.data.teacher.ledger import Ledger
from toolfinch.errors import ToolfinchError

resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
done = 0
with Ledger(Path(sys.argv[1])) as ledger:
    try:
        while True:
            row = ledger.intend(f"k{done}", purpose="p", teacher="t", price="", most=1)
            ledger.done(row, b"x" * 2000, Usage(), 0)
            done += 1
    except ToolfinchError as error:
        print(done, error)
"""


def test_a_full_disk_is_one_line_and_keeps_what_was_finished(tmp_path: Path) -> None:
    """The last answers before the disk was full are lost, or the whole file is."""
    path = tmp_path / "ledger.db"
    out = subprocess.run([sys.executable, "-c", FILLING, str(path)], capture_output=True, text=True)
    done, _, line = out.stdout.strip().partition(" ")
    assert line.startswith(f"{path}: cannot be written: ") and "\n" not in line, (out.stdout, out.stderr)
    assert int(done) > 10
    with Ledger(path) as ledger:
        assert ledger.interrupted <= 1
        for i in range(int(done)):
            known = ledger.known(f"k{i}")
            assert known is not None and known.answer == b"x" * 2000
        ledger.done(ledger.intend("more", most=0, **ABOUT), b"y", Usage(), 0)


def test_threads_share_it(tmp_path: Path) -> None:
    """Rows written to from another thread's transaction, or a reservation that two threads both take."""
    with Ledger(tmp_path / "ledger.db", 100.0) as ledger:
        over: list[float] = []

        def work(name: int) -> None:
            for i in range(20):
                try:
                    row = ledger.intend(f"{name} {i}", most=1.0, **ABOUT)
                except BudgetSpent:
                    return
                ledger.done(row, str(name).encode(), Usage(1), 1.0)
                over.append(ledger.spent)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(over) == 100.0 and ledger.accounts()[0].done == 100


def test_a_thread_that_comes_after_it_was_closed_is_stopped(tmp_path: Path) -> None:
    """An answer that comes after Ctrl-C must not be called damage."""
    ledger = Ledger(tmp_path / "ledger.db")
    row = ledger.intend("k", most=1.0, **ABOUT)
    ledger.close()
    with pytest.raises(Stopped):
        ledger.done(row, b"", Usage(), 0)
    assert issubclass(Stopped, ToolfinchError)
