"""`released`: files that appear only once all of them have passed the gate."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolfinch.artifact import write_atomically
from toolfinch.errors import GateError

if TYPE_CHECKING:
    from toolfinch.data.anonymize.gate import Gate
    from toolfinch.data.anonymize.leaks import Report

REPORT = "gate.md"
"""What the gate found, if it found something; the next release that passes removes it."""


def released(
    folder: Path,
    write: Callable[[Path], Iterable[Path]],
    gate: Gate | None,
    finish: Callable[[Path, Report | None], Iterable[Path]] | None = None,
    stale: Iterable[str] = (),
) -> list[Path]:
    """Have `write` write into a new folder, and move what it wrote into `folder` if nothing real is in it.

    `finish` writes what is told of that, from what the gate found in it, and passes the gate, too. Without a gate, for
    data that is not anonymized, all of them appear once they are written. Gives the files in their place. The last of
    them marks a release: it goes first and comes back last, and the others of the earlier release, and those that
    `stale` names and this one lacks, are gone before the first new one appears. So whoever is stopped in between leaves
    no mixture, and nothing with that mark.

    Raises GateError where something survives: what was written is removed, the files of earlier runs stay as they are,
    and `folder/gate.md` says what it was by HMAC, file and row. Whatever `write` or `finish` raises (a full disk is an
    OSError) leaves nothing behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".unreleased.{os.getpid()}"
    for left in folder.glob(".unreleased.*"):  # by a process that was killed
        shutil.rmtree(left)
    fresh.mkdir(mode=0o700)
    try:
        paths = list(write(fresh))
        report = _passed(gate, paths, fresh, folder)
        if finish is not None:
            more = list(finish(fresh, report))
            _passed(gate, more, fresh, folder)
            paths += more
        for path in paths:
            _sync(path)
        placed = [folder / path.relative_to(fresh) for path in paths]
        for old in (*placed[::-1], *(folder / name for name in stale)):
            old.unlink(missing_ok=True)
            if old == placed[-1]:
                _sync(folder)
        for path, place in zip(paths, placed, strict=True):
            if path is paths[-1]:
                _sync(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
        _sync(folder)
        (folder / REPORT).unlink(missing_ok=True)
        return placed
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _passed(gate: Gate | None, paths: Sequence[Path], fresh: Path, folder: Path) -> Report | None:
    """What the gate says of files in which it finds nothing."""
    if gate is None:
        return None
    report = gate.files(paths, [str(path.relative_to(fresh)) for path in paths])
    if report.survivors:
        write_atomically(folder / REPORT, report.to_markdown().encode())
        raise GateError(report.line(), hint=f"see {folder / REPORT}; nothing was released")
    return report


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
