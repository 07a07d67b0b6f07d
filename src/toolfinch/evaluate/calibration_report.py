"""What a calibration did: the model's own probabilities and the calibrated ones side by side, and the thresholds.

`build` measures, `grids` shows it as tables, `write` puts report.json and risk-coverage.svg into a folder. The
calibrated probabilities are the held-out ones. The model's own are those of its decision, call or not: it has none for
the whole reply.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from toolfinch.artifact import write_atomically
from toolfinch.decode.calibration import CLASSES, Calibration, Limit
from toolfinch.evaluate import deferral, risk_picture
from toolfinch.evaluate.calibrate import Fitted, Record
from toolfinch.evaluate.deferral import Deferral
from toolfinch.evaluate.intervals import Floats
from toolfinch.evaluate.metrics import Figure
from toolfinch.evaluate.page import Grid
from toolfinch.evaluate.reliability import Reliability, measure
from toolfinch.evaluate.report import Machine, machine
from toolfinch.evaluate.thresholds import needed


class Report(msgspec.Struct, frozen=True):
    """A calibration, and how good it is."""

    command: str
    machine: Machine
    made: str
    """Date and time, UTC."""
    model: str
    calibration: Calibration
    left_out: int
    """Replies that were errors, or did not fit the context."""
    raw: Reliability | None
    """Of the records whose decision has a probability; None where none has."""
    same: Reliability | None
    """The calibrated probabilities of just those records."""
    held: Reliability
    """Of all records."""
    called: Reliability | None
    words: Reliability | None
    deferral: Deferral | None = None
    """Beside a bigger model."""
    cost_unit: str = ""


def build(
    found: Sequence[Record],
    fitted: Fitted,
    *,
    model: str,
    command: str,
    left_out: int = 0,
    beside: Deferral | None = None,
    cost_unit: str = "",
) -> Report:
    """The report on records and what `calibrate.fit` made of them."""
    right = np.array([record.right for record in found], dtype=np.float64)
    raw = np.array([np.nan if record.raw is None else record.raw for record in found])
    called = np.array([record.signals.called for record in found])
    groups = np.array([record.group for record in found])

    def of(p: Floats, kept: NDArray[np.bool_]) -> Reliability | None:
        return measure(p[kept], right[kept], groups[kept].tolist()) if kept.any() else None

    return Report(
        command,
        machine(),
        datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        model,
        fitted.calibration,
        left_out,
        of(raw, ~np.isnan(raw)),
        of(fitted.held, ~np.isnan(raw)),
        measure(fitted.held, right, groups.tolist()),
        of(fitted.held, called),
        of(fitted.held, ~called),
        beside,
        cost_unit,
    )


def write(report: Report, out: Path) -> None:
    """report.json and risk-coverage.svg, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "report.json", msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    curves = [("calibrated", report.held.points)]
    if report.raw is not None and report.same is not None:
        curves = [("model's own", report.raw.points), ("calibrated", report.same.points)]
    picture = risk_picture.draw(f"{report.model}: wrong among the accepted", curves)
    write_atomically(out / "risk-coverage.svg", picture)


def grids(report: Report) -> list[Grid]:
    """The tables."""
    columns = {
        "model's own": report.raw,
        "calibrated": report.same if report.raw else report.held,
        "calls": report.called,
        "words": report.words,
    }
    known = {name: one for name, one in columns.items() if one is not None}
    rows = [("replies", *(f"{one.n}" for one in known.values()))]
    for title, field in (
        ("right", "right"),
        ("ECE, equal mass", "ece_mass"),
        ("ECE, equal width", "ece_width"),
        ("ECE were they perfect", "ece_perfect"),
        ("Brier", "brier"),
        ("log-loss", "log_loss"),
        ("AURC", "aurc"),
        ("AURC at best", "aurc_best"),
    ):
        rows.append((title, *(_number(getattr(one, field)) for one in known.values())))
    made = [Grid("Probabilities of being right", ("", *known), tuple(rows))]
    calibration = report.calibration
    header = ("replies", "held out", "from", "accepted", "wrong", "at most", "target")
    limits = [_limit_row(calibration.limit(risk)) for risk in CLASSES]
    made.append(
        Grid(
            f"Thresholds, each with probability {calibration.limits[0].sure:g}",
            header,
            tuple(limits),
        )
    )
    if report.deferral is not None:
        made.append(deferral.grid(report.deferral, report.cost_unit))
    return made


def _limit_row(limit: Limit) -> tuple[str, ...]:
    aim = f"{limit.target:.1%}"
    if limit.threshold is None:
        least = needed(limit.target, limit.sure)
        why = f"never: {least} needed" if limit.n < least else "never"
        return (limit.risk, f"{limit.n}", why, "–", "–", "–", aim)
    accepted = f"{limit.accepted} ({limit.accepted / limit.n:.0%})"
    return (
        limit.risk,
        f"{limit.n}",
        f"{limit.threshold:g}",
        accepted,
        f"{limit.wrong}",
        f"{limit.bound:.1%}",
        aim,
    )


def _number(figure: Figure | float) -> str:
    if isinstance(figure, float):
        return f"{figure:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
