"""Two callers on the same cases: is B really better than A?

Reads the `cases.jsonl` that `toolfinch eval` writes, pairs the cases by suite and id, and gives a verdict for
each suite and for all cases together. docs/compare.md has the formulas, their sources and their limits;
`paired` computes them. Left out: more than two callers at a time, and any verdict but that on exact matches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from toolfinch.errors import DataError, UsageError
from toolfinch.evaluate import judged, paired
from toolfinch.evaluate.intervals import Floats, bootstrap, quantile, ratio
from toolfinch.evaluate.judged import Judged
from toolfinch.score import FAILURES, FailureKind

Verdict = Literal["better", "worse", "cannot tell"]
Pair = tuple[Judged, Judged]
"""What A and what B made of a case."""
LEVEL = 0.05
FLOORS = ("never-call", "always-ask", "bm25-pick")
"""Callers that stand beside every model, and are not the one caller that a folder is named for."""
TOO_MANY = 100
"""Times the cases that there are: beyond it the difference is too near to 0 for a number to mean anything."""


class Side(msgspec.Struct, frozen=True):
    """One of the two callers."""

    caller: str
    path: str
    """The file that it was read from."""
    cases: tuple[Judged, ...]


class Estimate(msgspec.Struct, frozen=True):
    """A figure of B against A, with its 95 % interval; both ends are None where no resample differs."""

    value: float
    low: float | None
    high: float | None


class Selection(msgspec.Struct, frozen=True):
    """F1 of tool selection; each caller's mean is over its own cases (docs/metrics.md)."""

    a: float
    b: float
    cases_a: int
    cases_b: int
    difference: Estimate


class Latency(msgspec.Struct, frozen=True):
    """Median seconds a case, over the pairs that have both times."""

    a: float
    b: float
    ratio: Estimate
    """B's median over A's."""


class Paired(msgspec.Struct, frozen=True):
    """One suite, or all together."""

    suite: str
    """Empty: all suites together."""
    pairs: int
    groups: int
    """Conversations; fewer than pairs where the cases are clustered."""
    right_a: int
    right_b: int
    only_a: int
    """Pairs that only A has right."""
    only_b: int
    difference: Estimate
    """Of the rates of exact matches, B's less A's."""
    p: float
    """Adjusted for the number of suites (Holm); of all together as it is, for that is one test."""
    verdict: Verdict
    """Of B against A."""
    more: int | None
    """About how many more cases like these would tell; None where they tell, or where no number makes
    sense, because the difference is too near to 0."""
    selection: Selection | None
    """None where a side has no case to select in."""
    latency: Latency | None


class Change(msgspec.Struct, frozen=True):
    """One kind of failure, over all pairs."""

    kind: FailureKind
    a: int
    b: int
    lost: tuple[str, ...]
    """`suite: id` of the cases that A has right and B fails in this way."""
    won: tuple[str, ...]
    """Of those that A fails in this way and B has right."""


class Comparison(msgspec.Struct, frozen=True):
    """B against A."""

    a: str
    b: str
    overall: Paired
    suites: tuple[Paired, ...]
    changes: tuple[Change, ...]
    unanswered: tuple[str, ...]
    """`suite: id` of the pairs that are left out, because the endpoint failed on either side."""
    missing_b: tuple[str, ...]
    """Cases that only A has."""
    missing_a: tuple[str, ...]


