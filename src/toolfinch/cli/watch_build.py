"""How a build of a dataset shows its progress: a bar on a terminal, and a line for each step that is done."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from toolfinch.cli.progress import say
from toolfinch.data.build import Watcher
from toolfinch.data.funnel import Step
from toolfinch.data.readers.report import ReadReport

SHOWN = 5
"""Reasons in a line; the card has all."""


def _counted(counts: Mapping[str, int]) -> str:
    shown = [f"{what}: {number:,}" for what, number in [*counts.items()][:SHOWN]]
    more = len(counts) - len(shown)
    return ", ".join([*shown, f"{more} more"] if more else shown)


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
        told = "; ".join(_counted(counts) for counts in (step.reasons, step.did) if counts)
        say(f"{step.name}: {step.rows_in:,} in, {step.rows_out:,} out" + (f" ({told})" if told else ""))

    def reused(self, name: str) -> None:
        say(f"{name}: done already by an earlier run")
