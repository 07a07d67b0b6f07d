"""Claude Code's files: lines that are written again, branches, compaction and sub-agents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader_rows import Row, others, rows
from reader_sessions import Chat, as_row, blocks, broken_logs, chats, endures, only, reason, same, told
from toolfinch.data.readers import claude_code


def line(type: str, uuid: str, parent: str | None, **more: Any) -> Row:
    return {"type": type, "uuid": uuid, "parentUuid": parent, "sessionId": "s", "isSidechain": False, **more}


def user(uuid: str, parent: str | None, content: Any = "x", **more: Any) -> Row:
    return line("user", uuid, parent, message={"role": "user", "content": content}, **more)


def says(uuid: str, parent: str | None, *parts: Any, id: str = "", **more: Any) -> Row:
    message = {"id": id or f"m{uuid}", "role": "assistant", "content": [*parts]}
    return line("assistant", uuid, parent, message=message, **more)


def text(words: str) -> Row:
    return {"type": "text", "text": words}


def use(id: str, **given: Any) -> Row:
    return {"type": "tool_use", "id": id, "name": "f", "input": given}


def result(id: str, content: Any = "r") -> Row:
    return {"type": "tool_result", "tool_use_id": id, "content": content}


def words(log: list[Row]) -> list[Any]:
    return [one["content"] for one in only(claude_code, log).messages]


BOUNDARY = line("system", "k", None, subtype="compact_boundary")


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(one) for one in told(claude_code, rows("claude_code"))] == rows("claude_code.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(claude_code.looks_like(one) for one in rows("claude_code"))
    assert [name for name, one in others("claude_code") if claude_code.looks_like(one)] == []


@pytest.mark.parametrize(
    "lines",
    [
        [[text("a")], [use("t1")], [use("t2")]],
        [[text("a")], [text("a"), use("t1")], [text("a"), use("t1"), use("t2")]],
        [[], [{"type": "thinking", "thinking": "t"}], [text("a")], [use("t1"), use("t2")]],
        [[text("")], [text("a"), use("t1", old=1)], [use("t1"), use("t2")]],
    ],
)
def test_no_block_of_a_response_is_lost_and_none_comes_twice(lines: list[list[Row]]) -> None:
    """Keeping the first line of a message id, or the last, loses calls: each is logged in its own way."""
    log = [user("u", None)]
    for i, parts in enumerate(lines):
        log.append(says(f"a{i}", log[-1]["uuid"], *parts, id="m"))
    (_, turn) = only(claude_code, log).messages
    assert turn["content"] == "a"
    assert [(one["id"], one["function"]["arguments"]) for one in turn["tool_calls"]] == [
        ("t1", {}),
        ("t2", {}),
    ]


def test_results_of_parallel_calls_stand_on_branches_of_their_own() -> None:
    log = [
        user("u", None),
        says("a", "u", use("t1"), id="m"),
        says("b", "a", use("t2"), id="m"),
        user("r1", "a", [result("t1", "one")]),
        user("r2", "b", [result("t2", "two")]),
        says("c", "r1", text("done")),
    ]
    assert words(log) == ["x", None, "one", "two", "done"]
    assert words([*log[:-1], says("c", "r2", text("done"))]) == ["x", None, "one", "two", "done"]


def test_lines_that_are_written_again_count_once() -> None:
    """Also where the copy has lost its parent, as after a branch."""
    log = [user("u", None), says("a", "u", text("y")), user("v", "a", "z"), says("b", "v", text("w"))]
    copies = [log[0], log[1] | {"parentUuid": None}]
    assert words([*log, *copies]) == ["x", "y", "z", "w"]


def test_a_second_compaction_does_not_bring_the_first_context_back() -> None:
    """It appends all lines from before the first again, and its parent names one of these."""
    before = [user("u", None, "one"), says("a", "u", text("y"))]
    between = [BOUNDARY, user("k1", "k", "sum", isCompactSummary=True), says("b", "k1", text("z"))]
    after = [
        line("system", "h", "a", subtype="stop_hook_summary"),
        line("system", "l", None, subtype="compact_boundary", logicalParentUuid="h"),
        user("l1", "l", "sum of sums", isCompactSummary=True),
        says("c", "l1", text("w")),
    ]
    found = list(claude_code.sessions([*before, *between, *before, *after]))
    contexts = [[one["content"] for one in session.messages] for session in found]
    assert contexts == [["one", "y"], ["sum", "z"], ["sum of sums", "w"]]
    assert [session.tags for session in found] == [(), ("compacted",), ("compacted",)]


def test_what_a_boundary_kept_is_read_but_learnt_once() -> None:
    kept = {"preservedSegment": {"headUuid": "v", "anchorUuid": "k1", "tailUuid": "b"}}
    log = [user("u", None), says("a", "u", text("y")), user("v", "a", "kept"), says("b", "v", text("too"))]
    log += [BOUNDARY | {"compactMetadata": kept}, user("k1", "k", "sum", isCompactSummary=True)]
    log += [user("w", "k1", "now"), says("c", "w", text("new"))]
    _, second = claude_code.sessions(log)
    assert [one["content"] for one in second.messages] == ["sum", "kept", "too", "now", "new"]
    assert list(second.marks) == [2]
    _, without = claude_code.sessions(log[3:])
    assert [one["content"] for one in without.messages] == ["sum", "now", "new"]
    assert "without:kept" in without.tags
    own = {"preservedSegment": {"headUuid": "w", "anchorUuid": "k1", "tailUuid": "w"}}
    _, once = claude_code.sessions([*log[:4], BOUNDARY | {"compactMetadata": own}, *log[5:]])
    assert [one["content"] for one in once.messages] == ["sum", "now", "new"]


def test_a_boundary_cuts_even_if_it_names_its_parent() -> None:
    log = [user("u", None), says("a", "u", text("y")), BOUNDARY | {"parentUuid": "a"}]
    log += [user("v", "k", "z"), says("b", "v", text("w"))]
    found = [[one["content"] for one in session.messages] for session in claude_code.sessions(log)]
    assert found == [["x", "y"], ["z", "w"]]


def test_of_branches_the_one_that_was_written_last_counts() -> None:
    log = [user("u", None), says("a", "u", text("old")), user("v", "a", "y"), says("b", "u", text("new"))]
    assert words(log) == ["x", "new"]


def test_sub_agents_are_sessions_of_their_own() -> None:
    """Also in files from before they had an id, and if the first line names a parent in the session."""
    log = [user("u", None), says("a", "u", use("t1")), user("s", "a", "do", isSidechain=True)]
    log += [
        says("s2", "s", text("did"), isSidechain=True),
        user("r", "a", [result("t1")]),
        says("b", "r", text("y")),
    ]
    main, side = claude_code.sessions(log)
    assert [one["content"] for one in main.messages] == ["x", None, "r", "y"]
    assert [one["content"] for one in side.messages] == ["do", "did"]
    assert (main.id, side.id) == ("s", "s/s")


@pytest.mark.parametrize(
    "silent",
    [
        user("n", "a", "note", isMeta=True),
        user("n", "a", "<local-command-stdout>ok</local-command-stdout>"),
        user("n", "a", [text("<local-command-caveat>c</local-command-caveat>")]),
        line("attachment", "n", "a", attachment={"type": "todo_reminder"}),
        line(
            "attachment",
            "n",
            "a",
            attachment={"type": "queued_command", "prompt": "p", "commandMode": "task"},
        ),
        line("progress", "n", "a", data={}),
        line("system", "n", "a", subtype="api_error", content="c"),
        says("n", "a", text("API Error"), isApiErrorMessage=True),
        {"type": "summary", "summary": "t", "leafUuid": "a"},
    ],
)
def test_what_the_client_writes_for_itself_is_nobodys_words(silent: Row) -> None:
    behind = user("v", silent.get("uuid", "a"), "z")
    assert words([user("u", None), says("a", "u", text("y")), silent, behind]) == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ([{"type": "summary", "summary": "t", "leafUuid": "a"}], "notes of the client"),
        ([user("u", None)], "notes of the client"),
        ([user("u", None), says("a", "u", isApiErrorMessage=True)], "says nothing"),
        ([user("u", None) | {"uuid": 3}, says("a", "u")], "a message without one"),
        ([user("u", "a"), says("a", "u", text("x"))], "their own parents"),
        ([user("u", None) | {"message": "x"}, says("a", "u", text("x"))], "message: expected an object"),
        ([user("u", None, 3), says("a", "u", text("x"))], "expected text"),
        ([user("u", None, [{"type": "Kari"}]), says("a", "u", text("x"))], "of no kind that is known"),
        ([user("u", None), says("a", "u", {"type": "tool_use", "id": "1"})], "without a name"),
        (
            [user("u", None), says("a", "u", {"type": "thinking", "thinking": "x"}), line("user", "v", "a")],
            "message: ",
        ),
    ],
)
def test_what_cannot_be_read_is_said_without_its_words(log: list[Row], why: str) -> None:
    said = reason(claude_code, log)
    assert why in said
    assert "Kari" not in said


def test_what_is_wrong_with_one_context_leaves_the_others() -> None:
    log = [user("u", None, 3), says("a", "u", text("y")), BOUNDARY, user("v", "k"), says("b", "v", text("z"))]
    assert [one["content"] for one in next(iter(claude_code.sessions(log))).messages] == ["x", "z"]


def test_a_long_session_takes_no_longer_than_its_length() -> None:
    """Fails by its time if each line looks for the first one."""
    log = [user("u0", None)]
    for i in range(1, 20_000):
        log.append(says(f"u{i}", f"u{i - 1}", text("y")) if i % 2 else user(f"u{i}", f"u{i - 1}"))
    assert len(only(claude_code, log).messages) == 20_000


@st.composite
def written(draw: st.DrawFn, chat: list[Chat]) -> list[Row]:
    """A session as the client writes it: a block a line or all so far, results behind their calls, copies of lines."""
    log: list[Row] = []
    calls: dict[str, str] = {}  # by id, the line of each
    for n, message in enumerate(chat):
        last = log[-1]["uuid"] if log else None
        if message["role"] == "user":
            log.append(user(f"{n}", last, message["content"]))
        elif message["role"] == "tool":
            log.append(user(f"{n}", calls[message["tool_call_id"]], blocks(message)))
        else:
            so_far: list[Row] = []
            growing = draw(st.booleans())
            for i, block in enumerate(blocks(message)):
                so_far.append(block)
                log.append(says(f"{n}.{i}", last, *(so_far if growing else [block]), id=f"m{n}"))
                last = log[-1]["uuid"]
                calls[block.get("id", "")] = last
    for place in draw(st.lists(st.integers(0, len(log) - 1), max_size=4)):
        log.append(log[place])
    return log


@settings(max_examples=60, deadline=None)
@given(st.data(), chats())
def test_what_is_written_is_read_again(data: st.DataObject, chat: list[Chat]) -> None:
    """Results in any order: the log keeps the order of the calls."""
    found = only(claude_code, data.draw(written(chat))).messages
    order = {one["tool_call_id"]: i for i, one in enumerate(found) if one["role"] == "tool"}
    results = sorted(
        (one for one in chat if one["role"] == "tool"), key=lambda one: order[one["tool_call_id"]]
    )
    same(found, [results.pop(0) if one["role"] == "tool" else one for one in chat])


@settings(max_examples=100, deadline=None)
@given(broken_logs("claude_code"))
def test_a_broken_log_ends_in_sessions_or_a_data_error(log: list[Row]) -> None:
    endures(claude_code, log)
