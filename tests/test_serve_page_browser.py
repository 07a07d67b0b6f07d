"""The server's page in a real browser: what a developer types, clicks and sees.

Needs playwright (`pip install playwright`; the extra `dev` has it) and a Chromium on the path. Where one of
them is missing the tests skip and say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from test_page_browser import browser, pytestmark  # noqa: F401  (the fixture, and what is needed for it)
from test_page_browser import sync_api as _sync_api
from toolfinch.callers.load import load
from toolfinch.serve.keys import Keys
from toolfinch.serve.run import background

expect = _sync_api.expect


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:  # noqa: F811
    """Its `url` is of a server that wants a key; what the page reports as an error fails the test."""
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    with background(load("fledgling"), keys=Keys(["secret"])) as base:
        page.goto(base.removesuffix("v1"))
        yield page
    page.close()
    assert wrong == []


def test_a_tool_is_tried_and_every_token_is_shown(page: Any) -> None:
    """The page would show another reply than the server gives, or nothing at all."""
    expect(page.locator("#model")).to_have_text("fledgling")
    page.fill("#key", "secret")
    page.select_option("#choice", "required")
    page.click("#go")
    expect(page.locator("#answer")).to_be_visible(timeout=20_000)
    expect(page.locator("#reply")).to_contain_text("set_alarm(")
    raw = page.locator("#tokens").text_content()
    assert raw.startswith('<tool_call>\n{"name": "set_alarm"')
    assert page.locator("#tokens .forced").count() > 5 and page.locator("#tokens .sure").count() > 2
    assert "margin" in page.locator("#tokens .sure").first.get_attribute("title")
    expect(page.locator("#signals")).to_contain_text("sampled")
    page.click("summary")
    expect(page.locator("#prompt")).to_contain_text("get_weather")


def test_mistakes_are_said_and_nothing_is_run_as_markup(page: Any) -> None:
    """A wrong key, JSON that is none, and a tool whose name is a script."""
    page.click("#go")
    expect(page.locator("#error")).to_contain_text("key", timeout=20_000)
    page.fill("#key", "secret")
    page.fill("#tools", "[{")
    page.click("#go")
    expect(page.locator("#error")).to_contain_text("Tools:")
    evil = "<img src=x onerror=document.title='owned'>"
    page.fill("#tools", json.dumps([{"type": "function", "function": {"name": "f", "description": evil}}]))
    page.fill("#said", evil)
    page.click("#go")
    expect(page.locator("#answer")).to_be_visible(timeout=20_000)
    page.click("summary")
    expect(page.locator("#prompt")).to_contain_text("onerror")
    assert page.title() == "Toolfinch" and page.locator("#answer img").count() == 0
