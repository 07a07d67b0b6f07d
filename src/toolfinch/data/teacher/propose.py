"""Blueprints that a teacher proposes: a goal and its calls, which are then run in the world; and the vote on them.

A teacher cannot know what a call will bring, so a later argument names it: `$1.booking_id` is what the first call's
result holds under that name. What does not fit a schema, fails, or is not what was asked for is dropped with its
reason. Teachers that did not propose it then say whether the goal needs exactly these calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.teacher.blueprint import Blueprint, Round, Step, check
from toolfinch.data.teacher.domain import Domain, objects
from toolfinch.data.teacher.drawing import offer
from toolfinch.data.teacher.question import Answer, Question
from toolfinch.data.teacher.world import World
from toolfinch.message import ToolCall, ToolResult, canonical, system, user
from toolfinch.schema import violations
from toolfinch.tool import Tool, shown

PURPOSE = "synthesize-blueprint/1"
REVIEW = "synthesize-review/1"
PROPOSED = {
    "single_tool": "One round with one call.",
    "multi_tool_parallel": "One round with one step of two or three calls that do not need each other's results.",
    "multi_tool_sequential": "One round with two steps: the second call takes a value from the first one's result.",
    "complex_multi_step": "Two or more calls; later ones build on what earlier ones brought, also in later rounds.",
}
"""What is asked for, by scenario. The others are drawn: a failure, or a value to be worked out, has to be planned."""
MOST_STEPS = 5
MOST_CALLS = 4
_VALUE = re.compile(r"\$(\d{1,2})\.([\w-]{1,64})")
_RULES = """You plan one conversation between a user and an assistant that has the functions below. Say what the user \
wants in the whole (goal), and in each round what the user asks for (wish) and the calls that this needs, step by \
step; the calls of one step are made at the same time. Use only records that are listed, or that a call of yours \
creates, and realistic values. Where an argument is what an earlier call brings, write $N.field: the field of the \
result of call N, counted from 1 over the whole conversation. Plan no call that fails and none twice. Answer with JSON."""
_REVIEW = """You check plans for an assistant's test conversations. Given its functions, what a user wants, and the \
planned calls with their results, say whether doing it needs exactly these calls with these arguments: none missing, \
none too many, none wrong, every argument said by the user or brought by an earlier call. Answer with JSON."""


class _Call(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, Any]


class _Round(msgspec.Struct, frozen=True):
    wish: str
    steps: tuple[tuple[_Call, ...], ...]


class _Proposal(msgspec.Struct, frozen=True):
    goal: str
    rounds: tuple[_Round, ...]


class _Vote(msgspec.Struct, frozen=True):
    exact: Literal["yes", "no"]


def offered(domain: Domain, seed: str) -> tuple[Tool, ...]:
    """The tools of a proposed conversation: all, or 15 of them."""
    return tuple(domain.tools[name] for name in offer(domain, Rand(f"{seed}/offered")))


def question(domain: Domain, seed: str, scenario: str, rounds: int) -> Question:
    """Ask for a blueprint."""
    tools = offered(domain, seed)
    lines = ["Functions:"]
    lines += [f"- {t.name}: {t.description} Parameters: {canonical(t.parameters).decode()}" for t in tools]
    world = World(domain, seed)
    for kind in sorted(domain.roles.ids):
        for record in world.records(kind):
            lines.append(f"{kind}: {canonical(record).decode()}")
    lines.append(f"{PROPOSED[scenario]} {rounds} round{'s' if rounds > 1 else ''}.")
    call = {
        "type": "object",
        "properties": {"name": {"enum": [t.name for t in tools]}, "arguments": {"type": "object"}},
        "required": ["name", "arguments"],
    }
    step = {"type": "array", "items": call, "minItems": 1, "maxItems": MOST_CALLS}
    one = {
        "type": "object",
        "properties": {
            "wish": {"type": "string", "minLength": 1},
            "steps": {"type": "array", "items": step, "minItems": 1, "maxItems": MOST_STEPS},
        },
        "required": ["wish", "steps"],
    }
    schema = {
        "type": "object",
        "properties": {
            "goal": {"type": "string", "minLength": 1},
            "rounds": {"type": "array", "items": one, "minItems": rounds, "maxItems": rounds},
        },
        "required": ["goal", "rounds"],
    }
    messages = (system(_RULES), user("\n".join(lines)))
    return Question(PURPOSE, messages, schema=schema, temperature=0.7, max_tokens=512 + 256 * rounds)


