"""From scored replies to figures with 95 % intervals, overall and by scenario or tag.

Every formula and its source is in docs/metrics.md, in the order of `_FIGURES`. Endpoint errors are outcomes
of their own: they are counted, and left out of every other figure. Prose is not judged here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec
import numpy as np

from toolfinch.caller import Reply
from toolfinch.evaluate.intervals import Floats, bootstrap, clustered_wilson, quantile, ratio
from toolfinch.example import Example
from toolfinch.score import FailureKind, Score

Unit = Literal["rate", "seconds", "tokens"]


class Result(msgspec.Struct, frozen=True):
    """One example, what the caller replied, and its score."""

    example: Example
    reply: Reply
    score: Score


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
    """All figures of one caller on one set of examples."""
    kinds = Counter(r.score.failure.kind for r in results if r.score.failure)
    answered = [r for r in results if r.reply.stop != "error"]
    return Metrics(
        examples=len(results),
        errors=len(results) - len(answered),
        figures={name: of(answered) for name, of in _FIGURES.items()},
        failures={kind: _failed(kind)(results) for kind, _ in kinds.most_common()},
    )


def by_group(results: Iterable[Result]) -> dict[str, Metrics]:
    """Metrics by scenario, then by tag (`tag: NAME`); an example without a scenario is in none.

    Tags such as `pair:travel-3` join the two or three examples of one case, and are no group to report.
    """
    groups: dict[str, list[Result]] = {}
    for result in results:
        example = result.example
        names = [example.scenario] if example.scenario else []
        tags = [tag for tag in dict.fromkeys(example.tags) if not tag.startswith("pair:")]
        for name in (*names, *(f"tag: {tag}" for tag in tags)):
            groups.setdefault(name, []).append(result)
    order = sorted(groups, key=lambda name: (name.startswith("tag: "), name))
    return {name: metrics(groups[name]) for name in order}


Counts = Callable[[Result], tuple[float, float]]
"""What one result adds to a numerator and to a denominator."""
Of = Callable[[Sequence[Result]], Figure]


def _rate(counts: Counts) -> Of:
    """A share of trials, each right or wrong: Wilson."""

    def of(results: Sequence[Result]) -> Figure:
        top, below, clusters = _columns(results, counts)
        if not below.sum():
            return Figure(None, None, None, 0)
        low, high = clustered_wilson(top, below, clusters)
        return Figure(float(top.sum() / below.sum()), low, high, int(below.sum()))

    return of


def _mean(counts: Counts, unit: Unit = "rate") -> Of:
    """A ratio of sums that is no share of trials (a mean, an F1): bootstrap."""

    def of(results: Sequence[Result]) -> Figure:
        top, below, clusters = _columns(results, counts)
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


def _quantile(value_of: Callable[[Result], float], q: float) -> Of:
    def of(results: Sequence[Result]) -> Figure:
        if not results:
            return Figure(None, None, None, 0, "seconds")
        values = np.array([value_of(r) for r in results])
        statistic = quantile(values, q)
        interval = bootstrap([r.example.conversation_id for r in results], statistic)
        value = float(statistic(np.ones((1, len(values))))[0])
        return Figure(value, *(interval or (value, value)), len(values), "seconds")

    return of


def _columns(results: Sequence[Result], counts: Counts) -> tuple[Floats, Floats, list[str]]:
    """Numerators, denominators and conversations of the results that have a denominator."""
    rows = [(*counts(r), r.example.conversation_id) for r in results]
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
    return result.score.got_kind != "call"


def _none_due(result: Result) -> bool:
    return result.score.expected_kind != "call"


def _counted(result: Result) -> float:
    return float(result.reply.usage.prompt_tokens > 0)  # no prompt is empty: the engine did not say


def _failed(kind: FailureKind) -> Of:
    return _rate(lambda r: _share(r.score.failure is not None and r.score.failure.kind == kind))


def _per_call(field: Callable[[Score], float], trials: Callable[[Score], float]) -> Counts:
    return lambda r: (field(r.score), trials(r.score))


_FIGURES: dict[str, Of] = {
    "exact_match": _rate(lambda r: _share(r.score.exact)),
    "decision_accuracy": _rate(lambda r: _share(r.score.decision_right)),
    "tool_decision_accuracy": _rate(lambda r: _share(r.score.tool_decision_right)),
    "kind_accuracy": _rate(lambda r: _share(r.score.kind_right)),
    "call_recall": _rate(lambda r: _share(not _no_call(r), not _none_due(r))),
    "no_tool_precision": _rate(lambda r: _share(_none_due(r), _no_call(r))),
    "no_tool_recall": _rate(lambda r: _share(_no_call(r), _none_due(r))),
    "selection_precision": _mean(_precision),
    "selection_recall": _mean(_recall),
    "selection_f1": _mean(_f1),
    "json_validity": _rate(lambda r: (len(r.score.calls), len(r.score.calls) + len(r.reply.unread))),
    "parse_success": _rate(lambda r: _share(r.score.json_valid and r.reply.stop != "length")),
    "argument_correctness": _rate(_per_call(lambda s: sum(c.valid for c in s.calls), lambda s: len(s.calls))),
    "argument_accuracy": _rate(_per_call(lambda s: sum(c.accurate for c in s.calls), lambda s: s.names_tp)),
    "argument_key_f1": _mean(
        _per_call(lambda s: 2 * s.keys_tp, lambda s: 2 * s.keys_tp + s.keys_fp + s.keys_fn)
    ),
    "latency_median": _quantile(lambda r: r.reply.timings.total_s, 0.5),
    "latency_p95": _quantile(lambda r: r.reply.timings.total_s, 0.95),
    "prompt_tokens": _mean(lambda r: (r.reply.usage.prompt_tokens, _counted(r)), "tokens"),
    "completion_tokens": _mean(lambda r: (r.reply.usage.completion_tokens, _counted(r)), "tokens"),
}
FIGURES: tuple[str, ...] = tuple(_FIGURES)
