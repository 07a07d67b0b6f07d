"""Conversations that a teacher writes. Would break: a gold call that nobody could know, an invented result that is
learned from, a lying or broken teacher that stops the run or slips through, a length or scenario that is not as wanted,
another question for the same seed, which would be paid twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from scripted_teacher import Scripted, corrupt, honest
from test_world import known, shop, shop_log
from toolfinch.data import lengths
from toolfinch.data.curate.quality import calls_fit, ends_properly
from toolfinch.data.forge.forge import conversation as forged
from toolfinch.data.synthesize import from_schemas
from toolfinch.data.teacher import propose, prose
from toolfinch.data.teacher.blueprint import LONG, Blueprint, Round
from toolfinch.data.teacher.drawing import draw_blueprint
from toolfinch.data.teacher.invent import ROUNDS, Synthesize, invent, mixed, rounds_of
from toolfinch.data.teacher.question import Answer, Question
from toolfinch.data.teacher.script import Slot, script
from toolfinch.errors import RecipeError, ToolfinchError, UsageError
from toolfinch.example import SCENARIOS, Conversation, examples, expected
from toolfinch.grounding import ungrounded
from toolfinch.message import Message, ToolResult
from toolfinch.recipe import convert
from toolfinch.toolbox import builtin_tools


def run(n: int, teacher: Any = None, **more: Any) -> list[Conversation | str]:
    return list(invent(shop(), n, **{"seed": 1, "teachers": teacher or Scripted(honest), **more}))


def kept(rows: list[Conversation | str]) -> list[Conversation]:
    return [row for row in rows if not isinstance(row, str)]


def turns(one: Conversation) -> int:
    return sum(message.role == "user" for message in one.messages)


def fits(one: Conversation) -> None:
    """What must hold of every conversation."""
    assert ends_properly(one) == "" and calls_fit(one) == ""
    assert one.source == f"teacher/{prose.PURPOSE}/1" and one.scenario in SCENARIOS
    assert ("long" in one.tags) == (turns(one) >= LONG)
    for i, message in enumerate(one.messages):
        if message.role != "assistant":
            assert i not in one.marks
            continue
        mark = one.marks[i]
        assert mark.kind == ("call" if message.calls else mark.kind) and mark.kind is not None
        assert (mark.scenario or one.scenario) in SCENARIOS
        if not message.calls:
            assert message.content.endswith("?") == (mark.kind == "ask")
            texts = [m.content for m in one.messages[:i]]
            assert mark.kind in ("ask", "decline") or not ungrounded(message.content, texts)
        if mark.kind == "ask":  # and the tool that waits is called once the user has answered
            assert mark.later and one.messages[i + 2].calls[0].name == mark.later[0]
        for tool in mark.later:
            assert tool in {t.name for t in one.tools} and tool not in {c.name for c in message.calls}
    assert [e.expected.kind for e in examples(one)] == [
        expected(m, one.marks[i]).kind for i, m in enumerate(one.messages) if m.role == "assistant"
    ]


@pytest.mark.parametrize("log", [(), shop_log()], ids=["no log", "log"])
def test_an_honest_teachers_conversations_are_kept(log: Any) -> None:
    rows = run(44, log=log)
    assert len(rows) == 44 and len(kept(rows)) > 41, Counter(r for r in rows if isinstance(r, str))
    for one in kept(rows):
        fits(one)
    assert len({one.id for one in kept(rows)}) == len(kept(rows))
    kinds = Counter(mark.kind for one in kept(rows) for mark in one.marks.values())
    assert {"call", "say", "ask", "decline"} <= set(kinds)
    assert any(mark.accept for one in kept(rows) for mark in one.marks.values())
    systems = {one.messages[0].content for one in kept(rows) if one.messages[0].role == "system"}
    assert bool(systems) == bool(log) and systems <= {m.content for one in log for m in one.messages}


@pytest.mark.parametrize(
    "tools", [builtin_tools(), forged(3, 0).tools, forged(3, 8).tools], ids=["toolbox", "a", "b"]
)
def test_any_tools(tools: Any) -> None:
    rows = list(invent(tools, 40, seed=1, teachers=Scripted(honest), proposed=0))
    assert len(kept(rows)) > 35, Counter(r for r in rows if isinstance(r, str))
    for one in kept(rows):
        fits(one)


def test_lengths_and_scenarios_are_as_wanted() -> None:
    rows = run(50, rounds={1: 0.5, 3: 0.4, 12: 0.1}, scenarios={"single_tool": 3, "no_tool_needed": 1})
    counts = Counter(turns(one) for one in kept(rows))
    assert set(counts) == {1, 3, 12} and abs(counts[1] - 25) <= 2 and abs(counts[12] - 5) <= 2
    scenarios = Counter(one.scenario for one in kept(rows) if turns(one) < 12)
    assert set(scenarios) == {"single_tool", "no_tool_needed"}
    assert abs(scenarios["single_tool"] - 33) <= 3
    every = Counter(one.scenario for one in kept(run(40, rounds={1: 1})))
    assert set(every) == set(SCENARIOS)


def test_the_logs_lengths_are_followed_and_long_ones_added() -> None:
    logged = rounds_of(shop_log())
    assert logged[1] == sum(turns(one) == 1 for one in shop_log())
    shares = mixed(logged)
    assert sum(shares.values()) == pytest.approx(1)
    assert sum(shares[n] for n in range(8, 17)) == pytest.approx(0.15)
    assert shares[1] / shares[2] == pytest.approx(logged[1] / logged[2])
    assert mixed({}) == ROUNDS and mixed({9: 2.0}) == {9: 2.0}


def test_the_same_seed_asks_the_same_questions() -> None:
    """Or the ledger would not know them, and they would be paid again."""
    first, again, other = Scripted(honest), Scripted(honest), Scripted(honest)
    rows = run(24, first, log=shop_log())
    assert run(24, again, log=tuple(reversed(shop_log()))) == rows and again.asked == first.asked
    run(24, other, seed=2)
    assert not [q for q in other.asked if q in first.asked]
    more = Scripted(honest)
    run(30, more, log=shop_log())  # further rows ask further questions, and the old ones again
    assert all(question in more.asked for question in first.asked)
    assert len({repr(question) for question in first.asked}) == len(first.asked)


def test_a_long_conversation_is_written_in_parts_that_go_on() -> None:
    teacher = Scripted(honest)
    (one,) = kept(run(1, teacher, rounds={16: 1}, proposed=0))
    asked = [q for q in teacher.asked if q.purpose == prose.PURPOSE]
    assert turns(one) == 16 and len(asked) == 3
    first = next(m.content for m in one.messages if m.role == "user")
    assert f"USER: {first}" not in asked[0].messages[1].content
    assert all(f"USER: {first}" in question.messages[1].content for question in asked[1:])
    # What is not asked for yet is not shown: its calls would tell how it goes on.
    calls = [q.messages[1].content.count("\nCALL ") for q in asked]
    assert calls[0] < calls[1] < calls[2]


def test_without_teachers_the_offline_synthesizer_writes() -> None:
    rows = list(invent(shop(), 5, seed=3))
    assert rows == list(from_schemas(shop(), 5, 3))


# --- teachers that do not do it


def assistant(change: Any) -> Any:
    return corrupt(lambda key, role, text: change(text) if role == "assistant" else text)


def users(change: Any) -> Any:
    return corrupt(lambda key, role, text: change(text) if role == "user" else text)


def any_turn(change: Any) -> Any:
    return corrupt(lambda key, role, text: change(text))


def raw(value: Any) -> Any:
    return lambda question: value(question) if question.purpose == prose.PURPOSE else honest(question)


LIES: dict[str, tuple[Any, str]] = {
    "a value that no result holds": (
        assistant(lambda t: f"{t.rstrip('.?')}, and it costs 4711 EUR{t[-1]}"),
        "prose: the assistant states what nothing before holds",
    ),
    "an invented name": (
        assistant(lambda t: f"I spoke to Ferdinand about it. {t}" if not t.endswith("?") else t),
        "prose: the assistant states what nothing before holds",
    ),
    "wrong values": (users(lambda t: re.sub(r"\d", "7", t) + " 31337"), "prose: the user says a value that no call"),
    "values left out": (users(lambda t: "please do it"), "prose: nobody says "),
    "a tool's name": (
        assistant(lambda t: f"I used find_bikes. {t}"), "prose: the assistant names a function or shows JSON"
    ),
    "a parameter's name": (users(lambda t: f"{t} (booking_id)"), "prose: the user names a function or shows JSON"),
    "JSON": (assistant(lambda t: f'{{"status": "ok"}} {t}'), "prose: the assistant names a function or shows JSON"),
    "HTML in a turn": (any_turn(lambda t: f"<b>{t}</b>"), "names a function or shows JSON"),
    "a question too many": (
        assistant(lambda t: f"{t} Anything else?"), "prose: a question where the assistant is to "
    ),
    "no question": (assistant(lambda t: t.replace("?", ".")), "prose: no question where the assistant is to ask"),
    "a failure passed over": (assistant(lambda t: "All is well." if t.startswith("Sorry, that did") else t),
                              "prose: does not report that something failed"),
    "a failure that was none": (
        assistant(lambda t: "That failed." if t.startswith(("Done", "That is done")) else t),
        "prose: reports a failure where there was none",
    ),
    "empty turns": (any_turn(lambda t: "  "), "prose: a turn is empty"),
    "endless turns": (any_turn(lambda t: t + " so" * 1000), "prose: a turn is too long"),
    "turns that are no text": (any_turn(lambda t: 7), "prose: a turn is empty"),
    "HTML": (raw(lambda q: "<html>Bad gateway</html>"), "prose: the answer is not the turns"),
    "nothing": (raw(lambda q: None), "prose: the answer is not the turns"),
    "other turns": (raw(lambda q: {"t99": "hi"}), "prose: the answer is not the turns"),
    "a list": (raw(lambda q: ["hi"]), "prose: the answer is not the turns"),
    "an error": (raw(lambda q: ToolfinchError("status 500")), "teacher: status 500"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_teacher_costs_its_rows(lie: str) -> None:
    """Each lie in its own rows, named by its reason; no value of a conversation is in it."""
    liar, why = LIES[lie]
    rows = run(19, liar if isinstance(liar, Scripted) else Scripted(liar), rounds={2: 1, 3: 1}, proposed=0)
    reasons = [row for row in rows if isinstance(row, str)]
    assert any(why in reason for reason in reasons), Counter(reasons)
    # A lie that only fits some turns leaves the other rows alone, and those are good.
    for one in kept(rows):
        fits(one)
    for reason in reasons:
        assert not re.search(r"4711|31337|Ferdinand|KW-|B-\d", reason)


def test_only_the_rows_with_the_lie_are_lost() -> None:
    good = run(19, rounds={1: 1}, proposed=0)
    lied = run(19, Scripted(LIES["a failure passed over"][0]), rounds={1: 1}, proposed=0)
    changed = [(a, b) for a, b in zip(good, lied, strict=True) if a != b]
    assert changed and all(isinstance(b, str) and b.startswith("prose: does not report") for _, b in changed)


def test_an_asked_value_that_was_already_said() -> None:
    teacher = Scripted(honest)
    one = next(
        drawn
        for i in range(200)
        if (drawn := draw_blueprint(known("shop"), "x", str(i), "single_tool", 2)) and drawn.rounds[0].ask
    )
    (wanted,) = prose.chunks(one)
    question = prose.question(one, wanted, {})
    texts = honest(question)
    assert prose.fault(one, texts) == ""
    told = {**texts, "t1": f"{texts['t1']} {texts['t3']}"}
    call = one.rounds[0].steps[0].calls[0]
    assert (
        prose.fault(one, told) == f"prose: asks for {one.rounds[0].ask[0]!r} of {call.name!r}, which was said"
    )
    assert not teacher.asked


def test_a_changed_result_does_not_replay() -> None:
    """Were the calls or results ever not the blueprint's, the row would go."""
    one = draw_blueprint(known("shop"), "x", "0", "single_tool", 1)
    assert one is not None
    step = one.rounds[0].steps[0]
    forged_step = type(step)(
        step.calls, (ToolResult('{"note":"x"}', "call_0", step.calls[0].name),), step.copied, step.said
    )
    tampered = Blueprint(**{f: getattr(one, f) for f in one.__struct_fields__} | {
        "rounds": (Round("act", "single_tool", one.rounds[0].intent, (forged_step,)),)
    })  # fmt: skip
    texts = {s.key: t for s, t in zip(_slots(tampered), (_said(tampered), "That is done."), strict=True)}
    assert prose.written(tampered, texts, known("shop"), source="s") == (
        f"replay: {step.calls[0].name!r} gives another result"
    )


