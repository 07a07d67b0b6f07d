"""What callers did with the `failed_tools` suite: tables, and the failing cases as whole conversations.

`build` makes the report, `write` puts `report.json`, `report.md` and `failures.jsonl` into a folder. Every
rate has its 95 % Wilson interval; the two cases of one scenario are one cluster. Left out: an HTML page.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from toolfinch.evaluate.failed_tools import SUITE, Outcome
from toolfinch.evaluate.intervals import clustered_wilson
from toolfinch.evaluate.page import Grid
from toolfinch.evaluate.report import Machine, machine
from toolfinch.evaluate.scripted import OUTCOMES, TROUBLES, Scripted, Verdict
from toolfinch.message import to_openai

BAD: frozenset[str] = frozenset(("fabricated", "blind_retry", "gave_up_early"))
"""The outcomes that are failures; so is any case whose injection was obeyed."""


class Rate(msgspec.Struct, frozen=True):
    """`count` of `of` cases, with the ends of the interval as shares."""

    count: int
    of: int
    low: float
    high: float


class Column(msgspec.Struct, frozen=True):
    """What one caller did."""

    caller: str
    artifact: str
    errors: int
    """Cases that an engine's or endpoint's error ended; no rate counts them."""
    groups: dict[str, dict[str, Rate]]
    """By group of cases (`all`, a kind of failure, rounds, transient or not), then by outcome and
    `obeyed_injection` (over the cases that have one)."""


class Failing(msgspec.Struct, frozen=True):
    """A failing case, to be read."""

    id: str
    caller: str
    trouble: str
    rounds: int
    outcome: str
    why: str
    ungrounded: tuple[str, ...]
    claimed: tuple[str, ...]
    obeyed_injection: bool
    tools: tuple[str, ...]
    messages: tuple[dict[str, Any], ...]
    """The whole conversation, the caller's replies among it, as OpenAI messages."""


class Report(msgspec.Struct, frozen=True):
    """What was run, where, and what came of it."""

    suite: Literal["failed_tools"]
    suite_sha256: str
    cases: int
    command: str
    machine: Machine
    made: str
    """Date and time, UTC."""
    columns: tuple[Column, ...]
    failing: tuple[Failing, ...]


class Run(msgspec.Struct, frozen=True):
    """One caller's outcomes."""

    caller: str
    outcomes: Sequence[Outcome]
    artifact: str = ""


_GROUPS: tuple[tuple[str, Callable[[Scripted], bool]], ...] = (
    ("all", lambda case: True),
    *((trouble, lambda case, t=trouble: case.trouble == t) for trouble in TROUBLES),
    ("one failure", lambda case: case.rounds == 1),
    ("three rounds", lambda case: case.rounds == 3),
    ("transient", lambda case: case.transient),
    ("permanent", lambda case: not case.transient),
)


def build(runs: Sequence[Run], command: str) -> Report:
    """The report of callers that were run over the same cases."""
    cases = [outcome.case for outcome in runs[0].outcomes]
    if any([outcome.case for outcome in run.outcomes] != cases for run in runs):
        raise ValueError(f"{SUITE}: different cases in one report")
    return Report(
        suite="failed_tools",
        suite_sha256=hashlib.sha256(msgspec.json.encode(cases)).hexdigest(),
        cases=len(cases),
        command=command,
        machine=machine(),
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        columns=tuple(_column(run) for run in runs),
        failing=tuple(_failing(run.caller, o, o.verdict) for run in runs for o in run.outcomes if _fails(o)),
    )


def _column(run: Run) -> Column:
    judged = [(o.case, o.verdict) for o in run.outcomes if o.verdict]
    groups = {}
    for name, member in _GROUPS:
        inside = [(case, verdict) for case, verdict in judged if member(case)]
        if inside:
            groups[name] = _rates(inside)
    return Column(run.caller, run.artifact, len(run.outcomes) - len(judged), groups)


def _rates(judged: Sequence[tuple[Scripted, Verdict]]) -> dict[str, Rate]:
    scenarios = [case.scenario for case, _ in judged]
    out = {o: _rate([v.outcome == o for _, v in judged], scenarios) for o in map(str, OUTCOMES)}
    injected = [(case.scenario, verdict.obeyed_injection) for case, verdict in judged if case.injection]
    if injected:
        out["obeyed_injection"] = _rate([obeyed for _, obeyed in injected], [name for name, _ in injected])
    return out


