"""Would break: a threshold that lets through more wrong replies than was promised, a record that calibrates itself,
a missing signal read as a zero, a calibration of another model used in silence, figures that formulas contradict."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_signals import made
from toolfinch import message
from toolfinch.caller import Reply, Signals
from toolfinch.decode import calibration
from toolfinch.decode.calibration import Calibration, Column, Limit, Map, class_of, features, p_right
from toolfinch.decode.copied import copied
from toolfinch.errors import DataError, UsageError
from toolfinch.evaluate import calibrate, thresholds
from toolfinch.evaluate.calibrate import Record, fit
from toolfinch.evaluate.reliability import measure
from toolfinch.message import ToolCall, user
from toolfinch.tool import Tool

pytest.importorskip("sklearn")


def as_arrays(found: list[Record]) -> tuple[np.ndarray, list[str]]:
    return np.array([r.right for r in found], dtype=float), [r.group for r in found]


# --- copied ---

SAID = (user("Book a table at Trattoria Roma for 4 on March 3, around 7 pm. My mail is eva@example.com"),)


@pytest.mark.parametrize(
    ("arguments", "share"),
    [
        ({"place": "Trattoria Roma"}, 1.0),
        ({"place": "trattoria ROMA", "people": 4}, 1.0),
        ({"date": "2025-03-03", "time": "19:00"}, 1.0),
        ({"people": 4.0}, 1.0),
        ({"people": 3}, 1.0),  # the day of a date is a number that was said
        ({"people": 44}, 0.0),
        ({"place": "Trattoria Roma", "city": "Venice"}, 0.5),
        ({"who": {"mail": "eva@example.com", "names": ["Eva", "Adam"]}}, 2 / 3),
        ({"outside": True, "note": None, "more": [], "text": " "}, None),
        ({}, None),
    ],
)
def test_copied_is_the_share_of_values_that_were_said(
    arguments: dict[str, object], share: float | None
) -> None:
    found = copied([ToolCall("book", arguments)], SAID)
    assert found == (None if share is None else pytest.approx(share))


def test_copied_looks_into_results_and_earlier_calls() -> None:
    call = ToolCall("find", {"name": "Eva Lind"}, "c1")
    told = [user("Who is it?"), message.assistant("", call), message.tool('{"id": "BK-4471"}', "c1", "find")]
    assert copied([ToolCall("open", {"id": "BK-4471", "name": "Eva Lind"})], told) == 1.0


# --- features and maps ---


def test_a_missing_signal_is_no_doubt_and_no_zero() -> None:
    called = Signals(True)
    sure = Signals(True, trigger=1.0, name=1.0, value_min=1.0, value_mean=1.0, removed=0.0, copied=1.0)
    assert [f.value for f in features(called)] == [f.value for f in features(sure)]
    assert [f.missing for f in features(called)] == [True] * 6 + [False]
    assert not any(f.missing for f in features(sure))
    assert features(Signals(False))[0].value == features(Signals(False, trigger=0.0))[0].value


probabilities = st.floats(0, 1)
margins = st.floats(-1, 1)


@given(
    st.builds(
        Signals,
        called=st.booleans(),
        trigger=st.none() | probabilities,
        name=st.none() | margins,
        value_min=st.none() | margins,
        value_mean=st.none() | margins,
        removed=st.none() | probabilities,
        copied=st.none() | probabilities,
        sampled=st.integers(0, 10_000),
    )
)
def test_every_reply_has_a_probability(signals: Signals) -> None:
    p = p_right(FITTED.calibration, signals)
    assert 0 < p < 1


def test_the_many_and_the_one_are_the_same_formula() -> None:
    one = [p_right(FITTED.calibration, record.signals) for record in RECORDS]
    table = calibrate._Table.of(RECORDS)
    many = np.empty(len(RECORDS))
    for called, mapping in ((True, FITTED.calibration.called), (False, FITTED.calibration.words)):
        rows = np.flatnonzero(table.called == called)
        many[rows] = calibrate._read(mapping, table, rows)
    assert one == pytest.approx(many.tolist())


def test_calibrated_probabilities_beat_the_models_own_on_replies_not_seen() -> None:
    right, groups = as_arrays(RECORDS)
    before = measure(np.array([r.raw for r in RECORDS], dtype=float), right, groups)
    after = measure(FITTED.held, right, groups)
    assert after.brier.value < before.brier.value
    assert after.ece_mass.value < before.ece_mass.value
    assert after.log_loss.value < before.log_loss.value
    # Near what the true probabilities score: nobody can do better.
    assert after.brier.value < np.mean((np.array(TRUTH) - right) ** 2) + 0.015


def test_no_record_calibrates_itself() -> None:
    """Where signals say nothing, held-out probabilities must not know what was right."""
    rng = np.random.default_rng(1)
    noise = [
        msgspec.structs.replace(r, right=bool(rng.random() < 0.5), group=f"c{i // 4}")
        for i, r in enumerate(RECORDS)
    ]
    right, _ = as_arrays(noise)
    held = fit(noise, folds=5).held
    assert np.corrcoef(held, right)[0, 1] < 0.12
    # And a conversation whose turns are all alike is held out whole.
    alike = [
        msgspec.structs.replace(
            r, right=i // 4 % 3 == 0, signals=Signals(True, trigger=0.5 + (i // 4) / 1000)
        )
        for i, r in enumerate(noise)
    ]
    right, _ = as_arrays(alike)
    assert np.corrcoef(fit(alike, folds=5).held, right)[0, 1] < 0.12


def test_a_conversation_is_in_one_fold_and_folds_are_even() -> None:
    groups = np.array([f"c{i // 3}" for i in range(300)])
    fold = calibrate._folds(groups, 5, 0)
    assert all(len(set(fold[groups == name])) == 1 for name in set(groups))
    assert np.bincount(fold).tolist() == [60] * 5


def test_few_words_give_one_probability() -> None:
    called = [r for r in RECORDS if r.signals.called]
    words = [r for r in RECORDS if not r.signals.called][:6]
    made_of_few = fit([*called, *words], folds=5).calibration
    right = sum(r.right for r in words)
    assert made_of_few.words == Map((), 0.0, (0.0,), ((right + 1) / 8,), 6)
    assert made_of_few.limit("words").threshold is None


@pytest.mark.parametrize(
    ("records", "says"),
    [
        (lambda: RECORDS[:99], "99 replies: a calibration needs 100"),
        (
            lambda: [msgspec.structs.replace(r, right=True) for r in RECORDS],
            "0 wrong: a calibration needs 10",
        ),
        (lambda: [msgspec.structs.replace(r, right=False) for r in RECORDS], "0 replies are right"),
        (
            lambda: [msgspec.structs.replace(r, group="one") for r in RECORDS],
            "1 conversations: a calibration needs",
        ),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(records, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=says):
        fit(records())


# --- thresholds ---


@pytest.mark.parametrize(
    ("wrong", "n", "sure", "bound"), [(0, 45, 0.9, 0.0499), (1, 77, 0.9, 0.0497), (5, 100, 0.95, 0.1023)]
)
def test_clopper_pearson(wrong: int, n: int, sure: float, bound: float) -> None:
    found = thresholds.clopper_pearson(wrong, n, sure)
    assert found == pytest.approx(bound, abs=2e-4)
    # Its definition: at the bound, so few wrong ones come with probability 1 - sure.
    tail = sum(math.comb(n, k) * found**k * (1 - found) ** (n - k) for k in range(wrong + 1))
    assert tail == pytest.approx(1 - sure)


def test_needed_is_the_fewest_that_show_it() -> None:
    n = thresholds.needed(0.05, 0.9)
    assert thresholds.clopper_pearson(0, n, 0.9) <= 0.05 < thresholds.clopper_pearson(0, n - 1, 0.9)


@pytest.mark.parametrize(("too_sure", "turns"), [(0.0, 1), (0.04, 4)])
def test_thresholds_keep_to_their_target(too_sure: float, turns: int) -> None:
    """Of 300 draws at most one in ten goes beyond the target, though the probabilities are off, or turns go together."""
    target, sure, draws = 0.1, 0.9, 300
    violated = given_one = 0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        p = rng.beta(4, 0.5, 200)
        truth = np.clip(p - too_sure, 0, 1)
        shared = np.repeat(rng.random(200 // turns), turns)  # the turns of a conversation are right together
        together = np.repeat(rng.random(200 // turns) < 0.3, turns)
        luck = np.where(together, shared, rng.random(200)) if turns > 1 else rng.random(200)
        right = (luck < truth).astype(float)
        groups = [str(i // turns) for i in range(200)]
        found = thresholds.limit("read", p, right, groups, target=target, sure=sure)
        if found.threshold is None:
            continue
        given_one += 1
        many = np.random.default_rng(draw + 10**6).beta(4, 0.5, 20_000)
        above = many[many >= found.threshold]
        violated += float((1 - np.clip(above - too_sure, 0, 1)).mean()) > target
    noise = 2 * math.sqrt(0.1 * 0.9 / draws)
    assert violated / draws <= 1 - sure + noise
    assert given_one > draws / 4, "a threshold that is never given keeps to everything"


def test_a_threshold_needs_evidence() -> None:
    few = np.full(40, 0.99)
    names = [str(i) for i in range(40)]
    assert thresholds.limit("write", few, np.ones(40), names, target=0.05, sure=0.9).threshold is None
    many = np.full(60, 0.99)
    names = [str(i) for i in range(60)]
    assert thresholds.limit("write", many, np.ones(60), names, target=0.05, sure=0.9).threshold is not None
    # Sixty turns of ten conversations are no sixty trials.
    names = [str(i // 6) for i in range(60)]
    assert thresholds.limit("write", many, np.ones(60), names, target=0.05, sure=0.9).threshold is None


def test_no_reply_of_a_class_is_no_threshold() -> None:
    none = np.empty(0)
    assert thresholds.limit("read", none, none, [], target=0.1, sure=0.9) == Limit("read", 0.1, 0.9, None, 0)


# --- figures ---


def test_aurc_is_the_mean_over_all_orders_of_equals() -> None:
    rng = np.random.default_rng(0)
    p = np.round(rng.random(400), 1)
    right = (rng.random(400) < p).astype(float)
    found = measure(p, right, [str(i) for i in range(400)])
    orders = []
    for _ in range(300):
        order = np.lexsort((rng.random(400), -p))
        orders.append(np.mean(np.cumsum(1 - right[order]) / np.arange(1, 401)))
    assert found.aurc.value == pytest.approx(np.mean(orders), abs=0.003)
    r = 1 - right.mean()
    assert found.aurc_best.value == pytest.approx(r + (1 - r) * math.log(1 - r), abs=1e-9)


def test_figures_by_hand() -> None:
    p, right = np.array([0.9] * 10 + [0.3] * 10), np.array([1.0] * 9 + [0] + [1] * 5 + [0] * 5)
    found = measure(p, right, [str(i) for i in range(20)])
    assert found.brier.value == pytest.approx((9 * 0.01 + 0.81 + 5 * 0.49 + 5 * 0.09) / 20)
    assert found.ece_mass.value == pytest.approx(0.1)
    assert found.points[0].coverage == 0.5 and found.points[0].risk.value == pytest.approx(0.1)
    assert found.points[-1].coverage == 1.0 and found.points[-1].risk.value == pytest.approx(0.3)


def test_perfect_probabilities_have_the_ece_of_perfect_ones() -> None:
    rng = np.random.default_rng(3)
    p = rng.random(1000)
    found = measure(p, (rng.random(1000) < p).astype(float), [str(i) for i in range(1000)])
    assert found.ece_mass.value == pytest.approx(found.ece_perfect, abs=0.015)


# --- on disk ---

PLAIN = Calibration(
    "",
    "",
    ("forty",),
    "0" * 64,
    Map((Column("trigger", 1.0, 2.0, 0.5),), 0.1, (-1.0, 1.0), (0.2, 0.9), 80),
    Map((), 0.0, (0.0,), (0.5,), 20),
    tuple(Limit(risk, 0.1, 0.9, None, 25) for risk in calibration.CLASSES),
    100,
    50,
    10,
    0,
)


def model_in(folder: Path) -> Path:
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def of(model: Path) -> Calibration:
    return msgspec.structs.replace(PLAIN, artifact=calibration.artifact.identity(model))


def test_saved_and_loaded_beside_its_model(tmp_path: Path) -> None:
    model = model_in(tmp_path)
    assert calibration.save(of(model), model) == tmp_path / "calibration.json"
    assert calibration.load(model) == of(model)  # and the hash is not changed by what lies beside
    gguf = tmp_path / "q4.gguf"
    gguf.write_bytes(b"GGUF")
    assert calibration.save(of(gguf), gguf) == tmp_path / "q4.gguf.calibration.json"
    assert calibration.load(gguf) == of(gguf)


def test_another_models_calibration_is_refused(tmp_path: Path) -> None:
    model = model_in(tmp_path)
    with pytest.raises(UsageError, match="no calibration there"):
        calibration.load(model)
    calibration.save(of(model), model)
    (model / "model.safetensors").write_bytes(b"others")
    with pytest.raises(UsageError, match=r"calibration.json: of another model \(\w{12}, not \w{12}\)$"):
        calibration.load(model)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "q4_k_m"}, "of the format q4_k_m"),
        ({"limits": PLAIN.limits[1:]}, "limits: expected one each"),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    model = model_in(tmp_path)
    calibration.save(msgspec.structs.replace(of(model), **change), model)
    with pytest.raises(UsageError, match=says):
        calibration.load(model)


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    model = model_in(tmp_path)
    (model / "calibration.json").write_text('{"artifact": 3}')
    with pytest.raises(UsageError, match=r"calibration\.json: .*artifact"):
        calibration.load(model)


# --- classes ---


@pytest.mark.parametrize(
    ("calls", "risk"),
    [
        ((), "words"),
        (("look",), "read"),
        (("look", "put"), "write"),
        (("put", "drop"), "destructive"),
        (("gone",), "destructive"),
    ],
)
def test_a_reply_is_as_risky_as_its_riskiest_tool(calls: tuple[str, ...], risk: str) -> None:
    tools = [Tool("look", risk="read"), Tool("put", risk="write"), Tool("drop")]
    reply = Reply(message.assistant("", *(ToolCall(name, {}) for name in calls)))
    assert class_of(reply, tools) == risk


RECORDS, TRUTH = made(600, 0)
FITTED = fit(RECORDS, folds=5)
