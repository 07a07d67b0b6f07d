"""Relabelling over real endpoints: votes, labels, what a changed turn leaves of its conversation, and the bill.

Would break: a wrong call that is taught on because one teacher agrees with it; a right one that is thrown away for its
wording; a conversation that goes on with the result of a call that now was never made; money for turns that follow.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from test_endpoint import HTML, Handler, Server, Turn, fails, says, serving
from test_teacher import calls
from toolfinch import models
from toolfinch.callers.load import load
from toolfinch.data.dataset import read_dataset, write_dataset
from toolfinch.data.readers import log
from toolfinch.data.readers.tools import read_tools
from toolfinch.data.stage import Changed, Tally
from toolfinch.data.teacher import relabel as relabelling
from toolfinch.data.teacher import teacher as teaching
from toolfinch.data.teacher.committee import Committee
from toolfinch.data.teacher.ledger import BudgetSpent, Ledger
from toolfinch.data.teacher.question import Answer, Question
from toolfinch.data.teacher.relabel import UNSURE, Relabel, relabel, verdict
from toolfinch.data.teacher.teacher import TeacherSpec
from toolfinch.errors import UsageError
from toolfinch.example import Conversation, Example, Mark, examples, expected
from toolfinch.message import Message, ToolCall, assistant, tool, user
from toolfinch.serve.run import background
from toolfinch.tool import read

ALARM = read(
    {
        "name": "set_alarm",
        "description": "Set an alarm",
        "parameters": {
            "type": "object",
            "properties": {"at": {"type": "string"}, "repeat": {"type": "boolean", "default": False}},
            "required": ["at"],
        },
    }
)
STOP = read({"name": "stop_alarm", "parameters": {"type": "object", "properties": {}}})
TOOLS = (ALARM, STOP)


def at(time: str, **more: Any) -> Message:
    return assistant("", ToolCall("set_alarm", {"at": time, **more}))


SEVEN, EIGHT, NINE = at("7"), at("8"), at("9")
STOPPED = assistant("", ToolCall("stop_alarm", {}))
BOTH, BOTH_TURNED = (
    assistant("", *order) for order in ((*SEVEN.calls, *STOPPED.calls), (*STOPPED.calls, *SEVEN.calls))
)
NOT_OFFERED = assistant("", ToolCall("fly", {}))
MISFIT = assistant("", ToolCall("set_alarm", {"at": 7}))
DONE, ELSE, WHEN = assistant("Done."), assistant("Done. Anything else?"), assistant("When?")
NONE = None

VERDICTS: list[tuple[str, Message, list[Message | None], float, str, Message | None]] = [
    ("one agrees", SEVEN, [SEVEN], 0.5, "agreed", None),
    ("by value", SEVEN, [at("7", repeat=False)], 0.5, "agreed", None),
    ("in any order", BOTH, [BOTH_TURNED], 0.5, "agreed", None),
    ("one differs", SEVEN, [EIGHT], 0.5, "changed", EIGHT),
    ("a call too many", BOTH, [SEVEN], 0.5, "changed", SEVEN),
    ("one differs, heavy log", SEVEN, [EIGHT], 1.0, "disputed", None),
    ("one differs, no log", SEVEN, [EIGHT], 0.0, "changed", EIGHT),
    ("heavy log alone does not agree with itself", SEVEN, [EIGHT, NINE], 9.0, "disputed", None),
    ("two differ, the log decides", SEVEN, [EIGHT, SEVEN], 0.5, "agreed", None),
    ("two differ, no log", SEVEN, [EIGHT, SEVEN], 0.0, "disputed", None),
    ("two against the log", SEVEN, [EIGHT, EIGHT], 0.5, "changed", EIGHT),
    ("three sides", SEVEN, [EIGHT, NINE], 0.5, "disputed", None),
    ("majority", SEVEN, [EIGHT, SEVEN, EIGHT], 0.5, "changed", EIGHT),
    ("minority", SEVEN, [SEVEN, EIGHT, SEVEN], 0.5, "agreed", None),
    ("none", SEVEN, [NONE], 0.5, "abstained", None),
    ("none of two", SEVEN, [NONE, NONE], 0.5, "abstained", None),
    ("one abstains, one agrees", SEVEN, [NONE, SEVEN], 0.5, "agreed", None),
    ("one abstains, one differs", SEVEN, [NONE, EIGHT], 0.5, "disputed", None),
    ("two abstain, one differs", SEVEN, [NONE, NONE, EIGHT], 0.0, "disputed", None),
    ("words for words", DONE, [assistant("All set!")], 0.5, "agreed", None),
    ("a polite question", DONE, [ELSE], 0.5, "agreed", None),
    ("a call for words", DONE, [SEVEN], 0.5, "changed", SEVEN),
    ("words for a call", SEVEN, [WHEN], 0.5, "changed", WHEN),
    ("asking and saying differ", SEVEN, [WHEN, DONE], 0.5, "disputed", None),
    ("both ask", SEVEN, [WHEN, assistant("At what time?")], 0.5, "changed", WHEN),
    ("a default is no difference", SEVEN, [EIGHT, at("8", repeat=False)], 0.5, "changed", EIGHT),
    ("what is not offered has no vote", NOT_OFFERED, [SEVEN, EIGHT, SEVEN], 1.5, "changed", SEVEN),
    ("what does not fit has no vote", MISFIT, [SEVEN], 1.5, "changed", SEVEN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("logged", "given", "weight", "label", "turn"), [v[1:] for v in VERDICTS], ids=[v[0] for v in VERDICTS]
)
def test_what_votes_come_to(
    logged: Message, given: list[Message | None], weight: float, label: str, turn: Message | None
) -> None:
    """The wrong side wins, or a side without a majority does."""
    example = Example("c/1", TOOLS, (user("go"),), expected(logged, Mark()))
    answers = [Answer(f"t{i}", one, error="" if one else "nothing") for i, one in enumerate(given)]
    assert verdict(example, answers, weight) == (label, turn)


def test_what_a_mark_accepts_is_agreement() -> None:
    """A teacher that uses another acceptable value would change a right turn."""
    mark = Mark(accept=({"at": ("07:00",)},), optional=(("at",),))
    example = Example("c/1", TOOLS, (user("go"),), expected(SEVEN, mark))
    assert verdict(example, [Answer("t", at("07:00"))]).label == "agreed"


def result(call: int) -> Message:
    return tool("ok", f"c{call}", "set_alarm")


def logged(at_time: str, call: int) -> Message:
    return assistant("", ToolCall("set_alarm", {"at": at_time}, f"c{call}"))


def talk(id: str = "a", marks: dict[int, Mark] | None = None) -> Conversation:
    """Decisions at 1, 3, 5, 7."""
    messages = (
        user("alarm at 7"),
        logged("7", 1),
        result(1),
        assistant("It is set."),
        user("one at 8, too"),
        logged("8", 5),
        result(5),
        assistant("Done, too."),
    )
    return Conversation(id, TOOLS, messages, marks=marks or {})


def by_place(turns: dict[int, Turn], otherwise: Turn) -> Turn:
    """Answers by how many messages it is shown."""

    def choose(to: Handler, request: dict[str, Any]) -> None:
        turns.get(len(request["messages"]), otherwise)(to, request)

    return choose


RIGHT = {
    1: calls(("set_alarm", {"at": "7"})),
    3: says("Set."),
    5: calls(("set_alarm", {"at": "8"})),
    7: says("Set as well."),
}


@contextmanager
def teachers(path: Path, *servers: Server, **options: Any) -> Iterator[Committee]:
    specs = [TeacherSpec(server.url, f"t{i}", **options) for i, server in enumerate(servers)]
    with Ledger(path / "ledger.db") as ledger, Committee(specs, ledger, check=lambda _: "") as committee:
        yield committee


def labels(one: Conversation) -> dict[int, tuple[str | None, bool]]:
    return {index: (mark.label, mark.skip) for index, mark in one.marks.items()}


def relabelled(path: Path, one: Conversation, *answers: Turn, how: Relabel = Relabel()) -> tuple[Any, int]:
    """What becomes of it, and how many requests the first teacher saw."""
    with ExitStack() as stack:
        started = [stack.enter_context(serving(turn)) for turn in answers]
        committee = stack.enter_context(teachers(path, *started))
        ((same, after),) = relabel([one], committee, how)
        assert same is one
        return after, len(started[0].asked)


def test_a_log_that_is_right_stays_word_for_word(tmp_path: Path) -> None:
    """The log's own words are how this assistant speaks; a teacher's are not."""
    one = talk(marks={1: Mark(accept=({"at": ("07:00",)},), scenario="single_tool")})
    after, asked = relabelled(tmp_path, one, by_place(RIGHT, says("no")))
    assert isinstance(after, Changed) and asked == 4
    assert after.one.messages == one.messages and after.did == {"turns agreed": 4}
    assert labels(after.one) == dict.fromkeys((1, 3, 5, 7), ("agreed", False))
    assert after.one.marks[1] == Mark(accept=({"at": ("07:00",)},), scenario="single_tool", label="agreed")
    assert len(list(examples(after.one))) == 4


def test_a_changed_turn_is_the_last(tmp_path: Path) -> None:
    """The conversation would go on with the result of a call that was never made; and be paid for."""
    teacher = by_place({**RIGHT, 3: calls(("stop_alarm", {}))}, says("no"))
    after, asked = relabelled(tmp_path, talk(), teacher)
    assert isinstance(after, Changed) and asked == 2
    assert after.one.messages[:3] == talk().messages[:3]
    assert after.one.messages[3:] == (assistant("", ToolCall("stop_alarm", {}, "call_3_0")),)
    assert labels(after.one) == {1: ("agreed", False), 3: ("changed", False)}
    assert after.did == {"turns agreed": 1, "turns changed": 1, "conversations cut after a changed turn": 1}
    assert [example.expected.kind for example in examples(after.one)] == ["call", "call"]


def test_a_changed_last_turn_cuts_nothing(tmp_path: Path) -> None:
    """A funnel that reports losses that were none; a mark that speaks of the turn that is gone."""
    one = talk(marks={7: Mark(kind="decline", scenario="no_tool_needed", later=("stop_alarm",))})
    after, _ = relabelled(tmp_path, one, by_place({**RIGHT, 7: calls(("stop_alarm", {}))}, says("no")))
    assert isinstance(after, Changed)
    assert after.did == {"turns agreed": 3, "turns changed": 1} and len(after.one.messages) == 8
    assert after.one.marks[7] == Mark(label="changed", scenario="no_tool_needed")


def test_a_call_that_should_have_been_a_question(tmp_path: Path) -> None:
    """The commonest fault of a log: it guesses what it should have asked for."""
    after, _ = relabelled(tmp_path, talk(), says("At 7 in the morning?"))
    assert isinstance(after, Changed)
    assert after.one.messages == (user("alarm at 7"), assistant("At 7 in the morning?"))
    assert [example.expected.kind for example in examples(after.one)] == ["ask"]


def test_unsure_turns_are_context_and_not_learnt(tmp_path: Path) -> None:
    """What teachers dispute is taught as if it were right; or the rest of the conversation is lost with it."""
    other = by_place(
        {**RIGHT, 1: calls(("set_alarm", {"at": "19"})), 5: fails(200, {"choices": [{"message": {}}]})},
        says("no"),
    )
    third = by_place({**RIGHT, 1: says("When?"), 5: calls(("fly", {}))}, says("no"))
    for how, skip in ((Relabel(), True), (Relabel(unsure="keep"), False)):
        after, _ = relabelled(tmp_path, talk(), other, third, how=how)
        assert isinstance(after, Changed)
        assert after.one.messages == talk().messages
        assert labels(after.one) == {
            1: ("disputed", skip),
            3: ("agreed", False),
            5: ("abstained", skip),
            7: ("agreed", False),
        }
        assert after.did == {
            "turns disputed": 1,
            "turns agreed": 2,
            "turns abstained": 1,
            "t0: nothing": 1,
            "t1: a call of a tool that is not offered": 1,
        }
        assert len(list(examples(after.one))) == (2 if skip else 4)


def test_a_conversation_without_a_sure_turn_goes(tmp_path: Path) -> None:
    """A row in the dataset that holds no decision."""
    after, _ = relabelled(tmp_path, talk(), says(""))
    assert after == UNSURE


def test_what_is_no_decision_is_not_asked_about(tmp_path: Path) -> None:
    """Money for turns that nobody learns from."""
    chat = Conversation("chat", (), (user("hi"), assistant("hello")))
    skipped = talk(marks={i: Mark(skip=True) for i in (1, 3, 5, 7)})
    with serving(says("no")) as server, teachers(tmp_path, server) as committee:
        for one, (same, after) in zip((chat, skipped), relabel([chat, skipped], committee), strict=True):
            assert same is one and after == Changed(one, {})
        assert not server.asked


def test_many_conversations_stream_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log in memory, answers laid to another conversation, or one question at a time."""
    monkeypatch.setattr(relabelling, "WINDOW", 8)
    read: list[int] = []

    def source() -> Iterator[Conversation]:
        for i in range(60):
            read.append(i)
            yield Conversation(
                f"{i}", TOOLS, (user(f"alarm at {i}"), at(str(i)), tool("ok"), DONE)[: 2 + 2 * (i % 2)]
            )

    def follows(to: Handler, request: dict[str, Any]) -> None:
        said = request["messages"][0]["content"].split()[-1]
        (calls(("set_alarm", {"at": said})) if len(request["messages"]) == 1 else says("ok"))(to, request)

    with serving(follows) as server, teachers(tmp_path, server) as committee:
        for i, (one, after) in enumerate(relabel(source(), committee)):
            assert one.id == str(i) and isinstance(after, Changed)
            assert set(labels(after.one).values()) == {("agreed", False)} and len(read) <= i + 1 + 8
        assert i == 59 and len(server.asked) == 90