def side(spec: str, within: Path | None = None) -> Side:
    """A caller's cases: a column of the folder `within`, or else `FOLDER#COLUMN`, or `FOLDER`.

    A folder alone stands for its one caller that is no floor. Raises UsageError where the folder, the column
    or the one caller is not there, DataError naming the file and row of a line that is wrong.
    """
    folder, caller = (within, spec) if within else _folder(spec)
    if not folder.is_dir():
        hint = "two columns of one folder: toolfinch compare A B --in FOLDER"
        raise UsageError(f"{folder}: no such folder", hint=hint)
    path = folder / "cases.jsonl"
    cases = judged.read(path)
    callers = list(dict.fromkeys(case.caller for case in cases))
    if not caller:
        models = [name for name in callers if name.removesuffix(", free") not in FLOORS]
        if len(models) != 1:
            found = f"{len(models)} callers beside the floors: {', '.join(callers) or 'no case at all'}"
            raise UsageError(f"{path}: {found}", hint=f"name one: {folder}#COLUMN")
        (caller,) = models
    if caller not in callers:
        raise UsageError(f"{path}: no column {caller!r}", hint=f"it has: {', '.join(callers) or 'no case'}")
    first: dict[tuple[str, str], int] = {}
    for row, case in enumerate(cases, 1):
        if case.right != (case.failure is None):
            raise DataError(f"{path}:{row}: {case.id}: right is {case.right}, failure is {case.failure}")
        if case.caller == caller and first.setdefault((case.suite, case.id), row) != row:
            twice = f"{case.suite}: {case.id} of {caller} is already in row {first[case.suite, case.id]}"
            raise DataError(f"{path}:{row}: {twice}")
    return Side(caller, str(path), tuple(case for case in cases if case.caller == caller))


def _folder(spec: str) -> tuple[Path, str]:
    """`FOLDER#COLUMN`; the sign may stand in either, so the longest folder that is there is meant."""
    for at in (len(spec), *(i for i in reversed(range(len(spec))) if spec[i] == "#")):
        if Path(spec[:at]).is_dir():
            return Path(spec[:at]), spec[at + 1 :]
    return Path(spec.partition("#")[0]), ""


def compare(a: Side, b: Side) -> Comparison:
    """B against A, on the cases that both have.

    Raises UsageError where there are none, DataError where a case is in different groups: no such two are
    the same case.
    """
    in_a = {(case.suite, case.id): case for case in a.cases}
    in_b = {(case.suite, case.id): case for case in b.cases}
    both = [(case, in_b[key]) for key, case in in_a.items() if key in in_b]
    for one, other in both:
        if one.group != other.group:
            groups = f"in the group {one.group!r} in {a.path} and in {other.group!r} in {b.path}"
            raise DataError(f"{_name(one)} is {groups}: not the same case")
        if one.asked != other.asked:
            raise DataError(
                f"{_name(one)}: {a.path} and {b.path} have another prompt or expectation: not the same case",
                hint="run both on the same version of the suite; replies that are kept are not asked for again",
            )
    pairs = [pair for pair in both if _answered(pair)]
    name_a, name_b = _names(a, b)
    if not pairs:
        why = (
            "every case that both have ended in an endpoint error" if both else "they have no case in common"
        )
        of_a, of_b = (", ".join(dict.fromkeys(case.suite for case in one.cases)) for one in (a, b))
        raise UsageError(f"{name_a} ({of_a}) and {name_b} ({of_b}): {why}")
    suites: dict[str, list[Pair]] = {}
    for pair in pairs:
        suites.setdefault(pair[0].suite, []).append(pair)
    ps = paired.holm([paired.sign_flips(_by_group(part)[0]) for part in suites.values()])
    level = LEVEL / len(suites)
    return Comparison(
        a=name_a,
        b=name_b,
        overall=_paired("", pairs, paired.sign_flips(_by_group(pairs)[0]), LEVEL),
        suites=tuple(
            _paired(suite, part, p, level) for (suite, part), p in zip(suites.items(), ps, strict=True)
        ),
        changes=tuple(_changes(pairs)),
        unanswered=tuple(_name(pair[0]) for pair in both if not _answered(pair)),
        missing_a=tuple(_name(case) for key, case in in_b.items() if key not in in_a),
        missing_b=tuple(_name(case) for key, case in in_a.items() if key not in in_b),
    )


def _names(a: Side, b: Side) -> tuple[str, str]:
    if a.caller != b.caller:
        return a.caller, b.caller
    return f"{a.caller} of {Path(a.path).parent}", f"{b.caller} of {Path(b.path).parent}"


def _name(case: Judged) -> str:
    return f"{case.suite}: {case.id}"


def _answered(pair: Pair) -> bool:
    return all(case.failure != "endpoint_error" for case in pair)


