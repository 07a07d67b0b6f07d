"""How a build of a dataset shows its progress: a bar on a terminal, and a line for each step that is done."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from toolfinch.cli.progress import say
from toolfinch.data.build import Watcher
from toolfinch.data.funnel import Step
from toolfinch.data.readers.report import ReadReport

SHOWN = 5
"""Reasons in a line; the card has all."""


class Shown(Watcher):
    """Use it as a context, so that the bar goes when the build ends."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Shown:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def part(self, name: str, done: int, total: int) -> None:
        self._progress.update(self._task, description=name, completed=done, total=total or None)

    def report(self, report: ReadReport) -> None:
        say(f"{report.source}: {report.format}, {report.rows:,} rows, {report.read:,} conversations read")
        for reason, (number, places) in report.reasons().items():
            say(f"  skipped {number:,}: {reason} ({', '.join(places)})")
        if report.orphan_results:
            say(f"  results that answer no call: {report.orphan_results:,}")
        for name, number in report.missing_schemas.items():
            say(f"  calls of {name}, which has no schema: {number:,}")
        for name, repairs in report.repaired.items():
            say(f"  repaired in the schema of {name}: {', '.join(repairs)}")

    def line(self, step: Step) -> None:
        dropped = [f"{reason}: {number:,}" for reason, number in [*step.reasons.items()][:SHOWN]]
        did = [f"{what}: {number:,}" for what, number in [*step.did.items()][:SHOWN]]
        told = "; ".join(", ".join(found) for found in (dropped, did) if found)
        say(f"{step.name}: {step.rows_in:,} in, {step.rows_out:,} out" + (f" ({told})" if told else ""))

    def reused(self, name: str) -> None:
        say(f"{name}: done already by an earlier run")
