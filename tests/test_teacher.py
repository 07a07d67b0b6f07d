"""Teachers over real sockets: what is paid, remembered, refused, and how little an endpoint that misbehaves can cost.

Would break: a run that pays twice, passes its limit, asks a thousand times with a wrong key, waits for ever for a dead
endpoint, floods one that says it is busy, or learns from a web page.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from test_endpoint import HTML, Handler, Server, Turn, cuts, fails, hangs_up, says, serving, slow
from toolfinch import recipe
from toolfinch.data.teacher import committee, pace, teacher
from toolfinch.data.teacher.committee import Committee
from toolfinch.data.teacher.ledger import BudgetSpent, Ledger
from toolfinch.data.teacher.pace import Pace
from toolfinch.data.teacher.question import Answer, Question
from toolfinch.data.teacher.teacher import TeacherSpec, key_of, with_ids
from toolfinch.errors import EndpointGone, RecipeError, SchemaError, ToolfinchError, UsageError
from toolfinch.message import Message, ToolCall, assistant, tool, user
from toolfinch.tool import Tool

ALARM = Tool(
    "set_alarm",
    "Set an alarm",
    {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
)
STOP = Tool("stop_alarm", "Stop it", {"type": "object", "properties": {}})
TOOLS = (ALARM, STOP)
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "BACKOFF_S", 0.005)
    monkeypatch.setattr(pace, "_TICK_S", 0.02)
    monkeypatch.setattr(committee, "GRACE_S", 3.0)


def question(i: int = 0, **more: Any) -> Question:
    return Question("test/1", (user(f"question {i}"),), **more)


def turn(i: int = 0, **more: Any) -> Question:
    return question(i, tools=TOOLS, **more)


def calls(*made: tuple[str, Any]) -> Turn:
    raw = [
        {
            "id": f"c{i}",
            "type": "function",
            "function": {"name": name, "arguments": args if isinstance(args, str) else json.dumps(args)},
        }
        for i, (name, args) in enumerate(made)
    ]
    return says(None, "tool_calls", tool_calls=raw)


def counts(content: Any, prompt: int, completion: int) -> Turn:
    body = {
        "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion},
    }
    return fails(200, body)


def echoes(to: Handler, request: dict[str, Any]) -> None:
    says(f"to {request['messages'][-1]['content']}")(to, request)


def spec(server: Server | str, **more: Any) -> TeacherSpec:
    url = server if isinstance(server, str) else server.url
    return TeacherSpec(url, **{"model": "m", "timeout_s": 5.0, **more})


def fine(_: Any) -> str:
    return ""


@contextmanager
def asking(
    path: Path,
    *specs: TeacherSpec,
    budget: float = 1e9,
    check: Callable[[Any], str] = fine,
    students: tuple[str, ...] = (),
) -> Iterator[Committee]:
    with (
        Ledger(path / "ledger.db", budget) as ledger,
        Committee(specs, ledger, check=check, students=students) as it,
    ):
        yield it


def one(path: Path, server: Server, asked: Question, **more: Any) -> Answer:
    with asking(path, spec(server, **more)) as teachers:
        ((answer,),) = teachers.ask([asked])
    return answer


def test_answers_come_in_order_from_many_requests_at_once(tmp_path: Path) -> None:
    """Answers given to other questions; or one question at a time, for days."""

    def uneven(to: Handler, request: dict[str, Any]) -> None:
        time.sleep(0.01 * (7 - int(request["messages"][-1]["content"].split()[-1]) % 8))
        echoes(to, request)

    with serving(uneven) as server, asking(tmp_path, spec(server, concurrency=8)) as teachers:
        answers = list(teachers.ask(map(question, range(64))))
        assert 4 < server.most <= 8
    assert [a.message for (a,) in answers] == [assistant(f"to question {i}") for i in range(64)]


def test_questions_are_not_read_ahead_of_need(tmp_path: Path) -> None:
    """A log of a million turns in memory before the first answer."""
    read: list[int] = []

    def many() -> Iterator[Question]:
        for i in range(10_000):
            read.append(i)
            yield question(i)

    with serving(echoes) as server, asking(tmp_path, spec(server, concurrency=2)) as teachers:
        answers = teachers.ask(many())
        for _ in range(20):
            next(answers)
        assert len(read) <= 20 + 5
        answers.close()


def test_what_was_paid_is_remembered(tmp_path: Path) -> None:
    """A second run that pays again; or pays again for all because one row is new."""
    with serving(counts("hi", 1000, 10)) as server:
        priced = spec(server, price_in=2.0, price_out=10.0)
        with asking(tmp_path, priced) as teachers:
            first = list(teachers.ask(map(question, range(5))))
            assert [a.cost for (a,) in first] == [0.0021] * 5 and not any(a.remembered for (a,) in first)
            again = list(teachers.ask(map(question, range(5))))
            assert all(a.remembered for (a,) in again) and len(server.asked) == 5
        with asking(tmp_path, priced) as teachers:
            third = list(teachers.ask(map(question, range(6))))
            assert [a.remembered for (a,) in third] == [True] * 5 + [False] and len(server.asked) == 6
            assert [msgspec.structs.replace(a, remembered=False) for (a,) in third[:5]] == [
                a for (a,) in first
            ]
            bill = teachers.bill()
        assert (bill.asked, bill.remembered) == ({"m": 6}, {"m": 5})
        assert bill.paid == pytest.approx(0.0126)
        assert "| m | 6 | 5 | 6 | 0 | 0 | 0 | 0 | 6,000 | 60 | 0.0126 |" in bill.to_markdown()
    with asking(tmp_path, priced) as teachers:  # without its endpoint, too
        assert len(list(teachers.ask(map(question, range(6))))) == 6


DIFFERENT = [
    question(1),
    question(0, sample=1),
    question(0, temperature=0.5),
    question(0, max_tokens=7),
    question(0, schema=SCHEMA),
    question(0, tools=TOOLS),
    question(0, tools=TOOLS[::-1]),
    question(0, tools=TOOLS, tool_choice="required"),
    msgspec.structs.replace(question(0), purpose="test/2"),
    msgspec.structs.replace(question(0), messages=(assistant("question 0"),)),
]


def test_the_key_holds_everything_that_an_answer_depends_on() -> None:
    """An answer to another question, for ever."""
    keys = {key_of("m", q) for q in [question(0), *DIFFERENT]} | {key_of("n", question(0))}
    assert len(keys) == len(DIFFERENT) + 2
    assert key_of("m", question(0)) == key_of("m", question(0))


def test_equal_questions_at_once_are_one_payment(tmp_path: Path) -> None:
    """A log with a hundred equal greetings, all sent before the first is answered."""
    with serving(slow(0.05, echoes)) as server, asking(tmp_path, spec(server)) as teachers:
        answers = list(teachers.ask([question(i % 2) for i in range(20)]))
        assert len(server.asked) == 2
    assert [a.message for (a,) in answers] == [assistant(f"to question {i % 2}") for i in range(20)]


USELESS: list[tuple[str, Turn, Question, str]] = [
    ("cut off", says("a long story", "length"), question(max_tokens=7), "cut off after 7 tokens"),
    ("nothing", says(""), turn(), "nothing"),
    ("no such tool", calls(("fly", {})), turn(), "a call of a tool that is not offered"),
    ("misfit", calls(("set_alarm", {"at": 7})), turn(), "a call of 'set_alarm' that does not fit its schema"),
    ("one misfit", calls(("stop_alarm", {}), ("set_alarm", {})), turn(), "a call of 'set_alarm' that does not fit"),
    ("no arguments", calls(("set_alarm", "{'at'")), turn(), "a call that cannot be read"),
    ("no call", says("Sure!"), turn(tool_choice="required"), "no call, where one was asked for"),
    ("the other call", calls(("stop_alarm", {})), turn(tool_choice="=set_alarm"), "which was not asked for"),
    ("no JSON", says("I would say 3"), question(schema=SCHEMA), "no JSON"),
    ("half of JSON", says('{"n": 3'), question(schema=SCHEMA), "no JSON"),
    ("other JSON", says('{"n": "Anna"}'), question(schema=SCHEMA), "JSON that does not fit the schema"),
    ("too much JSON", says('{"n": 3, "Anna": 1}'), question(schema=SCHEMA), "JSON that does not fit the schema"),
    ("deep JSON", says("[" * 5000), question(schema=SCHEMA), "no JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "asked", "why"), [u[1:] for u in USELESS], ids=[u[0] for u in USELESS])
def test_a_useless_completion_is_paid_once(tmp_path: Path, said: Turn, asked: Question, why: str) -> None:
    """Asked for again and again in the hope of something better; or trained on."""
    with serving(said) as server:
        for remembered in (False, True):
            answer = one(tmp_path, server, asked)
            assert (answer.message, answer.value, answer.remembered) == (None, None, remembered)
            assert why in answer.error and "Anna" not in answer.error
        assert len(server.asked) == 1
        one(tmp_path, server, msgspec.structs.replace(asked, sample=1))
        assert len(server.asked) == 2
        with Ledger(tmp_path / "ledger.db") as ledger:
            assert (ledger.accounts()[0].done, ledger.accounts()[0].useless) == (2, 2)


USEFUL: list[tuple[str, Question, Any]] = [
    ('{"n": 3}', question(schema=SCHEMA), {"n": 3}),
    ('```json\n{"n": 3}\n```', question(schema=SCHEMA), {"n": 3}),
    ('<think>{"n": 1}?</think>\n{"n": 3}', question(schema=SCHEMA), {"n": 3}),
    ('Here you are [as asked]: {"n": 3}. Anything else?', question(schema=SCHEMA), {"n": 3}),
    ("null", question(schema={"type": "null"}), None),
]


@pytest.mark.parametrize(("said", "asked", "value"), USEFUL)
def test_json_is_found_where_the_endpoint_does_not_hold_to_it(
    tmp_path: Path, said: str, asked: Question, value: Any
) -> None:
    """Every answer of an endpoint without structured output is thrown away, and paid."""
    with serving(says(said)) as server:
        answer = one(tmp_path, server, asked)
    assert (answer.value, answer.message, answer.error) == (value, None, "")


def test_structured_output_is_asked_for_until_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An endpoint without it could not teach; one with it would be left to write what it likes."""

    def without(to: Handler, request: dict[str, Any]) -> None:
        refused = fails(400, {"error": {"message": "response_format: only {'type': 'text'} is supported"}})
        (refused if "response_format" in request else says('{"n": 1}'))(to, request)

    with serving(without) as server, asking(tmp_path, spec(server, concurrency=1)) as teachers:
        answers = list(teachers.ask(question(i, schema=SCHEMA) for i in range(4)))
        assert [a.value for (a,) in answers] == [{"n": 1}] * 4
        assert ["response_format" in request for request in server.asked] == [
            True,
            False,
            False,
            False,
            False,
        ]
        first, second = server.asked[:2]
    assert first["response_format"]["json_schema"] == {"name": "answer", "strict": True, "schema": SCHEMA}
    assert json.dumps(SCHEMA, separators=(",", ":")) in second["messages"][-1]["content"]
    (line,) = capsys.readouterr().err.splitlines()
    assert "from here on response_format is left out" in line


