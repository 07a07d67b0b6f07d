"""From which probability on replies may be accepted: Clopper–Pearson, with fixed sequence testing.

A threshold is good where the share of wrong replies among those that it accepts is at most `target`. For one
threshold, chosen beforehand, Clopper & Pearson's upper bound says so with probability `sure`. Of many thresholds the
smallest that passes is chosen, which would be wrong more often; so they are tried in an order that is fixed without
a look at what was right, each with the whole 1 - `sure`, up to the first that fails (fixed sequence testing; Angelopoulos,
Bates, Candès, Jordan & Lei 2021, arXiv 2110.01052, section 2.2). The replies must be held out: no part of what gave
them their probabilities. Turns of one conversation are not independent, and the bound counts the effective number of
trials, as Korn & Graubard (1998) do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np

from toolfinch.caller import RiskClass
from toolfinch.decode.calibration import Limit
from toolfinch.evaluate.intervals import Floats, effective_trials

LEVELS: tuple[float, ...] = tuple(round(1 - step / 200, 3) for step in range(1, 200))
"""The thresholds that are tried, from the strictest down."""


def clopper_pearson(wrong: float, trials: float, sure: float) -> float:
    """The upper confidence bound on a rate (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404), one-sided.

    Takes fractions, for an effective number of trials; 1 without a trial.
    """
    from scipy.stats import beta

    if wrong >= trials:
        return 1.0
    return float(beta.ppf(sure, wrong + 1, trials - wrong))


def needed(target: float, sure: float) -> int:
    """How many replies must be accepted, all of them right, to show that a risk is at most `target`."""
    return int(np.ceil(np.log(1 - sure) / np.log(1 - target)))


def limit(
    risk: RiskClass, p: Floats, right: Floats, groups: Sequence[str], *, target: float, sure: float
) -> Limit:
    """The threshold for replies of one class, whose probabilities, outcomes (0 or 1) and groups are parallel."""
    _, clusters = np.unique(np.asarray(groups), return_inverse=True)
    found = Limit(risk, target, sure, None, len(p))
    for level in LEVELS[_start(p, target, sure) :]:
        accepted = p >= level
        n = int(accepted.sum())
        if n == found.accepted:  # the same replies as at the level before
            found = msgspec.structs.replace(found, threshold=level)
            continue
        wrong = n - int(right[accepted].sum())
        trials = effective_trials(right[accepted], np.ones(n), clusters[accepted])
        bound = clopper_pearson(wrong / n * trials, trials, sure)
        if bound > target:
            break
        found = Limit(risk, target, sure, level, len(p), n, wrong, bound)
    return found


def _start(p: Floats, target: float, sure: float) -> int:
    """Where in `LEVELS` to begin; past its end where none has a chance.

    At the strictest thresholds so few are accepted that one wrong reply fails them, and with them all that follow.
    It begins where the probabilities themselves promise the best chance of passing, which looks at no outcome.
    """
    from scipy.stats import binom

    accepted = p >= np.array(LEVELS)[:, None]
    n = accepted.sum(axis=1)
    expected = (accepted * (1 - p)).sum(axis=1) / np.maximum(n, 1)
    allowed = np.array(_allowed(len(p), target, sure))[n]
    chance = np.where(allowed >= 0, binom.cdf(allowed, n, expected), 0.0)
    return int(chance.argmax()) if chance.any() else len(LEVELS)


@lru_cache(maxsize=16)
def _allowed(most: int, target: float, sure: float) -> tuple[int, ...]:
    """For each number of accepted replies up to `most`, how many may be wrong; -1: not even none."""
    allowed = [-1]
    for n in range(1, most + 1):
        k = allowed[-1]
        allowed.append(k + 1 if clopper_pearson(k + 1, n, sure) <= target else k)
    return tuple(allowed)