def _paired(suite: str, pairs: Sequence[Pair], p: float, level: float) -> Paired:
    sums, sizes = _by_group(pairs)
    n = len(pairs)
    only_a = sum(one.right and not other.right for one, other in pairs)
    only_b = sum(other.right and not one.right for one, other in pairs)
    difference = (only_b - only_a) / n
    effect = paired.design_effect(sums, sizes, only_a + only_b)
    low, high = paired.score_interval(only_b / effect, only_a / effect, n / effect)
    verdict: Verdict = "cannot tell"
    if p < LEVEL and (low > 0 or high < 0):
        verdict = "better" if difference > 0 else "worse"
    needed = paired.pairs_needed((only_a + only_b) / n, difference, level)
    more = None if needed is None else max(1, math.ceil(needed * effect) - n)
    return Paired(
        suite=suite,
        pairs=n,
        groups=len(sizes),
        right_a=sum(one.right for one, _ in pairs),
        right_b=sum(other.right for _, other in pairs),
        only_a=only_a,
        only_b=only_b,
        difference=Estimate(difference, low, high),
        p=p,
        verdict=verdict,
        more=more if verdict == "cannot tell" and more and more <= TOO_MANY * n else None,
        selection=_selection(pairs),
        latency=_latency(pairs),
    )


def _by_group(pairs: Sequence[Pair]) -> tuple[Floats, Floats]:
    """For each group: how many more cases B has right, and how many cases there are."""
    _, at = np.unique(_groups(pairs), return_inverse=True)
    gained = [float(other.right) - float(one.right) for one, other in pairs]
    sums, sizes = np.bincount(at, gained), np.bincount(at)
    return sums.astype(np.float64), sizes.astype(np.float64)


def _groups(pairs: Sequence[Pair]) -> list[str]:
    """A conversation is one of its suite: another suite may use the same ids."""
    numbers: dict[tuple[str, str], str] = {}
    return [numbers.setdefault((case.suite, case.group), str(len(numbers))) for case, _ in pairs]


def _selection(pairs: Sequence[Pair]) -> Selection | None:
    tops, counted = [], []
    for column in zip(*pairs, strict=True):
        tp, fp, fn = np.array([case.selection for case in column], dtype=np.float64).T
        tops.append(2 * tp / np.maximum(1, 2 * tp + fp + fn))
        counted.append((tp + fp + fn > 0).astype(np.float64))
    (a, b), (cases_a, cases_b) = map(ratio, tops, counted), (int(one.sum()) for one in counted)
    if not cases_a or not cases_b:
        return None
    value_a, value_b, difference = _resampled(pairs, a, b, lambda of_a, of_b: of_b - of_a)
    return Selection(value_a, value_b, cases_a, cases_b, difference)


def _latency(pairs: Sequence[Pair]) -> Latency | None:
    timed = [pair for pair in pairs if pair[0].seconds > 0 and pair[1].seconds > 0]
    if not timed:
        return None
    a, b = (quantile(np.array([case.seconds for case in column]), 0.5) for column in zip(*timed, strict=True))
    return Latency(*_resampled(timed, a, b, lambda of_a, of_b: of_b / of_a))


Statistic = Callable[[Floats], Floats]


def _resampled(
    pairs: Sequence[Pair], a: Statistic, b: Statistic, against: Callable[[Floats, Floats], Floats]
) -> tuple[float, float, Estimate]:
    """A figure of A, of B, and of B against A with its paired bootstrap interval over groups."""
    once = np.ones((1, len(pairs)))
    value = against(a(once), b(once))
    ends = bootstrap(_groups(pairs), lambda weights: against(a(weights), b(weights)))
    low, high = ends if ends and ends[0] < ends[1] else (None, None)
    return float(a(once)[0]), float(b(once)[0]), Estimate(float(value[0]), low, high)


def _changes(pairs: Sequence[Pair]) -> Iterator[Change]:
    for kind in FAILURES:
        failed_a = [pair for pair in pairs if pair[0].failure == kind]
        failed_b = [pair for pair in pairs if pair[1].failure == kind]
        if failed_a or failed_b:
            yield Change(
                kind,
                len(failed_a),
                len(failed_b),
                lost=tuple(_name(one) for one, _ in failed_b if one.right),
                won=tuple(_name(one) for one, other in failed_a if other.right),
            )
