"""Comparing two callers: known p-values, a level and a power that hold, symmetry, and bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolfinch.callers import floors
from toolfinch.cli.main import main
from toolfinch.errors import DataError, ToolfinchError, UsageError
from toolfinch.evaluate import paired
from toolfinch.evaluate.compare import FLOORS, Comparison, Side, compare, side
from toolfinch.evaluate.intervals import Floats
from toolfinch.evaluate.judged import Judged, encode
from toolfinch.score import FailureKind


def case(i: int, right: bool, caller: str = "a", suite: str = "s", group: str = "", **more: object) -> Judged:
    failure: FailureKind | None = None if right else "wrong_value"
    fields = {"asked": "1f", "failure": failure, "seconds": 1.0, "selection": (1, 0, 0), **more}
    return Judged(suite, caller, f"c{i}/0", group or f"c{i}", "", right=right, **fields)  # type: ignore[arg-type]


def one_side(rights: list[bool], caller: str = "a", size: int = 1, suite: str = "s") -> Side:
    """A side of one case for each answer, `size` of them to a group."""
    cases = [case(i, right, caller, suite, f"g{i // size}") for i, right in enumerate(rights)]
    return Side(caller, f"{caller}/cases.jsonl", tuple(cases))


def of(gained: int, lost: int, same: int = 0, size: int = 1) -> Comparison:
    """B gains some cases, loses some, and agrees on the rest."""
    a = [False] * gained + [True] * lost + [True] * same
    b = [True] * gained + [False] * lost + [True] * same
    return compare(one_side(a, "a", size), one_side(b, "b", size))


def sums(gained: int, lost: int) -> Floats:
    return np.array([1.0] * gained + [-1.0] * lost)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (7, 1, 0.0703),  # Fagerland, Lydersen & Laake 2013, table 1: exact conditional
        (16, 6, 0.0525),  # exact
        (5, 0, 0.0625),
        (6, 0, 0.03125),
        (0, 0, 1.0),
        (3, 3, 1.0),
        (12, 12, 1.0),
        (150, 86, 3.1e-5),  # Agresti's approval ratings: the asymptotic z is 4.17
    ],
)
def test_known_values_of_mcnemar(gained: int, lost: int, p: float) -> None:
    """A wrong tail, a missing factor of two or a lost tie changes these."""
    found = paired.sign_flips(sums(gained, lost))
    assert found == pytest.approx(p, abs=6e-5 if p > 0.001 else 6e-6)
    assert found == paired.sign_flips(sums(lost, gained))


@given(st.integers(0, 60), st.integers(0, 60))
def test_one_case_a_group_is_mcnemar(gained: int, lost: int) -> None:
    """The distribution of the flips must be the binomial one, up to mid-p's half."""
    n, least = gained + lost, min(gained, lost)
    point = math.comb(n, least) / 2**n
    tail = min(1.0, 2 * sum(math.comb(n, k) for k in range(least + 1)) / 2**n)
    if n >= paired.EXACT_BELOW:
        tail = tail - point if gained != lost else 1 - point / 2
    assert paired.sign_flips(sums(gained, lost)) == pytest.approx(tail, abs=1e-12)


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_flips_are_all_flips(sizes: list[int]) -> None:
    """The convolution must count every assignment of signs once."""
    signs = (
        np.array(np.meshgrid(*[[-1, 1]] * len(sizes))).reshape(len(sizes), -1) if sizes else np.zeros((0, 1))
    )
    totals = np.abs(np.array(sizes, dtype=float) @ signs)
    share = float(np.mean(totals >= abs(sum(sizes)) - 1e-9))
    assert paired.sign_flips(np.array(sizes, dtype=float)) == pytest.approx(share)


@pytest.mark.parametrize(
    ("gained", "lost", "pairs", "low", "high"),
    [(7, 1, 21, 0.026, 0.517), (12, 2, 50, 0.0611, 0.3447)],
)
def test_known_score_intervals(gained: int, lost: int, pairs: int, low: float, high: float) -> None:
    """The values that others give for Tango's interval (Fagerland et al. 2014; Newcombe's data)."""
    assert paired.score_interval(gained, lost, pairs) == pytest.approx((low, high), abs=5e-4)


@given(st.integers(0, 80), st.integers(0, 80), st.integers(1, 80))
def test_score_interval_holds_its_difference_and_mirrors(gained: int, lost: int, same: int) -> None:
    """An interval without its estimate, out of range or lopsided is a broken root search."""
    pairs = gained + lost + same
    low, high = paired.score_interval(gained, lost, pairs)
    difference = (gained - lost) / pairs
    assert -1 <= low < difference + 1e-9 and difference - 1e-9 < high <= 1
    assert paired.score_interval(lost, gained, pairs) == pytest.approx((-high, -low), abs=1e-12)
    z = abs(gained - lost) / math.sqrt(max(1, gained + lost))
    if abs(z - 1.96) > 0.001:
        assert (low > 0 or high < 0) == (z > 1.96)


