"""Answers with something changed, as models and mischief change them: what `test_bfcl` scores twice.

`changed(example, rng)` is a right answer drawn from the acceptable values, with one change out of `CHANGES`, or
now and then two; where no list says what is right, a few calls or none. A change may leave the answer right.
Left out: text that is no call at all.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from toolfinch.example import Example, ExpectedCall
from toolfinch.message import ToolCall

Calls = list[ToolCall]


def right(example: Example, rng: random.Random) -> Calls:
    """Calls that are right: of each argument any acceptable value, of the optional ones a few."""
    return [_drawn(expected, rng) for expected in example.expected.calls]


def _drawn(expected: ExpectedCall, rng: random.Random) -> ToolCall:
    gold = expected.call.arguments
    arguments = {}
    for key in dict.fromkeys((*gold, *expected.accept)):
        values = [*([gold[key]] if key in gold else []), *expected.accept.get(key, ())]
        if key not in expected.optional or rng.random() < 0.6:
            arguments[key] = values[0] if rng.random() < 0.5 else rng.choice(values)
    return ToolCall(expected.call.name, arguments)


def changed(example: Example, rng: random.Random) -> Calls:
    calls = right(example, rng)
    if not calls:
        names = [*(tool.name for tool in example.tools), "no_such_tool"]
        return [ToolCall(rng.choice(names), {}) for _ in range(rng.randrange(3))]
    for _ in range(rng.choices([0, 1, 2], [5, 80, 15])[0]):
        while True:
            found = rng.choice(CHANGES)(calls, example, rng)
            if found is not None and repr(found) != repr(calls):  # 2 == 2.0
                calls = found
                break
    return calls


# Which calls are made


def no_calls(calls: Calls, example: Example, rng: random.Random) -> Calls:
    return []


def drop_call(calls: Calls, example: Example, rng: random.Random) -> Calls | None:
    return _without(calls, rng.randrange(len(calls))) if calls else None


def duplicate_call(calls: Calls, example: Example, rng: random.Random) -> Calls | None:
    return [*calls, rng.choice(calls)] if calls else None


def reorder_calls(calls: Calls, example: Example, rng: random.Random) -> Calls:
    return rng.sample(calls, len(calls))


def add_call(calls: Calls, example: Example, rng: random.Random) -> Calls:
    return [*calls, ToolCall(rng.choice(example.tools).name, {})]


def rename(calls: Calls, example: Example, rng: random.Random) -> Calls | None:
    if not calls:
        return None
    i = rng.randrange(len(calls))
    name = calls[i].name
    other = rng.choice(
        [
            rng.choice(example.tools).name,
            name.replace(".", "_"),
            name.upper(),
            name.split(".")[-1],
            f"{name}s",
        ]
    )
    return _with(calls, i, ToolCall(other, calls[i].arguments))


# Which arguments a call has


def drop_argument(calls: Calls, example: Example, rng: random.Random) -> Calls | None:
    return _edit(calls, rng, lambda arguments, key: {k: v for k, v in arguments.items() if k != key})


def rename_argument(calls: Calls, example: Example, rng: random.Random) -> Calls | None:
    def renamed(arguments: dict[str, Any], key: str) -> dict[str, Any]:
        other = rng.choice([key.upper(), key.replace("_", ""), f"{key}_"])
        return {other if k == key else k: v for k, v in arguments.items()}

    return _edit(calls, rng, renamed)


def add_argument(calls: Calls, example: Example, rng: random.Random) -> Calls | None:
    """One that the tool has, with its default where it has one, or one that it has not."""
    if not calls:
        return None
    i = rng.randrange(len(calls))
    properties = next((t.parameters["properties"] for t in example.tools if t.name == calls[i].name), {})
    key = rng.choice([*properties, "verbose"])
    described = properties.get(key, {})
    value = described.get("default", rng.choice([True, 1, "", "yes", None, []]))
    return _with(calls, i, ToolCall(calls[i].name, {key: value, **calls[i].arguments}))


# What a value is


def _value(
    edit: Callable[[Any, random.Random], Any],
) -> Callable[[Calls, Example, random.Random], Calls | None]:
    """A change of one argument's value, or of a value inside it; NotImplemented: this value has no such change."""

    def change(calls: Calls, example: Example, rng: random.Random) -> Calls | None:
        def one(arguments: dict[str, Any], key: str) -> dict[str, Any]:
            return {**arguments, key: _inside(arguments[key], edit, rng)}

        return _edit(calls, rng, one)

    return change


