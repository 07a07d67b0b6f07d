"""Would break: a row lost in silence, a conversation read as another, a dataset that reads back changed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolfinch.data.curate import quality
from toolfinch.data.dataset import read_dataset, write_dataset
from toolfinch.data.readers.log import read
from toolfinch.data.readers.repeats import COPY, PREFIX
from toolfinch.data.readers.tools import read_tools
from toolfinch.data.stage import filtered, run
from toolfinch.errors import DataError, SchemaError, ToolfinchError
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, assistant, system, tool, user
from toolfinch.tool import Tool, to_openai, to_record

WEATHER = Tool(
    "weather",
    "The weather.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "read",
    True,
)
NOW = Tool("now", "The time.", {"type": "object", "properties": {}})

USER = {"role": "user", "content": "Weather in Rome?"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    ],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "22 C"}
SAY = {"role": "assistant", "content": "22 degrees."}
WHOLE = [USER, CALL, RESULT, SAY]
READ = (
    user("Weather in Rome?"),
    assistant("", ToolCall("weather", {"city": "Rome"}, "c1")),
    tool("22 C", "c1"),
    assistant("22 degrees."),
)


def log(path: Path, *rows: Any) -> Path:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def row(messages: list[Any], **more: Any) -> dict[str, Any]:
    return {"messages": messages, "tools": [to_openai(WEATHER)], **more}


def test_a_log_row_is_a_conversation(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", row(WHOLE, session_id=7, services=["Weather"], tags=["x"], user="ann"))
    (one,), report = read(path)
    offered = Tool("weather", "The weather.", WEATHER.parameters)  # the log says nothing of its risk
    assert one == Conversation("7", (offered,), READ, source="a.jsonl:1", tags=("x", "service:Weather"))
    assert (report.rows, report.read, report.skipped, report.orphan_results) == (1, 1, (), 0)


def test_arguments_may_be_text_or_an_object_and_calls_of_the_old_form(tmp_path: Path) -> None:
    as_object = json.loads(json.dumps(CALL))
    as_object["tool_calls"][0]["function"]["arguments"] = {"city": "Rome"}
    old = {"role": "assistant", "content": None, "function_call": CALL["tool_calls"][0]["function"]}
    old_result = {"role": "function", "name": "weather", "content": "22 C"}
    path = log(
        tmp_path / "a.jsonl",
        row([USER, as_object, RESULT, SAY], id="object"),
        {
            "messages": [USER, old, old_result, SAY],
            "functions": [to_openai(WEATHER)["function"]],
            "id": "old",
        },
    )
    found, report = read(path, strict=True)
    assert found[0].messages == READ
    assert found[1].messages[1].calls == (ToolCall("weather", {"city": "Rome"}),)
    assert found[1].tools == found[0].tools
    assert report.orphan_results == 0


def test_compression_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    text = json.dumps(row(WHOLE, id="1")).encode()
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + text + b"\r\n\r\n")
    (tmp_path / "b.jsonl").write_bytes(gzip.compress(text))  # known by its bytes, not by its name
    plain, zipped = read(tmp_path / "a.jsonl")[0][0], read(tmp_path / "b.jsonl")[0][0]
    assert plain.messages == zipped.messages == READ


BROKEN = [
    (b'{"messages": [', "not JSON"),
    (b"[]", "Expected `object`"),
    (b'{"tools": []}', "missing required field `messages`"),
    (b'{"messages": []}', "messages: empty"),
    (b'{"messages": "hi"}', "$.messages"),
    (b'{"messages": [{"role": "bot", "content": "hi"}]}', "messages[].role"),
    (b'{"messages": [{"role": "user", "content": "\xff"}]}', "not JSON"),
    (b'{"messages": [{"role": "user", "content": "x"}], "marks": {"0": {}}}', "marks.0"),
    (json.dumps(row(WHOLE, tools=[{"name": "f", "parameters": {"type": "array"}}])).encode(), "'f'"),
    (
        json.dumps(row([{**CALL, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}])).encode(),
        "not JSON",
    ),
    (json.dumps(row(WHOLE, tools=[to_openai(WEATHER), {"name": "weather"}])).encode(), "named 'weather'"),
    (b'{"messages": [{"role": "user"}], "tools": [{"name": "f", "description": "\xff"}]}', "not JSON"),
    (b'{"messages": [{"role": "user"}], "tools": [{"name": "f", "x": 1e999}]}', "Number out of range"),
    (b'{"messages": [{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}]}", "not JSON"),
    (
        json.dumps(
            row([{**CALL, "tool_calls": [{"function": {"name": "f", "arguments": "[" * 5000 + "]" * 5000}}]}])
        ).encode(),
        "not JSON",
    ),
]


@pytest.mark.parametrize(("line", "reason"), BROKEN, ids=[r[1] + str(i) for i, r in enumerate(BROKEN)])
def test_a_broken_row_is_counted_or_refused_by_file_and_row(tmp_path: Path, line: bytes, reason: str) -> None:
    path = log(tmp_path / "a.jsonl", row(WHOLE, id="1"), line, row(WHOLE, id="2"))
    found, report = read(path)
    assert [one.id for one in found] == ["1", "2"]
    assert (report.rows, report.read) == (3, 2)
    ((why, (count, places)),) = report.reasons().items()
    assert (reason in why, count, places) == (True, 1, (f"{path}:2",))
    with pytest.raises(DataError) as refusal:
        read(path, strict=True)
    assert str(refusal.value).startswith(f"{path}:2: ")
    assert "\n" not in str(refusal.value)


def test_reasons_are_counted_together_whatever_their_position(tmp_path: Path) -> None:
    bad = {"role": "bot"}
    path = log(tmp_path / "a.jsonl", row([bad]), row([USER, bad]), b"{", b'{"m', row(WHOLE))
    assert [count for count, _ in read(path)[1].reasons().values()] == [2, 2]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "no such file"),
        (b"", "empty"),
        (b"\n \n", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"GGUF\x00\x00\x01", "not text"),
        (b'[{"messages": []}]', "messages: empty; no row of the file could be read"),
        (b"[]", "an empty list"),
        (b"\x1f\x8bnonsense", "broken gzip"),
        (b"{}\n{}\n", "a log in no known format"),
        (b"3\n{\n", "a.jsonl:1: Expected `object`, got `int`; no row of the file could be read"),
    ],
)
def test_a_file_that_is_no_log_gives_one_clear_line(
    tmp_path: Path, content: bytes | None, named: str
) -> None:
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_bytes(content)
    for attempt in (lambda: read(path), lambda: list(read_dataset(path))):
        with pytest.raises(DataError) as refusal:
            attempt()
        assert str(path) in str(refusal.value)
        assert "\n" not in str(refusal.value)
    with pytest.raises(DataError, match=named):
        read(path)


def test_a_cut_gzip_gives_what_is_before_the_cut_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = [json.dumps(row(WHOLE, id=f"s{i}", note=f"{i * 7919:x}" * 40)).encode() for i in range(2000)]
    whole = gzip.compress(b"\n".join(lines))
    path.write_bytes(whole[: len(whole) // 2])
    found, report = read(path)
    assert 0 < len(found) < 2000
    assert "broken gzip" in report.skipped[-1].reason
    assert report.rows == report.read + len(report.skipped)
    with pytest.raises(DataError, match="broken gzip"):
        read(path, strict=True)


@pytest.mark.parametrize("more", [{}, {"session_id": "s"}], ids=["unnamed", "named"])
@pytest.mark.parametrize("order", [(1, 3, 4), (4, 3, 1), (3, 4, 1), (4, 4, 4)])
def test_of_rows_that_continue_one_another_the_longest_is_kept(
    tmp_path: Path, more: dict[str, str], order: tuple[int, ...]
) -> None:
    path = log(tmp_path / "a.jsonl", *(row(WHOLE[:n], **more) for n in order))
    (one,), report = read(path)
    assert one.messages == READ
    assert one.source == f"a.jsonl:{order.index(4) + 1}"
    assert [d.reason for d in report.skipped] == [COPY if order == (4, 4, 4) else PREFIX] * 2
    assert one.source.rpartition(":")[2] not in [d.id.rpartition(":")[2] for d in report.skipped]


def test_sessions_that_only_begin_alike_stay_apart(tmp_path: Path) -> None:
    other = [*WHOLE[:3], {"role": "assistant", "content": "Warm."}]
    path = log(tmp_path / "a.jsonl", row(WHOLE[:3]), row(WHOLE), row(other))
    found, report = read(path)
    assert [len(one.messages) for one in found] == [4, 4]
    assert report.reasons()[PREFIX][0] == 1
    path = log(tmp_path / "b.jsonl", row(WHOLE[:1], id="1"), row(WHOLE, id="2"), row(WHOLE, tools=[]))
    assert [one.id for one in read(path)[0]] == ["1", "2", "b:3"], "other ids or other tools: other sessions"


def test_a_named_session_continues_though_its_system_message_holds_the_time(tmp_path: Path) -> None:
    def at(hour: int) -> dict[str, str]:
        return {"role": "system", "content": f"It is {hour}:00."}

    path = log(
        tmp_path / "a.jsonl",
        row([at(1), USER], session_id="s"),
        row([at(2), *WHOLE], session_id="s"),
        row([at(3), SAY], session_id="s"),
    )
    found, _ = read(path)
    assert [(one.id, len(one.messages)) for one in found] == [("s", 5), ("s#2", 2)], "ids stay unique"


def test_orphans_and_missing_schemas_are_counted_and_the_row_is_kept(tmp_path: Path) -> None:
    orphan = {"role": "tool", "tool_call_id": "zz", "content": "?"}
    path = log(tmp_path / "a.jsonl", row([USER, CALL, RESULT, orphan, SAY], tools=[to_openai(NOW)]))
    found, report = read(path)
    assert len(found) == 1
    assert report.orphan_results == 1
    assert report.missing_schemas == {"weather": 1}


def test_a_tool_without_a_schema_is_left_out_of_its_session_and_counted(tmp_path: Path) -> None:
    """Only the session that calls it cannot be learned from."""
    other = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    path = log(
        tmp_path / "a.jsonl",
        row(WHOLE, tools=["weather", to_openai(NOW)], id="calls"),
        row(other, tools=["weather", "never", to_openai(NOW)], id="does not"),
        row(other, tools=["weather"], id="has none else"),
    )
    found, report = read(path, strict=True)
    assert [[tool.name for tool in one.tools] for one in found] == [["now"], ["now"], []]
    assert report.missing_schemas == {"weather": 1, "never": 0}
    kept, step = run(filtered("calls fit", quality.calls_fit), found)
    assert [one.id for one in kept] == ["does not", "has none else"]
    assert step.reasons == {"calls 'weather', which is not offered": 1}
    assert read(path, [WEATHER])[1].missing_schemas == {"never": 0}
    written = log(tmp_path / "b.jsonl", row(WHOLE, tools=["weather"], id="1"))
    with pytest.raises(DataError, match="a name without a schema"):  # a dataset has all of its tools
        list(read_dataset(written))


def test_repaired_schemas_are_reported_by_tool(tmp_path: Path) -> None:
    loose = {"name": "f", "parameters": {"properties": {"n": {"type": "int"}}}}
    path = log(tmp_path / "a.jsonl", row(WHOLE, tools=[loose], id="1"), row(WHOLE, tools=[loose], id="2"))
    found, report = read(path)
    assert list(report.repaired) == ["f"]
    assert found[0].tools is found[1].tools, "equal lists are read once and shared"


def test_tools_of_a_row_without_them_come_from_the_catalogue(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", {"messages": WHOLE}, {"messages": WHOLE, "tools": ["now"]})
    found, _ = read(path, [WEATHER, NOW])
    assert [one.tools for one in found] == [(WEATHER, NOW), (NOW,)]
    with pytest.raises(DataError, match="two different tools are named 'now'"):
        read(path, [NOW, Tool("now")])


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([to_record(WEATHER), to_record(NOW)]),
        json.dumps({"tools": [to_record(WEATHER), to_record(NOW)]}, indent=1),
        json.dumps({"a": [to_record(WEATHER)], "b": [to_record(NOW), to_record(WEATHER)]}),
        json.dumps({"weather": to_record(WEATHER), "now": to_record(NOW)}),
        "\n".join(json.dumps(to_record(t)) for t in (WEATHER, NOW)),
    ],
    ids=["list", "tools", "services", "names", "lines"],
)
def test_tool_files_of_every_shape(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    assert read_tools(path) == (WEATHER, NOW)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[]", "no tools"),
        ("{", "neither JSON"),
        ('[{"name": "a"}, {"name": "a", "description": "x"}]', "two different tools are named 'a'"),
        ('{"tools": [{"name": "a"}, {"x": 1}]}', r"tools\[1\]"),
        ('{"s": [3]}', r"s\[0\]"),
        ("3", "expected an object"),
    ],
)
def test_a_bad_tool_file_is_named(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises((DataError, SchemaError), match=named) as refusal:
        read_tools(path)
    assert str(path) in str(refusal.value)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
CALLS = st.builds(
    ToolCall, st.sampled_from(["weather", "now"]), st.dictionaries(TEXT, VALUES, max_size=2), TEXT
)
MESSAGES = st.one_of(
    st.builds(system, TEXT),
    st.builds(user, TEXT),
    st.builds(lambda text, calls: assistant(text, *calls), TEXT, st.lists(CALLS, max_size=2)),
    st.builds(lambda c, i, n, e: tool(c, i, n, is_error=e), TEXT, TEXT, TEXT, st.booleans()),
)
MARKS = st.builds(
    Mark,
    kind=st.sampled_from([None, "call", "ask", "decline"]),
    accept=st.lists(st.dictionaries(TEXT, st.tuples(VALUES, VALUES), max_size=1), max_size=2).map(tuple),
    optional=st.lists(st.lists(TEXT, max_size=2).map(tuple), max_size=2).map(tuple),
    skip=st.booleans(),
    scenario=TEXT,
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    messages: tuple[Message, ...] = tuple(draw(st.lists(MESSAGES, min_size=1, max_size=4)))
    turns = [i for i, m in enumerate(messages) if m.role == "assistant"]
    marks = draw(st.dictionaries(st.sampled_from(turns), MARKS)) if turns else {}
    tools = draw(st.sampled_from([(), (NOW,), (WEATHER, NOW)]))
    tags = tuple(draw(st.lists(TEXT, max_size=2)))
    return Conversation(draw(TEXT), tools, messages, draw(TEXT), draw(TEXT), tags, marks)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    found=st.lists(conversations(), min_size=1, max_size=3, unique_by=lambda c: c.id), zipped=st.booleans()
)
def test_a_dataset_reads_back_as_it_was_written(
    tmp_path: Path, found: list[Conversation], zipped: bool
) -> None:
    path = tmp_path / ("d.jsonl.gz" if zipped else "d.jsonl")
    assert write_dataset(path, found) == len(found)
    assert list(read_dataset(path)) == found
    before = path.read_bytes()
    write_dataset(path, read_dataset(path))
    assert path.read_bytes() == before, "equal conversations, equal bytes"


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    one = Conversation("1", (NOW,), READ)
    write_dataset(path, [one])

    def failing() -> Any:
        yield Conversation("2", (NOW,), READ)
        raise ToolfinchError("the teacher went away")

    with pytest.raises(ToolfinchError, match="went away"):
        write_dataset(path, failing())
    with pytest.raises(DataError, match="no conversations"):
        write_dataset(path, [])
    assert list(read_dataset(path)) == [one]
    assert list(tmp_path.iterdir()) == [path]


def test_a_dataset_with_a_missing_or_repeated_id_is_refused(tmp_path: Path) -> None:
    for bad in (row(WHOLE), row(WHOLE, id="1")):
        path = log(tmp_path / "d.jsonl", row(WHOLE, id="1"), bad)
        with pytest.raises(DataError, match=r"d\.jsonl:2: id: "):
            list(read_dataset(path))