def test_a_turn_is_asked_for_with_its_tools(tmp_path: Path) -> None:
    """A teacher that does not see the tools, or is not told that it has to call, says something."""
    with serving(calls(("set_alarm", {"at": "7"}))) as server:
        answer = one(tmp_path, server, turn(tool_choice="=set_alarm"))
        (request,) = server.asked
    assert answer.message is not None and answer.message.calls == (ToolCall("set_alarm", {"at": "7"}, "c0"),)
    assert [t["function"]["name"] for t in request["tools"]] == ["set_alarm", "stop_alarm"]
    assert request["tool_choice"] == {"type": "function", "function": {"name": "set_alarm"}}
    with serving(says('<tool_call>\n{"name": "stop_alarm", "arguments": {}}\n</tool_call>')) as server:
        answer = one(tmp_path, server, turn(), model="other")  # left in the text: `auto` reads it
    assert answer.message is not None and [c.name for c in answer.message.calls] == ["stop_alarm"]


def test_calls_without_ids_get_some() -> None:
    """Logs of some formats have none, and endpoints refuse a result that belongs to no call."""
    asked = assistant("", ToolCall("a", {}), ToolCall("b", {}))
    told = with_ids([user("go"), asked, tool("1", name="b"), tool("2"), user("and"), asked, tool("3", "x")])
    ids = [[c.id for c in m.calls] for m in told if m.calls]
    assert ids == [["call_1_0", "call_1_1"], ["call_5_0", "call_5_1"]]
    assert [m.result.call_id for m in told if m.result] == ["call_1_1", "call_1_0", "x"]
    kept = [assistant("", ToolCall("a", {}, "i")), tool("1", "i")]
    assert list(with_ids(kept)) == kept


