"""What a gate before a bigger model saves: cost and accuracy at every threshold, from two runs of the same examples.

A gate asks the small model first, always, and the bigger one where the small reply's probability is below a
threshold: it pays for both there. Beside it stand both models alone, deferral at random (which pays for one model
each time, and is a straight line between the two), and an oracle that defers just where it helps. The probabilities
must be held out. Left out: time, and tool loops, in which no model is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from toolfinch.errors import DataError
from toolfinch.evaluate.intervals import Floats, bootstrap, ratio
from toolfinch.evaluate.judged import fingerprint
from toolfinch.evaluate.metrics import Figure, Result
from toolfinch.evaluate.page import Grid

SHARES: tuple[float, ...] = tuple(step / 20 for step in range(21))
"""The shares of requests that are deferred, one threshold for each."""


class Pair(msgspec.Struct, frozen=True):
    """One example, answered by both models."""

    p: float
    """The small model's probability of being right."""
    accepted: bool
    """Whether the gate accepts the small reply with the calibration's own thresholds."""
    small_right: bool
    big_right: bool
    small_cost: float
    big_cost: float
    group: str


class Way(msgspec.Struct, frozen=True):
    """One way to answer all examples."""

    name: str
    deferred: float
    """The share that the bigger model answers."""
    cost: Figure
    """Of one request, in the mean."""
    accuracy: Figure
    random: float | None = None
    """The accuracy of random deferral at the same cost; None where there is nothing to compare."""
    threshold: float | None = None
    """Replies below it are deferred."""


class Deferral(msgspec.Struct, frozen=True):
    """All ways side by side."""

    small: Way
    big: Way
    calibrated: Way
    """The gate with the calibration's thresholds for each class."""
    oracle: Way
    gate: tuple[Way, ...]
    """By the share that is deferred, from none to all."""
    gain: Figure
    """How much more accurate the gate is than random deferral at the same cost, in the mean over `SHARES`."""
    iso: Way | None
    """The cheapest gate that is as accurate as the bigger model alone. It is picked by these outcomes, and flatters a
    little; None: none is."""


def pairs(
    small: Sequence[Result],
    big: Sequence[Result],
    p: Sequence[float],
    accepted: Sequence[bool],
    small_cost: Callable[[Result], float],
    big_cost: Callable[[Result], float],
) -> list[Pair]:
    """The examples that both models answered; the first four are parallel. An endpoint's errors are left out.

    Raises DataError where two results are not of the same example.
    """
    found = []
    for a, b, prob, accept in zip(small, big, p, accepted, strict=True):
        if fingerprint(a) != fingerprint(b):
            raise DataError(
                f"{a.example.id} and {b.example.id}: not the same example; run both on the same ones"
            )
        if any(one.failure is not None and one.failure.kind == "endpoint_error" for one in (a, b)):
            continue
        found.append(Pair(prob, accept, a.score.exact, b.score.exact, small_cost(a), big_cost(b), a.group))
    return found


def deferral(found: Sequence[Pair]) -> Deferral:
    """All ways on these pairs. Raises DataError where there is none."""
    if not found:
        raise DataError("no example that both models answered")
    columns = _Columns(found)
    none, every = np.zeros(len(found)), np.ones(len(found))
    small = columns.way("always small", none)
    big = columns.way("always big", every, ask_first=False)
    gates = [(share, _least(columns.p, share)) for share in SHARES]
    gate = tuple(
        columns.way(f"gate, {share:.0%} deferred", _below(columns.p, level), level, small, big)
        for share, level in gates
    )
    as_good = [way for way in gate if (way.accuracy.value or 0) >= (big.accuracy.value or 0)]
    return Deferral(
        small,
        big,
        columns.way("gate as calibrated", columns.rejected, None, small, big),
        columns.way("oracle", columns.big_right * (1 - columns.small_right), None, small, big),
        gate,
        columns.gain([_below(columns.p, level) for _, level in gates]),
        min(as_good, key=lambda way: way.cost.value or 0.0, default=None),
    )