@pytest.mark.parametrize("counts", [(1, 0, 0), (-1, 0, 5), (3, 3, 5)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    """A difference of nothing must not become an interval."""
    with pytest.raises(ValueError, match="discordant"):
        paired.score_interval(*counts)


def test_holm() -> None:
    """The textbook's steps: multiplied by what is left, never falling, in the order given."""
    assert paired.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert paired.holm([0.9, 0.8]) == [1.0, 1.0] and paired.holm([]) == []


def test_connor() -> None:
    """A published example (0.45 and 0.05: 23 pairs at 80 % power), and no number for no difference."""
    assert math.ceil(paired.pairs_needed(0.5, 0.4) or 0) == 23
    assert paired.pairs_needed(0.5, 0.0) is None
    assert paired.pairs_needed(1.0, 1.0) == 6  # with five, the exact test cannot reach 0.05


def drawn(rng: np.random.Generator, groups: int, size: int, gain: float, lose: float) -> Floats:
    """Differences of (groups, size) cases; all cases of a group fall the same way."""
    one = rng.choice([1.0, -1.0, 0.0], p=[gain, lose, 1 - gain - lose], size=(groups, 1))
    return np.repeat(one, size, axis=1)


def sides(differences: Floats) -> tuple[Side, Side]:
    size = differences.shape[1]
    flat = differences.ravel()
    return one_side([d <= 0 for d in flat], "a", size), one_side([d >= 0 for d in flat], "b", size)


@pytest.mark.parametrize(("groups", "size"), [(150, 1), (60, 6), (15, 10)])
def test_the_level_holds_where_cases_cluster(groups: int, size: int) -> None:
    """Under the null few verdicts are wrong; McNemar on the cases would be wrong more than one time in four."""
    rng = np.random.default_rng(7)
    rounds = 600
    verdicts = plain = missed = 0
    for _ in range(rounds):
        d = drawn(rng, groups, size, 0.15, 0.15)
        p = paired.sign_flips(d.sum(axis=1))
        discordant = float(np.abs(d).sum())
        effect = paired.design_effect(d.sum(axis=1), np.full(groups, float(size)), discordant)
        gained, lost = float((d > 0).sum()), float((d < 0).sum())
        low, high = paired.score_interval(gained / effect, lost / effect, d.size / effect)
        missed += not low <= 0 <= high
        verdicts += p < 0.05
        plain += paired.sign_flips(d.ravel()) < 0.05
    assert verdicts / rounds <= 0.07
    assert missed / rounds <= 0.07
    assert plain / rounds > 0.25 if size > 1 else plain == verdicts


@pytest.mark.parametrize(
    ("gain", "lose", "size"), [(0.12, 0.06, 1), (0.3, 0.18, 1), (0.05, 0.01, 1), (0.2, 0.1, 4)]
)
def test_the_cases_that_it_asks_for_tell(gain: float, lose: float, size: int) -> None:
    """So many cases, no more and no fewer, give about 80 % power."""
    needed = paired.pairs_needed(gain + lose, gain - lose)
    assert needed is not None
    groups = math.ceil(needed)  # each group is worth one pair: its cases all fall the same way
    rng = np.random.default_rng(3)
    told = [paired.sign_flips(drawn(rng, groups, size, gain, lose).sum(axis=1)) < 0.05 for _ in range(500)]
    assert 0.7 <= float(np.mean(told)) <= 0.9


def test_more_cases_grow_with_clustering() -> None:
    """Ten cases that stand and fall together are worth one: the number asked for must know."""
    rng = np.random.default_rng(1)
    a, b = sides(drawn(rng, 40, 10, 0.3, 0.2))
    clustered = compare(a, b).overall
    alone = [
        Side(s.caller, s.path, tuple(case(i, c.right, s.caller) for i, c in enumerate(s.cases)))
        for s in (a, b)
    ]
    assert clustered.verdict == "cannot tell" and clustered.more is not None
    needed = paired.pairs_needed(
        (clustered.only_a + clustered.only_b) / clustered.pairs, clustered.difference.value
    )
    assert needed is not None and clustered.more + clustered.pairs > 5 * needed
    assert compare(*alone).overall.p < clustered.p


def test_verdicts() -> None:
    """The plain cases: all for one side, all for the other, and no difference at all."""
    assert of(30, 0).overall.verdict == "better" and of(0, 30).overall.verdict == "worse"
    worse = of(0, 30).overall
    assert (worse.right_a, worse.right_b, worse.difference.value, worse.more) == (30, 0, -1.0, None)
    same = of(0, 0, 200).overall
    assert (same.verdict, same.p, same.more, same.difference.value) == ("cannot tell", 1.0, None, 0.0)
    assert same.difference.low is not None and same.difference.low < 0, (
        "200 cases do not prove two callers equal"
    )
    close = of(9, 5, 100).overall
    assert close.verdict == "cannot tell" and close.more is not None and 200 < close.more < 1000
    assert of(201, 200, 500).overall.more is None, "the difference is as good as 0"
    assert of(30, 0, size=30).overall.verdict == "cannot tell", "one conversation proves nothing"


def test_a_verdict_needs_the_interval_too() -> None:
    """Nine conversations of several sizes whose sums pass the test, while the difference may still be 0."""
    gained = [(2, 2), (-1, 4), (2, 3), (1, 1), (1, 4), (0, 2), (1, 1), (2, 2), (1, 1)]
    made: tuple[list[Judged], list[Judged]] = ([], [])
    for group, (more, size) in enumerate(gained):
        for i in range(size):
            for cases, wins in zip(made, (-more, more), strict=True):
                cases.append(case(100 * group + i, i < wins, group=f"g{group}"))
    found = compare(*(Side(name, name, tuple(cases)) for name, cases in zip("ab", made, strict=True))).overall
    assert found.p < 0.05 and found.difference.low is not None and found.difference.low < 0
    assert found.verdict == "cannot tell"


def test_equal_answers_of_few_conversations_prove_less() -> None:
    """Where nothing differs, a conversation is one pair however long; a bootstrap would call 0 certain."""
    clustered, alone = of(0, 0, 200, size=10).overall, of(0, 0, 20).overall
    assert clustered.difference == alone.difference
    assert clustered.selection is not None and clustered.selection.difference.low is None


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60), st.integers(1, 7))
def test_a_swap_mirrors_the_verdict(answers: list[tuple[bool, bool]], size: int) -> None:
    """Whatever is better one way must be worse the other way, by as much."""
    a = one_side([left for left, _ in answers], "a", size)
    b = one_side([right for _, right in answers], "b", size)
    there, back = compare(a, b).overall, compare(b, a).overall
    mirror = {"better": "worse", "worse": "better", "cannot tell": "cannot tell"}
    assert back.verdict == mirror[there.verdict]
    assert (back.p, back.more, back.only_a, back.only_b) == (there.p, there.more, there.only_b, there.only_a)
    d, e = there.difference, back.difference
    assert d.low is not None and d.high is not None and -1 <= d.low <= d.value + 1e-9 <= d.high + 2e-9
    assert (e.value, e.low, e.high) == pytest.approx((-d.value, -d.high, -d.low))
    if there.verdict == "cannot tell" and there.difference.value == 0:
        assert there.more is None


