"""Conversations written without a model: schemas, typed values and a grammar of phrasings.

    from toolfinch.data.synthesize import synthesize
    for conversation in synthesize(1000, seed=1): ...

`synthesize` knows the fifteen built-in tools well; `from_schemas` takes any tools. Every gold call is known by
construction. The worlds `train` and `heldout` share no phrasing and no value pool, and the held-out tools are
in neither. Left out: requests that only a person would think of; for those, see the teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from toolfinch.data.synthesize.compose import compose, fits
from toolfinch.data.synthesize.flow import complex_multi_step, multi_tool_sequential
from toolfinch.data.synthesize.grammar import World
from toolfinch.data.synthesize.linked import linked
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.reason import any_reasoning, reasoning_heavy
from toolfinch.data.synthesize.recover import error_recovery
from toolfinch.data.synthesize.request import Asking, Request
from toolfinch.data.synthesize.scenarios import multi_tool_parallel, no_tool_needed, single_tool
from toolfinch.data.synthesize.schema_skill import schema_skill
from toolfinch.data.synthesize.skill import builtin_skills
from toolfinch.errors import UsageError
from toolfinch.example import Conversation
from toolfinch.tool import Tool

__all__ = ["WEIGHTS", "conversation", "from_schemas", "synthesize"]

Writer = Callable[[Asking], Request | None]
WRITERS: dict[str, Writer] = {
    "single_tool": single_tool,
    "multi_tool_parallel": multi_tool_parallel,
    "multi_tool_sequential": multi_tool_sequential,
    "no_tool_needed": no_tool_needed,
    "error_recovery": error_recovery,
    "reasoning_heavy": reasoning_heavy,
    "complex_multi_step": complex_multi_step,
}
ANY_WRITERS: dict[str, Writer] = {
    **WRITERS,
    "multi_tool_sequential": lambda asking: linked(asking, 2),
    "reasoning_heavy": any_reasoning,
    "complex_multi_step": lambda asking: linked(asking, 3),
}
"""The same for tools without chains and puzzles of their own."""
WEIGHTS: dict[str, float] = {
    "single_tool": 0.20,
    "multi_tool_parallel": 0.16,
    "multi_tool_sequential": 0.15,
    "no_tool_needed": 0.22,
    "error_recovery": 0.08,
    "reasoning_heavy": 0.10,
    "complex_multi_step": 0.09,
}
"""How often each scenario is drawn, per request."""


def synthesize(
    n: int,
    *,
    seed: int,
    world: World = "train",
    tools: Sequence[str] | None = None,
    scenarios: Mapping[str, float] = WEIGHTS,
    requests: tuple[int, int] = (1, 4),
    vary_schema: float = 0.5,
) -> Iterator[Conversation]:
    """`n` conversations over the built-in tools, the same for the same arguments on every machine.

    tools: names of built-in tools to use; all of them by default.
    scenarios: weights by scenario.
    requests: least and most independent requests in one conversation.
    vary_schema: the share of conversations whose schemas are renamed and reworded; none in the held-out world.
    Raises UsageError for an unknown tool or scenario.
    """
    skills = builtin_skills(world)
    for name in tools or ():
        if name not in skills:
            raise UsageError(f"tools: {name!r} is not a built-in tool")
    for name in scenarios:
        if name not in WRITERS:
            raise UsageError(f"scenarios: {name!r} is not one of {', '.join(WRITERS)}")
    chosen = skills if tools is None else {name: skills[name] for name in tools}
    source = f"synthesize/{world}/{seed}"
    for i in range(n):
        asking = Asking(Rand(f"{world}/{seed}/{i}"), world, chosen, skills)
        yield conversation(
            f"{world}-{seed}-{i}",
            asking,
            WRITERS,
            scenarios,
            requests,
            source=source,
            vary_schema=vary_schema,
        )


def from_schemas(
    tools: Sequence[Tool],
    n: int,
    seed: int,
    *,
    scenarios: Mapping[str, float] = WEIGHTS,
    requests: tuple[int, int] = (1, 4),
) -> Iterator[Conversation]:
    """`n` conversations over any tools, worded from their names, descriptions and parameters.

    Scenarios that the tools do not allow (two tools where there is one) are left out. Raises UsageError for
    no tools, or naming the tool and the parameter for a required one that no value can be made for.
    """
    if not tools:
        raise UsageError("tools: there are none")
    skills = {tool.name: schema_skill(tool, "train") for tool in tools}
    for i in range(n):
        asking = Asking(Rand(f"schemas/{seed}/{i}"), "train", skills, skills)
        yield conversation(
            f"schemas-{seed}-{i}", asking, ANY_WRITERS, scenarios, requests, source=f"from_schemas/{seed}"
        )


def conversation(
    name: str,
    asking: Asking,
    writers: Mapping[str, Writer],
    scenarios: Mapping[str, float],
    how_many: tuple[int, int],
    *,
    source: str,
    tags: tuple[str, ...] = (),
    vary_schema: float = 0.0,
) -> Conversation:
    """One conversation of as many requests as are drawn and can stand together."""
    rand = asking.rand
    weights = tuple(scenarios.items())
    count = rand.between(*how_many)
    written: list[Request] = []
    for _ in range(60):
        request = writers[rand.weighted(weights)](asking)
        if request is not None and fits(written, request, asking.names):
            written.append(request)
        if len(written) == count:
            break
    if not written:
        raise UsageError(f"no drawn scenario can be written with only {', '.join(asking.names)}")
    system = "".join(request.system for request in written)
    if not system and rand.chance(0.15):
        system = asking.say(asking.shared("common", "system"))
    tools = [skill.tool for skill in asking.skills.values()]
    return compose(
        name, written, tools, rand, source=source, system=system, tags=tags, vary_schema=vary_schema
    )