def _least(p: Floats, share: float) -> float:
    """The threshold below which about a share of the replies lies; above all of them for the whole."""
    at = round(share * len(p))
    return float(np.inf) if at >= len(p) else float(np.sort(p)[at])


def _below(p: Floats, level: float) -> Floats:
    return (p < level).astype(np.float64)


class _Columns:
    """The pairs as arrays; `deferred` is 0 or 1 for each."""

    def __init__(self, found: Sequence[Pair]) -> None:
        self.p = np.array([one.p for one in found], dtype=np.float64)
        self.rejected = np.array([not one.accepted for one in found], dtype=np.float64)
        self.small_right = np.array([one.small_right for one in found], dtype=np.float64)
        self.big_right = np.array([one.big_right for one in found], dtype=np.float64)
        self.small_cost = np.array([one.small_cost for one in found], dtype=np.float64)
        self.big_cost = np.array([one.big_cost for one in found], dtype=np.float64)
        self.groups = [one.group for one in found]

    def right(self, deferred: Floats) -> Floats:
        return np.where(deferred > 0, self.big_right, self.small_right)

    def cost(self, deferred: Floats, ask_first: bool = True) -> Floats:
        return self.small_cost * ask_first + self.big_cost * deferred

    def way(
        self,
        name: str,
        deferred: Floats,
        threshold: float | None = None,
        small: Way | None = None,
        big: Way | None = None,
        *,
        ask_first: bool = True,
    ) -> Way:
        cost, right = self.cost(deferred, ask_first), self.right(deferred)
        made = Way(name, float(deferred.mean()), self._mean(cost), self._mean(right), None, threshold)
        if small is None or big is None:
            return made
        ends = [np.array(figure.value) for way in (small, big) for figure in (way.cost, way.accuracy)]
        return msgspec.structs.replace(made, random=float(_random(np.array(cost.mean()), *ends)))

    def _mean(self, values: Floats) -> Figure:
        value = float(values.mean())
        low, high = bootstrap(self.groups, ratio(values, np.ones(len(values)))) or (value, value)
        return Figure(value, low, high, len(values))

    def gain(self, deferrals: Sequence[Floats]) -> Figure:
        ones = np.ones(len(self.p))
        right = np.stack([self.right(one) for one in deferrals], axis=1)
        cost = np.stack([self.cost(one) for one in deferrals], axis=1)

        def of(weights: Floats) -> Floats:
            n = (weights @ ones)[:, None]
            ends = [
                (weights @ values)[:, None] / n
                for values in (self.small_cost, self.small_right, self.big_cost, self.big_right)
            ]
            more: Floats = np.mean(weights @ right / n - _random(weights @ cost / n, *ends), axis=1)
            return more

        value = float(of(ones[None, :])[0])
        low, high = bootstrap(self.groups, of) or (value, value)
        return Figure(value, low, high, len(self.p))


def _random(cost: Floats, small: Floats, small_right: Floats, big: Floats, big_right: Floats) -> Floats:
    """The accuracy of random deferral at a cost: on the line between the models, or at its nearer end.

    Money beyond what the bigger model costs buys nothing more.
    """
    width = np.where(big > small, big - small, 1.0)
    share = np.where(big > small, np.clip((cost - small) / width, 0, 1), 1.0)
    return small_right + share * (big_right - small_right)


def grid(found: Deferral, unit: str) -> Grid:
    """A table: both models, every second gate, the calibrated one and the oracle. `unit` is the cost's."""
    ways = [found.small, found.big, *found.gate[2:-1:2], found.calibrated, found.oracle]
    rows = [
        (
            way.name,
            f"{way.deferred:.1%}",
            f"{way.cost.value:.6g}",
            _share(way.accuracy),
            "–" if way.random is None else f"{way.random:.1%}",
        )
        for way in ways
    ]
    header = ("", "deferred", f"cost ({unit})", "right", "random deferral at this cost")
    return Grid("Cost and accuracy", header, tuple(rows))


def _share(figure: Figure) -> str:
    return f"{figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}]"