def test_another_filter_and_another_rule_pay_nothing(tmp_path: Path) -> None:
    """A second run after a changed recipe pays for everything again."""
    conversations = [talk(str(i)) for i in range(3)]  # equal but for their ids: the teacher is asked once
    with serving(by_place({**RIGHT, 5: calls(("set_alarm", {"at": "20"}))}, says("no"))) as server:
        with teachers(tmp_path, server, price_in=1.0) as committee:
            first = list(relabel(conversations, committee))
            assert len(server.asked) == 3
        with teachers(tmp_path, server, price_in=1.0) as committee:
            second = list(relabel(conversations[1:], committee, Relabel(weight=1.0)))
            assert len(server.asked) == 4  # the turn that is no longer cut away
            third = list(relabel(conversations, committee))
            assert len(server.asked) == 4
            paid = committee.bill().paid
        with teachers(tmp_path, server) as committee:
            assert list(relabel(conversations, committee)) == first == third
            assert committee.bill().paid == paid > 0
    assert {
        label for _, after in second if isinstance(after, Changed) for label in labels(after.one).values()
    } == {
        ("agreed", False),
        ("disputed", True),
    }


def test_the_budget_ends_it_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    """What was relabelled before the money was gone is lost with it."""
    conversations = [Conversation(str(i), TOOLS, (user(f"alarm at 7, {i}"), SEVEN)) for i in range(40)]
    turn = {"tool_calls": [{"function": {"name": "set_alarm", "arguments": {"at": "7"}}}]}
    answer = fails(200, {"choices": [{"message": turn}], "usage": {"prompt_tokens": 500}})
    with serving(answer) as server:
        spec = TeacherSpec(server.url, "m", price_in=100.0, price_out=100.0, concurrency=2)

        def run(budget: float) -> list[tuple[Conversation, Changed | str]]:
            with (
                Ledger(tmp_path / "l.db", budget) as ledger,
                Committee([spec], ledger, check=lambda _: "") as them,
            ):
                return list(relabel(conversations, them))

        with pytest.raises(BudgetSpent):
            run(1.0)
        before = len(server.asked)
        assert 5 < before <= 20
        assert len(run(10.0)) == 40 and len(server.asked) == 40


