"""Would break: a conversation (or its double) trained on and tested on, or a split that moves by itself."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolfinch.data.split import look, opening, sides, split
from toolfinch.errors import UsageError
from toolfinch.example import Conversation
from toolfinch.message import ToolCall, assistant, user
from toolfinch.tool import Tool


def talk(id: str, text: str, *tools: str) -> Conversation:
    return Conversation(id, tuple(Tool(name) for name in tools), (user(text), assistant("ok")))


def ids(sides: dict[str, list[Conversation]]) -> dict[str, list[str]]:
    return {side: [one.id for one in rows] for side, rows in sides.items()}


MANY = [talk(str(i), "".join(chr(97 + int(d)) for d in str(i)) * 20) for i in range(100)]


def test_the_sides_have_the_sizes_asked_for() -> None:
    assert {side: len(rows) for side, rows in split(MANY).items()} == {
        "train": 80,
        "validation": 10,
        "test": 10,
    }
    sides = split(MANY[:7], {"train": 0.5, "test": 0.5, "rest": 0})
    assert sorted(map(len, sides.values())) == [0, 3, 4]
    assert split([]) == {"train": [], "validation": [], "test": []}


def test_the_seed_decides_and_the_order_of_the_file_does_not() -> None:
    first = ids(split(MANY))
    assert ids(split(MANY)) == first
    assert {s: set(v) for s, v in ids(split(MANY[::-1])).items()} == {s: set(v) for s, v in first.items()}
    assert ids(split(MANY, seed=1)) != first


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["a", "b", "c", "d"]), st.booleans()), max_size=40),
    st.integers(0, 3),
)
def test_no_group_and_no_opening_is_on_two_sides(rows: list[Any], seed: int) -> None:
    talks = [
        talk(f"{n}/{i}", f"Please, {word} {i}!" if loud else f"please {word} {i + 1}", "t")
        for i, (n, word, loud) in enumerate(rows)
    ]
    sides = split(talks, seed=seed, group=lambda one: one.id.split("/")[0])
    assert sorted(one.id for side in sides.values() for one in side) == sorted(one.id for one in talks)
    for key in (lambda one: one.id.split("/")[0], opening):
        seen: dict[str, str] = {}
        for side, found in sides.items():
            for one in found:
                assert seen.setdefault(key(one), side) == side


def test_near_identical_means_same_words_and_same_tools() -> None:
    same = [talk("1", "Book 2 seats, please", "a", "b"), talk("2", "book 14 SEATS please!", "b", "a")]
    assert opening(same[0]) == opening(same[1])
    assert opening(same[0]) != opening(talk("3", "Book 2 seats, please", "a"))
    assert opening(talk("4", "!!")) == "", "nothing in common is no likeness"
    hello = Conversation(
        "5", (), (user("Hi"), assistant("Hello"), user("Where is my parcel?"), assistant("…"))
    )
    other = Conversation("6", (), (user("Hi"), assistant("Hello"), user("Cancel my order"), assistant("…")))
    assert opening(hello) != opening(other), "a bare greeting joins nobody"


@pytest.mark.parametrize("fractions", [{}, {"train": 0.9}, {"train": 1.5, "test": -0.5}])
def test_fractions_that_are_no_division_are_refused(fractions: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="add up to 1"):
        split(MANY, fractions)


def dated(id: str, month: int, text: str = "", tool: str = "") -> Conversation:
    calls = (ToolCall(tool, {}),) if tool else ()
    words = text or "".join(chr(97 + int(d)) for d in id.strip("s").replace("#", "")) * 20
    time = f"2025-{month:02}-01T00:00:00Z" if month else ""
    return Conversation(id, (Tool("a"), Tool("b")), (user(words), assistant("", *calls)), time=time)


def test_by_time_the_latest_are_tested_on() -> None:
    rows = [dated(f"s{i}", 1 + i % 12) for i in range(120)]
    sides = split(rows, by="time")
    months = {side: {one.time for one in found} for side, found in sides.items()}
    assert max(months["train"]) <= min(months["validation"]) <= min(months["test"])
    assert max(months["validation"]) <= min(months["test"])
    assert {side: len(found) for side, found in sides.items()} == {"train": 96, "validation": 12, "test": 12}
    assert {s: set(v) for s, v in ids(split(rows[::-1], by="time")).items()} == {
        s: set(v) for s, v in ids(sides).items()
    }


def test_by_time_a_session_goes_where_its_latest_part_goes_and_what_has_none_is_the_earliest() -> None:
    rows = [dated(f"s{i}", 1 + i % 11) for i in range(100)] + [dated("s1#2", 12), dated("s900", 0)]
    side_of = {id: side for side, found in ids(split(rows, by="time")).items() for id in found}
    assert side_of["s1"] == side_of["s1#2"] == "test"
    assert side_of["s900"] == "train"


def test_a_template_of_the_whole_log_does_not_become_the_test() -> None:
    rows = [dated(f"s{i}", 1 + i % 12, "Weather in the old town please " * 3) for i in range(50)]
    rows += [dated(f"s{i}", 12) for i in range(100, 110)]
    sizes = {side: len(found) for side, found in split(rows, by="time").items()}
    assert sizes == {"train": 50, "validation": 4, "test": 6}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abcdefgh")), min_size=20, max_size=60),
    st.integers(0, 3),
)
def test_by_tool_what_the_test_is_there_for_is_called_nowhere_else(rows: list[Any], seed: int) -> None:
    talks = [dated(f"s{i}", 0, tool=f"{tool}{n % 2}") for i, (n, tool) in enumerate(rows)]
    if len({one.messages[1].calls[0].name for one in talks}) < 2:
        return
    called = {
        side: {call.name for one in found for message in one.messages for call in message.calls}
        for side, found in split(talks, seed=seed, by="tool").items()
    }
    assert called["test"]
    assert called["test"].isdisjoint(called["train"] | called["validation"])


def test_by_tool_a_conversation_with_another_tool_beside_it_is_tested_on_too() -> None:
    both = Conversation(
        "s500", (), (user("x" * 40), assistant("", ToolCall("rare", {}), ToolCall("often", {})))
    )
    rows = [both, *(dated(f"s{i}", 0, tool="often") for i in range(50))]
    sides = split(rows, by="tool")
    assert [one.id for one in sides["test"]] == ["s500"]
    assert len(sides["train"]) + len(sides["validation"]) == 50


@pytest.mark.parametrize(
    ("rows", "more", "message"),
    [
        (MANY, {"by": "time"}, "no conversation has one"),
        (MANY, {"by": "tool"}, "fewer than two tools are called"),
        (MANY, {"by": "tool", "fractions": {"train": 1.0}}, "test part must be more than 0"),
        (MANY, {"by": "tool", "fractions": {"test": 1.0}}, "less than 1"),
    ],
)
def test_a_division_that_cannot_be_made_is_refused(rows: Any, more: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split(rows, **more)


def test_parts_of_a_session_and_its_agents_stay_together() -> None:
    uuid = "0a1b2c3d-0000-4000-8000-00000000000"
    names = [f"{uuid}{i}{part}" for i in range(10) for part in ("", "#2", "/agent-7")]
    rows = [dated("s1", 1, "".join(chr(97 + i) for i in map(int, str(n))) * 30) for n in range(len(names))]
    rows = [msgspec.structs.replace(one, id=name) for one, name in zip(rows, names, strict=True)]
    side_of = {id: side for side, found in ids(split(rows)).items() for id in found}
    assert len(set(side_of.values())) > 1
    for i in range(10):
        assert len({side_of[f"{uuid}{i}{part}"] for part in ("", "#2", "/agent-7")}) == 1


def test_a_template_is_one_group_whatever_fills_it() -> None:
    """The openings differ, so without `templates` the copies are spread."""
    story = " ".join(f"word{i}" for i in range(120))
    copies = [dated(f"s{i}", 0, f"{chr(97 + i) * 45} {story} {i}", tool="a") for i in range(20)]
    others = [dated(f"s{100 + i}", 0) for i in range(80)]
    spread = {side for side, found in split(copies + others).items() if any(one in copies for one in found)}
    assert len(spread) > 1
    together = split(copies + others, templates=True)
    assert [any(one in copies for one in found) for found in together.values()].count(True) == 1


def test_facts_are_small_and_enough() -> None:
    facts = {one.id: look(one) for one in MANY}
    assert pickle.loads(pickle.dumps(facts)) == facts
    assert max(len(pickle.dumps(fact)) for fact in facts.values()) < 200
    side_of = sides(facts, {"train": 0.8, "validation": 0.1, "test": 0.1})
    assert {id: side for side, found in ids(split(MANY)).items() for id in found} == side_of
