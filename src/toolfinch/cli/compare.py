"""Say whether B is better than A on the cases that both were measured on: better, worse, or cannot tell.

A and B are columns of one folder of `toolfinch eval` (--in), or folders: a folder stands for its one caller
that is no floor, FOLDER#COLUMN for another. docs/compare.md says what is computed.

Example: toolfinch compare fledgling bm25-pick --in runs/eval
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from toolfinch.errors import UsageError

if TYPE_CHECKING:
    from toolfinch.evaluate.compare import Comparison, Estimate, Paired
    from toolfinch.evaluate.page import Grid

SHOWN = 10
"""Cases that are named in a line; `--json` has all of them."""


def run(
    a: Annotated[str, typer.Argument(help="what B is measured against: a column, FOLDER or FOLDER#COLUMN")],
    b: Annotated[str, typer.Argument(help="what the verdict is on")],
    within: Annotated[Path | None, typer.Option("--in", help="the folder whose columns A and B are")] = None,
    json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print the tables as Markdown")] = False,
) -> None:
    from rich.console import Console
    from rich.text import Text

    from toolfinch.evaluate import tables
    from toolfinch.evaluate.compare import compare, side

    if json and markdown:
        raise UsageError("--json and --markdown: choose one")
    found = compare(side(a, within), side(b, within))
    if json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    elif markdown:
        print("\n".join([*_bullets(sentences(found)), *_tables(found), *_bullets(turned(found))]))
    else:
        words, cases = (Text("\n".join(lines)) for lines in (sentences(found), turned(found)))
        Console().print(words, *map(tables.drawn, grids(found)), cases, sep="\n")


def _bullets(lines: Iterable[str]) -> list[str]:
    from toolfinch.evaluate import tables

    return [*(f"- {tables.cell(line)}" for line in lines), ""]


def _tables(found: Comparison) -> list[str]:
    from toolfinch.evaluate import tables

    return [line for grid in grids(found) for line in tables.written(grid)]


def sentences(found: Comparison) -> Iterator[str]:
    """The verdicts in words, and what was left out."""
    yield f"A: {found.a}"
    yield f"B: {found.b}"
    parts = [found.overall, *(found.suites if len(found.suites) > 1 else ())]
    for part in parts:
        yield f"{_suite(part, found)}: {_verdict(part)}"
    if len(found.suites) > 1:
        yield f"the p of a suite is adjusted for {len(found.suites)} suites (Holm); all suites together are one test"
    for names, what in (
        (found.unanswered, "pairs left out, an endpoint error on either side"),
        (found.missing_b, "cases of A that B does not have"),
        (found.missing_a, "cases of B that A does not have"),
    ):
        if names:
            yield f"{what}: {len(names)} ({_listed(names)})"


def _suite(part: Paired, found: Comparison) -> str:
    if part.suite:
        return part.suite
    return f"all {len(found.suites)} suites" if len(found.suites) > 1 else found.suites[0].suite


def _verdict(part: Paired) -> str:
    p = f"p = {part.p:.3g}" if part.p >= 0.001 else "p < 0.001"
    if part.verdict != "cannot tell":
        return f"B is {part.verdict} than A ({p})"
    if part.more:
        more = f"about {_about(part.more)} more cases like these would tell"
        return f"cannot tell ({p}); if the difference is what it seems, {more}"
    return f"cannot tell ({p}); the difference is too near to 0 to say how many more cases would"


def _about(number: int) -> str:
    """Rounded up to two digits: more would claim to know the difference."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return f"{-(-number // unit) * unit:,}"


def grids(found: Comparison) -> Iterator[Grid]:
    """Exact matches, selection and latency by suite, and failures by kind."""
    from toolfinch.evaluate.page import Grid

    parts = [*(found.suites if len(found.suites) > 1 else ()), found.overall]
    header = ("", "pairs", "groups", "A", "B", "B - A", "only A/B")
    yield Grid("Exact match, %", header, tuple(_right(part, found) for part in parts))
    chosen = tuple(
        (
            _suite(part, found),
            f"{100 * f1.a:.1f}",
            f"{100 * f1.b:.1f}",
            _difference(f1.difference),
            str(f1.cases_a),
            str(f1.cases_b),
        )
        for part in parts
        if (f1 := part.selection)
    )
    if chosen:
        yield Grid("Tool selection F1, %", ("", "A", "B", "B - A", "cases of A", "cases of B"), chosen)
    timed = tuple(
        (_suite(part, found), f"{1000 * took.a:.1f}", f"{1000 * took.b:.1f}", _show(took.ratio, 1, 2))
        for part in parts
        if (took := part.latency) and min(took.a, took.b) >= 0.001  # beside a floor a ratio says nothing
    )
    if timed:
        yield Grid("Median latency, ms a case", ("", "A", "B", "B / A"), timed)
    kinds = tuple((c.kind, str(c.a), str(c.b), str(len(c.lost)), str(len(c.won))) for c in found.changes)
    if kinds:
        columns = ("", "A", "B", "right in A, this in B", "this in A, right in B")
        yield Grid("Failures by kind", columns, kinds)


def turned(found: Comparison) -> Iterator[str]:
    """Which cases went from right to wrong and back."""
    for change in found.changes:
        if change.lost:
            yield f"right in A, {change.kind} in B, {len(change.lost)}: {_listed(change.lost)}"
    for change in found.changes:
        if change.won:
            yield f"{change.kind} in A, right in B, {len(change.won)}: {_listed(change.won)}"


def _right(part: Paired, found: Comparison) -> tuple[str, ...]:
    return (
        _suite(part, found),
        str(part.pairs),
        str(part.groups),
        f"{100 * part.right_a / part.pairs:.1f}",
        f"{100 * part.right_b / part.pairs:.1f}",
        _difference(part.difference),
        f"{part.only_a}/{part.only_b}",
    )


def _difference(estimate: Estimate) -> str:
    return _show(estimate, 100, 1, "+")


def _show(estimate: Estimate, scale: float, digits: int, sign: str = "") -> str:
    """`+12.0 [+3.1, +20.4]`; without the interval where there is none."""
    value = f"{scale * estimate.value:{sign}.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return value
    low, high = (f"{scale * end:{sign}.{digits}f}" for end in (estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f", and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
