"""Fit a `Calibration` to held-out replies, and say how good it is on replies that it has not seen.

`records` takes what a calibration needs from scored replies, `fit` makes one, and `report` measures it. No record
calibrates itself: each conversation's probabilities for the report and for the thresholds are given by maps that were
fitted to other conversations, in the whole of their two steps. The maps that are kept are fitted to all of them.
Left out: examples that the model was trained on are not told from others here; they make it look surer than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from toolfinch.caller import RiskClass, Signals
from toolfinch.decode.calibration import (
    CLASSES,
    FEATURES,
    Calibration,
    Column,
    Map,
    class_of,
    features,
)
from toolfinch.errors import DataError, MissingDependency, UsageError
from toolfinch.evaluate.intervals import Floats
from toolfinch.evaluate.metrics import Result
from toolfinch.evaluate.thresholds import limit

TARGETS: dict[RiskClass, float] = {"words": 0.1, "read": 0.1, "write": 0.05, "destructive": 0.02}
"""The shares of wrong replies among the accepted ones that are aimed at unless others are named."""
SURE = 0.9
FOLDS = 10
LEAST, LEAST_EACH = 100, 10
"""So many records, and so many right and wrong ones, are the fewest that a calibration is fitted to."""
_FEW = 20
"""A map of fewer records, or with fewer than 3 of one outcome, is one probability."""


class Record(msgspec.Struct, frozen=True):
    """One reply to a held-out example."""

    signals: Signals
    right: bool
    """The whole of it: `Score.exact`."""
    risk: RiskClass
    group: str
    """Its conversation."""
    raw: float | None = None
    """The model's own probability for its decision, call or not."""


class Fitted(NamedTuple):
    """A calibration and what was held out for it."""

    calibration: Calibration
    held: Floats
    """Each record's probability, by maps that have not seen its conversation; parallel to the records."""


def records(results: Sequence[Result]) -> list[Record]:
    """What scored replies tell. Replies that are errors, or did not fit the context, are left out.

    Raises UsageError where a reply has no signals: it is an endpoint's, or a floor's.
    """
    found = []
    for result in results:
        reply = result.reply
        if reply.stop in ("error", "context"):
            continue
        if reply.signals is None:
            raise UsageError(
                f"{result.example.id}: the reply has no signals to calibrate",
                hint="only a model on this machine has them: a folder, a GGUF file or a packaged model",
            )
        risk = class_of(reply, result.example.tools)
        found.append(Record(reply.signals, result.score.exact, risk, result.group, reply.confidence))
    return found


def enough(replies: int) -> None:
    """Raises DataError for too few."""
    if replies < LEAST:
        raise DataError(f"{replies} replies: a calibration needs {LEAST} at least")


def check(found: Sequence[Record]) -> None:
    """Raises DataError, saying how many are needed, for records that nothing can be learned from."""
    right = sum(record.right for record in found)
    wrong = len(found) - right
    enough(len(found))
    if min(right, wrong) < LEAST_EACH:
        raise DataError(
            f"{right} replies are right and {wrong} wrong: a calibration needs {LEAST_EACH} of each at least",
            hint="take examples that the model was not trained on, some of which are hard for it",
        )
    if (groups := len({record.group for record in found})) < 2 * FOLDS:
        raise DataError(f"{groups} conversations: a calibration needs {2 * FOLDS} at least")


def fit(
    found: Sequence[Record],
    *,
    artifact: str = "",
    format: str = "",
    suites: Sequence[str] = (),
    suites_sha256: str = "",
    targets: Mapping[RiskClass, float] = TARGETS,
    sure: float = SURE,
    folds: int = FOLDS,
    seed: int = 0,
) -> Fitted:
    """The calibration of these records. Raises DataError as `check` does, MissingDependency without scikit-learn."""
    check(found)
    table = _Table.of(found)
    held = np.full(len(found), np.nan)
    parts: dict[bool, Map] = {}
    for called in (True, False):
        at = np.flatnonzero(table.called == called)
        fold = _folds(table.groups[at], folds, seed)
        for part in np.unique(fold):
            rest, out = at[fold != part], at[fold == part]
            held[out] = _read(_map(table, rest, folds, seed), table, out)
        parts[called] = _map(table, at, folds, seed)
    limits = []
    for risk in CLASSES:
        of = np.array([record.risk == risk for record in found])
        groups = table.groups[of].tolist()
        limits.append(limit(risk, held[of], table.right[of], groups, target=targets[risk], sure=sure))
    calibration = Calibration(
        artifact,
        format,
        tuple(suites),
        suites_sha256,
        parts[True],
        parts[False],
        tuple(limits),
        len(found),
        len(set(table.groups.tolist())),
        folds,
        seed,
    )
    return Fitted(calibration, held)


