"""Would break: a log taken for another format, rows of a session torn apart, a large log that fills the memory."""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolfinch.data import dataset
from toolfinch.data.readers import log, rows
from toolfinch.data.readers.repeats import COPY, PREFIX
from toolfinch.data.readers.report import Tally
from toolfinch.errors import DataError, UsageError
from toolfinch.message import ToolCall, from_openai

GOLDEN = Path(__file__).parent / "golden" / "readers"


def lines(path: Path, *found: Any) -> Path:
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in found))
    return path


def chat(*words: str, **more: Any) -> dict[str, Any]:
    roles = itertools.cycle(("user", "assistant"))
    return {"messages": [{"role": r, "content": w} for r, w in zip(roles, words, strict=False)], **more}


def line(session: str, number: int, role: str, text: str) -> dict[str, Any]:
    """A line of a format whose rows share sessions."""
    return {
        "type": role,
        "uuid": f"{session}-{number}",
        "parentUuid": f"{session}-{number - 1}" if number else None,
        "sessionId": session,
        "isSidechain": False,
        "message": {"role": role, "content": text},
    }


def session(name: str, turns: int) -> list[dict[str, Any]]:
    return [line(name, i, ("user", "assistant")[i % 2], f"{name} {i}") for i in range(turns)]


# --- which format ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in log.FORMATS if name != "openai_chat"])
def test_every_format_is_told_by_its_rows_and_reads_as_its_own_reader_does(name: str) -> None:
    """Read through files, groups and the second pass, a session says what its rows say."""
    path = GOLDEN / f"{name}.jsonl"
    assert log.detect(path) == name
    expected = [json.loads(text) for text in (GOLDEN / f"{name}.expected.jsonl").read_text().splitlines()]
    known = [[from_openai(message) for message in row["messages"]] for row in expected]
    found, report = log.read(path)
    assert found
    assert report.format == name
    for one in found:
        assert list(one.messages) in known


@pytest.mark.parametrize("name", log.FORMATS)
def test_the_rows_of_one_format_are_of_no_other(name: str) -> None:
    """One foreign row would make a log of two formats, which is refused."""
    path = GOLDEN / f"{name}.jsonl"
    if name == "openai_chat":
        path = GOLDEN / "xlam.expected.jsonl"
    for text in path.read_bytes().splitlines():
        row = json.loads(text)
        assert {n for n in log.FORMATS if log.format_of(n).looks_like(row)} <= {name}


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"messages": 3},
        {"messages": [[]]},
        {"messages": [{"role": []}]},
        {"type": [], "tools": 1},
        {"conversations": {}, "inputs": []},
        {"message": [], "type": "user", "sessionId": 3},
        {"payload": None, "type": "response_item", "timestamp": {}},
        {"attributes": [1], "events": 2},
    ],
)
def test_a_hostile_row_is_of_no_format_and_raises_nothing_else(row: dict[str, Any]) -> None:
    for name in log.FORMATS:
        module = log.format_of(name)
        module.looks_like(row)
        try:
            module.key(row)
            list(module.sessions([row]))
        except DataError:
            continue


def test_a_log_of_no_known_format_says_what_it_has(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"question": "x", "answer": "secret"}, {"b": 1})
    with pytest.raises(DataError, match=r"no known format .*has the keys question, answer$") as refusal:
        log.read(path)
    assert "secret" not in str(refusal.value)
    with pytest.raises(DataError, match="its first row has no keys"):
        log.detect(lines(tmp_path / "b.jsonl", {}))
    with pytest.raises(UsageError, match="'nope': no such format"):
        log.read(path, format="nope")


def test_plain_chats_among_hermes_rows_are_hermes_rows(tmp_path: Path) -> None:
    """The published set has them: it would be refused as a log of two formats."""
    plain = {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}
    golden = [json.loads(text) for text in (GOLDEN / "hermes.jsonl").read_text().splitlines()]
    path = lines(tmp_path / "a.jsonl", plain, *golden)
    assert log.detect(lines(tmp_path / "b.jsonl", plain)) == "sharegpt"
    assert log.detect(path) == "hermes"
    assert len(log.read(path)[0]) == 1 + len(log.read(GOLDEN / "hermes.jsonl")[0])