PASSING: list[Turn] = [fails(429, {}), fails(503, HTML), fails(500, {}), fails(529, {})]


@pytest.mark.parametrize("trouble", PASSING)
def test_what_may_pass_is_tried_again_and_was_not_paid(tmp_path: Path, trouble: Turn) -> None:
    """A busy minute makes a thousand rows without an answer."""
    with serving(trouble, trouble, trouble, says("hi")) as server, asking(tmp_path, spec(server)) as teachers:
        ((answer,),) = teachers.ask([question()])
        (account,) = teachers.bill().accounts
    assert answer.message == assistant("hi") and len(server.asked) == 4
    assert (account.done, account.failed, account.unknown, account.unsettled) == (1, 3, 0, 0)


LOST: list[Turn] = [
    fails(200, HTML),
    fails(200, {"choices": []}),
    fails(200, b"nonsense"),
    hangs_up,
    cuts({"Content-Length": "900"}, b'{"choices": ['),
    slow(0.5, says()),
    fails(504, {}),
]


@pytest.mark.parametrize("trouble", LOST)
def test_what_may_have_been_paid_is_tried_once_more_and_counted(tmp_path: Path, trouble: Turn) -> None:
    """A proxy that answers with its login page costs the budget; or a lost answer is forgotten, and its money too."""
    priced: dict[str, Any] = {"price_in": 1.0, "price_out": 1.0, "timeout_s": 0.3}
    with serving(trouble, says("hi")) as server, asking(tmp_path, spec(server, **priced)) as teachers:
        ((answer,),) = teachers.ask([question()])
        (account,) = teachers.bill().accounts
        assert answer.message == assistant("hi") and len(server.asked) == 2
    assert (account.done, account.failed, account.unknown, account.double) == (1, 0, 1, 1)
    assert account.unsettled > 1024 / 1e6
    with serving(trouble) as server, asking(tmp_path, spec(server, **priced)) as teachers:
        ((answer,),) = teachers.ask([question(1)])
        assert answer.error and len(server.asked) == 2
    with serving(says("now")) as server:  # nothing came, so a later run asks again
        assert one(tmp_path, server, question(1)).message == assistant("now")


