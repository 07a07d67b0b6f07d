"""Would break: a conversation (or its double) trained on and tested on, or a split that moves by itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolfinch.data.split import opening, split
from toolfinch.errors import UsageError
from toolfinch.example import Conversation
from toolfinch.message import assistant, user
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
