"""Records with known probabilities, for the tests of calibration: signals that are noisy views of one latent doubt."""

from __future__ import annotations

import math

import numpy as np

from toolfinch.caller import RiskClass, Signals
from toolfinch.evaluate.calibrate import Record


def made(
    n: int, seed: int, *, spread: float = 1.5, ease: float = 2.0, turns: int = 1
) -> tuple[list[Record], list[float]]:
    """`n` records and the probability of each that it is right. The turns of a conversation share their difficulty."""
    rng = np.random.default_rng(seed)
    out, truth = [], []
    for group in range(math.ceil(n / turns)):
        shared = rng.normal(0, spread if turns > 1 else 0)
        for _ in range(turns):
            z = ease + shared + rng.normal(0, spread)
            p = 1 / (1 + math.exp(-z))

            def seen(noise: float, z: float = z) -> float:
                return 1 / (1 + math.exp(-(z + rng.normal(0, noise))))

            called = bool(rng.random() < 0.7)
            raw = 1 / (1 + math.exp(-2.5 * (z + 1)))  # too sure of itself
            low = 2 * seen(0.5) - 1
            signals = Signals(
                called,
                trigger=raw if called else 1 - raw,
                name=(2 * seen(1.0) - 1 if rng.random() < 0.7 else None) if called else None,
                value_min=low if called else None,
                value_mean=(low + 1) / 2 if called else None,
                removed=1 - seen(1.5) if called else None,
                copied=(float(rng.random() < seen(1.0)) if rng.random() < 0.8 else None) if called else None,
                sampled=int(rng.integers(3, 40)),
            )
            risk: RiskClass = "words"
            if called:
                risk = ("read", "write", "destructive")[int(rng.integers(3))]
            out.append(Record(signals, bool(rng.random() < p), risk, f"c{group}", raw))
            truth.append(p)
    return out[:n], truth[:n]
