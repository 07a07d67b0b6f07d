"""The confusion table: which tool was called for which, and what stands against nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.caller import Reply
from toolfinch.evaluate.confusion import NONE, confusion, grid
from toolfinch.evaluate.metrics import Result
from toolfinch.example import Example, Expected, ExpectedCall, Kind
from toolfinch.message import ToolCall, assistant, user
from toolfinch.score import score
from toolfinch.tool import Tool

TOOLS = tuple(Tool(name, "", {"type": "object", "properties": {"at": {}, "to": {}}}) for name in "abcd")


def result(due: list[ToolCall], made: list[ToolCall], kind: Kind = "call", **reply: object) -> Result:
    expected = Expected(kind, tuple(map(ExpectedCall, due)))
    example = Example("c/0", TOOLS, (user("?"),), expected)
    replied = Reply(assistant("", *made), **reply)  # type: ignore[arg-type]
    return Result(example, replied, score(example, replied))


def call(name: str, **arguments: object) -> ToolCall:
    return ToolCall(name, arguments)


@pytest.mark.parametrize(
    ("due", "made", "counted"),
    [
        ("a", "a", {}),
        ("a", "b", {("a", "b"): 1}),
        ("a", "", {("a", NONE): 1}),
        ("", "b", {(NONE, "b"): 1}),
        ("ab", "ba", {}),  # order is no mistake
        ("ab", "ac", {("b", "c"): 1}),
        ("aa", "a", {("a", NONE): 1}),  # repetition counts
        ("a", "aa", {(NONE, "a"): 1}),
        ("aab", "abb", {("a", "b"): 1}),
        ("ab", "cd", {("a", "c"): 1, ("b", "d"): 1}),  # nothing to tell them by: in order
        ("ab", "c", {("a", "c"): 1, ("b", NONE): 1}),
    ],
)
def test_counts(due: str, made: str, counted: dict[tuple[str, str], int]) -> None:
    """What was due stands against what was called in its place, and the rest against nothing."""
    kind: Kind = "call" if due else "say"
    assert confusion([result([call(n) for n in due], [call(n) for n in made], kind)]) == counted


def test_several_are_paired_by_their_arguments() -> None:
    """Two calls to wrong tools, in another order: the places and people say which stands for which."""
    due = [call("a", at="Paris"), call("b", to="Bob")]
    assert confusion([result(due, [call("d", to="Bob"), call("c", at="Paris")])]) == {
        ("a", "c"): 1,
        ("b", "d"): 1,
    }
    assert confusion([result(due, [call("d", to="Al"), call("c", at="Rome")])]) == {
        ("a", "c"): 1,
        ("b", "d"): 1,
    }
    places = [call("a", at="Paris"), call("b", at="Rome")]
    assert confusion([result(places, [call("c", at="Rome"), call("d", at="Paris")])]) == {
        ("a", "d"): 1,
        ("b", "c"): 1,
    }
    assert confusion([result(due, [call("d", to="Bob")])]) == {("b", "d"): 1, ("a", NONE): 1}


def test_what_has_no_name_is_left_out() -> None:
    """An error, an unread call and a free choice of tool are no confusion between tools."""
    a, b = [call("a")], [call("b")]
    assert confusion([]) == {}
    assert (
        confusion([result(a, [], stop="error"), result(a, b, unread=("{",)), result([], [call("e")])]) == {}
    )


@given(st.lists(st.tuples(st.text("abcd", max_size=4), st.text("abcd", max_size=4)), max_size=5))
def test_sums_are_those_of_the_score(turns: list[tuple[str, str]]) -> None:
    """Every missed and every extra call is counted once, for the selection figures are made of them."""
    results = [
        result([call(n) for n in due], [call(n) for n in made], "call" if due else "say")
        for due, made in turns
    ]
    counted = confusion(results)
    assert sum(n for (due, _), n in counted.items() if due != NONE) == sum(r.score.names_fn for r in results)
    assert sum(n for (_, got), n in counted.items() if got != NONE) == sum(r.score.names_fp for r in results)
    assert all(due != got for due, got in counted)


def test_grid_has_the_most_frequent_first_and_loses_none() -> None:
    """A table that is cut off must say so."""
    counted = {("a", "b"): 2, ("b", "a"): 9, ("c", NONE): 2, ("d", "a"): 1}
    assert grid(counted).rows == (("b", "a", "9"), ("a", "b", "2"), ("c", NONE, "2"), ("d", "a", "1"))
    assert grid(counted, top=2).rows == (("b", "a", "9"), ("a", "b", "2"), ("2 more pairs", "", "3"))
    assert grid({}).rows == ()