def _slots(one: Blueprint) -> list[Slot]:
    return [part for part in script(one) if isinstance(part, Slot)]


def _said(one: Blueprint) -> str:
    return "; ".join(_slots(one)[0].values) or "please"


def test_a_teacher_that_gives_nothing_is_not_asked_for_ever() -> None:
    teacher = Scripted(raw(lambda q: "<html>"))
    rows: Iterator[Conversation | str] = invent(shop(), 500, seed=1, teachers=teacher, proposed=0)
    with pytest.raises(ToolfinchError, match="teacher rules: none of the first 20 conversations") as error:
        for row in rows:
            assert isinstance(row, str)
    assert error.value.exit_code == 1 and "prose: the answer is not the turns" in str(error.value)
    assert len(teacher.asked) == 20
    assert len(run(5, Scripted(raw(lambda q: "<html>")), proposed=0)) == 5  # too few to tell


def test_nonsense_plans_cost_their_rows_and_no_words_are_asked_for() -> None:
    def nonsense(question: Question) -> Any:
        return {"goal": 7} if question.purpose == propose.PURPOSE else honest(question)

    teacher = Scripted(nonsense)
    rows = run(60, teacher, proposed=1.0)
    lost = [row for row in rows if row == "blueprint: the answer is not a plan"]
    assert lost and len(lost) == sum(q.purpose == propose.PURPOSE for q in teacher.asked)
    assert len(kept(rows)) == 60 - len(lost)


