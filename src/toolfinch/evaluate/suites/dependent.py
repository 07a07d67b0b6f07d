"""How a case of the `dependencies` suite is written: two requests, the calls, and how it goes on."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from toolfinch.evaluate.suites.cases import calls
from toolfinch.example import Expected, ExpectedCall


class After(NamedTuple):
    """How a case goes on: what the first calls brought, and what is right then."""

    results: tuple[str, ...]
    expected: Expected


class Case(NamedTuple):
    kind: str
    """`condition`, `order`, `value` or `choice`: why the second call has to wait."""
    waits: str
    twin: str
    """The same without dependence; empty where that would be another request."""
    now: tuple[ExpectedCall, ...]
    then: tuple[ExpectedCall, ...]
    """What the twin wants beside `now`. The calls that wait are of the same tools, maybe with other values."""
    after: tuple[After, ...]


Calls = ExpectedCall | tuple[ExpectedCall, ...]


def case(kind: str, waits: str, twin: str, now: Calls, then: Calls, *after: After) -> Case:
    return Case(kind, waits, twin, _several(now), _several(then), after)


def _several(given: Calls) -> tuple[ExpectedCall, ...]:
    return (given,) if isinstance(given, ExpectedCall) else given


def due(results: Any, *expected: ExpectedCall) -> After:
    """After these results (one, or a tuple with one for each first call) the calls are due."""
    return After(_texts(results), calls(*expected))


def off(results: Any, words: str) -> After:
    """After these results the condition has failed, and nothing is left but to say so."""
    return After(_texts(results), Expected("say", text=words))


def _texts(results: Any) -> tuple[str, ...]:
    each = results if isinstance(results, tuple) else (results,)
    return tuple(msgspec.json.encode(result).decode() for result in each)