class _Table(NamedTuple):
    """The records as arrays."""

    x: Floats
    """(records, features)."""
    missing: NDArray[np.bool_]
    """(records, features)."""
    right: Floats
    called: NDArray[np.bool_]
    groups: NDArray[np.str_]

    @classmethod
    def of(cls, found: Sequence[Record]) -> _Table:
        rows = np.array([features(record.signals) for record in found], dtype=np.float64)
        return cls(
            rows[:, :, 0],
            rows[:, :, 1] > 0,
            np.array([record.right for record in found], dtype=np.float64),
            np.array([record.signals.called for record in found]),
            np.array([record.group for record in found]),
        )


def _folds(groups: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.intp]:
    """Each record's fold; a conversation is in one, and the folds are about as large."""
    names, at, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    fold = np.zeros(len(names), dtype=np.intp)
    filled = np.zeros(max(1, min(folds, len(names))))
    for name in order:
        fold[name] = filled.argmin()
        filled[fold[name]] += sizes[name]
    return fold[at]


def _map(table: _Table, rows: NDArray[np.intp], folds: int, seed: int) -> Map:
    """The two steps, fitted to some records."""
    n, right = len(rows), int(table.right[rows].sum())
    if n < _FEW or min(right, n - right) < 3:
        share = (right + 1) / (n + 2)
        return Map((), 0.0, (0.0,), (share,), n)
    # The scores that the isotonic step is fitted to are of records that the logistic step has not seen, as those
    # that it will be used on.
    fold = _folds(table.groups[rows], max(2, folds // 2), seed + 1)
    scores = np.empty(n)
    for part in np.unique(fold):
        columns, bias = _logistic(table, rows[fold != part])
        scores[fold == part] = _scores(columns, bias, table, rows[fold == part])
    x, y = _isotonic(scores, table.right[rows])
    columns, bias = _logistic(table, rows)
    return Map(columns, bias, x, y, n)


def _logistic(table: _Table, rows: NDArray[np.intp]) -> tuple[tuple[Column, ...], float]:
    """A logistic model with a weak ridge (scikit-learn's own); a missing signal is a signal of its own."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingDependency(
            "calibrating needs scikit-learn", hint="pip install 'toolfinch[calibrate]'"
        ) from error
    right = table.right[rows]
    inputs: list[Floats] = []
    columns: list[Column] = []
    for i, name in enumerate(FEATURES):
        x, missing = table.x[rows, i], table.missing[rows, i]
        known = x[~missing]
        if len(known) < 2 or known.std() < 1e-9:
            continue
        column = Column(name, float(known.mean()), float(known.std()), 0.0)
        inputs.append((x - column.mean) / column.scale)
        inputs.append(missing.astype(np.float64))
        columns.append(column)
    if not inputs or right.min() == right.max():
        share = (right.sum() + 1) / (len(rows) + 2)
        return (), float(np.log(share / (1 - share)))
    model = LogisticRegression(max_iter=1000).fit(np.stack(inputs, axis=1), right)
    weights = model.coef_[0].reshape(-1, 2)
    weighed = [
        msgspec.structs.replace(column, weight=float(own), weight_missing=float(gap))
        for column, (own, gap) in zip(columns, weights, strict=True)
    ]
    return tuple(weighed), float(model.intercept_[0])


def _isotonic(scores: Floats, right: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots of the rising map from scores to shares of right ones.

    Each flat piece of the isotonic regression becomes one knot at its middle, and the map is linear between knots
    (centred isotonic regression; Oron & Flournoy 2017, arXiv 1701.05964), so that scores which differ stay apart.
    A piece of n records claims no more than n records can: 1/(n + 2) from 0 and from 1, but where its neighbours
    with more records have shown more.
    """
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(scores, kind="stable")
    level = IsotonicRegression(y_min=0, y_max=1).fit_transform(scores[order], right[order])
    _, start, sizes = np.unique(level, return_index=True, return_counts=True)
    x = np.add.reduceat(scores[order], start) / sizes
    y = np.maximum.accumulate(np.minimum(level[start], 1 - 1 / (sizes + 2)))
    y = np.minimum.accumulate(np.maximum(y, 1 / (sizes + 2))[::-1])[::-1]
    return tuple(map(float, x)), tuple(map(float, y))


def _scores(columns: Sequence[Column], bias: float, table: _Table, rows: NDArray[np.intp]) -> Floats:
    """`decode.calibration.score` of many."""
    at = [FEATURES.index(column.feature) for column in columns]
    means, scales, weights, gaps = (
        np.array([getattr(column, field) for column in columns])
        for field in ("mean", "scale", "weight", "weight_missing")
    )
    part = np.ix_(rows, np.array(at, dtype=np.intp))
    scores: Floats = bias + (table.x[part] - means) / scales @ weights + table.missing[part] @ gaps
    return scores


def _read(mapping: Map, table: _Table, rows: NDArray[np.intp]) -> Floats:
    return np.interp(_scores(mapping.columns, mapping.bias, table, rows), mapping.x, mapping.y)