# --- committees


def test_the_first_answer_that_can_stand_is_taken() -> None:
    liar = LIES["a tool's name"][0]
    rows = run(20, Scripted(liar, honest), proposed=0)
    assert len(kept(rows)) == len(kept(run(20, proposed=0)))
    assert not any(
        "find_bikes" in m.content for one in kept(rows) for m in one.messages if m.role == "assistant"
    )


def test_every_teacher_writes() -> None:
    def marked(word: str) -> Any:
        return assistant(lambda t: t.replace("Done", word))

    rows = kept(run(24, rounds={1: 1}, teacher=Scripted(marked("Fine"), marked("Well")), proposed=0))
    said = Counter(m.content[:4] for one in rows for m in one.messages if m.role == "assistant")
    assert said["Fine"] > 5 and said["Well"] > 5


def test_a_committee_votes_on_what_one_of_it_proposes() -> None:
    def votes(word: str) -> Any:
        return lambda q: {"exact": word} if q.purpose == propose.REVIEW else honest(q)

    def lost(*teachers: Any) -> int:
        return sum(
            isinstance(row, str) and row.startswith("review: ")
            for row in run(19, Scripted(*teachers), proposed=1.0, scenarios={"single_tool": 1}, rounds={1: 1})
        )

    assert lost(honest, votes("yes"), votes("yes")) == 0
    assert lost(honest, honest, votes("no")) > 0  # a tie, where the third does not vote on its own
    assert lost(votes("no"), votes("no"), votes("no")) == 19
    alone = Scripted(votes("no"))
    assert kept(run(5, alone, proposed=1.0)) and all(q.purpose != propose.REVIEW for q in alone.asked)


