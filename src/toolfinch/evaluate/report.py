"""`Report`: several callers side by side on one suite or more, what was run and where.

`tables` shows it, `output` writes it into a folder. Whether two callers differ is for `compare` to say:
intervals that overlap do not show that they are equal.
"""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from toolfinch.caller import Reply
from toolfinch.decode.engine import cores
from toolfinch.evaluate.confusion import confusion
from toolfinch.evaluate.judged import fingerprint
from toolfinch.evaluate.metrics import Metrics, Result, by_group, metrics, played_metrics
from toolfinch.evaluate.played import Outcome


class Spent(msgspec.Struct, frozen=True):
    """Time and tokens of all replies of a column, summed; an endpoint's errors are no replies."""

    replies: int = 0
    seconds: float = 0.0
    counted: int = 0
    """Replies whose engine says how many tokens there were; the sums below are over these."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Column(msgspec.Struct, frozen=True):
    """What one caller did on one suite."""

    caller: str
    artifact: str
    """The hash of what was run; empty for a caller that is no artifact."""
    size: int | None
    """Bytes of its weights, where they are on this machine."""
    overall: Metrics
    groups: dict[str, Metrics]
    """By scenario, then by tag."""
    read_as: dict[str, int] = {}
    """How many replies had their calls left in the text, by the dialect that read them."""
    trouble: str = ""
    """The first endpoint error; how many there are is in `overall`."""
    spent: Spent = Spent()
    changes: dict[str, str] = {}
    """Parameters of the request that the endpoint refused, and what was done about each."""
    mistaken: tuple[tuple[str, str, int], ...] = ()
    """The tool that was due, the tool that was called, how often; the most frequent first."""


class Section(msgspec.Struct, frozen=True):
    """One suite."""

    suite: str
    sha256: str
    """Of the cases, in order."""
    played: bool
    """Its cases are played over several replies, and not scored reply by reply."""
    left_out: int
    """Rows of a public suite that cannot be measured (`toolfinch validate` names them)."""
    columns: tuple[Column, ...]


class Machine(msgspec.Struct, frozen=True):
    """Where it ran."""

    cpu: str
    cores: int
    """Those that this process may use."""
    system: str


class Report(msgspec.Struct, frozen=True):
    """What was run, where, and what came of it."""

    command: str
    machine: Machine
    made: str
    """Date and time, UTC."""
    sections: tuple[Section, ...]


class Run(msgspec.Struct, frozen=True):
    """One caller on one suite."""

    suite: str
    caller: str
    cases: Sequence[Result] | Sequence[Outcome]
    artifact: str = ""
    size: int | None = None
    changes: Mapping[str, str] = {}
    """As in `Column`."""


def build(runs: Sequence[Run], command: str, left_out: Mapping[str, int] | None = None) -> Report:
    """The report; `left_out` counts the rows of a suite that are not measured.

    Raises ValueError where two runs of a suite have different cases: their figures could not stand side by
    side.
    """
    suites = dict.fromkeys(run.suite for run in runs)
    return Report(
        command=command,
        machine=machine(),
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        sections=tuple(
            _section(suite, [run for run in runs if run.suite == suite], (left_out or {}).get(suite, 0))
            for suite in suites
        ),
    )


def _section(suite: str, runs: Sequence[Run], left_out: int) -> Section:
    hashes = {_hash(run.cases) for run in runs}
    if len(hashes) != 1:
        raise ValueError(f"{suite}: {len(hashes)} different sets of cases in one report")
    return Section(
        suite=suite,
        sha256=hashes.pop(),
        played=any(isinstance(case, Outcome) for case in runs[0].cases),
        left_out=left_out,
        columns=tuple(map(_column, runs)),
    )


def _column(run: Run) -> Column:
    outcomes = [case for case in run.cases if isinstance(case, Outcome)]
    if outcomes:
        groups = by_group(outcomes, played_metrics)
        spent = _spent([reply for outcome in outcomes for reply in outcome.replies])
        whole = played_metrics(outcomes)
        return Column(
            run.caller,
            run.artifact,
            run.size,
            whole,
            groups,
            trouble=_trouble(outcomes),
            spent=spent,
            changes=dict(run.changes),
        )
    results = [case for case in run.cases if isinstance(case, Result)]
    return Column(
        run.caller,
        run.artifact,
        run.size,
        metrics(results),
        by_group(results, metrics),
        dict(Counter(r.reply.read_as for r in results if r.reply.read_as)),
        _trouble(results),
        _spent([r.reply for r in results]),
        dict(run.changes),
        tuple((due, called, n) for (due, called), n in Counter(confusion(results)).most_common()),
    )


def _trouble(cases: Sequence[Result] | Sequence[Outcome]) -> str:
    whys = (case.failure.why for case in cases if case.failure and case.failure.kind == "endpoint_error")
    return next(whys, "")


def _spent(replies: Sequence[Reply]) -> Spent:
    given = [reply for reply in replies if reply.stop not in ("error", "context")]
    told = [reply.usage for reply in given if reply.usage.prompt_tokens]  # no prompt is empty
    return Spent(
        len(given),
        sum(reply.timings.total_s for reply in given),
        len(told),
        sum(usage.prompt_tokens for usage in told),
        sum(usage.cached_tokens for usage in told),
        sum(usage.completion_tokens for usage in told),
    )


def machine() -> Machine:
    """The CPU model, the cores that this process may use, and the system."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return Machine(
        cpu, cores(), f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


def _hash(cases: Sequence[Result] | Sequence[Outcome]) -> str:
    return hashlib.sha256("".join(map(fingerprint, cases)).encode()).hexdigest()
