"""The risk–coverage curve as an SVG file: how many of the accepted replies are wrong, by how many are accepted.

It reads in light and in dark pages, and needs no style sheet beside it, unlike the panels of `plot`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from toolfinch.evaluate.reliability import Point

_WIDTH, _HEIGHT = 560, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 40, 46
_COLOURS = ("#8a8f98", "#0b6fb8", "#2e8b57", "#b8560b")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.grid{stroke:#ddd}.base{stroke:#888}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}}"
)


def draw(title: str, curves: Sequence[tuple[str, Sequence[Point]]]) -> bytes:
    """An SVG document with a line and a 95 % band for each named curve, at most four."""
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
            "role": "img",
            "aria-label": f"{title}: share of wrong replies among the accepted ones, by the share accepted",
        },
    )
    ET.SubElement(svg, "style").text = _STYLE
    step = _step(max(point.risk.high or 0.0 for _, points in curves for point in points))
    top = 5 * step
    _text(svg, _LEFT, 16, title, "start")
    for tick in range(6):
        y = _y(tick * step, top)
        _line(svg, _LEFT, y, _WIDTH - _RIGHT, y, "grid" if tick else "base")
        _text(svg, _LEFT - 6, y + 4, f"{tick * step:.0%}", "end")
        _text(svg, _x(tick / 5), _HEIGHT - _BOTTOM + 16, f"{tick / 5:.0%}", "middle")
    _text(svg, (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "accepted, the surest first", "middle")
    for i, (name, points) in enumerate(curves):
        colour = _COLOURS[i]
        low = [(_x(p.coverage), _y(p.risk.low or 0.0, top)) for p in points]
        high = [(_x(p.coverage), _y(p.risk.high or 0.0, top)) for p in points]
        band = {"points": _joined([*high, *reversed(low)]), "fill": colour, "opacity": "0.15"}
        ET.SubElement(svg, "polygon", band)
        at = [(_x(p.coverage), _y(p.risk.value or 0.0, top)) for p in points]
        line = {"points": _joined(at), "fill": "none", "stroke": colour, "stroke-width": "2"}
        ET.SubElement(svg, "polyline", line)
        x = _LEFT + 150.0 * i
        ET.SubElement(svg, "rect", {"x": f"{x}", "y": "24", "width": "12", "height": "4", "fill": colour})
        _text(svg, x + 17, 31, name, "start")
    return f"{ET.tostring(svg, encoding='unicode')}\n".encode()


def _step(highest: float) -> float:
    """Of the five ticks of the axis: the least round one with which they reach the highest risk."""
    return next(step for step in (0.02, 0.05, 0.1, 0.2) if 5 * step >= highest - 1e-9)


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - share / top * (_HEIGHT - _TOP - _BOTTOM)


def _joined(at: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in at)


def _line(svg: ET.Element, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    ET.SubElement(svg, "line", {name: f"{value:.1f}" for name, value in ends.items()} | {"class": kind})


def _text(svg: ET.Element, x: float, y: float, text: str, anchor: str) -> None:
    ET.SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}).text = text