def blueprint(domain: Domain, id: str, seed: str, scenario: str, rounds: int, value: Any) -> Blueprint | str:
    """Run a proposal in the world: the blueprint, or why there is none."""
    try:
        proposal = msgspec.convert(value, _Proposal)
    except msgspec.ValidationError:
        return "blueprint: the answer is not a plan"
    if len(proposal.rounds) != rounds or not all(one.steps and all(one.steps) for one in proposal.rounds):
        return "blueprint: not the number of rounds, or one without calls"
    world = World(domain, seed)
    known = {t.name: t for t in offered(domain, seed)}
    results: list[ToolResult] = []
    made: list[ToolCall] = []
    planned: list[Round] = []
    for one in proposal.rounds:
        steps: list[Step] = []
        for wanted in one.steps:
            step = _run(wanted, world, known, results, made)
            if isinstance(step, str):
                return step
            steps.append(step)
            made += step.calls
            results += step.results
        planned.append(Round("act", _scenario(steps), one.wish, tuple(steps)))
    if not _is(planned, scenario):
        return f"blueprint: not {scenario}"
    tools = tuple(known.values())
    plan = Blueprint(id, seed, scenario, tools, proposal.goal, tuple(planned), world.state())
    return check(plan, domain) or plan


def _run(
    wanted: Sequence[_Call],
    world: World,
    known: dict[str, Tool],
    results: Sequence[ToolResult],
    made: Sequence[ToolCall],
) -> Step | str:
    """Run the calls of one step. Why it cannot be, where one of them is not offered, does not fit or fails."""
    calls: list[ToolCall] = []
    copied: list[tuple[str, ...]] = []
    for one in wanted:
        if one.name not in known:
            return f"blueprint: calls {shown(one.name)!r}, which is not offered"
        try:
            filled = {name: _filled(value, results) for name, value in one.arguments.items()}
        except LookupError:
            return f"blueprint: call of {one.name!r} takes what no earlier call brings"
        order = (*known[one.name].parameters["properties"], *filled)  # as all gold calls are written
        arguments = {name: filled[name] for name in order if name in filled}
        call = ToolCall(one.name, arguments, f"call_{len(made) + len(calls)}")
        if wrong := violations(known[one.name], arguments):
            return f"blueprint: call of {one.name!r}: {wrong[0]}"
        if any(call.same(other) for other in (*made, *calls)):
            return f"blueprint: the same call of {one.name!r} twice"
        calls.append(call)
        copied.append(tuple(name for name, value in one.arguments.items() if arguments[name] != value))
    brought = [world.run(call) for call in calls]
    for call, result in zip(calls, brought, strict=True):
        if result.is_error:
            return f"blueprint: call of {call.name!r} fails"
    return Step(tuple(calls), tuple(brought), tuple(copied))


def _filled(value: Any, results: Sequence[ToolResult]) -> Any:
    """A value in which `$1.booking_id` is what the first result holds. Raises LookupError where it holds none."""
    match value:
        case str() as text if found := _VALUE.fullmatch(text):
            number = int(found[1]) - 1
            if not 0 <= number < len(results):
                raise LookupError(text)
            try:
                payload = msgspec.json.decode(results[number].content)
            except msgspec.DecodeError as error:
                raise LookupError(text) from error
            held = [item[found[2]] for item in objects(payload) if found[2] in item]
            return held[0]
        case dict() as members:
            return {name: _filled(member, results) for name, member in members.items()}
        case list() as items:
            return [_filled(item, results) for item in items]
    return value


def _scenario(steps: Sequence[Step]) -> str:
    if len(steps) == 1:
        return "single_tool" if len(steps[0].calls) == 1 else "multi_tool_parallel"
    return "multi_tool_sequential" if len(steps) == 2 else "complex_multi_step"


def _is(rounds: Sequence[Round], scenario: str) -> bool:
    """Whether the plan is of the scenario: its first round is, or it has several dependent calls."""
    if scenario != "complex_multi_step":
        return rounds[0].scenario == scenario and (
            scenario != "multi_tool_sequential" or any(rounds[0].steps[1].copied)
        )
    return any(any(copied) for one in rounds for step in one.steps for copied in step.copied)


def review(plan: Blueprint) -> Question:
    """Ask whether a plan's goal needs exactly its calls."""
    lines = [f"- {t.name}: {t.description} {canonical(t.parameters).decode()}" for t in plan.tools]
    lines.append(f"The user wants: {plan.goal}")
    for one in plan.rounds:
        lines.append(f"The user asks: {one.intent}")
        for step in one.steps:
            for call, result in zip(step.calls, step.results, strict=True):
                lines.append(f"CALL {call.name} {canonical(call.arguments).decode()}")
                lines.append(f"RESULT {result.content}")
    schema = {
        "type": "object",
        "properties": {"why": {"type": "string"}, "exact": {"enum": ["yes", "no"]}},
        "required": ["exact"],
    }
    return Question(REVIEW, (system(_REVIEW), user("\n".join(lines))), schema=schema, max_tokens=256)


def vote(answers: Iterable[Answer], proposer: str) -> str:
    """Why a plan is dropped: most of those that did not propose it are not for it. A tie is no majority."""
    votes: list[bool] = []
    for answer in answers:
        if answer.teacher == proposer or answer.error:
            continue
        try:
            votes.append(msgspec.convert(answer.value, _Vote).exact == "yes")
        except msgspec.ValidationError:
            continue
    if not votes:
        return "review: nobody has voted"
    return (
        ""
        if sum(votes) * 2 > len(votes)
        else "review: most say that the goal does not need exactly these calls"
    )