# --- what is asked


def test_a_prose_question_says_what_is_to_be_written() -> None:
    one = draw_blueprint(known("shop with log"), "x", "7", "multi_tool_sequential", 1)
    assert one is not None
    (wanted,) = prose.chunks(one)
    question = prose.question(one, wanted, {}, prompt="You are the shop's.", style=("hiya, full service",))
    text = question.messages[1].content
    assert question.purpose == prose.PURPOSE and question.schema is not None
    assert set(question.schema["properties"]) == {slot.key for slot in wanted}
    assert "You are the shop's." in text and "- hiya, full service" in text
    for step in one.steps:
        for result in step.results:
            assert result.content in text
    assert prose.question(one, wanted, {}) == prose.question(one, wanted, {})


@pytest.mark.parametrize(
    ("value", "schema", "text", "known_"),
    [
        ("KW-102", {}, "the kw-102 please", True),
        ("KW-102", {}, "the KW-103", False),
        ("2025-03-03", {}, "on March 3", True),
        ("2025-03-03", {}, "on March 4", False),
        ("15:00", {}, "at 3 pm", True),
        (5, {}, "five of them", True),
        (5, {}, "50", False),
        (30.0, {}, "30 EUR", True),
        ("full_service", {"enum": ["full_service", "gears"]}, "a full check", True),
        ("gears", {"enum": ["full_service", "gears"]}, "a full check", False),
        ("john_smith", {}, "it is john smith", True),
        ("john_smith", {}, "it is john", False),
        (True, {}, "", True),
        (None, {}, "", True),
        ("text", {"default": "text"}, "", True),
        ({"name": "Noor", "phone": "555-0126"}, {}, "Noor, 555 0126", True),
        ({"name": "Noor", "phone": "555-0126"}, {}, "Noor, 555-0127", False),
        ({"name": "Noor", "phone": "555-0126"}, {}, "Noor, 555-0126", True),
        (["helmet", "lock"], {"items": {"enum": ["helmet", "lock"]}}, "a helmet and a lock", True),
        (["helmet", "lock"], {"items": {"enum": ["helmet", "lock"]}}, "a helmet", False),
        ("the red one that we saw at the station yesterday", {}, "we saw a red one at the station yesterday", True),
        ("the red one that we saw at the station yesterday", {}, "a blue one in the shop", False),
        ("…", {}, "nothing", False),
        ("", {}, "anything", True),
    ],
)  # fmt: skip
def test_visible(value: Any, schema: Any, text: str, known_: bool) -> None:
    assert prose.visible(value, schema, (text,)) is known_


