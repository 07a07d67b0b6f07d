"""Would break: a demo that trains on wrong, invented or leaking examples while its figures look fine."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema_rs
import pytest

from toolfinch.data import pairs
from toolfinch.data.readers.log import read
from toolfinch.data.readers.repeats import PREFIX
from toolfinch.data.readers.tools import read_tools
from toolfinch.data.split import split
from toolfinch.example import Conversation
from toolfinch.message import Message

FOLDER = Path(__file__).parents[1] / "examples" / "assistant"
LOG = FOLDER / "log.jsonl"
PARTS = ("build_log", "plans", "replies", "session", "shop")


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    """`build_log.py` as a script would find it; its neighbours' short names do not stay behind."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("build_log")
    finally:
        sys.path.remove(str(FOLDER))
        for name in PARTS:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def untidy(generator: ModuleType) -> dict[str, str]:
    """What is wrong on purpose, by session id."""
    marks: dict[str, str] = generator.build()[1]
    return marks


@pytest.fixture(scope="module")
def log() -> list[Conversation]:
    return read(LOG, read_tools(FOLDER / "tools.json"), strict=True)[0]


def having(untidy: dict[str, str], words: str) -> set[str]:
    return {session for session, what in untidy.items() if words in what}


def words(message: Message) -> str:
    """All that a message shows, calls included."""
    return " ".join((message.content, *(json.dumps(call.arguments) for call in message.calls)))


def test_the_committed_log_is_what_the_generator_writes(generator: ModuleType) -> None:
    assert generator.render(generator.build()[0]).encode() == LOG.read_bytes()


def test_the_readme_lists_what_is_untidy_and_counts_right(untidy: dict[str, str]) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `(kw-\d+)` \| (.+) \|$", readme, re.M)) == untidy
    rows = [json.loads(line) for line in LOG.read_text(encoding="utf-8").splitlines()]
    turns = [m for row in rows for m in row["messages"] if m["role"] == "assistant"]
    calling = sum("tool_calls" in m for m in turns)
    assert f"{len(rows)} rows with {len(turns):,} assistant turns, {calling} of them with calls" in readme
    assert LOG.stat().st_size < 1_000_000, "too big to be read on a web page"


def test_the_reader_takes_it_and_leaves_out_only_the_repeated_rows(untidy: dict[str, str]) -> None:
    tools = read_tools(FOLDER / "tools.json")
    found, report = read(LOG, tools)
    repeated = having(untidy, "logged twice")
    assert report.reasons().keys() == {PREFIX}
    assert len(report.skipped) == len(repeated) == len({c.id for c in found} & repeated)
    assert (report.missing_schemas, report.repaired) == ({}, {})
    assert report.orphan_results == len(having(untidy, "without its call"))


def test_roles_and_pairs_are_in_order_but_for_the_listed(
    log: list[Conversation], untidy: dict[str, str]
) -> None:
    orphans, open_ends = set(), set()
    for one in log:
        assert [m.role for m in one.messages][:2] == ["system", "user"], one.id
        assert 2 <= len(one.messages) - 1 <= 14, one.id
        assert one.messages[-1].role == "assistant", one.id
        found = pairs.unpaired(one.messages)
        orphans |= {one.id for _ in found.orphans}
        open_ends |= {one.id for _ in found.unanswered}
        ids = Counter(call.id for message in one.messages for call in message.calls)
        assert "" not in ids and set(ids.values()) <= {1}, one.id
        for before, after in zip(one.messages, one.messages[1:], strict=False):
            assert (before.role, after.role) not in {("user", "user"), ("assistant", "assistant")}, one.id
    assert orphans == having(untidy, "without its call")
    assert open_ends - having(untidy, "under another id") == having(untidy, "without a result")


def test_every_call_fits_its_schema_but_the_listed(log: list[Conversation], untidy: dict[str, str]) -> None:
    raw = json.loads((FOLDER / "tools.json").read_bytes())
    validators = {
        tool["function"]["name"]: jsonschema_rs.Draft202012Validator(
            tool["function"]["parameters"], validate_formats=True
        )
        for tool in raw
    }
    used: Counter[str] = Counter()
    wrong = set()
    for one in log:
        for call in (call for message in one.messages for call in message.calls):
            used[call.name] += 1
            if not validators[call.name].is_valid(call.arguments):
                wrong.add(one.id)
    assert wrong == having(untidy, "breaks the schema")
    assert used.keys() == validators.keys() and min(used.values()) >= 20


def test_no_number_in_an_answer_is_invented(log: list[Conversation]) -> None:
    for one in log:
        seen: set[str] = set()
        for message in one.messages:
            numbers = {n.lstrip("0") for n in re.findall(r"\d+", words(message))}
            if message.role == "assistant" and not message.calls:
                assert numbers <= seen, (one.id, message.content, numbers - seen)
            seen |= numbers


FROM_THE_CONVERSATION = {"bike_id", "booking_id", "ticket_id", "phone", "to", "name", "bike"}


def test_codes_names_and_numbers_in_calls_were_said_before(log: list[Conversation]) -> None:
    def plain(text: str) -> str:
        return re.sub(r"\W", "", text).lower()

    def values(arguments: dict[str, Any]) -> Iterator[str]:
        for key, value in arguments.items():
            if isinstance(value, dict):
                yield from values(value)
            elif key in FROM_THE_CONVERSATION:
                yield value

    for one in log:
        before = ""
        for message in one.messages:
            for call in message.calls:
                for value in values(call.arguments):
                    assert plain(value) in before, (one.id, value)
            before += plain(words(message))


DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def test_a_bare_weekday_is_the_next_one_after_today(log: list[Conversation]) -> None:
    checked = 0
    for one in log:
        stated = re.search(r"Today is \w+ (\S+)\. ", one.messages[0].content)
        assert stated
        today = date.fromisoformat(stated[1])
        for said, answer in zip(one.messages, one.messages[1:], strict=False):
            named = [day for day in DAYS if day in said.content.lower()]
            if said.role != "user" or len(answer.calls) != 1 or answer.calls[0].name != "opening_hours":
                continue
            if len(named) != 1 or re.search(r"next week|sorry|scrap", said.content, re.I):
                continue
            ahead = (DAYS.index(named[0]) - today.weekday()) % 7 or 7
            assert answer.calls[0].arguments["date"] == str(today + timedelta(days=ahead)), one.id
            checked += 1
    assert checked >= 5


def test_no_conversation_is_another_ones_double(log: list[Conversation], untidy: dict[str, str]) -> None:
    repeats = having(untidy, "under another id")
    texts = Counter(tuple(user_turns(one)) for one in log if one.id not in repeats)
    assert max(texts.values()) == 1


def user_turns(one: Conversation) -> list[str]:
    return [message.content for message in one.messages if message.role == "user"]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_tested_is_not_what_was_trained_on(log: list[Conversation], seed: int) -> None:
    sides = split(log, seed=seed)
    train = {text for one in sides["train"] for text in user_turns(one)}
    assert not [one.id for one in sides["test"] if user_turns(one)[0] in train]
    test = [text for one in sides["test"] for text in user_turns(one)]
    assert sum(text in train for text in test) / len(test) < 0.1, "more than a few thank-yous are shared"


def test_nobody_real_can_be_reached() -> None:
    text = LOG.read_text(encoding="utf-8")
    assert set(re.findall(r"@([\w.]+\w)", text)) == {"example.com"}
    assert all(number.startswith("01") for number in re.findall(r"\b555[- ]?(\d{4})", text))
    assert not re.search(r"\b\d{7,}\b", text)
