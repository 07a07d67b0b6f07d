"""One small plot as inline SVG: a share with its interval against a measure on a logarithmic axis.

`axis` gives the range that all panels of a figure have in common, `panel` draws one. Colours and fonts are
classes of the page's style sheet, so that a plot reads in light and dark; `s0` to `s7` are the colours. A
label that finds no free place is left out, never laid over another: the legend (`symbol`) names every mark.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence

import msgspec

COLOURS = 8
_WIDTH, _HEIGHT = 360, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 12, 30, 24
_CHARACTER, _LINE = 6.4, 12.0
"""Of a label at 11 pixels: the width of a character, on the generous side, and the height of a line."""
_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.6-3.6h7.2v7.2h-7.2z",
    "M0-5L4.6 3.4h-9.2z",
    "M0-5.2L5.2 0L0 5.2L-5.2 0z",
    "M0 5L4.6-3.4h-9.2z",
    "M-1.6-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z",
)
"""Six shapes with eight colours tell 24 callers apart, and the first six without any colour."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class Mark(msgspec.Struct, frozen=True):
    """One caller in a panel."""

    name: str
    series: int
    """Gives colour and shape."""
    x: float | None
    """None: the measure is not known, and the mark is a dashed line across the panel."""
    y: float
    low: float
    high: float
    """The share and its interval, 0 to 1."""
    title: str
    """What hovering over the mark says."""