# --- what a user gets wrong


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"scenarios": {"single": 1.0}}, "synthesize.scenarios: 'single' is not one of"),
        ({"scenarios": {"single_tool": -1.0}}, "synthesize.scenarios: expected weights"),
        ({"scenarios": {}}, "synthesize.scenarios: expected weights"),
        ({"rounds": {17: 1.0}}, "synthesize.rounds: 17 is not between 1 and 16"),
        ({"rounds": {1: 0.0}}, "synthesize.rounds: expected weights"),
    ],
)
def test_wrong_shares_are_refused_before_anything_is_asked(more: Any, why: str) -> None:
    teacher = Scripted(honest)
    with pytest.raises(UsageError, match=re.escape(why)):
        run(5, teacher, **more)
    assert not teacher.asked
    with pytest.raises(UsageError, match="tools: there are none"):
        list(invent((), 5, seed=1))


def test_the_recipe_table() -> None:
    table = convert({"conversations": 5, "rounds": {"1": 0.5, "8": 0.5}}, Synthesize, "mine.toml")
    assert table.lengths() == {1: 0.5, 8: 0.5} and Synthesize(conversations=5).lengths() is None
    with pytest.raises(RecipeError, match="conversations: missing"):
        convert({}, Synthesize, "mine.toml")
    with pytest.raises(UsageError, match="rounds: 'two' is no number"):
        Synthesize(conversations=5, rounds={"two": 1.0}).lengths()


def test_a_budget_that_is_spent_stops_the_run_where_it_is() -> None:
    class Poor(Scripted):
        def ask(self, questions: Any) -> Iterator[tuple[Answer, ...]]:
            for answers in super().ask(questions):
                if len(self.asked) > 25:
                    raise ToolfinchError("the budget is spent")
                yield answers

    got: list[Any] = []
    with pytest.raises(ToolfinchError, match="budget"):
        for row in invent(shop(), 30, seed=1, teachers=Poor(honest), rounds={1: 1}, proposed=0):
            got.append(row)
    assert len(kept(got)) >= 18  # the first ones, which were done


def test_it_is_rendered_for_training() -> None:
    """What is trained is what is served, so a template must show every call as it was made."""
    rows = kept(run(12, log=shop_log()))
    count = lengths.Longest("fledgling")
    for one in rows:
        assert count(one) > 0
        lengths._renderer("fledgling", "").check_history(one.messages, one.tools)
    assert not [m for one in rows for m in one.messages if not isinstance(m, Message)]