def test_selection_f1_is_over_each_callers_own_cases() -> None:
    """A case with nothing due counts only for the caller that called something on it (docs/metrics.md)."""
    a = Side("a", "a", (case(0, True), case(1, True, selection=(0, 0, 0)), case(2, True)))
    b = Side(
        "b", "b", (case(0, True), case(1, False, selection=(0, 1, 0)), case(2, False, selection=(1, 1, 0)))
    )
    found = compare(a, b).overall.selection
    assert found is not None
    assert (found.a, found.cases_a, found.cases_b) == (1.0, 2, 3)
    assert found.b == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert found.difference.value == pytest.approx(found.b - found.a)
    assert found.difference.low is not None and found.difference.low < found.difference.value
    played = Side("b", "b", tuple(case(i, True, selection=(0, 0, 0)) for i in range(3)))
    assert compare(a, played).overall.selection is None


def test_latency_ratio() -> None:
    """The ratio is of the medians, turns over with the sides, and leaves out what was not timed."""
    a = Side("a", "a", tuple(case(i, True, seconds=float(i)) for i in range(20)))  # the first has no time
    b = Side("b", "b", tuple(case(i, True, seconds=3.0 * i + i % 2) for i in range(20)))
    there, back = compare(a, b).overall.latency, compare(b, a).overall.latency
    assert there is not None and back is not None
    assert (there.a, there.b, there.ratio.value) == (10.0, 30.0, 3.0)
    assert there.ratio.low is not None and there.ratio.high is not None
    assert 1.5 < there.ratio.low <= 3.0 <= there.ratio.high < 6
    assert back.ratio.value == pytest.approx(1 / 3)
    untimed = Side("b", "b", (case(1, True, seconds=0.0),))
    assert compare(a, untimed).overall.latency is None


