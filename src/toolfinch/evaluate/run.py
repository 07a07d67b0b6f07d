"""Run a caller over a suite: `run` scores one reply an example, `play` plays cases of several replies.

With a folder, every reply is one line of `results.jsonl` there, written as it comes. A run that was stopped
goes on where it was: a reply is used again where the caller, its artifact, the decoding, the messages and
the tools are all the same, and is judged anew, so a corrected expectation costs no second request. Replies
that were errors are asked for again, and so are those that did not fit the context: an endpoint may have more
of it by now. One run writes to a folder at a time; several callers may share it.
Left out: more than one process.
"""

from __future__ import annotations

import hashlib
import queue
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from toolfinch.caller import Decoding, Reply, ToolCaller
from toolfinch.decode.engine import ContextError
from toolfinch.errors import DataError, EndpointGone, PromptError, SchemaError, ToolfinchError, UsageError
from toolfinch.evaluate.metrics import Result
from toolfinch.evaluate.played import Outcome, PlayedSuite
from toolfinch.example import Example, Expected
from toolfinch.message import Message, assistant
from toolfinch.score import score
from toolfinch.tool import Tool

SECONDS_BETWEEN_LINES = 10.0
_NO_REPLY = ("error", "context")
T = TypeVar("T")
R = TypeVar("R")


class Line(msgspec.Struct, frozen=True):
    """One reply on disk."""

    id: str
    """Of the example or case; a played case may have several lines."""
    caller: str
    key: str
    """`key_of` the request."""
    reply: Reply


def run(
    caller: ToolCaller,
    examples: Sequence[Example],
    out_dir: Path | None = None,
    *,
    artifact: str = "",
    decoding: Decoding = Decoding(),
    concurrency: int = 1,
    progress: bool = True,
) -> list[Result]:
    """Ask for every example once and score the replies, which are in the order of the examples.

    `artifact` is the hash of what is being run; results of another artifact are not used again.
    `concurrency` is how many are asked at a time; with 1 the caller stays in this thread. An engine's or
    endpoint's failure becomes a result with `stop="error"`. Raises DataError for a results file that cannot
    be read, and lets UsageErrors and EndpointGone of the caller pass, as they would meet every example; these
    and Ctrl-C end the run at once and keep what is finished.
    """

    def ask_for(example: Example, replies: _Replies) -> Result:
        remembering = _Remembering(caller, example.id, artifact, replies)
        reply = remembering.reply(example.messages, example.tools, decoding)
        return Result(example, reply, score(example, reply))

    return _run(ask_for, caller, examples, out_dir, concurrency, progress)


def play(
    suite: PlayedSuite,
    caller: ToolCaller,
    cases: Sequence[Any],
    out_dir: Path | None = None,
    *,
    artifact: str = "",
    decoding: Decoding = Decoding(),
    concurrency: int = 1,
    progress: bool = True,
) -> list[Outcome]:
    """Play every case of a played suite; all else is as in `run`."""

    def play_one(case: Any, replies: _Replies) -> Outcome:
        return suite.play(_Remembering(caller, case.id, artifact, replies), case, decoding)

    return _run(play_one, caller, cases, out_dir, concurrency, progress)


def _run(
    work: Callable[[T, _Replies], R],
    caller: ToolCaller,
    cases: Sequence[T],
    out_dir: Path | None,
    concurrency: int,
    progress: bool,
) -> list[R]:
    done: dict[int, R] = {}
    with _replies(out_dir) as replies, ticking(caller.name, len(cases), progress) as tick:
        try:
            with closing(_each(lambda case: work(case, replies), cases, concurrency)) as results:
                for i, result in results:
                    done[i] = result
                    tick()
        except (KeyboardInterrupt, ToolfinchError):
            where = f"kept in {out_dir}; the same command goes on from there" if out_dir else "not kept"
            print(f"stopped: {len(done)} of {len(cases)} done, {where}", file=sys.stderr)
            raise
    return [done[i] for i in range(len(cases))]


def _each(
    work: Callable[[T], R], cases: Sequence[T], concurrency: int
) -> Generator[tuple[int, R], None, None]:
    """Each case's position and result, in the order in which they are done. The first error ends it."""
    if concurrency == 1:
        for i, case in enumerate(cases):
            yield i, work(case)
        return
    todo: queue.SimpleQueue[tuple[int, T]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, R] | BaseException] = queue.SimpleQueue()
    stopped = threading.Event()
    for pair in enumerate(cases):
        todo.put(pair)

    def worker() -> None:
        while not stopped.is_set():
            try:
                i, case = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((i, work(case)))
            except BaseException as error:  # noqa: BLE001  (raised again where the results are)
                done.put(error)
                return

    # Daemons, and no pool, which would wait for every request under way before the process may end.
    for _ in range(min(concurrency, len(cases))):
        threading.Thread(target=worker, daemon=True, name="toolfinch-case").start()
    try:
        for _ in cases:
            came = done.get()
            if isinstance(came, BaseException):
                raise came
            yield came
    finally:
        stopped.set()


