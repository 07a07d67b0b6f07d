"""A report as tables: for the terminal, as Markdown, and what the page shows.

Every figure has its 95 % interval (docs/metrics.md). The first figure of a suite is its headline: the share
of decisions that are exactly right, or of the played cases that are passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from toolfinch.evaluate import confusion, cost
from toolfinch.evaluate.metrics import Figure, Metrics
from toolfinch.evaluate.page import Case, Grid, Page, Point
from toolfinch.evaluate.page import Section as PageSection
from toolfinch.evaluate.report import Column, Report, Section
from toolfinch.score import FAILURES

_BY_GROUP = ("exact_match", "tool_decision_accuracy")
"""The figures of decisions that are shown by scenario and tag; of a played suite it is the first two."""


_BY = "by scenario"
_MISTAKEN = "Tools mistaken by"


def facts(report: Report) -> list[tuple[str, str]]:
    """What was run, on what, where and how."""
    where = report.machine
    out = []
    for section in report.sections:
        examples = section.columns[0].overall.examples
        rows = f", {section.left_out} rows left out" if section.left_out else ""
        out.append((f"suite {section.suite}", f"{examples} cases{rows}, sha256 {section.sha256}"))
    for section in report.sections:
        out += [
            (f"endpoint errors of {c.caller}, {section.suite}", trouble(c))
            for c in section.columns
            if c.trouble
        ]
    for column in {c.caller: c for section in report.sections for c in section.columns}.values():
        if column.artifact:
            out.append((f"artifact of {column.caller}", column.artifact))
        if column.changes:
            changes = ", ".join(f"{name} {change}" for name, change in column.changes.items())
            out.append((f"requests to {column.caller}", changes))
    return [
        *out,
        ("command", report.command),
        ("machine", f"{where.cpu}, {where.cores} cores, {where.system}"),
        ("made", report.made),
        ("intervals", "95 %, by conversation; see docs/metrics.md"),
    ]


def trouble(column: Column) -> str:
    """How many cases of a suite got no reply, and why the first of them did not."""
    return f"{column.overall.errors} of {column.overall.examples} cases got no reply; the first: {column.trouble}"


def headline(report: Report) -> Grid:
    """The first figure of every suite, a column a caller."""
    callers = tuple(dict.fromkeys(c.caller for section in report.sections for c in section.columns))
    rows = []
    for section in report.sections:
        shown = {c.caller: show(_first(c.overall)[1]) for c in section.columns}
        name = _title(_first(section.columns[0].overall)[0])
        rows.append((f"{section.suite}: {name}", *(shown.get(caller, "–") for caller in callers)))
    return Grid("Right, by suite", ("", *callers), tuple(rows))


def grids(section: Section) -> list[Grid]:
    """All figures of one suite; the main ones by scenario and tag; failures by kind; tools mistaken."""
    columns = section.columns
    callers = tuple(column.caller for column in columns)
    counts = ("endpoint errors", *(f"{c.overall.errors} of {c.overall.examples}" for c in columns))
    # Of a played suite a column without an answer has no marks: the order is that of the fullest.
    fullest = sorted(columns, key=lambda c: -len(c.overall.figures))
    names = dict.fromkeys(name for c in fullest for name in c.overall.figures)
    if not any(column.read_as for column in columns):
        names.pop("exact_as_delivered", None)  # every call came as a call: it is `exact_match` again
    rows = [(_title(name), *(show(c.overall.figures.get(name)) for c in columns)) for name in names]
    out = [Grid("All cases", ("", *callers), (*rows, counts))]
    if any(column.read_as for column in columns):
        out.append(Grid("Format and ability", ("", *callers), _format_or_ability(columns)))
    out += _by_group(columns, list(names)[:2] if section.played else _BY_GROUP)
    failed = tuple(
        (_title(kind), *(show(c.overall.failures.get(kind)) for c in columns))
        for kind in FAILURES
        if any(kind in c.overall.failures for c in columns)
    )
    out.append(Grid("Failures by kind, share of all cases", ("", *callers), failed))
    for column in columns:
        if column.mistaken:
            counted = {(due, called): n for due, called, n in column.mistaken}
            grid = confusion.grid(counted)
            out.append(Grid(f"{_MISTAKEN} {column.caller}", grid.header, grid.rows))
    return out


def _format_or_ability(columns: Sequence[Column]) -> tuple[tuple[str, ...], ...]:
    """Right as the endpoint delivered it; right once its text was read; wrong either way."""

    def shares(column: Column) -> list[str]:
        delivered, read = (
            column.overall.figures[name].value for name in ("exact_as_delivered", "exact_match")
        )
        if delivered is None or read is None:
            return ["–"] * 3  # nothing was answered, and nothing is lost to ability
        return [f"{100 * share:.1f}" for share in (delivered, read - delivered, 1 - read)]

    delivered, lost, wrong = zip(*map(shares, columns), strict=True)
    return (
        ("right as delivered", *delivered),
        ("lost to format: right in the text alone", *lost),
        ("lost to ability", *wrong),
        (
            "replies whose calls were read from the text, by dialect",
            *(", ".join(f"{n} {name}" for name, n in sorted(c.read_as.items())) or "0" for c in columns),
        ),
    )


def _by_group(columns: Sequence[Column], figures: Sequence[str]) -> Iterator[Grid]:
    groups = {name: m.examples for column in columns for name, m in column.groups.items()}
    if not groups:
        return
    callers = [column.caller for column in columns]
    for figure in figures:
        rows = tuple(
            (group, str(n), *(show(c.groups[group].figures.get(figure)) for c in columns))
            for group, n in groups.items()
        )
        yield Grid(f"{_title(figure).capitalize()} {_BY}", ("", "cases", *callers), rows)


def costs(report: Report, prices: cost.Prices) -> Grid:
    """What a reply costs on each caller, over all suites."""
    usage: dict[str, cost.Usage] = {}
    for caller in dict.fromkeys(c.caller for section in report.sections for c in section.columns):
        spent = [c.spent for s in report.sections for c in s.columns if c.caller == caller]
        counted = sum(one.counted for one in spent)
        replies = sum(one.replies for one in spent)
        usage[caller] = cost.Usage(
            sum(one.prompt_tokens for one in spent) / counted if counted else None,
            sum(one.completion_tokens for one in spent) / counted if counted else None,
            sum(one.seconds for one in spent) / replies if replies else None,
            sum(one.cached_tokens for one in spent) / counted if counted else 0.0,
        )
    return cost.grid(prices, usage)


def page(report: Report, cases: Sequence[Case], prices: cost.Prices | None) -> Page:
    """Everything that the page shows."""
    points = []
    for section in report.sections:
        for column in section.columns:
            figure = _first(column.overall)[1]
            if figure.value is not None and figure.low is not None and figure.high is not None:
                seconds = column.overall.figures["latency_median"].value
                points.append(
                    Point(
                        section.suite,
                        column.caller,
                        figure.value,
                        figure.low,
                        figure.high,
                        seconds,
                        column.size,
                    )
                )
    return Page(
        title=" · ".join(section.suite for section in report.sections),
        facts=tuple(facts(report)),
        headline=headline(report),
        sections=tuple(PageSection(s.suite, tuple(grids(s))) for s in report.sections),
        points=tuple(points),
        cases=tuple(cases),
        cost=costs(report, prices) if prices else None,
    )


def markdown(report: Report, prices: cost.Prices | None = None) -> str:
    """The tables and what was run, as GitHub Markdown."""
    suites = ", ".join(section.suite for section in report.sections)
    parts = [
        f"# {cell(suites)}",
        "",
        *(f"- {cell(name)}: {cell(value)}" for name, value in facts(report)),
        "",
    ]
    for title, made in _sections(report, prices):
        parts += [f"## {cell(title)}", ""] if title else []
        for grid in made:
            parts += written(grid)
    return "\n".join(parts)


def terminal(report: Report, prices: cost.Prices | None = None) -> RenderableType:
    """The main tables for `rich.print`; the second figure by scenario and the mistaken tools are in the files."""
    parts: list[RenderableType] = [Text(f"{name}: {value}") for name, value in facts(report)]
    for title, made in _sections(report, prices):
        parts += [Text(f"\n{title}", style="bold")] if title else []
        by_scenario = [grid.title for grid in made if grid.title.endswith(_BY)]
        for grid in made:
            if grid.title not in by_scenario[1:] and not grid.title.startswith(_MISTAKEN):
                parts.append(drawn(grid))
    return Group(*parts)


def written(grid: Grid) -> list[str]:
    """A table as lines of GitHub Markdown."""
    rule = ["---"] + ["--:"] * (len(grid.header) - 1)
    return [f"### {cell(grid.title)}", "", _line(grid.header), _line(rule), *map(_line, grid.rows), ""]


def drawn(grid: Grid) -> Table:
    """A table for `rich.print`."""
    table = Table(title=Text(grid.title), title_justify="left", box=SIMPLE)
    for i, name in enumerate(grid.header):
        table.add_column(Text(name), justify="right" if i else "left", overflow="fold")
    for row in grid.rows:
        table.add_row(*map(Text, row))
    return table


def _sections(report: Report, prices: cost.Prices | None) -> Iterator[tuple[str, list[Grid]]]:
    """Titles and tables, in the order in which they are read."""
    if len(report.sections) > 1:
        yield "", [headline(report)]
    for section in report.sections:
        yield section.suite, grids(section)
    if prices:
        yield "cost", [costs(report, prices)]


def _first(metrics: Metrics) -> tuple[str, Figure]:
    return next(iter(metrics.figures.items()))


def show(figure: Figure | None) -> str:
    """`82.5 [76.6, 87.1]`: percent for rates, milliseconds or tokens otherwise; a dash for nothing."""
    if figure is None or figure.value is None or figure.low is None or figure.high is None:
        return "–"
    scale, digits = {"rate": (100, 1), "seconds": (1000, 1), "tokens": (1, 0)}[figure.unit]
    value, low, high = (f"{x * scale:.{digits}f}" for x in (figure.value, figure.low, figure.high))
    return f"{value} [{low}, {high}]"


def _title(name: str) -> str:
    unit = {"latency_median": " (ms)", "latency_p95": " (ms)"}.get(name, "")
    return name.replace("_", " ").replace("json", "JSON").replace("f1", "F1") + unit


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(cell, cells)) + " |"


def cell(text: str) -> str:
    """Text that may stand in a cell of a Markdown table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
