"""Run a caller over examples and score what it replies.

With a folder, every result is one line of `results.jsonl` there, written as it comes. A run that was stopped
goes on where it was: a reply is used again where the caller, its artifact, the decoding, the messages and
the tools are all the same, and is scored anew, so a corrected expectation costs no second request. Replies
that were errors are asked for again. One run writes to a folder at a time; several callers may share it.
Examples run one after another: what the engine batches or the endpoint parallelises is left out.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from toolfinch.caller import Decoding, Reply, ToolCaller
from toolfinch.decode.engine import ContextError
from toolfinch.errors import DataError, SchemaError, ToolfinchError, UsageError
from toolfinch.evaluate.metrics import Result
from toolfinch.example import Example
from toolfinch.message import assistant
from toolfinch.score import Score, score

SECONDS_BETWEEN_LINES = 10.0


class Line(msgspec.Struct, frozen=True):
    """One result on disk. The score is there to be read; a resumed run computes it again."""

    id: str
    caller: str
    key: str
    """`key_of` the request."""
    reply: Reply
    score: Score | None = None
    """None where replies are judged together and not one by one (`failed_tools`)."""


def run(
    caller: ToolCaller,
    examples: Sequence[Example],
    out_dir: Path | None = None,
    *,
    artifact: str = "",
    decoding: Decoding = Decoding(),
    progress: bool = True,
) -> list[Result]:
    """Ask for every example once, in order, and score the replies.

    `artifact` is the hash of what is being run; results of another artifact are not used again. An engine's
    or endpoint's failure becomes a result with `stop="error"`. Raises DataError for a results file that
    cannot be read and lets UsageErrors of the caller pass: they would meet every example. Ctrl-C says what
    is kept and is raised again.
    """
    path = out_dir / "results.jsonl" if out_dir else None
    results: list[Result] = []
    with kept(path) as (known, keep), ticking(caller.name, len(examples), progress) as tick:
        try:
            for example in examples:
                key = key_of(caller.name, artifact, decoding, example)
                reply = known.get(key)
                fresh = reply is None
                if reply is None:
                    reply = ask(caller, example, decoding)
                result = Result(example, reply, score(example, reply))
                if fresh:
                    keep(Line(example.id, caller.name, key, reply, result.score))
                results.append(result)
                tick()
        except KeyboardInterrupt:
            where = (
                f"kept in {path}; the same command goes on from there"
                if path
                else "not kept: no folder given"
            )
            print(f"stopped: {len(results)} of {len(examples)} done, {where}", file=sys.stderr)
            raise
    return results


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
    except (SchemaError, ContextError) as error:  # this example's own: others may do
        reply = Reply(assistant(), stop="error", error=f"{type(error).__name__}: {error}")
    except UsageError:
        raise
    except (ToolfinchError, OSError, RuntimeError, UnicodeEncodeError) as error:
        reply = Reply(assistant(), stop="error", error=f"{type(error).__name__}: {error}")
    if not reply.timings.total_s:
        timings = msgspec.structs.replace(reply.timings, total_s=time.perf_counter() - start)
        reply = msgspec.structs.replace(reply, timings=timings)
    return reply


@contextmanager
def kept(path: Path | None) -> Iterator[tuple[dict[str, Reply], Callable[[Line], None]]]:
    """The replies already on disk by key, and a function that appends a line and flushes it."""
    if path is None:
        yield {}, lambda line: None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
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
            if line.reply.stop != "error":
                known[line.key] = line.reply
        file.truncate(whole)

        def keep(line: Line) -> None:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()

        yield known, keep


@contextmanager
def ticking(name: str, total: int, on: bool) -> Iterator[Callable[[], None]]:
    """Call what it yields once an example: a bar on a terminal, else a line every ten seconds."""
    console = Console(stderr=True)
    if on and console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
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
