"""Several callers side by side: terminal, Markdown, JSON, and one page of HTML.

`build` makes a `Report`, which says what was run and where; `write` puts it and the failing cases into a
folder. Every figure has its 95 % interval (docs/metrics.md). Whether two callers differ is left to the
reader: intervals that do not overlap say so, intervals that overlap do not say the contrary.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from toolfinch.evaluate.metrics import FIGURES, Figure, Metrics, Result, by_group, metrics
from toolfinch.evaluate.page import Case, Grid, render
from toolfinch.example import Expected
from toolfinch.message import ToolCall, to_openai
from toolfinch.score import FAILURES


class Column(msgspec.Struct, frozen=True):
    """What one caller did."""

    caller: str
    artifact: str
    """The hash of what was run; empty for a caller that is no artifact."""
    overall: Metrics
    groups: dict[str, Metrics]
    """By scenario, then by tag."""


class Machine(msgspec.Struct, frozen=True):
    """Where it ran."""

    cpu: str
    cores: int
    """Those that this process may use."""
    system: str


class Report(msgspec.Struct, frozen=True):
    """What was run, where, and what came of it."""

    suite: str
    suite_sha256: str
    examples: int
    command: str
    machine: Machine
    made: str
    """Date and time, UTC."""
    columns: tuple[Column, ...]
    cases: tuple[Case, ...]


class Run(msgspec.Struct, frozen=True):
    """One caller's results, all on the same suite."""

    caller: str
    results: Sequence[Result]
    artifact: str = ""


def build(suite: str, runs: Sequence[Run], command: str) -> Report:
    """The report of callers that were run over the same examples.

    Raises ValueError where two runs have different examples: their figures could not stand side by side.
    """
    hashes = {_hash(run.results) for run in runs}
    if len(hashes) != 1:
        raise ValueError(f"{suite}: {len(hashes)} different sets of examples in one report")
    return Report(
        suite=suite,
        suite_sha256=hashes.pop(),
        examples=len(runs[0].results),
        command=command,
        machine=machine(),
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        columns=tuple(
            Column(run.caller, run.artifact, metrics(run.results), by_group(run.results)) for run in runs
        ),
        cases=tuple(case for run in runs for case in failing(run)),
    )


def failing(run: Run) -> list[Case]:
    """Every result that is not right, in order."""
    return [
        Case(
            id=r.example.id,
            caller=run.caller,
            scenario=r.example.scenario,
            failure=r.score.failure.kind,
            why=r.score.failure.why,
            expected=_expected_text(r.example.expected),
            got=_got_text(r),
            tools=tuple(tool.name for tool in r.example.tools),
            messages=tuple(to_openai(m) for m in r.example.messages),
        )
        for r in run.results
        if r.score.failure
    ]


def machine() -> Machine:
    """The CPU model, the cores that this process may use, and the system."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        cpu, cores, f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


def write(report: Report, out_dir: Path) -> list[Path]:
    """Write `report.json`, `report.md`, `report.html` and `failures.jsonl`, each whole or not at all."""
    out_dir.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(case) + b"\n" for case in report.cases)
    files = {
        "report.json": to_json(report),
        "report.md": markdown(report).encode(),
        "report.html": html(report).encode(),
        "failures.jsonl": lines,
    }
    for name, content in files.items():
        partial = out_dir / f"{name}.partial"
        partial.write_bytes(content)
        partial.replace(out_dir / name)
    return [out_dir / name for name in files]


def to_json(report: Report) -> bytes:
    """Everything but the failing cases, which are in `failures.jsonl`."""
    return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(report, cases=()))) + b"\n"


def markdown(report: Report) -> str:
    """The tables and what was run, as GitHub Markdown."""
    parts = [f"# {_cell(report.suite)}", ""]
    parts += [f"- {name}: {_cell(value)}" for name, value in facts(report)]
    for grid in grids(report):
        parts += [
            "",
            f"## {grid.title}",
            "",
            _line(grid.header),
            _line(["---"] + ["--:"] * (len(grid.header) - 1)),
        ]
        parts += [_line(row) for row in grid.rows]
    return "\n".join(parts) + "\n"


def terminal(report: Report) -> RenderableType:
    """The tables for `rich.print`."""
    parts: list[RenderableType] = [Text(f"{name}: {value}") for name, value in facts(report)]
    for grid in grids(report):
        table = Table(title=Text(grid.title), title_justify="left")
        for i, name in enumerate(grid.header):
            table.add_column(Text(name), justify="right" if i else "left")
        for row in grid.rows:
            table.add_row(*map(Text, row))
        parts.append(table)
    return Group(*parts)


def html(report: Report) -> str:
    """One page that needs no other file, with every failing case folded away."""
    return render(report.suite, facts(report), grids(report), report.cases)


def facts(report: Report) -> list[tuple[str, str]]:
    """What was run, on what, where and how."""
    where = report.machine
    artifacts = [(f"artifact of {c.caller}", c.artifact) for c in report.columns if c.artifact]
    return [
        ("suite", f"{report.suite}, {report.examples} examples, sha256 {report.suite_sha256}"),
        *artifacts,
        ("command", report.command),
        ("machine", f"{where.cpu}, {where.cores} cores, {where.system}"),
        ("made", report.made),
        ("intervals", "95 %, by conversation; see docs/metrics.md"),
    ]


def grids(report: Report) -> list[Grid]:
    """All figures overall; the two headline figures by scenario and tag; the failures by kind."""
    columns = report.columns
    callers = tuple(column.caller for column in columns)
    counts = ("endpoint errors", *(f"{c.overall.errors} of {c.overall.examples}" for c in columns))
    out = [
        Grid(
            "All examples",
            ("", *callers),
            (
                *((_title(name), *(show(c.overall.figures[name]) for c in columns)) for name in FIGURES),
                counts,
            ),
        )
    ]
    groups = {name: m.examples for column in columns for name, m in column.groups.items()}
    if groups:
        for figure in ("exact_match", "tool_decision_accuracy"):
            rows = tuple(
                (group, str(n), *(show(c.groups[group].figures[figure]) for c in columns))
                for group, n in groups.items()
            )
            out.append(Grid(f"{_title(figure)} by scenario".capitalize(), ("", "examples", *callers), rows))
    failed = tuple(
        (_title(kind), *(show(c.overall.failures.get(kind)) for c in columns))
        for kind in FAILURES
        if any(kind in c.overall.failures for c in columns)
    )
    return [*out, Grid("Failures by kind, share of all examples", ("", *callers), failed)]


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


def _expected_text(expected: Expected) -> str:
    if expected.kind != "call":
        return f"{expected.kind}: {expected.text}"
    lines = []
    for wanted in expected.calls:
        also = [f"{key} may be {_json(list(values))}" for key, values in wanted.accept.items()]
        also += [f"{key} may be left out" for key in wanted.optional]
        lines.append("; ".join([_call_text(wanted.call), *also]))
    return "\n".join(lines)


def _got_text(result: Result) -> str:
    reply = result.reply
    if reply.stop == "error":
        return f"error: {reply.error}"
    lines = [_call_text(call) for call in reply.message.calls]
    lines += [f"unread: {text}" for text in reply.unread]
    if reply.message.content or not lines:
        lines.append(f"says: {reply.message.content}")
    return "\n".join(lines)


def _call_text(call: ToolCall) -> str:
    return f"{call.name}({_json(call.arguments)})"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _hash(results: Sequence[Result]) -> str:
    return hashlib.sha256(msgspec.json.encode([r.example for r in results])).hexdigest()


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