def _inside(value: Any, edit: Callable[[Any, random.Random], Any], rng: random.Random) -> Any:
    if value and isinstance(value, list) and rng.random() < 0.7:
        i = rng.randrange(len(value))
        return _with(value, i, _inside(value[i], edit, rng))
    if value and isinstance(value, dict) and rng.random() < 0.8:
        key = rng.choice(list(value))
        return {**value, key: _inside(value[key], edit, rng)}
    found = edit(value, rng)
    return value if found is NotImplemented else found


def retype(value: Any, rng: random.Random) -> Any:
    match value:
        case bool():
            return rng.choice([str(value), str(value).lower(), int(value)])
        case int() | float():
            return rng.choice([str(value), value != 0, [value]])
        case str():
            try:
                return rng.choice([float(value), [value]])
            except ValueError:
                return rng.choice([[value], {"value": value}, 0, True])
        case list() | dict():
            return rng.choice([msgspec.json.encode(value).decode(), [value], {}])
        case _:
            return rng.choice(["null", "None", 0, False])


def other_value(value: Any, rng: random.Random) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return rng.choice([value + 1, -value, value * 10, value + 0.5])
        case str():
            return rng.choice([f"{value} x", value[:-1], value[::-1], "London", f"the {value}"])
        case list():
            return [*value, "x"]
        case dict():
            return {**value, "extra": 1}
        case _:
            return 1


def respell(value: Any, rng: random.Random) -> Any:
    """Case, spaces and punctuation, inside BFCL's set and out of it."""
    if not isinstance(value, str):
        return NotImplemented
    spelled = [
        value.upper(),
        value.lower(),
        value.title(),
        f" {value} ",
        value.replace(" ", "_"),
        value.replace(" ", ""),
        value.replace(" ", "-"),
        value.replace(",", ""),
        value.replace("'", '"'),
        f"{value}.",
        f"{value}!",
        value.replace(" ", "\n"),
        value.replace(" ", "\u00a0"),
        unicodedata.normalize("NFD", value),
        unicodedata.normalize("NFKC", value),
    ]
    return rng.choice(spelled)


def number_form(value: Any, rng: random.Random) -> Any:
    """2 for 2.0, 2.0 for 2."""
    if type(value) is int:
        return float(value)
    return int(value) if type(value) is float and value.is_integer() else NotImplemented


def number_forms(value: Any, rng: random.Random) -> Any:
    """All numbers of a list in the other form, as a model would write them."""
    return [_kept(number_form(one, rng), one) for one in value] if isinstance(value, list) else NotImplemented


def nothing(value: Any, rng: random.Random) -> Any:
    return rng.choice([None, "", [], {}, 0, False])


def edit_list(value: Any, rng: random.Random) -> Any:
    if not value or not isinstance(value, list):
        return NotImplemented
    i = rng.randrange(len(value))
    return rng.choice(
        [
            _without(value, i),
            [*value, value[i]],
            value[::-1],
            [value],
            rng.sample(value, len(value)),
            value[0],
        ]
    )


def edit_object(value: Any, rng: random.Random) -> Any:
    if not value or not isinstance(value, dict):
        return NotImplemented
    key = rng.choice(list(value))
    return rng.choice(
        [
            {k: v for k, v in value.items() if k != key},
            {**value, "extra": 1},
            {k.upper() if k == key else k: v for k, v in value.items()},
            dict(reversed(value.items())),
            [value],
            {**value, key: None},
            {**value, key: ""},
        ]
    )


CALLS = (no_calls, drop_call, duplicate_call, reorder_calls, add_call, rename)
ARGUMENTS = (drop_argument, rename_argument, add_argument)
VALUES = (retype, other_value, respell, number_form, number_forms, nothing, edit_list, edit_object)
CHANGES = (*CALLS, *ARGUMENTS * 2, *map(_value, VALUES * 3), *[_value(respell)] * 6)
"""As often as they are here; values most, for that is where two checkers may differ."""


def _edit(
    calls: Calls, rng: random.Random, edit: Callable[[dict[str, Any], str], dict[str, Any]]
) -> Calls | None:
    places = [(i, key) for i, call in enumerate(calls) for key in call.arguments]
    if not places:
        return None
    i, key = rng.choice(places)
    return _with(calls, i, ToolCall(calls[i].name, edit(calls[i].arguments, key)))


def _with(items: Sequence[Any], i: int, item: Any) -> list[Any]:
    return [*items[:i], item, *items[i + 1 :]]


def _without(items: Sequence[Any], i: int) -> list[Any]:
    return [*items[:i], *items[i + 1 :]]


def _kept(found: Any, value: Any) -> Any:
    return value if found is NotImplemented else found