def test_labels_survive_the_disk(tmp_path: Path) -> None:
    """The column is lost where the dataset is written, and `train` learns what was disputed."""
    one = talk(marks={1: Mark(label="disputed", skip=True), 3: Mark(label="agreed")})
    write_dataset(tmp_path / "d.jsonl", [one])
    (back,) = read_dataset(tmp_path / "d.jsonl")
    assert back.marks == one.marks


ASSISTANT = Path(__file__).parents[1] / "examples" / "assistant"


@pytest.mark.slow
def test_the_projects_own_model_in_a_committee_with_a_bad_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a new user does: a served model as a weak teacher over its real endpoint, and another that misbehaves."""
    monkeypatch.setattr(teaching, "BACKOFF_S", 0.01)
    lines = (ASSISTANT / "log.jsonl").read_text().splitlines()[:8]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    conversations, _ = log.read(tmp_path / "log.jsonl", read_tools(ASSISTANT / "tools.json"))
    assert len(conversations) == 8
    turns = sum(message.role == "assistant" for one in conversations for message in one.messages)

    bad: list[Turn] = [
        says("I think so."),
        fails(429, {"error": "slow down"}, Retry_After="1"),
        says("I think so."),
        fails(200, HTML),
        calls(("no_such_tool", {})),
        calls(("book_rental", "{'bike_id'")),
    ]
    many = [bad[i % len(bad)] for i in range(1000)]
    caller = load(str(models.HERE / "fledgling"), format="safetensors")
    with background(caller) as url, serving(*many) as server:
        specs = [
            TeacherSpec(url, "fledgling", price_in=0.1, price_out=0.4),
            TeacherSpec(server.url, "bad", concurrency=1),  # so that a lost answer is followed by a fine one
        ]

        def run() -> tuple[list[Any], Tally, Any, int]:
            tally = Tally("relabel")
            with (
                Ledger(tmp_path / "ledger.db", budget=1.0) as ledger,
                Committee(specs, ledger, check=lambda _: "", students=["specialist"]) as them,
            ):
                kept = [tally.count(one, after) for one, after in relabel(conversations, them)]
                bill = them.bill()
            rows = [one for one in kept if one is not None]
            said = Counter(str(mark.label) for one in rows for mark in one.marks.values())
            return rows, tally, msgspec.structs.replace(bill, agreement=dict(said)), len(server.asked)

        kept, tally, bill, asked = run()
        again = run()
    capsys.readouterr()
    assert again[0] == kept and again[3] == asked, "a second run asks for nothing that was answered"
    assert len(kept) + len(tally.dropped) == 8 and kept
    assert set(bill.agreement) <= {"agreed", "changed", "disputed", "abstained"}
    assert 0 < sum(bill.agreement.values()) <= turns
    for one in kept:
        decided = [i for i, m in enumerate(one.messages) if m.role == "assistant"]
        assert set(one.marks) >= set(decided) and all(one.marks[i].label for i in decided)
        assert all(one.marks[i].skip == (one.marks[i].label in ("disputed", "abstained")) for i in decided)
    ours, theirs = (next(a for a in bill.accounts if a.teacher == name) for name in ("fledgling", "bad"))
    assert ours.done == bill.asked["fledgling"] and 0 < ours.paid < 1 and not ours.unknown
    assert theirs.useless and theirs.failed and theirs.unknown and theirs.paid == 0
    table = bill.to_markdown()
    assert "| fledgling | " in table and "Turns by what teachers said" in table
    assert "Dornfink" not in table and json.loads(msgspec.json.encode(bill))

    with background(caller) as url:
        them = TeacherSpec(url, "fledgling")
        form = Question("form/1", (user("How many?"),), schema={"type": "integer"}, max_tokens=16)
        with (
            Ledger(tmp_path / "form.db") as ledger,
            Committee([them], ledger, check=lambda _: "") as asked_too,
        ):
            ((answer,),) = asked_too.ask([form])  # whether or not the server knows structured output
            assert answer.message is None and answer.usage.prompt_tokens and "HTTP" not in answer.error
        with Ledger(tmp_path / "other.db") as ledger, pytest.raises(UsageError, match="which is the student"):
            Committee([them], ledger, check=lambda _: "", students=[str(models.HERE / "fledgling")])
