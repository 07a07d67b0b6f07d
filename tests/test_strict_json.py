"""Would break: a call whose arguments have a key twice is run with one of the two values; a strict value is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.dialects import strict_json
from toolfinch.errors import DataError
from toolfinch.message import call_from_openai, unique_keys

KEYS = st.sampled_from(["a", "b", "a:", ":", "\\", '"', "\\u003a", "é"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(':"\\u03a ', max_size=6)


def _text(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {part}" for key, part in pairs) + "}"


TEXTS = st.recursive(
    LEAVES.map(json.dumps) | LEAVES.map(lambda leaf: json.dumps(leaf, ensure_ascii=False)),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(st.tuples(KEYS, inner), max_size=3).map(_text)
    ),
    max_leaves=6,
)


def _repeats(text: str) -> bool:
    found: list[bool] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        found.append(len({key for key, _ in pairs}) < len(pairs))

    json.loads(text, object_pairs_hook=look)
    return any(found)


@given(TEXTS)
def test_a_key_that_is_repeated_is_never_passed(text: str) -> None:
    value = msgspec.json.decode(text)
    repeats = _repeats(text)
    assert not (repeats and unique_keys(text, value))
    if repeats:
        with pytest.raises(ValueError, match="repeated"):
            strict_json.loads(text)
    else:
        assert strict_json.loads(text) == json.loads(text)


@pytest.mark.parametrize(
    "arguments", ['{"a": 1, "a": 2}', '{"b": {"a": "x:y", "a": 1}}', '{"\\u0061": 1, "a": 1}']
)
def test_a_call_with_such_arguments_is_an_error(arguments: str) -> None:
    with pytest.raises(DataError, match="a key is repeated"):
        call_from_openai({"function": {"name": "f", "arguments": arguments}}, "call")


@pytest.mark.parametrize(
    "text", ["NaN", "[1e999]", '"\\ud800"', "'a'", '{"a": 1} x', "01", '"\n"', "[1,]", "", "[" * 100_000]
)
def test_what_is_not_strictly_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        strict_json.loads(text)


@pytest.mark.parametrize("text", ["-0.0", str(2**70), "1E5", '"\\u0000"', '{"a": {"a": ":"}}', " [1] "])
def test_what_is_strictly_json_is_read_as_python_reads_it(text: str) -> None:
    assert repr(strict_json.loads(text)) == repr(json.loads(text))


def test_objects_one_after_the_other_are_read_from_their_beginnings() -> None:
    text = ' {"a": "}"}\n {"b": 2}x'
    first, at = strict_json.first(text, 0)
    second, end = strict_json.first(text, at)
    assert (first, second, text[end:]) == ({"a": "}"}, {"b": 2}, "x")
    for wrong in (end, len(text)):
        with pytest.raises(ValueError):
            strict_json.first(text, wrong)