def test_a_log_of_two_formats_is_refused_until_one_is_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", chat("hi", "hello"), *session("s", 2))
    with pytest.raises(DataError, match="like openai_chat and like claude_code") as refusal:
        log.read(path)
    assert "--format" in refusal.value.hint
    found, report = log.read(path, format="openai_chat")
    assert (len(found), report.rows, sum(n for n, _ in report.reasons().values())) == (1, 3, 2)


def test_rows_that_are_broken_or_strange_do_not_hide_the_format(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"x": \n[1]\n{"note": 1}\n' + json.dumps(chat("hi", "yes")).encode())
    assert log.detect(path) == "openai_chat"
    assert log.read(path)[1].found == 4


# --- one JSON list --------------------------------------------------------------------------------------

ROWS = [chat("Grüße 🐦" * i, f'"}}],[{{ \\ {i}', session_id=str(i)) for i in range(1, 30)]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_json_list_reads_as_its_lines_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None, zipped: bool
) -> None:
    """Wherever a piece ends: in a character, a string, a bracket."""
    monkeypatch.setattr(rows, "CHUNK", chunk)
    text = b"\xef\xbb\xbf \n" + json.dumps(ROWS, indent=indent, ensure_ascii=False).encode() + b"\n"
    (tmp_path / "a.json").write_bytes(gzip.compress(text) if zipped else text)
    found, report = log.read(tmp_path / "a.json", strict=True)
    as_lines = log.read(lines(tmp_path / "a.jsonl", *ROWS))[0]
    assert [(one.id, one.messages) for one in found] == [(one.id, one.messages) for one in as_lines]
    assert report.rows == len(ROWS)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (b", {", "not JSON from here on"),
        (b"", "not JSON from here on"),
        (b"} ]", "expected , or ]"),
        (b"] x", "text after the end of the list"),
        (b', {"a": "\xff"}]', "decode byte 0xff"),
        (b", " + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_broken_list_gives_what_stands_before_and_says_so(tmp_path: Path, end: bytes, says: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + json.dumps(chat("hi", "yes")).encode() + end)
    found, report = log.read(path)
    assert len(found) == 1
    ((reason, (_, (place,))),) = report.reasons().items()
    assert says in reason
    assert place == f"{path}:2"
    with pytest.raises(DataError, match=r"a\.json:2: "):
        log.read(path, strict=True)


def test_an_element_without_an_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LONGEST", 10_000)
    monkeypatch.setattr(rows, "CHUNK", 1000)
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + json.dumps(chat("hi", "yes")).encode() + b', {"a": "' + b"x" * 1_000_000)
    held: list[int] = []
    more = rows._Text.more

    def watched(self: rows._Text) -> bool:
        held.append(len(self.text))
        return more(self)

    monkeypatch.setattr(rows._Text, "more", watched)
    assert len(log.read(path)[0]) == 1
    assert max(held) < 30_000


# --- rows of one session --------------------------------------------------------------------------------


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), layout=st.sampled_from(["plain", "gzip", "list"]))
def test_sessions_whose_rows_are_mixed_read_as_if_they_stood_apart(
    tmp_path: Path, data: st.DataObject, layout: str
) -> None:
    turns = data.draw(st.lists(st.integers(2, 5), min_size=1, max_size=4))
    apart = [session(f"s{i}", n) for i, n in enumerate(turns)]
    left = [list(one) for one in apart]
    mixed = []
    while any(left):
        mixed.append(data.draw(st.sampled_from([one for one in left if one])).pop(0))
    path = tmp_path / "a.jsonl"
    if layout == "list":
        path.write_text(json.dumps(mixed, indent=1))
    else:
        lines(path, *mixed)
    if layout == "gzip":
        path.write_bytes(gzip.compress(path.read_bytes()))
    found, report = log.read(path, strict=True)
    assert {one.id: [m.content for m in one.messages] for one in found} == {
        f"s{i}": [row["message"]["content"] for row in one] for i, one in enumerate(apart)
    }
    assert [one.id for one in found] == list(dict.fromkeys(row["sessionId"] for row in mixed))
    assert (report.rows, report.read, report.found) == (len(mixed), len(turns), len(turns))