GONE: list[tuple[Turn, str]] = [
    (fails(200, HTML), "not a completion: '<!doctype html>"),
    (hangs_up, "broke off"),
    (fails(503, HTML), "HTTP 503"),
    (fails(429, {"error": "insufficient_quota"}), "HTTP 429: insufficient_quota"),
    (fails(400, {"error": "m does not support tools"}), "HTTP 400: m does not support tools"),
]


@pytest.mark.parametrize(("trouble", "words"), GONE, ids=[words for _, words in GONE])
def test_an_endpoint_that_gives_nothing_ends_the_run(tmp_path: Path, trouble: Turn, words: str) -> None:
    """A night of retries, and ten thousand rows without an answer in the morning."""

    def then(to: Handler, request: dict[str, Any]) -> None:
        (echoes if ok.is_set() else trouble)(to, request)

    ok = threading.Event()
    with serving(then) as server:
        with asking(tmp_path, spec(server)) as teachers, pytest.raises(EndpointGone, match=words) as gone:
            list(teachers.ask(map(question, range(10_000))))
        assert "\n" not in str(gone.value) and str(gone.value).startswith("teacher m: ")
        assert len(server.asked) < 150
        ok.set()
        with asking(tmp_path, spec(server)) as teachers:
            assert all(a.message for (a,) in teachers.ask(map(question, range(20))))


def test_a_few_refusals_among_answers_are_only_theirs(tmp_path: Path) -> None:
    """Thirty prompts that are too long for the teacher end a run of ten thousand."""

    def picky(to: Handler, request: dict[str, Any]) -> None:
        long = int(request["messages"][-1]["content"].split()[-1]) > 0
        (fails(400, {"error": "maximum context length, Anna"}) if long else says("hi"))(to, request)

    with serving(picky) as server, asking(tmp_path, spec(server, concurrency=1)) as teachers:
        answers = [a for (a,) in teachers.ask(map(question, range(40)))]
    assert answers[0].message and {a.error for a in answers[1:]} == {"HTTP 400"}


def test_a_dead_endpoint_is_named(tmp_path: Path) -> None:
    """Nobody started the server: an hour of tries, or a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with (
        asking(tmp_path, spec(url)) as teachers,
        pytest.raises(UsageError, match=f"{url}.*Connection refused"),
    ):
        list(teachers.ask(map(question, range(100))))


def test_an_endpoint_that_dies_is_not_waited_for_forever(tmp_path: Path) -> None:
    """The process behind the port is killed in the middle of a run."""
    with serving(echoes) as server:
        answers_from = asking(tmp_path, spec(server, concurrency=2))
        with answers_from as teachers:
            answers = teachers.ask(map(question, range(10_000)))
            for _ in range(5):
                next(answers)
            server.shutdown()
            server.server_close()
            server.turns = [hangs_up]
            with pytest.raises(EndpointGone, match=r"[5-7] requests in a row came to nothing"):
                list(answers)
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert ledger.accounts()[0].done >= 5


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "its key"), (402, "its account"), (404, "its URL and model")]
)
def test_what_every_request_would_meet_stops_after_the_first(tmp_path: Path, status: int, hint: str) -> None:
    """Ten thousand requests with a wrong key, and an account that is locked."""
    body = {"error": {"message": "no such thing", "code": "nope"}}
    with (
        serving(fails(status, body)) as server,
        asking(tmp_path, spec(server)) as teachers,
        pytest.raises(UsageError, match=rf"teacher m: http.*: HTTP {status}: no such thing") as refused,
    ):
        list(teachers.ask(map(question, range(10_000))))
    assert hint in refused.value.hint and len(server.asked) <= pace.START


def test_a_busy_endpoint_is_asked_less_and_then_more(tmp_path: Path) -> None:
    """Sixteen requests at once for an endpoint that takes two: most of them refused, for hours."""

    def takes_two(to: Handler, request: dict[str, Any]) -> None:
        if to.server.now > 2:
            fails(429, {"error": "slow down"})(to, request)
        else:
            slow(0.01, echoes)(to, request)

    with serving(takes_two) as server, asking(tmp_path, spec(server, concurrency=16)) as teachers:
        answers = list(teachers.ask(map(question, range(80))))
        assert all(a.message for (a,) in answers)
        assert server.most <= 8
        assert len(server.asked) < 160


def test_the_pace_is_halved_once_for_requests_that_failed_together() -> None:
    """Sixteen refusals of one moment would bring sixteen down to one."""
    one_pace = Pace(64)
    for _ in range(300):
        one_pace.well()
    limit = one_pace.limit
    assert 20 < limit <= 64
    sent = time.monotonic()
    for _ in range(5):
        one_pace.badly(sent)
    assert limit // 2 - 1 <= one_pace.limit <= limit // 2 + 1
    for _ in range(20):
        one_pace.badly(time.monotonic())
    assert one_pace.limit == 1
    one_pace.well()
    assert one_pace.limit == 2
    for _ in range(100_000):
        one_pace.well()
    assert one_pace.limit == 64


def test_retry_after_is_obeyed_by_all_requests(tmp_path: Path) -> None:
    """Asking again too soon prolongs a rate limit, whichever request it is."""
    times: list[float] = []

    def limited(to: Handler, request: dict[str, Any]) -> None:
        times.append(time.monotonic())
        (fails(429, {}, Retry_After="1") if len(times) == 1 else slow(0.05, echoes))(to, request)

    with serving(limited) as server, asking(tmp_path, spec(server, concurrency=1)) as teachers:
        assert all(a.message for (a,) in teachers.ask(map(question, range(4))))
    assert times[1] - times[0] >= 0.95
    with (
        serving(fails(429, {}, Retry_After="86400")) as server,
        asking(tmp_path, spec(server)) as teachers,
        pytest.raises(EndpointGone, match="asks to be left alone for 86400 s"),
    ):
        list(teachers.ask(map(question, range(10, 20))))


def test_the_budget_is_kept_to(tmp_path: Path) -> None:
    """A limit that is checked after the money was spent, by sixteen threads."""
    budget = 0.05
    with serving(slow(0.01, counts("hi", 100, 100))) as server:
        priced = spec(server, price_in=10.0, price_out=10.0, concurrency=8)
        with asking(tmp_path, priced, budget=budget) as teachers:
            got: list[Answer] = []
            with pytest.raises(BudgetSpent, match=r"the budget of 0\.05 is spent"):
                got.extend(a for (a,) in teachers.ask(map(question, range(1000))))
        paid = len(server.asked) * 0.002
        assert budget - 0.013 < paid <= budget
        with asking(tmp_path, priced, budget=budget) as teachers:  # not once more by running it again
            with pytest.raises(BudgetSpent):
                list(teachers.ask(map(question, range(1000))))
            assert len(list(teachers.ask(map(question, range(len(got)))))) == len(got)
        assert paid == len(server.asked) * 0.002
    with serving(counts("hi", 2000, 100)) as server:  # with a prompt of its own before ours
        priced = spec(server, price_in=10.0, price_out=10.0, concurrency=1)
        with asking(tmp_path, priced, budget=0.2) as teachers, pytest.raises(BudgetSpent):
            list(teachers.ask(map(question, range(1000, 2000))))
        assert 0.1 < paid + len(server.asked) * 0.021 <= 0.2


def test_an_endpoint_that_does_not_count_is_taken_at_its_most(tmp_path: Path) -> None:
    """Without usage every answer would be free, and the limit never reached."""
    body = {"choices": [{"message": {"content": "hi"}}]}
    with serving(fails(200, body)) as server:
        answer = one(tmp_path, server, question(max_tokens=1000), price_out=1.0)
    assert answer.cost == 0.001


def test_the_gate_stops_what_may_not_leave(tmp_path: Path) -> None:
    """The real name of a customer is sent to somebody else's computer."""

    def gate(data: Any) -> str:
        return "a roster name" if "question 3" in msgspec.json.encode(data).decode() else ""

    with serving(says("hi")) as server, asking(tmp_path, spec(server), check=gate) as teachers:
        with pytest.raises(
            ToolfinchError, match=r"a request \(test/1\) may not leave: a roster name"
        ) as stopped:
            list(teachers.ask(map(question, range(10))))
        assert "question 3" not in str(stopped.value)
        assert all("question 3" not in json.dumps(request) for request in server.asked)


def test_the_gate_stops_what_may_not_be_used(tmp_path: Path) -> None:
    """A teacher that knows the real name behind the false one writes it into the dataset; or into the ledger."""

    def gate(data: Any) -> str:
        return "a roster name" if "Okonkwo" in msgspec.json.encode(data).decode() else ""

    secret = calls(("set_alarm", {"at": "O\u006bonkwo"}))
    with serving(secret) as server:
        for remembered in (False, True):
            with asking(tmp_path, spec(server), check=gate) as teachers:
                ((answer,),) = teachers.ask([turn()])
            assert (answer.message, answer.remembered) == (None, remembered)
            assert answer.error == "may not be used: a roster name"
        assert len(server.asked) == 1
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*"))
    assert b"konkwo" not in kept
    with serving(secret) as server:  # a roster that has grown since
        assert one(tmp_path, server, turn(1)).message
        with asking(tmp_path, spec(server), check=gate) as teachers:
            ((answer,),) = teachers.ask([turn(1)])
        assert answer.error == "may not be used: a roster name" and len(server.asked) == 1


def test_a_gate_that_cannot_run_lets_nothing_pass(tmp_path: Path) -> None:
    """An answer that nobody has looked at is in the dataset; or the run hangs on a request that is never settled."""

    def gate(data: Any) -> str:
        if isinstance(data, list):
            raise ToolfinchError("the gate's roster is gone")
        return ""

    with serving(says("hi")) as server, asking(tmp_path, spec(server), check=gate) as teachers:
        with pytest.raises(ToolfinchError, match="roster is gone"):
            list(teachers.ask([question()]))
        assert teachers.bill().accounts[0].unknown == 1


def test_the_ledger_holds_no_question(tmp_path: Path) -> None:
    """Whole logs in a file that nobody thinks of as one."""
    with serving(says("short")) as server:
        one(tmp_path, server, Question("p/1", (user("a very particular question"),)))
    assert b"particular" not in b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*"))


STUDENTS = [
    ("m", "m"),
    ("Qwen/Qwen3-0.6B", "qwen3:0.6b"),
    ("models/Qwen3-0.6B.gguf", "Qwen3-0.6B"),
    ("qwen3-0.6b", "somebody/Qwen3-0.6B"),
]


@pytest.mark.parametrize(("learns", "teaches"), STUDENTS)
def test_the_student_does_not_teach(tmp_path: Path, learns: str, teaches: str) -> None:
    """A model that is trained on its own mistakes makes them with more confidence."""
    there = spec("http://127.0.0.1:1/v1", model=teaches)
    with pytest.raises(UsageError, match="is the student"), asking(tmp_path, there, students=(learns,)):
        pass


def test_the_student_does_not_teach_under_another_name(tmp_path: Path) -> None:
    """llama-server and others answer with their one model, whatever was asked for; so a recipe can be wrong."""
    with serving(echoes) as server:  # lists one model, `m`
        with (
            asking(tmp_path, spec(server, model="big"), students=("m",)) as teachers,
            pytest.raises(UsageError, match="serves m, which is the student"),
        ):
            list(teachers.ask([question()]))
        assert not server.asked
        with asking(tmp_path, spec(server, model="big"), students=("small",)) as teachers:
            assert len(list(teachers.ask([question()]))) == 1


def test_a_committee_answers_side_by_side(tmp_path: Path) -> None:
    """Answers laid to another teacher's account; one bad teacher that takes the others' answers with it."""
    with serving(says("one")) as first, serving(says(HTML.decode(), "length")) as second:
        specs = (spec(first, model="a", price_in=1), spec(second, model="b"))
        with asking(tmp_path, *specs) as teachers:
            assert teachers.names == ("a", "b")
            answers = list(teachers.ask(map(question, range(5))))
            bill = teachers.bill()
    assert [(a.teacher, bool(a.message), bool(a.error)) for pair in answers for a in pair] == [
        ("a", True, False),
        ("b", False, True),
    ] * 5
    assert [(one.teacher, one.done, one.useless) for one in bill.accounts] == [("a", 5, 0), ("b", 5, 5)]
    with pytest.raises(UsageError, match="teacher a: named twice"), asking(tmp_path, *specs, specs[0]):
        pass