class Axis(msgspec.Struct, frozen=True):
    """A logarithmic axis."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def at(self, x: float) -> float:
        """0 to 1 along the axis; what lies outside is at its nearer end."""
        share = math.log(max(x, self.low) / self.low) / math.log(self.high / self.low)
        return min(1.0, share)


def axis(values: Sequence[float], floor: float, unit: Callable[[float], str]) -> Axis | None:
    """An axis round all values, its ends and ticks 1, 2 or 5 times a power of ten.

    What lies below `floor` stands at the floor, and its tick says so: a caller that takes no time at all
    would push all others into a corner. None where there is no value.
    """
    if not values:
        return None
    shown = [max(value, floor) for value in values]
    steps = [m * 10.0**k for k in range(-6, 16) for m in (1, 2, 5)]
    low = max(step for step in steps if step <= max(min(shown) * 0.8, floor * 1.0000001))
    high = min(step for step in steps if step >= max(shown) * 1.25)
    inside = [step for step in steps if low <= step <= high]
    decades = [step for step in inside if math.isclose(math.log10(step) % 1, 0, abs_tol=1e-9)]
    ticks = decades if len(decades) > 2 else inside
    while len(ticks) > 5:
        ticks = ticks[::2]
    clamped = min(values) < low
    labels = [("<\u202f" if clamped and step == low else "") + unit(step) for step in ticks]
    return Axis(low, high, tuple(zip(ticks, labels, strict=True)))


def panel(title: str, axis: Axis, marks: Sequence[Mark], described: str) -> str:
    """The SVG element. `described` is its text alternative."""
    svg = ET.Element(
        "svg", {"viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "role": "img", "aria-label": described, "class": "plot"}
    )
    _text(svg, _LEFT, 15, _short(title, 38), "plot-title")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        _line(svg, _LEFT, y, _WIDTH - _RIGHT, y, "grid" if share else "base")
        _text(svg, _LEFT - 6, y + 3.5, f"{share:.0%}", "tick end")
    for number, (value, label) in enumerate(axis.ticks):
        x = _x(axis, value)
        _line(svg, x, _y(0), x, _y(0) + 4, "base")
        last = number == len(axis.ticks) - 1 and x > _WIDTH - _RIGHT - 16
        _text(svg, _WIDTH - 2 if last else x, _HEIGHT - 7, label, "tick end" if last else "tick middle")
    for mark in marks:
        _mark(svg, axis, mark)
    for mark, box in zip(marks, place(axis, marks), strict=True):
        if box is not None:
            # Set towards its mark, so that a font narrower than `_CHARACTER` does not part the two.
            leftwards = mark.x is None or box[2] < _x(axis, mark.x)
            kind = f"{_colour(mark.series)} {'end' if leftwards else 'start'}"
            _text(svg, box[2] if leftwards else box[0], box[3] - 3, _short(mark.name), kind)
    return ET.tostring(svg, encoding="unicode")


def symbol(series: int) -> str:
    """The mark of a series, for the legend."""
    svg = ET.Element("svg", {"viewBox": "-7 -7 14 14", "class": "symbol", "aria-hidden": "true"})
    ET.SubElement(svg, "path", {"d": _SHAPES[series % len(_SHAPES)], "class": _colour(series)})
    return ET.tostring(svg, encoding="unicode")


def place(axis: Axis, marks: Sequence[Mark]) -> list[Box | None]:
    """Where each label goes; None: nowhere.

    It covers no mark, no interval and no other label, and no other mark is as near as its own.
    """
    drawn = [_drawn(axis, mark) for mark in marks]
    taken = [box for boxes in drawn for box in boxes]
    places: list[Box | None] = []
    for i, mark in enumerate(marks):
        # A dashed line is near to everything; its colour says whose label is whose.
        others = [box for j, boxes in enumerate(drawn) if j != i and marks[j].x is not None for box in boxes]
        found = None
        for box in _near(axis, mark, _CHARACTER * len(_short(mark.name))):
            free = _inside(box) and not any(_gap(box, other) == 0 for other in taken)
            if free and min(_gap(box, own) for own in drawn[i]) < min(
                (_gap(box, o) for o in others), default=9e9
            ):
                found = box
                taken.append(box)
                break
        places.append(found)
    return places


def _near(axis: Axis, mark: Mark, width: float) -> list[Box]:
    """Places for a label, the best first: beside the mark, then round its interval."""
    y = _y(mark.y)
    if mark.x is None:
        starts = [(left, top) for left in (_WIDTH - _RIGHT - width, _LEFT + 4) for top in (y - 14, y + 2)]
        return [(left, top, left + width, top + _LINE) for left, top in starts]
    x = _x(axis, mark.x)
    beside = [(left, y - 6 + dy) for dy in (0, -8, 8, -16, 16, -26, 26) for left in (x + 8, x - 8 - width)]
    round_it = [
        (x - width * share, top)
        for top in (_y(mark.high) - _LINE - 3, _y(mark.low) + 3)
        for share in (0.5, 0.15, 0.85)
    ]
    return [(left, top, left + width, top + _LINE) for left, top in (*beside, *round_it)]


def _drawn(axis: Axis, mark: Mark) -> list[Box]:
    """What a mark covers."""
    y = _y(mark.y)
    if mark.x is None:
        return [(_LEFT, y - 1, _WIDTH - _RIGHT, y + 1)]
    x = _x(axis, mark.x)
    return [(x - 6, y - 6, x + 6, y + 6), (x - 4, _y(mark.high), x + 4, _y(mark.low))]


def _gap(a: Box, b: Box) -> float:
    """The distance between two boxes; 0 where they meet."""
    across = max(0.0, a[0] - b[2], b[0] - a[2])
    down = max(0.0, a[1] - b[3], b[1] - a[3])
    return math.hypot(across, down)


def _inside(box: Box) -> bool:
    return box[0] >= _LEFT and box[1] >= _TOP - 8 and box[2] <= _WIDTH - 2 and box[3] <= _y(0)


def _mark(svg: ET.Element, axis: Axis, mark: Mark) -> None:
    group = ET.SubElement(svg, "g", {"class": _colour(mark.series)})
    ET.SubElement(group, "title").text = mark.title
    y = _y(mark.y)
    if mark.x is None:
        _line(group, _LEFT, y, _WIDTH - _RIGHT, y, "unknown")
        return
    x = _x(axis, mark.x)
    _line(group, x, _y(mark.high), x, _y(mark.low), "whisker")
    for end in (mark.low, mark.high):
        _line(group, x - 3, _y(end), x + 3, _y(end), "whisker")
    shape = _SHAPES[mark.series % len(_SHAPES)]
    ET.SubElement(group, "path", {"d": shape, "transform": f"translate({x:.1f} {y:.1f})"})


def _colour(series: int) -> str:
    return f"s{series % COLOURS}"


def _x(axis: Axis, value: float) -> float:
    # Half a mark of room at both ends.
    return _LEFT + 8 + axis.at(value) * (_WIDTH - _LEFT - _RIGHT - 16)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _line(parent: ET.Element, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    ET.SubElement(parent, "line", {k: f"{v:.1f}" for k, v in ends.items()} | {"class": kind})


def _text(parent: ET.Element, x: float, y: float, text: str, kind: str) -> None:
    ET.SubElement(parent, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": kind}).text = text


def _short(name: str, most: int = 24) -> str:
    """The two ends of a long name: what tells models apart stands at either."""
    half = most // 2
    return name if len(name) <= most else f"{name[: half - 1]}…{name[-half:]}"
