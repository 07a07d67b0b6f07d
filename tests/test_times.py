"""Would break: a session that began at another time than its log says, or one that is lost for a time that is none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_rows import HOSTILE
from toolfinch.data import dataset
from toolfinch.data.readers import log, times

AT = "2026-05-04T03:02:01Z"
SECONDS = 1_777_863_721
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@pytest.mark.parametrize(
    "raw",
    [
        *(
            "2026-05-04T03:02:01Z",
            "2026-05-04T03:02:01.999999+00:00",
            "2026-05-04 03:02:01",
            "20260504T030201Z",
        ),
        *("2026-05-04T05:02:01+02:00", "2026-05-03T23:02:01-04:00"),
        *(SECONDS, SECONDS + 0.5, SECONDS * 10**3, SECONDS * 10**6 + 1, SECONDS * 10**9 + 1),
        *(str(SECONDS), str(SECONDS * 1000)),
    ],
)
def test_a_time_is_read_in_every_way_that_logs_write_it(raw: Any) -> None:
    assert times.iso(raw) == AT


@pytest.mark.parametrize(
    "raw",
    [
        *(None, True, 0, 1, -SECONDS, 10**30, float("nan"), float("inf"), [], {}, [SECONDS], {"time": AT}),
        *(
            "",
            "yesterday",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "04.05.2026",
            "2026-13-04",
            "٣" * 4000,
        ),
        *("2026-05-04T03:02:01+99:00", "9" * 5000, "1999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"),
        *HOSTILE,
    ],
)
def test_what_is_no_time_is_none(raw: Any) -> None:
    assert times.iso(raw) == ""


@given(VALUES)
def test_anything_is_a_time_or_none(raw: Any) -> None:
    found = times.iso(raw)
    assert found == "" or re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", found)
    assert times.iso(found) == found


def test_the_first_key_that_holds_a_time_is_taken() -> None:
    assert times.of_row({"timestamp": "soon", "created": SECONDS, "created_at": None, "x": AT}) == AT
    assert times.of_row({}) == ""


def _chat(turns: int, time: Any = None, session: str = "", key: str = "timestamp") -> dict[str, Any]:
    roles = ("user", "assistant")
    row: dict[str, Any] = {"messages": [{"role": roles[i % 2], "content": f"{i}"} for i in range(turns)]}
    return row | ({key: time} if time is not None else {}) | ({"session_id": session} if session else {})


@pytest.mark.parametrize("session", ["", "s"], ids=["unnamed", "named"])
@pytest.mark.parametrize("order", [(2, 4, 6), (6, 4, 2), (4, 6, 2)])
def test_of_requests_of_one_conversation_the_first_says_when_it_began(
    tmp_path: Path, order: tuple[int, ...], session: str
) -> None:
    """Only the longest is kept, which was logged last."""
    path = tmp_path / "a.jsonl"
    rows = [_chat(turns, f"2026-05-04T03:0{turns}:01Z", session) for turns in order]
    rows += [_chat(4, None, session), _chat(6, "garbage", session), _chat(2, "2026-05-01T00:00:00Z", "other")]
    path.write_text("\n".join(map(json.dumps, rows)))
    found, _ = log.read(path)
    assert {(one.id, len(one.messages)): one.time for one in found} == {
        (session or f"a:{order.index(6) + 1}", 6): "2026-05-04T03:02:01Z",
        ("other", 2): "2026-05-01T00:00:00Z",
    }


def test_the_first_of_copies_has_the_earliest_time(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    later, sooner = "2026-05-04T03:02:01Z", "2026-05-04T03:02:00Z"
    path.write_text("\n".join(json.dumps(_chat(2, time)) for time in (later, sooner, later)))
    ((one,), _) = log.read(path)
    assert (one.source, one.time) == ("a.jsonl:1", sooner)


@pytest.mark.parametrize("key", times.KEYS)
def test_a_time_goes_into_a_dataset_and_out_of_it(tmp_path: Path, key: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(_chat(2, SECONDS, key=key)))
    ((one,), _) = log.read(path)
    assert one.time == AT
    dataset.write_dataset(tmp_path / "d.jsonl", [one])
    assert list(dataset.read_dataset(tmp_path / "d.jsonl")) == [one]
    assert log.read(tmp_path / "d.jsonl")[0][0].time == AT
