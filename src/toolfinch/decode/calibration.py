"""`Calibration`: from a reply's signals to the probability that the whole reply is right.

Two maps, one for replies that call and one for those that do not, since they have other signals. Each is a logistic
model and then an isotonic one (Zadrozny & Elkan 2002): the first weighs the signals against each other, the second
says what its score is worth. With them stand the thresholds from which on a reply may be accepted, by what it can
do. A calibration holds for one model in one format, and lies beside it:
`calibration.json` in its folder, `NAME.gguf.calibration.json` beside a single file. It is no file of the manifest,
whose hash it names.

`evaluate/calibrate.py` makes one, `serve/gate.py` uses it. Left out: what a calibration cannot know, such as
examples that are unlike those it was fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from toolfinch import artifact
from toolfinch.caller import Reply, RiskClass, Signals
from toolfinch.errors import UsageError
from toolfinch.tool import Tool

NAME = "calibration.json"
CLASSES: tuple[RiskClass, ...] = ("words", "read", "write", "destructive")
FEATURES = ("trigger", "name", "value_min", "value_mean", "removed", "copied", "chosen")
"""In the order of `features`; `chosen` is how many tokens the model chose, each of which may be wrong."""
_EDGE = 1e-4
"""Probabilities are taken for no nearer to 0 or 1: beyond, quantized logits are noise."""


class Column(msgspec.Struct, frozen=True):
    """One input of the logistic model, standardised."""

    feature: str
    mean: float
    scale: float
    weight: float
    weight_missing: float = 0.0
    """What is added where the signal is missing."""


class Map(msgspec.Struct, frozen=True):
    """From signals to a probability."""

    columns: tuple[Column, ...]
    bias: float
    x: tuple[float, ...]
    """Scores of the logistic model (log-odds), rising; between them the map is linear, beyond them flat."""
    y: tuple[float, ...]
    """Probabilities at `x`, rising."""
    n: int
    """Records that it was fitted on."""


class Limit(msgspec.Struct, frozen=True):
    """From where on replies of one class are accepted."""

    risk: RiskClass
    target: float
    """The largest acceptable share of wrong replies among the accepted ones."""
    sure: float
    """The probability with which the threshold keeps to the target, over the drawing of the held-out examples."""
    threshold: float | None
    """The least probability that is accepted; None: there was no evidence for any, and nothing is accepted."""
    n: int
    """Held-out replies of this class."""
    accepted: int = 0
    wrong: int = 0
    """Among the accepted."""
    bound: float | None = None
    """The upper confidence bound on the share of wrong ones among the accepted."""


class Calibration(msgspec.Struct, frozen=True):
    """All that is needed to judge the replies of one model."""

    artifact: str
    """`artifact.identity` of the model."""
    format: str
    """Of its weights, where the model comes in several."""
    suites: tuple[str, ...]
    """What it was fitted on: names, or file names."""
    suites_sha256: str
    called: Map
    words: Map
    limits: tuple[Limit, ...]
    examples: int
    groups: int
    """Conversations; what was held out was whole ones."""
    folds: int
    seed: int
    version: int = 1

    def limit(self, risk: RiskClass) -> Limit:
        return next(limit for limit in self.limits if limit.risk == risk)


class Feature(NamedTuple):
    """One input of the logistic model."""

    value: float
    missing: bool
    """The signal is None, and the value is that of no doubt."""


def features(signals: Signals) -> tuple[Feature, ...]:
    """The signals as the logistic model reads them, in the order of `FEATURES`.

    Probabilities, and margins as the probabilities that they would be between two tokens, are log-odds. A signal is
    missing where there was nothing to choose: one tool, no values, a decision that the request takes. So its value
    is that of no doubt, and that it is missing is a signal of its own.
    """

    def odds(p: float | None, certain: float) -> Feature:
        known = min(max(certain if p is None else p, _EDGE), 1 - _EDGE)
        return Feature(math.log(known / (1 - known)), p is None)

    def margin(m: float | None) -> Feature:
        return odds(None if m is None else (1 + m) / 2, 1.0)

    copied = signals.copied
    return (
        odds(signals.trigger, float(signals.called)),
        margin(signals.name),
        margin(signals.value_min),
        margin(signals.value_mean),
        odds(signals.removed, 0.0),
        Feature(1.0 if copied is None else copied, copied is None),
        Feature(math.log1p(signals.sampled), False),
    )


def score(columns: tuple[Column, ...], bias: float, given: tuple[Feature, ...]) -> float:
    """The logistic model's log-odds."""
    total = bias
    for column in columns:
        value, missing = given[FEATURES.index(column.feature)]
        total += column.weight * (value - column.mean) / column.scale + column.weight_missing * missing
    return total


def p_right(calibration: Calibration, signals: Signals) -> float:
    """The probability that the whole reply is right."""
    mapping = calibration.called if signals.called else calibration.words
    at = score(mapping.columns, mapping.bias, features(signals))
    return float(np.interp(at, mapping.x, mapping.y))


def class_of(reply: Reply, tools: Sequence[Tool]) -> RiskClass:
    """What a reply can do. A tool that was not offered is taken for the worst, as is one whose risk is not known."""
    risks = {tool.name: tool.risk for tool in tools}
    classes = [risks.get(call.name, "destructive") for call in reply.message.calls]
    return max(classes, key=CLASSES.index, default="words")


def beside(model: Path) -> Path:
    """Where the calibration of a model lies."""
    return model.with_name(f"{model.name}.{NAME}") if model.is_file() else model / NAME


def save(calibration: Calibration, model: Path) -> Path:
    """Write it beside the model, whole or not at all; gives the path."""
    path = beside(model)
    artifact.write_atomically(path, msgspec.json.format(msgspec.json.encode(calibration)) + b"\n")
    return path


def load(model: Path, *, format: str = "") -> Calibration:
    """The calibration beside a model. `format` as for `artifact.find`.

    UsageError naming the file where there is none, it cannot be read, or it is another model's.
    """
    path = beside(model)
    if not path.is_file():
        raise UsageError(f"{path}: no calibration there", hint=f"toolfinch calibrate {model} makes one")
    again = f"toolfinch calibrate {model} makes another"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}", hint=again) from error
    if found.version != 1:
        raise UsageError(f"{path}: version {found.version}, this Toolfinch reads 1", hint=again)
    if {limit.risk for limit in found.limits} != set(CLASSES):
        raise UsageError(f"{path}: limits: expected one each for {', '.join(CLASSES)}", hint=again)
    if (mine := artifact.identity(model)) != found.artifact:
        raise UsageError(f"{path}: of another model ({found.artifact[:12]}, not {mine[:12]})", hint=again)
    if (chosen := format_of(model, format)) != found.format:
        raise UsageError(f"{path}: of the format {found.format or '?'}, not {chosen or '?'}", hint=again)
    return found


def format_of(model: Path, format: str = "") -> str:
    """The format that is run of a model with several; empty for one without a manifest."""
    if not (model / artifact.MANIFEST).is_file():
        return ""
    return format or next(iter(artifact.load(model).formats()), "")
