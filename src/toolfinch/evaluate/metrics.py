"""From scored replies, or played cases, to figures with 95 % intervals, overall and by scenario or tag.

Every formula and its source is in docs/metrics.md, in the order of `_FIGURES`. Endpoint errors are outcomes
of their own: they are counted, and left out of every other figure. Prose is not judged here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec
import numpy as np

from toolfinch.caller import Reply
from toolfinch.evaluate.intervals import Floats, bootstrap, clustered_wilson, quantile, ratio
from toolfinch.evaluate.played import Outcome
from toolfinch.example import Example
from toolfinch.score import Failure, FailureKind, Score

Unit = Literal["rate", "seconds", "tokens"]


class Result(msgspec.Struct, frozen=True):
    """One example, what the caller replied, and its score."""

    example: Example
    reply: Reply
    score: Score

    @property
    def group(self) -> str:
        return self.example.conversation_id

    @property
    def scenario(self) -> str:
        return self.example.scenario

    @property
    def tags(self) -> tuple[str, ...]:
        return self.example.tags

    @property
    def failure(self) -> Failure | None:
        return self.score.failure


class Case(Protocol):
    """What a `Result` and an `Outcome` have in common."""

    @property
    def group(self) -> str: ...
    @property
    def scenario(self) -> str: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def failure(self) -> Failure | None: ...


C = TypeVar("C", bound=Case)


class Figure(msgspec.Struct, frozen=True):
    """One number with its 95 % interval; all three are None where there was nothing to count."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """What the figure is over: examples, replies, calls or argument names (docs/metrics.md)."""
    unit: Unit = "rate"


class Metrics(msgspec.Struct, frozen=True):
    """What one caller did on one set of examples."""

    examples: int
    errors: int
    """Endpoint errors; the figures are over the other `examples - errors`."""
    figures: dict[str, Figure]
    """By the names in docs/metrics.md."""
    failures: dict[FailureKind, Figure]
    """The share of all examples that failed in each way, the most frequent first."""


def metrics(results: Sequence[Result]) -> Metrics:
    """All figures of one caller on one set of examples; the first is the headline."""
    return _metrics(results, _FIGURES)


def played_metrics(outcomes: Sequence[Outcome]) -> Metrics:
    """The figures of one caller on the cases of a played suite: passed, then the suite's own marks.

    Latency and tokens are over replies.
    """
    marks = dict.fromkeys(mark for outcome in outcomes for mark in outcome.marks)
    return _metrics(outcomes, _PASSED | {mark: _marked(mark) for mark in marks} | _PLAYED_COSTS)


def _metrics(cases: Sequence[C], figures: Mapping[str, Of[C]]) -> Metrics:
    kinds = Counter(case.failure.kind for case in cases if case.failure)
    answered = [c for c in cases if c.failure is None or c.failure.kind != "endpoint_error"]
    return Metrics(
        examples=len(cases),
        errors=len(cases) - len(answered),
        figures={name: of(answered) for name, of in figures.items()},
        failures={kind: _failed(kind, cases) for kind, _ in kinds.most_common()},
    )


def by_group(cases: Iterable[C], measure: Callable[[Sequence[C]], Metrics]) -> dict[str, Metrics]:
    """Metrics by scenario, then by tag (`tag: NAME`); a case without a scenario is in none.

    Tags such as `pair:travel-3` join the two or three examples of one case, and are no group to report.
    """
    groups: dict[str, list[C]] = {}
    for case in cases:
        names = [case.scenario] if case.scenario else []
        tags = [tag for tag in dict.fromkeys(case.tags) if not tag.startswith("pair:")]
        for name in (*names, *(f"tag: {tag}" for tag in tags)):
            groups.setdefault(name, []).append(case)
    order = sorted(groups, key=lambda name: (name.startswith("tag: "), _natural(name)))
    return {name: measure(groups[name]) for name in order}


def _natural(name: str) -> list[str | int]:
    """`4k early` before `16k early`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


Counts = Callable[[C], tuple[float, float]]
"""What one case adds to a numerator and to a denominator."""
Of = Callable[[Sequence[C]], Figure]


def _rate(counts: Counts[C]) -> Of[C]:
    """A share of trials, each right or wrong: Wilson."""

    def of(cases: Sequence[C]) -> Figure:
        top, below, clusters = _columns(cases, counts)
        if not below.sum():
            return Figure(None, None, None, 0)
        low, high = clustered_wilson(top, below, clusters)
        return Figure(float(top.sum() / below.sum()), low, high, int(below.sum()))

    return of


def _mean(counts: Counts[C], unit: Unit = "rate") -> Of[C]:
    """A ratio of sums that is no share of trials (a mean, an F1): bootstrap."""

    def of(cases: Sequence[C]) -> Figure:
        top, below, clusters = _columns(cases, counts)
        if not below.sum():
            return Figure(None, None, None, 0, unit)
        value = float(top.sum() / below.sum())
        interval = bootstrap(clusters, ratio(top, below)) or (value, value)
        if unit == "rate" and interval[1] - interval[0] < 1e-9:
            # No resample differs (all are 0 or 1, or there is one conversation), and the bootstrap would
            # claim certainty. A mean of values within [0, 1] spreads no more than a rate does, so Wilson's
            # interval holds.
            interval = clustered_wilson(top, below, clusters)
        return Figure(value, *interval, int(np.count_nonzero(below)), unit)

    return of


