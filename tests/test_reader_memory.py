"""Would break: a session of thousands that is held with all others, rows that are given to another session, a broken
row that only the second look finds."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolfinch.data.readers import codex, grouped, log, mcp, repeats
from toolfinch.data.readers.rows import rows

Row = dict[str, Any]
QUICK = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def codex_rows(session: int, text: str) -> list[Row]:
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"{session} {text}"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]},
    ]
    meta = {"timestamp": "t", "type": "session_meta", "payload": {"id": f"s{session}"}}
    return [meta, *({"timestamp": "t", "type": "response_item", "payload": item} for item in items)]


def mcp_rows(session: int, text: str) -> list[Row]:
    """Of no session that is named."""
    sent = [
        {"id": 0, "method": "initialize", "params": {}},
        {"id": 1, "method": "tools/call", "params": {"name": "f", "arguments": {"x": f"{session} {text}"}}},
        {"id": 1, "result": {"content": [{"type": "text", "text": text}]}},
    ]
    return [{"jsonrpc": "2.0", **one} for one in sent]


@pytest.mark.parametrize(("module", "made"), [(codex, codex_rows), (mcp, mcp_rows)])
def test_no_more_is_read_than_the_sessions_that_were_given(module: Any, made: Any) -> None:
    read = 0

    def counted() -> Iterator[Row]:
        nonlocal read
        for session in range(50):
            for row in made(session, "x"):
                read += 1
                yield row

    found = module.sessions(counted())
    for count in range(1, 50):
        next(found)
        assert read <= 3 * count + 1
    assert len(list(found)) == 1


@pytest.mark.parametrize(("module", "made"), [(codex, codex_rows), (mcp, mcp_rows)])
def test_many_sessions_in_a_file_are_not_held_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, made: Any
) -> None:
    monkeypatch.setattr(log, "HELD", 1 << 16)
    monkeypatch.setattr(grouped, "PLACES", 64)  # as many rows as are looked up at once
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        for session in range(80):
            for row in made(session, "x" * 100_000):
                file.write(json.dumps(row) + "\n")
    assert path.stat().st_size > 16_000_000
    next(log.conversations(path, format=module.NAME))  # what is imported on the way is no part of it
    tracemalloc.start()
    try:
        count = sum(1 for _ in log.conversations(path, format=module.NAME, strict=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 80
    assert peak < 5_000_000


@QUICK
@given(keys=st.lists(st.integers(0, 8), min_size=1, max_size=40), places=st.integers(1, 9), data=st.data())
@pytest.mark.parametrize("zipped", [False, True])
def test_rows_come_back_by_key_however_little_is_held(
    tmp_path: Path, zipped: bool, keys: list[int], places: int, data: st.DataObject
) -> None:
    """In the order of their keys' first rows, and of the file."""
    path = tmp_path / "a.jsonl"
    texts = [b'{"key": %d, "at": %d}' % (key, i) for i, key in enumerate(keys)]
    spaces = data.draw(
        st.lists(st.sampled_from([b"", b" ", b"\n\t "]), min_size=len(keys), max_size=len(keys))
    )
    whole = b"".join(space + text + space + b"\n" for space, text in zip(spaces, texts, strict=True))
    path.write_bytes(gzip.compress(whole) if zipped else whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouped, "PLACES", places)
        patch.setattr(grouped, "KNOWN", 2)
        groups = grouped.Groups(path)
        numbers = {}
        for row, key in zip(rows(path), keys, strict=True):
            groups.add(str(key), row)
            numbers[row.text] = row.number
        found = [list(group) for group in groups]
        groups.close()
    expected: dict[int, list[tuple[int, bytes]]] = {}
    for key, text in zip(keys, texts, strict=True):
        expected.setdefault(key, []).append((numbers[text], text))
    assert found == list(expected.values())


@QUICK
@given(said=st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), min_size=1, max_size=25))
def test_what_repeats_is_found_however_little_is_held(tmp_path: Path, said: list[list[str]]) -> None:
    path = tmp_path / "a.jsonl"
    roles = ("user", "assistant", "user", "assistant", "user")
    with path.open("w") as file:
        for words in said:
            messages = [{"role": role, "content": word} for role, word in zip(roles, words, strict=False)]
            file.write(json.dumps({"messages": messages}) + "\n")
    found, report = log.read(path, format="openai_chat")
    longest = {tuple(one) for one in said if not any(one == two[: len(one)] != two for two in said)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "PIECE", 2)
        assert log.read(path, format="openai_chat") == (found, report)
    assert {tuple(m.content for m in one.messages) for one in found} == longest
    assert len(found) == len(longest)


@pytest.mark.parametrize("broken", [b'"\xff"', b"1e999", b"{]", b"[" * 2000 + b"]" * 2000])
@pytest.mark.parametrize("name", ["claude_code", "mcp", "codex"])
def test_a_row_that_is_broken_behind_its_key_leaves_its_session(
    tmp_path: Path, name: str, broken: bytes
) -> None:
    """A first look reads the key alone."""
    if name == "claude_code":
        line = {"sessionId": "s", "isSidechain": False}
        made = [
            {
                **line,
                "type": role,
                "uuid": role,
                "parentUuid": above,
                "message": {"role": role, "content": "x"},
            }
            for role, above in (("user", None), ("assistant", "user"))
        ]
    elif name == "mcp":
        made = [{"session_id": "s", "message": row} for row in mcp_rows(1, "x")]
    else:
        made = codex_rows(1, "x")
    texts = [json.dumps(row).encode() for row in made]
    bad = b'{"sessionId": "s", "session_id": "s", "other": %b}' % broken
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([texts[0], bad, *texts[1:]]))
    found, report = log.read(path, format=name)
    path.write_bytes(b"\n".join(texts))
    whole, _ = log.read(path, format=name, strict=True)
    assert [one.messages for one in found] == [one.messages for one in whole]
    assert [place.id for place in report.skipped] == [f"{path}:2"]
    assert report.rows == len(texts) + 1
