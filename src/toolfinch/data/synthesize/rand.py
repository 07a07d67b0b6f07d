"""A seeded source of randomness that gives the same numbers on every machine and Python.

Only `random.Random.random` is drawn from, whose sequence is fixed by the language; seeds are strings or
integers, never hashes.
"""

from __future__ import annotations

import random
from collections.abc import MutableSequence, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Rand:
    __slots__ = ("random",)

    def __init__(self, seed: str | int) -> None:
        self.random = random.Random(seed).random

    def below(self, n: int) -> int:
        """0 <= number < n."""
        return int(self.random() * n)

    def between(self, low: int, high: int) -> int:
        """low <= number <= high."""
        return low + int(self.random() * (high - low + 1))

    def chance(self, p: float) -> bool:
        return self.random() < p

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.random() * len(items))]

    def shuffle(self, items: MutableSequence[Any]) -> None:
        for i in range(len(items) - 1, 0, -1):
            j = int(self.random() * (i + 1))
            items[i], items[j] = items[j], items[i]

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """k different items, in random order."""
        left = list(items)
        self.shuffle(left)
        return left[:k]

    def weighted(self, weights: Sequence[tuple[T, float]]) -> T:
        """One item, by weight; the weights need not sum to one."""
        roll = self.random() * sum(w for _, w in weights)
        for item, weight in weights:
            roll -= weight
            if roll < 0:
                return item
        return weights[-1][0]
