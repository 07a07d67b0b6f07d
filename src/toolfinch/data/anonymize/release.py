"""`released`: files that appear only once all of them have passed the gate."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from toolfinch.artifact import write_atomically
from toolfinch.errors import GateError

if TYPE_CHECKING:
    from toolfinch.data.anonymize.gate import Gate

REPORT = "gate.md"
"""What the gate found, if it found something; the next release that passes removes it."""


def released(folder: Path, write: Callable[[Path], Iterable[Path]], gate: Gate | None) -> list[Path]:
    """Have `write` write into a new folder, and move what it wrote into `folder` if nothing real is in it.

    Without a gate, for data that is not anonymized, they appear once all of them are written. Gives the files in
    their place. Raises GateError where something survives: what was written is removed, the
    files of earlier runs stay as they are, and `folder/gate.md` says what it was by HMAC, file and row. Whatever
    `write` raises (a full disk is an OSError) leaves nothing behind. Each file is renamed into place by itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".unreleased.{os.getpid()}"
    for left in folder.glob(".unreleased.*"):  # by a process that was killed
        shutil.rmtree(left)
    fresh.mkdir(mode=0o700)
    try:
        paths = list(write(fresh))
        for path in paths:
            _sync(path)
        report = gate.files(paths, [str(path.relative_to(fresh)) for path in paths]) if gate else None
        if report and report.survivors:
            shutil.rmtree(fresh)
            write_atomically(folder / REPORT, report.to_markdown().encode())
            raise GateError(report.line(), hint=f"see {folder / REPORT}; nothing was released")
        placed = [folder / path.relative_to(fresh) for path in paths]
        for path, place in zip(paths, placed, strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
        _sync(folder)
        (folder / REPORT).unlink(missing_ok=True)
        return placed
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
