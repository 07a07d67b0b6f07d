"""Blueprints. Would break: a gold call that no schema allows, a link to a value that no result holds, a plan whose
replay leaves another state, a teacher's plan that is not what was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripted_teacher import plan
from test_world import DOMAINS, known, made
from toolfinch.data.outcome import outcome
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.teacher import propose
from toolfinch.data.teacher.blueprint import LONG, Blueprint, Step, check
from toolfinch.data.teacher.domain import domain as build
from toolfinch.data.teacher.drawing import draw_blueprint, offer
from toolfinch.data.teacher.question import Answer
from toolfinch.data.teacher.script import script
from toolfinch.example import SCENARIOS
from toolfinch.message import ToolCall, ToolResult
from toolfinch.schema import violations

SHOP = ("shop", "shop with log")


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(DOMAINS),
    scenario=st.sampled_from(SCENARIOS),
    rounds=st.sampled_from((1, 1, 2, 3, 8, 16)),
    seed=st.integers(0, 50),
)
def test_what_is_drawn_holds(name: str, scenario: str, rounds: int, seed: int) -> None:
    domain = known(name)
    drawn = draw_blueprint(domain, "x", str(seed), scenario, rounds)
    if drawn is None:  # no chain over tools that do not fit together
        assert scenario in ("multi_tool_sequential", "complex_multi_step") and name not in SHOP
        return
    assert check(drawn, domain) == ""
    assert draw_blueprint(domain, "x", str(seed), scenario, rounds) == drawn
    assert drawn.turns == rounds
    offered = {tool.name: tool for tool in drawn.tools}
    assert len(offered) <= 15
    shown: list[str] = []
    made: list[ToolCall] = []
    for number, one in enumerate(drawn.rounds):
        assert bool(one.steps) == (one.kind == "act")
        for step in one.steps:
            for call, result, copied in zip(step.calls, step.results, step.copied, strict=True):
                assert not violations(offered[call.name], call.arguments)
                for argument in copied:  # what the user need not say stands in a result before
                    assert str(call.arguments[argument]) in "\n".join(shown), (number, call, argument)
                if any(call.same(other) for other in made):
                    assert one.scenario == "error_recovery"
                assert not result.is_error or one.scenario == "error_recovery"
            made += step.calls
            shown += [result.content for result in step.results]
        for argument in one.ask:
            call = one.steps[0].calls[0]
            assert argument in offered[call.name].parameters["required"]
    _is(drawn, scenario)


def _is(drawn: Blueprint, scenario: str) -> None:
    first = drawn.rounds[0]
    if scenario == "complex_multi_step" or drawn.turns >= LONG:
        assert len(list(drawn.steps)) > 1
        return
    assert first.scenario == scenario
    sizes = [len(step.calls) for step in first.steps]
    match scenario:
        case "single_tool" | "reasoning_heavy":
            assert sizes == [1]
        case "multi_tool_parallel":
            assert len(sizes) == 1 and sizes[0] > 1
        case "multi_tool_sequential":
            assert sizes == [1, 1] and first.steps[1].copied[0]
        case "no_tool_needed":
            assert not sizes
        case "error_recovery":
            result = first.steps[0].results[0]
            assert outcome(result) != "ok"
            assert len(sizes) == (2 if "retry" in drawn.failures.values() else 1) or drawn.turns > 1


def test_every_scenario_is_drawn_for_the_example() -> None:
    for scenario in SCENARIOS:
        ways = [draw_blueprint(known("shop with log"), "x", str(i), scenario, 1) for i in range(30)]
        assert all(ways), scenario
        assert len({msgspec.json.encode(one) for one in ways}) > 20 or scenario == "no_tool_needed"
    recoveries = [draw_blueprint(known("shop"), "x", str(i), "error_recovery", 1) for i in range(150)]
    planned = {way for one in recoveries if one for way in one.failures.values()}
    assert planned >= {"timeout", "rate limit", "unavailable", "retry", "empty"}
    assert any(not one.failures for one in recoveries if one)  # an id that there is not


def test_a_created_id_feeds_a_later_call() -> None:
    links = set()
    for i in range(40):
        drawn = draw_blueprint(known("shop"), "x", str(i), "multi_tool_sequential", 1)
        assert drawn is not None
        first, second = drawn.rounds[0].steps
        links.add((first.calls[0].name, second.calls[0].name, *second.copied[0]))
    assert ("create_repair_ticket", "repair_status", "ticket_id") in links
    assert ("find_bikes", "book_rental", "bike_id") in links


def drawn_once(scenario: str = "multi_tool_sequential") -> Blueprint:
    found = draw_blueprint(known("shop"), "x", "tampered", scenario, 1)
    assert found is not None
    return found


def with_step(one: Blueprint, change: Callable[[Step], Step]) -> Blueprint:
    rounds = tuple(
        msgspec.structs.replace(r, steps=(change(r.steps[0]), *r.steps[1:])) if r.steps else r
        for r in one.rounds
    )
    return msgspec.structs.replace(one, rounds=rounds)


def with_call(change: Callable[[ToolCall], ToolCall]) -> Callable[[Step], Step]:
    return lambda step: msgspec.structs.replace(step, calls=(change(step.calls[0]), *step.calls[1:]))


TAMPERED: dict[str, tuple[Callable[[Blueprint], Blueprint], str]] = {
    "an unknown tool": (
        lambda b: with_step(b, with_call(lambda c: msgspec.structs.replace(c, name="sell_bike"))),
        "blueprint: calls 'sell_bike', which is not offered",
    ),
    "an argument too many": (
        lambda b: with_step(
            b, with_call(lambda c: ToolCall(c.name, {**c.arguments, "secret": "Anna"}, c.id))
        ),
        "secret: unknown argument",
    ),
    "another result": (
        lambda b: with_step(b, lambda s: msgspec.structs.replace(s, results=(ToolResult("{}"),))),
        "gives another result",
    ),
    "another state": (
        lambda b: msgspec.structs.replace(b, state="0" * 16),
        "replay: the state is another one",
    ),
    "another world": (lambda b: msgspec.structs.replace(b, seed="other"), "replay: "),
    "a failure more": (lambda b: msgspec.structs.replace(b, failures={0: "timeout"}), "gives another result"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_blueprint_that_does_not_replay_is_refused(case: str) -> None:
    change, why = TAMPERED[case]
    assert check(drawn_once(), known("shop")) == ""
    reason = check(change(drawn_once()), known("shop"))
    assert why in reason and "Anna" not in reason


# --- a teacher's plans


def proposal(scenario: str, rounds: int = 1) -> Any:
    return plan(propose.question(known("shop"), "seed", scenario, rounds))


def built(scenario: str, rounds: int, value: Any) -> Blueprint | str:
    return propose.blueprint(known("shop"), "x", "seed", scenario, rounds, value)


@pytest.mark.parametrize("scenario", propose.PROPOSED)
@pytest.mark.parametrize("rounds", [1, 3, 9])
def test_a_plan_is_run_and_its_references_filled(scenario: str, rounds: int) -> None:
    question = propose.question(known("shop"), "seed", scenario, rounds)
    assert question.schema is not None and question == propose.question(
        known("shop"), "seed", scenario, rounds
    )
    one = built(scenario, rounds, proposal(scenario, rounds))
    assert isinstance(one, Blueprint), one
    assert check(one, known("shop")) == "" and one.turns == rounds
    offered = {tool.name: list(tool.parameters["properties"]) for tool in one.tools}
    for made_call in (call for step in one.steps for call in step.calls):
        places = [offered[made_call.name].index(name) for name in made_call.arguments]
        assert places == sorted(places)
    if scenario in ("multi_tool_sequential", "complex_multi_step"):
        ticket, status = one.rounds[0].steps
        assert status.calls[0].arguments["ticket_id"] in ticket.results[0].content
        assert status.copied == (("ticket_id",),)
    assert sum(isinstance(part, Step) for part in script(one)) == len(list(one.steps))


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def steps(*wanted: list[dict[str, Any]]) -> dict[str, Any]:
    return {"goal": "g", "rounds": [{"wish": "w", "steps": list(wanted)}]}


HOURS = call("opening_hours", date="2025-04-07")
REFUSED: list[tuple[str, Any, str]] = [
    ("single_tool", None, "the answer is not a plan"),
    ("single_tool", "<html>Bad gateway</html>", "the answer is not a plan"),
    ("single_tool", {"goal": "g"}, "the answer is not a plan"),
    ("single_tool", {"goal": "g", "rounds": []}, "not the number of rounds"),
    ("single_tool", steps(), "or one without calls"),
    ("single_tool", steps([]), "or one without calls"),
    ("single_tool", steps([call("sell bike; Anna")]), "(no tool's name)\", which is not offered"),
    ("single_tool", steps([call("opening_hours", date=7)]), "call of 'opening_hours': date: "),
    ("single_tool", steps([call("get_booking", booking_id="B-00000")]), "call of 'get_booking' fails"),
    ("single_tool", steps([HOURS], [call("opening_hours", date="2025-04-08")]), "not single_tool"),
    ("multi_tool_parallel", steps([HOURS]), "not multi_tool_parallel"),
    ("multi_tool_parallel", steps([HOURS, HOURS]), "the same call of 'opening_hours' twice"),
    ("multi_tool_sequential", steps([HOURS], [call("opening_hours", date="2025-04-08")]), "not multi_tool_sequential"),
    ("multi_tool_sequential", steps([HOURS], [call("get_booking", booking_id="$1.booking_id")]),
     "call of 'get_booking' takes what no earlier call brings"),
    ("multi_tool_sequential", steps([HOURS], [call("get_booking", booking_id="$7.x")]), "takes what no earlier call"),
    ("complex_multi_step", steps([HOURS], [call("opening_hours", date="2025-04-08")]), "not complex_multi_step"),
]  # fmt: skip


@pytest.mark.parametrize(("scenario", "value", "why"), REFUSED)
def test_a_plan_that_is_not_one_is_refused(scenario: str, value: Any, why: str) -> None:
    reason = built(scenario, 1, value)
    assert isinstance(reason, str) and why in reason and "Anna" not in reason


@pytest.mark.parametrize(
    ("votes", "why"),
    [
        ([("b", "yes")], ""),
        ([("b", "yes"), ("c", "yes")], ""),
        ([("b", "yes"), ("c", "no")], "most say"),  # a tie is no majority
        ([("b", "yes"), ("c", "no"), ("d", "yes")], ""),
        ([("a", "yes"), ("b", "no")], "most say"),  # nobody votes on their own
        ([("a", "yes")], "nobody has voted"),
        ([("b", "maybe")], "nobody has voted"),
        ([("b", "maybe"), ("c", "yes")], ""),
        ([], "nobody has voted"),
    ],
)
def test_votes(votes: list[tuple[str, str]], why: str) -> None:
    answers = [Answer(name, value={"exact": word}) for name, word in votes]
    assert (why in propose.vote(answers, "a")) if why else propose.vote(answers, "a") == ""


def test_a_vote_that_failed_does_not_count() -> None:
    failed = Answer("b", value={"exact": "no"}, error="429")
    assert propose.vote([failed, Answer("c", value={"exact": "yes"})], "a") == ""


def test_of_many_tools_those_of_one_thing_are_offered_together() -> None:
    """Fifteen at random of a hundred would seldom hold a create and the get that finds what it made."""
    nouns = [
        f"{a}{b}" for a in ("lamp", "desk", "door", "roof", "pipe") for b in ("ring", "port", "ward", "mark")
    ]
    tools = []
    for noun in nouns:
        id = {f"{noun}_id": {"type": "string"}}
        tools += [made(f"create_{noun}", {"size": {"type": "integer"}}), made(f"get_{noun}", id)]
        tools += [made(f"delete_{noun}", id), made(f"update_{noun}", id | {"size": {"type": "integer"}})]
    domain = build(tools)
    for seed in range(5):
        names = offer(domain, Rand(seed))
        assert len(names) == len(set(names)) == 15
        kinds = Counter(domain.roles.of[name].kind for name in names)
        assert sum(count == 4 for count in kinds.values()) == 3
    drawn = draw_blueprint(domain, "x", "s", "multi_tool_sequential", 1)
    assert drawn is not None and check(drawn, domain) == ""