class _Replies:
    """The replies of one results file, known and new; safe to share between threads."""

    def __init__(self, known: dict[str, Reply], file: BinaryIO | None) -> None:
        self._known = known
        self._file = file
        self._lock = threading.Lock()
        self._asking: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def get(self, case_id: str, caller: str, key: str, ask: Callable[[], Reply]) -> Reply:
        """The known reply, or what `ask` gives, which is kept."""
        with self._lock:
            asking = self._asking[key]
        with asking:  # the same request of another case, under way in another thread, is not made twice
            reply = self._known.get(key)
            if reply is None:
                reply = ask()
                self._keep(Line(case_id, caller, key, reply))
            return reply

    def _keep(self, line: Line) -> None:
        with self._lock:
            if line.reply.stop not in _NO_REPLY:
                self._known[line.key] = line.reply
            # It is closed where a run was stopped while this request was under way.
            if self._file is not None and not self._file.closed:
                self._file.write(msgspec.json.encode(line) + b"\n")
                self._file.flush()


@contextmanager
def _replies(out_dir: Path | None) -> Iterator[_Replies]:
    """What is on disk, read and held open. Raises DataError naming the file and row that cannot be read."""
    if out_dir is None:
        yield _Replies({}, None)
        return
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / "results.jsonl"
    known: dict[str, Reply] = {}
    with path.open("a+b") as file:
        file.seek(0)
        whole = 0
        for row, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                break  # a run was killed while it wrote this line
            try:
                line = msgspec.json.decode(raw, type=Line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise DataError(f"{path}:{row}: not a result ({error})", hint="move the file away") from error
            whole += len(raw)
            if line.reply.stop not in _NO_REPLY:
                known[line.key] = line.reply
        file.truncate(whole)
        yield _Replies(known, file)


@dataclass(frozen=True)
class _Remembering:
    """A caller that asks only for what is not kept, and keeps what it gets."""

    caller: ToolCaller
    case_id: str
    artifact: str
    replies: _Replies

    @property
    def name(self) -> str:
        return self.caller.name

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        request = Example(self.case_id, tuple(tools), tuple(messages), Expected("say"))
        key = key_of(self.name, self.artifact, decoding, request)
        return self.replies.get(self.case_id, self.name, key, lambda: ask(self.caller, request, decoding))


def key_of(caller: str, artifact: str, decoding: Decoding, example: Example) -> str:
    """A hash of everything that a reply depends on; what was expected is no part of it."""
    # Insertion order, not sorted: the order of a schema's properties is part of the prompt.
    request = msgspec.json.encode((caller, artifact, decoding, example.messages, example.tools))
    return hashlib.sha256(request).hexdigest()


def ask(caller: ToolCaller, example: Example, decoding: Decoding) -> Reply:
    """One reply, with its wall-clock time; an engine's failure is a reply with `stop="error"`."""
    start = time.perf_counter()
    try:
        reply = caller.reply(example.messages, example.tools, decoding)
        msgspec.json.encode(reply)  # half of a surrogate pair, or nesting without end, cannot be kept
    except ContextError as error:
        reply = Reply(assistant(), stop="context", error=str(error))
    except (SchemaError, PromptError) as error:  # this example's own: others may do
        reply = Reply(assistant(), stop="error", error=f"{type(error).__name__}: {error}")
    except (UsageError, EndpointGone):
        raise
    except (ToolfinchError, OSError, RuntimeError, UnicodeEncodeError) as error:
        reply = Reply(assistant(), stop="error", error=f"{type(error).__name__}: {error}")
    if not reply.timings.total_s:
        timings = msgspec.structs.replace(reply.timings, total_s=time.perf_counter() - start)
        reply = msgspec.structs.replace(reply, timings=timings)
    return reply


@contextmanager
def ticking(name: str, total: int, on: bool) -> Iterator[Callable[[], None]]:
    """Call what it yields once an example: a bar on a terminal, else a line every ten seconds."""
    console = Console(stderr=True)
    if on and console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(name, total=total)
            yield lambda: bar.advance(task)
        return
    done = 0
    last = time.monotonic()

    def tick() -> None:
        nonlocal done, last
        done += 1
        if on and time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{name}: {done} of {total}", file=sys.stderr, flush=True)

    yield tick
