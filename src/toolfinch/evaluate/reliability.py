"""How good probabilities of being right are: calibration error, Brier score, log-loss, risk and coverage.

`measure` takes the probabilities and outcomes of held-out replies. Every figure has a 95 % bootstrap interval over
conversations. ECE (Naeini, Cooper & Hauskrecht 2015) is given for bins of equal mass and of equal width: either can
hide what the other shows, and both are above 0 for perfect probabilities of few replies: `ece_perfect` is what those
would show. Resamples raise an ECE further, so its interval is on the high side. AURC (Geifman, Uziel &
El-Yaniv 2019, arXiv 1805.08206) is the mean, over all coverages, of the share of wrong replies among the surest ones;
it looks at the order alone, and `aurc_best` is that of the best order for as many right ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from toolfinch.evaluate.intervals import REPLICATES, Floats, bootstrap, ratio
from toolfinch.evaluate.metrics import Figure

BINS = 15
"""At most; and at least ten records for each."""
POINTS = 20
_EDGE = 1e-6


class Point(msgspec.Struct, frozen=True):
    """What comes of accepting the surest replies."""

    coverage: float
    """The share that is accepted."""
    threshold: float
    """The least sure of them."""
    risk: Figure
    """The share of wrong ones among them."""


class Reliability(msgspec.Struct, frozen=True):
    """How good one set of probabilities is."""

    n: int
    groups: int
    right: Figure
    """The share of right replies."""
    ece_mass: Figure
    ece_width: Figure
    ece_perfect: float
    """The mean `ece_mass` were each reply right with just its probability."""
    brier: Figure
    log_loss: Figure
    aurc: Figure
    aurc_best: Figure
    points: tuple[Point, ...]


def measure(p: Floats, right: Floats, groups: Sequence[str]) -> Reliability:
    """The figures. `p`, `right` (0 or 1) and `groups` are parallel, one entry a reply, one at least."""
    n = len(p)
    ones = np.ones(n)
    safe = np.clip(p, _EDGE, 1 - _EDGE)
    loss = -(right * np.log(safe) + (1 - right) * np.log(1 - safe))
    bins = max(1, min(BINS, n // 10))
    mass = (np.argsort(np.argsort(p, kind="stable"), kind="stable") * bins) // n
    width = np.minimum((p * bins).astype(np.intp), bins - 1)

    def figure(statistic: Callable[[Floats], Floats], replicates: int = REPLICATES) -> Figure:
        value = float(statistic(np.ones((1, n)))[0])
        low, high = bootstrap(groups, statistic, replicates=replicates) or (value, value)
        return Figure(value, min(low, value), max(high, value), n)

    points: list[Point] = []
    for share in range(1, POINTS + 1):
        level = float(np.quantile(p, 1 - share / POINTS, method="lower"))
        taken = (p >= level).astype(np.float64)
        if points and points[-1].threshold == level:
            continue
        risk = figure(ratio(taken * (1 - right), taken), 500)
        points.append(Point(float(taken.mean()), level, msgspec.structs.replace(risk, n=int(taken.sum()))))
    return Reliability(
        n,
        len(set(groups)),
        figure(ratio(right, ones)),
        figure(_ece(p, right, mass)),
        figure(_ece(p, right, width)),
        _perfect(p, mass),
        figure(ratio((p - right) ** 2, ones)),
        figure(ratio(loss, ones)),
        figure(_aurc(p, right)),
        figure(_aurc(right, right)),
        tuple(points),
    )


def _ece(p: Floats, right: Floats, bins: NDArray[np.intp]) -> Callable[[Floats], Floats]:
    """The mean over replies of how far its bin's mean probability is from its bin's share of right ones."""
    off = np.zeros((len(p), int(bins.max()) + 1))
    off[np.arange(len(p)), bins] = p - right

    def of(weights: Floats) -> Floats:
        apart: Floats = np.abs(weights @ off).sum(axis=1) / weights.sum(axis=1)
        return apart

    return of


def _perfect(p: Floats, bins: NDArray[np.intp], draws: int = 200) -> float:
    rng = np.random.default_rng(0)
    ones = np.ones((1, len(p)))
    drawn = [(rng.random(len(p)) < p).astype(np.float64) for _ in range(draws)]
    return float(np.mean([_ece(p, right, bins)(ones)[0] for right in drawn]))


def _aurc(p: Floats, right: Floats) -> Callable[[Floats], Floats]:
    """The area; replies of equal probability come in no order, and each of them adds the mean of all orders.

    Among `w` of them, of which a share `r` is wrong, behind `W` of which `E` are wrong, the risk at the t-th is
    (E + r t) / (W + t); its integral over t from 0 to w is r w + (E - r W) ln((W + w) / W).
    """
    order = np.argsort(-p, kind="stable")
    _, blocks = np.unique(-p[order], return_index=True)
    wrong_ones = 1 - right[order]

    def of(weights: Floats) -> Floats:
        sorted_weights = weights[:, order]
        w = np.add.reduceat(sorted_weights, blocks, axis=1)
        e = np.add.reduceat(sorted_weights * wrong_ones, blocks, axis=1)
        before, wrong = np.cumsum(w, axis=1) - w, np.cumsum(e, axis=1) - e
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = np.where(w > 0, e / w, 0.0)
            more = (wrong - rate * before) * np.log((before + w) / before)
        areas = rate * w + np.where((before > 0) & (w > 0), more, 0.0)
        area: Floats = areas.sum(axis=1) / weights.sum(axis=1)
        return area

    return of
