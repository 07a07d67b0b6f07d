"""Figures and intervals: known values, floors, and denominators that cannot be gamed."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.caller import Reply, Timings, Usage
from toolfinch.evaluate.intervals import bootstrap, clustered_wilson, quantile, ratio, wilson
from toolfinch.evaluate.metrics import FIGURES, Result, by_group, metrics
from toolfinch.example import Example, Expected, ExpectedCall, gold_message
from toolfinch.message import ToolCall, assistant, user
from toolfinch.score import score
from toolfinch.tool import Tool

A = Tool("alpha", "", {"type": "object", "properties": {"x": {"type": "integer"}}})
B = Tool("beta", "", {"type": "object", "properties": {}})


def example(i: int, *gold: ToolCall, conversation: str = "", **more: object) -> Example:
    expected = Expected("call" if gold else "decline", tuple(ExpectedCall(c) for c in gold))
    return Example(f"{conversation or f'c{i}'}/{i}", (A, B), (user("?"),), expected, **more)  # type: ignore[arg-type]


def result(ex: Example, *made: ToolCall, **reply: object) -> Result:
    r = Reply(assistant("", *made), **reply)  # type: ignore[arg-type]
    return Result(ex, r, score(ex, r))


def x(value: int) -> ToolCall:
    return ToolCall("alpha", {"x": value})


SUITE = [example(0, x(1)), example(1, x(2), ToolCall("beta", {})), example(2), example(3)]


def value(results: list[Result], name: str) -> float | None:
    return metrics(results).figures[name].value


def test_gold_is_perfect_and_still_uncertain() -> None:
    """Every rate is 1 with an upper bound of 1, and four cases do not prove perfection."""
    m = metrics([result(ex, *gold_message(ex).calls) for ex in SUITE])
    rates = {name: f for name, f in m.figures.items() if f.unit == "rate"}
    assert {f.value for f in rates.values()} == {1.0} and not m.failures
    assert all(f.high == 1 and f.low is not None and f.low < 0.7 for f in rates.values())


def test_one_conversation_proves_little() -> None:
    """The bootstrap of a single conversation has nothing to draw, and would call its mean certain."""
    figure = metrics([result(SUITE[1], x(2))]).figures["selection_f1"]
    assert figure.value == pytest.approx(2 / 3)
    assert figure.low is not None and figure.high is not None and figure.high - figure.low > 0.5


def test_never_call_has_its_floor() -> None:
    """The constant answer must not be paid for selection, only for refusing."""
    m = metrics([result(ex) for ex in SUITE])
    got = {name: m.figures[name].value for name in FIGURES}
    assert got["exact_match"] == got["decision_accuracy"] == got["tool_decision_accuracy"] == 0.5
    assert got["selection_f1"] == got["selection_recall"] == got["call_recall"] == got["argument_key_f1"] == 0
    assert got["no_tool_recall"] == 1 and got["no_tool_precision"] == 0.5
    assert got["json_validity"] is got["argument_correctness"] is got["argument_accuracy"] is None
    assert m.failures["missed_call"].value == 0.5


def test_always_calling_one_tool_has_its_floor() -> None:
    """Stray calls bring a no-tool example into the selection figures, as 0."""
    results = [result(ex, x(1)) for ex in SUITE]
    assert value(results, "selection_precision") == pytest.approx((1 + 1 + 0 + 0) / 4)
    assert value(results, "selection_recall") == pytest.approx((1 + 0.5 + 0 + 0) / 4)
    assert value(results, "selection_f1") == pytest.approx((1 + 2 / 3) / 4)
    assert value(results, "no_tool_recall") == 0 and value(results, "no_tool_precision") is None
    assert value(results, "argument_accuracy") == 0.5 and value(results, "argument_correctness") == 1


def test_malformed_and_cut_off_replies() -> None:
    """An unread call lowers validity; a reply cut off by the token limit was not read whole, and is no answer."""
    results = [
        result(SUITE[0], x(1), unread=("{",)),
        result(SUITE[2], unread=("{", "{")),
        result(SUITE[3], stop="length"),
        result(SUITE[3]),
    ]
    assert value(results, "json_validity") == 0.25 and value(results, "parse_success") == 0.25
    assert value(results, "no_tool_recall") == pytest.approx(1 / 3)  # silence at the limit is no restraint


def test_endpoint_errors_are_no_wrong_answers() -> None:
    """A timeout must lower no figure, and must be seen."""
    right = [result(ex, *gold_message(ex).calls) for ex in SUITE]
    m = metrics([*right, result(SUITE[0], stop="error", error="timeout")])
    assert m.errors == 1 and m.examples == 5 and m.figures["exact_match"].value == 1
    assert m.failures["endpoint_error"].value == 0.2


def test_latency_and_tokens() -> None:
    """The p95 of twenty replies is the nineteenth, and tokens are means."""
    results = [
        result(example(i), timings=Timings(total_s=i), usage=Usage(prompt_tokens=10 * i))
        for i in range(1, 21)
    ]
    m = metrics(results)
    median, p95, tokens = (m.figures[n] for n in ("latency_median", "latency_p95", "prompt_tokens"))
    assert (median.value, p95.value, tokens.value) == (10, 19, 105)
    assert metrics([result(example(0))]).figures["prompt_tokens"].value is None
    assert median.low is not None and median.high is not None and median.low < 10 < median.high


def test_a_prompt_that_did_not_fit_was_not_answered_fast() -> None:
    """Who can read none of the long prompts would be the fastest on them."""
    quick = result(example(0), stop="context", error="too long", timings=Timings(total_s=0.001))
    slow = result(example(1), timings=Timings(total_s=2.0))
    assert value([quick, quick, slow], "latency_median") == 2.0
    assert value([quick], "latency_median") is None and value([quick], "exact_match") == 0


def test_groups() -> None:
    """A result counts under its scenario and each of its tags once."""
    results = [
        result(example(0, scenario="single_tool", tags=("hard", "hard")), x(1)),
        result(example(1, scenario="no_tool_needed")),
        result(example(2)),
    ]
    groups = by_group(results, metrics)
    assert {name: m.examples for name, m in groups.items()} == {
        "no_tool_needed": 1,
        "single_tool": 1,
        "tag: hard": 1,
    }
    assert list(groups)[-1] == "tag: hard"


def test_nothing_at_all() -> None:
    """An empty set has no figure, not a division by zero or a 0 %."""
    assert all(f.value is None for f in metrics([]).figures.values())


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(8, 10, 0.490162, 0.943318), (0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (1, 1, 0.206549, 1.0),
     (50, 100, 0.403832, 0.596168), (195, 200, 0.942822, 0.989275)],
)  # fmt: skip
def test_wilson_known_values(successes: int, trials: int, low: float, high: float) -> None:
    """Values of the closed form, as R's prop.test(correct=FALSE) gives them."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_what_is_no_rate(successes: int, trials: int) -> None:
    """A rate above 1 would otherwise pass in silence as NaN."""
    with pytest.raises(ValueError, match="not a rate"):
        wilson(successes, trials)