def _quantile(values_of: Callable[[C], Sequence[float]], q: float) -> Of[C]:
    """Of the values of all cases together."""

    def of(cases: Sequence[C]) -> Figure:
        rows = [(value, case.group) for case in cases for value in values_of(case)]
        if not rows:
            return Figure(None, None, None, 0, "seconds")
        statistic = quantile(np.array([value for value, _ in rows]), q)
        value = float(statistic(np.ones((1, len(rows))))[0])
        interval = bootstrap([group for _, group in rows], statistic)
        return Figure(value, *(interval or (value, value)), len(rows), "seconds")

    return of


def _columns(cases: Sequence[C], counts: Counts[C]) -> tuple[Floats, Floats, list[str]]:
    """Numerators, denominators and groups of the cases that have a denominator."""
    rows = [(*counts(case), case.group) for case in cases]
    kept = [row for row in rows if row[1]]
    return (
        np.array([row[0] for row in kept], dtype=np.float64),
        np.array([row[1] for row in kept], dtype=np.float64),
        [row[2] for row in kept],
    )


def _share(right: bool, among: bool = True) -> tuple[float, float]:
    return float(right and among), float(among)


def _precision(result: Result) -> tuple[float, float]:
    s = result.score
    return s.names_tp / max(1, s.names_tp + s.names_fp), _selects(s)


def _recall(result: Result) -> tuple[float, float]:
    s = result.score
    return s.names_tp / max(1, s.names_tp + s.names_fn), _selects(s)


def _f1(result: Result) -> tuple[float, float]:
    s = result.score
    return 2 * s.names_tp / max(1, 2 * s.names_tp + s.names_fp + s.names_fn), _selects(s)


def _selects(s: Score) -> float:
    # Nothing to select and nothing selected: no evidence of selecting well. The no-tool figures count it.
    return float(s.names_tp + s.names_fp + s.names_fn > 0)


def _no_call(result: Result) -> bool:
    return result.score.got_kind in ("say", "ask")


def _none_due(result: Result) -> bool:
    return result.score.expected_kind != "call"


def _failed(kind: FailureKind, cases: Sequence[C]) -> Figure:
    def counts(case: C) -> tuple[float, float]:
        return _share(case.failure is not None and case.failure.kind == kind)

    return _rate(counts)(cases)


def _marked(mark: str) -> Of[Outcome]:
    return _rate(lambda o: _share(o.marks.get(mark, False), mark in o.marks))


def _seconds(replies: Sequence[Reply]) -> list[float]:
    # To refuse a prompt that does not fit takes no time: who could read none of them would be the fastest.
    return [reply.timings.total_s for reply in replies if reply.stop != "context"]


def _tokens(replies: Sequence[Reply], count: Callable[[Reply], int]) -> tuple[float, float]:
    # No prompt is empty: where it has no tokens, the engine did not say.
    told = [reply for reply in replies if reply.usage.prompt_tokens]
    return sum(map(count, told)), len(told)


def _per_call(field: Callable[[Score], float], trials: Callable[[Score], float]) -> Counts[Result]:
    return lambda r: (field(r.score), trials(r.score))


def _prompt(reply: Reply) -> int:
    return reply.usage.prompt_tokens


def _completion(reply: Reply) -> int:
    return reply.usage.completion_tokens


_FIGURES: dict[str, Of[Result]] = {
    "exact_match": _rate(lambda r: _share(r.score.exact)),
    "decision_accuracy": _rate(lambda r: _share(r.score.decision_right)),
    "tool_decision_accuracy": _rate(lambda r: _share(r.score.tool_decision_right)),
    "kind_accuracy": _rate(lambda r: _share(r.score.kind_right)),
    "call_recall": _rate(lambda r: _share(r.score.got_kind == "call", not _none_due(r))),
    "no_tool_precision": _rate(lambda r: _share(_none_due(r), _no_call(r))),
    "no_tool_recall": _rate(lambda r: _share(_no_call(r), _none_due(r))),
    "selection_precision": _mean(_precision),
    "selection_recall": _mean(_recall),
    "selection_f1": _mean(_f1),
    "json_validity": _rate(lambda r: (len(r.score.calls), len(r.score.calls) + len(r.reply.unread))),
    "parse_success": _rate(
        lambda r: _share(r.score.json_valid and r.reply.stop not in ("length", "context"))
    ),
    "argument_correctness": _rate(_per_call(lambda s: sum(c.valid for c in s.calls), lambda s: len(s.calls))),
    "argument_accuracy": _rate(_per_call(lambda s: sum(c.accurate for c in s.calls), lambda s: s.names_tp)),
    "argument_key_f1": _mean(
        _per_call(lambda s: 2 * s.keys_tp, lambda s: 2 * s.keys_tp + s.keys_fp + s.keys_fn)
    ),
    "exact_as_delivered": _rate(lambda r: _share(r.score.exact and not r.reply.read_as)),
    "latency_median": _quantile(lambda r: _seconds((r.reply,)), 0.5),
    "latency_p95": _quantile(lambda r: _seconds((r.reply,)), 0.95),
    "prompt_tokens": _mean(lambda r: _tokens((r.reply,), _prompt), "tokens"),
    "completion_tokens": _mean(lambda r: _tokens((r.reply,), _completion), "tokens"),
}
_PASSED: dict[str, Of[Outcome]] = {"passed": _rate(lambda o: _share(o.failure is None))}
_PLAYED_COSTS: dict[str, Of[Outcome]] = {
    "latency_median": _quantile(lambda o: _seconds(o.replies), 0.5),
    "latency_p95": _quantile(lambda o: _seconds(o.replies), 0.95),
    "prompt_tokens": _mean(lambda o: _tokens(o.replies, _prompt), "tokens"),
    "completion_tokens": _mean(lambda o: _tokens(o.replies, _completion), "tokens"),
}
FIGURES: tuple[str, ...] = tuple(_FIGURES)
"""The figures of decisions, in the order in which they are shown."""
