"""The report as one page of HTML, to be sent to a colleague: headline, plots, tables, costs, failing cases.

`report` makes a `Page`, `render` turns it into text: `page.html.jinja` is filled, `page.css` and `page.js` go
into it, and nothing else is ever fetched (the page's policy allows these two by their hashes and no more).
Everything shown is escaped, by the template engine or by JSON; the script makes text nodes alone. The cases
are data that the script shows fifty at a time; without a script all tables and plots are still there.

Left out: the whole of a long text. Prompts are stored once however many callers failed on them, and one
longer than `_LONGEST` is cut in the middle and says so; `failures.jsonl` beside the page has it all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from toolfinch.evaluate.plot import Mark, axis, panel, symbol
from toolfinch.score import FailureKind

if TYPE_CHECKING:
    from markupsafe import Markup

_LONGEST = 20_000
"""Characters of one prompt or reply that go into the page; fewer where there are thousands of prompts."""
_ALL_PROMPTS = 40_000_000
"""Characters of all prompts together, beyond which a browser becomes slow."""
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_FIGURE = re.compile(rf"{_NUMBER} \[{_NUMBER}, {_NUMBER}\]")
_MEANING: dict[FailureKind, str] = {
    "endpoint_error": "the engine or endpoint gave no reply; it says nothing about the model",
    "context_exceeded": "the prompt did not fit the model's context",
    "malformed": "something that looked like a call could not be read",
    "premature_call": "a call that depends on a result or an answer that is not there yet",
    "wrong_order": "a call of a later step was made now",
    "repeated_call": "a wrong call equals another one, or one made before",
    "stray_call": "nothing is missing, and there is a call too many",
    "fabricated_result": "no call where one is due, and words with a value that stands nowhere",
    "gave_up_early": "no call where a further one is due, after the first results",
    "missed_call": "an expected call is missing, and no other was made in its place",
    "wrong_tool": "another tool was called in place of the expected one",
    "unknown_argument": "an argument that the tool does not have",
    "missing_argument": "an expected argument is absent",
    "wrong_type": "a value of another JSON type than expected",
    "not_grounded": "a value that no message holds",
    "wrong_value": "a value that is not acceptable",
}


class Grid(msgspec.Struct, frozen=True):
    """A table as text."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Case(msgspec.Struct, frozen=True):
    """A failing case, to be read."""

    suite: str
    id: str
    caller: str
    scenario: str
    failure: FailureKind
    why: str
    expected: str
    got: str
    tools: tuple[str, ...]
    """The names of the tools that were offered."""
    messages: tuple[dict[str, Any], ...]
    """The prompt, as OpenAI messages."""


class Point(msgspec.Struct, frozen=True):
    """One caller on one suite, for the plots."""

    suite: str
    caller: str
    quality: float
    """The suite's headline figure, 0 to 1."""
    low: float
    high: float
    """Its 95 % interval."""
    seconds: float | None
    """Median latency; None where it was not measured."""
    size: int | None
    """Bytes of the model; None where they are not known."""


class Section(msgspec.Struct, frozen=True):
    """One suite."""

    title: str
    """The suite's name, as its cases and points have it."""
    grids: tuple[Grid, ...]


class Page(msgspec.Struct, frozen=True):
    """All that the page shows."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """What was run, on what, where and how."""
    headline: Grid
    """Suites down, callers across."""
    sections: tuple[Section, ...]
    points: tuple[Point, ...]
    cases: tuple[Case, ...]
    """Every failing case."""
    cost: Grid | None = None


def render(page: Page) -> str:
    """The page."""
    import jinja2
    from markupsafe import Markup

    here = Path(__file__).parent
    style, script = ((here / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters.update(figure=_figure, numbers=_numbers)
    callers = tuple(dict.fromkeys((*(p.caller for p in page.points), *(c.caller for c in page.cases))))
    text = jinja.get_template("page.html.jinja").render(
        page=page,
        callers=callers,
        series={caller: number for number, caller in enumerate(callers)},
        symbols=[Markup(symbol(number)) for number in range(len(callers))],
        words=_words,
        plots=_plots(page.points, callers),
        plotted=_plotted(page.points),
        kinds=Counter(case.failure for case in page.cases).most_common(),
        failures=Counter((case.failure, case.caller) for case in page.cases),
        failures_of=Counter(case.caller for case in page.cases),
        failures_in=Counter(case.suite for case in page.cases),
        meaning=_MEANING,
        link=lambda **chosen: "#" + urlencode(chosen, errors="replace"),
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(embedded(page.cases)),
    )
    # Half of a surrogate pair, which a model can write, is no text that a file can hold.
    return text.encode("utf-8", "replace").decode()


def embedded(cases: Sequence[Case]) -> str:
    """The cases as JSON for a `<script>` element: no `<` in it, so that nothing in them can end it.

    Turns of conversations, prompts and lists of tools are each stored once, and named by their index.
    """
    talks = [tuple(_turns(case.messages)) for case in cases]
    longest = max(2_000, min(_LONGEST, _ALL_PROMPTS // max(1, len(set(talks)))))
    turns: dict[tuple[str, str], int] = {}
    prompts: dict[tuple[int, ...], int] = {}
    tools: dict[tuple[str, ...], int] = {}
    rows = []
    for case, talk in zip(cases, talks, strict=True):
        prompt = tuple(turns.setdefault(turn, len(turns)) for turn in cut(talk, longest))
        rows.append(
            {
                "suite": case.suite,
                "id": case.id,
                "caller": case.caller,
                "scenario": case.scenario,
                "failure": case.failure,
                "why": _cut_text(case.why),
                "expected": _cut_text(case.expected),
                "got": _cut_text(case.got),
                "tools": tools.setdefault(case.tools, len(tools)),
                "prompt": prompts.setdefault(prompt, len(prompts)),
            }
        )
    meaning = {case.failure: _MEANING[case.failure] for case in cases}
    data = {"turns": [*turns], "prompts": [*prompts], "tools": [*tools], "meaning": meaning, "cases": rows}
    # The standard library's JSON, as it can write half a surrogate pair.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def cut(turns: Sequence[tuple[str, str]], longest: int) -> list[tuple[str, str]]:
    """Turns of a conversation, each its role and its text, without the middle beyond `longest` characters.

    Where something is left out stands a turn without a role, which says how much.
    """
    total = sum(len(text) for _, text in turns)
    if total <= longest:
        return list(turns)
    start, end = longest // 2, total - longest // 2
    kept, at = [], 0
    noted = False
    for role, text in turns:
        head, tail = text[: max(0, start - at)], text[max(0, end - at) :]
        at += len(text)
        if head:
            kept.append((role, head))
        if at > start and not noted:
            kept.append(("", f"{end - start:,} characters are left out here; failures.jsonl has them"))
            noted = True
        if tail:
            kept.append((role, tail))
    return kept


def _cut_text(text: str) -> str:
    return "\n".join(f"[{part}]" if not role else part for role, part in cut([("text", text)], _LONGEST))


def _turns(messages: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each message as its role and what it says or calls."""
    turns = []
    for message in messages:
        content = message.get("content")
        said = content if isinstance(content, str) else json.dumps(content) if content else ""
        functions = [call.get("function", {}) for call in message.get("tool_calls") or ()]
        calls = [f"{function.get('name')}({function.get('arguments')})" for function in functions]
        role = str(message.get("role") or "no role")
        if message.get("name"):
            role += f" {message['name']}"
        turns.append(
            (
                role + (" (failed)" if message.get("is_error") else ""),
                "\n".join([*[said] * bool(said), *calls]),
            )
        )
    return turns


