"""Would break: a decision learned twice, another one taken for a copy of it, a session or a loop that fills the data,
or a result that depends on the order of the rows or on the process."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolfinch.data.curate import cap, duplicates, loops, near
from toolfinch.data.curate.decisions import decisions, session
from toolfinch.data.pairs import unpaired
from toolfinch.data.stage import Changed, Stage, run
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, assistant, system, tool, user
from toolfinch.tool import Tool

WEATHER, TIME = Tool("weather"), Tool("time")
LATER = Tool("weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
ASKED = "What will the weather be like in the old town of Rome tomorrow, and do I need a coat or an umbrella?"
STAGES: dict[str, Callable[[], Stage]] = {
    "session": lambda: cap.decisions_each(2),
    "openings": lambda: cap.openings(2),
    "exact": duplicates.stage,
    "near": near.stage,
    "loops": loops.stage,
}


def call(name: str = "weather", id: str = "", **arguments: Any) -> Message:
    return assistant("", ToolCall(name, arguments, id))


def talk(id: str, *messages: Message, tools: tuple[Tool, ...] = (WEATHER, TIME), **more: Any) -> Conversation:
    return Conversation(id, tools, messages, **more)


def kept(stage: Stage, *rows: Conversation) -> list[str]:
    return [one.id for one in run(stage, rows)[0]]


# Exact duplicates.

FIRST = talk("a", user("Weather in Rome?"), call(city="Rome", days=1))


@pytest.mark.parametrize(
    ("messages", "is_copy"),
    [
        ((user("Weather in Rome?"), call(city="Rome", days=1)), True),
        ((user("  weather in ROME "), call(id="c9", days=1, city="Rome")), True),
        ((system("Be brief."), user("Weather in Rome?"), call(city="Rome", days=1)), True),
        ((user("Hi"), assistant("Hi!"), user("Weather in Rome?"), call(city="Rome", days=1)), False),
        ((user("Weather in Rome?"), call(city="Oslo", days=1)), False),
        ((user("Weather in Rome?"), call(city="Rome", days="1")), False),
        ((user("Weather in Rome?"), call(city="Rome", days=1.0)), False),
        ((user("Weather in Rome?"), call(city="Rome", days=True)), False),
        ((user("Weather in Rome?"), call(city="rome", days=1)), False),
        ((user("Weather in Rome?"), call(city="Rome")), False),
        ((user("Weather in Rome?"), call("time", city="Rome", days=1)), False),
        ((user("Weather in Roma?"), call(city="Rome", days=1)), False),
        ((user("Weather in Rome?"), assistant("calls weather")), False),
        ((user("Weather in Rome?"), assistant("Which day?")), False),
    ],
)
def test_what_is_the_same_decision(messages: tuple[Message, ...], is_copy: bool) -> None:
    again = talk("b", *messages)
    assert kept(duplicates.stage(), again, FIRST) == (["a"] if is_copy else ["b", "a"])


@pytest.mark.parametrize(
    ("tools", "is_copy"),
    [((WEATHER, TIME), True), ((TIME, WEATHER), True), ((WEATHER,), False), ((LATER, TIME), False)],
)
def test_tools_are_a_set_and_a_part_of_the_decision(tools: tuple[Tool, ...], is_copy: bool) -> None:
    again = talk("b", *FIRST.messages, tools=tools)
    assert kept(duplicates.stage(), FIRST, again) == (["a"] if is_copy else ["a", "b"])
    assert kept(near.stage(), FIRST, again) == (["a"] if is_copy else ["a", "b"])


def test_calls_of_one_turn_have_no_order_but_a_number() -> None:
    rome, oslo = ToolCall("weather", {"city": "Rome"}), ToolCall("weather", {"city": "Oslo"})
    rows = [
        talk(str(i), user("?"), assistant("", *calls))
        for i, calls in enumerate([(rome, oslo), (oslo, rome), (rome, oslo, oslo)])
    ]
    assert kept(duplicates.stage(), *rows) == ["0", "2"]


def test_a_yes_is_known_by_what_was_asked() -> None:
    rows = [
        talk(id, user(id), assistant(asks), user("yes"), assistant("Done."))
        for id, asks in (("a", "Delete?"), ("b", "Keep?"))
    ]
    assert kept(duplicates.stage(), *rows) == ["a", "b"]
    assert run(duplicates.stage(), rows)[1].did == {}


def test_only_the_repeated_turn_is_skipped_and_counted() -> None:
    longer = talk("b", *FIRST.messages, tool("sun"), user("And in Oslo?"), call(city="Oslo", days=1))
    after, step = run(duplicates.stage(), [longer, FIRST])
    assert {one.id: decisions(one) for one in after} == {"a": [1], "b": [4]}
    assert step.did == {f"turn skipped: {duplicates.REPEATED}": 1}
    assert after[0].messages == longer.messages


def test_a_conversation_is_no_copy_of_itself() -> None:
    twice = talk("a", *FIRST.messages, tool("sun"), *FIRST.messages)
    assert run(duplicates.stage(), [twice])[0] == [twice]


def test_a_bad_turn_teaches_nobody_and_takes_nobodys_place() -> None:
    bad = talk("a", *FIRST.messages, marks={1: Mark(skip=True)})
    assert kept(duplicates.stage(), bad, talk("b", *FIRST.messages)) == ["a", "b"]


# Near-duplicates.


@pytest.mark.parametrize(
    ("words", "arguments", "is_copy"),
    [
        (ASKED, {"city": "Rome"}, True),
        (ASKED.upper().replace(",", " ;"), {"city": "Rome"}, True),
        ("Hello! " + ASKED, {"city": "Rome"}, True),
        (ASKED, {"city": "Oslo"}, False),
        (ASKED, {"city": "Rome", "days": 1}, False),
        ("I have a flight to catch. Shall I take something warm with me to Rome?", {"city": "Rome"}, False),
        (" ".join(sorted(ASKED.split())), {"city": "Rome"}, False),
        ("", {"city": "Rome"}, False),
    ],
)
def test_what_says_almost_the_same(words: str, arguments: dict[str, Any], is_copy: bool) -> None:
    first = talk("a", user(ASKED), call(city="Rome"))
    other = talk("b", user(words), call(**arguments))
    assert kept(near.stage(), other, first) == (["a"] if is_copy else ["b", "a"])


def test_a_value_of_another_type_is_another_call() -> None:
    rows = [
        talk(str(i), user(ASKED), call(days=value)) for i, value in enumerate([1, "1", 1.0, True, None, [1]])
    ]
    assert len(run(near.stage(), rows)[0]) == 6


def test_a_failure_is_no_copy_of_a_success() -> None:
    rows = [
        talk(result, user(ASKED), call(id="c"), tool(result, "c"), assistant("Well."))
        for result in ('{"error": "timeout"}', '{"sky": "blue"}', '{"sky": "grey"}')
    ]
    assert kept(near.stage(), *rows) == ['{"error": "timeout"}', '{"sky": "blue"}']


def test_nobody_who_says_nothing_is_joined() -> None:
    rows = [talk(str(i), user("?!"), call(id="c")) for i in range(3)]
    assert kept(near.stage(), *rows) == ["0", "1", "2"]


@pytest.mark.parametrize("starts", [(0, 4, 8), (0, 8, 4), (4, 0, 8)])
def test_what_is_alike_through_others_is_one_group(starts: tuple[int, int, int]) -> None:
    """The first and the last share too little; the one between them is like both, whichever comes first."""
    told = [f"word{i}" for i in range(60)]
    rows = [talk(str(i), user(" ".join(told[at : at + 50])), call()) for i, at in enumerate(starts)]
    apart = [one for one, at in zip(rows, starts, strict=True) if at != 4]
    assert kept(near.stage(0.8), *apart) == [one.id for one in apart]
    assert kept(near.stage(0.8), *rows) == ["0"]


def test_copies_are_found_among_many_that_are_half_alike() -> None:
    """In nearly every bucket of the two one of the others comes first."""
    template = " ".join(f"word{i}" for i in range(50))
    rows = [
        talk(f"{i:02}", user(f"{template} {' '.join(f'own{i}x{j}' for j in range(8))}"), call())
        for i in range(60)
    ]
    copy = talk("99", user(rows[-1].messages[0].content + " please"), call())
    assert kept(near.stage(0.9), *rows, copy) == [one.id for one in rows]


def test_the_threshold_is_one_of_similarity() -> None:
    chance = random.Random(3)
    told = [f"w{i}" for i in range(400)]
    rows = []
    for pair in range(100):
        drawn = chance.sample(told, 102)
        rows.append(talk(f"{pair}/0", user(" ".join(drawn)), call(pair=pair)))
        drawn[chance.randrange(20, 80)] = "another"  # 97 of 103 shingles are the same
        rows.append(talk(f"{pair}/1", user(" ".join(drawn)), call(pair=pair)))
    left = [len(run(near.stage(threshold), rows)[0]) for threshold in (0.7, 0.85, 0.999)]
    assert left[0] == 100 and left[1] <= 102 and left[2] >= 190


def test_what_is_kept_of_each_is_small() -> None:
    facts = near.stage().look
    assert facts is not None
    assert sum(map(len, facts(talk("a", user("word " * 5000), call(city="x" * 5000))))) == 8 + near.NUMBERS


# A cap.


def test_a_session_is_all_of_its_parts() -> None:
    ids = ["s1", "s1#2", "s1#13", "s1#2#2", "s12", "s1#x", "#1"]
    assert [session(talk(id)) for id in ids] == ["s1"] * 4 + ["s12", "s1#x", ""]


def test_no_more_than_asked_for_and_no_fewer() -> None:
    def turns(number: int) -> list[Message]:
        return [message for i in range(number) for message in (user(f"{i}"), assistant(f"{i}!"))]

    rows = [
        talk("s1", *turns(4)),
        talk("s1#2", *turns(3)),
        talk("s1#3", *turns(5)),
        talk("t", *turns(6)),
        talk("u", *turns(2)),
    ]
    for most in (1, 2, 5, 6, 11, 12):
        after, step = run(cap.decisions_each(most), rows)
        sizes = [
            sum(len(decisions(one)) for one in after if session(one) == name) for name in ("s1", "t", "u")
        ]
        assert sizes == [min(most, 12), min(most, 6), min(most, 2)]
        assert all(decisions(one) for one in after)
        assert set(step.reasons) <= {f"more than {most} decisions of one session"}


def test_which_decisions_stay_is_drawn() -> None:
    messages = [message for i in range(50) for message in (user(f"{i}"), assistant("ok"))]
    stayed = {
        id: tuple(decisions(run(cap.decisions_each(5), [talk(id, *messages)])[0][0])) for id in "abcdefgh"
    }
    assert len(set(stayed.values())) == 8
    assert (1, 3, 5, 7, 9) not in stayed.values()


def test_a_flood_of_one_opening_is_cut() -> None:
    rows = [talk(f"{i}", user(f"Check order {i}, please"), assistant("ok")) for i in range(20)]
    rows += [talk(f"x{i}", user(f"{'ab'[i]} other words"), assistant("ok")) for i in range(2)]
    left = kept(cap.openings(3), *rows)
    assert len(left) == 5 and left[-2:] == ["x0", "x1"] and left[:3] != ["0", "1", "2"]


# Loops.

TRY = (call(id="c", city="Rome"), tool("none", "c"))


@pytest.mark.parametrize(
    ("repeated", "left"),
    [
        (TRY, 4),
        (TRY * 2, 6),
        (TRY * 3, 4),
        (TRY * 9, 4),
        ((*TRY * 2, call(id="c", city="Oslo"), tool("none", "c"), *TRY * 2), 12),
        ((*TRY * 2, call(id="c", city="Rome"), tool("some", "c")), 8),
        ((*TRY * 2, call(id="c", city="Rome"), tool("none", "c", is_error=True)), 8),
        ((*TRY, user("again"), *TRY, user("again"), *TRY), 10),
        ((*TRY * 3, user("again"), *TRY * 3), 7),
        (tuple(m for i in range(3) for m in (call(id=f"c{i}", city="Rome"), tool("none", f"c{i}"))), 4),
        (tuple(m for i in range(3) for m in (call(id="c", n=(1, "1")[i % 2]), tool("none", "c"))), 8),
        ((call(id="c"), call(id="c"), call(id="c")), 5),
    ],
)
def test_only_three_equal_tries_in_a_row_are_a_loop(repeated: Sequence[Message], left: int) -> None:
    one = talk("a", user("?"), *repeated, assistant("There is none."))
    after, step = run(loops.stage(), [one])
    assert len(after[0].messages) == left
    assert step.did.get("the same call again, cut", 0) * 2 == len(one.messages) - left
    assert after[0].messages[-1] == one.messages[-1]
    if not unpaired(one.messages).unanswered:
        assert unpaired(after[0].messages) == unpaired(())


def test_marks_stay_with_their_turns() -> None:
    one = talk(
        "a", user("?"), *TRY * 3, assistant("?"), marks={1: Mark(skip=True), 5: Mark(), 7: Mark("ask")}
    )
    after = loops.cut(one)
    assert isinstance(after, Changed)
    assert after.one.marks == {1: Mark(skip=True), 3: Mark("ask")}


# All of them.

MESSAGES = st.sampled_from(
    [
        (user(ASKED), call(id="c", city="Rome"), tool("none", "c")),
        (user(ASKED + " Please."), call(id="c", city="Rome"), tool("none", "c")),
        (user(ASKED), call(id="c", city=1), tool("none", "c")),
        TRY * 3,
        (user("yes"), assistant("Done.")),
        (user("yes"), assistant("Which one?")),
    ]
)
IDS = st.sampled_from([f"{name}{part}" for name in "abc" for part in ("", "#2", "#3")])


@pytest.mark.parametrize("name", STAGES)
@given(st.dictionaries(IDS, st.lists(MESSAGES, min_size=1, max_size=3), min_size=1), st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_rows_changes_nothing_and_neither_does_a_second_run(
    name: str, drawn: dict[str, list[tuple[Message, ...]]], chance: random.Random
) -> None:
    rows = [talk(id, *(message for part in parts for message in part)) for id, parts in drawn.items()]
    stage = STAGES[name]()
    after, step = run(stage, rows)
    chance.shuffle(rows)
    again, shuffled = run(stage, rows)
    by_id = {one.id: one for one in after}
    assert {one.id: one for one in again} == by_id
    assert (shuffled.reasons, shuffled.did) == (step.reasons, step.did)
    assert set(shuffled.dropped) == set(step.dropped)
    assert after and len(after) + len(step.dropped) == len(rows)
    assert run(stage, after)[0] == after


def test_facts_are_the_same_in_every_process() -> None:
    """Strings have another hash in each."""
    code = (
        "from toolfinch.data.curate import cap, duplicates, near\n"
        "from toolfinch.example import Conversation\n"
        "from toolfinch.message import ToolCall, assistant, user\n"
        "one = Conversation('a#2', (), (user('What is it like in Rome?'), assistant('', ToolCall('t', {'x': 1}))))\n"
        "print([stage.look(one) for stage in (cap.decisions_each(3), cap.openings(3), duplicates.stage(), near.stage())])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_can_be_sent_to_another_machine(name: str) -> None:
    pickle = pytest.importorskip("ray.cloudpickle")
    rows = [talk(id, user(ASKED), *TRY * 3, assistant("ok")) for id in ("a", "a#2", "a#3", "b")]
    stage = STAGES[name]()
    sent = stage._replace(look=pickle.loads(pickle.dumps(stage.look)))
    sent = sent._replace(decide=lambda facts: pickle.loads(pickle.dumps(stage.decide(facts))))
    assert run(sent, rows) == run(stage, rows)
    assert run(sent, rows)[1].dropped or run(sent, rows)[1].did
