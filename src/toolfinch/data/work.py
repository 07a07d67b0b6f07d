"""`Work`: the finished steps of a build that is under way, so that one that was stopped goes on where it was.

A step is finished when its `done.json` is there. It is used again only if everything that it came from is the same:
the logs' sizes and times, the part of the recipe that says what it does, every step before it, and this package's
own code. The folder may hold what a log says as it is, so only its owner can enter it, and it goes with success.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from toolfinch.artifact import write_atomically
from toolfinch.data.funnel import Step
from toolfinch.errors import UsageError

PACKAGE = Path(__file__).parents[1]


class Done(msgspec.Struct, frozen=True):
    """A finished step, as it is on disk."""

    fingerprint: str
    steps: tuple[Step, ...]
    parts: tuple[str, ...]


class Task(NamedTuple):
    """A step to do."""

    name: str
    inputs: Any
    """What it comes from beside the step before: anything that JSON has a form for."""
    make: Callable[[Sequence[Path], Path], tuple[list[Path], list[Step]]]
    """From the parts of the step before, and a new folder, to its own parts and lines of the funnel."""
    keep: bool = False
    """Its parts stay when later steps are done: a changed filter begins from there."""


class Work:
    """A folder of finished steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{folder.parent}: another build is writing there") from error

    def run(self, tasks: Sequence[Task], reused: Callable[[str], None]) -> tuple[list[Path], list[Step]]:
        """Do what is not done yet; the last step's parts and every line of the funnel.

        `reused` is told the names of steps that an earlier run had finished.
        """
        fingerprints = self._fingerprints(tasks)
        start, steps, parts = self._resume(tasks, fingerprints)
        for task in tasks[:start]:
            reused(task.name)
        for place in range(start, len(tasks)):
            folder = self._folder(tasks, place)
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir()
            parts, made = tasks[place].make(parts, folder)
            steps += made
            done = Done(fingerprints[place], tuple(made), tuple(part.name for part in parts))
            write_atomically(folder / "done.json", msgspec.json.encode(done))
            if place and not tasks[place - 1].keep:
                self._clear(self._folder(tasks, place - 1))
        return parts, steps

    def remove(self) -> None:
        """The end of a build that succeeded. What cannot be removed is said: it may be personal."""
        shutil.rmtree(self.folder)
        self._lock.close()

    def _resume(
        self, tasks: Sequence[Task], fingerprints: Sequence[str]
    ) -> tuple[int, list[Step], list[Path]]:
        """The first task to do, and what those before it gave."""
        finished: list[Done] = []
        for place, fingerprint in enumerate(fingerprints):
            path = self._folder(tasks, place) / "done.json"
            if not path.is_file():
                break
            try:
                done = msgspec.json.decode(path.read_bytes(), type=Done)
            except msgspec.DecodeError:  # another version's
                break
            if done.fingerprint != fingerprint:
                break
            finished.append(done)
        while finished:
            folder = self._folder(tasks, len(finished) - 1)
            parts = [folder / name for name in finished[-1].parts]
            if all(part.is_file() for part in parts):
                return len(finished), [step for done in finished for step in done.steps], parts
            finished.pop()
        return 0, [], []

    def _folder(self, tasks: Sequence[Task], place: int) -> Path:
        return self.folder / f"{place:02d}-{tasks[place].name.replace(' ', '-')}"

    def _clear(self, folder: Path) -> None:
        for part in folder.glob("*.jsonl"):
            part.unlink()

    def _fingerprints(self, tasks: Sequence[Task]) -> list[str]:
        found = []
        before = code_digest()
        for task in tasks:
            said = msgspec.json.encode([before, task.name, task.inputs], order="deterministic")
            before = hashlib.sha256(said).hexdigest()
            found.append(before)
        return found


@functools.cache
def code_digest() -> str:
    """Of this package's files, code and words: another version may read or filter differently."""
    running = hashlib.sha256()
    for path in sorted(
        path for path in PACKAGE.rglob("*") if path.suffix not in (".pyc", "") and path.is_file()
    ):
        running.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return running.hexdigest()


def stamps(folder: Path) -> list[tuple[str, int, int]]:
    """Of the files that a folder holds."""
    return [stamp(path) for path in sorted(folder.iterdir()) if path.is_file()]


def stamp(path: Path) -> tuple[str, int, int]:
    """What tells whether a file has changed since."""
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns
