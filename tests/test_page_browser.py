"""The report's page in a real browser, opened from a file: what a reader sees, clicks and types.

Needs playwright (`pip install playwright`; the extra `dev` has it) and a Chromium on the path. Where one of
them is missing the tests skip and say so.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from test_page import CALLERS, example_page, hostile
from toolfinch.evaluate.page import render

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")
expect = sync_api.expect
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the path"),
]
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(example_page()), encoding="utf-8")
    return path


@pytest.fixture
def tabs(browser: Any) -> Iterator[Any]:
    """Opens a page; at the end no page may have asked for anything else, or complained."""
    wrong: list[str] = []
    contexts = []

    def open_(path: Path, fragment: str = "", width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type != "log" else None)
        tab.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on("request", lambda r: wrong.append(r.url) if r.url.split("#")[0] != path.as_uri() else None)
        tab.goto(path.as_uri() + fragment)
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def status(tab: Any) -> str:
    return str(tab.locator("#status").inner_text())


def cases(tab: Any) -> int:
    return int(tab.locator(".case").count())


def wide(tab: Any) -> int:
    return int(tab.evaluate("document.documentElement.scrollWidth"))


def test_opened_filtered_searched_and_expanded(tabs: Any, page_file: Path) -> None:
    # What the page is for: find the cases of a kind, and read one.
    page = example_page()
    tab = tabs(page_file)
    assert tab.locator("#headline table").is_visible()
    assert tab.locator("svg.plot").count() == 6
    assert status(tab) == "300 cases, the first 50 shown"
    assert cases(tab) == 50

    n = sum(case.failure == "wrong_tool" for case in page.cases)
    tab.select_option("select[name=failure]", "wrong_tool")
    assert status(tab).startswith(f"{n} cases (of 300 in all)")
    assert set(tab.locator(".case .kind").all_inner_texts()) == {"wrong tool"}
    both = sum(case.failure == "wrong_tool" and case.caller == CALLERS[2] for case in page.cases)
    option = tab.locator(f"select[name=caller] option[value='{CALLERS[2]}']")
    assert option.inner_text() == f"{CALLERS[2]} ({both})"
    tab.select_option("select[name=caller]", CALLERS[2])
    assert cases(tab) == both

    due = [c for c in page.cases if c.failure == "wrong_tool" and c.caller == CALLERS[2]]
    due = [c for c in due if "swiss francs" in str(c.messages).lower()]
    assert 0 < len(due) < both
    tab.fill("input[name=q]", "SWISS francs")
    expect(tab.locator(".case")).to_have_count(len(due))

    tab.locator(".case summary").first.click()
    body = tab.locator(".case .body").first
    assert body.locator(".talk").inner_text().endswith(str(due[0].messages[-1]["content"]))
    assert body.locator(".expected").inner_text() == due[0].expected
    assert body.locator(".got").inner_text() == due[0].got
    assert due[0].why in body.inner_text()
    assert body.locator(".names li").all_inner_texts() == list(due[0].tools)
    assert body.locator("mark").all_inner_texts() == ["Swiss", "francs"]

    tab.fill("input[name=q]", "no such word")
    expect(tab.locator(".case")).to_have_count(0)
    assert status(tab).startswith("No case matches")
    tab.click("button[name=clear]")
    assert status(tab) == "300 cases, the first 50 shown"


def test_the_address_keeps_the_filters(tabs: Any, page_file: Path) -> None:
    # A link that a colleague opens must show what its sender saw.
    tab = tabs(page_file)
    tab.select_option("select[name=suite]", "forty")
    tab.fill("input[name=q]", "priya & co +1")
    expect(tab).to_have_url(re.compile("q="))
    tab.fill("input[name=q]", "priya")
    expect(tab).to_have_url(page_file.as_uri() + "#q=priya&suite=forty")
    said = status(tab)
    again = tabs(page_file, tab.evaluate("location.hash"))
    assert status(again) == said
    assert again.input_value("input[name=q]") == "priya"
    assert again.locator("#filters").is_visible()
    odd = tabs(page_file, "#suite=none-such&caller=&q=%E2%80%94%00&x=<script>alert(1)</script>")
    assert status(odd).startswith("No case matches")
    assert status(tabs(page_file, "#cost")) == "300 cases, the first 50 shown"


def test_a_number_leads_to_its_cases(tabs: Any, page_file: Path) -> None:
    tab = tabs(page_file)
    link = tab.locator(".kinds tbody a").nth(1)
    n = int(link.inner_text())
    link.click()
    expect(tab.locator("#status")).to_have_text(re.compile(rf"{n} case"))
    assert tab.locator("#filters").bounding_box()["y"] < 900


def test_more_are_shown_when_asked_for(tabs: Any, page_file: Path) -> None:
    # All by the keyboard: the button hands the focus to the first of the new cases, and Enter opens it.
    tab = tabs(page_file)
    tab.focus("#more")
    tab.keyboard.press("Enter")
    assert cases(tab) == 100
    tab.keyboard.press("Enter")
    expect(tab.locator(".case").nth(50).locator(".body")).to_be_visible()
    for _ in range(4):
        tab.click("#more")
    assert cases(tab) == 300
    assert not tab.locator("#more").is_visible()


def test_light_and_dark_differ(tabs: Any, page_file: Path, tmp_path: Path) -> None:
    # `TOOLFINCH_SCREENSHOTS=FOLDER` keeps the pictures, to be looked at.
    folder = Path(os.environ.get("TOOLFINCH_SCREENSHOTS", tmp_path))
    shots = {}
    for name, scheme, width in (
        ("light", "light", 1280),
        ("dark", "dark", 1280),
        ("phone", "light", 375),
        ("phone_dark", "dark", 375),
    ):
        tab = tabs(page_file, width=width, color_scheme=scheme)
        tab.locator(".case summary").nth(1).click()
        shots[name] = tab.screenshot(path=folder / f"{name}.png", full_page=True)
        colours = tab.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        bright = [sum(map(int, colour[4:-1].split(","))) for colour in colours]
        assert (bright[0] > bright[1]) == (scheme == "dark")
        assert abs(bright[0] - bright[1]) > 500
    assert len(set(shots.values())) == 4


def test_nothing_scrolls_sideways_at_phone_width(tabs: Any, page_file: Path, tmp_path: Path) -> None:
    # Long unbroken names are the usual cause.
    tab = tabs(page_file, width=375)
    for part in tab.locator("details > summary").all()[:8]:
        part.click()
    assert wide(tab) <= 375
    assert tab.locator("#headline .scroll").evaluate("e => e.scrollWidth > e.clientWidth")
    long = tmp_path / "long.html"
    long.write_text(render(hostile("unbroken_" * 30)), encoding="utf-8")
    tab = tabs(long, width=375)
    tab.locator(".suite > summary").click()
    tab.locator("#plots summary").click()
    expect(tab.locator(".case .body")).to_be_visible()
    assert wide(tab) <= 375


def test_hostile_text_does_nothing(tabs: Any, tmp_path: Path) -> None:
    # A dialog, an error or a request ends the test in the fixture.
    for number, text in enumerate(
        (
            "<script>alert(1)</script>",
            "</script><script>alert(1)</script>",
            "</script x='",
            "<img src=x onerror=alert(1)>",
            "<!--<script>",
            "\u2028\u2029\x00\ud800'\"`${alert(1)}",
        )
    ):
        path = tmp_path / f"{number}.html"
        path.write_text(render(hostile(text)), encoding="utf-8")
        tab = tabs(path)
        tab.wait_for_selector(".case .body")
        assert tab.locator("script").count() == 2
        assert tab.locator("img").count() == 0
        if number < 5:
            assert tab.locator(".got").inner_text() == text
            assert tab.locator("h1").inner_text() == text


def test_tables_and_a_line_without_javascript(tabs: Any, page_file: Path) -> None:
    tab = tabs(page_file, java_script_enabled=False)
    assert tab.locator("#headline table").is_visible()
    assert tab.get_by_text("need JavaScript").is_visible()
    assert not tab.locator("#filters").is_visible()
    tab.locator(".suite > summary").first.click()
    assert tab.locator(".suite table").first.is_visible()


def test_printed_with_every_suite_open(tabs: Any, page_file: Path) -> None:
    tab = tabs(page_file)
    assert len(tab.pdf()) > 10_000
    assert tab.locator("details:not([open]):not(.case)").count() == 0


def test_ten_thousand_cases_stay_quick(tabs: Any, tmp_path: Path) -> None:
    # Rendering all at once, or searching each prompt once a caller, would take many seconds.
    path = tmp_path / "many.html"
    path.write_text(render(example_page(10_000, 8_000)), encoding="utf-8")
    tab = tabs(path)
    assert status(tab) == "10,000 cases, the first 50 shown"
    spent = tab.evaluate(
        """() => new Promise((done) => {
          const field = document.querySelector("input[name=q]");
          const from = performance.now();
          field.value = "priya audit";
          field.dispatchEvent(new Event("input"));
          new MutationObserver(() => done(performance.now() - from))
            .observe(document.querySelector("#status"), { childList: true });
        })"""
    )
    assert cases(tab) == 50
    assert spent < 5_000


def test_a_case_that_stands_alone_is_open(tabs: Any, tmp_path: Path) -> None:
    # The link under "The same case failed with" leads to one case; a second click should not be needed.
    page = example_page(1)
    path = tmp_path / "one.html"
    path.write_text(render(msgspec.structs.replace(page, cases=page.cases)), encoding="utf-8")
    tab = tabs(path)
    tab.wait_for_selector(".case .body")
    assert tab.locator("#filters select").count() == 0