@given(st.integers(1, 200), st.data())
def test_single_decisions_give_plain_wilson(n: int, data: st.DataObject) -> None:
    """Without clusters the design effect is 1, and the textbook interval must come out."""
    k = data.draw(st.integers(0, n))
    right = np.array([1.0] * k + [0.0] * (n - k))
    assert clustered_wilson(right, np.ones(n), [str(i) for i in range(n)]) == pytest.approx(wilson(k, n))


def test_turns_of_one_conversation_are_no_new_evidence() -> None:
    """Ten copies of each decision must not narrow either interval."""
    right = np.array([1.0] * 8 + [0.0] * 2)
    once = [str(i) for i in range(10)]
    ten = [c for c in once for _ in range(10)]
    copies, ones = np.repeat(right, 10), np.ones(100)
    many, few = clustered_wilson(copies, ones, ten), clustered_wilson(right, np.ones(10), once)
    assert many == pytest.approx(few, abs=0.02) and many[0] <= few[0] and many[1] >= few[1]
    assert bootstrap(ten, ratio(copies, ones)) == bootstrap(once, ratio(right, np.ones(10)))
    wide, narrow = (
        bootstrap(ten, ratio(copies, ones)),
        bootstrap(list(map(str, range(100))), ratio(copies, ones)),
    )
    assert wide is not None and narrow is not None and wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    """For 400 values the percentile interval and mean ± 1.96 s/√n agree; and the seed fixes it."""
    values = np.random.default_rng(1).normal(5, 2, 400)
    got = bootstrap([str(i) for i in range(400)], ratio(values, np.ones(400)))
    half = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert got == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert got == bootstrap([str(i) for i in range(400)], ratio(values, np.ones(400)))


def test_bootstrap_chunks_do_not_change_the_answer_much() -> None:
    """Large sets are resampled in pieces: the replicates must all be there."""
    seen: list[int] = []

    def count(weights: np.ndarray) -> np.ndarray:
        seen.append(len(weights))
        assert (weights.sum(axis=1) == 5000).all()
        return weights[:, 0]

    bootstrap([str(i) for i in range(5000)], count, replicates=1000)
    assert sum(seen) == 1000 and len(seen) > 1


def test_bootstrap_of_the_undefined_is_none() -> None:
    """No replicate with a denominator: no interval, not a NaN in a report."""
    assert bootstrap(["a", "b"], ratio(np.zeros(2), np.zeros(2))) is None


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.sampled_from([0.5, 0.95]))
def test_quantile_is_an_observed_value(values: list[float], q: float) -> None:
    """Share at or below is at least q, and no smaller value will do."""
    at = quantile(np.array(values), q)(np.ones((1, len(values))))[0]
    assert at in values and sum(v <= at for v in values) >= q * len(values) - 1e-9
    assert sum(v < at for v in values) < q * len(values) + 1e-9


def test_groups_with_numbers_come_in_their_order() -> None:
    """Lengths of 16k before 4k hide how quality falls."""
    names = ["8k late", "16k early", "4k early", "x", "32k early", "", "²"]
    one = result(SUITE[0], *gold_message(SUITE[0]).calls)
    results = [
        Result(msgspec.structs.replace(one.example, scenario=name), one.reply, one.score) for name in names
    ]
    order = ["4k early", "8k late", "16k early", "32k early", "x", "²"]
    assert list(by_group(results, metrics)) == order