def test_what_is_left_out_is_named() -> None:
    """Endpoint errors and cases of one side only must neither count nor vanish."""
    a = Side("a", "a", (case(0, True), case(1, True), case(2, True), case(5, True, suite="only a")))
    b = Side("b", "b", (case(0, False), case(1, False, failure="endpoint_error"), case(3, True)))
    found = compare(a, b)
    assert (found.overall.pairs, found.overall.only_a) == (1, 1)
    assert found.unanswered == ("s: c1/0",)
    assert found.missing_b == ("s: c2/0", "only a: c5/0") and found.missing_a == ("s: c3/0",)
    assert [(c.kind, c.a, c.b, c.lost, c.won) for c in found.changes] == [
        ("wrong_value", 0, 1, ("s: c0/0",), ())
    ]


def test_changes_of_kind() -> None:
    """A failure that only changes its kind is no flip; one that is mended is."""
    a = Side(
        "a", "a", (case(0, False, failure="malformed"), case(1, False, failure="malformed"), case(2, True))
    )
    b = Side("b", "b", (case(0, False, failure="wrong_tool"), case(1, True), case(2, False)))
    kinds = {c.kind: (c.a, c.b, c.lost, c.won) for c in compare(a, b).changes}
    assert kinds == {
        "malformed": (2, 0, (), ("s: c1/0",)),
        "wrong_tool": (0, 1, (), ()),
        "wrong_value": (0, 1, ("s: c2/0",), ()),
    }


def test_suites_are_adjusted_and_pooled() -> None:
    """One lucky suite of four is no verdict; the same luck on all of them is."""

    def suites(gains: list[int]) -> Comparison:
        made: tuple[list[Judged], list[Judged]] = ([], [])
        for number, gained in enumerate(gains):
            for i in range(20):
                made[0].append(case(i, i >= gained, "a", f"s{number}"))
                made[1].append(case(i, True, "b", f"s{number}"))
        return compare(*(Side(name, name, tuple(cases)) for name, cases in zip("ab", made, strict=True)))

    assert suites([6]).suites[0].verdict == "better"  # p = 0.03
    lucky = suites([6, 0, 0, 0])
    assert lucky.suites[0].verdict == "cannot tell" and lucky.suites[0].p == pytest.approx(4 * 2 / 64)
    assert lucky.suites[0].more == 15, "at the level of one suite in four; at 0.05 it would be 4"
    assert lucky.overall.groups == 80, "the same conversation's name in two suites is two conversations"
    often = suites([4, 4, 4, 4])
    assert {part.verdict for part in often.suites} == {"cannot tell"} and often.overall.verdict == "better"


def folder(path: Path, *cases: Judged, raw: bytes = b"") -> Path:
    path.mkdir()
    (path / "cases.jsonl").write_bytes(encode(cases) + raw)
    return path


def test_which_column_is_meant(tmp_path: Path) -> None:
    """A folder stands for its model, never for a floor; a sign in a folder's name is no column."""
    one = folder(
        tmp_path / "a#1", *(case(0, True, name) for name in (*FLOORS, "never-call, free", "model, free"))
    )
    (tmp_path / "a").mkdir()
    assert side(str(one)).caller == "model, free"
    assert side(f"{one}#bm25-pick").caller == "bm25-pick"
    assert side("always-ask", one).caller == "always-ask"
    with pytest.raises(UsageError, match="no column 'other'"):
        side(f"{one}#other")
    two = folder(tmp_path / "two", case(0, True, "x"), case(0, True, "y"))
    with pytest.raises(UsageError, match="2 callers beside the floors: x, y") as error:
        side(str(two))
    assert error.value.hint == f"name one: {two}#COLUMN"
    floor = folder(tmp_path / "floor", case(0, True, "bm25-pick"))
    with pytest.raises(UsageError, match="0 callers beside the floors: bm25-pick"):
        side(str(floor))


def test_the_floors_are_known_by_their_names() -> None:
    """A floor with another name would be taken for a model."""
    names = {getattr(one, "name", None) for one in vars(floors).values() if isinstance(one, type)}
    assert {name for name in names if isinstance(name, str)} == set(FLOORS)


