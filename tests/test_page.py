"""The report's page: what is in it, what is left out of it, and that nothing in it can act."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.evaluate import cost, plot
from toolfinch.evaluate.page import _MEANING, Case, Grid, Page, Point, Section, cut, embedded, render
from toolfinch.score import FAILURES

CALLERS = ("never-call", "bm25-pick", "fledgling", "fledgling-shop-q4_k_m")
SUITES = ("forty", "dependencies", "failed_tools")
_SCENARIOS = ("tool_selection", "argument_accuracy", "multi_tool", "edge_cases", "")
_TOOLS = ("find_contact", "send_email", "create_event", "list_events", "convert_currency", "get_weather")
_ASKS = (
    "Put a dentist appointment into my calendar for Thursday at half past nine, 45 minutes.",
    "How much is 249.90 in Swiss francs, and is it going to rain in Basel tomorrow?",
    "Tell Priya that the review moves to 3 May; her address is in my contacts.",
    "Check whether I'm free on Friday afternoon and, if so, block two hours for the audit.",
)
_WHY = {
    "wrong_value": "create_event: start is '2026-05-04T09:30', not '2026-05-03T09:30'",
    "wrong_tool": "list_events was called in place of create_event",
    "missed_call": "find_contact was not called",
    "stray_call": "get_weather was called, and nothing was due",
    "missing_argument": "send_email: subject is absent",
    "premature_call": "create_event was called before list_events had answered",
    "fabricated_result": "states '18 °C', which stands in no result",
    "endpoint_error": "timed out after 60 s",
}


_GOT = {
    "wrong_value": 'create_event({"title":"Dentist","start":"2026-05-04T09:30","duration_minutes":45})',
    "wrong_tool": 'list_events({"days":7})',
    "missed_call": "says: I have no way to do that.",
    "stray_call": 'create_event({"title":"Dentist"})\nget_weather({"place":"Basel"})',
    "missing_argument": 'send_email({"to":["priya@example.org"],"body":"The review moves to 3 May."})',
    "premature_call": 'list_events({"days":7})\ncreate_event({"title":"Audit","start":"2026-05-01T14:00"})',
    "fabricated_result": "says: It will be 18 °C and dry in Basel.",
    "endpoint_error": "error: timed out after 60 s",
}


def example_page(cases: int = 300, prompt_characters: int = 0) -> Page:
    """Invented results of four callers on three suites."""
    random = Random(1)
    points = []
    sections = []
    headline = []
    for i, suite in enumerate(SUITES):
        row = [suite]
        for j, caller in enumerate(CALLERS):
            quality = (0.14, 0.03, 0.52, 0.83)[j] * (1, 0.86, 0.93)[i] + 0.02 * i
            low, high = max(0.0, quality - 0.09), min(1.0, quality + 0.08)
            points.append(
                Point(
                    suite,
                    caller,
                    quality,
                    low,
                    high,
                    (1e-6, 2.4e-4, 0.193, 0.341)[j] * (1, 1.2, 2.1)[i],
                    (None, None, 28_400_000, 19_700_000)[j],
                )
            )
            row.append(f"{quality * 100:.1f} [{low * 100:.1f}, {high * 100:.1f}]")
        headline.append(tuple(row))
        figures = (
            "exact match",
            "decision accuracy",
            "tool decision accuracy",
            "selection F1",
            "JSON validity",
        )
        sections.append(
            Section(
                suite,
                (
                    Grid("All examples", ("", *CALLERS), tuple((name, *row[1:]) for name in figures)),
                    Grid(
                        "Exact match by scenario",
                        ("", "examples", *CALLERS),
                        tuple((name or "none", "40", *row[1:]) for name in _SCENARIOS),
                    ),
                ),
            )
        )
    failing = []
    for number in range(cases):
        case, caller = number // 2, CALLERS[(number % 2) * 2 + random.choice((0, 0, 1))]
        suite = SUITES[case % 3]
        kind = random.choice(tuple(_WHY)[: 3 if caller == "never-call" else 8])
        ask = _ASKS[case % 4]
        filler = f"{case}: " + "entry of the log; " * (prompt_characters // 18)
        failing.append(
            Case(
                suite=suite,
                id=f"{suite}-{case}",
                caller=caller,
                scenario=_SCENARIOS[case % 5],
                failure=kind,
                why=_WHY[kind],
                expected='create_event({"title":"Dentist","start":"2026-05-03T09:30","duration_minutes":45})',
                got=_GOT[kind],
                tools=_TOOLS,
                messages=(
                    {
                        "role": "system",
                        "content": "You are the assistant of a small practice. Today is 30 April 2026.",
                    },
                    {"role": "user", "content": "What do I have this week?"},
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [{"function": {"name": "list_events", "arguments": '{"days":7}'}}],
                    },
                    {
                        "role": "tool",
                        "name": "list_events",
                        "content": '[{"title":"Audit","start":"2026-05-01"}]'
                        + filler * bool(prompt_characters),
                    },
                    {"role": "user", "content": ask},
                ),
            )
        )
    usage = {
        "never-call": cost.Usage(None, None, 0.0),
        "bm25-pick": cost.Usage(None, None, 0.0),
        "fledgling": cost.Usage(812.0, 31.5, 0.193),
        "fledgling-shop-q4_k_m": cost.Usage(812.0, 34.2, 0.341),
    }
    prices = cost.Prices(
        {
            "fledgling": cost.Price(hour=0.5),
            "fledgling-shop-q4_k_m": cost.Price(call=0.01),
            "bm25-pick": cost.Price(prompt=0.15, completion=0.6),
        },
        "USD",
    )
    return Page(
        title="Which assistant model for the practice",
        facts=(
            ("suites", "forty (40 examples), dependencies (160), failed_tools (136)"),
            ("artifact of fledgling", "9c4f0e8677dfc30c"),
            (
                "command",
                "toolfinch eval never bm25 fledgling runs/shop.gguf --suite forty --suite dependencies",
            ),
            ("machine", "AMD EPYC 7763, 2 cores, Linux x86_64, Python 3.12.3"),
            ("made", "2026-04-30T17:20:11+00:00"),
        ),
        headline=Grid("Exact match, or cases passed", ("", *CALLERS), tuple(headline)),
        sections=tuple(sections),
        points=tuple(points),
        cases=tuple(failing),
        cost=cost.grid(prices, usage),
    )


def shape(page: str) -> tuple[list[str], list[tuple[str, dict[str, str | None]]], dict[str, list[str]]]:
    """The texts, the elements, and the contents of script and style, as a parser of HTML sees them."""
    texts: list[str] = []
    elements: list[tuple[str, dict[str, str | None]]] = []
    raw: dict[str, list[str]] = {"script": [], "style": []}

    class Reader(HTMLParser):
        inside = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            elements.append((tag, dict(attrs)))
            self.inside = tag if tag in raw else self.inside

        def handle_endtag(self, tag: str) -> None:
            self.inside = "" if tag == self.inside else self.inside

        def handle_data(self, data: str) -> None:
            (raw[self.inside] if self.inside else texts).append(data)

    Reader(convert_charrefs=True).feed(page)
    return texts, elements, raw


def hostile(text: str) -> Page:
    """A page on which every text that a user, a model or a suite can write is `text`."""
    grid = Grid(text, (text, text), ((text, text),))
    message = {
        "role": text,
        "name": text,
        "content": text,
        "tool_calls": [{"function": {"name": text, "arguments": text}}],
    }
    return Page(
        text,
        ((text, text),),
        grid,
        (Section(text, (grid,)),),
        (Point(text, text, 0.5, 0.4, 0.6, 0.1, None),),
        (Case(text, text, text, text, "wrong_value", text, text, text, (text,), (message,)),),
        grid,
    )


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        '"><img src=x onerror=alert(1)>',
        "&lt;b&gt;&amp;",
        "{{ 7*7 }}",
    ],
)
def test_no_text_is_taken_for_markup(text: str) -> None:
    # A model's reply that runs in the browser of whoever reads the report is a hole, not a failure kind.
    plain, hurt = shape(render(hostile("x" * len(text)))), shape(render(hostile(text)))
    assert [tag for tag, _ in hurt[1]] == [tag for tag, _ in plain[1]]
    assert [sorted(attributes) for _, attributes in hurt[1]] == [
        sorted(attributes) for _, attributes in plain[1]
    ]
    assert text in "".join(hurt[0])
    assert "<" not in embedded(hostile(text).cases)
    (case,) = json.loads(hurt[2]["script"][0])["cases"]
    assert case["got"] == text


def test_the_policy_allows_this_script_and_this_style_alone() -> None:
    # A wrong hash leaves a page without style or cases; a policy that is wider is none.
    _, elements, raw = shape(render(example_page(4)))
    policy = next(a["content"] or "" for tag, a in elements if "http-equiv" in a)
    for kind, content in (("script", raw["script"][-1]), ("style", raw["style"][0])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    used = {name for _, attributes in elements for name in attributes}
    assert not used & {"src", "style", "onclick", "srcset", "action"}
    links = [a["href"] or "" for tag, a in elements if tag == "a"]
    assert links and all(link.startswith("#") for link in links)


def test_every_part_is_on_the_page_without_a_script() -> None:
    # The tables are what a reader without JavaScript, or a printer, has.
    page = example_page(40)
    texts = "".join(shape(render(page))[0])
    for grid in (page.headline, *(grid for section in page.sections for grid in section.grids), page.cost):
        assert grid is not None
        assert grid.title in texts
        for row in grid.rows:
            assert all(cell.partition(" [")[0] in texts for cell in row)
    assert all(name in texts and value in texts for name, value in page.facts)
    assert "need JavaScript" in texts
    assert "10,000 calls a day at 0.01 USD each are 100 USD a day, 3,000 USD a month" in texts


def test_a_page_with_next_to_nothing() -> None:
    # No case, no point, no cost: a perfect run must not end in a traceback.
    text = render(Page("t", (), Grid("h", ("",), ()), (), (), ()))
    assert "No case failed." in text
    assert "<script" not in text
    assert render(msgspec.structs.replace(example_page(0), points=()))
    only = Point("s", "c", 1.0, 1.0, 1.0, 0.0, None)
    assert render(Page("t", (), Grid("h", ("",), ()), (), (only,), ()))


def test_long_times_and_sizes_are_no_powers_of_ten() -> None:
    """Whole played cases take many minutes, and `1.23e+03 s` would stand at the axis and in the table."""
    slow = Point("forty", "slow", 0.5, 0.4, 0.6, 1234.5, 999_700_000)
    page = render(msgspec.structs.replace(example_page(cases=0), points=(slow,)))
    assert "1,234\u202fs" in page and "1,000\u202fMB" in page and "e+0" not in page


def test_counts_of_failures_lead_to_their_cases() -> None:
    # The number beside a kind is what the linked list holds.
    page = example_page(300)
    text = render(page)
    for caller in CALLERS:
        for kind in FAILURES:
            n = sum(c.caller == caller and c.failure == kind for c in page.cases)
            link = f'<a href="#caller={caller}&amp;failure={kind}">{n}</a>'
            assert (link in text) == bool(n)


def test_every_kind_of_failure_has_its_meaning() -> None:
    # A new kind would fail on the first report that has it.
    assert set(_MEANING) == set(FAILURES)


def test_a_prompt_is_stored_once_for_all_callers() -> None:
    # Four callers that fail on the same long prompts must not make four pages of one.
    (case,) = example_page(1, 15_000).cases
    one = embedded([case])
    four = embedded([msgspec.structs.replace(case, caller=caller) for caller in CALLERS])
    assert len(four) < len(one) + 3_000


def test_what_is_embedded_comes_back() -> None:
    # Indices that point elsewhere would show one case's prompt under another.
    page = example_page(60)
    data = json.loads(embedded(page.cases))
    for case, shown in zip(page.cases, data["cases"], strict=True):
        assert (shown["suite"], shown["id"], shown["caller"]) == (case.suite, case.id, case.caller)
        assert data["tools"][shown["tools"]] == list(case.tools)
        turns = [data["turns"][i] for i in data["prompts"][shown["prompt"]]]
        assert turns[0] == ["system", case.messages[0]["content"]]
        assert turns[2] == ["assistant", 'list_events({"days":7})']
        assert turns[3][0] == "tool list_events"
        assert turns[-1] == ["user", case.messages[-1]["content"]]


def test_odd_messages_are_shown() -> None:
    # What a foreign trace holds must not stop a report at its end.
    odd: tuple[dict[str, Any], ...] = (
        {"role": "user", "content": [{"type": "text", "text": "parts"}]},
        {"role": "tool", "content": "boom", "is_error": True},
        {"role": "assistant", "content": None, "tool_calls": None},
        {"role": "assistant", "content": "first this", "tool_calls": [{"function": {"name": "f"}}]},
        {"content": "half a pair: \ud800"},
    )
    (case,) = example_page(1).cases
    page = render(
        msgspec.structs.replace(example_page(1), cases=(msgspec.structs.replace(case, messages=odd),))
    )
    page.encode()
    data = json.loads(shape(page)[2]["script"][0])
    assert [turn[0] for turn in data["turns"]] == [
        "user",
        "tool (failed)",
        "assistant",
        "assistant",
        "no role",
    ]


@given(
    st.lists(st.tuples(st.sampled_from(["user", "tool"]), st.text(max_size=30)), max_size=8),
    st.integers(1, 40).map(lambda n: 2 * n),
)
def test_what_is_cut_is_the_middle_and_is_counted(turns: list[tuple[str, str]], longest: int) -> None:
    # A note with a wrong number, or a lost end, would hide the turn that was answered.
    whole = "".join(text for _, text in turns)
    kept = cut(turns, longest)
    notes = [text for role, text in kept if not role]
    shown = "".join(text for role, text in kept if role)
    if len(whole) <= longest:
        assert kept == turns
    else:
        assert shown == whole[: longest // 2] + whole[-longest // 2 :]
        assert [int(note.split()[0].replace(",", "")) for note in notes] == [len(whole) - longest]


def test_a_long_reply_is_cut() -> None:
    # A reply of 10 MB would make the page one that no browser opens.
    (case,) = example_page(1).cases
    (shown,) = json.loads(embedded([msgspec.structs.replace(case, got="x" * 10**7)]))["cases"]
    assert len(shown["got"]) < 20_200
    assert "9,980,000 characters are left out here; failures.jsonl has them" in shown["got"]


def test_thousands_of_prompts_are_cut_shorter() -> None:
    # 10,000 conversations of 20,000 characters would be 200 MB.
    (case,) = example_page(1).cases
    filler = "word " * 4_000
    cases = [
        msgspec.structs.replace(case, id=str(i), messages=({"role": "user", "content": f"{i} {filler}"},))
        for i in range(10_000)
    ]
    assert len(embedded(cases)) < 50_000_000


@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=30),
            st.none() | st.floats(0, 1e4),
            st.floats(0, 1),
            st.floats(0, 0.3),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_label_lies_on_another_or_on_a_mark(rows: list[tuple[str, float | None, float, float]]) -> None:
    marks = [
        plot.Mark(name, i, x, y, max(0.0, y - d), min(1.0, y + d), "")
        for i, (name, x, y, d) in enumerate(rows)
    ]
    axis = plot.axis([x for _, x, _, _ in rows if x is not None], 1e-3, str) or plot.Axis(1, 10, ())
    boxes = [box for box in plot.place(axis, marks) if box is not None]
    drawn = [box for mark in marks for box in plot._drawn(axis, mark)]
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left >= plot._LEFT and right <= plot._WIDTH and bottom <= plot._y(0)
        for a, b, c, d in (*boxes[:i], *drawn):
            assert not (left < c and a < right and top < d and b < bottom)


def test_a_label_stands_at_its_own_mark() -> None:
    # Beside another mark it would be read as that one's; then the legend has to do.
    random = Random(0)
    axis = plot.axis([0.1, 1.0], 1e-3, str)
    assert axis is not None
    placed = 0
    for _ in range(30):
        marks = []
        for i in range(9):
            y = random.uniform(0.5, 0.8)
            marks.append(plot.Mark(f"model-{i}", i, random.uniform(0.3, 0.5), y, y - 0.05, y + 0.05, ""))
        for mark, box in zip(marks, plot.place(axis, marks), strict=True):
            if box is not None:
                placed += 1
                gaps = {m.name: min(plot._gap(box, part) for part in plot._drawn(axis, m)) for m in marks}
                assert min(gaps, key=gaps.__getitem__) == mark.name
    assert placed > 30


def test_a_lone_label_is_there() -> None:
    # A placement that leaves every label out would pass the test above.
    axis = plot.axis([0.2, 0.4], 1e-3, str)
    assert axis is not None
    marks = [
        plot.Mark(n, i, x, y, y, y, "") for i, (n, x, y) in enumerate([("a", 0.2, 0.9), ("b", 0.4, 0.1)])
    ]
    assert None not in plot.place(axis, marks)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.0], ["<\u202f0.001", "0.002"]),
        ([0.19, 0.34], ["0.1", "0.2", "0.5"]),
        ([0.0, 0.3], ["<\u202f0.001", "0.01", "0.1"]),
        ([0.004, 70.0], ["0.01", "0.1", "1", "10", "100"]),
    ],
)
def test_axes_have_few_round_ticks_and_hold_every_value(values: list[float], labels: list[str]) -> None:
    axis = plot.axis(values, 1e-3, lambda x: f"{x:g}")
    assert axis is not None
    assert [label for _, label in axis.ticks] == labels
    assert all(0 <= axis.at(value) <= 1 for value in values)


def test_the_hundredth_model_still_has_a_mark() -> None:
    # Colours and shapes run out; a page of many callers must not.
    points = tuple(Point("s", f"model-{i}", i / 100, i / 100, i / 100, 0.1 * i, i) for i in range(100))
    assert "model-99" in render(msgspec.structs.replace(example_page(1), points=points))