def _plots(points: Sequence[Point], callers: Sequence[str]) -> list[dict[str, Any]]:
    """Quality against latency and against size: a panel a suite, those of one plot with the same axes."""
    from markupsafe import Markup

    plots = []
    for name, note, floor, unit, measure in _MEASURES:
        found = axis([x for p in points if (x := measure(p)) is not None], floor, unit)
        if found is None:
            continue
        panels = []
        for suite in dict.fromkeys(p.suite for p in points):
            marks = [
                Mark(p.caller, callers.index(p.caller), measure(p), p.quality, p.low, p.high, _told(p))
                for p in points
                if p.suite == suite
            ]
            told = "; ".join(mark.title for mark in marks)
            panels.append(Markup(panel(suite, found, marks, f"{suite}: quality against {name}. {told}.")))
        unknown = [c for c in callers if any(p.caller == c and measure(p) is None for p in points)]
        plots.append({"name": name, "note": note, "panels": panels, "unknown": unknown})
    return plots


def _plotted(points: Sequence[Point]) -> Grid:
    """The plots as a table."""
    rows = tuple(
        (
            f"{p.suite} · {p.caller}",
            _quality(p),
            "–" if p.seconds is None else _time(p.seconds),
            "–" if p.size is None else _bytes(p.size),
        )
        for p in points
    )
    return Grid("The plots as a table", ("", "quality", "median latency", "size"), rows)


def _told(p: Point) -> str:
    latency = "latency not known" if p.seconds is None else _time(p.seconds)
    size = "size not known" if p.size is None else _bytes(p.size)
    return f"{p.caller} {_quality(p)}, {latency}, {size}"


def _quality(p: Point) -> str:
    return f"{p.quality * 100:.1f} [{p.low * 100:.1f}, {p.high * 100:.1f}]"


def _figure(text: str) -> str | Markup:
    """`82.5 [76.6, 87.1]` with its interval set apart; any other text as it is."""
    from markupsafe import Markup

    if not _FIGURE.fullmatch(text):
        return text
    return Markup('<span class="value">{}</span> <span class="interval">{}</span>').format(
        *text.split(" ", 1)
    )


def _numbers(text: str) -> tuple[float, ...]:
    """Value, low and high of such a cell, to draw; empty where it is none."""
    found = _FIGURE.fullmatch(text)
    return tuple(map(float, found.groups())) if found else ()


def _words(grid: Grid) -> set[int]:
    """The columns that hold text to be read, and may break into lines."""
    return {
        i for row in grid.rows for i, cell in enumerate(row) if len(cell) > 24 and not _FIGURE.fullmatch(cell)
    }


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _time(seconds: float) -> str:
    return f"{_three(seconds)}\u202fs" if seconds >= 1 else f"{_three(seconds * 1000)}\u202fms"


def _bytes(size: float) -> str:
    for unit, step in (("GB", 1e9), ("MB", 1e6)):
        if size >= step:
            return f"{_three(size / step)}\u202f{unit}"
    return f"{_three(size / 1e3)}\u202fkB"


def _three(number: float) -> str:
    """Three digits, and never as a power of ten."""
    return f"{number:.3g}" if number < 999.5 else f"{number:,.0f}"


_MEASURES: tuple[tuple[str, str, float, Callable[[float], str], Callable[[Point], float | None]], ...] = (
    ("latency", "median, faster to the left", 1e-3, _time, lambda p: p.seconds),
    ("size", "bytes of the model, smaller to the left", 1e6, _bytes, lambda p: p.size),
)
"""What quality is plotted against: name, note, the least value that is told apart, its text, its value."""