def test_a_broken_row_among_those_of_a_session_leaves_the_session(tmp_path: Path) -> None:
    first, second = session("a", 4), session("b", 2)
    path = lines(tmp_path / "a.jsonl", *first[:2], 3, *second, *first[2:])
    found, report = log.read(path)
    assert [len(one.messages) for one in found] == [4, 2]
    assert report.skipped[0].id == f"{path}:3"


# --- what repeats ---------------------------------------------------------------------------------------


def test_copies_and_beginnings_are_told_apart_and_the_longest_stays(tmp_path: Path) -> None:
    whole = chat("a", "b", "c", "d")
    path = lines(tmp_path / "a.jsonl", chat("a", "b"), whole, chat("x", "y"), whole, chat("a"))
    found, report = log.read(path)
    assert [one.source for one in found] == ["a.jsonl:2", "a.jsonl:3"]
    assert {reason: len(rows) for reason, rows in report.left_out.items()} == {PREFIX: 2, COPY: 1}


def test_a_longer_row_that_cannot_be_read_does_not_take_the_shorter_with_it(tmp_path: Path) -> None:
    broken = chat("a", "b", "c")
    broken["messages"][2]["role"] = "nobody"
    found, report = log.read(lines(tmp_path / "a.jsonl", chat("a", "b"), broken))
    assert len(found[0].messages) == 2
    assert report.found == 2


# --- between the passes ---------------------------------------------------------------------------------