@pytest.mark.parametrize(
    ("cases", "raw", "says"),
    [
        ((), b"", "no case"),
        (
            (case(0, True), case(1, True), case(0, False)),
            b"",
            r"cases.jsonl:3: s: c0/0 of a is already in row 1",
        ),
        ((case(0, True),), b"{\n", r"cases.jsonl:2: not a judged case"),
        ((case(0, True),), b"\xff\n", r"cases.jsonl:2: not a judged case"),
        (
            (case(0, True, failure="malformed"),),
            b"",
            r"cases.jsonl:1: c0/0: right is True, failure is malformed",
        ),
        ((case(0, False, failure=None),), b"", r"cases.jsonl:1: c0/0: right is False, failure is None"),
    ],
)
def test_a_bad_file_is_named(cases: tuple[Judged, ...], raw: bytes, says: str, tmp_path: Path) -> None:
    """A line that is not what it says would be counted for one side."""
    with pytest.raises(ToolfinchError, match=says) as error:
        side(str(folder(tmp_path / "a", *cases, raw=raw)))
    assert error.value.exit_code == 2 and "\n" not in str(error.value)


def test_no_common_case() -> None:
    """Two different suites must not become a comparison of nothing."""
    a, b = one_side([True], "a", suite="forty"), one_side([True], "b", suite="bfcl")
    with pytest.raises(UsageError, match=r"a \(forty\) and b \(bfcl\): they have no case in common"):
        compare(a, b)
    failed = Side("b", "b", (case(0, False, failure="endpoint_error", group="g0"),))
    with pytest.raises(UsageError, match="endpoint error"):
        compare(one_side([True]), failed)
    with pytest.raises(
        DataError, match=r"in the group 'g0' in a/cases.jsonl and in 'h' in b: not the same case"
    ):
        compare(one_side([True]), Side("b", "b", (case(0, True, group="h"),)))


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    try:
        main(["compare", *argv])
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every verdict exits 0 and says so, in all three forms; a mistake is one line and exits 2."""
    cases = [case(i, i % 3 == 0, "old") for i in range(40)]
    cases += [case(i, True, "new | <b>", seconds=2.0) for i in range(40)]
    where = str(folder(tmp_path / "runs", *cases))
    code, out, _ = shown(capsys, "old", "new | <b>", "--in", where)
    assert code == 0 and "s: B is better than A (p < 0.001)" in out
    assert "wrong_value in A, right in B, 26: s: c1/0," in out and "and 16 more" in out
    code, out, _ = shown(capsys, "new | <b>", "old", "--in", where, "--markdown")
    assert code == 0 and "- s: B is worse than A" in out and "- A: new \\| &lt;b>" in out
    assert "| s | 40 | 40 | 100.0 | 35.0 | -65.0 [" in out
    code, out, _ = shown(capsys, f"{where}#old", f"{where}#old", "--json")
    found = json.loads(out)
    assert code == 0 and found["overall"]["verdict"] == "cannot tell" and found["overall"]["pairs"] == 40
    code, out, err = shown(capsys, "old", "new")
    assert (code, out) == (2, "") and err.startswith("error: old: no such folder\nhint: ")
    (tmp_path / "empty").mkdir()
    code, _, err = shown(capsys, str(tmp_path / "empty"), where)
    assert code == 2 and "cases.jsonl: no such file" in err
    code, _, err = shown(capsys, "old", "old", "--in", where, "--json", "--markdown")
    assert code == 2 and "choose one" in err


def test_verdicts_keep_their_level() -> None:
    """The whole way, suites and conversations of several sizes: under the null at most 7 % have a verdict."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(300):
        made: tuple[list[Judged], list[Judged]] = ([], [])
        for suite, groups, size in (("one", 60, 1), ("two", 25, 5)):
            d = drawn(rng, groups, size, 0.2, 0.2).ravel()
            for name, right, cases in zip("ab", (d <= 0, d >= 0), made, strict=True):
                cases += [
                    case(i, bool(r), name, suite, f"g{i // size}", selection=(0, 0, 0), seconds=0.0)
                    for i, r in enumerate(right)
                ]
        found = compare(*(Side(name, name, tuple(cases)) for name, cases in zip("ab", made, strict=True)))
        wrong += found.overall.verdict != "cannot tell"
        assert found.overall.groups == 85
    assert wrong / 300 <= 0.07


def test_another_version_of_a_case_is_not_paired() -> None:
    """A suite that was changed between two runs would be laid to the callers."""
    one, other = one_side([True, False]), one_side([True, True], "b")
    changed = msgspec.structs.replace(other.cases[1], asked="2e")
    with pytest.raises(DataError, match=r"c1/0: .*another prompt or expectation"):
        compare(one, msgspec.structs.replace(other, cases=(other.cases[0], changed)))
