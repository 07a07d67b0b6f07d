"""95 % intervals: Wilson's for rates, a percentile bootstrap for the rest.

The turns of one conversation are not independent, so both count by conversation: the Wilson interval uses
the effective number of trials, the bootstrap resamples whole conversations. Both need more than a handful
of conversations to mean much; neither covers the choice of the suite, the seed, or the engine's noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]

Z = NormalDist().inv_cdf(0.975)
REPLICATES = 2000


def wilson(successes: float, trials: float) -> Interval:
    """The Wilson score interval of a rate (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Takes fractions, for an effective number of trials. Raises ValueError without a trial.
    """
    if not 0 <= successes <= trials or trials <= 0:
        raise ValueError(f"{successes} successes of {trials} trials is not a rate")
    rate = successes / trials
    middle = rate + Z * Z / (2 * trials)
    spread = Z * np.sqrt(rate * (1 - rate) / trials + Z * Z / (4 * trials * trials))
    scale = 1 + Z * Z / trials
    return max(0.0, float((middle - spread) / scale)), min(1.0, float((middle + spread) / scale))


def clustered_wilson(successes: Floats, trials: Floats, clusters: Sequence[str]) -> Interval:
    """Wilson's interval of `sum(successes) / sum(trials)`, for trials that come in clusters.

    The three are parallel, one entry an example.
    """
    effective = effective_trials(successes, trials, clusters)
    return wilson(float(successes.sum() / trials.sum()) * effective, effective)


def effective_trials(successes: Floats, trials: Floats, clusters: Sequence[str] | NDArray[np.intp]) -> float:
    """How many independent trials tell as much as these, which come in clusters.

    The number of trials is divided by the design effect: the linearised variance of the ratio over the binomial
    one, never below 1 (Franco, Little, Louis & Slud 2019, PMC6690503, who compare the ways to do this). At a
    rate of 0 or 1 it cannot be estimated, and every cluster counts as one trial.
    """
    _, at = np.unique(np.asarray(clusters), return_inverse=True)
    x = np.bincount(at, successes)
    n = np.bincount(at, trials)
    x, n = x[n > 0], n[n > 0]
    rate = x.sum() / n.sum()
    if not 0 < rate < 1 or len(n) < 2:
        return float(len(n))
    variance = len(n) / (len(n) - 1) * np.sum((x - rate * n) ** 2) / n.sum() ** 2
    binomial = rate * (1 - rate) / (n.sum() - 1)
    return float(n.sum() / max(1.0, variance / binomial))


def bootstrap(
    clusters: Sequence[str],
    statistic: Callable[[Floats], Floats],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval | None:
    """Percentile bootstrap over whole clusters (Efron & Tibshirani 1993, ch. 13; Field & Welsh 2007).

    `statistic` takes weights of shape (replicates, examples), how often each example was drawn, and gives
    one value a replicate, NaN where it is undefined. NaNs are left out; None where all are.
    """
    names, at = np.unique(np.asarray(clusters), return_inverse=True)
    rng = np.random.default_rng(seed)
    values = []
    step = max(1, 2_000_000 // len(at))  # bounds the memory: 16 MB of weights at a time
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        drawn = rng.integers(len(names), size=(rows, len(names))) + np.arange(rows)[:, None] * len(names)
        counts = np.bincount(drawn.ravel(), minlength=rows * len(names)).reshape(rows, len(names))
        values.append(statistic(counts[:, at].astype(np.float64)))
    defined = np.concatenate(values)
    defined = defined[~np.isnan(defined)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)


def ratio(numerator: Floats, denominator: Floats) -> Callable[[Floats], Floats]:
    """The statistic `sum(numerator) / sum(denominator)`; a mean where the denominator is ones."""

    def of(weights: Floats) -> Floats:
        below = weights @ denominator
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(below > 0, (weights @ numerator) / below, np.nan)

    return of


def quantile(values: Floats, q: float) -> Callable[[Floats], Floats]:
    """The statistic "smallest value with at least a share `q` of the values at or below it"."""
    order = np.argsort(values)
    ranked = values[order]

    def of(weights: Floats) -> Floats:
        below = np.cumsum(weights[:, order], axis=1)
        first: NDArray[np.intp] = np.argmax(below >= q * below[:, -1:], axis=1)
        return ranked[first]

    return of