def test_a_key_is_only_ever_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in a recipe is in the repository soon."""
    headers: list[str] = []

    def shows(to: Handler, request: dict[str, Any]) -> None:
        headers.append(to.headers["Authorization"])
        echoes(to, request)

    with serving(shows) as server:
        monkeypatch.setenv("TOOLFINCH_API_KEY", "of another endpoint")
        one(tmp_path, server, question(0))
        monkeypatch.setenv("MY_KEY", "sesame")
        one(tmp_path, server, question(1), api_key_env="MY_KEY")
        monkeypatch.delenv("MY_KEY")
        with pytest.raises(UsageError, match="teacher m: the environment variable MY_KEY holds no key"):
            one(tmp_path, server, question(2), api_key_env="MY_KEY")
    assert headers == ["Bearer none", "Bearer sesame"]
    with pytest.raises(RecipeError, match="api_key: no such key"):
        recipe.convert({"url": "u", "model": "m", "api_key": "sesame"}, TeacherSpec, "r.toml")
    with pytest.raises(RecipeError, match="price_in"):
        recipe.convert({"url": "u", "model": "m", "price_in": -1.0}, TeacherSpec, "r.toml")


def test_a_schema_that_is_none_is_the_askers_mistake(tmp_path: Path) -> None:
    """It would be paid for, and every answer thrown away."""
    with serving(says("{}")) as server, asking(tmp_path, spec(server)) as teachers:
        with pytest.raises(SchemaError, match="test/1: its schema is none"):
            list(teachers.ask([question(schema={"type": "sandwich"})]))
        assert not server.asked


def test_what_is_under_way_at_the_end_is_waited_for_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever stops reading answers has paid for those that were coming."""
    with serving(echoes, slow(0.2, echoes)) as server, asking(tmp_path, spec(server)) as teachers:
        answers = teachers.ask(map(question, range(100)))
        next(answers)
        answers.close()
        (account,) = teachers.bill().accounts
        assert account.done == len(server.asked) >= 4
    assert "answers that are paid for; Ctrl-C leaves them" in capsys.readouterr().err
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert ledger.interrupted == 0


INTERRUPTED = """
import sys
from pathlib import Path
from toolfinch.data.teacher.committee import Committee
from toolfinch.data.teacher.ledger import Ledger
from toolfinch.data.teacher.question import Question
from toolfinch.data.teacher.teacher import TeacherSpec
from toolfinch.message import user

with Ledger(Path(sys.argv[2])) as ledger:
    with Committee([TeacherSpec(sys.argv[1], "m")], ledger, check=lambda _: "") as teachers:
        try:
            for (answer,) in teachers.ask(Question("p/1", (user(str(i)),)) for i in range(10_000)):
                print(answer.message.content, flush=True)
        except KeyboardInterrupt:
            print("stopped", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
def test_ctrl_c_keeps_everything_that_was_finished(tmp_path: Path) -> None:
    """A process that hangs until all is answered; or leaves at once, and what it has paid for is lost."""
    path = tmp_path / "ledger.db"
    with serving(slow(0.1, echoes)) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, server.url, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        read = [process.stdout.readline() for _ in range(6)]
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert read[0] and out.endswith("stopped\n") and process.returncode == 0
        asked = len(server.asked)
        with Ledger(path) as ledger:
            assert ledger.interrupted == 0 and ledger.accounts()[0].done == asked


def test_messages_are_sent_as_they_are(tmp_path: Path) -> None:
    """The schema's words in the system prompt of a model whose template has none; or twice."""
    with serving(says('{"n": 1}')) as server:
        talk: tuple[Message, ...] = (user("a"), assistant("b"))
        one(tmp_path, server, Question("p/1", talk, schema=SCHEMA))
        one(tmp_path, server, Question("p/1", talk))
        assert [len(request["messages"]) for request in server.asked] == [3, 2]
        assert server.asked[0]["messages"][2]["role"] == "user"
