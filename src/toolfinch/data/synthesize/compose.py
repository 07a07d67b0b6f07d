"""Requests into a conversation: which tools are offered, under which schemas, and every turn's mark."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.request import Call, Request, Said
from toolfinch.data.synthesize.vary import Variation, same, vary
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, tool
from toolfinch.tool import Tool

MOST = 15
"""Tools offered at once."""


def offer(requests: Sequence[Request], tools: Sequence[Tool], rand: Rand) -> list[Tool]:
    """The needed tools and some distractors, shuffled. None that a declined request could use."""
    needed = {name for request in requests for name in request.needed()}
    absent = {name for request in requests for name in request.absent}
    offered = [t for t in tools if t.name in needed]
    spare = [t for t in tools if t.name not in needed and t.name not in absent]
    room = min(len(spare), MOST - len(offered))
    least = 0 if offered else 1
    if room > 0:
        count = max(least, rand.between(0, min(room, 4)) if rand.chance(0.6) else rand.between(0, room))
        offered += rand.sample(spare, min(count, room))
    rand.shuffle(offered)
    return offered


def fits(requests: Sequence[Request], another: Request, tools: Collection[str]) -> bool:
    """Whether a further request agrees with the others on which of the tools are offered and which are not."""
    needed = {name for request in (*requests, another) for name in request.needed()}
    absent = {name for request in (*requests, another) for name in request.absent}
    systems = [request.system for request in (*requests, another) if request.system]
    left = any(name not in absent for name in tools)
    return left and not needed & absent and len(needed) <= MOST and len(systems) <= 1


def compose(
    name: str,
    requests: Sequence[Request],
    tools: Sequence[Tool],
    rand: Rand,
    *,
    source: str,
    system: str = "",
    tags: tuple[str, ...] = (),
    vary_schema: float = 0.0,
) -> Conversation:
    """One conversation. Raises nothing: requests that do not `fits` together are the caller's mistake."""
    used: dict[str, set[str]] = {}
    for request in requests:
        for call in request.calls():
            used.setdefault(call.tool, set()).update(call.args)
    varied = rand.chance(vary_schema)
    variations: dict[str, Variation] = {}
    taken: set[str] = set()
    for each in offer(requests, tools, rand):
        changes = varied and rand.chance(0.85)
        variation = vary(each, used.get(each.name, set()), rand, taken) if changes else same(each)
        if variation.tool.name in taken:
            variation = vary(each, used.get(each.name, set()), rand, taken)
        taken.add(variation.tool.name)
        variations[each.name] = variation
    messages: list[Message] = []
    marks: dict[int, Mark] = {}
    if system:
        messages.append(Message("system", system))
    for request in requests:
        _add(request, variations, messages, marks, requests[0].scenario)
    return Conversation(
        name,
        tuple(v.tool for v in variations.values()),
        tuple(messages),
        requests[0].scenario,
        source,
        tags,
        marks,
    )


def _add(
    request: Request,
    variations: dict[str, Variation],
    messages: list[Message],
    marks: dict[int, Mark],
    main: str,
) -> None:
    for i, turn in enumerate(request.turns):
        scenario = request.scenario if i < request.later[0] else request.later[1]
        shown = "" if scenario == main else scenario
        if isinstance(turn, str):
            messages.append(Message("user", turn))
        elif isinstance(turn, Said):
            marks[len(messages)] = Mark(turn.kind, scenario=shown)
            messages.append(Message("assistant", turn.text))
        else:
            _call(turn, variations, messages, marks, shown)


def _call(
    calls: tuple[Call, ...],
    variations: dict[str, Variation],
    messages: list[Message],
    marks: dict[int, Mark],
    scenario: str,
) -> None:
    made: list[ToolCall] = []
    accept = []
    optional = []
    for call in calls:
        variation = variations[call.tool]
        names = variation.names
        args = variation.arguments(call.args)
        made.append(ToolCall(variation.tool.name, args, f"call_{len(messages)}_{len(made)}"))
        accept.append({names[old]: values for old, values in call.accept.items() if old in names})
        properties = variation.tool.parameters["properties"]
        optional.append(
            tuple(n for n, v in args.items() if "default" in properties[n] and properties[n]["default"] == v)
        )
    marks[len(messages)] = Mark(
        "call",
        tuple(accept) if any(accept) else (),
        tuple(optional) if any(optional) else (),
        scenario=scenario,
    )
    messages.append(Message("assistant", "", tuple(made)))
    for one, call in zip(made, calls, strict=True):
        messages.append(tool(call.result.content, one.id, one.name, is_error=call.result.is_error))
