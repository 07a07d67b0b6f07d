"""Is a difference between paired right-or-wrong answers real: a test, an interval, and a number of cases.

What goes in is one number a group (a conversation): how many of its cases only the second caller has right,
less how many only the first has. The cases of a group need not be independent of each other; the groups do.
docs/compare.md has the formulas and their sources. Left out: any test of other than right or wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from toolfinch.evaluate.intervals import Floats, Interval, Z

EXACT_BELOW = 25
"""Groups that differ. With fewer the test is exact, with more it is mid-p."""
POWER = 0.8
_Z_POWER = NormalDist().inv_cdf(POWER)


def sign_flips(sums: Floats) -> float:
    """The two-sided p-value of a group's sum being as often above 0 as below it by as much.

    The distribution of the total, each sum's sign being a fair coin, is computed and not drawn. With one
    case a group it is McNemar's test: exact where fewer than 25 groups have a sum other than 0, else mid-p
    (Fagerland, Lydersen & Laake 2013, doi:10.1186/1471-2288-13-91), which counts half of the probability
    of the very total that was seen. Sums are whole numbers.
    """
    steps = np.abs(sums[sums != 0]).astype(int)
    total = abs(int(sums.sum()))
    chance = np.ones(1)  # of each total from -reach to reach
    for step in steps:
        wider = np.zeros(len(chance) + 2 * step)
        wider[: len(chance)] = chance / 2
        wider[2 * step :] += chance / 2
        chance = wider
    reach = len(chance) // 2
    beyond = 2 * float(chance[reach + total + 1 :].sum())
    exactly = float(chance[reach + total]) * (2 if total else 1)
    return min(1.0, beyond + exactly * (1 if len(steps) < EXACT_BELOW else 0.5))


def design_effect(sums: Floats, sizes: Floats, discordant: float) -> float:
    """By how much grouping widens the variance of the difference, never below 1.

    The linearised variance over groups, over that of as many independent pairs. None differ, or all groups
    by the same: it cannot be estimated, and every group counts as one pair.
    """
    n, groups = float(sizes.sum()), len(sizes)
    difference = float(sums.sum()) / n
    spread = float(np.sum((sums - difference * sizes) ** 2))
    if groups < 2 or spread <= 1e-9:
        return n / groups
    alone = discordant - n * difference**2
    return max(1.0, groups / (groups - 1) * spread / (n / (n - 1) * alone))


def score_interval(gained: float, lost: float, pairs: float) -> Interval:
    """The 95 % score interval of `(gained - lost) / pairs` (Tango 1998).

    Takes fractions, for an effective number of pairs. It leaves out 0 exactly where McNemar's asymptotic
    test does. Raises ValueError where there are more discordant pairs than pairs, or none at all.
    """
    if pairs <= 0 or min(gained, lost) < 0 or gained + lost > pairs * (1 + 1e-9):
        raise ValueError(f"{gained} and {lost} of {pairs} are no discordant pairs")
    return -_upper(lost, gained, pairs), _upper(gained, lost, pairs)


def _upper(gained: float, lost: float, pairs: float) -> float:
    low, high = (gained - lost) / pairs, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _score(gained, lost, pairs, middle) > -Z:
            low = middle
        else:
            high = middle
    return high


def _score(gained: float, lost: float, pairs: float, difference: float) -> float:
    """How many standard errors the pairs are above a true difference; Tango's, with its restricted MLE."""
    b = -gained - lost + (2 * pairs - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    rate = (math.sqrt(max(0.0, b * b - 8 * pairs * c)) - b) / (4 * pairs)
    variance = pairs * (2 * rate + difference * (1 - difference))
    above = gained - lost - pairs * difference
    if variance <= 1e-12:
        return math.copysign(math.inf, above) if abs(above) > 1e-9 else 0.0
    return above / math.sqrt(variance)


def pairs_needed(discordance: float, difference: float, level: float = 0.05) -> float | None:
    """How many independent pairs show a difference at this level with 80 % power.

    Connor 1987 (Biometrics 43:207), from the share of discordant pairs; and at least so many that the exact
    test can reach the level when all discordant pairs favour one side. None for a difference of 0.
    """
    if not difference:
        return None
    z = NormalDist().inv_cdf(1 - level / 2)
    rest = math.sqrt(max(0.0, discordance - difference**2))
    least = math.floor(math.log2(2 / level)) + 1
    connor = ((z * math.sqrt(discordance) + _Z_POWER * rest) / difference) ** 2
    return max(connor, least / discordance)


def holm(ps: Sequence[float]) -> list[float]:
    """P-values adjusted for being several (Holm 1979), in the order given."""
    out = [0.0] * len(ps)
    least = 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        least = max(least, min(1.0, (len(ps) - rank) * ps[i]))
        out[i] = least
    return out
