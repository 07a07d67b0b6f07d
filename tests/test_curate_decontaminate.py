"""Would break: a suite's request that is trained on, a log that loses half its rows to its own courtesies, or a drop
that does not say for which suite."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolfinch.data.curate import decontaminate
from toolfinch.data.curate.decontaminate import COMMON, stage, texts_of
from toolfinch.data.stage import run
from toolfinch.evaluate import suite as suites
from toolfinch.evaluate.suite import Suite
from toolfinch.example import Conversation, examples
from toolfinch.message import assistant, system, tool, user

EIGHT = "book two seats to Lisbon on Friday morning"
SEVEN = "book two seats to Lisbon on Friday"
LONG = "please move my appointment with the dentist in Graz from Monday at nine to Thursday at half past two"
TALK = "Is there a train?\nto Ghent\nat noon on Sunday\nYes, the slow one\nNo, nothing more"
SUITE = {"held_out": (EIGHT, SEVEN, LONG, TALK)}
BOTH = {"b": (EIGHT,), "a": (EIGHT, LONG)}
REASON = "resembles the evaluation suite held_out"


def said(id: str, *turns: str) -> Conversation:
    return Conversation(id, (), tuple(m for turn in turns for m in (user(turn), assistant("ok"))))


def words(text: str, start: int, end: int) -> str:
    return " ".join(text.split()[start:end])


@pytest.mark.parametrize(
    ("turns", "goes"),
    [
        ((EIGHT,), True),
        ((f"  {EIGHT.upper()}!!",), True),
        ((EIGHT.replace(" ", "\u00a0\n"),), True),
        (("Hi", EIGHT, "Thanks"), True),
        ((words(EIGHT, 0, 4), words(EIGHT, 4, 8)), True),  # all that is said
        ((f"{EIGHT} please",), False),
        ((EIGHT.replace("two", "three"),), False),
        ((SEVEN,), False),  # too short to tell
        ((words(LONG, 0, 13),), True),
        ((f"Hello, {words(LONG, 3, 16)}!",), True),
        ((words(LONG, 0, 12),), False),
        ((words(LONG, 0, 12), "or so"), False),
        ((words(LONG, 0, 7), words(LONG, 7, 15)), True),
        ((" ".join(reversed(LONG.split())),), False),
        (tuple(TALK.split("\n")), True),
        (("Well", *TALK.split("\n")[:4]), True),
        (("at noon on Sunday", "Yes, the slow one"), False),
        ((), False),
        (("", " !"), False),
    ],
)
def test_what_resembles_a_suite(turns: tuple[str, ...], goes: bool) -> None:
    kept, step = run(stage(SUITE), [said("x", *turns)])
    assert (not kept) is goes
    assert step.reasons == ({REASON: 1} if goes else {}) and step.did == {}


def test_only_what_users_say_is_compared() -> None:
    one = Conversation(
        "x", (), (system(LONG), user("Hi"), assistant(LONG), tool(LONG, "c"), assistant(EIGHT))
    )
    assert run(stage(SUITE), [one])[0] == [one]


def test_a_later_turn_of_a_suite_is_compared_by_its_runs_alone() -> None:
    """As a whole it is often no more than thanks."""
    thanks = "No, thank you so much for all your help"
    texts = {"s": (f"Find me a bus\n{thanks}",)}
    assert len(run(stage(texts), [said("x", "Sell my boat", thanks)])[0]) == 1
    assert run(stage({"s": (f"{thanks}\nFind me a bus",)}), [said("x", "Sell my boat", thanks)])[0] == []


def test_the_reason_names_the_suite_and_the_same_one_in_any_order() -> None:
    for texts in (BOTH, dict(reversed(BOTH.items()))):
        _, step = run(stage(texts), [said("x", EIGHT), said("y", LONG, EIGHT)])
        assert step.reasons == {"resembles the evaluation suite a": 2}


@pytest.mark.parametrize("texts", [{}, {"s": ()}, {"s": ("", "too short")}])
def test_without_a_suite_everything_stays(texts: dict[str, tuple[str, ...]]) -> None:
    rows = [said("x", LONG), said("y")]
    assert run(stage(texts), rows)[0] == rows


def test_what_all_of_a_log_says_is_no_sign_and_is_counted() -> None:
    rows = [said(f"{i}", f"This is request number {i}.", EIGHT) for i in range(COMMON + 1)]
    kept, step = run(stage(SUITE), rows)
    assert kept == rows
    assert step.did == {"shares only common phrases with the evaluation suite held_out": COMMON + 1}
    assert run(stage(SUITE), rows[:-1])[0] == []


def test_a_rare_run_beside_a_common_one_is_a_sign() -> None:
    rows = [said(f"{i}", f"This is request number {i}.", EIGHT) for i in range(COMMON + 5)]
    kept, step = run(stage(SUITE), [*rows, said("x", EIGHT, LONG)])
    assert kept == rows and [one.id for one in step.dropped] == ["x"]


def test_a_suite_that_was_run_against_the_logged_assistant_is_found_however_often() -> None:
    rows = [said(f"{i}", *TALK.split("\n")) for i in range(200)] + [said(f"e{i}", EIGHT) for i in range(200)]
    assert run(stage(SUITE), rows)[0] == []


def test_texts_are_the_turns_of_each_conversation_once() -> None:
    one = said("a", "Hi\nthere", "Where is  it?", "Thanks")
    silent = Conversation("b", (), (system("Go."), assistant("Gone.")))
    found = [example for each in (one, silent) for example in examples(one if each is one else silent)]
    random.Random(1).shuffle(found)
    again = examples(Conversation("c", (), one.messages))
    assert texts_of(Suite("s", [*found, *again])) == ("Hi there\nWhere is it?\nThanks",)


@pytest.mark.parametrize(
    ("name", "texts", "short"),
    [
        ("scenarios_200", 200, 9),
        ("unseen_tools_100", 100, 18),
        ("forty", 40, 1),
        ("dependencies", 168, 1),
        ("long_context", 22, 0),
        ("failed_tools", 110, 38),
    ],
)
def test_copies_of_a_packaged_suite_are_found_but_for_the_shortest(name: str, texts: int, short: int) -> None:
    found = texts_of(suites.open(name))
    rows = [said(f"{i}", *(turn.upper() + " !" for turn in text.split("\n"))) for i, text in enumerate(found)]
    kept, _ = run(stage({name: found}), rows)
    assert (len(found), len(kept)) == (texts, short)
    assert all(sum(len(m.content.split()) for m in one.messages if m.role == "user") < 10 for one in kept)


TURNS = st.lists(st.sampled_from(["Hi", EIGHT, LONG, words(LONG, 2, 15), *TALK.split("\n")]), max_size=4)


@given(st.lists(TURNS, min_size=1, max_size=30), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_rows_and_of_the_texts_changes_nothing(
    drawn: list[list[str]], chance: random.Random
) -> None:
    rows = [said(f"{i}", *turns) for i, turns in enumerate(drawn)]
    kept, step = run(stage(SUITE), rows)
    chance.shuffle(rows)
    again, shuffled = run(stage({"held_out": SUITE["held_out"][::-1]}), rows)
    assert {one.id for one in again} == {one.id for one in kept}
    assert set(shuffled.dropped) == set(step.dropped) and shuffled.did == step.did


def test_facts_are_the_same_in_every_process_and_small() -> None:
    code = (
        "from toolfinch.data.curate.decontaminate import stage\n"
        "from toolfinch.example import Conversation\n"
        "from toolfinch.message import user\n"
        f"print(stage({SUITE!r}).look(Conversation('x', (), (user({LONG!r}),))))"
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
    look = stage(SUITE).look
    assert look is not None
    assert told == {f"{look(said('x', LONG))}\n"}
    assert look(said("y", "nothing " * 5000)) is None


def test_a_stage_can_be_sent_to_another_machine() -> None:
    pickle = pytest.importorskip("ray.cloudpickle")
    rows = [said("a", EIGHT), said("b", "Hi")]
    here = stage(SUITE)
    sent = here._replace(look=pickle.loads(pickle.dumps(here.look)))
    sent = sent._replace(decide=lambda facts: pickle.loads(pickle.dumps(here.decide(facts))))
    assert run(sent, rows) == run(here, rows)
    assert run(sent, rows)[0] == rows[1:]


def test_a_run_of_words_is_not_a_sum_of_them() -> None:
    """Hashes of runs depend on the order and the place of every word."""
    told = LONG.split()[:13]
    hashes = set()
    chance = random.Random(5)
    for _ in range(300):
        chance.shuffle(told)
        hashes.update(decontaminate._hashes([told], []).tolist())
    assert len(hashes) == 600  # the run, and all that is said