def test_everything_survives_the_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large numbers, marks, error flags, tools that change from row to row and back."""
    monkeypatch.setattr(log, "HELD", 1)
    call = {
        "id": "c",
        "function": {"name": "f", "arguments": '{"n": 123456789012345678901234567890, "x": 1.0}'},
    }
    said = [
        {"role": "user", "content": "é\u2028"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "no", "is_error": True},
        {"role": "assistant", "content": "sorry"},
    ]
    f, g = {"name": "f"}, {"name": "g"}
    offered: list[Any] = [[f], [f], None, [f, g], [f]]
    made = [
        {"messages": said, "tools": tools, "id": i, "marks": {"3": {"kind": "decline"}}}
        for i, tools in enumerate(offered)
    ]
    found, _ = log.read(lines(tmp_path / "a.jsonl", *made), strict=True)
    assert [[tool.name for tool in one.tools] for one in found] == [["f"], ["f"], [], ["f", "g"], ["f"]]
    messages = found[0].messages
    assert messages[1].calls == (ToolCall("f", {"n": 123456789012345678901234567890, "x": 1.0}, "c"),)
    assert messages[2].result is not None
    assert messages[2].result.is_error
    assert (messages[0].content, found[0].marks[3].kind) == ("é\u2028", "decline")


def test_half_a_surrogate_pair_and_deep_nesting_are_reasons(tmp_path: Path) -> None:
    """Both can come out of JSON within a string, long after the row was decoded."""
    deep = "[" * 900 + "]" * 900
    turns = [chat("hi", "yes", id=str(i)) for i in range(12)]
    for i, row in enumerate(turns[1:], start=1):
        nested = '{"x": ' + "[" * (i * 100) + "]" * (i * 100) + "}"
        row["messages"][1]["tool_calls"] = [{"function": {"name": "f", "arguments": nested}}]
    path = lines(
        tmp_path / "a.jsonl", *turns, {**chat("a", "b"), "tools": [{"name": "f", "x": json.loads(deep)}]}
    )
    found, report = log.read(path)
    assert len(found) >= 5
    assert report.found == report.rows == 13
    reading = log._encoded  # what a format's own JSON parser may let through
    with pytest.raises(DataError, match="not Unicode"):
        reading({"content": "\ud83d"})


def test_a_log_that_offers_other_tools_in_every_row_keeps_few_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "KEPT", 3)
    made = [chat("a", str(i), tools=[{"name": f"f{i}"}, {"name": "g"}]) for i in range(20)]
    found, _ = log.read(lines(tmp_path / "a.jsonl", *made), strict=True)
    assert [one.tools[0].name for one in found] == [f"f{i}" for i in range(20)]


def test_strict_stops_before_anything_is_given_out(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", *(chat(str(i), "x") for i in range(5)), {"messages": []})
    given_out = log.conversations(path, strict=True)
    with pytest.raises(DataError, match=r"a\.jsonl:6: messages: empty"):
        next(given_out)


def test_the_tally_is_filled_as_it_goes(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", *(chat(str(i), "x") for i in range(5)), {"messages": []})
    tally = Tally()
    for count, _ in enumerate(log.conversations(path, tally=tally), start=1):
        assert tally.read == count
    assert (tally.report().read, tally.report().found) == (5, 6)


MEASURE = """
import resource, sys
from pathlib import Path
from toolfinch.data.readers import log
count = sum(1 for _ in log.conversations(Path(sys.argv[1])))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["alone", "mixed", "list"])
def test_a_log_of_120_mb_is_streamed_in_little_memory(tmp_path: Path, layout: str) -> None:
    """Held whole it would take several hundred; what is held between the passes at most 32."""
    path = tmp_path / "a.jsonl"
    text = "word " * 400
    with path.open("w") as file:
        file.write("[" if layout == "list" else "")
        for i in range(14_500):
            made = [
                line(f"s{i // 50}-{j}", i % 50, ("user", "assistant")[i % 2], f"{i} {j} {text}")
                for j in range(4)
            ]
            if layout != "mixed":
                made = [chat(*(f"{i} {j} {text}" for j in range(4)))]
            end = "" if layout == "list" and i == 14_499 else ",\n" if layout == "list" else "\n"
            file.writelines(json.dumps(row) + end for row in made)
        file.write("]" if layout == "list" else "")
    assert path.stat().st_size > 110_000_000
    peaks = []
    small = lines(tmp_path / "small.jsonl", *(session("s", 2) if layout == "mixed" else [chat("a", "b")]))
    for one in (small, path):
        out = subprocess.run(
            [sys.executable, "-c", MEASURE, str(one)], capture_output=True, text=True, check=True
        )
        peaks.append(int(out.stdout.split()[1]))
    assert peaks[1] - peaks[0] < 100


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "hermes",
            {
                "conversations": [
                    {"from": "human", "value": "x"},
                    {"from": "gpt", "value": '<tool_call>{"name": "f", "arguments": {}}</tool_call>'},
                    {"from": "tool", "value": "<tool_response>no</tool_response>", "is_error": True},
                ]
            },
        ),
        (
            "toolbench",
            {
                "conversations": [
                    {"from": "user", "value": "x"},
                    {"from": "assistant", "value": "Thought: t\nAction: f\nAction Input: {}"},
                    {"from": "function", "value": "no", "is_error": True},
                ]
            },
        ),
        (
            "langfuse",
            {
                "id": "1",
                "trace_id": "t",
                "type": "GENERATION",
                "input": [
                    {"role": "user", "content": "x"},
                    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c", "output": "no", "status": "failed"},
                ],
            },
        ),
        (
            "langfuse",
            {
                "id": "1",
                "trace_id": "t",
                "type": "GENERATION",
                "input": [
                    {"role": "user", "content": "x"},
                    {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "f"}]},
                    {
                        "role": "tool",
                        "tool_call_id": "c",
                        "is_error": True,
                        "parts": [{"type": "text", "content": "no"}],
                    },
                ],
            },
        ),
    ],
)
def test_a_result_that_the_log_marks_as_failed_stays_so(
    tmp_path: Path, name: str, row: dict[str, Any]
) -> None:
    (one,), _ = log.read(lines(tmp_path / "a.jsonl", row), format=name, strict=True)
    assert [(m.result.content, m.result.is_error) for m in one.messages if m.result] == [("no", True)]
