"""Would break: a gate that looks cheaper than it is, random deferral drawn too low, two runs of different examples
compared, an oracle that a gate beats."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from toolfinch import message
from toolfinch.caller import Reply
from toolfinch.errors import DataError
from toolfinch.evaluate.deferral import Pair, deferral, grid, pairs
from toolfinch.evaluate.metrics import Result
from toolfinch.example import Example, Expected
from toolfinch.message import user
from toolfinch.score import score


def runs(n: int, seed: int, *, informed: bool) -> list[Pair]:
    """A small model that is right three times in four and knows it or not, and a big one that nearly always is."""
    rng = np.random.default_rng(seed)
    p = rng.beta(3, 1, n)
    right = rng.random(n) < p
    said = p if informed else rng.permutation(p)
    return [
        Pair(
            float(said[i]),
            bool(said[i] > 0.7),
            bool(right[i]),
            bool(rng.random() < 0.95),
            1.0,
            20.0,
            f"c{i // 2}",
        )
        for i in range(n)
    ]


def test_the_ends_are_the_models_alone_and_the_gate_pays_for_both() -> None:
    found = deferral(runs(400, 0, informed=True))
    assert (found.small.cost.value, found.big.cost.value) == (1.0, 20.0)
    none, every = found.gate[0], found.gate[-1]
    assert (none.deferred, none.cost.value, none.accuracy.value) == (0.0, 1.0, found.small.accuracy.value)
    assert (every.deferred, every.cost.value, every.accuracy.value) == (1.0, 21.0, found.big.accuracy.value)
    for way in found.gate:
        assert way.cost.value == pytest.approx(1 + 20 * way.deferred)


def test_random_is_the_line_between_the_models() -> None:
    found = deferral(runs(400, 0, informed=True))
    small, big = found.small.accuracy.value, found.big.accuracy.value
    assert small is not None and big is not None
    half = next(way for way in found.gate if way.deferred == 0.5)
    assert half.random == pytest.approx(small + (big - small) * (11 - 1) / 19)
    assert found.gate[-1].random == big  # money beyond the bigger model's buys nothing


def test_signals_that_know_beat_random_and_others_do_not() -> None:
    known = deferral(runs(600, 1, informed=True)).gain
    guessed = deferral(runs(600, 1, informed=False)).gain
    assert known.low is not None and known.low > 0.02
    assert guessed.low is not None and guessed.low < 0.0 < 0.02 < known.low


def test_nothing_beats_the_oracle() -> None:
    found = deferral(runs(400, 2, informed=True))
    best = found.oracle.accuracy.value
    assert best is not None
    assert all(way.accuracy.value is not None and way.accuracy.value <= best for way in found.gate)
    assert found.oracle.deferred <= 1 - (found.small.accuracy.value or 0)


def test_the_cheapest_gate_that_is_as_good_as_the_bigger_model() -> None:
    found = deferral(runs(400, 3, informed=True))
    assert (
        found.iso is not None
        and found.iso.accuracy.value is not None
        and found.big.accuracy.value is not None
    )
    assert found.iso.accuracy.value >= found.big.accuracy.value
    cheaper = [way for way in found.gate if (way.cost.value or 0) < (found.iso.cost.value or 0)]
    assert all((way.accuracy.value or 0) < found.big.accuracy.value for way in cheaper)


def test_equal_probabilities_are_deferred_together() -> None:
    same = [msgspec.structs.replace(one, p=0.5) for one in runs(40, 0, informed=True)]
    assert {way.deferred for way in deferral(same).gate} == {0.0, 1.0}


def test_a_bigger_model_that_costs_no_more_leaves_random_at_its_accuracy() -> None:
    free = [msgspec.structs.replace(one, big_cost=0.5) for one in runs(100, 0, informed=True)]
    found = deferral(free)
    assert {way.random for way in found.gate} == {found.big.accuracy.value}


def test_the_table_has_every_way() -> None:
    names = [row[0] for row in grid(deferral(runs(100, 0, informed=True)), "cents").rows]
    assert names[:3] == ["always small", "always big", "gate, 10% deferred"]
    assert names[-2:] == ["gate as calibrated", "oracle"]


def result(id: str, text: str, said: str, *, stop: str = "stop") -> Result:
    example = Example(f"{id}/1", (), (user(text),), Expected("say"))
    reply = Reply(message.assistant(said), stop=stop, error="gone" if stop == "error" else "")  # type: ignore[arg-type]
    return Result(example, reply, score(example, reply))


def test_pairs_are_of_the_same_example_and_answered() -> None:
    small = [result("a", "Hi", "Hello."), result("b", "Bye", "Bye.")]
    big = [result("a", "Hi", "Hello there."), result("b", "Bye", "", stop="error")]

    def cost(one: Result) -> float:
        return 1.0

    made = pairs(small, big, [0.5, 0.6], [True, False], cost, cost)
    assert [(one.p, one.accepted, one.small_right, one.group) for one in made] == [(0.5, True, True, "a")]
    with pytest.raises(DataError, match="a/1 and b/1: not the same example"):
        pairs(small[:1], small[1:], [0.5], [True], cost, cost)
    with pytest.raises(DataError, match="no example that both models answered"):
        deferral(pairs(small[1:], big[1:], [0.5], [True], cost, cost))