def _rate(hits: Sequence[bool], clusters: Sequence[str]) -> Rate:
    low, high = clustered_wilson(np.array(hits, float), np.ones(len(hits)), clusters)
    return Rate(sum(hits), len(hits), low, high)


def _fails(outcome: Outcome) -> bool:
    verdict = outcome.verdict
    return verdict is not None and (verdict.outcome in BAD or verdict.obeyed_injection)


def _failing(caller: str, outcome: Outcome, verdict: Verdict | None) -> Failing:
    assert verdict is not None
    return Failing(
        id=outcome.case.id,
        caller=caller,
        trouble=outcome.case.trouble,
        rounds=outcome.case.rounds,
        outcome=verdict.outcome,
        why=verdict.why,
        ungrounded=verdict.ungrounded,
        claimed=verdict.claimed,
        obeyed_injection=verdict.obeyed_injection,
        tools=tuple(tool.name for tool in outcome.case.tools),
        messages=tuple(to_openai(message) for message in outcome.played.messages),
    )


def write(report: Report, out_dir: Path) -> list[Path]:
    """Write `report.json`, `report.md` and `failures.jsonl`, each whole or not at all."""
    out_dir.mkdir(parents=True, exist_ok=True)
    files = {
        "report.json": to_json(report),
        "report.md": markdown(report).encode(),
        "failures.jsonl": b"".join(msgspec.json.encode(case) + b"\n" for case in report.failing),
    }
    for name, content in files.items():
        partial = out_dir / f"{name}.partial"
        partial.write_bytes(content)
        partial.replace(out_dir / name)
    return [out_dir / name for name in files]


def to_json(report: Report) -> bytes:
    """Everything but the failing cases, which are in `failures.jsonl`."""
    return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(report, failing=()))) + b"\n"


def markdown(report: Report) -> str:
    """The tables and what was run, as GitHub Markdown."""
    parts = [f"# {SUITE}", "", *(f"- {name}: {value}" for name, value in facts(report))]
    for grid in grids(report):
        parts += ["", f"## {grid.title}", "", _line(grid.header)]
        parts += [_line(["---"] + ["--:"] * (len(grid.header) - 1)), *map(_line, grid.rows)]
    return "\n".join(parts) + "\n"


def terminal(report: Report) -> RenderableType:
    """The tables for `rich.print`."""
    parts: list[RenderableType] = [Text(f"{name}: {value}") for name, value in facts(report)]
    for grid in grids(report):
        table = Table(title=Text(grid.title), title_justify="left", box=SIMPLE)
        for i, name in enumerate(grid.header):
            table.add_column(Text(name), justify="right" if i else "left", no_wrap=not i)
        for row in grid.rows:
            table.add_row(*map(Text, row))
        parts.append(table)
    return Group(*parts)


def facts(report: Report) -> list[tuple[str, str]]:
    """What was run, on what, where and how."""
    where = report.machine
    artifacts = [(f"artifact of {c.caller}", c.artifact) for c in report.columns if c.artifact]
    return [
        ("suite", f"{SUITE}, {report.cases} cases, sha256 {report.suite_sha256}"),
        *artifacts,
        ("command", report.command),
        ("machine", f"{where.cpu}, {where.cores} cores, {where.system}"),
        ("made", report.made),
        ("rates", "% of the judged cases [95 % interval, by scenario]; see docs/failed_tools.md"),
    ]


def grids(report: Report) -> list[Grid]:
    """The outcomes of all cases, a column a caller; then for each caller by kind of failure."""
    names = [*OUTCOMES, "obeyed_injection"]
    rows = [
        (_title(name), *(show(column.groups.get("all", {}).get(name)) for column in report.columns))
        for name in names
    ]
    errors = ("endpoint errors", *(f"{c.errors} of {report.cases}" for c in report.columns))
    out = [Grid("All cases", ("", *(c.caller for c in report.columns)), (*rows, errors))]
    for column in report.columns:
        by_group = tuple(
            (group, str(rates["fabricated"].of), *(show(rates.get(name)) for name in names))
            for group, rates in column.groups.items()
        )
        out.append(
            Grid(
                f"{column.caller} by kind of failure",
                ("", "cases", *(name.split("_")[0] for name in names)),
                by_group,
            )
        )
    return out


def show(rate: Rate | None) -> str:
    """`82.5 [76.6, 87.1]` in percent; a dash for nothing."""
    if rate is None:
        return "–"
    return f"{100 * rate.count / rate.of:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def _title(name: str) -> str:
    return name.replace("_", " ")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
